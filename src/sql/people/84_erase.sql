-- Erasing a person. erase_user() hides the user and notes the hashes of the ids, all in one transaction; jobs of kind
-- erase then delete batch by batch. Each batch is a transaction under the user's lock (pg/people/erase_job.cpp), so a
-- crash loses one batch, which is done again. What a session that had found the user before still wants to write is
-- stopped where it takes that lock or, for what hangs on a row of users, where it locks that row.

CREATE FUNCTION wearables_internal.lock_user(user_id bigint) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_lock_user';
COMMENT ON FUNCTION wearables_internal.lock_user(bigint) IS
  'Takes the lock of a user until the transaction ends: no other session writes the user''s samples meanwhile.';

CREATE FUNCTION wearables_internal.remember_erased(user_id bigint, endpoint text, id text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  INSERT INTO wearables_internal.erasure_ids (user_id, endpoint, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;
  INSERT INTO wearables.erased_ids AS t (id_hash, user_id, erased_at)
  SELECT h.hash, $1, clock_timestamp()
  FROM (SELECT CASE $2 WHEN '' THEN wearables_internal.client_id_hash($3)
                       ELSE wearables_internal.external_id_hash($2, $3) END AS hash) h
  WHERE h.hash IS NOT NULL
  -- erased, registered again and erased again
  ON CONFLICT (id_hash) DO UPDATE SET user_id = $1, erased_at = excluded.erased_at, again_at = NULL;
END;
COMMENT ON FUNCTION wearables_internal.remember_erased(bigint, text, text) IS
  'Notes an id of a user who is being erased: the id until the erasure is done, its hash for ever. With an empty '
  'endpoint it is the client user id.';

CREATE FUNCTION wearables_internal.queue_erasure(user_id bigint, delay interval) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- behind new events: nothing of the user is shown any more
  SELECT wearables_internal.enqueue_job('erase', 'erase:' || $1, jsonb_build_object('user_id', $1), NULL, 5,
                                        clock_timestamp() + $2);
END;
COMMENT ON FUNCTION wearables_internal.queue_erasure(bigint, interval) IS
  'Queues the next batch of an erasure, unless it is queued.';

CREATE FUNCTION wearables_internal.hide_user(user_id bigint, client_user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  external record;
BEGIN
  INSERT INTO wearables_internal.erasure_salt (salt)
  VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) ON CONFLICT DO NOTHING;
  PERFORM wearables_internal.remember_erased($1, '', $2);
  -- former links, too, unless they are another user's now
  FOR external IN
    SELECT x.endpoint, x.external_user_id
    FROM (SELECT l.endpoint, l.external_user_id FROM wearables.user_links l WHERE l.user_id = $1
          UNION SELECT c.endpoint, c.external_user_id FROM wearables.connection_events c WHERE c.user_id = $1
          UNION SELECT b.endpoint, b.external_user_id FROM wearables.backfills b WHERE b.user_id = $1) x
    WHERE x.endpoint IS NOT NULL AND x.external_user_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM wearables.user_links o
                      WHERE o.endpoint = x.endpoint AND o.external_user_id = x.external_user_id
                        AND o.user_id <> $1) LOOP
    PERFORM wearables_internal.remember_erased($1, external.endpoint, external.external_user_id);
  END LOOP;
  -- at once, as the ids of a parked event may lead to it by no index
  PERFORM wearables_internal.erase_events(array_agg(p.event_id), array_agg(p.received_at))
  FROM wearables_internal.erasure_ids i
  JOIN wearables.parked_events p ON p.endpoint = i.endpoint AND p.external_user_id = i.id
                                 OR i.endpoint = '' AND p.client_user_id = i.id
  WHERE i.user_id = $1;
  DELETE FROM wearables_internal.calls c WHERE c.user_id = $1 AND c.operation <> 'delete_vendor_user';
  DELETE FROM wearables.vendor_pulls v WHERE v.user_id = $1;
  DELETE FROM wearables.backfills b WHERE b.user_id = $1;
  DELETE FROM wearables.connections c WHERE c.user_id = $1;
  DELETE FROM wearables.user_links l WHERE l.user_id = $1;
  -- no row may come for who is erased, so a dump that is made during the erasure must hold none
  DELETE FROM wearables.source_priorities p WHERE p.user_id = $1;
  DELETE FROM wearables.assigned_users a WHERE a.user_id = $1;
  UPDATE wearables.users u SET client_user_id = NULL, time_zone = 'UTC', erased_at = clock_timestamp()
  WHERE u.user_id = $1;
END $$;
COMMENT ON FUNCTION wearables_internal.hide_user(bigint, text) IS
  'The first transaction of an erasure: notes the ids of the user, and deletes what leads to them.';

CREATE FUNCTION wearables.erase_user(user_id bigint, delete_vendor boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  asker CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
  wants_vendor CONSTANT boolean := coalesce($2, false);
  person wearables.users;
  gone record;
BEGIN
  -- in the order of who ends a call: its row, the parking lock, the row of users
  PERFORM FROM wearables_internal.calls c WHERE c.user_id = $1 FOR UPDATE;
  -- but after who registers the same person, and takes the parking lock at the commit
  PERFORM FROM wearables.users u WHERE u.user_id = $1 FOR NO KEY UPDATE;
  PERFORM wearables_internal.lock_parking();
  PERFORM wearables_internal.lock_user($1);
  SELECT u.* INTO person FROM wearables.users u WHERE u.user_id = $1 FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % does not exist', $1
      USING ERRCODE = 'no_data_found', HINT = 'See wearables.users for the ids.';
  END IF;
  IF person.erased_at IS NOT NULL THEN
    -- begun before: the vendor is asked once more, or no longer waited for
    UPDATE wearables.erasures r SET delete_vendor = wants_vendor, error = NULL
    WHERE r.user_id = $1 AND r.finished_at IS NULL;
    IF NOT FOUND THEN RETURN false; END IF;
    IF wants_vendor THEN
      FOR gone IN
        SELECT DISTINCT ON (c.endpoint, c.external_user_ids) c.endpoint, c.external_user_ids, c.state
        FROM wearables_internal.calls c WHERE c.user_id = $1 AND c.operation = 'delete_vendor_user'
        ORDER BY c.endpoint, c.external_user_ids, c.job_id DESC LOOP
        CONTINUE WHEN gone.state <> 'failed';
        PERFORM wearables_internal.make_call(
          'delete_vendor_user', gone.endpoint, $1, NULL, gone.external_user_ids, NULL, NULL);
      END LOOP;
    END IF;
    PERFORM wearables_internal.queue_erasure($1, interval '0');
    RETURN false;
  END IF;
  IF wants_vendor THEN
    PERFORM wearables_internal.make_call(
      'delete_vendor_user', l.endpoint, $1, NULL, ARRAY[l.external_user_id], NULL, NULL)
    FROM wearables.user_links l WHERE l.user_id = $1 AND l.deleted_at IS NULL;
  END IF;
  INSERT INTO wearables.erasures (user_id, requested_by, delete_vendor) VALUES ($1, asker, wants_vendor);
  PERFORM wearables_internal.hide_user($1, person.client_user_id);
  PERFORM wearables_internal.note_all_changed($1);
  PERFORM wearables_internal.queue_erasure($1, interval '0');
  RETURN true;
END $$;
COMMENT ON FUNCTION wearables.erase_user(bigint, boolean) IS
  'Erases a user: samples, documents, raw events and everything else that is stored of the user. From its commit, the '
  'views and the read functions do not show the user, and what is delivered for the user is acknowledged and not '
  'stored. A worker or drain() then deletes in batches: see erasures. Salted hashes of the user''s ids are kept, so '
  'that later events are recognized. Arguments: user_id: the user; delete_vendor: whether the vendor is to delete its '
  'user, too. If that fails, the erasure waits: call the function again, with delete_vendor to ask the vendor once '
  'more, without to end the erasure. Returns false if the user was erased before. Raises no_data_found for an unknown '
  'user. See verify_erasure(). Example: SELECT wearables.erase_user(1);';

CREATE FUNCTION wearables_internal.jobs_of_user(user_id bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
BEGIN ATOMIC
  -- by the indexes of each state: a queue may be long, and of events as a rule
  WITH about_users AS (SELECT '{pull,zone,call,rollup,stream,link}'::wearables.job_kind[] AS kinds)
  SELECT x.job_id FROM about_users k CROSS JOIN LATERAL (
    SELECT r.job_id, r.subject FROM wearables.jobs r
    WHERE r.state = 'ready' AND NOT r.suspect AND r.kind = ANY (k.kinds)
    UNION ALL
    SELECT r.job_id, r.subject FROM wearables.jobs r
    WHERE (r.state = 'running' OR r.suspect) AND r.kind = ANY (k.kinds)
    UNION ALL
    SELECT r.job_id, r.subject FROM wearables.jobs r WHERE r.state = 'failed' AND r.kind = ANY (k.kinds)) x
  WHERE x.subject = $1::text OR starts_with(x.subject, $1 || '/');
END;
COMMENT ON FUNCTION wearables_internal.jobs_of_user(bigint) IS
  'The jobs about a user, but not those of events.';

CREATE FUNCTION wearables_internal.erase_rest(user_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  ids CONSTANT text[] := ARRAY(SELECT i.id FROM wearables_internal.erasure_ids i
                               WHERE i.user_id = $1 AND i.endpoint <> '');
  place text;
BEGIN
  -- calls about several users
  UPDATE wearables_internal.calls c
  SET external_user_ids = ARRAY(SELECT x FROM unnest(c.external_user_ids) x WHERE x <> ALL (ids)),
      result = NULL, error = NULL
  WHERE c.user_id IS NULL AND c.external_user_ids && ids;
  DELETE FROM wearables_internal.calls c
  WHERE c.user_id IS NULL AND c.external_user_ids = '{}' AND c.operation = 'trigger_historical_pull';
  -- again, for what a transaction with an older snapshot did not see in hide_user(), and every table that data_map adds
  FOR place IN
    SELECT m.relation FROM wearables.data_map m
    WHERE m.attribute = 'user_id' AND m.class = 'personal' AND m.after_erasure = 'deleted'
      AND m.relation NOT IN ('wearables.sample_points', 'wearables.summaries', 'wearables.webhook_events',
                             'wearables.quarantine', 'wearables_internal.erasure_ids') LOOP
    EXECUTE format('DELETE FROM %s x WHERE x.user_id = $1', place::regclass) USING $1;
  END LOOP;
  -- where the search for silent periods has come to: to the user before instead
  UPDATE wearables_internal.silences s
  SET asked_up_to = coalesce((SELECT max(l.external_user_id) FROM wearables.user_links l
                              WHERE l.endpoint = s.endpoint AND l.external_user_id < s.asked_up_to), '')
  WHERE s.asked_up_to = ANY (ids);
  DELETE FROM wearables.quarantine q WHERE q.user_id = $1 AND q.ts IS NOT NULL;
  DELETE FROM wearables.jobs j WHERE j.job_id = ANY (ARRAY(
    SELECT x.job_id FROM wearables.jobs x
    WHERE x.job_id = ANY (ARRAY(SELECT wearables_internal.jobs_of_user($1))) FOR UPDATE SKIP LOCKED));
  DELETE FROM wearables_internal.erasure_ids i WHERE i.user_id = $1;
END $$;
COMMENT ON FUNCTION wearables_internal.erase_rest(bigint) IS
  'The last batch of an erasure: what is stored of the user in small tables.';

CREATE FUNCTION wearables_internal.erase_found(
  user_id bigint, most integer, INOUT way smallint, INOUT since timestamptz,
  OUT events bigint, OUT erased bigint, OUT bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known record;
  ids bigint[];
  seen timestamptz[];
  -- whether it has looked everywhere: others may store, or let go of, events behind the place
  anew boolean := way = 0 AND since = '-infinity';
BEGIN
  LOOP
    IF way = 0 THEN
      SELECT array_agg(e.event_id), array_agg(e.received_at) INTO ids, seen
      FROM wearables_internal.find_events_of_user($1, most, since) e;
    ELSE
      SELECT i.endpoint, i.id INTO known FROM wearables_internal.erasure_ids i
      WHERE i.user_id = $1 ORDER BY i.endpoint, i.id OFFSET way - 1 LIMIT 1;
      IF NOT FOUND THEN
        EXIT WHEN anew;
        anew := true;
        way := 0;
        since := '-infinity';
        CONTINUE;
      END IF;
      SELECT array_agg(e.event_id), array_agg(e.received_at) INTO ids, seen
      FROM wearables_internal.find_events_of_id(known.endpoint, known.id, most, since) e;
      IF known.endpoint = '' AND ids IS NOT NULL THEN
        -- an external id that nobody has linked, as its events held nothing for us
        PERFORM wearables_internal.remember_erased($1, e.sent_by, e.external_user_id)
        FROM (SELECT DISTINCT x.sent_by, x.external_user_id
              FROM wearables_internal.find_events_of_id('', known.id, most, since) x) e
        WHERE e.external_user_id IS NOT NULL;
      END IF;
    END IF;
    EXIT WHEN ids IS NOT NULL;
    way := way + 1;
    since := '-infinity';
  END LOOP;
  since := coalesce((SELECT date_trunc('week', max(x), 'UTC') FROM unnest(seen) x), since);
  SELECT r.erased, r.bytes INTO erased, bytes
  FROM wearables_internal.erase_events(coalesce(ids, '{}'), coalesce(seen, '{}')) r;
  events := coalesce(cardinality(ids), 0);
END $$;
COMMENT ON FUNCTION wearables_internal.erase_found(bigint, integer, smallint, timestamptz) IS
  'Deletes some raw events of a user who is being erased. way: 0 finds them by the user, others by the ids of the '
  'user, in their order; since: of the week that begins then, and later ones. Returns where to go on, how many were '
  'found (0: none are left), and how many of them deleted: fewer if other sessions work on them.';

CREATE FUNCTION wearables_internal.vendor_is_done(user_id bigint, OUT waits boolean, OUT error text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT coalesce(bool_or(l.state IN ('waiting', 'running')), false),
         string_agg(format('endpoint %s: %s', l.endpoint, coalesce(l.error, 'failed')), '; ')
           FILTER (WHERE l.state = 'failed')
  FROM (SELECT DISTINCT ON (c.endpoint, c.external_user_ids) c.endpoint, c.state, c.error
        FROM wearables_internal.calls c WHERE c.user_id = $1 AND c.operation = 'delete_vendor_user'
        ORDER BY c.endpoint, c.external_user_ids, c.job_id DESC) l;
END;
COMMENT ON FUNCTION wearables_internal.vendor_is_done(bigint) IS
  'Whether a call that deletes the vendor''s user is in progress, and why the last one failed (null: it did not).';

CREATE FUNCTION wearables_internal.erase_some(user_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  -- of one transaction, during which nobody else writes of the user
  most_samples CONSTANT integer := 20000;
  most_events CONSTANT integer := 200;
  r wearables.erasures;
  part record;
  event_ids bigint[];
  done bigint := 0;       -- of this batch
  pause interval := '0';  -- until the next
BEGIN
  SELECT x.* INTO r FROM wearables.erasures x WHERE x.user_id = $1 AND x.finished_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  WHILE done = 0 AND r.step NOT IN ('vendor', 'rest') LOOP
    CASE r.step
      WHEN 'samples' THEN
        SELECT s.* INTO part FROM wearables_internal.erase_samples($1, most_samples, r.next_metric, r.next_ts) s;
        r.next_metric := part.next_metric;
        r.next_ts := part.next_ts;
        r.samples := r.samples + part.deleted;
        done := part.deleted;
      WHEN 'documents' THEN
        SELECT d.* INTO part FROM wearables_internal.erase_documents($1, most_events) d;
        r.documents := r.documents + part.deleted;
        done := part.deleted;
        SELECT e.* INTO part FROM wearables_internal.erase_events(part.event_ids, part.received_ats) e;
        r.events := r.events + part.erased;
        r.bytes := r.bytes + part.bytes;
      WHEN 'connections' THEN
        WITH gone AS (
          DELETE FROM wearables.connection_events c
          WHERE c.connection_event_id = ANY (ARRAY(
            SELECT x.connection_event_id FROM wearables.connection_events x WHERE x.user_id = $1 LIMIT most_events))
          RETURNING c.event_id)
        SELECT coalesce(array_agg(g.event_id) FILTER (WHERE g.event_id IS NOT NULL), '{}'), count(*)
        INTO event_ids, done FROM gone g;
        SELECT e.* INTO part
        FROM wearables_internal.erase_events(event_ids, array_fill(NULL::timestamptz, ARRAY[cardinality(event_ids)])) e;
        r.events := r.events + part.erased;
        r.bytes := r.bytes + part.bytes;
      WHEN 'refused' THEN
        event_ids := ARRAY(SELECT DISTINCT q.event_id FROM (
          SELECT x.event_id FROM wearables.quarantine x WHERE x.user_id = $1 AND x.ts IS NOT NULL LIMIT most_events) q);
        done := cardinality(event_ids);
        SELECT e.* INTO part
        FROM wearables_internal.erase_events(event_ids, array_fill(NULL::timestamptz, ARRAY[cardinality(event_ids)])) e;
        r.events := r.events + part.erased;
        r.bytes := r.bytes + part.bytes;
        IF done > 0 AND part.erased = 0 THEN
          -- of events that are there no more, or that other sessions have
          DELETE FROM wearables.quarantine q WHERE q.user_id = $1 AND q.ts IS NOT NULL AND q.event_id = ANY (event_ids);
        END IF;
      WHEN 'events' THEN
        SELECT e.* INTO part FROM wearables_internal.erase_found($1, most_events, r.next_metric, r.next_ts) e;
        r.next_metric := part.way;
        r.next_ts := part.since;
        r.events := r.events + part.erased;
        r.bytes := r.bytes + part.bytes;
        done := part.events;
        IF part.events > 0 AND part.erased = 0 THEN pause := '1 second'; END IF;
      WHEN 'accesses' THEN
        UPDATE wearables.accesses a SET claim = NULL
        WHERE a.access_id = ANY (ARRAY(
          SELECT x.access_id FROM wearables_internal.erasure_ids i JOIN wearables.accesses x ON x.claim = i.id
          WHERE i.user_id = $1 LIMIT most_samples));
        GET DIAGNOSTICS done = ROW_COUNT;
    END CASE;
    IF done = 0 THEN
      r.step := CASE r.step WHEN 'samples' THEN 'documents' WHEN 'documents' THEN 'connections'
                            WHEN 'connections' THEN 'refused' WHEN 'refused' THEN 'events'
                            WHEN 'events' THEN 'accesses' ELSE 'vendor' END;
      IF r.step = 'events' THEN
        r.next_metric := 0;
        r.next_ts := '-infinity';
      END IF;
      -- all ids are known, and no event is left that could still be archived
      IF r.step = 'vendor' THEN PERFORM wearables_internal.request_sweeps(); END IF;
    END IF;
  END LOOP;
  IF r.step = 'vendor' THEN
    r.step := 'rest';
    IF r.delete_vendor THEN
      SELECT v.* INTO part FROM wearables_internal.vendor_is_done($1) v;
      IF part.waits OR part.error IS NOT NULL THEN r.step := 'vendor'; END IF;
      -- the call continues the erasure when it is done; this is for one that fails
      IF part.waits THEN pause := '1 minute'; ELSE r.error := part.error; END IF;
    END IF;
  END IF;
  IF r.step = 'rest' THEN
    PERFORM wearables_internal.erase_rest($1);
    r.step := 'done';
    r.finished_at := clock_timestamp();
  END IF;
  UPDATE wearables.erasures x
  SET step = r.step, next_metric = r.next_metric, next_ts = r.next_ts, samples = r.samples, documents = r.documents,
      events = r.events, bytes = r.bytes, error = r.error, changed_at = clock_timestamp(), finished_at = r.finished_at
  WHERE x.user_id = $1;
  IF r.finished_at IS NULL AND r.error IS NULL THEN PERFORM wearables_internal.queue_erasure($1, pause); END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.erase_some(bigint) IS
  'One batch of an erasure; queues the next. The caller holds the user''s lock.';
