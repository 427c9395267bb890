-- Figures for Prometheus and the like: one row is one sample, under names that do not change. The view reads what
-- health and problems read, a fixed number of rows however many there are, and names no user. A counter is made of what
-- only grows: a sequence, the counts of deliveries, the server's statistics of a table; never of rows that retention or
-- a replay removes.

CREATE FUNCTION wearables_internal.provider_freshness(most integer DEFAULT 500)
RETURNS TABLE (provider text, newest timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_providers CONSTANT integer := 200;  -- a body can name any
  part regclass;
  users bigint[];
  active bigint[] := '{}';
BEGIN
  FOR part IN SELECT p FROM wearables_internal.newest_partitions() p LOOP
    EXECUTE format('SELECT array_agg(DISTINCT e.user_id)
                    FROM (SELECT x.user_id FROM %s x ORDER BY x.event_id DESC LIMIT $1) e WHERE e.user_id IS NOT NULL',
                   part) INTO users USING most;
    active := active || coalesce(users, '{}');
  END LOOP;
  RETURN QUERY
  SELECT c.provider, max(c.last_data_at)
  FROM (SELECT DISTINCT u FROM unnest(active) u) a (user_id)
  JOIN wearables.connections c ON c.user_id = a.user_id
  WHERE c.last_data_at IS NOT NULL
  GROUP BY c.provider ORDER BY 2 DESC, 1 LIMIT most_providers;
END $$;
COMMENT ON FUNCTION wearables_internal.provider_freshness(integer) IS
  'Newest timestamp of a reading by provider, among the users of the newest events of this week and the last one.';

CREATE VIEW wearables.metrics_export AS
WITH
found AS MATERIALIZED (SELECT p.severity, count(*) AS problems FROM wearables.problems p GROUP BY p.severity),
facts AS MATERIALIZED (SELECT h.* FROM wearables.health h),
drifting AS MATERIALIZED (SELECT count(*) AS events, count(*) FILTER (WHERE d.unknown_kind) AS unknown_kinds
                          FROM wearables_internal.recent_drift() d),
written AS (
  SELECT 'wearables.sample_points'::regclass AS points, 'wearables.quarantine'::regclass AS refused),
apis AS (
  SELECT e.name AS endpoint, h.blocked_until, h.failures,
         EXISTS (SELECT FROM wearables_internal.refused_keys k WHERE k.endpoint = e.name) AS refused
  FROM wearables.endpoints e
  LEFT JOIN wearables_internal.pull_hosts h ON h.host = wearables_internal.host_of(e.base_url)
  WHERE e.base_url IS NOT NULL),
sample (name, labels, value, kind, help) AS (
  SELECT 'wearables_open_problems', jsonb_build_object('severity', s.severity),
         coalesce(f.problems, 0)::double precision,
         'gauge', 'Rows of the view problems.'
  FROM (VALUES ('failing'), ('warning')) s (severity) LEFT JOIN found f ON f.severity = s.severity
  UNION ALL
  SELECT 'wearables_health_status', '{}', CASE f.verdict WHEN 'ok' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, 'gauge',
         'The verdict of the view health: 0 ok, 1 warning, 2 failing.'
  FROM facts f
  UNION ALL
  SELECT 'wearables_queue_jobs', jsonb_build_object('state', s.state), s.jobs, 'gauge',
         'Jobs of the queue. Counting stops at 1001.'
  FROM facts f
  CROSS JOIN LATERAL (VALUES ('ready', f.ready), ('running', f.running), ('failed', f.failed)) s (state, jobs)
  UNION ALL
  SELECT 'wearables_queue_wait_seconds', '{}', coalesce(extract(epoch FROM f.longest_wait), 0), 'gauge',
         'How long the first ready job has been due. 0: none is.'
  FROM facts f
  UNION ALL
  SELECT 'wearables_oldest_event_age_seconds', '{}',
         coalesce(extract(epoch FROM clock_timestamp() - f.oldest_event), 0), 'gauge',
         'Age of the oldest event that still has to be processed. 0: there is none.'
  FROM facts f
  UNION ALL
  SELECT 'wearables_parked_events', '{}', f.parked, 'gauge',
         'Events of users who are not registered. Counting stops at 1001.'
  FROM facts f
  UNION ALL
  SELECT 'wearables_running_workers', '{}', f.workers, 'gauge', 'Running workers of this database.'
  FROM facts f
  UNION ALL
  SELECT 'wearables_wanted_workers', '{}', wearables_internal.wants_workers(), 'gauge',
         'Workers that the settings ask for in this database.'
  UNION ALL
  SELECT 'wearables_events_total', '{}', CASE WHEN s.is_called THEN s.last_value ELSE 0 END, 'counter',
         'Event ids given out, by webhooks and pulls. After a crash of the server up to 32 ids are left out.'
  FROM wearables.event_id_seq s
  UNION ALL
  SELECT 'wearables_deliveries_total', jsonb_build_object('endpoint', a.endpoint, 'result', a.reason), a.count,
         'counter',
         'Deliveries: accepted, or why they were refused. Begins anew when a row of endpoint_activity is deleted.'
  FROM wearables.endpoint_activity a
  UNION ALL
  SELECT 'wearables_last_delivery_timestamp_seconds', jsonb_build_object('endpoint', a.endpoint),
         extract(epoch FROM a.last_at), 'gauge', 'When the endpoint last accepted a delivery.'
  FROM wearables.endpoint_activity a WHERE a.reason = 'accepted'
  UNION ALL
  SELECT 'wearables_samples_written_total', jsonb_build_object('change', s.change), s.rows, 'counter',
         'Samples inserted, updated and deleted, by the statistics of the server. Begins anew when these are reset.'
  FROM written w
  CROSS JOIN LATERAL (VALUES
    ('inserted', pg_stat_get_tuples_inserted(w.points)), ('updated', pg_stat_get_tuples_updated(w.points)),
    ('deleted', pg_stat_get_tuples_deleted(w.points))) s (change, rows)
  UNION ALL
  SELECT 'wearables_quarantined_total', '{}', pg_stat_get_tuples_inserted(w.refused), 'counter',
         'Rows added to quarantine, by the statistics of the server. Begins anew when these are reset.'
  FROM written w
  UNION ALL
  SELECT 'wearables_backfills_total', '{}', CASE WHEN s.is_called THEN s.last_value ELSE 0 END, 'counter',
         'Ids of backfills given out. After a crash of the server up to 32 ids are left out.'
  FROM wearables.backfills_backfill_id_seq s
  UNION ALL
  SELECT 'wearables_current_backfills', jsonb_build_object('state', s.state), s.backfills, 'gauge',
         'Backfills that are waiting or running (open), and that were given up (failed). Counting stops at 1001.'
  FROM (VALUES
    ('open', (SELECT count(*) FROM (SELECT FROM wearables.backfills b
                                    WHERE b.state IN ('waiting', 'running') LIMIT 1001) b)),
    ('failed', (SELECT count(*) FROM (SELECT FROM wearables.backfills b WHERE b.state = 'failed' LIMIT 1001) b)))
    s (state, backfills)
  UNION ALL
  SELECT 'wearables_drift_events', jsonb_build_object('drift', s.drift), s.events, 'gauge',
         'Among the newest events with drift, at most 200 a week: those of an unknown resource, and the others.'
  FROM drifting d
  CROSS JOIN LATERAL (VALUES ('resource', d.unknown_kinds), ('other', d.events - d.unknown_kinds)) s (drift, events)
  UNION ALL
  SELECT 'wearables_provider_newest_data_timestamp_seconds', jsonb_build_object('provider', f.provider),
         extract(epoch FROM f.newest), 'gauge',
         'Newest reading of the provider, among the users of the newest 500 events of a week.'
  FROM wearables_internal.provider_freshness() f
  UNION ALL
  SELECT 'wearables_endpoint_blocked', jsonb_build_object('endpoint', e.endpoint),
         coalesce(e.blocked_until > clock_timestamp(), false)::integer, 'gauge',
         '1: no request is sent to the API of the endpoint for now, because it asked to wait or failed.'
  FROM apis e
  UNION ALL
  SELECT 'wearables_endpoint_key_refused', jsonb_build_object('endpoint', e.endpoint), e.refused::integer, 'gauge',
         '1: the API of the endpoint refuses the API key, or none is set.'
  FROM apis e
  UNION ALL
  SELECT 'wearables_endpoint_failed_requests', jsonb_build_object('endpoint', e.endpoint), coalesce(e.failures, 0),
         'gauge', 'Failed requests in a row at the API of the endpoint.'
  FROM apis e)
SELECT s.name, s.labels, s.value, s.kind, s.help
FROM sample s
WHERE s.value IS NOT NULL;
COMMENT ON VIEW wearables.metrics_export IS
  'Figures for monitoring systems such as Prometheus, one row for each sample, under names that do not change. It '
  'reads a fixed number of rows, and shows no user. Example: SELECT name, labels, value FROM wearables.metrics_export '
  'WHERE name = ''wearables_queue_jobs'';';
COMMENT ON COLUMN wearables.metrics_export.name IS 'Name of the metric. A counter''s ends with _total.';
COMMENT ON COLUMN wearables.metrics_export.labels IS
  'Labels and their values as an object of texts. Each metric has always the same labels.';
COMMENT ON COLUMN wearables.metrics_export.value IS 'The value. Times are seconds, points in time seconds since 1970.';
COMMENT ON COLUMN wearables.metrics_export.kind IS
  'counter: only grows, or begins anew, which help explains. gauge: any value.';
COMMENT ON COLUMN wearables.metrics_export.help IS 'What the metric means.';
