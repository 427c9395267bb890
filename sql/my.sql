-- my: what one person reads through a proxy, who it is that reads, and what is refused
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
CREATE ROLE regress_app NOLOGIN;
SELECT wearables.grant_access('regress_app', 'self');
SELECT wearables.add_endpoint('junction');
SELECT wearables.register_user('alice', 'ext-alice', time_zone => 'America/New_York') AS alice,
       wearables.register_user('bob', 'ext-bob', time_zone => 'Europe/Berlin') AS bob;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES
  (1, 'heartrate', '2026-03-29 03:59Z', 51), (1, 'heartrate', '2026-03-29 04:00Z', 52), (1, 'heartrate', '2026-03-30 03:59Z', 53), (1, 'heartrate', '2026-03-30 04:00Z', 54),
  (2, 'heartrate', '2026-03-29 12:00Z', 180);
INSERT INTO wearables.samples (user_id, metric, day, value) VALUES (1, 'steps', '2026-03-28', 100), (1, 'steps', '2026-03-29', 200), (1, 'steps', '2026-03-30', 300), (2, 'steps', '2026-03-29', 9999);
SELECT wearables.set_connection(1, 'oura', 'connected', at => '2026-03-01Z'), wearables.set_connection(2, 'garmin', 'connected', at => '2026-03-01Z');
INSERT INTO wearables.metrics (name, unit, parent) VALUES ('heartrate/secret', '/min', 'heartrate');
SET session_replication_role = replica;
UPDATE wearables.metrics SET origin = 'extended' WHERE name = 'heartrate/secret';
RESET session_replication_role;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (2, 'heartrate/secret', '2026-03-29 12:00Z', 99);

-- a bare date is the person's day: that of New York begins at 04:00 UTC. A calendar day belongs to its date
SET ROLE regress_app;
SET request.jwt.claims = '{"role": "regress_app", "sub": "alice"}';
SELECT ts, value FROM wearables_api.my_samples('heartrate', '2026-03-29', '2026-03-30');
SELECT day, ts, value FROM wearables_api.my_samples('steps', '2026-03-29', '2026-03-30');
SELECT bucket_start, value, readings, partial FROM wearables_api.my_timeseries('heartrate', '2026-03-29', '2026-03-30', 'day');
SELECT bucket_start, value FROM wearables_api.my_timeseries('steps', '2026-03-29', '2026-03-30', 'day');
-- of another zone, if the chart is of one
SELECT bucket_start, value FROM wearables_api.my_timeseries('heartrate', '2026-03-29', '2026-03-30', 'day', 'UTC');
-- else a time with its offset, in every form of ISO 8601 that programs write
SELECT t AS bound, (SELECT min(value) FROM wearables_api.my_samples('heartrate', t, '2026-04-01'))
FROM unnest('{2026-03-29T00:00:00-04:00,2026-03-29 04:00Z,2026-03-29T04:00:00.000Z,2026-03-29t04:00:00z,2026-03-29T06:00+02,2026-03-29T06:00:00+0200}'::text[]) t;
SELECT metric, ts, day, value FROM wearables_api.my_latest();
SELECT * FROM wearables_api.my_connections();
SELECT * FROM wearables_api.my_nights('2026-03-01', '2026-04-01');
SELECT count(*) FROM wearables_api.my_samples('heartrate', '2026-01-01', '2027-01-01', 3);

-- what is no date and no time
CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT t AS bound, pg_temp.state_of(format('SELECT * FROM wearables_api.my_timeseries(''heartrate'', %L, ''2026-03-30'')', t))
FROM unnest('{yesterday,"",29.03.2026,2026-3-29,2026-02-30,2026-03-29T08:00:00,2026-03-29T08:00:00 02:00,2026-03-29T25:00Z,2026-03-29T08:00+99,infinity,epoch,2026-03-29T08:00 Europe/Berlin,NULL,"2026-03-29; SELECT 1"}'::text[]) t;
SELECT t AS day, pg_temp.state_of(format('SELECT * FROM wearables_api.my_nights(%L, ''2026-03-30'')', t)) FROM unnest('{today,"",2026-02-30,2026-03-29T08:00Z,NULL}'::text[]) t;
SELECT pg_temp.state_of('SELECT * FROM wearables_api.my_samples(''heartrate'', ''2026-03-29'', ''2026-03-30'', 0)'),
       pg_temp.state_of('SELECT * FROM wearables_api.my_samples(''heartrate'', ''2026-03-29'', ''2026-03-30'', 10001)');
SELECT pg_temp.state_of('SELECT * FROM wearables_api.my_timeseries(''heartrate'', ''2026-03-30'', ''2026-03-29'')');
SELECT pg_temp.state_of('SELECT * FROM wearables_api.my_timeseries(''heartrate'', ''2026-03-29'', ''2026-03-30'', ''fortnight'')');
-- a metric that only another has is as one that nobody has
SELECT m, pg_temp.state_of(format('SELECT * FROM wearables_api.my_timeseries(%L, ''2026-03-29'', ''2026-03-30'')', m)), pg_temp.state_of(format('SELECT * FROM wearables_api.my_samples(%L, ''2026-03-29'', ''2026-03-30'')', m))
FROM unnest('{heartrate/secret,heartrate/nothing}'::text[]) m;

