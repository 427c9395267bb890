-- write: whatever sample_points has become, the same events leave the same state and the same counts
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice'), wearables.register_user('bob');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data jsonb, who text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(jsonb_build_object('event_type', 'daily.data.' || resource || '.created', 'client_user_id', who,
    'data', jsonb_build_object('source', jsonb_build_object('provider', 'garmin', 'type', 'watch'), 'data', data))::text, 'UTF8') body $$;

-- Beats every "step" seconds from "first" on, more than a page holds; some with an offset.
CREATE FUNCTION pg_temp.beats(first int, last int, step int, base int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_agg(jsonb_build_object('timestamp', timestamptz '2024-05-01' + i * interval '1 second', 'value', base + i % 7)
                   || CASE WHEN i % 3 = 0 THEN '{"timezone_offset":3600}' ELSE '{}' END::jsonb)
  FROM generate_series(first, last, step) i $$;

CREATE FUNCTION pg_temp.pairs(base int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_agg(jsonb_build_object('timestamp', timestamptz '2024-05-01' + i * interval '1 hour', 'systolic', base + i % 2, 'diastolic', 80,
                                      'unit', 'mmHg'))
  FROM generate_series(1, 10) i $$;

CREATE FUNCTION pg_temp.spans() RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_agg(jsonb_build_object('start', timestamptz '2024-05-01' + i * interval '1 hour',
                                      'end', timestamptz '2024-05-01' + i * interval '1 hour' + interval '10 min', 'value', i))
  FROM generate_series(1, 10) i $$;

-- What the writer says that it did is what has become of the table, counts and spans alike.
CREATE TEMP TABLE former AS SELECT * FROM wearables.sample_points WITH NO DATA;
CREATE TEMP TABLE comparisons (step text, counts boolean, spans boolean);
CREATE FUNCTION pg_temp.compare(step text, r wearables.replay_totals) RETURNS void LANGUAGE sql AS $$
  INSERT INTO comparisons
  SELECT step,
         (count(*) FILTER (WHERE o.user_id IS NULL), count(*) FILTER (WHERE (o.value, o.value_secondary, o.ts_end, o.tz_offset) IS DISTINCT FROM (n.value, n.value_secondary, n.ts_end, n.tz_offset)
                                                                      AND o.user_id IS NOT NULL AND n.user_id IS NOT NULL),
          count(*) FILTER (WHERE (o.value, o.value_secondary, o.ts_end, o.tz_offset) IS NOT DISTINCT FROM (n.value, n.value_secondary, n.ts_end, n.tz_offset) AND o.version < n.version),
          count(*) FILTER (WHERE n.user_id IS NULL)) = ((r).inserted, (r).changed, (r).confirmed, (r).removed),
         NOT EXISTS (
           SELECT FROM wearables.webhook_events e
           CROSS JOIN LATERAL (SELECT min(p.ts) AS from_ts, max(p.ts) AS to_ts, array_agg(DISTINCT p.metric_id) AS metrics FROM wearables.sample_points p
                               WHERE p.user_id = e.user_id AND p.version = e.version) w
           WHERE w.from_ts < e.wrote_from OR w.to_ts > e.wrote_to OR NOT w.metrics <@ e.wrote_metrics
              OR step = 'new' AND (w.from_ts, w.to_ts, w.metrics) IS DISTINCT FROM (e.wrote_from, e.wrote_to, e.wrote_metrics))
  FROM former o FULL JOIN wearables.sample_points n USING (user_id, metric_id, ts, source_id, part) $$;

-- What is received is written at once, by a replay of what has not been handled.
CREATE FUNCTION pg_temp.write(step text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r wearables.replay_totals;
BEGIN
  TRUNCATE former;
  INSERT INTO former SELECT p.user_id, p.ts, p.value, p.version, p.value_secondary, p.ts_end, p.metric_id, p.source_id, p.part, p.tz_offset FROM wearables.sample_points p;
  SELECT (t).* INTO r FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events WHERE revision IS NULL OR step = 'all again') t;
  PERFORM pg_temp.compare(step, r);
  RETURN format('%s: %s inserted, %s changed, %s confirmed, %s unchanged, %s stale; ', step, r.inserted, r.changed, r.confirmed, r.unchanged, r.stale);
END $$;

CREATE TEMP TABLE outcomes (form text, counts text, rows bigint, state text);
CREATE FUNCTION pg_temp.tell(form text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  counts text;
  told text;
BEGIN
  TRUNCATE wearables.webhook_events, wearables.deliveries, wearables.jobs;
  DELETE FROM wearables.sample_points;
  PERFORM pg_temp.send('2t02', 'heartrate', pg_temp.beats(0, 5990, 10, 60), 'alice'), pg_temp.send('2t02b', 'heartrate', pg_temp.beats(0, 500, 10, 60), 'bob'),
          pg_temp.send('2t02p', 'blood_pressure', pg_temp.pairs(120), 'alice'), pg_temp.send('2t02s', 'steps', pg_temp.spans(), 'alice');
  counts := pg_temp.write('new');
  -- equal values for the first half, others and more of them for the second
  PERFORM pg_temp.send('2t04', 'heartrate', pg_temp.beats(0, 2990, 10, 60), 'alice');
  counts := counts || pg_temp.write('the same in a newer one');
  PERFORM pg_temp.send('2t03', 'heartrate', pg_temp.beats(2000, 7000, 5, 70), 'alice'), pg_temp.send('2t03p', 'blood_pressure', pg_temp.pairs(121), 'alice');
  counts := counts || pg_temp.write('others in one between');
  PERFORM pg_temp.send('2t01', 'heartrate', pg_temp.beats(-50, 7100, 50, 80), 'alice');
  counts := counts || pg_temp.write('an older one, late');
  counts := counts || pg_temp.write('all again');
  INSERT INTO outcomes
  SELECT form, counts, count(*), md5(string_agg(concat_ws(' ', p.user_id, p.metric_id, p.ts, p.source_id, p.value, p.value_secondary, p.ts_end, p.tz_offset, p.version), ','
                                                ORDER BY p.user_id, p.metric_id, p.ts, p.source_id))
  FROM wearables.sample_points p;
  SELECT format('%s counts, %s rows, %s state', CASE WHEN o.counts = p.counts THEN 'same' ELSE 'OTHER' END, o.rows, CASE WHEN o.state = p.state THEN 'same' ELSE 'OTHER' END)
  INTO STRICT told FROM outcomes o, outcomes p WHERE o.form = $1 AND p.form = 'plain';
  RETURN told;
END $$;

-- a plain heap table is read and written without the executor
SELECT pg_temp.tell('plain');
SELECT regexp_split_to_table(counts, '; ') AS counts, rows FROM outcomes;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.tell('plain, serializable');
COMMIT;
SET wearables_ingest.chunk_rows = 100;
SELECT pg_temp.tell('plain, in small chunks');
RESET wearables_ingest.chunk_rows;
CREATE INDEX by_time ON wearables.sample_points (ts, version);
SELECT pg_temp.tell('plain, one more index');
DROP INDEX wearables.by_time;

-- a trigger sees each row that is written, and none that is not
CREATE TEMP TABLE seen (event text, rows bigint);
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO seen VALUES (TG_OP, 1);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON wearables.sample_points FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT pg_temp.tell('trigger');
SELECT event, sum(rows) AS rows FROM seen GROUP BY 1 ORDER BY 1;
DROP TRIGGER note ON wearables.sample_points;

-- this one does not bind the owner, and leaves the way as it is
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY;
SELECT pg_temp.tell('row security');
ALTER TABLE wearables.sample_points DISABLE ROW LEVEL SECURITY;

ALTER TABLE wearables.sample_points ADD CONSTRAINT sane CHECK (value < 1000);
SELECT pg_temp.tell('check');
ALTER TABLE wearables.sample_points DROP CONSTRAINT sane;

BEGIN;
ALTER TABLE wearables.sample_points ADD COLUMN note text DEFAULT 'mine';
SELECT pg_temp.tell('one more column');
ROLLBACK;

ALTER TABLE wearables.sample_points ALTER COLUMN value DROP NOT NULL;
SELECT pg_temp.tell('a column that may be null');
ALTER TABLE wearables.sample_points ALTER COLUMN value SET NOT NULL;

BEGIN;
ALTER TABLE wearables.sample_points DROP CONSTRAINT sample_points_pkey, ADD PRIMARY KEY (user_id, metric_id, source_id, ts, part);
SELECT pg_temp.tell('another order of the key');
ROLLBACK;

-- cut by time
BEGIN;
DELETE FROM wearables.sample_points;
ALTER TABLE wearables.sample_points RENAME TO sample_points_rest;
CREATE TABLE wearables.sample_points (LIKE wearables.sample_points_rest, PRIMARY KEY (user_id, metric_id, ts, source_id, part)) PARTITION BY RANGE (ts);
ALTER TABLE wearables.sample_points ATTACH PARTITION wearables.sample_points_rest DEFAULT;
CREATE TABLE wearables.sample_points_first PARTITION OF wearables.sample_points FOR VALUES FROM ('2024-05-01') TO ('2024-05-01 01:00');
SELECT pg_temp.tell('partitions');
SELECT tableoid::regclass, count(*) FROM wearables.sample_points GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- plain again: what a session has kept of the other forms is forgotten
SELECT pg_temp.tell('plain again');

-- a mapping fewer: what it gave goes, and nothing else
UPDATE wearables.mappings SET enabled = false WHERE metric = 'blood_pressure';
SELECT pg_temp.write('all again');
SELECT count(*) AS left_behind FROM wearables.samples WHERE metric = 'blood_pressure';

SELECT step, count(*), bool_and(counts) AS counts, bool_and(spans) AS spans FROM comparisons GROUP BY step ORDER BY min(ctid);

DROP FUNCTION pg_temp.compare(text, wearables.replay_totals);
DROP EXTENSION wearables_ingest CASCADE;
