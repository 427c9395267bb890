\pset footer off
\pset null ''
\pset format aligned
SET TIME ZONE 'UTC';

\echo '\n-- what came in: one row per kind of event'
SELECT event_type, status, count(*) AS events, sum(inserted) AS ins, sum(changed) AS chg, sum(confirmed) AS conf,
       sum(unchanged) AS same, sum(stale) AS stale, sum(quarantined) AS quar, min(coalesce(note, error)) AS why
FROM wearables.webhook_events GROUP BY 1, 2 ORDER BY 1, 2;

\echo '-- deliveries and messages: every message came twice, one body each is stored'
SELECT sum(count) AS deliveries, count(*) AS messages, (SELECT count(*) FROM wearables.webhook_events) AS events,
       max(count) AS most_for_one_message, (SELECT pg_size_pretty(sum(length(payload))) FROM wearables.webhook_events) AS bodies
FROM wearables.deliveries;

\echo '-- samples: metric by source; watch, phone and a night''s figure do not overwrite each other'
SELECT u.client_user_id AS who, s.metric, s.provider, s.source_type AS type, s.channel, count(*), min(s.value)::numeric(6, 1) AS lowest,
       max(s.value)::numeric(6, 1) AS highest, s.unit
FROM wearables.samples s JOIN wearables.users u USING (user_id)
GROUP BY 1, 2, 3, 4, 5, s.unit ORDER BY 1, 2, 3, 4, 5;

\echo '-- alice''s night was revised: what each of the two messages says ...'
SELECT e.event_id, e.event_type, to_timestamp((e.version >> 20) / 1000) AS message_made, n.metric, n.ts AS wakes, n.value,
       e.inserted AS ins, e.stale
FROM wearables.webhook_events e, LATERAL wearables.normalize(e.event_id) n
WHERE e.event_type LIKE 'daily.data.sleep.%' AND e.client_user_id = 'alice'
  AND n.metric IN ('heartrate', 'hrv_rmssd', 'respiratory_rate', 'total_sleep_time') ORDER BY e.version, n.metric;
\echo '-- ... and what stands: the newer one, whichever came first, and nothing of the older'
SELECT s.metric, s.ts AS wakes, s.value, s.unit FROM wearables.samples s JOIN wearables.users u USING (user_id)
WHERE u.client_user_id = 'alice' AND s.channel = 'sleep' AND s.metric IN ('heartrate', 'hrv_rmssd', 'respiratory_rate', 'total_sleep_time') ORDER BY s.metric;

SELECT user_id AS alice FROM wearables.users WHERE client_user_id = 'alice' \gset
\echo '-- a chart: alice''s heart rate by hour on the watch, in her own zone; that night 02:00 did not exist'
SELECT to_char(t.bucket_start AT TIME ZONE 'Europe/Berlin', 'Dy HH24:MI') AS berlin, round(t.value::numeric, 1) AS mean, t.lowest, t.highest,
       t.readings, t.unit
FROM wearables.timeseries(:alice, 'heartrate', '2026-03-28 22:00Z', '2026-03-29 04:00Z', 'hour', only_provider => 'garmin') t;
\echo '-- and by day: Saturday has 24 hours of minutes, Sunday 23'
SELECT (t.bucket_start AT TIME ZONE 'Europe/Berlin')::date AS berlin_day, t.provider, t.source_type AS type, t.channel,
       round(t.value::numeric, 1) AS mean, t.lowest, t.highest, t.readings
FROM wearables.timeseries(:alice, 'heartrate', '2026-03-28 00:00+01', '2026-03-30 00:00+02', 'day') t;

\echo '-- connections: status follows the newest event, not the last to arrive'
SELECT u.client_user_id AS who, c.provider, c.status, c.error_type, c.connected_at, c.last_data_at
FROM wearables.connections c JOIN wearables.users u USING (user_id) ORDER BY 1, 2;

\echo '-- quarantine: refused readings, their place in the body and the reason; the other readings are written'
SELECT e.client_user_id AS who, e.event_type, q.pointer, q.reason, q.detail
FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) ORDER BY q.event_id, q.ordinal;

\echo '-- drift: fields and values that no mapping covers, each with a statement that marks it as known'
SELECT d.kind, d.resource, d.path, d.value, d.events, d.remedy FROM wearables.drift d ORDER BY 1, 2, 3, 4;

\echo '-- the queue: a body that is not JSON can never be read and is a dead letter; the raw bytes are kept'
SELECT q.kind, q.state, q.jobs, q.most_attempts, (SELECT min(j.last_error) FROM wearables.jobs j WHERE j.state = q.state) AS last_error
FROM wearables.queue q;
SELECT verdict, reason, workers FROM wearables.health;
