-- retention: what policies do not keep is dropped, as retention_plan() said, and does not come back; charts go on to
-- show it by its frozen rollups
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SET wearables_ingest.rollup_delay = 0;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice, wearables.register_user('bob') AS bob \gset
CREATE FUNCTION day(ago integer) RETURNS timestamptz LANGUAGE sql AS $$ SELECT date_trunc('day', now(), 'UTC') - ago * interval '24 hours' $$;
CREATE FUNCTION send(id text, at timestamptz, value float8) RETURNS text LANGUAGE sql AS $$
  SELECT r.status FROM (SELECT convert_to(json_build_object('event_type', 'daily.data.heartrate.created', 'client_user_id', 'alice', 'user_id', 'a-1', 'data',
    json_build_object('source', json_build_object('provider', 'garmin'), 'data', json_build_array(
      json_build_object('timestamp', at, 'value', value))))::text, 'UTF8') AS b) x,
  wearables.receive(wearables.signed_headers(id, now(), x.b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), x.b) r $$;

-- 40 days of two metrics and a sub-metric, an hour apart, and totals of calendar days
INSERT INTO wearables.metrics (name, unit, aggregate, parent) VALUES ('heartrate/chest', 'bpm', 'avg', 'heartrate');
INSERT INTO wearables.samples (user_id, metric, ts, provider, value, version)
SELECT u.user_id, m, day(40) + i * interval '1 hour' + interval '7 minutes', 'garmin', 50 + i % 100, 1
FROM wearables.users u, unnest('{heartrate,heartrate/chest,steps}'::text[]) m, generate_series(0, 40 * 24 - 1) i;
INSERT INTO wearables.samples (user_id, metric, day, provider, source_type, value, version)
SELECT u.user_id, 'steps', (day(40) + i * interval '24 hours')::date, 'oura', 'ring', 1000 + i, 1
FROM wearables.users u, generate_series(0, 39) i;
CALL wearables.drain();

CREATE TABLE charts AS
SELECT u.user_id, m.metric, b.bucket, z.zone, t.*
FROM wearables.users u, unnest('{heartrate,steps}'::text[]) m (metric), unnest('{hour,day,week}'::text[]) b (bucket),
     unnest('{UTC,Europe/Berlin}'::text[]) z (zone),
     wearables.timeseries(u.user_id, m.metric, day(41), day(0), b.bucket, z.zone) t;
-- charts that show something else now
CREATE VIEW changed AS
SELECT c.metric, count(*) FROM (
  (SELECT * FROM charts EXCEPT
   SELECT u.user_id, m.metric, b.bucket, z.zone, t.*
   FROM wearables.users u, unnest('{heartrate,steps}'::text[]) m (metric), unnest('{hour,day,week}'::text[]) b (bucket),
     unnest('{UTC,Europe/Berlin}'::text[]) z (zone),
     wearables.timeseries(u.user_id, m.metric, day(41), day(0), b.bucket, z.zone) t)) c
GROUP BY c.metric;
SELECT * FROM changed;

-- a policy is planned before it is enabled
INSERT INTO wearables.retention_policies (target, keep_days) VALUES ('samples', 30);
INSERT INTO wearables.retention_policies (target, metric, keep_days) VALUES ('samples', 'heartrate', 20);
SELECT wearables.apply_retention() AS queued;
CALL wearables.drain();
SELECT count(*) AS samples FROM wearables.sample_points;
SELECT * FROM wearables.retention_floors;
CREATE TABLE planned AS SELECT * FROM wearables.retention_plan();
SELECT policy_id, target, object, before = day(CASE policy_id WHEN 1 THEN 30 ELSE 20 END) AS before, drops_rows, drops_bytes > drops_rows * 60 AS bytes FROM planned;

-- enabled, it drops what was planned, in batches
UPDATE wearables.retention_policies SET enabled = true;
CALL wearables.drain();
SELECT p.policy_id, p.dropped_rows, p.dropped_rows = sum(n.drops_rows) AS rows, p.dropped_bytes = sum(n.drops_bytes) AS bytes, p.applied_at IS NOT NULL AS applied,
       p.next_at > now() AS tomorrow, p.error, p.blocked
