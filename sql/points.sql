-- points: a series thinned out by LTTB against the paper's method written plainly, percentiles, histograms and
-- time-weighted averages against the same written plainly
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET extra_float_digits = 1;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice \gset
INSERT INTO wearables.sources (provider, source_type, channel)
VALUES ('garmin', 'watch', 'timeseries'), ('oura', 'ring', 'timeseries'), ('oura', 'ring', 'sleep');
INSERT INTO wearables.metrics (name, unit, aggregate) VALUES ('points', '1', 'avg'), ('family', '1', 'avg');
INSERT INTO wearables.metrics (name, unit, aggregate, parent) VALUES ('family/a', '1', 'avg', 'family'), ('family/b', 's', 'avg', 'family');
SELECT setseed(0.4711);
-- 2,000 of one source, 700 of another with nights between, 3 of a third
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, tz_offset, version)
SELECT :alice, m.metric_id, timestamptz '2025-03-28Z' + r.n * interval '97 s' + CASE s.channel || s.provider WHEN 'timeseriesoura' THEN r.n / 200 * interval '9 hours' ELSE '0' END,
       s.source_id, 0, (60 + 20 * sin(r.n / 50.0) + random() * 15)::float8, CASE WHEN r.n % 3 = 0 THEN r.n END, CASE WHEN r.n % 5 = 0 THEN 120 END, r.n
FROM wearables.metrics m
CROSS JOIN wearables.sources s
CROSS JOIN LATERAL generate_series(1, CASE WHEN s.provider = 'garmin' THEN 2000 WHEN s.channel = 'timeseries' THEN 700 ELSE 3 END) r (n)
WHERE m.name IN ('points', 'family', 'family/a') AND (m.name = 'points' OR s.provider = 'garmin');

CREATE FUNCTION plain_lttb(x float8[], y float8[], points integer) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
  n integer := cardinality(x);
  bins integer := points - 2;
  kept integer[] := '{1}';
  first integer := 2;
  last integer;
  next_last integer;
  a integer := 1;
  best integer;
  area float8;
  best_area float8;
  cx float8;
  cy float8;
BEGIN
  IF points >= n THEN RETURN (SELECT array_agg(i) FROM generate_series(1, n) i); END IF;
  FOR b IN 1 .. bins LOOP
    -- of n - 2 readings in so many buckets the first ones hold one more
    last := first + (n - 2) / bins + CASE WHEN b <= (n - 2) % bins THEN 1 ELSE 0 END - 1;
    next_last := last + (n - 2) / bins + CASE WHEN b + 1 <= (n - 2) % bins THEN 1 ELSE 0 END;
    IF b = bins THEN next_last := n; END IF;
    SELECT avg(x[i]), avg(y[i]) INTO cx, cy FROM generate_series(last + 1, next_last) i;
    best_area := -1;
    FOR i IN first .. last LOOP
      area := abs((x[a] - cx) * (y[i] - y[a]) - (x[a] - x[i]) * (cy - y[a])) / 2;
      IF area > best_area THEN best := i; best_area := area; END IF;
    END LOOP;
    kept := kept || best;
    a := best;
    first := last + 1;
  END LOOP;
  RETURN kept || n;
END $$;
-- how many readings are kept, and how many differ from the plain method: 0 of each
SELECT k.points, s.provider, count(*) AS kept, count(*) FILTER (WHERE d.differs) AS differ
FROM (VALUES (3), (10), (99), (500), (1999)) k (points)
CROSS JOIN wearables.sources s
CROSS JOIN LATERAL (
  SELECT array_agg(extract(epoch FROM p.ts - timestamptz '2025-03-28Z')::float8 ORDER BY p.ts) AS x, array_agg(p.value ORDER BY p.ts) AS y, array_agg(p.ts ORDER BY p.ts) AS ts,
         array_agg(p.value_secondary ORDER BY p.ts) AS z
  FROM wearables.sample_points p JOIN wearables.metrics m USING (metric_id) WHERE m.name = 'points' AND p.source_id = s.source_id) r
