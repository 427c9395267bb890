-- archive: requests, and what the program wearables-archive calls; the program itself is run by test/tap/035_archive.pl
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
CREATE FUNCTION tried(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN EXECUTE what; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm; END $$;
CREATE FUNCTION beat(id text, who text) RETURNS text LANGUAGE sql AS $$
  SELECT r.status FROM (SELECT convert_to(json_build_object('event_type', 'daily.data.heartrate.created', 'client_user_id', who, 'user_id', 'ext-' || who,
    'data', json_build_object('source', json_build_object('provider', 'garmin'), 'data', json_build_array(
      json_build_object('timestamp', '2024-05-01T08:00:00Z', 'value', 60), json_build_object('timestamp', '2024-05-01T08:01:00Z', 'value', -5, 'fresh', 1))))::text, 'UTF8') AS b) x,
  wearables.receive(wearables.signed_headers(id, now(), x.b, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), x.b) r $$;
SELECT wearables.register_user('alice', 'ext-alice') AS alice, wearables.register_user('bob', 'ext-bob') AS bob;
SELECT beat('a1', 'alice'), beat('a2', 'alice'), beat('b1', 'bob'), beat('c1', 'carol'), beat('c2', 'carol');
CALL wearables.drain();
UPDATE wearables.webhook_events SET received_at = '2024-05-01 12:00Z' WHERE message_id <> 'c1';
SELECT wearables.make_event_partitions('0') > 0 AS made;

-- every column of an event is in a file
SELECT attname AS not_archived FROM pg_attribute WHERE attrelid = 'wearables.webhook_events'::regclass AND attnum > 0 AND NOT attisdropped
EXCEPT SELECT attname FROM pg_attribute WHERE attrelid = 'wearables_internal.archivable_events'::regclass;

-- requests
SELECT tried(format('SELECT wearables.archive_events(%L, %L)', t, u)) AS refused, t, u
FROM (VALUES (NULL, 'file:///a'), ('infinity', 'file:///a'), ('-infinity', 'file:///a'), ('2024-06-01', E'file:///a\nb'), ('2024-06-01', NULL), ('2024-06-01', 'http://a/b'), ('2024-06-01', 'file://a/b'),
             ('2024-06-01', 's3://a/b?secret=x'), ('2024-06-01', 's3://key:secret@a/b'), ('2024-06-01', 'file:///a/../etc'), ('2024-06-01', 'file:///')) v (t, u);
SELECT wearables.archive_events('2024-05-03', 'file:///archive/') AS first, wearables.archive_events('2024-06-01', 'file:///archive') AS the_same,
       wearables.archive_events('2024-06-01', 's3://bucket') AS another;
SELECT tried($$SELECT wearables.export_samples('infinity', 'file:///a')$$), tried($$SELECT wearables.export_samples('0001-01-01 BC', 'file:///a')$$),
       tried($$SELECT wearables.export_samples('2200-01-01', 'file:///a')$$), tried($$SELECT wearables.restore_events('file:///archive')$$),
       tried($$SELECT wearables.verify_archives('file:///archive')$$);
SELECT wearables.export_samples('2024-05-17', 'file:///lake') AS id;
SELECT archive_id, task, url, before, month, state FROM wearables.archives ORDER BY 1;

-- a request is that of the session that took it, in the folders of the program
SELECT * FROM wearables_internal.claim_archive('{file:///arch,file:///archive/below}');
SELECT tried('SELECT wearables_internal.end_archive(1, 0, 0, NULL, NULL)');
SELECT * FROM wearables_internal.claim_archive('{file:///archive}');
SELECT archive_id FROM wearables_internal.claim_archive('{file:///archive}');
-- what a session had that is there no more is taken again, behind those that nobody has tried: it may have died of it
UPDATE wearables.archives SET worked_by = 0 WHERE archive_id = 1;
BEGIN;
INSERT INTO wearables.archives (archive_id, task, url, requested_by) VALUES (1000, 'verify', 'file:///archive', 'me');
SELECT archive_id FROM wearables_internal.claim_archive('{file:///archive}');
SELECT archive_id FROM wearables_internal.claim_archive('{file:///archive}');
ROLLBACK;
SELECT archive_id FROM wearables_internal.claim_archive('{file:///archive}');

-- weeks with parked events, with queued jobs, without a user, or of an erasure are left
SELECT * FROM wearables_internal.weeks_to_archive(1);
DELETE FROM wearables.webhook_events WHERE message_id = 'c2';
INSERT INTO wearables.jobs (event_id, received_at, run_at, dedupe_key, priority) SELECT event_id, received_at, 'infinity', 'event:' || event_id, 5 FROM wearables.webhook_events WHERE message_id = 'a1';
SELECT reason FROM wearables_internal.weeks_to_archive(1);
DELETE FROM wearables.jobs WHERE run_at = 'infinity';
UPDATE wearables.webhook_events SET client_user_id = NULL, external_user_id = NULL WHERE message_id = 'a1';
SELECT reason FROM wearables_internal.weeks_to_archive(1);
UPDATE wearables.webhook_events SET client_user_id = 'alice', external_user_id = 'ext-alice' WHERE message_id = 'a1';
SELECT wearables.register_user('dora') AS dora;
SELECT wearables.erase_user(3) AS erased;
SELECT reason FROM wearables_internal.weeks_to_archive(1);
CALL wearables.drain();
SELECT reason IS NULL AS archived FROM wearables_internal.weeks_to_archive(1);

-- the partition goes only if the files hold what it holds
CREATE TABLE file AS SELECT * FROM wearables_internal.archivable_events WHERE received < '2024-06-01' ORDER BY event_id;
CREATE VIEW stored AS SELECT md5(string_agg(e::text, '' ORDER BY event_id)) AS digest, count(*) FROM wearables.webhook_events e WHERE received_at < '2024-06-01';
SELECT digest AS before FROM stored \gset
CREATE VIEW contents AS SELECT d.* FROM wearables_internal.events_digest(wearables_internal.partition_of_week('2024-05-01'), 'junction') d;
SELECT rows, octet_length(digest) AS bytes, first_event_id < last_event_id AS ids, resources FROM contents;
-- the name of a file is no other database's, nor that of a copy of this one, which counts from the same number
BEGIN;
SELECT url AS of_copy FROM wearables_internal.begin_file(1, 'events', 'junction', '2024-04-29', '2024-05-06') \gset
ROLLBACK;
SELECT setval('wearables.archived_files_file_id_seq', 1, false);
SELECT file_id, url <> :'of_copy' AS another, regexp_replace(url, '[0-9a-f]{8}', 'xxxxxxxx') AS url
FROM wearables_internal.begin_file(1, 'events', 'junction', '2024-04-29', '2024-05-06');
CREATE FUNCTION name_files() RETURNS void LANGUAGE sql AS $$ UPDATE wearables.archived_files SET url = regexp_replace(url, '-[0-9a-f]{8}-', '-') $$;
SELECT name_files();
CREATE FUNCTION finish(changed text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE c record; versions bigint;
BEGIN
  SELECT * INTO c FROM contents;
  IF changed = 'before' THEN UPDATE wearables.webhook_events SET note = 'changed' WHERE message_id = 'b1'; END IF;
  versions := wearables_internal.check_week(1, '2024-04-29', '{1}', ARRAY[c.rows], '{1}', ARRAY[c.digest]);
  IF changed = 'after' THEN UPDATE wearables.webhook_events SET note = note WHERE message_id = 'b1'; END IF;
  IF changed = 'deleted' THEN DELETE FROM wearables.webhook_events WHERE message_id = 'b1'; END IF;
  IF changed = 'queued' THEN
    INSERT INTO wearables.jobs (event_id, received_at, run_at, dedupe_key, priority) SELECT event_id, received_at, 'infinity', 'event:' || event_id, 5 FROM wearables.webhook_events WHERE message_id = 'a1';
  END IF;
  PERFORM wearables_internal.finish_week(1, '2024-04-29', '{1}', versions);
  RETURN 'dropped';
EXCEPTION WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm; END $$;
SELECT changed, finish(changed), (SELECT state FROM wearables.archived_files) AS state, (SELECT count(*) FROM stored WHERE count = 3) AS kept
FROM unnest('{before,after,deleted,queued}'::text[]) changed;
-- whoever handles an event locks all partitions to write: nobody waits while the digest is made
BEGIN;
SELECT count(wearables_internal.check_week(1, '2024-04-29', '{1}', ARRAY[c.rows], '{1}', ARRAY[c.digest])) AS checked FROM contents c;
SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = wearables_internal.partition_of_week('2024-05-01');
ROLLBACK;
-- an event that no file has: another endpoint's
UPDATE wearables.webhook_events SET endpoint = 'other' WHERE message_id = 'b1';
SELECT finish('');
UPDATE wearables.webhook_events SET endpoint = 'junction' WHERE message_id = 'b1';
SELECT finish('');
SELECT wearables_internal.partition_of_week('2024-05-01') AS partition, (SELECT count FROM stored) AS events;
SELECT state, rows, oldest_revision = wearables.revision() AS revision, swept_at IS NOT NULL AS swept, url FROM wearables.archived_files;
SELECT wearables_internal.end_archive(1, 1, 3, NULL, NULL);

-- a replay says what it did not see: of the ids, of the span, of older mappings, or anything at all
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events WHERE received_at < '2024-06-01';
SELECT (wearables.replay(1)).events;
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events;
UPDATE wearables.metrics SET highest = highest + 1 WHERE name = 'heartrate';
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events;

-- restored: not the erased, and nothing twice
SELECT wearables.erase_user(2) AS bob_erased;
CALL wearables.drain();
SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}');
SELECT wearables.verify_archives('file:///archive') > 0 AS verify, wearables.restore_events('file:///archive/events') > 0 AS restore;
SELECT task FROM wearables_internal.claim_archive('{file:///archive}');
SELECT archive_id AS id, task FROM wearables_internal.claim_archive('{file:///archive/events}') \gset
SELECT wearables_internal.prepare_restore(:id, 1);
CREATE VIEW heads AS
  SELECT jsonb_agg(jsonb_build_array(event_id, received_at, version, revision, user_id, processed_at, wrote_from, wrote_to, inserted, changed, confirmed, unchanged, stale,
           quarantined, status, endpoint, message_id, event_type, resource, external_user_id, client_user_id, note, error, user_zone, wrote_metrics, drift, headers) ORDER BY event_id) AS events,
         array_agg(payload ORDER BY event_id) AS payloads
  FROM file;
SELECT wearables_internal.begin_sweep() AS since \gset
SELECT wearables_internal.restore_rows(:id, 1, events, payloads) AS stored FROM heads;
SELECT wearables_internal.restore_rows(:id, 1, events, payloads) AS again FROM heads;
-- bob was erased since
SELECT tried(format('SELECT wearables_internal.end_restore(%s, 1, %L)', :id, '2024-06-01'));
SELECT wearables_internal.end_restore(:id, 1, :'since');
SELECT message_id, wrote_metrics, drift, status FROM wearables.webhook_events WHERE received_at < '2024-06-01' ORDER BY event_id;
SELECT (SELECT string_agg(e::text, '' ORDER BY event_id) FROM wearables_internal.archivable_events e WHERE received < '2024-06-01')
     = (SELECT string_agg(f::text, '' ORDER BY event_id) FROM file f WHERE message_id <> 'b1') AS the_same;
SELECT state FROM wearables.archived_files;
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events;
-- of which a link was corrected meanwhile: they follow it, and so do their readings
DELETE FROM wearables.webhook_events WHERE received_at < '2024-06-01';
SELECT wearables.register_user('erin') AS erin;
UPDATE wearables.user_links SET user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'erin') WHERE external_user_id = 'ext-alice';
CALL wearables.drain();
CREATE VIEW whose AS
  SELECT (SELECT string_agg(format('%s of %s', e.message_id, u.client_user_id), ', ' ORDER BY e.event_id) FROM wearables.webhook_events e JOIN wearables.users u USING (user_id) WHERE e.received_at < '2024-06-01') AS events,
         (SELECT string_agg(DISTINCT u.client_user_id, ', ') FROM wearables.samples s JOIN wearables.users u USING (user_id)) AS readings_of,
         (SELECT string_agg(j.kind::text, ', ') FROM wearables.jobs j WHERE j.state = 'ready') AS jobs;
