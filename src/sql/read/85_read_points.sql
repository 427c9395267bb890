-- Charts of single readings, and what a chart says of how readings are spread.

CREATE FUNCTION wearables_internal.charted_at(
  ts timestamptz, tz_offset smallint, zone text, recorded boolean) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN tz_offset = 32767 THEN wearables.first_instant(ts AT TIME ZONE 'UTC', zone)
  WHEN recorded AND tz_offset IS NOT NULL
    THEN wearables.first_instant(ts AT TIME ZONE 'UTC' + tz_offset * interval '1 minute', zone)
  ELSE ts END;
COMMENT ON FUNCTION wearables_internal.charted_at(timestamptz, smallint, text, boolean) IS
  'The time at which a chart in this time zone shows a reading, as in timeseries().';

CREATE FUNCTION wearables_internal.downsample(
  user_id bigint, metric_ids smallint[], from_ts timestamptz, to_ts timestamptz, points integer, max_gap interval)
RETURNS TABLE (ts timestamptz, source_id smallint, value double precision, value_secondary double precision,
               is_day boolean, after_gap boolean)
LANGUAGE c STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_downsample';
COMMENT ON FUNCTION wearables_internal.downsample(
  bigint, smallint[], timestamptz, timestamptz, integer, interval) IS
  'Readings of these metrics that a chart of so many points shows, chosen for each source.';

CREATE FUNCTION wearables.timeseries_lttb(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, points integer DEFAULT 1000,
  max_gap interval DEFAULT NULL, only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL,
  only_channel text DEFAULT NULL)
