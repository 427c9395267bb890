-- partition: raw events lie in weekly partitions; a default one catches what has none yet
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');

-- A message id begins with the time it was made at, so 2t01 is older than 2t02, whenever the two arrive.
CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
PREPARE partitions AS
  SELECT count(*) FILTER (WHERE c.relname <> 'webhook_events_default') AS weeks, count(*) FILTER (WHERE i.indisunique) AS unique_indexes,
         bool_and(obj_description(c.oid, 'pg_class') <> '') AS commented
  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_index i ON i.indrelid = c.oid
  WHERE h.inhparent = 'wearables.webhook_events'::regclass;
PREPARE rows AS
  SELECT event_id, tableoid::regclass = 'wearables.webhook_events_default'::regclass AS in_default, status, octet_length(payload) AS bytes FROM wearables.webhook_events ORDER BY event_id;

-- receiving needs no partition: it never fails for want of one
EXECUTE partitions;
SELECT pg_temp.send('2t01', 'ping', '{}'), pg_temp.send('2t02', 'ping', '{}'), pg_temp.send('2t03', 'ping', '{}');
-- two of them came long ago
UPDATE wearables.webhook_events SET received_at = '2024-05-01 12:00Z' WHERE event_id = 1;
UPDATE wearables.webhook_events SET received_at = '2024-05-06 00:00Z' WHERE event_id = 2;
UPDATE wearables.jobs j SET received_at = e.received_at FROM wearables.webhook_events e WHERE e.event_id = j.event_id;
EXECUTE rows;

-- this week and the two weeks in which something lies are made, and their rows moved
SELECT wearables.make_event_partitions('0');
EXECUTE partitions;
EXECUTE rows;
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c WHERE c.relname ~ 'webhook_events_2024' AND c.relkind = 'r' ORDER BY 1;

-- again: nothing to make; further ahead: as many weeks more
SELECT wearables.make_event_partitions('0');
SELECT wearables.make_event_partitions('14 days');
SELECT wearables.make_event_partitions();
EXECUTE partitions;

-- the road goes on through them
SELECT pg_temp.send('2t04', 'ping', '{}');
CALL wearables.drain();
EXECUTE rows;
SELECT count(*) FROM wearables.jobs;

-- of a week with more rows than that, none is moved: deliveries would wait for long
SELECT pg_temp.send('2t05', 'ping', '{}'), pg_temp.send('2t06', 'ping', '{}');
UPDATE wearables.webhook_events SET received_at = '2023-05-01 12:00Z' WHERE event_id IN (5, 6);
SELECT wearables.make_event_partitions(most_moved => 1);
SELECT wearables.make_event_partitions(most_moved => 2);
EXECUTE partitions;

-- the bounds are the same whatever the session has set, and the partition is an ordinary table
UPDATE wearables.webhook_events SET received_at = '2022-05-04 12:00Z' WHERE event_id = 5;
-- clocks are moved between this week and the other one
UPDATE wearables.webhook_events SET received_at = '2022-11-09 12:00Z' WHERE event_id = 6;
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Europe/Berlin';
SET IntervalStyle = 'sql_standard';
CREATE ACCESS METHOD regress_other TYPE TABLE HANDLER heap_tableam_handler;
SET default_table_access_method = 'regress_other';
SELECT wearables.make_event_partitions('28 days');
RESET default_table_access_method;
DROP ACCESS METHOD regress_other;
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds FROM pg_class c WHERE c.relname ~ 'webhook_events_202[23]' AND c.relkind = 'r' ORDER BY 1;
SELECT count(*) AS of_other_bounds FROM pg_class c
WHERE c.relname ~ '^webhook_events_[0-9]+$' AND pg_get_expr(c.relpartbound, c.oid) !~ '^FOR VALUES FROM .''.{10} 00:00:00.00''. TO .''.{10} 00:00:00.00''.$';

-- where a publication holds all tables, each of ours can be updated
SELECT c.oid::regclass AS without_identity FROM pg_class c
WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace) AND c.relkind = 'r' AND c.relreplident <> 'f'
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);

-- errors
SELECT wearables.make_event_partitions(most_moved => -1);
\echo :SQLSTATE
SELECT wearables.make_event_partitions('-1 day');
\echo :SQLSTATE
SELECT wearables.make_event_partitions('2 years');
\echo :SQLSTATE
SELECT wearables.make_event_partitions(NULL);
\echo :SQLSTATE

-- they go with the extension, although they are not its members
DROP EXTENSION wearables_ingest CASCADE;
SELECT count(*) FROM pg_class WHERE relname LIKE 'webhook_events%';
