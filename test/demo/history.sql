-- An endpoint with a base URL and an API key, and somebody whose history is asked for; :port is the stand-in's.
\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction', base_url => 'http://127.0.0.1:' || :'port') \g /dev/null
SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction') \g /dev/null
SELECT wearables.make_event_partitions() \g /dev/null
SELECT wearables.register_user('dora', 'alice-at-junction') AS user_id \g /dev/null
\echo 'SELECT count(*) FROM wearables.sync(1, since => \'2026-02-25\');'
SELECT count(*) AS pulls FROM wearables.sync(1, since => '2026-02-25');
CALL wearables.drain();
SELECT resource, state, pages, samples, bar, percent FROM wearables.backfill_progress ORDER BY samples DESC, resource LIMIT 8;
SELECT metric, count(*) AS readings, min(ts) AS first, max(ts) AS last FROM wearables.samples GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5;
