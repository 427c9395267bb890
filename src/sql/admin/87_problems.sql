-- What an operator watches. These views count and name no person: they run with the owner's rights, so that a monitor needs
-- no right on the tables below.

CREATE VIEW wearables.queue AS
SELECT j.kind, j.state, count(*) AS jobs, min(j.run_at) AS next_run_at,
       max(clock_timestamp() - j.run_at) FILTER (WHERE j.state = 'ready' AND j.run_at <= clock_timestamp()) AS longest_wait,
       max(j.attempt) AS most_attempts, count(j.waiting_since) AS put_off, min(j.waiting_since) AS put_off_since
FROM wearables.jobs j
GROUP BY j.kind, j.state;
COMMENT ON VIEW wearables.queue IS
  'depth and age of the queue by kind and state; put_off: waiting for something outside the job, such as a lock; failed jobs are dead letters: see last_error in jobs, and retry_failed()';

CREATE VIEW wearables.workers AS
SELECT 'worker' AS kind, w.pid, current_database() AS database, w.doing, w.since, w.job_id, w.event_id, w.started_at, w.done, w.failed,
       w.last_sqlstate, w.last_error_job, w.last_error_at, w.maintenance_sqlstate, w.maintained_at, w.memory
FROM wearables_internal.workers() w
UNION ALL
SELECT 'session', j.leased_by, current_database(), 'draining', min(j.leased_at), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM wearables.jobs j
WHERE j.state = 'running' AND j.leased_by NOT IN (SELECT w.pid FROM wearables_internal.workers() w)
GROUP BY j.leased_by;
COMMENT ON VIEW wearables.workers IS
  'who works on the queue of this database: its workers, with the job in hand, jobs done and failed since the start, the SQLSTATE of the last error, memory in bytes; and sessions in CALL drain()';

CREATE FUNCTION wearables_internal.worker_count() RETURNS integer
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_worker_count';
COMMENT ON FUNCTION wearables_internal.worker_count() IS 'workers of this database that run now; null when the library is not preloaded';

CREATE FUNCTION wearables_internal.unreadable_endpoints() RETURNS text[]
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_unreadable_endpoints';
COMMENT ON FUNCTION wearables_internal.unreadable_endpoints() IS
  'enabled endpoints with a webhook secret that cannot be read now; the cause is in the server''s log';

CREATE FUNCTION wearables_internal.slow_writer() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- the conditions of the fast writer, as far as the catalog shows them
  SELECT string_agg(w.why, ', ')
  FROM pg_class c
  CROSS JOIN LATERAL (
    SELECT 'a trigger' AS why WHERE c.relhastriggers AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
    UNION ALL SELECT 'a rule' WHERE c.relhasrules
    UNION ALL SELECT 'row-level security' WHERE c.relrowsecurity
    UNION ALL SELECT 'partitions' WHERE c.relkind = 'p' OR c.relispartition
    UNION ALL SELECT 'tables that inherit from it' WHERE c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    UNION ALL SELECT 'another access method' WHERE c.relkind = 'r' AND c.relam <> (SELECT a.oid FROM pg_am a WHERE a.amname = 'heap')
    UNION ALL SELECT 'other columns' WHERE (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) <> 9
    UNION ALL SELECT 'a check constraint' WHERE EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
    UNION ALL SELECT 'another primary key' WHERE (SELECT array_agg(a.attname::text ORDER BY array_position(k.conkey, a.attnum))
        FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = c.oid AND k.contype = 'p') IS DISTINCT FROM '{user_id,metric_id,ts,source_id}') w
  WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'wearables') AND c.relname = 'sample_points';
END;
COMMENT ON FUNCTION wearables_internal.slow_writer() IS 'why sample_points is written by SQL and not by the fast writer; null: it is written fast';

CREATE FUNCTION wearables_internal.worker_exits() RETURNS SETOF timestamptz
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_worker_exits';
COMMENT ON FUNCTION wearables_internal.worker_exits() IS
  'when workers of this database ended by an error or a signal, the latest of them, since the server started';

