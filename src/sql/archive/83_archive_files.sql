-- What the program wearables-archive calls about files that are there: erasures in them, exports, damage, and the way
-- back. Who holds erased_ids IN SHARE MODE sees every erasure that has begun, and no other begins.

CREATE FUNCTION wearables_internal.begin_sweep() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
BEGIN
  -- whoever was noted as erased before this instant has committed
  LOCK TABLE wearables.erased_ids IN SHARE MODE;
  RETURN clock_timestamp();
END $$;
COMMENT ON FUNCTION wearables_internal.begin_sweep() IS
  'An instant. Later calls of erased_among() know all who were erased before it.';

CREATE FUNCTION wearables_internal.erased_among(
  endpoint text, ids bigint[], versions bigint[], user_ids bigint[], external_user_ids text[], client_user_ids text[])
RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(
    SELECT x.id
    FROM unnest($2, $3, $4, $5, $6) x (id, version, user_id, external_user_id, client_user_id)
    WHERE EXISTS (SELECT FROM wearables.erasures r WHERE r.user_id = x.user_id)
          -- but not what came under an id that is another user's, since its link was corrected
          AND NOT EXISTS (SELECT FROM wearables.user_links l
                          WHERE l.endpoint = $1 AND l.external_user_id = x.external_user_id AND l.user_id <> x.user_id)
       -- as receive() knows them: of who was registered again, what was made before
       OR EXISTS (SELECT FROM wearables.erased_ids t
                  WHERE t.id_hash IN (wearables_internal.client_id_hash(x.client_user_id),
                                      wearables_internal.external_id_hash($1, x.external_user_id))
                    AND (t.again_at IS NULL OR (x.version >> 20) < extract(epoch FROM t.again_at) * 1000)));
END $$;
COMMENT ON FUNCTION wearables_internal.erased_among(text, bigint[], bigint[], bigint[], text[], text[]) IS
  'Which of these events, or samples by user alone, are of erased users and must not be stored.';

-- By the erasures, and not by when it was asked for: a request that waits stands for those that come meanwhile.
CREATE FUNCTION wearables_internal.files_to_sweep(folder text) RETURNS SETOF wearables.archived_files
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT f.* FROM wearables.archived_files f
  WHERE f.folder = $1 AND f.state IN ('archived', 'restored')
    AND (f.swept_at IS NULL OR f.swept_at <= (SELECT max(t.erased_at) FROM wearables.erased_ids t))
  ORDER BY f.file_id;
END;
COMMENT ON FUNCTION wearables_internal.files_to_sweep(text) IS
  'Files of a folder that have not been looked through since somebody was erased.';

CREATE FUNCTION wearables_internal.renew_sweeps(folders text[]) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH renewed AS (
    UPDATE wearables.archives a SET state = 'requested'
    WHERE a.task = 'erase' AND a.state = 'failed'
      AND EXISTS (SELECT FROM unnest($1) x WHERE wearables_internal.is_in(a.url, x))
      AND EXISTS (SELECT FROM wearables_internal.files_to_sweep(a.url))
    RETURNING 1)
  SELECT count(*) FROM renewed r;
END;
COMMENT ON FUNCTION wearables_internal.renew_sweeps(text[]) IS
  'Requests again the erasures in these folders that failed, while a file waits to be looked through. Returns their '
  'number.';

