-- The webhook functions: verify, store, enqueue.

CREATE FUNCTION wearables.verify_signature(
  headers jsonb, body bytea, secrets text[], at timestamptz DEFAULT clock_timestamp(),
  tolerance interval DEFAULT '300 seconds')
RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_verify_signature';
COMMENT ON FUNCTION wearables.verify_signature(jsonb, bytea, text[], timestamptz, interval) IS
  'Checks the signature of a delivery. Arguments: headers: the request headers as an object, names in any case; '
  'body: the request body; secrets: signing secrets as text; "at": the current time; tolerance: largest accepted '
  'difference between "at" and the timestamp in the headers. Returns true if a signature in the headers was made '
  'with one of the secrets. Returns false for every fault of the sender, such as a missing header. Raises an error '
  'only for a fault of the caller: no secret, no usable secret, or a negative tolerance. Example: SELECT '
  'wearables.verify_signature(''{"webhook-id": "msg_1", "webhook-timestamp": "1774764000", "webhook-signature": '
  '"v1,bm9uZQ=="}'', ''body''::bytea, ARRAY[''MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'']);';

CREATE FUNCTION wearables.sign(message_id text, at timestamptz, body bytea, secret text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_sign';
COMMENT ON FUNCTION wearables.sign(text, timestamptz, bytea, text) IS
  'The signature of a body as the vendor makes it, for tests. Arguments: message_id: the message id; "at": time of '
  'the delivery, in whole seconds; body: the request body; secret: the signing secret. Example: SELECT '
  'wearables.sign(''msg_1'', now(), ''body''::bytea, ''MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'');';

CREATE FUNCTION wearables.signed_headers(message_id text, at timestamptz, body bytea, secret text)
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_signed_headers';
COMMENT ON FUNCTION wearables.signed_headers(text, timestamptz, bytea, text) IS
  'The headers of a signed delivery as receive() takes them, for tests. Arguments: message_id: the message id; '
  '"at": time of the delivery, in whole seconds; body: the request body; secret: the signing secret. Example: '
  'SELECT wearables.signed_headers(''msg_1'', now(), ''body''::bytea, ''MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'');';

CREATE TYPE wearables.receipt AS (status text, event_id bigint, http_status integer, reason text);
COMMENT ON TYPE wearables.receipt IS 'Result of a delivery, as receive() returns it.';
COMMENT ON COLUMN wearables.receipt.status IS
  'accepted: stored and queued. duplicate: it was stored before. refused: nothing is stored. erased: nothing is '
  'stored, because the user was erased; answer the sender with success.';
COMMENT ON COLUMN wearables.receipt.event_id IS 'The event that stores the message. Null: refused or erased.';
COMMENT ON COLUMN wearables.receipt.http_status IS
  'What to answer the sender: success_status of the endpoint, or 400, 401, 404 or 413 if refused.';
COMMENT ON COLUMN wearables.receipt.reason IS 'Why the delivery was refused. Null: it was not.';

CREATE FUNCTION wearables.receive(headers jsonb, body bytea, endpoint text DEFAULT NULL)
RETURNS wearables.receipt LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_receive';
COMMENT ON FUNCTION wearables.receive(jsonb, bytea, text) IS
  'Receives a delivery: verifies its signature, stores the body byte for byte, and queues it for processing. '
  'Answer the sender with http_status, and only after COMMIT, because a sender never repeats what was answered '
  'with success. Arguments: headers: the request headers as an object, names in any case; body: the request body, '
  'exactly as it arrived; endpoint: name of the endpoint whose secrets are tried (null: the one that the header '
  'wearables-endpoint names, else every enabled endpoint). A refused delivery is a row with status refused, not an '
  'error. Example: SELECT status, event_id, http_status, reason FROM wearables.receive(''{"webhook-id": "msg_1", '
  '"webhook-timestamp": "1774764000", "webhook-signature": "v1,bm9uZQ=="}'', ''{}''::bytea);';

CREATE FUNCTION wearables_api.webhook(json) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_text';
COMMENT ON FUNCTION wearables_api.webhook(json) IS
  'For PostgREST: receives a delivery whose content type is application/json. It reads the headers from the '
  'setting request.headers, and sets the HTTP status in response.status. Returns {"status", "event_id", "reason"} '
  'as receive() does. POST the delivery to /rpc/webhook. Any role may call it: only deliveries signed with a '
  'secret of an endpoint are stored.';

CREATE FUNCTION wearables_api.webhook(text) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_text';
COMMENT ON FUNCTION wearables_api.webhook(text) IS 'For PostgREST: as webhook(json), for content type text/plain.';

CREATE FUNCTION wearables_api.webhook(bytea) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_bytea';
COMMENT ON FUNCTION wearables_api.webhook(bytea) IS
  'For PostgREST: as webhook(json), for content type application/octet-stream. Takes every body byte for byte, so '
  'let the proxy send deliveries in this way.';

-- Webhook functions of one endpoint, for a proxy that cannot set a header.

CREATE FUNCTION wearables_internal.webhook(endpoint text, body json) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_text';
COMMENT ON FUNCTION wearables_internal.webhook(text, json) IS
  'webhook(json) for one endpoint, called by the functions that expose_endpoint() creates.';

CREATE FUNCTION wearables_internal.webhook(endpoint text, body text) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_text';
COMMENT ON FUNCTION wearables_internal.webhook(text, text) IS
  'webhook(text) for one endpoint, called by the functions that expose_endpoint() creates.';

CREATE FUNCTION wearables_internal.webhook(endpoint text, body bytea) RETURNS json
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_webhook_of_bytea';
COMMENT ON FUNCTION wearables_internal.webhook(text, bytea) IS
  'webhook(bytea) for one endpoint, called by the functions that expose_endpoint() creates.';

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
    RAISE EXCEPTION 'endpoint "%" does not exist', endpoint
      USING ERRCODE = 'undefined_object', HINT = 'Add it with wearables.add_endpoint().';
  END IF;
  -- a longer name would be cut, and two could become one
  IF octet_length('webhook_' || endpoint) > 63 THEN
    RAISE EXCEPTION 'the name of endpoint "%" is too long for a function', endpoint
      USING ERRCODE = 'name_too_long',
            DETAIL = 'The name of the function is webhook_ and the name of the endpoint, at most 63 bytes in all.',
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
                   'For PostgREST: receives deliveries of one endpoint. Created by wearables.expose_endpoint().');
    EXECUTE format('ALTER FUNCTION %s DEPENDS ON EXTENSION wearables_ingest', door);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', door);
  END LOOP;
  NOTIFY pgrst, 'reload schema';
END $$;
COMMENT ON FUNCTION wearables.expose_endpoint(text, boolean) IS
  'Creates the functions wearables_api."webhook_NAME" for one endpoint. They try only the secrets of this '
  'endpoint, for a proxy that cannot set the header wearables-endpoint. Arguments: endpoint: name of the endpoint, '
  'at most 55 bytes; exposed: false drops the functions again. They are also dropped with the endpoint. Raises '
  'undefined_object for an unknown endpoint. Example: SELECT wearables.expose_endpoint(''main'');';

CREATE FUNCTION wearables_internal.hide_endpoints() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  door regprocedure;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'endpoints' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on wearables.endpoints.';
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
  'Trigger function: drops the functions of expose_endpoint() when their endpoint is deleted or renamed.';
CREATE TRIGGER hide_endpoints AFTER DELETE OR UPDATE OF name OR TRUNCATE ON wearables.endpoints
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.hide_endpoints();
