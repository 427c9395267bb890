-- history: whose id is asked, what confirms a day, and that reconcile() is there for everybody
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('main', base_url => 'https://api.example.com'), wearables.set_secret('main', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), wearables.set_secret('main', 'api_key', 0, 'sk_us_1');
SELECT wearables.add_endpoint('other', base_url => 'https://api.other.example'), wearables.set_secret('other', 'api_key', 0, 'sk_us_2');
UPDATE wearables.resources SET reconcile_days = 0 WHERE name <> 'sleep';
CREATE FUNCTION pg_temp.send(id text, user_id text, type text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers(id, now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body, 'main')).status
  FROM convert_to(format('{"event_type":"%s","user_id":"%s","data":%s}', type, user_id, data), 'UTF8') body $$;
CREATE PROCEDURE pg_temp.due() LANGUAGE sql AS $$ UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute' $$;
-- what is asked for is looked at here, and nothing is asked of anybody
SELECT wearables.pause_queue('pull');

-- A user that the vendor has deleted and made again has another id. The former one came first ("ann-1" was asked).
SELECT wearables.register_user('ann', 'ann-1', 'main') AS ann \gset
SELECT wearables.set_connection(:ann, 'oura', 'connected', at => now() - interval '1 day');
SELECT pg_temp.send('n1', 'ann-1', 'historical.data.sleep.created', '{"provider":"oura","start_date":"2026-09-01T00:00:00+00:00","end_date":"2026-10-01T00:00:00+00:00"}');
CALL wearables.drain();
SELECT wearables.register_user('ann', 'ann-2', 'main') = :ann AS same;
UPDATE wearables.user_links SET deleted_at = now() WHERE external_user_id = 'ann-1';
-- its own notice of the same range is another history (was: dropped); one of the former id is none any more
SELECT pg_temp.send('n2', 'ann-2', 'historical.data.sleep.created', '{"provider":"oura","start_date":"2026-09-01T00:00:00+00:00","end_date":"2026-10-01T00:00:00+00:00"}'),
       pg_temp.send('n3', 'ann-1', 'historical.data.sleep.created', '{"provider":"oura","start_date":"2026-08-01T00:00:00+00:00","end_date":"2026-09-01T00:00:00+00:00"}');
