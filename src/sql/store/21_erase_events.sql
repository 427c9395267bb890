-- Deleting raw events with all that hangs on them. Planned once and for indexes: each statement is over all partitions,
-- and may first be run while they are empty. Who finds some at a time goes on in the week where the last ones were, and
-- reads no bitmap, which would be of all events of the week: the entries of those that are deleted stay until vacuum.

CREATE FUNCTION wearables_internal.erase_events(
  event_ids bigint[], received_ats timestamptz[], OUT erased bigint, OUT bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  jobs bigint[];
  taken bigint[];
  keys bigint[];
BEGIN
  -- An event whose job is locked is left: whoever works on it sees that its user was erased, and calls this for it.
  jobs := ARRAY(SELECT j.job_id FROM wearables.jobs j
                WHERE j.dedupe_key = ANY (ARRAY(SELECT 'event:' || i FROM unnest($1) i))
                  AND j.state IN ('ready', 'running'));
  taken := ARRAY(SELECT j.job_id FROM wearables.jobs j WHERE j.job_id = ANY (jobs) FOR UPDATE SKIP LOCKED);
  keys := ARRAY(SELECT i FROM unnest($1) i
                WHERE i <> ALL (ARRAY(SELECT j.event_id FROM wearables.jobs j
                                      WHERE j.job_id = ANY (jobs) AND j.job_id <> ALL (taken))));
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (taken);
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (ARRAY(
    SELECT f.job_id FROM wearables.jobs f WHERE f.state = 'failed' AND f.event_id = ANY (keys)
    FOR UPDATE SKIP LOCKED));
  WITH wanted AS MATERIALIZED (
    SELECT k.event_id, k.received_at FROM unnest($1, $2) k (event_id, received_at)
    WHERE k.received_at IS NOT NULL AND k.event_id = ANY (keys)
    UNION
    SELECT e.event_id, e.received_at FROM wearables.webhook_events e
    WHERE e.event_id = ANY (ARRAY(SELECT k.event_id FROM unnest($1, $2) k (event_id, received_at)
                                  WHERE k.received_at IS NULL AND k.event_id = ANY (keys)))),
  gone AS (
    DELETE FROM wearables.webhook_events e
    USING wanted w
    WHERE e.event_id = w.event_id AND e.received_at = w.received_at
    RETURNING e.event_id, e.endpoint, e.message_id, octet_length(e.payload) AS size),
  ledger AS (
    DELETE FROM wearables.deliveries d
    USING gone g
    WHERE d.endpoint = g.endpoint AND d.message_id = g.message_id AND d.event_id = g.event_id)
  SELECT count(*), coalesce(sum(g.size), 0) INTO erased, bytes FROM gone g;
  DELETE FROM wearables.parked_events p WHERE p.event_id = ANY (keys);
  DELETE FROM wearables.quarantine q WHERE q.event_id = ANY (keys);
  DELETE FROM wearables.connection_events c WHERE c.event_id = ANY (keys);
END $$;
COMMENT ON FUNCTION wearables_internal.erase_events(bigint[], timestamptz[]) IS
  'Deletes events with their rows in deliveries, jobs, parked_events, quarantine and connection_events. received_at '
  'may be null where it is not known. An event whose job another session has locked is left. Returns the number of '
  'deleted events and the size of their bodies.';

CREATE FUNCTION wearables_internal.find_events_of_user(
  user_id bigint, most integer, since timestamptz DEFAULT '-infinity')
RETURNS TABLE (event_id bigint, received_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  RETURN QUERY
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.user_id = $1 AND e.wrote_to IS NOT NULL AND e.received_at >= $3 LIMIT $2;
  -- these only when none of the others is left: to find that there are none takes reading all that have a zone
  IF FOUND AND $2 IS NOT NULL THEN RETURN; END IF;
  RETURN QUERY
  SELECT e.event_id, e.received_at FROM wearables.webhook_events e
  WHERE e.user_id = $1 AND e.user_zone IS NOT NULL AND e.wrote_to IS NULL AND e.received_at >= $3 LIMIT $2;
END $$;
COMMENT ON FUNCTION wearables_internal.find_events_of_user(bigint, integer, timestamptz) IS
  'Some events that wrote samples of a user, or were placed by the user''s time zone (most null: all), received since '
  'a time, week by week. No row: there are none.';

CREATE FUNCTION wearables_internal.find_events_of_id(
  endpoint text, id text, most integer, since timestamptz DEFAULT '-infinity')
RETURNS TABLE (event_id bigint, received_at timestamptz, sent_by text, external_user_id text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
  IF $1 <> '' THEN
    RETURN QUERY
    SELECT e.event_id, e.received_at, e.endpoint::text, e.external_user_id::text FROM wearables.webhook_events e
    WHERE e.external_user_id = $2 AND e.endpoint = $1 AND e.received_at >= $4 LIMIT $3;
    RETURN;
  END IF;
  -- What was processed under an external user id too has linked it. Of what another user is linked to, it is theirs.
  RETURN QUERY
  SELECT e.event_id, e.received_at, e.endpoint::text, e.external_user_id::text FROM wearables.webhook_events e
  WHERE e.client_user_id = $2 AND (e.external_user_id IS NULL OR e.status IN ('skipped', 'failed'))
    AND e.received_at >= $4
    AND NOT EXISTS (SELECT FROM wearables.user_links l
                    WHERE l.endpoint = e.endpoint AND l.external_user_id = e.external_user_id) LIMIT $3;
END $$;
COMMENT ON FUNCTION wearables_internal.find_events_of_id(text, text, integer, timestamptz) IS
  'Some events that name an external user id at an endpoint or, with an empty endpoint, a client user id (most null: '
  'all), received since a time, week by week. Finds them through indexes.';

-- A body in which no user can be read may be about anybody: it is not kept for long.
CREATE FUNCTION wearables.delete_unassignable_events(older_than interval DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  most CONSTANT integer := 10000;
  age interval := $1;
  ids bigint[];
  seen timestamptz[];
BEGIN
  IF age <= interval '0' THEN
    RAISE EXCEPTION 'cannot delete events older than "%"', age
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a positive interval, or null for the setting.';
  END IF;
  IF age IS NULL THEN
    -- the setting is the library's
    PERFORM wearables_internal.library_version();
    age := current_setting('wearables_ingest.unassignable_retention')::interval;
    IF age <= interval '0' THEN RETURN 0; END IF;
  END IF;
  SELECT array_agg(x.event_id), array_agg(x.received_at) INTO ids, seen
  FROM (SELECT e.event_id, e.received_at FROM wearables.webhook_events e
        WHERE e.client_user_id IS NULL AND e.external_user_id IS NULL AND e.status IN ('skipped', 'failed')
          AND e.received_at < clock_timestamp() - age LIMIT most) x;
  RETURN coalesce((SELECT r.erased FROM wearables_internal.erase_events(ids, seen) r), 0);
END $$;
COMMENT ON FUNCTION wearables.delete_unassignable_events(interval) IS
  'Deletes processed events in which no user could be read, because no erasure would find them. Arguments: '
  'older_than: age from which they are deleted (null: wearables_ingest.unassignable_retention, 0 of which deletes '
  'none). Returns the number of deleted events, at most 10000 in one call. A worker calls it once an hour. Without a '
  'worker, schedule it with pg_cron. Example: SELECT wearables.delete_unassignable_events();';
