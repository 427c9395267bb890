-- health: one verdict with its reason and what to do
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE health AS SELECT verdict, regexp_replace(reason, 'oldest for .*, and', 'oldest for so long, and') AS reason, ready, running, failed, parked, quarantined, workers FROM wearables.health;

-- nothing is set up yet
EXECUTE health;
-- a sender without a secret refuses every delivery
SELECT wearables.add_endpoint('junction');
EXECUTE health;
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
EXECUTE health;
SELECT wearables.add_endpoint('other');
EXECUTE health;
UPDATE wearables.endpoints SET enabled = false WHERE name = 'other';

-- an event lies where there is no week for it, and waits
SELECT pg_temp.send('2t01', 'heartrate', '{"source":{"provider":"garmin"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":null}]}');
EXECUTE health;
SELECT wearables.make_event_partitions('0') > 0 AS made;
EXECUTE health;
-- it waits for too long, and nobody works
UPDATE wearables.jobs SET run_at = now() - interval '6 minutes';
EXECUTE health;
-- its user is unknown
CALL wearables.drain();
EXECUTE health;
SELECT wearables.register_user('alice');
CALL wearables.drain();
EXECUTE health;
-- a dead letter
SELECT pg_temp.send('2t02', 'heartrate', '7');
CALL wearables.drain();
EXECUTE health;
-- what waits until later, or at low priority, alarms nobody
DELETE FROM wearables.jobs;
SELECT wearables_internal.enqueue_event(event_id, received_at, 'replay', 10) FROM wearables.webhook_events;
UPDATE wearables.jobs SET run_at = now() - interval '1 day' WHERE event_id = 1;
UPDATE wearables.jobs SET run_at = now() + interval '1 day' WHERE event_id = 2;
EXECUTE health;

DROP EXTENSION wearables_ingest CASCADE;
