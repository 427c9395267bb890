-- day: a calendar day is a calendar day, and what a document says of its zone is read
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('nyc', time_zone => 'America/New_York') AS nyc, wearables.register_user('berliner', time_zone => 'Europe/Berlin') AS berliner,
       wearables.register_user('nowhere') AS nowhere, wearables.register_user('traveller', time_zone => 'America/New_York') AS traveller,
       wearables.register_user('zones', time_zone => 'Asia/Kolkata') AS zones;
CREATE SEQUENCE pg_temp.made;
CREATE FUNCTION pg_temp.send(client text, resource text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || nextval('pg_temp.made'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","user_id":"u-%s","client_user_id":"%2$s","data":%s}', resource, client, data), 'UTF8') body $$;
CREATE FUNCTION pg_temp.activity(client text, day text, steps integer, place text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.send(client, 'activity', format('{"id":"%s","calendar_date":"%1$s","date":"%1$sT00:00:00+00:00","steps":%s%s,"source":{"provider":"oura","type":"ring"}}', day, steps, place)) $$;
-- a chart of days: each by its date
CREATE FUNCTION pg_temp.days(client text, zone text DEFAULT NULL, metric text DEFAULT 'steps') RETURNS TABLE (day date, value double precision, partial boolean) LANGUAGE sql AS $$
  SELECT wearables.day_of(t.bucket_start, coalesce(nullif(zone, 'recorded'), u.time_zone)), t.value, t.partial
  FROM wearables.users u CROSS JOIN LATERAL wearables.timeseries(u.user_id, metric, date '2024-05-01', date '2024-05-10', 'day', zone) t WHERE u.client_user_id = client $$;

-- activity of 4 May was charted on 3 May: for New York; for a Berlin user in Tokyo; for a user whose zone was left at UTC
SELECT pg_temp.activity('nyc', '2024-05-04', 5000);
SELECT pg_temp.activity('berliner', '2024-05-04', 6000, ',"time_zone":"Asia/Tokyo","timezone_offset":32400');
SELECT pg_temp.activity('nowhere', '2024-05-04', 7000, ',"timezone_offset":7200');
-- a traveller, New York to Berlin, had 12,000 steps on 4 May, and 9,000 on the 5th
SELECT pg_temp.activity('traveller', '2024-05-04', 5000, ',"time_zone":"America/New_York","timezone_offset":-14400'),
       pg_temp.activity('traveller', '2024-05-05', 7000, ',"time_zone":"Europe/Berlin","timezone_offset":7200'),
       pg_temp.activity('traveller', '2024-05-06', 9000, ',"time_zone":"Europe/Berlin","timezone_offset":7200');
CALL wearables.drain();
SELECT u.client_user_id, d.* FROM wearables.users u CROSS JOIN LATERAL pg_temp.days(u.client_user_id) d ORDER BY u.user_id, d.day;
SELECT z, array_agg(concat(to_char(d.day, 'DD: '), d.value) ORDER BY d.day) FROM unnest('{UTC,America/New_York,Europe/Berlin,Pacific/Kiritimati,-12:00,recorded}'::text[]) z, pg_temp.days('traveller', z) d GROUP BY z ORDER BY z COLLATE "C";

-- as it is stored, and as it is shown
SELECT p.ts, p.ts_end, p.tz_offset FROM wearables.sample_points p JOIN wearables.users u USING (user_id) WHERE u.client_user_id = 'traveller' ORDER BY p.ts;
SELECT s.metric, s.ts, s.day, s.ts_end, s.tz_offset, s.value FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE u.client_user_id = 'traveller' ORDER BY s.ts;
SELECT metric, ts, day, value FROM wearables.latest((SELECT user_id FROM wearables.users WHERE client_user_id = 'traveller'));
SELECT metric, ts, day, ts_end, tz_offset FROM wearables.normalize('daily.data.activity.created', '{"data":{"id":"a","calendar_date":"2024-05-04","timezone_offset":7200,"steps":1,"source":{"provider":"oura"}}}'::jsonb);
SELECT s.summary_id, s.first_ts, s.samples[1].ts, s.samples[1].tz_offset FROM wearables.summaries s JOIN wearables.users u USING (user_id) WHERE u.client_user_id = 'traveller' ORDER BY 1;
-- three ways to say a day, and an instant: the midnight of a document without that date
SELECT n.ts, n.day, n.value FROM unnest('{"\"timestamp\":\"2024-05-04\"","\"calendar_date\":\"2024-05-04\",\"timestamp\":\"2024-05-04T00:00:00Z\"","\"calendar_date\":\"2024-05-03\",\"timestamp\":\"2024-05-04T00:00:00Z\""}'::text[]) WITH ORDINALITY t (members, n0)
CROSS JOIN LATERAL wearables.normalize('daily.data.meal.created', format('{"data":{"id":"m","energy":{"unit":"kcal","value":%s},%s,"source":{"provider":"p"}}}', n0, members)::jsonb) n;

-- shorter buckets show it where the day begins in the zone of the chart
SELECT t.bucket_start AT TIME ZONE 'America/New_York' AS shown, t.value, t.partial FROM wearables.users u, wearables.timeseries(u.user_id, 'steps', date '2024-05-04', date '2024-05-06', 'hour') t WHERE u.client_user_id = 'traveller';
-- longer ones by its date: a week that begins on Monday, 6 May; a month
SELECT t.bucket_start AT TIME ZONE 'America/New_York' AS shown, t.value, t.partial FROM wearables.users u, wearables.timeseries(u.user_id, 'steps', date '2024-05-01', date '2024-06-01', 'week') t WHERE u.client_user_id = 'traveller';
SELECT t.bucket_start AT TIME ZONE 'Pacific/Kiritimati' AS shown, t.value, t.partial FROM wearables.users u, wearables.timeseries(u.user_id, 'steps', date '2024-05-01', date '2024-06-01', 'month', 'Pacific/Kiritimati') t WHERE u.client_user_id = 'traveller';
-- a range of instants holds the days that begin within it, in the zone of the chart: New York's 5 May begins at 04:00Z
SELECT i.from_ts, i.to_ts, t.bucket_start, t.value, t.partial
FROM wearables.users u CROSS JOIN (VALUES (timestamptz '2024-05-05 04:00Z', timestamptz '2024-05-06 04:00Z'), ('2024-05-05 00:00Z', '2024-05-06 00:00Z'), ('2024-05-05 04:00:01Z', '2024-05-06 04:00:01Z'),
                                          ('2024-05-05 03:59Z', '2024-05-05 04:00Z'), ('2024-05-05 04:00Z', '2024-05-05 04:00:00.000001Z')) i (from_ts, to_ts)
CROSS JOIN LATERAL wearables.timeseries(u.user_id, 'steps', i.from_ts, i.to_ts, 'day') t WHERE u.client_user_id = 'traveller';
-- in Apia 30 December 2011 had no instant: its day is shown with the next
SELECT pg_temp.activity('zones', '2011-12-' || d, d) FROM generate_series(29, 31) d;
CALL wearables.drain();
SELECT t.bucket_start, wearables.day_of(t.bucket_start, 'Pacific/Apia') AS day, t.value FROM wearables.users u, wearables.timeseries(u.user_id, 'steps', date '2011-12-01', date '2012-01-01', 'day', 'Pacific/Apia') t WHERE u.client_user_id = 'zones';
-- the day that holds an instant, as buckets of a day do
SELECT wearables.day_of('2024-05-04 03:59Z', 'America/New_York'), wearables.day_of('2024-05-04 04:00Z', 'America/New_York'), wearables.day_of('2024-05-04 22:00Z', '+02:00'),
       wearables.day_of('infinity', 'UTC'), wearables.day_of('-infinity', 'UTC'), wearables.day_of(NULL, 'UTC') IS NULL AS none;
SELECT wearables.day_of('294276-12-31Z', 'UTC');
\echo :SQLSTATE

-- by hand: what is shown can be inserted again; day alone will do
INSERT INTO wearables.samples (user_id, metric, ts, day, provider, source_type, value, unit, ts_end, tz_offset)
SELECT (SELECT user_id FROM wearables.users WHERE client_user_id = 'nowhere'), metric, ts, day, 'copy', source_type, value, unit, ts_end, tz_offset FROM wearables.samples WHERE ts >= '2024-01-01';
INSERT INTO wearables.samples (user_id, metric, day, value) SELECT user_id, 'body_weight', '2024-05-04', 70 FROM wearables.users WHERE client_user_id = 'nyc';
SELECT s.metric, s.provider, s.ts, s.day, s.value FROM wearables.samples s WHERE s.provider IN ('copy', 'manual') ORDER BY 1, 2, 3, 5;
SELECT d.* FROM pg_temp.days('nyc', metric => 'body_weight') d;
INSERT INTO wearables.samples (user_id, metric, ts, day, value) VALUES (1, 'body_weight', '2024-05-04 12:00Z', '2024-05-04', 70);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, day, value, tz_offset) VALUES (1, 'body_weight', '2024-05-04', 70, 120);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, day, value, ts_end) VALUES (1, 'body_weight', '2024-05-04', 70, '2024-05-03Z');
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, day, value) VALUES (1, 'body_weight', '1899-12-31', 70);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, day, value) VALUES (1, 'body_weight', 'infinity', 70);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, day, value) VALUES (1, 'body_weight', '5874897-12-31', 70);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, value) VALUES (1, 'body_weight', 70);
\echo :SQLSTATE
-- no other offset than one of a clock (32767 would be a day)
INSERT INTO wearables.samples (user_id, metric, ts, value, tz_offset) VALUES (1, 'body_weight', '2024-05-04 12:00Z', 70, 32767);
\echo :SQLSTATE
INSERT INTO wearables.samples (user_id, metric, ts, value, tz_offset) VALUES (1, 'body_weight', '2024-05-04 12:00Z', 70, -1081);
\echo :SQLSTATE

