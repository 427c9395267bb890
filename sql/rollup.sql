-- rollup: charts that read rollups of past days give the answers that all samples give, at any moment: after late data,
-- corrections, removals and replays, in every zone and bucket, for every aggregate
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET extra_float_digits = 1;
CREATE EXTENSION wearables_ingest;
-- every day that has a sample is rolled up, and at once
SET wearables_ingest.rollup_delay = 0;
SET wearables_ingest.rollup_readings = 1;
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin') AS alice,
       wearables.register_user('bob') AS bob, wearables.register_user('carol') AS carol \gset
INSERT INTO wearables.metrics (name, unit, aggregate)
SELECT 'chart_' || a, '1', a FROM unnest('{avg,sum,min,max,last}'::text[]) a;
INSERT INTO wearables.metrics (name, unit, aggregate, parent) SELECT 'chart_' || a || '/child', '1', 'avg', 'chart_' || a
FROM unnest('{avg,sum,min,max,last}'::text[]) a;

-- Chance readings of the metrics of `who`, within the days from `first` on: three sources, ties, parts, second values,
-- offsets and calendar days. All are above 0, so that a sum loses nothing by its order.
CREATE PROCEDURE write(who bigint, metrics text, first date, days integer, number integer) LANGUAGE sql AS $$
  INSERT INTO wearables.samples (user_id, metric, ts, day, provider, source_type, part, value, value_secondary, tz_offset, version)
  SELECT $1, m.name, CASE WHEN r.chance < 0.9 THEN $3 + r.at END, CASE WHEN r.chance >= 0.9 THEN $3 + floor(random() * $4)::integer END,
         s.provider, 'watch', floor(random() * 3), 1 + random() * 200, CASE WHEN random() < 0.5 THEN 1 + random() END,
         CASE WHEN r.chance < 0.3 THEN 330 END, floor(random() * 3)
  FROM wearables.metrics m CROSS JOIN unnest('{garmin,oura,polar}'::text[]) s (provider)
  CROSS JOIN LATERAL (SELECT random() AS chance, floor(random() * $4 * 24 * 60 / 7) * interval '7 minutes' AS at
                      FROM generate_series(1, $5) WHERE m.metric_id > 0 AND s.provider > '') r
  WHERE m.name LIKE $2 $$;

-- The chart of all samples.
CREATE FUNCTION plain(who bigint, metric text, first timestamptz, last timestamptz, width text, zone text)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value float8, value_secondary float8,
               lowest float8, highest float8, readings bigint, unit text, partial boolean)
LANGUAGE sql SET wearables_ingest.use_rollups = off AS 'SELECT * FROM wearables.timeseries($1, $2, $3, $4, $5, $6)';

-- Lines that two answers to one chart tell differently, with rollups and without; sums may differ in their last bits.
CREATE FUNCTION differ(who bigint, metric text, first timestamptz, last timestamptz, width text, zone text) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FILTER (WHERE a.readings IS NULL OR b.readings IS NULL
    OR (a.unit, a.partial, a.lowest, a.highest, a.readings) IS DISTINCT FROM (b.unit, b.partial, b.lowest, b.highest, b.readings)
    OR abs(a.value - b.value) > CASE WHEN $2 ~ 'avg|sum' THEN 1e-12 * b.value ELSE 0 END
    OR (a.value_secondary IS NULL) <> (b.value_secondary IS NULL)
    OR abs(a.value_secondary - b.value_secondary) > CASE WHEN $2 ~ 'avg|sum' THEN 1e-12 * b.value_secondary ELSE 0 END)
  FROM wearables.timeseries($1, $2, $3, $4, $5, $6) a
  FULL JOIN plain($1, $2, $3, $4, $5, $6) b USING (bucket_start, provider, source_type, channel)
$$;

