-- differential: timeseries() against SQL that anybody would write, for ranges, zones, buckets, policies and settings of the session drawn by chance
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice \gset
INSERT INTO wearables.sources (provider, source_type, channel) VALUES ('p1', 'watch', 'timeseries'), ('p1', 'phone', 'timeseries'), ('p2', 'ring', 'timeseries');
INSERT INTO wearables.metrics (name, unit, aggregate) SELECT 'd_' || a, '1', a FROM unnest('{avg,sum,min,max,last}'::text[]) a;
INSERT INTO wearables.source_priorities (metric, rank, provider, source_type) VALUES (NULL, 1, 'p2', NULL), ('d_sum', 1, NULL, 'phone'), ('d_sum', 2, 'p1', NULL);
SELECT setseed(0.2718);
-- two months with a change of clocks, two readings an hour and source, and totals of days; whole numbers, so that sums are exact in any order
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value)
SELECT :alice, m.name, timestamptz '2026-03-01Z' + floor(random() * 61 * 24 * 60) * interval '1 minute', s.provider, s.source_type, floor(random() * 200)
FROM wearables.metrics m CROSS JOIN wearables.sources s CROSS JOIN generate_series(1, 1400) WHERE m.name LIKE 'd\_%' AND s.provider LIKE 'p_';
INSERT INTO wearables.samples (user_id, metric, day, provider, source_type, value)
SELECT :alice, m.name, date '2026-03-01' + floor(random() * 61)::int, s.provider, s.source_type, floor(random() * 200)
FROM wearables.metrics m CROSS JOIN wearables.sources s CROSS JOIN generate_series(1, 20) WHERE m.name LIKE 'd\_%' AND s.provider LIKE 'p_';

-- A day of readings by the zone's clocks, a day reading where its date begins in the zone.
CREATE FUNCTION plain(person bigint, name text, from_ts timestamptz, to_ts timestamptz, bucket text, zone text, merge text)
RETURNS TABLE (start timestamptz, source text, value float8, readings bigint) LANGUAGE sql AS $$
  WITH reading AS (
    SELECT date_trunc(bucket, r.at, zone) AS start, r.*, s.provider, s.source_type, m.aggregate,
           (SELECT min(l.rank) FROM wearables.source_priorities l
            WHERE l.metric IS NOT DISTINCT FROM (SELECT max(o.metric) FROM wearables.source_priorities o WHERE o.metric = plain.name)
              AND coalesce(l.provider, s.provider) = s.provider AND coalesce(l.source_type, s.source_type) = s.source_type) AS rank
    FROM wearables.metrics m
    CROSS JOIN LATERAL (
      SELECT p.*, CASE WHEN p.tz_offset = 32767 THEN (p.ts AT TIME ZONE 'UTC') AT TIME ZONE zone ELSE p.ts END AS at
      FROM wearables.sample_points p WHERE p.user_id = person AND p.metric_id = m.metric_id) r
    JOIN wearables.sources s ON s.source_id = r.source_id
    WHERE m.name = plain.name AND r.at >= from_ts AND r.at < to_ts
      -- one line has no totals of days among hours
      AND NOT (merge <> 'all' AND m.aggregate = 'sum' AND bucket = 'hour' AND r.tz_offset IS NOT DISTINCT FROM 32767)),
  placed AS (SELECT r.*, dense_rank() OVER (PARTITION BY r.start ORDER BY r.rank, r.provider, r.source_type) AS place FROM reading r)
  SELECT p.start, CASE WHEN merge = 'all' THEN p.provider || ' ' || p.source_type END,
         CASE min(p.aggregate) WHEN 'avg' THEN sum(p.value) / count(*) WHEN 'sum' THEN sum(p.value) WHEN 'min' THEN min(p.value) WHEN 'max' THEN max(p.value)
           ELSE (array_agg(p.value ORDER BY p.at DESC, p.ts DESC, p.version DESC, p.part, p.place))[1] END,
         count(*)
  FROM placed p WHERE merge = 'all' OR p.place = 1 GROUP BY 1, 2 $$;

