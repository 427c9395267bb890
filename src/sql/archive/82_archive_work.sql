-- What the program wearables-archive calls. A crash anywhere loses nothing: a file has a row before it is written, the
-- partition goes in the transaction that makes its files the archive, and a file that is replaced is deleted after the
-- commit that replaces it. Nothing is locked while a file is written or read, nor while the digest is made that
-- decides. Afterwards, under the lock that keeps the events as they are, it is enough to see that no row is another
-- version.
-- Locks: the partition, then erased_ids, then the default partition and webhook_events. Others take them in another
-- order, so each is waited for only briefly, and the program tries again. Where one has been held for long, it is not
-- waited for at all: receivers stand behind whoever waits for webhook_events, and whoever handles any event stands
-- behind the partition.

CREATE FUNCTION wearables_internal.us_of(instant timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (extract(epoch FROM instant) * 1000000)::bigint;
COMMENT ON FUNCTION wearables_internal.us_of(timestamptz) IS 'Microseconds since 1970.';

CREATE FUNCTION wearables_internal.of_us(us bigint) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN timestamptz 'epoch' + us * interval '1 microsecond';
COMMENT ON FUNCTION wearables_internal.of_us(bigint) IS 'The time of microseconds since 1970.';

-- One row as a file has it. A test compares the columns with those of the table.
CREATE VIEW wearables_internal.archivable_events AS
SELECT e.event_id, e.received_at AS received, wearables_internal.us_of(e.received_at) AS received_at, e.version,
       e.revision, e.user_id, wearables_internal.us_of(e.processed_at) AS processed_at,
       wearables_internal.us_of(e.wrote_from) AS wrote_from, wearables_internal.us_of(e.wrote_to) AS wrote_to,
       e.inserted::bigint, e.changed::bigint, e.confirmed::bigint, e.unchanged::bigint, e.stale::bigint,
       e.quarantined::bigint, e.status::text, e.endpoint, e.message_id, e.event_type, e.resource, e.external_user_id,
       e.client_user_id, e.note, e.error, e.user_zone, to_jsonb(e.wrote_metrics)::text AS wrote_metrics,
       to_jsonb(e.drift)::text AS drift, e.headers::text AS headers, e.payload
-- of two relations, so that the view is not one that can be updated
FROM wearables.webhook_events e CROSS JOIN (SELECT) one;
COMMENT ON VIEW wearables_internal.archivable_events IS
  'Raw events in the columns of the archive: times in microseconds since 1970, composite values as JSON text.';

CREATE VIEW wearables_internal.exportable_samples AS
SELECT p.ts AS measured, p.user_id, m.name AS metric, wearables_internal.us_of(p.ts) AS ts,
       CASE p.tz_offset WHEN 32767 THEN (p.ts AT TIME ZONE 'UTC')::date::text END AS day, s.provider, s.source_type,
       s.channel, p.value, p.value_secondary, m.unit, wearables_internal.us_of(p.ts_end) AS ts_end,
       nullif(p.tz_offset, 32767::smallint)::bigint AS tz_offset, p.part::bigint AS part, p.version
FROM wearables.sample_points p
JOIN wearables.users u ON u.user_id = p.user_id AND u.erased_at IS NULL
JOIN wearables.metrics m ON m.metric_id = p.metric_id
JOIN wearables.sources s ON s.source_id = p.source_id;
COMMENT ON VIEW wearables_internal.exportable_samples IS
  'Samples of all users who are not erased, as export_samples() has them.';

CREATE FUNCTION wearables_internal.is_worked_on(pid integer, since timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM pg_stat_activity a
               WHERE a.pid = is_worked_on.pid AND (a.backend_start IS NULL OR a.backend_start <= since));
COMMENT ON FUNCTION wearables_internal.is_worked_on(integer, timestamptz) IS
  'Whether the session that took a request at that time is still there.';

CREATE FUNCTION wearables_internal.claim_archive(
  folders text[], OUT archive_id bigint, OUT task text, OUT url text, OUT before timestamptz, OUT month date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  SELECT a.archive_id, a.task, a.url, a.before, a.month INTO archive_id, task, url, before, month
  FROM wearables.archives a
  WHERE (a.state = 'requested'
         OR a.state = 'running' AND NOT wearables_internal.is_worked_on(a.worked_by, a.started_at))
    AND EXISTS (SELECT FROM unnest($1) f WHERE wearables_internal.is_in(a.url, f))
  -- one of which a program died behind the others, or each run would die before them; erasures before all that may take
  -- long
  ORDER BY a.state = 'running', a.task <> 'erase', a.archive_id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE wearables.archives a
  SET state = 'running', worked_by = pg_backend_pid(), started_at = clock_timestamp(), files = 0, rows = 0, note = NULL
  WHERE a.archive_id = claim_archive.archive_id;
END $$;
COMMENT ON FUNCTION wearables_internal.claim_archive(text[]) IS
  'Takes a request whose url is in one of the folders: one that is requested, or whose program has died. Null: none.';

CREATE FUNCTION wearables_internal.check_claim(archive_id bigint) RETURNS wearables.archives
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  a wearables.archives;
BEGIN
  SELECT x.* INTO a FROM wearables.archives x
  WHERE x.archive_id = $1 AND x.state = 'running' AND x.worked_by = pg_backend_pid();
  IF NOT FOUND THEN
    RAISE EXCEPTION 'request % is not that of this session', $1
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Only wearables-archive calls this function.';
  END IF;
  RETURN a;
END $$;
COMMENT ON FUNCTION wearables_internal.check_claim(bigint) IS
  'The request, if this session has taken it. Raises an error otherwise.';

CREATE FUNCTION wearables_internal.end_archive(
  archive_id bigint, files integer, rows bigint, note text, error text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM wearables_internal.check_claim($1);
  UPDATE wearables.archives a
  SET state = CASE WHEN $5 IS NULL THEN 'done' ELSE 'failed' END, files = $2, rows = $3, note = $4,
      error = left($5, 500), finished_at = clock_timestamp()
  WHERE a.archive_id = $1;
END $$;
COMMENT ON FUNCTION wearables_internal.end_archive(bigint, integer, bigint, text, text) IS
  'Marks a request as done or, with an error, as failed.';

CREATE FUNCTION wearables_internal.leftover_files(folders text[]) RETURNS TABLE (file_id bigint, url text)
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT f.file_id, f.url
  FROM wearables.archived_files f
  LEFT JOIN wearables.archives a ON a.archive_id = f.archive_id
  WHERE EXISTS (SELECT FROM unnest($1) x WHERE wearables_internal.is_in(f.url, x))
    AND (f.state = 'obsolete'
         -- what this session writes is not there yet when it asks
         OR f.state = 'writing' AND NOT (a.state IS NOT DISTINCT FROM 'running' AND a.worked_by <> pg_backend_pid()
                                         AND wearables_internal.is_worked_on(a.worked_by, a.started_at)));
END;
COMMENT ON FUNCTION wearables_internal.leftover_files(text[]) IS
  'Files that are to be deleted: those that others have replaced, and those that a program has not completed.';

CREATE FUNCTION wearables_internal.forget_file(file_id bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  DELETE FROM wearables.archived_files f WHERE f.file_id = $1 AND f.state IN ('obsolete', 'writing');
END;
COMMENT ON FUNCTION wearables_internal.forget_file(bigint) IS 'Removes a deleted file from the catalogue.';

CREATE FUNCTION wearables_internal.begin_file(
  archive_id bigint, content text, endpoint text, range_from timestamptz, range_to timestamptz,
  OUT file_id bigint, OUT url text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  a CONSTANT wearables.archives := wearables_internal.check_claim($1);
BEGIN
  file_id := nextval('wearables.archived_files_file_id_seq');
  -- another name for each attempt, also of another database or of a copy of this one, whose numbers may be the same: so
  -- that no two write the same file
  url := format('%s/%s/%s-%s.parquet', a.url, $2, to_char($4 AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
                concat_ws('-', regexp_replace($3, '[^A-Za-z0-9_-]', '_', 'g'), left(gen_random_uuid()::text, 8),
                          file_id));
  INSERT INTO wearables.archived_files (file_id, archive_id, content, folder, url, endpoint, range_from, range_to)
  VALUES (file_id, $1, $2, a.url, url, $3, $4, $5);
END $$;
COMMENT ON FUNCTION wearables_internal.begin_file(bigint, text, text, timestamptz, timestamptz) IS
  'Adds a file to the catalogue before it is written. Returns its id and where it is to be.';

CREATE FUNCTION wearables_internal.why_not_dropped(part regclass) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reason text;
BEGIN
  EXECUTE format('SELECT ''it holds events with queued jobs'' '
                 'WHERE EXISTS (SELECT FROM wearables.jobs j JOIN %s e ON e.event_id = j.event_id)', part) INTO reason;
  IF reason IS NULL AND EXISTS (SELECT FROM wearables.erasures r
                                WHERE r.finished_at IS NULL AND r.step NOT IN ('vendor', 'rest', 'done')) THEN
    reason := 'the events of a user are being erased';
  END IF;
  RETURN reason;
END $$;
COMMENT ON FUNCTION wearables_internal.why_not_dropped(regclass) IS
  'What of other tables is in the way of archiving a partition of webhook_events now. Null: nothing.';

CREATE FUNCTION wearables_internal.why_not_archived(part regclass) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reason text;
BEGIN
  EXECUTE format(
    'SELECT CASE
       WHEN EXISTS (SELECT FROM %1$s e WHERE e.status IN (''received'', ''parked'', ''failed''))
         THEN ''it holds events that are received, parked or failed''
       WHEN EXISTS (SELECT FROM %1$s e WHERE e.client_user_id IS NULL AND e.external_user_id IS NULL)
         THEN ''it holds events in which no user can be read: see delete_unassignable_events()'' END', part)
  INTO reason;
  RETURN coalesce(reason, wearables_internal.why_not_dropped(part));
END $$;
COMMENT ON FUNCTION wearables_internal.why_not_archived(regclass) IS
  'Why a partition of webhook_events must not be archived now. Null: it may be.';

CREATE FUNCTION wearables_internal.is_used_for_long(relations regclass[]) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY ($1) AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND a.xact_start < clock_timestamp() - interval '1 second');
END;
COMMENT ON FUNCTION wearables_internal.is_used_for_long(regclass[]) IS
  'Whether a transaction that is older than a second holds a lock on one of these tables, so that to wait for it would '
  'hold up others in vain. An owner who may not see the activity of other roles (pg_read_all_stats) is told false, and '
  'then waits as long as its lock_timeout.';

CREATE FUNCTION wearables_internal.week_of(part regclass) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC'
        FROM pg_class c WHERE c.oid = part);
COMMENT ON FUNCTION wearables_internal.week_of(regclass) IS 'Begin of the week of a partition of webhook_events.';

CREATE FUNCTION wearables_internal.weeks_to_archive(archive_id bigint)
RETURNS TABLE (week timestamptz, endpoints text[], reason text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  a CONSTANT wearables.archives := wearables_internal.check_claim($1);
  part text;
BEGIN
  FOR part, week IN
    SELECT c.relname, wearables_internal.week_of(c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'wearables.webhook_events'::regclass AND c.relname ~ '^webhook_events_[0-9]{8}$'
    ORDER BY c.relname LOOP
    EXIT WHEN week + interval '168 hours' > a.before;
    BEGIN
      EXECUTE format('SELECT array_agg(DISTINCT e.endpoint::text) FROM wearables.%I e', part) INTO endpoints;
    EXCEPTION WHEN undefined_table THEN
      CONTINUE;  -- dropped meanwhile, by another program or a policy
    END;
    CONTINUE WHEN endpoints IS NULL;
    reason := wearables_internal.why_not_archived(format('wearables.%I', part)::regclass);
    RETURN NEXT;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.weeks_to_archive(bigint) IS
  'The partitions of webhook_events that a request is about, oldest first, and why one must not be archived now.';

CREATE FUNCTION wearables_internal.events_digest(
  part regclass, endpoint text, OUT rows bigint, OUT digest bytea, OUT first_event_id bigint, OUT last_event_id bigint,
  OUT resources text[], OUT oldest_revision bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  SELECT count(*), sha256(coalesce(string_agg(
           sha256(convert_to(jsonb_build_array(
             e.event_id, e.received_at, e.version, e.revision, e.user_id, e.processed_at, e.wrote_from, e.wrote_to,
             e.inserted, e.changed, e.confirmed, e.unchanged, e.stale, e.quarantined, e.status, e.endpoint,
             e.message_id, e.event_type, e.resource, e.external_user_id, e.client_user_id, e.note, e.error, e.user_zone,
             e.wrote_metrics, e.drift, e.headers, encode(sha256(e.payload), 'hex'))::text, 'UTF8')),
           '' ORDER BY e.event_id), '')),
         min(e.event_id), max(e.event_id),
         array_agg(DISTINCT e.resource::text) FILTER (WHERE e.resource IS NOT NULL), min(e.revision)
  INTO rows, digest, first_event_id, last_event_id, resources, oldest_revision
  FROM wearables_internal.archivable_events e
  WHERE e.endpoint = $2 AND e.received >= wearables_internal.week_of(part)
    AND e.received < wearables_internal.week_of(part) + interval '168 hours';
END $$;
COMMENT ON FUNCTION wearables_internal.events_digest(regclass, text) IS
  'What the catalogue says of the events of an endpoint in a partition, and the digest that a file of them has.';

CREATE FUNCTION wearables_internal.row_versions(part regclass, OUT rows bigint, OUT versions bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = on
AS $$
BEGIN
  -- bodies are not read: where a row lies and who wrote it changes with any change of it
  EXECUTE format('SELECT count(*), coalesce(bit_xor(hash_record_extended(ROW(e.ctid, e.xmin), 0)), 0) FROM %s e', part)
  INTO rows, versions;
END $$;
COMMENT ON FUNCTION wearables_internal.row_versions(regclass) IS
  'The number of rows of a partition, and a hash of the versions of them: if it is the same later, no row was changed, '
  'added or deleted meanwhile.';

CREATE FUNCTION wearables_internal.check_week(
  archive_id bigint, week timestamptz, file_ids bigint[], rows bigint[], bytes bigint[], digests bytea[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = on SET enable_sort = on
AS $$
#variable_conflict use_column
DECLARE
  part CONSTANT regclass := wearables_internal.partition_of_week($2);
  file record;
  found record;
  held record;
  matching bigint := 0;
  reason text;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  IF part IS NULL THEN
    RAISE EXCEPTION 'the partition of the week is gone'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'There is nothing to archive any more.';
  END IF;
  -- before all that is read of them
  held := wearables_internal.row_versions(part);
  FOR file IN
    SELECT f.file_id, f.endpoint, x.rows, x.bytes, x.digest
    FROM unnest($3, $4, $5, $6) x (file_id, rows, bytes, digest)
    JOIN wearables.archived_files f ON f.file_id = x.file_id AND f.archive_id = $1 AND f.state = 'writing'
      AND f.content = 'events' AND f.range_from = $2 LOOP
    SELECT d.* INTO found FROM wearables_internal.events_digest(part, file.endpoint) d;
    CONTINUE WHEN found.rows <> file.rows OR found.digest <> file.digest;
    matching := matching + file.rows;
    UPDATE wearables.archived_files f
    SET rows = file.rows, bytes = file.bytes, digest = found.digest, first_event_id = found.first_event_id,
        last_event_id = found.last_event_id, resources = found.resources, oldest_revision = found.oldest_revision,
        verified_at = clock_timestamp()
    WHERE f.file_id = file.file_id;
  END LOOP;
  IF held.rows <> matching THEN
    RAISE EXCEPTION 'the events of the week have changed'
      USING ERRCODE = 'serialization_failure', HINT = 'wearables-archive writes the files again.';
  END IF;
  reason := wearables_internal.why_not_archived(part);
  IF reason IS NOT NULL THEN
    RAISE EXCEPTION 'the week cannot be archived: %', reason
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Request it again later.';
  END IF;
  RETURN held.versions;
END $$;
COMMENT ON FUNCTION wearables_internal.check_week(bigint, timestamptz, bigint[], bigint[], bigint[], bytea[]) IS
  'Notes what files of a week hold, if the digests of the files are those of the events. Returns row_versions() of '
  'these events, for finish_week(). Raises serialization_failure if they are not the same events, '
  'object_not_in_prerequisite_state if the week must not be archived.';

CREATE FUNCTION wearables_internal.finish_week(archive_id bigint, week timestamptz, file_ids bigint[], versions bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
  part CONSTANT regclass := wearables_internal.partition_of_week($2);
  held record;
  noted bigint;
  reason text;
BEGIN
  PERFORM wearables_internal.check_claim($1);
  IF part IS NULL THEN
    RAISE EXCEPTION 'the partition of the week is gone'
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'There is nothing to archive any more.';
  END IF;
  IF wearables_internal.is_used_for_long(ARRAY['wearables.webhook_events'::regclass, part]) THEN
    RAISE EXCEPTION 'another session uses webhook_events'
      USING ERRCODE = 'lock_not_available', HINT = 'wearables-archive tries again.';
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', part);
  held := wearables_internal.row_versions(part);
  SELECT coalesce(sum(f.rows), 0) INTO noted
  FROM wearables.archived_files f
  WHERE f.file_id = ANY ($3) AND f.archive_id = $1 AND f.state = 'writing' AND f.content = 'events'
    AND f.range_from = $2;
  IF held.versions IS DISTINCT FROM $4 OR held.rows <> noted THEN
    RAISE EXCEPTION 'the events of the week have changed'
      USING ERRCODE = 'serialization_failure', HINT = 'wearables-archive writes the files again.';
  END IF;
  LOCK TABLE wearables.erased_ids IN SHARE MODE;
  reason := wearables_internal.why_not_dropped(part);
  IF reason IS NOT NULL THEN
    RAISE EXCEPTION 'the week cannot be archived: %', reason
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Request it again later.';
  END IF;
  -- a week that was restored, and is archived again
  UPDATE wearables.archived_files f SET state = 'obsolete'
  WHERE f.content = 'events' AND f.state = 'restored' AND f.range_from = $2
    AND f.endpoint IN (SELECT n.endpoint FROM wearables.archived_files n WHERE n.file_id = ANY ($3));
  -- of all who were erased the events are deleted, so none of theirs is in the files
  UPDATE wearables.archived_files f
  SET state = 'archived', archived_at = clock_timestamp(), swept_at = clock_timestamp()
  WHERE f.file_id = ANY ($3);
  -- Last, for receivers wait from here to the commit. The DROP takes the default partition, too, which who stores
  -- events takes before its parent.
  LOCK TABLE wearables.webhook_events_default IN SHARE ROW EXCLUSIVE MODE;
  LOCK TABLE ONLY wearables.webhook_events IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('DROP TABLE %s', part);
END $$;
COMMENT ON FUNCTION wearables_internal.finish_week(bigint, timestamptz, bigint[], bigint) IS
  'Makes complete files the archive of a week and drops its partition, if its events are those that check_week() saw. '
  'Raises serialization_failure if they are not, object_not_in_prerequisite_state if the week must not be archived, '
  'lock_not_available if another session is in the way.';
