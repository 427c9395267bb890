-- Calls to a vendor: what is refused before anything is sent, and what is one call. Nothing is sent here.
\set VERBOSITY terse
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('plain'), wearables.add_endpoint('junction', base_url => 'https://api.sandbox.eu.junction.com');
SELECT wearables.register_user('ann', 'ext-ann', 'junction') AS ann \gset
SELECT wearables.register_user('bob') AS bob \gset

-- endpoints that cannot be called
SELECT wearables.create_vendor_user('eve');
SELECT wearables.create_vendor_user('eve', 'plain');
SELECT wearables.create_vendor_user('eve', 'nowhere');
SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_eu_planted');
SELECT wearables.add_endpoint('second', base_url => 'https://api.eu.junction.com');
SELECT wearables.create_vendor_user('eve');

-- arguments
SELECT wearables.create_vendor_user('', 'junction');
SELECT wearables.create_vendor_user(NULL, 'junction');
SELECT wearables.create_vendor_user(E'a\nb', 'junction');
SELECT wearables.create_vendor_user(repeat('x', 501), 'junction');
SELECT wearables.link_url(:ann, '');
SELECT wearables.link_url(:ann, '../heartrate');
SELECT wearables.link_url(:ann, redirect_url => 'nowhere');
SELECT wearables.link_url(:ann, redirect_url => 'https://app.example/ done');
SELECT wearables.link_url(:ann, redirect_url => 'https://' || repeat('x', 2000));
SELECT wearables.link_url(4711);
SELECT wearables.link_url(:bob);
SELECT wearables.link_url(:ann, endpoint => 'second');
SELECT wearables.disconnect_provider(:ann, NULL);
SELECT wearables.disconnect_provider(:ann, 'oura/..');
SELECT wearables.delete_vendor_user(NULL);
SELECT wearables.trigger_historical_pull('{}', 'oura');
SELECT wearables.trigger_historical_pull(NULL, 'oura');
SELECT wearables.trigger_historical_pull(ARRAY[:ann, NULL], 'oura');
SELECT wearables.trigger_historical_pull(array_fill(:ann::bigint, ARRAY[251]), 'oura');
SELECT wearables.trigger_historical_pull(ARRAY[:ann, :bob], 'oura');
SELECT count(*) AS calls FROM wearables.outbound_calls;
SELECT count(*) AS jobs FROM wearables.jobs;

-- the same intent is one call, another one is another
SELECT wearables.create_vendor_user('eve', 'junction') = wearables.create_vendor_user('eve', 'junction') AS eve,
       wearables.link_url(:ann) = wearables.link_url(:ann, NULL, NULL, 'junction') AS link,
       wearables.link_url(:ann, 'oura') = wearables.link_url(:ann, 'oura', 'myapp://done') AS other_link,
       wearables.disconnect_provider(:ann, 'oura') = wearables.disconnect_provider(:ann, 'garmin') AS other_provider,
       wearables.refresh_user(:ann) = wearables.refresh_user(:ann, 'junction') AS refresh,
       wearables.delete_vendor_user(:ann) = wearables.delete_vendor_user(:ann) AS deletion,
       wearables.trigger_historical_pull(ARRAY[:ann], 'oura')
         = wearables.trigger_historical_pull(ARRAY[:ann, :ann], 'oura') AS pull;
SELECT operation, state, client_user_id, endpoint, provider, users, attempts, created_at IS NOT NULL AS created
FROM wearables.outbound_calls ORDER BY job_id;
SELECT j.kind, j.state, j.priority, count(*), bool_and(j.job_id = (j.argument ->> 'call_id')::bigint AND c.job_id IS NOT NULL) AS by_its_id
FROM wearables.jobs j LEFT JOIN wearables.outbound_calls c USING (job_id) GROUP BY 1, 2, 3;

-- what is done holds for a while, and until the contrary is asked for
UPDATE wearables_internal.calls SET state = 'done', finished_at = now();
DELETE FROM wearables.jobs;
SELECT wearables.create_vendor_user('eve', 'junction') = min(job_id) AS same FROM wearables.outbound_calls WHERE operation = 'create_vendor_user';
UPDATE wearables_internal.calls SET finished_at = now() - t.same_for
FROM wearables_internal.call_terms('create_vendor_user') t WHERE operation = 'create_vendor_user';
SELECT wearables.create_vendor_user('eve', 'junction') = min(job_id) AS same FROM wearables.outbound_calls WHERE operation = 'create_vendor_user';
SELECT operation, wearables_internal.call_terms(operation) FROM unnest(enum_range(NULL::wearables.call_operation)) o (operation);

