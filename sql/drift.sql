-- drift: what arrives and no row knows, counted by events; known as soon as a row says so
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');
CREATE FUNCTION pg_temp.send(made text, event_type text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"%s","user_id":"u-alice","client_user_id":"alice","data":%s}', event_type, data), 'UTF8') body $$;
PREPARE drift AS SELECT kind, resource, path, value, events, example_event_id AS example FROM wearables.drift ORDER BY kind, resource, path, value;

-- What the vendor documents is known: no drift, in samples, documents and sources.
SELECT pg_temp.send('2t01', 'daily.data.heartrate.created', '{"source":{"provider":"garmin","type":"watch","app_id":null,"device_id":"d","name":"Garmin","slug":"garmin","logo":""},
  "data":[{"id":7,"timestamp":"2024-05-01T08:00:00+00:00","timezone_offset":0,"type":null,"unit":"bpm","value":61}]}');
SELECT pg_temp.send('2t02', 'daily.data.sleep.created', '{"id":"n1","user_id":"u-alice","date":"2024-05-01T00:00:00+00:00","calendar_date":"2024-05-01","type":"long_sleep","state":"confirmed",
  "bedtime_start":"2024-04-30T22:00:00+00:00","bedtime_stop":"2024-05-01T06:00:00+00:00","timezone_offset":0,"sleep_stream":{"hrv":[{"any":1}]},"hr_lowest":48,
  "created_at":"2024-05-01T07:00:00+00:00","updated_at":"2024-05-01T07:00:00+00:00","source":{"provider":"oura","type":"ring","app_id":null}}');
SELECT pg_temp.send('2t03', 'labtest.order.created', '{"id":"o1"}');
CALL wearables.drain();
EXECUTE drift;

-- What it does not: each once an event, in samples, in their source, within an object, in a list of documents.
SELECT pg_temp.send('2t04', 'daily.data.glucose.created', '{"source":{"provider":"acme_cgm","type":"patch","colour":"red"},
  "data":[{"timestamp":"2024-05-01T08:00:00+00:00","type":"guessed","unit":"mg/100ml","value":5.4,"trend":{"arrow":"up"}},
          {"timestamp":"2024-05-01T08:05:00+00:00","type":"guessed","unit":"mg/100ml","value":5.5,"trend":null}]}');
SELECT pg_temp.send('2t05', 'daily.data.glucose.created', '{"source":{"provider":"acme_cgm","type":"automatic"},
  "data":[{"timestamp":"2024-05-01T08:10:00+00:00","type":"automatic","unit":"mmol/L","value":5.4,"trend":"flat"}]}');
SELECT pg_temp.send('2t06', 'daily.data.activity.created', '{"id":"a1","calendar_date":"2024-05-01","steps":10,"heart_rate":{"avg_bpm":60,"p95_bpm":110},"source":{"provider":"oura","type":"ring"}}');
SELECT pg_temp.send('2t07', 'daily.data.cholesterol.created', '{"source":{"provider":"ussl","type":"lab"},
  "data":[{"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/vldl","unit":"mmol/L","value":0.5}]}');
SELECT pg_temp.send('2t08', 'daily.data.grip_strength.created', '{"source":{"provider":"acme","type":"cuff"},"data":[]}');
SELECT pg_temp.send('2t09', 'labtest.kit.lost', '{"id":"k1"}');
CALL wearables.drain();
EXECUTE drift;
SELECT kind, remedy FROM wearables.drift ORDER BY kind, resource, path, value;
-- handled once more, nothing is counted twice
SELECT (wearables.replay(event_id)).events FROM wearables.webhook_events;
EXECUTE drift;