-- Both look at the newest events of two weeks and of the default partition, a fixed number of rows each: what they cost does
-- not hang on how many events or partitions there are. They run as the owner, since a monitor may not read events.
CREATE FUNCTION wearables_internal.newest_partitions() RETURNS SETOF regclass
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.part FROM (
    SELECT to_regclass('wearables.webhook_events_' || to_char(date_trunc('week', clock_timestamp() - w.ago, 'UTC') AT TIME ZONE 'UTC', 'YYYYMMDD')) AS part
    FROM (VALUES (interval '0'), (interval '7 days')) w (ago)
    UNION ALL SELECT 'wearables.webhook_events_default'::regclass) p
  WHERE p.part IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.newest_partitions() IS 'the partitions of webhook_events for this week and the last, and the default one';

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
  'the newest events that brought something no row knows: whether they were skipped for being of an unknown kind, and how many things are noted of them';

CREATE FUNCTION wearables_internal.forgotten_events(most integer DEFAULT 100) RETURNS TABLE (event_id bigint, received_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT p FROM wearables_internal.newest_partitions() p LOOP
    RETURN QUERY EXECUTE format(
      'SELECT e.event_id, e.received_at FROM (SELECT x.event_id, x.received_at, x.status FROM %s x ORDER BY x.event_id DESC LIMIT $1) e
       WHERE e.status = ''received'' AND NOT EXISTS (
         SELECT FROM wearables.jobs j WHERE j.dedupe_key = ''event:'' || e.event_id AND j.state IN (''ready'', ''running''))', part) USING most;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.forgotten_events(integer) IS
  'of the newest events those that wait for a job that is not there: somebody has deleted it, or restored the events without the queue';

CREATE FUNCTION wearables_internal.wants_workers() RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN EXISTS (
    SELECT FROM string_to_table(current_setting('wearables_ingest.databases', true), ',') d
    WHERE current_database() IN (btrim(btrim(d), '"'), lower(btrim(d))))
  THEN current_setting('wearables_ingest.workers', true)::integer ELSE 0 END;
END;
COMMENT ON FUNCTION wearables_internal.wants_workers() IS 'how many workers the settings want for this database';

CREATE FUNCTION wearables_internal.refusal_remedy(reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE reason
  WHEN 'bad_signature' THEN 'compare the secret with the sender''s; the sender resends for about a day'
  WHEN 'asymmetric_signature' THEN 'the sender signs with a private key: set its endpoint to symmetric signatures (whsec_), and set the secret here'
  WHEN 'bad_message_id' THEN 'the sender''s message ids hold a full stop or are longer than 512 bytes, so that no signature can cover them'
  WHEN 'no_secret' THEN 'give the endpoint its secret with set_secret()'
  WHEN 'secret_unreadable' THEN 'the cause is in the server''s log'
  WHEN 'stale_timestamp' THEN 'compare the clocks of sender, proxy and server'
  WHEN 'missing_header' THEN 'a proxy drops the headers svix-* or webhook-*, or somebody else knocks'
  WHEN 'disabled' THEN 'enable the endpoint, or take it away at the sender'
  WHEN 'unknown_endpoint' THEN 'the caller names an endpoint that is not there: see wearables.endpoints'
  WHEN 'no_endpoint' THEN 'add one with add_endpoint()'
  WHEN 'too_large' THEN 'raise wearables_ingest.body_limit, here and in the proxy'
  WHEN 'rollback_asked' THEN 'let the proxy clear the header Prefer'
  ELSE 'see the server''s log'
END;
COMMENT ON FUNCTION wearables_internal.refusal_remedy(text) IS 'what to do about deliveries that are refused for that reason (endpoint_activity.reason)';

CREATE FUNCTION wearables_internal.oldest_event() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- one or a few rows of each of the queue's indexes: ready, in somebody's hands or suspect, put off
  SELECT least(
    (SELECT j.queued_at FROM wearables.jobs j WHERE j.state = 'ready' AND NOT j.suspect AND j.priority = 0
     ORDER BY j.priority, j.run_at, j.job_id LIMIT 1),
    (SELECT min(x.queued_at) FROM (
       SELECT j.queued_at FROM wearables.jobs j
       WHERE (j.state = 'running' OR j.suspect) AND j.state <> 'failed' AND j.priority = 0 LIMIT 1001) x),
    (SELECT min(x.queued_at) FROM (
       SELECT j.queued_at FROM wearables.jobs j WHERE j.waiting_since IS NOT NULL AND j.state <> 'failed' AND j.priority = 0
       ORDER BY j.waiting_since, j.job_id LIMIT 1001) x));
END;
COMMENT ON FUNCTION wearables_internal.oldest_event() IS
  'since when the oldest event waits that has not ended and is not parked; replays do not count. Null: every event has ended';

CREATE VIEW wearables.problems AS
WITH
drifting AS MATERIALIZED (SELECT * FROM wearables_internal.recent_drift()),
-- what is written and what is still in memory
activity AS (
  SELECT a.endpoint, a.reason, sum(a.count) AS count, max(a.last_at) AS last_at, sum(a.streak) AS streak,
         min(a.streak_from) AS streak_from, max(a.message_id) AS message_id, max(a.longest_gap) AS longest_gap
  FROM (SELECT w.endpoint, w.reason, w.count, w.last_at, w.streak, w.streak_from, w.message_id, w.longest_gap
        FROM wearables.endpoint_activity w
        UNION ALL SELECT u.endpoint, u.reason, u.count, u.last_at, u.count, u.first_at, u.message_id, NULL
        FROM wearables_internal.unwritten_activity() u) a
  GROUP BY a.endpoint, a.reason),
-- refused since the last acceptance; where none matched, in the last day. A stranger may knock without a signature as
-- often as he likes: that alone, and what lasts for less than an hour, is no failure
refused AS (
  SELECT r.endpoint, r.reason, r.streak, r.streak_from, r.last_at, r.message_id, a.last_at AS accepted_at,
         r.reason IN ('missing_header', 'bad_timestamp', 'rollback_asked', 'too_large', 'bad_message_id')
         OR r.endpoint = '-' AND r.reason <> 'disabled' OR r.streak_from > clock_timestamp() - interval '1 hour' AS mild
  FROM activity r LEFT JOIN activity a ON a.endpoint = r.endpoint AND a.reason = 'accepted'
  WHERE r.reason <> 'accepted' AND r.streak > 0
    AND (r.last_at > a.last_at OR a.last_at IS NULL AND (r.endpoint <> '-' OR r.last_at > clock_timestamp() - interval '1 day'))),
facts AS (
  SELECT wearables_internal.worker_count() AS workers, wearables_internal.wants_workers() AS wanted,
         (SELECT j.run_at FROM wearables.jobs j WHERE j.state = 'ready' AND NOT j.suspect AND j.priority = 0
          ORDER BY j.priority, j.run_at, j.job_id LIMIT 1) AS oldest,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'failed' LIMIT 1001) j) AS failed,
         (SELECT count(*) FROM (SELECT FROM wearables.parked_events LIMIT 1001) p) AS parked,
         wearables_internal.oldest_event() AS oldest_event)
SELECT p.severity, p.problem, p.object, p.what, p.since, p.remedy, p.statement
FROM facts f CROSS JOIN LATERAL (
  SELECT 1 AS rank, 'failing' AS severity, 'no_secret' AS problem, e.name AS object,
         format('endpoint %s has no webhook secret and refuses every delivery', e.name) AS what, e.created_at AS since,
         'give it one' AS remedy, format('SELECT wearables.set_secret(%L, ''webhook'', 0, ''whsec_...'')', e.name) AS statement
  FROM wearables.endpoints e
  WHERE e.enabled AND NOT EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'webhook')
  UNION ALL
  SELECT 1, 'failing', 'secret_unreadable', u, format('secret unreadable: endpoint %s', u), NULL, 'the cause is in the server''s log', NULL
  FROM unnest(wearables_internal.unreadable_endpoints()) u
  UNION ALL
  SELECT 2, 'failing', 'schema_version', NULL, 'the library does not fit the installed version of the extension, and the queue waits', NULL,
         'update the extension', 'ALTER EXTENSION wearables_ingest UPDATE'
  WHERE wearables_internal.schema_version() <> wearables_internal.library_version()
  UNION ALL
  SELECT 2, 'failing', 'paused', NULL, format('the queue is paused for %s%s', date_trunc('second', clock_timestamp() - q.since), ': ' || q.reason), q.since,
         'resume it', 'SELECT wearables.resume_queue()'
  FROM wearables_internal.queue_pause q
  UNION ALL
  SELECT CASE WHEN r.mild AND r.endpoint = '-' THEN 6 WHEN r.mild THEN 5 ELSE 2 END, CASE WHEN r.mild THEN 'warning' ELSE 'failing' END, 'refused', nullif(r.endpoint, '-'),
         format('%s refused (%s), %s; the last at %s UTC%s',
                CASE r.streak WHEN 1 THEN '1 delivery was' ELSE r.streak || ' deliveries were' END, r.reason,
                CASE WHEN r.endpoint = '-' THEN 'of no endpoint' WHEN r.accepted_at IS NULL THEN format('endpoint %s has never accepted one', r.endpoint)
                     ELSE format('endpoint %s last accepted one at %s UTC', r.endpoint, date_trunc('second', r.accepted_at AT TIME ZONE 'UTC')) END,
                date_trunc('second', r.last_at AT TIME ZONE 'UTC'), ', message ' || r.message_id),
         r.streak_from, wearables_internal.refusal_remedy(r.reason),
         CASE WHEN r.reason = 'disabled' AND r.endpoint <> '-' THEN format('UPDATE wearables.endpoints SET enabled = true WHERE name = %L', r.endpoint) END
  FROM refused r
  UNION ALL
  SELECT 4, 'warning', 'lost', a.endpoint,
         format('endpoint %s refused %s (%s) from %s to %s UTC: senders give up within that time, and what they gave up is not here',
                a.endpoint, CASE a.lost WHEN 1 THEN '1 delivery' ELSE a.lost || ' deliveries' END, a.reason, date_trunc('second', a.lost_from AT TIME ZONE 'UTC'), date_trunc('second', a.lost_to AT TIME ZONE 'UTC')),
         a.lost_from, 'recover the messages of that time at the sender, pull what it no longer has, then delete this note',
         format('DELETE FROM wearables.endpoint_activity WHERE endpoint = %L AND reason = %L', a.endpoint, a.reason)
  FROM wearables.endpoint_activity a
  WHERE a.lost > 0 AND a.endpoint <> '-' AND a.reason NOT IN ('missing_header', 'bad_timestamp', 'rollback_asked', 'too_large', 'bad_message_id')
  UNION ALL
  SELECT 5, 'warning', 'silent', e.name, format('endpoint %s has never accepted a delivery', e.name), e.created_at,
         'look at the sender: has it this endpoint''s URL, and does it send?', NULL
  FROM wearables.endpoints e
  WHERE e.enabled AND e.created_at < clock_timestamp() - interval '1 day'
    AND EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'webhook')
    AND NOT EXISTS (SELECT FROM activity a WHERE a.endpoint = e.name)
  UNION ALL
  SELECT 5, 'warning', 'silent', a.endpoint,
         format('endpoint %s is silent since %s UTC; its longest gap was %s', a.endpoint, date_trunc('second', a.last_at AT TIME ZONE 'UTC'),
                date_trunc('second', a.longest_gap)), a.last_at,
         'look at the sender: an endpoint that failed for days is disabled there', NULL
  FROM activity a JOIN wearables.endpoints e ON e.name = a.endpoint AND e.enabled
  WHERE a.reason = 'accepted' AND a.count >= 10 AND clock_timestamp() - a.last_at > greatest(4 * a.longest_gap, interval '6 hours')
  UNION ALL
  SELECT 3, 'warning', 'disabled', NULL, 'every endpoint is disabled: nothing is received', NULL, 'enable one',
         'UPDATE wearables.endpoints SET enabled = true WHERE name = ...'
  WHERE EXISTS (SELECT FROM wearables.endpoints) AND NOT EXISTS (SELECT FROM wearables.endpoints e WHERE e.enabled)
  UNION ALL
  SELECT 2, 'failing', 'waiting', NULL,
         format('%s job(s) wait for something outside them for more than 10 minutes, the oldest for SQLSTATE %s', count(*),
                (array_agg(j.last_sqlstate ORDER BY j.waiting_since))[1]),
         min(j.waiting_since), 'see last_error', 'SELECT job_id, waiting_since, last_error FROM wearables.jobs WHERE waiting_since IS NOT NULL ORDER BY 2 LIMIT 20'
  FROM (SELECT x.waiting_since, x.last_sqlstate FROM wearables.jobs x
        WHERE x.waiting_since < clock_timestamp() - interval '10 minutes' ORDER BY x.waiting_since LIMIT 1001) j
  HAVING count(*) > 0
  UNION ALL
  SELECT 2, 'failing', 'no_worker', NULL,
         format('%s of %s worker(s) run%s', coalesce(f.workers, 0), f.wanted, CASE WHEN f.workers IS NULL THEN ': the library is not preloaded' ELSE '' END), NULL,
         'see the server''s log; max_worker_processes may be too low', NULL
  WHERE coalesce(f.workers, 0) < f.wanted AND NOT pg_is_in_recovery()
  UNION ALL
  SELECT 2, 'failing', 'queue_behind', NULL,
         format('the oldest ready job waits for %s, and no worker runs', date_trunc('second', clock_timestamp() - f.oldest)), f.oldest,
         'start a worker, or drain', 'CALL wearables.drain()'
  WHERE f.oldest < clock_timestamp() - interval '5 minutes' AND coalesce(f.workers, 0) = 0
  UNION ALL
  SELECT 3, 'failing', 'queue_behind', NULL,
         format('the queue is behind: the oldest ready job waits for %s', date_trunc('second', clock_timestamp() - f.oldest)), f.oldest, 'add workers', NULL
  WHERE f.oldest < clock_timestamp() - interval '15 minutes' AND f.workers > 0
  UNION ALL
  SELECT 3, 'warning', 'lease_expired', NULL, format('%s job(s) are worked on for longer than their lease', count(*)), min(j.leased_until),
         'see who works on them', 'SELECT * FROM wearables.workers'
  FROM wearables.jobs j WHERE j.state = 'running' AND j.leased_until < clock_timestamp() HAVING count(*) > 0
  UNION ALL
  SELECT 3, 'warning', 'worker_errors', NULL, format('a worker waits after errors, the last of SQLSTATE %s', min(w.last_sqlstate)), min(w.since),
         'see the server''s log', 'SELECT * FROM wearables.workers'
  FROM wearables_internal.workers() w WHERE w.doing = 'waiting after errors' HAVING count(*) > 0
  UNION ALL
  SELECT 3, 'warning', 'maintenance', NULL,
         format('maintenance fails with SQLSTATE %s; partitions of webhook_events are not made', min(w.maintenance_sqlstate)), min(w.maintained_at),
         'see the server''s log', 'SELECT wearables.make_event_partitions()'
  FROM wearables_internal.workers() w WHERE w.maintenance_sqlstate IS NOT NULL HAVING count(*) > 0
  UNION ALL
  SELECT 3, 'warning', 'worker_exits', NULL,
         format('workers ended %s times in the last hour, the last at %s UTC', count(*), date_trunc('second', max(x.at) AT TIME ZONE 'UTC')), min(x.at),
         'see the server''s log', NULL
  FROM wearables_internal.worker_exits() x (at) WHERE x.at > clock_timestamp() - interval '1 hour' HAVING count(*) >= 3
  UNION ALL
  SELECT 3, 'warning', 'old_event', NULL,
         format('the oldest event that has not ended waits for %s', date_trunc('second', clock_timestamp() - f.oldest_event)), f.oldest_event,
         'see what its job waits for', 'SELECT * FROM wearables.jobs WHERE state <> ''failed'' AND priority = 0 ORDER BY queued_at LIMIT 20'
  WHERE f.oldest_event < clock_timestamp() - interval '1 hour'
  UNION ALL
  SELECT 2, 'failing', 'forgotten', NULL,
         format('%s of the newest events wait for a job that is not there', count(*)), min(x.received_at), 'put such events in the queue again',
         'SELECT wearables.requeue_event(e.event_id) FROM wearables.webhook_events e WHERE e.status = ''received'' AND NOT EXISTS (SELECT FROM wearables.jobs j WHERE j.event_id = e.event_id)'
  FROM wearables_internal.forgotten_events() x HAVING count(*) > 0
  UNION ALL
  SELECT 5, 'warning', 'unknown_kind', x.endpoint,
         format('endpoint %s sends messages of a kind that no row knows: %s of the newest were skipped', x.endpoint, count(*)), min(x.received_at),
         'give each kind a row; its drift says how', 'SELECT * FROM wearables.drift WHERE kind = ''resource'''
  FROM drifting x WHERE x.unknown_kind GROUP BY x.endpoint
  UNION ALL
  SELECT 6, 'warning', 'drift_full', x.endpoint,
         format('%s event(s) of endpoint %s, the last of them %s, hold more that no row knows than is noted of one event', count(*), x.endpoint, max(x.event_id)),
         min(x.received_at), 'make known what is noted, and replay them', 'SELECT * FROM wearables.drift'
  FROM drifting x WHERE x.terms >= 32 GROUP BY x.endpoint
  UNION ALL
  SELECT 6, 'warning', 'quarantine_full', NULL,
         format('event %s held more readings that were refused than are told one by one', q.event_id), q.refused_at, 'see why',
         format('SELECT reason, metric, count(*) FROM wearables.quarantine WHERE event_id = %s GROUP BY 1, 2', q.event_id)
  FROM (SELECT q.event_id, q.refused_at FROM wearables.quarantine q WHERE q.reason = 'more_refused' ORDER BY q.event_id DESC LIMIT 1) q
  WHERE q.refused_at > clock_timestamp() - interval '7 days'
  UNION ALL
  SELECT 4, 'warning', 'dead_letters', NULL, format('%s dead letter(s)', CASE WHEN f.failed > 1000 THEN 'more than 1000' ELSE f.failed::text END), NULL,
         'look at last_error, mend the cause, then retry_failed()', 'SELECT event_id, last_error FROM wearables.jobs WHERE state = ''failed'''
  WHERE f.failed > 0
  UNION ALL
  SELECT 5, 'warning', 'parked', NULL, format('%s event(s) parked for unknown users', CASE WHEN f.parked > 1000 THEN 'more than 1000' ELSE f.parked::text END),
         (SELECT p.parked_at FROM wearables.parked_events p ORDER BY p.event_id LIMIT 1), 'register_user() frees them', NULL
  WHERE f.parked > 0
  UNION ALL
  SELECT 4, 'warning', 'no_more_names', NULL, 'there is no room for more sources or metrics', NULL,
         'raise wearables_ingest.max_sources or max_extended_metrics, and the readings that were refused for it are read again', NULL
  WHERE EXISTS (SELECT FROM wearables.quarantine q WHERE q.reason = 'no_more_names' OR q.reason = 'more_refused' AND q.detail LIKE '%no_more_names%')
  UNION ALL
  SELECT 6, 'warning', 'default_partition', NULL, 'events lie in the default partition', NULL, 'make theirs', 'SELECT wearables.make_event_partitions()'
  WHERE EXISTS (SELECT FROM wearables.webhook_events_default) AND coalesce(f.workers, 0) = 0
  UNION ALL
  SELECT 6, 'warning', 'partitions_ahead', NULL, 'there is no partition for the events of next week', NULL, 'make it', 'SELECT wearables.make_event_partitions()'
  WHERE EXISTS (SELECT FROM wearables.endpoints e WHERE e.enabled AND e.created_at < clock_timestamp() - interval '1 hour')
    AND to_regclass('wearables.webhook_events_' || to_char(date_trunc('week', clock_timestamp() + interval '7 days', 'UTC') AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL
  UNION ALL
  SELECT 7, 'warning', 'slow_writer', 'wearables.sample_points', format('sample_points is written by SQL, several times slower, because of %s', w), NULL,
         'take that away if you can do without', NULL
  FROM wearables_internal.slow_writer() w WHERE w IS NOT NULL
  UNION ALL
  SELECT 2, 'failing', 'replica_identity', c.oid::regclass::text,
         format('%s is published and has no replica identity: none of its rows can be updated', c.oid::regclass), NULL,
         'give it one', format('ALTER TABLE %s REPLICA IDENTITY FULL', c.oid::regclass)
  FROM pg_class c
  WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace) AND c.relkind = 'r' AND c.relpersistence = 'p'
    AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
    AND EXISTS (SELECT FROM pg_publication u WHERE (u.pubupdate OR u.pubdelete) AND (u.puballtables
      OR EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = u.oid AND n.pnnspid = c.relnamespace)
      OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = u.oid AND (r.prrelid = c.oid
                 OR r.prrelid IN (SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid)))))) p
