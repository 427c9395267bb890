-- webhook: verify, store byte for byte, put in the queue; all in one transaction
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;

-- Svix's own example: secret, id, time, body and signature as its documentation prints them
SELECT wearables.sign('msg_loFOjxBNrRLzqYUf', to_timestamp(1731705121),
                      '{"event_type":"ping","data":{"success":true}}', 'whsec_plJ3nmyCDGBKInavdOK15jsl');
SELECT jsonb_pretty(wearables.signed_headers('msg_loFOjxBNrRLzqYUf', to_timestamp(1731705121),
                      '{"event_type":"ping","data":{"success":true}}', 'whsec_plJ3nmyCDGBKInavdOK15jsl'));

-- the prefix of a secret is optional, the zone of the instant is not signed
SELECT wearables.sign('msg_1', '2024-05-01 12:00:00+00', 'x', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
     = wearables.sign('msg_1', '2024-05-01 14:00:00.9+02', 'x', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') AS same;
SELECT wearables.sign('msg_1', now(), 'x', 'whsec_');
\echo :SQLSTATE
SELECT wearables.sign('msg_1', now(), 'x', 'whsec_%%%');
\echo :SQLSTATE
SELECT wearables.sign('msg_1', now(), 'x', NULL) IS NULL AS null_in_null_out;

-- verify_signature(): true, or false for whatever a sender may have done wrong
CREATE FUNCTION pg_temp.check(headers jsonb, body text DEFAULT '{"event_type":"ping","data":{"success":true}}',
                              at timestamptz DEFAULT to_timestamp(1731705121),
                              secrets text[] DEFAULT '{whsec_plJ3nmyCDGBKInavdOK15jsl}', tolerance interval DEFAULT '5 min')
RETURNS boolean LANGUAGE sql AS 'SELECT wearables.verify_signature($1, convert_to($2, ''UTF8''), $4, $3, $5)';
CREATE TEMP TABLE h AS SELECT jsonb_build_object(
  'svix-id', 'msg_loFOjxBNrRLzqYUf', 'svix-timestamp', '1731705121',
  'svix-signature', 'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=') AS ok;
SELECT what, verified
FROM h, LATERAL (VALUES
  ('as sent', pg_temp.check(ok)),
  ('names in capitals', pg_temp.check(jsonb_build_object('SVIX-ID', ok ->> 'svix-id', 'Svix-Timestamp', ok ->> 'svix-timestamp',
                                                         'sviX-signaturE', ok ->> 'svix-signature'))),
  ('webhook-* names', pg_temp.check(jsonb_build_object('webhook-id', ok ->> 'svix-id', 'webhook-timestamp', ok ->> 'svix-timestamp',
                                                       'webhook-signature', ok ->> 'svix-signature'))),
  ('a good one among others', pg_temp.check(ok || jsonb_build_object('svix-signature',
     'v2,x v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= ' || (ok ->> 'svix-signature')))),
  ('second secret', pg_temp.check(ok, secrets => '{whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,plJ3nmyCDGBKInavdOK15jsl}')),
  ('300 seconds old', pg_temp.check(ok, at => to_timestamp(1731705121 + 300))),
  ('300 seconds ahead', pg_temp.check(ok, at => to_timestamp(1731705121 - 300))),
  ('301 seconds old', pg_temp.check(ok, at => to_timestamp(1731705121 + 301))),
  ('301 seconds ahead', pg_temp.check(ok, at => to_timestamp(1731705121 - 301))),
  ('301 seconds old, more tolerance', pg_temp.check(ok, at => to_timestamp(1731705121 + 301), tolerance => '301 s')),
  ('another body', pg_temp.check(ok, body => '{"event_type":"ping","data":{"success":false}}')),
  ('another id', pg_temp.check(ok || '{"svix-id":"msg_2"}')),
  ('another timestamp', pg_temp.check(ok || '{"svix-timestamp":"1731705122"}')),
  ('another secret', pg_temp.check(ok, secrets => '{whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}')),
  ('no signature', pg_temp.check(ok - 'svix-signature')),
  ('no id', pg_temp.check(ok - 'svix-id')),
  ('no timestamp', pg_temp.check(ok - 'svix-timestamp')),
  ('timestamp is a word', pg_temp.check(ok || '{"svix-timestamp":"now"}')),
  ('half a signature', pg_temp.check(ok || '{"svix-signature":"v1,rAvfW3dJ"}')),
  ('empty signature', pg_temp.check(ok || '{"svix-signature":"v1,"}')),
  ('version v2', pg_temp.check(ok || jsonb_build_object('svix-signature', replace(ok ->> 'svix-signature', 'v1,', 'v2,')))),
  ('headers are a list', pg_temp.check('[]')),
  ('a header is a number', pg_temp.check(ok || '{"svix-id":1}'))) AS cases (what, verified);
-- what the caller does wrong is an error
SELECT pg_temp.check(ok, secrets => '{}') FROM h;
\echo :SQLSTATE
SELECT pg_temp.check(ok, secrets => '{whsec_}') FROM h;
\echo :SQLSTATE
SELECT pg_temp.check(ok, tolerance => '-1 s') FROM h;
\echo :SQLSTATE

-- receive(): nothing is let in before there is an endpoint, and a secret to check with
\set body '{"event_type":"daily.data.heartrate.created","user_id":"u-alice","client_user_id":"alice","data":{}}'
\set secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
\set other whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
SELECT * FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'secret'), :'body');
SELECT wearables.add_endpoint('junction');
SELECT * FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'secret'), :'body');
SELECT wearables.set_secret('junction', 'webhook', 0, :'secret');
SELECT * FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'secret'), :'body');

