-- connection: a user's link to a provider follows the newest lifecycle event, not the last to arrive
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE connections AS SELECT user_id, provider, status, error_type, connected_at IS NOT NULL AS was_connected, last_data_at FROM wearables.connections ORDER BY user_id, provider;
PREPARE events AS SELECT substr(message_id, 5, 4) AS made, status, note, error FROM wearables.webhook_events ORDER BY event_id;

-- created, then an error; the provider may be an object or a name
SELECT pg_temp.send('2t01', 'provider.connection.created', '{"provider":{"name":"Oura","slug":"oura","logo":""},"external_user_id":null}');
CALL wearables.drain();
EXECUTE connections;
SELECT pg_temp.send('2t03', 'provider.connection.error', '{"provider":"oura","error_type":"token_refresh_failed","message":"…"}');
CALL wearables.drain();
EXECUTE connections;
-- a "created" of between comes late: status stays, the ledger has all three
SELECT pg_temp.send('2t02', 'provider.connection.created', '{"source":{"slug":"oura"}}');
CALL wearables.drain();
EXECUTE connections;
-- connected again
SELECT pg_temp.send('2t04', 'provider.connection.created', '{"provider":{"slug":"oura"}}');
CALL wearables.drain();
EXECUTE connections;
SELECT provider, kind, actor, error_type, rank() OVER (ORDER BY at) AS of_age, rank() OVER (ORDER BY version) = rank() OVER (ORDER BY at) AS same_order
FROM wearables.connection_events ORDER BY connection_event_id;
-- connected_at is the origin of the newest "created", whatever came when
SELECT c.connected_at = (SELECT max(at) FROM wearables.connection_events e WHERE e.provider = c.provider AND e.kind LIKE '%connected') AS newest
FROM wearables.connections c;

-- the same in the other order, for another person, ends in the same state
SELECT wearables.register_user('bob');
SELECT pg_temp.send('2t04b', 'provider.connection.created', '{"provider":{"slug":"oura"}}', 'bob');
SELECT pg_temp.send('2t03b', 'provider.connection.error', '{"provider":"oura","error_type":"token_refresh_failed"}', 'bob');
SELECT pg_temp.send('2t01b', 'provider.connection.created', '{"provider":{"slug":"oura"}}', 'bob');
CALL wearables.drain();
EXECUTE connections;

-- however often an event is processed, its line in the ledger is one
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events ORDER BY event_id DESC;
CALL wearables.drain();
SELECT (wearables.replay(event_id)).processed FROM wearables.webhook_events;
SELECT count(*) FROM wearables.connection_events;
EXECUTE connections;

