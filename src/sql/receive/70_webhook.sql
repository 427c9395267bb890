-- The door: verify, store, enqueue.

CREATE FUNCTION wearables.verify_signature(
  headers jsonb, body bytea, secrets text[], at timestamptz DEFAULT clock_timestamp(),
  tolerance interval DEFAULT '300 seconds')
RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_verify_signature';
COMMENT ON FUNCTION wearables.verify_signature(jsonb, bytea, text[], timestamptz, interval) IS
  'whether some signature of the headers matches some secret and the timestamp is within tolerance of "at"; '
  'false for whatever a sender may have done wrong, an error for what the caller did: no secret, '
  'or none that can be used';

CREATE FUNCTION wearables.sign(message_id text, at timestamptz, body bytea, secret text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_sign';
COMMENT ON FUNCTION wearables.sign(text, timestamptz, bytea, text) IS
  'the signature header for a body, as the vendor makes it: for tests';

CREATE FUNCTION wearables.signed_headers(message_id text, at timestamptz, body bytea, secret text)
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_signed_headers';
COMMENT ON FUNCTION wearables.signed_headers(text, timestamptz, bytea, text) IS
  'the headers of a delivery of this body, as receive() takes them: for tests';

CREATE TYPE wearables.receipt AS (status text, event_id bigint, http_status integer, reason text);
COMMENT ON TYPE wearables.receipt IS
  'what became of a delivery: accepted, duplicate (both the endpoint''s success status), refused (400, 401, 404, 413; '
  'nothing stored)';

CREATE FUNCTION wearables.receive(headers jsonb, body bytea, endpoint text DEFAULT NULL)
RETURNS wearables.receipt LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_receive';
COMMENT ON FUNCTION wearables.receive(jsonb, bytea, text) IS
  'verify a delivery, store it byte for byte, put it in the queue (R1); answer the sender with http_status only after '
  'COMMIT; without endpoint the header wearables-endpoint names it, and without that every enabled one is tried';

CREATE FUNCTION wearables_api.webhook(json) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_text';
COMMENT ON FUNCTION wearables_api.webhook(json) IS
  'PostgREST door for application/json: headers from request.headers, HTTP status through response.status';

CREATE FUNCTION wearables_api.webhook(text) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_text';
COMMENT ON FUNCTION wearables_api.webhook(text) IS 'PostgREST door for text/plain';

CREATE FUNCTION wearables_api.webhook(bytea) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_bytea';
COMMENT ON FUNCTION wearables_api.webhook(bytea) IS
  'PostgREST door for application/octet-stream; byte for byte, NUL included';

-- A door for one endpoint: what a proxy that can set no header is given.

CREATE FUNCTION wearables_internal.webhook(endpoint text, body json) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_text';
COMMENT ON FUNCTION wearables_internal.webhook(text, json) IS
  'webhook(json) for one endpoint: what the functions of expose_endpoint() call';

CREATE FUNCTION wearables_internal.webhook(endpoint text, body text) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_text';
COMMENT ON FUNCTION wearables_internal.webhook(text, text) IS
  'webhook(text) for one endpoint: what the functions of expose_endpoint() call';

CREATE FUNCTION wearables_internal.webhook(endpoint text, body bytea) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_bytea';
COMMENT ON FUNCTION wearables_internal.webhook(text, bytea) IS
  'webhook(bytea) for one endpoint: what the functions of expose_endpoint() call';

-- They are no members of the extension, for members are not dumped; they depend on it, so they go with it.
CREATE FUNCTION wearables.expose_endpoint(endpoint text, exposed boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text;
  door text;
BEGIN
  -- whoever removes the endpoint meanwhile waits, and finds the functions then
  PERFORM FROM wearables.endpoints e WHERE e.name = endpoint FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'endpoint "%" is not known', endpoint
      USING ERRCODE = 'undefined_object', HINT = 'Add it with wearables.add_endpoint().';
  END IF;
  -- a longer name would be cut, and two could become one
  IF octet_length('webhook_' || endpoint) > 63 THEN
    RAISE EXCEPTION 'the name of endpoint "%" is too long for a function', endpoint
      USING ERRCODE = 'name_too_long', DETAIL = 'The function would be webhook_ and the name, 63 bytes at most.',
            HINT = 'Let the proxy set the header wearables-endpoint.';
  END IF;
  FOREACH kind IN ARRAY ARRAY['json', 'text', 'bytea'] LOOP
    door := format('wearables_api.%I(%s)', 'webhook_' || endpoint, kind);
    IF NOT exposed THEN
      EXECUTE 'DROP FUNCTION IF EXISTS ' || door;
      CONTINUE;
    END IF;
    EXECUTE format($f$CREATE OR REPLACE FUNCTION %s RETURNS json
      LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
      BEGIN ATOMIC SELECT wearables_internal.webhook(%L::text, $1); END$f$, door, endpoint);
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', door,
                   'PostgREST door of one endpoint, made by wearables.expose_endpoint()');
    EXECUTE format('ALTER FUNCTION %s DEPENDS ON EXTENSION wearables_ingest', door);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', door);
  END LOOP;
  NOTIFY pgrst, 'reload schema';
END $$;
COMMENT ON FUNCTION wearables.expose_endpoint(text, boolean) IS
  'make (or, with false, drop) wearables_api."webhook_NAME", a door where the secrets of this endpoint alone are '
  'tried, for proxies that can set no header; it goes with the endpoint';

CREATE FUNCTION wearables_internal.hide_endpoints() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  door regprocedure;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'endpoints' THEN
    RAISE EXCEPTION 'trigger "%" cannot work on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function belongs to the table of endpoints.';
  END IF;
  FOR door IN
    SELECT p.oid FROM pg_proc p
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x'
    JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid
                           AND x.extname = 'wearables_ingest'
    WHERE p.pronamespace = 'wearables_api'::regnamespace AND starts_with(p.proname, 'webhook_')
      AND NOT EXISTS (SELECT FROM wearables.endpoints e WHERE e.name = substr(p.proname, 9) COLLATE "C") LOOP
    EXECUTE format('DROP FUNCTION %s', door);
    NOTIFY pgrst, 'reload schema';
  END LOOP;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.hide_endpoints() IS
  'trigger: an endpoint that goes, or gets another name, takes the functions of expose_endpoint() with it';
CREATE TRIGGER hide_endpoints AFTER DELETE OR UPDATE OF name OR TRUNCATE ON wearables.endpoints
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.hide_endpoints();
