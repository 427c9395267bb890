-- role: a person sees themself, a limited reader sees the users assigned to it
\set SHOW_CONTEXT never
SET client_min_messages = notice;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
CREATE ROLE regress_app NOLOGIN;
CREATE ROLE regress_care NOLOGIN;
CREATE ROLE regress_nurse NOLOGIN;
GRANT regress_care TO regress_nurse;
CREATE ROLE regress_reader NOLOGIN;
CREATE ROLE regress_operator NOLOGIN;
SELECT wearables.register_user('alice', 'ext-alice', time_zone => 'Europe/Berlin') AS alice FROM wearables.add_endpoint('junction');
SELECT wearables.register_user('bob') AS bob, wearables.register_user('carol') AS carol;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT u, 'heartrate', '2026-03-28 23:00Z'::timestamptz + i * interval '1 minute', 60 + u FROM generate_series(1, 3) u, generate_series(0, 59) i;
INSERT INTO wearables.samples (user_id, metric, day, value) SELECT u, 'steps', '2026-03-29', 6000 + u FROM generate_series(1, 3) u;
SELECT wearables.set_connection(u, 'oura', 'connected', at => '2026-03-01Z') FROM generate_series(1, 3) u;

-- without a limited role nothing is switched on: a reader sees everybody
SELECT wearables.grant_access('regress_care', 'reader'), wearables.grant_access('regress_reader', 'reader'), wearables.grant_access('regress_operator', 'operator');
SELECT count(*) FROM pg_class WHERE relnamespace = 'wearables'::regnamespace AND relrowsecurity;
SET ROLE regress_nurse;
SELECT array_agg(DISTINCT user_id) FROM wearables.samples;
RESET ROLE;

-- limited to nobody, then to two
SELECT wearables.limit_reader('regress_care');
CREATE FUNCTION pg_temp.seen() RETURNS TABLE (what text, users text) LANGUAGE sql AS $$
  SELECT 'users', string_agg(client_user_id, ' ' ORDER BY user_id) FROM wearables.users
  UNION ALL SELECT 'samples', string_agg(DISTINCT user_id::text, ' ') FROM wearables.samples
  UNION ALL SELECT 'sample_points', string_agg(DISTINCT user_id::text, ' ') FROM wearables.sample_points
  UNION ALL SELECT 'connections', string_agg(DISTINCT user_id::text, ' ') FROM wearables.connections
  UNION ALL SELECT 'latest', string_agg(u::text, ' ') FROM generate_series(1, 3) u WHERE EXISTS (SELECT FROM wearables.latest(u))
  UNION ALL SELECT 'timeseries', string_agg(u::text, ' ') FROM generate_series(1, 3) u WHERE EXISTS (SELECT FROM wearables.timeseries(u, 'heartrate', date '2026-03-28', date '2026-03-30'))
  UNION ALL SELECT 'coverage', string_agg(u::text, ' ') FROM generate_series(1, 3) u WHERE EXISTS (SELECT FROM wearables.coverage(u, 'heartrate', date '2026-03-28', date '2026-03-30'))
$$;
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen();
SET ROLE regress_operator;
SELECT wearables.assign_users('regress_care', '{1,2,2}'), wearables.assign_users('regress_care', '{2}');
SELECT wearables.assign_users('regress_care', '{99}');
\echo :SQLSTATE
SELECT wearables.assign_users('regress_reader', '{1}');
\echo :SQLSTATE
SELECT role, user_id FROM wearables.assigned_users ORDER BY 1, 2;
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen();
SELECT count(*) FROM wearables.assigned_users;
\echo :SQLSTATE
SELECT wearables.assign_users('regress_care', '{3}');
\echo :SQLSTATE
-- another role of theirs that may read everything lifts no limit
RESET ROLE;
GRANT regress_reader TO regress_nurse;
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen() WHERE what = 'samples';
-- everybody else is as before, and writes as before: in the old code, "permission denied to insert into view "samples""
SET ROLE regress_reader;
SELECT * FROM pg_temp.seen();
SET ROLE regress_operator;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (3, 'heartrate', '2026-03-30 08:00Z', 63);
SELECT * FROM pg_temp.seen() WHERE what = 'samples';
-- whom a policy binds does not write past it
RESET ROLE;
GRANT regress_operator TO regress_nurse;
SET ROLE regress_nurse;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (3, 'heartrate', '2026-03-30 08:00Z', 70);
\echo :SQLSTATE
RESET ROLE;
REVOKE regress_operator, regress_reader FROM regress_nurse;

-- the writer takes the fast way: in the old code, "row-level security"
SELECT wearables_internal.slow_writer();

