-- fhir: samples as Observations of FHIR R4
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');
SELECT wearables.register_user('bob');
\pset format unaligned
\pset fieldsep ' | '
\pset footer off

-- A metric and codes of the site's own; one shipped code is switched off.
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1');
INSERT INTO wearables.metric_codes (metric, system, code, display) VALUES ('mood', 'urn:site', 'mood', 'How they feel'), ('hrv_rmssd', 'urn:site', 'rmssd', NULL);
UPDATE wearables.metric_codes SET rank = 0 WHERE metric = 'hrv_rmssd' AND system LIKE '%apple%';

-- One sample of each shipped metric and of each kind of it, as an instant, as an interval and as a day.
CREATE TEMP VIEW possible AS
SELECT m.name, coalesce((SELECT max(k::double precision) FROM jsonb_object_keys(m.codes) k), greatest(m.lowest, least(m.highest, 42))) AS value FROM wearables.metrics m;
INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary, tz_offset, version)
SELECT 1, name, '2024-05-01 08:00Z', value, CASE name WHEN 'blood_pressure' THEN 28 END, 120, 1714550700000::bigint << 20 FROM possible;
INSERT INTO wearables.samples (user_id, metric, ts, ts_end, value, value_secondary)
SELECT 1, name, '2024-05-02 08:00:00.25Z', '2024-05-02 08:05Z', value, CASE name WHEN 'blood_pressure' THEN 28 END FROM possible;
INSERT INTO wearables.samples (user_id, metric, day, value) SELECT 1, name, '2024-05-03', value FROM possible;
SELECT m.name AS without_an_observation FROM wearables.metrics m WHERE NOT EXISTS (SELECT FROM wearables.fhir_observations f WHERE f.metric = m.name) ORDER BY 1;
SELECT count(*) = 3 * (SELECT count(*) FROM possible WHERE name NOT LIKE 'insulin%') AS one_each, count(*) = count(DISTINCT resource ->> 'id') AS own_ids FROM wearables.fhir_observations;
-- each of these lists what breaks it
SELECT DISTINCT metric AS without_what_it_must_have FROM wearables.fhir_observations
WHERE resource ->> 'resourceType' <> 'Observation' OR resource ->> 'status' <> 'final' OR resource ->> 'id' !~ '^[A-Za-z0-9.-]{1,64}$' OR resource #>> '{subject,identifier,value}' <> 'alice'
  OR resource #>> '{code,text}' <> metric OR resource #>> '{device,display}' <> 'manual' OR resource #>> '{meta,versionId}' !~ '^[0-9]{1,19}$'
  OR resource @? '$.** ? (@ == null)' OR resource @? '$.** ? (@.type() == "array" && @.size() == 0)';
SELECT DISTINCT f.metric AS quantity_in_another_unit FROM wearables.fhir_observations f JOIN wearables.metrics m ON m.name = f.metric
WHERE m.codes IS NULL AND f.metric <> 'blood_pressure' AND f.metric <> 'mood'
  AND f.resource -> 'valueQuantity' IS DISTINCT FROM jsonb_build_object('value', (SELECT p.value FROM possible p WHERE p.name = f.metric),
    'unit', coalesce(substring(m.ucum FROM '^{(.*)}$'), m.unit), 'code', m.ucum, 'system', 'http://unitsofmeasure.org');
