-- Telling clients that samples changed: NOTIFY wearables_samples (pg/live/live.h).

CREATE FUNCTION wearables_internal.note_all_changed(user_id bigint) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_note_all_changed';
COMMENT ON FUNCTION wearables_internal.note_all_changed(bigint) IS
  'If wearables_ingest.notify_samples is set, a notification wearables_samples follows after the commit, about all '
  'samples of a user.';
