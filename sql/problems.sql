-- problems: whatever keeps deliveries or events from their end is a row, with what to do; health is the worst of them
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SET IntervalStyle = postgres;
CREATE EXTENSION wearables_ingest;
\set secret '''whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'''
CREATE FUNCTION pg_temp.send(id text, secret text DEFAULT 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', at timestamptz DEFAULT now(), endpoint text DEFAULT NULL, body text DEFAULT '{"event_type":"ping"}') RETURNS text LANGUAGE sql AS $$
  SELECT r.status || ' ' || r.http_status FROM wearables.receive(wearables.signed_headers($1, $3, convert_to($5, 'UTF8'), $2), convert_to($5, 'UTF8'), $4) r $$;
-- instants and ages differ from run to run
CREATE FUNCTION pg_temp.steady(t text) RETURNS text LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(t, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', 'then', 'g'), '(for|was) (\d+ days? ?)?\d\d:\d\d:\d\d', '\1 so long', 'g') $$;
PREPARE problems AS SELECT severity, problem, object, pg_temp.steady(what) AS what, since IS NOT NULL AS since, remedy, statement FROM wearables.problems;
PREPARE health AS SELECT verdict, pg_temp.steady(reason) AS reason FROM wearables.health;
PREPARE activity AS SELECT endpoint, reason, count, streak, message_id FROM wearables.endpoint_activity ORDER BY 1, 2;

-- no endpoint at all, and somebody sends
SELECT pg_temp.send('msg_0');
EXECUTE problems;
EXECUTE health;
-- without a secret
SELECT wearables.add_endpoint('junction');
SELECT pg_temp.send('msg_1');
EXECUTE problems;
-- the wrong secret
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_' || encode(sha256('other'), 'base64'));
SELECT count(pg_temp.send('msg_' || i)) FROM generate_series(1, 500) i;
EXECUTE problems;
EXECUTE health;
-- over a weekend: as if it had begun two days ago
SELECT pg_sleep(1.1);
SELECT pg_temp.send('msg_501');
EXECUTE activity;
UPDATE wearables.endpoint_activity SET first_at = first_at - interval '2 days', streak_from = streak_from - interval '2 days';
EXECUTE health;
-- mended: what was refused is over
SELECT wearables.set_secret('junction', 'webhook', 0, :secret);
SELECT pg_temp.send('msg_1');
EXECUTE health;
SELECT pg_sleep(1.1);
SELECT pg_temp.send('msg_2');
EXECUTE activity;
EXECUTE health;
-- what the sender gave up in these two days is told until somebody has seen to it; the rows' own statements end it
EXECUTE problems;
SELECT statement FROM wearables.problems WHERE problem = 'lost' \gexec
EXECUTE health;

-- each reason of a refusal, and what to do about it; an id that is not of letters and digits is not repeated
SELECT pg_temp.send('msg_3', at => now() - interval '1 hour');
SELECT pg_temp.send('<script>', 'whsec_' || encode(sha256('other'), 'base64'));
SELECT r.status, r.http_status FROM wearables.receive('{}', 'x') r;
SELECT r.status, r.http_status FROM wearables.receive('{"svix-id":"msg_4","svix-timestamp":"soon","svix-signature":"v1,x"}', 'x') r;
SELECT pg_temp.send('msg_5', endpoint => 'nobody''s');
SELECT r.status, r.http_status FROM wearables.receive(jsonb_build_object('svix-id', 'msg_4', 'svix-timestamp', extract(epoch FROM now())::bigint::text, 'svix-signature', 'v1a,AAAA'), 'x') r;
SELECT r.status, r.http_status FROM wearables.receive(jsonb_build_object('svix-id', 'msg.4', 'svix-timestamp', extract(epoch FROM now())::bigint::text, 'svix-signature', 'v1,AAAA'), 'x') r;
-- who names an endpoint in a header learns nothing of which there are
SELECT r.http_status, r.reason FROM unnest(ARRAY['junction', 'nobody']) name CROSS JOIN LATERAL
  wearables.receive(wearables.signed_headers('msg_5', now(), 'x', 'whsec_' || encode(sha256('other'), 'base64')) || jsonb_build_object('wearables-endpoint', name), 'x') r;
SELECT pg_temp.send(repeat('x', 600));
SET wearables_ingest.body_limit = '1kB';
SELECT pg_temp.send('msg_6', body => repeat('x', 2000));
RESET wearables_ingest.body_limit;
SELECT set_config('request.headers', '{"prefer":"tx=rollback"}', false) IS NOT NULL AS set;
SELECT wearables_api.webhook('{}'::bytea);
RESET request.headers;
SELECT reason, sum(count) AS count, max(message_id) AS message_id, wearables_internal.refusal_remedy(reason) FROM (
  SELECT reason, count, message_id FROM wearables_internal.unwritten_activity() UNION ALL SELECT reason, streak, message_id FROM wearables.endpoint_activity WHERE streak > 0) r
WHERE reason <> 'accepted' GROUP BY 1 ORDER BY 1;
UPDATE wearables.endpoints SET enabled = false;
SELECT pg_temp.send('msg_7');
SELECT pg_temp.send('msg_8', endpoint => 'junction');
SELECT problem, object, pg_temp.steady(what) AS what, remedy, statement FROM wearables.problems WHERE what ~ 'disabled';
UPDATE wearables.endpoints SET enabled = true;
-- a secret that cannot be read is told as that, and the sender is told nothing of it
INSERT INTO wearables.endpoint_secrets (endpoint, kind, ordinal, value) VALUES ('junction', 'webhook', 1, 'file:/nowhere');
SELECT pg_temp.send('msg_9', 'whsec_' || encode(sha256('other'), 'base64'));
SELECT problem, object, pg_temp.steady(what) AS what, remedy FROM wearables.problems WHERE what ~ 'unreadable|cannot be read';
DELETE FROM wearables.endpoint_secrets WHERE ordinal = 1;
SELECT pg_temp.send('msg_10');
SELECT pg_sleep(1.1);
SELECT pg_temp.send('msg_11');
SELECT pg_sleep(1.1);
CALL wearables.drain();
DELETE FROM wearables.endpoint_activity WHERE endpoint = '-';
EXECUTE problems;
-- a row for the kind, as drift says, ends it
SELECT remedy FROM wearables.drift WHERE kind = 'resource' \gexec
EXECUTE problems;

-- silent for longer than it ever was
UPDATE wearables.endpoint_activity SET count = 10, last_at = now() - interval '7 hours', longest_gap = '2 hours' WHERE reason = 'accepted';
EXECUTE problems;
UPDATE wearables.endpoint_activity SET longest_gap = '1 hour' WHERE reason = 'accepted';
EXECUTE problems;
UPDATE wearables.endpoint_activity SET last_at = now() WHERE reason = 'accepted';

-- the queue
SELECT wearables.requeue_event(1), wearables.requeue_event(2);
UPDATE wearables.jobs SET run_at = now() - interval '6 minutes';
EXECUTE problems;
UPDATE wearables.jobs SET run_at = now(), waiting_since = now() - interval '11 minutes', last_sqlstate = '53100' WHERE event_id = 1;
UPDATE wearables.jobs SET state = 'running', leased_by = pg_backend_pid(), leased_at = now(), leased_until = now() - interval '1 minute' WHERE event_id = 2;
EXECUTE problems;
UPDATE wearables.jobs SET waiting_since = NULL, state = 'failed';
EXECUTE problems;
DELETE FROM wearables.jobs;
-- an event that waits for longer than an hour, in whatever state its job is
SELECT wearables.requeue_event(1);
UPDATE wearables.jobs SET queued_at = now() - interval '2 hours';
SELECT problem, pg_temp.steady(what) AS what, statement FROM wearables.problems WHERE problem = 'old_event';
UPDATE wearables.jobs SET state = 'running', leased_by = pg_backend_pid(), leased_at = now(), leased_until = now() + interval '1 minute';
SELECT count(*) FROM wearables.problems WHERE problem = 'old_event';
UPDATE wearables.jobs SET state = 'ready', waiting_since = now(), run_at = now() + interval '1 minute';
SELECT count(*) FROM wearables.problems WHERE problem = 'old_event';
UPDATE wearables.jobs SET priority = 10, waiting_since = NULL;
SELECT count(*) AS replays FROM wearables.problems WHERE problem = 'old_event';
SELECT date_trunc('hour', oldest_event) IS NULL AS ended FROM wearables.health;
DELETE FROM wearables.jobs;
-- an event whose job somebody deletes
SELECT pg_temp.send('msg_12');
DELETE FROM wearables.jobs;
EXECUTE problems;
SELECT format('%s', statement) FROM wearables.problems WHERE problem = 'forgotten' \gexec
CALL wearables.drain();
-- a body of more unknown things, and of more refused readings, than are noted of one
SELECT wearables.register_user('alice', '11111111-1111-4111-8111-111111111111') > 0 AS registered;
SELECT pg_temp.send('msg_13', body => jsonb_build_object('event_type', 'daily.data.heartrate.created', 'user_id', '11111111-1111-4111-8111-111111111111', 'data',
  jsonb_build_object('source', jsonb_build_object('provider', 'garmin', 'type', 'watch'), 'data', (SELECT jsonb_agg(jsonb_build_object('timestamp', '2026-03-01T00:00:00Z', 'value', 'many', 'unit', 'bpm')) FROM generate_series(1, 1001))
    || ('{"timestamp": "2026-03-01T00:00:00Z", "value": 60, "unit": "bpm"}'::jsonb || (SELECT jsonb_object_agg('member_' || i, 1) FROM generate_series(1, 33) i))))::text);
CALL wearables.drain();
EXECUTE problems;
-- a sensor that sends an unknown unit, or none: health said ok; a null, and what a document never says, are no problem
DELETE FROM wearables.webhook_events WHERE message_id = 'msg_13';
DELETE FROM wearables.quarantine;
SELECT pg_temp.send('msg_14', body => '{"event_type":"daily.data.activity.created","user_id":"11111111-1111-4111-8111-111111111111","data":{"id":"a","calendar_date":"2026-03-01","source":{"provider":"garmin","type":"watch"},"steps":null,"low":60,"medium":30,"high":10}}');
CALL wearables.drain();
SELECT reason, count(*) FROM wearables.quarantine GROUP BY reason ORDER BY reason;
SELECT problem, what FROM wearables.problems WHERE problem = 'refused_readings';
SELECT pg_temp.send('msg_15', body => '{"event_type":"daily.data.glucose.created","user_id":"11111111-1111-4111-8111-111111111111","data":{"source":{"provider":"dexcom_v3","type":"cgm"},"data":[{"timestamp":"2026-03-01T00:00:00Z","value":5.4},{"timestamp":"2026-03-01T00:05:00Z","value":5.4,"unit":"stones"}]}}');
CALL wearables.drain();
SELECT problem, what, remedy FROM wearables.problems WHERE problem = 'refused_readings';
UPDATE wearables.quarantine SET refused_at = refused_at - interval '8 days';
SELECT count(*) FROM wearables.problems WHERE problem = 'refused_readings';
SELECT count(*) FROM wearables.problems WHERE problem = 'quarantine_full';
DELETE FROM wearables.webhook_events WHERE message_id = 'msg_13';
-- jobs of lower priority that nobody does; a host that asked for a day of rest; a disabled endpoint: health said ok
SELECT wearables.add_endpoint('asked', base_url => 'https://api.example.com'), wearables.set_secret('asked', 'webhook', 0, :secret), wearables.set_secret('asked', 'api_key', 0, 'sk_example');
SELECT wearables.register_user('alice', 'alice-at-asked', 'asked') > 0 AS linked;
SELECT wearables.request_backfill(user_id, '', 'steps', '2026-01-01', '2026-02-01', 'asked') > 0 AS asked FROM wearables.users;
UPDATE wearables.jobs SET run_at = now() - interval '30 days' WHERE kind = 'pull';
INSERT INTO wearables_internal.pull_hosts (host, blocked_until, reason) VALUES ('api.example.com:443', now() + interval '1 day', 'status 429');
UPDATE wearables.endpoints SET enabled = false WHERE name = 'asked';
SELECT problem, object, regexp_replace(pg_temp.steady(what), '\d+ days.*', 'so long') AS what, remedy FROM wearables.problems WHERE problem IN ('late_jobs', 'pull_disabled', 'pull_blocked');
UPDATE wearables.endpoints SET enabled = true WHERE name = 'asked';
SELECT problem, object, regexp_replace(pg_temp.steady(what), '\d+ days.*', 'so long') AS what, remedy FROM wearables.problems WHERE problem IN ('late_jobs', 'pull_disabled', 'pull_blocked');
-- without a key that is taken it is put off, until the address, the key or the endpoint changes; another column changes nothing
INSERT INTO wearables_internal.refused_keys (endpoint, reason) VALUES ('asked', 'status 401'), ('junction', 'status 401');
UPDATE wearables.jobs SET run_at = now() + interval '1 hour' WHERE kind = 'pull';
UPDATE wearables.endpoints SET success_status = 200 WHERE name = 'asked';
SELECT (SELECT count(*) FROM wearables_internal.refused_keys) AS refused, count(*) FILTER (WHERE run_at <= clock_timestamp()) AS due FROM wearables.jobs WHERE kind = 'pull';
UPDATE wearables.endpoints SET base_url = 'https://api.example.org' WHERE name = 'asked';
SELECT (SELECT string_agg(endpoint, ' ') FROM wearables_internal.refused_keys) AS refused, count(*) FILTER (WHERE run_at <= clock_timestamp()) AS due FROM wearables.jobs WHERE kind = 'pull';
DELETE FROM wearables_internal.refused_keys;
UPDATE wearables.jobs SET run_at = now() - interval '30 days' WHERE kind = 'pull';
SELECT wearables.pause_queue('pull');
SELECT count(*) FROM wearables.problems WHERE problem = 'late_jobs';
SELECT wearables.resume_queue('pull');
DELETE FROM wearables.jobs WHERE kind = 'pull';
DELETE FROM wearables.backfills;
DELETE FROM wearables_internal.pull_hosts;
DELETE FROM wearables.user_links WHERE endpoint = 'asked';
DELETE FROM wearables.endpoints WHERE name = 'asked';
-- an endpoint that nobody uses
SELECT wearables.add_endpoint('unused');
SELECT wearables.set_secret('unused', 'webhook', 0, :secret);
UPDATE wearables.endpoints SET created_at = now() - interval '2 days' WHERE name = 'unused';
SELECT problem, what, remedy FROM wearables.problems WHERE object = 'unused';
DELETE FROM wearables.endpoints WHERE name = 'unused';
SELECT wearables.pause_queue(reason => 'a test');
EXECUTE problems;
SELECT wearables.resume_queue();

-- partitions
UPDATE wearables.endpoints SET created_at = now() - interval '2 hours';
EXECUTE problems;
SELECT wearables.make_event_partitions() > 0 AS made;
EXECUTE problems;

-- the writer on its slow path
ALTER TABLE wearables.sample_points ALTER COLUMN version DROP NOT NULL;
SELECT wearables_internal.slow_writer();
ALTER TABLE wearables.sample_points ALTER COLUMN version SET NOT NULL;
SELECT wearables_internal.slow_writer();
ALTER TABLE wearables.sample_points ADD COLUMN mine text;
CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER mine BEFORE INSERT ON wearables.sample_points FOR EACH ROW EXECUTE FUNCTION pg_temp.f();
-- policies of readers do not bind the owner, who writes: in the old code, "row-level security"
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY;
EXECUTE problems;
DROP TRIGGER mine ON wearables.sample_points;
ALTER TABLE wearables.sample_points DISABLE ROW LEVEL SECURITY, DROP COLUMN mine;
SELECT wearables_internal.slow_writer();

-- a publication
SET client_min_messages = error;
CREATE PUBLICATION regress_all FOR ALL TABLES;
SET client_min_messages = warning;
SELECT count(*) FROM wearables.problems WHERE problem = 'replica_identity';
ALTER TABLE wearables.known_fields REPLICA IDENTITY NOTHING;
EXECUTE problems;
ALTER TABLE wearables.known_fields REPLICA IDENTITY FULL;
DROP PUBLICATION regress_all;
EXECUTE health;

-- its cost does not hang on how much there is: no look at a large table without a limit or a key
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SET enable_seqscan = off;
SELECT count(*) AS looks_through_all FROM pg_temp.plan('SELECT * FROM wearables.problems') p
WHERE p ~ 'Seq Scan on (webhook_events|jobs|deliveries|sample_points|summaries)' AND p !~ 'webhook_events_default';
SELECT count(*) AS looks_through_all FROM pg_temp.plan('SELECT * FROM wearables.health') p
WHERE p ~ 'Seq Scan on (webhook_events|jobs|deliveries|sample_points|summaries)' AND p !~ 'webhook_events_default';
RESET enable_seqscan;

-- a monitor sees them
CREATE ROLE regress_monitor;
SELECT wearables.grant_access('regress_monitor', 'monitor');
SET ROLE regress_monitor;
SELECT count(*) FROM wearables.problems;
SELECT verdict FROM wearables.health;
RESET ROLE;
DROP OWNED BY regress_monitor;
DROP ROLE regress_monitor;
DROP EXTENSION wearables_ingest CASCADE;