SELECT DISTINCT f.metric AS code_as_a_quantity FROM wearables.fhir_observations f JOIN wearables.metrics m ON m.name = f.metric
WHERE m.codes IS NOT NULL AND (f.resource ? 'valueQuantity' OR f.resource #>> '{valueCodeableConcept,text}' IS DISTINCT FROM m.codes ->> (SELECT p.value::text FROM possible p WHERE p.name = f.metric));
SELECT DISTINCT metric AS whose_value_stands_twice FROM wearables.fhir_observations
WHERE (SELECT count(*) FROM jsonb_object_keys(resource) k WHERE k LIKE 'value%' OR k = 'component') <> 1 OR (SELECT count(*) FROM jsonb_object_keys(resource) k WHERE k LIKE 'effective%') <> 1;

-- Vital signs are these, and have category and profile together. A resting, mean, lowest, highest or walking pulse is none.
SELECT DISTINCT metric, resource #>> '{meta,profile,0}' AS profile, jsonb_path_query_array(resource, '$.code.coding[*] ? (@.system == "http://loinc.org").code') AS loinc,
       resource #>> '{category,0,coding,0,code}' AS category
FROM wearables.fhir_observations WHERE resource ? 'category' OR resource #> '{meta,profile}' IS NOT NULL ORDER BY 1, 3;
-- The codes of a site's own, and none that is switched off.
SELECT DISTINCT resource -> 'code' AS code FROM wearables.fhir_observations WHERE metric = 'hrv_rmssd';
-- A day has the codes of 24 hours where there are some; a vital sign has no period.
SELECT metric, ts AT TIME ZONE 'UTC' AS ts, resource #>> '{code,coding,0,code}' AS code, resource #>> '{effectiveDateTime}' AS at, resource #> '{effectivePeriod}' AS period
FROM wearables.fhir_observations WHERE metric IN ('steps', 'body_weight', 'dietary_energy', 'total_sleep_time') ORDER BY 1, 2;

\pset format aligned
\pset expanded on
-- Whole ones.
SELECT jsonb_pretty(resource) AS resource FROM wearables.fhir_observations WHERE metric = 'blood_pressure' AND ts = '2024-05-01 08:00Z';
SELECT jsonb_pretty(resource - 'id') AS resource FROM wearables.fhir_observations WHERE metric = 'mood' AND ts < '2024-05-02 00:00Z';
\pset expanded off
\pset format unaligned
-- The diastolic pressure of the third is not known, and said to be.
SELECT (resource -> 'component' -> 1) - 'code'::text AS diastolic FROM wearables.fhir_observations WHERE metric = 'blood_pressure' AND ts = '2024-05-03 00:00Z';
-- A second value of another metric is a component beside its value.
INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary) VALUES (2, 'mood', '2024-05-01 08:00Z', 1, 2);
SELECT resource -> 'valueQuantity' AS value, resource -> 'component' AS component FROM wearables.fhir_observations WHERE user_id = 2;
-- Stages are codes, and an unknown one is a text.
INSERT INTO wearables.samples (user_id, metric, ts, ts_end, value) SELECT 2, 'sleep_stage', '2024-05-01'::timestamptz + n * interval '1 min', '2024-05-01'::timestamptz + (n + 1) * interval '1 min', n FROM unnest('{-1,0,1,2,3,4,5}'::integer[]) n;
SELECT resource #>> '{valueCodeableConcept,coding,0,system}' AS system, resource #>> '{valueCodeableConcept,coding,0,code}' AS code, resource #>> '{valueCodeableConcept,text}' AS text
FROM wearables.fhir_observations WHERE user_id = 2 AND metric = 'sleep_stage' ORDER BY ts;
-- Times as clocks showed them, if their offset is one that FHIR knows (14 hours); with the fraction that they have.
INSERT INTO wearables.samples (user_id, metric, ts, value, tz_offset) VALUES (2, 'heartrate', '2024-05-01 08:00Z', 60, -570), (2, 'heartrate', '2024-05-01 08:00:00.123456Z', 61, 840), (2, 'heartrate', '2024-05-01 08:01Z', 62, 900),
  (2, 'heartrate', '2024-05-01 08:02Z', 63, 0), (2, 'heartrate', '2024-05-01 08:03Z', 64, NULL);
SELECT resource ->> 'effectiveDateTime' AS at, resource #>> '{valueQuantity,value}' AS value FROM wearables.fhir_observations WHERE user_id = 2 AND metric = 'heartrate' ORDER BY ts;
-- The id is that of the key: a revision keeps it, another user, source or part has another. The version says which state this is.
SELECT resource ->> 'id' AS before FROM wearables.fhir_observations WHERE user_id = 2 AND metric = 'heartrate' AND ts = '2024-05-01 08:03Z' \gset
INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (2, 'heartrate', '2024-05-01 08:03Z', 70, 1800000000000 << 20);
SELECT resource ->> 'id' = :'before' AS same_id, resource #>> '{valueQuantity,value}' AS value, resource #>> '{meta,versionId}' AS version, resource ->> 'issued' AS issued
FROM wearables.fhir_observations WHERE user_id = 2 AND metric = 'heartrate' AND ts = '2024-05-01 08:03Z';

