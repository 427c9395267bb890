-- night: which sessions stand, and what a night is
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.night(made text, id text, began text, ended text, rest text DEFAULT '', provider text DEFAULT 'oura') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body,
                                                     'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.sleep.created","client_user_id":"alice","data":{"id":"%s","source":{"provider":"%s"},"bedtime_start":"%s","bedtime_stop":%s%s}}',
                         id, provider, began, coalesce(to_json(ended)::text, 'null'), rest), 'UTF8') body $$;
PREPARE standing AS
  SELECT summary_id, session_start, session_end, superseded FROM wearables.summaries ORDER BY session_start, summary_id;
PREPARE sleep AS
  SELECT bucket_start, provider, value, readings
  FROM wearables.timeseries(1, 'total_sleep_time', date '2024-05-01', date '2024-06-01', 'day');
PREPARE nights AS
  SELECT day, started_at, ended_at, provider, summary_id, time_in_bed AS in_bed, total_sleep_time AS asleep,
         round(sleep_efficiency::numeric, 1) AS efficiency, parts, naps, nap_time
  FROM wearables.nights(1, '2024-05-01', '2024-06-01');

-- a night in two parts, then stitched under a third id: 41,000 s of sleep instead of 27,000
SELECT pg_temp.night('2t01', 'part-1', '2024-05-03T21:00:00Z', '2024-05-03T23:30:00Z', ',"total":9000,"duration":9000');
SELECT pg_temp.night('2t02', 'part-2', '2024-05-04T00:30:00Z', '2024-05-04T05:00:00Z', ',"total":16000,"duration":16200');
CALL wearables.drain();
EXECUTE nights;
SELECT pg_temp.night('2t03', 'stitched', '2024-05-03T21:00:00Z', '2024-05-04T05:00:00Z', ',"total":27000,"duration":28800,"efficiency":0.94');
CALL wearables.drain();
EXECUTE standing;
EXECUTE sleep;
EXECUTE nights;
SELECT sessions FROM wearables.nights(1, '2024-05-04', '2024-05-05');
-- a part comes again, as it was: it is older still
SELECT pg_temp.night('2t01b', 'part-1', '2024-05-03T21:00:00Z', '2024-05-03T23:30:00Z', ',"total":9100,"duration":9000');
CALL wearables.drain();
EXECUTE sleep;
SELECT inserted, changed, unchanged, stale FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t01b%';
-- the stitched one shrinks: the first part stands again
SELECT pg_temp.night('2t04', 'stitched', '2024-05-04T00:00:00Z', '2024-05-04T05:00:00Z', ',"total":17000,"duration":18000');
CALL wearables.drain();
EXECUTE standing;
EXECUTE sleep;
-- and goes: what it held back is there, with all its readings
UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep' AND metric = 'time_in_bed';
SELECT (t).inserted, (t).changed, (t).removed, (t).stale FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events) x;
EXECUTE sleep;
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep';
SELECT wearables.replay(event_id) IS NOT NULL AS replayed FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t04%';
EXECUTE standing;
EXECUTE sleep;
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep';

-- what a later part says does not supersede the whole that contains it
SELECT pg_temp.night('2t05', 'whole', '2024-05-06T21:00:00Z', '2024-05-07T05:00:00Z', ',"total":27000');
SELECT pg_temp.night('2t06', 'within', '2024-05-06T22:00:00Z', '2024-05-07T04:00:00Z', ',"total":20000');
-- equal spans under two ids: the newer stands
SELECT pg_temp.night('2t07', 'equal-1', '2024-05-07T21:00:00Z', '2024-05-08T05:00:00Z', ',"total":26000');
SELECT pg_temp.night('2t08', 'equal-2', '2024-05-07T21:00:00Z', '2024-05-08T05:00:00Z', ',"total":26500');
-- another device is another source: neither supersedes the other, and one night is one row
SELECT pg_temp.night('2t09', 'whoop', '2024-05-07T20:55:00Z', '2024-05-08T05:05:00Z', ',"total":25000', 'whoop');
-- a night over the change of the clocks takes an hour less than they show
SELECT pg_temp.night('2t0A', 'spring', '2024-03-30T22:00:00Z', '2024-03-31T05:00:00Z', ',"total":24000');
-- what is longer than two days supersedes nothing
SELECT pg_temp.night('2t0B', 'endless', '2024-05-01T00:00:00Z', '2024-05-11T00:00:00Z', ',"total":300000');
-- asleep at noon after a long night, dozing in the evening
SELECT pg_temp.night('2t0C', 'late', '2024-05-10T01:00:00Z', '2024-05-10T12:30:00Z', ',"total":40000');
SELECT pg_temp.night('2t0D', 'doze', '2024-05-10T17:00:00Z', '2024-05-10T17:30:00Z', ',"total":1500');
SELECT pg_temp.night('2t0E', 'next', '2024-05-10T21:00:00Z', '2024-05-11T05:00:00Z', ',"total":27000');
CALL wearables.drain();
SELECT summary_id, superseded FROM wearables.summaries WHERE superseded ORDER BY 1;
EXECUTE nights;
SELECT day, started_at, ended_at, time_in_bed FROM wearables.nights(1, '2024-03-31', '2024-04-01');
SELECT day, provider, time_in_bed FROM wearables.nights(1, '2024-05-08', '2024-05-09', only_provider => 'oura');
SELECT count(*) AS of_somebody_else FROM wearables.nights(2, '2024-05-01', '2024-06-01');

