-- When a sender was silent: told by when messages were made, so that a span closes when its messages are recovered.

CREATE FUNCTION wearables.silent_spans(
  longer_than interval DEFAULT '6 hours', since timestamptz DEFAULT clock_timestamp() - interval '14 days',
  endpoint text DEFAULT NULL)
RETURNS TABLE (endpoint text, silent_from timestamptz, silent_until timestamptz, silent_for interval)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT s.endpoint, s.made_at, s.next_made_at, s.next_made_at - s.made_at
  FROM (
    SELECT e.endpoint, e.made_at,
           lead(e.made_at, 1, clock_timestamp()) OVER (PARTITION BY e.endpoint ORDER BY e.made_at) AS next_made_at
    FROM (
      -- the upper bits of a version are the milliseconds of the event's origin (R3)
      SELECT w.endpoint, to_timestamp((w.version >> 20) / 1000.0) AS made_at
      FROM wearables.webhook_events w
      WHERE w.received_at >= $2 AND ($3 IS NULL OR w.endpoint = $3)
        AND starts_with(w.event_type, 'pulled.') IS NOT TRUE) e) s
  WHERE s.next_made_at - s.made_at >= $1
  ORDER BY s.made_at, s.endpoint;
END;
COMMENT ON FUNCTION wearables.silent_spans(interval, timestamptz, text) IS
  'Periods in which the sender of an endpoint created no message that is stored here, so that deliveries may be '
  'missing. Arguments: longer_than: only periods of at least this length; since: only events received from then '
  'on; endpoint: only this one (null: all). Returns endpoint, silent_from, silent_until and silent_for, by when '
  'the messages were created: a message that is recovered later closes its period. The last period of an endpoint '
  'can end at the current time. Reads every event received since then. Example: SELECT * FROM '
  'wearables.silent_spans(''3 hours'', now() - interval ''7 days'');';
