-- insert: INSERT into the view samples is an upsert by the rule of the writer; made for repairs by hand
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice, wearables.register_user('bob') AS bob;

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE samples AS
  SELECT user_id, metric, ts, provider, source_type, channel, value, value_secondary, unit, ts_end, tz_offset FROM wearables.samples
  ORDER BY user_id, metric, ts, provider, source_type;

-- user, metric, instant and value are enough
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:00Z', 60);
-- or everything
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, channel, value, value_secondary, unit, ts_end, tz_offset, version)
VALUES (1, 'blood_pressure', '2024-05-01 08:00Z', 'omron', 'cuff', 'timeseries', 120, 80, 'mm[Hg]', '2024-05-01 08:01Z', 120, 1);
EXECUTE samples;
-- without a version it is as of now, so it wins over what was received until now
SELECT version >> 20 BETWEEN extract(epoch FROM now() - interval '1 minute') * 1000 AND extract(epoch FROM now() + interval '1 minute') * 1000 AS of_now
FROM wearables.samples WHERE provider = 'manual';

-- the same key again replaces, a key twice in a statement counts once: the last
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:00Z', 61);
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES
  (1, 'heartrate', '2024-05-01 08:01Z', 62), (1, 'heartrate', '2024-05-01 08:01Z', 63), (1, 'heartrate', '2024-05-01 08:02Z', 64);
EXECUTE samples;

-- an older version does not win, an equal one does, within a statement, too
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'hrv_rmssd', '2024-05-01 08:00Z', 40, 100);
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'hrv_rmssd', '2024-05-01 08:00Z', 39, 99);
SELECT value, version FROM wearables.samples WHERE metric = 'hrv_rmssd';
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'hrv_rmssd', '2024-05-01 08:00Z', 41, 100);
SELECT value, version FROM wearables.samples WHERE metric = 'hrv_rmssd';
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'hrv_rmssd', '2024-05-01 08:00Z', 43, 103), (1, 'hrv_rmssd', '2024-05-01 08:00Z', 42, 102);
SELECT value, version FROM wearables.samples WHERE metric = 'hrv_rmssd';

-- a reading of a provider is repaired under the provider's name; what was made before the repair and comes late does not undo it
SELECT pg_temp.send('2t01', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T09:00:00Z","value":200}]}');
CALL wearables.drain();
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value) VALUES (1, 'heartrate', '2024-05-01 09:00Z', 'garmin', 'watch', 70);
SELECT pg_temp.send('2t02', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T09:00:00Z","value":201}]}');
CALL wearables.drain();
SELECT value FROM wearables.samples WHERE provider = 'garmin';

-- several users in one statement, from a query, with another INSERT begun within it
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 2 - i % 2, 'respiratory_rate', timestamptz '2024-05-02 00:00Z' + i * interval '1 minute', 10 + i % 7 FROM generate_series(1, 1000) i;
SELECT user_id, count(*), sum(value) FROM wearables.samples WHERE metric = 'respiratory_rate' GROUP BY user_id ORDER BY user_id;
CREATE FUNCTION pg_temp.also(minute timestamptz) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (2, 'hrv_rmssd', minute, 50);
  RETURN 51;
END $$;
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 2, 'hrv_sdnn', m, pg_temp.also(m) FROM generate_series(timestamptz '2024-05-03 00:00Z', '2024-05-03 00:02Z', '1 minute') m;
SELECT metric, count(*), min(value), max(value) FROM wearables.samples WHERE user_id = 2 AND ts >= '2024-05-03' GROUP BY metric ORDER BY metric;

-- COPY and an empty INSERT
COPY wearables.samples (user_id, metric, ts, value) FROM stdin (FORMAT csv);
2,heartrate,2024-05-04 00:00Z,55
2,heartrate,2024-05-04 00:01Z,56
\.
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 1, 'heartrate', now(), 1 WHERE false;
SELECT ts, value FROM wearables.samples WHERE user_id = 2 AND metric = 'heartrate' ORDER BY ts;

-- what a statement names is looked up once: names that change from row to row are still those of their rows
SELECT pg_stat_force_next_flush();
BEGIN;
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, channel, value)
SELECT 1 + i % 2, (ARRAY['heartrate', 'steps', 'hrv_rmssd'])[1 + i % 3], timestamptz '2024-05-05 00:00Z' + i * interval '1 minute',
       (ARRAY['ab', 'a', 'manual'])[1 + i / 6 % 3], (ARRAY['c', 'bc', 'unknown'])[1 + i / 6 % 3], (ARRAY['timeseries', 'own'])[1 + i / 18 % 2], 40 + i
FROM generate_series(0, 359) i;
SELECT user_id, metric, provider, source_type, channel, count(*), sum(value) FROM wearables.samples WHERE ts >= '2024-05-05'
GROUP BY 1, 2, 3, 4, 5 HAVING count(*) <> 10 ORDER BY 1, 2, 3, 4, 5;
SELECT count(DISTINCT (user_id, metric, provider, source_type, channel)), count(*), sum(value) FROM wearables.samples WHERE ts >= '2024-05-05';
SELECT user_id, metric, provider, source_type, channel, min(value), max(value) FROM wearables.samples WHERE ts >= '2024-05-05' AND value < 60 AND user_id = 2
GROUP BY 1, 2, 3, 4, 5 ORDER BY 6;
-- so many scans of the tables of names: 360 of each before, one a row
SELECT pg_stat_get_xact_numscans('wearables.metrics'::regclass) < 20 AS few_of_metrics, pg_stat_get_xact_numscans('wearables.users'::regclass) < 20 AS few_of_users;
-- RETURNING shows the rows as they were given, versions and defaults not yet in
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-06 00:00Z', 60), (1, 'heartrate', '2024-05-06 00:00Z', 61)
RETURNING user_id, metric, value, version;
-- two in one statement
WITH a AS (INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 1, 'heartrate', timestamptz '2024-05-07Z' + i * interval '1 s', 60 + i FROM generate_series(1, 3) i RETURNING value),
     b AS (INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 2, 'steps', timestamptz '2024-05-07Z' + i * interval '1 s', 60 + i FROM generate_series(1, 3) i RETURNING value)
