-- endpoint: one row is one webhook endpoint at the vendor, with its own signing secrets
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

SELECT wearables.add_endpoint('junction');
SELECT wearables.add_endpoint('junction-eu', environment => 'sandbox', base_url => 'https://api.eu.junction.example',
                              tolerance => '10 minutes', success_status => 204);
SELECT name, vendor, environment, base_url, tolerance, success_status, enabled FROM wearables.endpoints ORDER BY name;

-- adding it again changes what is given alone (base_url, tolerance and success_status went back to their defaults)
SELECT wearables.add_endpoint('junction-eu', environment => 'production');
SELECT wearables.add_endpoint('junction-eu', tolerance => '7 minutes');
SELECT name, vendor, environment, base_url, tolerance, success_status, enabled FROM wearables.endpoints ORDER BY name;
-- an API key was given for one address: it stays as long as that does
SELECT wearables.set_secret('junction-eu', 'api_key', 0, 'sk_eu_0123456789');
SELECT wearables.add_endpoint('junction-eu', success_status => 200);
SELECT count(*) FROM wearables.endpoint_secrets WHERE endpoint = 'junction-eu';
SELECT wearables.add_endpoint('junction-eu', base_url => '');
SELECT e.base_url, e.success_status, count(s.endpoint) AS keys
FROM wearables.endpoints e LEFT JOIN wearables.endpoint_secrets s ON s.endpoint = e.name
WHERE e.name = 'junction-eu' GROUP BY e.name;

-- a secret is a text, a file or an environment variable; ordinals are for rotation
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.set_secret('junction', 'webhook', 1, 'file:/run/secrets/junction');
SELECT wearables.set_secret('junction', 'api_key', 0, 'env:WEARABLES_API_KEY');
SELECT endpoint, kind, ordinal, value LIKE 'whsec%' AS is_text FROM wearables.endpoint_secrets ORDER BY kind, ordinal;

-- setting it again replaces it, NULL removes it
SELECT wearables.set_secret('junction', 'webhook', 0, 'env:WEARABLES_SECRET');
SELECT wearables.set_secret('junction', 'webhook', 1, NULL);
SELECT endpoint, kind, ordinal, value FROM wearables.endpoint_secrets ORDER BY kind, ordinal;

-- errors of add_endpoint()
\set VERBOSITY terse
SELECT wearables.add_endpoint('no blanks, please');
\echo :SQLSTATE
SELECT wearables.add_endpoint(NULL);
\echo :SQLSTATE
SELECT wearables.add_endpoint('x', environment => 'staging');
\echo :SQLSTATE
SELECT wearables.add_endpoint('x', tolerance => '-1 second');
\echo :SQLSTATE
SELECT wearables.add_endpoint('x', success_status => 302);
\echo :SQLSTATE
SELECT wearables.add_endpoint('x', success_status => 100000);
\echo :SQLSTATE
\set VERBOSITY default
-- only a vendor whose deliveries can be verified and read, whatever way it comes into the table
SELECT wearables.add_endpoint('x', vendor => 'acme');
\echo :SQLSTATE
UPDATE wearables.endpoints SET vendor = 'Junction' WHERE name = 'junction';
\echo :SQLSTATE

-- errors of set_secret(): none of them repeats the secret
SELECT wearables.set_secret('nobody', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'password', 0, 'secret');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 16, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_not base64!');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, '');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_' || encode('twenty-three bytes only', 'base64'));
\echo :SQLSTATE
-- a file or a variable only where a superuser allowed it, and nobody is told what is there
SELECT wearables.set_secret('junction', 'webhook', 0, 'file:secret.txt');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'file:/etc/passwd');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'file:/run/secrets/../../etc/passwd');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'file:/run/secrets');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'file:/run/secretsandmore/x');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'env:');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'env:PATH');
\echo :SQLSTATE
SELECT wearables.set_secret('junction', 'webhook', 0, 'env:WEARABLES_');
\echo :SQLSTATE
-- an API key may be of any length but none
SELECT wearables.set_secret('junction', 'api_key', 1, '');
\echo :SQLSTATE
SELECT wearables.set_secret(NULL, 'webhook', 0, 'secret');
\echo :SQLSTATE

-- nothing of that has changed what stands
SELECT endpoint, kind, ordinal, value FROM wearables.endpoint_secrets ORDER BY kind, ordinal;

-- an endpoint takes its secrets with it
DELETE FROM wearables.endpoints WHERE name = 'junction';
SELECT count(*) FROM wearables.endpoint_secrets;


-- Under a new name it is the same endpoint: a message that is delivered again is a duplicate, what waits for a user is
-- found by the vendor's id, what was sent before is still somebody's, and what was asked for goes on. All of it was left
-- behind under the old name.
SELECT wearables.add_endpoint('old', base_url => 'https://api.example.com'), wearables.set_secret('old', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', 'ext-alice', 'old');
CREATE FUNCTION pg_temp.pulse(made text, who text, endpoint text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body, endpoint)).status
  FROM convert_to(format('{"event_type":"daily.data.heartrate.created","user_id":"%s","data":{"source":{"provider":"garmin"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60,"unit":"bpm"}]}}', who), 'UTF8') body $$;
SELECT pg_temp.pulse('2t01', 'ext-alice', 'old'), pg_temp.pulse('2t02', 'ext-bob', 'old');
SELECT wearables.request_backfill(1, '', 'heartrate', '2024-01-01', '2024-02-01') IS NOT NULL AS asked;
CALL wearables.drain();
UPDATE wearables.endpoints SET name = 'new' WHERE name = 'old';
SELECT pg_temp.pulse('2t01', 'ext-alice', 'new');
SELECT (wearables.replay(event_id)).unchanged FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t01%';
SELECT wearables.register_user('bob', 'ext-bob', 'new');
CALL wearables.drain();
SELECT message_id, endpoint, status, user_id FROM wearables.webhook_events ORDER BY event_id;
SELECT endpoint, state FROM wearables.backfills;
-- nothing names the old one, in any table that has such a column
CREATE TEMP TABLE followers AS SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'endpoint' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace);
SELECT name AS names_the_old_one FROM followers
WHERE query_to_xml(format('SELECT FROM %s WHERE endpoint = %L', name, 'old'), true, false, '')::text ~ '<row';
-- endpoint_activity is written every few seconds
SELECT name AS has_rows FROM followers WHERE name <> 'wearables.endpoint_activity'::regclass AND query_to_xml(format('SELECT FROM %s WHERE endpoint = %L', name, 'new'), true, false, '')::text ~ '<row' ORDER BY name::text COLLATE "C";
SELECT count(*) AS followers FROM followers;

DROP EXTENSION wearables_ingest CASCADE;
