-- coverage: which days are known, by what; what is asked for is what is not
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction', base_url => 'https://api.example.com');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', 'ext-alice', time_zone => 'America/New_York');
SELECT wearables.register_user('bob');
-- whoever made it at that time
CREATE FUNCTION pg_temp.send(made text, type text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body,
                                                     'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"ext-alice","client_user_id":"alice","data":%s}', type, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.pulse(made text, ts text, value text DEFAULT '60') RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'daily.data.heartrate.created', format('{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"%s","unit":"bpm","value":%s}]}', ts, value)) $$;
CREATE FUNCTION pg_temp.activity(made text, day text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'daily.data.activity.created', format('{"id":"%s","calendar_date":"%1$s","date":"%1$sT00:00:00+00:00","source":{"provider":"oura","type":"ring"},"steps":5000}', day)) $$;
-- as a pull stores it
CREATE FUNCTION pg_temp.page(backfill_id bigint, body text) RETURNS boolean LANGUAGE sql AS $$
  WITH e AS (
    INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, event_type, resource, external_user_id, payload)
    SELECT now(), (extract(epoch FROM now()) * 1000)::bigint << 20, 'junction', 'pull:' || b.backfill_id || ':1', 'pulled.data.' || b.resource, b.resource, 'ext-alice', convert_to($2, 'UTF8')
    FROM wearables.backfills b WHERE b.backfill_id = $1 RETURNING event_id, received_at)
  SELECT wearables_internal.enqueue_event(e.event_id, e.received_at, 'normalize', 0) FROM e $$;
CREATE PROCEDURE pg_temp.done(at timestamptz DEFAULT now()) LANGUAGE sql AS $$
  DELETE FROM wearables.jobs WHERE kind = 'pull';
  UPDATE wearables.backfills SET state = 'done', started_at = $1, finished_at = $1 WHERE state = 'waiting' $$;
PREPARE pulse AS SELECT day, how, (SELECT array_agg(e.message_id ~ '^pull' ORDER BY i) FROM unnest(event_ids) WITH ORDINALITY x (id, i) JOIN wearables.webhook_events e ON e.event_id = x.id) AS pulled, events
  FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-07');
PREPARE steps AS SELECT day, how, events FROM wearables.coverage(1, 'steps', '2024-05-01', '2024-05-05', 'activity');
PREPARE asked AS SELECT b.intent, b.state, b.resource, b.provider, b.range_from, b.range_to FROM wearables.backfills b WHERE b.backfill_id = ANY ($1::bigint[]) ORDER BY b.resource, b.range_from;

-- Days are the user's: 02:00 UTC of the 4th is the 3rd in New York. Two on the 1st, of which the newest stands first;
-- the 5th came and was refused.
SELECT pg_temp.pulse('2t01', '2024-05-01T12:00:00Z'), pg_temp.pulse('2t02', '2024-05-01T12:05:00Z'), pg_temp.pulse('2t03', '2024-05-04T02:00:00Z'),
       pg_temp.pulse('2t04', '2024-05-06T03:00:00Z', '6000');
-- a reading of a calendar day belongs to its date, although 00:00 UTC of it is the day before in New York
SELECT pg_temp.activity('2t05', '2024-05-02'), pg_temp.activity('2t06', '2024-05-03');
CALL wearables.drain();
EXECUTE pulse;
EXECUTE steps;
SELECT metric, reason, user_id, ts, day FROM wearables.quarantine;

-- What is unknown is asked for, each run of days at once, and not twice.
SELECT array_agg(r) AS first FROM wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-07', 'heartrate') r \gset
EXECUTE asked(:'first');
SELECT wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-07', 'heartrate');
-- What has ended tells: the 2nd came now, the 4th is empty.
SELECT pg_temp.page(min(x), '{"groups":{"garmin":[{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-02T12:00:00Z","unit":"bpm","value":61}]}]},"next_cursor":null}') FROM unnest(:'first'::bigint[]) x;
CALL pg_temp.done();
CALL wearables.drain();
EXECUTE pulse;
SELECT day, how, events FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-07', 'heartrate');
SELECT wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-07', 'heartrate');
-- of all resources that yield it: a night has a heart rate, too, and only its pull is wanted
SELECT array_agg(r) AS nights FROM wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-07') r \gset
EXECUTE asked(:'nights');
CALL pg_temp.done();
EXECUTE pulse;
-- the page again by webhook: both; and what they brought stays known when they are gone
SELECT pg_temp.pulse('2t07', '2024-05-02T12:00:00Z', '61');
CALL wearables.drain();
SELECT day, how, cardinality(event_ids), events FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-03', most_events => 1);
BEGIN;
DELETE FROM wearables.webhook_events;
EXECUTE pulse;
ROLLBACK;