-- plans go by the key, whoever asks
CREATE FUNCTION pg_temp.index_conditions(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ 'sample_points|summaries|Index Cond: .*user_id' AND line !~ 'Filter' THEN RETURN NEXT btrim(line); END IF;
  END LOOP;
END $$;
CREATE FUNCTION pg_temp.reads() RETURNS TABLE (plan text) LANGUAGE sql AS $$
  SELECT pg_temp.index_conditions('SELECT * FROM wearables.sample_points WHERE user_id = 1 AND metric_id = 1 AND ts >= ''2026-03-29Z'' ORDER BY ts DESC LIMIT 1')
  UNION ALL SELECT pg_temp.index_conditions('SELECT * FROM wearables.samples WHERE user_id = 1 AND metric = ''heartrate''')
  UNION ALL SELECT pg_temp.index_conditions('SELECT * FROM wearables.summaries WHERE user_id = 1 AND resource = ''sleep''')
$$;
ANALYZE wearables.sample_points, wearables.summaries, wearables.metrics;
SET enable_seqscan = off;
SET ROLE regress_nurse;
SELECT * FROM pg_temp.reads();
SET ROLE regress_reader;
SELECT * FROM pg_temp.reads();
RESET ROLE;
RESET enable_seqscan;
-- one look at the key for each metric, not one at each row: buffers of latest() with and without the policy
-- the least of several: what autovacuum and others have changed meanwhile is looked up in the catalogs once more
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  plan json;
  least_ bigint;
BEGIN
  FOR i IN 1..5 LOOP
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    least_ := least(least_, (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint);
  END LOOP;
  RETURN least_;
END $$;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 1, 'heartrate', '2025-01-01Z'::timestamptz + i * interval '1 minute', 60 FROM generate_series(1, 20000) i;
ANALYZE wearables.sample_points;
SELECT pg_temp.buffers('SELECT * FROM wearables.latest(1)') AS unbound \gset
SET ROLE regress_nurse;
SELECT pg_temp.buffers('SELECT * FROM wearables.latest(1)') < :unbound + 60 AS few_more;
RESET ROLE;

-- unassigned: limited still, to nobody
SELECT wearables.unassign_users('regress_care', '{2}'), wearables.unassign_users('regress_care'), wearables.unassign_users('regress_care');
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen();
RESET ROLE;
-- a renamed role is bound as before
SELECT wearables.assign_users('regress_care', '{1}');
ALTER ROLE regress_care RENAME TO regress_team;
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen() WHERE what = 'samples';
RESET ROLE;
ALTER ROLE regress_team RENAME TO regress_care;

-- who cannot be limited
CREATE ROLE regress_super SUPERUSER;
CREATE ROLE regress_bypass BYPASSRLS;
SELECT wearables.limit_reader('regress_super');
\echo :SQLSTATE
SELECT wearables.limit_reader('regress_bypass');
\echo :SQLSTATE
SET ROLE regress_operator;
SELECT wearables.limit_reader('regress_nurse');
\echo :SQLSTATE
RESET ROLE;

-- a lost policy is a problem, and limit_reader() makes it again
DROP POLICY wearables_assigned ON wearables.users;
SELECT severity, problem, object, what, statement FROM wearables.problems WHERE problem IN ('unlimited', 'self_login');
SELECT wearables.limit_reader('regress_care');
SELECT severity, problem, object FROM wearables.problems WHERE problem IN ('unlimited', 'self_login');

-- the site's own permissive policy decides, as without ours
CREATE POLICY site ON wearables.users TO regress_reader USING (user_id = 3);
SET ROLE regress_reader;
SELECT * FROM pg_temp.seen() WHERE what IN ('users', 'coverage');
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen() WHERE what IN ('users', 'coverage');
RESET ROLE;
DROP POLICY site ON wearables.users;

-- kind self: only without a login, and the logins that can take it are told of
CREATE ROLE regress_login LOGIN;
SELECT wearables.grant_access('regress_login', 'self');
\echo :SQLSTATE
CREATE ROLE regress_proxy LOGIN NOINHERIT;
GRANT regress_app TO regress_login, regress_proxy;
SELECT wearables.grant_access('regress_app', 'self');
SELECT severity, problem, object, what FROM wearables.problems WHERE problem IN ('unlimited', 'self_login');
REVOKE regress_app FROM regress_login;
SELECT wearables.limit_reader('regress_app');
\echo :SQLSTATE
SELECT role, kind FROM wearables.limited_roles ORDER BY role;
SELECT polrelid::regclass AS relation, polname, polpermissive AS permissive, polroles::regrole[] AS roles
FROM pg_policy ORDER BY polrelid::regclass::text COLLATE "C", polname;

-- a person sees themself also in what the site grants beside the functions
GRANT USAGE ON SCHEMA wearables TO regress_app;
GRANT SELECT ON wearables.samples, wearables.sample_points, wearables.metrics, wearables.sources, wearables.users TO regress_app;
SET ROLE regress_app;
SELECT count(*) FROM wearables.samples;
BEGIN;
SET LOCAL request.jwt.claims = '{"sub": "alice"}';
SELECT array_agg(DISTINCT user_id) FROM wearables.samples;
SELECT user_id FROM wearables.users;
SET LOCAL request.jwt.claims = '{"sub": "bob"}';
SELECT array_agg(DISTINCT user_id) FROM wearables.samples;
COMMIT;
SELECT count(*) FROM wearables.samples;
RESET ROLE;

-- no longer limited
SELECT wearables.limit_reader('regress_care', false);
SET ROLE regress_nurse;
SELECT * FROM pg_temp.seen() WHERE what = 'samples';
RESET ROLE;
SELECT role FROM wearables.limited_roles ORDER BY role;

DROP EXTENSION wearables_ingest CASCADE;
DROP ROLE regress_app, regress_care, regress_nurse, regress_reader, regress_operator, regress_super, regress_bypass, regress_login, regress_proxy;
