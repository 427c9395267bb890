-- bounds: what one message can make, and all of them together
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');
SELECT wearables.make_event_partitions('0') > 0 AS made;

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE events AS SELECT substr(message_id, 5, 4) AS made, status, inserted, changed, unchanged, quarantined FROM wearables.webhook_events ORDER BY message_id;

-- the first thousand refusals are told one by one, then how many more there were; all of them count
SELECT pg_temp.send('2t01', 'heartrate', format('{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60},%s]}',
  string_agg('1', ','))) FROM generate_series(1, 5000);
CALL wearables.drain();
EXECUTE events;
SELECT count(*), min(ordinal), max(ordinal) FROM wearables.quarantine WHERE reason = 'not_an_object';
SELECT ordinal, pointer, reason, metric, detail FROM wearables.quarantine WHERE ordinal >= 1000 ORDER BY ordinal;
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events \gx
SELECT count(*) FROM wearables.quarantine;

-- one body names 100 sources and 500 types: what is beyond is refused, and no number is spent on it
SELECT pg_temp.send('2t02', 'heartrate', format('[%s]', string_agg(format('{"source":{"provider":"p%s"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}', i), ',')))
FROM generate_series(1, 33000) i;
SELECT pg_temp.send('2t03', 'cholesterol', format('{"source":{"provider":"lab","type":"unknown"},"data":[%s]}',
  string_agg(format('{"timestamp":"2024-05-01T08:00:00Z","value":1,"type":"t%s","unit":"mmol/L"}', i), ','))) FROM generate_series(1, 33000) i;
CALL wearables.drain();
EXECUTE events;
SELECT count(*), max(source_id) FROM wearables.sources;
SELECT count(*), min(metric_id), max(metric_id) FROM wearables.metrics WHERE origin = 'extended';
SELECT reason, count(*) FROM wearables.quarantine GROUP BY reason ORDER BY reason;
-- a new provider still finds a number, and the user's own metrics too
SELECT pg_temp.send('2t04', 'heartrate', '{"source":{"provider":"new","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":61}]}');
CALL wearables.drain();
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1') RETURNING metric_id;
EXECUTE events;

-- in all: what there is no room for is refused, says what to do, and is read again when there is
SET wearables_ingest.max_sources = 103;
SET wearables_ingest.max_extended_metrics = 500;
SELECT pg_temp.send('2t05', 'heartrate', '[{"source":{"provider":"n1"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]},
  {"source":{"provider":"n2"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60},{"timestamp":"2024-05-01T08:01:00Z","value":60}]},
  {"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:01:00Z","value":60}]}]'),
  pg_temp.send('2t06', 'cholesterol', '{"source":{"provider":"lab"},"data":[{"timestamp":"2024-05-01T08:02:00Z","value":1,"unit":"mmol/L","type":"t1"},{"timestamp":"2024-05-01T08:00:00Z","value":1,"unit":"mmol/L","type":"new"}]}');
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, status, inserted, quarantined FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0[56]' ORDER BY 1;
SELECT substr(e.message_id, 5, 4) AS made, q.pointer, q.reason, q.metric, q.detail FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id)
WHERE q.reason = 'no_more_names' ORDER BY 1, q.ordinal;
-- by hand likewise
\set VERBOSITY terse
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'heartrate', '2024-05-01 09:00Z', 60, 'n3');
\echo :SQLSTATE
\set VERBOSITY default
-- a replay refuses the same, and nothing moves
SELECT inserted, unchanged, quarantined FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0[56]') r;
CALL wearables.drain();
SELECT count(*) FROM wearables.jobs;
-- health tells
SELECT verdict, reason FROM wearables.health;
-- more room: the events are queued again by whoever works next
SET wearables_ingest.max_sources = 105;
SET wearables_ingest.max_extended_metrics = 501;
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, status, inserted, unchanged, quarantined FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0[56]' ORDER BY 1;
SELECT provider, ts FROM wearables.samples WHERE provider LIKE 'n_' ORDER BY provider, ts;
SELECT metric, ts FROM wearables.samples WHERE metric = 'cholesterol/new';
SELECT count(*) FROM wearables.quarantine WHERE reason = 'no_more_names';
SELECT problem FROM wearables.problems WHERE problem = 'no_more_names';

-- an older document of a source that had no room adds nothing then but its count
SELECT pg_temp.send('2t0B', 'sleep', '{"id":"n","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-02T06:00:00Z","hr_lowest":48}');
CALL wearables.drain();
SELECT count(*) > 0 AS set FROM wearables.sources, set_config('wearables_ingest.max_sources', (SELECT count(*)::text FROM wearables.sources), false);
SELECT pg_temp.send('2t0A', 'sleep', '{"id":"n","source":{"provider":"late","type":"ring"},"bedtime_stop":"2024-05-02T06:00:00Z","hr_lowest":48,"hr_average":5000,"average_hrv":60}');
CALL wearables.drain();
SELECT stale, quarantined FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0A';
SET wearables_ingest.max_sources = 1000;
CALL wearables.drain();
SELECT stale, quarantined FROM wearables.webhook_events WHERE message_id ~ 'msg_2t0A';

-- what nobody uses goes: found unused by one call, taken by the next, unless it was named in between
DELETE FROM wearables.sample_points;
DELETE FROM wearables.webhook_events;
SELECT wearables.reclaim_names();
SELECT count(*), count(unused_since) FROM wearables.sources;
SELECT wearables.revision() AS before \gset
SELECT pg_temp.send('2t07', 'heartrate', '{"source":{"provider":"p7"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}');
CALL wearables.drain();
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'cholesterol/t9', '2024-05-01 09:00Z', 1, 'p9');
SELECT wearables.reclaim_names() > 0 AS some;
SELECT provider, source_type, channel, unused_since FROM wearables.sources ORDER BY provider;
SELECT name, unused_since FROM wearables.metrics WHERE origin IN ('extended', 'user') ORDER BY name;
SELECT metric, provider FROM wearables.samples ORDER BY metric;
SELECT wearables.revision() = :before AS the_parser_is_the_same;
-- numbers that went are given again
SELECT pg_temp.send('2t08', 'heartrate', '{"source":{"provider":"another"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}');
CALL wearables.drain();
SELECT source_id FROM wearables.sources WHERE provider = 'another';

DROP EXTENSION wearables_ingest CASCADE;