-- Where a reading was recorded: its known zone, else its offset; one written in the timestamp is its own. (Only
-- timezone_offset was read: 120 of the fourth, and none of those without it.)
CREATE FUNCTION pg_temp.offsets(provider text) RETURNS TABLE (value double precision, ts timestamptz, tz_offset smallint) LANGUAGE sql AS $$
  SELECT s.value, s.ts, s.tz_offset FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE u.client_user_id = 'zones' AND s.provider = $1 ORDER BY s.value $$;
SELECT pg_temp.send('zones', 'heartrate', '{"source":{"provider":"garmin","type":"watch"},"data":[
  {"value":61,"timestamp":"2024-05-01T07:59:00+00:00","timezone_offset":7200}, {"value":62,"timestamp":"2024-05-01T09:00:00+01:00"},
  {"value":63,"timestamp":"2024-05-01T08:02:00Z","zone_offset":"+01:00"}, {"value":64,"timestamp":"2024-05-01T08:03:00Z","time_zone":"america/new_york","timezone_offset":7200},
  {"value":65,"timestamp":"2024-05-01T08:04:00Z","time_zone":"UTC-4","timezone_offset":-14400}, {"value":66,"timestamp":"2024-05-01T08:05:00Z","time_zone":"Mars/Olympus","zone_offset":"-03:30"},
  {"value":67,"timestamp":"2024-05-01T08:06:00Z","time_zone":"CEST"}, {"value":68,"timestamp":"2024-05-01T08:07:00Z","time_zone":"+05:45"},
  {"value":69,"timestamp":"2024-12-01T08:00:00Z","time_zone":"America/New_York"}, {"value":70,"timestamp":"2024-05-01T08:08:00Z","time_zone":"Central Time","timezone_offset":-18000}]}');
