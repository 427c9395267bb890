-- metric_filter: a query on samples that names a metric reads its range of the primary key, newest first without a sort
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.register_user('alice') AS alice, wearables.register_user('bob') AS bob;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT u, m, timestamptz '2026-01-01Z' + i * interval '1 minute', 40 + i % 50
FROM generate_series(1, 2) u, unnest('{heartrate,respiratory_rate}'::text[]) m, generate_series(1, 2000) i;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 1, 'steps', timestamptz '2026-01-01Z' + i * interval '1 hour', i FROM generate_series(1, 5) i;
ANALYZE wearables.sample_points, wearables.metrics, wearables.sources, wearables.users;

-- how a query reads sample_points, and whether it sorts
CREATE FUNCTION shape(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  below boolean := false;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    -- PostgreSQL 17 has other words for what a subquery returned
    IF line ~ 'Sort|sample_points' OR below THEN RETURN NEXT replace(ltrim(line, ' ->'), '(InitPlan 1).col1', '$0'); END IF;
    below := line ~ 'sample_points';
  END LOOP;
END $$;
-- before, each of these was a Sort above the join of metrics with all readings of the user
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE user_id = 1 AND metric = 'heartrate' ORDER BY ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE user_id = 1 AND metric IN ('heartrate') ORDER BY ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT * FROM wearables.samples
  WHERE user_id = 1 AND metric = (SELECT name FROM wearables.metrics WHERE metric_id = 1) ORDER BY ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE 'heartrate'::varchar = metric AND user_id = 1 ORDER BY ts DESC LIMIT 100$$);
PREPARE newest AS SELECT * FROM wearables.samples WHERE user_id = $1 AND metric = $2 ORDER BY ts DESC LIMIT 100;
SELECT * FROM shape($$EXECUTE newest(1, 'heartrate')$$);
SET plan_cache_mode = force_generic_plan;
SELECT * FROM shape($$EXECUTE newest(1, 'heartrate')$$);
SELECT count(*), min(ts) FROM (SELECT * FROM wearables.samples WHERE user_id = 1 AND metric = 'heartrate' ORDER BY ts DESC LIMIT 100) n;
RESET plan_cache_mode;
-- by a join, whose other side the query fixes
SELECT * FROM shape($$SELECT s.* FROM wearables.samples s JOIN wearables.metrics m ON m.name = s.metric
  WHERE s.user_id = 1 AND m.name = 'heartrate' ORDER BY s.ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT s.* FROM (VALUES (1)) one JOIN (wearables.metrics m JOIN wearables.samples s ON s.metric = m.name AND m.name = 'heartrate') ON true
  WHERE s.user_id = 1 ORDER BY s.ts DESC LIMIT 100$$);
-- several metrics: no others are read
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE user_id = 1 AND metric IN ('heartrate', 'steps') ORDER BY ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE user_id = 1 AND metric = ANY (ARRAY['heartrate', NULL, 'none']) ORDER BY ts DESC LIMIT 100$$);
-- of each user the newest
SELECT * FROM shape($$SELECT u.user_id, n.ts FROM wearables.users u CROSS JOIN LATERAL (
  SELECT * FROM wearables.samples s WHERE s.user_id = u.user_id AND s.metric = u.client_user_id ORDER BY s.ts DESC LIMIT 1) n$$);
-- in a view of a view, and from a query that is not pulled up
CREATE VIEW pulse AS SELECT * FROM wearables.samples WHERE metric = 'heartrate';
SELECT * FROM shape($$SELECT * FROM pulse WHERE user_id = 1 ORDER BY ts DESC LIMIT 100$$);
SELECT * FROM shape($$SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY user_id, metric ORDER BY ts DESC) FROM wearables.samples) n
  WHERE user_id = 1 AND metric = 'heartrate' AND row_number <= 3$$);

