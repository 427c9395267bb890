-- publish: what is published, and the functions of a subscriber in SQL against those of the library, in every zone the server knows
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET TimeZone = 'America/New_York';
SET DateStyle = ISO;
SET extra_float_digits = 1;
CREATE EXTENSION wearables_ingest;

-- nothing is published before it is asked for; the server warns that its wal_level is too low
SET client_min_messages = error;
SELECT count(*) FROM pg_publication;
SELECT wearables.make_publication();
SELECT p.schemaname || '.' || p.tablename AS relation, array_to_string(p.attnames, ' ') AS columns
FROM pg_publication_tables p WHERE p.pubname = 'wearables' ORDER BY 1;
SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication;
-- every column is in the data map, and none of these is published
SELECT count(*) FILTER (WHERE m.attribute IS NULL) AS not_in_the_map,
       count(*) FILTER (WHERE a.attname ~ '(payload|secret|value_hash|salt|external_user_id|provider_user_id|headers)') AS not_to_be_published
FROM pg_publication_tables p CROSS JOIN LATERAL unnest(p.attnames) a (attname)
LEFT JOIN wearables.data_map m ON m.relation = p.schemaname || '.' || p.tablename AND m.attribute = a.attname;
-- each can be updated and deleted from: its identity is published
SELECT count(*) AS without_identity FROM pg_publication_tables p
JOIN pg_class c ON c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
WHERE NOT CASE c.relreplident WHEN 'f' THEN cardinality(p.attnames) = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  ELSE (SELECT array_agg(a.attname) <@ p.attnames FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary) END;
SELECT * FROM wearables.problems WHERE problem ~ 'subscriber|replica';

-- an older publication becomes what this version publishes
ALTER PUBLICATION wearables SET TABLE wearables.users (user_id, time_zone);
ALTER PUBLICATION wearables SET (publish = 'insert');
SELECT wearables.make_publication();
SELECT count(*), bool_and(u.pubdelete) FROM pg_publication_tables p JOIN pg_publication u USING (pubname);
-- tables of others stay
CREATE TABLE of_others (id integer PRIMARY KEY);
CREATE PUBLICATION mine FOR TABLE of_others;
SELECT wearables.make_publication('mine');
\echo :SQLSTATE
SELECT wearables.make_publication('a "name"');
SELECT pubname, count(*) FROM pg_publication_tables GROUP BY 1 ORDER BY 1;
DROP PUBLICATION wearables, mine, "a ""name""";
DROP TABLE of_others;

-- the script holds no function of the library, and no name that is of this side alone
SELECT ddl ~ 'LANGUAGE c\M' AS library, ddl ~ 'plain_' AS plain, ddl ~ '(webhook_events|endpoint|MODULE_PATHNAME|\$libdir)' AS more,
       ddl ~ 'CREATE OR REPLACE FUNCTION wearables\.timeseries\(' AS timeseries
