-- What a chart, a phone and an operator read.

CREATE FUNCTION wearables.first_instant(wall_clock timestamp, zone text) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_first_instant';
COMMENT ON FUNCTION wearables.first_instant(timestamp, text) IS
  'The first time at which clocks in a time zone show a wall-clock time or a later one. If they show it twice, '
  'this is the earlier time; if they skip it, the time of the skip. For a date, it is the time at which the day '
  'begins. Arguments: wall_clock: the wall-clock time; zone: an IANA region or ISO offset. Example: SELECT '
  'wearables.first_instant(''2026-03-29 02:30'', ''Europe/Berlin'');';

CREATE FUNCTION wearables.day_of(ts timestamptz, zone text) RETURNS date
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_day_of';
COMMENT ON FUNCTION wearables.day_of(timestamptz, text) IS
  'The calendar day of a time in a time zone, as daily buckets count it. Applied to bucket_start, it is the date '
  'to show in a chart. Arguments: ts: the time; zone: an IANA region or ISO offset. Example: SELECT '
  'wearables.day_of(now(), ''Europe/Berlin'');';

CREATE FUNCTION wearables.bucket_start(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_bucket_start';
COMMENT ON FUNCTION wearables.bucket_start(timestamptz, interval, text) IS
  'Start of the bucket that contains a time. Arguments: ts: the time; width: length of a bucket; zone: an IANA '
  'region or ISO offset. Widths of a day or longer follow the calendar: whole days (24 hours count as one), '
  'counted from Monday 2001-01-01, or months that divide a year, counted from January. A day begins when clocks '
  'first show its date. Shorter widths must divide a day and follow the clock: a bucket begins whenever clocks '
  'show a multiple of the width, or skip one. So an hour that occurs twice in a clock change is two buckets, and '
  'buckets of 6 hours begin at 0, 6, 12 and 18 o''clock on every day. Any other width raises '
  'invalid_parameter_value. Example: SELECT wearables.bucket_start(now(), ''6 hours'', ''Europe/Berlin'');';

CREATE FUNCTION wearables.bucket_end(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_bucket_end';
COMMENT ON FUNCTION wearables.bucket_end(timestamptz, interval, text) IS
  'End of the bucket that contains a time. It is the start of the next bucket. Arguments: ts: the time; width: '
  'length of a bucket, as in bucket_start(); zone: an IANA region or ISO offset. Example: SELECT '
  'wearables.bucket_end(now(), ''1 day'', ''Europe/Berlin'');';

CREATE FUNCTION wearables_internal.chart_question(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text, time_zone text, reader text,
  OUT metric_id smallint, OUT family smallint[], OUT unit text, OUT aggregate text, OUT zone text, OUT width interval,
  OUT recorded boolean, OUT scan_from timestamptz, OUT scan_to timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  noted CONSTANT boolean := wearables_internal.note_access($7, $1);
  m record;
BEGIN
  recorded := coalesce($6 = 'recorded', false);
  -- all at once: in the first call of a session each statement takes 0.2 ms to plan
  SELECT x.metric_id, x.name, x.unit, x.aggregate,
         EXISTS (SELECT FROM wearables.metrics c WHERE c.parent = x.name) AS is_parent,
         coalesce(CASE WHEN NOT recorded THEN $6 END,
                  (SELECT u.time_zone FROM wearables.users u WHERE u.user_id = $1), 'UTC') AS zone,
         EXISTS (SELECT FROM wearables.erasures r WHERE r.user_id = $1 AND r.finished_at IS NULL) AS is_erased
  INTO m FROM wearables.metrics x WHERE x.name = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'metric "%" does not exist', $2
      USING ERRCODE = 'undefined_object', HINT = 'See wearables.metrics for the names.';
  END IF;
  IF $3 IS NULL OR $4 IS NULL OR NOT isfinite($3) OR NOT isfinite($4) OR $3 > $4 THEN
    RAISE EXCEPTION 'invalid range "%" to "%"', $3, $4
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give two finite times, the earlier one first.';
  END IF;
  -- no EXCEPTION block: it would be a subtransaction, and a parallel query may not start one
  width := CASE WHEN lower($5) IN ('minute', 'hour', 'day', 'week', 'month', 'year') THEN ('1 ' || $5)::interval
             WHEN lower($5) = 'quarter' THEN '3 months' ELSE $5::interval END;
  IF width IS NULL THEN
    RAISE EXCEPTION 'bucket must not be null'
      USING ERRCODE = 'null_value_not_allowed', HINT = 'Give a word such as hour or day, or an interval.';
  END IF;
  metric_id := m.metric_id;
  unit := m.unit;
  aggregate := m.aggregate;
  zone := m.zone;
  -- refuses a width or a zone that is none, for a user without readings, too
  PERFORM wearables.bucket_start($3, width, zone);
  -- The instants that the charted ones may lie at. The days that begin within the range stand at 00:00 UTC of their
  -- dates; as recorded, clocks differ by 48 hours at most.
  IF recorded THEN
    scan_from := $3 - interval '48 hours';
    scan_to := $4 + interval '48 hours';
  ELSE
    scan_from := least($3, (wearables.day_of($3 - interval '1 us', zone) + 1)::timestamp AT TIME ZONE 'UTC');
    scan_to := greatest(
      $4, wearables.day_of($4 - interval '1 us', zone)::timestamp AT TIME ZONE 'UTC' + interval '1 us');
  END IF;
  IF m.is_erased THEN
    family := '{}';
  ELSIF m.is_parent THEN
    WITH RECURSIVE below (metric_id, name) AS (
      SELECT m.metric_id, m.name
      UNION
      -- of another unit there is no common value
      SELECT x.metric_id, x.name FROM below b JOIN wearables.metrics x ON x.parent = b.name AND x.unit = m.unit)
    SELECT array_agg(b.metric_id ORDER BY b.metric_id) INTO family FROM below b;
  ELSE
    -- most metrics have none below them, and a plan for the others takes longer than their look-up
    family := ARRAY[m.metric_id];
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.chart_question(bigint, text, timestamptz, timestamptz, text, text, text) IS
  'Checks the arguments of a chart, and returns the metric with its unit and aggregate; family, the ids of the metric '
  'and of its sub-metrics of the same unit (none of a user who is being erased); the time zone; the width of a bucket; '
  'whether readings count by their recorded local time; and between which stored times they lie. reader is the '
  'function that reads them, for accesses.';

CREATE FUNCTION wearables_internal.chart(
  user_id bigint, metric_ids smallint[], aggregate text, bounds timestamptz[], width interval, zone text,
  recorded boolean, without_days boolean)
RETURNS TABLE (bucket_start timestamptz, source_id smallint, value double precision, value_secondary double precision,
               lowest double precision, highest double precision, readings bigint, partial boolean,
               secondary_readings bigint, last_at timestamptz)
LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_chart';
COMMENT ON FUNCTION
  wearables_internal.chart(bigint, smallint[], text, timestamptz[], interval, text, boolean, boolean) IS
  'Readings of these metrics in buckets, one row for each bucket and source: those charted from bounds[1] to '
  'before bounds[2], of the samples stored from bounds[3] to before bounds[4].';

CREATE FUNCTION wearables_internal.merged_chart(
  user_id bigint, metric_id smallint, family smallint[], bounds timestamptz[], width interval, zone text,
  recorded boolean, only_source text[], merge text)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint,
               partial boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- The total of a day is no part of an hour: there it would be added to the hours of the other sources.
  WITH charted AS MATERIALIZED (
    SELECT m.name, m.parent, m.aggregate, c.*
    FROM wearables.metrics m
    CROSS JOIN LATERAL wearables_internal.chart(
      $1, $3, m.aggregate, $4, $5, $6, $7, m.aggregate = 'sum' AND $5 < interval '1 day') c
    WHERE m.metric_id = $2),
  line AS (
    SELECT c.*, s.provider, s.source_type, s.channel, s.place
    FROM (SELECT x.name, x.parent, array_agg(DISTINCT x.source_id) AS source_ids FROM charted x GROUP BY 1, 2) n
    CROSS JOIN LATERAL wearables_internal.source_places($1, n.name, n.parent, n.source_ids) s
    JOIN charted c ON c.source_id = s.source_id
      AND s.provider = coalesce($8[1], s.provider) AND s.source_type = coalesce($8[2], s.source_type)
      AND s.channel = coalesce($8[3], s.channel)
      AND (s.is_named OR $9 = 'best')),
  -- Two devices count the same steps, so sums of sources are never added.
  taken AS (
    SELECT DISTINCT ON (l.bucket_start) l.*
    FROM line l
    WHERE $9 = 'best' OR l.aggregate = 'sum'
    ORDER BY l.bucket_start, CASE $9 WHEN 'blend' THEN l.value END DESC, l.place),
  blended AS (
    SELECT l.bucket_start,
           CASE WHEN min(l.provider) = max(l.provider) THEN min(l.provider) END AS provider,
           CASE WHEN min(l.source_type) = max(l.source_type) THEN min(l.source_type) END AS source_type,
           CASE WHEN min(l.channel) = max(l.channel) THEN min(l.channel) END AS channel,
           CASE l.aggregate
             WHEN 'avg' THEN sum(l.value * l.readings ORDER BY l.place) / sum(l.readings)::double precision
             WHEN 'min' THEN min(l.value) WHEN 'max' THEN max(l.value)
             ELSE (array_agg(l.value ORDER BY l.last_at DESC, l.place))[1] END AS value,
           CASE l.aggregate
             WHEN 'avg' THEN sum(l.value_secondary * l.secondary_readings ORDER BY l.place)
                             / nullif(sum(l.secondary_readings), 0)::double precision
             WHEN 'min' THEN min(l.value_secondary) WHEN 'max' THEN max(l.value_secondary)
             ELSE (array_agg(l.value_secondary ORDER BY l.last_at DESC, l.place))[1] END AS value_secondary,
           min(l.lowest) AS lowest, max(l.highest) AS highest, sum(l.readings)::bigint AS readings,
           bool_or(l.partial) AS partial
    FROM line l
    WHERE $9 = 'blend' AND l.aggregate <> 'sum'
    GROUP BY l.bucket_start, l.aggregate)
  SELECT t.bucket_start, t.provider, t.source_type, t.channel, t.value, t.value_secondary, t.lowest, t.highest,
         t.readings, t.partial
  FROM taken t
  UNION ALL
  SELECT b.bucket_start, b.provider, b.source_type, b.channel, b.value, b.value_secondary, b.lowest, b.highest,
         b.readings, b.partial
  FROM blended b
  ORDER BY bucket_start;
END;
COMMENT ON FUNCTION wearables_internal.merged_chart(
  bigint, smallint, smallint[], timestamptz[], interval, text, boolean, text[], text) IS
  'As chart(), with one row for each bucket: merge is best or blend, as in timeseries(). only_source: provider, '
  'source type and channel, null for all.';

CREATE FUNCTION wearables.timeseries(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text DEFAULT 'hour',
  time_zone text DEFAULT NULL, only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL,
  only_channel text DEFAULT NULL, merge text DEFAULT 'all')
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint,
               unit text, partial boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  q record;
BEGIN
  IF $10 IS NULL OR $10 NOT IN ('all', 'best', 'blend') THEN
    RAISE EXCEPTION 'merge "%" is not recognized', $10
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give all, best or blend.';
  END IF;
  q := wearables_internal.chart_question($1, $2, $3, $4, $5, $6, 'timeseries');
  IF $10 <> 'all' THEN
    RETURN QUERY
    SELECT c.bucket_start, c.provider, c.source_type, c.channel, c.value, c.value_secondary, c.lowest, c.highest,
           c.readings, q.unit, c.partial
    FROM wearables_internal.merged_chart(
      $1, q.metric_id, q.family, ARRAY[$3, $4, q.scan_from, q.scan_to], q.width, q.zone, q.recorded,
      ARRAY[$7, $8, $9], $10) c;
    RETURN;
  END IF;
  RETURN QUERY
  SELECT c.bucket_start, s.provider, s.source_type, s.channel, c.value, c.value_secondary, c.lowest, c.highest,
         c.readings, q.unit, c.partial
  FROM wearables_internal.chart(
    $1, q.family, q.aggregate, ARRAY[$3, $4, q.scan_from, q.scan_to], q.width, q.zone, q.recorded, false) c
  JOIN wearables.sources s ON s.source_id = c.source_id
    AND s.provider = coalesce($7, s.provider) AND s.source_type = coalesce($8, s.source_type)
    AND s.channel = coalesce($9, s.channel)
  ORDER BY c.bucket_start, s.provider, s.source_type, s.channel;
END $$;
COMMENT ON FUNCTION wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text, text) IS
  'Readings of one metric of a user for a chart, one row for each bucket and source. Arguments: user_id: the user; '
  'metric: metrics.name, which includes sub-metrics of the same unit; from_ts: start of the range, inclusive; to_ts: '
  'end of the range, exclusive; bucket: minute, hour, day, week, month, quarter, year, or an interval as in '
  'bucket_start(); time_zone: an IANA region or ISO offset (null: that of the user), or recorded, which takes each '
  'reading by the local time at which it was recorded if its offset is known; only_provider: only this provider (null: '
  'all); only_source_type: only this source type (null: all); only_channel: only this channel (null: all); merge: all, '
  'best or blend. all: a row for each source. best: one row for each bucket, of the first source in the order of '
  'source_priorities that has readings in it; sources that no row names come last, those of channel timeseries first, '
  'then by provider, source type and channel. blend: one row for each bucket, made from the readings of all sources '
  'that source_priorities names (without a list, of all sources); for metrics with aggregate sum it is the row of the '
  'source with the highest sum, because two devices count the same steps. With best and blend, buckets shorter than a '
  'day leave out the calendar-day readings of such metrics, which are totals. Returns bucket_start; provider, '
  'source_type and channel (null in a blend of several); value and value_secondary, combined as metrics.aggregate '
  'says; the lowest and highest value; readings, their number; unit; and partial, true if the range cuts the bucket. '
  'An interval counts in the bucket in which it starts. A reading of a calendar day (samples.day) counts at the start '
  'of that day in every time zone. An unknown metric raises undefined_object; an unknown user has no rows. Example: '
  'SELECT * FROM wearables.timeseries(1, ''heartrate'', now() - interval ''1 day'', now(), ''hour'');';

CREATE FUNCTION wearables.timeseries(
  user_id bigint, metric text, from_day date, to_day date, bucket text DEFAULT 'hour',
  time_zone text DEFAULT NULL, only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL,
  only_channel text DEFAULT NULL, merge text DEFAULT 'all')
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint,
               unit text, partial boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT t.*
  FROM (SELECT coalesce(nullif($6, 'recorded'), u.time_zone, 'UTC')
        FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = $1) AS c (zone)
  CROSS JOIN LATERAL wearables.timeseries(
    $1, $2, wearables.first_instant($3::timestamp, c.zone), wearables.first_instant($4::timestamp, c.zone),
    $5, $6, $7, $8, $9, $10) t;
END;
COMMENT ON FUNCTION wearables.timeseries(bigint, text, date, date, text, text, text, text, text, text) IS
  'As the function above, for a range of days in the time zone of the chart. Arguments: user_id: the user; metric: '
  'metrics.name; from_day: first day; to_day: day after the last day; bucket: minute, hour, day, week, month, quarter, '
  'year, or an interval; time_zone: as above; only_provider: only this provider (null: all); only_source_type: only '
  'this source type (null: all); only_channel: only this channel (null: all); merge: as above. Example: SELECT * FROM '
  'wearables.timeseries(1, ''steps'', date ''2026-03-01'', date ''2026-04-01'', ''day'');';

CREATE FUNCTION wearables.latest(user_id bigint)
RETURNS TABLE (metric text, ts timestamptz, day date, value double precision, value_secondary double precision,
               unit text, provider text, source_type text, channel text)
-- the plan goes by the key whoever is asked about, and to make it takes longer than to follow it
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  -- not in the query: a join with a table that is empty leaves out the rest of its plan
  noted CONSTANT boolean := wearables_internal.note_access('latest', $1);
BEGIN
  RETURN QUERY
  -- from one metric of the user's to the one below by the key: what others have named costs nothing here
  WITH RECURSIVE newest (metric_id, ts, source_id) AS (
    (SELECT p.metric_id, p.ts, p.source_id FROM wearables.sample_points p
     WHERE p.user_id = $1
       AND NOT EXISTS (SELECT FROM wearables.erasures r WHERE r.user_id = $1 AND r.finished_at IS NULL)
     ORDER BY p.metric_id DESC, p.ts DESC, p.source_id DESC LIMIT 1)
    UNION ALL
    SELECT below.*
    FROM newest n
    CROSS JOIN LATERAL (SELECT p.metric_id, p.ts, p.source_id FROM wearables.sample_points p
                        WHERE p.user_id = $1 AND p.metric_id < n.metric_id
                        ORDER BY p.metric_id DESC, p.ts DESC, p.source_id DESC LIMIT 1) below)
  SELECT m.name, n.ts, v.day, v.value, v.value_secondary, m.unit, s.provider, s.source_type, s.channel
  FROM newest n
  JOIN wearables.metrics m ON m.metric_id = n.metric_id
  JOIN wearables.sources s ON s.source_id = n.source_id
  -- three meals of one date are one latest reading
  CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_or(x.tz_offset = 32767) THEN (n.ts AT TIME ZONE 'UTC')::date END,
           CASE m.aggregate
             WHEN 'avg' THEN avg(x.value) WHEN 'sum' THEN sum(x.value)
             WHEN 'min' THEN min(x.value) WHEN 'max' THEN max(x.value)
             ELSE (array_agg(x.value ORDER BY x.version DESC, x.part))[1] END,
           CASE m.aggregate
             WHEN 'avg' THEN avg(x.value_secondary) WHEN 'sum' THEN sum(x.value_secondary)
             WHEN 'min' THEN min(x.value_secondary) WHEN 'max' THEN max(x.value_secondary)
             ELSE (array_agg(x.value_secondary ORDER BY x.version DESC, x.part))[1] END
    FROM wearables.sample_points x
    WHERE (x.user_id, x.metric_id, x.ts, x.source_id) = ($1, n.metric_id, n.ts, n.source_id))
    AS v (day, value, value_secondary)
  ORDER BY m.name;
END $$;
COMMENT ON FUNCTION wearables.latest(bigint) IS
  'The newest reading of each metric of a user. Arguments: user_id: the user. Returns metric, ts, day (as in '
  'samples), value, value_secondary, unit, provider, source_type and channel. Readings of several documents at one '
  'time and source are combined as metrics.aggregate says. Example: SELECT * FROM wearables.latest(1);';
