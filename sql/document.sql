-- document: what sets documents apart, and which state of one stands (R3, R4)
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send_as(made text, event_type text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body,
                                                     'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s","client_user_id":"alice","data":%s}', event_type, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.send(made text, resource text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send_as(made, resource || '.created', data) $$;
PREPARE counts AS
  SELECT substr(message_id, 5, 4) AS made, status, inserted, changed, confirmed, unchanged, stale, quarantined
  FROM wearables.webhook_events ORDER BY message_id;

-- three meals of one date; 900 stood instead of 2,000, and counted as changed
SELECT pg_temp.send('2t01', 'meal', '[
  {"id":"m1","source":{"provider":"cronometer"},"timestamp":"2024-05-04T00:00:00Z","energy":{"unit":"kcal","value":400}},
  {"id":"m2","source":{"provider":"cronometer"},"timestamp":"2024-05-04T00:00:00Z","energy":{"unit":"kcal","value":700}},
  {"id":"m3","source":{"provider":"cronometer"},"timestamp":"2024-05-04T00:00:00Z","energy":{"unit":"kcal","value":900}}]');
-- two weigh-ins of one date, of which one lacks the fat: 81 stood beside the fat of 80
SELECT pg_temp.send('2t02', 'body', '{"id":"w1","source":{"provider":"withings"},"date":"2024-05-04","weight":80,"fat":21}');
SELECT pg_temp.send('2t03', 'body', '{"id":"w2","source":{"provider":"withings"},"date":"2024-05-04","weight":82}');
-- the workouts of two apps, begun in one minute: one stood
SELECT pg_temp.send('2t04', 'workouts', '[
  {"id":"r1","source":{"provider":"strava"},"time_start":"2024-05-04T08:00:00Z","time_end":"2024-05-04T09:00:00Z","calories":500},
  {"id":"r2","source":{"provider":"strava"},"time_start":"2024-05-04T08:00:00Z","time_end":"2024-05-04T08:40:00Z","calories":310}]');
CALL wearables.drain();
SELECT metric, ts, channel, value, part <> 0 AS of_a_document, count(*) OVER (PARTITION BY metric, ts, part) AS of_that_part
FROM wearables.samples WHERE metric IN ('dietary_energy', 'body_weight', 'body_fat_percentage', 'workout_energy_burned')
ORDER BY metric, ts, value;
EXECUTE counts;
-- reads put parts together by the metric's aggregate: a sum, an average, the last
SELECT m.name, m.aggregate, t.value, t.readings
FROM wearables.metrics m
CROSS JOIN LATERAL wearables.timeseries(1, m.name, date '2024-05-04', date '2024-05-05', 'day') t
WHERE m.name IN (SELECT s.metric FROM wearables.samples s) ORDER BY 1;
SELECT metric, ts, value FROM wearables.latest(1) WHERE channel = 'meal' OR metric = 'body_weight';

-- a document knows its own readings: the middle meal is corrected, the others stay
SELECT pg_temp.send_as('2t05', 'meal.updated', '{"id":"m2","source":{"provider":"cronometer"},"timestamp":"2024-05-04T00:00:00Z","energy":{"unit":"kcal","value":650}}');
CALL wearables.drain();
SELECT value FROM wearables.samples WHERE channel = 'meal' ORDER BY 1;

-- a day that is issued anew under another id replaces the older one whole; so does a profile
SELECT name, one_per FROM wearables.resources WHERE one_per IS NOT NULL ORDER BY 1;
SELECT pg_temp.send('2t06', 'activity', '{"id":"a1","source":{"provider":"fitbit","type":"watch"},"calendar_date":"2024-05-04","date":"2024-05-04T00:00:00+00:00","steps":5000,"floors_climbed":7}');
SELECT pg_temp.send('2t07', 'activity', '{"id":"a2","source":{"provider":"fitbit","type":"watch"},"calendar_date":"2024-05-04","date":"2024-05-04T00:00:00+00:00","steps":6000}');
SELECT pg_temp.send('2t07b', 'activity', '{"id":"a3","source":{"provider":"fitbit","type":"phone"},"calendar_date":"2024-05-04","steps":4000}');
SELECT pg_temp.send('2t07c', 'activity', '{"id":"a4","source":{"provider":"fitbit","type":"watch"},"date":"2024-05-05T00:00:00+00:00","steps":7000}');
SELECT pg_temp.send('2t08', 'profile', '{"id":"p1","source":{"provider":"fitbit"},"height":170}');
SELECT pg_temp.send('2t09', 'profile', '{"id":"p2","source":{"provider":"fitbit"},"height":171}');
CALL wearables.drain();
SELECT metric, ts::date, source_type, value, part FROM wearables.samples WHERE channel = 'activity' ORDER BY 1, 2, 3;
SELECT resource, identity, summary_id, part FROM wearables.summaries WHERE resource IN ('activity', 'profile') ORDER BY 1, 2;
-- the older one, when it comes again later, changes nothing
SELECT wearables.replay(event_id) IS NOT NULL AS replayed FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t060%';
SELECT metric, ts::date, source_type, value FROM wearables.samples WHERE channel = 'activity' ORDER BY 1, 2, 3;
-- a name that holds a slash is no other name
SELECT pg_temp.send('2t0A', 'activity', '[
  {"id":"a5","source":{"provider":"a/b","type":"c"},"date":"2024-05-06","steps":1},
  {"id":"a6","source":{"provider":"a","type":"b/c"},"date":"2024-05-06","steps":2}]');
CALL wearables.drain();
SELECT identity FROM wearables.summaries WHERE summary_id IN ('a5', 'a6') ORDER BY 1;

-- of two states with one updated_at the later message stands, whichever arrives first: 8 of 20 nights kept the older
CREATE FUNCTION pg_temp.tie(made text, id text, value integer, rest text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'sleep', format('{"id":"%s","source":{"provider":"oura","type":"ring"},"updated_at":"2022-01-01T08:00:00Z","bedtime_stop":"2024-05-03T06:00:00Z","hr_lowest":%s%s}', id, value, rest)) $$;
SELECT count(pg_temp.tie('2tB' || lpad(i::text, 2, '0') || 'b', 't' || i, 52)) FROM generate_series(0, 19) i;
CALL wearables.drain();
SELECT count(pg_temp.tie('2tB' || lpad(i::text, 2, '0') || 'a', 't' || i, 51, ',"average_hrv":40')) FROM generate_series(0, 19) i;
CALL wearables.drain();
SELECT metric, value, count(*) FROM wearables.samples WHERE channel = 'sleep' GROUP BY 1, 2;
-- and of two messages of the same four milliseconds the update: 16 of 27 pairs ended wrong
CREATE FUNCTION pg_temp.pair(which integer, word text, value integer) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send_as('2t2' || chr(65 + which) || '0000000' || word, 'sleep.' || word,
                         format('{"id":"u%s","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-09T06:00:00Z","hr_lowest":%s}', which, value)) $$;
SELECT count(pg_temp.pair(i, 'updated', 62)), count(pg_temp.pair(i, 'created', 61)) FROM generate_series(0, 25) i;
CALL wearables.drain();
SELECT metric, value, count(*) FROM wearables.samples WHERE ts = '2024-05-09T06:00:00Z' GROUP BY 1, 2;
-- a state that says it was made years after it was sent does not keep later ones away
SELECT pg_temp.send('2t30', 'sleep', '{"id":"f","source":{"provider":"oura","type":"ring"},"updated_at":"2036-01-01T08:00:00Z","bedtime_stop":"2024-05-10T06:00:00Z","hr_lowest":70}');
SELECT pg_temp.send('2t31', 'sleep', '{"id":"f","source":{"provider":"oura","type":"ring"},"bedtime_stop":"2024-05-10T06:00:00Z","hr_lowest":71}');
CALL wearables.drain();
SELECT value FROM wearables.samples WHERE ts = '2024-05-10T06:00:00Z';

-- one a day becomes any number and back: a replay moves what each event holds to its new identity
UPDATE wearables.resources SET one_per = NULL WHERE name = 'activity';
SELECT (t).events, (t).inserted, (t).removed FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events WHERE event_type LIKE '%activity%') x;
SELECT identity, part <> 0 AS by_id FROM wearables.summaries WHERE resource = 'activity' ORDER BY 1;
SELECT ts::date, provider, source_type, value FROM wearables.samples WHERE metric = 'steps' ORDER BY 1, 2, 3, 4;
UPDATE wearables.resources SET one_per = 'day' WHERE name = 'activity';
SELECT (t).events, (t).inserted, (t).removed FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events WHERE event_type LIKE '%activity%') x;
SELECT identity, summary_id FROM wearables.summaries WHERE resource = 'activity' ORDER BY 1;
SELECT ts::date, provider, source_type, value FROM wearables.samples WHERE metric = 'steps' ORDER BY 1, 2, 3, 4;

-- a reading put in by hand may have a part of its own
INSERT INTO wearables.samples (user_id, metric, ts, value, part) VALUES (1, 'body_weight', '2024-05-20T08:00:00Z', 80, 7), (1, 'body_weight', '2024-05-20T08:00:00Z', 81, NULL);
SELECT value, part FROM wearables.samples WHERE ts = '2024-05-20T08:00:00Z' ORDER BY part;

-- the row of a point is as long as before: 72 bytes without an end, 80 with one
SELECT DISTINCT ts_end IS NOT NULL AS has_end, tz_offset IS NOT NULL AS has_offset, (pg_column_size(p.*) + 7) / 8 * 8 AS bytes FROM wearables.sample_points p WHERE value_secondary IS NULL ORDER BY 1, 2;

DROP EXTENSION wearables_ingest CASCADE;
