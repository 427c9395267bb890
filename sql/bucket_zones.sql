-- bucket_zones: in every zone the server knows, buckets tile time: each holds its instants and ends where the next begins
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT setseed(0.42) IS NOT NULL AS seeded;

-- every region, and some offsets; what is a region zone() decides
CREATE TEMP TABLE zones AS
SELECT n.name, ARRAY(SELECT random() FROM generate_series(1, 8) WHERE n.name IS NOT NULL) AS random
FROM (SELECT z.name FROM (SELECT name FROM pg_timezone_names
                          WHERE name ~ '^[A-Z].*[a-z]' AND name <> 'Factory' OR name = 'UTC'
                          UNION ALL VALUES ('+14:00'), ('-12:00'), ('+05:45'), ('-03:30'), ('+18:00'), ('-18:00')) z (name)
      ORDER BY z.name COLLATE "C") n;
SELECT count(*) > 300 AS many, count(*) FILTER (WHERE wearables_internal.zone(name) <> name) AS renamed FROM zones;

-- instants from 1970 to 2037: some at random, and some around changes of the clock: of each zone two, found by the
-- offset of one day and of ten days after, then by the hour and the minute
CREATE FUNCTION pg_temp.shift(ts timestamptz, zone text) RETURNS interval LANGUAGE sql IMMUTABLE
RETURN ts AT TIME ZONE zone - ts AT TIME ZONE 'UTC';
CREATE TEMP TABLE changes AS
WITH ten_days AS (
  SELECT z.name, d.day, row_number() OVER (PARTITION BY z.name ORDER BY d.day) AS place, count(*) OVER (PARTITION BY z.name) AS places, z.random
  FROM zones z
  CROSS JOIN LATERAL generate_series(timestamptz '1970-01-01 00:00Z' + floor(z.random[8] * 60) * interval '1 year',
                                     timestamptz '1978-01-01 00:00Z' + floor(z.random[8] * 60) * interval '1 year', '10 days') d (day)
  WHERE z.name !~ '^[-+]' AND pg_temp.shift(d.day, z.name) <> pg_temp.shift(d.day + interval '10 days', z.name)),
hours AS (
  SELECT t.name, (SELECT min(h) FROM generate_series(t.day, t.day + interval '10 days', '1 hour') h
                  WHERE pg_temp.shift(h, t.name) <> pg_temp.shift(t.day, t.name)) AS after
  FROM ten_days t WHERE t.place IN (1 + floor(t.random[6] * t.places), 1 + floor(t.random[7] * t.places)))
SELECT h.name, (SELECT min(m) FROM generate_series(h.after - interval '1 hour', h.after, '1 minute') m
                WHERE pg_temp.shift(m, h.name) = pg_temp.shift(h.after, h.name)) AS at
FROM hours h;
SELECT count(*) > 200 AS many_changes FROM changes;
CREATE TEMP TABLE instants AS
SELECT name, timestamptz '1970-01-01 00:00Z' + random[i] * interval '24837 days' AS ts FROM zones, generate_series(1, 5) i
UNION ALL
SELECT name, at + d FROM changes, unnest('{-1 us,0,-25 min,20 min,59 min,-80 min,2 hours,-150 min,13 hours}'::interval[]) d;
SELECT count(*) > 3000 AS many, count(DISTINCT name) > 300 AS of_many FROM instants;

CREATE TEMP TABLE buckets AS
SELECT i.name, w.width, i.ts, wearables.bucket_start(i.ts, w.width, i.name) AS start, wearables.bucket_end(i.ts, w.width, i.name) AS until
FROM unnest('{15 min,30 min,1 hour,2 hours,3 hours,6 hours,12 hours,24 hours,720 hours,1 day,2 days,7 days,1 month,3 months}'::interval[]) w (width), instants i;

-- each of these counts what breaks a rule (720 hours divided by zero; without them 6 buckets of 2 and 3 hours began after
-- their instant, and 14 of an hour inside another)
SELECT count(*) FILTER (WHERE ts < start OR ts >= until) AS not_in_its_bucket,
       count(*) FILTER (WHERE wearables.bucket_start(until, width, name) <> until) AS next_begins_elsewhere,
       count(*) FILTER (WHERE wearables.bucket_end(start - interval '1 us', width, name) <> start) AS former_ends_elsewhere,
       count(*) FILTER (WHERE wearables.bucket_start(until - interval '1 us', width, name) <> start
                           OR wearables.bucket_end(start, width, name) <> until) AS another_inside
FROM buckets;
-- days begin at the first instant at which their date is shown; after a step back across midnight a day goes on, for three
-- hours at most (Antarctica/Casey in 2021), or seven (Antarctica/Vostok in 1994)
SELECT count(*) FILTER (WHERE start <> wearables.first_instant((start AT TIME ZONE z.rules)::date, name)) AS not_at_its_first_instant,
       count(*) FILTER (WHERE (start AT TIME ZONE z.rules)::date < (ts AT TIME ZONE z.rules)::date) AS of_a_day_before,
       count(*) FILTER (WHERE (start AT TIME ZONE z.rules)::date > (ts AT TIME ZONE z.rules)::date
                          AND (ts AT TIME ZONE z.rules)::time < CASE name WHEN 'Antarctica/Vostok' THEN time '17:00' ELSE '21:00' END) AS of_a_day_to_come
FROM buckets CROSS JOIN LATERAL (SELECT name WHERE name !~ '^[-+]') z (rules) WHERE width = '1 day';
-- hours begin when clocks show a multiple, or where they step forward over one; never does one hold more than its
-- width and what is shown twice
SELECT count(*) FILTER (WHERE mod(extract(epoch FROM start AT TIME ZONE z.rules)::bigint, extract(epoch FROM width)::bigint) <> 0
                          AND (start - interval '1 us') AT TIME ZONE z.rules + interval '1 us' >= start AT TIME ZONE z.rules) AS at_no_multiple,
       count(*) FILTER (WHERE until - start > width
                          AND until AT TIME ZONE z.rules - start AT TIME ZONE z.rules > width) AS too_long
FROM buckets CROSS JOIN LATERAL (SELECT name WHERE name !~ '^[-+]') z (rules) WHERE width < '24 hours';

DROP EXTENSION wearables_ingest CASCADE;
