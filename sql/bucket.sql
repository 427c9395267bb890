-- bucket: charts are made in the server, in local time, across clock changes
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice, wearables.register_user('bob') AS bob;

-- a reading every half hour, numbered, over the nights when Berlin's clocks go forward and back
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 1, 'heartrate', t, 100 + row_number() OVER (ORDER BY t) FROM generate_series(timestamptz '2024-03-30 21:00Z', '2024-03-31 04:30Z', '30 minutes') t;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 1, 'heartrate', t, 200 + row_number() OVER (ORDER BY t) FROM generate_series(timestamptz '2024-10-26 22:00Z', '2024-10-27 02:30Z', '30 minutes') t;

-- hours, in the zone of the user: 02:00 is skipped in spring and comes twice in autumn
SELECT bucket_start, bucket_start AT TIME ZONE 'Europe/Berlin' AS local, value, lowest, highest, readings, unit
FROM wearables.timeseries(1, 'heartrate', '2024-03-31 00:00Z', '2024-03-31 03:00Z');
SELECT bucket_start, bucket_start AT TIME ZONE 'Europe/Berlin' AS local, value, readings FROM wearables.timeseries(1, 'heartrate', '2024-10-26 22:00Z', '2024-10-27 03:00Z');
-- days: 31 March has 23 hours in Berlin, 27 October 25; in UTC both are cut elsewhere
SELECT bucket_start, bucket_start AT TIME ZONE 'Europe/Berlin' AS local, value, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', 'day');
SELECT bucket_start, value, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', 'day', 'UTC');
SELECT wearables.bucket_start('2024-04-01 12:00Z', '1 day', z) - wearables.bucket_start('2024-03-31 12:00Z', '1 day', z) AS march_31,
       wearables.bucket_start('2024-10-28 12:00Z', '1 day', z) - wearables.bucket_start('2024-10-27 12:00Z', '1 day', z) AS october_27
FROM (VALUES ('Europe/Berlin'), ('UTC')) v (z);
-- weeks begin on Monday, months on the first
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS local, to_char(bucket_start AT TIME ZONE 'Europe/Berlin', 'Dy') AS day, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', 'week');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS local, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', 'month');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS local, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '3 months');
-- any interval: 90 minutes, 20 minutes, 2 weeks, a year
SELECT bucket_start AT TIME ZONE 'Asia/Kolkata' AS local, readings FROM wearables.timeseries(1, 'heartrate', '2024-03-31 00:00Z', '2024-03-31 05:00Z', '90 minutes', 'Asia/Kolkata');
SELECT bucket_start, value FROM wearables.timeseries(1, 'heartrate', '2024-03-31 00:00Z', '2024-03-31 01:01Z', '20 minutes');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS local, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '2 weeks');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS local, readings FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '1 year');
-- an hour in zones that are not whole hours off
SELECT z, wearables.bucket_start('2024-05-01 12:40Z', '1 hour', z) AS start FROM (VALUES ('UTC'), ('Asia/Kolkata'), ('Australia/Lord_Howe'), ('America/St_Johns')) v (z);

-- a year in zones that change their clocks at odd hours, Azores at midnight: no bucket starts after what it holds,
-- none comes back once another has begun, and a day, also one whose midnight comes twice, is one bucket
SELECT z, w, count(*) AS instants, count(*) FILTER (WHERE start > t) AS before_start,
       count(*) FILTER (WHERE start < former) AS going_back, count(DISTINCT start) AS buckets
FROM (SELECT z, w, t, start, lag(start) OVER (PARTITION BY z, w ORDER BY t) AS former
      FROM unnest('{Europe/Berlin,America/Santiago,Atlantic/Azores}'::text[]) z,
           unnest('{20 min,1 hour,90 min,2 hours,1 day,7 days,1 month}'::interval[]) w,
           generate_series(timestamp '2024-01-01 00:00' AT TIME ZONE z, timestamp '2024-12-31 23:30' AT TIME ZONE z, '30 min') t,
           wearables.bucket_start(t, w, z) start) b
GROUP BY z, w ORDER BY z, w;
SELECT readings, bucket_start FROM wearables.timeseries(1, 'heartrate', '2024-10-27 00:00Z', '2024-10-27 02:00Z', 'day', 'Atlantic/Azores');

-- from is inclusive, to is exclusive
SELECT readings FROM wearables.timeseries(1, 'heartrate', '2024-03-31 00:00Z', '2024-03-31 00:30Z');
SELECT count(*) FROM wearables.timeseries(1, 'heartrate', '2024-03-31 00:00Z', '2024-03-31 00:00Z');

-- one row for each source, or the source that is wanted
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value, value_secondary) VALUES
  (2, 'blood_pressure', '2024-05-01 08:00Z', 'omron', 'cuff', 120, 80), (2, 'blood_pressure', '2024-05-01 08:30Z', 'omron', 'cuff', 130, 90),
  (2, 'blood_pressure', '2024-05-01 08:10Z', 'withings', 'cuff', 118, 78), (2, 'blood_pressure', '2024-05-01 08:20Z', 'withings', 'watch', 115, 75);
SELECT provider, source_type, channel, value, value_secondary, readings FROM wearables.timeseries(2, 'blood_pressure', '2024-05-01', '2024-05-02', 'day');
SELECT provider, source_type, value FROM wearables.timeseries(2, 'blood_pressure', '2024-05-01', '2024-05-02', 'day', only_provider => 'withings');
SELECT provider, source_type, value FROM wearables.timeseries(2, 'blood_pressure', '2024-05-01', '2024-05-02', 'day', only_source_type => 'cuff');
SELECT count(*) FROM wearables.timeseries(2, 'blood_pressure', '2024-05-01', '2024-05-02', 'day', only_channel => 'sleep');

-- the metric says how a bucket becomes one value
INSERT INTO wearables.metrics (name, unit, aggregate) SELECT 'm_' || a, '1', a FROM unnest('{avg,sum,min,max,last}'::text[]) a;
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 2, 'm_' || a, timestamptz '2024-05-01 08:00Z' + i * interval '10 min', (ARRAY[3, 5, 1])[i]
FROM unnest('{avg,sum,min,max,last}'::text[]) a, generate_series(1, 3) i;
SELECT a, t.value, t.lowest, t.highest, t.readings FROM unnest('{avg,sum,min,max,last}'::text[]) a, wearables.timeseries(2, 'm_' || a, '2024-05-01', '2024-05-02', 'day') t;

-- the latest of each metric
SELECT metric, ts, value, value_secondary, unit, provider, source_type FROM wearables.latest(2);
SELECT count(*) FROM wearables.latest(999);

-- a user that does not exist has no readings
SELECT count(*) FROM wearables.timeseries(999, 'heartrate', '2024-01-01', '2025-01-01');

-- errors
SELECT * FROM wearables.timeseries(1, 'mood', '2024-01-01', '2025-01-01');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, NULL, '2024-01-01', '2025-01-01');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2025-01-01Z', '2024-01-01Z');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', NULL, '2024-01-01Z');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '-infinity', '2024-01-01Z');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', 'fortnight');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '-1 hour');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '0');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '5 months');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '1 month 1 day');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '-1 month');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '2 years');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', NULL);
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '9999999999999999999 years');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', time_zone => 'Mars/Olympus');
\echo :SQLSTATE

DROP EXTENSION wearables_ingest;
