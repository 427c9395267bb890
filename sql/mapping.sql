-- mapping: the parser is data; a repair is an UPDATE and a replay, the next wearable is rows
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
PREPARE chart AS
  SELECT metric, ts::date AS night, value FROM wearables.samples WHERE channel = 'sleep' AND metric = 'heartrate' ORDER BY ts;

-- The story: somebody prefers the average of the night where the lowest is meant.
UPDATE wearables.mappings SET value_fields = '{hr_average,hr_lowest,hr_resting}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT wearables.revision() AS broken \gset
SELECT pg_temp.send('2t01', 'sleep', '{"id":"n1","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-01T06:00:00+00:00","hr_lowest":48,"hr_average":55}');
SELECT pg_temp.send('2t02', 'sleep', '{"id":"n2","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-02T06:00:00+00:00","hr_lowest":47,"hr_average":54}');
SELECT pg_temp.send('2t03', 'sleep', '{"id":"n3","source":{"provider":"whoop_v2"},"bedtime_stop":"2024-05-03T06:00:00+00:00","hr_resting":51}');
-- n2 once more, corrected by the vendor
SELECT pg_temp.send('2t04', 'sleep', '{"id":"n2","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-02T06:00:00+00:00","hr_lowest":46,"hr_average":53}');
CALL wearables.drain();
EXECUTE chart;

-- The repair is one UPDATE; normalize() shows what it will yield, and nothing is written yet.
UPDATE wearables.mappings SET value_fields = '{hr_lowest,hr_resting,hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT wearables.revision() - :broken AS revisions_later;
SELECT e.event_id, n.metric, n.value, n.summary_id
FROM wearables.webhook_events e, wearables.normalize(e.event_id) n WHERE n.metric = 'heartrate' ORDER BY e.event_id;
EXECUTE chart;

-- And one SELECT.
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events
WHERE resource = 'sleep' AND revision < wearables.revision();
-- The chart is right: no duplicates, and the older n2 has not come back over the newer one.
EXECUTE chart;
-- The same SELECT again finds nothing left to do; asked to redo them all the same, it writes nothing.
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events
WHERE resource = 'sleep' AND revision < wearables.revision();
CREATE TEMP TABLE before AS
  SELECT tableoid::regclass AS tab, ctid AS place, xmin AS writer FROM wearables.sample_points
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.summaries
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.webhook_events;
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
SELECT count(*) AS row_versions_written FROM (
  SELECT tableoid::regclass, ctid, xmin FROM wearables.sample_points
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.summaries
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.webhook_events
  EXCEPT SELECT tab, place, writer FROM before) x;
EXECUTE chart;

-- Each change is in the ledger, and the row is told apart from the shipped ones.
SELECT relation, what FROM wearables.revisions WHERE revision > 1 ORDER BY revision;
SELECT resource, metric, origin FROM wearables.mappings WHERE resource IN ('sleep', 'hrv') AND metric IN ('heartrate', 'hrv_rmssd', 'hrv_sdnn') ORDER BY 1, 2;

-- A provider of its own: the row with the provider goes before the row for all.
INSERT INTO wearables.mappings (resource, provider, metric, value_fields, instant_fields)
VALUES ('sleep', 'oura', 'heartrate', '{hr_average}', '{bedtime_stop,date}');
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE resource = 'sleep' AND revision < wearables.revision();
EXECUTE chart;
-- A row that is the user's own may be deleted.
DELETE FROM wearables.mappings WHERE origin = 'user';
SELECT (wearables.replay(event_id)).changed FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE chart;

-- A shipped row is switched off, not deleted; a replay removes what nothing yields any more.
DELETE FROM wearables.mappings WHERE resource = 'sleep' AND metric = 'hrv_rmssd' AND provider IS NULL AND channel IS NULL;
\echo :SQLSTATE
DELETE FROM wearables.metrics WHERE name = 'hrv_rmssd';
\echo :SQLSTATE
DELETE FROM wearables.units WHERE metric = 'hrv_rmssd' AND text = 'rmssd';
\echo :SQLSTATE
UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE chart;
UPDATE wearables.mappings SET enabled = true WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE chart;

-- The next wearable is rows, never a migration: mood, twice a day, told apart by the sample's type.
SELECT pg_temp.send('2t05', 'mood', '{"source":{"provider":"journal","type":"app"},"data":[
  {"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","type":"morning","score":{"value":7},"scale":"of ten"},
  {"start":"2024-05-04T08:00:00Z","end":"2024-05-04T08:10:00Z","type":"energy","score":{"value":0.5},"scale":"of one"},
  {"start":"2024-05-04T20:00:00Z","score":{"value":11},"type":"evening"}]}');
