-- zone: what a time zone is; wall-clock time is read in the user's zone, and moves with it at a replay
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');
SELECT r.status
FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"u","client_user_id":"alice","data":{"source":{"provider":"freestyle_libre","type":"automatic"},"data":[{"timestamp":"2026-03-29T09:00:00+00:00","value":61}]}}', 'UTF8') body,
  LATERAL wearables.receive(wearables.signed_headers('msg_1', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body) r;
CALL wearables.drain();
SELECT ts FROM wearables.samples;

SELECT wearables.register_user('alice', time_zone => 'America/New_York');
SELECT events, inserted, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
SELECT ts FROM wearables.samples;

-- an ISO offset lies east: 09:00 there is 07:00Z (it was 11:00Z, by the POSIX sense of the sign)
SELECT wearables.register_user('alice', time_zone => '+02:00');
SELECT events, inserted, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
SELECT ts FROM wearables.samples;

-- wall-clock time that the zone shows twice, or never
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');
CREATE FUNCTION pg_temp.send(id text, VARIADIC times text[]) RETURNS text LANGUAGE sql AS $$
  SELECT r.status FROM convert_to(format(
    '{"event_type":"daily.data.heartrate.created","user_id":"u","client_user_id":"alice","data":{"source":{"provider":"freestyle_libre","type":"automatic"},"data":[%s]}}',
    (SELECT string_agg(format('{"timestamp":"%s","value":%s}', t, 60 + i), ',' ORDER BY i) FROM unnest(times) WITH ORDINALITY u (t, i))), 'UTF8') body,
    LATERAL wearables.receive(wearables.signed_headers(id, now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body) r
$$;
CREATE VIEW pg_temp.refused AS
SELECT e.message_id, q.pointer, q.reason, q.metric FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id);
-- a list that shows both passes of the hour (of 16 readings 12 were kept)
SELECT pg_temp.send('msg_both', VARIADIC ARRAY(
  SELECT to_char(t AT TIME ZONE 'Europe/Berlin', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
  FROM generate_series('2026-10-24 23:00+00'::timestamptz, '2026-10-25 02:45+00', '15 minutes') t));
-- one pass alone: which one, it does not tell (was the second)
SELECT pg_temp.send('msg_one', '2025-10-26T01:45:00+00:00', '2025-10-26T02:00:00+00:00', '2025-10-26T02:30:00+00:00', '2025-10-26T03:00:00+00:00');
-- a time that no clock showed (was 01:30 UTC)
SELECT pg_temp.send('msg_never', '2026-03-29T01:30:00+00:00', '2026-03-29T02:30:00+00:00', '2026-03-29T03:00:00+00:00');
-- an offset is taken literally: it is no offset (was 05:00 UTC)
SELECT pg_temp.send('msg_literal', '2026-05-04T09:00:00+02:00', '2026-05-04T10:00:00Z', '2026-05-04T11:00:00-05:00');
CALL wearables.drain();
SELECT e.message_id, e.status, e.inserted, e.quarantined FROM wearables.webhook_events e ORDER BY event_id;
SELECT ts, value FROM wearables.samples WHERE ts >= '2026-10-24' ORDER BY ts;
SELECT ts, value FROM wearables.samples WHERE ts < '2026-10-24' ORDER BY ts;
SELECT * FROM pg_temp.refused ORDER BY 1, 2;
-- it is the same at a replay, and where no clock is set nothing is refused
SELECT events, unchanged, quarantined, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id <> 'msg_1') r;
SELECT wearables.register_user('alice', time_zone => '+02:00');
SELECT events, inserted, unchanged, quarantined, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id <> 'msg_1') r;
SELECT * FROM pg_temp.refused;
-- half an hour of Lord Howe
SELECT wearables.register_user('alice', time_zone => 'Australia/Lord_Howe');
SELECT pg_temp.send('msg_half', '2026-04-05T01:15:00Z', '2026-04-05T01:30:00Z', '2026-04-05T01:45:00Z', '2026-04-05T01:30:00Z', '2026-04-05T01:45:00Z', '2026-04-05T02:00:00Z');
CALL wearables.drain();
SELECT ts, value FROM wearables.samples WHERE ts BETWEEN '2026-04-04' AND '2026-04-06' ORDER BY ts;

