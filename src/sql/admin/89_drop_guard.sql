-- DROP EXTENSION asks for no CASCADE by itself: the tables are members, and so go with the extension.

CREATE FUNCTION wearables_internal.refuse_drop() RETURNS event_trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_refuse_drop';
COMMENT ON FUNCTION wearables_internal.refuse_drop() IS
  'event trigger: refuses DROP EXTENSION wearables_ingest, and DROP OWNED BY its owner, without CASCADE while there '
  'are raw events, deliveries, samples or summaries';

CREATE EVENT TRIGGER wearables_ingest_keep_data ON ddl_command_start
  WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED')
  EXECUTE FUNCTION wearables_internal.refuse_drop();
COMMENT ON EVENT TRIGGER wearables_ingest_keep_data IS
  'refuses to drop wearables_ingest with its data without CASCADE. If its library cannot be loaded, no extension can '
  'be dropped until ALTER EVENT TRIGGER wearables_ingest_keep_data DISABLE';
-- a session that loads data as a replica drops as much as any other
ALTER EVENT TRIGGER wearables_ingest_keep_data ENABLE ALWAYS;
