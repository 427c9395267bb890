-- The script that a subscriber runs before it subscribes. Tables are made from the catalog, functions are printed as
-- they are defined here, and what is C here comes from 86_plain_read.sql: nothing is written twice. The script can be
-- run again, by a newer version too: it adds what is missing, and replaces functions and views.

-- Without NOT NULL and CHECK, which hold at the source: so a column that a later version no longer sends stays null.
-- Without references and identities: rows come as they are.
CREATE FUNCTION wearables_internal.subscriber_table(relation regclass, columns text[], indexes text[]) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH attribute AS (
    SELECT n.place, a.attnum,
           format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I', l.collname) END) AS definition
    FROM unnest($2) WITH ORDINALITY n (name, place)
    JOIN pg_attribute a ON a.attrelid = $1 AND a.attname = n.name AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation),
  keys AS (
    SELECT string_agg(format(E',\n  CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), ''
                      ORDER BY k.contype, k.conname) AS definition
    FROM pg_constraint k
    WHERE k.conrelid = $1 AND k.contype IN ('p', 'u')
      AND k.conkey <@ (SELECT array_agg(a.attnum) FROM attribute a))
  SELECT format(E'CREATE TABLE IF NOT EXISTS %s (\n  %s%s\n)%s;\n', $1,
                string_agg(a.definition, E',\n  ' ORDER BY a.place),
                (SELECT k.definition FROM keys k),
                (SELECT format(' WITH (%s)', array_to_string(c.reloptions, ', '))
                 FROM pg_class c WHERE c.oid = $1 AND c.reloptions IS NOT NULL))
         || format(E'ALTER TABLE %s\n  %s;\n', $1,
                   string_agg('ADD COLUMN IF NOT EXISTS ' || a.definition, E',\n  ' ORDER BY a.place))
         || coalesce((SELECT string_agg(
                        regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE INDEX', 'CREATE INDEX IF NOT EXISTS')
                        || E';\n', '' ORDER BY c.relname)
                      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                      WHERE i.indrelid = $1 AND c.relname = ANY ($3)), '')
         || (SELECT CASE c.relreplident WHEN 'f' THEN format(E'ALTER TABLE %s REPLICA IDENTITY FULL;\n', $1) ELSE '' END
             FROM pg_class c WHERE c.oid = $1)
  FROM attribute a;
END;
COMMENT ON FUNCTION wearables_internal.subscriber_table(regclass, text[], text[]) IS
  'Statements of subscriber_ddl() that make a table with these columns, its keys and these indexes, or add to it what '
  'is missing.';

CREATE FUNCTION wearables_internal.subscriber_function(function regprocedure) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT regexp_replace(
           regexp_replace(d.definition, E'wearables_internal\\.plain_(first_instant|day_of|bucket_start|bucket_end)\\M',
                          E'wearables.\\1', 'g'),
           'wearables_internal[.]plain_', 'wearables_internal.', 'g')
  FROM (
    SELECT pg_get_functiondef(p.oid) || E';\n'
           || CASE WHEN p.pronamespace = 'wearables'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NOT NULL
                THEN format(E'COMMENT ON FUNCTION %s IS %L;\n', $1, obj_description(p.oid, 'pg_proc')) ELSE '' END
    FROM pg_proc p WHERE p.oid = $1) d (definition);
END;
COMMENT ON FUNCTION wearables_internal.subscriber_function(regprocedure) IS
  'Statements of subscriber_ddl() that make a function, under the names that it has there.';

CREATE FUNCTION wearables_internal.subscriber_preamble() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT format($script$-- For a subscriber of wearables_ingest %s, made by wearables.subscriber_ddl().
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
DO $check$
BEGIN
  IF current_setting('server_version_num')::integer < 150000 THEN
    RAISE EXCEPTION 'the subscriber needs PostgreSQL 15 or newer'
      USING ERRCODE = 'feature_not_supported',
            DETAIL = format('This server is PostgreSQL %s.', current_setting('server_version')),
            HINT = 'Run this script in a database of a newer server.';
  ELSIF EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'wearables_ingest') THEN
    RAISE EXCEPTION 'this database has the extension wearables_ingest'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run this script in the database of the subscriber.';
  END IF;
END $check$;
CREATE SCHEMA IF NOT EXISTS wearables;
COMMENT ON SCHEMA wearables IS 'Fed by wearables_ingest %1$s. Its tables are written by a subscription alone.';
CREATE SCHEMA IF NOT EXISTS wearables_internal;
COMMENT ON SCHEMA wearables_internal IS 'Used by the functions of schema wearables.';

DO $type$
BEGIN
  IF to_regtype('wearables.summary_sample') IS NULL THEN
    CREATE TYPE wearables.summary_sample AS (%s);
  ELSIF (SELECT string_agg(format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
         FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE t.oid = to_regtype('wearables.summary_sample')) <> %2$L THEN
    RAISE EXCEPTION 'the type wearables.summary_sample has changed'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Drop the subscription and the schemas wearables and wearables_internal, and begin anew.';
  END IF;
END $type$;
$script$, (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'wearables_ingest'),
    (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
     FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE t.oid = 'wearables.summary_sample'::regtype));
END;
COMMENT ON FUNCTION wearables_internal.subscriber_preamble() IS
  'The beginning of what subscriber_ddl() prints: checks, schemas and the type of samples of documents.';

CREATE FUNCTION wearables_internal.subscriber_samples() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- what the library does for the view: let it find the range of its metric, and hide whom an erasure has begun on
  named CONSTANT text := 'wearables_internal.metric_named(p.metric_id, m.name)';
  shown CONSTANT text := 'wearables_internal.is_shown(p.user_id)';
  definition CONSTANT text := pg_get_viewdef('wearables.samples'::regclass);
BEGIN
  IF strpos(definition, named) = 0 OR strpos(definition, shown) = 0 THEN
    RAISE EXCEPTION 'the view samples has an unknown condition' USING ERRCODE = 'internal_error';
  END IF;
  RETURN format(E'CREATE OR REPLACE VIEW wearables.samples WITH (security_invoker = true) AS\n%s\n',
                replace(replace(definition, named, 'true'), shown,
                        'NOT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = p.user_id '
                        'AND u.erased_at IS NOT NULL)'));
END $$;
COMMENT ON FUNCTION wearables_internal.subscriber_samples() IS
  'The statement of subscriber_ddl() that makes the view samples.';

CREATE FUNCTION wearables.subscriber_ddl() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- in an order in which each finds those that it calls
  functions CONSTANT regprocedure[] := ARRAY[
    'wearables_internal.plain_refuse_zone(text)', 'wearables_internal.plain_rules(text)',
    'wearables_internal.plain_offset(timestamptz, text)',
    'wearables_internal.plain_change(timestamptz, timestamptz, text)',
    'wearables_internal.plain_first_instant(timestamp, text)', 'wearables_internal.plain_day_of(timestamptz, text)',
    'wearables_internal.plain_width(interval)', 'wearables_internal.plain_first_day(date, integer, integer)',
    'wearables_internal.plain_bucket_starts(timestamptz, timestamptz, interval, text)',
    'wearables_internal.plain_bucket(timestamptz, interval, text)',
    'wearables_internal.plain_bucket_start(timestamptz, interval, text)',
    'wearables_internal.plain_bucket_end(timestamptz, interval, text)',
    'wearables_internal.charted_at(timestamptz, smallint, text, boolean)',
    'wearables_internal.plain_chart(bigint, smallint[], text, timestamptz[], interval, text, boolean, boolean)',
    'wearables_internal.is_being_erased(bigint)',
    'wearables_internal.source_places(bigint, text, text, smallint[])',
    'wearables_internal.plain_note_access(text, bigint)',
    'wearables_internal.chart_question(bigint, text, timestamptz, timestamptz, text, text, text)',
    'wearables_internal.merged_chart(
       bigint, smallint, smallint[], timestamptz[], interval, text, boolean, text[], text)',
    'wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text, text)',
    'wearables.timeseries(bigint, text, date, date, text, text, text, text, text, text)',
    'wearables.timeseries_percentiles(
       bigint, text, timestamptz, timestamptz, text, double precision[], text, text, text, text)',
    'wearables_internal.checked_bounds(double precision[])',
    'wearables.timeseries_histogram(
       bigint, text, timestamptz, timestamptz, double precision[], text, text, text, text, text)',
    'wearables_internal.checked_gap(interval)',
    'wearables.timeseries_time_weighted(
       bigint, text, timestamptz, timestamptz, text, interval, text, text, text, text)',
    'wearables_internal.page_key(text)', 'wearables_internal.checked_page_size(integer)',
    'wearables.samples_page(bigint, text, timestamptz, timestamptz, text, integer)',
    'wearables.latest(bigint)', 'wearables.nights(bigint, date, date, text)']::regprocedure[];