-- a change of the zone queues what was read in the former one, and nothing else (only a replay by hand moved it)
SELECT r.status
FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"u","client_user_id":"alice","data":{"source":{"provider":"oura","type":"ring"},"data":[{"timestamp":"2026-05-04T09:00:00Z","value":55}]}}', 'UTF8') body,
  LATERAL wearables.receive(wearables.signed_headers('msg_true', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body) r;
CALL wearables.drain();
SELECT message_id, user_zone FROM wearables.webhook_events ORDER BY event_id;
CREATE VIEW pg_temp.queue AS
SELECT j.kind, j.priority, regexp_replace(j.dedupe_key, 'change:.*|^event:.*', '') AS key, j.argument - 'user_id' AS argument, e.message_id
FROM wearables.jobs j LEFT JOIN wearables.webhook_events e USING (event_id) ORDER BY j.job_id;
UPDATE wearables.users SET time_zone = 'europe/berlin' WHERE client_user_id = 'alice';
SELECT * FROM pg_temp.queue;
-- live events first
SELECT pg_temp.send('msg_live', '2026-05-05T09:00:00Z');
CALL wearables.drain(1);
SELECT * FROM pg_temp.queue;
CALL wearables.drain(1);
SELECT * FROM pg_temp.queue;
CALL wearables.drain();
SELECT * FROM pg_temp.queue;
SELECT message_id, user_zone FROM wearables.webhook_events WHERE user_zone IS NOT NULL ORDER BY event_id;
SELECT count(*), min(ts), max(ts) FROM wearables.samples WHERE provider = 'freestyle_libre';
SELECT * FROM pg_temp.refused ORDER BY 1, 2;
-- the same zone again, by whatever spelling, changes nothing; nor does another that is taken back
SELECT wearables.register_user('alice', time_zone => 'EUROPE/berlin'), wearables.register_user('alice');
UPDATE wearables.users SET time_zone = time_zone;
SELECT * FROM pg_temp.queue;
BEGIN;
SELECT wearables.register_user('alice', time_zone => 'Asia/Tokyo');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');
COMMIT;
SELECT * FROM pg_temp.queue;
CALL wearables.drain(2);
SELECT * FROM pg_temp.queue;
-- each event once, however often the zone is changed: the last change counts
SELECT wearables.register_user('alice', time_zone => 'Asia/Tokyo');
SELECT wearables.register_user('alice', time_zone => 'America/New_York');
CALL wearables.drain(2);
SELECT kind, message_id FROM pg_temp.queue;
CALL wearables.drain();
SELECT count(*), min(ts), max(ts) FROM wearables.samples WHERE provider = 'freestyle_libre';
-- a user with many is come to in pieces; index and lock see to it that none is passed over
SELECT count(pg_temp.send('msg_many_' || i, '2026-06-01T' || to_char(i / 60, 'FM00') || ':' || to_char(i % 60, 'FM00') || ':00Z')) FROM generate_series(1, 600) i;
CALL wearables.drain();
SELECT wearables.register_user('alice', time_zone => 'Asia/Kolkata');
CALL wearables.drain(1);
SELECT kind, count(*), min(argument - 'before' #>> '{}') AS argument FROM pg_temp.queue GROUP BY kind ORDER BY kind;
CALL wearables.drain();
SELECT user_zone, count(*) FROM wearables.webhook_events GROUP BY user_zone ORDER BY user_zone;
SELECT count(*), min(ts), max(ts) FROM wearables.samples WHERE provider = 'freestyle_libre' AND ts > '2026-05-31' AND ts < '2026-07-01';
SELECT count(*) FROM wearables.jobs;

-- zones are regions and ISO offsets, by one spelling
SELECT given, wearables_internal.zone(given)
FROM unnest('{Europe/Berlin,europe/berlin,AMERICA/ARGENTINA/BUENOS_AIRES,Asia/Kolkata,UTC,utc,Etc/UTC,GMT,Z,z,+02:00,-0330,+05,+05:45,+00:00,-00:00,Etc/GMT+5}'::text[]) given;
SELECT wearables_internal.zone(NULL) IS NULL AS none;

-- everything else is refused, with the reason
CREATE FUNCTION pg_temp.refusal(zone text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  message text;
  reason text;
  advice text;
BEGIN
  RETURN 'taken for ' || wearables_internal.zone(zone);
EXCEPTION WHEN invalid_parameter_value THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, reason = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', message, reason, CASE WHEN advice LIKE 'Give a region%' THEN 'with advice' END);
END $$;
SELECT pg_temp.refusal(given)
FROM unnest('{UTC+2,UTC-4,GMT+02:00,utc+2,CEST,IST,EST,CET,EST5EDT,cst6cdt,NZ,PRC,<+02>-2,FOO5BAR,foo5,+2,2,02:00,+25:00,+18:01,+02:60,Mars/Olympus,Berlin,recorded}'::text[]) given;
SELECT pg_temp.refusal(given) FROM unnest('{localtime,posixrules,Factory,posix/Europe/Berlin,right/Europe/Berlin,../etc/passwd,/etc/localtime,"",":Europe/Berlin"," UTC"}'::text[]) given;
SELECT length(pg_temp.refusal(repeat('Ä', 1000))) < 250 AS clipped;

-- a user's zone is canonical, by whatever statement
SELECT wearables.register_user('bob', time_zone => 'UTC+2');
\echo :SQLSTATE
SELECT wearables.register_user('bob', time_zone => 'CEST');
\echo :SQLSTATE
SELECT wearables.register_user('bob', time_zone => 'asia/tokyo') IS NOT NULL AS registered;
INSERT INTO wearables.users (client_user_id, time_zone) VALUES ('carol', '-0330');
SELECT client_user_id, time_zone FROM wearables.users ORDER BY user_id;
UPDATE wearables.users SET time_zone = 'america/new_york' WHERE client_user_id = 'carol';
SELECT time_zone FROM wearables.users WHERE client_user_id = 'carol';
UPDATE wearables.users SET time_zone = 'IST' WHERE client_user_id = 'carol';
\echo :SQLSTATE
INSERT INTO wearables.users (client_user_id, time_zone) VALUES ('dave', 'UTC-4');
\echo :SQLSTATE
\set VERBOSITY terse
UPDATE wearables.users SET time_zone = NULL WHERE client_user_id = 'carol';
\set VERBOSITY default
\echo :SQLSTATE
-- what updates something else does not look at it
UPDATE wearables.users SET erased_at = now() WHERE client_user_id = 'carol';
-- the trigger is that table's alone
CREATE TABLE zones (time_zone text);
CREATE TRIGGER canonical_zone BEFORE INSERT ON zones FOR EACH ROW EXECUTE FUNCTION wearables_internal.canonical_zone();
INSERT INTO zones VALUES ('UTC+2');
\echo :SQLSTATE
DROP TABLE zones;

DROP EXTENSION wearables_ingest CASCADE;