-- data may come before, or without, any lifecycle event: the connection is there, its status unknown
SELECT pg_temp.send('2t05', 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-02T08:00:00Z","value":60},{"timestamp":"2024-05-02T07:00:00Z","value":61}]}');
CALL wearables.drain();
EXECUTE connections;
-- last_data_at never goes backwards, and data is no proof that an error is over
SELECT pg_temp.send('2t06', 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}');
SELECT pg_temp.send('2t07', 'provider.connection.error', '{"provider":"garmin","error_type":"deregistered_per_provider"}');
SELECT pg_temp.send('2t08', 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-03T08:00:00Z","value":60}]}');
CALL wearables.drain();
EXECUTE connections;

-- the vendor says that history is ready: recorded once for each range, however often it is said
-- without a base_url nothing is asked for, and the event's note says so: it said nothing
SELECT pg_temp.send('2t0Z', 'historical.data.activity.created', '{"provider":"oura","start_date":"2023-11-01T00:00:00+00:00","end_date":"2024-05-01"}');
CALL wearables.drain();
SELECT status, note FROM wearables.webhook_events WHERE event_type LIKE 'historical.%';
-- with a base_url, history is asked for: at once, and once more a little later
UPDATE wearables.endpoints SET base_url = 'https://api.us.junction.com';
SELECT wearables.pause_queue('pull');
SELECT pg_temp.send('2t09', 'historical.data.sleep.created', '{"provider":"oura","start_date":"2023-11-01T00:00:00+00:00","end_date":"2024-05-01","is_final":true}');
SELECT pg_temp.send('2t0A', 'historical.data.sleep.created', '{"provider":"oura","start_date":"2023-11-01T00:00:00+00:00","end_date":"2024-05-01"}');
SELECT pg_temp.send('2t0B', 'historical.data.sleep.created', '{"provider":"oura"}');
SELECT pg_temp.send('2t0C', 'historical.data.horoscope.created', '{"provider":"oura"}');
CALL wearables.drain();
SELECT user_id, endpoint, provider, resource, range_from, range_to, intent, state, event_id FROM wearables.backfills ORDER BY backfill_id;
SELECT kind, priority, subject, dedupe_key, argument, round(extract(epoch FROM run_at - queued_at) / 60) AS minutes FROM wearables.jobs ORDER BY job_id;
SELECT substr(message_id, 5, 4) AS made, status, note FROM wearables.webhook_events WHERE event_type LIKE 'historical.%' ORDER BY event_id;
SELECT DISTINCT intent, range_from, range_to FROM (SELECT wearables.replay(event_id) FROM wearables.webhook_events) r, wearables.backfills;

-- what no row knows or is no lifecycle event we know is skipped, what names no provider fails
SELECT pg_temp.send('2t0D', 'provider.connection.updated', '{"provider":"oura"}');
SELECT pg_temp.send('2t0E', 'provider.connection.created', '{}');
SELECT pg_temp.send('2t0F', 'historical.data.sleep.created', '{"start_date":"2023-11-01"}');
SELECT pg_temp.send('2t0G', 'provider.device.created', '{"provider":"oura"}');
CALL wearables.drain();
SELECT substr(message_id, 5, 4) AS made, status, note, error FROM wearables.webhook_events WHERE status <> 'processed' ORDER BY event_id;

-- A connection that ends, begins again, and begins again as somebody else. Before, the first two verbs were skipped and
-- carol stayed connected, an end of the registration was an error like any other, and every "created" was "connected".
SELECT wearables.register_user('carol');
PREPARE ledger AS SELECT kind, actor, error_type, external_user_id, provider_user_id, rank() OVER (ORDER BY version) AS of_age
FROM wearables.connection_events WHERE user_id = 3 AND provider = $1 ORDER BY version;
PREPARE carol AS SELECT provider, status, error_type, provider_user_id FROM wearables.connections WHERE user_id = 3 ORDER BY provider;
SELECT pg_temp.send('2u01', 'provider.connection.created', '{"provider":{"slug":"oura"},"external_user_id":"ring-7"}', 'carol'),
       pg_temp.send('2u02', 'provider.connection.error', '{"provider":"oura","error_type":"deregistered_per_provider"}', 'carol');
CALL wearables.drain();
EXECUTE carol;
SELECT pg_temp.send('2u03', 'provider.connection.created', '{"provider":{"slug":"oura"},"external_user_id":"ring-7"}', 'carol'),
       pg_temp.send('2u04', 'provider.connection.deleted', '{"provider":"oura"}', 'carol');
CALL wearables.drain();
EXECUTE carol;
SELECT pg_temp.send('2u05', 'provider.connection.created', '{"provider":{"slug":"oura"},"external_user_id":"ring-8"}', 'carol'),
       pg_temp.send('2u06', 'provider.connection.deregistered', '{"provider":"oura"}', 'carol'),
       pg_temp.send('2u07', 'provider.connection.created', '{"provider":{"slug":"oura"},"external_user_id":null}', 'carol');
CALL wearables.drain();
EXECUTE carol;
EXECUTE ledger('oura');
-- the same person under another id of the vendor's
SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad('2u08', 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
FROM convert_to('{"event_type":"provider.connection.created","user_id":"u-carol-anew","client_user_id":"carol","data":{"provider":"oura"}}', 'UTF8') body;
CALL wearables.drain();
-- older ones that come late find their place, and what the newer ones were is told again
SELECT pg_temp.send('2u00', 'provider.connection.created', '{"provider":"oura","external_user_id":"ring-6"}', 'carol'),
       pg_temp.send('2u04b', 'provider.connection.created', '{"provider":"oura","external_user_id":"ring-8"}', 'carol');
CALL wearables.drain();
EXECUTE ledger('oura');
EXECUTE carol;

-- What no event tells, the application does. The same call about the same instant is one row.
SELECT at AS lost FROM wearables.connection_events WHERE user_id = 3 ORDER BY version DESC LIMIT 1 \gset
SELECT wearables.set_connection(3, 'oura', 'disconnected', at => timestamptz :'lost' + interval '1 hour') AS noted,
       wearables.set_connection(3, 'oura', 'disconnected', at => timestamptz :'lost' + interval '1 hour') AS noted_again;
EXECUTE carol;
-- an older one is noted, and does not count; nor does what is said of another provider
SELECT wearables.set_connection(3, 'oura', 'deregistered', 'user', at => timestamptz :'lost' - interval '1 hour'),
       wearables.set_connection(3, 'fitbit', 'connected', 'operator', provider_user_id => 'fb-1', at => '2020-05-01'),
       wearables.set_connection(3, 'fitbit', 'connected', 'operator', provider_user_id => 'fb-2', at => '2020-05-02'),
       wearables.set_connection(3, 'fitbit', 'error', 'application', 'token_refresh_failed', at => '2020-05-03');
EXECUTE carol;
EXECUTE ledger('oura');
EXECUTE ledger('fitbit');
-- a newer event stands against it
SELECT pg_temp.send('2TZZ', 'provider.connection.created', '{"provider":"fitbit"}', 'carol');
CALL wearables.drain();
SELECT status, error_type, provider_user_id, version > (SELECT max(version) FROM wearables.connection_events WHERE provider = 'fitbit' AND actor = 'application') AS newer
FROM wearables.connections WHERE user_id = 3 AND provider = 'fitbit';
-- refused
SELECT wearables.set_connection(3, 'oura', 'remapped');
SELECT wearables.set_connection(3, 'oura', NULL);
SELECT wearables.set_connection(3, 'oura', 'connected', 'vendor');
SELECT wearables.set_connection(3, ' ', 'connected');
SELECT wearables.set_connection(3, E'o\nura', 'connected');
SELECT wearables.set_connection(3, 'oura', 'connected', at => 'infinity');
SELECT wearables.set_connection(3, 'oura', 'connected', at => now() + interval '1 day');
SELECT wearables.set_connection(99, 'oura', 'connected');
SELECT wearables.set_connection(NULL, 'oura', 'connected');
-- a replay of everything changes nothing
CREATE TEMP TABLE before AS SELECT c.ctid AS place, c.xmin AS writer FROM wearables.connections c UNION ALL SELECT e.ctid, e.xmin FROM wearables.connection_events e;
SELECT (wearables.replay(event_id)).failed FROM wearables.webhook_events WHERE status = 'processed';
SELECT count(*) FROM (TABLE before EXCEPT (SELECT c.ctid, c.xmin FROM wearables.connections c UNION ALL SELECT e.ctid, e.xmin FROM wearables.connection_events e)) moved;
-- a message that the ledger of deliveries does not know any more is another event, and no other entry: the newest event has it
SELECT count(*) AS entries FROM wearables.connection_events \gset
DELETE FROM wearables.deliveries WHERE message_id LIKE '%2TZZ%';
SELECT pg_temp.send('2TZZ', 'provider.connection.created', '{"provider":"fitbit"}', 'carol');
CALL wearables.drain();
SELECT count(*) = :entries AS same FROM wearables.connection_events;
SELECT count(DISTINCT e.version) AS versions, count(*) AS events, count(c.event_id) AS entries, bool_and(c.event_id IS NULL OR e.event_id = (SELECT max(event_id) FROM wearables.webhook_events)) AS of_the_newest
FROM wearables.webhook_events e LEFT JOIN wearables.connection_events c USING (event_id) WHERE e.message_id LIKE '%2TZZ%';
SELECT (wearables.replay(event_id)).failed FROM wearables.webhook_events WHERE message_id LIKE '%2TZZ%';
SELECT count(*) = :entries AS same, count(*) FILTER (WHERE event_id = (SELECT max(event_id) FROM wearables.webhook_events)) AS of_the_newest FROM wearables.connection_events;

DROP EXTENSION wearables_ingest CASCADE;
