-- Asking for history. Every request is a row of backfills and a job of kind pull; the same intent twice is one pull.

CREATE FUNCTION wearables_internal.enqueue_pull(backfill_id bigint, run_at timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- of one person so many pulls at once as there are subjects; others' go on beside them
  SELECT wearables_internal.enqueue_job(
           'pull', 'pull:' || b.backfill_id, jsonb_build_object('backfill_id', b.backfill_id),
           b.user_id || '/' || b.backfill_id % 4,
           -- what nobody waits for comes behind
           CASE WHEN b.intent IN ('reconcile', 'silence') THEN 7 ELSE 5 END, $2) IS NOT NULL
  FROM wearables.backfills b WHERE b.backfill_id = $1;
END;
COMMENT ON FUNCTION wearables_internal.enqueue_pull(bigint, timestamptz) IS
  'Queues a backfill. Returns false if it is in the queue already.';

CREATE FUNCTION wearables_internal.ask_for_history(
  user_id bigint, endpoint text, external_user_id text, provider text, resource text,
  range_from timestamptz, range_to timestamptz, intent text, event_id bigint, run_at timestamptz)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked bigint;
BEGIN
  INSERT INTO wearables.backfills AS b
    (user_id, endpoint, external_user_id, provider, resource, range_from, range_to, intent, event_id)
  -- waits for who erases the user at this moment, and makes nothing then
  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
  FROM wearables.users u
  WHERE u.user_id = $1 AND u.erased_at IS NULL
    -- a user that the vendor has deleted is never asked for, whoever wants it
    AND NOT EXISTS (SELECT FROM wearables.user_links l
                    WHERE l.endpoint = $2 AND l.external_user_id = $3 AND l.deleted_at IS NOT NULL)
  FOR KEY SHARE
  ON CONFLICT ON CONSTRAINT backfills_intent DO NOTHING
  RETURNING b.backfill_id INTO asked;
  IF asked IS NOT NULL THEN PERFORM wearables_internal.enqueue_pull(asked, $10); END IF;
  RETURN asked;
END $$;
COMMENT ON FUNCTION wearables_internal.ask_for_history(
  bigint, text, text, text, text, timestamptz, timestamptz, text, bigint, timestamptz) IS
  'Creates a backfill and its job. Returns null if there is one of the same intent, or if delete_vendor_user() had the '
  'vendor delete that user.';

CREATE FUNCTION wearables_internal.only_link(user_id bigint, endpoint text) RETURNS wearables.user_links
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
  links integer;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL) THEN
    RAISE EXCEPTION 'user % does not exist', $1
      USING ERRCODE = 'no_data_found', HINT = 'Register the user with wearables.register_user().';
  END IF;
  SELECT count(*) INTO links FROM wearables.user_links l
  WHERE l.user_id = $1 AND ($2 IS NULL OR l.endpoint = $2) AND l.deleted_at IS NULL;
  IF links <> 1 THEN
    RAISE EXCEPTION 'user % has % links to a vendor''s user%', $1, links, coalesce(' at endpoint "' || $2 || '"', '')
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = coalesce(
              (SELECT 'They are at: '
                      || string_agg(l.endpoint || ' (' || l.external_user_id || ')', ', ' ORDER BY 1) || '.'
               FROM wearables.user_links l WHERE l.user_id = $1 AND l.deleted_at IS NULL),
              'A request to the vendor needs the vendor''s id of the user.'),
            HINT = CASE links WHEN 0 THEN 'Link the user with wearables.register_user().' ELSE 'Name the endpoint.' END;
  END IF;
  SELECT l.* INTO link FROM wearables.user_links l
  WHERE l.user_id = $1 AND ($2 IS NULL OR l.endpoint = $2) AND l.deleted_at IS NULL;
  RETURN link;
END $$;
COMMENT ON FUNCTION wearables_internal.only_link(bigint, text) IS
  'The only link of a user to the vendor. Raises an error that lists the links if there is not exactly one.';

