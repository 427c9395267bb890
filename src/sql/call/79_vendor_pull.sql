-- What has become of the vendor's own pulls of history. The vendor announces a pull that has succeeded and is silent
-- about one that has failed, so it is asked about connections of which nothing was heard.

CREATE TABLE wearables.vendor_pulls (
  user_id        bigint NOT NULL REFERENCES wearables.users,
  endpoint       text COLLATE "C" NOT NULL,
  provider       text COLLATE "C" NOT NULL,
  resource       text COLLATE "C" NOT NULL,
  failed         boolean NOT NULL DEFAULT true,
  error_code     text,
  error          text,
  retriable      boolean NOT NULL,
  failed_since   timestamptz NOT NULL DEFAULT clock_timestamp(),
  checked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  retriggered_at timestamptz,
  PRIMARY KEY (user_id, endpoint, provider, resource)
);
COMMENT ON TABLE wearables.vendor_pulls IS
  'Pulls of a provider''s history by the vendor that failed. A row is kept until the pull succeeds or the connection '
  'ends. See check_vendor_pulls().';
COMMENT ON COLUMN wearables.vendor_pulls.user_id IS 'See users.';
COMMENT ON COLUMN wearables.vendor_pulls.endpoint IS 'Name of the endpoint that was asked for the state of the pull.';
COMMENT ON COLUMN wearables.vendor_pulls.provider IS 'The vendor''s name (slug) of the provider.';
COMMENT ON COLUMN wearables.vendor_pulls.resource IS 'What the vendor pulls, as the vendor names it.';
COMMENT ON COLUMN wearables.vendor_pulls.failed IS 'False: the vendor pulls again, and that has not ended.';
COMMENT ON COLUMN wearables.vendor_pulls.error_code IS 'The vendor''s code of the cause.';
COMMENT ON COLUMN wearables.vendor_pulls.error IS 'The vendor''s text about the cause, at most 200 characters.';
COMMENT ON COLUMN wearables.vendor_pulls.retriable IS
  'Whether the vendor may succeed later. It is asked to pull again once a day.';
COMMENT ON COLUMN wearables.vendor_pulls.failed_since IS
  'When the extension first found that the pull had failed. It moves if a pull that was repeated fails again.';
COMMENT ON COLUMN wearables.vendor_pulls.checked_at IS 'When the vendor last reported the state of this pull.';
COMMENT ON COLUMN wearables.vendor_pulls.retriggered_at IS 'When the vendor was last asked to pull again.';
CREATE INDEX vendor_pulls_failed ON wearables.vendor_pulls (endpoint, provider) WHERE failed;
SELECT pg_extension_config_dump('wearables.vendor_pulls', '');

CREATE FUNCTION wearables_internal.note_pull_state(
  user_id bigint, endpoint text, external_user_id text, states jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  again text;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL) THEN RETURN; END IF;
  DELETE FROM wearables.vendor_pulls v
  WHERE v.user_id = $1 AND v.endpoint = $2
    AND NOT EXISTS (SELECT FROM jsonb_to_recordset($4) s (provider text, resource text, succeeded boolean)
                    WHERE s.provider = v.provider AND s.resource = v.resource AND NOT s.succeeded);
  UPDATE wearables.vendor_pulls v SET failed = false, checked_at = clock_timestamp()
  FROM jsonb_to_recordset($4) s (provider text, resource text, failed boolean)
  WHERE v.user_id = $1 AND v.endpoint = $2 AND v.provider = s.provider AND v.resource = s.resource AND NOT s.failed;
  INSERT INTO wearables.vendor_pulls AS v (user_id, endpoint, provider, resource, error_code, error, retriable)
  SELECT $1, $2, s.provider, s.resource, left(s.code, 200), left(s.message, 200), s.retriable
  FROM jsonb_to_recordset($4)
         s (provider text, resource text, failed boolean, code text, message text, retriable boolean)
  JOIN wearables.connections c ON c.user_id = $1 AND c.provider = s.provider AND c.status = 'connected'
  WHERE s.failed AND length(s.resource) <= 200
  ORDER BY s.provider, s.resource LIMIT 1000
  ON CONFLICT ON CONSTRAINT vendor_pulls_pkey DO UPDATE
    SET failed = true, error_code = excluded.error_code, error = excluded.error, retriable = excluded.retriable,
        failed_since = CASE WHEN v.failed THEN v.failed_since ELSE clock_timestamp() END,
        checked_at = clock_timestamp();
  -- the vendor triggers all of a provider
  FOR again IN
    SELECT v.provider FROM wearables.vendor_pulls v
    WHERE v.user_id = $1 AND v.endpoint = $2 AND v.provider ~ '^[A-Za-z0-9_-]{1,100}$'
    GROUP BY v.provider
    HAVING bool_or(v.failed AND v.retriable)
       AND coalesce(max(v.retriggered_at) < clock_timestamp() - interval '1 day', true)
    ORDER BY 1 LOOP
    PERFORM wearables_internal.make_call('trigger_historical_pull', $2, NULL, NULL, ARRAY[$3], again, NULL);
    UPDATE wearables.vendor_pulls v SET retriggered_at = clock_timestamp()
    WHERE v.user_id = $1 AND v.endpoint = $2 AND v.provider = again AND v.failed AND v.retriable;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.note_pull_state(bigint, text, text, jsonb) IS
  'Records what the vendor reports about its pulls of one user, given as one object for each. Failed ones are kept. '
  'Retriable ones are triggered again once a day.';

