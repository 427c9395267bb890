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
           ((s.session_end AT TIME ZONE z.zone) + interval '6 hours')::date AS day,
           extract(epoch FROM s.session_end - s.session_start)::double precision AS in_bed,
           (SELECT r.value FROM unnest(s.samples) r JOIN wearables.metrics m ON m.metric_id = r.metric_id
            WHERE m.name = 'total_sleep_time' LIMIT 1) AS asleep,
           (SELECT r.value FROM unnest(s.samples) r JOIN wearables.metrics m ON m.metric_id = r.metric_id
            WHERE m.name = 'sleep_efficiency' LIMIT 1) AS efficiency
    FROM z
    JOIN wearables.summaries s ON s.user_id = $1 AND s.resource = 'sleep' AND NOT s.superseded
      AND s.session_end >= wearables.first_instant($2::timestamp, z.zone) - interval '1 day'
      AND s.session_end < wearables.first_instant($3::timestamp, z.zone) + interval '1 day'
    JOIN wearables.sources o ON o.source_id = s.samples_source_id AND o.provider = coalesce($4, o.provider)),
  main AS (
    SELECT DISTINCT ON (s.day) s.* FROM session s
    WHERE NOT s.is_nap AND s.day >= $2 AND s.day < $3
    ORDER BY s.day, s.in_bed DESC, s.session_end DESC, s.provider, s.source_type, s.identity)
  SELECT m.day, p.started_at, p.ended_at, m.provider, m.source_type, m.summary_id, p.in_bed, p.asleep,
         CASE WHEN p.parts = 1 AND m.efficiency IS NOT NULL THEN m.efficiency
              WHEN p.in_bed > 0 THEN least(100, 100 * p.asleep / p.in_bed) END, p.parts, n.naps, n.nap_time, a.sessions
  FROM main m
  CROSS JOIN LATERAL (
    SELECT min(s.session_start), max(s.session_end), sum(s.in_bed), sum(s.asleep), count(*)::integer FROM session s
    WHERE s.day = m.day AND NOT s.is_nap AND (s.provider, s.source_type) = (m.provider, m.source_type))
    AS p (started_at, ended_at, in_bed, asleep, parts)
  CROSS JOIN LATERAL (
    SELECT count(*)::integer, coalesce(sum(coalesce(s.asleep, s.in_bed)), 0) FROM session s
    WHERE s.day = m.day AND s.is_nap AND (s.provider, s.source_type) = (m.provider, m.source_type))
    AS n (naps, nap_time)
  CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
      'summary_id', s.summary_id, 'provider', s.provider, 'source_type', s.source_type,
      'kind', CASE WHEN s.is_nap THEN 'nap' WHEN s.summary_id = m.summary_id THEN 'main' ELSE 'part' END,
      'started_at', s.session_start, 'ended_at', s.session_end, 'time_in_bed', s.in_bed, 'total_sleep_time', s.asleep)
      ORDER BY s.session_start, s.session_end, s.provider, s.source_type, s.identity)
    FROM session s WHERE s.day = m.day) AS a (sessions)
  ORDER BY m.day;
END;
COMMENT ON FUNCTION wearables.nights(bigint, date, date, text) IS
  'one row a night of a user, by the day on which it ends in the user''s zone, from_day inclusive, to_day exclusive; '
  'what ends at 18:00 or later belongs to the night that it begins. The main session is the longest one that is no nap, '
  'of whatever source; started_at, ended_at, time_in_bed and total_sleep_time (s) and sleep_efficiency (%) are those of '
  'it and of the other sessions of its source (parts counts all of them), beside them its naps and their time (s). '
  'sessions lists every session of the day: kind main, part (other sources'' too) or nap. A session that a newer one '
  'of its source contains is superseded and not there';
