-- erase: a person's data are found, erased and not stored again
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

-- every column of every table stands in the data map, once, and nothing else does
SELECT coalesce(m.relation, t.relation) AS relation, coalesce(m.attribute, t.attribute) AS attribute,
       CASE WHEN m.relation IS NULL THEN 'not in the map' WHEN t.relation IS NULL THEN 'not in a table' ELSE 'twice' END AS wrong
FROM (SELECT c.oid::regclass::text AS relation, a.attname::text AS attribute
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace)
        AND c.relkind IN ('r', 'p', 'f', 'm') AND NOT c.relispartition) t
FULL JOIN (SELECT d.relation, d.attribute, count(*) AS times FROM wearables.data_map d GROUP BY 1, 2) m
  ON m.relation = t.relation AND m.attribute = t.attribute
WHERE m.relation IS NULL OR t.relation IS NULL OR m.times > 1;
SELECT class, after_erasure, count(*) > 0 AS there FROM wearables.data_map GROUP BY 1, 2 ORDER BY 1, 2;

SELECT wearables.add_endpoint('junction', base_url => 'https://api.example.com');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
CREATE FUNCTION tried(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN EXECUTE what; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN sqlstate || ' ' || regexp_replace(sqlerrm, ' at .*', ' at ...'); END $$;
CREATE FUNCTION send(id text, made timestamptz, body text) RETURNS text LANGUAGE sql AS $$
  SELECT format('%s %s', r.status, r.http_status) FROM (SELECT convert_to(body, 'UTF8') AS b) x,
  wearables.receive(wearables.signed_headers(id, made, x.b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), x.b) r $$;
CREATE FUNCTION beat(id text, who text, external text, at timestamptz, made timestamptz DEFAULT now()) RETURNS text LANGUAGE sql AS $$
  SELECT send(id, made, json_build_object('event_type', 'daily.data.heartrate.created', 'client_user_id', who, 'user_id', external, 'data',
    json_build_object('source', json_build_object('provider', 'garmin'), 'data', json_build_array(
      json_build_object('timestamp', at, 'value', 60), json_build_object('timestamp', at + interval '1 min', 'value', -5))))::text) $$;
CREATE FUNCTION night(id text, who text, external text) RETURNS text LANGUAGE sql AS $$
  SELECT send(id, now(), json_build_object('event_type', 'daily.data.sleep.created', 'client_user_id', who, 'user_id', external, 'data',
    json_build_object('id', 'night-of-' || who, 'calendar_date', '2024-05-01', 'bedtime_start', '2024-04-30T22:00:00Z',
      'bedtime_stop', '2024-05-01T06:00:00Z', 'hr_lowest', 48, 'source', json_build_object('provider', 'oura')))::text) $$;
CREATE FUNCTION other(id text, type text, who text, external text, data json) RETURNS text LANGUAGE sql AS $$
  SELECT send(id, now(), json_build_object('event_type', type, 'client_user_id', who, 'user_id', external, 'data', data)::text) $$;
CREATE FUNCTION life(who text, external text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT beat(who || '_1', who, external, '2024-05-01 08:00Z', now())
  UNION ALL SELECT beat(who || '_2', who, NULL, '2024-05-02 08:00Z', now())
  UNION ALL SELECT night(who || '_3', who, external)
  UNION ALL SELECT other(who || '_4', 'provider.connection.created', who, external, '{"provider": {"slug": "oura"}}')
  UNION ALL SELECT other(who || '_5', 'daily.data.unheard_of.created', who, external, '{"secret": 1}')
  UNION ALL SELECT other(who || '_6', 'daily.data.heartrate.created', who, external, '7') $$;
SELECT wearables.register_user('alice', 'ext-alice', time_zone => 'Europe/Berlin') AS alice,
       wearables.register_user('bob', 'ext-bob') AS bob;
SELECT life('alice', 'ext-alice');
SELECT life('bob', 'ext-bob');
-- skipped events of a user of the vendor whom nobody has linked, known by the client user id alone
SELECT other('unlinked_1', 'daily.data.unheard_of.created', 'alice', 'ext-of-old', '{"secret": 2}');
CALL wearables.drain();
SELECT wearables.request_backfill(1, 'oura', 'sleep', '2024-01-01', '2024-02-01') > 0 AS asked;
SELECT wearables.set_connection(1, 'fitbit', 'error', 'user', 'why');
INSERT INTO wearables_internal.reconciled_users VALUES (1, now()), (2, now());
INSERT INTO wearables.source_priorities (user_id, rank, provider) VALUES (1, 1, 'oura'), (2, 1, 'oura');
CREATE ROLE regress_care NOLOGIN;
SELECT wearables.grant_access('regress_care', 'reader');
SELECT wearables.limit_reader('regress_care');
SELECT wearables.assign_users('regress_care', '{1,2}');
INSERT INTO wearables_internal.silences (endpoint, silent_from, silent_until, asked_up_to) VALUES ('junction', now(), now(), 'ext-alice');
INSERT INTO wearables_internal.calls (job_id, operation, intent, state, endpoint, external_user_ids, requested_by, expires_at, finished_at)
VALUES (nextval('wearables.jobs_job_id_seq'), 'trigger_historical_pull', 'x', 'done', 'junction', '{ext-alice,ext-bob}', 'me', now(), now());
CREATE VIEW holdings AS
SELECT p.who, (SELECT count(*) FROM wearables.sample_points s WHERE s.user_id = p.id) AS samples,
       (SELECT count(*) FROM wearables.summaries s WHERE s.user_id = p.id) AS documents,
       (SELECT count(*) FROM wearables.webhook_events e WHERE convert_from(e.payload, 'UTF8') LIKE '%' || p.who || '%') AS events,
       (SELECT count(*) FROM wearables.deliveries d WHERE d.message_id LIKE p.who || '%') AS ledger,
       (SELECT count(*) FROM wearables.quarantine q WHERE q.user_id = p.id) AS refused,
       (SELECT count(*) FROM wearables.connections c WHERE c.user_id = p.id) AS connections,
       (SELECT count(*) FROM wearables.connection_events c WHERE c.user_id = p.id) AS history,
       EXISTS (SELECT FROM wearables.backfills b WHERE b.user_id = p.id) AS backfills
FROM (VALUES ('alice', 1), ('bob', 2)) p (who, id);
SELECT * FROM holdings;
SELECT relation, attribute, CASE WHEN relation <> 'wearables.backfills' THEN rows_found END AS rows_found
FROM wearables.verify_erasure('alice', '{ext-alice}');

-- from the commit on no view and no function shows the person, and what comes is acknowledged and not stored
SELECT wearables.erase_user(1);
SELECT wearables.erase_user(1) AS again;
SELECT * FROM holdings WHERE who = 'alice';
SELECT count(*) AS samples FROM wearables.samples WHERE user_id = 1;
SELECT count(*) AS chart FROM wearables.timeseries(1, 'heartrate', '2024-05-01'::timestamptz, '2024-05-04', 'day');
SELECT (SELECT count(*) FROM wearables.timeseries_lttb(1, 'heartrate', '2024-05-01', '2024-05-04')) AS lttb,
       (SELECT count(*) FROM wearables.timeseries_percentiles(1, 'heartrate', '2024-05-01', '2024-05-04')) AS percentiles,
       (SELECT count(*) FROM wearables.timeseries_histogram(1, 'heartrate', '2024-05-01', '2024-05-04', '{60}')) AS histogram,
       (SELECT count(*) FROM wearables.timeseries_time_weighted(1, 'heartrate', '2024-05-01', '2024-05-04')) AS time_weighted,
       (SELECT count(*) > 0 FROM wearables.timeseries_lttb(2, 'heartrate', '2024-05-01', '2024-05-04')) AS of_bob;
SELECT count(*) AS latest FROM wearables.latest(1);
SELECT count(*) AS nights FROM wearables.nights(1, '2024-04-01', '2024-06-01');
SELECT count(*) AS coverage FROM wearables.coverage(1, 'heartrate', '2024-05-01', '2024-05-04');
SELECT count(*) AS progress FROM wearables.connection_progress(1);
SELECT count(*) > 0 AS samples_of_bob FROM wearables.samples WHERE user_id = 2;
SELECT user_id, client_user_id, time_zone, erased_at IS NOT NULL AS erased FROM wearables.users ORDER BY 1;
SELECT p.user_id AS ranked, a.user_id AS assigned FROM wearables.source_priorities p FULL JOIN wearables.assigned_users a USING (user_id);
SELECT beat('late_1', 'alice', 'ext-alice', now()), beat('late_2', 'alice', NULL, now()), beat('late_3', NULL, 'ext-alice', now()),
       beat('alice_1', 'alice', 'ext-alice', '2024-05-01 08:00Z') AS resent, beat('bob_9', 'bob', 'ext-bob', '2024-05-03 08:00Z') AS of_bob;
SELECT count(*) FROM wearables.deliveries WHERE message_id LIKE 'late%';
SELECT tried('SELECT wearables.register_user(''alice'')');
SELECT wearables.register_user('alice', again => true);
SELECT tried('SELECT wearables.register_user(''carol'', ''ext-alice'')');

-- the work, batch by batch
SELECT step, finished_at IS NULL AS open FROM wearables.erasures;
CALL wearables.drain();
SELECT step, samples, documents, events, bytes > 0 AS bytes, error, finished_at IS NOT NULL AS finished FROM wearables.erasures;
SELECT * FROM holdings;
SELECT * FROM wearables.verify_erasure('alice', '{ext-alice,ext-of-old}');
SELECT * FROM wearables.verify_erasure(NULL, '{ext-of-old}');
SELECT count(*) > 0 AS bob_is_found FROM wearables.verify_erasure('bob', '{ext-bob}');
SELECT asked_up_to FROM wearables_internal.silences;
SELECT external_user_ids FROM wearables_internal.calls;
SELECT count(*) FROM wearables_internal.erasure_ids;
SELECT count(*) AS remembered FROM wearables.erased_ids;
SELECT user_id FROM wearables_internal.reconciled_users;
SELECT kind, count(*) > 0 AS there FROM wearables.jobs GROUP BY 1 ORDER BY 1;
-- an id that was only found in skipped events is known, too
SELECT other('unlinked_2', 'daily.data.heartrate.created', NULL, 'ext-of-old', '{}');

-- again: a new user, and nothing of before
SELECT tried('SELECT wearables.register_user(''alice'')');
SELECT wearables.register_user('alice', 'ext-alice', again => true) > 2 AS new_user;
SELECT wearables.register_user('alice') > 2 AS known_now;
SELECT beat('2ff3L61iIlUHnVl3jtIi2e8W3NL', 'alice', 'ext-alice', '2024-05-01 08:00Z') AS created_2024,
       beat('new_1', 'alice', 'ext-alice', now() - interval '1 hour', clock_timestamp() + interval '2 seconds') AS created_now;
CALL wearables.drain();
SELECT client_user_id, count(s.ts) FROM wearables.users u LEFT JOIN wearables.samples s USING (user_id) GROUP BY 1 ORDER BY 1;
-- and erased once more
SELECT wearables.erase_user(user_id) FROM wearables.users WHERE client_user_id = 'alice';
CALL wearables.drain();
SELECT * FROM wearables.verify_erasure('alice', '{ext-alice}');
SELECT count(*) AS remembered, count(DISTINCT user_id) AS users FROM wearables.erased_ids;

-- what a session has found before is not written after: a row marked in between, and a connection
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', now(), 60);
SELECT wearables.set_connection(1, 'oura', 'connected');
SELECT wearables.request_backfill(1, 'oura', 'sleep', '2024-01-01', '2024-02-01');
SELECT wearables_internal.ask_for_history(1, 'junction', 'x', 'oura', 'sleep', '2024-01-01', '2024-02-01', 'requested', NULL, now()) IS NULL AS not_asked;
SELECT wearables_internal.make_call('refresh_user', 'junction', 1, NULL, '{x}', NULL, NULL);
SELECT tried('INSERT INTO wearables.source_priorities (user_id, rank) VALUES (1, 2)') AS ranked, tried('UPDATE wearables.source_priorities SET user_id = 1') AS moved,
       tried('SELECT wearables.assign_users(''regress_care'', ''{1}'')') AS assigned;

-- parked under the id of somebody who was renamed since: it goes at once
SELECT beat('zoe_1', 'zoe', 'ext-zoe', '2024-05-01 08:00Z');
CALL wearables.drain();
SELECT wearables.register_user('yve') AS yve \gset
UPDATE wearables.users SET client_user_id = 'zoe' WHERE client_user_id = 'yve';
SELECT wearables.erase_user(:yve);
SELECT count(*) AS parked FROM wearables.parked_events;
SELECT count(*) AS events FROM wearables.webhook_events WHERE client_user_id = 'zoe';
CALL wearables.drain();
-- with the vendor: it is asked first, and waited for
SELECT wearables.erase_user(2, delete_vendor => true);
SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_test');
SELECT wearables.erase_user(2, delete_vendor => true);
UPDATE wearables.endpoints SET enabled = false;
CALL wearables.drain();
SELECT user_id, step, error FROM wearables.erasures WHERE user_id = 2;
SELECT * FROM holdings WHERE who = 'bob';
SELECT operation, state, external_user_ids FROM wearables_internal.calls WHERE user_id = 2;
-- it fails: nothing is forgotten before somebody decides
UPDATE wearables_internal.calls SET state = 'failed', error = 'no', finished_at = now() WHERE user_id = 2;
UPDATE wearables.jobs SET run_at = now() WHERE kind = 'erase';
CALL wearables.drain();
SELECT step, error FROM wearables.erasures WHERE user_id = 2;
SELECT severity, problem, what FROM wearables.problems WHERE problem LIKE 'erasure%';
SELECT wearables.erase_user(2, delete_vendor => true) AS begun;
SELECT state FROM wearables_internal.calls WHERE user_id = 2 ORDER BY job_id;
-- done: the erasure goes on at once
UPDATE wearables_internal.calls SET state = 'done', finished_at = now() WHERE user_id = 2 AND state = 'waiting';
SELECT wearables_internal.note_vendor_user_deleted(2, 'junction', 'ext-bob', now());
CALL wearables.drain();
SELECT step, error FROM wearables.erasures WHERE user_id = 2;
SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}');

-- of many events a batch finds some without reading the others, and goes on in the week where the last ones were
SELECT wearables.register_user('dora', 'ext-dora', 'junction', 'Europe/Berlin') AS dora \gset
-- autovacuum must not have the default partition while its rows are moved, which is tried for 100 ms
ALTER TABLE wearables.webhook_events_default SET (autovacuum_enabled = off);
INSERT INTO wearables.webhook_events (received_at, version, user_id, wrote_from, wrote_to, user_zone, status, endpoint, message_id, external_user_id, payload)
SELECT a.at, i, :dora, a.at, a.at, 'Europe/Berlin', 'processed', 'junction', 'many_' || i, 'ext-dora', '{}'
FROM generate_series(0, 5999) i CROSS JOIN LATERAL (SELECT timestamptz '2024-01-01Z' + i * interval '5 minutes') a (at);
SELECT wearables.make_event_partitions() > 0 AS partitions;
ANALYZE wearables.webhook_events;
-- the least of several: what autovacuum and others have changed meanwhile is looked up in the catalogs once more
CREATE FUNCTION pg_temp.buffers(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  plan json;
  least_ bigint;
BEGIN
  FOR i IN 1..5 LOOP
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    least_ := least(least_, (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint);
  END LOOP;
  RETURN least_;
END $$;
SELECT pg_temp.buffers(format('SELECT * FROM wearables_internal.find_events_of_user(%s, 10)', :dora)) < 100 AS few,
       pg_temp.buffers('SELECT * FROM wearables_internal.find_events_of_id(''junction'', ''ext-dora'', 10)') < 100 AS few;
SELECT wearables.erase_user(:dora);
BEGIN;
SELECT wearables_internal.lock_user(:dora);
SELECT count(wearables_internal.erase_some(:dora)) FROM generate_series(1, 15);
SELECT step, events, next_metric, next_ts FROM wearables.erasures WHERE user_id = :dora;
COMMIT;
-- behind that place, too, as long as something is found
INSERT INTO wearables.webhook_events (received_at, version, status, endpoint, message_id, external_user_id, payload) VALUES ('2024-01-02Z', 1, 'skipped', 'junction', 'behind', 'ext-dora', '{}');
CALL wearables.drain();
SELECT step, events FROM wearables.erasures WHERE user_id = :dora;
SELECT * FROM wearables.verify_erasure('dora', '{ext-dora}');
-- its end does not read the jobs of events
SELECT pg_temp.buffers(format('SELECT wearables_internal.erase_rest(%s)', :dora)) AS few \gset
INSERT INTO wearables.jobs (event_id, received_at, run_at, dedupe_key) SELECT i, now(), 'infinity', 'event:' || i FROM generate_series(100000, 120000) i;
ANALYZE wearables.jobs;
SELECT pg_temp.buffers(format('SELECT wearables_internal.erase_rest(%s)', :dora)) < :few + 100 AS few;
DELETE FROM wearables.jobs WHERE event_id >= 100000;

-- ids that are written in a special way in JSON; an endpoint with another name, and one of the vendor's other environment
UPDATE wearables.endpoints SET enabled = true;
SELECT wearables.register_user(E'the "zo\\\u00e9"', E'ext/"\u00fc\\') AS zoe \gset
SELECT wearables.erase_user(:zoe);
SELECT beat('zoe_2', E'the "zo\\\u00e9"', NULL, now()) AS by_client, beat('zoe_3', NULL, E'ext/"\u00fc\\', now()) AS by_external,
       beat('zoe_4', E'the "zo\\\u00e9', E'ext/"\u00fc', now()) AS nearly;
UPDATE wearables.endpoints SET name = 'renamed';
SELECT beat('zoe_5', NULL, E'ext/"\u00fc\\', now()) AS renamed;
UPDATE wearables.endpoints SET environment = 'sandbox';
SELECT beat('zoe_6', NULL, E'ext/"\u00fc\\', now()) AS sandbox;
UPDATE wearables.endpoints SET environment = 'production', name = 'junction';
SELECT beat('zoe_7', NULL, E'ext/"\u00fc\\', now()) AS production;
-- as a restore brings them, the ids before the salt
CREATE TEMP TABLE salt AS SELECT * FROM wearables_internal.erasure_salt;
DELETE FROM wearables_internal.erasure_salt;
CREATE TEMP TABLE ids AS WITH d AS (DELETE FROM wearables.erased_ids RETURNING *) SELECT * FROM d;
SELECT beat('zoe_8', NULL, E'ext/"\u00fc\\', now()) AS without;
INSERT INTO wearables.erased_ids SELECT * FROM ids;
SELECT beat('zoe_9', NULL, E'ext/"\u00fc\\', now()) AS without_salt;
INSERT INTO wearables_internal.erasure_salt SELECT * FROM salt;
SELECT beat('zoe_10', NULL, E'ext/"\u00fc\\', now()) AS restored;
DELETE FROM wearables.webhook_events WHERE payload LIKE '%zo%' OR payload LIKE '%ext/%';
-- found in bodies that are cut off, however the writer spells its JSON
INSERT INTO wearables.webhook_events (received_at, version, status, endpoint, message_id, payload)
SELECT now(), n, 'failed', 'junction', 'cut_' || n, convert_to(b, 'UTF8')
FROM unnest(ARRAY['{"id": "the \"zo\\é\"', '{"id": "the \"zo\\\u00e9\"', '{"id": "the \"zo\\\u00E9\"', '{"id": "not the \"zo\\e\"', '{"id": "ext\/\"ü\\"}']) WITH ORDINALITY x (b, n);
SELECT * FROM wearables.verify_erasure(E'the "zo\\\u00e9"');
SELECT * FROM wearables.verify_erasure(NULL, ARRAY[E'ext/"\u00fc\\']);
DELETE FROM wearables.webhook_events WHERE message_id LIKE 'cut%';

-- bodies in which no user can be read
SELECT send('nobody_1', now(), 'not json'), send('nobody_2', now(), '{"event_type": "daily.data.heartrate.created", "data": []}');
CALL wearables.drain();
SELECT wearables.delete_unassignable_events() AS too_young, wearables.delete_unassignable_events('1 us') AS deleted;
SELECT count(*) FROM wearables.webhook_events;
SELECT wearables.delete_unassignable_events('-1 day');

-- errors
SELECT wearables.erase_user(99);
SELECT wearables.erase_user(NULL);
SELECT wearables.verify_erasure(NULL);
CREATE TABLE mine (a int);
CREATE TRIGGER not_mine AFTER INSERT ON mine EXECUTE FUNCTION wearables_internal.erased_ids_changed();
INSERT INTO mine VALUES (1);
DROP TRIGGER not_mine ON mine;
CREATE TRIGGER not_mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION wearables_internal.refuse_erased();
INSERT INTO mine VALUES (1);
DROP TABLE mine;
DROP VIEW holdings;
DROP FUNCTION life, beat, night, other, send, tried;
DROP EXTENSION wearables_ingest CASCADE;
DROP OWNED BY regress_care;
DROP ROLE regress_care;