CREATE FUNCTION wearables_internal.is_silent(
  user_id bigint, provider text, connected_at timestamptz, endpoint text)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT NOT EXISTS (
           SELECT FROM wearables.backfills b
           WHERE b.user_id = $1 AND b.endpoint = $4 AND b.provider = $2 AND b.created_at >= $3
             AND b.intent LIKE 'notice%')
    -- an empty page says nothing: the vendor has one of what it has not pulled
    AND NOT EXISTS (
           SELECT FROM wearables.backfills b
           JOIN wearables.deliveries d ON d.endpoint = b.endpoint
             AND d.message_id >= 'pull:' || b.backfill_id || ':' AND d.message_id < 'pull:' || b.backfill_id || ';'
           JOIN wearables.webhook_events e ON e.event_id = d.event_id AND e.received_at = d.received_at
           WHERE b.user_id = $1 AND b.endpoint = $4 AND b.provider = $2 AND b.created_at >= $3 AND b.pages > 0
             AND e.inserted + e.changed + e.confirmed + e.unchanged + e.stale > 0);
END;
COMMENT ON FUNCTION wearables_internal.is_silent(bigint, text, timestamptz, text) IS
  'Whether the vendor has announced no history of a connection since it was made, and no pulled page contained a '
  'reading.';

CREATE FUNCTION wearables.check_vendor_pulls() RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most CONSTANT integer := 100;  -- requests at one endpoint for one call of this
  every interval;
  person record;
  asked integer := 0;
BEGIN
  -- the setting is the library's
  PERFORM wearables_internal.library_version();
  every := current_setting('wearables_ingest.pull_state_interval')::interval;
  DELETE FROM wearables.vendor_pulls v
  WHERE NOT EXISTS (SELECT FROM wearables.connections c
                    WHERE c.user_id = v.user_id AND c.provider = v.provider AND c.status = 'connected');
  IF every <= interval '0' THEN RETURN 0; END IF;
  FOR person IN
    SELECT e.name AS endpoint, p.user_id, p.external_user_id
    FROM wearables.endpoints e
    CROSS JOIN LATERAL (
      SELECT l.user_id, l.external_user_id, k.checked_at
      FROM wearables.user_links l
      CROSS JOIN LATERAL (
        SELECT max(coalesce(c.finished_at, 'infinity')) AS checked_at FROM wearables_internal.calls c
        WHERE c.user_id = l.user_id AND c.operation = 'read_pull_state' AND c.endpoint = l.endpoint) k
      WHERE l.endpoint = e.name AND l.deleted_at IS NULL
        AND coalesce(k.checked_at < clock_timestamp() - every, true)
        AND (EXISTS (SELECT FROM wearables.vendor_pulls v WHERE v.user_id = l.user_id AND v.endpoint = e.name)
             -- the vendor takes its time, and what is a month old is over
             OR EXISTS (SELECT FROM wearables.connections c
                        WHERE c.user_id = l.user_id AND c.status = 'connected'
                          AND c.connected_at BETWEEN clock_timestamp() - interval '30 days'
                                                 AND clock_timestamp() - interval '1 hour'
                          AND wearables_internal.is_silent(c.user_id, c.provider, c.connected_at, e.name)))
      ORDER BY k.checked_at NULLS FIRST, l.user_id LIMIT most) p
    WHERE e.enabled AND e.base_url IS NOT NULL
      AND EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'api_key')
    ORDER BY e.name, p.checked_at NULLS FIRST, p.user_id LOOP
    PERFORM wearables_internal.make_call(
      'read_pull_state', person.endpoint, person.user_id, NULL, ARRAY[person.external_user_id], NULL, NULL);
    asked := asked + 1;
  END LOOP;
  RETURN asked;
END $$;
COMMENT ON FUNCTION wearables.check_vendor_pulls() IS
  'Asks the vendor for the state of its pulls of history: for connections of the last 30 days of which nothing has '
  'arrived, and for pulls that failed. Each user is asked about once in wearables_ingest.pull_state_interval, at '
  'most 100 at an endpoint in one call. A worker calls it once an hour. Returns the number of calls that were made. '
  'Example: SELECT wearables.check_vendor_pulls();';
