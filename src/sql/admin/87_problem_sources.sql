-- Problems of what is asked of vendors: pulls and calls; of erasures; and of the record of who read. The view problems
-- puts all together.

CREATE VIEW wearables_internal.problems_of_pulls AS
SELECT 3 AS rank, 'failing' AS severity, 'pull_stopped' AS problem, h.endpoint AS object,
       format('history of endpoint %s cannot be pulled: %s', h.endpoint, h.reason) AS what, h.refused_since AS since,
       'set an API key that the vendor accepts; it is tried once a minute' AS remedy,
       format('SELECT wearables.set_secret(%L, ''api_key'', 0, ''...'')', h.endpoint) AS statement
FROM wearables_internal.refused_keys h
WHERE EXISTS (SELECT FROM wearables.backfills b WHERE b.endpoint = h.endpoint AND b.state IN ('waiting', 'running'))
   OR EXISTS (SELECT FROM wearables.stream_pulls p WHERE p.endpoint = h.endpoint AND p.state = 'waiting')
UNION ALL
SELECT 4, 'warning', 'pull_failing', h.host,
       format('requests to %s have failed %s times in a row: %s', h.host, h.failures, h.reason),
       h.failing_since,
       'nothing to do now: requests are repeated at growing intervals', NULL
FROM wearables_internal.pull_hosts h
WHERE h.failures >= 5
  AND EXISTS (SELECT FROM wearables.endpoints e WHERE e.enabled AND wearables_internal.host_of(e.base_url) = h.host)
UNION ALL
SELECT 4, 'warning', 'pull_blocked', h.host,
       format('%s asked not to be called until %s UTC: %s', h.host, wearables_internal.utc_second(h.blocked_until),
              h.reason),
       h.changed_at,
       'nothing, if that is right; it ends by itself', NULL
FROM wearables_internal.pull_hosts h
WHERE h.failures < 5 AND h.blocked_until > clock_timestamp() + interval '10 minutes'
  AND EXISTS (SELECT FROM wearables.endpoints e WHERE e.enabled AND wearables_internal.host_of(e.base_url) = h.host)
UNION ALL
SELECT 4, 'warning', 'pull_disabled', e.name,
       format('history of endpoint %s is not pulled, because it is disabled', e.name), o.since,
       'enable the endpoint, or cancel its backfills with cancel_backfill()',
       format('UPDATE wearables.endpoints SET enabled = true WHERE name = %L', e.name)
FROM wearables.endpoints e
CROSS JOIN LATERAL (SELECT b.created_at FROM wearables.backfills b
                    WHERE b.endpoint = e.name AND b.state IN ('waiting', 'running')
                    ORDER BY b.backfill_id LIMIT 1) o (since)
WHERE NOT e.enabled
UNION ALL
-- what is put off has a time of its own, and what waits for a key, a host or an endpoint is told above
SELECT 4, 'warning', 'late_jobs', k.kind::text,
       format('jobs of kind %s and priority %s have been due for %s', k.kind, p.priority,
              date_trunc('second', clock_timestamp() - j.run_at)),
       j.run_at,
       'start a worker, raise wearables_ingest.workers, or call drain()', 'CALL wearables.drain()'
FROM unnest(enum_range(NULL::wearables.job_kind)) k (kind)
-- a large replay may take days
CROSS JOIN (VALUES (5, interval '6 hours'), (7, '6 hours'), (10, '7 days')) p (priority, patience)
CROSS JOIN LATERAL (SELECT x.run_at FROM wearables.jobs x
                    WHERE x.kind = k.kind AND x.priority = p.priority AND x.state = 'ready' AND NOT x.suspect
                    ORDER BY x.run_at LIMIT 1) j
WHERE j.run_at < clock_timestamp() - p.patience
  AND NOT EXISTS (SELECT FROM wearables_internal.queue_pause q WHERE q.kind IN ('', k.kind::text))
UNION ALL
SELECT 5, 'warning', 'pull_failed', NULL,
       format('%s backfill(s) were given up',
              CASE WHEN f.count > 1000 THEN 'more than 1000' ELSE f.count::text END),
       NULL, 'see column error, fix the cause, then call retry_backfill()',
       'SELECT backfill_id, resource, error FROM wearables.backfills WHERE state = ''failed'''
FROM (SELECT count(*) FROM (SELECT FROM wearables.backfills b WHERE b.state = 'failed' LIMIT 1001) b) f
WHERE f.count > 0
UNION ALL
SELECT 5, 'warning', 'stream_failed', NULL,
       format('%s stream(s) of documents could not be pulled',
              CASE WHEN f.count > 1000 THEN 'more than 1000' ELSE f.count::text END),
       NULL, 'see column error, fix the cause, then call request_streams()',
       'SELECT user_id, resource, document_id, error FROM wearables.stream_pulls WHERE state = ''failed'''
FROM (SELECT count(*) FROM (SELECT FROM wearables.stream_pulls p WHERE p.state = 'failed' LIMIT 1001) p) f
WHERE f.count > 0
UNION ALL
SELECT 5, 'warning', 'reconcile_failing', NULL,
       format('reconcile() fails again and again for %s user(s), with SQLSTATE %s', count(*), min(r.sqlstate)),
       min(r.failing_since), 'see the server log', NULL
