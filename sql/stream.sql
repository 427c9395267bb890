-- stream: the samples within a workout and a night, each stream a document of its own
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction', base_url => 'https://api.example.com');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', 'ext-alice', time_zone => 'UTC');
-- nothing is fetched here: what is fetched is stored as the job stores it
SELECT wearables.pause_queue('stream');
CREATE FUNCTION pg_temp.send(made text, type text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body,
                                                     'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"ext-alice","client_user_id":"alice","data":%s}', type, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.workout(made text, calories integer, id text DEFAULT 'w1', type text DEFAULT 'created') RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'daily.data.workouts.' || type, format('{"id":"%s","calendar_date":"2024-05-01","time_start":"2024-05-01T10:00:00Z","time_end":"2024-05-01T11:00:00Z",'
    '"source":{"provider":"strava","type":"app"},"calories":%s}', id, calories)) $$;
CREATE FUNCTION pg_temp.night(made text, id text, type text, start text, stop text, total integer, stream text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'daily.data.sleep.created', format('{"id":"%s","type":"%s","calendar_date":"2024-05-01","date":"2024-05-01T00:00:00+00:00","bedtime_start":"%s","bedtime_stop":"%s",'
    '"duration":28800,"total":%s,"awake":0,"light":0,"rem":0,"deep":0,"source":{"provider":"oura","type":"ring"},"sleep_stream":%s}', id, type, start, stop, total, stream)) $$;
-- as the job of a stream stores it
CREATE FUNCTION pg_temp.stream(stream_resource text, id text, origin timestamptz, body text) RETURNS boolean LANGUAGE sql AS $$
  WITH p AS (
    UPDATE wearables.stream_pulls SET state = 'done', answered_at = $3, finished_at = now() WHERE resource = $1 AND document_id = $2 RETURNING *),
  e AS (
    INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, event_type, resource, external_user_id, headers, payload)
    SELECT now(), (extract(epoch FROM $3) * 1000)::bigint << 20, 'junction', 'stream:' || p.stream_id || ':' || p.request, 'pulled.data.' || $1, $1, 'ext-alice',
           jsonb_build_object('document', jsonb_build_object('id', $2, 'provider', p.provider, 'source_type', p.source_type,
             'from_us', (extract(epoch FROM p.span_from) * 1e6)::bigint, 'to_us', (extract(epoch FROM p.span_to) * 1e6)::bigint)), convert_to($4, 'UTF8')
    FROM p RETURNING event_id, received_at)
  SELECT wearables_internal.enqueue_event(e.event_id, e.received_at, 'normalize', 0) FROM e $$;
PREPARE asked AS SELECT p.resource, p.document_id, p.provider, p.source_type, p.span_from, p.state, p.request, (SELECT count(*) FROM wearables.jobs j WHERE j.dedupe_key = 'stream:' || p.stream_id) AS jobs
  FROM wearables.stream_pulls p ORDER BY p.resource, p.document_id;
PREPARE held AS SELECT s.channel, s.metric, s.ts, s.value, s.unit FROM wearables.samples s WHERE s.channel LIKE '%\_stream' ORDER BY s.channel, s.metric, s.ts;

-- Nothing is asked for unless the site wants it, and an event that announces a stream says why.
SELECT pg_temp.workout('2u01', 300), pg_temp.send('2u02', 'daily.data.workout_stream.created', '{"user_id":"ext-alice","workout_id":"w0","message":"fetch it","source":{"provider":"strava","type":"app"}}');
CALL wearables.drain();
EXECUTE asked;
SELECT status, note FROM wearables.webhook_events WHERE resource = 'workout_stream';
SELECT wearables.request_streams(1, 'workout_stream', '2024-05-01', '2024-05-02');
-- neither a timeseries nor what has no path can be one
UPDATE wearables.resources SET pull_stream = true WHERE name = 'sleep';
UPDATE wearables.resources SET pull_stream = true WHERE name = 'workout_stream';
-- what was there before is asked for by a call
SELECT wearables.request_streams(1, 'workout_stream', '2024-05-02', '2024-05-03') AS none, wearables.request_streams(1, 'workout_stream', '2024-05-01', '2024-05-02') AS one,
       wearables.request_streams(1, 'workout_stream', '2024-05-01', '2024-05-02') AS already;
EXECUTE asked;

-- Delivered once more, in another message, as a page: the workout is the same, so it is asked for once. Another one is asked for when it comes.
SELECT pg_temp.workout('2u01', 300), pg_temp.workout('2u03', 300), pg_temp.workout('2u04', 200, 'w2');
CALL wearables.drain();
EXECUTE asked;

-- The stream lies in a channel of its own. What has no sane time is refused like any other: 170000001 is of 1975.
SELECT pg_temp.stream('workout_stream', 'w1', '2024-05-01 12:00Z', '{"time":[1714557600,1714557610,170000001,null,1714557640],"heartrate":[110,112,113,114,null,116],"power":[200,null],"cadence":null,'
  '"velocity_smooth":[3.1],"altitude":[],"distance":[0,31.5],"temperature":[21],"lat":[52.5],"lng":[13.4],"resistance":[7]}');
