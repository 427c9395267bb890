-- Which days of a person are covered, by what, and which are not. coverage() runs with its caller's rights. What a
-- reader of charts may not select, it reads through the views below: those have their owner's rights, but the function
-- that bounds them runs with the caller's, so that they show people whom the site's row-level security on users shows.

CREATE FUNCTION wearables_internal.is_visible(user_id bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL);
END;
COMMENT ON FUNCTION wearables_internal.is_visible(bigint) IS
  'True: row-level security lets the caller see the user. False for an erased user.';

-- How late an answer may be: it shows what the vendor had when it was asked, and a request takes an hour at most, which
-- is the upper bound of wearables_ingest.http_timeout.
CREATE FUNCTION wearables_internal.longest_request() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN interval '1 hour';
COMMENT ON FUNCTION wearables_internal.longest_request() IS
  'Upper limit of wearables_ingest.http_timeout. A response shows what the vendor had when the request was sent, so '
  'coverage() treats a day as over this long after its end.';

CREATE VIEW wearables_internal.visible_events WITH (security_barrier = true) AS
SELECT e.user_id, e.event_id, e.received_at, e.resource, e.wrote_from, e.wrote_to, e.wrote_metrics,
       e.event_type
FROM wearables.webhook_events e
WHERE wearables_internal.is_visible(e.user_id);
COMMENT ON VIEW wearables_internal.visible_events IS
  'Events of the users that the caller may see: which range of which metrics each wrote, and whether it was pulled.';

CREATE VIEW wearables_internal.visible_refusals WITH (security_barrier = true) AS
SELECT q.user_id, q.metric, q.ts, q.day
FROM wearables.quarantine q
WHERE q.ts IS NOT NULL AND wearables_internal.is_visible(q.user_id);
COMMENT ON VIEW wearables_internal.visible_refusals IS
  'Refused readings of the users that the caller may see, if their time is known.';

CREATE VIEW wearables_internal.visible_pulls WITH (security_barrier = true) AS
SELECT b.backfill_id, b.user_id, b.endpoint, b.provider, b.resource, b.state, b.started_at,
       -- Pages of this attempt. One whose event is gone with its partition was processed long ago.
       b.state = 'done' AND EXISTS (
         SELECT FROM wearables.deliveries d
         JOIN wearables.webhook_events e ON e.event_id = d.event_id AND e.received_at = d.received_at
         WHERE d.endpoint = b.endpoint
           AND d.message_id >= 'pull:' || b.backfill_id || ':' AND d.message_id < 'pull:' || b.backfill_id || ';'
           AND e.received_at >= b.started_at AND e.status NOT IN ('processed', 'skipped')) AS unread,
       CASE r.rest_range
         WHEN 'none' THEN '-infinity'
         WHEN 'dates' THEN date_trunc('day', b.range_from, 'UTC')
         ELSE b.range_from END AS span_from,
       CASE r.rest_range
         WHEN 'none' THEN 'infinity'
         WHEN 'dates' THEN date_trunc('day', b.range_to + interval '1 day' - interval '1 us', 'UTC')
         ELSE b.range_to END AS span_to
FROM wearables.backfills b
JOIN wearables.resources r ON r.name = b.resource
WHERE wearables_internal.is_visible(b.user_id);
COMMENT ON VIEW wearables_internal.visible_pulls IS
  'Backfills of the users that the caller may see, with the range that each request covers. unread: it is done, but '
  'a page of it is not processed, so that it says nothing of any day yet.';

CREATE VIEW wearables_internal.visible_places WITH (security_barrier = true) AS
SELECT DISTINCT l.user_id, l.endpoint
FROM wearables.user_links l
JOIN wearables.endpoints e ON e.name = l.endpoint
WHERE e.base_url IS NOT NULL AND l.deleted_at IS NULL AND wearables_internal.is_visible(l.user_id);
COMMENT ON VIEW wearables_internal.visible_places IS
  'Endpoints at which history can be pulled, for the users that the caller may see.';

