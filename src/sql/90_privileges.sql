-- Who may do what. Nothing is PUBLIC's but the door, which lets in only what a secret has signed.

REVOKE ALL ON ALL TABLES IN SCHEMA wearables FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA wearables FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA wearables FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA wearables_api FROM PUBLIC;

GRANT USAGE ON SCHEMA wearables_api TO PUBLIC;
GRANT EXECUTE ON FUNCTION wearables_api.webhook(json), wearables_api.webhook(text), wearables_api.webhook(bytea) TO PUBLIC;

CREATE FUNCTION wearables.grant_access(role regrole, access text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rights text[];
  statement text;
BEGIN
  rights := CASE access
    WHEN 'ingest' THEN ARRAY[
      'EXECUTE ON FUNCTION wearables.receive(jsonb, bytea, text)']
    WHEN 'reader' THEN ARRAY[
      'SELECT ON wearables.samples, wearables.summaries, wearables.metrics, wearables.sources, wearables.users, wearables.connections',
      'EXECUTE ON FUNCTION wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text), wearables.latest(bigint), wearables.bucket_start(timestamptz, interval, text), wearables.first_instant(timestamp, text)']
    WHEN 'operator' THEN ARRAY[
      'SELECT ON wearables.health, wearables.queue, wearables.jobs, wearables.users, wearables.user_links, wearables.summaries, wearables.connections, wearables.endpoints, wearables.deliveries, wearables.parked_events, wearables.quarantine, wearables.connection_events, wearables.backfills, wearables.revisions, wearables.webhook_events, wearables.drift, wearables.drift_terms',
      'SELECT, INSERT, UPDATE, DELETE ON wearables.mappings, wearables.metrics, wearables.units, wearables.resources, wearables.sources, wearables.known_fields',
      'USAGE ON SEQUENCE wearables.mapping_id_seq, wearables.metric_id_seq, wearables.sources_source_id_seq',
      'INSERT, SELECT ON wearables.samples',
      'EXECUTE ON ALL ROUTINES IN SCHEMA wearables']
    END;
  IF rights IS NULL THEN
    RAISE EXCEPTION 'access "%" is not known', access
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give ingest, reader or operator.';
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA wearables TO %s', role);
  FOREACH statement IN ARRAY rights LOOP
    EXECUTE format('GRANT %s TO %s', statement, role);
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables.grant_access(regrole, text) IS
  'grant a role what a kind of caller needs: ingest (receive), reader (samples, charts; every user''s), operator (queue, mappings, replay, raw events)';
REVOKE ALL ON FUNCTION wearables.grant_access(regrole, text) FROM PUBLIC;
