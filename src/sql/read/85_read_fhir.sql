-- Samples in the words of FHIR R4. Every helper here is one STABLE expression without SET, as the JSON functions in it
-- are stable: so the planner inlines it, and no call is left for each row of the view.

-- The profile is chosen by the code and not by the metric: FHIR requires it of whatever has one of these codes. A
-- resting or mean heart rate has another code, and is none.
CREATE VIEW wearables_internal.fhir_vital_signs WITH (security_invoker = true) AS
SELECT v.code, 'http://hl7.org/fhir/StructureDefinition/' || v.profile AS profile
FROM (VALUES
  ('8867-4', 'heartrate'), ('9279-1', 'resprate'), ('2708-6', 'oxygensat'), ('8310-5', 'bodytemp'),
  ('8302-2', 'bodyheight'), ('29463-7', 'bodyweight'), ('39156-5', 'bmi'), ('85354-9', 'bp')) AS v (code, profile);
COMMENT ON VIEW wearables_internal.fhir_vital_signs IS
  'The LOINC codes that FHIR requires a vital-signs profile for, and that profile.';

-- What all Observations of a metric have in common is built once a query and not once a row.
CREATE VIEW wearables_internal.fhir_metrics WITH (security_invoker = true) AS
SELECT m.name AS metric, s.scope, min(v.profile) AS profile,
       jsonb_strip_nulls(jsonb_build_object(
         'resourceType', 'Observation',
         -- Whether a reading replaced another one is not stored, so amended would be a guess.
         'status', 'final',
         'category', CASE WHEN min(v.profile) IS NOT NULL THEN
           '[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                          "code": "vital-signs", "display": "Vital Signs"}]}]'::jsonb END,
         'code', jsonb_build_object(
           'coding', jsonb_agg(jsonb_build_object('system', c.system, 'code', c.code, 'display', c.display)
                               ORDER BY c.rank, c.system, c.code) FILTER (WHERE c.code IS NOT NULL),
           'text', m.name))) AS head
FROM wearables.metrics m
CROSS JOIN (VALUES ('reading'), ('day'), ('session')) AS s (scope)
LEFT JOIN wearables.metric_codes c
  ON c.rank > 0
  AND c.metric = CASE WHEN EXISTS (SELECT FROM wearables.metric_codes o WHERE o.metric = m.name) THEN m.name
                 ELSE split_part(m.name, '/', 1) END
  AND (c.scope = s.scope OR c.scope = 'reading' AND NOT EXISTS (
    SELECT FROM wearables.metric_codes o
    WHERE o.metric = c.metric AND o.system = c.system AND o.scope = s.scope AND o.rank > 0))
LEFT JOIN wearables_internal.fhir_vital_signs v ON c.system = 'http://loinc.org' AND v.code = c.code
-- a dose is a MedicationAdministration
WHERE split_part(m.name, '/', 1) <> 'insulin_injection'
GROUP BY m.name, s.scope;
COMMENT ON VIEW wearables_internal.fhir_metrics IS
  'What the Observations of a metric have in common (head) in each scope of metric_codes, and their vital-signs '
  'profile. Null profile: not a vital sign. A metric whose samples are no Observations has no rows.';

