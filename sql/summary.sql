-- summary: the newest version of a document replaces the older ones whole (R4)
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
-- a night of alice; updated_at, where the document has it, is its version
CREATE FUNCTION pg_temp.night(made text, id text, fields text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'sleep', format('{"id":"%s","source":{"provider":"oura","type":"ring"},%s}', id, fields)) $$;
PREPARE samples AS
  SELECT metric, ts, value, provider, source_type, channel FROM wearables.samples WHERE metric IN ('heartrate', 'hrv_rmssd', 'respiratory_rate') ORDER BY metric, ts;
PREPARE counts AS
  SELECT substr(message_id, 5, 4) AS made, status, inserted, changed, confirmed, unchanged, stale, quarantined
  FROM wearables.webhook_events ORDER BY event_id;

-- one document fans out; of three candidates for the heart rate the lowest counts
SELECT pg_temp.night('2t01', 'n1', '"bedtime_stop":"2024-05-02T06:00:00+00:00","hr_lowest":48,"hr_resting":50,"hr_average":55,"average_hrv":61.5,"respiratory_rate":14.2');
CALL wearables.drain();
EXECUTE samples;
SELECT resource, summary_id, doc ->> 'hr_average' AS of_the_document, cardinality(samples) AS claims FROM wearables.summaries;

-- the wake time moves: the samples go with it, nothing stays behind
SELECT pg_temp.night('2t02', 'n1', '"bedtime_stop":"2024-05-02T06:30:00+00:00","hr_lowest":47,"average_hrv":61.5,"respiratory_rate":14.2');
CALL wearables.drain();
EXECUTE samples;

-- a field becomes null: its sample goes
SELECT pg_temp.night('2t03', 'n1', '"bedtime_stop":"2024-05-02T06:30:00+00:00","hr_lowest":47,"average_hrv":null');
CALL wearables.drain();
EXECUTE samples;

-- an older version that comes late changes nothing
SELECT pg_temp.night('2t02a', 'n1', '"bedtime_stop":"2024-05-02T07:00:00+00:00","hr_lowest":99,"average_hrv":99,"respiratory_rate":99');
CALL wearables.drain();
EXECUTE samples;
EXECUTE counts;

-- the same version again writes nothing
CREATE TEMP TABLE before AS
  SELECT tableoid::regclass AS tab, ctid AS place, xmin AS writer FROM wearables.sample_points
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.summaries;
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events ORDER BY event_id;
CALL wearables.drain();
SELECT count(*) AS row_versions_written FROM (
  SELECT tableoid::regclass, ctid, xmin FROM wearables.sample_points
  UNION ALL SELECT tableoid::regclass, ctid, xmin FROM wearables.summaries
  EXCEPT SELECT tab, place, writer FROM before) x;

-- three documents claim one key, since 16 bits of the hash of their ids are equal: the newest holds it, whatever came
-- first
SELECT pg_temp.night('2t05', 'n-1329', '"bedtime_stop":"2024-05-03T06:00:00+00:00","hr_lowest":52');
SELECT pg_temp.night('2t04', 'n-1704', '"bedtime_stop":"2024-05-03T06:00:00+00:00","hr_lowest":53,"average_hrv":70');
SELECT pg_temp.night('2t03a', 'n-15432', '"bedtime_stop":"2024-05-03T06:00:00+00:00","hr_lowest":54');
CALL wearables.drain();
EXECUTE samples;
-- the newest lets go: of the others, which still claim it, the newer holds it now
SELECT pg_temp.night('2t06', 'n-1329', '"bedtime_stop":"2024-05-03T05:00:00+00:00","hr_lowest":51');
CALL wearables.drain();
EXECUTE samples;
-- a reading of the minute itself is another channel and stays what it is
SELECT pg_temp.send('2t00', 'heartrate', '{"source":{"provider":"oura","type":"ring"},"data":[{"timestamp":"2024-05-03T05:00:00+00:00","value":77,"unit":"bpm"}]}');
CALL wearables.drain();
EXECUTE samples;

-- updated_at decides, not the message: here the later message brings the older document
SELECT pg_temp.night('2t07', 'n4', '"updated_at":"2021-05-05T09:00:00+00:00","bedtime_stop":"2024-05-04T06:00:00+00:00","hr_lowest":44');
SELECT pg_temp.night('2t08', 'n4', '"updated_at":"2021-05-05T08:00:00+00:00","bedtime_stop":"2024-05-04T06:00:00+00:00","hr_lowest":45,"average_hrv":45');
CALL wearables.drain();
SELECT ts, value FROM wearables.samples WHERE ts > '2024-05-04';

-- several documents in one event, two of one id among them, of which the last stands; without bedtime_stop it is the date
SELECT pg_temp.send('2t09', 'sleep', '[
  {"id":"n5","source":{"provider":"oura","type":"ring"},"date":"2024-05-06T00:00:00+00:00","hr_average":60},
  {"id":"n6","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-07T06:00:00+00:00","hr_average":61},
  {"id":"n6","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-07T07:00:00+00:00","hr_average":62}]');
-- what cannot be a document is refused alone
SELECT pg_temp.send('2t0A', 'sleep', '[
  {"source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-08T06:00:00+00:00","hr_average":60},
  {"id":"n7","source":{},"bedtime_stop":"2024-05-08T06:00:00+00:00","hr_average":60},
  {"id":"n8","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-09T06:00:00+00:00","hr_average":9,"average_hrv":50},
  "n9"]');
CALL wearables.drain();
SELECT metric, ts, value FROM wearables.samples WHERE ts > '2024-05-05' ORDER BY ts, metric;
SELECT summary_id, cardinality(samples) AS claims FROM wearables.summaries WHERE summary_id >= 'n5' ORDER BY summary_id;
SELECT pointer, reason, metric FROM wearables.quarantine ORDER BY event_id, ordinal;
EXECUTE counts;

