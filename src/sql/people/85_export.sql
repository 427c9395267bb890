-- All that is held of a person, for the person.

CREATE FUNCTION wearables_internal.all_events_of(user_id bigint)
RETURNS TABLE (event_id bigint, received_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT e.event_id, e.received_at FROM wearables_internal.find_events_of_user($1, NULL) e
  UNION
  SELECT e.event_id, e.received_at FROM wearables.user_links l
  CROSS JOIN LATERAL wearables_internal.find_events_of_id(l.endpoint, l.external_user_id, NULL) e
  WHERE l.user_id = $1
  UNION
  SELECT e.event_id, e.received_at FROM wearables.users u
  CROSS JOIN LATERAL wearables_internal.find_events_of_id('', u.client_user_id, NULL) e
  WHERE u.user_id = $1
  UNION
  SELECT s.event_id, s.event_received_at FROM wearables.summaries s
  WHERE s.user_id = $1 AND s.event_received_at IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.all_events_of(bigint) IS 'The raw events of a user.';

CREATE FUNCTION wearables.export_user(user_id bigint) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  noted CONSTANT boolean := wearables_internal.note_access('export_user', $1);
  place text;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL) THEN
    RAISE EXCEPTION 'user % does not exist', $1
      USING ERRCODE = 'no_data_found', HINT = 'See wearables.users for the ids.';
  END IF;
  FOR place IN
    SELECT m.relation FROM wearables.data_map m
    WHERE m.attribute = 'user_id' AND m.class = 'personal'
      AND m.relation NOT IN ('wearables.sample_points', 'wearables.webhook_events', 'wearables.erased_ids',
                             'wearables.accesses')
    ORDER BY m.relation <> 'wearables.users', m.relation LOOP
    RETURN QUERY EXECUTE format(
      'SELECT jsonb_build_object(''table'', %L, ''row'', to_jsonb(x)) FROM %s x WHERE x.user_id = $1',
      place, place::regclass) USING $1;
  END LOOP;

  RETURN QUERY
  SELECT jsonb_build_object('table', 'wearables.jobs', 'row', to_jsonb(j)) FROM wearables.jobs j
  WHERE j.job_id = ANY (ARRAY(SELECT wearables_internal.jobs_of_user($1)))
     OR j.event_id IN (SELECT k.event_id FROM wearables_internal.all_events_of($1) k);
  RETURN QUERY
  SELECT jsonb_build_object('table', 'wearables.parked_events', 'row', to_jsonb(p)) FROM wearables.parked_events p
  WHERE p.event_id IN (SELECT k.event_id FROM wearables_internal.all_events_of($1) k);

  -- that somebody read it is of the person; who that was is of somebody else
  RETURN QUERY
  SELECT jsonb_build_object('table', 'wearables.accesses', 'row', to_jsonb(a) - 'claim')
  FROM wearables.accesses a WHERE a.user_id = $1;

  -- A sample has the version of its event or, if it follows from a document, of that. With no such event it was
  -- inserted by hand, or the event is deleted.
  RETURN QUERY
  WITH mine AS MATERIALIZED (
    SELECT e.version, e.event_id
    FROM wearables_internal.all_events_of($1) k
    JOIN wearables.webhook_events e ON e.event_id = k.event_id AND e.received_at = k.received_at),
  documents AS MATERIALIZED (
    SELECT s.version, min(s.event_id) AS event_id FROM wearables.summaries s WHERE s.user_id = $1 GROUP BY s.version)
  SELECT jsonb_build_object('table', 'wearables.samples', 'row', to_jsonb(s),
                            'event_id', coalesce(d.event_id, e.event_id))
  FROM wearables.samples s
  LEFT JOIN documents d ON d.version = s.version AND s.channel <> 'timeseries'
  LEFT JOIN mine e ON e.version = s.version AND s.channel = 'timeseries'
  WHERE s.user_id = $1;

  RETURN QUERY
  SELECT jsonb_build_object(
           'table', 'wearables.webhook_events', 'row', to_jsonb(e) - 'payload',
           'payload_base64', translate(encode(e.payload, 'base64'), chr(10), ''),
           'delivery', (SELECT to_jsonb(d) FROM wearables.deliveries d
                        WHERE d.endpoint = e.endpoint AND d.message_id = e.message_id))
  FROM wearables_internal.all_events_of($1) k
  JOIN wearables.webhook_events e ON e.event_id = k.event_id AND e.received_at = k.received_at;
END $$;
COMMENT ON FUNCTION wearables.export_user(bigint) IS
  'All that is stored of a user, one JSON object for each row. Arguments: user_id: the user. Each object has table, '
  'the table or view, and row, its columns. An object of samples has event_id, the event that the reading came from '
  '(null: inserted by hand, or the event is not stored any more). An object of webhook_events has payload_base64, the '
  'body as it was received, and delivery, its row in deliveries. An object of accesses lacks the claim, which names '
  'who read. The rows are written to a temporary file if they are '
  'many. Raises no_data_found for an unknown or erased user. Example: SELECT wearables.export_user(1);';
