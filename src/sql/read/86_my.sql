-- What one person reads and asks for, through an HTTP proxy that has verified their token: functions for the kind self,
-- which has no right on any table. Definer: they take no user, so there is none but the one of the claims to read, and
-- nothing that a caller filters by is evaluated within them. Every failure to find that person ends in one and the same
-- error, so that nobody learns who is registered.

CREATE FUNCTION wearables_internal.claiming_user() RETURNS wearables.users
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person wearables.users;
BEGIN
  SELECT u.* INTO person FROM wearables.users u WHERE u.user_id = wearables_internal.claimed_user();
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the request names no registered user'
      USING ERRCODE = 'invalid_authorization_specification',
            DETAIL = 'The user is taken from the claims of the token.';
  END IF;
  RETURN person;
END $$;
COMMENT ON FUNCTION wearables_internal.claiming_user() IS
  'The user whom the request claims. Raises the same error whether nobody is claimed or nobody is registered.';

CREATE FUNCTION wearables_internal.read_bound(bound text, zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_shown CONSTANT integer := 40;  -- characters of what is wrong
BEGIN
  IF $1 ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
    RETURN wearables.first_instant($1::date::timestamp, $2);
  ELSIF $1 ~* ('^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?'
               || '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$') THEN
    RETURN $1::timestamptz;
  END IF;
  RAISE EXCEPTION 'invalid date or time "%"', left($1, most_shown)
    USING ERRCODE = 'invalid_datetime_format',
          HINT = 'Give a date such as 2026-03-29, or a time with its offset such as 2026-03-29T08:00:00+02:00. In a '
                 'URL, write + as %2B.';
END $$;
COMMENT ON FUNCTION wearables_internal.read_bound(text, text) IS
  'A bound of a range: the start of a date in the time zone, or an ISO 8601 time with its offset. Raises '
  'invalid_datetime_format for anything else.';

CREATE FUNCTION wearables_internal.read_day(day text) RETURNS date
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_shown CONSTANT integer := 40;
BEGIN
  IF $1 ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
    RETURN $1::date;
  END IF;
  RAISE EXCEPTION 'invalid date "%"', left($1, most_shown)
    USING ERRCODE = 'invalid_datetime_format', HINT = 'Give a date such as 2026-03-29.';
END $$;
COMMENT ON FUNCTION wearables_internal.read_day(text) IS 'A date. Raises invalid_datetime_format for anything else.';

-- A name that a field of somebody's body has added exists for those alone who have readings of it.
CREATE FUNCTION wearables_internal.check_own_metric(user_id bigint, metric text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM wearables.metrics m
    WHERE m.name = $2
      AND (m.origin <> 'extended'
           OR EXISTS (SELECT FROM wearables.sample_points p WHERE p.user_id = $1 AND p.metric_id = m.metric_id))) THEN
    RAISE EXCEPTION 'metric "%" does not exist', $2
      USING ERRCODE = 'undefined_object', HINT = 'my_latest() shows the metrics of the user.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.check_own_metric(bigint, text) IS
  'Raises undefined_object for a metric that does not exist, and for one that was added automatically if the user has '
  'no readings of it.';

CREATE FUNCTION wearables_api.my_timeseries(
  metric text, from_time text, to_time text, bucket text DEFAULT 'hour', time_zone text DEFAULT NULL,
  only_provider text DEFAULT NULL, only_source_type text DEFAULT NULL, only_channel text DEFAULT NULL,
  merge text DEFAULT 'all')
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value double precision,
               value_secondary double precision, lowest double precision, highest double precision, readings bigint,
               unit text, partial boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT wearables.users := wearables_internal.claiming_user();
  zone CONSTANT text := coalesce(nullif($5, 'recorded'), person.time_zone);
BEGIN
  PERFORM wearables_internal.check_own_metric(person.user_id, $1);
  RETURN QUERY
  SELECT t.* FROM wearables.timeseries(
    person.user_id, $1, wearables_internal.read_bound($2, zone), wearables_internal.read_bound($3, zone),
    $4, $5, $6, $7, $8, $9) t;
END $$;
COMMENT ON FUNCTION wearables_api.my_timeseries(text, text, text, text, text, text, text, text, text) IS
  'For PostgREST: wearables.timeseries() of the user of the token. Arguments: metric: metrics.name; from_time: start '
  'of the range, inclusive: a date, which is the day in the time zone of the chart, or an ISO 8601 time with its '
  'offset; to_time: end of the range, exclusive, in the same forms; bucket: minute, hour, day, week, month, quarter, '
  'year, or an interval; time_zone: an IANA region or ISO offset (null: that of the user), or recorded; only_provider: '
  'only this provider (null: all); only_source_type: only this source type (null: all); only_channel: only this '
  'channel (null: all); merge: all (a row for each source), best or blend (one row for each bucket), as in '
  'timeseries(). Raises invalid_authorization_specification if the token names no registered user, '
  'invalid_datetime_format for another form of time. Example: SELECT * FROM wearables_api.my_timeseries(''heartrate'', '
  '''2026-03-29'', ''2026-03-30'');';

CREATE FUNCTION wearables_api.my_latest()
RETURNS TABLE (metric text, ts timestamptz, day date, value double precision, value_secondary double precision,
               unit text, provider text, source_type text, channel text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT wearables.users := wearables_internal.claiming_user();
BEGIN
  RETURN QUERY SELECT l.* FROM wearables.latest(person.user_id) l;
END $$;
COMMENT ON FUNCTION wearables_api.my_latest() IS
  'For PostgREST: wearables.latest() of the user of the token. Raises invalid_authorization_specification if the token '
  'names no registered user. Example: SELECT metric, value, unit FROM wearables_api.my_latest();';

CREATE FUNCTION wearables_api.my_nights(from_day text, to_day text, only_provider text DEFAULT NULL)
RETURNS TABLE (day date, started_at timestamptz, ended_at timestamptz, provider text, source_type text,
               summary_id text, time_in_bed double precision, total_sleep_time double precision,
               sleep_efficiency double precision, parts integer, naps integer, nap_time double precision,
               sessions jsonb)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT wearables.users := wearables_internal.claiming_user();
BEGIN
  RETURN QUERY
  SELECT n.* FROM wearables.nights(
    person.user_id, wearables_internal.read_day($1), wearables_internal.read_day($2), $3) n;
END $$;
COMMENT ON FUNCTION wearables_api.my_nights(text, text, text) IS
  'For PostgREST: wearables.nights() of the user of the token. Arguments: from_day: first day, a date; to_day: day '
  'after the last day; only_provider: only its sessions (null: all). Raises invalid_authorization_specification if the '
  'token names no registered user, invalid_datetime_format for what is not a date. Example: SELECT day, '
  'total_sleep_time FROM wearables_api.my_nights(''2026-03-01'', ''2026-04-01'');';

CREATE TYPE wearables_api.my_sample AS (
  metric text, ts timestamptz, day date, provider text, source_type text, channel text, value double precision,
  value_secondary double precision, unit text, ts_end timestamptz, tz_offset smallint);
COMMENT ON TYPE wearables_api.my_sample IS
  'A reading as my_samples() returns it. The fields are as in wearables.samples.';
COMMENT ON COLUMN wearables_api.my_sample.metric IS
  'metrics.name. It can be a sub-metric of the one that was asked for.';
COMMENT ON COLUMN wearables_api.my_sample.ts IS
  'Time of the reading; for a reading of a calendar day, 00:00 UTC of that day.';
COMMENT ON COLUMN wearables_api.my_sample.day IS
  'The calendar day of a reading that the vendor dated without a time. Null: ts is the time of the reading.';
COMMENT ON COLUMN wearables_api.my_sample.provider IS 'The vendor''s name (slug) of the provider, such as oura.';
COMMENT ON COLUMN wearables_api.my_sample.source_type IS
  'Kind of device, such as watch, ring or phone; unknown if the vendor does not say.';
COMMENT ON COLUMN wearables_api.my_sample.channel IS
  'timeseries; or the summary resource or channel that the reading is derived from, such as sleep.';
COMMENT ON COLUMN wearables_api.my_sample.value IS 'In the unit of the column unit.';
COMMENT ON COLUMN wearables_api.my_sample.value_secondary IS
  'Second value of a pair, such as the diastolic pressure. Null: none.';
COMMENT ON COLUMN wearables_api.my_sample.unit IS 'Canonical unit of the metric: metrics.unit.';
COMMENT ON COLUMN wearables_api.my_sample.ts_end IS 'End of an interval, excluded. Null: the reading has none.';
COMMENT ON COLUMN wearables_api.my_sample.tz_offset IS
  'Minutes east of UTC where the reading was recorded. Null: not known, or a reading of a calendar day.';

CREATE FUNCTION wearables_api.my_samples(metric text, from_time text, to_time text, most integer DEFAULT 1000)
RETURNS SETOF wearables_api.my_sample
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_rows CONSTANT integer := 10000;
  -- a calendar day is stored at 00:00 UTC, which is less than a day from where it begins in any zone
  day_shift CONSTANT interval := '1 day';
  person CONSTANT wearables.users := wearables_internal.claiming_user();
  noted CONSTANT boolean := wearables_internal.note_access('my_samples', person.user_id);
  from_ts CONSTANT timestamptz := wearables_internal.read_bound($2, person.time_zone);
  to_ts CONSTANT timestamptz := wearables_internal.read_bound($3, person.time_zone);
BEGIN
  IF $4 IS NULL OR $4 NOT BETWEEN 1 AND most_rows THEN
    RAISE EXCEPTION 'invalid number of rows %', $4
      USING ERRCODE = 'invalid_parameter_value', HINT = format('Give a number from 1 to %s.', most_rows);
  END IF;
  PERFORM wearables_internal.check_own_metric(person.user_id, $1);
  RETURN QUERY
  SELECT m.name, p.ts, d.day, s.provider, s.source_type, s.channel, p.value, p.value_secondary, m.unit, p.ts_end,
         CASE WHEN d.day IS NULL THEN p.tz_offset END
  FROM unnest(wearables_internal.metric_names($1)) f (name)
  JOIN wearables.metrics m ON m.name = f.name
  JOIN wearables.sample_points p ON p.user_id = person.user_id AND p.metric_id = m.metric_id
    AND p.ts >= from_ts - day_shift AND p.ts < to_ts + day_shift
  JOIN wearables.sources s ON s.source_id = p.source_id
  CROSS JOIN LATERAL (SELECT CASE p.tz_offset WHEN 32767 THEN (p.ts AT TIME ZONE 'UTC')::date END) d (day)
  CROSS JOIN LATERAL (
    SELECT coalesce(wearables.first_instant(d.day::timestamp, person.time_zone), p.ts)) c (charted)
  WHERE c.charted >= from_ts AND c.charted < to_ts
  ORDER BY c.charted, m.name, s.provider, s.source_type, s.channel, p.part
  LIMIT $4;
END $$;
COMMENT ON FUNCTION wearables_api.my_samples(text, text, text, integer) IS
  'For PostgREST: single readings of the user of the token, in order of time. Arguments: metric: metrics.name, which '
  'includes its sub-metrics; from_time: start of the range, inclusive: a date, which is the day in the user''s time '
  'zone, or an ISO 8601 time with its offset; to_time: end of the range, exclusive, in the same forms; most: how many '
  'rows at most, up to 10000. Columns are those of samples. A reading of a calendar day counts at the start of that '
  'day. Raises invalid_authorization_specification if the token names no registered user, invalid_datetime_format for '
  'another form of time. Example: SELECT ts, value FROM wearables_api.my_samples(''heartrate'', ''2026-03-29'', '
  '''2026-03-30'');';

