-- kind: bodies of a kind that no row knows, of none, and of nobody: skipped with a reason, never parked, and drift with their endpoint
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction'), wearables.add_endpoint('other');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.set_secret('other', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, body text, endpoint text DEFAULT 'other') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), bytes, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), bytes, endpoint)).status
  FROM convert_to(body, 'UTF8') bytes $$;
CREATE FUNCTION pg_temp.beat(made text, ids text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, format('{"event_type":"daily.data.heartrate.created",%s"data":{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}}', ids)) $$;
CREATE FUNCTION pg_temp.events(made text) RETURNS TABLE (made text, event_type text, external_user_id text, client_user_id text, status text, note text) LANGUAGE sql AS $$
  SELECT substr(e.message_id, 5, 4), e.event_type, e.external_user_id, e.client_user_id, e.status::text, coalesce(e.note, e.error)
  FROM wearables.webhook_events e WHERE e.message_id LIKE 'msg_' || made || '%' ORDER BY 1 $$;
PREPARE drift AS SELECT kind, resource, endpoint, event_type, events, example_event_id AS example FROM wearables.drift ORDER BY endpoint, event_type, resource;

-- The type is event_type, else type. A name that a resource has says nothing of a message that is called by it.
SELECT pg_temp.send('2t01', '{"type":"workout.created","data":{"user_id":"u-1"}}'), pg_temp.send('2t02', '{"type":"workout.deleted","user_id":42}'),
       pg_temp.send('2t03', '{"type":"sleep.created","client_user_id":"alice"}'), pg_temp.send('2t04', '{"type":"sleep"}'), pg_temp.send('2t05', '{"type":"device.created"}'),
       pg_temp.send('2t06', '{"type":"ping"}'), pg_temp.send('2t07', '{"type":"a.b.c.d.e.f.g.h.i.j.k"}'), pg_temp.send('2t08', '{"type":"."}'), pg_temp.send('2t09', '{"type":"..x"}'),
       pg_temp.send('2t0A', '{"type":"workout.created"}', 'junction'), pg_temp.send('2t0B', '{"type":"x","event_type":"daily.data.heartrate.deleted"}'),
       pg_temp.send('2t0C', '{"type":"pulled.data.horoscope","user_id":"u-1"}'), pg_temp.send('2t0D', '{"event_type":17,"type":"labtest.order.created"}');
-- Of no type: wrong JSON, blank, elsewhere. All of it is one row for an endpoint.
SELECT count(*) FROM unnest(ARRAY['{}', '{"event_type":null}', '{"event_type":17,"type":{"a":1}}', '{"event_type":true,"type":["a"]}', '{"type":""}', '{"type":" \t\u0000"}',
  '{"data":{"type":"x","event_type":"y"}}', '[]', '17', '"text"', 'null', '[{"type":"a"},{"type":"b"}]', '']) WITH ORDINALITY b (body, i), pg_temp.send('2u' || lpad(i::text, 2, '0'), body);
-- Long, or with what no terminal should be sent: printable, cut between characters, and of the same name in all places.
SELECT pg_temp.send('2v01', '{"type":"x\u0000y\u001b[31m.z\n.created"}'), pg_temp.send('2v02', format('{"event_type":"aé%s.x"}', repeat('é', 300))),
       pg_temp.send('2v03', format('{"event_type":"daily.data.%s.created","user_id":"u-1"}', repeat('é', 90)));
-- Verbs of lifecycle events, and resources of announcements, that no row knows.
SELECT pg_temp.send('2w01', '{"event_type":"provider.connection.merged","user_id":"u-alice","client_user_id":"alice","data":{"provider":"oura"}}', 'junction'),
       pg_temp.send('2w02', '{"event_type":"provider.connection.paused","user_id":"u-nobody","data":{"provider":"oura"}}', 'junction'),
       pg_temp.send('2w03', '{"event_type":"provider.connection.updated","data":7}', 'junction'),
       pg_temp.send('2w04', '{"event_type":"historical.data.horoscope.created","user_id":"u-nobody","data":{"provider":"oura"}}', 'junction'),
       pg_temp.send('2w05', '{"event_type":"historical.data.horoscope.created","client_user_id":"alice","data":{"provider":"oura"}}', 'junction');
CALL wearables.drain();
SELECT made, event_type, status, note FROM pg_temp.events('2t');
SELECT event_type, status, note, count(*) FROM pg_temp.events('2u') GROUP BY 1, 2, 3 ORDER BY 3;
SELECT made, octet_length(event_type) AS bytes, left(event_type, 40) AS event_type, status, octet_length(note) AS note_bytes, left(note, 60) AS note FROM pg_temp.events('2v');
SELECT made, event_type, status, note FROM pg_temp.events('2w');
SELECT kind, left(resource, 30) AS resource, endpoint, left(event_type, 40) AS event_type, events FROM wearables.drift ORDER BY endpoint, event_type, resource;
SELECT count(*) FROM wearables.parked_events;
SELECT count(*) FROM wearables.backfills;