CALL wearables.drain();
SELECT status, note FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t05%';
INSERT INTO wearables.resources (name, kind) VALUES ('mood', 'timeseries');
INSERT INTO wearables.metrics (name, unit, kind, lowest, highest) VALUES ('mood', 'of ten', 'interval', 0, 10);
INSERT INTO wearables.units (metric, text, factor) VALUES ('mood', 'of one', 10);
INSERT INTO wearables.mappings (resource, metric, value_fields, end_field, unit_field, unit_default, extends)
VALUES ('mood', 'mood', '{score.value}', 'end', 'scale', 'of ten', '{type}');
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t05%';
SELECT metric, ts, ts_end, value, unit FROM wearables.samples WHERE metric LIKE 'mood%' ORDER BY metric;
SELECT pointer, reason FROM wearables.quarantine;
-- a name that the sample's type extended is a metric after its parent's pattern, and no change of the parser
SELECT name, unit, kind, lowest, highest, parent, origin FROM wearables.metrics WHERE name LIKE 'mood%' ORDER BY name;
SELECT count(*) FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t05%' AND revision < wearables.revision();

-- A mapping that was changed in a transaction that is rolled back was never there.
BEGIN;
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT n.value FROM wearables.normalize(1) n WHERE n.metric = 'heartrate';
SELECT (wearables.replay(event_id)).changed FROM wearables.webhook_events WHERE resource = 'sleep';
ROLLBACK;
-- the next change takes the number that the other one had: it is not mistaken for it
UPDATE wearables.units SET factor = 10 WHERE metric = 'mood';
SELECT n.value FROM wearables.normalize(1) n WHERE n.metric = 'heartrate';
SELECT (wearables.replay(event_id)).changed FROM wearables.webhook_events WHERE resource = 'sleep';
EXECUTE chart;
-- the same within a transaction
BEGIN;
SAVEPOINT a;
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT n.value FROM wearables.normalize(1) n WHERE n.metric = 'heartrate';
ROLLBACK TO a;
-- this change takes the number that the other one had: it is not mistaken for it
UPDATE wearables.units SET factor = 10 WHERE metric = 'mood';
SELECT n.value FROM wearables.normalize(1) n WHERE n.metric = 'heartrate';
COMMIT;

-- A mapping that cannot work is refused with what would.
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('nowhere', 'mood', '{value}');
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'nothing', '{value}');
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'hrv_rmssd', '{a..b}');
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'mood', '{value}');

