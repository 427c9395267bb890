-- What an operator should act on: one view a subject, and problems over them. A new kind of obstacle gets its row here.
-- rank orders rows of one severity; what, remedy and statement are for the operator. No row names a person or holds a
-- reading. Each reads a fixed number of rows, however many there are.

-- Refused deliveries: those that are written and those still in memory.
CREATE VIEW wearables_internal.activity AS
SELECT a.endpoint, a.reason, sum(a.count) AS count, max(a.last_at) AS last_at, sum(a.streak) AS streak,
       min(a.streak_from) AS streak_from, max(a.message_id) AS message_id, max(a.longest_gap) AS longest_gap
FROM (
  SELECT w.endpoint, w.reason, w.count, w.last_at, w.streak, w.streak_from, w.message_id, w.longest_gap
  FROM wearables.endpoint_activity w
  UNION ALL
  SELECT u.endpoint, u.reason, u.count, u.last_at, u.count, u.first_at, u.message_id, NULL
  FROM wearables_internal.unwritten_activity() u) a
GROUP BY a.endpoint, a.reason;
COMMENT ON VIEW wearables_internal.activity IS 'endpoint_activity together with the counts that are still in memory.';

-- Refused since the last acceptance; where no endpoint matched, in the last day. Anybody can send without a signature:
-- that alone, and what lasts for less than an hour, is a warning.
CREATE VIEW wearables_internal.refused AS
SELECT r.endpoint, r.reason, r.streak, r.streak_from, r.last_at, r.message_id, a.last_at AS accepted_at,
       NOT wearables_internal.concerns_endpoint(r.reason) OR r.endpoint = '-' AND r.reason <> 'disabled'
       OR r.streak_from > clock_timestamp() - interval '1 hour' AS mild
FROM wearables_internal.activity r
LEFT JOIN wearables_internal.activity a ON a.endpoint = r.endpoint AND a.reason = 'accepted'
WHERE r.reason <> 'accepted' AND r.streak > 0
  AND (r.last_at > a.last_at
       OR a.last_at IS NULL AND (r.endpoint <> '-' OR r.last_at > clock_timestamp() - interval '1 day'));
COMMENT ON VIEW wearables_internal.refused IS
  'Refusals since the last accepted delivery. mild: reported as a warning.';

CREATE VIEW wearables_internal.problems_of_endpoints AS
SELECT 1 AS rank, 'failing' AS severity, 'no_secret' AS problem, e.name AS object,
       format('endpoint %s has no webhook secret and refuses every delivery', e.name) AS what, e.created_at AS since,
       'set its webhook secret' AS remedy,
       format('SELECT wearables.set_secret(%L, ''webhook'', 0, ''...'')', e.name) AS statement
FROM wearables.endpoints e
WHERE e.enabled
  AND NOT EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'webhook')
UNION ALL
SELECT 1, 'failing', 'secret_unreadable', u, format('the webhook secret of endpoint %s cannot be read', u), NULL,
       'see the server log for the cause', NULL
FROM unnest(wearables_internal.unreadable_endpoints()) u
UNION ALL
SELECT CASE WHEN r.mild AND r.endpoint = '-' THEN 6 WHEN r.mild THEN 5 ELSE 2 END,
       CASE WHEN r.mild THEN 'warning' ELSE 'failing' END, 'refused', nullif(r.endpoint, '-'),
       format('%s refused (%s), %s; the last one at %s UTC%s',
              CASE r.streak WHEN 1 THEN '1 delivery was' ELSE r.streak || ' deliveries were' END, r.reason,
              CASE WHEN r.endpoint = '-' THEN 'for no known endpoint'
                   WHEN r.accepted_at IS NULL THEN format('endpoint %s has never accepted one', r.endpoint)
                   ELSE format('endpoint %s last accepted one at %s UTC', r.endpoint,
                               wearables_internal.utc_second(r.accepted_at)) END,
              wearables_internal.utc_second(r.last_at), ', message ' || r.message_id),
       r.streak_from, wearables_internal.refusal_remedy(r.reason),
       CASE WHEN r.reason = 'disabled' AND r.endpoint <> '-'
            THEN format('UPDATE wearables.endpoints SET enabled = true WHERE name = %L', r.endpoint) END
FROM wearables_internal.refused r
UNION ALL
SELECT 3, 'warning', 'disabled', NULL, 'every endpoint is disabled: nothing is received', NULL, 'enable one',
       'UPDATE wearables.endpoints SET enabled = true WHERE name = ...'
