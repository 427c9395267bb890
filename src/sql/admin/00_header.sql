\echo Use "CREATE EXTENSION wearables_ingest" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;
-- whatever the site's own tables are, and however it likes its queries
SET LOCAL default_table_access_method = heap;
SET LOCAL jit = off;

DO $$
DECLARE
  in_the_way text := (SELECT string_agg(n.nspname, ', ' ORDER BY n.nspname) FROM pg_namespace n
                      WHERE n.nspname IN ('wearables', 'wearables_api', 'wearables_internal'));
BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'wearables_ingest requires the database encoding UTF8, not %',
      current_setting('server_encoding')
      USING ERRCODE = 'feature_not_supported',
            DETAIL = 'A signature covers the bytes that were sent. With another encoding the server changes them.',
            HINT = 'Create the database with ENCODING ''UTF8''.';
  END IF;
  IF in_the_way IS NOT NULL THEN
    RAISE EXCEPTION 'wearables_ingest cannot be created over schema(s) %', in_the_way
      USING ERRCODE = 'duplicate_schema',
            DETAIL = 'The extension creates its schemas. These may be left from a partial restore, or those of a '
                     'subscriber, which does not need the extension.',
            HINT = 'Drop or rename the schema(s), or use another database.';
  END IF;
END $$;

CREATE SCHEMA wearables;
COMMENT ON SCHEMA wearables IS 'wearables_ingest: tables, views and functions for users and applications.';

CREATE SCHEMA wearables_internal;
COMMENT ON SCHEMA wearables_internal IS 'wearables_ingest: internal objects. Do not call or change them directly.';

CREATE SCHEMA wearables_api;
COMMENT ON SCHEMA wearables_api IS 'wearables_ingest: functions that an HTTP proxy such as PostgREST exposes.';