FROM wearables.subscriber_ddl() ddl;
-- zones: what is one here is one there
CREATE FUNCTION pg_temp.rules(zone text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN wearables_internal.plain_rules(zone);
EXCEPTION WHEN invalid_parameter_value THEN RETURN NULL;
END $$;
CREATE FUNCTION pg_temp.zone(zone text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN wearables_internal.zone(zone);
EXCEPTION WHEN invalid_parameter_value THEN RETURN NULL;
END $$;
SELECT count(*) > 1000 AS many, count(*) FILTER (WHERE (pg_temp.zone(z) IS NULL) <> (pg_temp.rules(z) IS NULL)) AS differ,
       array_agg(z ORDER BY z COLLATE "C") FILTER (WHERE (pg_temp.zone(z) IS NULL) <> (pg_temp.rules(z) IS NULL)) AS which
FROM (SELECT name FROM pg_timezone_names UNION SELECT lower(name) FROM pg_timezone_names UNION SELECT upper(name) FROM pg_timezone_names
      UNION SELECT abbrev FROM pg_timezone_abbrevs WHERE abbrev <> 'ZULU'  -- a region where the server has the old names of regions
      UNION VALUES ('Z'), ('utc'), ('+02:00'), ('+0200'), ('+02'), ('-18:00'), ('+18:01'), ('+1800'), ('+19'), ('+2'), ('02:00'), ('+02:60'), ('+02:0'),
                   ('CET-1CEST'), ('<x>-02'), ('UTC+2'), ('Europe/Berlin2'), (':Europe/Berlin'), (' Europe/Berlin'), (''), ('posix/Europe/Berlin'), ('Etc/GMT+5'), ('Etc/GMT+5x')) z (z);
SELECT wearables_internal.plain_rules('Mars/Olympus') = 'Mars/Olympus' AS left_to_the_server, wearables_internal.plain_rules('EST');
\echo :SQLSTATE
SELECT wearables_internal.plain_offset('2024-07-01Z', wearables_internal.plain_rules(z)) FROM unnest('{+02:00,-0330,+05:45,Z,-18}'::text[]) z;

-- instants from 1900 to 2037: at random, and around a change of each zone
SELECT setseed(0.23) IS NOT NULL AS seeded;
CREATE TEMP TABLE zones AS
SELECT z.name, row_number() OVER (ORDER BY z.name COLLATE "C") AS place FROM (
  SELECT name FROM pg_timezone_names WHERE name ~ '^[A-Z].*[a-z]' AND name <> 'Factory' OR name = 'UTC'
  UNION ALL VALUES ('+14:00'), ('-12:00'), ('+05:45'), ('-03:30')) z (name);
CREATE TEMP TABLE changes AS
SELECT z.name, wearables_internal.plain_change(d.day, d.day + interval '72 hours', z.name) AS at,
       row_number() OVER (PARTITION BY z.name ORDER BY md5(d.day::text)) AS place
FROM zones z CROSS JOIN LATERAL generate_series(timestamptz '1900-01-01Z' + z.place % 30 * interval '1800 days', timestamptz '1907-01-01Z' + z.place % 30 * interval '1800 days', '72 hours') d (day)
WHERE z.name !~ '^[-+]' AND wearables_internal.plain_offset(d.day, z.name) <> wearables_internal.plain_offset(d.day + interval '72 hours', z.name);
-- and some that step far, or close to one another
INSERT INTO changes VALUES ('Pacific/Apia', '2011-12-30 10:00Z', 1), ('Pacific/Kwajalein', '1993-08-21 12:00Z', 1), ('Asia/Manila', '1844-12-31 15:56Z', 1),
  ('America/Juneau', '1867-10-19 00:31Z', 1), ('Africa/Freetown', '1939-09-05 00:00Z', 1), ('Africa/Freetown', '1939-09-09 00:00Z', 1),
  ('Australia/Lord_Howe', '2024-04-06 15:00Z', 1), ('Africa/Cairo', '2023-04-27 22:00Z', 1), ('America/Sao_Paulo', '2018-11-04 03:00Z', 1), ('America/St_Johns', '2010-03-14 03:31Z', 1);
SELECT count(*) > 300 AS many_changes FROM changes;
CREATE TEMP TABLE instants AS
SELECT z.name, timestamptz '1900-01-01Z' + random() * interval '50000 days' AS ts FROM zones z CROSS JOIN generate_series(1, 2)
UNION ALL
SELECT c.name, c.at + d FROM changes c CROSS JOIN unnest('{-1 us,0,20 min,-80 min,59 min,-13 hours,25 hours}'::interval[]) d WHERE c.place = 1;
SELECT count(*) > 2000 AS many, count(DISTINCT name) > 300 AS of_many FROM instants;

-- each of these counts what differs: 0
SELECT count(*) FILTER (WHERE wearables.day_of(ts, name) <> wearables_internal.plain_day_of(ts, name)) AS day_of,
       count(*) FILTER (WHERE wearables.first_instant(ts AT TIME ZONE 'UTC', name) <> wearables_internal.plain_first_instant(ts AT TIME ZONE 'UTC', name)) AS first_instant,
       count(*) FILTER (WHERE wearables.first_instant(ts AT TIME ZONE name, name) <> wearables_internal.plain_first_instant(ts AT TIME ZONE name, name)) AS of_what_is_shown
FROM instants CROSS JOIN LATERAL (SELECT 1 WHERE name !~ '^[-+]') x;
SELECT w.width, count(*) > 2000 AS many,
       count(*) FILTER (WHERE wearables.bucket_start(ts, w.width, name) <> wearables_internal.plain_bucket_start(ts, w.width, name)) AS start,
       count(*) FILTER (WHERE wearables.bucket_end(ts, w.width, name) <> wearables_internal.plain_bucket_end(ts, w.width, name)) AS finish
FROM instants CROSS JOIN unnest('{15 min,1 hour,6 hours,12 hours,1 day,3 days,7 days,1 month,3 months}'::interval[]) WITH ORDINALITY w (width, place)
GROUP BY w.width, w.place ORDER BY w.place;
-- a whole series of buckets, over many changes
SELECT count(*) AS buckets_of_two_years, count(*) FILTER (WHERE b.start <> wearables.bucket_start(b.start, w.width, z) OR b.next <> wearables.bucket_end(b.start, w.width, z)) AS differ
FROM unnest('{Europe/Berlin,America/New_York,Australia/Lord_Howe,Africa/Casablanca,+05:45}'::text[]) z
CROSS JOIN unnest('{30 min,3 hours,12 hours,1 day,2 days,1 month}'::interval[]) w (width)
CROSS JOIN LATERAL (
  SELECT s AS start, lead(s) OVER (ORDER BY s) AS next
  FROM unnest(wearables_internal.plain_bucket_starts('2023-02-03 04:05Z', '2025-03-04 05:06Z', w.width, z)) s) b
WHERE b.next IS NOT NULL;
-- infinite times, and what is none
SELECT wearables_internal.plain_bucket_start('infinity', '1 day', 'UTC'), wearables_internal.plain_day_of('-infinity', 'UTC'), wearables_internal.plain_first_instant('infinity', 'UTC');
SELECT w AS width, wearables_internal.plain_width(w::interval)
FROM unnest('{90 min,24 hours,6 months,00:00:00.000128}'::text[]) w;
SELECT wearables_internal.plain_width('7 hours');
\echo :SQLSTATE
SELECT wearables_internal.plain_width('5 months');
\echo :SQLSTATE
SELECT wearables_internal.plain_width('1 month 1 day');
\echo :SQLSTATE
SELECT wearables_internal.plain_width('-1 day');
\echo :SQLSTATE
SELECT wearables_internal.plain_width('0');
\echo :SQLSTATE
SELECT wearables_internal.plain_width('101 years');
\echo :SQLSTATE
SELECT wearables_internal.plain_bucket_starts('1900-01-01', '2100-01-01', '1 min', 'UTC');
\echo :SQLSTATE

-- chart(): readings whose ties, sources, parts, missing second values and offsets are drawn by chance
INSERT INTO wearables.sources (provider, source_type) VALUES ('garmin', 'watch'), ('oura', 'ring');
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, tz_offset, version)
SELECT 1, m, CASE WHEN r.chance < 0.8 THEN timestamptz '2025-03-28Z' + floor(random() * 12000) * interval '37 s'
                  ELSE timestamptz '2025-03-28Z' + floor(random() * 6) * interval '1 day' END,
       s.source_id, floor(random() * 3)::smallint, floor(random() * 2000) / 8, CASE WHEN random() < 0.6 THEN floor(random() * 1000) / 8 END,
       CASE WHEN r.chance < 0.2 THEN NULL WHEN r.chance < 0.4 THEN 120 WHEN r.chance < 0.6 THEN -300 WHEN r.chance < 0.8 THEN 330 ELSE 32767 END,
       floor(random() * 3)::bigint
FROM unnest('{1,2}'::smallint[]) m CROSS JOIN wearables.sources s
CROSS JOIN LATERAL (SELECT random() AS chance FROM generate_series(1, 600) WHERE m > 0 AND s.source_id > 0) r
ON CONFLICT DO NOTHING;
SELECT a.name AS aggregate, count(*) > 500 AS lines, count(*) FILTER (WHERE l IS DISTINCT FROM p) AS differ
FROM unnest('{avg,sum,min,max,last}'::text[]) a (name)
CROSS JOIN unnest('{1 hour,6 hours,1 day,7 days,1 month}'::interval[]) w (width)
CROSS JOIN (VALUES ('Europe/Berlin', false, false), ('America/New_York', false, true), ('Australia/Lord_Howe', false, false), ('Europe/Berlin', true, false), ('+05:45', true, true)) z (zone, recorded, without_days)
CROSS JOIN (VALUES (timestamptz '2025-03-28 00:00Z', timestamptz '2025-04-04 00:00Z'), ('2025-03-29 11:17Z', '2025-03-31 02:03Z'), ('2020-01-01Z', '2030-01-01Z')) r (first, last)
CROSS JOIN LATERAL (
  SELECT l, p
  FROM wearables_internal.chart(1, '{1,2}', a.name, ARRAY[r.first, r.last, r.first - interval '48 hours', r.last + interval '48 hours'], w.width, z.zone, z.recorded, z.without_days) l
  FULL JOIN wearables_internal.plain_chart(1, '{1,2}', a.name, ARRAY[r.first, r.last, r.first - interval '48 hours', r.last + interval '48 hours'], w.width, z.zone, z.recorded, z.without_days) p
    ON (l.bucket_start, l.source_id) = (p.bucket_start, p.source_id)) d
GROUP BY a.name ORDER BY a.name;

DROP EXTENSION wearables_ingest CASCADE;