-- Known by a row of any kind: gone from the view at once, for events of before, too.
INSERT INTO wearables.known_fields (resource, path) VALUES ('glucose', 'trend');
INSERT INTO wearables.units (metric, text, factor) VALUES ('glucose', 'mg/100ml', 1 / 18.016);
INSERT INTO wearables.mappings (resource, metric, value_fields, instant_fields) VALUES ('activity', 'heartrate', '{heart_rate.p95_bpm}', '{calendar_date}');
INSERT INTO wearables.resources (name, kind, note) VALUES ('grip_strength', 'skipped', 'not ours'), ('labtest.kit', 'skipped', 'not a reading');
UPDATE wearables.known_fields SET texts = texts || 'guessed'::text WHERE resource = 'glucose' AND path = 'type';
UPDATE wearables.known_fields SET texts = texts || 'cholesterol/vldl'::text WHERE resource = 'cholesterol' AND path = 'type';
EXECUTE drift;
UPDATE wearables.known_fields SET texts = texts || '{acme_cgm,acme}'::text[] WHERE path = 'source.provider';
UPDATE wearables.known_fields SET texts = NULL WHERE path = 'source.type';
EXECUTE drift;
-- A replay forgets what is known by now, and what is unknown still stands.
SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE revision < wearables.revision();
EXECUTE drift;
SELECT event_id, status, cardinality(drift) AS unknown FROM wearables.webhook_events ORDER BY event_id;

-- Refused where they cannot be, and shipped rows stay.
\set VERBOSITY terse
INSERT INTO wearables.known_fields (resource, path) VALUES ('glucose', 'a.*.b');
\echo :SQLSTATE
INSERT INTO wearables.known_fields (resource, path) VALUES ('nowhere', 'a');
\echo :SQLSTATE
INSERT INTO wearables.known_fields (resource, path) VALUES ('glucose', 'trend');
\echo :SQLSTATE
INSERT INTO wearables.known_fields (resource, path, texts) VALUES ('glucose', 'quality', '{}');
\echo :SQLSTATE
DELETE FROM wearables.known_fields WHERE path = 'source.logo';
\echo :SQLSTATE
DELETE FROM wearables.known_fields WHERE origin = 'user';
EXECUTE drift;

-- A sender that makes up names fills no table: at most this many terms of one event.
SELECT pg_temp.send('2t0A', 'daily.data.heartrate.created', format('{"source":{"provider":"garmin","type":"watch"},"data":[{"timestamp":"2024-05-02T08:00:00+00:00","value":61,%s}]}',
  string_agg(format('"made_up_%s":1', i), ','))) FROM generate_series(1, 1000) i;
CALL wearables.drain();
SELECT status, inserted, cardinality(drift) AS terms FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t0A%';
SELECT pg_temp.send('2t0B', 'daily.data.glucose.created', format('{"source":{"provider":"dexcom","type":"automatic"},"data":[%s]}',
  string_agg(format('{"timestamp":"2024-05-02T08:00:00+00:00","type":"automatic","unit":"made_up_%s","value":5}', 1 + i % 1000), ','))) FROM generate_series(1, 2000) i;
CALL wearables.drain();
SELECT status, quarantined, cardinality(drift) AS terms FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t0B%';
-- nor do they hide what is honest: each event keeps its own, and 2,000 made-up resources stand beside a new one
SELECT count(*) FROM generate_series(1, 2000) i, pg_temp.send('2u' || lpad(i::text, 4, '0'), format('daily.data.made_up_%s.created', i), '{}');
SELECT pg_temp.send('2v01', 'daily.data.new_thing.created', '{}'), pg_temp.send('2v02', 'daily.data.new_thing.created', '{}');
CALL wearables.drain();
SELECT count(*) AS made_up FROM wearables.drift WHERE resource LIKE 'made_up%';
SELECT kind, resource, events FROM wearables.drift WHERE resource = 'new_thing';

-- A remedy is one statement, whatever the texts of strangers are: they stand in it as literals and nowhere else.
SELECT remedy FROM unnest('{unit,field,value,resource}'::text[]) kind,
  unnest(ARRAY['x */ 1); DROP TABLE wearables.sample_points; --', E'x''); DROP TABLE wearables.sample_points; --', E'back\\'' slash', E'two\nlines; DROP TABLE wearables.sample_points;']) evil,
  wearables_internal.drift_remedy(kind, evil, evil, evil) remedy;

