-- privileges: who may do what, by lists; PUBLIC may only call the webhook functions
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

-- every function: d = SECURITY DEFINER, v = volatility, p = parallel, and who but the owner may execute it
SELECT replace(p.oid::regprocedure::text, 'timestamp with time zone', 'timestamptz') AS function,
       CASE WHEN p.prosecdef THEN 'd' END AS d, p.provolatile AS v, p.proparallel AS p, p.proconfig[1] AS config,
       CASE WHEN p.proacl IS NULL THEN 'default: PUBLIC'
            ELSE (SELECT string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ')
                  FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner) END AS granted
FROM pg_proc p
WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace)
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- every table, view and sequence, and who but the owner may touch it
SELECT c.oid::regclass AS relation, c.relkind AS kind,
       (SELECT string_agg(format('%s to %s', a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END), ', ')
        FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS granted
FROM pg_class c
WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'S')
ORDER BY c.oid::regclass::text COLLATE "C";
SELECT n.nspname AS schema, a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' END AS granted
FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname LIKE 'wearables%' AND a.grantee <> n.nspowner ORDER BY 1, 2;

-- rules; each of these lists what breaks it
SELECT p.oid::regprocedure AS security_definer_without_pinned_path FROM pg_proc p
WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace) AND p.prosecdef
  AND p.proconfig[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp';
SELECT p.oid::regprocedure AS for_public_but_not_the_door FROM pg_proc p
WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace) AND has_function_privilege('public', p.oid, 'EXECUTE')
  AND p.oid <> ALL ('{wearables_api.webhook(json),wearables_api.webhook(text),wearables_api.webhook(bytea)}'::regprocedure[])
  -- what the view samples calls, whoever reads it
  AND p.oid <> ALL ('{wearables_internal.metric_id_of(text),wearables_internal.metric_ids_of(text[]),wearables_internal.is_shown(bigint),"wearables_internal.metric_named(smallint,text)"}'::regprocedure[]);
SELECT c.oid::regclass AS view_with_the_rights_of_its_owner FROM pg_class c
WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace) AND c.relkind = 'v'
  AND 'security_invoker=true' <> ALL (coalesce(c.reloptions, '{}')) AND c.relname NOT IN ('health', 'problems', 'queue', 'workers', 'metrics_export', 'activity', 'refused', 'first_ready_jobs',
    -- the kind archiver sees everybody
    'archivable_events', 'exportable_samples') AND c.relname !~ '^problems_of_'
  -- these show whom the caller may see
  AND NOT (c.relname ~ '^visible_' AND 'security_barrier=true' = ANY (c.reloptions));
SELECT p.oid::regprocedure AS trigger_function_for_others FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
WHERE p.pronamespace = 'wearables_internal'::regnamespace AND p.prorettype = 'trigger'::regtype AND a.grantee <> p.proowner;
SELECT p.oid::regprocedure AS trigger_function_outside FROM pg_proc p
WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace) AND p.prorettype = 'trigger'::regtype;
SELECT c.oid::regclass AS relation_for_public FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace) AND a.grantee = 0;
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_a_comment FROM pg_depend d
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'wearables_ingest')
  AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relkind = 'S'))
  -- since 17 the types that come with a table, and array types, are members too
  AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (
    SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid = d.objid AND (t.typelem <> 0 OR c.relkind <> 'c')))
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL;
SELECT c.oid::regclass AS table_that_no_dump_would_hold FROM pg_class c, pg_extension e
WHERE e.extname = 'wearables_ingest' AND c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace) AND c.relkind IN ('r', 'S') AND c.oid <> ALL (e.extconfig)
ORDER BY c.oid::regclass::text COLLATE "C";

-- grant_access(): four kinds of caller
CREATE ROLE regress_ingest;
CREATE ROLE regress_reader;
CREATE ROLE regress_monitor;
CREATE ROLE "regress operator";
CREATE ROLE regress_nobody;
SELECT wearables.grant_access('regress_ingest', 'ingest');
SELECT wearables.grant_access('regress_reader', 'reader');
SELECT wearables.grant_access('regress_monitor', 'monitor');
SELECT wearables.grant_access('"regress operator"', 'operator');
SELECT wearables.grant_access('regress_nobody', 'everything');
\echo :SQLSTATE
SELECT wearables.grant_access('regress_missing', 'reader');
\echo :SQLSTATE

SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:00Z', 60);
CREATE TEMP TABLE signed AS SELECT body, wearables.signed_headers('msg_1', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') AS headers
FROM convert_to('{"event_type":"ping"}', 'UTF8') body;
GRANT SELECT ON signed TO PUBLIC;

-- tries a statement as a role; what it did is undone
CREATE FUNCTION pg_temp.try(role regrole, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SET LOCAL ROLE %s', role);
  EXECUTE statement;
  RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
EXCEPTION
  WHEN SQLSTATE 'ZZZZZ' THEN RETURN 'yes';
  WHEN insufficient_privilege THEN RETURN '-';
END $$;
CREATE TEMP TABLE tries (what text, statement text);
INSERT INTO tries VALUES
  ('receive a delivery', 'SELECT wearables.receive(headers, body) FROM signed'),
  ('the door for everybody', 'SELECT wearables_api.webhook(''{}''::json)'),
  ('read samples', 'SELECT * FROM wearables.samples'),
  ('read a chart', 'SELECT * FROM wearables.timeseries(1, ''heartrate'', ''2024-01-01'', ''2025-01-01'')'),
  ('read the latest', 'SELECT * FROM wearables.latest(1)'),
  ('read the nights', 'SELECT * FROM wearables.nights(1, ''2024-01-01'', ''2025-01-01'')'),
  ('read users', 'SELECT * FROM wearables.users'),
  ('read summaries', 'SELECT * FROM wearables.summaries'),
  ('see the health', 'SELECT * FROM wearables.health'),
  ('see the queue', 'SELECT * FROM wearables.queue'),
  ('read raw events', 'SELECT * FROM wearables.webhook_events'),
  ('dry run', 'SELECT wearables.normalize(''daily.data.heartrate.created'', ''{"data":{"source":{"provider":"p"},"data":[]}}''::jsonb)'),
  ('replay', 'SELECT wearables.replay(event_id) FROM wearables.webhook_events'),
  ('change a mapping', 'UPDATE wearables.mappings SET enabled = false WHERE resource = ''hrv'''),
  ('add a metric', 'INSERT INTO wearables.metrics (name, unit) VALUES (''mood'', ''1'')'),
  ('repair a sample', 'INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, ''heartrate'', now(), 60)'),
  ('register a user', 'SELECT wearables.register_user(''bob'')'),
  ('requeue', 'SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events'),
  ('make partitions', 'SELECT wearables.make_event_partitions(''0'')'),
  ('set a secret', 'SELECT wearables.set_secret(''junction'', ''webhook'', 0, ''env:WEARABLES_SECRET'')'),
  ('read a secret', 'SELECT * FROM wearables.endpoint_secrets'),
  ('write samples directly', 'INSERT INTO wearables.sample_points VALUES (1, now(), 1, 1, 1, NULL, 1, 1, NULL)'),
  ('delete raw events', 'DELETE FROM wearables.webhook_events'),
  ('write the ledger', 'DELETE FROM wearables.revisions'),
  ('write jobs', 'DELETE FROM wearables.jobs'),
  ('make a schema object', 'CREATE TABLE wearables.t ()');
SELECT what, pg_temp.try('regress_nobody', statement) AS nobody, pg_temp.try('regress_ingest', statement) AS ingest,
       pg_temp.try('regress_reader', statement) AS reader, pg_temp.try('regress_monitor', statement) AS monitor,
       pg_temp.try('"regress operator"', statement) AS operator
FROM tries;

-- drain() commits, so it is tried outside
SELECT (wearables.receive(headers, body)).status FROM signed;
SET ROLE regress_reader;
CALL wearables.drain();
\echo :SQLSTATE
SET ROLE "regress operator";
CALL wearables.drain();
RESET ROLE;
SELECT status, note FROM wearables.webhook_events;

-- what default privileges grant is taken back, from partitions too
DROP EXTENSION wearables_ingest CASCADE;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_nobody;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_nobody, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO regress_nobody;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_nobody;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_nobody;
CREATE EXTENSION wearables_ingest;
SELECT wearables.make_event_partitions('14 days') AS made;
SELECT pg_describe_object(o.class, o.oid, 0) AS given_away
FROM (SELECT 'pg_class'::regclass AS class, c.oid, c.relnamespace AS schema, c.relacl AS acl FROM pg_class c
      UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, p.proacl FROM pg_proc p
      UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typacl FROM pg_type t
      UNION ALL SELECT 'pg_namespace'::regclass, n.oid, n.oid, n.nspacl FROM pg_namespace n) o
CROSS JOIN LATERAL aclexplode(o.acl) a
WHERE o.schema IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname LIKE 'wearables%')
  AND (a.grantee = 'regress_nobody'::regrole OR a.grantee = 0 AND o.class = 'pg_class'::regclass);
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_nobody;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM regress_nobody, PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON ROUTINES FROM regress_nobody;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM regress_nobody;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM regress_nobody;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');
SELECT (wearables.receive(headers, body)).status FROM signed;

-- a caller's search_path does not reach what runs with the owner's rights
CREATE SCHEMA trap;
CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
SET search_path = trap, pg_catalog;
SELECT 'a'::text = 'a' AS would_reach_it;
SELECT wearables.register_user('bob') > 0 AS registered;
UPDATE wearables.mappings SET enabled = false WHERE mapping_id = 1;
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:01Z', 60);
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events;
CALL wearables.drain();
SELECT (wearables.replay(event_id)).skipped FROM wearables.webhook_events;
SELECT count(*) FROM wearables.timeseries(1, 'heartrate', '2024-05-01', '2024-05-02');
SELECT verdict FROM wearables.health;
RESET search_path;

DROP SCHEMA trap CASCADE;
DROP EXTENSION wearables_ingest CASCADE;
DROP ROLE regress_ingest, regress_reader, regress_monitor, "regress operator", regress_nobody;
