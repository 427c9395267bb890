-- extends: what tells readings of one instant apart stands in the metric's name, and the parent's name reads all of them
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice \gset
CREATE FUNCTION pg_temp.send(made text, resource text, samples text, source text DEFAULT '{"provider":"apple_health_kit","type":"watch"}') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","client_user_id":"alice","data":{"source":%s,"data":[%s]}}', resource, source, samples), 'UTF8') body $$;
CREATE FUNCTION pg_temp.day(metric text) RETURNS TABLE (source_type text, value float8, lowest float8, highest float8, readings bigint, unit text) LANGUAGE sql AS $$
  SELECT t.source_type, t.value, t.lowest, t.highest, t.readings, t.unit
  FROM wearables.timeseries((SELECT user_id FROM wearables.users), metric, date '2024-05-04', date '2024-05-05', 'day') t $$;

-- Ten minutes of low, three of medium, two of high intensity, all from one start: 2 was kept.
SELECT pg_temp.send('2t01', 'workout_duration', '{"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:15:00Z","value":10,"unit":"min","intensity":"low"},
  {"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:15:00Z","value":3,"unit":"min","intensity":"medium"},
  {"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:15:00Z","value":2,"unit":"min","intensity":"high"}');
-- Basal 0.2 and bolus 4 units: 4 was kept. Two purposes, and one that says nothing.
SELECT pg_temp.send('2t02', 'insulin_injection', '{"start":"2024-05-04T08:00:00Z","value":0.2,"unit":"unit","type":"long_acting","delivery_mode":"basal"},
  {"start":"2024-05-04T08:00:00Z","value":4,"unit":"unit","type":"rapid_acting","delivery_mode":"bolus","delivery_form":"standard","bolus_purpose":"meal"},
  {"start":"2024-05-04T08:00:00Z","value":1,"unit":"unit","type":"rapid_acting","delivery_mode":"bolus","delivery_form":"standard","bolus_purpose":"correction"},
  {"start":"2024-05-04T08:00:00Z","value":2,"unit":"unit","type":null,"delivery_mode":null}');
SELECT pg_temp.send('2t03', 'insulin_injection', '{"start":"2024-05-04T08:00:00Z","value":3,"unit":"unit","type":"rapid_acting"}', '{"provider":"tandem_source","type":"insulin_pump"}');
-- Ear and forehead: the forehead's was kept.
SELECT pg_temp.send('2t04', 'body_temperature', '{"timestamp":"2024-05-04T08:00:00Z","value":37,"unit":"°C","sensor_location":"ear"},
  {"timestamp":"2024-05-04T08:00:00Z","value":36,"unit":"°C","sensor_location":"forehead"}');
SELECT pg_temp.send('2t05', 'body_temperature_delta', '{"start":"2024-05-04T08:00:00Z","value":0.5,"unit":"°C","sensor_location":"wrist"}');
SELECT pg_temp.send('2t06', 'cholesterol', '{"timestamp":"2024-05-04T08:00:00Z","value":1.5,"unit":"mmol/L","type":"cholesterol/hdl"},{"timestamp":"2024-05-04T08:00:00Z","value":2.5,"unit":"mmol/L","type":"cholesterol/ldl"}');
CALL wearables.drain();
SELECT metric, provider, value, unit FROM wearables.samples ORDER BY metric COLLATE "C", provider;
SELECT name, unit, parent, aggregate, kind, origin FROM wearables.metrics WHERE origin = 'extended' ORDER BY name;
SELECT count(*) AS refused FROM wearables.quarantine;

-- The whole family by the parent's name and aggregate, a row for each source; a kind of its own by its own name.
SELECT * FROM pg_temp.day('insulin_injection');
SELECT * FROM pg_temp.day('workout_duration');
SELECT * FROM pg_temp.day('workout_duration/intensity=low');
SELECT * FROM pg_temp.day('body_temperature');
SELECT metric, value FROM wearables.latest(:alice) WHERE metric LIKE 'workout%' ORDER BY metric;
-- Kinds of a kind are of the family too, what has another unit is not.
INSERT INTO wearables.metrics (name, unit, parent) VALUES ('workout_duration/intensity=low/indoor', 'min', 'workout_duration/intensity=low'), ('workout_duration/share', '%', 'workout_duration');
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value) VALUES
  (:alice, 'workout_duration/intensity=low/indoor', '2024-05-04 08:00Z', 'apple_health_kit', 'watch', 5), (:alice, 'workout_duration/share', '2024-05-04 08:00Z', 'apple_health_kit', 'watch', 90);
SELECT * FROM pg_temp.day('workout_duration');
SELECT * FROM pg_temp.day('workout_duration/share');

-- The fields are known, and what one of them is not known to hold is news.
SELECT pg_temp.send('2t07', 'workout_duration', '{"start":"2024-05-04T09:00:00Z","end":"2024-05-04T09:15:00Z","value":1,"unit":"min","intensity":"extreme"}');
CALL wearables.drain();
SELECT kind, path, value FROM wearables.drift;
SELECT metric, value FROM wearables.samples WHERE metric LIKE '%extreme';
SELECT what, detail FROM wearables.explain_event((SELECT event_id FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t01%')) WHERE aspect IN ('mapping', 'field not mapped');

-- What cannot be a field of a name is refused.
INSERT INTO wearables.mappings (resource, metric, value_fields, extends) VALUES ('steps', 'fall', '{value}', '{a.*.b}');
INSERT INTO wearables.mappings (resource, metric, value_fields, extends) VALUES ('steps', 'fall', '{value}', '{a,b.}');
\set VERBOSITY terse
INSERT INTO wearables.mappings (resource, metric, value_fields, extends) VALUES ('steps', 'fall', '{value}', NULL);
INSERT INTO wearables.mappings (resource, metric, value_fields, extends) VALUES ('steps', 'fall', '{value}', '{NULL}');
\set VERBOSITY default

DROP EXTENSION wearables_ingest CASCADE;
