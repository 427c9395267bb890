-- What the views of problems and health are made of, and the views of queue and workers. They count and name no person:
-- they run with the owner's rights, so that a monitor needs no right on the tables below.

CREATE VIEW wearables.queue AS
SELECT j.kind, j.state, count(*) AS jobs, min(j.run_at) AS next_run_at,
       max(clock_timestamp() - j.run_at)
         FILTER (WHERE j.state = 'ready' AND j.run_at <= clock_timestamp()) AS longest_wait,
       max(j.attempt) AS most_attempts, count(j.waiting_since) AS put_off, min(j.waiting_since) AS put_off_since,
       EXISTS (SELECT FROM wearables_internal.queue_pause p WHERE p.kind IN ('', j.kind::text)) AS paused
FROM wearables.jobs j
GROUP BY j.kind, j.state;
COMMENT ON VIEW wearables.queue IS 'Jobs by kind and state. It counts every job; for large queues, health is faster.';
COMMENT ON COLUMN wearables.queue.kind IS 'See job_kind.';
COMMENT ON COLUMN wearables.queue.state IS 'ready, running, or failed (given up, a dead letter).';
COMMENT ON COLUMN wearables.queue.jobs IS 'Number of jobs of this kind and state.';
COMMENT ON COLUMN wearables.queue.next_run_at IS 'When the first of them is due.';
COMMENT ON COLUMN wearables.queue.longest_wait IS
  'How long the first of them that is ready and due has been due. Null: none is.';
COMMENT ON COLUMN wearables.queue.most_attempts IS 'Highest number of failed attempts of one of them.';
COMMENT ON COLUMN wearables.queue.put_off IS 'How many are put off for a cause outside of the job, such as a lock.';
COMMENT ON COLUMN wearables.queue.put_off_since IS 'Since when the first of these has been put off.';
COMMENT ON COLUMN wearables.queue.paused IS 'True: pause_queue() is in effect for this kind.';

CREATE VIEW wearables.workers AS
SELECT 'worker' AS kind, w.pid, current_database() AS database, w.doing, w.since, w.job_id, w.event_id, w.started_at,
       w.done, w.failed, w.last_sqlstate, w.last_error_job, w.last_error_at, w.maintenance_sqlstate, w.maintained_at,
       w.memory
FROM wearables_internal.workers() w
UNION ALL
SELECT 'session', j.leased_by, current_database(), 'draining', min(j.leased_at),
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM wearables.jobs j
WHERE j.state = 'running' AND j.leased_by NOT IN (SELECT w.pid FROM wearables_internal.workers() w)
GROUP BY j.leased_by;
COMMENT ON VIEW wearables.workers IS
  'Sessions that process the queue of this database: workers, and sessions in CALL drain().';
COMMENT ON COLUMN wearables.workers.kind IS
  'worker, or session for one in CALL drain(). For a session only pid, database, doing and since are known.';
COMMENT ON COLUMN wearables.workers.pid IS 'Process id, as in pg_stat_activity.';
COMMENT ON COLUMN wearables.workers.database IS 'Name of this database.';
COMMENT ON COLUMN wearables.workers.doing IS
  'idle; draining; maintaining (partitions and names); paused; waiting for ALTER EXTENSION UPDATE; waiting after '
  'errors.';
COMMENT ON COLUMN wearables.workers.since IS 'Since when it has been doing that.';
COMMENT ON COLUMN wearables.workers.job_id IS 'The running job.';
COMMENT ON COLUMN wearables.workers.event_id IS 'The event of the running job.';
COMMENT ON COLUMN wearables.workers.started_at IS 'When the worker started.';
COMMENT ON COLUMN wearables.workers.done IS 'Jobs finished since the worker started.';
COMMENT ON COLUMN wearables.workers.failed IS 'Jobs that failed since the worker started.';
COMMENT ON COLUMN wearables.workers.last_sqlstate IS 'SQLSTATE of the last error.';
COMMENT ON COLUMN wearables.workers.last_error_job IS 'The job of the last error.';
COMMENT ON COLUMN wearables.workers.last_error_at IS 'When the last error occurred.';
COMMENT ON COLUMN wearables.workers.maintenance_sqlstate IS
  'SQLSTATE of the error that ended the last maintenance. Null: it succeeded.';
COMMENT ON COLUMN wearables.workers.maintained_at IS 'When maintenance last succeeded.';
COMMENT ON COLUMN wearables.workers.memory IS 'Memory in bytes that the worker''s memory contexts hold.';