CREATE FUNCTION wearables_internal.fhir_time(ts timestamptz, tz_offset smallint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
-- a JSON timestamp is ISO 8601 whatever DateStyle says; FHIR knows offsets of up to 14 hours
RETURN CASE WHEN tz_offset BETWEEN -840 AND 840
  THEN (to_jsonb(ts AT TIME ZONE 'UTC' + make_interval(mins => tz_offset)) #>> '{}')
       || CASE WHEN tz_offset < 0 THEN '-' ELSE '+' END || lpad((abs(tz_offset) / 60)::text, 2, '0') || ':'
       || lpad((abs(tz_offset) % 60)::text, 2, '0')
  ELSE (to_jsonb(ts AT TIME ZONE 'UTC') #>> '{}') || 'Z' END;
COMMENT ON FUNCTION wearables_internal.fhir_time(timestamptz, smallint) IS
  'A time as FHIR writes it, as clocks showed it at an offset of these minutes east of UTC. Null or more than 14 '
  'hours: in UTC.';

CREATE FUNCTION wearables_internal.fhir_quantity(value double precision, unit text, ucum text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN ucum IS NULL THEN jsonb_build_object('value', value, 'unit', unit)
  -- an annotation counts for nothing in UCUM, so the unit for people must say it, too
  ELSE jsonb_build_object('value', value, 'unit', CASE WHEN ucum LIKE '{%}' THEN btrim(ucum, '{}') ELSE unit END,
                          'system', 'http://unitsofmeasure.org', 'code', ucum) END;
COMMENT ON FUNCTION wearables_internal.fhir_quantity(double precision, text, text) IS
  'A Quantity of FHIR. Null ucum: the unit has no code.';

CREATE FUNCTION wearables_internal.fhir_component(
  system text, code text, display text, value double precision, unit text, ucum text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object('code', jsonb_build_object('coding', jsonb_build_array(
    jsonb_build_object('system', system, 'code', code, 'display', display))))
  || CASE WHEN value IS NULL THEN jsonb_build_object('dataAbsentReason', jsonb_build_object('coding',
       jsonb_build_array(jsonb_build_object(
         'system', 'http://terminology.hl7.org/CodeSystem/data-absent-reason', 'code', 'unknown'))))
     ELSE jsonb_build_object('valueQuantity', wearables_internal.fhir_quantity(value, unit, ucum)) END;
COMMENT ON FUNCTION wearables_internal.fhir_component(text, text, text, double precision, text, text) IS
  'A component of an Observation, such as one of the two blood pressures. Null value: it says that it is not known.';

CREATE FUNCTION wearables_internal.fhir_sleep_stage(stage double precision) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE stage
  WHEN 1 THEN '[{"system": "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-analysis-codes", "code": "asleepDeep",
                 "display": "Asleep deep"}]'::jsonb
  WHEN 2 THEN '[{"system": "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-analysis-codes", "code": "asleepCore",
                 "display": "Asleep core"}]'
  WHEN 3 THEN '[{"system": "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-analysis-codes", "code": "asleepREM",
                 "display": "Asleep REM"}]'
  WHEN 4 THEN '[{"system": "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-analysis-codes", "code": "awake",
                 "display": "Awake"}]' END;
COMMENT ON FUNCTION wearables_internal.fhir_sleep_stage(double precision) IS
  'Codings of a sleep_stage in HL7''s Personal Health Record guide. Null: it has no code for the stage.';