ORDER BY p.severity, p.rank, p.since;
COMMENT ON VIEW wearables.problems IS
  'what an operator should act on, the worst first: severity failing or warning, which problem, of what object, in words, since when (null: not known), what to do, and a statement for it; names no person and holds no reading';

CREATE VIEW wearables.health AS
WITH worst AS (SELECT p.severity, p.what || '; ' || p.remedy || coalesce(': ' || p.statement, '') AS reason FROM wearables.problems p LIMIT 1),
-- counted to 1,001, which stands for more: the view queue counts all
facts AS (
  SELECT (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'failed' LIMIT 1001) x) AS failed,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'ready' AND NOT j.suspect LIMIT 1001) x)
         + (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'ready' AND j.suspect LIMIT 1001) x) AS ready,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'running' LIMIT 1001) x) AS running,
         (SELECT clock_timestamp() - j.run_at FROM wearables.jobs j WHERE j.state = 'ready' AND NOT j.suspect AND j.priority = 0 AND j.run_at <= clock_timestamp()
          ORDER BY j.priority, j.run_at, j.job_id LIMIT 1) AS longest_wait,
         (SELECT count(*) FROM (SELECT FROM wearables.parked_events LIMIT 1001) x) AS parked,
         (SELECT count(*) FROM (SELECT FROM wearables.quarantine LIMIT 1001) x) AS quarantined,
         wearables_internal.worker_count() AS workers, wearables_internal.oldest_event() AS oldest_event)
SELECT coalesce(w.severity, 'ok') AS verdict,
       coalesce(w.reason, CASE WHEN NOT EXISTS (SELECT FROM wearables.endpoints) THEN 'no endpoint yet: add one with add_endpoint()'
         ELSE format('%s event(s) wait, the rest ended in samples or was skipped for a stated reason', f.ready + f.running) END) AS reason,
       f.ready, f.running, f.failed, f.longest_wait, f.parked, f.quarantined, f.workers,
       f.oldest_event
FROM facts f LEFT JOIN worst w ON true;
COMMENT ON VIEW wearables.health IS
  'one verdict (ok, warning, failing) with its reason and what to do, the worst of the view problems; and counts, of which 1001 stands for more than 1000';
