-- zone: wall-clock time is read in the user's zone, and moves with it at a replay
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

DROP EXTENSION wearables_ingest CASCADE;