-- Each remedy is one statement that makes it known: what is left is nothing, and handled again they still are skipped, each for a row.
SELECT count(DISTINCT remedy) AS remedies, count(*) AS kinds FROM wearables.drift;
SELECT DISTINCT remedy COLLATE "C" FROM wearables.drift WHERE resource <> 'horoscope' ORDER BY 1 \gexec
SELECT count(*) FROM wearables.drift WHERE resource <> 'horoscope';
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events;
SELECT status, count(*), count(DISTINCT note) AS notes, count(*) FILTER (WHERE drift IS NOT NULL) AS with_drift FROM wearables.webhook_events GROUP BY status;
SELECT made, note FROM pg_temp.events('2t');
SELECT made, note FROM pg_temp.events('2w');
-- a resource that gets a row is announced; without it the announcement is taken back
INSERT INTO wearables.resources (name, kind) VALUES ('horoscope', 'timeseries');
SELECT processed, parked FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2w0%') r;
SELECT provider, resource, state FROM wearables.backfills;
SELECT external_user_id, client_user_id FROM wearables.parked_events;
DELETE FROM wearables.resources WHERE name = 'horoscope';
SELECT processed, skipped, parked FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2w0%') r;
SELECT (SELECT count(*) FROM wearables.backfills) AS announced, (SELECT count(*) FROM wearables.parked_events) AS parked;
EXECUTE drift;

-- Whose it is: a text that is not blank, or a number as it is written.
SELECT pg_temp.beat('2x01', '"user_id":42,'), pg_temp.beat('2x02', '"user_id":-7,'), pg_temp.beat('2x03', '"user_id":12345678901234567890,'),
       pg_temp.beat('2x04', '"user_id":1e3,'), pg_temp.beat('2x05', '"user_id":1.50,'), pg_temp.beat('2x06', '"client_user_id":17,'),
       pg_temp.beat('2x07', '"user_id":" ","client_user_id":"bob",'), pg_temp.beat('2x08', '"user_id":null,"client_user_id":18,');
SELECT pg_temp.send('2x09', '{"event_type":"provider.connection.created","data":{"user_id":43,"provider":"oura"}}');
-- or nobody: no registration would free it, so it is not parked
SELECT count(*) FROM unnest(ARRAY['"x":1', '"user":{"user_id":"u-1"}', '"user_id":null', '"user_id":true', '"user_id":""', '"user_id":"  ","client_user_id":" "', '"user_id":{"id":42}',
  '"user_id":[42]', '"user_id":"a\u0000"']) WITH ORDINALITY b (ids, i), pg_temp.beat('2y' || lpad(i::text, 2, '0'), ids || ',');
SELECT pg_temp.beat('2y20', format('"user_id":"%s","client_user_id":%s,', repeat('x', 501), repeat('7', 501)));
SELECT pg_temp.send('2y21', '{"event_type":"provider.connection.created","data":{"provider":"oura"}}'), pg_temp.send('2y22', '{"event_type":"historical.data.sleep.created","data":{"provider":"oura"}}'),
       pg_temp.send('2y23', '{"event_type":"daily.data.sleep.created","data":{"id":"n"}}', 'junction');
CALL wearables.drain();
SELECT made, external_user_id, client_user_id, status, note FROM pg_temp.events('2x');
SELECT made, event_type, external_user_id, client_user_id, status, note FROM pg_temp.events('2y');
SELECT external_user_id, client_user_id FROM wearables.parked_events ORDER BY event_id;
SELECT count(*) AS jobs FROM wearables.jobs;
EXECUTE drift;
-- registered by the digits of the body; what is handled in between is parked under them
SELECT wearables.register_user('n42', '42', 'other') > 0, wearables.register_user('n7', '-7', 'other') > 0, wearables.register_user('n20', '12345678901234567890', 'other') > 0,
       wearables.register_user('n3', '1e3', 'other') > 0, wearables.register_user('n5', '1.50', 'other') > 0, wearables.register_user('17') > 0,
       wearables.register_user('bob') > 0, wearables.register_user('18') > 0, wearables.register_user('n43', '43', 'other') > 0;
CALL wearables.drain();
SELECT made, external_user_id, client_user_id, status, note FROM pg_temp.events('2x');
SELECT u.client_user_id, s.metric, s.value FROM wearables.samples s JOIN wearables.users u USING (user_id) ORDER BY u.client_user_id;
SELECT count(*) FROM wearables.parked_events;
-- a replay parks nobody either, and a row for it makes it known
SELECT events, skipped, parked FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2y%') r;
SELECT count(*) FROM wearables.parked_events;
SELECT DISTINCT remedy FROM wearables.drift WHERE resource = '(no user)' \gexec
SELECT (wearables.replay(event_id)).skipped FROM wearables.webhook_events WHERE message_id LIKE 'msg_2y%';
EXECUTE drift;

DROP EXTENSION wearables_ingest CASCADE;
