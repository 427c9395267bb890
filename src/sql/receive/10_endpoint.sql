-- Senders and their secrets.

CREATE FUNCTION wearables_internal.check_vendor(vendor text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_check_vendor';
COMMENT ON FUNCTION wearables_internal.check_vendor(text) IS 'raises unless the library knows the vendor';

CREATE FUNCTION wearables_internal.default_vendor() RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_default_vendor';
COMMENT ON FUNCTION wearables_internal.default_vendor() IS 'the vendor of an endpoint that names none';

CREATE TABLE wearables.endpoints (
  name           text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  vendor         text NOT NULL DEFAULT wearables_internal.default_vendor()
                 CHECK (wearables_internal.check_vendor(vendor)),
  environment    text NOT NULL DEFAULT 'production' CHECK (environment IN ('production', 'sandbox')),
  base_url       text,
  tolerance      interval NOT NULL DEFAULT '300 seconds' CHECK (tolerance BETWEEN '0' AND '100 years'),
  success_status smallint NOT NULL DEFAULT 202 CHECK (success_status BETWEEN 200 AND 299),
  enabled        boolean NOT NULL DEFAULT true,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE wearables.endpoints IS
  'senders: one row is one webhook endpoint at the vendor, with its own signing secrets';
COMMENT ON COLUMN wearables.endpoints.tolerance IS 'how far the attempt''s timestamp may lie from now, both ways';
COMMENT ON COLUMN wearables.endpoints.success_status IS 'HTTP status for an accepted delivery, a duplicate included';
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
  'secrets of an endpoint: the text itself, or file:/absolute/path, or env:NAME; never dumped, no rights for PUBLIC';

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
  'what became of deliveries, by endpoint and reason: accepted, or why they were refused; endpoint -: none matched; '
  'counted in memory, and written once a second';
COMMENT ON COLUMN wearables.endpoint_activity.message_id IS
  'of one of these deliveries, if it is of letters, digits, _ and - alone';
COMMENT ON COLUMN wearables.endpoint_activity.streak IS
  'refusals since the endpoint last accepted a delivery, from streak_from on';
COMMENT ON COLUMN wearables.endpoint_activity.lost IS
  'refusals of streaks that lasted for a day or longer, from lost_from to lost_to: the sender has given those '
  'messages up; delete the row when they are recovered';
COMMENT ON COLUMN wearables.endpoint_activity.longest_gap IS 'between two deliveries, in the last 14 days';
SELECT pg_extension_config_dump('wearables.endpoint_activity', '');

CREATE FUNCTION wearables_internal.unwritten_activity()
RETURNS TABLE (endpoint text, reason text, count bigint, first_at timestamptz, last_at timestamptz, message_id text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'wearables_unwritten_activity';
COMMENT ON FUNCTION wearables_internal.unwritten_activity() IS 'what is counted and not yet in endpoint_activity';

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
  'add a sender, or change the one of that name: what is not given, or null, stays as it is; an empty base_url removes '
  'it. A new one is of environment production, has no base_url, a tolerance of 300 seconds and success_status 202. '
  'Every delivery is refused until set_secret() gave it a webhook secret. '
  'With another vendor, environment or base_url the API keys are removed';

CREATE FUNCTION wearables.set_secret(endpoint text, kind text, ordinal integer, value text)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_set_secret';
COMMENT ON FUNCTION wearables.set_secret(text, text, integer, text) IS
  'set (or, with NULL, remove) a secret: kind webhook (the sender''s signing secret) or api_key, ordinal 0 to 15 for '
  'rotation; value is '
  'the text, file:/absolute/path or env:NAME';

CREATE FUNCTION wearables_internal.endpoints_changed() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_endpoints_changed';
COMMENT ON FUNCTION wearables_internal.endpoints_changed() IS
  'trigger: at the commit every session forgets what it has read of endpoints and their secrets';
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
