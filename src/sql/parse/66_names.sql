-- The numbers of names are few: what nobody uses is taken back, and what there was no room for is read again.

CREATE FUNCTION wearables_internal.forget_names() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_forget_names';
COMMENT ON FUNCTION wearables_internal.forget_names() IS
  'Makes every session read the numbers of sources and metrics again when the transaction commits.';

CREATE FUNCTION wearables_internal.queue_no_more_names(names_too boolean) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  room_for_sources boolean;
  room_for_metrics boolean;
  event record;
  queued integer := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.quarantine q
                 WHERE q.reason = 'no_more_names' OR q.reason = 'more_refused' AND q.detail LIKE '%no_more_names%') THEN
    RETURN 0;
  END IF;
  room_for_sources := (SELECT count(*) FROM wearables.sources)
                      < current_setting('wearables_ingest.max_sources')::integer;
  room_for_metrics := (SELECT count(*) FROM wearables.metrics m WHERE m.origin = 'extended')
                      < current_setting('wearables_ingest.max_extended_metrics')::integer;
  IF NOT (room_for_sources OR room_for_metrics OR names_too) THEN RETURN 0; END IF;
  FOR event IN
    SELECT e.event_id, e.received_at
    FROM (SELECT DISTINCT q.event_id FROM wearables.quarantine q
          WHERE (q.reason = 'no_more_names' OR q.reason = 'more_refused' AND q.detail LIKE '%no_more_names%')
            AND (q.reason = 'more_refused' AND (room_for_sources AND q.detail LIKE '%sources%'
                                                OR room_for_metrics AND q.detail LIKE '%metrics%')
                 OR q.reason = 'no_more_names' AND q.metric IS NULL AND (room_for_sources OR names_too AND EXISTS (
                      SELECT FROM wearables.sources s
                      WHERE concat_ws('/', s.provider, s.source_type, s.channel) = q.detail))
                 OR q.metric IS NOT NULL AND (room_for_metrics OR names_too AND EXISTS (
                      SELECT FROM wearables.metrics m WHERE m.name IN (q.metric || '/' || q.detail, q.detail))))) r
    JOIN wearables.webhook_events e USING (event_id) ORDER BY e.event_id LOOP
    IF wearables_internal.enqueue_event(event.event_id, event.received_at, 'normalize', 10) THEN
      queued := queued + 1;
    END IF;
  END LOOP;
  RETURN queued;
END $$;
COMMENT ON FUNCTION wearables_internal.queue_no_more_names(boolean) IS
  'Queues the events whose readings were quarantined as no_more_names, if there is room now, or, with names_too, '
  'if the name exists now. drain() calls it when no job is ready.';

CREATE FUNCTION wearables.reclaim_names() RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  nobody_between boolean := false;
  used_sources smallint[];
  used_metrics smallint[];
  named bigint;
  gone integer;
  more integer;