-- a nap stands beside the night, not in it: sleep efficiency was 75 instead of 90
SELECT pg_temp.night('2t11', 'night', '2024-05-14T21:00:00Z', '2024-05-15T05:00:00Z', ',"type":"long_sleep","total":26000,"efficiency":0.9');
SELECT pg_temp.night('2t12', 'nap', '2024-05-15T12:00:00Z', '2024-05-15T13:00:00Z', ',"type":"acknowledged_nap","total":3000,"efficiency":0.6');
-- a night that is newer than a nap within it does not supersede it: the nap is another channel
SELECT pg_temp.night('2t13', 'nap-2', '2024-05-15T22:00:00Z', '2024-05-15T22:30:00Z', ',"type":"acknowledged_nap","total":1500');
SELECT pg_temp.night('2t14', 'night-2', '2024-05-15T21:00:00Z', '2024-05-16T05:00:00Z', ',"type":"unknown","total":26000');
CALL wearables.drain();
SELECT day, total_sleep_time AS asleep, sleep_efficiency AS efficiency, parts, naps, nap_time,
       (SELECT string_agg(x ->> 'kind', ' ') FROM jsonb_array_elements(sessions) x) AS kinds
FROM wearables.nights(1, '2024-05-15', '2024-05-17');
SELECT channel, value FROM wearables.timeseries(1, 'sleep_efficiency', date '2024-05-15', date '2024-05-16', 'day');

-- the samples of nights are what those documents claim that stand, and nothing else
SELECT (SELECT count(*) FROM wearables.samples WHERE channel IN ('sleep', 'nap')) = sum(cardinality(samples)) AS as_claimed
FROM wearables.summaries WHERE NOT superseded;

-- what has no end any more is no session, and nothing supersedes it
SELECT pg_temp.night('2t10', 'equal-1', '2024-05-07T21:00:00Z', NULL, ',"date":"2024-05-08","total":26000');
CALL wearables.drain();
SELECT summary_id, superseded, session_end FROM wearables.summaries WHERE summary_id = 'equal-1';
SELECT ts, value FROM wearables.samples WHERE metric = 'total_sleep_time' AND value = 26000;

-- A bedtime may be written in any form that the time of a reading may have: this was no session, although its reading
-- was taken.
CREATE FUNCTION pg_temp.sleep(made text, members text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body,
                                                     'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.sleep.created","client_user_id":"alice","data":{"source":{"provider":"oura"},%s}}', members), 'UTF8') body $$;
SELECT pg_temp.sleep('2t20', '"id":"seconds","bedtime_start":1716238800,"bedtime_stop":1716267600,"total":26000');
SELECT pg_temp.sleep('2t21', '"id":"milliseconds","bedtime_start":1716325200000,"bedtime_stop":"2024-05-22T05:00:00Z","total":26000');
SELECT pg_temp.sleep('2t22', '"id":"nonsense","bedtime_start":1e300,"bedtime_stop":"2024-05-23T05:00:00Z","total":26000');
CALL wearables.drain();
SELECT summary_id, session_start, session_end, cardinality(samples) > 0 AS has_readings FROM wearables.summaries
WHERE summary_id IN ('seconds', 'milliseconds', 'nonsense') ORDER BY 1;
SELECT day, started_at, ended_at, total_sleep_time FROM wearables.nights(1, '2024-05-21', '2024-05-23');

