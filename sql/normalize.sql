-- normalize: a dry run shows what a body holds under the mappings of now, and writes nothing
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
\set watch '"source":{"provider":"garmin","type":"watch"}'
-- a stored event, refused readings in their place
SELECT pg_temp.send('2t01', 'heartrate', format('{%s,"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","value":61,"unit":"bpm","timezone_offset":-18000},
  {"timestamp":"2024-05-01T08:01:00+00:00","value":null},
  {"timestamp":"2024-05-01T08:02:00+00:00","value":1.05,"unit":"Hz"},
  {"timestamp":"2024-05-01T08:03:00+00:00","value":61,"unit":"furlongs"}]}', :'watch'));
SELECT metric, ts, provider, source_type, channel, value, unit, tz_offset, refused, pointer FROM wearables.normalize(1);
SELECT count(*) AS samples, (SELECT count(*) FROM wearables.sources) AS sources, (SELECT count(*) FROM wearables.quarantine) AS quarantined FROM wearables.samples;
SELECT status, revision FROM wearables.webhook_events;

-- a body that is not stored: a pair, and what it looks like when half of it is missing
SELECT metric, ts, value, value_secondary, unit, refused, pointer FROM wearables.normalize('daily.data.blood_pressure.created', '{"data":{"source":{"provider":"omron","type":"cuff"},"data":[
  {"timestamp":"2024-05-01T08:00:00Z","systolic":120,"diastolic":80,"unit":"mmHg"},
  {"timestamp":"2024-05-01T08:01:00Z","systolic":16,"diastolic":10.7,"unit":"kPa"},
  {"timestamp":"2024-05-01T08:02:00Z","systolic":120,"unit":"mmHg"}]}}'::jsonb);

-- what Apple calls rmssd is SDNN: a metric of its own
SELECT metric, provider, value, unit FROM wearables.normalize('daily.data.hrv.created', '{"data":[
  {"source":{"provider":"apple_health_kit","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":50,"unit":"rmssd"}]},
  {"source":{"provider":"oura","type":"ring"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":50,"unit":"rmssd"}]}]}'::jsonb);

-- shapes in which the vendor wraps the same reading
\set reading '{"timestamp":"2024-05-01T08:00:00Z","value":61}'
SELECT shape, n.provider, n.source_type, n.value
FROM (VALUES
  ('one group', format('{"data":{%s,"data":[%s]}}', :'watch', :'reading')),
  ('list of groups', format('{"data":[{%s,"data":[%s]}]}', :'watch', :'reading')),
  ('top-level list', format('[{"data":{%s,"data":[%s]}}]', :'watch', :'reading')),
  ('REST page', format('{"groups":{"garmin":[{"source":{"type":"watch"},"data":[%s]}]},"next":null}', :'reading')),
  ('slug for provider', format('{"data":{"source":{"slug":"garmin"},"data":[%s]}}', :'reading'))) AS s (shape, body),
  LATERAL wearables.normalize('daily.data.heartrate.updated', body::jsonb) n;
SELECT shape, n.metric, n.ts, n.value, n.summary_id
FROM (VALUES
  ('document', '{"data":{"id":"n1","source":{"provider":"oura"},"bedtime_stop":"2024-05-01T06:00:00Z","hr_lowest":48}}'),
  ('list', '{"data":[{"id":"n1","source":{"provider":"oura"},"bedtime_stop":"2024-05-01T06:00:00Z","hr_lowest":48}]}'),
  ('data in data', '{"data":{"data":[{"id":"n1","source":{"provider":"oura"},"bedtime_stop":"2024-05-01T06:00:00Z","hr_lowest":48}]}}'),
  ('REST page', '{"sleep":[{"id":"n1","source":{"provider":"oura"},"bedtime_stop":"2024-05-01T06:00:00Z","hr_lowest":48}]}'),
  ('date only', '{"data":{"id":"n1","source":{"provider":"oura"},"date":"2024-05-01","hr_average":48}}')) AS s (shape, body),
  LATERAL wearables.normalize('daily.data.sleep.created', body::jsonb) n WHERE n.metric = 'heartrate';

-- instants as the vendor writes them
SELECT written, n.ts, n.refused
FROM (VALUES ('"2024-05-01T08:00:00+00:00"'), ('"2024-05-01T10:00:00.125+02:00"'), ('"2024-05-01T08:00:00"'), ('1714550400'), ('1714550400000'), ('"2024-02-30T08:00:00Z"'), ('true')) AS w (written),
  LATERAL wearables.normalize('daily.data.heartrate.created', format('{"data":{"source":{"provider":"p"},"data":[{"timestamp":%s,"value":61}]}}', written)::jsonb) n;

-- numbers that JSON can write and a reading cannot be; words that JSON does not have
SELECT written, n.value, n.refused
FROM (VALUES ('61.5'), ('6.15e1'), ('1e400'), ('-0'), ('"61"'), ('[61]'), ('true'), ('NaN'), ('-Infinity'), ('undefined')) AS w (written),
  LATERAL wearables.normalize('daily.data.heartrate.created', convert_to(format('{"data":{"source":{"provider":"p"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":%s}]}}', written), 'UTF8')) n;

-- nothing in it for us: no rows
SELECT count(*) FROM wearables.normalize('provider.connection.created', '{}'::jsonb);
SELECT count(*) FROM wearables.normalize('daily.data.horoscope.created', '{}'::jsonb);
SELECT count(*) FROM wearables.normalize('', '{}'::jsonb);
SELECT count(*) FROM wearables.normalize(NULL, '{}'::jsonb);

-- errors
SELECT * FROM wearables.normalize(999);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.heartrate.created', 'not json'::bytea);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.heartrate.created', '\x7b22ff'::bytea);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.heartrate.created', '{"data":{"data":[1,2'::bytea);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.heartrate.created', ''::bytea);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.heartrate.created', '{"data":7}'::jsonb);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.sleep.created', '"night"'::jsonb);
\echo :SQLSTATE
SELECT * FROM wearables.normalize('daily.data.sleep.created', '{"data":null}'::jsonb);

DROP EXTENSION wearables_ingest CASCADE;
