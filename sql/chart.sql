-- chart: timeseries() against the same written plainly in SQL, for every aggregate, over readings whose ties, sources,
-- parts, missing second values and offsets are drawn by chance
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET extra_float_digits = 1;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice \gset
INSERT INTO wearables.sources (provider, source_type, channel)
VALUES ('garmin', 'watch', 'timeseries'), ('oura', 'ring', 'timeseries'), ('oura', 'ring', 'sleep');
INSERT INTO wearables.metrics (name, unit, aggregate)
SELECT 'chart_' || a, '1', a FROM unnest('{avg,sum,min,max,last}'::text[]) a;
-- children, whose readings are charted with those of their parent
INSERT INTO wearables.metrics (name, unit, aggregate, parent) SELECT 'chart_' || a || '/child', '1', 'avg', 'chart_' || a
FROM unnest('{avg,sum,min,max,last}'::text[]) a;
SELECT setseed(0.4711);
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, tz_offset, version)
SELECT :alice, m.metric_id, r.ts, s.source_id, r.part, r.value, CASE WHEN r.chance < 0.6 THEN r.value / 7 END,
       CASE WHEN r.chance < 0.2 THEN NULL WHEN r.chance < 0.4 THEN 120 WHEN r.chance < 0.6 THEN -300 WHEN r.chance < 0.8 THEN 330 ELSE 32767 END,
       r.version
FROM wearables.metrics m
CROSS JOIN wearables.sources s
CROSS JOIN LATERAL (
  SELECT CASE WHEN x.chance < 0.8 THEN timestamptz '2025-03-28Z' + floor(random() * 12000) * interval '37 s'
              ELSE timestamptz '2025-03-28Z' + floor(random() * 6) * interval '1 day' END AS ts,
         floor(random() * 3)::smallint AS part, (random() * 200 - 50)::float8 AS value, floor(random() * 3)::bigint AS version, x.chance
  FROM (SELECT random() AS chance FROM generate_series(1, 400) WHERE m.metric_id > 0 AND s.source_id > 0) x) r
WHERE m.name LIKE 'chart%'
ON CONFLICT DO NOTHING;

CREATE FUNCTION plain(metric text, from_ts timestamptz, to_ts timestamptz, width interval, zone text, recorded boolean)
RETURNS TABLE (bucket_start timestamptz, source text, value text, secondary text, lowest float8, highest float8, readings bigint)
LANGUAGE sql AS $$
  SELECT b.start, concat_ws('/', s.provider, s.source_type, s.channel),
         CASE m.aggregate WHEN 'avg' THEN round(avg(p.value)::numeric, 9) WHEN 'sum' THEN round(sum(p.value)::numeric, 9)
           WHEN 'min' THEN round(min(p.value)::numeric, 9) WHEN 'max' THEN round(max(p.value)::numeric, 9)
           ELSE round((array_agg(p.value ORDER BY c.at DESC, p.ts DESC, p.version DESC, p.part, p.metric_id))[1]::numeric, 9) END::text,
         CASE m.aggregate WHEN 'avg' THEN round(avg(p.value_secondary)::numeric, 9) WHEN 'sum' THEN round(sum(p.value_secondary)::numeric, 9)
           WHEN 'min' THEN round(min(p.value_secondary)::numeric, 9) WHEN 'max' THEN round(max(p.value_secondary)::numeric, 9)
           ELSE round((array_agg(p.value_secondary ORDER BY c.at DESC, p.ts DESC, p.version DESC, p.part, p.metric_id))[1]::numeric, 9) END::text,
         min(p.value), max(p.value), count(*)
  FROM wearables.metrics m
  JOIN wearables.metrics x ON x.name = m.name OR x.parent = m.name
  JOIN wearables.sample_points p ON p.metric_id = x.metric_id
  JOIN wearables.sources s ON s.source_id = p.source_id
  CROSS JOIN LATERAL (
    SELECT CASE WHEN p.tz_offset = 32767 THEN wearables.first_instant(p.ts AT TIME ZONE 'UTC', $5)
                WHEN $6 AND p.tz_offset IS NOT NULL THEN wearables.first_instant(p.ts AT TIME ZONE 'UTC' + p.tz_offset * interval '1 minute', $5)
                ELSE p.ts END) c (at)
  CROSS JOIN LATERAL (SELECT wearables.bucket_start(c.at, $4, $5)) b (start)
  WHERE m.name = $1 AND c.at >= $2 AND c.at < $3
  GROUP BY b.start, m.aggregate, s.provider, s.source_type, s.channel
