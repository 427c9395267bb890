-- Writing again.

CREATE TYPE wearables.replay_totals AS (
  events bigint, processed bigint, skipped bigint, parked bigint, failed bigint,
  inserted bigint, changed bigint, confirmed bigint, unchanged bigint, stale bigint, quarantined bigint,
  removed bigint);
COMMENT ON TYPE wearables.replay_totals IS
  'Result of a replay: number of events by status, of their readings by result, and of removed samples. The '
  'columns are those of webhook_events; removed counts samples that the mappings no longer yield.';
COMMENT ON COLUMN wearables.replay_totals.events IS
  'Events that were found. A number that is given twice counts once.';
COMMENT ON COLUMN wearables.replay_totals.processed IS 'Events whose readings are written.';
COMMENT ON COLUMN wearables.replay_totals.skipped IS 'Events that hold nothing to be stored.';
COMMENT ON COLUMN wearables.replay_totals.parked IS 'Events whose user is not registered.';
COMMENT ON COLUMN wearables.replay_totals.failed IS 'Events that could not be processed: see webhook_events.error.';
COMMENT ON COLUMN wearables.replay_totals.inserted IS 'Readings written under a new key.';
COMMENT ON COLUMN wearables.replay_totals.changed IS 'Readings that replaced another value of a lower version.';
COMMENT ON COLUMN wearables.replay_totals.confirmed IS 'Readings whose value was stored already, at a lower version.';
COMMENT ON COLUMN wearables.replay_totals.unchanged IS 'Readings that were stored already, at the same version.';
COMMENT ON COLUMN wearables.replay_totals.stale IS
  'Readings that were not written because a higher version is stored, or a later reading of the same body.';
COMMENT ON COLUMN wearables.replay_totals.quarantined IS 'Readings that were refused: see quarantine.';
COMMENT ON COLUMN wearables.replay_totals.removed IS
  'Samples that were deleted because the mappings no longer yield them.';

CREATE FUNCTION wearables_internal.replay_step(internal, bigint) RETURNS internal
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_replay_step';
COMMENT ON FUNCTION wearables_internal.replay_step(internal, bigint) IS
  'Transition function of replay(): collects event ids.';
CREATE FUNCTION wearables_internal.replay_final(internal) RETURNS wearables.replay_totals
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_replay_final';
COMMENT ON FUNCTION wearables_internal.replay_final(internal) IS
  'Final function of replay(): processes the collected events, the newest version first.';

CREATE AGGREGATE wearables.replay(bigint) (
  SFUNC = wearables_internal.replay_step, STYPE = internal, FINALFUNC = wearables_internal.replay_final,
  FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE wearables.replay(bigint) IS
  'Processes stored events again under the current mappings, in this transaction, and returns one row of totals. '
  'Its argument is webhook_events.event_id. Samples that the mappings no longer yield are removed. The transaction '
  'locks all users of these events until it ends, so replay a large number in parts, the newest first. An event '
  'whose body cannot be read becomes failed and does not end the replay. Example: SELECT '
  '(wearables.replay(event_id)).* FROM wearables.webhook_events WHERE resource = ''sleep'' AND revision < '
  'wearables.revision();';
