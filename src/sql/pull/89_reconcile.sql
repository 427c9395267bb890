-- Asking again for what may have been revised, or was lost while an endpoint was silent. One call of reconcile() works
-- at a time: the row of reconcile_turn is locked and never waited for. It changes its own tables and makes pulls, all
-- in one transaction: a crash leaves nothing half asked. Each user is a subtransaction, so that an error for one of
-- them ends nobody else's.

CREATE TABLE wearables_internal.reconcile_turn (
  one   boolean PRIMARY KEY DEFAULT true CHECK (one),
  swept bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE wearables_internal.reconcile_turn IS
  'One row: the lock of reconcile(), and the user up to whom it has searched for connections.';
INSERT INTO wearables_internal.reconcile_turn DEFAULT VALUES;
SELECT pg_extension_config_dump('wearables_internal.reconcile_turn', 'WHERE NOT one');

CREATE TABLE wearables_internal.silences (
  endpoint     text COLLATE "C" NOT NULL,
  silent_from  timestamptz NOT NULL,
  silent_until timestamptz NOT NULL,
  asked_up_to  text COLLATE "C" NOT NULL DEFAULT '',
  done         boolean NOT NULL DEFAULT false,
  PRIMARY KEY (endpoint, silent_from)
);
COMMENT ON TABLE wearables_internal.silences IS
  'Periods in which the sender of an endpoint created no message, and up to which external user id reconcile() has '
  'requested what may be missing.';
SELECT pg_extension_config_dump('wearables_internal.silences', '');

CREATE TABLE wearables_internal.silence_looks (
  endpoint  text COLLATE "C" PRIMARY KEY,
  looked_at timestamptz NOT NULL,
  seen_at   timestamptz NOT NULL
);
COMMENT ON TABLE wearables_internal.silence_looks IS
  'When reconcile() last searched an endpoint for silent periods, and when its newest event was received then.';
SELECT pg_extension_config_dump('wearables_internal.silence_looks', '');

CREATE FUNCTION wearables_internal.can_be_asked(endpoint text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (
    SELECT FROM wearables.endpoints e
    WHERE e.name = $1 AND e.enabled AND e.base_url IS NOT NULL
      AND EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = e.name AND s.kind = 'api_key')
      AND NOT EXISTS (SELECT FROM wearables_internal.refused_keys r WHERE r.endpoint = e.name)
      AND NOT EXISTS (SELECT FROM wearables_internal.pull_hosts h
                      WHERE h.host = wearables_internal.host_of(e.base_url)
                        AND h.blocked_until > clock_timestamp()));
END;
COMMENT ON FUNCTION wearables_internal.can_be_asked(text) IS
  'True: the endpoint is enabled and has a base_url and an API key, and its API currently neither refuses the key '
  'nor limits the rate.';

CREATE FUNCTION wearables_internal.fold_reconciled(user_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  connected timestamptz;
BEGIN
  -- what was pulled before a provider was connected says nothing of it
  SELECT coalesce(max(c.connected_at), '-infinity') INTO connected
  FROM wearables.connections c WHERE c.user_id = $1 AND c.status = 'connected';
  WITH gone AS (
    DELETE FROM wearables.backfills b
    USING wearables_internal.visible_pulls p
    WHERE b.user_id = $1 AND p.backfill_id = b.backfill_id AND b.intent IN ('reconcile', 'silence')
      AND (b.state = 'done' AND NOT p.unread
           OR b.state IN ('done', 'failed', 'cancelled') AND b.finished_at < clock_timestamp() - interval '7 days')
    RETURNING b.endpoint, b.resource, b.state, p.unread, p.started_at, p.span_from,
              least(p.span_to, p.started_at - wearables_internal.longest_request()) AS span_to)
  INSERT INTO wearables_internal.reconciled_spans AS r (user_id, endpoint, resource, began, spans)
  SELECT $1, g.endpoint, g.resource, min(g.started_at), range_agg(tstzrange(g.span_from, g.span_to))
  FROM gone g
  WHERE g.state = 'done' AND NOT g.unread AND g.span_from < g.span_to AND g.started_at >= connected
  GROUP BY g.endpoint, g.resource
  ON CONFLICT ON CONSTRAINT reconciled_spans_pkey DO UPDATE
  SET spans = CASE WHEN r.began < connected THEN excluded.spans ELSE r.spans + excluded.spans END,
      began = CASE WHEN r.began < connected THEN excluded.began ELSE r.began END;
END $$;
COMMENT ON FUNCTION wearables_internal.fold_reconciled(bigint) IS
  'Deletes ended backfills of reconcile() and keeps the ranges that they cover in reconciled_spans, so that their '
  'number stays bounded.';

CREATE FUNCTION wearables_internal.reconcile_user(user_id bigint, endpoints text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked integer;
BEGIN
  PERFORM wearables_internal.fold_reconciled($1);
  SELECT count(wearables_internal.ask_for_history(
           $1, l.endpoint, l.external_user_id, '', r.name, date_trunc('second', statement_timestamp())
             - r.reconcile_days * interval '1 day', date_trunc('second', statement_timestamp()), 'reconcile', NULL,
           clock_timestamp())) INTO asked
  FROM wearables.user_links l
  JOIN wearables.resources r ON r.reconcile_days > 0 AND r.kind <> 'skipped' AND r.rest_path IS NOT NULL
  WHERE l.user_id = $1 AND l.deleted_at IS NULL AND l.endpoint = ANY ($2)
    AND EXISTS (SELECT FROM wearables_internal.visible_connections c
                WHERE c.user_id = $1 AND (c.endpoint IS NULL OR c.endpoint = l.endpoint))
    -- the former one has not ended
    AND NOT EXISTS (SELECT FROM wearables.backfills b
                    WHERE b.user_id = $1 AND b.endpoint = l.endpoint
                      AND b.external_user_id = l.external_user_id AND b.resource = r.name
                      AND b.intent = 'reconcile' AND b.state IN ('waiting', 'running'));
  RETURN asked;
END $$;
COMMENT ON FUNCTION wearables_internal.reconcile_user(bigint, text[]) IS
  'Requests the last resources.reconcile_days of the resources of a user at these endpoints. Returns the number of '
  'backfills.';

CREATE FUNCTION wearables_internal.note_unreconciled(
  user_id bigint, sqlstate text, error text, due_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO wearables_internal.reconciled_users AS d (user_id, due_at, failures, failing_since, sqlstate)
  VALUES ($1, $4, 1, clock_timestamp(), $2)
  ON CONFLICT ON CONSTRAINT reconciled_users_pkey DO UPDATE
  SET due_at = excluded.due_at, failures = d.failures + 1, sqlstate = excluded.sqlstate,
      failing_since = coalesce(d.failing_since, excluded.failing_since);
  RAISE WARNING 'reconcile() could not request the history of user %', $1
    USING ERRCODE = $2, DETAIL = $3, HINT = 'It tries again within an hour; other users are not affected.';
END $$;
COMMENT ON FUNCTION wearables_internal.note_unreconciled(bigint, text, text, timestamptz) IS
  'Notes that reconcile() raised an error for a user, and when it tries again.';

CREATE FUNCTION wearables_internal.note_silences(silent_for interval) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  place record;
  seen timestamptz;
BEGIN
  FOR place IN
    -- Messages are retried for a day: of those that were received since, older ones may be among the newest. The first
    -- look goes back for three days, not more: each reads all events since then.
    SELECT e.name, coalesce(l.seen_at - interval '1 day', clock_timestamp() - interval '3 days') AS since
    FROM wearables.endpoints e
    LEFT JOIN wearables_internal.silence_looks l ON l.endpoint = e.name
    WHERE wearables_internal.can_be_asked(e.name)
      AND (l.looked_at IS NULL OR l.looked_at < clock_timestamp() - $1) LOOP
    -- one that lasts to now has not ended
    INSERT INTO wearables_internal.silences (endpoint, silent_from, silent_until)
    SELECT s.endpoint, s.silent_from, s.silent_until
    FROM wearables.silent_spans($1, place.since, place.name) s
    WHERE s.silent_until < statement_timestamp()
    ON CONFLICT DO NOTHING;
    SELECT max(w.received_at) INTO seen FROM wearables.webhook_events w
    WHERE w.received_at >= place.since AND w.endpoint = place.name;
    CONTINUE WHEN seen IS NULL;
    INSERT INTO wearables_internal.silence_looks AS l (endpoint, looked_at, seen_at)
    VALUES (place.name, clock_timestamp(), seen)
    ON CONFLICT ON CONSTRAINT silence_looks_pkey DO UPDATE
    SET looked_at = excluded.looked_at, seen_at = excluded.seen_at;
  END LOOP;
  -- no look goes back so far
  DELETE FROM wearables_internal.silences s WHERE s.done AND s.silent_until < clock_timestamp() - interval '90 days';
END $$;
COMMENT ON FUNCTION wearables_internal.note_silences(interval) IS
  'Records silent periods that have ended since the last search. Reads the events received since a day before it.';

CREATE FUNCTION wearables_internal.ask_for_lost(
  user_id bigint, endpoint text, external_user_id text, silent_from timestamptz, silent_until timestamptz)
RETURNS integer LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- What was sent then was of then and of the day before. Of what the person was never seen to have, nothing was lost.
  SELECT count(wearables_internal.ask_for_history(
           $1, $2, $3, '', o.name, $4 - interval '1 day', $5, 'silence', NULL, clock_timestamp()))::integer
  FROM (
    SELECT e.resource AS name FROM wearables.webhook_events e
    WHERE e.user_id = $1 AND e.wrote_to >= $4 - interval '31 days' AND e.received_at >= $4 - interval '34 days'
    UNION
    SELECT s.resource FROM wearables.summaries s
    WHERE s.user_id = $1 AND s.last_ts >= $4 - interval '31 days' AND NOT s.superseded) o
  JOIN wearables.resources r ON r.name = o.name
  WHERE r.kind <> 'skipped' AND r.rest_path IS NOT NULL AND r.rest_range <> 'none';
END;
COMMENT ON FUNCTION wearables_internal.ask_for_lost(bigint, text, text, timestamptz, timestamptz) IS
  'Requests what may have been created during a silent period: each resource of which the user has samples from the '
  '31 days before it or later. Returns the number of backfills.';

CREATE FUNCTION wearables.reconcile(
  every interval DEFAULT '1 day', max_users integer DEFAULT 100, silent_for interval DEFAULT '6 hours')
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_open CONSTANT integer := 1000;   -- pulls of an endpoint: with so many under way it is asked for no more
  most_swept CONSTANT integer := 1000;  -- connections that a call looks at for people it does not know
  soon CONSTANT interval := least($1, interval '1 hour');
  turn wearables_internal.reconcile_turn;
  person record;
  last_user bigint;
  silence wearables_internal.silences;
  asked bigint := 0;
  users integer := 0;
  link record;
  places text[];  -- that can be asked, and are not behind with what they were asked
BEGIN
  IF $1 IS NULL OR $1 < interval '1 hour' OR extract(epoch FROM $1) > extract(epoch FROM interval '1 year') THEN
    RAISE EXCEPTION 'cannot reconcile every "%"', $1
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give an interval from 1 hour to 1 year.';
  END IF;
  IF $2 IS NULL OR $2 < 1 OR $2 > 10000 THEN
    RAISE EXCEPTION 'cannot reconcile % users', $2
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a number from 1 to 10000.';
  END IF;
  IF $3 < interval '1 hour' OR $3 > interval '14 days' THEN
    RAISE EXCEPTION 'cannot search for silent periods of "%"', $3
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give an interval from 1 hour to 14 days, or null to pull no silent period.';
  END IF;
  SELECT t.* INTO turn FROM wearables_internal.reconcile_turn t FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN 0; END IF;

  -- who is new: due at a time of their own, not before half an interval, for a new connection is pulled by itself
  INSERT INTO wearables_internal.reconciled_users (user_id, due_at)
  SELECT c.user_id, clock_timestamp() + $1 * (0.5 + random())
  FROM (SELECT x.user_id, x.status, x.last_data_at FROM wearables.connections x
        WHERE x.user_id > turn.swept ORDER BY x.user_id LIMIT most_swept) c
  WHERE c.status = 'connected' OR c.status = 'unknown' AND c.last_data_at IS NOT NULL
  GROUP BY c.user_id
  ON CONFLICT DO NOTHING;
  SELECT max(x.user_id) INTO last_user
  FROM (SELECT c.user_id FROM wearables.connections c
        WHERE c.user_id > turn.swept ORDER BY c.user_id LIMIT most_swept) x;
  UPDATE wearables_internal.reconcile_turn SET swept = coalesce(last_user, 0);

  SELECT coalesce(array_agg(e.name::text), '{}') INTO places
  FROM wearables.endpoints e
  WHERE wearables_internal.can_be_asked(e.name)
    AND (SELECT count(*) FROM (SELECT FROM wearables.backfills b
                               WHERE b.endpoint = e.name AND b.state IN ('waiting', 'running')
                               LIMIT most_open) o) < most_open;

  IF $3 IS NOT NULL THEN
    PERFORM wearables_internal.note_silences($3);
    FOR silence IN
      SELECT s.* FROM wearables_internal.silences s
      WHERE NOT s.done AND s.endpoint = ANY (places) ORDER BY s.silent_from, s.endpoint LOOP
      EXIT WHEN users >= $2;
      FOR link IN
        SELECT l.* FROM wearables.user_links l
        WHERE l.endpoint = silence.endpoint AND l.external_user_id > silence.asked_up_to AND l.deleted_at IS NULL
        ORDER BY l.external_user_id LIMIT $2 - users LOOP
        users := users + 1;
        silence.asked_up_to := link.external_user_id;
        CONTINUE WHEN NOT EXISTS (SELECT FROM wearables_internal.visible_connections c
                                  WHERE c.user_id = link.user_id
                                    AND (c.endpoint IS NULL OR c.endpoint = silence.endpoint));
        BEGIN
          asked := asked + wearables_internal.ask_for_lost(
            link.user_id, link.endpoint, link.external_user_id, silence.silent_from, silence.silent_until);
        EXCEPTION WHEN OTHERS THEN
          -- not to be tried again by itself: the next link is asked for after this one
          PERFORM wearables_internal.note_unreconciled(
            link.user_id, SQLSTATE, SQLERRM, clock_timestamp() + soon * random());
        END;
      END LOOP;
      UPDATE wearables_internal.silences s SET asked_up_to = silence.asked_up_to, done = users < $2
      WHERE s.endpoint = silence.endpoint AND s.silent_from = silence.silent_from;
    END LOOP;
  END IF;

  FOR person IN
    SELECT d.user_id, d.due_at FROM wearables_internal.reconciled_users d
    WHERE d.due_at <= clock_timestamp() ORDER BY d.due_at LIMIT greatest($2 - users, 0) LOOP
    IF NOT EXISTS (SELECT FROM wearables_internal.visible_connections c WHERE c.user_id = person.user_id) THEN
      DELETE FROM wearables_internal.reconciled_users d WHERE d.user_id = person.user_id;
    ELSIF EXISTS (SELECT FROM wearables.user_links l
                  WHERE l.user_id = person.user_id AND l.deleted_at IS NULL AND l.endpoint = ANY (places)) THEN
      BEGIN
        asked := asked + wearables_internal.reconcile_user(person.user_id, places);
        -- at the same time of the day, unless that has passed by more than an interval
        UPDATE wearables_internal.reconciled_users d
        SET due_at = CASE WHEN d.due_at + $1 > clock_timestamp() THEN d.due_at + $1
                          ELSE clock_timestamp() + $1 * (0.5 + random()) END,
            failures = 0, failing_since = NULL, sqlstate = NULL
        WHERE d.user_id = person.user_id;
      EXCEPTION WHEN OTHERS THEN
        PERFORM wearables_internal.note_unreconciled(
          person.user_id, SQLSTATE, SQLERRM, clock_timestamp() + soon * (0.5 + random() / 2));
      END;
    ELSE
      -- behind the others, or they would wait for an endpoint that is not theirs
      UPDATE wearables_internal.reconciled_users d
      SET due_at = clock_timestamp() + soon * random() WHERE d.user_id = person.user_id;
    END IF;
  END LOOP;
  RETURN asked;
END $$;
COMMENT ON FUNCTION wearables.reconcile(interval, integer, interval) IS
  'Pulls again what may have been revised or lost. Workers call it once a minute unless '
  'wearables_ingest.reconcile_interval is 0; pg_cron can do so as well. Arguments: every: how often the last '
  'resources.reconcile_days of each resource of a user with a connected provider are pulled, at a time of day that '
  'differs between users (a provider of status unknown counts if readings of it have arrived); max_users: at most so '
  'many users in one call; silent_for: length from which a period without messages of an endpoint is pulled, once, '
  'when it has ended (null: no period is; see silent_spans()). '
  'Returns the number of backfills that it requested. It requests none of an endpoint of which 1000 backfills are '
  'waiting or running, which is disabled, or whose API refuses the key or limits the rate. An error for one user is '
  'logged, and that user is tried again within an hour; problems reports it if it occurs again. Its backfills run '
  'after all others. If '
  'another session is in reconcile(), it returns 0 immediately. Requests for each user, endpoint and day: the '
  'number of resources with reconcile_days (6 as shipped) divided by every in days, plus further pages; for each '
  'user and silent period, once, the number of resources of the user. The search for silent periods reads, once in '
  'silent_for, the events received since a day before the last search. Example: SELECT wearables.reconcile(every => '
  '''1 day'', max_users => 500);';