CREATE FUNCTION wearables_internal.worker_count() RETURNS integer
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_worker_count';
COMMENT ON FUNCTION wearables_internal.worker_count() IS
  'Number of running workers of this database. Null if the library is not preloaded.';

CREATE FUNCTION wearables_internal.unreadable_endpoints() RETURNS text[]
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_unreadable_endpoints';
COMMENT ON FUNCTION wearables_internal.unreadable_endpoints() IS
  'Enabled endpoints with a webhook secret that cannot be read. The cause is in the server log.';

CREATE FUNCTION wearables_internal.slow_writer() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- the conditions of the fast writer, as far as the catalog shows them
  SELECT string_agg(w.why, ', ')
  FROM pg_class c
  CROSS JOIN LATERAL (
    SELECT 'a trigger' AS why
    WHERE c.relhastriggers
      AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname <> 'reset_rollups')
    UNION ALL SELECT 'a rule' WHERE c.relhasrules
    -- it does not bind the owner, who writes, unless it is forced
    UNION ALL SELECT 'row-level security'
    WHERE c.relrowsecurity AND c.relforcerowsecurity
      AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND (r.rolsuper OR r.rolbypassrls))
    UNION ALL SELECT 'partitions' WHERE c.relkind = 'p' OR c.relispartition
    UNION ALL SELECT 'tables that inherit from it'
    WHERE c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    UNION ALL SELECT 'another access method'
    WHERE c.relkind = 'r' AND c.relam <> (SELECT a.oid FROM pg_am a WHERE a.amname = 'heap')
    UNION ALL SELECT 'other columns'
    WHERE NOT wearables_internal.has_sample_columns(c.oid)
    UNION ALL SELECT 'a check constraint'
    WHERE EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
    UNION ALL SELECT 'another primary key'
    WHERE (SELECT array_agg(a.attname::text ORDER BY array_position(k.conkey, a.attnum))
           FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
           WHERE k.conrelid = c.oid AND k.contype = 'p') IS DISTINCT FROM '{user_id,metric_id,ts,source_id,part}') w
  WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'wearables')
    AND c.relname = 'sample_points';
END;
COMMENT ON FUNCTION wearables_internal.slow_writer() IS
  'Why sample_points is written by SQL and not by the faster writer. Null: it is written by the faster one.';

CREATE FUNCTION wearables_internal.worker_exits() RETURNS SETOF timestamptz
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_worker_exits';
COMMENT ON FUNCTION wearables_internal.worker_exits() IS
  'When workers of this database last ended by an error or a signal, since the server started.';

CREATE FUNCTION wearables_internal.partition_of_week(instant timestamptz) RETURNS regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN to_regclass('wearables.webhook_events_'
                   || to_char(date_trunc('week', instant, 'UTC') AT TIME ZONE 'UTC', 'YYYYMMDD'));
COMMENT ON FUNCTION wearables_internal.partition_of_week(timestamptz) IS
  'Partition of webhook_events for the week of that time. Null: there is none.';

-- The next two read the newest events of two weeks and of the default partition, a fixed number of rows each, however
-- many events and partitions there are. They run as the owner: a monitor may not read events.
CREATE FUNCTION wearables_internal.newest_partitions() RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.part
  FROM unnest(ARRAY[wearables_internal.partition_of_week(clock_timestamp()),
                    wearables_internal.partition_of_week(clock_timestamp() - interval '7 days'),
                    'wearables.webhook_events_default'::regclass]) p (part)
  WHERE p.part IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.newest_partitions() IS
  'Partitions of webhook_events for this week and the last one, and the default partition.';

