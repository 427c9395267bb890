-- A database as its owner would set it up; the secret comes in as :secret.
\set ON_ERROR_STOP on
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction', environment => 'sandbox');
SELECT wearables.set_secret('junction', 'webhook', 0, :'secret');
SELECT wearables.make_event_partitions();
SELECT wearables.register_user('alice', '0f3c6b1e-7a5d-4c60-8d52-1f1b8c0a1a01', time_zone => 'Europe/Berlin');
-- bob's vendor id is not known yet: his first event brings it, with his client_user_id
SELECT wearables.register_user('bob', time_zone => 'America/New_York');