CREATE FUNCTION wearables_internal.finish_samples(
  archive_id bigint, file_id bigint, rows bigint, bytes bigint, digest bytea, swept_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  f wearables.archived_files;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  UPDATE wearables.archived_files x
  SET state = 'archived', rows = $3, bytes = $4, digest = $5, archived_at = clock_timestamp(),
      verified_at = clock_timestamp(), swept_at = $6
  WHERE x.file_id = $2 AND x.archive_id = $1 AND x.state = 'writing' AND x.content = 'samples'
  RETURNING x.* INTO STRICT f;
  UPDATE wearables.archived_files x SET state = 'obsolete'
  WHERE x.content = 'samples' AND x.state = 'archived' AND x.folder = f.folder AND x.range_from = f.range_from
    AND x.file_id <> $2;
  -- erased while the file was written
  IF EXISTS (SELECT FROM wearables.erased_ids t WHERE t.erased_at >= $6) THEN
    PERFORM wearables_internal.request_archive('erase', f.folder);
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.finish_samples(bigint, bigint, bigint, bigint, bytea, timestamptz) IS
  'Makes a complete export known, in the place of a former one of the same month and folder.';

CREATE FUNCTION wearables_internal.mark_swept(archive_id bigint, file_id bigint, swept_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM wearables_internal.check_claim($1);
  UPDATE wearables.archived_files f SET swept_at = $3, verified_at = clock_timestamp(), damage = NULL
  WHERE f.file_id = $2;
END $$;
COMMENT ON FUNCTION wearables_internal.mark_swept(bigint, bigint, timestamptz) IS
  'Notes that a file holds nothing of users who were erased before that instant.';

CREATE FUNCTION wearables_internal.replace_file(
  archive_id bigint, old_file_id bigint, new_file_id bigint, rows bigint, bytes bigint, digest bytea,
  swept_at timestamptz, message_ids text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  o wearables.archived_files;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  SELECT f.* INTO STRICT o FROM wearables.archived_files f
  WHERE f.file_id = $2 AND f.state IN ('archived', 'restored') FOR UPDATE;
  UPDATE wearables.archived_files f
  SET state = o.state, rows = $4, bytes = $5, digest = $6, first_event_id = o.first_event_id,
      last_event_id = o.last_event_id, resources = o.resources, oldest_revision = o.oldest_revision,
      archived_at = o.archived_at, restored_at = o.restored_at, verified_at = clock_timestamp(), swept_at = $7,
      rewritten_at = clock_timestamp()
  WHERE f.file_id = $3 AND f.archive_id = $1 AND f.state = 'writing';
  IF $3 IS NOT NULL AND NOT FOUND THEN
    RAISE EXCEPTION 'file % is not being written', $3
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Only wearables-archive calls this function.';
  END IF;
  UPDATE wearables.archived_files f SET state = 'obsolete' WHERE f.file_id = $2;
  -- the ledger, as where an event is erased in the database
  DELETE FROM wearables.deliveries d USING unnest($8) m (id) WHERE d.endpoint = o.endpoint AND d.message_id = m.id;
END $$;
COMMENT ON FUNCTION wearables_internal.replace_file(
  bigint, bigint, bigint, bigint, bigint, bytea, timestamptz, text[]) IS
  'Puts a file without the rows of erased users in the place of another (null: no row is left), and deletes these '
  'messages from deliveries.';

CREATE FUNCTION wearables_internal.note_read(archive_id bigint, file_id bigint, damage text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM wearables_internal.check_claim($1);
  UPDATE wearables.archived_files f
  SET damage = left($3, 500), verified_at = CASE WHEN $3 IS NULL THEN clock_timestamp() ELSE f.verified_at END
  WHERE f.file_id = $2;
END $$;
COMMENT ON FUNCTION wearables_internal.note_read(bigint, bigint, text) IS
  'Notes that a file was read, and what was wrong with it (null: nothing).';

CREATE FUNCTION wearables_internal.prepare_restore(archive_id bigint, file_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f wearables.archived_files;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  SELECT x.* INTO STRICT f FROM wearables.archived_files x WHERE x.file_id = $2 AND x.content = 'events';
  IF wearables_internal.partition_of_week(f.range_from) IS NOT NULL THEN RETURN; END IF;
  IF wearables_internal.is_used_for_long(ARRAY['wearables.webhook_events_default'::regclass]) THEN
    RAISE EXCEPTION 'another session uses webhook_events'
      USING ERRCODE = 'lock_not_available', HINT = 'wearables-archive tries again.';
  END IF;
  IF NOT wearables_internal.try_lock_maintenance() THEN
    RAISE EXCEPTION 'another session makes partitions'
      USING ERRCODE = 'lock_not_available', HINT = 'wearables-archive tries again.';
  END IF;
  PERFORM wearables_internal.make_event_partition(f.range_from);
END $$;
COMMENT ON FUNCTION wearables_internal.prepare_restore(bigint, bigint) IS
  'Makes the partition for the events of a file. Raises lock_not_available if another session is in the way.';

CREATE FUNCTION wearables_internal.restore_rows(
  archive_id bigint, file_id bigint, events jsonb, payloads bytea[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  f wearables.archived_files;
  erased bigint[];
  stored bigint;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  SELECT x.* INTO STRICT f FROM wearables.archived_files x
  WHERE x.file_id = $2 AND x.content = 'events' AND x.state IN ('archived', 'restored');
  SELECT wearables_internal.erased_among(
           f.endpoint, array_agg((r ->> 0)::bigint), array_agg((r ->> 2)::bigint), array_agg((r ->> 4)::bigint),
           array_agg(r ->> 19), array_agg(r ->> 20))
  INTO erased FROM jsonb_array_elements($3) r;
  EXECUTE format($f$
    INSERT INTO %s
      (event_id, received_at, version, revision, user_id, processed_at, wrote_from, wrote_to, inserted, changed,
       confirmed, unchanged, stale, quarantined, status, endpoint, message_id, event_type, resource, external_user_id,
       client_user_id, note, error, user_zone, wrote_metrics, drift, headers, payload)
    SELECT (r ->> 0)::bigint, wearables_internal.of_us((r ->> 1)::bigint), (r ->> 2)::bigint, (r ->> 3)::bigint,
           (r ->> 4)::bigint, wearables_internal.of_us((r ->> 5)::bigint), wearables_internal.of_us((r ->> 6)::bigint),
           wearables_internal.of_us((r ->> 7)::bigint), (r ->> 8)::integer, (r ->> 9)::integer, (r ->> 10)::integer,
           (r ->> 11)::integer, (r ->> 12)::integer, (r ->> 13)::integer, (r ->> 14)::wearables.event_status, $4,
           r ->> 16, r ->> 17, r ->> 18, r ->> 19, r ->> 20, r ->> 21, r ->> 22, r ->> 23,
           CASE WHEN r ->> 24 IS NOT NULL
                THEN ARRAY(SELECT m::smallint FROM jsonb_array_elements_text((r ->> 24)::jsonb) m) END,
           CASE WHEN r ->> 25 IS NOT NULL
                THEN ARRAY(SELECT d FROM jsonb_populate_recordset(NULL::wearables_internal.drift_term,
                                                                  (r ->> 25)::jsonb) d) END,
           (r ->> 26)::jsonb, x.payload
    FROM ROWS FROM (jsonb_array_elements($1), unnest($2)) x (r, payload)
    WHERE (r ->> 0)::bigint <> ALL ($3)
    ON CONFLICT (event_id) DO NOTHING$f$, wearables_internal.partition_of_week(f.range_from))
  USING $3, $4, erased, f.endpoint;
  GET DIAGNOSTICS stored = ROW_COUNT;
  RETURN stored;
END $$;
COMMENT ON FUNCTION wearables_internal.restore_rows(bigint, bigint, jsonb, bytea[]) IS
  'Stores events of a file, but none of an erased user, and none that is there. Each is an array of the columns of '
  'archivable_events without received, with the bodies apart. Returns their number.';

CREATE FUNCTION wearables_internal.end_restore(archive_id bigint, file_id bigint, since timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
#variable_conflict use_column
DECLARE
  f wearables.archived_files;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  -- from here on no link is corrected, and below nobody is erased, until the events are there, where both find them;
  -- not from the first row on, for whoever does it would wait
  PERFORM wearables_internal.lock_parking();
  LOCK TABLE wearables.erased_ids IN SHARE MODE;
  IF EXISTS (SELECT FROM wearables.erased_ids t WHERE t.erased_at >= $3) THEN
    RAISE EXCEPTION 'a user was erased while the file was restored'
      USING ERRCODE = 'serialization_failure', HINT = 'wearables-archive restores it again.';
  END IF;
  UPDATE wearables.archived_files x
  SET state = 'restored', restored_at = clock_timestamp(), verified_at = clock_timestamp(), damage = NULL
  WHERE x.file_id = $2 RETURNING x.* INTO STRICT f;
  -- whose link was corrected while they lay in the archive
  EXECUTE format($f$
    SELECT wearables_internal.enqueue_job(
      'link', format('link:%%s:%%s:restored:%%s', s.endpoint, md5(s.external_user_id), $2),
      jsonb_build_object('endpoint', s.endpoint, 'external_user_id', s.external_user_id, 'formers', s.formers),
      s.user_id::text, 10)
    FROM (SELECT l.endpoint, l.external_user_id, l.user_id, array_agg(DISTINCT e.user_id) AS formers
          FROM %s e JOIN wearables.user_links l ON l.endpoint = e.endpoint AND l.external_user_id = e.external_user_id
          WHERE e.endpoint = $1 AND e.user_id <> l.user_id GROUP BY l.endpoint, l.external_user_id, l.user_id) s$f$,
    wearables_internal.partition_of_week(f.range_from)) USING f.endpoint, $2;
  -- and whose time zone was changed
  EXECUTE format($f$
    SELECT wearables_internal.enqueue_job(
      'zone', format('zone:%%s:%%s:restored:%%s', s.user_id, s.time_zone, $2),
      jsonb_build_object('user_id', s.user_id, 'time_zone', s.time_zone), s.user_id::text, 10)
    FROM (SELECT DISTINCT u.user_id, u.time_zone
          FROM %s e JOIN wearables.users u ON u.user_id = e.user_id
          WHERE e.endpoint = $1 AND e.user_zone IS NOT NULL AND e.user_zone <> u.time_zone
            AND u.erased_at IS NULL) s$f$,
    wearables_internal.partition_of_week(f.range_from)) USING f.endpoint, $2;
END $$;
COMMENT ON FUNCTION wearables_internal.end_restore(bigint, bigint, timestamptz) IS
  'Notes that the events of a file are in the database, in the transaction that stores them, and queues those that '
  'another person is linked to by now, or that another time zone of their user placed. since: what begin_sweep() '
  'returned before it. Raises serialization_failure if a user was erased meanwhile.';