-- Floating time is placed by its document's known zone, else by its offset, else in the user's zone, here +05:30; an
-- offset within such a stamp is part of its dress. (All of them were placed in the user's zone, the sixth at 00:30Z.)
SELECT pg_temp.send('zones', 'heartrate', '{"source":{"provider":"freestyle_libre","type":"automatic"},"data":[
  {"value":61,"timestamp":"2024-05-01T08:00:00+00:00"}, {"value":62,"timestamp":"2024-05-02T08:00:00+00:00","time_zone":"Europe/Berlin"},
  {"value":63,"timestamp":"2024-05-03T08:00:00+00:00","timezone_offset":3600}, {"value":64,"timestamp":"2024-05-04T08:00:00+00:00","time_zone":"UTC-4","timezone_offset":-14400},
  {"value":65,"timestamp":"2024-05-05T08:00:00+00:00","time_zone":"UTC-4"}, {"value":66,"timestamp":"2024-05-06T08:00:00+02:00"}, {"value":67,"timestamp":"2024-05-07"}]}');
CALL wearables.drain();
SELECT * FROM pg_temp.offsets('garmin');
SELECT * FROM pg_temp.offsets('freestyle_libre');
-- what is no zone is told
SELECT kind, resource, path, value, events, remedy FROM wearables.drift ORDER BY value COLLATE "C";
DO $$ BEGIN EXECUTE (SELECT remedy FROM wearables.drift WHERE value = 'UTC-4'); END $$;
SELECT value FROM wearables.drift ORDER BY value COLLATE "C";
SELECT metric, ts, day, tz_offset FROM wearables.normalize('daily.data.heartrate.created', '{"data":{"source":{"provider":"garmin"},"data":[{"value":61,"timestamp":"2024-05-01T08:00:00Z","time_zone":"Asia/Tokyo","timezone_offset":7200},{"value":61,"timestamp":"2024-05-01T08:00:00Z","time_zone":"UTC-4","timezone_offset":-14400}]}}'::jsonb);
-- what a sender calls a zone leaves nothing in the backend (the server kept 23 kB of each that could be a POSIX specification)
CREATE TEMP TABLE memory AS SELECT coalesce(sum(total_bytes), 0) AS before FROM pg_backend_memory_contexts WHERE name = 'Timezones';
SELECT count(*), count(tz_offset) AS known FROM wearables.normalize('daily.data.heartrate.created', (SELECT format('{"data":{"source":{"provider":"p"},"data":[%s]}}',
  string_agg(format('{"timestamp":"2024-05-01T08:00:%sZ","value":60,"time_zone":"%s%s"}', lpad((i % 60)::text, 2, '0'), (ARRAY['Abc','Foo/Bar','Etc/GMT'])[1 + i % 3], 100 + i), ',')) FROM generate_series(1, 99) i)::jsonb);
