-- Who may do what: lists, and nothing beside them. PUBLIC may call the webhook functions; they store only what a secret
-- has signed.

CREATE FUNCTION wearables_internal.revoke_from_others(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  other record;
BEGIN
  FOR other IN
    SELECT DISTINCT a.grantee FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
    WHERE c.oid = relation AND a.grantee <> c.relowner LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', relation,
                   CASE other.grantee WHEN 0 THEN 'PUBLIC' ELSE other.grantee::regrole::text END);
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.revoke_from_others(regclass) IS
  'Revokes what default privileges have granted on a relation, so that only its owner has rights.';

CREATE FUNCTION wearables.grant_access(role regrole, access text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- what the views of an operator call: a view's functions run with the rights of whoever reads it
  watch CONSTANT text[] := ARRAY[
    'SELECT ON wearables.health, wearables.problems, wearables.queue, wearables.workers, wearables.metrics_export',
    'EXECUTE ON FUNCTION
     wearables_internal.worker_count(), wearables_internal.workers(), wearables_internal.worker_exits(),
     wearables_internal.wants_workers(), wearables_internal.oldest_event(),
     wearables_internal.forgotten_events(integer), wearables_internal.recent_drift(integer),
     wearables_internal.unwritten_activity(), wearables_internal.provider_freshness(integer),
     wearables_internal.unreadable_endpoints(), wearables_internal.slow_writer(),
     wearables_internal.has_sample_columns(oid), wearables_internal.host_of(text),
     wearables_internal.members_of(regrole),
     wearables_internal.refusal_remedy(text), wearables_internal.concerns_endpoint(text),
     wearables_internal.utc_second(timestamptz), wearables_internal.partition_of_week(timestamptz),
     wearables_internal.access_state(),
     wearables_internal.schema_version(), wearables_internal.library_version()'];
  chart CONSTANT text :=
    'EXECUTE ON FUNCTION
     wearables_internal.chart(bigint, smallint[], text, timestamptz[], interval, text, boolean, boolean),
     wearables_internal.merged_chart(
       bigint, smallint, smallint[], timestamptz[], interval, text, boolean, text[], text),
     wearables_internal.source_places(bigint, text, text, smallint[]),
     wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text, text),
     wearables.timeseries(bigint, text, date, date, text, text, text, text, text, text),
     wearables_internal.chart_question(bigint, text, timestamptz, timestamptz, text, text, text),
     wearables_internal.note_access(text, bigint),
     wearables_internal.charted_at(timestamptz, smallint, text, boolean),
     wearables_internal.downsample(bigint, smallint[], timestamptz, timestamptz, integer, interval),
     wearables.timeseries_lttb(bigint, text, timestamptz, timestamptz, integer, interval, text, text, text),
     wearables_internal.page_key(text), wearables_internal.checked_page_size(integer),
     wearables_internal.checked_bounds(double precision[]), wearables_internal.checked_gap(interval),
     wearables.samples_page(bigint, text, timestamptz, timestamptz, text, integer),
     wearables.timeseries_percentiles(
       bigint, text, timestamptz, timestamptz, text, double precision[], text, text, text, text),
     wearables.timeseries_histogram(
       bigint, text, timestamptz, timestamptz, double precision[], text, text, text, text, text),
     wearables.timeseries_time_weighted(
       bigint, text, timestamptz, timestamptz, text, interval, text, text, text, text),
     wearables.nights(bigint, date, date, text),
     wearables.latest(bigint), wearables.coverage(bigint, text, date, date, text, integer),
     wearables_internal.is_being_erased(bigint),
     wearables_internal.is_visible(bigint), wearables_internal.longest_request(),
     wearables_internal.metric_names(text), wearables_internal.resources_of(text, text),
     wearables_internal.channels_of(text), wearables_internal.family_floor(text),
     wearables_internal.check_coverage(text, date, date, text, text[]),
     wearables_internal.pulled_spans(bigint, text, text), wearables_internal.metrics_of(text),
     wearables.connection_progress(bigint),
     wearables.bucket_start(timestamptz, interval, text),
     wearables.bucket_end(timestamptz, interval, text), wearables.first_instant(timestamp, text),
     wearables.day_of(timestamptz, text)';
  -- a view's functions run with the rights of whoever reads it
  fhir CONSTANT text[] := ARRAY[
    'SELECT ON wearables.fhir_observations, wearables_internal.fhir_metrics, wearables_internal.fhir_vital_signs',
    'EXECUTE ON FUNCTION
     wearables_internal.fhir_time(timestamptz, smallint),
     wearables_internal.fhir_quantity(double precision, text, text),
     wearables_internal.fhir_component(text, text, text, double precision, text, text),
     wearables_internal.fhir_sleep_stage(double precision),
     wearables_internal.fhir_value(double precision, double precision, text, text, jsonb, text, boolean),
     wearables_internal.fhir_effective(
       timestamptz, timestamptz, smallint, text, timestamptz, timestamptz, boolean),
     wearables_internal.fhir_id(text, text, timestamptz, text, text, text, smallint),
     wearables_internal.fhir_provenance(text, bigint, bigint, timestamptz)'];
  -- what coverage() and connection_progress() read of people whom its caller may see
  visible CONSTANT text :=
    'SELECT ON wearables_internal.visible_events, wearables_internal.visible_refusals,
     wearables_internal.visible_pulls, wearables_internal.visible_places, wearables_internal.visible_connections,
     wearables_internal.visible_spans, wearables_internal.visible_progress,
     wearables_internal.visible_frozen_rollups';
  -- which users views and functions must not show
  erasing CONSTANT text := 'SELECT (user_id, finished_at) ON wearables.erasures';
  -- the view runs with the rights of whoever reads it
  calling CONSTANT text[] := ARRAY[
    'SELECT ON wearables.outbound_calls, wearables_internal.calls, wearables_internal.call_links',
    erasing,
    'EXECUTE ON FUNCTION wearables_internal.is_being_erased(bigint)',
    'EXECUTE ON FUNCTION
     wearables.create_vendor_user(text, text), wearables.link_url(bigint, text, text, text),
     wearables.disconnect_provider(bigint, text, text), wearables.delete_vendor_user(bigint, text),
     wearables.refresh_user(bigint, text), wearables.trigger_historical_pull(bigint[], text, text)'];
  rights text[];
  statement text;
  logins text;
BEGIN
  rights := CASE access
    WHEN 'ingest' THEN ARRAY[
      'EXECUTE ON FUNCTION wearables.receive(jsonb, bytea, text)']
    WHEN 'reader' THEN ARRAY[
      'SELECT ON wearables.samples, wearables.sample_points, wearables.summaries, wearables.connections,
       wearables.users, wearables.metrics, wearables.metric_codes, wearables.sources, wearables.source_priorities',
      'USAGE ON SCHEMA wearables_internal',
      visible, erasing, chart] || fhir
    WHEN 'self' THEN ARRAY[
      'EXECUTE ON FUNCTION
       wearables_api.my_timeseries(text, text, text, text, text, text, text, text, text),
       wearables_api.my_latest(), wearables_api.my_nights(text, text, text),
       wearables_api.my_samples(text, text, text, integer),
       wearables_api.my_connections(), wearables_api.my_sync(text),
       wearables_api.my_accesses(text, text, integer),
       wearables_internal.claimed_user()']
    WHEN 'monitor' THEN watch
    -- not the operator, whose own reads are in it
    WHEN 'auditor' THEN ARRAY['SELECT ON wearables.accesses']
    WHEN 'caller' THEN calling
    -- what the program wearables-archive needs, and nothing to make requests with
    WHEN 'archiver' THEN ARRAY[
      'SELECT ON wearables.archives, wearables.archived_files, wearables_internal.archivable_events,
       wearables_internal.exportable_samples',
      'USAGE ON SCHEMA wearables_internal',
      'EXECUTE ON FUNCTION
       wearables_internal.us_of(timestamptz), wearables_internal.of_us(bigint),
       wearables_internal.claim_archive(text[]), wearables_internal.leftover_files(text[]),
       wearables_internal.forget_file(bigint), wearables_internal.weeks_to_archive(bigint),
       wearables_internal.begin_file(bigint, text, text, timestamptz, timestamptz),
       wearables_internal.check_week(bigint, timestamptz, bigint[], bigint[], bigint[], bytea[]),
       wearables_internal.finish_week(bigint, timestamptz, bigint[], bigint),
       wearables_internal.finish_samples(bigint, bigint, bigint, bigint, bytea, timestamptz),
       wearables_internal.files_to_sweep(text), wearables_internal.renew_sweeps(text[]),
       wearables_internal.begin_sweep(), wearables_internal.mark_swept(bigint, bigint, timestamptz),
       wearables_internal.erased_among(text, bigint[], bigint[], bigint[], text[], text[]),
       wearables_internal.replace_file(bigint, bigint, bigint, bigint, bigint, bytea, timestamptz, text[]),
       wearables_internal.note_read(bigint, bigint, text), wearables_internal.prepare_restore(bigint, bigint),
       wearables_internal.restore_rows(bigint, bigint, jsonb, bytea[]),
       wearables_internal.end_restore(bigint, bigint, timestamptz),
       wearables_internal.end_archive(bigint, integer, bigint, text, text)']
    WHEN 'operator' THEN watch || calling || fhir || ARRAY[
      'SELECT ON wearables.endpoint_activity, wearables.jobs, wearables.endpoints, wearables.deliveries,
       wearables.webhook_events, wearables.parked_events, wearables.quarantine, wearables.users, wearables.user_links,
       wearables.connections, wearables.connection_events, wearables.backfills, wearables.backfill_progress,
       wearables.stream_pulls, wearables.vendor_pulls, wearables.erasures, wearables.data_map, wearables.archives,
       wearables.archived_files, wearables.samples,
       wearables.sample_points, wearables.summaries, wearables.sources, wearables.revisions, wearables.drift,
       wearables.limited_roles, wearables.assigned_users, wearables.retention_floors',
      'SELECT, DELETE ON wearables.retention_policies',
      'INSERT (target, metric, endpoint, resource, keep_days, keep_rollups, enabled),
       UPDATE (target, metric, endpoint, resource, keep_days, keep_rollups, enabled) ON wearables.retention_policies',
      'SELECT, INSERT, UPDATE, DELETE ON wearables.source_priorities',
      'SELECT, INSERT, DELETE ON
       wearables.mappings, wearables.metrics, wearables.metric_codes, wearables.units, wearables.resources,
       wearables.known_fields',
      -- no number that samples refer to, and not what is noted of a row
      'UPDATE (resource, metric, provider, value_fields, instant_fields, secondary_field, end_field, unit_field, unit,
       unit_default, unit_up_to_one, base_field, extends, enabled, only_where_field, only_where_texts, channel,
       ordinal, part_fields, sum_field, codes) ON wearables.mappings',
      'UPDATE (name, unit, ucum, codes, aggregate, kind, lowest, highest, parent) ON wearables.metrics',
      'UPDATE (metric, system, scope, code, display, rank) ON wearables.metric_codes',
      'UPDATE (metric, text, factor, shift) ON wearables.units',
      'UPDATE (name, kind, rest_path, list_key, backfill_days, rest_range, window_days, connection_days,
       reconcile_days, pull_stream, note)
       ON wearables.resources',
      'UPDATE (resource, path, texts, note) ON wearables.known_fields',
      'UPDATE (floating_time) ON wearables.sources',
      'INSERT ON wearables.samples',
      'DELETE ON wearables.endpoint_activity',
      'USAGE ON SEQUENCE wearables.mapping_id_seq',
      'USAGE ON SCHEMA wearables_internal',
      visible, chart,
      'EXECUTE ON FUNCTION
       wearables_internal.free_number(boolean), wearables_internal.is_path(text), wearables_internal.are_paths(text[]),
       wearables_internal.lists_read(text[]), wearables_internal.are_codes(jsonb), wearables_internal.is_loinc(text),
       wearables_internal.read_paths(text),
       wearables_internal.storable_json(text), wearables_internal.resource_of(text, text),
       wearables_internal.is_known(text, text, text, text), wearables_internal.drift_remedy(text, text, text, text)',
      'EXECUTE ON FUNCTION
       wearables.add_endpoint(text, text, text, text, interval, integer), wearables.expose_endpoint(text, boolean),
       wearables.set_secret(text, text, integer, text), wearables.silent_spans(interval, timestamptz, text),
       wearables.verify_signature(jsonb, bytea, text[], timestamptz, interval),
       wearables.sign(text, timestamptz, bytea, text), wearables.signed_headers(text, timestamptz, bytea, text),
       wearables.receive(jsonb, bytea, text), wearables.make_event_partitions(interval, integer),
       wearables.reclaim_names(), wearables.register_user(text, text, text, text, boolean), wearables.revision(),
       wearables.assign_users(regrole, bigint[]), wearables.unassign_users(regrole, bigint[]),
       wearables.erase_user(bigint, boolean), wearables.export_user(bigint),
       wearables.verify_erasure(text, text[]),
       wearables.archive_events(timestamptz, text), wearables.restore_events(text),
       wearables.verify_archives(text), wearables.export_samples(date, text),
       wearables.delete_unassignable_events(interval),
       wearables.normalize(bigint), wearables.normalize(text, bytea), wearables.normalize(text, jsonb),
       wearables.replay(bigint), wearables.replay_preview(bigint), wearables.explain_event(bigint),
       wearables.rebuild_rollups(bigint), wearables.set_rollups(text, boolean),
       wearables.retention_plan(), wearables.apply_retention(), wearables.raise_retention_floor(date, text),
       wearables.body_fields(bytea), wearables.requeue_event(bigint),
       wearables.retry_failed(text, text, text, timestamptz, timestamptz, integer),
       wearables.discard_failed(text, text, text, timestamptz, timestamptz, integer),
       wearables.pause_queue(text, text), wearables.resume_queue(text),
       wearables.request_backfill(bigint, text, text, timestamptz, timestamptz, text),
       wearables.sync(bigint, text, text[], timestamptz, text), wearables.cancel_backfill(bigint),
       wearables.retry_backfill(bigint), wearables.check_vendor_pulls(),
       wearables.request_streams(bigint, text, timestamptz, timestamptz, text),
       wearables.request_missing(bigint, text, date, date, text, text),
       wearables.reconcile(interval, integer, interval),
       wearables.set_connection(bigint, text, text, text, text, text, timestamptz)',
      'EXECUTE ON PROCEDURE wearables.drain(integer)']
    END;
  IF rights IS NULL THEN
    RAISE EXCEPTION 'access "%" is not recognized', access
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give ingest, reader, self, monitor, auditor, caller, archiver or operator.';
  END IF;
  IF access = 'self' THEN
    IF (SELECT r.rolcanlogin FROM pg_roles r WHERE r.oid = role) THEN
      RAISE EXCEPTION 'role % can log in', role
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'Whoever has a session with the rights of kind self can set the claims and be any user.',
              HINT = 'Use a role with NOLOGIN, which the proxy takes by SET ROLE.';
    END IF;
    PERFORM wearables_internal.limit_role(role, 'self');
    SELECT string_agg(m.login, ', ') INTO logins FROM wearables_internal.members_of(role) m WHERE m.inherits;
    IF logins IS NOT NULL THEN
      RAISE WARNING 'login role(s) % can claim to be any user', logins
        USING DETAIL = format('They inherit from role %s, and whoever has a session can set the claims.', role),
              HINT = 'Only the login role of the proxy should be a member, with NOINHERIT.';
    END IF;
    SELECT string_agg(m.login, ', ') INTO logins FROM wearables_internal.members_of(role) m WHERE NOT m.inherits;
    IF logins IS NOT NULL THEN
      RAISE NOTICE 'login role(s) % can take role %', logins, role
        USING DETAIL = 'They can set the claims and be any user, as the proxy does.';
    END IF;
  ELSE
    EXECUTE format('GRANT USAGE ON SCHEMA wearables TO %s', role);
  END IF;
  FOREACH statement IN ARRAY rights LOOP
    EXECUTE format('GRANT %s TO %s', statement, role);
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables.grant_access(regrole, text) IS
  'Grants a role the privileges for one kind of access. Arguments: role: the role; access: ingest, reader, self, '
  'monitor, auditor, caller, archiver or operator. ingest can call receive(). reader can read samples, documents, '
  'charts, connections and users; row-level security applies, see limit_reader(). self can call the functions '
  'wearables_api.my_*() for the user of the token; the role must not be able to log in, because a session with SQL '
  'can set the claims of a token, and a notice names the login roles that are members of it. monitor can read health, '
  'problems, queue, workers and metrics_export: no readings and no ids of users. auditor can read accesses, which no '
  'other kind can. caller can make calls to the vendor about users, and read their results and links. archiver is for '
  'the login of the program wearables-archive, which reads raw events and samples and moves them to and from files. '
  'operator can use the queue, raw events, mappings, replay, backfills, calls to the vendor and manual repairs. None '
  'of them can read a secret. Call it once for each kind of access. The caller must own the extension or be a '
  'superuser. Example: SELECT wearables.grant_access(current_user::regrole, ''reader'');';

-- Default privileges of the installing role may have granted rights on anything made above.
DO $$
DECLARE
  grantee text;
  schema text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM (SELECT n.oid AS schema, n.nspowner AS owner, n.nspacl AS acl FROM pg_namespace n
          UNION ALL SELECT c.relnamespace, c.relowner, c.relacl FROM pg_class c
          UNION ALL SELECT p.pronamespace, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p
          UNION ALL SELECT t.typnamespace, t.typowner, t.typacl FROM pg_type t) o
    CROSS JOIN LATERAL aclexplode(o.acl) a
    WHERE o.schema IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace, 'wearables_api'::regnamespace)
      AND a.grantee <> o.owner LOOP
    FOREACH schema IN ARRAY ARRAY['wearables', 'wearables_internal', 'wearables_api'] LOOP
      EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s', schema, grantee);
      EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %s', schema, grantee);
      EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %s', schema, grantee);
      EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA %I FROM %s', schema, grantee);
    END LOOP;
  END LOOP;
  FOR grantee, schema IN
    SELECT t.oid::regtype::text, a.grantee::regrole::text
    FROM pg_type t CROSS JOIN LATERAL aclexplode(t.typacl) a
    WHERE t.typnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace,
                             'wearables_api'::regnamespace)
      AND a.grantee NOT IN (0, t.typowner) LOOP
    EXECUTE format('REVOKE ALL ON TYPE %s FROM %s', grantee, schema);
  END LOOP;
END $$;

-- what the view samples calls with the rights of whoever reads it; they show nothing that metrics does not
GRANT EXECUTE ON FUNCTION
  wearables_internal.metric_named(smallint, text), wearables_internal.metric_id_of(text),
  wearables_internal.metric_ids_of(text[]), wearables_internal.is_shown(bigint)
TO PUBLIC;

GRANT USAGE ON SCHEMA wearables_api TO PUBLIC;
GRANT EXECUTE ON FUNCTION wearables_api.webhook(json), wearables_api.webhook(text), wearables_api.webhook(bytea)
TO PUBLIC;
