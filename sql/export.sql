-- export_user(): all that is held of a person, with where it came from
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction', base_url => 'https://api.example.com');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
CREATE FUNCTION send(id text, who text, external text, type text, data json) RETURNS text LANGUAGE sql AS $$
  SELECT r.status FROM (SELECT convert_to(json_build_object('event_type', type, 'client_user_id', who, 'user_id', external, 'data', data)::text, 'UTF8') AS b) x,
  wearables.receive(wearables.signed_headers(id, now(), x.b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), x.b) r $$;
SELECT wearables.register_user('alice', 'ext-alice') AS alice, wearables.register_user('bob', 'ext-bob') AS bob;
SELECT send(who || '_1', who, 'ext-' || who, 'daily.data.heartrate.created', '{"source": {"provider": "garmin"}, "data": [
         {"timestamp": "2024-05-01T08:00:00Z", "value": 60}, {"timestamp": "2024-05-01T08:01:00Z", "value": -5}]}'),
       send(who || '_2', who, 'ext-' || who, 'daily.data.heartrate.created', '{"source": {"provider": "garmin"}, "data": [
         {"timestamp": "2024-05-01T09:00:00Z", "value": 61}]}'),
       send(who || '_3', who, 'ext-' || who, 'daily.data.sleep.created', '{"id": "night-1", "calendar_date": "2024-05-01",
         "bedtime_start": "2024-04-30T22:00:00Z", "bedtime_stop": "2024-05-01T06:00:00Z", "hr_lowest": 48, "source": {"provider": "oura"}}'),
       send(who || '_4', who, 'ext-' || who, 'daily.data.unheard_of.created', '{"a": 1}'),
       send(who || '_5', who, NULL, 'daily.data.unheard_of.created', '{"a": 1}'),
       send(who || '_6', who, 'ext-' || who, 'provider.connection.created', '{"provider": {"slug": "oura"}}')
FROM unnest('{alice,bob}'::text[]) who;
CALL wearables.drain();
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'body_weight', '2024-05-01 07:00Z', 71);
-- parked under an id that is linked by hand, and jobs of a person and of an event
SELECT send(who || '_7', NULL, 'new-' || who, 'daily.data.heartrate.created', '{"source": {"provider": "garmin"}, "data": []}') FROM unnest('{alice,bob}'::text[]) who;
CALL wearables.drain();
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO wearables.user_links (endpoint, external_user_id, user_id) VALUES ('junction', 'new-alice', 1), ('junction', 'new-bob', 2);
COMMIT;
INSERT INTO wearables.jobs (kind, dedupe_key, subject, state, failed_at, last_error)
SELECT 'pull', 'pull:of-' || who, n || '/1', 'failed', now(), 'error of ' || who FROM unnest('{alice,bob}'::text[]) WITH ORDINALITY x (who, n);
INSERT INTO wearables.jobs (kind, dedupe_key, event_id, received_at, run_at, last_error)
SELECT 'normalize', 'event:' || event_id, event_id, received_at, 'infinity', 'error of ' || message_id FROM wearables.webhook_events WHERE message_id LIKE '%_1';
INSERT INTO wearables_internal.reconciled_users VALUES (1, now());
INSERT INTO wearables.accesses (first_at, last_at, session_role, role, claim, function, user_id, reads) VALUES (now(), now(), 'proxy', 'clinician', 'bob', 'latest', 1, 1);
CREATE TABLE export AS SELECT e FROM wearables.export_user(1) e;
SELECT e ->> 'table' AS "table", CASE WHEN e ->> 'table' NOT IN ('wearables.backfills', 'wearables.jobs') THEN count(*) END AS objects FROM export GROUP BY e ->> 'table' ORDER BY 1;
-- nothing of anybody else, and every table of the map that can hold something of a user
SELECT count(*) AS of_bob FROM export WHERE e::text LIKE '%bob%' OR (e -> 'row' ->> 'user_id')::bigint = 2;
SELECT DISTINCT m.relation AS not_exported FROM wearables.data_map m
WHERE m.class <> 'technical' AND replace(m.relation, 'sample_points', 'samples') NOT IN (SELECT e ->> 'table' FROM export)
ORDER BY 1;
SELECT e -> 'row' ->> 'last_error' AS job FROM export WHERE e ->> 'table' = 'wearables.jobs' AND e -> 'row' ->> 'last_error' IS NOT NULL ORDER BY 1;
-- from a sample to its event, and to the bytes
SELECT s.e -> 'row' ->> 'metric' AS metric, s.e -> 'row' ->> 'value' AS value, v.e -> 'row' ->> 'message_id' AS message_id,
       v.e -> 'delivery' ->> 'count' AS delivered, decode(v.e ->> 'payload_base64', 'base64') = w.payload AS same_bytes
FROM export s
LEFT JOIN export v ON v.e ->> 'table' = 'wearables.webhook_events' AND v.e -> 'row' -> 'event_id' = s.e -> 'event_id'
LEFT JOIN wearables.webhook_events w ON w.event_id = (v.e -> 'row' ->> 'event_id')::bigint
WHERE s.e ->> 'table' = 'wearables.samples' ORDER BY 1, 2;
SELECT e -> 'row' ->> 'message_id' AS event FROM export WHERE e ->> 'table' = 'wearables.webhook_events' ORDER BY 1;
-- errors
SELECT wearables.export_user(99);
SELECT wearables.erase_user(1);
SELECT wearables.export_user(1);
DROP TABLE export;
DROP FUNCTION send;
DROP EXTENSION wearables_ingest CASCADE;