CREATE FUNCTION pick(texts text[]) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT texts[1 + floor(random() * cardinality(texts))::int]';
-- What is drawn: 100 questions, each under settings of its own. Not Lord Howe, where date_trunc() begins an hour inside of another one.
CREATE TEMP TABLE question AS
SELECT n, pick('{d_avg,d_sum,d_min,d_max,d_last}') AS name, q.from_ts, q.from_ts + least(interval '1 hour' * floor(exp(random() * 7.2)), interval '60 days') AS to_ts, pick('{hour,day,week,month}') AS bucket,
       pick('{UTC,Europe/Berlin,America/New_York,America/St_Johns,Asia/Kolkata,Pacific/Auckland,Asia/Kathmandu}') AS zone, pick('{all,all,best}') AS merge,
       pick('{Asia/Tokyo,UTC,America/Caracas}') AS session_zone, pick('{ISO,German,"SQL, DMY","Postgres, MDY"}') AS date_style, pick('{on,off}') AS use_rollups,
       pick('{on,off}') AS seqscan, pick('{on,off}') AS bitmapscan, pick('{on,off}') AS hashagg, pick('{auto,force_generic_plan,force_custom_plan}') AS plans,
       pick('{0,2}') AS workers, pick('{on,off}') AS jit, pick('{64kB,64MB}') AS work_mem, pick('{pg_catalog,wearables,public}') AS path
FROM (SELECT n, timestamptz '2026-03-01Z' + floor(random() * 58 * 24 * 4) * interval '15 minutes' AS from_ts FROM generate_series(1, 100) n) q;

CREATE FUNCTION ask(person bigint, OUT differ bigint, OUT asked bigint, OUT lines bigint) LANGUAGE plpgsql AS $$
DECLARE
  q question;
  one record;
BEGIN
  differ := 0; asked := 0; lines := 0;
  FOR q IN SELECT * FROM question ORDER BY n LOOP
    PERFORM set_config('TimeZone', q.session_zone, true), set_config('DateStyle', q.date_style, true), set_config('wearables_ingest.use_rollups', q.use_rollups, true),
            set_config('enable_seqscan', q.seqscan, true), set_config('enable_bitmapscan', q.bitmapscan, true), set_config('enable_hashagg', q.hashagg, true),
            set_config('plan_cache_mode', q.plans, true), set_config('max_parallel_workers_per_gather', q.workers, true), set_config('jit', q.jit, true),
            set_config('work_mem', q.work_mem, true), set_config('search_path', q.path || ', pg_temp', true),
            set_config('parallel_setup_cost', '0', true), set_config('min_parallel_table_scan_size', '0', true);
    SELECT count(*) AS lines, count(*) FILTER (WHERE t.value IS NULL OR p.value IS NULL OR t.value <> p.value OR t.readings <> p.readings) AS differ INTO one
    FROM (SELECT x.bucket_start AS start, CASE WHEN q.merge = 'all' THEN x.provider || ' ' || x.source_type END AS source, x.value, x.readings
          FROM wearables.timeseries(person, q.name, q.from_ts, q.to_ts, q.bucket, q.zone, merge => q.merge) x) t
    FULL JOIN (SELECT x.* FROM public.plain(person, q.name, q.from_ts, q.to_ts, q.bucket, q.zone, q.merge) x) p
      ON p.start = t.start AND coalesce(p.source, '') = coalesce(t.source, '');
    differ := differ + one.differ; lines := lines + one.lines; asked := asked + 1;
    IF one.differ > 0 THEN RAISE WARNING '% of % differ: %', one.differ, one.lines, q; END IF;
  END LOOP;
END $$;
-- from readings alone, then with the past rolled up, then with some of the past written anew
SELECT differ, asked, lines > 3000 AS many FROM ask(:alice);
SELECT wearables.rebuild_rollups(:alice);
CALL wearables.drain();
SELECT count(*) > 200 AS rolled_up FROM wearables_internal.rollups;
SELECT differ, asked, lines > 3000 AS many FROM ask(:alice);
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value)
SELECT :alice, m.name, timestamptz '2026-03-01Z' + floor(random() * 61 * 24 * 60) * interval '1 minute', 'p1', 'watch', floor(random() * 200)
FROM wearables.metrics m CROSS JOIN generate_series(1, 20) WHERE m.name LIKE 'd\_%';
SELECT differ, asked, lines > 3000 AS many FROM ask(:alice);
DROP FUNCTION ask, plain, pick;
DROP EXTENSION wearables_ingest CASCADE;
