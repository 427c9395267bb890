-- What a chart, a phone and an operator read.

-- Both are made to be inlined, once for each reading of a chart: so they count in timestamps of UTC, since a
-- timestamptz plus an interval depends on the session.
CREATE FUNCTION wearables_internal.first_instant(wall_clock timestamp, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- by the offset of the day before, if the clock shows it then; AT TIME ZONE alone takes the later of two
RETURN CASE
  WHEN ((wall_clock - interval '1 day') AT TIME ZONE zone AT TIME ZONE 'UTC' + interval '1 day')
       AT TIME ZONE 'UTC' AT TIME ZONE zone = wall_clock
  THEN least(wall_clock AT TIME ZONE zone,
             ((wall_clock - interval '1 day') AT TIME ZONE zone AT TIME ZONE 'UTC' + interval '1 day')
             AT TIME ZONE 'UTC')
  ELSE wall_clock AT TIME ZONE zone
END;
COMMENT ON FUNCTION wearables_internal.first_instant(timestamp, text) IS
  'when clocks in the zone show this: the earlier instant when they show it twice';

CREATE FUNCTION wearables.bucket_start(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  -- up to an hour: counted back from the instant itself, so that the hour that a clock change repeats is two buckets
  WHEN width <= interval '1 hour' THEN
    (ts AT TIME ZONE 'UTC' - (ts AT TIME ZONE zone - date_bin(width, ts AT TIME ZONE zone, timestamp '2001-01-01')))
    AT TIME ZONE 'UTC'
  WHEN width >= interval '1 month' AND extract(day FROM width) = 0 THEN
    wearables_internal.first_instant(
      date_trunc('year', ts AT TIME ZONE zone) + width * div(
        extract(month FROM ts AT TIME ZONE zone) - 1,
        extract(month FROM width) + 12 * extract(year FROM width))::integer,
      zone)
  -- 2001-01-01 was a Monday: weeks begin on Monday
  ELSE wearables_internal.first_instant(date_bin(width, ts AT TIME ZONE zone, timestamp '2001-01-01'), zone)
END;
COMMENT ON FUNCTION wearables.bucket_start(timestamptz, interval, text) IS
  'start of the bucket that holds ts: local hours, days, weeks (from Monday) or any '
  'interval, in the zone, across clock changes';

CREATE FUNCTION wearables.timeseries(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text DEFAULT 'hour',
  time_zone text DEFAULT NULL, only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL,
  only_channel text DEFAULT NULL)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint,
               unit text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  m wearables.metrics;
  zone text;
  width interval;
BEGIN
  SELECT x.* INTO m FROM wearables.metrics x WHERE x.name = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'metric "%" is not known', $2
      USING ERRCODE = 'undefined_object', HINT = 'Metrics are the rows of wearables.metrics.';
  END IF;
  IF $3 IS NULL OR $4 IS NULL OR NOT isfinite($3) OR NOT isfinite($4) OR $3 > $4 THEN
    RAISE EXCEPTION 'the range "%" to "%" is not one', $3, $4
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give two finite instants, the earlier first.';
  END IF;
  SELECT coalesce($6, u.time_zone) INTO zone FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = $1;
  zone := coalesce(zone, 'UTC');
  -- no EXCEPTION block: it would be a subtransaction, and a parallel query may not start one
  width := CASE WHEN $5 ~* '^(hour|day|week|month)$' THEN ('1 ' || $5)::interval ELSE $5::interval END;
  IF width IS NULL OR width <= interval '0' OR (extract(month FROM width) + 12 * extract(year FROM width) > 0
       AND (width <> date_trunc('month', width)
            OR 12 % (extract(month FROM width) + 12 * extract(year FROM width))::integer <> 0)) THEN
    RAISE EXCEPTION 'bucket "%" is not one', $5
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give hour, day, week, month, or an interval: of days and smaller, or of months that divide a year.';
  END IF;
  RETURN QUERY
  SELECT b.start, s.provider, s.source_type, s.channel,
         CASE m.aggregate
           WHEN 'avg' THEN avg(p.value) WHEN 'sum' THEN sum(p.value)
           WHEN 'min' THEN min(p.value) WHEN 'max' THEN max(p.value)
           ELSE (array_agg(p.value ORDER BY p.ts DESC))[1] END,
         CASE m.aggregate
           WHEN 'avg' THEN avg(p.value_secondary) WHEN 'sum' THEN sum(p.value_secondary)
           WHEN 'min' THEN min(p.value_secondary) WHEN 'max' THEN max(p.value_secondary)
           ELSE (array_agg(p.value_secondary ORDER BY p.ts DESC))[1] END,
         min(p.value), max(p.value), count(*), m.unit
  FROM wearables.sample_points p
  JOIN wearables.sources s ON s.source_id = p.source_id
    AND s.provider = coalesce($7, s.provider) AND s.source_type = coalesce($8, s.source_type)
    AND s.channel = coalesce($9, s.channel)
  CROSS JOIN LATERAL (SELECT wearables.bucket_start(p.ts, width, zone)) AS b (start)
  WHERE p.user_id = $1 AND p.metric_id = m.metric_id AND p.ts >= $3 AND p.ts < $4
  GROUP BY b.start, s.source_id, s.provider, s.source_type, s.channel
  ORDER BY b.start, s.provider, s.source_type, s.channel;
END $$;
COMMENT ON FUNCTION wearables.timeseries(bigint, text, timestamptz, timestamptz, text, text, text, text, text) IS
  'a user''s metric in buckets, one row per bucket and source: hour, day, week, month or any interval, in time_zone '
  '(default: the user''s); value by the metric''s aggregate; an interval reading counts where it starts; from_ts '
  'inclusive, to_ts exclusive';

CREATE FUNCTION wearables.latest(user_id bigint)
RETURNS TABLE (metric text, ts timestamptz, value double precision, value_secondary double precision, unit text,
               provider text, source_type text, channel text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- from one metric of the user's to the next by the key: what others have named costs nothing here
  WITH RECURSIVE mine (metric_id) AS (
    (SELECT p.metric_id FROM wearables.sample_points p WHERE p.user_id = $1 ORDER BY p.metric_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.metric_id FROM wearables.sample_points p
            WHERE p.user_id = $1 AND p.metric_id > o.metric_id ORDER BY p.metric_id LIMIT 1)
    FROM mine o WHERE o.metric_id IS NOT NULL)
  SELECT m.name, p.ts, p.value, p.value_secondary, m.unit, s.provider, s.source_type, s.channel
  FROM mine o
  CROSS JOIN LATERAL (SELECT x.* FROM wearables.sample_points x
                      WHERE x.user_id = $1 AND x.metric_id = o.metric_id
                      ORDER BY x.ts DESC, x.source_id DESC LIMIT 1) p
  JOIN wearables.metrics m ON m.metric_id = o.metric_id
  JOIN wearables.sources s ON s.source_id = p.source_id
  ORDER BY m.name;
END;
COMMENT ON FUNCTION wearables.latest(bigint) IS 'the newest reading of each metric of a user; one index look a metric';