-- what is stored: the bytes, the headers an audit needs, who it is about, a job
SELECT event_id, status, endpoint, message_id, event_type, resource, external_user_id, client_user_id, convert_from(payload, 'UTF8') AS payload,
       (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(headers) k) AS headers, revision, processed_at
FROM wearables.webhook_events;
SELECT endpoint, message_id, event_id, count, received_at = last_seen AS seen_once FROM wearables.deliveries;
SELECT event_id, kind, state, priority, attempt, dedupe_key FROM wearables.jobs;

-- again: the same answer, no second event, no second job, whatever the body is this time
SELECT status, event_id, http_status, reason
FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'secret'), :'body');
SELECT status, event_id, http_status, reason
FROM wearables.receive(wearables.signed_headers('msg_1', now() + interval '1 minute', 'x', :'secret'), 'x');
SELECT endpoint, message_id, event_id, count, received_at < last_seen AS seen_again FROM wearables.deliveries;
SELECT count(*) AS events, (SELECT count(*) FROM wearables.jobs) AS jobs FROM wearables.webhook_events;

-- whatever is verified is stored: garbage, bytes that are no text, NUL, nothing at all
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_2', now(), 'not json', :'secret'), 'not json');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_3', now(), '\xff00fe', :'secret'), '\xff00fe');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_4', now(), '', :'secret'), '');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_5', now(), '[]', :'secret'), '[]');
\set odd '{"event_type":"a\\\\u0000b","user_id":7,"client_user_id":"zo\\\\u00eb"}'
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_6', now(), :'odd', :'secret'), :'odd');
SELECT message_id, event_type, resource, external_user_id, client_user_id, encode(payload, 'escape') AS payload FROM wearables.webhook_events WHERE message_id <> 'msg_1' ORDER BY message_id;

-- refused: the sender learns why, the store learns nothing
SELECT what, r.status, r.event_id, r.http_status, regexp_replace(r.reason, '[0-9]+ s in', 'so many s in') AS reason
FROM (VALUES
  ('no header', '{}'::jsonb, NULL),
  ('headers null', NULL, NULL),
  ('another secret', wearables.signed_headers('msg_9', now(), :'body', :'other'), NULL),
  ('too old', wearables.signed_headers('msg_9', now() - interval '10 minutes', :'body', :'secret'), NULL),
  ('too new', wearables.signed_headers('msg_9', now() + interval '10 minutes', :'body', :'secret'), NULL),
  ('no id', wearables.signed_headers('msg_9', now(), :'body', :'secret') - 'svix-id', NULL),
  ('id too long', wearables.signed_headers(repeat('m', 513), now(), :'body', :'secret'), NULL),
  ('unknown endpoint', wearables.signed_headers('msg_9', now(), :'body', :'secret'), 'nobody')
) AS c (what, headers, endpoint), LATERAL wearables.receive(headers, :'body', endpoint) r;
SELECT status, http_status, reason FROM wearables.receive(wearables.signed_headers('msg_9', now(), :'body', :'secret'), NULL);
SET wearables_ingest.body_limit = '1kB';
SELECT status, http_status, reason
FROM wearables.receive(wearables.signed_headers('msg_9', now(), convert_to(repeat('x', 1025), 'UTF8'), :'secret'),
                       convert_to(repeat('x', 1025), 'UTF8'));
