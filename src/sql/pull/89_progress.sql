-- What a person sees while their history arrives.

CREATE VIEW wearables_internal.visible_progress WITH (security_barrier = true) AS
SELECT b.user_id, b.provider, b.resource, b.intent, b.state, b.pages, b.error, b.created_at, b.started_at,
       b.finished_at, extract(epoch FROM b.range_to - b.range_from)::double precision AS seconds, p.done
FROM wearables.backfills b
-- of a pull on its way what its first and its last page brought: two looks, however many pages there are
LEFT JOIN LATERAL (
  SELECT min(e.wrote_from) AS read_from, max(e.wrote_to) AS read_to
  FROM wearables.deliveries d
  JOIN wearables.webhook_events e ON e.event_id = d.event_id AND e.received_at = d.received_at
  WHERE d.endpoint = b.endpoint AND e.received_at >= b.started_at
    AND d.message_id IN ('pull:' || b.backfill_id || ':1', 'pull:' || b.backfill_id || ':' || b.pages)) s
  ON b.state = 'running'
CROSS JOIN LATERAL (
  SELECT CASE b.state WHEN 'done' THEN 1 ELSE
           least(0.99, greatest(0,
             greatest(extract(epoch FROM coalesce(b.window_from, b.range_from) - b.range_from),
                      -- least() and greatest() would leave out a null
                      CASE WHEN s.read_to IS NULL THEN 0
                           ELSE extract(epoch FROM least(s.read_to, b.range_to) - greatest(s.read_from, b.range_from))
                           END)
             / extract(epoch FROM b.range_to - b.range_from))) END::double precision AS done) p
WHERE wearables_internal.is_visible(b.user_id);
COMMENT ON VIEW wearables_internal.visible_progress IS
  'Backfills of the users that the caller may see. done is the completed share, from 0 to 1.';

CREATE FUNCTION wearables_internal.metrics_of(resource text) RETURNS SETOF smallint
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT DISTINCT x.metric_id
  FROM wearables.mappings m
  JOIN wearables.metrics x ON x.name = ANY (wearables_internal.metric_names(m.metric))
  WHERE m.resource = $1 AND m.enabled;
END;
COMMENT ON FUNCTION wearables_internal.metrics_of(text) IS 'Ids of the metrics that the resource yields.';

CREATE FUNCTION wearables.connection_progress(user_id bigint)
RETURNS TABLE (provider text, resource text, state text, requested_at timestamptz, announced_at timestamptz,
               pulls bigint, pages bigint, percent integer, oldest_reading timestamptz, newest_reading timestamptz,
               expected_end timestamptz, error text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH mine AS MATERIALIZED (
    SELECT v.*, v.state IN ('waiting', 'running') AS open
    FROM wearables_internal.visible_progress v
    WHERE v.user_id = $1 AND v.intent NOT IN ('reconcile', 'silence')),
  span AS (
    SELECT k.provider, k.resource, min(r.ts) AS oldest, max(r.newest) AS newest
    FROM (SELECT DISTINCT m.provider, m.resource FROM mine m) k
    CROSS JOIN LATERAL (
      SELECT array_agg(o.source_id) AS ids FROM wearables.sources o
      WHERE k.provider IN ('', o.provider)
        AND o.channel IN (SELECT c FROM wearables_internal.channels_of(k.resource) c)) s
    CROSS JOIN LATERAL wearables_internal.metrics_of(k.resource) f (metric_id)
    CROSS JOIN LATERAL (
      SELECT p.ts, (SELECT n.ts FROM wearables.sample_points n
                    WHERE n.user_id = $1 AND n.metric_id = f.metric_id AND n.source_id = ANY (s.ids)
                    ORDER BY n.ts DESC LIMIT 1) AS newest
      FROM wearables.sample_points p
      WHERE p.user_id = $1 AND p.metric_id = f.metric_id AND p.source_id = ANY (s.ids)
      ORDER BY p.ts LIMIT 1) r
    GROUP BY k.provider, k.resource)
  SELECT m.provider, m.resource,
         CASE WHEN bool_or(m.state = 'running') OR bool_or(m.open) AND bool_or(m.state = 'done') THEN 'running'
              WHEN bool_or(m.open) THEN 'waiting'
              WHEN bool_or(m.state = 'done') THEN 'done'
              WHEN bool_or(m.state = 'failed') THEN 'failed'
              ELSE 'cancelled' END,
         min(m.created_at), min(m.created_at) FILTER (WHERE m.intent IN ('notice', 'notice again')),
         count(*), sum(m.pages),
         floor(100 * sum(m.seconds * m.done) FILTER (WHERE m.open OR m.state = 'done')
               / sum(m.seconds) FILTER (WHERE m.open OR m.state = 'done'))::integer,
         min(s.oldest), max(s.newest),
         max(m.started_at + (statement_timestamp() - m.started_at) / m.done)
           -- of less nothing can be told, and the interval could be out of range
           FILTER (WHERE m.state = 'running' AND m.done > 0.001),
         (array_agg(m.error ORDER BY coalesce(m.finished_at, m.started_at) DESC NULLS LAST)
          FILTER (WHERE m.error IS NOT NULL))[1]
  FROM mine m
  LEFT JOIN span s ON s.provider = m.provider AND s.resource = m.resource
  WHERE wearables_internal.note_access('connection_progress', $1)
  GROUP BY GROUPING SETS ((m.provider, m.resource), ())
  HAVING count(*) > 0
  ORDER BY m.provider NULLS FIRST, m.resource;
END;
COMMENT ON FUNCTION wearables.connection_progress(bigint) IS
  'Progress of the history of a user, for display in an application. Arguments: user_id: the user. The first row is '
  'the total, with provider and resource null. One row for each provider (empty: every connected provider) and '
  'resource follows. Backfills of reconcile() are left out. Returns provider; resource; state: waiting, running, '
  'done, failed or cancelled; requested_at: when it was first requested; announced_at: when the vendor first '
  'announced it (null: it did not); pulls: the number of backfills; pages: the number of stored pages; percent: the '
  'completed share of the requested ranges (null: all have failed or were cancelled); oldest_reading and '
  'newest_reading: the range of the samples that are stored; expected_end: when the last running backfill is '
  'expected to end; error: the last error. No row: nothing was requested. Example: SELECT state, percent FROM '
  'wearables.connection_progress(1) WHERE provider IS NULL;';

CREATE FUNCTION wearables_internal.notify_progress() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'backfills' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on wearables.backfills.';
  END IF;
  -- equal notices of one transaction are one
  IF current_setting('wearables_ingest.notify_progress', true) = 'on' THEN
    PERFORM pg_notify('wearables_progress', NEW.user_id::text);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.notify_progress() IS
  'Trigger function: if wearables_ingest.notify_progress is on, sends the notification wearables_progress.';
CREATE TRIGGER notify_progress_asked AFTER INSERT ON wearables.backfills
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.notify_progress();
CREATE TRIGGER notify_progress_moved AFTER UPDATE OF state ON wearables.backfills
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION wearables_internal.notify_progress();