CREATE FUNCTION wearables_api.my_connections()
RETURNS TABLE (provider text, status text, error_type text, connected_at timestamptz, last_data_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT wearables.users := wearables_internal.claiming_user();
  noted CONSTANT boolean := wearables_internal.note_access('my_connections', person.user_id);
BEGIN
  RETURN QUERY
  SELECT c.provider, c.status, c.error_type, c.connected_at, c.last_data_at
  FROM wearables.connections c WHERE c.user_id = person.user_id ORDER BY c.provider;
END $$;
COMMENT ON FUNCTION wearables_api.my_connections() IS
  'For PostgREST: the connections of the user of the token, as in wearables.connections. Raises '
  'invalid_authorization_specification if the token names no registered user. Example: SELECT provider, status FROM '
  'wearables_api.my_connections();';

CREATE FUNCTION wearables_api.my_accesses(from_time text, to_time text, most integer DEFAULT 1000)
RETURNS TABLE (first_at timestamptz, last_at timestamptz, function text, role text, own boolean, reads bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  most_rows CONSTANT integer := 10000;
  person CONSTANT wearables.users := wearables_internal.claiming_user();
BEGIN
  IF $3 IS NULL OR $3 NOT BETWEEN 1 AND most_rows THEN
    RAISE EXCEPTION 'invalid number of rows %', $3
      USING ERRCODE = 'invalid_parameter_value', HINT = format('Give a number from 1 to %s.', most_rows);
  END IF;
  RETURN QUERY
  SELECT a.first_at, a.last_at, a.function::text, a.role::text, a.claim IS NOT DISTINCT FROM person.client_user_id,
         a.reads
  FROM wearables.accesses a
  WHERE a.user_id = person.user_id AND a.last_at >= wearables_internal.read_bound($1, person.time_zone)
    AND a.last_at < wearables_internal.read_bound($2, person.time_zone)
  ORDER BY a.last_at DESC, a.access_id DESC
  LIMIT $3;
END $$;
COMMENT ON FUNCTION wearables_api.my_accesses(text, text, integer) IS
  'For PostgREST: who read the data of the user of the token, the newest first, as in wearables.accesses. Arguments: '
  'from_time: start of the range, inclusive: a date, which is the day in the user''s time zone, or an ISO 8601 time '
  'with its offset; to_time: end of the range, exclusive, in the same forms; most: how many rows at most, up to 10000. '
  'Returns first_at; last_at; function; role; own, true if the token named the user, false if somebody else read; and '
  'reads. Who else that was is not told. Raises invalid_authorization_specification if the token names no registered '
  'user, invalid_datetime_format for another form of time. Example: SELECT last_at, function, role FROM '
  'wearables_api.my_accesses(''2026-03-29'', ''2026-03-30'');';

CREATE TABLE wearables_internal.own_syncs (
  user_id bigint PRIMARY KEY REFERENCES wearables.users ON DELETE CASCADE,
  asked   timestamptz[] NOT NULL
);
COMMENT ON TABLE wearables_internal.own_syncs IS 'When users called my_sync() in the last hour.';
SELECT pg_extension_config_dump('wearables_internal.own_syncs', '');

CREATE FUNCTION wearables_api.my_sync(only_provider text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_an_hour CONSTANT integer := 8;
  now_ CONSTANT timestamptz := clock_timestamp();
  hour_ago CONSTANT timestamptz := now_ - interval '1 hour';
  person CONSTANT wearables.users := wearables_internal.claiming_user();
  place text;
  requested integer := 0;
BEGIN
  -- a second call waits for the row, and counts the first
  INSERT INTO wearables_internal.own_syncs AS o (user_id, asked) VALUES (person.user_id, ARRAY[now_])
  ON CONFLICT (user_id) DO UPDATE
  SET asked = ARRAY(SELECT t FROM unnest(o.asked) t WHERE t > hour_ago) || now_
  WHERE (SELECT count(*) FROM unnest(o.asked) t WHERE t > hour_ago) < most_an_hour;
  IF NOT FOUND THEN
    -- PostgREST answers with HTTP status 429
    RAISE EXCEPTION 'too many requests'
      USING ERRCODE = 'PT429',
            DETAIL = format('my_sync() can be called %s times an hour. The next call is possible at %s UTC.',
                            most_an_hour,
                            (SELECT wearables_internal.utc_second(min(t) + interval '1 hour')
                             FROM wearables_internal.own_syncs o CROSS JOIN LATERAL unnest(o.asked) t
                             WHERE o.user_id = person.user_id AND t > hour_ago));
  END IF;
  FOR place IN
    SELECT l.endpoint FROM wearables.user_links l JOIN wearables.endpoints e ON e.name = l.endpoint
    WHERE l.user_id = person.user_id AND l.deleted_at IS NULL AND e.base_url IS NOT NULL
    -- several links at one endpoint name no user of the vendor
    GROUP BY l.endpoint HAVING count(*) = 1 ORDER BY l.endpoint LOOP
    requested := requested + (SELECT count(*) FROM wearables.sync(
      person.user_id, coalesce($1, ''), endpoint => place));
  END LOOP;
  RETURN requested;
END $$;
COMMENT ON FUNCTION wearables_api.my_sync(text) IS
  'For PostgREST: wearables.sync() of the user of the token, at every endpoint that the user is linked to, at most 8 '
  'times an hour. Arguments: only_provider: the vendor''s name (slug) of the provider (null: every provider). Returns '
  'the number of backfills that were requested. Raises invalid_authorization_specification if the token names no '
  'registered user, and SQLSTATE PT429, which PostgREST turns into HTTP status 429, for the ninth call of an hour. '
  'Example: SELECT wearables_api.my_sync(''oura'');';
