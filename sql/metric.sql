-- metric: names and units by the standards, and what the readings of each name are
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

-- Each has a UCUM code (test/tap/018_ucum.pl asks UCUM's own library about them); 23 unit texts were none: count, score, index, FSU, stage.
SELECT name FROM wearables.metrics WHERE ucum IS NULL;
SELECT unit, ucum, count(*) FROM wearables.metrics WHERE unit <> ucum GROUP BY 1, 2 ORDER BY unit COLLATE "C", ucum;
-- A value of sleep_stage is a code.
SELECT name, ucum, key AS value, codes ->> key AS stands_for FROM wearables.metrics, jsonb_object_keys(codes) key ORDER BY name, key::integer;
-- What a night's figures describe lasted until ts; they were instants.
SELECT kind, count(*), string_agg(name, ' ' ORDER BY name) FILTER (WHERE kind = 'session') AS names FROM wearables.metrics GROUP BY 1 ORDER BY 1;
SELECT name, kind FROM wearables.metrics WHERE name LIKE '%temperature' OR name IN ('body_mass_index', 'lean_body_mass', 'waist_circumference') ORDER BY 1;
-- Every child has the unit of its parent.
SELECT m.name FROM wearables.metrics m JOIN wearables.metrics p ON p.name = m.parent WHERE (m.unit, m.ucum, m.kind) IS DISTINCT FROM (p.unit, p.ucum, p.kind);

-- A metric of one's own may have a code, and need not.
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', 'score');
INSERT INTO wearables.metrics (name, unit, ucum, codes) VALUES ('posture', 'code', '{posture}', '{"0": "lying", "1": "upright"}');
SELECT name, unit, ucum, codes FROM wearables.metrics WHERE origin = 'user' ORDER BY 1;
\set VERBOSITY terse
INSERT INTO wearables.metrics (name, unit, ucum) VALUES ('luck', 'score', 'a score');
INSERT INTO wearables.metrics (name, unit, codes) VALUES ('luck', 'score', '[1]');
\set VERBOSITY default

\pset tuples_only on
\pset format unaligned
CREATE FUNCTION pg_temp.shown(resource text, provider text, members text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT concat_ws(' ', n.metric, trim_scale(round(n.value::numeric, 4)), n.unit, 'ends ' || (n.ts_end AT TIME ZONE 'UTC')::time, n.refused)
  FROM wearables.normalize(format('daily.data.%s.created', resource), convert_to(format('{"data":%s}',
    CASE WHEN members LIKE '%"id"%' THEN format('{"source":{"provider":"%s"},%s}', provider, members)
    ELSE format('{"source":{"provider":"%s"},"data":[{"start":"2024-05-01T08:00:00Z","end":"2024-05-01T08:00:00Z",%s}]}', provider, members) END), 'UTF8')) n $$;
-- was hrv, which says nothing of how it was measured
SELECT pg_temp.shown('hrv', 'oura', '"unit":"rmssd","value":48.5');
SELECT pg_temp.shown('hrv', 'apple_health_kit', '"unit":"rmssd","value":48.5');
-- was sleep_duration 29400 and sleep_total 26400
SELECT pg_temp.shown('sleep', 'oura', '"id":"n","bedtime_stop":"2024-05-02T05:50:00Z","duration":29400,"total":26400,"average_hrv":61.5');
-- was hrv 61.5: Apple has SDNN only
SELECT pg_temp.shown('sleep', 'apple_health_kit', '"id":"n","bedtime_stop":"2024-05-02T05:50:00Z","average_hrv":61.5');
-- was muscle_mass, bone_mass, body_water and body_fat, of 41 %, 4 %, 55 % and 21 %
SELECT pg_temp.shown('body', 'withings', '"id":"b","calendar_date":"2024-05-01","fat":21,"water_percentage":55,"muscle_mass_percentage":41,"bone_mass_percentage":4');
-- were intervals, ends 08:00
SELECT pg_temp.shown('body_temperature', 'apple_health_kit', '"unit":"°C","value":36.6');
SELECT pg_temp.shown('body_mass_index', 'withings', '"unit":"index","value":22.4');
-- was -0.21 Cel, which is a temperature; 1.8 °F of difference is 1 K
SELECT pg_temp.shown('body_temperature_delta', 'ultrahuman', '"unit":"°C","value":-0.21');
SELECT pg_temp.shown('body_temperature_delta', 'ultrahuman', '"unit":"°F","value":1.8');
-- was calories_*, activity_low, _medium and _high; minutes, which nobody can tell from seconds here
SELECT pg_temp.shown('activity', 'garmin', '"id":"a","calendar_date":"2024-05-01","calories_total":2480.5,"calories_active":610,"low":210,"medium":45,"high":20');
SELECT pg_temp.shown('calories_basal', 'garmin', '"unit":"kcal","value":18');
-- was workout_calories; device_watts, which says that the power was measured, came out as power_device 1 W
SELECT pg_temp.shown('workouts', 'strava', '"id":"w","time_start":"2024-05-01T08:00:00Z","time_end":"2024-05-01T09:00:00Z","calories":640,"average_watts":180,"device_watts":1');
-- was caffeine 0.095 g
SELECT pg_temp.shown('caffeine', 'apple_health_kit', '"unit":"g","value":0.095');
SELECT pg_temp.shown('water', 'apple_health_kit', '"unit":"ml","value":250');
SELECT pg_temp.shown('meal', 'my_fitness_pal_v2', '"id":"m","timestamp":"2024-05-01T12:00:00Z","macros":{"carbs":71,"water":310,"cholesterol":0.08},"micros":{"vitamins":{"vitamin_b1":1.1}}');
-- The vendor says minutes and sends seconds, too: all of it is refused, until a row says what a provider means. What no
-- day has was refused before, and 600 s of a short walk were taken for ten hours.
SELECT pg_temp.shown('activity', 'acme', '"id":"a","calendar_date":"2024-05-01","low":600');
SELECT pg_temp.shown('activity', 'acme', '"id":"a","calendar_date":"2024-05-01","low":6400');
INSERT INTO wearables.mappings (resource, provider, metric, value_fields, instant_fields, end_field, unit)
VALUES ('activity', 'acme', 'activity_light', '{low}', '{calendar_date,date}', 'calendar_date', 's');
SELECT pg_temp.shown('activity', 'acme', '"id":"a","calendar_date":"2024-05-01","low":6400');
\pset tuples_only off
\pset format aligned

-- a metric that has samples stays as it is: its number would be that of the next one, whose name and unit they would have
INSERT INTO wearables.metrics (name, unit) VALUES ('foo', 'u');
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (wearables.register_user('alice'), 'foo', '2026-01-01Z', 1);
DELETE FROM wearables.metrics WHERE name = 'foo';
UPDATE wearables.metrics SET unit = 'v' WHERE name = 'foo';
UPDATE wearables.metrics SET name = 'bar', highest = 9 WHERE name = 'foo';
DELETE FROM wearables.sample_points;
-- nor does it go where the snapshot may be older than its samples
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM wearables.metrics WHERE name = 'bar';
ROLLBACK;
DELETE FROM wearables.metrics WHERE name = 'bar';

-- No reading is larger than 1e100, whatever the range of its metric: of two of 1.7e308 each chart of their day failed
-- with "value out of range: overflow", for ever.
INSERT INTO wearables.metrics (name, unit, aggregate, lowest, highest) VALUES ('joules', 'J', 'sum', '-infinity', 1e200);
INSERT INTO wearables.resources (name, kind) VALUES ('energy', 'timeseries');
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('energy', 'joules', '{value}');
SELECT refused, value FROM wearables.normalize('daily.data.energy.created',
  '{"data":{"source":{"provider":"acme"},"data":[{"timestamp":"2026-01-01T00:00:00Z","value":1.7e308},{"timestamp":"2026-01-01T00:01:00Z","value":-1.1e100},{"timestamp":"2026-01-01T00:02:00Z","value":-1e100}]}}'::jsonb);
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'joules', '2026-01-01 00:01Z', 1.7e308);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'joules', '2026-01-01 00:01Z', 1e100), (1, 'joules', '2026-01-01 00:02Z', 1e100), (1, 'joules', '2026-01-02 00:02Z', 1);
SELECT bucket_start, value FROM wearables.timeseries(1, 'joules', date '2026-01-01', date '2026-01-03', 'day');

DROP EXTENSION wearables_ingest CASCADE;