SELECT a.value, b.value FROM a JOIN b USING (value) ORDER BY 1;
SELECT user_id, metric, count(*) FROM wearables.samples WHERE ts >= '2024-05-07' GROUP BY 1, 2 ORDER BY 1;
-- a function of a row that fails within its own INSERT, in a block that catches it; and one that writes nothing of what it wrote
CREATE FUNCTION pg_temp.caught(minute timestamptz, metric text) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (2, 'hrv_sdnn', minute, 50), (2, metric, minute, 50);
  RAISE EXCEPTION 'undone';
EXCEPTION WHEN OTHERS THEN
  RETURN 52;
END $$;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 2, 'hrv_rmssd', m, pg_temp.caught(m, (ARRAY['no_such_metric', 'heartrate'])[1 + extract(minute FROM m)::int % 2])
FROM generate_series(timestamptz '2024-05-08 00:00Z', '2024-05-08 00:03Z', '1 minute') m;
SELECT metric, count(*), sum(value) FROM wearables.samples WHERE user_id = 2 AND ts >= '2024-05-08' GROUP BY metric;
-- one that registers who the rows after it are of
CREATE FUNCTION pg_temp.registered(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT wearables.register_user(name) $$;
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT pg_temp.registered('carol-' || i / 2), 'heartrate', timestamptz '2024-05-09 00:00Z' + i * interval '1 s', 60 + i
FROM generate_series(0, 3) i;
SELECT user_id > 2 AS of_new, count(*) FROM wearables.samples WHERE ts >= '2024-05-09' GROUP BY user_id;
ROLLBACK;
-- COPY of all columns; one that fails in its last row leaves nothing
BEGIN;
COPY wearables.samples (user_id, metric, ts, day, provider, source_type, channel, value, value_secondary, unit, ts_end, tz_offset, version, part) FROM stdin (FORMAT csv, NULL '-');
1,blood_pressure,2024-05-10 08:00Z,-,omron,cuff,timeseries,120,80,mm[Hg],2024-05-10 08:01Z,120,1,3
1,body_weight,-,2024-05-10,-,-,-,71,-,-,-,-,-,-
\.
SELECT metric, ts, day, provider, source_type, channel, value, value_secondary, unit, ts_end, tz_offset, part, version = 1 AS of_1 FROM wearables.samples
WHERE ts >= '2024-05-10' ORDER BY metric;
SAVEPOINT a;
COPY wearables.samples (user_id, metric, ts, value) FROM stdin (FORMAT csv);
1,heartrate,2024-05-11 00:00Z,55
1,heartrate,2024-05-11 00:01Z,5000
\.
ROLLBACK TO a;
SELECT count(*) FROM wearables.samples WHERE ts >= '2024-05-11';
ROLLBACK;

-- errors: a statement is written whole or not at all
SELECT count(*) AS samples FROM wearables.samples \gset
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60), (1, 'mood', '2024-06-01 00:00Z', 5);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (3, 'heartrate', '2024-06-01 00:00Z', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (metric, ts, value) VALUES ('heartrate', '2024-06-01 00:00Z', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, ts, value) VALUES (1, '2024-06-01 00:00Z', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, value) VALUES (1, 'heartrate', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts) VALUES (1, 'heartrate', '2024-06-01 00:00Z');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, unit) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60, 'Hz');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 4000);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 'NaN');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary) VALUES (1, 'blood_pressure', '2024-06-01 00:00Z', 120, 8000);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '1850-06-01 00:00Z', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', 'infinity', 60);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, channel) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60, 'sleep');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, ts_end) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60, '2024-05-01 00:00Z');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60, '');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60, -1);
\echo :SQLSTATE
INSERT INTO wearables.metrics (name, unit) VALUES ('open_range', '1');
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'open_range', '2024-06-01 00:00Z', 'infinity');
\echo :SQLSTATE
UPDATE wearables.users SET erased_at = now() WHERE user_id = 2;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (2, 'heartrate', '2024-06-01 00:00Z', 60);
\echo :SQLSTATE
SELECT count(*) - :samples AS written FROM wearables.samples;
-- an error that is caught leaves nothing behind, and the next statement is itself again
BEGIN;
SAVEPOINT a;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-06-01 00:00Z', 60), (1, 'mood', '2024-06-01 00:00Z', 5);
ROLLBACK TO a;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-06-01 00:01Z', 61);
COMMIT;
SELECT ts, value FROM wearables.samples WHERE ts >= '2024-06-01';
-- the view takes INSERT and nothing else; the trigger is of no use elsewhere
\set VERBOSITY terse
UPDATE wearables.samples SET value = 1;
\echo :SQLSTATE
DELETE FROM wearables.samples;
\echo :SQLSTATE
SELECT wearables_internal.insert_samples();
\echo :SQLSTATE

DROP EXTENSION wearables_ingest CASCADE;
