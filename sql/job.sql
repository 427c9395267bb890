-- job: the queue; what is done is gone, what is given up stays as a dead letter
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
CREATE FUNCTION pg_temp.beat(made text, value text DEFAULT '60', minute text DEFAULT '00') RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'heartrate', format('{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:%s:00Z","value":%s}]}', minute, value)) $$;
PREPARE jobs AS SELECT event_id, kind, state, priority, attempt, leased_by IS NOT NULL AS leased, last_error FROM wearables.jobs ORDER BY job_id;

-- each accepted event is a job; drain() works them all, or as many as it is told
SELECT pg_temp.beat('2t01'), pg_temp.beat('2t02'), pg_temp.beat('2t03');
EXECUTE jobs;
CALL wearables.drain(2);
EXECUTE jobs;
SELECT kind, state, jobs, next_run_at <= now() AS due, longest_wait > '0' AS waits, most_attempts FROM wearables.queue;
CALL wearables.drain();
EXECUTE jobs;
SELECT * FROM wearables.queue;

-- a body that cannot be read is given up at once: no further attempt would find another one
SELECT pg_temp.beat('2t04', 'oops');
CALL wearables.drain();
EXECUTE jobs;
SELECT event_id, status, error FROM wearables.webhook_events WHERE status = 'failed';

-- a failure that may pass is tried again later, with a pause, and given up after the last attempt
ALTER TABLE wearables.sample_points ADD CONSTRAINT disk_full CHECK (value <> 61);
SET wearables_ingest.max_attempts = 2;
SELECT pg_temp.beat('2t05', '61', '05'), pg_temp.beat('2t06', '62', '06');
CALL wearables.drain();
EXECUTE jobs;
SELECT event_id, status, error FROM wearables.webhook_events WHERE event_id > 4 ORDER BY event_id;
SELECT run_at > now() AS later FROM wearables.jobs WHERE event_id = 5;
UPDATE wearables.jobs SET run_at = now() WHERE event_id = 5;
CALL wearables.drain();
EXECUTE jobs;
SELECT event_id, status, error FROM wearables.webhook_events WHERE event_id > 4 ORDER BY event_id;
SELECT ts, value FROM wearables.samples ORDER BY ts;
RESET wearables_ingest.max_attempts;

-- the cause is gone: requeue_event() gives it a fresh set of attempts
ALTER TABLE wearables.sample_points DROP CONSTRAINT disk_full;
SELECT wearables.requeue_event(event_id) FROM wearables.jobs WHERE last_error LIKE '%disk_full%';
-- it is in the queue already
SELECT wearables.requeue_event(event_id) FROM wearables.jobs WHERE state = 'ready';
EXECUTE jobs;
CALL wearables.drain();
EXECUTE jobs;
SELECT event_id, status, error, inserted FROM wearables.webhook_events WHERE event_id = 5;

-- a dead letter never blocks a new job of the same event
SELECT wearables_internal.enqueue_event(4, received_at, 'normalize', 0) FROM wearables.webhook_events WHERE event_id = 4;
EXECUTE jobs;
SELECT wearables_internal.enqueue_event(4, received_at, 'normalize', 0) FROM wearables.webhook_events WHERE event_id = 4;
DELETE FROM wearables.jobs;

-- lower priority numbers run first, then the older
SELECT wearables_internal.enqueue_event(event_id, received_at, 'replay', 10) FROM wearables.webhook_events WHERE event_id <= 2 ORDER BY event_id;
SELECT wearables.requeue_event(3);
CALL wearables.drain(1);
EXECUTE jobs;
CALL wearables.drain();
EXECUTE jobs;

-- what is due later waits
SELECT wearables.requeue_event(1);
UPDATE wearables.jobs SET run_at = now() + interval '1 hour';
CALL wearables.drain();
EXECUTE jobs;