SELECT status, http_status, reason
FROM wearables.receive(wearables.signed_headers('msg_7', now(), convert_to(repeat('x', 1024), 'UTF8'), :'secret'),
                       convert_to(repeat('x', 1024), 'UTF8'));
RESET wearables_ingest.body_limit;
SELECT count(*) AS events, count(*) FILTER (WHERE message_id = 'msg_9') AS refused FROM wearables.webhook_events;

-- a receive that is rolled back has not happened, so the sender's next attempt is no duplicate
BEGIN;
SELECT status FROM wearables.receive(wearables.signed_headers('msg_8', now(), :'body', :'secret'), :'body');
ROLLBACK;
SELECT status FROM wearables.receive(wearables.signed_headers('msg_8', now(), :'body', :'secret'), :'body');

-- two endpoints: the secret tells which; one message id at each is two messages
SELECT wearables.add_endpoint('junction-eu', success_status => 200);
SELECT wearables.set_secret('junction-eu', 'webhook', 0, :'other');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'other'), :'body');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_1', now(), :'body', :'other'), :'body');
-- the endpoint named: only its own secrets count
SELECT status, http_status, reason FROM wearables.receive(wearables.signed_headers('msg_10', now(), :'body', :'other'), :'body', 'junction');
SELECT status, http_status FROM wearables.receive(wearables.signed_headers('msg_10', now(), :'body', :'other'), :'body', 'junction-eu');
SELECT endpoint, message_id, count FROM wearables.deliveries WHERE message_id IN ('msg_1', 'msg_10') ORDER BY endpoint, message_id;
-- a header names it as well, in any case; whoever calls comes first, an empty one names none, and an unknown one is refused
SELECT c.what, r.status, r.http_status, r.reason FROM (VALUES
  ('its own', '{"wearables-endpoint": "junction-eu"}'::jsonb, NULL),
  ('in capitals', '{"Wearables-Endpoint": "junction-eu"}', NULL),
  ('another', '{"wearables-endpoint": "junction"}', NULL),
  ('another, but the caller knows better', '{"wearables-endpoint": "junction"}', 'junction-eu'),
  ('its own, but the caller knows better', '{"wearables-endpoint": "junction-eu"}', 'junction'),
  ('empty', '{"wearables-endpoint": ""}', NULL),
  ('no text', '{"wearables-endpoint": null}', NULL),
  ('unknown', '{"wearables-endpoint": "nobody"}', NULL),
  ('nearly', '{"wearables-endpoint": "Junction-EU"}', NULL),
  ('hostile', '{"wearables-endpoint": "junction'' OR true; --"}', NULL)
) AS c (what, named, endpoint),
LATERAL wearables.receive(wearables.signed_headers('msg_10', now(), :'body', :'other') || c.named, :'body', c.endpoint) r;
-- it is no part of what is kept
SELECT count(*) FROM wearables.webhook_events WHERE headers::text ILIKE '%endpoint%';
-- through the door, too
BEGIN;
SELECT set_config('request.headers', (wearables.signed_headers('msg_10', now(), :'body', :'other') || '{"wearables-endpoint": "junction"}')::text, true) IS NOT NULL AS set;
SELECT wearables_api.webhook(:'body'::bytea) AS answer, current_setting('response.status') AS http_status;
COMMIT;
-- who signs with a private key alone is told what to do
SELECT status, http_status, reason FROM wearables.receive(wearables.signed_headers('msg_10', now(), :'body', :'other') || '{"svix-signature": "v1a,AAAA"}', :'body');

