-- What of all that is stored is about a person: the one list. A test fails when a column of a table is not in it. The
-- manual's table is made of it (src/manual/reference.pl), and verify_erasure() looks where it says.

CREATE VIEW wearables.data_map WITH (security_invoker = true) AS
SELECT m.relation, c.name AS attribute, m.class, m.after_erasure
FROM (VALUES
  -- relation, class, what an erasure does, columns
  ('wearables.users', 'personal', 'emptied', 'client_user_id time_zone'),
  ('wearables.users', 'personal', 'kept', 'user_id created_at'),
  ('wearables.users', 'technical', 'kept', 'erased_at'),
  ('wearables.user_links', 'personal', 'deleted', 'external_user_id user_id linked_at deleted_at'),
  ('wearables.user_links', 'technical', 'deleted', 'endpoint'),
  ('wearables.parked_events', 'personal', 'deleted', 'external_user_id client_user_id'),
  ('wearables.parked_events', 'technical', 'deleted', 'event_id received_at endpoint parked_at'),
  ('wearables.connections', 'personal', 'deleted',
   'user_id provider status error_type connected_at last_data_at provider_user_id'),
  ('wearables.connections', 'technical', 'deleted', 'version'),
  ('wearables.connection_events', 'personal', 'deleted',
   'user_id provider kind actor error_type external_user_id provider_user_id at'),
  ('wearables.connection_events', 'technical', 'deleted', 'connection_event_id event_id endpoint version'),
  ('wearables.sample_points', 'personal', 'deleted', 'user_id'),
  ('wearables.sample_points', 'health', 'deleted', 'ts value value_secondary ts_end metric_id source_id tz_offset'),
  ('wearables.sample_points', 'technical', 'deleted', 'version part'),
  ('wearables_internal.rollups', 'personal', 'deleted', 'user_id'),
  ('wearables_internal.rollups', 'health', 'deleted', 'day metric_id entries'),
  ('wearables_internal.rollups', 'technical', 'deleted', 'epoch'),
  ('wearables.frozen_rollups', 'personal', 'deleted', 'user_id'),
  ('wearables.frozen_rollups', 'health', 'deleted', 'day metric_id source_ids entries'),
  -- who read what is evidence, of the time before an erasure too; user_id leads to nobody then
  ('wearables.accesses', 'personal', 'kept', 'user_id'),
  ('wearables.accesses', 'personal', 'emptied', 'claim'),
  ('wearables.accesses', 'technical', 'kept', 'access_id first_at last_at session_role role function reads'),
  ('wearables.retention_policies', 'technical', 'kept',
   'policy_id target metric endpoint resource keep_days keep_rollups enabled origin next_at applied_at dropped_rows '
   'dropped_bytes blocked error'),
  ('wearables.retention_floors', 'technical', 'kept', 'metric_id floor moved_at'),
  ('wearables_internal.rollup_users', 'personal', 'deleted', 'user_id'),
  ('wearables_internal.rollup_users', 'technical', 'deleted', 'due_at epoch due_from due_to rolled_from rolled_to'),
  ('wearables_internal.rollup_resets', 'technical', 'kept', 'reset_id made_at queued_to'),
  ('wearables_internal.metrics_not_rolled_up', 'technical', 'kept', 'metric'),
  ('wearables.summaries', 'personal', 'deleted', 'user_id identity summary_id'),
  ('wearables.summaries', 'health', 'deleted',
   'resource source_id first_ts last_ts samples doc session_start session_end samples_source_id'),
  ('wearables.summaries', 'technical', 'deleted', 'version event_id event_version part superseded event_received_at'),
  ('wearables.quarantine', 'personal', 'deleted', 'user_id'),
  ('wearables.quarantine', 'health', 'deleted', 'metric detail ts day'),
  ('wearables.quarantine', 'technical', 'deleted', 'event_id ordinal pointer reason refused_at'),
  ('wearables.webhook_events', 'personal', 'deleted', 'user_id external_user_id client_user_id user_zone note error'),
  ('wearables.webhook_events', 'health', 'deleted',
   'event_type resource wrote_from wrote_to wrote_metrics drift payload'),
  ('wearables.webhook_events', 'technical', 'deleted',
   'event_id received_at version revision processed_at inserted changed confirmed unchanged stale quarantined status '
   'endpoint message_id headers'),
  ('wearables.deliveries', 'technical', 'deleted', 'endpoint message_id event_id received_at last_seen count'),
  ('wearables.jobs', 'personal', 'deleted', 'dedupe_key subject argument last_error'),
  ('wearables.jobs', 'technical', 'deleted',
   'job_id event_id received_at run_at queued_at leased_at leased_until waiting_since failed_at leased_by attempt '
   'waits priority suspect blocked kind state last_sqlstate'),
  ('wearables.backfills', 'personal', 'deleted', 'user_id external_user_id provider cursor cursor_mark error'),
  ('wearables.backfills', 'health', 'deleted', 'resource'),
  ('wearables.backfills', 'technical', 'deleted',
   'backfill_id endpoint range_from range_to intent state pages bytes refusals http_status window_from cursor_pages '
   'event_id created_at started_at last_page_at refused_at finished_at'),
  ('wearables.stream_pulls', 'personal', 'deleted',
   'user_id external_user_id document_id provider source_type error document_digest'),
  ('wearables.stream_pulls', 'health', 'deleted', 'resource span_from span_to'),
  ('wearables.stream_pulls', 'technical', 'deleted',
   'stream_id endpoint state request refusals http_status announced_version answered_at event_id created_at '
   'requested_at finished_at'),
  ('wearables.vendor_pulls', 'personal', 'deleted', 'user_id provider error_code error'),
  ('wearables.vendor_pulls', 'health', 'deleted', 'resource'),
  ('wearables.vendor_pulls', 'technical', 'deleted',
   'endpoint failed retriable failed_since checked_at retriggered_at'),
  ('wearables_internal.calls', 'personal', 'deleted',
   'user_id client_user_id external_user_ids provider redirect_url result error'),
  ('wearables_internal.calls', 'technical', 'deleted',
   'job_id operation intent state endpoint attempts refusals http_status again_at requested_by created_at expires_at '
   'asked_at finished_at'),
  ('wearables_internal.call_links', 'personal', 'deleted', 'link_url link_token'),
  ('wearables_internal.call_links', 'technical', 'deleted', 'job_id expires_at'),
  ('wearables_internal.reconciled_users', 'personal', 'deleted', 'user_id'),
  ('wearables_internal.reconciled_users', 'technical', 'deleted', 'due_at failures failing_since sqlstate'),
  ('wearables_internal.reconciled_spans', 'personal', 'deleted', 'user_id'),
  ('wearables_internal.reconciled_spans', 'health', 'deleted', 'resource'),
  ('wearables_internal.reconciled_spans', 'technical', 'deleted', 'endpoint began spans'),
  ('wearables_internal.own_syncs', 'personal', 'deleted', 'user_id asked'),
  ('wearables.source_priorities', 'personal', 'deleted', 'user_id metric rank provider source_type channel'),
  ('wearables.assigned_users', 'personal', 'deleted', 'role user_id assigned_at'),
  ('wearables.limited_roles', 'technical', 'kept', 'role kind limited_at'),
  ('wearables_internal.silences', 'personal', 'replaced', 'asked_up_to'),
  ('wearables_internal.silences', 'technical', 'kept', 'endpoint silent_from silent_until done'),
  ('wearables.erasures', 'personal', 'kept', 'user_id'),
  ('wearables.erasures', 'personal', 'emptied', 'error'),
  ('wearables.erasures', 'technical', 'kept',
   'requested_at requested_by delete_vendor step next_metric next_ts samples documents events bytes changed_at '
   'finished_at'),
  ('wearables_internal.erasure_ids', 'personal', 'deleted', 'user_id endpoint id'),
  ('wearables.erased_ids', 'personal', 'kept', 'id_hash user_id'),
  ('wearables.erased_ids', 'technical', 'kept', 'erased_at again_at'),
  ('wearables_internal.erasure_salt', 'technical', 'kept', 'one salt'),
  ('wearables.archives', 'technical', 'kept',
   'archive_id task url before month state files rows note error requested_by requested_at worked_by started_at '
   'finished_at'),
  ('wearables.archived_files', 'technical', 'kept',
   'file_id archive_id content state folder url endpoint range_from range_to rows bytes digest first_event_id '
   'last_event_id resources oldest_revision archived_at verified_at swept_at rewritten_at restored_at damage'),
  ('wearables.endpoints', 'technical', 'kept',
   'name vendor environment base_url tolerance success_status enabled created_at'),
  ('wearables.endpoint_secrets', 'technical', 'kept', 'endpoint kind ordinal value set_at'),
  ('wearables.endpoint_activity', 'technical', 'kept',
   'endpoint reason count first_at last_at message_id streak streak_from longest_gap longest_gap_at lost lost_from '
   'lost_to'),
  ('wearables_internal.pull_hosts', 'technical', 'kept',
   'host blocked_until failures failing_since reason changed_at'),
  ('wearables_internal.proven_keys', 'technical', 'kept', 'endpoint good_at'),
  ('wearables_internal.refused_keys', 'technical', 'kept', 'endpoint refused_since checked_at reason'),
  ('wearables_internal.queue_pause', 'technical', 'kept', 'kind since reason'),
  ('wearables_internal.reconcile_turn', 'technical', 'kept', 'one swept'),
  ('wearables_internal.silence_looks', 'technical', 'kept', 'endpoint looked_at seen_at'),
  ('wearables.revisions', 'technical', 'kept', 'revision changed_at changed_by relation what'),
  ('wearables.metrics', 'technical', 'kept',
   'metric_id name unit ucum codes aggregate kind lowest highest parent origin unused_since'),
  ('wearables.metric_codes', 'technical', 'kept', 'metric system scope code display rank origin'),
  ('wearables.units', 'technical', 'kept', 'metric text factor shift origin'),
  ('wearables.sources', 'technical', 'kept',
   'source_id provider source_type channel floating_time origin unused_since'),
  ('wearables.resources', 'technical', 'kept',
   'name kind rest_path list_key backfill_days rest_range window_days connection_days reconcile_days one_per '
   'session_start session_end stream_of stream_path stream_field pull_stream note origin'),
  ('wearables.mappings', 'technical', 'kept',
   'mapping_id resource provider metric value_fields secondary_field instant_fields end_field unit_field unit extends '
   'enabled origin base_field unit_up_to_one unit_default only_where_field only_where_texts channel ordinal '
   'part_fields sum_field codes'),
  ('wearables.known_fields', 'technical', 'kept', 'resource path texts note origin')
) m (relation, class, after_erasure, columns)
CROSS JOIN LATERAL string_to_table(m.columns, ' ') c (name);
COMMENT ON VIEW wearables.data_map IS
  'What of all that is stored is about a person: one row for each column of each table. verify_erasure() looks where '
  'it says.';
