-- explain: seeing before doing, and why an event gave what it gave
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');
CREATE FUNCTION pg_temp.send(made text, event_type text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"u-%s","client_user_id":"%s","data":%s}', event_type, who, who, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.explain(made text) RETURNS TABLE (aspect text, what text, detail text) LANGUAGE sql AS $$
  SELECT x.aspect, x.what, regexp_replace(x.detail, 'received .*|under revision \d+', '...')
  FROM wearables.webhook_events e, wearables.explain_event(e.event_id) x WHERE e.message_id LIKE 'msg_' || made || '%' $$;
CREATE FUNCTION pg_temp.preview(made text)
RETURNS TABLE (change text, metric text, ts timestamptz, channel text, old_value float8, new_value float8, old_secondary float8, new_secondary float8) LANGUAGE sql AS $$
  SELECT p.change, p.metric, p.ts, p.channel, p.old_value, p.new_value, p.old_secondary, p.new_secondary
  FROM wearables.webhook_events e, wearables.replay_preview(e.event_id) p WHERE e.message_id LIKE 'msg_' || made || '%' $$;

-- Samples: the mapping rows that found something, what none looked at, what was refused.
SELECT pg_temp.send('2t01', 'daily.data.hrv.created', '{"source":{"provider":"apple_health_kit","type":"watch","app_id":null},"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","unit":"rmssd","value":44,"quality":"good"},{"timestamp":"2024-05-01T08:05:00+00:00","unit":"furlong","value":45},
  {"timestamp":"2024-05-01T08:10:00+00:00","unit":"rmssd","value":-1}]}');
SELECT pg_temp.send('2t02', 'daily.data.sleep.created', '{"id":"n1","source":{"provider":"oura","type":"ring"},"bedtime_start":"2024-04-30T22:00:00+00:00","bedtime_stop":"2024-05-01T06:00:00+00:00","hr_lowest":48,"hr_average":55,"snoring":3}');
SELECT pg_temp.send('2t03', 'daily.data.note.created', '{"source":{"provider":"manual"},"data":[]}');
SELECT pg_temp.send('2t04', 'daily.data.mood.created', '{"source":{"provider":"manual"},"data":[]}');
SELECT pg_temp.send('2t05', 'daily.data.heartrate.created', '{"no":"samples"}');
SELECT pg_temp.send('2t06', 'daily.data.heartrate.created', '{"source":{"provider":"garmin"},"data":[{"timestamp":"2024-05-01T08:00:00+00:00","value":60}]}', 'nobody');
SELECT pg_temp.send('2t07', 'daily.data.blood_pressure.created', '{"source":{"provider":"omron","type":"cuff"},"data":[{"timestamp":"2024-05-01T08:00:00+00:00","unit":"mmHg","systolic":120,"diastolic":80}]}');
SELECT * FROM pg_temp.explain('2t01') WHERE aspect = 'status';
CALL wearables.drain();
SELECT * FROM pg_temp.explain('2t01');
SELECT * FROM pg_temp.explain('2t02');
SELECT * FROM pg_temp.explain('2t03');
SELECT * FROM pg_temp.explain('2t04');
SELECT * FROM pg_temp.explain('2t05');
SELECT * FROM pg_temp.explain('2t06') WHERE aspect IN ('status', 'user', 'mapping');
-- a row is changed: said of events of before
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
SELECT what, detail FROM pg_temp.explain('2t02') WHERE aspect = 'status';
SELECT wearables.explain_event(99);
\echo :SQLSTATE
SELECT wearables.explain_event(NULL);

-- What a replay would do: nothing where nothing has changed.
SELECT * FROM pg_temp.preview('2t01');
SELECT * FROM pg_temp.preview('2t07');
-- changed, old value beside new
SELECT * FROM pg_temp.preview('2t02');
-- removed, and inserted elsewhere
UPDATE wearables.mappings SET instant_fields = '{bedtime_start}' WHERE resource = 'sleep' AND metric = 'heart_rate_lowest';
UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep' AND metric = 'heart_rate_average';
SELECT * FROM pg_temp.preview('2t02');
INSERT INTO wearables.units (metric, text, factor) VALUES ('hrv_sdnn', 'furlong', 2);
SELECT * FROM pg_temp.preview('2t01');
UPDATE wearables.mappings SET value_fields = '{diastolic}', secondary_field = 'systolic' WHERE resource = 'blood_pressure';
SELECT * FROM pg_temp.preview('2t07');
-- a resource that was skipped, and one that now is
INSERT INTO wearables.resources (name, kind) VALUES ('mood', 'timeseries');
SELECT * FROM pg_temp.preview('2t04');
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'blood_pressure';
SELECT * FROM pg_temp.preview('2t07');
-- an id that is linked at another endpoint
SELECT wearables.add_endpoint('elsewhere'), wearables.register_user('wanda', 'u-wanda', 'elsewhere') > 0 AS linked;
SELECT (wearables.receive(wearables.signed_headers('msg_wanda', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body, 'junction')).status
FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"u-wanda","data":{"source":{"provider":"garmin"},"data":[]}}', 'UTF8') body;
CALL wearables.drain();
SELECT what, detail FROM wearables.explain_event((SELECT event_id FROM wearables.webhook_events WHERE message_id = 'msg_wanda')) WHERE aspect = 'user';
-- somebody unknown, a dead letter, no event
SELECT * FROM pg_temp.preview('2t06');
SELECT * FROM pg_temp.preview('2t05');
SELECT * FROM wearables.replay_preview(99);
\echo :SQLSTATE