CREATE FUNCTION wearables_internal.recent_drift(most integer DEFAULT 200)
RETURNS TABLE (endpoint text, event_id bigint, received_at timestamptz, unknown_kind boolean, terms integer)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT p FROM wearables_internal.newest_partitions() p LOOP
    RETURN QUERY EXECUTE format(
      'SELECT e.endpoint, e.event_id, e.received_at,
              e.status = ''skipped'' AND EXISTS (
                SELECT FROM unnest(e.drift) d
                WHERE d.kind = ''resource'' AND NOT wearables_internal.is_known(d.kind, d.resource, d.path, d.value)),
              cardinality(e.drift)
       FROM (SELECT * FROM %s x WHERE x.drift IS NOT NULL ORDER BY x.event_id DESC LIMIT $1) e', part) USING most;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.recent_drift(integer) IS
  'The newest events with drift: whether they were skipped because their resource or type is unknown, and how many '
  'findings are recorded for each.';

CREATE FUNCTION wearables_internal.forgotten_events(most integer DEFAULT 100)
RETURNS TABLE (event_id bigint, received_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT p FROM wearables_internal.newest_partitions() p LOOP
    RETURN QUERY EXECUTE format(
      'SELECT e.event_id, e.received_at
       FROM (SELECT x.event_id, x.received_at, x.status FROM %s x ORDER BY x.event_id DESC LIMIT $1) e
       WHERE e.status = ''received'' AND NOT EXISTS (
         SELECT FROM wearables.jobs j
         WHERE j.dedupe_key = ''event:'' || e.event_id AND j.state IN (''ready'', ''running''))', part) USING most;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.forgotten_events(integer) IS
  'Of the newest events, those that are waiting but have no job: somebody deleted it, or restored the events '
  'without the queue.';

CREATE FUNCTION wearables_internal.wants_workers() RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN EXISTS (
    SELECT FROM string_to_table(current_setting('wearables_ingest.databases', true), ',') d
    WHERE current_database() IN (btrim(btrim(d), '"'), lower(btrim(d))))
  THEN current_setting('wearables_ingest.workers', true)::integer ELSE 0 END;
END;
COMMENT ON FUNCTION wearables_internal.wants_workers() IS
  'Number of workers that the settings ask for in this database.';

CREATE FUNCTION wearables_internal.refusal_remedy(reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE reason
  WHEN 'bad_signature' THEN 'compare the secret with that of the sender, which retries for about a day'
  WHEN 'asymmetric_signature' THEN
    'configure the sender to sign symmetrically, then set its secret here'
  WHEN 'bad_message_id' THEN
    'the sender''s message ids hold a full stop or are longer than 512 bytes, so that no signature can cover them'
  WHEN 'no_secret' THEN 'set the secret with set_secret()'
  WHEN 'secret_unreadable' THEN 'see the server log for the cause'
  WHEN 'stale_timestamp' THEN 'compare the clocks of sender, proxy and server'
  WHEN 'missing_header' THEN 'check whether a proxy removes the signature headers; if not, somebody else sends'
  WHEN 'disabled' THEN 'enable the endpoint, or remove it at the sender'
  WHEN 'unknown_endpoint' THEN 'the caller names an endpoint that does not exist: see wearables.endpoints'
  WHEN 'no_endpoint' THEN 'add one with add_endpoint()'
  WHEN 'too_large' THEN 'raise wearables_ingest.body_limit, and the limit of the proxy'
  WHEN 'rollback_asked' THEN 'let the proxy remove the header Prefer'
  ELSE 'see the server log'
END;
COMMENT ON FUNCTION wearables_internal.refusal_remedy(text) IS
  'What to do about deliveries refused for that reason (endpoint_activity.reason).';

CREATE FUNCTION wearables_internal.concerns_endpoint(reason text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN reason NOT IN ('missing_header', 'bad_timestamp', 'rollback_asked', 'too_large', 'bad_message_id');
COMMENT ON FUNCTION wearables_internal.concerns_endpoint(text) IS
  'Whether the reason affects every delivery of an endpoint, not just one delivery or an unknown sender.';

CREATE FUNCTION wearables_internal.utc_second(instant timestamptz) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_trunc('second', instant AT TIME ZONE 'UTC');
COMMENT ON FUNCTION wearables_internal.utc_second(timestamptz) IS
  'A time as the view problems shows it: UTC, in seconds.';

CREATE FUNCTION wearables_internal.oldest_event() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- one or a few rows of each of the queue's indexes: ready, in somebody's hands or suspect, put off
  SELECT least(
    (SELECT min(r.queued_at) FROM wearables_internal.first_ready_jobs r WHERE r.event_id IS NOT NULL),
    (SELECT min(x.queued_at) FROM (
       SELECT j.queued_at FROM wearables.jobs j
       WHERE (j.state = 'running' OR j.suspect) AND j.state <> 'failed' AND j.priority = 0 AND j.event_id IS NOT NULL
       LIMIT 1001) x),
    (SELECT min(x.queued_at) FROM (
       SELECT j.queued_at FROM wearables.jobs j
       WHERE j.waiting_since IS NOT NULL AND j.state <> 'failed' AND j.priority = 0 AND j.event_id IS NOT NULL
       ORDER BY j.waiting_since, j.job_id LIMIT 1001) x));
END;
COMMENT ON FUNCTION wearables_internal.oldest_event() IS
  'When the oldest event arrived that still has to be processed. Parked events and replays do not count. Null: '
  'there is none.';
