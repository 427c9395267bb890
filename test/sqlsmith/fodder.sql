-- What random SQL gets to eat: a table of things that make sense as arguments, and for each of our functions a view
-- that calls it with them. sqlsmith alone would pass NULL and casts of it, and never call what returns a set.
\set ON_ERROR_STOP on
CREATE SCHEMA fodder;
CREATE TABLE fodder.stock AS
SELECT e.event_id, e.received_at, coalesce(e.user_id, 1) AS user_id, e.headers, e.payload AS body, e.event_type,
       e.message_id, e.endpoint, :'secret'::text AS secret, ARRAY[:'secret', NULL, 'whsec_', ''] AS secrets,
       wearables.signed_headers('msg_' || e.event_id, now(), e.payload, :'secret') AS signed,
       m.name AS metric, m.unit, z.zone, b.bucket, b.bucket::interval AS width, (ARRAY[0, 1, -1, 2147483647])[1 + e.event_id % 4] AS number,
       e.received_at::timestamp AS wall, p.path, ARRAY[p.path, NULL] AS paths, 'smith_reader'::regrole AS role
FROM (SELECT * FROM wearables.webhook_events ORDER BY hashint8(event_id) LIMIT 12) e
CROSS JOIN LATERAL (SELECT name, unit FROM wearables.metrics ORDER BY hashtext(name || e.event_id) LIMIT 1) m
CROSS JOIN LATERAL (SELECT (ARRAY['Europe/Berlin', 'UTC', 'nowhere', ''])[1 + e.event_id % 4] AS zone) z
CROSS JOIN LATERAL (SELECT (ARRAY['1 hour', '1 day', '1 month', '0', '-1 day', '100000 years', '7 minutes'])[1 + e.event_id % 7] AS bucket) b
CROSS JOIN LATERAL (SELECT (ARRAY['value', 'stages.*.type', '*', 'a..b', 'hr_zones.0', ''])[1 + e.event_id % 6] AS path) p;
INSERT INTO fodder.stock (event_id, received_at, user_id, headers, body, event_type, endpoint, signed, metric, bucket, width, number, wall)
VALUES (-1, '-infinity', -1, 'null', '', '', '', '[]', '', '', '-178000000 years', -2147483648, 'infinity'),
       (9223372036854775807, 'infinity', 9223372036854775807, '{}', '\x00ff', 'daily.data.heartrate.created', 'nobody', '"x"', 'heartrate', 'hour', '1 month 1 second', 7, '-infinity'),
       (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- a view into which nothing can be inserted: sqlsmith would try
CREATE VIEW fodder.things AS SELECT * FROM fodder.stock OFFSET 0;

-- Which of them a parameter is given: by its name, else by its type.
CREATE FUNCTION fodder.argument(name text, type regtype) RETURNS text LANGUAGE sql AS $$
  SELECT 't.' || coalesce(
    CASE WHEN name IN ('event_id', 'user_id', 'metric', 'unit', 'event_type', 'message_id', 'endpoint', 'secret', 'path', 'paths', 'role') THEN name END,
    CASE WHEN name LIKE '%zone' THEN 'zone' WHEN name = 'headers' THEN 'signed' WHEN name = 'bucket' AND type = 'text'::regtype THEN 'bucket' END,
    CASE type::text
      WHEN 'bigint' THEN 'event_id' WHEN 'integer' THEN 'number' WHEN 'smallint' THEN 'number::bit(16)::integer::smallint'
      WHEN 'jsonb' THEN 'headers' WHEN 'json' THEN 'headers::json' WHEN 'bytea' THEN 'body' WHEN 'text[]' THEN 'secrets'
      WHEN 'interval' THEN 'width' WHEN 'timestamp with time zone' THEN 'received_at' WHEN 'timestamp without time zone' THEN 'wall'
      WHEN 'regrole' THEN 'role' WHEN 'text' THEN 'metric' END,
    format('metric::text::%s', type))
$$;

DO $$
DECLARE
  f record;
BEGIN
  FOR f IN
    SELECT p.oid, p.prokind, p.prorettype = 'void'::regtype AS is_void, format('%I.%I', n.nspname, p.proname) AS name,
           format('fodder.%I', left(p.proname, 50) || '_' || p.oid) AS view,
           (SELECT string_agg(fodder.argument(coalesce(p.proargnames[a.i], ''), a.type), ', ' ORDER BY a.i)
            FROM unnest(p.proargtypes) WITH ORDINALITY a (type, i)) AS arguments
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname LIKE 'wearables%' AND p.prokind IN ('f', 'a')
      AND p.prorettype <> 'trigger'::regtype AND 'internal'::regtype <> ALL (p.proargtypes::oid[] || p.prorettype)
  LOOP
    EXECUTE format(
      CASE WHEN f.prokind = 'a' THEN 'CREATE VIEW %s AS SELECT t.number AS fodder, %s(%s) AS r FROM fodder.things t GROUP BY t.number'
           WHEN f.is_void THEN 'CREATE VIEW %s AS SELECT t.number AS fodder, %s(%s) IS NULL AS r FROM fodder.things t'
           ELSE 'CREATE VIEW %s AS SELECT t.number AS fodder, r.* FROM fodder.things t CROSS JOIN LATERAL %s(%s) AS r' END,
      f.view, f.name, coalesce(f.arguments, ''));
  END LOOP;
END $$;

-- sqlsmith asks pg_proc and pg_type, without their schema, what there is. What it finds first is this: those of our
-- functions that the caller may call, some of the server's that take and give plain types, and plain types under the
-- numbers of the polymorphic ones. Otherwise most of its statements would not get past the parser.
CREATE SCHEMA fodder_catalog;
CREATE VIEW fodder_catalog.pg_type AS
SELECT coalesce(plain.typname, t.typname) AS typname, coalesce(plain.typnamespace, t.typnamespace) AS typnamespace, t.oid, t.typdelim, t.typrelid,
       t.typelem, t.typarray, coalesce(plain.typtype, t.typtype) AS typtype
FROM pg_catalog.pg_type t
LEFT JOIN (VALUES ('anyrange', 'int4range'), ('anymultirange', 'int4multirange'), ('anyenum', 'wearables.job_state'), ('anycompatible', 'int4'),
                  ('anycompatiblearray', '_int4'), ('anycompatiblenonarray', 'int4'), ('anycompatiblerange', 'int4range'),
                  ('anycompatiblemultirange', 'int4multirange')) AS p (polymorphic, plain) ON t.oid = p.polymorphic::regtype
LEFT JOIN pg_catalog.pg_type plain ON plain.oid = p.plain::regtype;
CREATE VIEW fodder_catalog.pg_proc AS
SELECT p.* FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE (n.nspname LIKE 'wearables%' AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))
   OR (n.nspname = 'pg_catalog' AND p.provolatile = 'i' AND p.provariadic = 0 AND hashtext(p.oid::text) % 8 = 0
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = ANY (p.proargtypes::oid[] || p.prorettype) AND t.typtype = 'p'));
GRANT USAGE ON SCHEMA fodder_catalog TO PUBLIC;
GRANT SELECT ON fodder_catalog.pg_type, fodder_catalog.pg_proc TO PUBLIC;

