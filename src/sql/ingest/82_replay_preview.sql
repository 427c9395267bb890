-- Seeing before doing.

CREATE FUNCTION wearables.replay_preview(event_id bigint)
RETURNS TABLE (change text, metric text, ts timestamptz, provider text, source_type text, channel text,
               old_value double precision, new_value double precision,
               old_secondary double precision, new_secondary double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  e record;
  from_ts timestamptz;
  to_ts timestamptz;
  metrics smallint[];
  before wearables.sample_points[];
  after wearables.sample_points[];
  own bigint[];
BEGIN
  SELECT x.version, x.wrote_from, x.wrote_to, coalesce(x.user_id, l.user_id, u.user_id) AS user_id INTO e
  FROM wearables.webhook_events x
  LEFT JOIN wearables.user_links l ON l.endpoint = x.endpoint AND l.external_user_id = x.external_user_id
  LEFT JOIN wearables.users u ON u.client_user_id = x.client_user_id
  WHERE x.event_id = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'event % does not exist', $1
      USING ERRCODE = 'no_data_found',
            HINT = 'See wearables.webhook_events for the ids. Archived and dropped events are not there.';
  END IF;
  PERFORM wearables_internal.note_access('replay_preview', e.user_id);
  -- where the event has written, would write, and where former versions of its documents lie; with a margin for
  -- wall-clock time, of which normalize() shows what is written
  SELECT min(i) - interval '2 days', max(i) + interval '2 days' INTO from_ts, to_ts
  FROM (SELECT n.ts FROM wearables.normalize($1) n
        UNION ALL VALUES (e.wrote_from), (e.wrote_to)
        UNION ALL
        SELECT unnest(ARRAY[s.first_ts, s.last_ts]) FROM wearables.summaries s
        WHERE s.user_id = e.user_id AND s.summary_id IN (SELECT n.summary_id FROM wearables.normalize($1) n)) AS t (i);
  IF from_ts IS NULL OR e.user_id IS NULL THEN RETURN; END IF;
  metrics := ARRAY(SELECT m.metric_id FROM wearables.metrics m);
  before := ARRAY(SELECT p FROM wearables.sample_points p
                  WHERE p.user_id = e.user_id AND p.metric_id = ANY (metrics) AND p.ts BETWEEN from_ts AND to_ts);
  -- done for real, looked at, and undone: what is shown is what replay() would do
  BEGIN
    PERFORM wearables.replay($1);
    metrics := ARRAY(SELECT m.metric_id FROM wearables.metrics m);
    after := ARRAY(SELECT p FROM wearables.sample_points p
                   WHERE p.user_id = e.user_id AND p.metric_id = ANY (metrics) AND p.ts BETWEEN from_ts AND to_ts);
    own := ARRAY(SELECT s.version FROM wearables.summaries s
                 WHERE s.user_id = e.user_id
                   AND s.summary_id IN (SELECT n.summary_id FROM wearables.normalize($1) n)) || e.version;
    RETURN QUERY
    SELECT CASE WHEN o.ts IS NULL THEN 'inserted' WHEN n.ts IS NULL THEN 'removed'
                WHEN (o.value, o.value_secondary, o.ts_end, o.tz_offset)
                     IS DISTINCT FROM (n.value, n.value_secondary, n.ts_end, n.tz_offset) THEN 'changed'
                WHEN o.version <> n.version THEN 'confirmed' ELSE 'unchanged' END,
           m.name, coalesce(n.ts, o.ts), s.provider, s.source_type, s.channel,
           o.value, n.value, o.value_secondary, n.value_secondary
    FROM unnest(before) o
    FULL JOIN unnest(after) n
      ON (n.metric_id, n.ts, n.source_id, n.part) = (o.metric_id, o.ts, o.source_id, o.part)
    JOIN wearables.metrics m ON m.metric_id = coalesce(n.metric_id, o.metric_id)
    JOIN wearables.sources s ON s.source_id = coalesce(n.source_id, o.source_id)
    WHERE n.version IS DISTINCT FROM o.version OR n.value IS DISTINCT FROM o.value OR n.version = ANY (own)
    ORDER BY coalesce(n.ts, o.ts), m.name, s.provider, s.source_type, s.channel;
    RAISE EXCEPTION USING ERRCODE = 'WI001';
  EXCEPTION WHEN SQLSTATE 'WI001' THEN
    RETURN;
  END;
END $$;
COMMENT ON FUNCTION wearables.replay_preview(bigint) IS
  'What replay() would do with one event, one row for each reading. The replay is run and rolled back, so nothing '
  'is kept. Arguments: event_id: the event; an unknown one raises no_data_found. Returns change (inserted, '
  'changed, confirmed, unchanged or removed); metric, ts, provider, source_type and channel of the reading; and '
  'its values before and after: old_value, new_value, old_secondary, new_secondary. Example: SELECT * FROM '
  'wearables.replay_preview(1);';