-- A document's resource that is switched off gives up its documents and samples, and takes them back.
SELECT count(*) FROM wearables.samples WHERE channel = 'sleep';
UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep';
SELECT (wearables.replay(event_id)).removed FROM wearables.webhook_events WHERE event_type LIKE '%.sleep.%';
SELECT (SELECT count(*) FROM wearables.samples WHERE channel = 'sleep') AS samples, (SELECT count(*) FROM wearables.summaries WHERE resource = 'sleep') AS documents;
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep';
SELECT (wearables.replay(event_id)).inserted FROM wearables.webhook_events WHERE event_type LIKE '%.sleep.%';
SELECT (SELECT count(*) FROM wearables.samples WHERE channel = 'sleep') AS samples, (SELECT count(*) FROM wearables.summaries WHERE resource = 'sleep') AS documents;

-- An event that was handled and cannot be any more holds what one holds that never could: nothing, and it leaves nothing behind.
CREATE FUNCTION pg_temp.nights() RETURNS TABLE (made text, status text, error text, unknown integer, readings integer, of_user bigint, samples bigint, documents bigint, refused bigint, letters bigint)
LANGUAGE sql AS $$
  SELECT substr(e.message_id, 5, 4), e.status::text, e.error, cardinality(e.drift), e.inserted + e.unchanged + e.quarantined, e.user_id,
         (SELECT count(*) FROM wearables.samples s WHERE s.version = e.version OR s.version IN (SELECT d.version FROM wearables.summaries d WHERE d.event_id = e.event_id)),
         (SELECT count(*) FROM wearables.summaries s WHERE s.event_id = e.event_id),
         (SELECT count(*) FROM wearables.quarantine q WHERE q.event_id = e.event_id),
         (SELECT count(*) FROM wearables.jobs j WHERE j.event_id = e.event_id AND j.state = 'failed')
  FROM wearables.webhook_events e WHERE e.message_id ~ 'msg_2t1' ORDER BY 1 $$;
CREATE FUNCTION pg_temp.send_night(made text, id text) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(made, 'daily.data.sleep.created', format('{"id":"%s","calendar_date":"2024-05-04","mood":"good","bedtime_stop":"2024-05-0%sT06:00:00+00:00","hr_lowest":48,"average_hrv":-5,
    "source":{"provider":"oura","type":"ring"}}', id, right(id, 1))) $$;
SELECT pg_temp.send_night('2t11', 'n4'), pg_temp.send_night('2t12', 'n5');
CALL wearables.drain();
SELECT * FROM pg_temp.nights();
UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'sleep';
SELECT pg_temp.send_night('2t13', 'n6');
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t12%';
CALL wearables.drain();
SELECT events, failed, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t11%') r;
SELECT * FROM pg_temp.nights();
SELECT events, path FROM wearables.drift WHERE resource = 'sleep';
UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep';
SELECT events, processed, inserted, quarantined FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%') r;
SELECT * FROM pg_temp.nights();
SELECT events, path FROM wearables.drift WHERE resource = 'sleep';

-- A limit of the server is not the event's fault: what it gave stays, and is put right when the limit is gone.
CREATE FUNCTION pg_temp.at_the_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'too much' USING ERRCODE = 'program_limit_exceeded'; END $$;
CREATE TRIGGER at_the_limit BEFORE DELETE ON wearables.sample_points FOR EACH ROW EXECUTE FUNCTION pg_temp.at_the_limit();
UPDATE wearables.metrics SET highest = 47 WHERE name = 'heartrate';
SELECT events, failed, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%') r;
SELECT * FROM pg_temp.nights();
DROP TRIGGER at_the_limit ON wearables.sample_points;
SELECT events, processed, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE message_id LIKE 'msg_2t1%') r;
SELECT * FROM pg_temp.nights();

DROP EXTENSION wearables_ingest CASCADE;
