-- sample: from a delivery to the series, by one rule: an equal or newer version wins (R2)
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice, wearables.register_user('bob') AS bob;

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE samples AS
  SELECT metric, ts, provider, source_type, value, value_secondary, unit FROM wearables.samples
  WHERE user_id = 1 ORDER BY metric, ts, provider, source_type;
PREPARE counts AS
  SELECT substr(message_id, 5, 4) AS made, status, inserted, changed, confirmed, unchanged, stale, quarantined
  FROM wearables.webhook_events ORDER BY event_id;

-- phone and watch may report one instant: they are two sources
SELECT pg_temp.send('2t01', 'heartrate', '{"source":{"provider":"apple_health_kit","type":"watch"},"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","value":61,"unit":"bpm"}, {"timestamp":"2024-05-01T08:01:00+00:00","value":62,"unit":"bpm"}]}');
SELECT pg_temp.send('2t02', 'heartrate', '{"source":{"provider":"apple_health_kit","type":"phone"},"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","value":1.1,"unit":"Hz"}]}');
CALL wearables.drain();
EXECUTE samples;

-- another value in a newer message: changed; the same value: confirmed, the version moves on
SELECT pg_temp.send('2t05', 'heartrate', '{"source":{"provider":"apple_health_kit","type":"watch"},"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","value":65,"unit":"bpm"}, {"timestamp":"2024-05-01T08:01:00+00:00","value":62,"unit":"bpm"}]}');
CALL wearables.drain();
-- an older message that comes late wins nothing, not even where the newer one only confirmed
SELECT pg_temp.send('2t04', 'heartrate', '{"source":{"provider":"apple_health_kit","type":"watch"},"data":[
  {"timestamp":"2024-05-01T08:00:00+00:00","value":99,"unit":"bpm"}, {"timestamp":"2024-05-01T08:01:00+00:00","value":99,"unit":"bpm"},
  {"timestamp":"2024-05-01T08:02:00+00:00","value":63,"unit":"bpm"}]}');
CALL wearables.drain();
EXECUTE samples;
EXECUTE counts;

-- the same event again writes nothing: not one new row version
CREATE TEMP TABLE before AS SELECT ctid AS place, xmin AS writer, * FROM wearables.sample_points;
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events ORDER BY event_id DESC;
CALL wearables.drain();
SELECT count(*) AS row_versions_written FROM wearables.sample_points p
WHERE NOT EXISTS (SELECT FROM before b WHERE b.place = p.ctid AND b.writer = p.xmin);

-- a body may hold a key twice: what stands last counts, the other is stale
SELECT pg_temp.send('2t06', 'hrv', '{"source":{"provider":"garmin","type":"watch"},"data":[
  {"timestamp":"2024-05-01T08:00:00Z","value":41,"unit":"rmssd"}, {"timestamp":"2024-05-01T08:00:00.000+00:00","value":42,"unit":"rmssd"}]}');
CALL wearables.drain();
SELECT ts, value FROM wearables.samples WHERE metric = 'hrv_rmssd';

-- one bad reading sinks nothing else; the others of its batch go in
SELECT pg_temp.send('2t07', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[
  {"timestamp":"2024-05-01T09:00:00+00:00","value":70,"unit":"bpm"},
  {"timestamp":"2024-05-01T09:01:00+00:00","value":null,"unit":"bpm"},
  {"timestamp":"2024-05-01T09:02:00+00:00","value":"seventy","unit":"bpm"},
  {"timestamp":"2024-05-01T09:03:00+00:00","value":401,"unit":"bpm"},
  {"timestamp":"2024-05-01T09:04:00+00:00","value":70,"unit":"furlongs"},
  {"timestamp":"yesterday","value":70,"unit":"bpm"},
  {"value":70,"unit":"bpm"},
  {"timestamp":"1850-05-01T09:00:00+00:00","value":70,"unit":"bpm"},
  70,
  {"start":"2024-05-01T09:09:00+00:00","value":71}]}');
