-- What the library does for a chart, once more in SQL and PL/pgSQL: a subscriber has no library (86_subscriber.sql).
-- Nothing here calls these functions. subscriber_ddl() prints them, plain_chart() as wearables_internal.chart() and so
-- on. Tests compare them with the library's in every time zone (sql/publish.sql) and in another server
-- (test/tap/034_managed.pl).
--
-- SQL cannot ask for the next change of a zone's clocks. It can ask for the offset at two times. Of all zones of the
-- time zone database the two changes that lie closest are 95 hours apart, so where the offsets at both ends of a
-- shorter time are equal, there is no change between them, and else there is one.

CREATE FUNCTION wearables_internal.plain_refuse_zone(zone text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'time zone "%" is not recognized', left($1, 64)
    USING ERRCODE = 'invalid_parameter_value',
          HINT = 'Give a region such as Europe/Berlin (see pg_timezone_names), or an offset east of UTC such as '
                 '+02:00.';
END $$;
COMMENT ON FUNCTION wearables_internal.plain_refuse_zone(text) IS 'Raises the error of a time zone that is none.';

CREATE FUNCTION wearables_internal.plain_rules(zone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN zone ~ '^[A-Za-z]+(/[A-Za-z_-]+)+$' AND zone !~* '^(posix|right)/' THEN zone
  WHEN zone ~* '^etc/gmt[+-]?[0-9]{1,2}$' THEN zone
  WHEN lower(zone) IN ('utc', 'gmt', 'z') THEN 'UTC'
  -- AT TIME ZONE would count +02:00 west of UTC
  WHEN zone ~ '^[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?$' OR zone ~ '^[+-]18(:?00)?$' THEN
    format('<UTC>%s%s:%s', CASE left(zone, 1) WHEN '+' THEN '-' ELSE '+' END, substr(zone, 2, 2),
           coalesce(nullif(right(replace(zone, ':', ''), -3), ''), '00'))
  -- the regions without a slash; other words are abbreviations
  WHEN lower(zone) IN (
    'cuba', 'egypt', 'eire', 'gb-eire', 'greenwich', 'hongkong', 'iceland', 'iran', 'israel', 'jamaica', 'japan',
    'kwajalein', 'libya', 'navajo', 'poland', 'portugal', 'singapore', 'turkey', 'universal', 'zulu') THEN zone
  ELSE wearables_internal.plain_refuse_zone(zone) END;
COMMENT ON FUNCTION wearables_internal.plain_rules(text) IS
  'What AT TIME ZONE takes for a time zone: an IANA region or ISO offset. Raises invalid_parameter_value for anything '
  'else.';

CREATE FUNCTION wearables_internal.plain_note_access(function text, user_id bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN true;
COMMENT ON FUNCTION wearables_internal.plain_note_access(text, bigint) IS
  'Notes nothing: a subscriber has no shared memory of the library.';

CREATE FUNCTION wearables_internal.plain_offset(ts timestamptz, rules text) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ts AT TIME ZONE rules - ts AT TIME ZONE 'UTC';
COMMENT ON FUNCTION wearables_internal.plain_offset(timestamptz, text) IS
  'What clocks show more than those of UTC at a time.';

CREATE FUNCTION wearables_internal.plain_change(from_ts timestamptz, to_ts timestamptz, rules text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  former CONSTANT interval := wearables_internal.plain_offset($1, $3);
  before bigint := floor(extract(epoch FROM $1));
  changed bigint := ceil(extract(epoch FROM $2));
  middle bigint;
BEGIN
  -- clocks change at whole seconds
  WHILE changed - before > 1 LOOP
    middle := (before + changed) / 2;
    IF wearables_internal.plain_offset(to_timestamp(middle), $3) = former THEN
      before := middle;
    ELSE
      changed := middle;
    END IF;
  END LOOP;
  RETURN to_timestamp(changed);
END $$;
COMMENT ON FUNCTION wearables_internal.plain_change(timestamptz, timestamptz, text) IS
  'When clocks change between two times at which their offsets differ.';

CREATE FUNCTION wearables_internal.plain_first_instant(wall_clock timestamp, zone text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- farther than clocks of any zone are from UTC
  far_from_utc CONSTANT interval := '26 hours';
  rules CONSTANT text := wearables_internal.plain_rules($2);
  before interval;
  after interval;
  early timestamptz;
  late timestamptz;
BEGIN
  IF NOT isfinite($1) THEN RETURN $1 AT TIME ZONE 'UTC'; END IF;
  before := wearables_internal.plain_offset(($1 - far_from_utc) AT TIME ZONE 'UTC', rules);
  after := wearables_internal.plain_offset(($1 + far_from_utc) AT TIME ZONE 'UTC', rules);
  early := ($1 - before) AT TIME ZONE 'UTC';
  IF before = after OR wearables_internal.plain_offset(early, rules) = before THEN RETURN early; END IF;
  late := ($1 - after) AT TIME ZONE 'UTC';
  IF wearables_internal.plain_offset(late, rules) = after THEN RETURN late; END IF;
  -- clocks step over it
  RETURN wearables_internal.plain_change(late, early, rules);
END $$;
COMMENT ON FUNCTION wearables_internal.plain_first_instant(timestamp, text) IS 'first_instant() without the library.';

CREATE FUNCTION wearables_internal.plain_day_of(ts timestamptz, zone text) RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  next date;
BEGIN
  IF NOT isfinite($1) THEN RETURN ($1 AT TIME ZONE 'UTC')::date; END IF;
  next := ($1 AT TIME ZONE wearables_internal.plain_rules($2))::date + 1;
  -- after a step back across midnight the next day has begun
  RETURN CASE WHEN wearables_internal.plain_first_instant(next, $2) <= $1 THEN next ELSE next - 1 END;
END $$;
COMMENT ON FUNCTION wearables_internal.plain_day_of(timestamptz, text) IS 'day_of() without the library.';

CREATE FUNCTION wearables_internal.plain_width(
  width interval, OUT months integer, OUT days integer, OUT clock interval)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  seconds_of_day CONSTANT numeric := 86400;
  most_days CONSTANT numeric := 36525;
  seconds CONSTANT numeric := extract(day FROM $1) * seconds_of_day + extract(hour FROM $1) * 3600
                              + extract(minute FROM $1) * 60 + extract(second FROM $1);
  valid boolean := false;
BEGIN
  months := extract(year FROM $1) * 12 + extract(month FROM $1);
  IF months <> 0 THEN
    valid := months > 0 AND 12 % months = 0 AND extract(day FROM $1) = 0 AND seconds = 0;
  ELSIF seconds > 0 AND seconds <= most_days * seconds_of_day THEN
    IF seconds % seconds_of_day = 0 THEN
      valid := true;
      days := seconds / seconds_of_day;
    ELSE
      valid := seconds_of_day % seconds = 0;
      clock := interval '1 microsecond' * (seconds * 1000000)::double precision;
    END IF;
  END IF;
  IF NOT valid THEN
    RAISE EXCEPTION 'bucket width "%" is not possible', $1
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give a width that divides a day (15 minutes, 6 hours), whole days (24 hours are one), weeks, or '
                   'months that divide a year.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.plain_width(interval) IS
  'The width of a bucket in months, days or hours of a clock. Raises invalid_parameter_value for one of which no '
  'buckets are made.';

CREATE FUNCTION wearables_internal.plain_first_day(day date, months integer, days integer) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN months > 0 THEN
    date_trunc('year', day::timestamp)
    + make_interval(months => (extract(month FROM day)::integer - 1) / months * months)
  -- days are counted from a Monday
  ELSE (day - ((day - date '2001-01-01') % days + days) % days)::timestamp END;
COMMENT ON FUNCTION wearables_internal.plain_first_day(date, integer, integer) IS
  'The first day of the bucket of a day, as a wall-clock time.';

-- To compile the query would take a hundred times longer than to run it.
CREATE FUNCTION wearables_internal.plain_bucket_starts(
  from_ts timestamptz, to_ts timestamptz, width interval, zone text) RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
  most_buckets CONSTANT integer := 10000000;
  -- the longest bucket of hours: half a day of a clock that steps back by a day
  margin CONSTANT interval := '48 hours';
  -- shorter than the time between two changes of any zone's clocks
  look CONSTANT interval := '72 hours';
  origin CONSTANT timestamp := '2000-01-01';
  rules CONSTANT text := wearables_internal.plain_rules($4);
  w CONSTANT record := wearables_internal.plain_width($3);
  step CONSTANT interval := coalesce(w.clock, make_interval(months => w.months, days => coalesce(w.days, 0)));
  starts timestamptz[];
BEGIN
  IF extract(epoch FROM $2 - $1) / extract(epoch FROM step) > most_buckets THEN
    RAISE EXCEPTION 'the chart would have more than % buckets', most_buckets
      USING ERRCODE = 'program_limit_exceeded', HINT = 'Give a shorter range, or longer buckets.';
  END IF;
  IF w.clock IS NULL THEN
    RETURN ARRAY(
      SELECT DISTINCT wearables_internal.plain_first_instant(d, $4) AS start
      FROM generate_series(
        wearables_internal.plain_first_day(wearables_internal.plain_day_of($1, $4), w.months, w.days),
        wearables_internal.plain_day_of($2, $4)::timestamp + step, step) d
      ORDER BY start);
  END IF;
  WITH looked AS (
    SELECT t AS ts, lag(t) OVER (ORDER BY t) AS former_ts, wearables_internal.plain_offset(t, rules) AS shift,
           lag(wearables_internal.plain_offset(t, rules)) OVER (ORDER BY t) AS former_shift
    FROM generate_series($1 - margin, $2 + margin + look, look) t),
  span AS (
    SELECT x.start, lead(x.start, 1, 'infinity') OVER (ORDER BY x.start) AS finish, x.shift, x.former_shift
    FROM (SELECT CASE WHEN l.former_ts IS NULL THEN l.ts
                      ELSE wearables_internal.plain_change(l.former_ts, l.ts, rules) END AS start,
                 l.shift, coalesce(l.former_shift, l.shift) AS former_shift
          FROM looked l WHERE l.former_shift IS DISTINCT FROM l.shift) x),
  -- wall-clock times of each span
  shown AS (
    SELECT s.start AS began, s.shift, s.former_shift, s.start AT TIME ZONE 'UTC' + s.shift AS start,
           least(s.finish, $2 + margin) AT TIME ZONE 'UTC' + s.shift AS finish
    FROM span s)
  SELECT array_agg(b.start ORDER BY b.start) INTO starts
  FROM (SELECT (t - s.shift) AT TIME ZONE 'UTC' AS start
        FROM shown s CROSS JOIN LATERAL generate_series(
          date_bin(w.clock, s.start - interval '1 us', origin) + w.clock, s.finish - interval '1 us', w.clock) t
        UNION
        -- clocks step over a multiple of the width
        SELECT s.began FROM shown s
        WHERE s.shift > s.former_shift
          AND date_bin(w.clock, s.start, origin) >= s.start - s.shift + s.former_shift) b;
  RETURN starts;
END $$;
COMMENT ON FUNCTION wearables_internal.plain_bucket_starts(timestamptz, timestamptz, interval, text) IS
  'Where buckets begin, in ascending order: from the bucket of one time to the one after that of another.';

CREATE FUNCTION wearables_internal.plain_bucket(
  ts timestamptz, width interval, zone text, OUT start timestamptz, OUT finish timestamptz)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- longer than a bucket of hours where clocks do not change
  margin CONSTANT interval := '26 hours';
  rules CONSTANT text := wearables_internal.plain_rules($3);
  w CONSTANT record := wearables_internal.plain_width($2);
  shift interval;
  first timestamp;
  starts timestamptz[];
BEGIN
  IF NOT isfinite($1) THEN
    start := $1;
    finish := $1;
  ELSIF w.clock IS NULL THEN
    first := wearables_internal.plain_first_day(wearables_internal.plain_day_of($1, $3), w.months, w.days);
    start := wearables_internal.plain_first_instant(first, $3);
    finish := wearables_internal.plain_first_instant(
      first + make_interval(months => w.months, days => coalesce(w.days, 0)), $3);
  ELSE
    shift := wearables_internal.plain_offset($1 - margin, rules);
    IF shift = wearables_internal.plain_offset($1 + margin, rules) THEN
      start := (date_bin(w.clock, $1 AT TIME ZONE 'UTC' + shift, timestamp '2000-01-01') - shift) AT TIME ZONE 'UTC';
      finish := start + w.clock;
    ELSE
      starts := wearables_internal.plain_bucket_starts($1, $1, $2, $3);
      start := starts[width_bucket($1, starts)];
      finish := starts[width_bucket($1, starts) + 1];
    END IF;
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.plain_bucket(timestamptz, interval, text) IS 'The bucket of a time.';

CREATE FUNCTION wearables_internal.plain_bucket_start(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (wearables_internal.plain_bucket(ts, width, zone)).start;
COMMENT ON FUNCTION wearables_internal.plain_bucket_start(timestamptz, interval, text) IS
  'bucket_start() without the library.';

CREATE FUNCTION wearables_internal.plain_bucket_end(ts timestamptz, width interval, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (wearables_internal.plain_bucket(ts, width, zone)).finish;
COMMENT ON FUNCTION wearables_internal.plain_bucket_end(timestamptz, interval, text) IS
  'bucket_end() without the library.';

-- To place each reading by arithmetic with its zone would take longer than all the rest. So the buckets are made once,
-- and a reading is placed by a binary search. Rollups are packed for the library, so every sample is read.
CREATE FUNCTION wearables_internal.plain_chart(
  user_id bigint, metric_ids smallint[], aggregate text, bounds timestamptz[], width interval, zone text,
  recorded boolean, without_days boolean)
RETURNS TABLE (bucket_start timestamptz, source_id smallint, value double precision, value_secondary double precision,
               lowest double precision, highest double precision, readings bigint, partial boolean,
               secondary_readings bigint, last_at timestamptz)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  -- farther than a reading is charted from where it is stored
  margin CONSTANT interval := '48 hours';
  first timestamptz;
  last timestamptz;
  starts timestamptz[];
BEGIN
  -- each end by the key; a chart of few readings over many years has few buckets
  SELECT min(e.first), max(e.last) INTO first, last
  FROM unnest($2) m (metric_id)
  CROSS JOIN LATERAL (
    SELECT (SELECT p.ts FROM wearables.sample_points p
            WHERE p.user_id = $1 AND p.metric_id = m.metric_id AND p.ts >= $4[3] AND p.ts < $4[4]
            ORDER BY p.ts LIMIT 1) AS first,
           (SELECT p.ts FROM wearables.sample_points p
            WHERE p.user_id = $1 AND p.metric_id = m.metric_id AND p.ts >= $4[3] AND p.ts < $4[4]
            ORDER BY p.ts DESC LIMIT 1) AS last) e;
  IF first IS NULL THEN RETURN; END IF;
  starts := wearables_internal.plain_bucket_starts(
    greatest($4[1], first - margin), least($4[2], last + margin), $5, $6);
  RETURN QUERY
  SELECT starts[b.place], b.source_id,
         CASE $3 WHEN 'avg' THEN b.total / b.readings WHEN 'sum' THEN b.total
                 WHEN 'min' THEN b.lowest WHEN 'max' THEN b.highest ELSE b.last_values[1] END,
         CASE $3 WHEN 'avg' THEN b.total_secondary / b.secondary_readings WHEN 'sum' THEN b.total_secondary
                 WHEN 'min' THEN b.lowest_secondary WHEN 'max' THEN b.highest_secondary
                 ELSE b.last_secondaries[1] END,
         b.lowest, b.highest, b.readings, starts[b.place] < $4[1] OR starts[b.place + 1] > $4[2],
         b.secondary_readings, b.last_at
  FROM (
    SELECT width_bucket(r.at, starts) AS place, r.source_id, count(*) AS readings, max(r.at) AS last_at,
           sum(r.value) AS total, min(r.value) AS lowest, max(r.value) AS highest,
           count(r.value_secondary) AS secondary_readings, sum(r.value_secondary) AS total_secondary,
           min(r.value_secondary) AS lowest_secondary, max(r.value_secondary) AS highest_secondary,
           -- as rows of one instant are told apart everywhere
           array_agg(r.value ORDER BY r.at DESC, r.ts DESC, r.version DESC, r.part, r.metric_id)
             FILTER (WHERE $3 = 'last') AS last_values,
           array_agg(r.value_secondary ORDER BY r.at DESC, r.ts DESC, r.version DESC, r.part, r.metric_id)
             FILTER (WHERE $3 = 'last') AS last_secondaries
    FROM (
      SELECT CASE WHEN p.tz_offset IS NULL OR p.tz_offset <> 32767 AND NOT $7 THEN p.ts
                  ELSE wearables_internal.charted_at(p.ts, p.tz_offset, $6, $7) END AS at,
             p.ts, p.source_id, p.metric_id, p.part, p.version, p.value, p.value_secondary
      FROM wearables.sample_points p
      WHERE p.user_id = $1 AND p.metric_id = ANY ($2) AND p.ts >= $4[3] AND p.ts < $4[4]
        AND NOT ($8 AND p.tz_offset IS NOT DISTINCT FROM 32767::smallint)) r
    WHERE r.at >= $4[1] AND r.at < $4[2]
    GROUP BY place, r.source_id) b;
END $$;
COMMENT ON FUNCTION
  wearables_internal.plain_chart(bigint, smallint[], text, timestamptz[], interval, text, boolean, boolean) IS
  'chart() without the library.';
