-- merge: one line per chart: best takes the first source of a list in each bucket, blend makes one of all that it names
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET extra_float_digits = 0;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice', time_zone => 'UTC') AS alice, wearables.register_user('bob', time_zone => 'UTC') AS bob \gset

-- a day of steps: the phone all day, the watch while it was worn, and the watch's total of the day
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value)
SELECT :alice, 'steps', timestamptz '2026-03-28Z' + h * interval '1 hour' + interval '5 minutes', 'apple_health_kit', 'phone', 300 FROM generate_series(7, 20) h
UNION ALL
SELECT :alice, 'steps', timestamptz '2026-03-28Z' + h * interval '1 hour' + interval '9 minutes', 'garmin', 'watch', 400 FROM generate_series(9, 17) h;
INSERT INTO wearables.samples (user_id, metric, day, provider, source_type, channel, value)
VALUES (:alice, 'steps', '2026-03-28', 'garmin', 'watch', 'daily', 5100);
PREPARE days(text) AS SELECT bucket_start, provider, source_type, channel, value, readings
FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'day', merge => $1);
PREPARE hours(text) AS SELECT provider, source_type, channel, count(*), sum(value), min(bucket_start), max(bucket_start)
FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'hour', merge => $1) GROUP BY 1, 2, 3 ORDER BY min(bucket_start), 1;
EXECUTE days('all');
-- added they would be 12,900 steps; unnamed, those of timeseries come first, then by name
EXECUTE days('best');
EXECUTE days('blend');
-- the total of the day is in no hour
EXECUTE hours('all');
EXECUTE hours('best');
EXECUTE hours('blend');
-- the watch, then the phone where there is no watch; of a day the watch's own total
INSERT INTO wearables.source_priorities (metric, rank, provider, source_type, channel) VALUES
  ('steps', 1, 'garmin', 'watch', 'daily'), ('steps', 2, NULL, 'watch', NULL), ('steps', 3, NULL, 'phone', NULL);
EXECUTE days('best');
EXECUTE hours('best');
EXECUTE days('blend');
-- blend takes none but those that are named
DELETE FROM wearables.source_priorities WHERE rank < 3;
EXECUTE days('blend');
EXECUTE days('best');
-- alice's own list, taken whole; bob's is not hers
INSERT INTO wearables.source_priorities (user_id, metric, rank, source_type, channel) VALUES (:alice, NULL, 1, 'watch', 'timeseries'), (:bob, 'steps', 1, NULL, 'daily');
EXECUTE days('best');
INSERT INTO wearables.source_priorities (user_id, metric, rank, channel) VALUES (:alice, 'steps', 1, 'daily');
EXECUTE days('best');
-- the filters come first
SELECT value, source_type FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'day', only_source_type => 'phone', merge => 'best');
SELECT value, source_type FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'day', only_channel => 'timeseries', merge => 'blend');

-- one night, two devices: the ring measured from 22:00, the watch from 23:30 on
TRUNCATE wearables.source_priorities;
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value)
SELECT :alice, 'heartrate', timestamptz '2026-03-28 22:00Z' + i * interval '10 minutes', 'oura', 'ring', 50 + i FROM generate_series(0, 17) i
UNION ALL
SELECT :alice, 'heartrate', timestamptz '2026-03-28 23:30Z' + i * interval '5 minutes', 'garmin', 'watch', 60 FROM generate_series(0, 17) i;
INSERT INTO wearables.source_priorities (metric, rank, source_type) VALUES (NULL, 1, 'watch'), (NULL, 2, 'ring');
SELECT t.* FROM unnest('{all,best,blend}'::text[]) m
CROSS JOIN LATERAL (SELECT m, bucket_start, provider, channel, round(value::numeric, 3) AS value, lowest, highest, readings, partial
  FROM wearables.timeseries(:alice, 'heartrate', timestamptz '2026-03-28 22:15Z', timestamptz '2026-03-29 01:00Z', 'hour', merge => m)) t;

-- a list of the parent holds for what is below it, unless it has one
INSERT INTO wearables.metrics (name, unit, aggregate, parent) VALUES ('family', '1', 'last', NULL), ('family/child', '1', 'last', 'family');
INSERT INTO wearables.samples (user_id, metric, ts, provider, value) SELECT :alice, 'family/child', '2026-03-28Z', p, 1 FROM unnest('{aa,bb,cc}'::text[]) p;
INSERT INTO wearables.source_priorities (metric, rank, provider) VALUES ('family', 10, 'bb');
SELECT provider FROM wearables.timeseries(:alice, 'family/child', date '2026-03-28', date '2026-03-29', 'day', merge => 'best');
SELECT provider FROM wearables.timeseries(:alice, 'family', date '2026-03-28', date '2026-03-29', 'day', merge => 'best');
INSERT INTO wearables.source_priorities (metric, rank, provider) VALUES ('family/child', 10, 'cc');
SELECT provider FROM wearables.timeseries(:alice, 'family/child', date '2026-03-28', date '2026-03-29', 'day', merge => 'best');
-- a metric that is renamed takes its list with it
UPDATE wearables.metrics SET name = 'family/other' WHERE name = 'family/child';
SELECT metric, rank, provider FROM wearables.source_priorities WHERE provider = 'cc';
DELETE FROM wearables.source_priorities;