FROM wearables_internal.reconciled_users r WHERE r.failures > 1 HAVING count(*) > 0
UNION ALL
SELECT 5, 'warning', 'vendor_pull_failed', v.endpoint,
       format('the vendor could not pull the history of provider %s for %s connection(s) at endpoint %s: %s',
              v.provider, count(DISTINCT v.user_id), v.endpoint, coalesce(v.error_code, 'no reason given')),
       min(v.failed_since),
       CASE WHEN v.retriable THEN 'nothing: the vendor is asked to pull again once a day'
            ELSE 'ask the vendor, or ask the users to connect again' END,
       'SELECT * FROM wearables.vendor_pulls WHERE failed'
FROM (SELECT * FROM wearables.vendor_pulls x WHERE x.failed LIMIT 1001) v
GROUP BY v.endpoint, v.provider, v.error_code, v.retriable;
COMMENT ON VIEW wearables_internal.problems_of_pulls IS 'Problems: history that cannot be pulled.';

CREATE VIEW wearables_internal.problems_of_calls AS
SELECT 3 AS rank, 'failing' AS severity, 'call_stopped' AS problem, h.endpoint AS object,
       format('the API of endpoint %s cannot be called: %s', h.endpoint, h.reason) AS what, h.refused_since AS since,
       'set an API key that the vendor accepts; it is tried once a minute' AS remedy,
       format('SELECT wearables.set_secret(%L, ''api_key'', 0, ''...'')', h.endpoint) AS statement
FROM wearables_internal.refused_keys h
WHERE EXISTS (SELECT FROM wearables_internal.calls c
              WHERE c.endpoint = h.endpoint AND c.state IN ('waiting', 'running'))
UNION ALL
SELECT 5, 'warning', 'call_failed', NULL,
       format('%s call(s) to vendors failed in the last day',
              CASE WHEN f.count > 1000 THEN 'more than 1000' ELSE f.count::text END),
       NULL, 'see column error, fix the cause, then request the call again',
       'SELECT job_id, operation, error FROM wearables.outbound_calls WHERE state = ''failed'''
FROM (SELECT count(*) FROM (SELECT FROM wearables_internal.calls c
                            WHERE c.finished_at > clock_timestamp() - interval '1 day' AND c.state = 'failed'
                            LIMIT 1001) c) f
WHERE f.count > 0;
COMMENT ON VIEW wearables_internal.problems_of_calls IS 'Problems: calls to vendors that cannot be made, or failed.';

CREATE VIEW wearables_internal.problems_of_erasures AS
SELECT 4 AS rank, 'warning' AS severity, 'erasure_stopped' AS problem, NULL::text AS object,
       format('%s erasure(s) wait, because the vendor has not deleted its user', count(*)) AS what,
       min(r.requested_at) AS since,
       'see column error; call erase_user() again, with delete_vendor => false to end it without the vendor' AS remedy,
       'SELECT user_id, error FROM wearables.erasures WHERE finished_at IS NULL' AS statement
FROM wearables.erasures r WHERE r.finished_at IS NULL AND r.error IS NOT NULL HAVING count(*) > 0
UNION ALL
SELECT 4, 'warning', 'erasure_behind', NULL,
       format('%s erasure(s) are not finished after a day', count(*)), min(r.requested_at),
       'see whether a worker runs, and failed jobs of kind erase',
       'SELECT * FROM wearables.erasures WHERE finished_at IS NULL'
FROM wearables.erasures r
WHERE r.finished_at IS NULL AND r.error IS NULL AND r.requested_at < clock_timestamp() - interval '1 day'
HAVING count(*) > 0;
COMMENT ON VIEW wearables_internal.problems_of_erasures IS 'Problems: users whose erasure does not come to its end.';

CREATE VIEW wearables_internal.problems_of_accesses AS
WITH state AS MATERIALIZED (SELECT s.* FROM wearables_internal.access_state() s)
SELECT 4 AS rank, 'warning' AS severity, 'access_record_off' AS problem, NULL::text AS object,
       'wearables_ingest.access_record is on, but no read is recorded, because the library is not preloaded' AS what,
       NULL::timestamptz AS since,
       'add wearables_ingest to shared_preload_libraries, and restart the server' AS remedy, NULL::text AS statement
FROM state s WHERE s.wanted AND NOT s.ready
UNION ALL
SELECT 4, 'warning', 'access_unwritten', 'wearables.accesses',
       format('reads are not written to accesses: %s row(s) wait in memory, and a crash of the server would lose them',
              s.waiting),
       s.due_at,
       CASE WHEN pg_is_in_recovery() THEN 'a standby cannot write them: they wait until it is promoted'
            ELSE 'start a worker, or call drain(); if that is done, see the server log' END,
       CASE WHEN NOT pg_is_in_recovery() THEN 'CALL wearables.drain()' END
FROM state s WHERE s.due_at < clock_timestamp() - interval '10 minutes'
UNION ALL
SELECT 4, 'warning', 'access_lost', 'wearables.accesses',
       format('%s read(s) could not be recorded in the last week, because the memory was full', sum(l.reads)),
       min(l.first_at), 'run a worker, so that accesses are written in time; nothing brings them back',
       'SELECT first_at, last_at, reads FROM wearables.accesses WHERE function IS NULL'
FROM (SELECT s.lost AS reads, s.lost_from AS first_at FROM state s WHERE s.lost > 0
      UNION ALL
      (SELECT a.reads, a.first_at FROM wearables.accesses a
       WHERE a.function IS NULL AND a.last_at > clock_timestamp() - interval '7 days'
       ORDER BY a.last_at DESC LIMIT 1000)) l
HAVING count(*) > 0;
COMMENT ON VIEW wearables_internal.problems_of_accesses IS 'Problems: reads that are not recorded, or not written.';
