-- Applying the policies. Each job of kind retention is one batch of one policy (pg/retention/retention_job.cpp). The
-- floor of samples moves first, in a transaction of its own: from its commit on nobody writes below it, so what a drop
-- freezes of a day does not depend on when the drop comes.

CREATE FUNCTION wearables_internal.raise_floors(policy_id integer) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  INSERT INTO wearables.retention_floors AS f (metric_id, floor)
  SELECT m.metric_id, wearables_internal.retention_cutoff(m.keep_days)
  -- with the floor of all others moves that of a metric that is kept longer: without one of its own it would have that
  FROM (SELECT g.metric_id, g.keep_days FROM wearables_internal.governed_metrics(false) g
        WHERE g.policy_id = $1
           OR EXISTS (SELECT FROM wearables.retention_policies p WHERE p.policy_id = $1 AND p.metric IS NULL)
        UNION ALL
        SELECT 0, p.keep_days FROM wearables.retention_policies p WHERE p.policy_id = $1 AND p.metric IS NULL) m
  ORDER BY m.metric_id
  ON CONFLICT (metric_id) DO UPDATE SET floor = excluded.floor, moved_at = clock_timestamp()
    WHERE f.floor < excluded.floor;
END;
COMMENT ON FUNCTION wearables_internal.raise_floors(integer) IS
  'Moves the floors of the metrics of a policy; with that of all metrics, those of metrics with a policy of their own.';