SELECT wearables_internal.restore_rows(:id, 1, events, payloads) AS stored FROM heads;
SELECT * FROM whose;
SELECT wearables_internal.end_restore(:id, 1, :'since');
SELECT * FROM whose;
CALL wearables.drain();
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
SELECT * FROM whose;
-- of whom the time zone was changed meanwhile: what was placed by the former one is placed anew (as if of floating time)
DELETE FROM wearables.webhook_events WHERE received_at < '2024-06-01';
SELECT wearables_internal.restore_rows(:id, 1, events, payloads) AS stored FROM heads;
UPDATE wearables.webhook_events SET user_zone = 'Asia/Tokyo' WHERE message_id = 'a2';
SELECT wearables_internal.end_restore(:id, 1, :'since');
SELECT kind, argument - 'user_id' - 'formers' AS argument FROM wearables.jobs WHERE state = 'ready' ORDER BY kind;
CALL wearables.drain();
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
SELECT message_id, user_zone FROM wearables.webhook_events WHERE message_id = 'a2';
-- under the name that the endpoint has by then (the file has the old one)
DELETE FROM wearables.webhook_events WHERE received_at < '2024-06-01';
UPDATE wearables.endpoints SET name = 'renamed' WHERE name = 'junction';
SELECT wearables_internal.restore_rows(:id, 1, events, payloads) AS stored FROM heads;
SELECT endpoint, count(*) FROM wearables.webhook_events GROUP BY 1;
UPDATE wearables.endpoints SET name = 'junction' WHERE name = 'renamed';