-- all charts of somebody, over ranges, widths and zones: how many there are, and how many differ
CREATE FUNCTION charts(who bigint, OUT charts bigint, OUT differ bigint) LANGUAGE sql AS $$
  SELECT count(*), sum(differ($1, 'chart_' || a.name, r.first, r.last, w.width, z.zone))
  FROM (VALUES ('avg'), ('sum'), ('min'), ('max'), ('last')) a (name)
  CROSS JOIN (VALUES ('6 hours'), ('day'), ('week')) w (width)
  CROSS JOIN (VALUES ('UTC'), ('Europe/Berlin'), ('America/New_York'), ('Asia/Kolkata'), ('Australia/Lord_Howe'), ('recorded')) z (zone)
  CROSS JOIN (VALUES (timestamptz '2025-03-20 00:00Z', timestamptz '2025-04-10 00:00Z'), ('2025-03-29 11:17Z', '2025-04-02 02:03Z'),
                     ('2025-10-24 22:00Z', '2025-10-28 23:00Z')) r (first, last) $$;
-- of the valid ones
CREATE VIEW rolled AS
SELECT u.client_user_id AS who, count(*) AS days, min(r.day), max(r.day)
FROM wearables_internal.rollups r JOIN wearables.users u USING (user_id)
WHERE r.epoch = (SELECT coalesce(max(x.reset_id), 0) FROM wearables_internal.rollup_resets x) GROUP BY 1 ORDER BY 1;

SELECT setseed(0.4711);
CALL write(:alice, 'chart%', '2025-03-25', 14, 400);
CALL write(:alice, 'chart%', '2025-10-24', 5, 100);
SELECT due_from, due_to, due_at <= now() AS is_due, rolled_from, rolled_to FROM wearables_internal.rollup_users;
SELECT * FROM rolled;
CALL wearables.drain();
SELECT * FROM rolled;
SELECT due_from, due_to, due_at, rolled_from, rolled_to FROM wearables_internal.rollup_users;
SELECT * FROM charts(:alice);
-- and they are read: what a rollup says is what is shown, here something wrong
BEGIN;
UPDATE wearables_internal.rollups r SET entries = o.entries
FROM wearables_internal.rollups o JOIN wearables.metrics m USING (metric_id)
WHERE m.name = 'chart_sum' AND o.day = '2025-03-27' AND (r.user_id, r.metric_id, r.day) = (o.user_id, o.metric_id, '2025-03-28');
SELECT differ(:alice, 'chart_sum', '2025-03-20Z', '2025-04-10Z', 'day', 'Europe/Berlin') > 0 AS are_read,
       differ(:alice, 'chart_sum', '2025-03-20Z', '2025-04-10Z', '30 minutes', 'Europe/Berlin') AS quarters_are_not,
       differ(:alice, 'chart_sum', '2025-03-20Z', '2025-04-10Z', 'day', 'Asia/Kolkata') AS half_hours_are_not,
       differ(:alice, 'chart_sum', '2025-03-20Z', '2025-04-10Z', 'day', 'recorded') AS recorded_is_not;
ROLLBACK;

-- late data and corrections: what they touch is read from samples until the next job
CALL write(:alice, 'chart_sum', '2025-04-01', 1, 3);
SELECT * FROM rolled;
SELECT * FROM charts(:alice);
-- the same again, a newer version of equal values: the version tells the last of two, so they go, too
SELECT count(*) AS days FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id) WHERE m.name = 'chart_last' AND r.day < '2025-10-01';
INSERT INTO wearables.samples (user_id, metric, ts, day, provider, source_type, part, value, value_secondary, tz_offset, version)
SELECT s.user_id, s.metric, CASE WHEN s.day IS NULL THEN s.ts END, s.day, s.provider, s.source_type, s.part, s.value, s.value_secondary, s.tz_offset, s.version + 7
FROM wearables.samples s WHERE s.metric = 'chart_last' AND s.part = 1 AND s.ts < '2025-03-27';
SELECT count(*) AS days FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id) WHERE m.name = 'chart_last' AND r.day < '2025-10-01';
SELECT * FROM charts(:alice);
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM charts(:alice);
-- what is refused as older touches nothing
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, part, value, version)
SELECT s.user_id, s.metric, s.ts, s.provider, s.source_type, s.part, s.value + 1, 0
FROM wearables.samples s WHERE s.metric = 'chart_last' AND s.version > 0 AND s.day IS NULL;
SELECT * FROM rolled;
SELECT due_from, due_to FROM wearables_internal.rollup_users;