-- a job whose session has ended is put off, and it was no attempt
CREATE FUNCTION pg_temp.claimed(by integer, attempt integer, leased_at timestamptz, lease interval DEFAULT '1 hour', suspect boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
  UPDATE wearables.jobs SET state = 'running', attempt = $2, leased_by = $1, leased_at = $3, leased_until = clock_timestamp() + $4, suspect = $5 $$;
CREATE FUNCTION pg_temp.before_the_crash() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_postmaster_start_time() - interval '1 second' $$;
\set nobody 2147483647
SELECT pg_temp.claimed(:nobody, 1, clock_timestamp());
CALL wearables.drain();
EXECUTE jobs;
SELECT waits, waiting_since IS NOT NULL AS waits_since, run_at > clock_timestamp() AS later, last_sqlstate FROM wearables.jobs;
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
EXECUTE jobs;
-- one whose lease has run out, or that was claimed before the server crashed, is worked on alone
SELECT wearables.requeue_event(1), pg_temp.claimed(pg_backend_pid(), 1, clock_timestamp(), '-1 second');
CALL wearables.drain();
EXECUTE jobs;
SELECT wearables.requeue_event(1), pg_temp.claimed(:nobody, 0, pg_temp.before_the_crash());
CALL wearables.drain();
EXECUTE jobs;
-- and its attempt is counted before: after the last one it is a dead letter
SET wearables_ingest.max_attempts = 2;
SELECT wearables.requeue_event(1), pg_temp.claimed(:nobody, 1, pg_temp.before_the_crash(), suspect => true);
UPDATE wearables.jobs SET priority = 1;
SET wearables_ingest.retry_base = 3600;
CALL wearables.drain();
SELECT event_id, state, attempt, suspect, run_at > clock_timestamp() AS later, last_error FROM wearables.jobs;
SELECT pg_temp.claimed(:nobody, 2, pg_temp.before_the_crash(), suspect => true);
CALL wearables.drain();
EXECUTE jobs;
SELECT status, error FROM wearables.webhook_events WHERE event_id = 1;
RESET wearables_ingest.max_attempts;
RESET wearables_ingest.retry_base;
-- while such a one is worked on, no other such is claimed
SELECT wearables.requeue_event(1), wearables.requeue_event(2);
UPDATE wearables.jobs SET suspect = true;
UPDATE wearables.jobs SET state = 'running', leased_by = (SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'wearables_ingest launcher'),
  leased_at = clock_timestamp(), leased_until = clock_timestamp() + interval '1 hour' WHERE event_id = 2;
CALL wearables.drain();
EXECUTE jobs;
DELETE FROM wearables.jobs WHERE event_id = 2;
CALL wearables.drain();
EXECUTE jobs;

-- dead letters are given another chance by what they are
SELECT pg_temp.beat('2t07', 'oops', '07'), pg_temp.send('2t08', 'sleep', '7'), pg_temp.beat('2t09', 'oops', '09');
CALL wearables.drain();
SELECT event_id, state, attempt, last_sqlstate, failed_at > now() - interval '1 minute' AS just_now FROM wearables.jobs ORDER BY job_id;
SELECT wearables.retry_failed(sqlstate => '42'), wearables.retry_failed(failed_before => now() - interval '1 day'), wearables.retry_failed(kind => 'replay');
SELECT wearables.retry_failed(event_type => 'daily.data.sleep.%', sqlstate => '22', failed_after => now() - interval '1 minute');
EXECUTE jobs;
SELECT wearables.discard_failed(sqlstate => '08'), wearables.discard_failed(kind => 'replay'), wearables.discard_failed(failed_before => '-infinity');
SELECT wearables.retry_failed(max_jobs => 1), wearables.retry_failed('normalize'), wearables.retry_failed();
EXECUTE jobs;
CALL wearables.drain();
SELECT event_id, state, attempt FROM wearables.jobs ORDER BY job_id;
DELETE FROM wearables.jobs;

-- nothing is begun while the queue is paused
SELECT wearables.pause_queue(reason => 'a test');
SELECT wearables.pause_queue(reason => 'a longer test');
SELECT wearables.requeue_event(1);
SET client_min_messages = notice;
CALL wearables.drain();
\set VERBOSITY terse
SELECT wearables.requeue_event(1);
\set VERBOSITY default
SET client_min_messages = warning;
EXECUTE jobs;
SELECT wearables.resume_queue(), wearables.resume_queue();
CALL wearables.drain();
EXECUTE jobs;

-- or those of one kind; the others go on
SELECT wearables_internal.enqueue_event(1, received_at, 'replay', 10) FROM wearables.webhook_events WHERE event_id = 1;
SELECT wearables.pause_queue('replay', 'a test'), wearables.requeue_event(2);
CALL wearables.drain();
EXECUTE jobs;
SELECT kind, state, jobs, paused FROM wearables.queue;
SELECT object, regexp_replace(what, 'for .*:', 'for so long:') AS what, statement FROM wearables.problems WHERE problem = 'paused';
SELECT wearables.resume_queue(), wearables.resume_queue('replay'), wearables.resume_queue('replay');
CALL wearables.drain();
EXECUTE jobs;

-- a kind that the library does not know stays as it is, and is in nobody's way
ALTER TYPE wearables.job_kind ADD VALUE 'from_the_future';
SELECT wearables_internal.enqueue_job('from_the_future', 'future:1', '{"about": 1}') IS NOT NULL AS queued,
       wearables_internal.enqueue_job('from_the_future', 'future:1') IS NOT NULL AS twice, wearables.requeue_event(1);
CALL wearables.drain();
SELECT event_id, kind, state, attempt, argument FROM wearables.jobs;
SELECT pg_temp.claimed(:nobody, 1, pg_temp.before_the_crash());
CALL wearables.drain();
SELECT event_id, kind, state, attempt, argument FROM wearables.jobs;
-- a dead letter of no event
UPDATE wearables.jobs SET state = 'failed', attempt = 3, last_sqlstate = '08006', last_error = 'the other side is away', failed_at = now(),
  leased_by = NULL, leased_at = NULL, leased_until = NULL;
SELECT wearables.retry_failed(event_type => '%'), wearables.retry_failed(kind => 'normalize'), wearables.retry_failed(sqlstate => '22');
SELECT wearables.retry_failed('from_the_future', sqlstate => '08');
SELECT event_id, kind, state, attempt, argument, last_error FROM wearables.jobs;
-- one that no attempt would help goes for good; one that is not given up stays
SELECT wearables.discard_failed();
UPDATE wearables.jobs SET state = 'failed', last_sqlstate = '08006', failed_at = now();
SELECT wearables.discard_failed(sqlstate => '08', max_jobs => 1), (SELECT count(*) FROM wearables.jobs) AS before;
SELECT count(*) AS after FROM wearables.jobs;

-- nor by a library that is made for other tables
BEGIN;
CREATE OR REPLACE FUNCTION wearables_internal.schema_version() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 1;
COMMIT;
SELECT wearables.requeue_event(1);
CALL wearables.drain();
\echo :SQLSTATE
EXECUTE jobs;
SELECT verdict, reason FROM wearables.health;
ALTER FUNCTION wearables_internal.schema_version() RENAME TO hidden;
CALL wearables.drain();
\echo :SQLSTATE
ALTER FUNCTION wearables_internal.hidden() RENAME TO schema_version;
CREATE OR REPLACE FUNCTION wearables_internal.schema_version() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN wearables_internal.library_version();
CALL wearables.drain();
EXECUTE jobs;

-- What fails for another's fault keeps what it wrote, and where: under changed mappings it goes once the event succeeds.
CREATE FUNCTION pg_temp.of_6() RETURNS TABLE (status text, inserted integer, quarantined integer, samples bigint) LANGUAGE sql AS $$
  SELECT e.status::text, e.inserted, e.quarantined, (SELECT count(*) FROM wearables.samples s WHERE s.version = e.version) FROM wearables.webhook_events e WHERE e.event_id = 6 $$;
UPDATE wearables.metrics SET highest = 61 WHERE name = 'heartrate';
SET wearables_ingest.max_attempts = 2;
SELECT wearables.requeue_event(6), pg_temp.claimed(:nobody, 2, pg_temp.before_the_crash(), suspect => true);
CALL wearables.drain();
SELECT * FROM pg_temp.of_6();
RESET wearables_ingest.max_attempts;
SELECT wearables.requeue_event(6);
CALL wearables.drain();
SELECT * FROM pg_temp.of_6();

-- a job of an event that is gone does no harm
DELETE FROM wearables.jobs;
INSERT INTO wearables.jobs (event_id, received_at, dedupe_key) VALUES (999, now(), 'event:999');
CALL wearables.drain();
EXECUTE jobs;

-- errors
SELECT wearables.requeue_event(999);
\echo :SQLSTATE
CALL wearables.drain(0);
\echo :SQLSTATE
CALL wearables.drain(-1);
\echo :SQLSTATE
BEGIN;
CALL wearables.drain();
\echo :SQLSTATE
ROLLBACK;
CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL wearables.drain(); END $$;
SELECT pg_temp.f();
\echo :SQLSTATE
-- a DO block that stands alone may commit, so it may drain
DO $$ BEGIN CALL wearables.drain(); END $$;
-- whatever the site's defaults are
SELECT wearables.requeue_event(1), wearables.requeue_event(2), wearables.requeue_event(3);
SET default_transaction_isolation = 'serializable';
SET default_transaction_read_only = on;
SET default_transaction_deferrable = on;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kolkata';
SET standard_conforming_strings = off;
SET escape_string_warning = on;
SET enable_indexscan = off;
SET enable_nestloop = off;
SET plan_cache_mode = force_custom_plan;
SET lock_timeout = '1ms';
CALL wearables.drain(1);
-- and they are in force afterwards
DO $$ BEGIN CALL wearables.drain(1); RAISE WARNING '% % % %', current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('DateStyle'), current_setting('lock_timeout'); END $$;
CALL wearables.drain();
RESET ALL;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET client_min_messages = warning;
EXECUTE jobs;
SELECT wearables_internal.wake_workers();

-- errors
SELECT wearables.retry_failed('nap');
\echo :SQLSTATE
SELECT wearables.pause_queue('nap');
\echo :SQLSTATE
SELECT wearables.resume_queue('nap');
\echo :SQLSTATE
SELECT wearables.retry_failed(sqlstate => '2');
\echo :SQLSTATE
SELECT wearables.retry_failed(max_jobs => 0);
\echo :SQLSTATE

DROP EXTENSION wearables_ingest CASCADE;