-- who it is: one answer, whatever is wrong
RESET ROLE;
INSERT INTO wearables.users (client_user_id, erased_at) VALUES ('erased', now());
SET ROLE regress_app;
CREATE TEMP TABLE answers AS
SELECT c AS claims, (SELECT string_agg(DISTINCT a.answer, ' / ') FROM (
  SELECT pg_temp.state_of(format('SET LOCAL request.jwt.claims = %L', coalesce(c, ''))) AS set, f AS call, pg_temp.state_of('SELECT * FROM wearables_api.' || f) AS answer
  FROM unnest('{my_latest(),my_connections(),my_sync(),"my_nights(''2026-03-29'', ''2026-03-30'')","my_samples(''heartrate'', ''2026-03-29'', ''2026-03-30'')","my_timeseries(''heartrate'', ''2026-03-29'', ''2026-03-30'')"}'::text[]) f) a)
FROM (VALUES (NULL), (''), ('{}'), ('null'), ('"alice"'), ('["alice"]'), ('[{"sub": "alice"}]'), ('{"sub": "nobody"}'), ('{"sub": "erased"}'), ('{"sub": ""}'), ('{"sub": null}'), ('{"sub": 1}'),
  ('{"sub": ["alice"]}'), ('{"sub": {"sub": "alice"}}'), ('{"a": {"sub": "alice"}}'), ('{"SUB": "alice"}'), ('{"sub": "ALICE"}'), ('{"sub": "alice "}'), ('{"sub": "alice", "sub": "bob"}'),
  ('{"sub": "alice", "sub": "alice"}'), ('{"sub": 1, "sub": "alice"}'), ('{"sub": "alice"'), ('{"sub": "alice"}}'), ('{sub: alice}'), ('{"sub": "alice\u0000"}'), ('{"sub": "al\ud800ice"}'), ('sub=alice'),
  ('{"sub": "alice'' OR true --"}'), ('{"user_id": "alice"}'),
  ('{"sub": "alice", "a": ' || repeat('[', 100000) || repeat(']', 100000) || '}'), (repeat('{"sub":', 100000))) v (c);
SELECT answer, count(*) FROM (SELECT string_agg AS answer FROM answers) a GROUP BY 1;
-- and these are she
SELECT c, pg_temp.state_of(format('SET LOCAL request.jwt.claims = %L', c)), (SELECT count(*) FROM wearables_api.my_latest())
FROM unnest(ARRAY['{"sub": "alice"}', '{"\u0073ub": "\u0061lice"}', '{"a": [[[{}]]], "b": "\"[[[", "sub": "alice"}', ' {"role": "x", "sub":"alice", "a": {"sub": "bob"}, "b": [{"sub": "bob"}]} ']) c;
-- another claim, which only the operator of the server names
SET wearables_ingest.user_claim = 'https://example.com/user';
\echo :SQLSTATE
RESET ROLE;
SET wearables_ingest.user_claim = 'https://example.com/user';
SET ROLE regress_app;
SET request.jwt.claims = '{"sub": "bob", "https://example.com/user": "alice"}';
SELECT provider FROM wearables_api.my_connections();
RESET ROLE;
RESET wearables_ingest.user_claim;
SET ROLE regress_app;
SELECT provider FROM wearables_api.my_connections();
SET request.jwt.claims = '{"sub": "alice"}';

-- one line of several sources, in the order of her list, which holds for nobody else
RESET ROLE;
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) SELECT u, 'hrv_rmssd', '2026-03-29 12:00Z', v, p FROM (VALUES (1, 40, 'oura'), (1, 60, 'garmin'), (2, 10, 'oura'), (2, 20, 'garmin')) x (u, v, p);
INSERT INTO wearables.source_priorities (user_id, metric, rank, provider) VALUES (1, 'hrv_rmssd', 1, 'oura'), (1, 'hrv_rmssd', 2, 'garmin');
SET ROLE regress_app;
SELECT m AS merge, t.provider, t.value, t.readings FROM unnest('{all,best,blend}'::text[]) m, wearables_api.my_timeseries('hrv_rmssd', '2026-03-29', '2026-03-30', 'day', merge => m) t ORDER BY 1, 2;
SET request.jwt.claims = '{"sub": "bob"}';
SELECT provider, value FROM wearables_api.my_timeseries('hrv_rmssd', '2026-03-29', '2026-03-30', 'day', merge => 'best');
SELECT m AS merge, pg_temp.state_of(format('SELECT * FROM wearables_api.my_timeseries(''hrv_rmssd'', ''2026-03-29'', ''2026-03-30'', merge => %L)', m)) FROM unnest('{sum,NULL}'::text[]) m;
SET request.jwt.claims = '{"sub": "alice"}';

-- eight pulls an hour, each person on their own (in the old code, sync() of everything violated a constraint); without an API there is nothing to pull, but it counts
SELECT wearables_api.my_sync() FROM generate_series(1, 8);
SELECT pg_temp.state_of('SELECT wearables_api.my_sync()');
SET request.jwt.claims = '{"sub": "bob"}';
SELECT wearables_api.my_sync();
RESET ROLE;
UPDATE wearables.endpoints SET base_url = 'https://api.sandbox.tryvital.io';
SET ROLE regress_app;
SELECT wearables_api.my_sync('garmin') > 10 AS requested;
RESET ROLE;
SELECT DISTINCT user_id, provider, split_part(intent, ' ', 1) FROM wearables.backfills;
UPDATE wearables_internal.own_syncs SET asked = ARRAY(SELECT t - interval '1 hour' FROM unnest(asked) t);
SET ROLE regress_app;
SET request.jwt.claims = '{"sub": "alice"}';
SELECT wearables_api.my_sync() > 10 AS requested;
RESET ROLE;
SELECT user_id, cardinality(asked) FROM wearables_internal.own_syncs ORDER BY 1;

DROP EXTENSION wearables_ingest CASCADE;
DROP OWNED BY regress_app;
DROP ROLE regress_app;