-- rotation: the old secret and the new one count side by side, a removed one counts no more
SELECT wearables.set_secret('junction', 'webhook', 1, 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD');
SELECT status FROM wearables.receive(wearables.signed_headers('msg_11', now(), :'body', :'secret'), :'body');
SELECT status FROM wearables.receive(wearables.signed_headers('msg_12', now(), :'body', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'), :'body');
SELECT wearables.set_secret('junction', 'webhook', 0, NULL);
SELECT status, reason FROM wearables.receive(wearables.signed_headers('msg_13', now(), :'body', :'secret'), :'body');
SELECT wearables.set_secret('junction', 'webhook', 0, :'secret');

-- switched off
UPDATE wearables.endpoints SET enabled = false WHERE name = 'junction';
SELECT status, http_status, reason FROM wearables.receive(wearables.signed_headers('msg_13', now(), :'body', :'secret'), :'body', 'junction');
SELECT status, http_status, reason FROM wearables.receive(wearables.signed_headers('msg_13', now(), :'body', :'secret'), :'body');
UPDATE wearables.endpoints SET enabled = true WHERE name = 'junction';

-- the PostgREST door: headers come in through one setting, the status goes out through another
BEGIN;
SELECT set_config('request.headers', wearables.signed_headers('msg_14', now(), :'body', :'secret')::text, true) IS NOT NULL AS set;
SELECT wearables_api.webhook(:'body'::json) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api.webhook(:'body'::text) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api.webhook(:'body'::bytea) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api.webhook('other bytes'::text) AS answer, current_setting('response.status') AS http_status;
COMMIT;
SELECT wearables_api.webhook(:'body'::json) AS without_headers;
SELECT convert_from(payload, 'UTF8') = :'body' AS byte_for_byte FROM wearables.webhook_events WHERE message_id = 'msg_14';
-- bytes that no text can hold come in as bytea
BEGIN;
SELECT set_config('request.headers', wearables.signed_headers('msg_15', now(), '\x7b007d', :'secret')::text, true) IS NOT NULL AS set;
SELECT wearables_api.webhook('\x7b007d'::bytea) ->> 'status' AS answer;
COMMIT;
SELECT payload FROM wearables.webhook_events WHERE message_id = 'msg_15';

-- a door for one endpoint, whatever the headers say
SELECT wearables.add_endpoint('Junction-EU.2'), wearables.set_secret('Junction-EU.2', 'webhook', 0, :'other'), wearables.set_secret('junction', 'webhook', 1, NULL);
SELECT wearables.expose_endpoint('Junction-EU.2'), wearables.expose_endpoint('Junction-EU.2'), wearables.expose_endpoint('junction');
SELECT p.oid::regprocedure AS door, p.prosecdef, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE') AS for_all FROM pg_proc p
WHERE p.pronamespace = 'wearables_api'::regnamespace AND p.proname LIKE 'webhook%' ORDER BY 1::text COLLATE "C";
BEGIN;
SELECT set_config('request.headers', (wearables.signed_headers('msg_16', now(), :'body', :'other') || '{"wearables-endpoint": "junction"}')::text, true) IS NOT NULL AS set;
SELECT wearables_api."webhook_Junction-EU.2"(:'body'::json) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api."webhook_Junction-EU.2"(:'body'::text) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api."webhook_Junction-EU.2"(:'body'::bytea) ->> 'status' AS answer, current_setting('response.status') AS http_status;
SELECT wearables_api.webhook_junction(:'body'::bytea) AS answer, current_setting('response.status') AS http_status;
COMMIT;
SELECT endpoint FROM wearables.webhook_events WHERE message_id = 'msg_16';
-- who is not there has none, nor who has too long a name
SELECT wearables.expose_endpoint('nobody');
\echo :SQLSTATE
SELECT wearables.expose_endpoint(NULL);
\echo :SQLSTATE
SELECT wearables.add_endpoint(repeat('x', 55)), wearables.expose_endpoint(repeat('x', 55)), wearables.add_endpoint(repeat('x', 56));
SELECT wearables.expose_endpoint(repeat('x', 56));
\echo :SQLSTATE
-- it goes when it is told to, with its endpoint, and when that gets another name; others' functions stay
CREATE FUNCTION wearables_api.webhook_of_mine(bytea) RETURNS json LANGUAGE sql RETURN 'null'::json;
SELECT wearables.expose_endpoint('junction', false), wearables.expose_endpoint('junction', false);
SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text COLLATE "C") AS doors FROM pg_proc p
WHERE p.pronamespace = 'wearables_api'::regnamespace AND p.proname <> 'webhook' AND p.proargtypes = 'bytea'::regtype::oid::text::oidvector;
UPDATE wearables.endpoints SET tolerance = tolerance;
UPDATE wearables.endpoints SET name = 'junction-eu-2' WHERE name = 'Junction-EU.2';
DELETE FROM wearables.endpoints WHERE name LIKE 'x%';
SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text COLLATE "C") AS doors FROM pg_proc p
WHERE p.pronamespace = 'wearables_api'::regnamespace AND p.proname LIKE 'webhook\_%';
DROP FUNCTION wearables_api.webhook_of_mine(bytea);
SELECT wearables.expose_endpoint('junction-eu-2'), wearables.expose_endpoint('junction');
TRUNCATE wearables.endpoints CASCADE;
SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'wearables_api'::regnamespace AND p.proname LIKE 'webhook%';

-- a door does not keep the extension from going
SELECT wearables.add_endpoint('junction'), wearables.expose_endpoint('junction');
DROP EXTENSION wearables_ingest CASCADE;
