-- Writing again.

CREATE TYPE wearables.replay_totals AS (
  events bigint, processed bigint, skipped bigint, parked bigint, failed bigint,
  inserted bigint, changed bigint, confirmed bigint, unchanged bigint, stale bigint, quarantined bigint,
  removed bigint);
COMMENT ON TYPE wearables.replay_totals IS
  'what a replay did: events by outcome, readings by what became of them, samples removed that the mappings no longer '
  'yield';

CREATE FUNCTION wearables_internal.replay_step(internal, bigint) RETURNS internal
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_replay_step';
COMMENT ON FUNCTION wearables_internal.replay_step(internal, bigint) IS 'replay(): gathers event ids';
CREATE FUNCTION wearables_internal.replay_final(internal) RETURNS wearables.replay_totals
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_replay_final';
COMMENT ON FUNCTION wearables_internal.replay_final(internal) IS
  'replay(): applies the gathered events, newest version first';

CREATE AGGREGATE wearables.replay(bigint) (
  SFUNC = wearables_internal.replay_step, STYPE = internal, FINALFUNC = wearables_internal.replay_final,
  FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE wearables.replay(bigint) IS
  'write the samples of these events again under the present mappings, in one transaction, newest version first: '
  'SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE ...';