SELECT coalesce(sum(total_bytes), 0) - m.before < 100000 AS little FROM memory m LEFT JOIN pg_backend_memory_contexts c ON c.name = 'Timezones' GROUP BY m.before;
SELECT z, wearables_internal.zone(z) FROM unnest('{etc/gmt+5,Etc/GMT-14,Etc/GMT0}'::text[]) z;
-- by the wearer's clock
SELECT t.bucket_start AT TIME ZONE 'Asia/Kolkata' AS shown, t.value FROM wearables.users u, wearables.timeseries(u.user_id, 'heartrate', date '2024-05-01', date '2024-05-02', 'hour', 'recorded', 'garmin') t WHERE u.client_user_id = 'zones';
-- an end that is a date ends with that day, whatever zone the document names
SELECT n.ts, n.day, n.ts_end FROM wearables.normalize('daily.data.steps.created', '{"data":{"source":{"provider":"p"},"data":[{"value":1,"start":"2024-05-01","end":"2024-05-02","time_zone":"Asia/Tokyo"}]}}'::jsonb) n;
-- and an end at the midnight of the document's date is that midnight
SELECT n.metric, n.ts, n.day, n.ts_end FROM wearables.normalize('daily.data.workouts.created', '{"data":{"id":"w","calendar_date":"2024-05-04","time_start":"2024-05-03T23:15:00Z","time_end":"2024-05-04T00:00:00Z","timezone_offset":7200,"calories":300,"source":{"provider":"p"}}}'::jsonb) n;
-- a replay finds all as it is
SELECT sum(r.inserted + r.changed + r.confirmed + r.removed) AS written FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;
SELECT value FROM wearables.drift ORDER BY value COLLATE "C";
SELECT DISTINCT p.change FROM wearables.webhook_events e CROSS JOIN LATERAL wearables.replay_preview(e.event_id) p;

DROP EXTENSION wearables_ingest CASCADE;