CREATE FUNCTION wearables_internal.fhir_value(
  value double precision, value_secondary double precision, unit text, ucum text, codes jsonb, profile text,
  is_sleep_stage boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
  WHEN profile = 'http://hl7.org/fhir/StructureDefinition/bp' THEN jsonb_build_object('component', jsonb_build_array(
    wearables_internal.fhir_component('http://loinc.org', '8480-6', 'Systolic blood pressure', value, unit, ucum),
    wearables_internal.fhir_component('http://loinc.org', '8462-4', 'Diastolic blood pressure', value_secondary, unit,
                                      ucum)))
  WHEN codes IS NOT NULL THEN jsonb_build_object('valueCodeableConcept', jsonb_strip_nulls(jsonb_build_object(
    'coding', CASE WHEN is_sleep_stage THEN wearables_internal.fhir_sleep_stage(value) END,
    'text', coalesce(codes ->> value::text, value::text))))
  WHEN value_secondary IS NOT NULL THEN jsonb_build_object(
    'valueQuantity', wearables_internal.fhir_quantity(value, unit, ucum),
    'component', jsonb_build_array(jsonb_build_object(
      'code', jsonb_build_object('text', 'value_secondary'),
      'valueQuantity', wearables_internal.fhir_quantity(value_secondary, unit, ucum))))
  ELSE jsonb_build_object('valueQuantity', wearables_internal.fhir_quantity(value, unit, ucum)) END;
COMMENT ON FUNCTION wearables_internal.fhir_value(
  double precision, double precision, text, text, jsonb, text, boolean) IS
  'The members of an Observation that hold its value: two components for a blood pressure, a text and its code for a '
  'coded value, else a quantity.';

CREATE FUNCTION wearables_internal.fhir_effective(
  ts timestamptz, ts_end timestamptz, tz_offset smallint, kind text, session_start timestamptz,
  session_end timestamptz, is_vital_sign boolean) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
  -- kCalendarDay of core/write/sample.h
  WHEN tz_offset = 32767 THEN jsonb_build_object('effectiveDateTime', (ts AT TIME ZONE 'UTC')::date)
  -- the profile's constraint vs-1 refuses a period, as validators read it
  WHEN is_vital_sign THEN jsonb_build_object('effectiveDateTime', wearables_internal.fhir_time(ts, tz_offset))
  WHEN ts_end > ts THEN jsonb_build_object('effectivePeriod', jsonb_build_object(
    'start', wearables_internal.fhir_time(ts, tz_offset), 'end', wearables_internal.fhir_time(ts_end, tz_offset)))
  WHEN ts_end IS NULL AND session_end = ts THEN jsonb_build_object('effectivePeriod', jsonb_build_object(
    'start', wearables_internal.fhir_time(session_start, tz_offset),
    'end', wearables_internal.fhir_time(ts, tz_offset)))
  WHEN ts_end IS NULL AND kind = 'session' THEN jsonb_build_object('effectivePeriod', jsonb_build_object(
    'end', wearables_internal.fhir_time(ts, tz_offset)))
  ELSE jsonb_build_object('effectiveDateTime', wearables_internal.fhir_time(ts, tz_offset)) END;
COMMENT ON FUNCTION wearables_internal.fhir_effective(
  timestamptz, timestamptz, smallint, text, timestamptz, timestamptz, boolean) IS
  'The member of an Observation that holds its time: a date for a reading of a calendar day, a period for an interval '
  'and for a figure of a session, else a time. A vital sign never has a period.';

CREATE FUNCTION wearables_internal.fhir_id(
  client_user_id text, metric text, ts timestamptz, provider text, source_type text, channel text, part smallint)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN encode(sha256(convert_to(jsonb_build_array(
  client_user_id, metric, extract(epoch FROM ts), provider, source_type, channel, part)::text, 'UTF8')), 'hex');
COMMENT ON FUNCTION wearables_internal.fhir_id(text, text, timestamptz, text, text, text, smallint) IS
  'Id of an Observation: 64 hexadecimal digits of a hash of the sample''s key in names. The numbers of users, sources '
  'and metrics are not in it, so that a database that is built anew from the same events gives the same ids.';

-- What a row knows of its event: a document names it, a sample of a timeseries has its version. An event cannot be
-- looked up here, since no index leads from a version to it.
CREATE FUNCTION wearables_internal.fhir_provenance(
  id text, version bigint, event_id bigint, event_received_at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
  'resourceType', 'Provenance',
  'target', jsonb_build_array(jsonb_build_object('reference', 'Observation/' || id)),
  'recorded', wearables_internal.fhir_time(
    coalesce(event_received_at, to_timestamp((version >> 20) / 1000.0)), NULL),
  'agent', jsonb_build_array(jsonb_build_object(
    'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
      'system', 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'code', 'assembler',
      'display', 'Assembler'))),
    'who', jsonb_build_object('display', 'wearables_ingest'))),
  'entity', jsonb_build_array(jsonb_build_object(
    'role', 'source',
    'what', jsonb_build_object(
      'identifier', jsonb_build_object('value', coalesce(event_id, version)::text),
      'display', CASE WHEN event_id IS NULL THEN 'webhook_events.version' ELSE 'webhook_events.event_id' END))));
COMMENT ON FUNCTION wearables_internal.fhir_provenance(text, bigint, bigint, timestamptz) IS
  'Provenance of an Observation: the event it came from, by its id if event_id is given, else by its version.';