-- what is refused
\set VERBOSITY terse
SELECT count(*) FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'day', merge => 'sum');
\echo :SQLSTATE
SELECT count(*) FROM wearables.timeseries(:alice, 'steps', date '2026-03-28', date '2026-03-29', 'day', merge => NULL);
\echo :SQLSTATE
INSERT INTO wearables.source_priorities (rank, provider) VALUES (1, 'a'), (1, 'b');
\echo :SQLSTATE
INSERT INTO wearables.source_priorities (metric, rank) VALUES ('mood', 1);
\echo :SQLSTATE
INSERT INTO wearables.source_priorities (user_id, rank) VALUES (99, 1);
\echo :SQLSTATE

-- against the same written plainly over sample_points, for each aggregate, list, width and way to merge
INSERT INTO wearables.sources (provider, source_type, channel)
VALUES ('p1', 'watch', 'timeseries'), ('p1', 'watch', 'own'), ('p1', 'phone', 'timeseries'), ('p2', 'ring', 'own'), ('p2', 'ring', 'timeseries'), ('p3', 'phone', 'own');
INSERT INTO wearables.metrics (name, unit, aggregate) SELECT 'merge_' || a, '1', a FROM unnest('{avg,sum,min,max,last}'::text[]) a;
SELECT setseed(0.1729);
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, tz_offset, version)
SELECT :alice, m.metric_id, r.ts, s.source_id, r.part, r.value, CASE WHEN r.chance < 0.6 THEN r.value / 7 END, r.tz_offset, 1
FROM wearables.metrics m
CROSS JOIN wearables.sources s
CROSS JOIN LATERAL (
  SELECT CASE WHEN x.chance < 0.9 THEN timestamptz '2026-03-01Z' + floor(random() * 5000) * interval '97 s' ELSE timestamptz '2026-03-01Z' + floor(random() * 6) * interval '1 day' END AS ts,
         CASE WHEN x.chance < 0.9 THEN 60 ELSE 32767 END AS tz_offset,
         floor(random() * 2)::smallint AS part, (random() * 200)::float8 AS value, x.chance
  FROM (SELECT random() AS chance FROM generate_series(1, 40) WHERE m.metric_id > 0 AND s.source_id > 0) x) r
WHERE m.name LIKE 'merge%' AND s.provider LIKE 'p_'
ON CONFLICT DO NOTHING;
CREATE FUNCTION plain(name text, width interval, merge text) RETURNS TABLE (start timestamptz, source text, value text, secondary text, lowest float8, highest float8, readings bigint)
LANGUAGE sql AS $$
  WITH list AS MATERIALIZED (
    SELECT p.* FROM wearables.source_priorities p
    WHERE coalesce(p.user_id, 1) = 1 AND coalesce(p.metric, name) = name
      AND NOT EXISTS (SELECT FROM wearables.source_priorities q WHERE coalesce(q.user_id, 1) = 1 AND coalesce(q.metric, name) = name
                      AND (q.user_id IS NULL, q.metric IS NULL) < (p.user_id IS NULL, p.metric IS NULL))),
  -- each reading with its bucket and how its source ranks
  reading AS (
    SELECT p.*, m.aggregate, b.start, s.provider, s.source_type, s.channel,
           coalesce((SELECT min(l.rank) FROM list l WHERE coalesce(l.provider, s.provider) = s.provider AND coalesce(l.source_type, s.source_type) = s.source_type
                     AND coalesce(l.channel, s.channel) = s.channel), 1000) AS rank
    FROM wearables.metrics m JOIN wearables.sample_points p ON p.metric_id = m.metric_id JOIN wearables.sources s ON s.source_id = p.source_id
    CROSS JOIN LATERAL (SELECT wearables.bucket_start(p.ts, width, 'UTC')) b (start)
    WHERE m.name = plain.name AND NOT (m.aggregate = 'sum' AND width < interval '1 day' AND p.tz_offset = 32767)),
  named AS (SELECT r.* FROM reading r WHERE merge = 'best' OR r.rank < 1000 OR NOT EXISTS (SELECT FROM list)),
  placed AS (SELECT n.*, dense_rank() OVER (PARTITION BY n.start ORDER BY n.rank, n.channel <> 'timeseries', n.provider, n.source_type, n.channel) AS place,
                    sum(n.value) OVER (PARTITION BY n.start, n.source_id) AS total FROM named n),
  chosen AS (SELECT p.*, first_value(p.source_id) OVER (PARTITION BY p.start ORDER BY CASE WHEN merge = 'blend' THEN -p.total END, p.place) AS first FROM placed p),
  taken AS (SELECT * FROM chosen c WHERE c.source_id = c.first OR merge = 'blend' AND c.aggregate <> 'sum')
  SELECT t.start, CASE WHEN count(DISTINCT t.source_id) = 1 THEN min(concat_ws('/', t.provider, t.source_type, t.channel)) END,
         round((CASE t.aggregate WHEN 'avg' THEN avg(t.value) WHEN 'sum' THEN sum(t.value) WHEN 'min' THEN min(t.value) WHEN 'max' THEN max(t.value)
               ELSE (array_agg(t.value ORDER BY t.ts DESC, t.place, t.part))[1] END)::numeric, 7)::text,
         round((CASE t.aggregate WHEN 'avg' THEN avg(t.value_secondary) WHEN 'sum' THEN sum(t.value_secondary) WHEN 'min' THEN min(t.value_secondary) WHEN 'max' THEN max(t.value_secondary)
               ELSE (array_agg(t.value_secondary ORDER BY t.ts DESC, t.place, t.part))[1] END)::numeric, 7)::text,
         min(t.value), max(t.value), count(*)
  FROM taken t GROUP BY t.start, t.aggregate
