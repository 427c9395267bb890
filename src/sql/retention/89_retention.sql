-- What the policies would drop, and the calls that have it dropped (89_retention_work.sql).

CREATE FUNCTION wearables_internal.drop_samples(
  user_id bigint, metric_id smallint, before timestamptz, keep_rollups boolean, most integer,
  OUT deleted bigint, OUT bytes bigint, OUT more boolean)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_drop_samples';
COMMENT ON FUNCTION wearables_internal.drop_samples(bigint, smallint, timestamptz, boolean, integer) IS
  'Deletes about so many samples of a user and metric before 00:00 UTC of a day, in whole days, and freezes their '
  'rollups if they are to be kept. The caller holds the user''s lock.';

CREATE FUNCTION wearables_internal.retention_cutoff(keep_days integer) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN date_trunc('day', statement_timestamp(), 'UTC') - make_interval(hours => 24 * keep_days);
COMMENT ON FUNCTION wearables_internal.retention_cutoff(integer) IS '00:00 UTC of the first day that is kept.';

CREATE FUNCTION wearables_internal.governed_metrics(all_policies boolean)
RETURNS TABLE (metric_id smallint, policy_id integer, keep_days integer, keep_rollups boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH RECURSIVE up (metric_id, name, parent, depth) AS (
    SELECT m.metric_id, m.name, m.parent, 0 FROM wearables.metrics m
    UNION ALL
    SELECT u.metric_id, m.name, m.parent, u.depth + 1 FROM up u JOIN wearables.metrics m ON m.name = u.parent
    WHERE u.depth < 10)
  SELECT DISTINCT ON (u.metric_id) u.metric_id, p.policy_id, p.keep_days, p.keep_rollups
  FROM up u
  JOIN wearables.retention_policies p ON p.target = 'samples' AND (p.metric = u.name OR p.metric IS NULL)
  WHERE p.enabled OR $1
  ORDER BY u.metric_id, p.metric IS NULL, u.depth;
END;
COMMENT ON FUNCTION wearables_internal.governed_metrics(boolean) IS
  'Which policy holds for the samples of each metric: its own, else that of its nearest parent, else that of all '
  'metrics. Disabled ones count if all_policies.';

-- What of a small table a policy covers, as a condition on its row x; $1: the cutoff, $2: the endpoint.
CREATE FUNCTION wearables_internal.retention_condition(target text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE target
  -- the time of a KSUID is in it, so that the event has its version also if it is delivered again; of others the ledger
  -- is kept for as long as the vendor can be asked to send them again
  WHEN 'deliveries' THEN
    'x.last_seen < $1 AND (x.message_id ~ ''^msg_[0-9A-Za-z]{27}$'' '
    'OR x.last_seen < date_trunc(''day'', statement_timestamp(), ''UTC'') - interval ''2160 hours'') '
    'AND ($2 IS NULL OR x.endpoint = $2)'
  WHEN 'quarantine' THEN 'x.refused_at < $1 AND $2 IS NULL'
  WHEN 'accesses' THEN 'x.last_at < $1 AND $2 IS NULL'
  -- a former id of a person stays, since an erasure finds it there alone
  WHEN 'connection_events' THEN
    'x.at < $1 AND ($2 IS NULL OR x.endpoint = $2) AND (x.external_user_id IS NULL OR EXISTS ('
    'SELECT FROM wearables.user_links l WHERE l.endpoint = x.endpoint AND l.external_user_id = x.external_user_id '
    'AND l.user_id = x.user_id))'
  END;
COMMENT ON FUNCTION wearables_internal.retention_condition(text) IS
  'The condition under which a retention policy drops a row of deliveries, quarantine, connection_events or accesses. '
  'Of these the most specific policy is that of the endpoint.';

CREATE FUNCTION wearables_internal.old_weeks(all_policies boolean, since timestamptz DEFAULT '-infinity')
RETURNS TABLE (part regclass, starts timestamptz, ends timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD' SET TimeZone = 'UTC'
BEGIN ATOMIC
  SELECT b.part, b.starts, b.ends
  FROM (SELECT c.oid::regclass AS part, substring(x.bound FROM 'FROM [(]''([^'']+)''[)]')::timestamptz AS starts,
               substring(x.bound FROM 'TO [(]''([^'']+)''[)]')::timestamptz AS ends
        FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) x (bound)
        WHERE h.inhparent = 'wearables.webhook_events'::regclass AND c.relkind = 'r' AND NOT h.inhdetachpending) b
  WHERE b.ends > $2 AND b.ends <= (SELECT wearables_internal.retention_cutoff(min(p.keep_days))
                                   FROM wearables.retention_policies p
                                   WHERE p.target = 'webhook_events' AND (p.enabled OR $1));
END;
COMMENT ON FUNCTION wearables_internal.old_weeks(boolean, timestamptz) IS
  'Partitions of webhook_events that end after since and are older than the policy that keeps events for the shortest '
  'time.';

CREATE FUNCTION wearables_internal.judge_week(
  part regclass, starts timestamptz, ends timestamptz, all_policies boolean,
  OUT policy_id integer, OUT rows bigint, OUT bytes bigint, OUT blocked text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  waiting bigint;
  governed boolean;
  kept_days integer;
BEGIN
  EXECUTE format($q$
    WITH held AS (
      SELECT e.endpoint, e.resource, count(*) AS events,
             count(*) FILTER (WHERE e.status IN ('received', 'parked', 'failed')) AS waiting
      FROM %s e GROUP BY 1, 2),
    governed AS (
      SELECT h.events, h.waiting, g.policy_id, g.keep_days
      FROM held h
      LEFT JOIN LATERAL (
        SELECT p.policy_id, p.keep_days FROM wearables.retention_policies p
        WHERE p.target = 'webhook_events' AND (p.enabled OR $1)
          AND (p.endpoint = h.endpoint OR p.endpoint IS NULL) AND (p.resource = h.resource OR p.resource IS NULL)
        ORDER BY p.endpoint IS NULL, p.resource IS NULL LIMIT 1) g ON true
      UNION ALL
      -- of a week without events, too
      SELECT 0, 0, p.policy_id, p.keep_days FROM wearables.retention_policies p
      WHERE p.target = 'webhook_events' AND (p.enabled OR $1) AND p.endpoint IS NULL AND p.resource IS NULL)
    SELECT coalesce(sum(g.events), 0)::bigint, coalesce(sum(g.waiting), 0)::bigint,
           count(*) > 0 AND bool_and(g.policy_id IS NOT NULL), max(g.keep_days),
           (array_agg(g.policy_id ORDER BY g.keep_days DESC, g.policy_id))[1]
    FROM governed g$q$, part)
  INTO rows, waiting, governed, kept_days, policy_id USING $4;
  IF NOT governed OR ends > wearables_internal.retention_cutoff(kept_days) THEN
    policy_id := NULL;
    RETURN;
  END IF;
  bytes := pg_total_relation_size(part);
  IF waiting > 0 THEN
    blocked := format('%s: %s event(s) are received, parked or failed', part, waiting);
  ELSIF EXISTS (SELECT FROM wearables.jobs j WHERE j.received_at >= starts AND j.received_at < ends) THEN
    blocked := format('%s: jobs of its events are in the queue', part);
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.judge_week(regclass, timestamptz, timestamptz, boolean) IS
  'The policy by which a partition of webhook_events may be dropped, which is the one that keeps its events longest '
  '(null: it is to be kept); the number of its events and its size; and why it cannot be dropped (null: it can). Reads '
  'the partition in full.';

CREATE FUNCTION wearables_internal.old_partitions(all_policies boolean)
RETURNS TABLE (part regclass, ends timestamptz, policy_id integer, rows bigint, bytes bigint, blocked text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT w.part, w.ends, j.policy_id, j.rows, j.bytes, j.blocked
  FROM wearables_internal.old_weeks($1) w
  CROSS JOIN LATERAL wearables_internal.judge_week(w.part, w.starts, w.ends, $1) j
  WHERE j.policy_id IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.old_partitions(boolean) IS
  'Partitions of webhook_events all of whose events are older than their policies keep them: the policy that keeps '
  'them longest, their events and size, and why they cannot be dropped (null: they can).';

CREATE FUNCTION wearables.retention_plan()
RETURNS TABLE (policy_id integer, target text, object text, before timestamptz, drops_rows bigint, drops_bytes bigint,
               blocked text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  p record;
BEGIN
  RETURN QUERY
  WITH below AS MATERIALIZED (
    SELECT g.policy_id, g.metric_id, g.keep_rollups, m.name,
           greatest(wearables_internal.retention_cutoff(g.keep_days), f.floor) AS floor
    FROM wearables_internal.governed_metrics(true) g
    JOIN wearables.metrics m ON m.metric_id = g.metric_id
    LEFT JOIN wearables.retention_floors f ON f.metric_id = g.metric_id)
  SELECT b.policy_id, 'samples', b.name::text, b.floor, count(*), sum(pg_column_size(ROW(s.*)))::bigint, NULL::text
  FROM below b JOIN wearables.sample_points s ON s.metric_id = b.metric_id AND s.ts < b.floor
  GROUP BY b.policy_id, b.name, b.floor
  UNION ALL
  SELECT b.policy_id, 'samples', format('%s, frozen rollups', b.name), b.floor, count(*),
         sum(pg_column_size(ROW(r.*)))::bigint, NULL::text
  FROM below b JOIN wearables.frozen_rollups r ON r.metric_id = b.metric_id AND NOT b.keep_rollups
  GROUP BY b.policy_id, b.name, b.floor
  ORDER BY 1, 3;
  RETURN QUERY
  SELECT o.policy_id, 'webhook_events', o.part::text, o.ends, o.rows, o.bytes, o.blocked
  FROM wearables_internal.old_partitions(true) o ORDER BY o.policy_id, o.ends;
  FOR p IN
    SELECT x.* FROM wearables.retention_policies x
    WHERE x.target IN ('deliveries', 'quarantine', 'connection_events', 'accesses') ORDER BY x.policy_id LOOP
    policy_id := p.policy_id;
    target := p.target;
    object := p.endpoint;
    before := wearables_internal.retention_cutoff(p.keep_days);
    blocked := NULL;
    EXECUTE format('SELECT count(*), coalesce(sum(pg_column_size(ROW(x.*))), 0) FROM wearables.%I x WHERE %s AND %s',
                   p.target, wearables_internal.retention_condition(p.target),
                   wearables_internal.left_to_others(p.target, p.endpoint, true))
      INTO drops_rows, drops_bytes USING before, p.endpoint;
    IF drops_rows > 0 THEN RETURN NEXT; END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables.retention_plan() IS
  'What the retention policies would drop now, those that are not enabled included, one row for each metric, '
  'partition or table. Returns policy_id; target; object: the metric, the partition, or the endpoint of the policy; '
  'before: only what is older; drops_rows and drops_bytes: how many rows, and their size, of partitions with their '
  'indexes; blocked: why a partition is kept (null: it is not). No row: nothing. It reads sample_points in full. '
  'Example: SELECT * FROM wearables.retention_plan();';

CREATE FUNCTION wearables_internal.left_to_others(target text, endpoint text, all_policies boolean) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN $1 IN ('quarantine', 'accesses') OR $2 IS NOT NULL OR count(*) = 0 THEN 'true'
         ELSE format('(x.endpoint IS NULL OR x.endpoint <> ALL (%L::text[]))', array_agg(p.endpoint::text)) END
  FROM wearables.retention_policies p
  WHERE p.target = $1 AND p.endpoint IS NOT NULL AND (p.enabled OR $3);
END;
COMMENT ON FUNCTION wearables_internal.left_to_others(text, text, boolean) IS
  'The condition by which a policy of all endpoints leaves alone those that have a policy of their own.';

CREATE FUNCTION wearables_internal.queue_retention() RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM wearables.retention_policies p WHERE p.enabled AND p.next_at <= clock_timestamp())
         AND wearables_internal.enqueue_job('retention', 'retention', '{}', NULL, 10) IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.queue_retention() IS
  'Queues a job if a policy is due and none is queued. Returns whether it did.';

CREATE FUNCTION wearables.apply_retention() RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE wearables.retention_policies p SET next_at = clock_timestamp() WHERE p.enabled;
  RETURN wearables_internal.queue_retention();
END $$;
COMMENT ON FUNCTION wearables.apply_retention() IS
  'Applies all enabled retention policies now. A worker or drain() drops in batches what they do not keep: see '
  'dropped_rows and applied_at of retention_policies. Without a call they are applied once a day. Returns false if no '
  'policy is enabled, or if they are being applied already. Example: SELECT wearables.apply_retention();';

CREATE FUNCTION wearables.raise_retention_floor(before date, metric text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  raised integer;
BEGIN
  IF $1 IS NULL OR $1 > (clock_timestamp() AT TIME ZONE 'UTC')::date THEN
    RAISE EXCEPTION 'invalid retention floor "%"', $1
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a date that is not in the future.';
  END IF;
  IF $2 IS NOT NULL AND NOT EXISTS (SELECT FROM wearables.metrics m WHERE m.name = $2) THEN
    RAISE EXCEPTION 'metric "%" does not exist', $2
      USING ERRCODE = 'undefined_object', HINT = 'See wearables.metrics for the names.';
  END IF;
  INSERT INTO wearables.retention_floors AS f (metric_id, floor)
  SELECT m.metric_id, $1::timestamp AT TIME ZONE 'UTC'
  FROM (SELECT x.metric_id FROM wearables.metrics x WHERE $2 IS NULL OR x.name = $2
        UNION ALL SELECT 0 WHERE $2 IS NULL) m
  ORDER BY m.metric_id
  ON CONFLICT (metric_id) DO UPDATE SET floor = excluded.floor, moved_at = clock_timestamp()
    WHERE f.floor < excluded.floor;
  GET DIAGNOSTICS raised = ROW_COUNT;
  RETURN raised;
END $$;
COMMENT ON FUNCTION wearables.raise_retention_floor(date, text) IS
  'Says that samples before a date were dropped by other means, such as drop_chunks() of TimescaleDB: readings below '
  'are stale from now on, so that no replay or late event brings them back. Call it before the drop. Arguments: '
  'before: the first day (UTC) that is kept; metric: only this metric (null: all). A floor never moves back. Returns '
  'how many floors moved. Raises invalid_parameter_value for a date in the future. Example: SELECT '
  'wearables.raise_retention_floor(date ''2024-01-01'');';
