-- Deleting what is stored of a user, in batches. The caller holds the user's lock.

CREATE FUNCTION wearables_internal.erase_samples(
  user_id bigint, most integer, INOUT next_metric smallint, INOUT next_ts timestamptz, OUT deleted bigint)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_erase_samples';
COMMENT ON FUNCTION wearables_internal.erase_samples(bigint, integer, smallint, timestamptz) IS
  'Deletes about so many samples of a user, in the order of the key from the given place on. Returns the place to go '
  'on from and the number of deleted samples.';

CREATE FUNCTION wearables_internal.erase_documents(
  user_id bigint, most integer, OUT deleted bigint, OUT event_ids bigint[], OUT received_ats timestamptz[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  WITH gone AS (
    DELETE FROM wearables.summaries s
    USING (SELECT x.resource, x.identity FROM wearables.summaries x
           WHERE x.user_id = $1 ORDER BY x.resource, x.identity LIMIT most) k
    WHERE s.user_id = $1 AND s.resource = k.resource AND s.identity = k.identity
    RETURNING s.event_id, s.event_received_at)
  SELECT (SELECT count(*) FROM gone), coalesce(array_agg(g.event_id), '{}'),
         coalesce(array_agg(g.event_received_at), '{}')
  INTO deleted, event_ids, received_ats
  FROM (SELECT DISTINCT o.event_id, o.event_received_at FROM gone o) g;
END $$;
COMMENT ON FUNCTION wearables_internal.erase_documents(bigint, integer) IS
  'Deletes at most so many documents of a user. Returns their number, and the events that they came from.';