FROM wearables.retention_policies p JOIN planned n USING (policy_id) GROUP BY p.policy_id ORDER BY 1;
SELECT s.user_id, s.metric, min(s.ts) = day(CASE WHEN s.metric LIKE 'heart%' THEN 20 ELSE 30 END) + CASE WHEN s.metric = 'steps' THEN interval '0' ELSE '7 minutes' END AS first, count(*)
FROM wearables.samples s GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS plan FROM wearables.retention_plan();
SELECT CASE f.metric_id WHEN 0 THEN 'others' ELSE m.name END AS metric, f.floor = day(30) AS at_30, f.floor = day(20) AS at_20
FROM wearables.retention_floors f LEFT JOIN wearables.metrics m USING (metric_id) WHERE f.metric_id = 0 OR m.name IN ('heartrate', 'heartrate/chest', 'steps', 'hrv_rmssd') ORDER BY 1;
SELECT count(*) AS jobs FROM wearables.jobs;

-- charts show what they showed: without the frozen rollups, half of it would be gone
SELECT * FROM changed;
SELECT count(*) AS frozen, bool_and(cardinality(source_ids) > 0) AS sources FROM wearables.frozen_rollups;
SELECT count(*) AS below FROM wearables_internal.rollups r JOIN wearables.retention_floors f USING (metric_id) WHERE r.day < (f.floor AT TIME ZONE 'UTC')::date;
-- an hour that the range or the bucket cuts counts where its last reading lies; merged charts, and those of persons, are made of the same
SELECT count(*), sum(readings) FROM wearables.timeseries(:alice, 'heartrate/chest', day(39) + interval '30 minutes', day(39) + interval '3 hours', '15 minutes', 'UTC');
SELECT count(*), sum(readings) FROM wearables.timeseries(:alice, 'heartrate/chest', day(38), day(36), 'day', 'Asia/Kolkata');
SELECT count(*), sum(readings) FROM wearables.timeseries(:alice, 'heartrate/chest', day(38), day(36), 'day', 'recorded');
SELECT count(*), sum(readings) FROM wearables.timeseries(:alice, 'steps', day(38), day(36), 'hour', 'UTC', merge => 'best');
SET wearables_ingest.use_rollups = off;
SELECT count(*), sum(readings) FROM wearables.timeseries(:alice, 'heartrate/chest', day(38), day(36), 'day', 'UTC');
RESET wearables_ingest.use_rollups;

-- nothing brings it back: an import, a late event, its replay
INSERT INTO wearables.samples (user_id, metric, ts, provider, value) VALUES
  (:alice, 'heartrate', day(20) - interval '1 us', 'garmin', 70), (:alice, 'heartrate', day(20), 'garmin', 71), (:alice, 'hrv_rmssd', day(31), 'garmin', 40);
SELECT metric, value FROM wearables.samples WHERE user_id = :alice AND version > 1;
SELECT send('late-1', day(25), 77), send('late-2', day(5), 78);
CALL wearables.drain();
SELECT event_id, status, inserted, stale FROM wearables.webhook_events ORDER BY event_id;
SELECT wearables.replay(1);
SELECT status, inserted, changed, stale FROM wearables.webhook_events WHERE event_id = 1;
SELECT count(*) AS below FROM wearables.sample_points s JOIN wearables.retention_floors f USING (metric_id) WHERE s.ts < f.floor;
-- a metric that is added later has the floor of its parent, else that of all others
INSERT INTO wearables.metrics (name, unit, parent) VALUES ('heartrate/arm', 'bpm', 'heartrate');
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1');
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (:bob, 'heartrate/arm', day(21), 60), (:bob, 'heartrate/arm', day(19), 60), (:bob, 'mood', day(31), 3), (:bob, 'mood', day(29), 4);
SELECT metric, count(*) FROM wearables.samples WHERE metric IN ('heartrate/arm', 'mood') GROUP BY 1 ORDER BY 1;