SELECT pg_temp.send('2t08', 'heartrate', '{"source":{},"data":[{"timestamp":"2024-05-01T09:00:00+00:00","value":70,"unit":"bpm"}]}');
CALL wearables.drain();
SELECT substr(e.message_id, 5, 4) AS made, q.ordinal, q.pointer, q.reason, q.metric, q.detail
FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) ORDER BY e.event_id, q.ordinal;
SELECT ts, value, unit FROM wearables.samples WHERE metric = 'heartrate' AND provider = 'garmin' ORDER BY ts;

-- nothing is lost: for each event the counts add up to the readings it held
EXECUTE counts;
SELECT substr(message_id, 5, 4) AS made
FROM wearables.webhook_events e
WHERE inserted + changed + confirmed + unchanged + stale + quarantined <> (SELECT count(*) FROM wearables.normalize(e.event_id));

-- a pair needs both figures; the offset of the place is kept in minutes
SELECT pg_temp.send('2t09', 'blood_pressure', '{"source":{"provider":"omron","type":"cuff"},"data":[
  {"timestamp":"2024-05-01T07:00:00+00:00","timezone_offset":7200,"systolic":120,"diastolic":80,"unit":"mmHg"},
  {"timestamp":"2024-05-01T07:05:00+00:00","timezone_offset":null,"systolic":121,"diastolic":null,"unit":"mmHg"}]}');
CALL wearables.drain();
SELECT metric, ts, value, value_secondary, unit, tz_offset FROM wearables.samples WHERE metric = 'blood_pressure';

-- some providers send wall-clock time dressed as UTC: it is read in the zone of the user; of an hour that the clocks
-- show twice, or not at all, nothing is guessed (was in standard time)
UPDATE wearables.users SET time_zone = 'Europe/Berlin' WHERE user_id = 1;
SELECT pg_temp.send('2t0A', 'heartrate', '{"source":{"provider":"freestyle_libre","type":"app"},"data":[
  {"timestamp":"2024-05-01T12:00:00+00:00","value":70}, {"timestamp":"2024-12-01T12:00:00+00:00","value":71},
  {"timestamp":"2024-10-27T02:30:00+00:00","value":72}, {"timestamp":"2024-03-31T02:30:00+00:00","value":73}]}');
CALL wearables.drain();
SELECT ts, value FROM wearables.samples WHERE provider = 'freestyle_libre' ORDER BY ts;
SELECT pointer, reason FROM wearables.quarantine WHERE reason = 'ambiguous_time' ORDER BY ordinal;
SELECT provider, source_type, channel, floating_time FROM wearables.sources WHERE floating_time;

-- the state is a function of the set of events: bob gets alice's first five backwards, one by one
DO $$
DECLARE e record;
BEGIN
  FOR e IN SELECT convert_from(payload, 'UTF8')::jsonb -> 'data' AS data, substr(message_id, 5, 4) AS made FROM wearables.webhook_events
           WHERE event_type LIKE '%heartrate%' AND substr(message_id, 5, 4) < '2t06' ORDER BY event_id DESC LOOP
    PERFORM pg_temp.send(e.made || 'b', 'heartrate', e.data::text, 'bob');
  END LOOP;
END $$;
CALL wearables.drain(1);
CALL wearables.drain(1);
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, inserted, changed, confirmed, unchanged, stale
FROM wearables.webhook_events WHERE client_user_id = 'bob' ORDER BY event_id;
SELECT count(*) AS of_bob, count(*) FILTER (WHERE a.value = b.value) AS as_alice
FROM wearables.samples b
LEFT JOIN wearables.samples a ON a.user_id = 1 AND (a.metric, a.ts, a.provider, a.source_type) = (b.metric, b.ts, b.provider, b.source_type)
WHERE b.user_id = 2;

-- events that hold nothing for us say why
SELECT pg_temp.send('2t0B', 'horoscope', '{}');
SELECT pg_temp.send('2t0C', 'heartrate.deleted', '{}');
SELECT status FROM wearables.receive(wearables.signed_headers('msg_empty', now(), '', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), '');
SELECT status FROM wearables.receive(wearables.signed_headers('msg_list', now(), '[]', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), '[]');
CALL wearables.drain();
SELECT event_type, status, note FROM wearables.webhook_events WHERE status = 'skipped' ORDER BY event_id;

