-- link: a vendor's id that was linked to the wrong person; the readings follow when the link is corrected
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('wrong', 'w-own');
SELECT wearables.register_user('alice', 'right-from-the-start');
-- x is somebody else's
SELECT wearables.register_user('wrong', 'x');

CREATE FUNCTION public.send(made text, who text, resource text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"%s","data":%s}', resource, who, data), 'UTF8') body $$;
-- what stands of each person
PREPARE readings AS SELECT u.client_user_id, s.metric, s.ts, s.provider, s.value, s.day FROM wearables.samples s JOIN wearables.users u USING (user_id) ORDER BY 1, 2, 3, 4;
PREPARE documents AS SELECT u.client_user_id, s.resource, s.identity, s.summary_id FROM wearables.summaries s JOIN wearables.users u USING (user_id) ORDER BY 1, 2, 3;
PREPARE connections AS SELECT u.client_user_id, c.provider, c.status, c.connected_at IS NOT NULL AS was_connected, c.last_data_at, (SELECT string_agg(e.kind, ' ' ORDER BY e.version) FROM wearables.connection_events e WHERE e.user_id = c.user_id AND e.provider = c.provider) AS said FROM wearables.connections c JOIN wearables.users u USING (user_id) ORDER BY 1, 2;
PREPARE events AS SELECT substr(e.message_id, 5, 4) AS made, e.external_user_id, e.status, u.client_user_id FROM wearables.webhook_events e LEFT JOIN wearables.users u USING (user_id) ORDER BY e.event_id;
PREPARE jobs AS SELECT kind, state, count(*) FROM wearables.jobs GROUP BY 1, 2 ORDER BY 1, 2;
CREATE FUNCTION public.send_all(id text, sign text) RETURNS void LANGUAGE sql AS $$
  SELECT public.send('2t01' || sign, id, 'provider.connection.created', '{"provider":{"slug":"oura"}}');
  SELECT public.send('2t02' || sign, id, 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-02T08:00:00Z","value":60},{"timestamp":"2024-05-02T07:00:00Z","value":61}]}');
  SELECT public.send('2t03' || sign, id, 'daily.data.sleep.created', '{"id":"night-' || sign || '","source":{"provider":"oura","type":"ring"},"bedtime_start":"2024-05-01T22:00:00Z","bedtime_stop":"2024-05-02T06:00:00Z","hr_lowest":50}');
  SELECT public.send('2t04' || sign, id, 'daily.data.activity.created', '{"id":"day-' || sign || '","calendar_date":"2024-05-02","source":{"provider":"garmin","type":"watch"},"steps":7000}') $$;

-- the person's own: a reading of the same minute, and a day of the same date, both older
SELECT public.send('2t00', 'w-own', 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-02T08:00:00Z","value":90}]}');
SELECT public.send('2t00a', 'w-own', 'daily.data.activity.created', '{"id":"own","calendar_date":"2024-05-02","source":{"provider":"garmin","type":"watch"},"steps":123}');
SELECT public.send_all('x', 'x');
SELECT public.send_all('right-from-the-start', 'r');
CALL wearables.drain();
EXECUTE readings;
EXECUTE documents;
EXECUTE connections;

-- one statement corrects it; nothing is to be replayed by hand
BEGIN;
INSERT INTO wearables.users (client_user_id) VALUES ('bob');
UPDATE wearables.user_links SET user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'bob') WHERE external_user_id = 'x';
COMMIT;
EXECUTE jobs;
CALL wearables.drain();
EXECUTE jobs;
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
EXECUTE jobs;
-- bob has what alice has, and the other person what is their own
EXECUTE readings;
EXECUTE documents;
EXECUTE connections;
EXECUTE events;

-- a link that is deleted, and an event of it that is replayed: nobody's, it waits
DELETE FROM wearables.user_links WHERE external_user_id = 'x';
EXECUTE jobs;
SELECT parked, processed, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE external_user_id = 'x' AND resource = 'sleep') r;
SELECT u.client_user_id, s.resource, s.identity FROM wearables.summaries s JOIN wearables.users u USING (user_id) WHERE s.summary_id = 'night-x';
-- registered for whom it is: what waits is freed, and what lies with bob follows
SELECT wearables.register_user('carol', 'x');
EXECUTE jobs;
CALL wearables.drain();
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
EXECUTE jobs;
EXECUTE readings;
EXECUTE documents;
EXECUTE connections;
EXECUTE events;

-- replay() by hand does the same at once, for one event too; twice changes nothing
UPDATE wearables.user_links SET user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'bob') WHERE external_user_id = 'x';
SELECT processed, inserted, changed, unchanged, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE external_user_id = 'x') r;
SELECT processed, inserted, changed, unchanged, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE external_user_id = 'x') r;
CALL wearables.drain();
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
EXECUTE jobs;
EXECUTE readings;
EXECUTE connections;

-- an event that nothing is read of any more leaves the person whose readings it wrote
UPDATE wearables.user_links SET user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'carol') WHERE external_user_id = 'x';
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'heartrate';
SELECT skipped, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE external_user_id = 'x' AND resource = 'heartrate') r;
UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'heartrate';
CALL wearables.drain();
SELECT processed, failed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
EXECUTE readings;
EXECUTE events;

-- what was pulled, or is to be, goes along
INSERT INTO wearables.backfills (user_id, endpoint, external_user_id, provider, resource, range_from, range_to, intent, state)
SELECT l.user_id, 'junction', 'x', 'oura', r, '2024-01-01', '2024-02-01', 'requested', 'done' FROM wearables.user_links l, unnest(ARRAY['sleep', 'heartrate']) r WHERE l.external_user_id = 'x';
UPDATE wearables.user_links SET user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'bob') WHERE external_user_id = 'x';
CALL wearables.drain();
UPDATE wearables.jobs SET run_at = now();
CALL wearables.drain();
SELECT u.client_user_id, b.resource FROM wearables.backfills b JOIN wearables.users u USING (user_id) ORDER BY 2;

-- an id that is linked for the first time, or whose row is touched, makes no job
SELECT wearables.register_user('dora', 'new');
UPDATE wearables.user_links SET user_id = user_id, linked_at = now();
UPDATE wearables.endpoints SET name = 'renamed';
EXECUTE jobs;
-- nobody's data go to a person who was erased
SELECT wearables.erase_user(wearables.register_user('zoe')) AS erased;
UPDATE wearables.user_links SET user_id = (SELECT max(user_id) FROM wearables.erasures) WHERE external_user_id = 'new';
INSERT INTO wearables.user_links (endpoint, external_user_id, user_id) SELECT 'renamed', 'newer', max(user_id) FROM wearables.erasures;
-- the trigger functions are of this table alone
CREATE TABLE public.other (endpoint text, external_user_id text, user_id bigint);
CREATE TRIGGER other AFTER INSERT ON public.other FOR EACH ROW EXECUTE FUNCTION wearables_internal.queue_link_change();
INSERT INTO public.other VALUES ('junction', 'x', 1);
CREATE TRIGGER other_statement AFTER DELETE ON public.other FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.user_links_changed();
DELETE FROM public.other;
DROP TABLE public.other;
DROP FUNCTION public.send_all, public.send;
DROP EXTENSION wearables_ingest CASCADE;