-- frozen is frozen: rollups made anew, and samples that SQL has written past the writer
SELECT wearables.rebuild_rollups();
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, version)
SELECT user_id, metric_id, day(39) + interval '9 minutes', source_id, 0, 999, 1 FROM wearables.sample_points JOIN wearables.metrics USING (metric_id) WHERE name = 'steps' AND user_id = :alice LIMIT 1;
CALL wearables.drain();
SELECT * FROM changed WHERE metric = 'steps';
SELECT wearables.apply_retention() AS queued;
CALL wearables.drain();
SELECT count(*) AS below FROM wearables.sample_points s JOIN wearables.retention_floors f USING (metric_id) WHERE s.ts < f.floor;

-- a floor never moves back, whatever becomes of its policy
UPDATE wearables.retention_policies SET keep_days = 100 WHERE policy_id = 1;
DELETE FROM wearables.retention_policies WHERE policy_id = 2;
CALL wearables.drain();
SELECT CASE f.metric_id WHEN 0 THEN 'others' ELSE m.name END AS metric, f.floor = day(30) AS at_30, f.floor = day(20) AS at_20
FROM wearables.retention_floors f LEFT JOIN wearables.metrics m USING (metric_id) WHERE f.metric_id = 0 OR m.name IN ('heartrate', 'steps') ORDER BY 1;
-- by hand, for what another extension drops
SELECT wearables.raise_retention_floor((day(10) AT TIME ZONE 'UTC')::date, 'heartrate'), wearables.raise_retention_floor((day(15) AT TIME ZONE 'UTC')::date, 'heartrate');
INSERT INTO wearables.samples (user_id, metric, ts, provider, value) VALUES (:bob, 'heartrate', day(11), 'polar', 70);
SELECT count(*) FROM wearables.samples WHERE user_id = :bob AND provider = 'polar';
-- what was dropped is not asked for again
SELECT wearables.register_user('carol') AS carol \gset
SELECT (now() AT TIME ZONE 'UTC')::date - c.day AS ago, c.how FROM wearables.coverage(:carol, 'steps', (day(32) AT TIME ZONE 'UTC')::date, (day(28) AT TIME ZONE 'UTC')::date) c ORDER BY 1 DESC;
SELECT wearables.raise_retention_floor('2100-01-01');
SELECT wearables.raise_retention_floor('2020-01-01', 'nonsense');

-- a metric that is kept longer than all others is so from the moment at which their floor moves: its policy comes later
INSERT INTO wearables.metrics (name, unit) VALUES ('calm', '1');
INSERT INTO wearables.retention_policies (target, metric, keep_days, enabled) VALUES ('samples', 'calm', 365, true);
SELECT wearables.apply_retention() AS queued;
CALL wearables.drain(1);
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (:bob, 'calm', day(200), 60);
SELECT count(*) FROM wearables.samples WHERE metric = 'calm';
CALL wearables.drain();

-- neither the metric nor the source of frozen rollups can go
INSERT INTO wearables.retention_policies (target, metric, keep_days, enabled) VALUES ('samples', 'heartrate/chest', 1, true);
CALL wearables.drain();
DELETE FROM wearables.sample_points s USING wearables.metrics m WHERE m.metric_id = s.metric_id AND m.name = 'heartrate/chest';
DELETE FROM wearables.metrics WHERE name = 'heartrate/chest';
SELECT wearables.reclaim_names(), wearables.reclaim_names();
SELECT count(*) FROM wearables.sources WHERE provider IN ('garmin', 'oura');
-- without rollups, they go, too; then the metric can go, and its floor with it
UPDATE wearables.retention_policies SET keep_rollups = false WHERE metric = 'heartrate/chest';
SELECT object, drops_rows FROM wearables.retention_plan() WHERE object LIKE '%frozen%';
CALL wearables.drain();
SELECT count(*) FROM wearables.frozen_rollups JOIN wearables.metrics USING (metric_id) WHERE name = 'heartrate/chest';
SELECT metric_id AS chest FROM wearables.metrics WHERE name = 'heartrate/chest' \gset
DELETE FROM wearables.metrics WHERE name = 'heartrate/chest';
SELECT count(*) FROM wearables.retention_floors WHERE metric_id = :chest;