WHERE EXISTS (SELECT FROM wearables.endpoints) AND NOT EXISTS (SELECT FROM wearables.endpoints e WHERE e.enabled)
UNION ALL
SELECT 4, 'warning', 'lost', a.endpoint,
       format('endpoint %s refused %s (%s) from %s to %s UTC: senders stop retrying within that '
              'time, so these messages are probably lost',
              a.endpoint, CASE a.lost WHEN 1 THEN '1 delivery' ELSE a.lost || ' deliveries' END, a.reason,
              wearables_internal.utc_second(a.lost_from), wearables_internal.utc_second(a.lost_to)),
       a.lost_from,
       'recover these messages at the sender or pull their history, then delete this row',
       format('DELETE FROM wearables.endpoint_activity WHERE endpoint = %L AND reason = %L', a.endpoint, a.reason)
FROM wearables.endpoint_activity a
WHERE a.lost > 0 AND a.endpoint <> '-' AND wearables_internal.concerns_endpoint(a.reason)
UNION ALL
SELECT 5, 'warning', 'silent', e.name, format('endpoint %s has never accepted a delivery', e.name), e.created_at,
       'check at the sender that the URL is right and the endpoint enabled', NULL
FROM wearables.endpoints e
WHERE e.enabled AND e.created_at < clock_timestamp() - interval '1 day'
  AND EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'webhook')
  AND NOT EXISTS (SELECT FROM wearables_internal.activity a WHERE a.endpoint = e.name)
UNION ALL
SELECT 5, 'warning', 'silent', a.endpoint,
       format('endpoint %s has accepted no delivery since %s UTC; its longest gap was %s', a.endpoint,
              wearables_internal.utc_second(a.last_at), date_trunc('second', a.longest_gap)),
       a.last_at, 'check at the sender, which disables an endpoint that failed for days', NULL
FROM wearables_internal.activity a JOIN wearables.endpoints e ON e.name = a.endpoint AND e.enabled
WHERE a.reason = 'accepted' AND a.count >= 10
  AND clock_timestamp() - a.last_at > greatest(4 * a.longest_gap, interval '6 hours');
COMMENT ON VIEW wearables_internal.problems_of_endpoints IS
  'Problems: deliveries that are refused, missing or cannot be verified.';

CREATE VIEW wearables_internal.problems_of_queue AS
WITH facts AS (
  SELECT wearables_internal.worker_count() AS workers, wearables_internal.wants_workers() AS wanted,
         wearables_internal.oldest_event() AS oldest_event,
         (SELECT min(r.run_at) FROM wearables_internal.first_ready_jobs r) AS oldest,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'failed' LIMIT 1001) j) AS failed)
SELECT 2 AS rank, 'failing' AS severity, 'schema_version' AS problem, NULL::text AS object,
       'the library does not match the installed version of the extension, so the queue waits' AS what,
       NULL::timestamptz AS since, 'update the extension' AS remedy,
       'ALTER EXTENSION wearables_ingest UPDATE' AS statement
WHERE wearables_internal.schema_version() <> wearables_internal.library_version()
UNION ALL
SELECT 2, 'failing', 'paused', nullif(q.kind, ''),
       format('%s paused for %s%s',
              CASE q.kind WHEN '' THEN 'the queue is' ELSE format('jobs of kind %s are', q.kind) END,
              date_trunc('second', clock_timestamp() - q.since), ': ' || q.reason),
       q.since, 'resume it', format('SELECT wearables.resume_queue(%s)', quote_literal(nullif(q.kind, '')))
FROM wearables_internal.queue_pause q
UNION ALL
SELECT 2, 'failing', 'waiting', NULL,
       format('%s job(s) have been put off for more than 10 minutes by a cause outside of them, the oldest with '
              'SQLSTATE %s',
              count(*), (array_agg(j.last_sqlstate ORDER BY j.waiting_since))[1]),
       min(j.waiting_since), 'see column last_error',
       'SELECT job_id, waiting_since, last_error FROM wearables.jobs WHERE waiting_since IS NOT NULL ORDER BY 2 LIMIT '
       '20'
FROM (SELECT x.waiting_since, x.last_sqlstate FROM wearables.jobs x
      WHERE x.waiting_since < clock_timestamp() - interval '10 minutes' ORDER BY x.waiting_since LIMIT 1001) j
HAVING count(*) > 0
UNION ALL
SELECT 2, 'failing', 'no_worker', NULL,
       format('%s of %s worker(s) are running%s', coalesce(f.workers, 0), f.wanted,
              CASE WHEN f.workers IS NULL THEN ': the library is not preloaded' ELSE '' END),
       NULL, 'see the server log; max_worker_processes may be too low', NULL