RETURNS TABLE (ts timestamptz, day date, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, unit text, after_gap boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT d.ts, CASE WHEN d.is_day THEN (d.ts AT TIME ZONE 'UTC')::date END, s.provider, s.source_type, s.channel,
         d.value, d.value_secondary, q.unit, d.after_gap
  FROM wearables_internal.chart_question($1, $2, $3, $4, 'hour', 'UTC', 'timeseries_lttb') q
  CROSS JOIN LATERAL wearables_internal.downsample($1, q.family, $3, $4, $5, $6) d
  JOIN wearables.sources s ON s.source_id = d.source_id
    AND s.provider = coalesce($7, s.provider) AND s.source_type = coalesce($8, s.source_type)
    AND s.channel = coalesce($9, s.channel)
  ORDER BY d.ts, s.provider, s.source_type, s.channel;
END;
COMMENT ON FUNCTION wearables.timeseries_lttb(
  bigint, text, timestamptz, timestamptz, integer, interval, text, text, text) IS
  'Readings of one metric of a user, thinned out for a chart of so many points with the method Largest Triangle '
  'Three Buckets, which keeps peaks. Each source is thinned out by itself. Arguments: user_id: the user; metric: '
  'metrics.name, which includes sub-metrics of the same unit; from_ts: start of the range, inclusive; to_ts: end of '
  'the range, exclusive; points: readings to keep of each source, 2 to 100000; max_gap: a longer time without a '
  'reading is a gap, whose two ends are kept even if this exceeds points (null: nothing is a gap); only_provider: '
  'only this provider (null: all); only_source_type: only this source type (null: all); only_channel: only this '
  'channel (null: all). Returns readings as they are stored: ts, day (as in samples), provider, source_type, '
  'channel, value, value_secondary and unit; and after_gap, true if a chart should not connect the reading with the '
  'one before it. Example: SELECT * FROM wearables.timeseries_lttb(1, ''heartrate'', now() - interval ''7 days'', '
  'now(), 500, ''30 minutes'');';

CREATE FUNCTION wearables.timeseries_percentiles(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text DEFAULT 'day',
  fractions double precision[] DEFAULT '{0.05,0.25,0.5,0.75,0.95}', time_zone text DEFAULT NULL,
  only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL, only_channel text DEFAULT NULL)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, percentiles double precision[],
               readings bigint, unit text, partial boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT b.bucket_start, s.provider, s.source_type, s.channel, b.percentiles, b.readings, b.unit,
         b.bucket_start < $3 OR wearables.bucket_end(b.bucket_start, b.width, b.zone) > $4
  FROM (
    SELECT wearables.bucket_start(r.at, q.width, q.zone) AS bucket_start, r.source_id, q.unit, q.width, q.zone,
           percentile_cont($6) WITHIN GROUP (ORDER BY r.value) AS percentiles, count(*) AS readings
    FROM wearables_internal.chart_question($1, $2, $3, $4, $5, $7, 'timeseries_percentiles') q
    CROSS JOIN LATERAL (
      SELECT wearables_internal.charted_at(p.ts, p.tz_offset, q.zone, q.recorded) AS at, p.source_id, p.value
      FROM wearables.sample_points p
      WHERE p.user_id = $1 AND p.metric_id = ANY (q.family) AND p.ts >= q.scan_from AND p.ts < q.scan_to) r
    WHERE r.at >= $3 AND r.at < $4
    GROUP BY 1, r.source_id, q.unit, q.width, q.zone) b
  JOIN wearables.sources s ON s.source_id = b.source_id
    AND s.provider = coalesce($8, s.provider) AND s.source_type = coalesce($9, s.source_type)
    AND s.channel = coalesce($10, s.channel)
  ORDER BY b.bucket_start, s.provider, s.source_type, s.channel;
END;
COMMENT ON FUNCTION wearables.timeseries_percentiles(
  bigint, text, timestamptz, timestamptz, text, double precision[], text, text, text, text) IS
  'Percentiles of the readings of one metric of a user, one row for each bucket and source. Arguments: user_id: the '
  'user; metric: metrics.name, which includes sub-metrics of the same unit; from_ts: start of the range, inclusive; '
  'to_ts: end of the range, exclusive; bucket: minute, hour, day, week, month, quarter, year, or an interval as in '
  'bucket_start(); fractions: which percentiles, 0 to 1, where 0.5 is the median; time_zone: as in timeseries(); '
  'only_provider: only this provider (null: all); only_source_type: only this source type (null: all); only_channel: '
  'only this channel (null: all). Returns bucket_start; provider, source_type and channel; percentiles in the order of '
  'fractions, interpolated between readings as percentile_cont() does; readings, their number; unit; and partial, true '
  'if the range cuts the bucket. Example: SELECT * FROM wearables.timeseries_percentiles(1, ''heartrate'', now() - '
  'interval ''7 days'', now(), ''day'');';

CREATE FUNCTION wearables_internal.checked_bounds(bounds double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- width_bucket() halves the list until it has found a place, and would count in a wrong one
  IF $1 IS NULL OR ARRAY(SELECT b FROM unnest($1) b) <> ARRAY(SELECT b FROM unnest($1) b ORDER BY b) THEN
    RAISE EXCEPTION 'bounds must be in ascending order'
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the values between which to count, such as {60,100,140}.';
  END IF;
  RETURN $1;
END $$;
COMMENT ON FUNCTION wearables_internal.checked_bounds(double precision[]) IS
  'Raises invalid_parameter_value if the bounds of a histogram are null or not in ascending order. Returns them.';

CREATE FUNCTION wearables.timeseries_histogram(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bounds double precision[],
  bucket text DEFAULT 'day', time_zone text DEFAULT NULL, only_provider text DEFAULT NULL,
  only_source_type text DEFAULT NULL, only_channel text DEFAULT NULL)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, counts bigint[],
               readings bigint, unit text, partial boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT b.bucket_start, s.provider, s.source_type, s.channel,
         (SELECT array_agg(coalesce(f.count, 0) ORDER BY n.bin)
          FROM generate_series(0, cardinality(b.bounds)) n (bin)
          LEFT JOIN unnest(b.bins, b.counts) f (bin, count) ON f.bin = n.bin),
         b.readings, b.unit, b.bucket_start < $3 OR wearables.bucket_end(b.bucket_start, b.width, b.zone) > $4
  FROM (
    SELECT f.bucket_start, f.source_id, f.unit, f.width, f.zone, f.bounds, array_agg(f.bin) AS bins,
           array_agg(f.count) AS counts, sum(f.count)::bigint AS readings
    FROM (
      SELECT wearables.bucket_start(r.at, q.width, q.zone) AS bucket_start, r.source_id, q.unit, q.width, q.zone,
             c.bounds, width_bucket(r.value, c.bounds) AS bin, count(*) AS count
      FROM wearables_internal.chart_question($1, $2, $3, $4, $6, $7, 'timeseries_histogram') q
      CROSS JOIN LATERAL wearables_internal.checked_bounds($5) c (bounds)
      CROSS JOIN LATERAL (
        SELECT wearables_internal.charted_at(p.ts, p.tz_offset, q.zone, q.recorded) AS at, p.source_id, p.value
        FROM wearables.sample_points p
        WHERE p.user_id = $1 AND p.metric_id = ANY (q.family) AND p.ts >= q.scan_from AND p.ts < q.scan_to) r
      WHERE r.at >= $3 AND r.at < $4
      GROUP BY 1, r.source_id, q.unit, q.width, q.zone, c.bounds, bin) f
    GROUP BY f.bucket_start, f.source_id, f.unit, f.width, f.zone, f.bounds) b
  JOIN wearables.sources s ON s.source_id = b.source_id
    AND s.provider = coalesce($8, s.provider) AND s.source_type = coalesce($9, s.source_type)
    AND s.channel = coalesce($10, s.channel)
  ORDER BY b.bucket_start, s.provider, s.source_type, s.channel;
END;
COMMENT ON FUNCTION wearables.timeseries_histogram(
  bigint, text, timestamptz, timestamptz, double precision[], text, text, text, text, text) IS
  'How many readings of one metric of a user lie between given values, such as the limits of heart rate zones, one row '
  'for each bucket and source. Arguments: user_id: the user; metric: metrics.name, which includes sub-metrics of the '
  'same unit; from_ts: start of the range, inclusive; to_ts: end of the range, exclusive; bounds: the values in '
  'ascending order; bucket: minute, hour, day, week, month, quarter, year, or an interval as in bucket_start(); '
  'time_zone: as in timeseries(); only_provider: only this provider (null: all); only_source_type: only this source '
  'type (null: all); only_channel: only this channel (null: all). Returns bucket_start; provider, source_type and '
  'channel; counts, the readings below the first bound, from each bound to before the next, and from the last bound '
  'upwards; readings, their sum; unit; and partial, true if the range cuts the bucket. Raises invalid_parameter_value '
  'for bounds in another order. Example: SELECT * FROM wearables.timeseries_histogram(1, ''heartrate'', now() - '
  'interval ''7 days'', now(), ''{60,100,140}'');';

CREATE FUNCTION wearables_internal.checked_gap(max_gap interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF $1 < '0' THEN
    RAISE EXCEPTION 'max_gap must not be negative'
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a length of time, such as 10 minutes.';
  END IF;
  -- a day that is added to a time is one of the session's time zone, which may have 23 hours
  RETURN extract(epoch FROM $1)::double precision * interval '1 second';
END $$;
COMMENT ON FUNCTION wearables_internal.checked_gap(interval) IS
  'The same length of time in hours, minutes and seconds alone: a day has 24 hours, a month 30 days. Raises '
  'invalid_parameter_value if it is negative.';

CREATE FUNCTION wearables.timeseries_time_weighted(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, bucket text DEFAULT 'hour',
  max_gap interval DEFAULT '10 minutes', time_zone text DEFAULT NULL, only_provider text DEFAULT NULL,
  only_source_type text DEFAULT NULL, only_channel text DEFAULT NULL)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               covered interval, unit text, partial boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH q AS MATERIALIZED (
    -- a reading counts where it is true, so its recorded local time says nothing
    SELECT c.*, g.gap
    FROM wearables_internal.chart_question(
      $1, $2, $3, $4, $5, nullif($7, 'recorded'), 'timeseries_time_weighted') c
    CROSS JOIN LATERAL wearables_internal.checked_gap($6) g (gap)),
  held AS (
    SELECT p.source_id, p.value, greatest(p.ts, $3) AS start,
           least(coalesce(p.ts_end, p.ts + q.gap),
                 lead(p.ts) OVER (PARTITION BY p.source_id ORDER BY p.ts, p.metric_id, p.part), $4) AS finish
    FROM q JOIN wearables.sample_points p ON p.user_id = $1 AND p.metric_id = ANY (q.family)
      AND p.ts >= $3 - greatest(q.gap, interval '24 hours') AND p.ts < $4
      AND p.tz_offset IS DISTINCT FROM 32767::smallint),
  piece AS (
    SELECT h.source_id, h.value, x.start, x.finish, x.bucket_start, x.bucket_end
    FROM q CROSS JOIN held h
    CROSS JOIN LATERAL (
      SELECT h.start, h.finish, wearables.bucket_start(h.start, q.width, q.zone) AS bucket_start,
             wearables.bucket_end(h.start, q.width, q.zone) AS bucket_end) x
    WHERE h.finish > h.start),
  split AS (
    SELECT p.source_id, p.value, p.start, p.finish, p.bucket_start, p.bucket_end FROM piece p
    WHERE p.finish <= p.bucket_end
    UNION ALL
    SELECT p.source_id, p.value, y.start, least(p.finish, y.bucket_end), y.bucket_start, y.bucket_end
    FROM q CROSS JOIN piece p
    CROSS JOIN LATERAL (
      WITH RECURSIVE step (start, bucket_start, bucket_end) AS (
        SELECT p.start, p.bucket_start, p.bucket_end
        UNION ALL
        SELECT s.bucket_end, s.bucket_end, wearables.bucket_end(s.bucket_end, q.width, q.zone)
        FROM step s WHERE s.bucket_end < p.finish)
      SELECT s.start, s.bucket_start, s.bucket_end FROM step s) y
    WHERE p.finish > p.bucket_end),
  line AS (
    SELECT p.bucket_start, p.bucket_end, p.source_id,
           sum(p.value * extract(epoch FROM p.finish - p.start)::double precision)
             / sum(extract(epoch FROM p.finish - p.start)::double precision) AS value,
           sum(p.finish - p.start) AS covered
    FROM split p GROUP BY p.bucket_start, p.bucket_end, p.source_id)
  SELECT l.bucket_start, s.provider, s.source_type, s.channel, l.value, l.covered, q.unit,
         l.bucket_start < $3 OR l.bucket_end > $4
  FROM q CROSS JOIN line l
  JOIN wearables.sources s ON s.source_id = l.source_id
    AND s.provider = coalesce($8, s.provider) AND s.source_type = coalesce($9, s.source_type)
    AND s.channel = coalesce($10, s.channel)
  ORDER BY l.bucket_start, s.provider, s.source_type, s.channel;
END;
COMMENT ON FUNCTION wearables.timeseries_time_weighted(
  bigint, text, timestamptz, timestamptz, text, interval, text, text, text, text) IS
  'Time-weighted averages of one metric of a user, and how long it was measured, one row for each bucket and source. A '
  'reading holds until its own end (ts_end) or, if it has none, for max_gap, but not longer than until the next '
  'reading of its source. So many readings within one minute weigh no more than one, and a time without readings '
  'weighs nothing. Arguments: user_id: the user; metric: metrics.name, which includes sub-metrics of the same unit; '
  'from_ts: start of the range, inclusive; to_ts: end of the range, exclusive; bucket: minute, hour, day, week, month, '
  'quarter, year, or an interval as in bucket_start(); max_gap: how long a reading without an end holds at most (null: '
  'until the next one); time_zone: an IANA region or ISO offset (null: that of the user); only_provider: only this '
  'provider (null: all); only_source_type: only this source type (null: all); only_channel: only this channel (null: '
  'all). Returns bucket_start; provider, source_type and channel; value; covered, how much of the bucket was measured, '
  'which for a metric that is measured continuously is how long the device was worn; unit; and partial, true if the '
  'range cuts the bucket. Readings of a calendar day are left out, and those that begin more than 24 hours before the '
  'range, or than max_gap if that is longer. Raises invalid_parameter_value for a negative max_gap. Example: SELECT * '
  'FROM wearables.timeseries_time_weighted(1, ''heartrate'', now() - interval ''1 day'', now(), ''hour'', ''5 '
  'minutes'');';

CREATE FUNCTION wearables_internal.page_key(
  key text, OUT metric_id smallint, OUT ts timestamptz, OUT source_id smallint, OUT part smallint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  least_number CONSTANT smallint := -32768;
  parts CONSTANT text[] := regexp_match($1, '^([0-9]{1,5})[.](-?[0-9]{1,16})[.]([0-9]{1,5})[.](-?[0-9]{1,5})$');
BEGIN
  IF $1 IS NULL THEN
    metric_id := least_number; ts := '-infinity'; source_id := least_number; part := least_number;
    RETURN;
  END IF;
  IF parts IS NULL THEN RAISE data_exception; END IF;
  metric_id := parts[1];
  ts := timestamptz 'epoch' + parts[2]::bigint * interval '1 microsecond';
  source_id := parts[3];
  part := parts[4];
EXCEPTION WHEN data_exception THEN
  RAISE EXCEPTION 'invalid key of a page'
    USING ERRCODE = 'invalid_parameter_value',
          HINT = 'Give the column key of the last row of the page before, or null for the first page.';
END $$;
COMMENT ON FUNCTION wearables_internal.page_key(text) IS
  'The reading that a key of samples_page() stands for. Null: one before all others.';

CREATE FUNCTION wearables_internal.checked_page_size(most integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_rows CONSTANT integer := 100000;
BEGIN
  -- a shorter page than was asked for would be taken for the last one
  IF $1 IS NULL OR $1 NOT BETWEEN 1 AND most_rows THEN
    RAISE EXCEPTION 'invalid number of rows %', $1
      USING ERRCODE = 'invalid_parameter_value', HINT = format('Give a number from 1 to %s.', most_rows);
  END IF;
  RETURN $1;
END $$;
COMMENT ON FUNCTION wearables_internal.checked_page_size(integer) IS
  'Raises invalid_parameter_value unless a page of samples_page() may have so many rows. Returns their number.';

CREATE FUNCTION wearables.samples_page(
  user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, after text DEFAULT NULL,
  most integer DEFAULT 1000)
RETURNS TABLE (key text, name text, ts timestamptz, day date, provider text, source_type text, channel text,
               value double precision, value_secondary double precision, unit text, ts_end timestamptz,
               tz_offset smallint, part smallint)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT concat_ws('.', p.metric_id, (extract(epoch FROM p.ts) * 1000000)::bigint, p.source_id, p.part),
         m.name, p.ts, CASE p.tz_offset WHEN 32767 THEN (p.ts AT TIME ZONE 'UTC')::date END, s.provider, s.source_type,
         s.channel, p.value, p.value_secondary, m.unit, p.ts_end, nullif(p.tz_offset, 32767::smallint), p.part
  FROM wearables_internal.chart_question($1, $2, $3, $4, 'hour', 'UTC', 'samples_page') q
  CROSS JOIN LATERAL wearables_internal.page_key($5) k
  CROSS JOIN LATERAL unnest(q.family) f (metric_id)
  CROSS JOIN LATERAL (
    SELECT x.* FROM wearables.sample_points x
    WHERE x.user_id = $1 AND x.metric_id = f.metric_id AND x.ts >= $3 AND x.ts < $4
      AND (x.metric_id, x.ts, x.source_id, x.part) > (k.metric_id, k.ts, k.source_id, k.part)
    ORDER BY x.ts, x.source_id, x.part
    LIMIT wearables_internal.checked_page_size($6)) p
  JOIN wearables.metrics m ON m.metric_id = p.metric_id
  JOIN wearables.sources s ON s.source_id = p.source_id
  WHERE f.metric_id >= k.metric_id
  ORDER BY p.metric_id, p.ts, p.source_id, p.part
  LIMIT wearables_internal.checked_page_size($6);
END;
COMMENT ON FUNCTION wearables.samples_page(bigint, text, timestamptz, timestamptz, text, integer) IS
  'Single readings of one metric of a user, page by page. A page costs what its own rows cost, however far on it is. '
  'Arguments: user_id: the user; metric: metrics.name, which includes sub-metrics of the same unit; from_ts: start of '
  'the range, inclusive; to_ts: end of the range, exclusive; after: the column key of the last row of the page before '
  '(null: the first page); most: how many rows at most, 1 to 100000. Returns readings as they are stored, one metric '
  'after the other, each in order of time: key; name, which is metrics.name; the other columns as in samples. A page '
  'with fewer rows than most is the last one. A reading that is written before the key while you page is not '
  'returned. Raises invalid_parameter_value for a text that is no key, and for another number of rows. Example: SELECT '
  'key, ts, value FROM wearables.samples_page(1, ''heartrate'', now() - interval ''30 days'', now(), NULL, 5000);';
