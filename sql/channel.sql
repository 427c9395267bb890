-- channel: a mapping's condition and a channel of its own tell a nap from a night
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice \gset
CREATE FUNCTION pg_temp.send(made text, resource text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","client_user_id":"alice","data":%s}', resource, data), 'UTF8') body $$;
PREPARE day AS
  SELECT channel, value, readings FROM wearables.timeseries(:alice, 'hrv_rmssd', date '2024-05-04', date '2024-05-05', 'day');

-- A night and a nap of one day: were one channel, whose day was 45 = avg(60, 30).
SELECT pg_temp.send('2t01', 'sleep', '{"id":"night","type":"long_sleep","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-04T06:00:00Z","average_hrv":60,"efficiency":90}');
SELECT pg_temp.send('2t02', 'sleep', '{"id":"nap","type":"acknowledged_nap","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-04T14:00:00Z","average_hrv":30,"efficiency":60}');
CALL wearables.drain();
EXECUTE day;
SELECT metric, ts, provider, source_type, channel, value FROM wearables.samples ORDER BY ts, metric;
-- Its readings move with the document: what was still running turns out to have been a nap.
SELECT pg_temp.send('2t03', 'sleep', '{"id":"doze","type":"unknown","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-04T16:00:00Z","average_hrv":33}');
CALL wearables.drain();
EXECUTE day;
SELECT pg_temp.send('2t04', 'sleep', '{"id":"doze","type":"acknowledged_nap","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-04T16:00:00Z","average_hrv":34}');
CALL wearables.drain();
EXECUTE day;
-- Beside the night, not in it.
SELECT pg_temp.send('2t05', 'sleep', '{"id":"stay","type":"long_sleep","source":{"provider":"oura","type":"ring"},"bedtime_start":"2024-05-04T22:00:00Z","bedtime_stop":"2024-05-05T06:00:00Z","total":27000}');
SELECT pg_temp.send('2t06', 'sleep', '{"id":"rest","type":"acknowledged_nap","source":{"provider":"oura","type":"ring"},"bedtime_start":"2024-05-05T13:00:00Z","bedtime_stop":"2024-05-05T14:00:00Z","total":3000}');
CALL wearables.drain();
SELECT day, summary_id, total_sleep_time, parts, naps, nap_time FROM wearables.nights(:alice, date '2024-05-05', date '2024-05-06');
-- What is not known to be a nap is a night: every other type, none, and null.
SELECT d.type, n.channel, n.value FROM unnest('{short_sleep,unknown,siesta,NULL,acknowledged_nap}'::text[]) WITH ORDINALITY d (type, n),
  LATERAL wearables.normalize('daily.data.sleep.created', jsonb_build_object('data', jsonb_build_object(
    'id', 'n', 'source', '{"provider":"oura"}'::jsonb, 'bedtime_stop', '2024-05-04T06:00:00Z', 'average_hrv', 60, 'type', d.type))) n ORDER BY d.n;
SELECT n.metric, n.channel, n.value FROM wearables.normalize('daily.data.sleep.created', '{"data":{"id":"n","source":{"provider":"oura"},"bedtime_stop":"2024-05-04T06:00:00Z","average_hrv":60}}'::jsonb) n;
-- Apple's is SDNN, awake or napping.
SELECT n.metric, n.channel, n.value FROM wearables.normalize('daily.data.sleep.created', '{"data":{"id":"n","type":"acknowledged_nap","source":{"provider":"apple_health_kit"},"bedtime_stop":"2024-05-04T06:00:00Z","average_hrv":60}}'::jsonb) n;
-- What was read, and by which row.
SELECT what, detail FROM wearables.explain_event((SELECT event_id FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t02%')) WHERE aspect = 'mapping';
-- A sample by hand has no place among what follows from documents.
INSERT INTO wearables.samples (user_id, metric, ts, provider, channel, value) VALUES (:alice, 'hrv_rmssd', '2024-05-04 15:00:00Z', 'oura', 'nap', 33);
\echo :SQLSTATE

-- Two rows of one metric and channel may differ in their condition alone; the first by ordinal reads.
INSERT INTO wearables.resources (name, kind) VALUES ('mood', 'timeseries'), ('trip', 'summary'), ('tour', 'summary');
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', 'of ten'), ('mood/calm', 'of ten');
UPDATE wearables.metrics SET parent = 'mood' WHERE name = 'mood/calm';
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'mood', '{value}');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts, ordinal) VALUES
  ('mood', 'mood', '{tenth}', 'scale', '{of one}', 2), ('mood', 'mood', '{half}', 'scale', '{of one,of five}', 3),
  ('mood', 'mood/calm', '{value}', 'source.type', '{watch}', 1);
SELECT metric, value, refused FROM wearables.normalize('daily.data.mood.created', '{"data":[
  {"source":{"provider":"p"},"data":[{"timestamp":"2024-05-04T08:00:00Z","value":1},
    {"timestamp":"2024-05-04T08:01:00Z","value":2,"tenth":3,"half":4,"scale":"of one"},
    {"timestamp":"2024-05-04T08:02:00Z","value":2,"tenth":3,"half":4,"scale":"of five"},
    {"timestamp":"2024-05-04T08:03:00Z","value":2,"scale":"of five"}]},
  {"source":{"provider":"p","type":"watch"},"data":[{"timestamp":"2024-05-04T08:00:00Z","value":5,"scale":"of one"}]}]}'::jsonb);
