-- access: the record of who read whose data, as far as it needs no worker; test/tap/038_access.pl has the rest
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'America/New_York') AS alice, wearables.register_user('bob') AS bob;

-- off at first, and not for a session to switch
SHOW wearables_ingest.access_record;
SELECT count(*) FROM wearables.latest(1);
SELECT * FROM wearables_internal.access_state();
SET wearables_ingest.access_record = on;
SET wearables_ingest.access_record_interval = 1;

-- what a person sees of it: who else read is not told
CREATE ROLE regress_app NOLOGIN;
SELECT wearables.grant_access('regress_app', 'self');
INSERT INTO wearables.accesses (first_at, last_at, session_role, role, claim, function, user_id, reads) VALUES
  ('2026-03-29 03:58Z', '2026-03-29 03:59Z', 'proxy', 'clinician', 'dr-carol', 'timeseries', 1, 3),
  ('2026-03-29 03:59Z', '2026-03-29 04:00Z', 'proxy', 'regress_app', 'alice', 'latest', 1, 2),
  ('2026-03-29 05:00Z', '2026-03-29 05:00Z', 'report', 'report', NULL, 'nights', 1, 1),
  ('2026-03-30 03:59Z', '2026-03-30 03:59Z', 'proxy', 'clinician', 'dr-carol', 'export_user', 1, 1),
  ('2026-03-30 04:00Z', '2026-03-30 04:00Z', 'proxy', 'clinician', 'dr-carol', 'latest', 1, 1),
  ('2026-03-29 12:00Z', '2026-03-29 12:00Z', 'proxy', 'clinician', 'alice', 'latest', 2, 1);
INSERT INTO wearables.accesses (first_at, last_at, reads) VALUES ('2026-03-29 06:00Z', '2026-03-29 07:00Z', 7);
SET ROLE regress_app;
SET request.jwt.claims = '{"role": "regress_app", "sub": "alice"}';
SELECT * FROM wearables_api.my_accesses('2026-03-29', '2026-03-30');
SELECT last_at, function FROM wearables_api.my_accesses('2026-03-29T05:00:00Z', '2026-04-01', 1);
SELECT * FROM wearables_api.my_accesses('2026-03-29', '2026-03-30', 0);
SELECT * FROM wearables_api.my_accesses('today', '2026-03-30');
SET request.jwt.claims = '{"sub": "nobody"}';
SELECT * FROM wearables_api.my_accesses('2026-03-29', '2026-03-30');
RESET request.jwt.claims;
TABLE wearables.accesses;
RESET ROLE;

-- who else it was is in no export of the person either
SELECT e -> 'row' ->> 'function' AS function, e -> 'row' ? 'claim' AS claim FROM wearables.export_user(1) e WHERE e ->> 'table' = 'wearables.accesses' ORDER BY 1;

-- problems
SELECT severity, problem, what, since IS NOT NULL AS since, statement FROM wearables.problems WHERE problem ~ '^access';
INSERT INTO wearables.accesses (first_at, last_at, reads) VALUES (now() - interval '2 hours', now() - interval '1 hour', 5), (now(), now(), 8);
SELECT severity, problem, what, since < now() - interval '1 hour' AS since, statement FROM wearables.problems WHERE problem ~ '^access';
DELETE FROM wearables.accesses WHERE function IS NULL;
BEGIN;
CREATE OR REPLACE FUNCTION wearables_internal.access_state(
  OUT wanted boolean, OUT ready boolean, OUT waiting integer, OUT due_at timestamptz, OUT lost bigint, OUT lost_from timestamptz)
LANGUAGE sql RETURN ROW(true, false, 3, now() - interval '11 minutes', 0::bigint, NULL::timestamptz);
SELECT severity, problem, object, what, statement FROM wearables.problems WHERE problem ~ '^access' ORDER BY 2;
ROLLBACK;

-- retention
INSERT INTO wearables.retention_policies (target, keep_days, enabled) VALUES ('accesses', 2192, true);
\set VERBOSITY terse
INSERT INTO wearables.retention_policies (target, endpoint, keep_days) VALUES ('accesses', 'junction', 2192);
INSERT INTO wearables.accesses (first_at, last_at, session_role, role, function, user_id, reads) VALUES
  (now() - interval '2194 days', now() - interval '2194 days', 'old', 'old', 'latest', 1, 1),
  (now() - interval '2194 days', now() - interval '2190 days', 'young', 'young', 'latest', 1, 1);
SELECT target, drops_rows FROM wearables.retention_plan();
SELECT wearables.apply_retention();
CALL wearables.drain();
SELECT session_role FROM wearables.accesses WHERE session_role IN ('old', 'young');

-- an erased person: what was read of her stays, without what leads to her
INSERT INTO wearables.accesses (first_at, last_at, session_role, role, claim, function, user_id, reads)
SELECT now(), now(), 'proxy', 'clinician', 'alice', 'latest', 2, 1 FROM generate_series(1, 25000);
SELECT wearables.erase_user(1);
CALL wearables.drain();
SELECT step FROM wearables.erasures;
SELECT user_id, claim, count(*) FROM wearables.accesses GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM wearables.verify_erasure('alice');

-- no row is without what it is for
INSERT INTO wearables.accesses (first_at, last_at, function, reads) VALUES (now(), now(), 'latest', 1);
INSERT INTO wearables.accesses (first_at, last_at, reads) VALUES (now(), now(), 0);

DROP EXTENSION wearables_ingest CASCADE;
DROP ROLE regress_app;
