-- replay: write again what was received, under the mappings of now
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
CREATE FUNCTION pg_temp.beats(made text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'heartrate', format('{"source":{"provider":"garmin","type":"watch"},"data":[%s]}', data)) $$;
PREPARE samples AS SELECT metric, ts, value FROM wearables.samples ORDER BY metric, ts;

-- nothing to replay is a row of zeros, and so are ids that no event has
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
SELECT (wearables.replay(id)).* FROM (VALUES (4711::bigint), (NULL), (-1)) v (id);

-- an event that waits in the queue can be replayed, too; its job then finds nothing to do
SELECT pg_temp.beats('2t01', '{"timestamp":"2024-05-01T08:00:00Z","value":60}, {"timestamp":"2024-05-01T08:01:00Z","value":61,"unit":"?"}');
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
CALL wearables.drain();
SELECT status, inserted, unchanged, quarantined FROM wearables.webhook_events;
-- an id that is given twice is replayed once
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events, generate_series(1, 3);

-- one of each: skipped, parked, failed; the bad one does not undo the good one
SELECT pg_temp.send('2t02', 'horoscope', '{}', 'stranger'), pg_temp.send('2t03', 'heartrate', '{}', 'stranger'), pg_temp.send('2t04', 'heartrate', '{'),
       pg_temp.beats('2t05', '{"timestamp":"2024-05-01T08:05:00Z","value":65}');
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
SELECT substr(message_id, 5, 4) AS made, status, note, error FROM wearables.webhook_events ORDER BY event_id;
SELECT event_id FROM wearables.parked_events ORDER BY event_id;
EXECUTE samples;
CALL wearables.drain();

-- the queue may do it at low priority
SELECT wearables_internal.enqueue_event(event_id, received_at, 'replay', 10) FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t01%';
CALL wearables.drain();

-- Orphans: what an event wrote and the mappings of now do not yield is removed; what others wrote stays.
UPDATE wearables.mappings SET value_fields = '{value,estimate}' WHERE resource = 'heartrate';
SELECT pg_temp.beats('2t06', '{"timestamp":"2024-05-01T09:00:00Z","value":70}, {"timestamp":"2024-05-01T09:01:00Z","value":71}');
-- this newer one overtakes the older at 09:00 with a mere estimate
SELECT pg_temp.beats('2t07', '{"timestamp":"2024-05-01T09:00:00Z","estimate":99}, {"timestamp":"2024-05-01T09:02:00Z","estimate":98}, {"timestamp":"2024-05-01T09:03:00Z","value":73}');
CALL wearables.drain();
EXECUTE samples;
-- estimates are readings no more: the newer event lets go first, so the older one gets its key back
UPDATE wearables.mappings SET value_fields = '{value}' WHERE resource = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE status = 'processed' AND revision < wearables.revision();
EXECUTE samples;

-- another metric from the same field: the samples move
INSERT INTO wearables.metrics (name, unit) VALUES ('pulse', '/min');
INSERT INTO wearables.units (metric, text) VALUES ('pulse', 'bpm');
UPDATE wearables.mappings SET metric = 'pulse' WHERE resource = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE status = 'processed' AND revision < wearables.revision();
EXECUTE samples;
UPDATE wearables.mappings SET metric = 'heartrate' WHERE resource = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE status = 'processed' AND revision < wearables.revision();
EXECUTE samples;

-- a correction by hand is newer than every event: a replay does not touch it
INSERT INTO wearables.samples (user_id, metric, ts, value, provider, source_type) VALUES (1, 'heartrate', '2024-05-01T09:03:00Z', 74, 'garmin', 'watch');
SELECT (wearables.replay(event_id)).stale FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t07%';
SELECT value FROM wearables.samples WHERE ts = '2024-05-01T09:03:00Z';

-- the whole resource switched off and on again
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE samples;
UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'heartrate';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE samples;

-- a replay is one transaction
BEGIN;
DELETE FROM wearables.sample_points;
SELECT (wearables.replay(event_id)).inserted FROM wearables.webhook_events;
ROLLBACK;
EXECUTE samples;

-- the series can be made anew from the raw store alone
DELETE FROM wearables.sample_points;
SELECT (wearables.replay(event_id)).inserted FROM wearables.webhook_events;
EXECUTE samples;

-- a month of minutes, a day an event: handled again it writes no row version, marks no event, and leaves next to nothing in
-- the log of the server (a page that is read may be tidied up)
SELECT count(pg_temp.beats('2t1' || chr(ascii('0') + day / 10) || day % 10, (
         SELECT string_agg(format('{"timestamp":"%s","value":%s}', to_char(timestamp '2024-06-01' + (day * 1440 + minute) * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 50 + minute % 97), ',')
         FROM generate_series(0, 1439) minute))) AS days
FROM generate_series(0, 29) day;
CALL wearables.drain();
SELECT count(*) FROM wearables.sample_points WHERE ts >= '2024-06-01';
CREATE FUNCTION pg_temp.wal_of(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  told json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) ' || statement INTO told;
  RETURN told -> 0 -> 'Plan' ->> 'WAL Bytes';
END $$;
PREPARE written AS SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) AS row_versions FROM pg_stat_xact_user_tables WHERE schemaname = 'wearables';
-- what was counted before is handed over
DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$;
BEGIN;
SELECT r.events, r.processed, r.unchanged FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%') r;
EXECUTE written;
SELECT pg_temp.wal_of($$SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%'$$) < 43200 AS below_a_byte_a_row;
EXECUTE written;
-- the measure itself can tell
UPDATE wearables.sample_points SET value = 1 WHERE ts = '2024-06-01 00:00Z';
SELECT pg_temp.wal_of($$SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%'$$) > 0 AS writes;
EXECUTE written;
ROLLBACK;

-- its two halves are of no use apart: their type "internal" cannot be given from SQL
DO $$
BEGIN
  EXECUTE 'SELECT wearables_internal.replay_step(NULL::internal, 1)';
EXCEPTION
  -- which of the two, the minor version decides
  WHEN cannot_coerce OR feature_not_supported THEN RAISE WARNING 'refused';
END $$;

DROP EXTENSION wearables_ingest CASCADE;
