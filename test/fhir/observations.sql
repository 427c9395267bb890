-- What test/fhir/run validates: a line each of name, tab and resource. Of every shipped metric an Observation of an
-- instant, of an interval and of a calendar day; what documents yield; the Provenances; and broken ones, whose names
-- begin with "wrong", which the validator must refuse.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\t'
\o /dev/null
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice');

CREATE TEMP VIEW possible AS
SELECT m.name, CASE m.name WHEN 'blood_pressure' THEN 80 END AS value_secondary,
       coalesce((SELECT max(k::double precision) FROM jsonb_object_keys(m.codes) k),
                greatest(m.lowest, least(m.highest, 42.5))) AS value
FROM wearables.metrics m;
INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary, tz_offset, version)
SELECT 1, name, '2024-05-01 08:00Z', value, value_secondary, 120, 1714550700000::bigint << 20 FROM possible;
INSERT INTO wearables.samples (user_id, metric, ts, ts_end, value, value_secondary)
SELECT 1, name, '2024-05-02 08:00:00.25Z', '2024-05-02 08:05Z', value, value_secondary FROM possible;
INSERT INTO wearables.samples (user_id, metric, day, value) SELECT 1, name, '2024-05-03', value FROM possible;
INSERT INTO wearables.samples (user_id, metric, ts, value)
SELECT 1, m.name, '2024-05-01'::timestamptz + k.key::integer * interval '1 min', k.key::double precision
FROM wearables.metrics m CROSS JOIN LATERAL jsonb_each_text(m.codes) k;
-- without a UCUM code
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', 'points');
INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary)
VALUES (1, 'mood', '2024-05-01 08:00Z', 1, 2);

SELECT wearables.receive(wearables.signed_headers('msg_' || rpad(d.made, 27, '0'), now(), d.body,
                                                  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), d.body)
FROM (SELECT v.made, convert_to(format(
        '{"event_type": "daily.data.%s.created", "client_user_id": "alice", "data": %s}', v.resource, v.data),
        'UTF8') AS body
      FROM (VALUES
        ('2t01', 'sleep', '{"id": "night", "source": {"provider": "oura", "type": "ring"},
          "bedtime_start": "2024-05-03T21:00:00Z", "bedtime_stop": "2024-05-04T05:00:00Z", "timezone_offset": 7200,
          "total": 27000, "hr_lowest": 44, "hr_average": 52, "respiratory_rate": 14.5}'),
        ('2t02', 'activity', '{"id": "day", "source": {"provider": "garmin", "type": "watch"},
          "calendar_date": "2024-05-04", "steps": 7400, "distance": 5000, "heart_rate": {"avg_bpm": 70}}'),
        ('2t03', 'body_temperature', '{"source": {"provider": "withings"}, "data": [
          {"timestamp": "2024-05-06T08:00:00Z", "value": 36.6, "unit": "°C", "sensor_location": "mouth"}]}'))
        AS v (made, resource, data)) d;
CALL wearables.drain();

-- each of them what the view shows, with one thing wrong
CREATE TEMP VIEW broken (name, metric, change) AS VALUES
  ('without a category', 'heartrate', '{"category": null}'::jsonb),
  ('without a subject', 'heartrate', '{"subject": null}'),
  ('without a time', 'body_weight', '{"effectiveDateTime": null}'),
  ('of no time', 'steps', '{"effectiveDateTime": "2024-13-01"}'),
  ('of another unit', 'heartrate', '{"valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org",
                                                      "code": "/s", "unit": "/s"}}'),
  ('of no unit', 'steps', '{"valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "feet"}}'),
  ('of two values', 'steps', '{"valueString": "many"}'),
  ('without its components', 'blood_pressure', '{"component": null}'),
  ('of pulse oximetry alone', 'oxygen_saturation', '{"code": {"coding": [
     {"system": "http://loinc.org", "code": "59408-5"}]}}'),
  ('of an unknown status', 'steps', '{"status": "done"}'),
  ('with a long id', 'steps', jsonb_build_object('id', repeat('a', 65))),
  ('with an id of other letters', 'steps', '{"id": "a_b"}');
\o
SELECT f.metric || ' ' || (f.ts AT TIME ZONE 'UTC'), f.resource FROM wearables.fhir_observations f
ORDER BY f.metric, f.ts;
SELECT 'event of ' || f.metric || ' ' || (f.ts AT TIME ZONE 'UTC'), f.provenance FROM wearables.fhir_observations f
WHERE f.ts > '2024-05-04' ORDER BY f.metric, f.ts;
SELECT 'wrong: ' || b.metric || ' ' || b.name, jsonb_strip_nulls(f.resource || b.change)
FROM broken b JOIN wearables.fhir_observations f ON f.metric = b.metric AND f.ts = '2024-05-01 08:00Z';
