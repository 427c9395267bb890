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

-- the buckets of some hours, by the clock of the zone; each ends where the next begins
CREATE FUNCTION pg_temp.buckets(zone text, width interval, from_ts timestamptz, to_ts timestamptz)
RETURNS TABLE (start timestamptz, shown timestamp, lasts interval) LANGUAGE sql AS $$
  WITH RECURSIVE b (start) AS (
    SELECT wearables.bucket_start($3, $2, $1)
    UNION ALL SELECT wearables.bucket_end(b.start, $2, $1) FROM b WHERE wearables.bucket_end(b.start, $2, $1) < $4)
  SELECT b.start, b.start AT TIME ZONE $1, wearables.bucket_end(b.start, $2, $1) - b.start FROM b $$;
-- 2 hours of Berlin: what is shown twice, or skipped, cuts no more than it must
SELECT * FROM pg_temp.buckets('Europe/Berlin', '2 hours', '2024-03-30 23:00Z', '2024-03-31 05:00Z');
SELECT * FROM pg_temp.buckets('Europe/Berlin', '2 hours', '2024-10-26 22:00Z', '2024-10-27 05:00Z');
SELECT * FROM pg_temp.buckets('Europe/Berlin', '6 hours', '2024-03-30 23:00Z', '2024-03-31 22:00Z');
-- Troll goes from 01:00 to 03:00, and from 03:00 back to 01:00
-- (a reading of 01:30Z on 31 March was in a bucket that began at 02:00Z)
SELECT * FROM pg_temp.buckets('Antarctica/Troll', '2 hours', '2024-03-31 00:00Z', '2024-03-31 04:00Z');
SELECT * FROM pg_temp.buckets('Antarctica/Troll', '2 hours', '2024-10-26 22:00Z', '2024-10-27 04:00Z');
-- Lord Howe goes from 02:00 to 02:30, and from 02:00 back to 01:30
-- (the bucket of 14:59Z on 6 April began at 14:00Z and that of 15:00Z at 14:30Z, inside it)
SELECT * FROM pg_temp.buckets('Australia/Lord_Howe', '1 hour', '2024-10-05 14:30Z', '2024-10-05 17:30Z');
SELECT * FROM pg_temp.buckets('Australia/Lord_Howe', '1 hour', '2024-04-06 14:00Z', '2024-04-06 17:30Z');
-- half hours and 45 minutes off UTC
SELECT z, wearables.bucket_start('2024-05-01 12:40Z', '6 hours', z) AS start FROM (VALUES ('Asia/Kolkata'), ('Asia/Kathmandu'), ('Pacific/Chatham')) v (z);
-- days without a midnight begin when the date does
SELECT * FROM pg_temp.buckets('America/Sao_Paulo', '1 day', '2017-10-14 12:00Z', '2017-10-16 12:00Z');
SELECT * FROM pg_temp.buckets('America/Sao_Paulo', '1 day', '2018-02-17 12:00Z', '2018-02-18 12:00Z');
SELECT * FROM pg_temp.buckets('Asia/Beirut', '1 day', '2024-03-30 12:00Z', '2024-03-31 12:00Z');
-- a midnight that comes twice is one day's; a day that never was has no bucket; after a step back across midnight
-- (00:01 to 23:01) the day that had begun goes on
SELECT * FROM pg_temp.buckets('Atlantic/Azores', '1 day', '2024-10-26 12:00Z', '2024-10-28 12:00Z');
SELECT * FROM pg_temp.buckets('Pacific/Apia', '1 day', '2011-12-29 12:00Z', '2012-01-01 12:00Z');
SELECT * FROM pg_temp.buckets('America/St_Johns', '1 day', '2006-10-28 12:00Z', '2006-10-30 12:00Z');
SELECT wearables.first_instant(w, z), w, z
FROM (VALUES (timestamp '2024-10-27 02:30', 'Europe/Berlin'), ('2024-03-31 02:30', 'Europe/Berlin'), ('2017-10-15', 'America/Sao_Paulo'),
             ('2011-12-30', 'Pacific/Apia'), ('2024-05-01', '+05:45'), ('infinity', 'UTC')) v (w, z);
-- hours are days where they make some (720 hours divided by zero)
SELECT wearables.bucket_start('2024-05-01 12:40Z', w, 'Europe/Berlin'), wearables.bucket_end('2024-05-01 12:40Z', w, 'Europe/Berlin'), w
FROM unnest('{24 hours,1 day,720 hours,30 days,1 day 24 hours,48 hours,1 year,12 months}'::interval[]) w;
-- an offset is ISO's: hours east (as a POSIX specification it was 14:00Z on 30 April)
SELECT wearables.bucket_start('2024-05-01 12:40Z', '1 day', z), z FROM (VALUES ('+14:00'), ('-0330'), ('+05'), ('Z')) v (z);
-- what is not finite stays so; null gives null
SELECT wearables.bucket_start('infinity', '1 day', 'UTC'), wearables.bucket_end('-infinity', '1 day', 'UTC'), wearables.bucket_start(NULL, '1 day', 'UTC') IS NULL AS none;