-- the number is looked up when the query runs
SELECT count(*) FROM wearables.samples WHERE metric = 'heartrate';
SELECT count(*) FROM wearables.samples WHERE metric = 'no_such_metric';
SELECT count(*) FROM wearables.samples WHERE metric = NULL;
PREPARE named AS SELECT count(*) FROM wearables.samples WHERE metric = $1;
EXECUTE named('pulse');
UPDATE wearables.metrics SET name = 'pulse' WHERE name = 'heartrate';
EXECUTE named('pulse');
SELECT count(*) FROM pulse;
UPDATE wearables.metrics SET name = 'heartrate' WHERE name = 'pulse';

-- conditions that do not fix the name, or not for all rows, are what they were: counts by hand from sample_points
CREATE VIEW plain AS
SELECT p.user_id, m.name AS metric, p.ts, p.value FROM wearables.sample_points p JOIN wearables.metrics m ON m.metric_id = p.metric_id;
CREATE FUNCTION same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  ours bigint;
  theirs bigint;
BEGIN
  EXECUTE 'SELECT count(*) FROM (' || replace(query, 'SAMPLES', 'wearables.samples') || ') q' INTO ours;
  EXECUTE 'SELECT count(*) FROM (' || replace(query, 'SAMPLES', 'plain') || ') q' INTO theirs;
  RETURN ours || CASE WHEN ours = theirs THEN ', same' ELSE ', but ' || theirs END;
END $$;
SELECT same($$SELECT FROM SAMPLES WHERE metric IN ('heartrate', 'steps')$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = ANY ('{heartrate}')$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = 'heartrate' OR ts < '2026-01-01 00:05Z'$$);
SELECT same($$SELECT FROM SAMPLES WHERE NOT (metric = 'heartrate')$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = (ARRAY['heartrate', 'steps'])[1 + floor(random() * 0)::int]$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric IN (SELECT name FROM wearables.metrics WHERE parent IS NULL)$$);
SELECT same($$SELECT FROM SAMPLES s JOIN wearables.metrics m ON m.name = s.metric WHERE m.name = 'heartrate'$$);
SELECT same($$SELECT FROM wearables.users u LEFT JOIN SAMPLES s ON s.user_id = u.user_id AND s.metric = 'steps'$$);
SELECT same($$SELECT FROM wearables.users u LEFT JOIN SAMPLES s ON s.user_id = u.user_id WHERE s.metric = 'steps' OR s.metric IS NULL$$);
SELECT same($$SELECT FROM SAMPLES s LEFT JOIN wearables.users u ON u.user_id = s.user_id AND s.metric = 'steps'$$);
SELECT same($$SELECT FROM wearables.users u RIGHT JOIN SAMPLES s ON u.user_id = s.user_id AND s.metric = 'steps'$$);
SELECT same($$SELECT FROM SAMPLES s RIGHT JOIN wearables.users u ON u.user_id = s.user_id AND s.metric = 'steps'$$);
SELECT same($$SELECT FROM SAMPLES s FULL JOIN wearables.users u ON u.user_id = s.user_id AND s.value = 41$$);
SELECT same($$SELECT FROM (SAMPLES s FULL JOIN wearables.users u ON u.user_id = s.user_id AND s.value < 0) WHERE s.metric = 'steps'$$);
SELECT same($$SELECT FROM wearables.users u WHERE NOT EXISTS (SELECT FROM SAMPLES s WHERE s.user_id = u.user_id AND s.metric = 'steps')$$);
SELECT same($$SELECT FROM SAMPLES s WHERE EXISTS (SELECT FROM wearables.users u WHERE u.user_id = s.user_id AND s.metric = 'steps')$$);
SELECT same($$SELECT FROM SAMPLES s WHERE NOT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = s.user_id AND s.metric = 'steps')$$);
SELECT same($$SELECT FROM SAMPLES a JOIN SAMPLES b USING (user_id, ts, metric) WHERE metric = 'heartrate'$$);
SELECT same($$SELECT FROM SAMPLES a JOIN SAMPLES b USING (user_id, ts) WHERE a.metric = 'heartrate' AND b.metric = 'respiratory_rate'$$);
SELECT same($$SELECT FROM SAMPLES a LEFT JOIN SAMPLES b ON b.user_id = a.user_id AND b.ts = a.ts AND a.metric = 'heartrate' AND b.metric = 'steps'$$);
SELECT same($$SELECT FROM wearables.metrics m LEFT JOIN SAMPLES s ON s.metric = m.name WHERE m.name IN ('steps', 'body_weight')$$);
SELECT same($$SELECT FROM SAMPLES s LEFT JOIN wearables.metrics m ON m.name = s.metric AND m.name = 'steps'$$);
SELECT same($$SELECT FROM SAMPLES s FULL JOIN (SELECT * FROM wearables.metrics WHERE name = 'steps') m ON m.name = s.metric$$);
SELECT same($$SELECT FROM (SAMPLES s RIGHT JOIN wearables.metrics m ON m.name = s.metric AND s.value < 50) WHERE m.name = 'heartrate'$$);
SELECT same($$SELECT FROM wearables.users u LEFT JOIN (SAMPLES s JOIN wearables.metrics m ON m.name = s.metric) ON m.name = 'steps' AND s.user_id = u.user_id$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric <> ALL ('{steps,heartrate}')$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = ANY (NULL::text[])$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = ANY ('{}')$$);
SELECT same($$SELECT FROM SAMPLES WHERE metric = ANY ((SELECT array_agg(name) FROM wearables.metrics WHERE parent IS NULL)::text[])$$);
SELECT same($$SELECT FROM wearables.users u CROSS JOIN LATERAL (SELECT FROM SAMPLES s WHERE s.metric = ANY (ARRAY[u.client_user_id, 'steps']) OFFSET 0) n$$);
SELECT same($$SELECT metric FROM SAMPLES GROUP BY metric HAVING metric = 'heartrate'$$);
SELECT same($$SELECT ts FROM SAMPLES WHERE metric = 'steps' UNION ALL SELECT ts FROM SAMPLES WHERE metric = 'heartrate'$$);