-- nor can a metric that a reading has added, as long as it has a policy, or a floor that it would not have anew
SELECT r.status FROM (SELECT convert_to(json_build_object('event_type', 'daily.data.cholesterol.created', 'client_user_id', 'alice', 'user_id', 'a-1', 'data',
  json_build_object('source', json_build_object('provider', 'garmin'), 'data', json_agg(json_build_object('timestamp', day(12), 'value', 1, 'unit', 'mmol/L', 'type', k))))::text, 'UTF8') AS b
  FROM unnest('{apo_a,apo_b,lp_a}'::text[]) k) x,
  wearables.receive(wearables.signed_headers('lipids', now(), x.b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), x.b) r;
CALL wearables.drain();
INSERT INTO wearables.retention_policies (target, metric, keep_days, keep_rollups, enabled) VALUES ('samples', 'cholesterol/apo_a', 10, false, true);
CALL wearables.drain();
SELECT wearables.raise_retention_floor((day(10) AT TIME ZONE 'UTC')::date, 'cholesterol/apo_b');
DELETE FROM wearables.sample_points s USING wearables.metrics m WHERE m.metric_id = s.metric_id AND m.name LIKE 'cholesterol/%';
SELECT wearables.reclaim_names() IS NOT NULL, wearables.reclaim_names() IS NOT NULL;
SELECT name FROM wearables.metrics WHERE name ~ '^cholesterol/(apo|lp)_' ORDER BY 1;
SELECT metric FROM wearables.retention_policies WHERE metric LIKE 'chol%';

-- an erasure takes them
SELECT count(*) > 0 AS frozen FROM wearables.frozen_rollups WHERE user_id = :bob;
SELECT wearables.erase_user(:bob);
CALL wearables.drain();
SELECT count(*) AS frozen FROM wearables.frozen_rollups WHERE user_id = :bob;

-- the ledger: ids that hold their time, and others, which stay for 90 days
SELECT send('other-1', day(1), 60), send('other-2', day(1), 60), send('msg_' || rpad('2t02', 27, '0'), '2024-01-01Z', 78);
CALL wearables.drain();
UPDATE wearables.deliveries SET last_seen = CASE message_id WHEN 'other-2' THEN day(91) WHEN 'late-2' THEN day(90) ELSE day(11) END;
INSERT INTO wearables.retention_policies (target, keep_days) VALUES ('deliveries', 10), ('quarantine', 10), ('connection_events', 10);
INSERT INTO wearables.quarantine (event_id, ordinal, pointer, reason, refused_at) VALUES (1, 0, '/a', 'missing_value', day(10) - interval '1 us'), (2, 0, '/a', 'missing_value', day(10));
-- a former id of a person is kept for erasures
INSERT INTO wearables.connection_events (user_id, provider, kind, actor, endpoint, external_user_id, at, version) VALUES
  (:alice, 'oura', 'connected', 'vendor', 'junction', 'a-1', day(11), 1), (:alice, 'oura', 'connected', 'vendor', 'junction', 'a-0', day(11), 1),
  (:alice, 'oura', 'connected', 'operator', NULL, NULL, day(11), 1), (:alice, 'oura', 'connected', 'vendor', 'junction', 'a-1', day(9), 1);
CREATE TABLE planned_3 AS SELECT * FROM wearables.retention_plan() WHERE target <> 'samples';
SELECT target, drops_rows FROM planned_3 ORDER BY 1;
UPDATE wearables.retention_policies SET enabled = true WHERE keep_days = 10;
CALL wearables.drain();
SELECT p.target, p.dropped_rows = n.drops_rows AS rows, p.dropped_bytes = n.drops_bytes AS bytes FROM wearables.retention_policies p JOIN planned_3 n USING (policy_id) ORDER BY 1;
SELECT message_id FROM wearables.deliveries ORDER BY 1;
SELECT event_id FROM wearables.quarantine;
SELECT external_user_id, at = day(11) AS old FROM wearables.connection_events ORDER BY 1, 2;
-- the same message again is another event of the same version
SELECT send('msg_' || rpad('2t02', 27, '0'), '2024-01-01Z', 78);
CALL wearables.drain();
SELECT count(*), count(DISTINCT version) AS versions FROM wearables.webhook_events WHERE message_id LIKE 'msg%';