-- in one transaction with the write, and gone with it; in a subtransaction, too
BEGIN;
CALL write(:alice, 'chart%', '2025-03-25', 14, 3);
SELECT * FROM rolled;
ROLLBACK;
SELECT * FROM rolled;
DO $$ BEGIN
  BEGIN
    CALL write(1, 'chart%', '2025-03-25', 14, 3);
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
END $$;
SELECT * FROM rolled;

-- SQL on the table itself: all rollups are void from then on, until each user was rolled up anew
SELECT count(*) AS resets FROM wearables_internal.rollup_resets;
DELETE FROM wearables.sample_points WHERE ts BETWEEN '2025-03-28 10:00Z' AND '2025-03-28 12:00Z';
SELECT * FROM rolled;
SELECT * FROM charts(:alice);
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM charts(:alice);
UPDATE wearables.sample_points SET value = value + 1 WHERE ts BETWEEN '2025-03-29 10:00Z' AND '2025-03-29 12:00Z';
SELECT * FROM charts(:alice);
CALL wearables.drain();
SELECT * FROM charts(:alice);
INSERT INTO wearables.sample_points SELECT :bob, ts, value, version, value_secondary, ts_end, metric_id, source_id, part, tz_offset FROM wearables.sample_points;
COPY wearables.sample_points (user_id, ts, value, version, metric_id, source_id, part) FROM stdin;
1	2025-03-27 10:10:10Z	17	1	1	1	0
\.
SELECT * FROM rolled;
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM charts(:bob);
SELECT sum(differ(:bob, 'chart_avg', '2025-03-20Z', '2025-04-10Z', w, z)) FROM unnest('{hour,3 hours,1 month}'::text[]) w, unnest('{UTC,Asia/Kathmandu,+05:00}'::text[]) z;
-- what no writer of ours stores: a calendar day at noon, and what is not a number
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, tz_offset, version)
SELECT :bob, m.metric_id, '2025-03-30 12:00Z', 1, 9, 5, NULL, 32767, 1 FROM wearables.metrics m WHERE m.name LIKE 'chart_m%';
CALL wearables.drain();
SELECT m.name, count(*) AS days FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id)
WHERE r.user_id = :bob AND m.name LIKE 'chart_m%' GROUP BY 1 ORDER BY 1;
SELECT * FROM charts(:bob);
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, value_secondary, version)
SELECT :bob, m.metric_id, x.ts, 1, 9, x.value, x.secondary, 1
FROM wearables.metrics m CROSS JOIN (VALUES ('2025-03-31 12:00Z', 'Infinity', NULL), (timestamptz '2025-04-01 12:00Z', 5::float8, 'NaN'::float8)) x (ts, value, secondary)
WHERE m.name LIKE 'chart_m%';
CALL wearables.drain();
SELECT m.name, count(*) AS days FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id)
WHERE r.user_id = :bob AND m.name LIKE 'chart_m%' GROUP BY 1 ORDER BY 1;
TRUNCATE wearables.sample_points;
SELECT * FROM rolled;
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM wearables.timeseries(:bob, 'chart_sum', '2025-03-20Z', '2025-04-10Z', 'month');

