-- One person from the first call to the chart: made at the vendor, given a link, connected, pulled. The secret is :secret. The stand-in lives
-- in March 2026, and so does what it sends.
\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;
UPDATE wearables.endpoints SET tolerance = '10 years';
SELECT wearables.set_secret('junction', 'webhook', 0, :'secret') \g /dev/null

\echo 'SELECT wearables.create_vendor_user(''erin'');'
SELECT wearables.create_vendor_user('erin') AS call \gset
CALL wearables.drain();
SELECT user_id AS erin, result->>'user_id' AS external FROM wearables.outbound_calls WHERE job_id = :call \gset
\echo 'SELECT wearables.link_url(:erin, ''garmin'');'
SELECT wearables.link_url(:erin, 'garmin') AS call \gset
CALL wearables.drain();
SELECT operation, state, attempts, http_status, (link_url IS NOT NULL)::text AS has_link FROM wearables.outbound_calls WHERE user_id = :erin ORDER BY job_id;
SELECT link_url FROM wearables.outbound_calls WHERE job_id = :call \gset

\echo '-- erin opens the link and connects her watch; the vendor says so by a webhook, and a month of her history is pulled'
\setenv LINK :link_url
\! /usr/bin/python3 -c 'import os, urllib.request; urllib.request.urlopen(os.environ["LINK"]).read()'
SELECT convert_to(jsonb_build_object('event_type', 'provider.connection.created', 'user_id', :'external', 'client_user_id', 'erin',
         'data', jsonb_build_object('provider', jsonb_build_object('name', 'Garmin', 'slug', 'garmin')))::text, 'UTF8') AS body \gset
SELECT wearables.receive(wearables.signed_headers('msg_erin', '2026-03-28 12:00Z', :'body', :'secret'), :'body') \g /dev/null
CALL wearables.drain();
SELECT provider, status, connected_at, last_data_at FROM wearables.connections WHERE user_id = :erin;
SELECT bucket_start::date AS week, value::numeric(5, 1) AS mean, lowest, highest, readings, repeat('*', (value / 3)::integer) AS heart_rate
FROM wearables.timeseries(:erin, 'heartrate', '2026-03-02', '2026-03-30', 'week', only_provider => 'garmin');