-- Each constraint, at the door and by name.
\set VERBOSITY terse
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('nowhere', 'mood', '{value}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'nothing', '{value}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'mood', '{value}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'hrv_rmssd', '{}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'hrv_rmssd', '{NULL}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'hrv_rmssd', '{a..b}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, secondary_field) VALUES ('mood', 'hrv_rmssd', '{a}', '.b');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, instant_fields) VALUES ('mood', 'hrv_rmssd', '{a}', '{}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, end_field) VALUES ('mood', 'hrv_rmssd', '{a}', '');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field) VALUES ('mood', 'hrv_rmssd', '{a}', 'b.');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, origin) VALUES ('mood', 'hrv_rmssd', '{a}', 'mine');
\echo :SQLSTATE
INSERT INTO wearables.metrics (name, unit) VALUES ('Mood', 'of ten');
\echo :SQLSTATE
INSERT INTO wearables.metrics (name, unit, aggregate) VALUES ('m', 'of ten', 'median');
\echo :SQLSTATE
INSERT INTO wearables.metrics (name, unit, kind) VALUES ('m', 'of ten', 'daily');
\echo :SQLSTATE
INSERT INTO wearables.metrics (name, unit, lowest, highest) VALUES ('m', 'of ten', 2, 1);
\echo :SQLSTATE
INSERT INTO wearables.units (metric, text, factor) VALUES ('mood', 'void', 0);
\echo :SQLSTATE
INSERT INTO wearables.units (metric, text) VALUES ('mood', '');
\echo :SQLSTATE
INSERT INTO wearables.resources (name, kind) VALUES ('r', 'stream');
\echo :SQLSTATE
INSERT INTO wearables.resources (name, kind, backfill_days) VALUES ('r', 'summary', -1);
\echo :SQLSTATE
\set VERBOSITY default
-- a unit that nobody can convert refuses the readings of its row, and of no other
UPDATE wearables.mappings SET unit_default = 'furlongs' WHERE resource = 'mood';
SELECT metric, refused, pointer FROM wearables.normalize('daily.data.mood.created',
  '{"data":{"source":{"provider":"journal"},"data":[{"start":"2024-05-04T08:00:00Z","type":"morning","score":{"value":7}}]}}'::jsonb);
SELECT n.value FROM wearables.normalize(1) n WHERE n.metric = 'heartrate';
SELECT wearables_internal.is_path('a.b c.d'), wearables_internal.is_path('a.'), wearables_internal.is_path(''), wearables_internal.are_paths('{a,b.c}'), wearables_internal.are_paths('{a,""}'), wearables_internal.are_paths('{}');

-- A unit that is not said has a default, or the reading is refused: 120 mg/dL of glucose were read as 120 mmol/L.
SELECT resource, value, unit, refused, pointer FROM unnest('{steps,glucose,weight,calories_active}'::text[]) resource, LATERAL wearables.normalize(
  format('daily.data.%s.created', resource), jsonb_build_object('data', jsonb_build_object('source', '{"provider":"health_connect"}'::jsonb, 'data',
  '[{"timestamp":"2024-05-04T08:00:00Z","value":120},{"timestamp":"2024-05-04T08:00:00Z","value":120,"unit":null},{"timestamp":"2024-05-04T08:00:00Z","value":120,"unit":""}]'::jsonb)));
SELECT metric, value, unit, refused, pointer FROM wearables.normalize('daily.data.meal.created', '{"data":[{"id":"m1","source":{"provider":"p"},"timestamp":"2024-05-04T08:00:00Z","energy":{"value":640}}]}'::jsonb);
-- one who has glucose in mg/dL without a word says so
INSERT INTO wearables.mappings (resource, provider, metric, value_fields, unit_field, unit_default) VALUES ('glucose', 'acme_cgm', 'glucose', '{value}', 'unit', 'mg/dL');
SELECT round(value::numeric, 2) AS value, unit, refused FROM wearables.normalize('daily.data.glucose.created', '{"data":{"source":{"provider":"acme_cgm"},"data":[{"timestamp":"2024-05-04T08:00:00Z","value":120}]}}'::jsonb);
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field, unit) VALUES ('mood', 'hrv_rmssd', '{a}', 'scale', 'ms');
\echo :SQLSTATE

-- Sums of what stands in a list, or under any names; texts that stand for numbers. Neither could be read before.
INSERT INTO wearables.resources (name, kind) VALUES ('basket', 'summary');
INSERT INTO wearables.mappings (resource, metric, value_fields, sum_field, codes, instant_fields)
VALUES ('basket', 'body_weight', '{total}', 'pieces.*.mass', NULL, '{at}'), ('basket', 'sleep_stage', '{mood}', NULL, '{"calm": 2, "wild": 4, "hidden": null, "*": -1}', '{at}');
SELECT b.body, n.metric, n.value, n.refused, n.pointer, n.detail FROM unnest(ARRAY['{"pieces":[{"mass":1.5},{"mass":null},{},{"mass":2}]}', '{"pieces":{"a":{"mass":3},"b":{"mass":4}}}', '{"total":7,"pieces":[{"mass":1}]}',
  '{"total":null,"pieces":[]}', '{"pieces":{"a":{"mass":"much"}}}', '{"pieces":{"mass":7}}', '{"mood":"calm"}', '{"mood":"odd"}', '{"mood":"hidden"}', '{"mood":true}', '{"mood":4}', '{"mood":null}']) WITH ORDINALITY b (body, i),
  LATERAL wearables.normalize('daily.data.basket.created', jsonb_build_object('data', '{"id":"b","source":{"provider":"p"},"at":"2024-05-04T08:00:00Z"}'::jsonb || b.body::jsonb)) n ORDER BY b.i;
SELECT count(*) AS looked_at FROM wearables_internal.read_paths('basket') r WHERE r.path = 'pieces.mass';
\set VERBOSITY terse
UPDATE wearables.mappings SET sum_field = 'total' WHERE resource = 'basket' AND metric = 'body_weight';
UPDATE wearables.mappings SET value_fields = '{pieces.*.mass}' WHERE resource = 'basket' AND metric = 'body_weight';
UPDATE wearables.mappings SET codes = '{"calm": "2"}' WHERE resource = 'basket' AND metric = 'sleep_stage';
UPDATE wearables.mappings SET codes = '{}' WHERE resource = 'basket' AND metric = 'sleep_stage';

DROP EXTENSION wearables_ingest CASCADE;