CREATE VIEW wearables.fhir_observations WITH (security_invoker = true) AS
SELECT p.user_id, m.name AS metric, p.ts, o.provider,
       k.head || jsonb_build_object(
         'id', wearables_internal.fhir_id(u.client_user_id, m.name, p.ts, o.provider, o.source_type, o.channel, p.part),
         'meta', CASE WHEN k.profile IS NULL THEN jsonb_build_object('versionId', p.version::text)
                 ELSE jsonb_build_object('versionId', p.version::text, 'profile', jsonb_build_array(k.profile)) END,
         'subject', jsonb_build_object('type', 'Patient',
                                       'identifier', jsonb_build_object('value', u.client_user_id)),
         'issued', wearables_internal.fhir_time(to_timestamp((p.version >> 20) / 1000.0), NULL),
         'device', jsonb_build_object('display',
                                      concat_ws(' ', o.provider, nullif(o.source_type, 'unknown'))))
       || wearables_internal.fhir_effective(p.ts, p.ts_end, p.tz_offset, m.kind, d.session_start, d.session_end,
                                            k.profile IS NOT NULL)
       || wearables_internal.fhir_value(p.value, p.value_secondary, m.unit, m.ucum, m.codes, k.profile,
                                        m.name = 'sleep_stage') AS resource,
       -- the low bits of the version that an INSERT into samples makes: no event brought the sample
       CASE WHEN d.event_id IS NOT NULL OR p.version & 1048575 <> 140239 THEN wearables_internal.fhir_provenance(
         wearables_internal.fhir_id(u.client_user_id, m.name, p.ts, o.provider, o.source_type, o.channel, p.part),
         p.version, d.event_id, d.event_received_at) END AS provenance
FROM wearables.sample_points p
JOIN wearables.metrics m ON m.metric_id = p.metric_id
JOIN wearables.sources o ON o.source_id = p.source_id
JOIN wearables.users u ON u.user_id = p.user_id
-- A part other than 0 is one of several documents of a date, such as a meal, and not the figure of the day.
JOIN wearables_internal.fhir_metrics k
  ON k.metric = m.name
  AND k.scope = CASE WHEN o.channel IN ('sleep', 'nap') THEN 'session'
                WHEN p.tz_offset = 32767 AND p.part = 0 THEN 'day' ELSE 'reading' END
LEFT JOIN LATERAL (
  SELECT s.event_id, s.event_received_at, s.session_start, s.session_end
  FROM wearables.summaries s
  WHERE o.channel <> 'timeseries' AND s.user_id = p.user_id AND s.last_ts >= p.ts AND s.first_ts <= p.ts
    AND s.version = p.version AND s.part = p.part AND NOT s.superseded
  LIMIT 1) d ON true
-- The heartrate of a night is its lowest, resting or mean one, and is here under that name: as a heart rate at the
-- moment of waking it would be wrong.
WHERE NOT (m.name = 'heartrate' AND o.channel IN ('sleep', 'nap'))
  AND wearables_internal.is_shown(p.user_id);
COMMENT ON VIEW wearables.fhir_observations IS
  'The stored samples as Observations of FHIR 4.0, one for each. Restrict it by user_id, metric and ts, as samples. '
  'Insulin is left out, because a dose is no Observation, and so is the heartrate of a night, which is here as '
  'heart_rate_lowest, heart_rate_average or sleep_resting_heart_rate. Example: SELECT resource FROM '
  'wearables.fhir_observations WHERE user_id = 1 AND metric = ''heartrate'' AND ts >= ''2026-03-29'';';
COMMENT ON COLUMN wearables.fhir_observations.user_id IS 'See users.';
COMMENT ON COLUMN wearables.fhir_observations.metric IS 'metrics.name.';
COMMENT ON COLUMN wearables.fhir_observations.ts IS 'As in samples.';
COMMENT ON COLUMN wearables.fhir_observations.provider IS 'See sources.';
COMMENT ON COLUMN wearables.fhir_observations.resource IS
  'The Observation. Its codes are those of metric_codes, its value is in the metric''s UCUM code, its subject is the '
  'client_user_id as an identifier without a system. Its id stays the same when the reading is revised; '
  'meta.versionId and issued then change.';
COMMENT ON COLUMN wearables.fhir_observations.provenance IS
  'A Provenance with the Observation as target. Its entity identifies the event: by webhook_events.event_id for a '
  'reading of a document, else by user_id and webhook_events.version. Null: the sample was inserted by hand. (If its '
  'version was given, too, this cannot be told, and no event has that version.)';