CREATE FUNCTION wearables_internal.check_pullable(resource text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.resources r
                 WHERE r.name = $1 AND r.kind <> 'skipped' AND r.rest_path IS NOT NULL) THEN
    RAISE EXCEPTION 'resource "%" cannot be pulled', $1
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Only resources with a rest_path and a kind other than skipped can be pulled.',
            HINT = 'SELECT name FROM wearables.resources WHERE kind <> ''skipped'' AND rest_path IS NOT NULL.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.check_pullable(text) IS 'Raises an error unless the resource can be pulled.';

CREATE FUNCTION wearables.request_backfill(
  user_id bigint, provider text, resource text, range_from timestamptz, range_to timestamptz,
  endpoint text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
  asked bigint;
  there record;
BEGIN
  -- the bounds are those of any reading's instant (kEarliestInstant, kLatestInstant)
  IF $2 IS NULL OR $4 IS NULL OR $5 IS NULL OR $4 >= $5 OR $4 < '1900-01-01Z' OR $5 > '2200-01-01Z' THEN
    RAISE EXCEPTION 'cannot pull provider "%" from % to %', $2, $4, $5
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The start must lie before the end, and both between 1900 and 2200.',
            HINT = 'An empty provider stands for every provider that the user has connected.';
  END IF;
  IF $2 <> '' THEN PERFORM wearables_internal.check_provider($2); END IF;
  PERFORM wearables_internal.check_pullable($3);
  link := wearables_internal.only_link($1, $6);
  asked := wearables_internal.ask_for_history(
    $1, link.endpoint, link.external_user_id, $2, $3, $4, $5, 'requested', NULL, clock_timestamp());
  IF asked IS NOT NULL THEN RETURN asked; END IF;
  SELECT b.backfill_id, b.state INTO there FROM wearables.backfills b
  WHERE b.user_id = $1 AND b.endpoint = link.endpoint AND b.external_user_id = link.external_user_id
    AND b.provider = $2 AND b.resource = $3
    AND b.range_from = $4 AND b.range_to = $5 AND b.intent = 'requested';
  IF there.state IN ('waiting', 'running') THEN
    RAISE NOTICE 'this range is already being pulled by backfill %', there.backfill_id
      USING DETAIL = format('It is %s; its job is %s.', there.state,
        coalesce((SELECT j.job_id::text FROM wearables.jobs j
                  WHERE j.dedupe_key = 'pull:' || there.backfill_id AND j.state IN ('ready', 'running')), 'not there'));
    PERFORM wearables_internal.enqueue_pull(there.backfill_id, clock_timestamp());
  ELSE
    PERFORM wearables_internal.begin_again(there.backfill_id);
  END IF;
  RETURN there.backfill_id;
END $$;
COMMENT ON FUNCTION wearables.request_backfill(bigint, text, text, timestamptz, timestamptz, text) IS
  'Requests a pull of history and returns the id of the backfill. A worker or drain() fetches it page by page: see '
  'backfill_progress. Arguments: user_id: the user; provider: the vendor''s name (slug) of the provider, or empty '
  'for every provider that the user has connected; resource: a row of resources with a rest_path; range_from: '
  'start of the range, inclusive; range_to: end of the range, exclusive; endpoint: where to pull (null: the only '
  'one that the user is linked to). The range must lie between 1900 and 2200. The same range can be requested '
  'again when the earlier backfill has ended. Until then its id is returned, with a notice that names its job. '
  'Example: SELECT wearables.request_backfill(1, ''oura'', ''sleep'', ''2026-01-01'', ''2026-04-01'');';

CREATE FUNCTION wearables_internal.begin_again(backfill_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- pages keep their numbers: those that are stored stay, and what is fetched anew is a new event
  UPDATE wearables.backfills b
  SET state = 'waiting', window_from = NULL, cursor = NULL, cursor_mark = NULL, cursor_pages = 0, refusals = 0,
      error = NULL, http_status = NULL, refused_at = NULL, started_at = NULL, finished_at = NULL
  WHERE b.backfill_id = $1;
  DELETE FROM wearables.jobs j WHERE j.dedupe_key = 'pull:' || $1 AND j.state = 'failed';
  RETURN wearables_internal.enqueue_pull($1, clock_timestamp());
END $$;
COMMENT ON FUNCTION wearables_internal.begin_again(bigint) IS 'Starts a backfill again from its first page.';

CREATE FUNCTION wearables.sync(
  user_id bigint, provider text DEFAULT '', resources text[] DEFAULT NULL, since timestamptz DEFAULT NULL,
  endpoint text DEFAULT NULL)
RETURNS SETOF bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
  name text;
  now_ CONSTANT timestamptz := clock_timestamp();
  intent CONSTANT text := 'sync ' || gen_random_uuid();
BEGIN
  IF $4 >= now_ OR $4 < '1900-01-01Z' THEN
    RAISE EXCEPTION 'cannot pull since %', $4
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give a time in the past, or null for the default of each resource.';
  END IF;
  IF $2 <> '' THEN PERFORM wearables_internal.check_provider($2); END IF;
  FOREACH name IN ARRAY coalesce($3, '{}') LOOP
    PERFORM wearables_internal.check_pullable(name);
  END LOOP;
  link := wearables_internal.only_link($1, $5);
  RETURN QUERY
  SELECT wearables_internal.ask_for_history(
           $1, link.endpoint, link.external_user_id, coalesce($2, ''), r.name,
           -- the range of a resource that has none says nothing, and is not empty
           coalesce($4, now_ - greatest(r.backfill_days, 1) * interval '1 day'), now_, intent, NULL, now_)
  FROM wearables.resources r
  WHERE r.kind <> 'skipped' AND r.rest_path IS NOT NULL
    AND CASE WHEN $3 IS NULL THEN r.backfill_days > 0 OR r.rest_range = 'none' ELSE r.name = ANY ($3) END
  ORDER BY r.name;
END $$;
COMMENT ON FUNCTION wearables.sync(bigint, text, text[], timestamptz, text) IS
  'Requests a pull of everything that the vendor has of a user up to now. Every call pulls again. Arguments: '
  'user_id: the user; provider: the vendor''s name (slug) of the provider, or empty for every provider; resources: '
  'names of resources (null: every resource that can be pulled); since: start of the range (null: '
  'resources.backfill_days ago, for each resource); endpoint: where to pull (null: the only one that the user is '
  'linked to). Returns the ids of the backfills, one for each resource. Example: SELECT wearables.sync(1, '
  '''oura'', ARRAY[''sleep'', ''heartrate''], now() - interval ''7 days'');';

CREATE FUNCTION wearables.cancel_backfill(backfill_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE wearables.backfills b SET state = 'cancelled', finished_at = clock_timestamp()
  WHERE b.backfill_id = $1 AND b.state IN ('waiting', 'running');
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION wearables.cancel_backfill(bigint) IS
  'Ends a backfill: no more pages are fetched, and stored pages are kept. Arguments: backfill_id: the backfill. '
  'Returns false if it had ended before. Example: SELECT wearables.cancel_backfill(7);';

CREATE FUNCTION wearables.retry_backfill(backfill_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- from where it stood
  UPDATE wearables.backfills b
  SET state = CASE b.pages WHEN 0 THEN 'waiting' ELSE 'running' END::wearables.backfill_state,
      refusals = 0, error = NULL, refused_at = NULL, finished_at = NULL
  WHERE b.backfill_id = $1 AND b.state IN ('failed', 'cancelled');
  IF NOT FOUND THEN RETURN false; END IF;
  DELETE FROM wearables.jobs j WHERE j.dedupe_key = 'pull:' || $1 AND j.state = 'failed';
  PERFORM wearables_internal.enqueue_pull($1, clock_timestamp());
  RETURN true;
END $$;
COMMENT ON FUNCTION wearables.retry_backfill(bigint) IS
  'Continues a backfill that failed or was cancelled, at the page at which it ended. Arguments: backfill_id: the '
  'backfill. Returns false if it is in another state. Example: SELECT wearables.retry_backfill(7);';

CREATE VIEW wearables.backfill_progress WITH (security_invoker = true) AS
SELECT b.backfill_id, b.user_id, b.endpoint, b.provider, b.resource, b.range_from, b.range_to, b.intent, b.state,
       b.pages, b.bytes, s.samples, p.percent, repeat('#', p.percent / 5) || repeat('.', 20 - p.percent / 5) AS bar,
       -- the first page came when it was started
       round(((s.pages - 1) / nullif(extract(epoch FROM b.last_page_at - b.started_at), 0))::numeric, 1)
         AS pages_per_second,
       CASE WHEN b.state = 'running' AND p.percent > 0
            THEN b.started_at + (clock_timestamp() - b.started_at) * (100 / p.percent::float8) END AS estimated_end,
       b.http_status, b.error, b.created_at, b.started_at, b.last_page_at, b.finished_at
FROM wearables.backfills b
CROSS JOIN LATERAL (
  SELECT coalesce(sum(e.inserted + e.changed + e.confirmed + e.unchanged + e.stale), 0)::bigint AS samples,
         -- of this attempt: a pull that is begun again goes through its range anew
         count(*) FILTER (WHERE e.received_at >= b.started_at) AS pages,
         min(e.wrote_from) FILTER (WHERE e.received_at >= b.started_at) AS read_from,
         max(e.wrote_to) FILTER (WHERE e.received_at >= b.started_at) AS read_to
  FROM wearables.deliveries d
  JOIN wearables.webhook_events e ON e.event_id = d.event_id AND e.received_at = d.received_at
  WHERE d.endpoint = b.endpoint
    AND d.message_id >= 'pull:' || b.backfill_id || ':' AND d.message_id < 'pull:' || b.backfill_id || ';') s
CROSS JOIN LATERAL (
  -- the parts that have ended, or what lies between the first and the last reading, whichever end a vendor begins at
  SELECT CASE b.state WHEN 'done' THEN 100
         ELSE least(99, greatest(0, floor(
                100 * greatest(extract(epoch FROM coalesce(b.window_from, b.range_from) - b.range_from),
                               -- before the first page: least() and greatest() would leave out a null
                               CASE WHEN s.read_to IS NULL THEN 0
                                    ELSE extract(epoch FROM least(s.read_to, b.range_to)
                                                            - greatest(s.read_from, b.range_from)) END)
                / extract(epoch FROM b.range_to - b.range_from))))::integer END AS percent) p;
COMMENT ON VIEW wearables.backfill_progress IS 'Progress of each backfill.';
COMMENT ON COLUMN wearables.backfill_progress.backfill_id IS 'The backfill.';
COMMENT ON COLUMN wearables.backfill_progress.user_id IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.endpoint IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.provider IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.resource IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.range_from IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.range_to IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.intent IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.state IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.pages IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.bytes IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.samples IS
  'Readings of its pages that are processed, without quarantined ones.';
COMMENT ON COLUMN wearables.backfill_progress.percent IS
  'Estimated share of the range that is fetched, 0 to 100. 100 only when it is done.';
COMMENT ON COLUMN wearables.backfill_progress.bar IS 'percent as a bar of 20 characters.';
COMMENT ON COLUMN wearables.backfill_progress.pages_per_second IS 'Rate since the first page.';
COMMENT ON COLUMN wearables.backfill_progress.estimated_end IS
  'When it will be done at this rate. Null: unknown, or not running.';
COMMENT ON COLUMN wearables.backfill_progress.http_status IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.error IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.created_at IS 'When it was requested.';
COMMENT ON COLUMN wearables.backfill_progress.started_at IS 'As in backfills.';
COMMENT ON COLUMN wearables.backfill_progress.last_page_at IS 'When the last page was stored.';
COMMENT ON COLUMN wearables.backfill_progress.finished_at IS 'When it ended.';