-- It has written nothing, and replay() does what it showed.
SELECT metric, ts, channel, value, value_secondary FROM wearables.samples ORDER BY metric, ts;
SELECT count(*) FROM wearables.webhook_events WHERE revision = wearables.revision();
SELECT processed, skipped, parked, failed, inserted, changed, unchanged, quarantined, removed
FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE status <> 'failed') r;
SELECT metric, ts, channel, value, value_secondary FROM wearables.samples ORDER BY metric, ts;

-- Numbers that no double needs: whatever is left, this server takes, and can write out again.
CREATE FUNCTION pg_temp.takes(given text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM given::jsonb;
  RETURN true;
EXCEPTION WHEN numeric_value_out_of_range THEN
  RETURN false;
END $$;
SELECT count(*) AS numbers, count(*) FILTER (WHERE NOT pg_temp.takes(n)) AS refused, count(*) FILTER (WHERE wearables_internal.storable_json(n) <> n) AS replaced,
       count(*) FILTER (WHERE NOT pg_temp.takes(wearables_internal.storable_json(format('{"a":[%s,"%s"]}', n, n)))) AS still_refused,
       max(CASE WHEN pg_temp.takes(wearables_internal.storable_json(n)) THEN length(wearables_internal.storable_json(n)::jsonb::text) END) AS longest
FROM (SELECT sign || whole || fraction || coalesce('e' || exponent, '') AS n
      FROM unnest('{"",-}'::text[]) sign,
           unnest(ARRAY['0', '7', repeat('9', 390), rpad('1', 131073, '0')]) whole,
           unnest(ARRAY['', '.5', '.0001', rpad('.', 300, '0'), rpad('.', 16385, '1')]) fraction,
           unnest('{NULL,0001,+399,400,401,131071,131072,-1,-399,-400,-401,-16383,-16384,1073741822,9999999999,-9999999999}'::text[]) exponent) x;
SELECT * FROM wearables.body_fields('{"a":1e200000,"b":"1e200000","c":[1,-1e-20000],"d":"x\\u0000\\ud800"}') ORDER BY path;
-- so with words that JSON does not have, and what is nested deeper than it takes; not with what is no JSON
SELECT path, example, occurrences FROM wearables.body_fields(convert_to('{"a":NaN,"b":[-Infinity,undefined,1],"c":' || repeat('[', 100000) || repeat(']', 100000) || ',"d":"Infinity"}', 'UTF8')) ORDER BY path;
SELECT count(*) FROM wearables.body_fields(convert_to('{"a":1,"c":' || repeat('[', 5000) || 'tru' || repeat(']', 5000) || '}', 'UTF8'));

-- What lies deep is not looked into below a level: each is a copy of all that is below it.
SELECT length(path) AS path, example, occurrences FROM generate_series(29, 31) depth, wearables.body_fields(convert_to(repeat('{"a":', depth) || '[1]' || repeat('}', depth), 'UTF8')) ORDER BY depth;
SELECT length(path) AS path, example, occurrences FROM wearables.body_fields(convert_to(repeat('{"a":', 30) || '{}' || repeat('}', 30), 'UTF8'));
SELECT length(path) AS path, example, occurrences FROM wearables.body_fields(convert_to(repeat('[', 30) || '{"a":1},2' || repeat(']', 30), 'UTF8'));
SELECT length(path) AS path, example, occurrences FROM wearables.body_fields(convert_to('{"b":7,"c":' || repeat('{"a":', 400) || '"' || repeat('x', 1000000) || '"' || repeat('}', 401), 'UTF8')) ORDER BY 1;
SELECT pg_temp.send('2t08', 'daily.data.heartrate.created', '{"source":{"provider":"garmin"},"data":[{"timestamp":"2024-05-01T09:00:00+00:00","value":60,"deep":' || repeat('[{"a":', 200) || '1' || repeat('}]', 200) || '}]}');
CALL wearables.drain();
SELECT * FROM pg_temp.explain('2t08') WHERE aspect = 'field not mapped';

-- The resource is what the event's handling takes for it: a page has one, a type that carries no readings has none.
SELECT pg_temp.send('2t31', 'pulled.data.blood_pressure', '{"source":{"provider":"omron","type":"cuff"},"data":[{"timestamp":"2024-05-01T08:00:00+00:00","unit":"mmHg","systolic":120,"diastolic":80}]}');
SELECT pg_temp.send('2t32', 'daily.data.sleep.deleted', '{"id":"n1"}');
CALL wearables.drain();
SELECT * FROM pg_temp.explain('2t31') WHERE aspect IN ('status', 'resource');
SELECT * FROM pg_temp.explain('2t32') WHERE aspect IN ('status', 'resource');

DROP EXTENSION wearables_ingest CASCADE;
