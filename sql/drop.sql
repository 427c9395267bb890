-- drop: without CASCADE the extension is not dropped while it holds data (before: DROP EXTENSION took all of it)
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
-- what is configured is no data
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice, wearables.make_event_partitions() > 0 AS made;
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1');
DROP EXTENSION wearables_ingest;
-- a schema that is not its own
CREATE SCHEMA wearables;
CREATE EXTENSION wearables_ingest;
DROP SCHEMA wearables;

-- a raw event is
CREATE EXTENSION wearables_ingest;
CREATE FUNCTION pg_temp.send(made text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"u","client_user_id":"alice","data":{"source":{"provider":"garmin"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":61}]}}', 'UTF8') body $$;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice, wearables.make_event_partitions() > 0 AS made;
SELECT pg_temp.send('2t01');
DROP EXTENSION wearables_ingest;
\echo :SQLSTATE
CALL wearables.drain();
DROP EXTENSION wearables_ingest;
-- however it is written
DROP EXTENSION IF EXISTS wearables_ingest RESTRICT;
DROP EXTENSION plpgsql, wearables_ingest;
SET session_replication_role = replica;
DROP EXTENSION wearables_ingest;
RESET session_replication_role;
-- or with another snapshot than the latest
BEGIN ISOLATION LEVEL REPEATABLE READ;
DROP EXTENSION wearables_ingest;
ROLLBACK;
-- another extension is not ours to keep
DROP EXTENSION IF EXISTS nobody_has_this;
-- what belongs to the extension goes with it alone
DROP SCHEMA wearables CASCADE;
DROP EVENT TRIGGER wearables_ingest_keep_data;
DROP TABLE wearables.sample_points CASCADE;
-- and not with schema public (before: DROP SCHEMA public CASCADE took all of it)
BEGIN;
DROP SCHEMA public CASCADE;
SELECT count(*) FROM wearables.webhook_events;
DROP EXTENSION wearables_ingest CASCADE;
CREATE EXTENSION wearables_ingest;
ROLLBACK;
-- its schemas have fixed names
CREATE SCHEMA elsewhere;
ALTER EXTENSION wearables_ingest SET SCHEMA elsewhere;
DROP SCHEMA elsewhere;
ALTER SCHEMA wearables RENAME TO renamed;
CALL renamed.drain();
ALTER SCHEMA renamed RENAME TO wearables;
CALL wearables.drain();

-- events without samples, and samples without events
BEGIN;
DELETE FROM wearables.sample_points;
DELETE FROM wearables.deliveries;
DROP EXTENSION wearables_ingest;
ROLLBACK;
BEGIN;
DELETE FROM wearables.webhook_events;
DELETE FROM wearables.deliveries;
DROP EXTENSION wearables_ingest;
ROLLBACK;
BEGIN;
TRUNCATE wearables.webhook_events, wearables.deliveries, wearables.sample_points;
DROP EXTENSION wearables_ingest;
ROLLBACK;
-- a partition that was detached is no member: the server keeps it
SELECT i.inhrelid::regclass AS week FROM pg_inherits i JOIN wearables.webhook_events e ON e.tableoid = i.inhrelid LIMIT 1 \gset
BEGIN;
ALTER TABLE wearables.webhook_events DETACH PARTITION :week;
TRUNCATE wearables.deliveries, wearables.sample_points;
DO $$ BEGIN DROP EXTENSION wearables_ingest; EXCEPTION WHEN dependent_objects_still_exist THEN RAISE WARNING '%', SQLERRM; END $$;
ROLLBACK;

-- row-level security hides no row from it
CREATE ROLE regress_dropper SUPERUSER;
DROP EXTENSION wearables_ingest CASCADE;
SET ROLE regress_dropper;
CREATE EXTENSION wearables_ingest;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (wearables.register_user('bob'), 'heartrate', '2024-05-01 08:00Z', 60);
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
ALTER ROLE regress_dropper NOSUPERUSER;
SET ROLE regress_dropper;
SELECT count(*) FROM wearables.sample_points;
DROP EXTENSION wearables_ingest;
-- its owner's things are dropped with the extension among them
DROP OWNED BY regress_dropper;
RESET ROLE;
-- who may not drop it is told no more than that (PostgreSQL 16 and later add whose objects they are)
\set VERBOSITY terse
CREATE ROLE regress_stranger;
SET ROLE regress_stranger;
DROP EXTENSION wearables_ingest;
DROP OWNED BY regress_dropper;
DROP OWNED BY regress_stranger;
\set VERBOSITY default
RESET ROLE;
-- CASCADE says that it is meant
BEGIN;
DROP OWNED BY regress_dropper CASCADE;
SELECT count(*) FROM pg_extension WHERE extname = 'wearables_ingest';
ROLLBACK;
BEGIN;
DROP EXTENSION plpgsql CASCADE;
SELECT count(*) FROM pg_extension WHERE extname = 'wearables_ingest';
ROLLBACK;

-- a library that is gone: nothing can ask it, until it is not asked
UPDATE pg_proc SET probin = '$libdir/nobody_has_this' WHERE proname = 'refuse_drop';
\set VERBOSITY sqlstate
DROP EXTENSION wearables_ingest CASCADE;
\set VERBOSITY default
ALTER EVENT TRIGGER wearables_ingest_keep_data DISABLE;
DROP EXTENSION wearables_ingest;
SELECT count(*) AS left_over FROM pg_event_trigger WHERE evtname = 'wearables_ingest_keep_data';
DROP ROLE regress_dropper, regress_stranger;