CREATE TABLE wearables_internal.reconciled_spans (
  user_id  bigint NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  resource text COLLATE "C" NOT NULL,
  began    timestamptz NOT NULL,
  spans    tstzmultirange NOT NULL,
  PRIMARY KEY (user_id, endpoint, resource)
);
COMMENT ON TABLE wearables_internal.reconciled_spans IS
  'Ranges that completed backfills of reconcile() cover and whose rows in backfills are deleted. began is when the '
  'earliest of them started.';
SELECT pg_extension_config_dump('wearables_internal.reconciled_spans', '');

CREATE VIEW wearables_internal.visible_spans WITH (security_barrier = true) AS
SELECT r.user_id, r.endpoint, r.resource, r.began, r.spans
FROM wearables_internal.reconciled_spans r
WHERE wearables_internal.is_visible(r.user_id);
COMMENT ON VIEW wearables_internal.visible_spans IS 'reconciled_spans of the users that the caller may see.';

-- A connection belongs to the endpoint that told of it last; one that no event told of, to each of the person's. Where
-- readings arrive, something is connected, although its event was before our time: that is worth asking for again. But
-- only an event says since when, so that coverage() does not count pulls by it.
CREATE VIEW wearables_internal.visible_connections WITH (security_barrier = true) AS
SELECT c.user_id, c.provider, c.status, c.connected_at, l.endpoint
FROM wearables.connections c
LEFT JOIN LATERAL (
  SELECT x.endpoint FROM wearables.connection_events x
  WHERE x.user_id = c.user_id AND x.provider = c.provider AND x.endpoint IS NOT NULL
  ORDER BY x.version DESC LIMIT 1) l ON true
WHERE (c.status = 'connected' OR c.status = 'unknown' AND c.last_data_at IS NOT NULL)
  AND wearables_internal.is_visible(c.user_id);
COMMENT ON VIEW wearables_internal.visible_connections IS
  'Providers that are connected, or of which readings arrive although no event tells of the connection (status '
  'unknown), of the users that the caller may see. endpoint is null if no event named one.';