-- Of events: a night, a day, three meals of one date, minutes. A kind of a metric that a reading named has its parent's codes.
CREATE FUNCTION pg_temp.send(made text, resource text, data text) RETURNS text LANGUAGE sql AS $$
  SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad(made, 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
  FROM convert_to(format('{"event_type":"daily.data.%s.created","client_user_id":"bob","data":%s}', resource, data), 'UTF8') body $$;
SELECT pg_temp.send('2t01', 'sleep', '{"id":"n","source":{"provider":"oura","type":"ring"},"bedtime_start":"2024-05-03T21:00:00Z","bedtime_stop":"2024-05-04T05:00:00Z","timezone_offset":7200,
  "total":27000,"hr_lowest":44,"hr_average":52,"respiratory_rate":14.5}'),
  pg_temp.send('2t02', 'activity', '{"id":"d","source":{"provider":"garmin","type":"watch"},"calendar_date":"2024-05-04","steps":7400,"heart_rate":{"avg_bpm":70}}'),
  pg_temp.send('2t03', 'meal', '{"id":"m1","source":{"provider":"my_fitness_pal"},"timestamp":"2024-05-05","energy":{"value":400}}'),
  pg_temp.send('2t04', 'meal', '{"id":"m2","source":{"provider":"my_fitness_pal"},"timestamp":"2024-05-05","energy":{"value":700}}'),
  pg_temp.send('2t05', 'body_temperature', '{"source":{"provider":"withings"},"data":[{"timestamp":"2024-05-06T08:00:00Z","value":36.6,"unit":"°C","sensor_location":"mouth"}]}'),
  pg_temp.send('2t06', 'insulin_injection', '{"source":{"provider":"tandem_source"},"data":[{"timestamp":"2024-05-06T08:00:00Z","value":4,"unit":"unit","type":"rapid_acting","delivery_mode":"bolus"}]}');
CALL wearables.drain();
SELECT status, quarantined, count(*) FROM wearables.webhook_events GROUP BY 1, 2;
-- The night's own heartrate, stamped at the moment of waking, is its lowest: it is here as that alone. Figures of a session have its period.
-- A meal of a date is not what was eaten in 24 hours.
SELECT f.metric, f.provider, f.resource #>> '{code,coding,0,code}' AS code, f.resource ->> 'effectiveDateTime' AS at, f.resource -> 'effectivePeriod' AS period,
       f.resource #>> '{device,display}' AS device, f.resource #>> '{valueQuantity,value}' AS value
FROM wearables.fhir_observations f WHERE f.user_id = 2 AND f.ts > '2024-05-02' ORDER BY f.ts, 1, 7;
SELECT metric, channel, value FROM wearables.samples WHERE user_id = 2 AND ts > '2024-05-02' AND (metric = 'heartrate' OR metric LIKE 'insulin%') ORDER BY 1;
-- What leads to the event: its id for a reading of a document, else its version; a sample inserted by hand has none.
SELECT f.metric, f.provenance #>> '{entity,0,what,display}' AS by, count(e.event_id) AS found, bool_and(f.provenance ->> 'recorded' LIKE '____-__-__T__:__:__%Z') AS recorded
FROM wearables.fhir_observations f
LEFT JOIN wearables.webhook_events e ON e.user_id = f.user_id AND f.provenance #>> '{entity,0,what,identifier,value}' =
  CASE f.provenance #>> '{entity,0,what,display}' WHEN 'webhook_events.event_id' THEN e.event_id ELSE e.version END::text
WHERE f.user_id = 2 AND (f.ts > '2024-05-02' OR f.metric = 'mood') GROUP BY 1, 2 ORDER BY 1;
SELECT DISTINCT f.provenance #> '{target,0,reference}' = to_jsonb('Observation/' || (f.resource ->> 'id')) AS targets_it, f.provenance #- '{entity,0,what,identifier,value}' #- '{target,0,reference}' #- '{recorded}' AS provenance
FROM wearables.fhir_observations f WHERE f.metric = 'body_temperature/sensor_location=mouth' AND f.user_id = 2;

-- A chart's range of one person reaches the index.
ANALYZE wearables.sample_points;
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text; BEGIN FOR line IN EXECUTE 'EXPLAIN (costs off) ' || statement LOOP IF line ~ 'sample_points|user_id = 1' THEN RETURN NEXT btrim(line, ' ->'); END IF; END LOOP; END $$;
SELECT pg_temp.plan($$SELECT resource FROM wearables.fhir_observations WHERE user_id = 1 AND metric = 'heartrate' AND ts >= '2024-05-01 00:00Z' AND ts < '2024-05-02 00:00Z'$$);
RESET enable_seqscan;

-- A reader reads them, of those people that its policies let it see.
CREATE ROLE regress_fhir;
SELECT wearables.grant_access('regress_fhir', 'reader');
CREATE POLICY of_the_test ON wearables.users FOR SELECT TO regress_fhir USING (client_user_id = 'bob');
ALTER TABLE wearables.users ENABLE ROW LEVEL SECURITY;
SET ROLE regress_fhir;
SELECT user_id, count(resource) > 0 AS seen, count(provenance) > 0 AS with_events FROM wearables.fhir_observations GROUP BY 1;
SELECT count(*) > 300 AS codes FROM wearables.metric_codes;
UPDATE wearables.metric_codes SET rank = 0;
RESET ROLE;
DROP EXTENSION wearables_ingest CASCADE;
DROP ROLE regress_fhir;
