-- The door: verify, store, enqueue.

CREATE FUNCTION wearables.verify_signature(headers jsonb, body bytea, secrets text[], at timestamptz DEFAULT clock_timestamp(),
                                           tolerance interval DEFAULT '300 seconds')
RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_verify_signature';
COMMENT ON FUNCTION wearables.verify_signature(jsonb, bytea, text[], timestamptz, interval) IS
  'whether some v1 signature of the svix-* or webhook-* headers matches some secret and the timestamp is within tolerance of "at"; false for whatever a sender may have done wrong, an error for what the caller did: no secret, or none that can be used';

CREATE FUNCTION wearables.sign(message_id text, at timestamptz, body bytea, secret text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_sign';
COMMENT ON FUNCTION wearables.sign(text, timestamptz, bytea, text) IS 'the signature header for a body, as Svix makes it (v1,base64): for tests';

CREATE FUNCTION wearables.signed_headers(message_id text, at timestamptz, body bytea, secret text)
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_signed_headers';
COMMENT ON FUNCTION wearables.signed_headers(text, timestamptz, bytea, text) IS 'the headers of a delivery of this body, as receive() takes them: for tests';

CREATE TYPE wearables.receipt AS (status text, event_id bigint, http_status integer, reason text);
COMMENT ON TYPE wearables.receipt IS
  'what became of a delivery: accepted, duplicate (both the endpoint''s success status), refused (400, 401, 404, 413; nothing stored)';

CREATE FUNCTION wearables.receive(headers jsonb, body bytea, endpoint text DEFAULT NULL)
RETURNS wearables.receipt LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_receive';
COMMENT ON FUNCTION wearables.receive(jsonb, bytea, text) IS
  'verify a delivery, store it byte for byte, put it in the queue (R1); answer the sender with http_status only after COMMIT; without endpoint the header wearables-endpoint names it, and without that every enabled one is tried';

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
COMMENT ON FUNCTION wearables_api.webhook(bytea) IS 'PostgREST door for application/octet-stream; byte for byte, NUL included';