-- a field that was good and is now refused lets its sample go, too
SELECT pg_temp.night('2t0B', 'n8', '"bedtime_stop":"2024-05-09T06:00:00+00:00","average_hrv":5000');
CALL wearables.drain();
SELECT metric, ts, value FROM wearables.samples WHERE ts > '2024-05-08';

-- the state is a function of the set: the nights of alice once more for bob, newest message first
SELECT wearables.register_user('bob');
DO $$
DECLARE e record;
BEGIN
  FOR e IN SELECT substr(message_id, 5, 5) AS made, (convert_from(payload, 'UTF8')::jsonb -> 'data')::text AS data
           FROM wearables.webhook_events WHERE event_type LIKE '%sleep%' ORDER BY message_id DESC LOOP
    PERFORM pg_temp.send(e.made || 'b', 'sleep', e.data, 'bob');
  END LOOP;
END $$;
CALL wearables.drain();
SELECT 'alice' AS only_in, metric, ts, value, channel FROM wearables.samples WHERE user_id = 1 AND channel = 'sleep'
EXCEPT SELECT 'alice', metric, ts, value, channel FROM wearables.samples WHERE user_id = 2
UNION ALL (
SELECT 'bob' AS only_in, metric, ts, value, channel FROM wearables.samples WHERE user_id = 2 AND channel = 'sleep'
EXCEPT SELECT 'bob', metric, ts, value, channel FROM wearables.samples WHERE user_id = 1);
SELECT count(*) AS of_alice, (SELECT count(*) FROM wearables.samples WHERE user_id = 2) AS of_bob FROM wearables.samples WHERE user_id = 1 AND channel = 'sleep';

-- a number that no double needs, and jsonb may refuse, stands as null in the document, as a text it stays; read as a reading it is refused alone
SELECT pg_temp.send('2t0C', 'sleep', '[
  {"id":"n10","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-10T06:00:00+00:00","hr_average":1e200000,"average_hrv":52},
  {"id":"n11","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-11T06:00:00+00:00","hr_average":58,"x":[-1E+131072,1e300,1e-16384,"1e200000\""],"y":{"1e200000":' || repeat('9', 131073) || '}},
  {"id":"n12","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-12T06:00:00+00:00","hr_average":59}]');
CALL wearables.drain();
SELECT metric, ts, value FROM wearables.samples WHERE ts > '2024-05-10' ORDER BY ts, metric;
SELECT summary_id, doc -> 'hr_average' AS hr_average, doc #> '{x,0}' AS x0, doc #> '{x,1}' = to_jsonb(1e300) AS x1, doc #> '{x,2}' AS x2, doc #> '{x,3}' AS x3, doc -> 'y' AS y
FROM wearables.summaries WHERE summary_id ~ '^n1[0-2]$' ORDER BY summary_id;
SELECT pointer, reason, metric FROM wearables.quarantine WHERE event_id = (SELECT max(event_id) FROM wearables.webhook_events) ORDER BY ordinal;
SELECT status, error, inserted, changed, confirmed, unchanged, stale, quarantined, position('1e200000,' IN convert_from(payload, 'UTF8')) > 0 AS body_is_as_sent
FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1;

-- so does a word that JSON does not have, and what is nested deeper than jsonb takes
SELECT pg_temp.send('2t0D', 'sleep', format('[
  {"id":"n13","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-13T06:00:00+00:00","hr_average":NaN,"average_hrv":53,"x":[-Infinity,undefined,"NaN"],"NaN":%s},
  {"id":NaN,"source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-14T06:00:00+00:00","hr_average":60}, NaN,
  {"id":"n14","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-14T06:00:00+00:00","hr_average":60,"x":%s}]', repeat('{"a":', 100000) || 1 || repeat('}', 100000), repeat('[', 5000) || 'NaN' || repeat(']', 5000)));
CALL wearables.drain();
SELECT metric, ts, value FROM wearables.samples WHERE ts > '2024-05-13' ORDER BY ts, metric;
SELECT summary_id, doc -> 'hr_average' AS hr_average, left(doc ->> 'x', 30) AS x, doc #> '{NaN,a,a}' IS NOT NULL AS nested, doc -> 'NaN' #> array_fill('a'::text, ARRAY[499]) AS deepest, length(doc ->> 'x') AS length
FROM wearables.summaries WHERE summary_id ~ '^n1[34]$' ORDER BY summary_id;
SELECT pointer, reason, metric FROM wearables.quarantine WHERE event_id = (SELECT max(event_id) FROM wearables.webhook_events) ORDER BY ordinal;
SELECT status, error, inserted, quarantined, position('undefined' IN convert_from(payload, 'UTF8')) > 0 AS body_is_as_sent FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1;

-- the samples of summary channels are what the documents claim, of two claims the newer one, and nothing else
CREATE TEMP TABLE claimed AS
  SELECT DISTINCT ON (d.user_id, c.metric_id, c.ts, c.source_id, c.part) d.user_id, c.metric_id, c.ts, c.source_id, c.part, c.value, d.version
  FROM wearables.summaries d, unnest(d.samples) c ORDER BY d.user_id, c.metric_id, c.ts, c.source_id, c.part, d.version DESC;
SELECT count(*) AS claimed, count(*) FILTER (WHERE p.value = c.value AND p.version = c.version) AS as_claimed,
       (SELECT count(*) FROM wearables.samples WHERE channel = 'sleep') AS samples
FROM claimed c LEFT JOIN wearables.sample_points p USING (user_id, metric_id, ts, source_id, part);

DROP EXTENSION wearables_ingest CASCADE;