CREATE VIEW fodder.never_called AS
SELECT string_agg(DISTINCT p.proname, ', ' ORDER BY p.proname) AS names
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname LIKE 'wearables%' AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
  AND 'internal'::regtype <> ALL (p.proargtypes::oid[] || p.prorettype)
  AND has_function_privilege(current_user, p.oid, 'EXECUTE') AND pg_stat_get_function_calls(p.oid) IS NULL
  -- one that is inlined does not count as called
  AND NOT (p.prolang = (SELECT oid FROM pg_catalog.pg_language WHERE lanname = 'sql') AND p.proconfig IS NULL);
GRANT SELECT ON fodder.never_called TO PUBLIC;

-- A kind of caller sees the views of what it may call.
CREATE PROCEDURE fodder.feed(kind text) LANGUAGE plpgsql AS $$
DECLARE
  v record;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA fodder TO %I', kind);
  EXECUTE format('GRANT SELECT ON fodder.things TO %I', kind);
  EXECUTE format('ALTER ROLE %I SET search_path = fodder_catalog, pg_catalog', kind);
  FOR v IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'fodder'::regnamespace AND c.relkind = 'v' AND c.relname ~ '_\d+$'
             AND has_function_privilege(kind, substring(c.relname FROM '\d+$')::oid, 'EXECUTE') LOOP
    EXECUTE format('GRANT SELECT ON %s TO %I', v.name, kind);
  END LOOP;
END $$;