-- The document says whether it is a nap, not the readings it has: a nap without any was a part of the night, and took
-- away from it what it contained.
SELECT pg_temp.sleep('2t24', '"id":"before","bedtime_start":"2024-05-24T21:00:00Z","bedtime_stop":"2024-05-25T05:00:00Z","total":26000');
SELECT pg_temp.sleep('2t25', '"id":"empty-nap","type":"acknowledged_nap","bedtime_start":"2024-05-24T20:00:00Z","bedtime_stop":"2024-05-25T06:00:00Z"');
CALL wearables.drain();
SELECT s.summary_id, o.channel, s.superseded, cardinality(s.samples) AS samples FROM wearables.summaries s
JOIN wearables.sources o ON o.source_id = s.samples_source_id WHERE s.summary_id IN ('before', 'empty-nap') ORDER BY 1;
SELECT day, summary_id, parts, naps, (SELECT string_agg(x ->> 'kind', ' ') FROM jsonb_array_elements(sessions) x) AS kinds
FROM wearables.nights(1, '2024-05-24', '2024-05-26');
-- its source stays, although no sample is of it
SELECT wearables.reclaim_names() IS NOT NULL, wearables.reclaim_names() IS NOT NULL;
SELECT day, summary_id, naps FROM wearables.nights(1, '2024-05-24', '2024-05-26');

-- A night that is issued again and again under new ids costs what the first did: the one after 300 read 602 documents.
SELECT count(pg_temp.sleep('2u' || lpad(i::text, 3, '0'), format('"id":"again-%s","bedtime_start":"2024-05-27T21:00:00Z","bedtime_stop":"2024-05-28T05:00:00Z","total":26000', i)))
FROM generate_series(1, 300) i;
CALL wearables.drain();
ANALYZE wearables.summaries;
BEGIN;
SELECT pg_temp.sleep('2u400', '"id":"again-at-last","bedtime_start":"2024-05-27T21:00:00Z","bedtime_stop":"2024-05-28T05:00:00Z","total":26100');
SELECT sum(pg_stat_get_xact_tuples_fetched(r) + pg_stat_get_xact_tuples_returned(r)) AS before
FROM (SELECT 'wearables.summaries'::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 'wearables.summaries'::regclass) x (r) \gset
SELECT (wearables.replay(event_id)).inserted FROM wearables.webhook_events WHERE message_id LIKE 'msg_2u400%';
SELECT sum(pg_stat_get_xact_tuples_fetched(r) + pg_stat_get_xact_tuples_returned(r)) - :before < 60 AS few
FROM (SELECT 'wearables.summaries'::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 'wearables.summaries'::regclass) x (r);
COMMIT;
SELECT count(*) FILTER (WHERE superseded) AS superseded, string_agg(summary_id, ' ') FILTER (WHERE NOT superseded) AS stands
FROM wearables.summaries WHERE summary_id LIKE 'again-%';
-- what stands leaves, and comes back within itself: the next newest stands, then both
SELECT pg_temp.sleep('2u401', '"id":"again-at-last","bedtime_start":"2024-05-28T00:00:00Z","bedtime_stop":"2024-05-28T06:00:00Z","total":20000');
CALL wearables.drain();
SELECT string_agg(summary_id, ' ' ORDER BY summary_id) FILTER (WHERE NOT superseded) AS stand FROM wearables.summaries WHERE summary_id LIKE 'again-%';
SELECT pg_temp.sleep('2u402', '"id":"again-at-last","bedtime_start":"2024-05-27T20:00:00Z","bedtime_stop":"2024-05-28T06:00:00Z","total":26000');
CALL wearables.drain();
SELECT string_agg(summary_id, ' ' ORDER BY summary_id) FILTER (WHERE NOT superseded) AS stand FROM wearables.summaries WHERE summary_id LIKE 'again-%';
SELECT (SELECT count(*) FROM wearables.samples WHERE channel IN ('sleep', 'nap')) = sum(cardinality(samples)) AS as_claimed
FROM wearables.summaries WHERE NOT superseded;

-- two paths or none, and no lists
UPDATE wearables.resources SET session_end = NULL WHERE name = 'sleep';
UPDATE wearables.resources SET session_end = 'stages.*.end' WHERE name = 'sleep';

DROP EXTENSION wearables_ingest CASCADE;