FROM facts f WHERE coalesce(f.workers, 0) < f.wanted AND NOT pg_is_in_recovery()
UNION ALL
SELECT 2, 'failing', 'queue_behind', NULL,
       format('the oldest ready job has waited for %s, and no worker is running',
              date_trunc('second', clock_timestamp() - f.oldest)),
       f.oldest, 'start a worker, or process the queue in a session', 'CALL wearables.drain()'
FROM facts f WHERE f.oldest < clock_timestamp() - interval '5 minutes' AND coalesce(f.workers, 0) = 0
UNION ALL
SELECT 3, 'failing', 'queue_behind', NULL,
       format('the queue is behind: the oldest ready job has waited for %s',
              date_trunc('second', clock_timestamp() - f.oldest)),
       f.oldest, 'increase wearables_ingest.workers', NULL
FROM facts f WHERE f.oldest < clock_timestamp() - interval '15 minutes' AND f.workers > 0
UNION ALL
SELECT 2, 'failing', 'forgotten', NULL,
       format('%s of the newest events are waiting without a job', count(*)), min(x.received_at),
       'queue these events again',
       'SELECT wearables.requeue_event(e.event_id) FROM wearables.webhook_events e WHERE e.status = ''received'' '
       'AND NOT EXISTS (SELECT FROM wearables.jobs j WHERE j.event_id = e.event_id)'
FROM wearables_internal.forgotten_events() x HAVING count(*) > 0
UNION ALL
SELECT 3, 'warning', 'lease_expired', NULL, format('%s job(s) have run for longer than their lease', count(*)),
       min(j.leased_until), 'see which sessions run them', 'SELECT * FROM wearables.workers'
FROM wearables.jobs j WHERE j.state = 'running' AND j.leased_until < clock_timestamp() HAVING count(*) > 0
UNION ALL
SELECT 3, 'warning', 'worker_errors', NULL,
       format('a worker is waiting after errors, the last with SQLSTATE %s', min(w.last_sqlstate)), min(w.since),
       'see the server log', 'SELECT * FROM wearables.workers'
FROM wearables_internal.workers() w WHERE w.doing = 'waiting after errors' HAVING count(*) > 0
UNION ALL
SELECT 3, 'warning', 'worker_exits', NULL,
       format('workers ended unexpectedly %s times in the last hour, the last time at %s UTC', count(*),
              wearables_internal.utc_second(max(x.at))),
       min(x.at), 'see the server log', NULL
FROM wearables_internal.worker_exits() x (at) WHERE x.at > clock_timestamp() - interval '1 hour' HAVING count(*) >= 3
UNION ALL
SELECT 3, 'warning', 'old_event', NULL,
       format('the oldest unprocessed event has waited for %s',
              date_trunc('second', clock_timestamp() - f.oldest_event)),
       f.oldest_event, 'see what its job waits for',
       'SELECT * FROM wearables.jobs WHERE state <> ''failed'' AND priority = 0 ORDER BY queued_at LIMIT 20'
FROM facts f WHERE f.oldest_event < clock_timestamp() - interval '1 hour'
UNION ALL
SELECT 4, 'warning', 'dead_letters', NULL,
       format('%s failed job(s) (dead letters)',
              CASE WHEN f.failed > 1000 THEN 'more than 1000' ELSE f.failed::text END),
       NULL,
       'see column last_error, fix the cause, then call retry_failed(), or discard_failed() if no attempt can succeed',
       'SELECT event_id, last_error FROM wearables.jobs WHERE state = ''failed'''
FROM facts f WHERE f.failed > 0;
COMMENT ON VIEW wearables_internal.problems_of_queue IS 'Problems: waiting jobs and missing or failing workers.';

CREATE VIEW wearables_internal.problems_of_data AS
WITH
drifting AS MATERIALIZED (SELECT * FROM wearables_internal.recent_drift()),
facts AS (SELECT count(*) AS parked FROM (SELECT FROM wearables.parked_events LIMIT 1001) p)
SELECT 5 AS rank, 'warning' AS severity, 'parked' AS problem, NULL::text AS object,
       format('%s event(s) are parked, because their users are not registered',
              CASE WHEN f.parked > 1000 THEN 'more than 1000' ELSE f.parked::text END) AS what,
       (SELECT p.parked_at FROM wearables.parked_events p ORDER BY p.event_id LIMIT 1) AS since,
       'register the users with register_user()' AS remedy, NULL::text AS statement
FROM facts f WHERE f.parked > 0
UNION ALL
SELECT 4, 'warning', 'no_more_names', NULL, 'the limit of sources or metrics is reached, so readings are quarantined',
       NULL,
       'raise wearables_ingest.max_sources or wearables_ingest.max_extended_metrics; these events are then processed '
       'again',
       NULL