CROSS JOIN LATERAL (
  SELECT coalesce(p.ts, l.ts) AS ts, p.ts IS NULL OR l.ts IS NULL OR (l.value, l.value_secondary) IS DISTINCT FROM (p.value, p.value_secondary) AS differs
  FROM (SELECT r.ts[i] AS ts, r.y[i] AS value, r.z[i] AS value_secondary FROM unnest(plain_lttb(r.x, r.y, k.points)) i) p
  FULL JOIN wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', k.points, NULL, s.provider, s.source_type, s.channel) l ON l.ts = p.ts) d
WHERE s.channel = 'timeseries'
GROUP BY k.points, s.provider ORDER BY s.provider, k.points;
-- the ends alone; more points than readings; none; a user without readings
SELECT (SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 2, NULL, 'garmin')) AS two,
       (SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 100000)) AS every,
       (SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-03-01', 10)) AS none,
       (SELECT count(*) FROM wearables.timeseries_lttb(0, 'points', '2025-03-01', '2025-06-01', 10)) AS nobody;
-- over a gap no triangle reaches: both of its ends are kept, and the reading after it is marked
SELECT provider, count(*) AS kept, count(*) FILTER (WHERE after_gap) AS gaps, min(ts) FILTER (WHERE after_gap) AS first
FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 40, '1 hour') GROUP BY provider ORDER BY provider;
SELECT count(*) AS kept, count(*) FILTER (WHERE after_gap) AS gaps FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 3, '0', 'oura', 'ring', 'timeseries');
-- sub-metrics of the same unit are of the series, in the order of time
SELECT count(*) AS kept, count(DISTINCT ts) AS times, bool_and(unit = '1') AS unit FROM wearables.timeseries_lttb(:alice, 'family', '2025-03-01', '2025-06-01', 100);
-- a day's reading keeps its date
INSERT INTO wearables.samples (user_id, metric, day, provider, value) VALUES (:alice, 'family', '2025-04-05', 'garmin', 7);
SELECT ts, day, provider, source_type, channel, value, unit, after_gap FROM wearables.timeseries_lttb(:alice, 'family', '2025-04-05', '2025-04-06', 10, NULL, 'garmin', 'unknown');
-- what is not asked like this
SELECT wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 1);
SELECT wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 100001);
SELECT wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 10, '-1 s');
SELECT wearables.timeseries_lttb(:alice, 'pints', '2025-03-01', '2025-06-01', 10);
SELECT wearables.timeseries_lttb(:alice, 'points', 'infinity', '2025-06-01', 10);
SELECT wearables.timeseries_lttb(:alice, 'points', '2025-03-01', NULL, 10);
SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', NULL);
SELECT count(*) FROM wearables.timeseries_lttb(NULL, 'points', '2025-03-01', '2025-06-01', 10);

-- percentiles and histograms: how many lines, and how many differ from the same over the raw readings: 0 of each
SELECT w.width, z.zone, count(*) AS lines, count(*) FILTER (WHERE d.differs) AS differ
FROM (VALUES ('hour'), ('day'), ('6 hours')) w (width)
CROSS JOIN (VALUES ('Europe/Berlin'), ('Australia/Lord_Howe'), ('recorded')) z (zone)
CROSS JOIN LATERAL (
  SELECT (t.percentiles, t.readings, h.counts, h.readings) IS DISTINCT FROM (p.percentiles, p.readings, p.counts, p.readings) AS differs
  FROM wearables.timeseries_percentiles(:alice, 'points', '2025-03-28 07:30', '2025-03-31', w.width, '{0.1,0.5,1}', z.zone) t
  FULL JOIN wearables.timeseries_histogram(:alice, 'points', '2025-03-28 07:30', '2025-03-31', '{50,60,70.5}', w.width, z.zone) h USING (bucket_start, provider, channel)
  FULL JOIN (
    SELECT b.start AS bucket_start, s.provider, s.channel, percentile_cont('{0.1,0.5,1}'::float8[]) WITHIN GROUP (ORDER BY p.value) AS percentiles, count(*) AS readings,
           ARRAY[count(*) FILTER (WHERE p.value < 50), count(*) FILTER (WHERE p.value >= 50 AND p.value < 60), count(*) FILTER (WHERE p.value >= 60 AND p.value < 70.5), count(*) FILTER (WHERE p.value >= 70.5)] AS counts
    FROM wearables.sample_points p JOIN wearables.metrics m USING (metric_id) JOIN wearables.sources s USING (source_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN z.zone = 'recorded' AND p.tz_offset IS NOT NULL
                                    THEN wearables.first_instant(p.ts AT TIME ZONE 'UTC' + p.tz_offset * interval '1 minute', 'Europe/Berlin') ELSE p.ts END) c (at)
    CROSS JOIN LATERAL (SELECT wearables.bucket_start(c.at, CASE w.width WHEN '6 hours' THEN '6 hours' ELSE '1 ' || w.width END::interval, CASE z.zone WHEN 'recorded' THEN 'Europe/Berlin' ELSE z.zone END)) b (start)
    WHERE m.name = 'points' AND c.at >= '2025-03-28 07:30' AND c.at < '2025-03-31' GROUP BY 1, 2, 3) p USING (bucket_start, provider, channel)) d
