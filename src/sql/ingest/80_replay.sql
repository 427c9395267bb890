-- Writing again.

CREATE TYPE wearables.replay_totals AS (
  events bigint, processed bigint, skipped bigint, parked bigint, failed bigint,
  inserted bigint, changed bigint, confirmed bigint, unchanged bigint, stale bigint, quarantined bigint,
  removed bigint);
COMMENT ON TYPE wearables.replay_totals IS
  'Result of a replay: number of events by status, of their readings by result, and of removed samples. The '
  'columns are those of webhook_events; removed counts samples that the mappings no longer yield.';

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
