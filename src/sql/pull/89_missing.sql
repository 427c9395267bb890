-- Asking for what coverage() does not know, and for nothing else.

CREATE FUNCTION wearables_internal.ask_until_done(
  user_id bigint, link wearables.user_links, resource text, range_from timestamptz, range_to timestamptz, intent text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked bigint := wearables_internal.ask_for_history(
    $1, $2.endpoint, $2.external_user_id, '', $3, $4, $5, $6, NULL, clock_timestamp());
  ended boolean;
BEGIN
  IF asked IS NOT NULL THEN RETURN asked; END IF;
  SELECT b.backfill_id, b.state NOT IN ('waiting', 'running') INTO asked, ended
  FROM wearables.backfills b
  WHERE b.user_id = $1 AND b.endpoint = $2.endpoint AND b.external_user_id = $2.external_user_id
    AND b.provider = '' AND b.resource = $3
    AND b.range_from = $4 AND b.range_to = $5 AND b.intent = $6;
  IF NOT ended THEN RETURN NULL; END IF;
  PERFORM wearables_internal.begin_again(asked);
  RETURN asked;
END $$;
COMMENT ON FUNCTION wearables_internal.ask_until_done(
  bigint, wearables.user_links, text, timestamptz, timestamptz, text) IS
  'Requests a backfill of every provider, or starts an ended one of the same intent again. Null: it is already '
  'waiting or running.';

CREATE FUNCTION wearables.request_missing(
  user_id bigint, metric text, from_day date, to_day date, resource text DEFAULT NULL, endpoint text DEFAULT NULL)
RETURNS SETOF bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- while the queue is behind, what a request brings would wait behind what the former one has brought
  unread_for CONSTANT interval := '1 day';
  piece record;
  asked bigint;
  zone text;
BEGIN
  SELECT u.time_zone INTO zone FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % does not exist', $1
      USING ERRCODE = 'no_data_found', HINT = 'Register the user with wearables.register_user().';
  END IF;
  PERFORM wearables_internal.check_coverage(
    $2, $3, $4, $5, ARRAY(SELECT r FROM wearables_internal.resources_of($2, NULL) r));
  IF NOT EXISTS (SELECT FROM wearables_internal.visible_places l
                 WHERE l.user_id = $1 AND ($6 IS NULL OR l.endpoint = $6)) THEN
    RAISE EXCEPTION 'history of user % cannot be pulled%', $1, coalesce(' from endpoint "' || $6 || '"', '')
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The user has no link at an endpoint with a base_url.',
            HINT = 'Set a base_url with wearables.add_endpoint(), or link the user with wearables.register_user().';
  END IF;
  FOR piece IN
    WITH unknown AS (
      SELECT c.day, wearables.first_instant(c.day::timestamp, zone) AS starts,
             wearables.first_instant((c.day + 1)::timestamp, zone) AS ends
      FROM wearables.coverage($1, $2, $3, $4, $5, 0) c WHERE c.how = 'unknown'),
    untold AS (
      SELECT s.endpoint, s.resource, u.day, u.starts, u.ends
      FROM wearables_internal.pulled_spans($1, $2, $5) s
      JOIN unknown u ON NOT s.spans @> tstzrange(u.starts, u.ends)
      WHERE $6 IS NULL OR s.endpoint = $6),
    wanted AS (
      SELECT n.*, CASE r.rest_range WHEN 'none' THEN '0001-01-01'::date
                  ELSE n.day - row_number() OVER (PARTITION BY n.endpoint, n.resource ORDER BY n.day)::integer END
                  AS island
      FROM untold n
      JOIN wearables.resources r ON r.name = n.resource
      -- Under way already, and begun late enough to tell of the day. Pages that wait to be processed are under way,
      -- too. One that cannot be processed is worth another request, but not at every call.
      WHERE NOT EXISTS (
        SELECT FROM wearables_internal.visible_pulls p
        WHERE p.user_id = $1 AND p.endpoint = n.endpoint AND p.provider = '' AND p.resource = n.resource
          AND (p.state IN ('waiting', 'running')
               OR p.unread AND p.started_at > clock_timestamp() - unread_for)
          AND p.span_from <= n.starts AND p.span_to >= n.ends
          AND (p.started_at IS NULL OR p.started_at - wearables_internal.longest_request() >= n.ends)))
    SELECT w.endpoint, w.resource, min(w.starts) AS starts, max(w.ends) AS ends
    FROM wanted w
    GROUP BY w.endpoint, w.resource, w.island
    ORDER BY w.endpoint, w.resource, starts LOOP
    asked := wearables_internal.ask_until_done(
      $1, wearables_internal.only_link($1, piece.endpoint), piece.resource, piece.starts, piece.ends, 'missing');
    IF asked IS NOT NULL THEN RETURN NEXT asked; END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables.request_missing(bigint, text, date, date, text, text) IS
  'Pulls the days that coverage() reports as unknown, and no others. Arguments: user_id: the user; metric: a row of '
  'metrics; from_day: first day; to_day: day after the last day; resource: only this resource (null: every resource '
  'that yields the metric); endpoint: only this one (null: every endpoint where the user''s history can be pulled). '
  'Returns the ids of the backfills, one for each run of consecutive days, resource and endpoint. Days that a '
  'backfill is already pulling are left out, and for a day those of which a pulled page is not processed: it waits, '
  'or is a dead letter. Example: SELECT wearables.request_missing(1, ''steps'', date '
  '''2026-03-01'', date ''2026-04-01'');';