-- A pull tells of the days that were over when it was begun, of what was connected then, and when it has ended.
SELECT array_agg(r) AS early FROM wearables.request_missing(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate') r \gset
EXECUTE asked(:'early');
CALL pg_temp.done('2024-06-02 20:00Z');
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
-- within the hour that a request may take at most
UPDATE wearables.backfills SET started_at = '2024-06-03 04:59Z' WHERE range_from = '2024-06-01 04:00Z';
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
UPDATE wearables.backfills SET started_at = '2024-06-03 05:00Z' WHERE range_from = '2024-06-01 04:00Z';
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
-- what is left of it
SELECT array_agg(r) AS rest FROM wearables.request_missing(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate') r \gset
EXECUTE asked(:'rest');
CALL pg_temp.done();
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
SELECT wearables.set_connection(1, 'fitbit', 'connected');
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
SELECT wearables.set_connection(1, 'whoop', 'connected');
-- of one of the two is not of both
SELECT wearables.request_backfill(1, 'fitbit', 'heartrate', '2024-06-01', '2024-06-05') IS NOT NULL AS asked;
CALL pg_temp.done(clock_timestamp());
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
SELECT wearables.request_backfill(1, 'whoop', 'heartrate', '2024-06-01', '2024-06-05') IS NOT NULL AS asked;
CALL pg_temp.done(clock_timestamp());
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-06-01', '2024-06-04', 'heartrate');
-- one that failed tells nothing, and is asked for again
SELECT wearables.request_missing(1, 'heartrate', '2024-07-01', '2024-07-02', 'heartrate') AS failed \gset
DELETE FROM wearables.jobs WHERE kind = 'pull';
UPDATE wearables.backfills SET state = 'failed' WHERE backfill_id = :failed;
SELECT day, how FROM wearables.coverage(1, 'heartrate', '2024-07-01', '2024-07-02', 'heartrate');
SELECT wearables.request_missing(1, 'heartrate', '2024-07-01', '2024-07-02', 'heartrate') = :failed AS again;
-- today is open; of a day that is not over nothing is asked
SELECT day - current_date AS day, how FROM wearables.coverage(1, 'heartrate', current_date + 1, current_date + 3, 'heartrate');
SELECT wearables.request_missing(1, 'heartrate', current_date + 1, current_date + 3, 'heartrate');

-- A metric whose name fields have extended is asked for by its parent's resource, and is known by its family.
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'cholesterol/hdl', '2024-05-02 12:00Z', 1.4);
SELECT day, how FROM wearables.coverage(1, 'cholesterol', '2024-05-01', '2024-05-03');
SELECT array_agg(r) AS lipids FROM wearables.request_missing(1, 'cholesterol/hdl', '2024-05-01', '2024-05-03') r \gset
EXECUTE asked(:'lipids');
-- what takes no range is asked for once, and then tells of all days
SELECT array_agg(r) AS profile FROM wearables.request_missing(1, 'body_height', '2024-05-01', '2024-05-04', 'profile') r \gset
EXECUTE asked(:'profile');
CALL pg_temp.done();
SELECT DISTINCT how FROM wearables.coverage(1, 'body_height', '2020-05-01', '2020-05-04', 'profile');

-- Cost: a few looks at an index a day, and one row an event; not the readings.
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 2, 'heartrate', '2024-01-01Z'::timestamptz + i * interval '1 minute', 60 FROM generate_series(1, 50000) i;
VACUUM ANALYZE wearables.sample_points;
CREATE FUNCTION pg_temp.cost() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT count(*) FROM wearables.coverage(2, ''heartrate'', ''2024-01-01'', ''2024-02-05'')' INTO plan;
  RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END $$;
SELECT count(*) AS days, count(*) FILTER (WHERE how = 'readings') AS known FROM wearables.coverage(2, 'heartrate', '2024-01-01', '2024-02-05');
-- 35 days of 1,440 readings lie in some 700 pages
SELECT pg_temp.cost() < 600 AS few_pages;

-- reconcile: who is connected, where there is an address and a key, each once an interval at a time of their own
DELETE FROM wearables.jobs WHERE kind = 'pull';
DELETE FROM wearables.backfills;
PREPARE reconciled AS SELECT b.user_id, b.resource, b.intent, b.state, b.range_to - b.range_from AS range, j.priority FROM wearables.backfills b LEFT JOIN wearables.jobs j ON j.dedupe_key = 'pull:' || b.backfill_id ORDER BY 1, 2;
SELECT wearables.reconcile();
SELECT user_id, due_at > now() + interval '11 hours' AND due_at < now() + interval '37 hours' AS due_in_a_day FROM wearables_internal.reconciled_users;
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile();
SELECT due_at > now() AND due_at < now() + interval '61 minutes' AS without_a_key_looked_at_again_soon FROM wearables_internal.reconciled_users;
SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_us_1');
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
-- never while the API refuses, or throttles
INSERT INTO wearables_internal.refused_keys (endpoint, reason) VALUES ('junction', 'status 401');
SELECT wearables.reconcile();
DELETE FROM wearables_internal.refused_keys;
INSERT INTO wearables_internal.pull_hosts (host, blocked_until) VALUES ('api.example.com:443', now() + interval '1 minute');
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile();
DELETE FROM wearables_internal.pull_hosts;
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile(silent_for => NULL);
EXECUTE reconciled;
SELECT date_trunc('hour', due_at - now() + interval '2 minutes') AS due FROM wearables_internal.reconciled_users;
-- not again while these are on their way
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile(silent_for => NULL);
-- what has ended tells of its days, and goes when it is asked for again
SELECT DISTINCT how FROM wearables.coverage(1, 'total_sleep_time', (now() AT TIME ZONE 'America/New_York')::date - 6, (now() AT TIME ZONE 'America/New_York')::date - 2, 'sleep');
CALL pg_temp.done(clock_timestamp());
SELECT DISTINCT how FROM wearables.coverage(1, 'total_sleep_time', (now() AT TIME ZONE 'America/New_York')::date - 6, (now() AT TIME ZONE 'America/New_York')::date - 2, 'sleep');
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile(silent_for => NULL);
SELECT state, count(*) FROM wearables.backfills GROUP BY 1;
SELECT DISTINCT how FROM wearables.coverage(1, 'total_sleep_time', (now() AT TIME ZONE 'America/New_York')::date - 6, (now() AT TIME ZONE 'America/New_York')::date - 2, 'sleep');
-- who is connected no more is forgotten, and asked for nothing
SELECT count(wearables.set_connection(1, p, 'disconnected')) FROM unnest('{fitbit,whoop,garmin,oura}'::text[]) p;
UPDATE wearables_internal.reconciled_users SET due_at = now() - interval '1 minute';
SELECT wearables.reconcile(silent_for => NULL);
SELECT count(*) FROM wearables_internal.reconciled_users;
SELECT wearables.reconcile('1 minute');
SELECT wearables.reconcile(NULL);
SELECT wearables.reconcile('1 day', 0);
SELECT wearables.reconcile('1 day', 10, '1 second');
-- progress: nothing of what reconcile() asks for by itself
SELECT count(*) FROM wearables.connection_progress(1);
SELECT wearables.request_backfill(1, 'garmin', 'heartrate', '2024-05-01', '2024-05-11') AS pull \gset
SELECT provider, resource, state, requested_at IS NOT NULL AS requested, announced_at, pulls, pages, percent, oldest_reading, newest_reading, expected_end, error FROM wearables.connection_progress(1);
-- 99 before its first page
SELECT percent FROM wearables.backfill_progress WHERE backfill_id = :pull;
UPDATE wearables.backfills SET state = 'running', started_at = now() - interval '1 minute', window_from = '2024-05-06', pages = 1, error = 'the vendor answered 503' WHERE backfill_id = :pull;
SELECT provider, resource, state, pages, percent, expected_end BETWEEN now() + interval '50 s' AND now() + interval '70 s' AS ends_in_a_minute, error FROM wearables.connection_progress(1);

-- who is not there, or was erased, has no days; nothing is asked for them
SELECT count(*) FROM wearables.coverage(99, 'heartrate', '2024-05-01', '2024-05-03');
SELECT wearables.request_missing(99, 'heartrate', '2024-05-01', '2024-05-03');
SELECT wearables.request_missing(2, 'heartrate', '2024-05-01', '2024-05-03');
SELECT wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-03', endpoint => 'other');
-- what is no range, no metric, no resource of it
SELECT * FROM wearables.coverage(1, 'pulse', '2024-05-01', '2024-05-03');
SELECT * FROM wearables.coverage(1, 'heartrate', '2024-05-03', '2024-05-01');
SELECT * FROM wearables.coverage(1, 'heartrate', '-infinity', 'infinity');
SELECT * FROM wearables.coverage(1, 'heartrate', NULL, '2024-05-01');
SELECT * FROM wearables.coverage(1, 'heartrate', '2014-01-01', '2024-05-01');
SELECT * FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-03', 'steps');
SELECT * FROM wearables.coverage(99, 'heartrate', '2024-05-01', '2024-05-03', 'note');
SELECT wearables.request_missing(1, 'pulse', '2024-05-01', '2024-05-03');
SELECT count(*) FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-01');
UPDATE wearables.users SET erased_at = now() WHERE user_id = 1;
SELECT count(*) FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-03');
SELECT wearables.request_missing(1, 'heartrate', '2024-05-01', '2024-05-03');

-- The cost grows with events and days, not with their product: 20,000 events that each span ten years and 300 of other
-- spans took more than half a minute. What is behind each day is what a comparison of each event with each day finds.
INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT 2, 'heartrate', d, 60 FROM generate_series('2014-01-02Z'::timestamptz, '2024-01-01Z', '1 day') d;
INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, event_type, user_id, status, wrote_from, wrote_to, wrote_metrics, payload)
SELECT '2024-02-01Z', i, 'junction', 'span' || i, CASE i % 2 WHEN 0 THEN 'pulled.data.heartrate' END, 2, 'processed', s.day, s.day + (i * 577 % 1700) * interval '1 day',
       (SELECT ARRAY[metric_id] FROM wearables.metrics WHERE name = 'heartrate'), ''