CALL wearables.drain();
SELECT external_user_id, range_from, range_to, intent, state FROM wearables.backfills ORDER BY backfill_id;
-- what was open of the former id ends without a request
SELECT wearables.resume_queue('pull');
UPDATE wearables.endpoints SET enabled = false;
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
UPDATE wearables.endpoints SET enabled = true;
SELECT wearables.pause_queue('pull');
SELECT external_user_id, intent, state, error FROM wearables.backfills ORDER BY backfill_id;
-- was: asked of ann-1
INSERT INTO wearables_internal.reconciled_users VALUES (:ann, now());
SELECT wearables.reconcile(silent_for => NULL);
SELECT external_user_id, resource, intent FROM wearables.backfills WHERE intent = 'reconcile';
-- a silence is asked for by the id that is alive
SELECT pg_temp.send('d1', 'ann-2', 'daily.data.sleep.created', format('{"id":"n","source":{"provider":"oura"},"bedtime_start":"%s","bedtime_stop":"%s","total":27000}', to_json(now() - interval '3 days 8 hours') #>> '{}', to_json(now() - interval '3 days') #>> '{}'));
CALL wearables.drain();
INSERT INTO wearables_internal.silences VALUES ('main', now() - interval '2 days', now() - interval '1 day');
SELECT wearables.reconcile(silent_for => '6 hours');
SELECT external_user_id, resource, intent FROM wearables.backfills WHERE intent = 'silence';
-- a second endpoint whose user was deleted is no place to ask (was: error "user 1 has 0 links ...")
SELECT wearables.register_user('ann', 'ann-o', 'other') = :ann AS same;
UPDATE wearables.user_links SET deleted_at = now() WHERE external_user_id = 'ann-o';
SELECT array_agg(r) AS missing FROM wearables.request_missing(:ann, 'total_sleep_time', '2026-03-01', '2026-03-02', 'sleep') r \gset
SELECT endpoint, external_user_id, range_from FROM wearables.backfills WHERE backfill_id = ANY (:'missing'::bigint[]);
SELECT wearables.request_missing(:ann, 'total_sleep_time', '2026-03-01', '2026-03-02', 'sleep', 'other');

-- A pull confirms a day when its pages are processed, not when they are stored.
SELECT wearables.register_user('ben', 'ben-1', 'main') AS ben \gset
-- as a pull stores it
CREATE FUNCTION pg_temp.page(backfill_id bigint, page integer, body text) RETURNS boolean LANGUAGE sql AS $$
  WITH e AS (
    INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, event_type, resource, external_user_id, payload)
    SELECT clock_timestamp(), (extract(epoch FROM now()) * 1000)::bigint << 20, b.endpoint, 'pull:' || b.backfill_id || ':' || $2, 'pulled.data.' || b.resource, b.resource, b.external_user_id, convert_to($3, 'UTF8')
    FROM wearables.backfills b WHERE b.backfill_id = $1 RETURNING event_id, received_at, endpoint, message_id),
  d AS (INSERT INTO wearables.deliveries SELECT endpoint, message_id, event_id, received_at, received_at FROM e)
  SELECT wearables_internal.enqueue_event(e.event_id, e.received_at, 'normalize', 0) FROM e $$;
CREATE PROCEDURE pg_temp.done(backfill_id bigint) LANGUAGE sql AS $$
  DELETE FROM wearables.jobs WHERE dedupe_key = 'pull:' || $1;
  UPDATE wearables.backfills b SET state = 'done', started_at = now(), finished_at = now() WHERE b.backfill_id = $1 $$;
PREPARE ben AS SELECT day, how FROM wearables.coverage(:ben, 'heartrate', '2026-03-01', '2026-03-03', 'heartrate');
PREPARE again AS SELECT count(*) AS asked FROM wearables.request_missing(:ben, 'heartrate', '2026-03-01', '2026-03-03', 'heartrate');
SELECT wearables.request_missing(:ben, 'heartrate', '2026-03-01', '2026-03-03', 'heartrate') AS pull \gset
CALL pg_temp.done(:pull);
SELECT pg_temp.page(:pull, 1, '{"groups":{},"next_cursor":null}');
-- was: empty
EXECUTE ben;
-- was: nothing either, for it was known
EXECUTE again;
CALL wearables.drain();
EXECUTE ben;
EXECUTE again;
-- a page that cannot be read (was: empty) is asked for again, once a day
SELECT pg_temp.page(:pull, 2, 'no JSON');
CALL wearables.drain();
SELECT status FROM wearables.webhook_events WHERE message_id LIKE 'pull:%' ORDER BY event_id;
EXECUTE ben;
EXECUTE again;
UPDATE wearables.backfills SET started_at = started_at - interval '1 day' WHERE backfill_id = :pull;
EXECUTE again;
SELECT state FROM wearables.backfills WHERE backfill_id = :pull;
EXECUTE again;
-- the next attempt counts by its own pages
CALL pg_temp.done(:pull);
SELECT pg_temp.page(:pull, 3, '{"groups":{},"next_cursor":null}');
EXECUTE ben;
CALL wearables.drain();
EXECUTE ben;
-- what reconcile() pulled is kept as a range when it is processed, and not before
SELECT wearables_internal.ask_for_history(:ben, 'main', 'ben-1', '', 'heartrate', '2026-04-01', '2026-04-03', 'reconcile', NULL, now()) AS pull \gset
CALL pg_temp.done(:pull);
SELECT pg_temp.page(:pull, 1, '{"groups":{},"next_cursor":null}');
SELECT wearables_internal.fold_reconciled(:ben);
SELECT day, how FROM wearables.coverage(:ben, 'heartrate', '2026-04-01', '2026-04-02', 'heartrate');
CALL wearables.drain();
SELECT wearables_internal.fold_reconciled(:ben);
SELECT day, how FROM wearables.coverage(:ben, 'heartrate', '2026-04-01', '2026-04-02', 'heartrate');
SELECT count(*) FROM wearables.backfills WHERE intent = 'reconcile' AND user_id = :ben;

-- Whatever waits at one endpoint is no reason to ask nothing of another (was: 0).
SELECT wearables.register_user('cat', 'cat-1', 'other') AS cat \gset
SELECT wearables.set_connection(:cat, 'oura', 'connected');
INSERT INTO wearables.backfills (user_id, endpoint, external_user_id, provider, resource, range_from, range_to, intent)
SELECT :ben, 'main', 'ben-1', '', 'sleep', '2020-01-01', '2020-01-02', 'test ' || i FROM generate_series(1, 1000) i;
DELETE FROM wearables_internal.reconciled_users;
INSERT INTO wearables_internal.reconciled_users VALUES (:ben, now() - interval '2 minutes'), (:cat, now() - interval '1 minute');
SELECT wearables.set_connection(:ben, 'oura', 'connected');
SELECT wearables.reconcile(silent_for => NULL);
SELECT endpoint FROM wearables.backfills WHERE intent = 'reconcile' AND user_id IN (:ben, :cat);
-- nothing of one that is disabled
UPDATE wearables.endpoints SET enabled = false WHERE name = 'other';
DELETE FROM wearables.backfills WHERE intent = 'reconcile' OR intent LIKE 'test %';
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile(silent_for => NULL);
SELECT endpoint FROM wearables.backfills WHERE intent = 'reconcile' AND user_id IN (:ben, :cat);
UPDATE wearables.endpoints SET enabled = true;

-- An error for one is that one's (was: raised, and nobody was asked for).
DELETE FROM wearables.backfills WHERE intent = 'reconcile';
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON wearables.backfills FOR EACH ROW WHEN (NEW.external_user_id = 'ben-1') EXECUTE FUNCTION pg_temp.refuse();
INSERT INTO wearables_internal.reconciled_users VALUES (:ann, now()) ON CONFLICT DO NOTHING;
SET client_min_messages = error;
CALL pg_temp.due();
SELECT wearables.reconcile(silent_for => NULL);
SELECT count(*) FROM wearables.problems WHERE problem = 'reconcile_failing';
SELECT user_id = :ben AS ben, failures, sqlstate, due_at > now() AND due_at < now() + interval '61 minutes' AS soon FROM wearables_internal.reconciled_users WHERE failures > 0;
UPDATE wearables_internal.reconciled_users SET due_at = now() WHERE user_id = :ben;
SELECT wearables.reconcile(silent_for => NULL);
SELECT what FROM wearables.problems WHERE problem = 'reconcile_failing';
DROP TRIGGER refuse ON wearables.backfills;
UPDATE wearables_internal.reconciled_users SET due_at = now() WHERE user_id = :ben;
SELECT wearables.reconcile(silent_for => NULL);
SELECT count(*) FROM wearables.problems WHERE problem = 'reconcile_failing';
RESET client_min_messages;
-- the longest interval that the setting allows (was: an error; a year counts as 360 days)
SELECT wearables.reconcile('365 days', silent_for => NULL);
SELECT wearables.reconcile('2 years', silent_for => NULL);

-- Whose readings arrive is connected, although no event says so (was: never asked for, and the silence was done).
SELECT wearables.register_user('dan', 'dan-1', 'main') AS dan \gset
SELECT pg_temp.send('d2', 'dan-1', 'daily.data.sleep.created', format('{"id":"n","source":{"provider":"oura"},"bedtime_start":"%s","bedtime_stop":"%s","total":27000}', to_json(now() - interval '3 days 8 hours') #>> '{}', to_json(now() - interval '3 days') #>> '{}'));
CALL wearables.drain();
SELECT provider, status, connected_at FROM wearables.connections WHERE user_id = :dan;
UPDATE wearables_internal.reconcile_turn SET swept = 0;
UPDATE wearables_internal.silences SET done = false, asked_up_to = '';
SELECT wearables.reconcile();
CALL pg_temp.due();
SELECT wearables.reconcile(silent_for => NULL) > 0 AS asked;
SELECT intent, external_user_id, provider, resource FROM wearables.backfills WHERE user_id = :dan ORDER BY 1;
-- coverage() counts only pulls of all providers for such a person, as before
SELECT wearables.request_backfill(:dan, 'oura', 'sleep', '2026-03-01', '2026-03-03') AS pull \gset
CALL pg_temp.done(:pull);
SELECT day, how FROM wearables.coverage(:dan, 'total_sleep_time', '2026-03-01', '2026-03-02', 'sleep');

-- An id of a pulled page is nobody else's (was: accepted, and the page took for its duplicate).
SELECT r.status, r.http_status, r.reason
FROM convert_to('{"event_type":"daily.data.heartrate.created","user_id":"ben-1","data":[]}', 'UTF8') b,
     wearables.receive(wearables.signed_headers('pull:7:1', now(), b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), b) r;

-- A dead pull goes on with its backfill (was: 1, and the backfill stayed failed).
SELECT wearables.request_backfill(:ben, '', 'steps', '2026-03-01', '2026-03-03') AS pull \gset
UPDATE wearables.backfills SET state = 'failed', error = 'out of luck', pages = 2 WHERE backfill_id = :pull;
UPDATE wearables.jobs SET state = 'failed', failed_at = now() WHERE dedupe_key = 'pull:' || :pull;
SELECT wearables.retry_failed(kind => 'pull', failed_after => NULL, failed_before => NULL);  -- was: 0
SELECT b.state, b.error, j.state AS job FROM wearables.backfills b JOIN wearables.jobs j ON j.dedupe_key = 'pull:' || b.backfill_id WHERE b.backfill_id = :pull;
SELECT wearables.retry_failed(kind => 'pull');
INSERT INTO wearables.stream_pulls (user_id, endpoint, external_user_id, resource, document_id, provider, source_type, state, error)
VALUES (:ben, 'main', 'ben-1', 'workout_stream', 'run', 'oura', 'ring', 'failed', 'out of luck') RETURNING stream_id AS stream \gset
SELECT wearables_internal.enqueue_stream(:stream);
UPDATE wearables.jobs SET state = 'failed', failed_at = now() WHERE dedupe_key = 'stream:' || :stream;
SELECT wearables.retry_failed(kind => 'stream');
SELECT p.state, p.error, j.state AS job FROM wearables.stream_pulls p JOIN wearables.jobs j ON j.dedupe_key = 'stream:' || p.stream_id;  -- was: failed
-- one of a user whom the vendor has deleted ends without a request (was: made)
UPDATE wearables.resources SET pull_stream = true WHERE name = 'workout_stream';
UPDATE wearables.stream_pulls SET external_user_id = 'ann-1';
UPDATE wearables.endpoints SET enabled = false;
CALL wearables.drain();
UPDATE wearables.endpoints SET enabled = true;
SELECT state, error FROM wearables.stream_pulls;
-- Progress of a pull that has hardly begun (was: interval out of range).
UPDATE wearables.backfills SET started_at = now() - interval '1 hour', range_from = '1900-01-01Z', window_from = '1900-01-01 00:00:00.000001Z', range_to = '2200-01-01Z', pages = 1, state = 'running' WHERE backfill_id = :pull;
SELECT state, percent, expected_end FROM wearables.connection_progress(:ben) WHERE resource = 'steps';
DROP EXTENSION wearables_ingest CASCADE;
