-- The database of the live demo. The secrets are :webhook_secret (the sender's) and :user (client_user_id of the person).
\set ON_ERROR_STOP on
CREATE ROLE web_anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
CREATE ROLE app_user NOLOGIN;
CREATE ROLE bridge LOGIN;
GRANT web_anon TO authenticator;
CREATE EXTENSION wearables_ingest;
SELECT wearables.grant_access('app_user', 'self');
GRANT app_user TO authenticator;
SELECT wearables.grant_access('bridge', 'reader');
SELECT wearables.add_endpoint('junction', environment => 'sandbox');
SELECT wearables.set_secret('junction', 'webhook', 0, :'webhook_secret');
SELECT wearables.make_event_partitions();
SELECT wearables.register_user(:'user', '0f3c6b1e-7a5d-4c60-8d52-1f1b8c0a1a01', time_zone => 'Europe/Berlin');
SELECT wearables.register_user('bob', '3d9e2a74-51c8-4f0b-b6aa-6c7de2f0b0b2', time_zone => 'Europe/Berlin');