GROUP BY w.width, z.zone ORDER BY w.width, z.zone;
SELECT bucket_start, provider, percentiles, readings, unit, partial FROM wearables.timeseries_percentiles(:alice, 'points', '2025-03-28 07:30', '2025-03-29', 'day', '{0.5}', only_provider => 'garmin');
SELECT bucket_start, provider, counts, readings, unit, partial FROM wearables.timeseries_histogram(:alice, 'points', '2025-03-28 07:30', '2025-03-29', '{60,80}', only_provider => 'garmin');
SELECT bucket_start, counts, readings FROM wearables.timeseries_histogram(:alice, 'points', '2025-03-28 07:30', '2025-03-29', '{}', only_provider => 'garmin');
SELECT wearables.timeseries_percentiles(:alice, 'points', '2025-03-28', '2025-03-29', 'day', '{2}');
SELECT wearables.timeseries_histogram(:alice, 'points', '2025-03-28', '2025-03-29', '{60,NULL}');
-- bounds in another order; between equal ones is nothing
SELECT wearables.timeseries_histogram(:alice, 'points', '2025-03-28', '2025-03-29', '{80,70,60}');
SELECT wearables.timeseries_histogram(:alice, 'points', '2025-03-28', '2025-03-29', NULL);
SELECT bucket_start, counts, readings FROM wearables.timeseries_histogram(:alice, 'points', '2025-03-28 07:30', '2025-03-29', '[0:2]={60,60,80}', only_provider => 'garmin');
SELECT wearables.timeseries_percentiles(:alice, 'points', '2025-03-28', '2025-03-29', '7 hours');
SELECT wearables.timeseries_percentiles(:alice, 'points', '2025-03-28', '2025-03-29', NULL);

-- time-weighted: 60 for an hour, then 120 for ten minutes, told six times, then nothing: an average of readings says 111
INSERT INTO wearables.samples (user_id, metric, ts, provider, value, ts_end)
SELECT :alice, 'points', t.ts, 'worn', t.value, t.ts_end
FROM (SELECT timestamptz '2025-05-01 10:00Z' AS ts, 60 AS value, timestamptz '2025-05-01 11:00Z' AS ts_end
      UNION ALL SELECT timestamptz '2025-05-01 11:00Z' + n * interval '1 minute', 120, NULL FROM generate_series(0, 5) n) t;