-- raw events: a week goes when all of its events may, and none waits
UPDATE wearables.webhook_events SET received_at = '2024-05-01 12:00Z' WHERE event_id = 1;
UPDATE wearables.webhook_events SET received_at = '2024-05-08 12:00Z', status = 'failed' WHERE event_id = 2;
SELECT wearables.make_event_partitions();
INSERT INTO wearables.retention_policies (target, endpoint, keep_days, enabled) VALUES ('webhook_events', 'junction', 30, true);
INSERT INTO wearables.retention_policies (target, resource, keep_days) VALUES ('webhook_events', 'sleep', 10);
CREATE TABLE planned_4 AS SELECT * FROM wearables.retention_plan() WHERE target = 'webhook_events';
SELECT target, object, before, drops_rows, drops_bytes > 8192 AS bytes, blocked FROM planned_4;
CALL wearables.drain();
SELECT p.dropped_rows, p.dropped_bytes = n.drops_bytes AS bytes, p.blocked FROM wearables.retention_policies p JOIN planned_4 n USING (policy_id) WHERE n.blocked IS NULL;
SELECT event_id, status FROM wearables.webhook_events WHERE received_at < '2025-01-01' ORDER BY 1;
SELECT to_regclass('wearables.webhook_events_20240429') AS gone, to_regclass('wearables.webhook_events_20240506') AS kept;
-- once it is settled, it goes with the next application
UPDATE wearables.webhook_events SET status = 'processed' WHERE event_id = 2;
SELECT wearables.apply_retention();
CALL wearables.drain();
SELECT to_regclass('wearables.webhook_events_20240506') AS gone;
SELECT dropped_rows, blocked FROM wearables.retention_policies WHERE target = 'webhook_events' AND enabled;
-- a batch looks at one week, so that no later one is read again for each of those before
INSERT INTO wearables.webhook_events (received_at, version, status, endpoint, message_id, payload) VALUES
  ('2024-05-08 12:00Z', 1, 'failed', 'junction', 'week-1', ''), ('2024-05-15 12:00Z', 1, 'processed', 'junction', 'week-2', '');
SELECT wearables.make_event_partitions() > 0 AS made;
SELECT wearables_internal.apply_some_retention(jsonb_build_object('policy_id', policy_id, 'place', 0)) FROM wearables.retention_policies WHERE target = 'webhook_events' AND enabled;
SELECT to_regclass('wearables.webhook_events_20240506') AS failed, to_regclass('wearables.webhook_events_20240513') AS not_yet;
CALL wearables.drain();
SELECT to_regclass('wearables.webhook_events_20240506') AS failed, to_regclass('wearables.webhook_events_20240513') AS gone;
SELECT blocked FROM wearables.retention_policies WHERE target = 'webhook_events' AND enabled;

-- an endpoint does not take its policy away, without which a shorter one would drop what it has kept
SELECT wearables.add_endpoint('spare');
INSERT INTO wearables.retention_policies (target, endpoint, keep_days) VALUES ('webhook_events', 'spare', 36500);
DELETE FROM wearables.endpoints WHERE name = 'spare';
UPDATE wearables.endpoints SET name = 'renamed' WHERE name = 'spare';
DELETE FROM wearables.retention_policies WHERE endpoint = 'renamed';
DELETE FROM wearables.endpoints WHERE name = 'renamed';

-- what is no policy
\set VERBOSITY terse
INSERT INTO wearables.retention_policies (target, metric, keep_days) VALUES ('deliveries', 'steps', 1);
INSERT INTO wearables.retention_policies (target, resource, keep_days) VALUES ('samples', 'sleep', 1);
INSERT INTO wearables.retention_policies (target, resource, keep_days) VALUES ('webhook_events', 'slep', 1);
INSERT INTO wearables.retention_policies (target, keep_days) VALUES ('samples', 0);
INSERT INTO wearables.retention_policies (target, keep_days) VALUES ('samples', 7);
\set VERBOSITY default
DROP VIEW changed;
DROP TABLE charts, planned, planned_3, planned_4;
DROP FUNCTION send(text, timestamptz, float8);
DROP EXTENSION wearables_ingest CASCADE;
DROP FUNCTION day;