-- whoever was granted the tables alone reads the view, and its rows are those of his policies
CREATE ROLE regress_metric_filter;
GRANT USAGE ON SCHEMA wearables TO regress_metric_filter;
GRANT SELECT ON wearables.samples, wearables.sample_points, wearables.metrics, wearables.sources, wearables.users TO regress_metric_filter;
CREATE POLICY one ON wearables.sample_points FOR SELECT TO regress_metric_filter USING (user_id = 2);
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY;
GRANT EXECUTE ON FUNCTION shape(text) TO regress_metric_filter;
SET ROLE regress_metric_filter;
SELECT user_id, count(*) FROM wearables.samples WHERE metric = 'heartrate' GROUP BY user_id;
SELECT count(*) FROM (SELECT * FROM wearables.samples WHERE user_id = 1 AND metric = 'heartrate' ORDER BY ts DESC LIMIT 100) n;
SELECT * FROM shape($$SELECT * FROM wearables.samples WHERE user_id = 2 AND metric = 'heartrate' ORDER BY ts DESC LIMIT 100$$);
RESET ROLE;
REVOKE SELECT ON wearables.metrics FROM regress_metric_filter;
SET ROLE regress_metric_filter;
\set VERBOSITY terse
SELECT count(*) FROM wearables.samples WHERE metric = 'heartrate';
\echo :SQLSTATE
RESET ROLE;
-- what a reader does by name alone, and in a condition of its own
SELECT wearables_internal.metric_id_of('heartrate') = (SELECT metric_id FROM wearables.metrics WHERE name = 'heartrate') AS found,
       wearables_internal.metric_id_of('none') IS NULL AS none;
SELECT count(*) = 1 AS one FROM wearables.metrics m WHERE wearables_internal.metric_named(m.metric_id, m.name) AND m.name = 'heartrate';
SELECT wearables_internal.metric_named(1::smallint, 'heartrate');

DROP VIEW pulse, plain;
DROP FUNCTION shape, same;
DROP OWNED BY regress_metric_filter;
DROP ROLE regress_metric_filter;
DROP EXTENSION wearables_ingest CASCADE;