SELECT * FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-05-01', '2025-05-02', 'day', '5 minutes', 'UTC', 'worn');
SELECT bucket_start, value, covered, partial FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-05-01 10:15Z', '2025-05-01 11:02:30Z', '20 minutes', '5 minutes', 'UTC', 'worn');
-- a reading before the range that holds into it; without an end and a limit, until the next one
SELECT bucket_start, value, covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-05-01 11:04:30Z', '2025-05-01 11:07Z', '1 hour', '1 minute', 'UTC', 'worn');
SELECT bucket_start, value, covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-05-01 10:45Z', '2025-05-01 13:00Z', '1 hour', NULL, 'UTC', 'worn');
-- one interval over a night of two hours at three o'clock: 25 hours of one day
INSERT INTO wearables.samples (user_id, metric, ts, provider, value, ts_end) VALUES (:alice, 'points', '2025-10-25 22:00Z', 'long', 5, '2025-10-27 23:00Z');
SELECT bucket_start, value, covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-10-25', '2025-10-29', 'day', only_provider => 'long');
SELECT count(*), sum(covered) FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-10-25', '2025-10-29', 'hour', only_provider => 'long');
-- all buckets of any width hold the same time
SELECT count(DISTINCT x.covered) FROM (VALUES ('15 minutes'), ('hour'), ('6 hours'), ('day'), ('week')) w (width)
CROSS JOIN LATERAL (SELECT sum(t.covered) AS covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-03-01', '2025-06-01', w.width, '3 minutes', 'Asia/Kolkata') t) x;
-- a day of max_gap is 24 hours, and what began 24 hours before the range counts, whatever the session's clocks do on that day
INSERT INTO wearables.samples (user_id, metric, ts, provider, value) VALUES (:alice, 'points', '2025-03-29 12:00Z', 'daily', 7);
INSERT INTO wearables.samples (user_id, metric, ts, provider, value, ts_end) VALUES (:alice, 'points', '2025-03-29 12:00Z', 'night', 7, '2025-03-30 14:00Z');
SET TimeZone = 'Europe/Berlin';
SELECT provider, value, covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-03-30 11:30Z', '2025-03-31 12:00Z', 'month', '1 day', 'UTC') WHERE provider IN ('daily', 'night');
SELECT provider, value, covered FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-03-30 11:30Z', '2025-03-31 12:00Z', 'month', '1 minute', 'UTC') WHERE provider IN ('daily', 'night');
SET TimeZone = 'UTC';
DELETE FROM wearables.sample_points p USING wearables.sources s WHERE s.source_id = p.source_id AND s.provider IN ('daily', 'night');
SELECT count(*) FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-05-01', '2025-05-02', 'day', '-5 minutes', 'UTC', 'worn');
-- none of a calendar day
SELECT count(*) FROM wearables.timeseries_time_weighted(:alice, 'family', '2025-04-05', '2025-04-06', 'day', NULL, 'UTC', 'garmin', 'unknown');

-- page by page: all rows, each once, in the order of the key, whatever the size of the page; two metrics, days, parts
CREATE FUNCTION pages(person bigint, metric text, most int, OUT rows bigint, OUT pages int, OUT md5 text) LANGUAGE plpgsql AS $$
DECLARE
  page text[]; rest text[] := '{}'; last text;
BEGIN
  pages := 0;
  LOOP
    SELECT array_agg(s.name || ' ' || s.ts || ' ' || s.provider || ' ' || s.part || ' ' || s.value ORDER BY s.n), (array_agg(s.key ORDER BY s.n DESC))[1] INTO page, last
    FROM wearables.samples_page($1, $2, '2025-03-01', '2025-06-01', last, $3) WITH ORDINALITY s (key, name, ts, day, provider, source_type, channel, value, value_secondary, unit, ts_end, tz_offset, part, n);
    rest := rest || page; pages := pages + 1;
    EXIT WHEN coalesce(cardinality(page), 0) < $3;
  END LOOP;
  rows := cardinality(rest); md5 := md5(rest::text);
END $$;
SELECT m.metric, p.most, p.rows, p.pages, p.rows = c.rows AS all, p.md5 = first_value(p.md5) OVER (PARTITION BY m.metric ORDER BY p.most) AS same
FROM (VALUES ('points'), ('family')) m (metric)
CROSS JOIN LATERAL (SELECT n AS most, t.* FROM unnest(ARRAY[97, 1000, 100000]) n CROSS JOIN LATERAL pages(:alice, m.metric, n) t) p
CROSS JOIN LATERAL (SELECT count(*) AS rows FROM wearables.samples s WHERE s.user_id = :alice AND (s.metric = m.metric OR s.metric LIKE m.metric || '/%') AND s.ts >= '2025-03-01' AND s.ts < '2025-06-01') c
ORDER BY 1, 2;
-- a page is read from its key on
EXPLAIN (COSTS OFF) SELECT x.ts FROM wearables.sample_points x WHERE x.user_id = 1 AND x.metric_id = 2 AND x.ts >= '2025-03-01' AND x.ts < '2025-06-01' AND (x.metric_id, x.ts, x.source_id, x.part) > (2::smallint, timestamptz '2025-04-01', 1::smallint, 0::smallint) ORDER BY x.ts, x.source_id, x.part LIMIT 10;
SELECT * FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', NULL, 2);
-- a page shorter than what was asked for is the last one: so nothing is asked for that no page can hold
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', NULL, 0);
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', NULL, 100001);
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', NULL, NULL);
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', '99999.1.1.1');
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', '1.9999999999999999.1.1');
SELECT count(*) FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01', '1; DROP TABLE x');
SELECT count(*) FROM wearables.samples_page(:alice, 'no such', '2025-03-01', '2025-06-01');
DROP FUNCTION pages;

-- a reader may; rows that a policy hides are in no chart
CREATE ROLE points_reader;
SELECT wearables.grant_access('points_reader', 'reader');
GRANT EXECUTE ON FUNCTION plain_lttb TO points_reader;
SET ROLE points_reader;
SELECT (SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 20, NULL, 'garmin')) AS lttb,
       (SELECT count(*) > 0 FROM wearables.timeseries_percentiles(:alice, 'points', '2025-03-01', '2025-06-01')) AS percentiles,
       (SELECT count(*) > 0 FROM wearables.timeseries_histogram(:alice, 'points', '2025-03-01', '2025-06-01', '{60}')) AS histogram,
       (SELECT count(*) > 0 FROM wearables.samples_page(:alice, 'points', '2025-03-01', '2025-06-01')) AS paged,
       (SELECT count(*) > 0 FROM wearables.timeseries_time_weighted(:alice, 'points', '2025-03-01', '2025-06-01')) AS weighted;
RESET ROLE;
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY;
CREATE POLICY none_of_it ON wearables.sample_points FOR SELECT TO points_reader USING (value < 0);
SET ROLE points_reader;
SELECT count(*) FROM wearables.timeseries_lttb(:alice, 'points', '2025-03-01', '2025-06-01', 20);
RESET ROLE;
DROP OWNED BY points_reader;
DROP ROLE points_reader;

DROP EXTENSION wearables_ingest CASCADE;