WHERE EXISTS (SELECT FROM wearables.quarantine q
              WHERE q.reason = 'no_more_names' OR q.reason = 'more_refused' AND q.detail LIKE '%no_more_names%')
UNION ALL
SELECT 5, 'warning', 'unknown_kind', x.endpoint,
       format('endpoint %s sends events of an unknown type or resource: %s of the newest were skipped',
              x.endpoint, count(*)),
       min(x.received_at), 'add a row to wearables.resources for each, see column remedy',
       'SELECT * FROM wearables.drift WHERE kind = ''resource'''
FROM drifting x WHERE x.unknown_kind GROUP BY x.endpoint
UNION ALL
-- A null is no reading. Documents never say the unit of a field whose schema gives none: parse.md says what to do.
SELECT 5, 'warning', 'refused_readings', q.reason,
       format('%s recent reading(s) are quarantined with reason %s, of %s', count(*), q.reason,
              coalesce(string_agg(DISTINCT q.metric, ', ') FILTER (WHERE q.place <= 100), 'no known metric')),
       min(q.refused_at),
       CASE q.reason
         WHEN 'unknown_unit' THEN 'add a row to wearables.units, then replay these events'
         WHEN 'missing_unit' THEN 'add a mapping that says which unit is meant, then replay these events'
         WHEN 'unknown_code' THEN 'add the code to the mapping, then replay these events'
         ELSE 'find out why with explain_event(); this is shown for a week' END,
       format('SELECT event_id, metric, detail FROM wearables.quarantine WHERE reason = %L '
              'ORDER BY event_id DESC LIMIT 20', q.reason)
FROM (SELECT q.*, row_number() OVER () AS place
      FROM (SELECT x.reason, x.metric, x.refused_at FROM wearables.quarantine x
            ORDER BY x.event_id DESC, x.ordinal DESC LIMIT 1000) q) q
WHERE q.refused_at > clock_timestamp() - interval '7 days'
  AND q.reason NOT IN ('missing_value', 'more_refused', 'no_more_names')
  AND NOT (q.reason = 'missing_unit'
           AND q.metric IN (SELECT p.metric FROM wearables.mappings p JOIN wearables.resources r ON r.name = p.resource
                            WHERE r.kind = 'summary' AND p.unit_field IS NOT NULL
                              AND p.unit IS NULL AND p.unit_default IS NULL))
GROUP BY q.reason
UNION ALL
SELECT 6, 'warning', 'drift_full', x.endpoint,
       format('%s event(s) of endpoint %s, the last of them %s, hold more unknown fields and values than are recorded '
              'for one event',
              count(*), x.endpoint, max(x.event_id)),
       min(x.received_at), 'add rows for what drift shows, then replay these events', 'SELECT * FROM wearables.drift'
FROM drifting x WHERE x.terms >= 32 GROUP BY x.endpoint
UNION ALL
SELECT 6, 'warning', 'quarantine_full', NULL,
       format('event %s holds more refused readings than quarantine lists', q.event_id),
       q.refused_at, 'see the reasons',
       format('SELECT reason, metric, count(*) FROM wearables.quarantine WHERE event_id = %s GROUP BY 1, 2', q.event_id)
FROM (SELECT q.event_id, q.refused_at FROM wearables.quarantine q WHERE q.reason = 'more_refused'
      ORDER BY q.event_id DESC LIMIT 1) q
WHERE q.refused_at > clock_timestamp() - interval '7 days';
COMMENT ON VIEW wearables_internal.problems_of_data IS
  'Problems: events and readings that cannot be read or assigned to a user.';

CREATE VIEW wearables_internal.problems_of_tables AS
SELECT 3 AS rank, 'warning' AS severity, 'maintenance' AS problem, NULL::text AS object,
       format('maintenance fails with SQLSTATE %s; partitions of webhook_events are not created',
              min(w.maintenance_sqlstate)) AS what,
       min(w.maintained_at) AS since, 'see the server log' AS remedy,
       'SELECT wearables.make_event_partitions()' AS statement
FROM wearables_internal.workers() w WHERE w.maintenance_sqlstate IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT 6, 'warning', 'default_partition', NULL, 'events are stored in the default partition', NULL,
       'create the missing partitions',
       'SELECT wearables.make_event_partitions()'
WHERE EXISTS (SELECT FROM wearables.webhook_events_default) AND coalesce(wearables_internal.worker_count(), 0) = 0
UNION ALL
SELECT 6, 'warning', 'partitions_ahead', NULL, 'there is no partition for the events of next week', NULL, 'create it',
       'SELECT wearables.make_event_partitions()'
