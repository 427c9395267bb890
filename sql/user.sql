-- user: people are registered; what came before them is parked, and freed when they are
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.beat(made text, who text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}', who) $$;
PREPARE events AS SELECT substr(message_id, 5, 4) AS made, status, note, user_id, inserted FROM wearables.webhook_events ORDER BY event_id;

-- nobody is registered: the events are parked, not lost and not retried; one that names nobody is not: nothing would free it
SELECT pg_temp.beat('2t01', 'alice'), pg_temp.beat('2t02', 'bob'), pg_temp.beat('2t03', 'alice');
SELECT (wearables.receive(wearables.signed_headers('msg_nobody', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
FROM convert_to('{"event_type":"daily.data.heartrate.created","data":{"source":{"provider":"garmin"},"data":[]}}', 'UTF8') body;
CALL wearables.drain();
EXECUTE events;
SELECT event_id, endpoint, external_user_id, client_user_id FROM wearables.parked_events ORDER BY event_id;
SELECT count(*) AS jobs FROM wearables.jobs;

-- by the application's own reference: what was parked goes back into the queue; the vendor's id is learnt from it
SELECT wearables.register_user('alice');
SELECT event_id, kind, state FROM wearables.jobs ORDER BY event_id;
CALL wearables.drain();
EXECUTE events;
SELECT endpoint, external_user_id, user_id FROM wearables.user_links;

-- by the vendor's id alone; the only endpoint need not be named
SELECT wearables.register_user('robert', 'u-bob', time_zone => 'Europe/Berlin');
CALL wearables.drain();
SELECT user_id, client_user_id, time_zone FROM wearables.users ORDER BY user_id;
SELECT endpoint, external_user_id, user_id FROM wearables.user_links ORDER BY user_id;
EXECUTE events;
SELECT event_id, external_user_id, client_user_id FROM wearables.parked_events ORDER BY event_id;

-- again: nothing changes, or what is new is added
SELECT wearables.register_user('robert', 'u-bob');
SELECT wearables.register_user('robert', 'u-bob-2');
SELECT wearables.register_user('robert', time_zone => 'Asia/Tokyo');
SELECT client_user_id, time_zone, (SELECT array_agg(l.external_user_id ORDER BY l.external_user_id) FROM wearables.user_links l WHERE l.user_id = u.user_id) AS links
FROM wearables.users u ORDER BY user_id;

-- the link goes before the application's reference in the body
SELECT (wearables.receive(wearables.signed_headers('msg_both', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"u-bob","client_user_id":"alice","data":{"source":{"provider":"polar"},"data":[]}}', 'UTF8') body;
CALL wearables.drain();
SELECT user_id FROM wearables.webhook_events WHERE message_id = 'msg_both';

-- errors
SELECT wearables.register_user(NULL);
\echo :SQLSTATE
SELECT wearables.register_user('');
\echo :SQLSTATE
\set VERBOSITY terse
-- The bound of ids is that of bodies: whoever had a longer one, or one that shows nothing, was registered and never found.
SELECT wearables.register_user(repeat('ä', 251));
\echo :SQLSTATE
SELECT wearables.register_user('carol', repeat('x', 501));
\echo :SQLSTATE
SELECT wearables.register_user(E'carol\n');
\echo :SQLSTATE
SELECT wearables.register_user('  ');
\echo :SQLSTATE
INSERT INTO wearables.users (client_user_id) VALUES (repeat('x', 501));
\echo :SQLSTATE
SELECT wearables.create_vendor_user(repeat('ä', 251), 'junction');
\echo :SQLSTATE
SELECT wearables.add_endpoint('far', base_url => 'https://' || repeat('x', 2000));
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'api_key', 0, repeat('x', 4097));
\echo :SQLSTATE
SELECT wearables.request_backfill(1, repeat('x', 101), 'steps', '2026-01-01', '2026-01-02');
\echo :SQLSTATE
SELECT wearables.sync(1, repeat('x', 101));
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'heartrate', '2026-01-01Z', 60, repeat('x', 101));
\echo :SQLSTATE
SELECT wearables.register_user('carol', '');
\set VERBOSITY default
\echo :SQLSTATE
SELECT wearables.register_user('carol', time_zone => 'Mars/Olympus');
\echo :SQLSTATE
SELECT wearables.register_user('carol', 'u-carol', 'nobody');
\echo :SQLSTATE
SELECT wearables.register_user('carol', 'u-bob');
\echo :SQLSTATE
SELECT wearables.add_endpoint('junction-eu');
SELECT wearables.register_user('carol', 'u-carol');
\echo :SQLSTATE
SELECT wearables.register_user('carol', 'u-carol', 'junction-eu') > 0 AS registered;
-- none of the errors left anything behind
SELECT client_user_id FROM wearables.users ORDER BY client_user_id;

-- the same vendor id at two endpoints is two people
SELECT wearables.register_user('bob', 'u-bob', 'junction-eu') <> wearables.register_user('robert', 'u-bob', 'junction') AS two_people;

-- of an erased person nothing more is stored in the series
UPDATE wearables.users SET erased_at = now() WHERE client_user_id = 'alice';
SELECT pg_temp.beat('2t04', 'alice');
CALL wearables.drain();
SELECT status, note, user_id FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t04%';

DROP EXTENSION wearables_ingest CASCADE;