-- an event, a replay that removes what a changed mapping does not yield, and a document that a newer one replaces
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
CREATE FUNCTION send(made text, type text, data json) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(json_build_object('event_type', type, 'client_user_id', 'carol', 'data', data)::text, 'UTF8') body $$;
CREATE FUNCTION beats() RETURNS TABLE (day date, value float8, readings bigint) LANGUAGE sql AS $$
  SELECT wearables.day_of(t.bucket_start, 'UTC'), t.value, t.readings FROM wearables.timeseries(3, 'heartrate', '2024-01-01Z', '2025-01-01Z', 'day') t $$;
SELECT send('2t01', 'daily.data.heartrate.created', json_build_object('source', json_build_object('provider', 'garmin'), 'data',
  (SELECT json_agg(json_build_object('timestamp', timestamptz '2024-05-01Z' + i * interval '1 hour', 'value', 60 + i)) FROM generate_series(0, 47) i)));
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM beats();
-- a correction, then its replay
SELECT send('2t02', 'daily.data.heartrate.updated', json_build_object('source', json_build_object('provider', 'garmin'), 'data',
  json_build_array(json_build_object('timestamp', '2024-05-02T10:00:00Z', 'value', 200))));
CALL wearables.drain(1);
SELECT * FROM rolled;
SELECT * FROM beats();
CALL wearables.drain();
SELECT * FROM rolled;
SELECT unchanged, inserted, changed, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
SELECT * FROM rolled;
UPDATE wearables.mappings SET enabled = false WHERE resource = 'heartrate';
SELECT unchanged, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
SELECT * FROM rolled;
SELECT * FROM beats();
UPDATE wearables.mappings SET enabled = true WHERE resource = 'heartrate';
SELECT inserted, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
CALL wearables.drain();
SELECT * FROM rolled;
SELECT * FROM beats();

-- who may not see all samples gets the answer from those that he sees
CREATE ROLE rollup_reader;
SELECT wearables.grant_access('rollup_reader', 'reader');
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY;
CREATE POLICY mornings ON wearables.sample_points TO rollup_reader USING (extract(hour FROM ts AT TIME ZONE 'UTC') < 6);
SET ROLE rollup_reader;
SELECT * FROM beats();
RESET ROLE;
SELECT * FROM beats();
DROP POLICY mornings ON wearables.sample_points;
SET ROLE rollup_reader;
SELECT * FROM beats();
RESET ROLE;
ALTER TABLE wearables.sample_points DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON wearables.sample_points FROM rollup_reader;
SET ROLE rollup_reader;
\set VERBOSITY sqlstate
SELECT * FROM beats();
SELECT wearables.rebuild_rollups();
RESET ROLE;
\set VERBOSITY default
SELECT wearables.grant_access('rollup_reader', 'reader');
SET ROLE rollup_reader;
SELECT * FROM beats();
RESET ROLE;

-- off for a metric, and on again
SELECT wearables.set_rollups('heartrate', false);
SELECT * FROM rolled;
SELECT * FROM beats();
SELECT wearables.rebuild_rollups(:carol);
CALL wearables.drain();
SELECT * FROM rolled;
SELECT wearables.set_rollups('heartrate', true);
SELECT wearables.rebuild_rollups(:carol);
CALL wearables.drain();
SELECT * FROM rolled;
SELECT wearables.set_rollups('no such', true);
SELECT wearables.rebuild_rollups(42);
-- of all users
SELECT wearables.rebuild_rollups();
SELECT * FROM rolled;
SELECT * FROM beats();
CALL wearables.drain();
SELECT * FROM rolled;