COMMENT ON COLUMN wearables.data_map.relation IS 'The table. webhook_events stands for its partitions.';
COMMENT ON COLUMN wearables.data_map.attribute IS 'The column.';
COMMENT ON COLUMN wearables.data_map.class IS
  'personal: identifies a person, or tells something of one. health: a reading, or what was measured. technical: '
  'neither.';
COMMENT ON COLUMN wearables.data_map.after_erasure IS
  'What erase_user() does: deleted, with its row; emptied; replaced by the value of another user; or kept.';

-- Where an id stands by itself, and not as a part of a longer one.
CREATE FUNCTION wearables_internal.names_id(haystack text, id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN strpos(haystack, id) > 0
       AND haystack ~ ('(^|[^[:alnum:]_-])' || regexp_replace(id, '([^[:alnum:]])', E'\\\\\\1', 'g')
                       || '($|[^[:alnum:]_-])');
COMMENT ON FUNCTION wearables_internal.names_id(text, text) IS
  'Whether a text contains an id that is not part of a longer word.';

CREATE FUNCTION wearables_internal.names_id(haystack bytea, id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- the bytes first: most bodies do not hold them
RETURN position(convert_to(id, 'UTF8') IN haystack) > 0
       AND wearables_internal.names_id(encode(haystack, 'escape'), encode(convert_to(id, 'UTF8'), 'escape'));
COMMENT ON FUNCTION wearables_internal.names_id(bytea, text) IS 'The same for a body.';

-- Not only as it is: a body that is cut off is found by its bytes alone, and two who write JSON escape differently.
CREATE FUNCTION wearables_internal.spellings(id text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH letters AS (
    SELECT c.place, substr(to_json(c.letter)::text, 2, length(to_json(c.letter)::text) - 2) AS json,
           CASE WHEN ascii(c.letter) > 65535
                THEN E'\\u' || to_hex(55232 + ascii(c.letter) / 1024)
                     || E'\\u' || to_hex(56320 + ascii(c.letter) % 1024)
                WHEN ascii(c.letter) > 127 THEN E'\\u' || lpad(to_hex(ascii(c.letter)), 4, '0') END AS escaped
    FROM string_to_table($1, NULL) WITH ORDINALITY c (letter, place)),
  spelled AS (
    SELECT string_agg(l.json, '' ORDER BY l.place) AS json,
           string_agg(coalesce(l.escaped, l.json), '' ORDER BY l.place) AS lower,
           string_agg(coalesce(replace(upper(l.escaped), E'\\U', E'\\u'), l.json), '' ORDER BY l.place) AS upper
    FROM letters l)
  SELECT $1 UNION SELECT v.spelling FROM spelled x, unnest(ARRAY[x.json, x.lower, x.upper]) w (s)
  CROSS JOIN LATERAL (VALUES (w.s), (replace(w.s, '/', E'\\/'))) v (spelling);
END;
COMMENT ON FUNCTION wearables_internal.spellings(text) IS
  'An id as it is, and as it can stand between the quotes of a JSON text.';

CREATE FUNCTION wearables.verify_erasure(client_user_id text, external_ids text[] DEFAULT '{}')
RETURNS TABLE (relation text, attribute text, rows_found bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  ids CONSTANT text[] := ARRAY(SELECT DISTINCT wearables_internal.spellings(i) FROM unnest($2 || $1) i WHERE i <> '');
  users CONSTANT bigint[] := ARRAY(
    SELECT t.user_id FROM wearables.erased_ids t
    WHERE t.id_hash = wearables_internal.client_id_hash($1)
       OR t.id_hash IN (SELECT wearables_internal.external_id_hash(e.name, i)
                        FROM wearables.endpoints e CROSS JOIN unnest($2) i)
    UNION SELECT u.user_id FROM wearables.users u WHERE u.client_user_id = $1
    UNION SELECT l.user_id FROM wearables.user_links l WHERE l.external_user_id = ANY ($2));
  place record;
  condition text;
BEGIN
  IF ids = '{}' THEN
    RAISE EXCEPTION 'no id is given'
      USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the client user id, the external user ids, or both.';
  END IF;
  FOR place IN
    SELECT m.relation AS name, m.attribute AS attribute, a.atttypid AS type, t.typtype AS kind
    FROM wearables.data_map m
    JOIN pg_attribute a ON a.attrelid = m.relation::regclass AND a.attname = m.attribute
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE m.class <> 'technical' AND m.after_erasure <> 'kept' ORDER BY m.relation, a.attnum LOOP
    condition := CASE
      WHEN place.attribute = 'user_id' THEN format('x.%I = ANY ($2)', place.attribute)
      WHEN place.type = 'bytea'::regtype THEN
        format('EXISTS (SELECT FROM unnest($1) i WHERE wearables_internal.names_id(x.%I, i))', place.attribute)
      WHEN place.type IN ('text'::regtype, 'jsonb'::regtype, 'text[]'::regtype,
                          'wearables_internal.drift_term[]'::regtype) THEN
        format('EXISTS (SELECT FROM unnest($1) i WHERE wearables_internal.names_id(x.%I::text, i))', place.attribute)
      END;
    CONTINUE WHEN condition IS NULL;  -- a number or a time names nobody
    relation := place.name;
    attribute := place.attribute;
    EXECUTE format('SELECT count(*) FROM %s x WHERE %s', place.name::regclass, condition)
      INTO rows_found USING ids, users;
    IF rows_found > 0 THEN RETURN NEXT; END IF;
  END LOOP;
  -- files that have not been looked through since; of a user who is not erased, each may hold something
  relation := 'wearables.archived_files';
  attribute := 'url';
  SELECT count(*) INTO rows_found FROM wearables.archived_files f
  WHERE users <> '{}'
    AND (EXISTS (SELECT FROM wearables.users u WHERE u.user_id = ANY (users) AND u.erased_at IS NULL)
         OR f.swept_at IS NULL
         OR f.swept_at < (SELECT max(t.erased_at) FROM wearables.erased_ids t WHERE t.user_id = ANY (users)));
  IF rows_found > 0 THEN RETURN NEXT; END IF;
END $$;
COMMENT ON FUNCTION wearables.verify_erasure(text, text[]) IS
  'Looks for a user everywhere data_map says that something personal can be, bodies included. Arguments: '
  'client_user_id: the application''s own id of the user (null: not searched for); external_ids: the vendor''s ids of '
  'the user. Ids are found as they are, and as JSON can spell them. Returns relation and attribute where one of the '
  'ids, or the number of the user, was found, and rows_found; and archived_files with the number of files that may '
  'hold the user and wait for the program wearables-archive. No row: nothing is left. It reads these tables in full.'
  ' Example: SELECT * FROM wearables.verify_erasure(''alice'', ARRAY[''0f3c6b1e'']);';
