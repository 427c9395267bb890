-- Senders and their secrets.

CREATE FUNCTION wearables_internal.check_vendor(vendor text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_check_vendor';
COMMENT ON FUNCTION wearables_internal.check_vendor(text) IS
  'Raises an error unless the library supports the vendor.';

CREATE FUNCTION wearables_internal.default_vendor() RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_default_vendor';
COMMENT ON FUNCTION wearables_internal.default_vendor() IS 'The vendor of an endpoint for which none is given.';

CREATE TABLE wearables.endpoints (
  name           text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  vendor         text NOT NULL DEFAULT wearables_internal.default_vendor()
                 CHECK (wearables_internal.check_vendor(vendor)),
  environment    text NOT NULL DEFAULT 'production' CHECK (environment IN ('production', 'sandbox')),
  base_url       text CHECK (octet_length(base_url) <= 2000),
  tolerance      interval NOT NULL DEFAULT '300 seconds' CHECK (tolerance BETWEEN '0' AND '100 years'),
  success_status smallint NOT NULL DEFAULT 202 CHECK (success_status BETWEEN 200 AND 299),
  enabled        boolean NOT NULL DEFAULT true,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE wearables.endpoints IS
  'Configured senders. One row is one webhook endpoint at the vendor, with its own signing secrets. Use '
  'add_endpoint() to add or change one.';
COMMENT ON COLUMN wearables.endpoints.name IS
  'Letters, digits, _ . and -, at most 63 bytes, beginning with a letter or digit. If it is changed, everything that '
  'names the endpoint follows, each of its events and deliveries included: that takes long where there are many.';
COMMENT ON COLUMN wearables.endpoints.vendor IS
  'Who sends: decides the signature scheme, the event types and the REST API.';
COMMENT ON COLUMN wearables.endpoints.environment IS
  'production or sandbox: which environment of the vendor this endpoint belongs to.';
COMMENT ON COLUMN wearables.endpoints.base_url IS
  'Base URL of the vendor''s REST API, https://host[:port][/path]. Null: history cannot be pulled.';
COMMENT ON COLUMN wearables.endpoints.tolerance IS
  'Largest accepted difference between the timestamp of a delivery and the server''s clock, in either direction.';
COMMENT ON COLUMN wearables.endpoints.success_status IS
  'HTTP status with which an accepted delivery or a duplicate is answered.';
COMMENT ON COLUMN wearables.endpoints.enabled IS 'False: every delivery is refused, and its backfills wait.';
COMMENT ON COLUMN wearables.endpoints.created_at IS 'When the row was added. No change of the row moves it.';
SELECT pg_extension_config_dump('wearables.endpoints', '');

CREATE TABLE wearables.endpoint_secrets (
  endpoint text COLLATE "C" NOT NULL REFERENCES wearables.endpoints ON UPDATE CASCADE ON DELETE CASCADE,
  kind     text NOT NULL CHECK (kind IN ('webhook', 'api_key')),
  ordinal  smallint NOT NULL CHECK (ordinal BETWEEN 0 AND 15),
  value    text NOT NULL CHECK (value <> ''),
  set_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (endpoint, kind, ordinal)
);
COMMENT ON TABLE wearables.endpoint_secrets IS
  'Secrets of endpoints. Set them with set_secret(). pg_dump does not dump this table, and no role but the owner '
  'can read it.';
COMMENT ON COLUMN wearables.endpoint_secrets.endpoint IS
  'Name of the endpoint. If the endpoint is deleted, so are its secrets.';
COMMENT ON COLUMN wearables.endpoint_secrets.kind IS
  'webhook: a signing secret. api_key: the key for the vendor''s REST API.';
COMMENT ON COLUMN wearables.endpoint_secrets.ordinal IS
  '0 to 15: several secrets of one kind can be set at once, for rotation.';
COMMENT ON COLUMN wearables.endpoint_secrets.value IS 'The secret itself, or file:/absolute/path, or env:NAME.';
COMMENT ON COLUMN wearables.endpoint_secrets.set_at IS
  'When set_secret() last set it. A change of the file or the environment variable does not move it.';

CREATE TABLE wearables.endpoint_activity (
  endpoint       text COLLATE "C" NOT NULL,
  reason         text COLLATE "C" NOT NULL,
  count          bigint NOT NULL,
  first_at       timestamptz NOT NULL,
  last_at        timestamptz NOT NULL,
  message_id     text COLLATE "C",
  streak         bigint NOT NULL,
  streak_from    timestamptz,
  longest_gap    interval,
  longest_gap_at timestamptz,
  lost           bigint NOT NULL DEFAULT 0,
  lost_from      timestamptz,
  lost_to        timestamptz,
  PRIMARY KEY (endpoint, reason)
);
COMMENT ON TABLE wearables.endpoint_activity IS
  'Number of deliveries by endpoint and result. They are counted in shared memory and written at most once a '
  'second.';
COMMENT ON COLUMN wearables.endpoint_activity.endpoint IS
  'Name of the endpoint. A hyphen (-) stands for deliveries that could not be assigned to one endpoint.';
COMMENT ON COLUMN wearables.endpoint_activity.reason IS
  'accepted (duplicates included), or why deliveries were refused: bad_signature, asymmetric_signature, '
  'missing_header, stale_timestamp, bad_timestamp, no_secret, secret_unreadable, disabled, unknown_endpoint, '
  'no_endpoint, too_large, bad_message_id, rollback_asked. The view problems says what to do about each.';
COMMENT ON COLUMN wearables.endpoint_activity.count IS 'Deliveries with this result since the row was created.';
COMMENT ON COLUMN wearables.endpoint_activity.first_at IS
  'When the first of these deliveries arrived, by the clock of the server.';
COMMENT ON COLUMN wearables.endpoint_activity.last_at IS
  'When the last of these deliveries arrived, by the clock of the server.';
COMMENT ON COLUMN wearables.endpoint_activity.message_id IS
  'Message id of one of these deliveries. Null if no id consisted only of letters, digits, _ and -.';
COMMENT ON COLUMN wearables.endpoint_activity.streak IS 'Refusals since the endpoint last accepted a delivery.';
COMMENT ON COLUMN wearables.endpoint_activity.streak_from IS 'Time of the first of these refusals.';
COMMENT ON COLUMN wearables.endpoint_activity.longest_gap IS
  'Longest time between two consecutive deliveries of the last 14 days.';
COMMENT ON COLUMN wearables.endpoint_activity.longest_gap_at IS 'When that longest gap ended.';
COMMENT ON COLUMN wearables.endpoint_activity.lost IS
  'Deliveries refused in periods of a day or longer without an accepted delivery. Senders stop retrying within '
  'that time, so these messages are probably lost. Delete the row when you have recovered them.';
COMMENT ON COLUMN wearables.endpoint_activity.lost_from IS 'Start of the earliest such period.';
COMMENT ON COLUMN wearables.endpoint_activity.lost_to IS 'End of the latest such period.';
SELECT pg_extension_config_dump('wearables.endpoint_activity', '');

CREATE FUNCTION wearables_internal.unwritten_activity()
RETURNS TABLE (endpoint text, reason text, count bigint, first_at timestamptz, last_at timestamptz, message_id text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_unwritten_activity';
COMMENT ON FUNCTION wearables_internal.unwritten_activity() IS
  'Deliveries that are counted in memory and not yet written to endpoint_activity.';

CREATE FUNCTION wearables.add_endpoint(
  name text, environment text DEFAULT NULL, base_url text DEFAULT NULL, vendor text DEFAULT NULL,
  tolerance interval DEFAULT NULL, success_status integer DEFAULT NULL)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- a key was given for one address: whoever changes the address must know the key to use it there
  DELETE FROM wearables.endpoint_secrets s USING wearables.endpoints e
  WHERE s.endpoint = $1 AND s.kind = 'api_key' AND e.name = $1
    AND (e.vendor, e.environment, e.base_url)
        IS DISTINCT FROM (coalesce($4, e.vendor), coalesce($2, e.environment), nullif(coalesce($3, e.base_url), ''));
  INSERT INTO wearables.endpoints AS e (name, vendor, environment, base_url, tolerance, success_status)
  VALUES ($1, coalesce($4, wearables_internal.default_vendor()), coalesce($2, 'production'), nullif($3, ''),
          coalesce($5, '300 seconds'), coalesce($6, 202)::smallint)
  ON CONFLICT ON CONSTRAINT endpoints_pkey DO UPDATE
    SET vendor = coalesce($4, e.vendor), environment = coalesce($2, e.environment),
        base_url = nullif(coalesce($3, e.base_url), ''), tolerance = coalesce($5, e.tolerance),
        success_status = coalesce($6::smallint, e.success_status);
END;
COMMENT ON FUNCTION wearables.add_endpoint(text, text, text, text, interval, integer) IS
  'Adds an endpoint, or changes the endpoint of that name. A new endpoint refuses every delivery until '
  'set_secret() has given it a webhook secret. Arguments: name: name of the endpoint; environment: of the vendor, '
  'production or sandbox; base_url: base URL of the vendor''s REST API, empty for none (then history cannot be '
  'pulled); vendor: who sends; tolerance: largest accepted difference between the timestamp of a delivery and the '
  'server''s clock; success_status: HTTP status for an accepted delivery, 200 to 299. What is null or left out '
  'stays as it is. For a new endpoint it is environment production, no base_url, the default vendor, a tolerance '
  'of 300 seconds and success_status 202. If vendor, environment or base_url changes, the API keys of the endpoint '
  'are deleted. Example: SELECT wearables.add_endpoint(''main'', base_url => ''https://api.example.com'');';

CREATE FUNCTION wearables.set_secret(endpoint text, kind text, ordinal integer, value text)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_set_secret';
COMMENT ON FUNCTION wearables.set_secret(text, text, integer, text) IS
  'Sets or removes a secret of an endpoint. Arguments: endpoint: name of the endpoint; kind: webhook (the signing '
  'secret of the sender, at least 24 bytes) or api_key (the key for the vendor''s REST API); ordinal: 0 to 15, '
  'which of several secrets of this kind; value: the secret as text, or file:/absolute/path, or env:NAME for an '
  'environment variable of the server (null: remove the secret). A delivery is accepted if any webhook secret of '
  'its endpoint matches, so a new secret can be added before the old one is removed. A file must lie below '
  'wearables_ingest.secret_directory, and the caller must be a member of pg_read_server_files; the name of a '
  'variable must begin with wearables_ingest.secret_env_prefix. If statements are logged, pass the value as a '
  'parameter and not as a literal. Example: SELECT wearables.set_secret(''main'', ''webhook'', 0, '
  '''MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'');';

CREATE FUNCTION wearables_internal.endpoints_changed() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_endpoints_changed';
COMMENT ON FUNCTION wearables_internal.endpoints_changed() IS
  'Trigger function: makes every session read endpoints and secrets again when the transaction commits.';
CREATE TRIGGER endpoints_changed AFTER INSERT OR UPDATE OR DELETE ON wearables.endpoints
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.endpoints_changed();
CREATE TRIGGER endpoints_truncated AFTER TRUNCATE ON wearables.endpoints
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.endpoints_changed();
CREATE TRIGGER endpoint_secrets_changed AFTER INSERT OR UPDATE OR DELETE ON wearables.endpoint_secrets
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.endpoints_changed();
CREATE TRIGGER endpoint_secrets_truncated AFTER TRUNCATE ON wearables.endpoint_secrets
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.endpoints_changed();
-- replication and restores apply changes too
ALTER TABLE wearables.endpoints ENABLE ALWAYS TRIGGER endpoints_changed;
ALTER TABLE wearables.endpoint_secrets ENABLE ALWAYS TRIGGER endpoint_secrets_changed;
ALTER TABLE wearables.endpoints ENABLE ALWAYS TRIGGER endpoints_truncated;
ALTER TABLE wearables.endpoint_secrets ENABLE ALWAYS TRIGGER endpoint_secrets_truncated;