-- eight refreshes an hour
INSERT INTO wearables_internal.calls (job_id, operation, intent, state, endpoint, user_id, requested_by, expires_at, finished_at)
SELECT 1000 + n, 'refresh_user', 'refresh ' || n, 'done', 'junction', :ann, 'me', now(), now() - n * interval '5 minutes' FROM generate_series(1, 7) n;
UPDATE wearables_internal.calls SET finished_at = now() - interval '10 minutes' WHERE operation = 'refresh_user' AND intent NOT LIKE 'refresh%';
DO $$
DECLARE
  said text;
BEGIN
  PERFORM wearables.refresh_user((SELECT user_id FROM wearables.users WHERE client_user_id = 'ann'));
EXCEPTION WHEN configuration_limit_exceeded THEN
  GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
  RAISE NOTICE 'refused until %', CASE
    WHEN substring(said FROM 'before (.*)')::timestamptz BETWEEN now() + interval '24 minutes' AND now() + interval '26 minutes'
    THEN 'the eighth last is an hour old' ELSE said END;
END $$;
UPDATE wearables_internal.calls SET finished_at = finished_at - interval '26 minutes' WHERE operation = 'refresh_user';
SELECT wearables.refresh_user(:ann) IS NOT NULL AS refreshed;
UPDATE wearables_internal.calls SET state = 'failed', again_at = now() + interval '3 minutes' WHERE operation = 'refresh_user' AND state = 'waiting';
\set VERBOSITY sqlstate
SELECT wearables.refresh_user(:ann);
\set VERBOSITY terse

-- a user who is deleted at the vendor: nothing is asked for by that link, until it is linked again
UPDATE wearables.user_links SET deleted_at = now() WHERE external_user_id = 'ext-ann';
SELECT wearables.link_url(:ann);
SELECT wearables.request_backfill(:ann, '', 'heartrate', '2026-01-01', '2026-01-02');
SELECT wearables.register_user('ann', 'ext-ann', 'junction') = :ann AS linked;
SELECT wearables.link_url(:ann) > 0 AS asked;

-- what is requested after its contrary is another call, even while the earlier one is open: that was f, f, f
SELECT wearables.create_vendor_user('ann', 'junction') AS created \gset
SELECT wearables.delete_vendor_user(:ann) AS deleted \gset
SELECT wearables.create_vendor_user('ann', 'junction') AS created_again \gset
SELECT wearables.delete_vendor_user(:ann) AS deleted_again \gset
SELECT wearables.set_connection(:ann, 'withings', 'connected', 'user', at => '2026-01-01');
SELECT wearables.disconnect_provider(:ann, 'withings') AS disconnected \gset
SELECT wearables.set_connection(:ann, 'withings', 'connected', 'user', at => '2026-01-02');
SELECT :created_again > :deleted AS created_again, :deleted_again > :deleted AS deleted_again,
       wearables.disconnect_provider(:ann, 'withings') > :disconnected AS disconnected_again,
       wearables.disconnect_provider(:ann, 'withings') = wearables.disconnect_provider(:ann, 'withings') AS same;
-- a deletion that is done is no answer while the user is being made again: an error, and no call
UPDATE wearables_internal.calls SET state = 'done', finished_at = now() WHERE operation = 'delete_vendor_user';
UPDATE wearables.user_links SET deleted_at = now() WHERE external_user_id = 'ext-ann';
SELECT wearables.delete_vendor_user(:ann) = :deleted_again AS same;
UPDATE wearables_internal.calls SET finished_at = now(), state = 'failed' WHERE operation = 'create_vendor_user';
SELECT wearables.create_vendor_user('ann', 'junction') > 0 AS created;
SELECT wearables.delete_vendor_user(:ann);
UPDATE wearables.user_links SET deleted_at = NULL WHERE external_user_id = 'ext-ann';

-- who may
CREATE ROLE regress_caller;
SELECT wearables.grant_access('regress_caller', 'caller');
SET ROLE regress_caller;
SELECT wearables.link_url(:ann, 'strava') AS link \gset
SELECT operation, state, requested_by FROM wearables.outbound_calls WHERE job_id = :link;
SELECT wearables.register_user('x');
SELECT count(*) FROM wearables.users;
RESET ROLE;
DROP OWNED BY regress_caller;
DROP ROLE regress_caller;
DROP EXTENSION wearables_ingest CASCADE;