FROM generate_series(1, 300) i, LATERAL (SELECT '2013-12-01Z'::timestamptz + (i * 7919 % 3800) * interval '1 day' AS day) s;
SELECT count(*) AS days, count(*) FILTER (WHERE c.events <> e.events OR c.event_ids <> coalesce(e.event_ids, '{}') OR c.how <> e.how) AS wrong, sum(c.events) AS pairs
FROM wearables.coverage(2, 'heartrate', '2014-01-01', '2024-01-02') c,
LATERAL (SELECT count(*) AS events, (array_agg(event_id ORDER BY event_id DESC))[1:10] AS event_ids,
                CASE WHEN c.day = '2014-01-01' THEN 'unknown' WHEN count(*) = 0 THEN 'readings' WHEN count(event_type) = count(*) THEN 'pull' WHEN count(event_type) = 0 THEN 'webhook' ELSE 'both' END AS how
         FROM wearables.webhook_events WHERE user_id = 2 AND c.day > '2014-01-01' AND c.day BETWEEN wrote_from::date AND wrote_to::date) e;
INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, user_id, status, wrote_from, wrote_to, wrote_metrics, payload)
SELECT '2024-02-01Z', i, 'junction', 'wide' || i, 2, 'processed', '2014-01-01Z', '2024-01-01Z', (SELECT ARRAY[metric_id] FROM wearables.metrics WHERE name = 'heartrate'), ''
FROM generate_series(1, 20000) i;
SET statement_timeout = '30s';
SELECT how, count(*), min(events) >= 20000 AS all_events FROM wearables.coverage(2, 'heartrate', '2014-01-01', '2024-01-02') GROUP BY how ORDER BY how;
RESET statement_timeout;
DROP EXTENSION wearables_ingest CASCADE;