-- the trigger is switched off, as pg_restore --disable-triggers does: rollups are not used until it is as it was
ALTER TABLE wearables.sample_points DISABLE TRIGGER ALL;
UPDATE wearables.sample_points SET value = 1;
SELECT * FROM beats();
ALTER TABLE wearables.sample_points ENABLE TRIGGER ALL;
SELECT * FROM beats();
SELECT problem, what, remedy, statement FROM wearables.problems WHERE problem LIKE 'rollup%';
CALL wearables.drain();
SELECT wearables.rebuild_rollups();
ALTER TABLE wearables.sample_points ENABLE ALWAYS TRIGGER reset_rollups;
SELECT count(*) FROM wearables.problems WHERE problem LIKE 'rollup%';
SELECT * FROM beats();
CALL wearables.drain();
SELECT * FROM beats();
-- nobody does the work
UPDATE wearables_internal.rollup_users SET due_at = now() - interval '7 hours';
SELECT problem, what, remedy, statement FROM wearables.problems WHERE problem LIKE 'rollup%';

-- today is not rolled up: the user is due when it is over
SELECT wearables.register_user('dave') AS dave \gset
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT :dave, 'heartrate', now() - i * interval '1 day', 60 + i FROM generate_series(0, 2) i;
SELECT due_at <= now() AS is_due FROM wearables_internal.rollup_users WHERE user_id = :dave;
CALL wearables.drain();
SELECT (now() AT TIME ZONE 'UTC')::date - r.day AS days_ago FROM wearables_internal.rollups r WHERE user_id = :dave ORDER BY 1;
SELECT due_from = (now() AT TIME ZONE 'UTC')::date AS from_today, due_at > (date_trunc('day', now(), 'UTC') + interval '1 day') AS tomorrow
FROM wearables_internal.rollup_users WHERE user_id = :dave;
-- fewer samples than are worth it are not rolled up
SET wearables_ingest.rollup_readings = 2;
SELECT wearables.rebuild_rollups(:dave);
CALL wearables.drain();
SELECT count(*) FROM wearables_internal.rollups WHERE user_id = :dave;
-- more than one job reads at a time
RESET wearables_ingest.rollup_readings;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT :dave, m, timestamptz '2025-01-01Z' + i * interval '1 minute', 20 + i % 20 FROM generate_series(0, 69999) i, unnest('{heartrate,respiratory_rate}'::text[]) m
WHERE i % 2 = 0 OR m = 'heartrate';
CALL wearables.drain(1);
SELECT jsonb_build_object('user_id', 0, 'from', argument -> 'from', 'day', argument -> 'day') || argument - 'user_id' - 'to' - 'metric_id' - 'day' - 'from' AS rest, state FROM wearables.jobs;
CALL wearables.drain();
SELECT m.name, count(*) AS days, min(r.day), max(r.day) FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id)
WHERE r.user_id = :dave GROUP BY 1 ORDER BY 1;
SELECT differ(:dave, 'heartrate', '2025-01-01Z', '2026-01-01Z', 'day', 'Europe/Berlin'), differ(:dave, 'respiratory_rate', '2025-01-01Z', '2026-01-01Z', 'week', 'UTC');

-- a chart of one line by hour leaves out totals of calendar days, from rollups, too: it had a row of 5000 at 00:00, too
SET wearables_ingest.rollup_delay = 0;
SET wearables_ingest.rollup_readings = 1;
INSERT INTO wearables.samples (user_id, metric, ts, provider, value) VALUES (:dave, 'steps', '2025-03-01 05:00Z', 'garmin', 70);
INSERT INTO wearables.samples (user_id, metric, day, provider, source_type, value) VALUES (:dave, 'steps', '2025-03-01', 'oura', 'ring', 5000);
CALL wearables.drain();
SELECT count(*) AS rolled FROM wearables_internal.rollups r JOIN wearables.metrics m USING (metric_id) WHERE r.user_id = :dave AND m.name = 'steps';
SELECT bucket_start, provider, value FROM wearables.timeseries(:dave, 'steps', '2025-03-01Z', '2025-03-02Z', 'hour', 'UTC', merge => 'best');

\c - -
DROP VIEW rolled;
DROP FUNCTION differ, charts, plain, send, beats;
DROP PROCEDURE write;
DROP EXTENSION wearables_ingest CASCADE;
DROP OWNED BY rollup_reader;
DROP ROLE rollup_reader;