BEGIN
  RETURN concat_ws(
    E'\n', wearables_internal.subscriber_preamble(),
    (SELECT string_agg(wearables_internal.subscriber_table(
              p.relation::regclass, string_to_array(p.columns, ' '), string_to_array(p.indexes, ' ')), E'\n')
     FROM wearables_internal.published p),
    -- who is erased is not published: a row of users says it
    'CREATE OR REPLACE VIEW wearables.erasures WITH (security_invoker = true) AS',
    E'SELECT u.user_id, NULL::timestamptz AS finished_at FROM wearables.users u WHERE u.erased_at IS NOT NULL;\n',
    wearables_internal.subscriber_samples(),
    (SELECT string_agg(wearables_internal.subscriber_function(f.oid), E'\n' ORDER BY f.place)
     FROM unnest(functions) WITH ORDINALITY f (oid, place)),
    'COMMIT;');
END $$;
COMMENT ON FUNCTION wearables.subscriber_ddl() IS
  'Returns a script that prepares another database, which does not have the extension, to subscribe to the publication '
  'that make_publication() makes. It makes the schema wearables with plain tables, the view samples, and in SQL the '
  'functions timeseries(), timeseries_percentiles(), timeseries_histogram(), timeseries_time_weighted(), '
  'samples_page(), latest(), nights(), bucket_start(), bucket_end(), first_instant() and day_of(), which give the same '
  'answers as here. It needs PostgreSQL 15 or newer, and no superuser. It can be run again: after an update of the '
  'extension it adds what is new. Example: SELECT wearables.subscriber_ddl();';
