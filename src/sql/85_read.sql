-- What a chart, a phone and an operator read.

-- Both are made to be inlined, once for each reading of a chart: so they count in timestamps of UTC, since a
-- timestamptz plus an interval depends on the session.
CREATE FUNCTION wearables_internal.first_instant(wall_clock timestamp, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- by the offset of the day before, if the clock shows it then; AT TIME ZONE alone takes the later of two
RETURN CASE
  WHEN ((wall_clock - interval '1 day') AT TIME ZONE zone AT TIME ZONE 'UTC' + interval '1 day') AT TIME ZONE 'UTC' AT TIME ZONE zone = wall_clock
  THEN least(wall_clock AT TIME ZONE zone, ((wall_clock - interval '1 day') AT TIME ZONE zone AT TIME ZONE 'UTC' + interval '1 day') AT TIME ZONE 'UTC')
  ELSE wall_clock AT TIME ZONE zone
END;
COMMENT ON FUNCTION wearables_internal.first_instant(timestamp, text) IS 'when clocks in the zone show this: the earlier instant when they show it twice';

CREATE FUNCTION wearables.bucket_start(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  -- up to an hour: counted back from the instant itself, so that the hour that a clock change repeats is two buckets
  WHEN width <= interval '1 hour' THEN
    (ts AT TIME ZONE 'UTC' - (ts AT TIME ZONE zone - date_bin(width, ts AT TIME ZONE zone, timestamp '2001-01-01'))) AT TIME ZONE 'UTC'
  WHEN width >= interval '1 month' AND extract(day FROM width) = 0 THEN
    wearables_internal.first_instant(date_trunc('year', ts AT TIME ZONE zone) + width * div(
      extract(month FROM ts AT TIME ZONE zone) - 1, extract(month FROM width) + 12 * extract(year FROM width))::integer, zone)
  -- 2001-01-01 was a Monday: weeks begin on Monday
  ELSE wearables_internal.first_instant(date_bin(width, ts AT TIME ZONE zone, timestamp '2001-01-01'), zone)
END;
COMMENT ON FUNCTION wearables.bucket_start(timestamptz, interval, text) IS
  'start of the bucket that holds ts: local hours, days, weeks (from Monday) or any interval, in the zone, across clock changes';

CREATE FUNCTION wearables.timeseries(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text DEFAULT 'hour',
  time_zone text DEFAULT NULL, only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL, only_channel text DEFAULT NULL)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint, unit text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  m wearables.metrics;
  zone text;
  width interval;
BEGIN
  SELECT x.* INTO m FROM wearables.metrics x WHERE x.name = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'metric "%" is not known', $2
      USING ERRCODE = 'undefined_object', HINT = 'Metrics are the rows of wearables.metrics.';
  END IF;
  IF $3 IS NULL OR $4 IS NULL OR NOT isfinite($3) OR NOT isfinite($4) OR $3 > $4 THEN
    RAISE EXCEPTION 'the range "%" to "%" is not one', $3, $4
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give two finite instants, the earlier first.';
  END IF;
  SELECT coalesce($6, u.time_zone) INTO zone FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = $1;
  zone := coalesce(zone, 'UTC');
  -- no EXCEPTION block: it would be a subtransaction, and a parallel query may not start one
  width := CASE WHEN $5 ~* '^(hour|day|week|month)$' THEN ('1 ' || $5)::interval ELSE $5::interval END;
  IF width IS NULL OR width <= interval '0' OR (extract(month FROM width) + 12 * extract(year FROM width) > 0
       AND (width <> date_trunc('month', width) OR 12 % (extract(month FROM width) + 12 * extract(year FROM width))::integer <> 0)) THEN
    RAISE EXCEPTION 'bucket "%" is not one', $5
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give hour, day, week, month, or an interval: of days and smaller, or of months that divide a year.';
  END IF;
  RETURN QUERY
  SELECT b.start, s.provider, s.source_type, s.channel,
         CASE m.aggregate
           WHEN 'avg' THEN avg(p.value) WHEN 'sum' THEN sum(p.value) WHEN 'min' THEN min(p.value) WHEN 'max' THEN max(p.value)
           ELSE (array_agg(p.value ORDER BY p.ts DESC))[1] END,
         CASE m.aggregate
           WHEN 'avg' THEN avg(p.value_secondary) WHEN 'sum' THEN sum(p.value_secondary)
           WHEN 'min' THEN min(p.value_secondary) WHEN 'max' THEN max(p.value_secondary)
           ELSE (array_agg(p.value_secondary ORDER BY p.ts DESC))[1] END,
         min(p.value), max(p.value), count(*), m.unit
  FROM wearables.sample_points p
  JOIN wearables.sources s ON s.source_id = p.source_id
    AND s.provider = coalesce($7, s.provider) AND s.source_type = coalesce($8, s.source_type) AND s.channel = coalesce($9, s.channel)
  CROSS JOIN LATERAL (SELECT wearables.bucket_start(p.ts, width, zone)) AS b (start)
  WHERE p.user_id = $1 AND p.metric_id = m.metric_id AND p.ts >= $3 AND p.ts < $4
  GROUP BY b.start, s.source_id, s.provider, s.source_type, s.channel
  ORDER BY b.start, s.provider, s.source_type, s.channel;
END $$;
COMMENT ON FUNCTION wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text) IS
  'a user''s metric in buckets, one row per bucket and source: hour, day, week, month or any interval, in time_zone (default: the user''s); value by the metric''s aggregate; an interval reading counts where it starts; from_ts inclusive, to_ts exclusive';

CREATE FUNCTION wearables.latest(user_id bigint)
RETURNS TABLE (metric text, ts timestamptz, value double precision, value_secondary double precision, unit text,
               provider text, source_type text, channel text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- from one metric of the user's to the next by the key: what others have named costs nothing here
  WITH RECURSIVE mine (metric_id) AS (
    (SELECT p.metric_id FROM wearables.sample_points p WHERE p.user_id = $1 ORDER BY p.metric_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.metric_id FROM wearables.sample_points p WHERE p.user_id = $1 AND p.metric_id > o.metric_id ORDER BY p.metric_id LIMIT 1)
    FROM mine o WHERE o.metric_id IS NOT NULL)
  SELECT m.name, p.ts, p.value, p.value_secondary, m.unit, s.provider, s.source_type, s.channel
  FROM mine o
  CROSS JOIN LATERAL (SELECT x.* FROM wearables.sample_points x
                      WHERE x.user_id = $1 AND x.metric_id = o.metric_id
                      ORDER BY x.ts DESC, x.source_id DESC LIMIT 1) p
  JOIN wearables.metrics m ON m.metric_id = o.metric_id
  JOIN wearables.sources s ON s.source_id = p.source_id
  ORDER BY m.name;
END;
COMMENT ON FUNCTION wearables.latest(bigint) IS 'the newest reading of each metric of a user; one index look a metric';

-- The two that count and name nobody run with the owner's rights, so that a monitor needs no right on the tables below.

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

CREATE VIEW wearables.health AS
WITH facts AS (
  SELECT (SELECT count(*) FROM wearables.jobs j WHERE j.state = 'failed') AS failed,
         (SELECT count(*) FROM wearables.jobs j WHERE j.state = 'ready') AS ready,
         (SELECT count(*) FROM wearables.jobs j WHERE j.state = 'running') AS running,
         (SELECT max(clock_timestamp() - j.run_at) FROM wearables.jobs j
          WHERE j.state = 'ready' AND j.priority = 0 AND j.run_at <= clock_timestamp()) AS longest_wait,
         (SELECT count(*) FROM wearables.jobs j WHERE j.waiting_since < clock_timestamp() - interval '10 minutes') AS waiting,
         (SELECT w.last_sqlstate FROM wearables.jobs w WHERE w.waiting_since IS NOT NULL ORDER BY w.waiting_since LIMIT 1) AS waiting_for,
         (SELECT date_trunc('second', clock_timestamp() - p.since) || coalesce(': ' || p.reason, '') FROM wearables_internal.queue_pause p) AS paused,
         wearables_internal.schema_version() <> wearables_internal.library_version() AS misfit,
         (SELECT min(w.maintenance_sqlstate) FROM wearables_internal.workers() w) AS maintenance,
         (SELECT min(w.last_sqlstate) FROM wearables_internal.workers() w WHERE w.doing = 'waiting after errors') AS trouble,
         (SELECT count(*) FROM wearables.parked_events) AS parked,
         (SELECT count(*) FROM wearables.quarantine) AS quarantined,
         (SELECT string_agg(e.name, ', ' ORDER BY e.name) FROM wearables.endpoints e
          WHERE e.enabled AND NOT EXISTS (SELECT FROM wearables.endpoint_secrets s
                                          WHERE s.endpoint = e.name AND s.kind = 'webhook')) AS mute,
         (SELECT count(*) FROM wearables.endpoints e WHERE e.enabled) AS senders,
         array_to_string(wearables_internal.unreadable_endpoints(), ', ') AS unreadable,
         EXISTS (SELECT FROM wearables.webhook_events_default) AS in_default,
         EXISTS (SELECT FROM wearables.quarantine q
                 WHERE q.reason = 'no_more_names' OR q.reason = 'more_refused' AND q.detail LIKE '%no_more_names%') AS no_more_names,
         wearables_internal.worker_count() AS workers),
verdicts (rank, verdict, reason) AS (
  SELECT 1, 'failing', format('endpoint without a webhook secret refuses every delivery: %s; give it one with set_secret()', f.mute)
  FROM facts f WHERE f.mute IS NOT NULL
  UNION ALL
  SELECT 1, 'failing', format('secret unreadable: endpoint %s; the cause is in the server''s log', f.unreadable)
  FROM facts f WHERE f.unreadable <> ''
  UNION ALL
  SELECT 2, 'failing', 'the library does not fit the installed version of the extension, and the queue waits: ALTER EXTENSION wearables_ingest UPDATE'
  FROM facts f WHERE f.misfit
  UNION ALL
  SELECT 2, 'failing', format('the queue is paused for %s; SELECT wearables.resume_queue()', f.paused) FROM facts f WHERE f.paused IS NOT NULL
  UNION ALL
  SELECT 2, 'failing', format('%s job(s) wait for something outside them for more than 10 minutes, the oldest for SQLSTATE %s: see last_error in wearables.jobs WHERE waiting_since IS NOT NULL', f.waiting, f.waiting_for)
  FROM facts f WHERE f.waiting > 0
  UNION ALL
  SELECT 3, 'warning', format('a worker waits after errors, the last of SQLSTATE %s: see the view workers and the server''s log', f.trouble)
  FROM facts f WHERE f.trouble IS NOT NULL
  UNION ALL
  SELECT 3, 'warning', format('maintenance fails with SQLSTATE %s: see the server''s log; partitions of webhook_events are not made', f.maintenance)
  FROM facts f WHERE f.maintenance IS NOT NULL
  UNION ALL
  SELECT 2, 'failing', format('%s jobs are ready, the oldest for %s, and no worker runs; start one or CALL wearables.drain()',
                              f.ready, date_trunc('second', f.longest_wait))
  FROM facts f WHERE f.longest_wait > interval '5 minutes' AND coalesce(f.workers, 0) = 0
  UNION ALL
  SELECT 3, 'failing', format('the queue is behind: the oldest ready job waits for %s; add workers', date_trunc('second', f.longest_wait))
  FROM facts f WHERE f.longest_wait > interval '15 minutes' AND f.workers > 0
  UNION ALL
  SELECT 4, 'warning', format('%s dead letter(s): SELECT event_id, last_error FROM wearables.jobs WHERE state = ''failed''', f.failed)
  FROM facts f WHERE f.failed > 0
  UNION ALL
  SELECT 5, 'warning', format('%s event(s) parked for unknown users: register_user() frees them', f.parked) FROM facts f WHERE f.parked > 0
  UNION ALL
  SELECT 4, 'warning', 'there is no room for more sources or metrics: raise wearables_ingest.max_sources or max_extended_metrics, and the readings that were refused for it are read again'
  FROM facts f WHERE f.no_more_names
  UNION ALL
  SELECT 6, 'warning', 'events lie in the default partition: SELECT wearables.make_event_partitions()'
  FROM facts f WHERE f.in_default AND coalesce(f.workers, 0) = 0
  UNION ALL
  SELECT 7, 'ok', 'no endpoint yet: add one with add_endpoint()' FROM facts f WHERE f.senders = 0
  UNION ALL
  SELECT 8, 'ok', format('%s event(s) wait, the rest ended in samples or was skipped for a stated reason', f.ready + f.running) FROM facts f)
SELECT v.verdict, v.reason, f.ready, f.running, f.failed, f.longest_wait, f.parked, f.quarantined, f.workers
FROM facts f, LATERAL (SELECT x.verdict, x.reason FROM verdicts x ORDER BY x.rank LIMIT 1) v;
COMMENT ON VIEW wearables.health IS 'one verdict (ok, warning, failing) with its reason and what to do, and the counts behind it';