-- a body that its event type does not fit is a dead letter with its error, and stops nobody
SELECT pg_temp.send('2t0D', 'heartrate', '"none"');
SELECT pg_temp.send('2t0E', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T10:00:00Z","value":7');
SELECT pg_temp.send('2t0F', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[]}');
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, status, error, inserted FROM wearables.webhook_events WHERE substr(message_id, 5, 4) >= '2t0D' AND substr(message_id, 5, 2) = '2t' ORDER BY event_id;
SELECT state, last_error FROM wearables.jobs ORDER BY job_id;

-- a word that JSON does not have costs the reading it stands in, and what is nested deep costs nothing that is read
CREATE FUNCTION pg_temp.deep(depth int, inside text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT repeat('[', depth) || inside || repeat(']', depth) $$;
PREPARE sent AS
  SELECT substr(message_id, 5, 4) AS made, status, concat_ws(' ', error, note) AS says, inserted, quarantined FROM wearables.webhook_events
  WHERE message_id LIKE 'msg_2u%' ORDER BY event_id;
SELECT pg_temp.send('2u01', 'heartrate', '{"x":NaN,"source":{"provider":"polar","type":"watch","x":undefined},"data":[
  {"timestamp":"2024-05-02T08:00:00Z","value":NaN}, {"timestamp":"2024-05-02T08:01:00Z","value":61,"x":{"y":[-Infinity]}}, {"timestamp":"2024-05-02T08:02:00Z","value":Infinity},
  {"timestamp":"2024-05-02T08:03:00Z","value":-Infinity}, {"timestamp":"2024-05-02T08:04:00Z","value":undefined}, {"timestamp":NaN,"value":62}, NaN, null, 7, "x", {"timestamp":"2024-05-02T08:05:00Z","value":63}]}');
SELECT pg_temp.send('2u02', 'heartrate', format('{"x":%s,"source":{"provider":"polar","type":"watch"},"data":[{"timestamp":"2024-05-02T09:00:00Z","value":%s},
  {"timestamp":"2024-05-02T09:01:00Z","value":61,"x":%s},%s]}', pg_temp.deep(1000), pg_temp.deep(5000), pg_temp.deep(100000, '{"a":NaN}'), pg_temp.deep(5000)));
SELECT pg_temp.send('2u03', 'heartrate', '{"source":{"provider":"polar"},"data":[' || repeat('{"source":{"provider":"polar"},"data":[', 5000) || repeat(']}', 5000) || ',{"timestamp":"2024-05-02T10:00:00Z","value":61}]}');
-- the envelope is read beside them, and what is checked there is not less
SELECT status FROM (SELECT convert_to(format('{"x":%s,"event_type":"daily.data.heartrate.created","y":NaN,"client_user_id":"alice","data":{"source":{"provider":"polar"},"data":[{"timestamp":"2024-05-02T11:00:00Z","value":61}]}}', pg_temp.deep(5000)), 'UTF8') AS body) b,
  wearables.receive(wearables.signed_headers('msg_2u04', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body);
SELECT pg_temp.send('2u05', 'heartrate', format('{"source":{"provider":"polar"},"data":[{"timestamp":"2024-05-02T12:00:00Z","value":61,"x":%s}]}', pg_temp.deep(5000, 'tru')));
SELECT status FROM (SELECT convert_to(pg_temp.deep(5000), 'UTF8') AS body) b, wearables.receive(wearables.signed_headers('msg_2u06', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body);
-- null in place of the readings is none, whatever else stands there is told
SELECT pg_temp.send('2u07', 'heartrate', 'null'), pg_temp.send('2u08', 'heartrate', '{"source":{"provider":"polar"},"data":null}'), pg_temp.send('2u09', 'sleep', 'null'), pg_temp.send('2u0A', 'sleep', '{"data":null}');
SELECT pg_temp.send('2u0B', 'heartrate', '7'), pg_temp.send('2u0C', 'heartrate', '{"source":{"provider":"polar"},"data":"61"}'), pg_temp.send('2u0D', 'sleep', 'true'), pg_temp.send('2u0E', 'heartrate', pg_temp.deep(5000)), pg_temp.send('2u0F', 'heartrate', 'NaN');
CALL wearables.drain();
EXECUTE sent;
SELECT substr(e.message_id, 5, 4) AS made, CASE WHEN length(q.pointer) > 60 THEN left(q.pointer, 20) || '... ' || length(q.pointer) ELSE q.pointer END AS pointer, q.reason
FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) WHERE e.message_id LIKE 'msg_2u%' ORDER BY e.event_id, q.ordinal;
SELECT ts, value FROM wearables.samples WHERE provider = 'polar' ORDER BY ts;
SELECT bool_and(convert_from(payload, 'UTF8') LIKE '%' || sent || '%') AS bodies_are_as_sent
FROM (VALUES ('2u01', '"value":undefined}, {"timestamp":NaN,"value":62}, NaN, null, 7'), ('2u02', pg_temp.deep(100000, '{"a":NaN}')), ('2u08', '"data":null')) s (made, sent)
JOIN wearables.webhook_events ON substr(message_id, 5, 4) = made;

-- what was found under other mappings goes when null stands where these look, and comes back
SELECT pg_temp.send('2u0G', 'sleep', '{"id":"night","source":{"provider":"polar"},"bedtime_stop":"2024-05-03T06:00:00Z","hr_lowest":50,"data":null}');
CALL wearables.drain();
PREPARE night AS
  SELECT status, note, inserted, (SELECT count(*) FROM wearables.samples WHERE provider = 'polar' AND ts > '2024-05-03') AS samples, (SELECT count(*) FROM wearables.summaries) AS documents
  FROM wearables.webhook_events WHERE message_id LIKE 'msg_2u0G%';
EXECUTE night;
UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'sleep';
SELECT events, skipped, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2u0G%') r;
EXECUTE night;
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep';
SELECT events, processed, inserted FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2u0G%') r;
EXECUTE night;

-- a reading later than a day after its message was made, at 2025-02-13 23:52:05.164, is refused (2036 headed latest() and
-- moved last_data_at for good); whenever it is handled
SELECT pg_temp.send('2t0Z', 'heartrate', '{"source":{"provider":"withings","type":"scale"},"data":[
  {"timestamp":"2025-02-13T23:00:00Z","value":61}, {"timestamp":"2025-02-14T23:52:05.164Z","value":62}, {"timestamp":"2025-02-14T23:52:05.165Z","value":63},
  {"timestamp":"2036-01-01T00:00:00Z","value":64}, {"timestamp":"2025-02-13T23:30:00Z","value":65}]}');
SELECT pg_temp.send('2t0Y', 'sleep', '{"id":"ahead","source":{"provider":"withings","type":"scale"},"bedtime_stop":"2036-01-02T06:00:00Z","hr_lowest":50}');
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, status, inserted, quarantined FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0[YZ]' ORDER BY 1;
SELECT substr(e.message_id, 5, 4) AS made, q.ordinal, q.pointer, q.reason, q.metric FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id)
WHERE e.message_id ~ 'msg_2t0[YZ]' ORDER BY 1, 2;
SELECT ts, value FROM wearables.samples WHERE provider = 'withings' ORDER BY ts;
SELECT metric, ts, value FROM wearables.latest(1) WHERE provider = 'withings';
SELECT last_data_at FROM wearables.connections WHERE provider = 'withings';
SELECT events, unchanged, stale, quarantined, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0[YZ]') r;
-- normalize() knows when a stored body was made; of another, and of a row by hand, nobody says that it is wrong
SELECT n.ts, n.value, n.refused, n.pointer FROM wearables.webhook_events e, wearables.normalize(e.event_id) n WHERE e.message_id LIKE 'msg_2t0Z%';
SELECT n.ts, n.refused FROM wearables.normalize('daily.data.heartrate.created', '{"source":{"provider":"withings"},"data":[{"timestamp":"2036-01-01T00:00:00Z","value":64}]}'::jsonb) n;
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value) VALUES (1, 'heartrate', '2036-01-01', 'by_hand', 'scale', 61);
SELECT ts, value FROM wearables.samples WHERE provider = 'by_hand';

DROP EXTENSION wearables_ingest CASCADE;