CALL wearables.drain();
EXECUTE held;
SELECT status, inserted, quarantined, drift FROM wearables.webhook_events WHERE event_type = 'pulled.data.workout_stream';
SELECT pointer, reason FROM wearables.quarantine ORDER BY ordinal;
SELECT metric, value FROM wearables.samples WHERE channel = 'workouts' ORDER BY metric, value;
-- where the user was is read if that is asked for, from what is stored
UPDATE wearables.mappings SET enabled = true WHERE resource = 'workout_stream' AND metric IN ('latitude', 'longitude');
SELECT (r).inserted, (r).unchanged FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE event_type LIKE 'pulled.%') x;
SELECT metric, value, unit FROM wearables.samples WHERE metric IN ('latitude', 'longitude') ORDER BY 1;
UPDATE wearables.mappings SET enabled = false WHERE resource = 'workout_stream' AND metric IN ('latitude', 'longitude');

-- The workout changes: it is asked for again, once; and the new state replaces the former whole (R4), the older one stays away.
SELECT pg_temp.workout('2u05', 310, type => 'updated'), pg_temp.workout('2u06', 310, type => 'updated');
CALL wearables.drain();
EXECUTE asked;
SELECT pg_temp.stream('workout_stream', 'w1', '2024-05-02 12:00Z', '{"time":[1714557600],"heartrate":[111]}');
CALL wearables.drain();
EXECUTE held;
UPDATE wearables.stream_pulls SET request = 1000 WHERE document_id = 'w1';
SELECT pg_temp.stream('workout_stream', 'w1', '2024-05-02 11:00Z', '{"time":[1714557600],"heartrate":[120]}');
CALL wearables.drain();
EXECUTE held;
-- null says nothing, and an object without lists says that there is nothing
UPDATE wearables.stream_pulls SET request = 1001 WHERE document_id = 'w1';
SELECT pg_temp.stream('workout_stream', 'w1', '2024-05-03 12:00Z', 'null');
CALL wearables.drain();
EXECUTE held;
UPDATE wearables.stream_pulls SET request = 1002 WHERE document_id = 'w1';
SELECT pg_temp.stream('workout_stream', 'w1', '2024-05-04 12:00Z', '{"time":null,"heartrate":[]}');
CALL wearables.drain();
EXECUTE held;

-- Announced: of a workout that is not known yet, of one whose stream was fetched after that, of one that is not said.
SELECT pg_temp.send('2u07', 'daily.data.workout_stream.created', '{"workout_id":"w3","source":{"provider":"strava","type":"app"}}'),
       pg_temp.send('2u08', 'daily.data.workout_stream.updated', '{"workout_id":"w1","source":{"provider":"strava","type":"app"}}'),
       pg_temp.send('2u09', 'daily.data.workout_stream.created', '{"workout_id":"w4"}'), pg_temp.send('2u0A', 'daily.data.workout_stream.created', '{"message":"fetch it"}');
UPDATE wearables.stream_pulls SET answered_at = '2999-01-01' WHERE document_id = 'w1';
CALL wearables.drain();
EXECUTE asked;
SELECT message_id, status, note, error IS NULL AS well FROM wearables.webhook_events WHERE event_type LIKE 'daily.data.workout\_stream.%' ORDER BY event_id;
-- its workout comes before it is fetched: the request that waits is for it
SELECT pg_temp.workout('2u0B', 100, 'w3');
CALL wearables.drain();
EXECUTE asked;

-- A night holds its stream: it is a document of its own, of the night's id. The night has what it had, and is one.
SELECT pg_temp.night('2u11', 'n1', 'long_sleep', '2024-04-30T22:00:00Z', '2024-05-01T06:00:00Z', 27000, '{"heartrate":[{"timestamp":"2024-05-01T01:00:00Z","unit":"bpm","value":52},'
  '{"timestamp":"1975-01-01T00:00:00Z","unit":"bpm","value":53}],"hrv":[{"timestamp":"2024-05-01T02:00:00Z","unit":"rmssd","value":60}],"respiratory_rate":null,'
  '"hypnogram":[{"start":"2024-05-01T01:00:00Z","end":"2024-05-01T01:30:00Z","unit":"stage","value":2},null]}'),
       pg_temp.night('2u12', 'n2', 'acknowledged_nap', '2024-05-01T13:00:00Z', '2024-05-01T14:00:00Z', 3000, '{"heartrate":[{"timestamp":"2024-05-01T13:30:00Z","unit":"bpm","value":58}]}');