BEGIN
  IF NOT wearables_internal.try_lock_maintenance() THEN RETURN 0; END IF;
  -- it reads all samples: of a large table only where names become scarce
  named := (SELECT count(*) FROM wearables.sources)
           + (SELECT count(*) FROM wearables.metrics m WHERE m.origin = 'extended');
  IF pg_relation_size('wearables.sample_points') > 268435456
     AND named < (current_setting('wearables_ingest.max_sources')::integer
                  + current_setting('wearables_ingest.max_extended_metrics')::integer) / 4 THEN
    RETURN 0;
  END IF;
  -- who looked a name up before it was marked holds the table until he has written: now nobody does
  BEGIN
    LOCK TABLE wearables.sources IN SHARE ROW EXCLUSIVE MODE NOWAIT;
    RAISE EXCEPTION USING ERRCODE = 'WIN02';
  EXCEPTION
    WHEN lock_not_available THEN NULL;
    WHEN SQLSTATE 'WIN02' THEN nobody_between := true;
  END;

  SELECT coalesce(array_agg(DISTINCT u.source_id), '{}'),
         coalesce(array_agg(DISTINCT u.metric_id) FILTER (WHERE u.metric_id IS NOT NULL), '{}')
  INTO used_sources, used_metrics
  FROM (SELECT DISTINCT p.source_id, p.metric_id FROM wearables.sample_points p
        UNION ALL SELECT DISTINCT s.source_id, r.metric_id
                  FROM wearables.frozen_rollups r CROSS JOIN LATERAL unnest(r.source_ids) s (source_id)
        UNION ALL SELECT DISTINCT s.source_id, NULL::smallint FROM wearables.summaries s
        UNION ALL SELECT DISTINCT s.samples_source_id, NULL::smallint FROM wearables.summaries s
        UNION ALL SELECT DISTINCT c.source_id, c.metric_id
                  FROM wearables.summaries s CROSS JOIN LATERAL unnest(s.samples) c) u;
  -- with the metric would go its policy of retention, and a floor that the metric would not have if it were added again
  used_metrics := used_metrics || ARRAY(
    SELECT m.metric_id FROM wearables.metrics m
    WHERE m.origin = 'extended'
      AND (EXISTS (SELECT FROM wearables.retention_policies p WHERE p.metric = m.name)
           OR EXISTS (SELECT FROM wearables.retention_floors f
                      WHERE f.metric_id = m.metric_id AND f.floor > coalesce(
                        (SELECT g.floor FROM wearables.metrics p
                         JOIN wearables.retention_floors g ON g.metric_id = p.metric_id WHERE p.name = m.parent),
                        (SELECT g.floor FROM wearables.retention_floors g WHERE g.metric_id = 0), '-infinity'))));

  UPDATE wearables.sources s SET unused_since = NULL
  WHERE s.unused_since IS NOT NULL AND s.source_id = ANY (used_sources);
  UPDATE wearables.metrics m SET unused_since = NULL
  WHERE m.unused_since IS NOT NULL AND m.metric_id = ANY (used_metrics);
  DELETE FROM wearables.sources s WHERE s.source_id IN (
    SELECT x.source_id FROM wearables.sources x
    WHERE nobody_between AND x.unused_since IS NOT NULL FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM wearables.metrics m WHERE m.metric_id IN (
    SELECT x.metric_id FROM wearables.metrics x
    WHERE nobody_between AND x.unused_since IS NOT NULL FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS more = ROW_COUNT;

  UPDATE wearables.sources s SET unused_since = clock_timestamp()
  WHERE s.source_id IN (
    SELECT x.source_id FROM wearables.sources x
    WHERE x.unused_since IS NULL AND x.origin = 'seen' AND x.source_id <> ALL (used_sources)
    FOR UPDATE SKIP LOCKED);
  UPDATE wearables.metrics m SET unused_since = clock_timestamp()
  WHERE m.metric_id IN (
    SELECT x.metric_id FROM wearables.metrics x
    WHERE x.unused_since IS NULL AND x.origin = 'extended' AND x.metric_id <> ALL (used_metrics)
      AND NOT EXISTS (SELECT FROM wearables.units u WHERE u.metric = x.name)
      AND NOT EXISTS (SELECT FROM wearables.mappings p WHERE p.metric = x.name)
    FOR UPDATE SKIP LOCKED);
  PERFORM wearables_internal.forget_names();
  PERFORM wearables_internal.queue_no_more_names(true);
  RETURN gone + more;
END $$;
COMMENT ON FUNCTION wearables.reclaim_names() IS
  'Deletes sources and automatically added metrics that have no samples, because their number is limited '
  '(wearables_ingest.max_sources, wearables_ingest.max_extended_metrics). What one call finds unused is marked '
  '(unused_since) and deleted by the next call, unless it was used meanwhile. Returns how many rows were deleted; '
  '0 if another session is doing the same. A worker calls it every hour. Without a worker, schedule it with '
  'pg_cron. Example: SELECT wearables.reclaim_names();';
