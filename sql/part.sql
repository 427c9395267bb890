-- part: what tells readings of one instant apart, and has no end of values, is in the key
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
CREATE VIEW pg_temp.stored AS
  SELECT m.name AS metric, s.source_type, s.channel, p.ts, p.part <> 0 AS has_part, p.value, p.value_secondary
  FROM wearables.sample_points p JOIN wearables.metrics m USING (metric_id) JOIN wearables.sources s USING (source_id);

-- Two cuffs at one moment: 131/85 was kept. The default of grouping, and none, are one reading.
SELECT pg_temp.send('2t01', 'blood_pressure', '{"source":{"provider":"omron","type":"cuff"},"data":[
  {"timestamp":"2024-05-04T08:00:00Z","unit":"mmHg","systolic":121,"diastolic":80,"grouping":["cuff",null,null,"device-1"]},
  {"timestamp":"2024-05-04T08:00:00Z","unit":"mmHg","systolic":131,"diastolic":85,"grouping":["cuff",null,null,"device-2"]},
  {"timestamp":"2024-05-04T09:00:00Z","unit":"mmHg","systolic":118,"diastolic":76,"grouping":["unknown",null,null,null]},
  {"timestamp":"2024-05-04T10:00:00Z","unit":"mmHg","systolic":119,"diastolic":77,"grouping":"workout-1"},
  {"timestamp":"2024-05-04T10:00:00Z","unit":"mmHg","systolic":125,"diastolic":79,"grouping":"workout-2"}]}');
SELECT pg_temp.send('2t02', 'blood_pressure', '{"source":{"provider":"omron","type":"cuff"},"data":[{"timestamp":"2024-05-04T09:00:00Z","unit":"mmHg","systolic":117,"diastolic":75}]}');
-- Two workouts from one start, by one watch: 900 m was kept.
SELECT pg_temp.send('2t03', 'workout_distance', '[{"source":{"provider":"apple_health_kit","type":"watch","workout_id":"w1","sport":"running"},"data":[{"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","value":1800,"unit":"m"}]},
  {"source":{"provider":"apple_health_kit","type":"watch","workout_id":"w2","sport":"walking"},"data":[{"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","value":900,"unit":"m"}]}]');
-- On foot and by wheelchair.
SELECT pg_temp.send('2t04', 'distance', '[{"source":{"provider":"apple_health_kit","type":"watch"},"data":[{"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","value":50,"unit":"m"}]},
  {"source":{"provider":"apple_health_kit","type":"watch","sport":"wheelchair_push"},"data":[{"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","value":400,"unit":"m"}]}]');
-- A sensor, a finger, and what does not say: the last was kept. The sample's own type goes before its source's.
SELECT pg_temp.send('2t05', 'glucose', '{"source":{"provider":"freestyle_libre","type":"unknown"},"data":[
  {"timestamp":"2024-05-04T08:00:00Z","value":5.5,"unit":"mmol/L","type":"automatic"},
  {"timestamp":"2024-05-04T08:00:00Z","value":108.096,"unit":"mg/dL","type":"fingerprick"},
  {"timestamp":"2024-05-04T08:00:00Z","value":5.8,"unit":"mmol/L","type":null}]}');
SELECT pg_temp.send('2t06', 'glucose', '[{"data":[{"timestamp":"2024-05-04T08:00:00Z","value":6.1,"unit":"mmol/L"}],"source":{"provider":"abbott_libreview","type":"manual_scan"}},
  {"source":{"provider":"onetouch_ble","type":"fingerprick"},"data":[{"timestamp":"2024-05-04T08:00:00Z","value":6.2,"unit":"mmol/L"},{"timestamp":"2024-05-04T08:00:00Z","value":6.3,"unit":"mmol/L","type":"manual_scan"}]}]');
-- The total of a day beside its first minutes.
SELECT pg_temp.send('2t07', 'steps', '{"source":{"provider":"garmin","type":"watch"},"data":[{"start":"2024-05-04T00:00:00Z","end":"2024-05-04T00:15:00Z","value":40,"unit":"count"}]}');
SELECT pg_temp.send('2t08', 'activity', '{"id":"a1","source":{"provider":"garmin","type":"watch"},"calendar_date":"2024-05-04","steps":9000}');
SELECT pg_temp.send('2t09', 'cholesterol', '{"source":{"provider":"ussl","type":"lab"},"data":[{"timestamp":"2024-05-04T08:00:00Z","value":177.14,"unit":"mg/dL","type":"cholesterol/triglycerides"},{"timestamp":"2024-05-04T08:00:00Z","value":5,"unit":"mmol/L","type":"cholesterol/total"}]}');
CALL wearables.drain();
SELECT * FROM pg_temp.stored ORDER BY metric COLLATE "C", ts, source_type, channel, value;
SELECT count(*) AS refused FROM wearables.quarantine;
SELECT kind, path, value FROM wearables.drift;
-- Charts add, average or take the last over all parts; glucose is the whole family, and no triglyceride is a cholesterol: was 3.5 of both.
SELECT x.metric, t.source_type, t.channel, round(t.value::numeric, 3) AS value, round(t.value_secondary::numeric, 3) AS secondary, t.readings FROM unnest('{blood_pressure,workout_distance,glucose,cholesterol,lipid,steps}'::text[]) x (metric),
  LATERAL wearables.timeseries(:alice, x.metric, date '2024-05-04', date '2024-05-05', 'day') t ORDER BY 1, 2, 3;
-- The same once more changes nothing.
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events \gx

-- Of a document the fields go beside its id.
INSERT INTO wearables.resources (name, kind, list_key) VALUES ('trip', 'summary', 'trips');
INSERT INTO wearables.mappings (resource, metric, value_fields, part_fields, only_where_field, only_where_texts) VALUES ('trip', 'distance', '{metres}', '{leg}', 'kind', '{leg}');
SELECT pg_temp.send('2t10', 'trip', '[{"id":"t1","source":{"provider":"p"},"timestamp":"2024-05-04T12:00:00Z","metres":1,"leg":"x","kind":"leg"},{"id":"t2","source":{"provider":"p"},"timestamp":"2024-05-04T12:00:00Z","metres":2,"leg":"x","kind":"leg"}]');
SELECT pg_temp.send('2t11', 'trip', '[{"id":"t1","source":{"provider":"p"},"timestamp":"2024-05-04T12:00:00Z","metres":3,"leg":"y","kind":"leg"}]');
CALL wearables.drain();
SELECT * FROM pg_temp.stored WHERE channel = 'trip' ORDER BY value;
-- A key that a document gave up goes.
SELECT count(*), count(DISTINCT part) FROM wearables.sample_points WHERE ts = '2024-05-04T12:00:00Z';

INSERT INTO wearables.mappings (resource, metric, value_fields, part_fields) VALUES ('steps', 'fall', '{value}', '{a.*.b}');
\set VERBOSITY terse
INSERT INTO wearables.mappings (resource, metric, value_fields, part_fields) VALUES ('steps', 'fall', '{value}', '{NULL}');
\set VERBOSITY default
DROP VIEW pg_temp.stored;
DROP EXTENSION wearables_ingest CASCADE;