SELECT readings, bucket_start FROM wearables.timeseries(1, 'heartrate', '2024-10-27 00:00Z', '2024-10-27 02:00Z', 'day', 'Atlantic/Azores');

-- what the range cuts is partial, at either end and at both
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', '2024-10-26 22:00Z', '2024-10-27 01:30Z');
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', '2024-10-26 22:30Z', '2024-10-27 01:00Z');
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', '2024-10-26 22:00Z', '2024-10-27 22:00Z', 'day');

-- dates are the days of the chart's zone (by midnights of the session it had 6 of its 10 readings, as untyped literals
-- still have it, but marked); to_day does not count
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', date '2024-10-27', date '2024-10-28', 'day');
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', '2024-10-27', '2024-10-28', 'day');
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', date '2024-10-26', date '2024-10-28', 'day', 'America/Los_Angeles');
SELECT bucket_start, readings, partial FROM wearables.timeseries(1, 'heartrate', from_day => '2024-10-27', to_day => '2024-10-28', bucket => 'day');
SELECT count(*) FROM wearables.timeseries(1, 'heartrate', date '2024-10-28', date '2024-10-27', 'day');
SELECT count(*) FROM wearables.timeseries(1, 'heartrate', date '-infinity', date '2024-10-27', 'day');
SELECT count(*) FROM wearables.timeseries(1, 'heartrate', NULL::date, date '2024-10-27', 'day');

-- as recorded: each reading by its wearer's clock, in buckets of the user's zone. Bob, of Berlin, came home from New
-- York on 5 May; one reading of the 6th has no offset (only the user's zone could be asked: 1 of the 3 on 4 May, 4 on the 5th)
SELECT wearables.register_user('bob', time_zone => 'Europe/Berlin') AS bob;
INSERT INTO wearables.samples (user_id, metric, ts, value, tz_offset) VALUES
  (2, 'heartrate', '2024-05-04 05:00-04', 61, -240), (2, 'heartrate', '2024-05-04 22:00-04', 62, -240), (2, 'heartrate', '2024-05-04 23:30-04', 63, -240),
  (2, 'heartrate', '2024-05-05 09:00-04', 64, -240), (2, 'heartrate', '2024-05-05 23:30+02', 65, 120), (2, 'heartrate', '2024-05-06 00:30+02', 66, 120),
  (2, 'heartrate', '2024-05-06 12:00+02', 67, NULL), (2, 'heartrate', '2024-05-07 13:00+14', 68, 840);
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS day, readings, lowest, highest, partial
FROM wearables.timeseries(2, 'heartrate', date '2024-05-04', date '2024-05-08', 'day', 'recorded');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS day, readings, lowest, highest FROM wearables.timeseries(2, 'heartrate', date '2024-05-04', date '2024-05-08', 'day');
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS shown, value FROM wearables.timeseries(2, 'heartrate', date '2024-05-04', date '2024-05-06', 'hour', 'recorded');
-- the range, too, is by the wearer's clock
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS day, readings, lowest, partial
FROM wearables.timeseries(2, 'heartrate', '2024-05-04 23:00+02', '2024-05-05 10:00+02', 'day', 'recorded');
-- where the user's clocks skip what was recorded it is charted after the step
INSERT INTO wearables.samples (user_id, metric, ts, value, tz_offset) VALUES (2, 'heartrate', '2024-03-31 02:30-04', 70, -240);
SELECT bucket_start AT TIME ZONE 'Europe/Berlin' AS shown, value FROM wearables.timeseries(2, 'heartrate', date '2024-03-31', date '2024-04-01', 'hour', 'recorded');
DELETE FROM wearables.sample_points WHERE user_id = 2;
SELECT wearables.register_user('bob', time_zone => 'UTC') AS bob;

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
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '5 hours');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '36 hours');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '1 day -24 hours');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '2000000000 days');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '2000000000 hours');
\echo :SQLSTATE
SELECT wearables.bucket_start('294276-12-31Z', '1 day', 'UTC');
\echo :SQLSTATE
SELECT wearables.first_instant('4713-01-01 BC', 'UTC');
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
-- words for widths: those of date_trunc()
SELECT w.word, (SELECT array_agg(t.* ORDER BY t.*) FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', w.word) t)
             = (SELECT array_agg(t.* ORDER BY t.*) FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', w.width) t) AS same
FROM (VALUES ('minute', '1 minute'), ('HOUR', '1 hour'), ('day', '1 day'), ('week', '7 days'), ('month', '1 month'), ('Quarter', '3 months'), ('year', '12 months')) w (word, width);
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', '9999999999999999999 years');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', time_zone => 'Mars/Olympus');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', '2024-01-01', '2025-01-01', time_zone => 'UTC+2');
\echo :SQLSTATE
SELECT * FROM wearables.timeseries(1, 'heartrate', date '2024-01-01', date '2025-01-01', time_zone => 'CEST');
\echo :SQLSTATE

DROP EXTENSION wearables_ingest CASCADE;