CREATE FUNCTION wearables_internal.metric_names(metric text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH RECURSIVE below (name) AS (
    SELECT m.name FROM wearables.metrics m WHERE m.name = $1
    UNION
    SELECT x.name FROM below b JOIN wearables.metrics x ON x.parent = b.name)
  SELECT array_agg(b.name::text) FROM below b;
END;
COMMENT ON FUNCTION wearables_internal.metric_names(text) IS 'The metric and its descendants by metrics.parent.';

-- Mappings name the metric itself, one that it extends, or one of its family.
CREATE FUNCTION wearables_internal.resources_of(metric text, resource text) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH RECURSIVE above (name) AS (
    SELECT $1 COLLATE "C"
    UNION
    SELECT x.parent FROM above a JOIN wearables.metrics x ON x.name = a.name WHERE x.parent IS NOT NULL)
  SELECT DISTINCT r.name
  FROM wearables.mappings m
  JOIN wearables.resources r ON r.name = m.resource
  WHERE m.enabled AND r.kind <> 'skipped' AND r.rest_path IS NOT NULL AND ($2 IS NULL OR r.name = $2)
    AND (m.metric = ANY (wearables_internal.metric_names($1)) OR m.metric IN (SELECT a.name FROM above a));
END;
COMMENT ON FUNCTION wearables_internal.resources_of(text, text) IS
  'Resources that yield the metric and can be pulled. With a resource: that one, if it does.';

CREATE FUNCTION wearables_internal.channels_of(resource text) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE r.kind WHEN 'timeseries' THEN 'timeseries' ELSE r.name END FROM wearables.resources r WHERE r.name = $1
  UNION
  SELECT m.channel FROM wearables.mappings m WHERE m.resource = $1 AND m.channel IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.channels_of(text) IS
  'Channels of the sources of the samples that the resource yields.';

CREATE FUNCTION wearables_internal.family_floor(metric text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT min(coalesce(f.floor, others.floor, '-infinity'))
  FROM unnest(wearables_internal.metric_names($1)) n (name)
  JOIN wearables.metrics m ON m.name = n.name
  LEFT JOIN wearables.retention_floors f ON f.metric_id = m.metric_id
  LEFT JOIN wearables.retention_floors others ON others.metric_id = 0;
END;
COMMENT ON FUNCTION wearables_internal.family_floor(text) IS
  'Below which time retention drops the samples of a metric and of all its sub-metrics.';

CREATE FUNCTION wearables_internal.check_coverage(
  metric text, from_day date, to_day date, resource text, resources text[])
RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_days CONSTANT integer := 3660;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.metrics m WHERE m.name = $1) THEN
    RAISE EXCEPTION 'metric "%" does not exist', $1
      USING ERRCODE = 'undefined_object', HINT = 'See wearables.metrics for the names.';
  END IF;
  -- the bounds are those of any reading's instant
  IF $2 IS NULL OR $3 IS NULL OR $2 > $3 OR $2 < '1900-01-02' OR $3 > '2199-12-31' THEN
    RAISE EXCEPTION 'invalid range "%" to "%"', $2, $3
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give two days between 1900 and 2200, the earlier one first.';
  END IF;
  IF $3 - $2 > most_days THEN
    RAISE EXCEPTION 'the range from % to % is longer than ten years', $2, $3
      USING ERRCODE = 'invalid_parameter_value', HINT = format('Give at most %s days.', most_days);
  END IF;
  IF $4 <> ALL ($5) THEN
    RAISE EXCEPTION 'resource "%" does not yield metric "%", or cannot be pulled', $4, $1
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = format('Resources that do: %s.',
                            coalesce((SELECT string_agg(r, ', ' ORDER BY r) FROM unnest($5) r), 'none'));
  END IF;
  RETURN $3 - $2;
END $$;
COMMENT ON FUNCTION wearables_internal.check_coverage(text, date, date, text, text[]) IS
  'Returns the number of days. Raises an error if the metric does not exist, the range is not valid or longer than ten '
  'years, or the resource is not in resources.';

CREATE FUNCTION wearables_internal.pulled_spans(user_id bigint, metric text, resource text)
RETURNS TABLE (endpoint text, resource text, spans tstzmultirange)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- one row a place, resource and connected provider; provider null: none is connected
  WITH wanted AS (
    SELECT l.endpoint, r.name AS resource, c.provider, coalesce(c.connected_at, '-infinity') AS since
    FROM wearables_internal.visible_places l
    CROSS JOIN wearables_internal.resources_of($2, $3) r (name)
    LEFT JOIN wearables_internal.visible_connections c
      ON c.user_id = l.user_id AND c.status = 'connected' AND (c.endpoint IS NULL OR c.endpoint = l.endpoint)
    WHERE l.user_id = $1),
  pulled AS MATERIALIZED (
    SELECT p.endpoint, p.resource, p.provider, p.started_at, p.span_from,
           least(p.span_to, p.started_at - wearables_internal.longest_request()) AS span_to
    FROM wearables_internal.visible_pulls p
    WHERE p.user_id = $1 AND p.resource = ANY (ARRAY(SELECT r FROM wearables_internal.resources_of($2, $3) r))
      AND p.state = 'done' AND NOT p.unread)
  SELECT o.endpoint, o.resource, range_intersect_agg(o.spans)
  FROM (
    SELECT w.endpoint, w.resource,
           coalesce(range_agg(tstzrange(p.span_from, p.span_to)) FILTER (WHERE p.span_from < p.span_to), '{}')
             + coalesce(t.spans, '{}') AS spans
    FROM wanted w
    LEFT JOIN pulled p
      ON p.endpoint = w.endpoint AND p.resource = w.resource AND p.provider IN ('', w.provider)
         -- what was pulled before a provider was connected says nothing of it
         AND p.started_at >= w.since
    LEFT JOIN wearables_internal.visible_spans t
      ON t.user_id = $1 AND t.endpoint = w.endpoint AND t.resource = w.resource AND t.began >= w.since
    GROUP BY w.endpoint, w.resource, w.provider, t.spans) o
  GROUP BY o.endpoint, o.resource;
END;
COMMENT ON FUNCTION wearables_internal.pulled_spans(bigint, text, text) IS
  'Ranges that completed backfills cover for every connected provider, if all their pages are processed: one row for '
  'each endpoint of the user and resource that yields the metric.';

CREATE FUNCTION wearables.coverage(
  user_id bigint, metric text, from_day date, to_day date, resource text DEFAULT NULL,
  most_events integer DEFAULT 10)
RETURNS TABLE (day date, how text, event_ids bigint[], events bigint)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- with policies the estimated cost passes the threshold of JIT, which compiles for seconds what runs for milliseconds
SET jit = off
BEGIN ATOMIC
  WITH person AS (
    -- first what is refused, for whomever
    SELECT u.time_zone AS zone,
           wearables_internal.check_coverage(
             $2, $3, $4, $5, ARRAY(SELECT r FROM wearables_internal.resources_of($2, NULL) r))
           * (u.user_id IS NOT NULL)::integer AS days
    FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = $1 AND u.erased_at IS NULL
    WHERE wearables_internal.note_access('coverage', $1)),
  days AS MATERIALIZED (
    SELECT $3 + i AS day, wearables.first_instant(($3 + i)::timestamp, p.zone) AS starts,
           wearables.first_instant(($3 + i + 1)::timestamp, p.zone) AS ends
    FROM person p CROSS JOIN LATERAL generate_series(0, p.days - 1) i),
  bounds AS MATERIALIZED (SELECT min(d.starts) AS starts, max(d.ends) AS ends FROM days d),
  -- of the family what the person has: each costs a look at the index for each day
  mine AS MATERIALIZED (
    SELECT m.metric_id
    FROM unnest(wearables_internal.metric_names($2)) f (name)
    JOIN wearables.metrics m ON m.name = f.name
    CROSS JOIN LATERAL (SELECT FROM wearables.sample_points p
                        WHERE p.user_id = $1 AND p.metric_id = m.metric_id LIMIT 1) x),
  -- null: of whatever source
  source AS MATERIALIZED (
    SELECT CASE WHEN $5 IS NOT NULL THEN ARRAY(
             SELECT s.source_id FROM wearables.sources s
             WHERE s.channel IN (SELECT c FROM wearables_internal.channels_of($5) c)) END AS ids),
  held AS MATERIALIZED (
    SELECT d.day,
           EXISTS (SELECT FROM mine m
                   CROSS JOIN LATERAL (
                     SELECT FROM wearables.sample_points p
                     WHERE p.user_id = $1 AND p.metric_id = m.metric_id AND p.ts >= d.starts AND p.ts < d.ends
                       AND p.tz_offset IS DISTINCT FROM 32767
                       AND (o.ids IS NULL OR p.source_id = ANY (o.ids)) LIMIT 1) x) AS instants,
           EXISTS (SELECT FROM mine m
                   CROSS JOIN LATERAL (
                     SELECT FROM wearables.sample_points p
                     WHERE p.user_id = $1 AND p.metric_id = m.metric_id
                       AND p.ts = d.day::timestamp AT TIME ZONE 'UTC' AND p.tz_offset = 32767
                       AND (o.ids IS NULL OR p.source_id = ANY (o.ids)) LIMIT 1) x) AS of_day
    FROM days d CROSS JOIN source o),
  -- of a document the event that its present state came from
  documents AS MATERIALIZED (
    SELECT DISTINCT s.event_id, s.event_received_at,
           CASE c.tz_offset WHEN 32767 THEN (c.ts AT TIME ZONE 'UTC')::date
                            ELSE wearables.day_of(c.ts, p.zone) END AS day
    FROM person p
    CROSS JOIN wearables.summaries s
    CROSS JOIN LATERAL unnest(s.samples) c
    WHERE s.user_id = $1 AND NOT s.superseded AND ($5 IS NULL OR s.resource = $5)
      -- a day more at both ends, for calendar days stand at 00:00 UTC of theirs
      AND s.last_ts >= (SELECT b.starts - interval '1 day' FROM bounds b)
      AND s.first_ts < (SELECT b.ends + interval '1 day' FROM bounds b)
      AND c.metric_id IN (SELECT m.metric_id FROM mine m)),
  origins AS MATERIALIZED (
    SELECT o.event_id, e.pulled
    FROM (SELECT DISTINCT d.event_id, d.event_received_at FROM documents d) o
    CROSS JOIN LATERAL (SELECT starts_with(v.event_type, 'pulled.') IS TRUE AS pulled
                        FROM wearables_internal.visible_events v
                        WHERE v.event_id = o.event_id AND v.received_at = o.event_received_at AND v.user_id = $1
                        LIMIT 1) e),
  -- of a timeseries an event is behind what lies between the first and the last instant that it brought
  spans AS (
    SELECT e.event_id, starts_with(e.event_type, 'pulled.') IS TRUE AS pulled,
           greatest(wearables.day_of(e.wrote_from, p.zone), $3) AS first_day,
           least(wearables.day_of(e.wrote_to, p.zone), $4 - 1) AS last_day
    FROM person p
    CROSS JOIN wearables_internal.visible_events e
    WHERE e.user_id = $1 AND e.wrote_to >= (SELECT b.starts FROM bounds b)
      AND e.wrote_from < (SELECT b.ends FROM bounds b)
      -- no reading is later than a day after its event was made; two more for clocks
      AND e.received_at >= (SELECT b.starts - interval '3 days' FROM bounds b)
      AND ($5 IS NULL OR e.resource = $5)
      AND e.wrote_metrics && ARRAY(SELECT m.metric_id FROM mine m)
      -- its resource was a timeseries before: it counts once
      AND e.event_id NOT IN (SELECT o.event_id FROM origins o)),
  -- Events times days would be too many, for one event may span all of the days. Of each span the blocks of 1, 2,
  -- 4, ... days that make it up, at most two of a size: what is behind a block is behind each of its days.
  blocks AS MATERIALIZED (
    SELECT k.level, b.block, bool_or(s.pulled) AS pulled, bool_or(NOT s.pulled) AS sent, count(*) AS events,
           (array_agg(s.event_id ORDER BY s.event_id DESC))[1:least($6, 1000)] AS event_ids
    FROM spans s
    CROSS JOIN generate_series(0, 11) k (level)  -- 2^12 days are more than check_coverage() allows
    CROSS JOIN LATERAL (
      SELECT ((s.first_day - $3) + (1 << k.level) - 1) >> k.level AS first,
             ((s.last_day - $3) + 1) >> k.level AS beyond) x
    CROSS JOIN LATERAL (
      SELECT x.first WHERE x.first & 1 = 1
      UNION ALL SELECT x.beyond - 1 WHERE x.beyond & 1 = 1) b (block)
    WHERE x.first < x.beyond
    GROUP BY k.level, b.block),
  behind_part AS MATERIALIZED (
    SELECT h.day, b.pulled, b.sent, b.events, b.event_ids
    FROM held h
    CROSS JOIN generate_series(0, 11) k (level)
    JOIN blocks b ON b.level = k.level AND b.block = (h.day - $3) >> k.level
    WHERE h.instants
    UNION ALL
    SELECT d.day, bool_or(o.pulled), bool_or(NOT o.pulled), count(*),
           (array_agg(d.event_id ORDER BY d.event_id DESC))[1:least($6, 1000)]
    FROM documents d JOIN origins o ON o.event_id = d.event_id
    GROUP BY d.day),
  behind AS (
    SELECT p.day, bool_or(p.pulled) AS pulled, bool_or(p.sent) AS sent, sum(p.events)::bigint AS events
    FROM behind_part p GROUP BY p.day),
  newest AS (
    SELECT p.day, array_agg(i.event_id ORDER BY i.event_id DESC) AS event_ids
    FROM behind_part p CROSS JOIN LATERAL unnest(p.event_ids) i (event_id) GROUP BY p.day),
  refused AS (
    SELECT DISTINCT coalesce(q.day, wearables.day_of(q.ts, p.zone)) AS day
    FROM person p
    CROSS JOIN wearables_internal.visible_refusals q
    WHERE q.user_id = $1 AND q.ts >= (SELECT b.starts - interval '1 day' FROM bounds b)
      AND q.ts < (SELECT b.ends + interval '1 day' FROM bounds b)
      AND q.metric = ANY (wearables_internal.metric_names($2))),
  told AS MATERIALIZED (
    SELECT range_intersect_agg(s.spans) AS spans FROM wearables_internal.pulled_spans($1, $2, $5) s)
  SELECT d.day,
         CASE WHEN b.pulled AND b.sent THEN 'both'
              WHEN b.pulled THEN 'pull'
              WHEN b.sent THEN 'webhook'
              WHEN h.instants OR h.of_day THEN 'readings'
              WHEN r.day IS NOT NULL THEN 'refused'
              WHEN d.ends <= (SELECT wearables_internal.family_floor($2)) THEN 'dropped'
              WHEN d.ends > statement_timestamp() - wearables_internal.longest_request() THEN 'open'
              WHEN (SELECT t.spans FROM told t) @> tstzrange(d.starts, d.ends) THEN 'empty'
              ELSE 'unknown' END,
         coalesce(n.event_ids[1:least($6, 1000)], '{}'), coalesce(b.events, 0)
  FROM days d
  JOIN held h ON h.day = d.day
  LEFT JOIN behind b ON b.day = d.day
  LEFT JOIN newest n ON n.day = d.day
  LEFT JOIN refused r ON r.day = d.day
  -- A day that the clocks skipped has no instant at which a reading or a pull could lie, but may be written as a date.
  WHERE d.starts < d.ends OR h.of_day OR b.day IS NOT NULL OR r.day IS NOT NULL
  ORDER BY d.day;
END;
COMMENT ON FUNCTION wearables.coverage(bigint, text, date, date, text, integer) IS
  'What is known of each day of a user and metric, or family of metrics. Arguments: user_id: the user; metric: a '
  'row of metrics; from_day: first day; to_day: day after the last day, at most ten years later; resource: count '
  'only samples and backfills of this resource (null: of every resource); most_events: length of event_ids, at most '
  '1000. Returns day, in the user''s time zone; how; event_ids, the newest events behind the day, newest first; and '
  'events, their number. Values of how: webhook, pull, both: there are samples, and events of that origin wrote '
  'them; readings: there are samples, but their events were removed, or they were inserted by hand; refused: all '
  'readings of the day are in quarantine; dropped: no samples, and the day lies below retention_floors; empty: '
  'backfills of each resource that yields the metric, covering every connected provider, started after the day was '
  'over, completed, all their pages were processed, and they hold nothing; open: no samples yet, and the '
  'day is not over, or has been for less than an hour; unknown: no samples, and no such backfills. An event of a '
  'timeseries counts for each day with samples between the first and the last that it wrote; of a document, the '
  'event of its present version counts. A day that the user''s time zone skipped (30 December 2011 in Apia) has no '
  'row, unless readings are dated with it. An unknown or erased user has no rows. The cost is one index lookup for '
  'each day and metric, and grows with the number of days, events and pages of these backfills, not with their '
  'product. Example: SELECT day, how FROM wearables.coverage(1, ''steps'', date ''2026-03-01'', date '
  '''2026-04-01'');';
