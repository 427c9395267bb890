-- site: whatever a site has set for the server, the database or the role, the road goes the same way
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ACCESS METHOD regress_site TYPE TABLE HANDLER heap_tableam_handler;
SET standard_conforming_strings = off;
SET escape_string_warning = on;
SET backslash_quote = off;
SET quote_all_identifiers = on;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kolkata';
SET timezone_abbreviations = 'India';
SET bytea_output = 'escape';
SET extra_float_digits = -15;
SET array_nulls = off;
SET transform_null_equals = on;
SET xmlbinary = 'hex';
SET row_security = off;
CREATE SCHEMA regress_site;
CREATE FUNCTION regress_site.lower(text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
SET search_path = regress_site, pg_catalog;
SET default_table_access_method = 'regress_site';
SET default_transaction_isolation = 'serializable';
SET default_transaction_deferrable = on;
SET enable_seqscan = off;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET enable_nestloop = off;
SET enable_sort = off;
SET enable_material = off;
SET plan_cache_mode = force_custom_plan;
SET cursor_tuple_fraction = 1;
SET from_collapse_limit = 1;
SET join_collapse_limit = 1;
SET geqo_threshold = 2;
SET lock_timeout = '1min';
SET statement_timeout = '1min';
SET idle_in_transaction_session_timeout = '1min';
SET plpgsql.variable_conflict = 'use_column';
SET plpgsql.extra_errors = 'all';
SET plpgsql.extra_warnings = 'all';
CREATE EXTENSION wearables_ingest;
SELECT count(*) AS tables_of_the_site FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'regress_site';
SELECT wearables.add_endpoint('junction', base_url => 'https://api.tryvital.io', tolerance => '600 seconds');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', 'u-alice', time_zone => 'Europe/Berlin') > 0 AS registered;
SELECT wearables.make_event_partitions('0') > 0 AS made;

CREATE FUNCTION pg_temp.send(made text, resource text, data text, who text DEFAULT 'alice') RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%s","data":%s}', resource, who, who, data), 'UTF8') body $$;
SELECT pg_temp.send('2t01', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":61.25},{"timestamp":"2024-05-01T08:01:00+02:00","value":-7},{"timestamp":"12/05/2024 08:00","value":60}]}');
SELECT pg_temp.send('2t02', 'sleep', $${"id":"n1","calendar_date":"2024-05-01","bedtime_start":"2024-04-30T21:00:00Z","bedtime_stop":"2024-05-01T05:00:00Z","hr_lowest":48,"average_hrv":1e-7,"timezone_offset":7200,"source":{"provider":"oura","type":"ring"},"note":"it's \\ a \u0000 night"}$$);
SELECT pg_temp.send('2t03', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":70}]}', 'bob');
SELECT pg_temp.send('2t04', 'heartrate', 'oops');
-- two by hand, one in the worker's way
SELECT (wearables.replay(event_id)).processed FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t02%';
CALL wearables.drain();
SELECT wearables.register_user('bob', 'u-bob') > 0 AS registered;
CALL wearables.drain();
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:02Z', 62);
UPDATE wearables.mappings SET value_fields = '{hr_average,hr_lowest}' WHERE resource = 'sleep' AND metric = 'heartrate';
\echo :SQLSTATE

-- what stands there, told in the server's own words
RESET ALL;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
SELECT substr(message_id, 5, 4) AS made, status, note, error, inserted, quarantined FROM wearables.webhook_events ORDER BY event_id;
SELECT u.client_user_id, s.metric, s.ts, s.provider, s.channel, s.value, s.tz_offset FROM wearables.samples s JOIN wearables.users u USING (user_id) ORDER BY 1, 2, 3;
SELECT summary_id, doc FROM wearables.summaries;
SELECT reason, detail, pointer FROM wearables.quarantine ORDER BY event_id, ordinal;
SELECT name, environment, base_url, tolerance FROM wearables.endpoints;
SELECT event_id, state, attempt, last_error FROM wearables.jobs;
SELECT verdict, reason FROM wearables.health;

SET client_min_messages = error;
DROP EXTENSION wearables_ingest CASCADE;
DROP SCHEMA regress_site CASCADE;
DROP ACCESS METHOD regress_site;