$$;

-- how many lines there are, and how many differ: 0 of each
SELECT a.name AS aggregate, count(*) > 1000 AS lines, count(*) FILTER (WHERE NOT d.same) AS differ
FROM (VALUES ('avg'), ('sum'), ('min'), ('max'), ('last')) a (name)
CROSS JOIN (VALUES ('1 hour'), ('6 hours'), ('1 day'), ('7 days'), ('1 month')) w (width)
CROSS JOIN (VALUES ('Europe/Berlin', false), ('America/New_York', false), ('Australia/Lord_Howe', false), ('recorded', true)) z (zone, recorded)
CROSS JOIN (VALUES (timestamptz '2025-03-28 00:00Z', timestamptz '2025-04-04 00:00Z'), ('2025-03-29 11:17Z', '2025-03-31 02:03Z')) r (first, last)
CROSS JOIN LATERAL (
  SELECT t.bucket_start IS NOT NULL AND p.bucket_start IS NOT NULL AS same
  FROM (SELECT t.bucket_start, concat_ws('/', t.provider, t.source_type, t.channel) AS source, round(t.value::numeric, 9)::text AS value,
               round(t.value_secondary::numeric, 9)::text AS secondary, t.lowest, t.highest, t.readings
        FROM wearables.timeseries(:alice, 'chart_' || a.name, r.first, r.last, w.width, z.zone) t) t
  FULL JOIN plain('chart_' || a.name, r.first, r.last, w.width::interval, CASE WHEN z.recorded THEN 'Europe/Berlin' ELSE z.zone END, z.recorded) p
    ON (t.bucket_start, t.source, t.lowest, t.highest, t.readings) = (p.bucket_start, p.source, p.lowest, p.highest, p.readings)
   AND t.value = p.value AND t.secondary IS NOT DISTINCT FROM p.secondary) d
GROUP BY a.name ORDER BY a.name;

-- as sum() and avg() do
UPDATE wearables.sample_points SET value = 1e308 WHERE metric_id = (SELECT metric_id FROM wearables.metrics WHERE name = 'chart_sum');
\set VERBOSITY terse
SELECT count(*) FROM wearables.timeseries(:alice, 'chart_sum', '2025-01-01Z', '2026-01-01Z', 'month');
\echo :SQLSTATE
SELECT sum(value) FROM wearables.sample_points;
\echo :SQLSTATE
-- what is no chart
SELECT wearables_internal.chart(1, '{1}', 'avg', '{2025-01-01,2025-01-02}', '1 day', 'UTC', false, false);
\echo :SQLSTATE
SELECT wearables_internal.chart(1, '{1}', 'median', '{2025-01-01,2025-01-02,2025-01-01,2025-01-02}', '1 day', 'UTC', false, false);
\echo :SQLSTATE
SELECT wearables_internal.chart(1, '{1,NULL}', 'avg', '{2025-01-01,2025-01-02,2025-01-01,2025-01-02}', '1 day', 'UTC', false, false);
\echo :SQLSTATE
SELECT wearables_internal.chart(1, '{1}', 'avg', '{2025-01-01,2025-01-02,2025-01-01,2025-01-02}', '7 hours', 'UTC', false, false);
\echo :SQLSTATE
SELECT count(*) FROM wearables_internal.chart(1, '{}', 'avg', '{2025-01-01,2025-01-02,2025-01-01,2025-01-02}', '1 day', 'UTC', false, false);

\c - -
DROP FUNCTION plain;
DROP EXTENSION wearables_ingest CASCADE;