CREATE FUNCTION wearables_internal.drop_old_samples(
  metrics smallint[], keeps boolean, INOUT place bigint, OUT dropped bigint, OUT bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  most CONSTANT integer := 20000;   -- samples of one transaction, during which nobody else writes of the user
  looked CONSTANT integer := 1000;  -- users
  person bigint;
  last bigint;
  below record;
  part record;
  size bigint;
BEGIN
  dropped := 0;
  bytes := 0;
  SELECT max(u.user_id) INTO last
  FROM (SELECT x.user_id FROM wearables.users x WHERE x.user_id >= place ORDER BY x.user_id LIMIT looked) u;
  SELECT u.user_id INTO person FROM wearables.users u
  WHERE u.user_id >= place AND u.user_id <= last AND (
    EXISTS (SELECT FROM wearables.retention_floors f
            CROSS JOIN LATERAL (SELECT FROM wearables.sample_points s
                                WHERE s.user_id = u.user_id AND s.metric_id = f.metric_id AND s.ts < f.floor LIMIT 1) x
            WHERE f.metric_id = ANY (metrics))
    OR NOT keeps AND EXISTS (SELECT FROM wearables.frozen_rollups r
                             WHERE r.user_id = u.user_id AND r.metric_id = ANY (metrics)))
  ORDER BY u.user_id LIMIT 1;
  -- null: there are no more users
  place := coalesce(person, last + 1);
  IF person IS NULL THEN RETURN; END IF;
  PERFORM wearables_internal.lock_user(person);
  FOR below IN SELECT f.metric_id, f.floor FROM wearables.retention_floors f
               WHERE f.metric_id = ANY (metrics) AND isfinite(f.floor) ORDER BY f.metric_id LOOP
    EXIT WHEN dropped >= most;
    IF EXISTS (SELECT FROM wearables.sample_points s
               WHERE s.user_id = person AND s.metric_id = below.metric_id AND s.ts < below.floor) THEN
      SELECT d.* INTO part
      FROM wearables_internal.drop_samples(person, below.metric_id, below.floor, keeps,
                                           (most - dropped)::integer) d;
      dropped := dropped + part.deleted;
      bytes := bytes + part.bytes;
    END IF;
    IF NOT keeps THEN
      WITH gone AS (
        DELETE FROM wearables.frozen_rollups r WHERE r.user_id = person AND r.metric_id = below.metric_id
        RETURNING pg_column_size(ROW(r.*)) AS size)
      SELECT count(*), coalesce(sum(g.size), 0) INTO last, size FROM gone g;
      dropped := dropped + last;
      bytes := bytes + size;
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.drop_old_samples(smallint[], boolean, bigint) IS
  'Drops samples of these metrics below their floors, of one user from place on. Returns the user to go on with '
  '(null: none is left), and what was dropped.';

CREATE FUNCTION wearables_internal.drop_old_partition(
  policy_id integer, INOUT place bigint, OUT dropped bigint, OUT bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  old record;
  verdict record;
BEGIN
  dropped := 0;
  bytes := 0;
  IF NOT wearables_internal.try_lock_maintenance() THEN
    RAISE EXCEPTION 'another session maintains the partitions' USING ERRCODE = 'lock_not_available';
  END IF;
  SELECT w.* INTO old FROM wearables_internal.old_weeks(false, wearables_internal.of_us(place)) w
  ORDER BY w.ends LIMIT 1;
  IF NOT FOUND THEN
    place := NULL;
    RETURN;
  END IF;
  place := wearables_internal.us_of(old.ends);
  verdict := wearables_internal.judge_week(old.part, old.starts, old.ends, false);
  IF verdict.policy_id IS DISTINCT FROM $1 OR verdict.blocked IS NOT NULL THEN RETURN; END IF;
  -- The DROP takes the default partition, too, which who stores events takes before its parent: so they are kept out
  -- first. Readers, who take the parent first, are not.
  LOCK TABLE wearables.webhook_events_default IN SHARE ROW EXCLUSIVE MODE;
  -- both at once as strong as the DROP needs them: nobody handles an event there, or begins to, from here on
  LOCK TABLE ONLY wearables.webhook_events IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', old.part);
  -- once more, and this week alone, for everybody waits; it was read a moment ago
  verdict := wearables_internal.judge_week(old.part, old.starts, old.ends, false);
  IF verdict.policy_id IS DISTINCT FROM $1 OR verdict.blocked IS NOT NULL THEN RETURN; END IF;
  EXECUTE format('DROP TABLE %s', old.part);
  dropped := verdict.rows;
  bytes := verdict.bytes;
END $$;
COMMENT ON FUNCTION wearables_internal.drop_old_partition(integer, bigint) IS
  'Looks at the oldest partition that ends after place, and drops it if this policy does not keep it. Returns the '
  'place to go on with (null: no partition is left), and what was dropped.';

CREATE FUNCTION wearables_internal.drop_old_rows(
  policy_id integer, INOUT place bigint, OUT dropped bigint, OUT bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  -- of 8 kB: no index leads to old rows, and each page is read once a day
  blocks CONSTANT bigint := 1000;
  p wearables.retention_policies;
  pages bigint;
BEGIN
  SELECT x.* INTO p FROM wearables.retention_policies x WHERE x.policy_id = $1;
  pages := pg_relation_size(format('wearables.%I', p.target)::regclass)
           / current_setting('block_size')::bigint;
  EXECUTE format(
    'WITH gone AS (
       DELETE FROM wearables.%I x
       WHERE x.ctid >= ''(%s,0)''::tid AND x.ctid < ''(%s,0)''::tid AND %s AND %s
       RETURNING pg_column_size(ROW(x.*)) AS size)
     SELECT count(*), coalesce(sum(g.size), 0) FROM gone g',
    p.target, place, place + blocks, wearables_internal.retention_condition(p.target),
    wearables_internal.left_to_others(p.target, p.endpoint, false))
    INTO dropped, bytes USING wearables_internal.retention_cutoff(p.keep_days), p.endpoint;
  place := CASE WHEN place + blocks < pages THEN place + blocks END;
END $$;
COMMENT ON FUNCTION wearables_internal.drop_old_rows(integer, bigint) IS
  'Drops what a policy does not keep of deliveries, quarantine, connection_events or accesses, in the pages from '
  'place on. Returns the page to go on with (null: it was the last one), and what was dropped.';

CREATE FUNCTION wearables_internal.apply_some_retention(argument jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  p wearables.retention_policies;
  place bigint := ($1 ->> 'place')::bigint;
  dropped bigint := 0;
  bytes bigint := 0;
BEGIN
  SELECT x.* INTO p FROM wearables.retention_policies x
  WHERE x.enabled AND x.policy_id = ($1 ->> 'policy_id')::integer;
  IF NOT FOUND THEN
    place := NULL;
    SELECT x.* INTO p FROM wearables.retention_policies x
    WHERE x.enabled AND x.next_at <= clock_timestamp() ORDER BY x.policy_id LIMIT 1;
    IF NOT FOUND THEN RETURN; END IF;
  END IF;
  IF place IS NULL THEN
    -- a crash from here on goes on at the beginning, where nothing is left to be done
    IF p.target = 'samples' THEN PERFORM wearables_internal.raise_floors(p.policy_id); END IF;
    place := 0;
  ELSIF p.target = 'samples' THEN
    SELECT d.* INTO place, dropped, bytes
    FROM wearables_internal.drop_old_samples(
      ARRAY(SELECT g.metric_id FROM wearables_internal.governed_metrics(false) g WHERE g.policy_id = p.policy_id),
      p.keep_rollups, place) d;
  ELSIF p.target = 'webhook_events' THEN
    SELECT d.* INTO place, dropped, bytes FROM wearables_internal.drop_old_partition(p.policy_id, place) d;
  ELSE
    SELECT d.* INTO place, dropped, bytes FROM wearables_internal.drop_old_rows(p.policy_id, place) d;
  END IF;
  IF dropped > 0 OR bytes > 0 THEN
    UPDATE wearables.retention_policies x
    SET dropped_rows = x.dropped_rows + dropped, dropped_bytes = x.dropped_bytes + bytes
    WHERE x.policy_id = p.policy_id;
  END IF;
  IF place IS NULL THEN
    UPDATE wearables.retention_policies x
    SET applied_at = clock_timestamp(), next_at = wearables_internal.next_retention(), error = NULL,
        blocked = CASE WHEN p.target = 'webhook_events' THEN (
          SELECT string_agg(o.blocked, '; ' ORDER BY o.ends) FROM wearables_internal.old_partitions(false) o
          WHERE o.policy_id = p.policy_id) END
    WHERE x.policy_id = p.policy_id;
    PERFORM wearables_internal.queue_retention();
  ELSE
    PERFORM wearables_internal.enqueue_job(
      'retention', 'retention', jsonb_build_object('policy_id', p.policy_id, 'place', place), NULL, 10);
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.apply_some_retention(jsonb) IS
  'One batch of a retention policy that is due; queues the next, of this policy or of another one.';

CREATE FUNCTION wearables_internal.next_retention() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN date_trunc('day', clock_timestamp(), 'UTC') + interval '25 hours';
COMMENT ON FUNCTION wearables_internal.next_retention() IS 'When policies are applied next: at 01:00 UTC tomorrow.';

CREATE FUNCTION wearables_internal.give_up_retention(argument jsonb, error text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  UPDATE wearables.retention_policies p SET next_at = wearables_internal.next_retention(), error = $2
  WHERE p.enabled AND CASE WHEN $1 ? 'policy_id' THEN p.policy_id = ($1 ->> 'policy_id')::integer
                           ELSE p.next_at <= clock_timestamp() END;
END;
COMMENT ON FUNCTION wearables_internal.give_up_retention(jsonb, text) IS
  'After the last attempt of a job: notes the error, and puts the policy off until tomorrow.';