$$;
CREATE FUNCTION differing() RETURNS TABLE (lines bigint, differ bigint) LANGUAGE sql AS $$
  SELECT count(*), count(*) FILTER (WHERE o.bucket_start IS NULL OR p.start IS NULL)
  FROM (VALUES ('avg'), ('sum'), ('min'), ('max'), ('last')) a (name)
  CROSS JOIN (VALUES (interval '1 hour'), ('6 hours'), ('1 day'), ('7 days')) w (width)
  CROSS JOIN (VALUES ('best'), ('blend')) k (merge)
  CROSS JOIN LATERAL (
    SELECT o.bucket_start, p.start
    FROM (SELECT t.*, CASE WHEN num_nulls(t.provider, t.source_type, t.channel) = 0 THEN concat_ws('/', t.provider, t.source_type, t.channel) END AS source
          FROM wearables.timeseries(1, 'merge_' || a.name, '2026-03-01Z', '2026-03-08Z', w.width::text, 'UTC', merge => k.merge) t) o
    FULL JOIN plain('merge_' || a.name, w.width, k.merge) p
      ON (o.bucket_start, o.lowest, o.highest, o.readings) = (p.start, p.lowest, p.highest, p.readings) AND round(o.value::numeric, 7)::text = p.value
      AND round(o.value_secondary::numeric, 7)::text IS NOT DISTINCT FROM p.secondary AND o.source IS NOT DISTINCT FROM p.source) o (bucket_start, start)
  CROSS JOIN LATERAL (SELECT o.start) p
$$;
SELECT lines > 1000 AS many, differ FROM differing();
INSERT INTO wearables.source_priorities (rank, provider, source_type, channel) VALUES (5, NULL, 'ring', NULL), (7, 'p1', NULL, 'own');
SELECT lines > 1000 AS many, differ FROM differing();
INSERT INTO wearables.source_priorities (metric, rank, provider, source_type, channel)
SELECT 'merge_' || a, r, p, t, c FROM unnest('{avg,sum,last}'::text[]) a, (VALUES (1, 'p3', NULL, NULL), (2, NULL, 'phone', 'timeseries'), (3, 'p2', NULL, NULL)) v (r, p, t, c);
INSERT INTO wearables.source_priorities (user_id, metric, rank, source_type) VALUES (:alice, 'merge_sum', 1, 'phone'), (:alice, 'merge_sum', 2, NULL), (:bob, NULL, 1, 'ring');
SELECT lines > 1000 AS many, differ FROM differing();
-- the same chart whatever the order in which rows lie
SELECT count(*) FROM (
  SELECT * FROM wearables.timeseries(:alice, 'merge_avg', '2026-03-01Z', '2026-03-08Z', 'day', merge => 'blend') EXCEPT
  SELECT * FROM wearables.timeseries(:alice, 'merge_avg', '2026-03-01Z', '2026-03-08Z', 'day', merge => 'blend')) e;

DROP FUNCTION differing, plain;
DROP EXTENSION wearables_ingest CASCADE;