CALL wearables.drain();
EXECUTE held;
SELECT resource, summary_id, jsonb_object_keys(doc) AS member, cardinality(samples) AS samples FROM wearables.summaries WHERE resource LIKE 'sleep_stream' ORDER BY 2, 3;
SELECT day, summary_id, total_sleep_time, parts, naps, nap_time FROM wearables.nights(1, '2024-05-01', '2024-05-02');
SELECT channel, metric, value FROM wearables.samples WHERE channel IN ('sleep', 'nap') ORDER BY 1, 2;
SELECT event_id = (SELECT max(event_id) - 1 FROM wearables.webhook_events) AS of_the_night, pointer, reason FROM wearables.quarantine WHERE reason = 'timestamp_out_of_range' AND pointer LIKE '%sleep_stream%';
SELECT aspect, what, detail FROM wearables.explain_event((SELECT event_id FROM wearables.webhook_events WHERE message_id LIKE 'msg\_2u11%')) WHERE what LIKE '%stream%' OR aspect = 'field not mapped';
-- null, and an object without a list, say nothing of the stream
SELECT pg_temp.night('2u13', 'n1', 'long_sleep', '2024-04-30T22:00:00Z', '2024-05-01T06:00:00Z', 27100, 'null');
SELECT pg_temp.night('2u14', 'n1', 'long_sleep', '2024-04-30T22:00:00Z', '2024-05-01T06:00:00Z', 27200, '{"heartrate":null,"hrv":[]}');
CALL wearables.drain();
EXECUTE held;
SELECT day, summary_id, total_sleep_time, parts, naps, nap_time FROM wearables.nights(1, '2024-05-01', '2024-05-02');
-- Pulled, it is the same document: the newer of the two stands whole, whichever came first.
UPDATE wearables.resources SET pull_stream = true WHERE name = 'sleep_stream';
SELECT wearables.request_streams(1, 'sleep_stream', '2024-05-01', '2024-05-02');
SELECT pg_temp.stream('sleep_stream', 'n1', '2024-05-02', '{"heartrate":[{"timestamp":"2024-05-01T03:00:00Z","unit":"bpm","value":48}]}');
CALL wearables.drain();
EXECUTE held;
UPDATE wearables.stream_pulls SET request = 2 WHERE document_id = 'n1';
SELECT pg_temp.stream('sleep_stream', 'n1', now() + interval '1 hour', '{"heartrate":[{"timestamp":"2024-05-01T03:00:00Z","unit":"bpm","value":49}],"hrv":null}');
SELECT pg_temp.night('2u15', 'n1', 'long_sleep', '2024-04-30T22:00:00Z', '2024-05-01T06:00:00Z', 27300, '{"heartrate":[{"timestamp":"2024-05-01T04:00:00Z","unit":"bpm","value":50}]}');
CALL wearables.drain();
EXECUTE held;
SELECT day, summary_id, total_sleep_time, parts, naps, nap_time FROM wearables.nights(1, '2024-05-01', '2024-05-02');

-- A replay of all changes nothing, and asks for nothing.
CREATE TEMP TABLE before AS SELECT s.*, (SELECT sum(p.request) FROM wearables.stream_pulls p) AS requests FROM wearables.samples s;
SELECT (r).processed > 10 AS many, (r).inserted, (r).changed, (r).removed FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events) x;
SELECT count(*) FROM (SELECT s.*, (SELECT sum(p.request) FROM wearables.stream_pulls p) FROM wearables.samples s EXCEPT SELECT * FROM before) x;
-- What nobody reads any more goes: a nap's stream with the nap, the streams of nights by themselves. That of n1 was pulled, and stays.
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep';
SELECT (r).removed FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE resource = 'sleep') x;
EXECUTE held;
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep';
SELECT (r).inserted FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE resource = 'sleep') x;
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep_stream';
SELECT (r).removed FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE resource = 'sleep') x;
EXECUTE held;
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep_stream';
SELECT (r).inserted FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE resource = 'sleep') x;
SELECT count(*) FROM (SELECT s.metric, s.ts, s.value, s.channel FROM wearables.samples s EXCEPT SELECT s.metric, s.ts, s.value, s.channel FROM before s) x;

-- What was given up is a problem; and asked for again by a call.
UPDATE wearables.stream_pulls SET state = 'failed', error = 'the vendor responded with status 400' WHERE document_id IN ('w2', 'w3');
SELECT severity, problem, what, remedy FROM wearables.problems WHERE problem = 'stream_failed';
SELECT wearables.request_streams(1, 'workout_stream', '2024-05-01', '2024-05-02');
EXECUTE asked;
-- Days and pulls are told as before.
SELECT day, how, events FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-02', most_events => 0);
SELECT count(*) FROM wearables.backfill_progress;
SELECT count(*) FROM wearables.connection_progress(1);

-- Every shipped mapping of streams reads something.
SELECT m.mapping_id, m.resource, m.metric FROM wearables.mappings m
WHERE m.resource IN ('workout_stream', 'sleep_stream') AND m.enabled AND m.provider IS NULL AND m.metric NOT IN ('cadence', 'altitude', 'respiratory_rate')
  AND NOT EXISTS (SELECT FROM before b WHERE b.channel = m.resource AND b.metric = m.metric)
  AND NOT EXISTS (SELECT FROM wearables.webhook_events e, wearables.normalize(e.event_id) n WHERE e.resource IN ('workout_stream', 'sleep') AND n.channel = m.resource AND n.metric = m.metric);
DROP EXTENSION wearables_ingest CASCADE;