-- The change is in the ledger, and the field of a condition is known.
SELECT what FROM wearables.revisions ORDER BY revision DESC LIMIT 1;
SELECT wearables_internal.is_known('field', 'mood', 'scale', ''), wearables_internal.is_known('field', 'mood', 'colour', '');

-- What cannot work is refused.
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field) VALUES ('trip', 'mood', '{value}', 'kind');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_texts) VALUES ('trip', 'mood', '{value}', '{x}');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts) VALUES ('trip', 'mood', '{value}', 'stops.*.kind', '{x}');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts) VALUES ('trip', 'mood', '{value}', 'a..b', '{x}');
\set VERBOSITY terse
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts) VALUES ('trip', 'mood', '{value}', 'kind', '{}');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts) VALUES ('trip', 'mood', '{value}', 'kind', '{x,NULL}');
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('trip', 'mood', '{value}', 'A leg');
\set VERBOSITY default
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('trip', 'mood', '{value}', 'trip');
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('trip', 'mood', '{value}', 'timeseries');
-- a row that takes the rest would never read beside another
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('trip', 'mood', '{value}');
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('trip', 'mood', '{value}', 'leg');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts, channel) VALUES ('trip', 'mood', '{value}', 'kind', '{leg}', 'leg');
INSERT INTO wearables.mappings (resource, metric, value_fields, only_where_field, only_where_texts, channel) VALUES ('trip', 'mood', '{other}', 'kind', '{leg}', 'leg');
-- a channel belongs to one resource, and to no timeseries
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('mood', 'hrv_rmssd', '{value}', 'leg');
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('tour', 'mood', '{value}', 'leg');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('tour', 'mood', '{value}', 'sleep');
INSERT INTO wearables.mappings (resource, metric, value_fields, channel) VALUES ('tour', 'mood', '{value}', 'steps');
UPDATE wearables.mappings SET resource = 'tour' WHERE mapping_id = 307;
UPDATE wearables.mappings SET channel = 'leg' WHERE mapping_id = 307;
INSERT INTO wearables.resources (name, kind) VALUES ('leg', 'summary');
UPDATE wearables.resources SET name = 'nap' WHERE name = 'tour';
\echo :SQLSTATE
-- of a resource that becomes a timeseries the rows stay, and their channel means nothing until it is none
BEGIN;
UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'sleep';
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT metric, channel, value FROM wearables.normalize('daily.data.sleep.created', '{"data":{"source":{"provider":"oura"},"data":[{"bedtime_stop":"2024-05-04T06:00:00Z","hr_average":60,"type":"acknowledged_nap"}]}}'::jsonb);
UPDATE wearables.mappings SET channel = 'doze' WHERE mapping_id = 307;
ROLLBACK;
-- all rows of a channel may move at once
UPDATE wearables.resources SET name = 'slumber' WHERE name = 'sleep';
SELECT DISTINCT resource FROM wearables.mappings WHERE channel = 'nap';

DROP EXTENSION wearables_ingest CASCADE;