-- the erasure of another one is waited for by the file, until it is looked through or replaced
SELECT archive_id AS sweep FROM wearables.archives WHERE task = 'erase' \gset
-- what came under an id that is another user's now is not that of the erased one (4; by user_id alone it would be)
SELECT wearables_internal.erased_among('junction', '{1,2,3,4}', array_fill(version, '{4}'), '{1,2,NULL,2}', '{ext-alice,NULL,ext-bob,ext-alice}', '{alice,NULL,NULL,NULL}')
FROM file LIMIT 1;
SELECT file_id AS new FROM wearables_internal.begin_file(:sweep, 'events', 'junction', '2024-04-29', '2024-05-06') \gset
SELECT name_files();
-- also one that was looked through between the request and the erasure, as a request that waits stands for several
UPDATE wearables.archives SET requested_at = now() - interval '1 day' WHERE archive_id = :sweep;
UPDATE wearables.archived_files SET swept_at = (SELECT max(erased_at) FROM wearables.erased_ids) - interval '1 us' WHERE file_id = 1;
SELECT file_id FROM wearables_internal.files_to_sweep('file:///archive');
SELECT wearables_internal.replace_file(:sweep, 1, :new, 2, 1, 'digest', wearables_internal.begin_sweep(), '{b1}');
SELECT state, rows, rewritten_at IS NOT NULL AS rewritten FROM wearables.archived_files ORDER BY file_id;
SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}');
SELECT file_id FROM wearables_internal.files_to_sweep('file:///archive');
SELECT url FROM wearables_internal.leftover_files('{file:///archive}');
SELECT wearables_internal.forget_file(1), wearables_internal.forget_file(:new);
SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}');
SELECT count(*) AS files, (SELECT count(*) FROM wearables.deliveries WHERE message_id = 'b1') AS in_ledger FROM wearables.archived_files;

-- what an operator is told
SELECT wearables_internal.note_read(:sweep, :new, 'its content is not what was written'), wearables_internal.end_archive(:sweep, 0, 0, NULL, 'it failed');
UPDATE wearables.archives SET requested_at = now() - interval '2 days' WHERE task = 'export';
SELECT problem, object, what, remedy, statement FROM wearables.problems WHERE problem LIKE 'archive%' ORDER BY 1;
-- an erasure that failed is requested again, as long as there is a file that waits for it
SELECT wearables_internal.renew_sweeps('{file:///archive}');
UPDATE wearables.archived_files SET swept_at = NULL WHERE file_id = :new;
SELECT wearables_internal.renew_sweeps('{file:///arch}') AS of_others, wearables_internal.renew_sweeps('{file:///archive}');
SELECT state FROM wearables.archives WHERE archive_id = :sweep;
DROP FUNCTION finish(text), name_files(), tried(text), beat(text, text);
DROP VIEW contents, heads, stored, whose;
DROP TABLE file;
DROP EXTENSION wearables_ingest CASCADE;