WHERE wearables_internal.partition_of_week(clock_timestamp() + interval '7 days') IS NULL
  AND EXISTS (SELECT FROM wearables.endpoints e
              WHERE e.enabled AND e.created_at < clock_timestamp() - interval '1 hour')
UNION ALL
SELECT 7, 'warning', 'slow_writer', 'wearables.sample_points',
       format('sample_points is written by SQL, several times slower, because of %s', w), NULL,
       'remove it if possible', NULL
FROM wearables_internal.slow_writer() w WHERE w IS NOT NULL
UNION ALL
SELECT 7, 'warning', 'rollups_off', 'wearables.sample_points',
       'trigger reset_rollups is not enabled for every session, so charts do not use rollups', NULL,
       'enable it, then call rebuild_rollups()',
       'ALTER TABLE wearables.sample_points ENABLE ALWAYS TRIGGER reset_rollups'
FROM pg_trigger t
WHERE t.tgrelid = 'wearables.sample_points'::regclass AND t.tgname = 'reset_rollups' AND t.tgenabled <> 'A'
UNION ALL
SELECT 7, 'warning', 'rollups_late', NULL,
       'days that were written are not rolled up, so charts of them read every sample', u.due_at,
       'see whether jobs of kind rollup are worked on',
       'SELECT * FROM wearables.queue WHERE kind = ''rollup'''
FROM (SELECT x.due_at FROM wearables_internal.rollup_users x ORDER BY x.due_at LIMIT 1) u
WHERE u.due_at < clock_timestamp() - interval '6 hours'
UNION ALL
SELECT 2, 'failing', 'replica_identity', c.oid::regclass::text,
       format('%s is published and has no replica identity, so its rows cannot be updated', c.oid::regclass), NULL,
       'set a replica identity', format('ALTER TABLE %s REPLICA IDENTITY FULL', c.oid::regclass)
FROM pg_class c
WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace)
  AND c.relkind = 'r' AND c.relpersistence = 'p'
  AND (c.relreplident = 'n' OR c.relreplident = 'd'
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
  AND EXISTS (
    SELECT FROM pg_publication u
    WHERE (u.pubupdate OR u.pubdelete) AND (
      u.puballtables
      OR EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = u.oid AND n.pnnspid = c.relnamespace)
      OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = u.oid AND (
                   r.prrelid = c.oid
                   OR r.prrelid IN (SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid)))));
COMMENT ON VIEW wearables_internal.problems_of_tables IS
  'Problems: tables that are not maintained, are slow, or cannot be updated.';

CREATE VIEW wearables.problems AS
SELECT p.severity, p.problem, p.object, p.what, p.since, p.remedy, p.statement
FROM (
  SELECT * FROM wearables_internal.problems_of_endpoints
  UNION ALL SELECT * FROM wearables_internal.problems_of_queue
  UNION ALL SELECT * FROM wearables_internal.problems_of_pulls
  UNION ALL SELECT * FROM wearables_internal.problems_of_calls
  UNION ALL SELECT * FROM wearables_internal.problems_of_erasures
  UNION ALL SELECT * FROM wearables_internal.problems_of_accesses
  UNION ALL SELECT * FROM wearables_internal.problems_of_archives
  UNION ALL SELECT * FROM wearables_internal.problems_of_data
  UNION ALL SELECT * FROM wearables_internal.problems_of_tables
  UNION ALL SELECT * FROM wearables_internal.problems_of_publications
  UNION ALL SELECT * FROM wearables_internal.problems_of_roles) p
ORDER BY p.severity, p.rank, p.since;
COMMENT ON VIEW wearables.problems IS
  'What an operator should act on, the most severe first. It shows no ids of users and no readings. No rows: '
  'nothing to do.';
COMMENT ON COLUMN wearables.problems.severity IS
  'failing: deliveries are refused, events are not processed, or a role that is limited to some users sees all. '
  'warning: everything else.';
COMMENT ON COLUMN wearables.problems.problem IS
  'Kind of problem, a fixed code such as no_secret, refused, silent, paused, no_worker, dead_letters, parked.';
COMMENT ON COLUMN wearables.problems.object IS 'The endpoint, job kind or table concerned. Null: none in particular.';
COMMENT ON COLUMN wearables.problems.what IS 'What is wrong, in words.';
COMMENT ON COLUMN wearables.problems.since IS 'Since when. Null: not known.';
COMMENT ON COLUMN wearables.problems.remedy IS 'What to do.';
COMMENT ON COLUMN wearables.problems.statement IS 'A statement that does it or shows more. Null: there is none.';
