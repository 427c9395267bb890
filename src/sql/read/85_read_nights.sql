-- Nights, for people.

CREATE FUNCTION wearables.nights(user_id bigint, from_day date, to_day date, only_provider text DEFAULT NULL)
RETURNS TABLE (day date, started_at timestamptz, ended_at timestamptz, provider text, source_type text,
               summary_id text, time_in_bed double precision, total_sleep_time double precision,
               sleep_efficiency double precision, parts integer, naps integer, nap_time double precision,
               sessions jsonb)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH z (zone) AS (
    SELECT coalesce(u.time_zone, 'UTC') FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = $1),
  session AS (
    SELECT s.session_start, s.session_end, s.summary_id, s.version, s.identity, o.provider, o.source_type,
           o.channel <> s.resource AS is_nap,
           -- what ends in the evening belongs to the night that it begins
           wearables.day_of(s.session_end, z.zone)
             + CASE WHEN s.session_end >= wearables.first_instant(
                 wearables.day_of(s.session_end, z.zone) + time '18:00', z.zone) THEN 1 ELSE 0 END AS day,
           extract(epoch FROM s.session_end - s.session_start)::double precision AS in_bed,
           (SELECT r.value FROM unnest(s.samples) r JOIN wearables.metrics m ON m.metric_id = r.metric_id
            WHERE m.name = 'total_sleep_time' LIMIT 1) AS asleep,
           (SELECT r.value FROM unnest(s.samples) r JOIN wearables.metrics m ON m.metric_id = r.metric_id
            WHERE m.name = 'sleep_efficiency' LIMIT 1) AS efficiency
    FROM z
    JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = 'sleep' AND NOT s.superseded
      AND wearables_internal.note_access('nights', $1) AND NOT wearables_internal.is_being_erased($1)
      AND s.session_end >= wearables.first_instant($2::timestamp, z.zone) - interval '1 day'
      AND s.session_end < wearables.first_instant($3::timestamp, z.zone) + interval '1 day'
    JOIN wearables.sources o ON o.source_id = s.samples_source_id AND o.provider = coalesce($4, o.provider)),
  ranked AS (
    SELECT s.*, first_value(s.provider) OVER longest AS main_provider,
           first_value(s.source_type) OVER longest AS main_source_type,
           first_value(s.identity) OVER longest AS main_identity,
           first_value(s.summary_id) OVER longest AS main_id,
           first_value(s.efficiency) OVER longest AS main_efficiency
    FROM session s
    WHERE s.day >= $2 AND s.day < $3
    WINDOW longest AS (
      PARTITION BY s.day ORDER BY s.is_nap, s.in_bed DESC, s.session_end DESC, s.provider, s.source_type, s.identity)),
  -- of_main: of the source of the main session
  marked AS (
    SELECT r.*, (r.provider, r.source_type) = (r.main_provider, r.main_source_type) AS of_main FROM ranked r),
  night AS (
    SELECT k.day, min(k.session_start) FILTER (WHERE k.of_main AND NOT k.is_nap) AS started_at,
           max(k.session_end) FILTER (WHERE k.of_main AND NOT k.is_nap) AS ended_at,
           k.main_provider, k.main_source_type, k.main_id, k.main_efficiency,
           sum(k.in_bed) FILTER (WHERE k.of_main AND NOT k.is_nap) AS in_bed,
           sum(k.asleep) FILTER (WHERE k.of_main AND NOT k.is_nap) AS asleep,
           count(*) FILTER (WHERE k.of_main AND NOT k.is_nap)::integer AS parts,
           count(*) FILTER (WHERE k.of_main AND k.is_nap)::integer AS naps,
           coalesce(sum(coalesce(k.asleep, k.in_bed)) FILTER (WHERE k.of_main AND k.is_nap), 0) AS nap_time,
           jsonb_agg(jsonb_build_object(
             'summary_id', k.summary_id, 'provider', k.provider, 'source_type', k.source_type,
             'kind', CASE WHEN k.is_nap THEN 'nap' WHEN k.identity = k.main_identity THEN 'main' ELSE 'part' END,
             'started_at', k.session_start, 'ended_at', k.session_end, 'time_in_bed', k.in_bed,
             'total_sleep_time', k.asleep)
             ORDER BY k.session_start, k.session_end, k.provider, k.source_type, k.identity) AS sessions
    FROM marked k
    GROUP BY k.day, k.main_provider, k.main_source_type, k.main_id, k.main_efficiency
    HAVING bool_or(NOT k.is_nap))
  SELECT m.day, m.started_at, m.ended_at, m.main_provider, m.main_source_type, m.main_id, m.in_bed, m.asleep,
         CASE WHEN m.parts = 1 AND m.main_efficiency IS NOT NULL THEN m.main_efficiency
              WHEN m.in_bed > 0 THEN least(100, 100 * m.asleep / m.in_bed) END,
         m.parts, m.naps, m.nap_time, m.sessions
  FROM night m
  ORDER BY m.day;
END;
COMMENT ON FUNCTION wearables.nights(bigint, date, date, text) IS
  'The nights of a user, one row for each. Arguments: user_id: the user; from_day: first day; to_day: day after '
  'the last day; only_provider: only its sessions (null: all). The day of a night is the day on which it ends in '
  'the user''s time zone. A session that ends at 18:00 or later counts to the night that it begins. The main '
  'session is the longest one that is not a nap, of any source. Returns day; provider, source_type and summary_id '
  'of the main session; started_at, ended_at, time_in_bed and total_sleep_time (seconds) and sleep_efficiency '
  '(percent) of the main session together with the other sessions of its source; parts, the number of these '
  'sessions; naps and nap_time (seconds) of the same source; and sessions, every session of the day as JSON, with '
  'kind main, part or nap. Superseded sessions are left out. Example: SELECT day, started_at, ended_at, '
  'total_sleep_time / 3600 AS hours FROM wearables.nights(1, date ''2026-03-01'', date ''2026-04-01'');';
