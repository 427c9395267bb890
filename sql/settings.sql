-- settings: no setting can recreate a failure
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
SELECT name, setting, unit, context, min_val, max_val FROM pg_settings WHERE name LIKE 'wearables_ingest.%' ORDER BY name COLLATE "C";

-- 250 readings of as many minutes, whatever the size of a chunk is set to: the same result
CREATE FUNCTION pg_temp.minutes(made text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'heartrate', jsonb_build_object('source', '{"provider":"garmin","type":"watch"}'::jsonb, 'data',
    jsonb_agg(jsonb_build_object('timestamp', to_char(timestamp '2024-05-01' + i * interval '1 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'value', 60 + i % 50)))::text)
  FROM generate_series(1, 250) i $$;
PREPARE result AS SELECT count(*), sum(value), min(ts), max(ts) FROM wearables.samples;
SET wearables_ingest.chunk_rows = -1;
SELECT pg_temp.minutes('2t01');
CALL wearables.drain();
EXECUTE result;
DELETE FROM wearables.sample_points;
SET wearables_ingest.chunk_rows = 1;
SELECT (wearables.replay(event_id)).inserted FROM wearables.webhook_events;
EXECUTE result;
DELETE FROM wearables.sample_points WHERE ts < '2024-05-01 02:00Z';
SET wearables_ingest.chunk_rows = 1000000000;
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
EXECUTE result;
DELETE FROM wearables.sample_points;
SET wearables_ingest.chunk_rows = 100;
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 1, 'heartrate', timestamptz '2024-05-01 00:00Z' + i * interval '1 min', 60 + i % 50 FROM generate_series(1, 250) i;
EXECUTE result;
RESET wearables_ingest.chunk_rows;

-- the others have bounds; since 17 the server words them with their unit
\set VERBOSITY sqlstate
SET wearables_ingest.body_limit = 0;
\echo :SQLSTATE
SET wearables_ingest.max_attempts = 0;
\echo :SQLSTATE
SET wearables_ingest.lease = 0;
\echo :SQLSTATE
SET wearables_ingest.retry_base = -1;
\echo :SQLSTATE
\set VERBOSITY default
SET wearables_ingest.workers = 1;
\echo :SQLSTATE
SET wearables_ingest.no_such_thing = 1;
\echo :SQLSTATE
-- an ordinary role changes the size of a chunk and nothing else
CREATE ROLE regress_settings;
SET ROLE regress_settings;
SET wearables_ingest.chunk_rows = 500;
SET wearables_ingest.body_limit = '1MB';
\echo :SQLSTATE
RESET ROLE;
DROP ROLE regress_settings;

DROP EXTENSION wearables_ingest CASCADE;
