-- day_zones: in every zone the server knows, wherever the documents were made, day buckets of day documents equal the documents
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('traveller', time_zone => 'America/St_Johns') AS traveller;
SELECT setseed(0.17) IS NOT NULL AS seeded;

-- every region, and some offsets; what is a region zone() decides
CREATE TEMP TABLE zones AS
SELECT name FROM pg_timezone_names WHERE name ~ '^[A-Z].*[a-z]' AND name <> 'Factory' OR name = 'UTC'
UNION ALL VALUES ('+14:00'), ('-12:00'), ('+05:45'), ('-03:30'), ('+18:00'), ('-18:00');
-- days at random, and some on which clocks change, or that a zone leaves out; each with a document, made in some zone, at
-- some offset, or nobody knows where
CREATE TEMP TABLE documents AS
SELECT d.day, 1000 + row_number() OVER (ORDER BY d.day) AS steps,
       (ARRAY['', format(',"time_zone":"%s"', (ARRAY['Asia/Tokyo','America/New_York','Pacific/Kiritimati','Pacific/Niue','Europe/London','UTC-4'])[1 + floor(random() * 6)]),
              format(',"timezone_offset":%s', 900 * (floor(random() * 105) - 48))])[1 + floor(random() * 3)] AS place
FROM (SELECT date '1971-01-01' + floor(random() * 19800)::integer FROM generate_series(1, 40)
      UNION SELECT unnest('{2024-03-30,2024-03-31,2024-04-01,2024-10-27,2024-03-10,2024-04-07,2017-10-15,2018-02-17,2011-12-29,2011-12-30,2011-12-31,2012-01-01}'::date[])) d (day);
SELECT (wearables.receive(wearables.signed_headers('msg_1', now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
FROM (SELECT convert_to(format('{"event_type":"daily.data.activity.created","user_id":"u","client_user_id":"traveller","data":[%s]}',
        string_agg(format('{"id":"%s","calendar_date":"%1$s","steps":%s%s,"source":{"provider":"oura","type":"ring"}}', day, steps, place), ',')), 'UTF8') FROM documents) b (body);
CALL wearables.drain();
SELECT count(*) = (SELECT count(*) FROM documents) AS all_stored, count(*) FILTER (WHERE ts <> day) AS elsewhere FROM wearables.samples;

-- a date that a zone leaves out has no instant there: its reading is shown with the day that begins then
CREATE TEMP TABLE expected AS
SELECT z.name, max(d.day) AS day, sum(d.steps) AS steps, count(*) AS documents
FROM zones z CROSS JOIN documents d GROUP BY z.name, wearables.first_instant(d.day::timestamp, z.name);
SELECT name, day, documents FROM expected WHERE documents > 1 ORDER BY name COLLATE "C";

-- each of these counts what differs (before there were days, about half of all days were those before them)
SELECT count(*) > 15000 AS many, count(*) FILTER (WHERE t.value IS NULL OR e.steps IS NULL) AS differ, count(*) FILTER (WHERE t.partial) AS partial
FROM expected e
FULL JOIN (SELECT z.name, t.bucket_start, t.value, t.partial, wearables.day_of(t.bucket_start, z.name) AS day
           FROM zones z CROSS JOIN LATERAL wearables.timeseries(1, 'steps', date '1971-01-01', date '2040-01-01', 'day', z.name) t) t
  ON t.name = e.name AND t.day = e.day AND t.value = e.steps AND t.bucket_start = wearables.first_instant(e.day::timestamp, e.name);
-- the same by hours: where the day begins
SELECT count(*) > 15000 AS many, count(*) FILTER (WHERE t.value IS NULL OR e.steps IS NULL) AS differ
FROM expected e
FULL JOIN (SELECT z.name, t.bucket_start, t.value
           FROM zones z CROSS JOIN LATERAL wearables.timeseries(1, 'steps', date '1971-01-01', date '2040-01-01', 'hour', z.name) t) t
  ON t.name = e.name AND t.value = e.steps AND t.bucket_start = wearables.bucket_start(wearables.first_instant(e.day::timestamp, e.name), '1 hour', e.name);
-- a range of one day, and one of its first instant alone, holds its document and no other
SELECT count(*) > 1000 AS many, count(*) FILTER (WHERE t.found IS DISTINCT FROM e.steps OR t.again IS DISTINCT FROM e.steps) AS differ
FROM (SELECT e.*, row_number() OVER (PARTITION BY e.name ORDER BY md5(e.name || e.day)) AS place FROM expected e) e
CROSS JOIN LATERAL (
  SELECT (SELECT sum(t.value) FROM wearables.timeseries(1, 'steps', e.day, e.day + 1, 'day', e.name) t) AS found,
         (SELECT sum(t.value) FROM wearables.timeseries(1, 'steps', wearables.first_instant(e.day::timestamp, e.name),
                                                        wearables.first_instant(e.day::timestamp, e.name) + interval '1 us', '15 minutes', e.name) t) AS again) t
WHERE e.place <= 3;
-- as recorded, too, a day is a day: in the user's zone
SELECT count(*) = (SELECT count(*) FROM documents) AS all_days, count(*) FILTER (WHERE d.day IS NULL) AS differ
FROM wearables.timeseries(1, 'steps', date '1971-01-01', date '2040-01-01', 'day', 'recorded') t
LEFT JOIN documents d ON d.day = wearables.day_of(t.bucket_start, 'America/St_Johns') AND d.steps = t.value;


-- A day that a zone left out is none that coverage() could know something of: it was empty, or unknown.
INSERT INTO wearables.users (client_user_id, time_zone) SELECT 'in ' || name, name FROM zones;
CREATE TEMP TABLE left_out AS
SELECT u.user_id, u.time_zone, s.first, s.beyond, array_agg(r.day ORDER BY r.day) AS days
FROM wearables.users u CROSS JOIN (VALUES (date '1993-08-19', date '1993-08-24'), ('1994-12-29', '1995-01-04'), ('2011-12-28', '2012-01-03')) s (first, beyond)
CROSS JOIN LATERAL (SELECT s.first + i AS day FROM generate_series(0, s.beyond - s.first - 1) i) r
WHERE wearables.first_instant(r.day::timestamp, u.time_zone) = wearables.first_instant((r.day + 1)::timestamp, u.time_zone)
  AND u.time_zone NOT IN ('Kwajalein', 'Pacific/Enderbury')  -- old names, which not every server has
GROUP BY u.user_id, u.time_zone, s.first, s.beyond;
SELECT l.time_zone, l.days, count(*) = l.beyond - l.first - cardinality(l.days) AS as_many, bool_or(c.day = ANY (l.days)) AS left_out_too,
       (SELECT count(*) FROM wearables.coverage(l.user_id, 'heartrate', l.days[1], l.days[1] + 1)) AS alone
FROM left_out l CROSS JOIN LATERAL wearables.coverage(l.user_id, 'heartrate', l.first, l.beyond) c
GROUP BY l.user_id, l.time_zone, l.first, l.beyond, l.days ORDER BY l.time_zone COLLATE "C", l.first;
-- what a document dates with it is known all the same
UPDATE wearables.users SET time_zone = 'Pacific/Apia' WHERE user_id = 1;
SELECT day, how FROM wearables.coverage(1, 'steps', '2011-12-29', '2012-01-01');
DROP EXTENSION wearables_ingest CASCADE;
