-- resource: what the vendor sends, resource by resource, and the rows that the shipped mappings make of it
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = ISO;
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice', time_zone => 'Europe/Berlin');

-- Every body of this test, and every metric it gave.
CREATE TEMP TABLE bodies (ordinal bigint GENERATED ALWAYS AS IDENTITY, resource text, data text);
CREATE TEMP TABLE yielded (resource text, metric text);

CREATE FUNCTION pg_temp.rows_of(event_type text, data text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  n wearables.normalized;
  resource text := split_part(event_type, '.', 3);
BEGIN
  INSERT INTO bodies (resource, data) VALUES (resource, data);
  FOR n IN SELECT * FROM wearables.normalize(event_type, convert_to(format('{"event_type":"%s","data":%s}', event_type, data), 'UTF8')) LOOP
    INSERT INTO yielded VALUES (resource, n.metric);
    RETURN NEXT CASE WHEN n.refused IS NOT NULL THEN format('refused: %s at %s%s', n.refused, n.pointer, ' (' || n.metric || ')')
      ELSE concat_ws(' ', n.metric || ':', trim_scale(round(n.value::numeric, 4)) || coalesce(' and ' || trim_scale(round(n.value_secondary::numeric, 4)), ''),
                     n.unit, CASE WHEN n.day IS NULL THEN 'at' ELSE 'day' END, replace(n.ts::text, '+00', '') || coalesce(' to ' || replace(n.ts_end::text, '+00', ''), ''),
                     '(' || to_char(n.tz_offset, 'SG999') || ' min)', 'from', concat_ws('/', n.provider, n.source_type, n.channel)) END;
  END LOOP;
END $$;
-- a group of samples; its source is written provider/type
CREATE FUNCTION pg_temp.samples(resource text, source text, samples text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT pg_temp.rows_of(format('daily.data.%s.created', resource),
    format('{"source":{"provider":"%s","type":"%s","app_id":null,"device_id":null,"name":"","slug":"","logo":""},"data":[%s]}',
           split_part(source, '/', 1), split_part(source, '/', 2), samples)) $$;
CREATE FUNCTION pg_temp.document(resource text, source text, members text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT pg_temp.rows_of(format('daily.data.%s.created', resource),
    format('{"id":"%s-1","user_id":"u","source":{"provider":"%s","type":"%s","app_id":null},"created_at":"2024-05-02T08:00:00+00:00","updated_at":"2024-05-02T08:00:00+00:00",%s}',
           resource, split_part(source, '/', 1), split_part(source, '/', 2), members)) $$;
\pset tuples_only on
\pset format unaligned

-- Readings of an instant.
SELECT pg_temp.samples('heartrate', 'garmin/watch', '{"id":7,"timestamp":"2024-05-01T08:00:00+00:00","timezone_offset":-18000,"type":null,"unit":"bpm","value":61}');
SELECT pg_temp.samples('hrv', 'oura/ring', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"rmssd","value":48.5}');
SELECT pg_temp.samples('hrv', 'apple_health_kit/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"rmssd","value":48.5}');
SELECT pg_temp.samples('blood_oxygen', 'garmin/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"%","value":97}');
SELECT pg_temp.samples('respiratory_rate', 'fitbit/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"bpm","value":14.5}');
SELECT pg_temp.samples('blood_pressure', 'omron/cuff', '{"timestamp":"2024-05-01T08:00:00+00:00","timezone_offset":null,"grouping":["cuff",null,null,null],"type":null,"unit":"mmHg","systolic":122,"diastolic":81}');
-- One number is no pair, and nothing says which of the two it is: refused, once beside a drift that asked for a mapping.
SELECT pg_temp.samples('blood_pressure', 'omron/cuff', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"mmHg","value":122},{"timestamp":"2024-05-01T08:00:00+00:00","unit":"mmHg","value":"122/81"}');
-- The provider beside a null source, an object around an object: once missing_source, missing_id and no readings at all.
SELECT pg_temp.rows_of('daily.data.blood_oxygen.created', '{"provider":"garmin","source":null,"data":[{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"%","value":97}]}');
SELECT pg_temp.rows_of('daily.data.blood_oxygen.created', '{"source":{"provider":"garmin","type":"watch"},"data":{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"%","value":97}}');
SELECT pg_temp.rows_of('daily.data.electrocardiogram.created', '{"data":{"id":"e-9","provider":"apple_health_kit","source":null,"session_start":"2024-05-01T08:00:00+00:00","session_end":"2024-05-01T08:00:30+00:00","heart_rate_mean":71}}');
SELECT pg_temp.samples('glucose', 'dexcom_v3/automatic', '{"timestamp":"2024-05-01T08:00:00+00:00","type":"automatic","unit":"mmol/L","value":5.4}');
SELECT pg_temp.samples('glucose', 'onetouch_ble/fingerprick', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"mg/dL","value":108.096}');
SELECT pg_temp.samples('stress_level', 'garmin/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","type":"","unit":"%","value":32}');
SELECT pg_temp.samples('weight', 'withings/scale', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"kg","value":71.4}');
SELECT pg_temp.samples('fat', 'withings/scale', '{"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"%","value":18.2}');

-- Where several share an instant, the type is part of the name; a name that a row knows has that row's unit and range.
SELECT pg_temp.samples('cholesterol', 'ussl/lab', '
  {"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/total","unit":"mmol/L","value":5.1},
  {"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/hdl","unit":"mg/dL","value":58},
  {"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/ldl","unit":"mg/dL","value":116},
  {"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/triglycerides","unit":"mg/dL","value":116},
  {"timestamp":"2024-05-01T08:00:00+00:00","type":"cholesterol/vldl","unit":"mg/dL","value":20},
  {"timestamp":"2024-05-01T08:00:00+00:00","type":null,"unit":"mg/dL","value":20}');
SELECT pg_temp.samples('ige', 'spiriplex/lab', '{"timestamp":"2024-05-01T08:00:00+00:00","type":"baha_grass","unit":"FSU","value":12},{"timestamp":"2024-05-01T08:00:00+00:00","type":"oak","unit":"FSU","value":3}');
SELECT pg_temp.samples('igg', 'ayumetrix/lab', '{"timestamp":"2024-05-01T08:00:00+00:00","type":"dairy","unit":"FSU","value":40}');
SELECT pg_temp.samples('electrocardiogram_voltage', 'apple_health_kit/watch', '
  {"timestamp":"2024-05-01T08:00:00.000000+00:00","type":"lead_1","unit":"mV","value":0.012},
  {"timestamp":"2024-05-01T08:00:00.001953+00:00","type":"lead_1","unit":"mV","value":-0.373},
  {"timestamp":"2024-05-01T08:00:00.001953+00:00","type":"lead_2","unit":"mV","value":0.1},
  {"timestamp":"2024-05-01T08:00:00.003906+00:00","type":"lead_1","unit":"mV","value":-373}');
SELECT pg_temp.samples('heart_rate_alert', 'apple_health_kit/watch', '
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:10:00+00:00","type":"low_heart_rate","unit":"count","value":1},
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:10:00+00:00","type":"high_heart_rate","unit":"count","value":1},
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:10:00+00:00","type":"irregular_rhythm","unit":"count","value":1}');
SELECT pg_temp.samples('insulin_injection', 'tandem_source/insulin_pump', '
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","type":"rapid_acting","unit":"unit","value":4.5,"delivery_mode":"bolus","delivery_form":"standard","bolus_purpose":"meal"},
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","type":"long_acting","unit":"unit","value":12}');
SELECT pg_temp.samples('stand_hour', 'apple_health_kit/watch', '
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","type":"stood","unit":"count","value":1},
  {"start":"2024-05-01T09:00:00+00:00","end":"2024-05-01T10:00:00+00:00","type":"idle","unit":"count","value":1}');

-- Readings of a span, as the schema requires them and as its examples show them.
SELECT pg_temp.samples('steps', 'apple_health_kit/multiple_sources', '
  {"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","timezone_offset":7200,"type":null,"unit":"count","value":840},
  {"timestamp":"2024-05-01T09:00:00+00:00","start":"2024-05-01T09:00:00+00:00","end":"2024-05-01T10:00:00+00:00","type":null,"unit":"","value":12},
  {"id":3,"timestamp":"2024-05-01T10:00:00+00:00","type":null,"unit":"count","value":5}');
SELECT pg_temp.samples('calories_active', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","type":null,"unit":"kcal","value":31.5}');
SELECT pg_temp.samples('calories_basal', 'garmin/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","unit":"kcal","value":18},{"start":"2024-05-01T08:15:00+00:00","end":"2024-05-01T08:30:00+00:00","unit":"kcal","value":18}');
SELECT pg_temp.samples('floors_climbed', 'garmin/watch', '{"timestamp":"2024-05-01T08:00:00+00:00","unit":"count","value":2},{"start":"2024-05-01T08:15:00+00:00","end":"2024-05-01T08:30:00+00:00","unit":"count","value":1}');
SELECT pg_temp.samples('water', 'my_fitness_pal_v2/app', '{"timestamp":"2024-05-01T08:00:00+00:00","unit":"ml","value":250},{"start":"2024-05-01T08:15:00+00:00","end":"2024-05-01T08:15:00+00:00","unit":"mL","value":200}');
SELECT pg_temp.samples('distance', 'apple_health_kit/phone', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"m","value":612.3}');
SELECT pg_temp.samples('wheelchair_push', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"count","value":41}');
SELECT pg_temp.samples('stand_duration', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"min","value":14}');
SELECT pg_temp.samples('fall', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"count","value":1}');
SELECT pg_temp.samples('handwashing', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:21+00:00","unit":"count","value":1}');
SELECT pg_temp.samples('daylight_exposure', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:05:00+00:00","unit":"min","value":5}');
SELECT pg_temp.samples('uv_exposure', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:05:00+00:00","unit":"index","value":6}');
SELECT pg_temp.samples('mindfulness_minutes', 'apple_health_kit/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:10:00+00:00","unit":"min","value":10}');
SELECT pg_temp.samples('caffeine', 'apple_health_kit/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"g","value":0.095},{"start":"2024-05-01T09:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"mg","value":95}');
SELECT pg_temp.samples('carbohydrates', 'abbott_libreview/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"g","value":45}');
SELECT pg_temp.samples('body_temperature', 'apple_health_kit/unknown', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"°C","value":36.8,"sensor_location":"mouth"}');
SELECT pg_temp.samples('body_temperature_delta', 'ultrahuman/ring', '{"start":"2024-05-01T00:00:00+00:00","end":"2024-05-01T06:00:00+00:00","unit":"°C","value":-0.21,"sensor_location":"finger"}');
SELECT pg_temp.samples('basal_body_temperature', 'apple_health_kit/app', '{"start":"2024-05-01T06:00:00+00:00","end":"2024-05-01T06:00:00+00:00","unit":"°C","value":36.4}');
SELECT pg_temp.samples('body_mass_index', 'withings/scale', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"index","value":22.4}');
SELECT pg_temp.samples('lean_body_mass', 'withings/scale', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"kg","value":58.4}');
SELECT pg_temp.samples('waist_circumference', 'apple_health_kit/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"cm","value":84}');
SELECT pg_temp.samples('vo2_max', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:30:00+00:00","unit":"mL/kg/min","value":43.1}');
SELECT pg_temp.samples('afib_burden', 'apple_health_kit/watch', '{"start":"2024-04-24T00:00:00+00:00","end":"2024-05-01T00:00:00+00:00","unit":"%","value":2}');
SELECT pg_temp.samples('heart_rate_recovery_one_minute', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:01:00+00:00","unit":"count","value":24}');
SELECT pg_temp.samples('forced_expiratory_volume_1', 'apple_health_kit/unknown', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"L","value":3.4}');
SELECT pg_temp.samples('forced_vital_capacity', 'apple_health_kit/unknown', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"L","value":4.2}');
SELECT pg_temp.samples('peak_expiratory_flow_rate', 'apple_health_kit/unknown', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"L/min","value":480}');
SELECT pg_temp.samples('inhaler_usage', 'apple_health_kit/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"count","value":2}');
SELECT pg_temp.samples('sleep_apnea_alert', 'apple_health_kit/watch', '{"start":"2024-04-01T00:00:00+00:00","end":"2024-05-01T00:00:00+00:00","unit":"count","value":1}');
SELECT pg_temp.samples('sleep_breathing_disturbance', 'apple_health_kit/watch', '
  {"start":"2024-04-30T22:00:00+00:00","end":"2024-05-01T06:00:00+00:00","type":"not_elevated","unit":"count","value":2},
  {"start":"2024-05-01T22:00:00+00:00","end":"2024-05-02T06:00:00+00:00","type":null,"unit":"count","value":3}');
SELECT pg_temp.samples('workout_duration', 'freestyle_libre_ble/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:30:00+00:00","unit":"min","value":30,"intensity":"medium"}');
SELECT pg_temp.rows_of('daily.data.workout_distance.updated', '{"source":{"provider":"apple_health_kit","type":"watch","workout_id":"w1","sport":"running"},"data":[{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:01:00+00:00","unit":"m","value":180}]}');
SELECT pg_temp.rows_of('daily.data.workout_swimming_stroke.updated', '{"source":{"provider":"apple_health_kit","type":"watch","workout_id":"w2","sport":"swimming"},"data":[{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:01:00+00:00","unit":"count","value":38}]}');
-- text, not a number
SELECT pg_temp.samples('note', 'abbott_libreview/app', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T08:00:00+00:00","unit":"text","value":"felt fine","tags":["food"]}');

-- A day, in its own zone (the clock went forward that night), by its offset, and with nothing said; the older form has only `date`.
SELECT pg_temp.document('activity', 'apple_health_kit/multiple_sources', '"calendar_date":"2024-03-31","date":"2024-03-31T00:00:00+00:00","time_zone":"Europe/Berlin","timezone_offset":7200,
  "steps":9120,"calories_total":2480.5,"calories_active":610,"distance":6841.2,"floors_climbed":9,"low":210,"medium":45,"high":20,"daily_movement":7200,
  "heart_rate":{"avg_bpm":71,"min_bpm":48,"max_bpm":151,"resting_bpm":55,"avg_walking_bpm":98},"wheelchair_use":true,"wheelchair_push":12');
SELECT pg_temp.document('activity', 'garmin/watch', '"calendar_date":"2024-05-01","timezone_offset":-18000,"steps":100,"heart_rate":null,"low":6400');
SELECT pg_temp.document('activity', 'oura/ring', '"calendar_date":"2024-05-01","time_zone":null,"timezone_offset":null,"steps":100');
SELECT pg_temp.rows_of('daily.data.activity.created', '{"id":"a","date":"2024-05-01T00:00:00+00:00","steps":100,"source":{"name":"Fitbit","slug":"fitbit","logo":"https://storage.example.com/fitbit.png"}}');

-- A night; efficiency comes as a fraction and as percent.
SELECT pg_temp.document('sleep', 'oura/ring', '"calendar_date":"2024-05-02","date":"2024-05-02T00:00:00+00:00","type":"long_sleep","state":null,"bedtime_start":"2024-05-01T21:40:00+00:00","bedtime_stop":"2024-05-02T05:50:00+00:00",
  "timezone_offset":7200,"duration":29400,"total":26400,"awake":3000,"light":14400,"rem":6000,"deep":6000,"latency":540,"score":83,"recovery_readiness_score":79,"efficiency":87,
  "hr_lowest":47,"hr_average":53,"hr_resting":null,"hr_dip":null,"average_hrv":61.5,"respiratory_rate":14.25,"temperature_delta":-0.12,"skin_temperature":34.9,"sleep_stream":null');
-- Apple measures SDNN only; its night came out as RMSSD
SELECT pg_temp.document('sleep', 'apple_health_kit/watch', '"calendar_date":"2024-05-02","bedtime_stop":"2024-05-02T05:50:00+00:00","average_hrv":61.5');
SELECT pg_temp.document('sleep', 'whoop_v2/unknown', '"calendar_date":"2024-05-02","bedtime_start":"2024-05-02T05:50:00+00:00","bedtime_stop":"2024-05-02T05:50:00+00:00","type":"unknown","hr_resting":51,"efficiency":0.97');
SELECT pg_temp.document('sleep', 'garmin/watch', '"calendar_date":"2024-05-02","bedtime_stop":"2024-05-02T05:50:00+00:00","state":"tentative","hr_dip":11.5,"efficiency":1');
SELECT pg_temp.rows_of('daily.data.sleep_cycle.created', '{"id":"c","sleep_id":"s","session_start":"2024-05-01T21:40:00","session_end":"2024-05-02T05:50:00","time_zone":"Europe/Berlin","source_provider":"garmin","source_type":"watch","source_app_id":null,
  "stage_start_offset_second":[0,600,4200,9000],"stage_end_offset_second":[600,4200,4300],"stage_type":[4,2,7,-1]}');
-- its older names, by both middle words
SELECT pg_temp.rows_of('daily.timeseries.hypnogram.created', '{"source":{"slug":"garmin"},"data":[{"timestamp":"2024-05-01T21:40:00+00:00","unit":"stage","value":4},{"start":"2024-05-01T21:50:00+00:00","end":"2024-05-01T22:50:00+00:00","unit":"stage","value":2}]}');
SELECT pg_temp.samples('hypnogram', 'garmin/watch', '{"timestamp":"2024-05-01T21:40:00+00:00","unit":"stage","value":0}');

-- A workout; its list of zones may be shorter than six.
SELECT pg_temp.document('workouts', 'strava/unknown', '"title":"Morning run","calendar_date":"2024-05-01","time_start":"2024-05-01T06:00:00+00:00","time_end":"2024-05-01T06:45:00+00:00","timezone_offset":7200,"provider_id":"123","sport":{"id":1,"name":"Running","slug":"running"},
  "average_hr":148,"max_hr":176,"distance":8012.5,"calories":540,"steps":7400,"moving_time":2650,"total_elevation_gain":112,"elev_high":431.5,"elev_low":-2,"average_speed":3.02,"max_speed":4.9,
  "average_watts":241,"device_watts":true,"max_watts":512,"weighted_average_watts":250,"hr_zones":[60,240,600,1200,500,100],"map":{"polyline":null,"summary_polyline":null}');
SELECT pg_temp.document('workouts', 'wahoo/unknown', '"time_start":"2024-05-01T06:00:00+00:00","time_end":"2024-05-01T06:45:00+00:00","timezone_offset":null,"hr_zones":[60,null,"x"]');
SELECT pg_temp.rows_of('daily.data.workout_stream.created', '{"user_id":"u","workout_id":"w","provider_id":"123","message":"fetch it","source":{"provider":"garmin","type":"watch"},"sport":{"id":1,"name":"Running","slug":"running"}}');

-- A body, a heart, a cycle, a person.
SELECT pg_temp.document('body', 'withings/scale', '"calendar_date":"2024-05-01","date":"2024-05-01T00:00:00+00:00","weight":71.4,"fat":18.2,"water_percentage":58.1,"muscle_mass_percentage":44,"bone_mass_percentage":4.1,
  "visceral_fat_index":3,"body_mass_index":22.4,"lean_body_mass_kilogram":58.4,"waist_circumference_centimeter":84,"height":183');
SELECT pg_temp.rows_of('daily.data.body.created', '{"id":"b","date":"2024-05-01T00:00:00+00:00","weight":71.4,"source":{"name":"Withings","slug":"withings","logo":""}}');
SELECT pg_temp.rows_of('daily.data.electrocardiogram.created', '{"id":"e","session_start":"2024-05-01T08:00:00+00:00","session_end":"2024-05-01T08:00:30+00:00","time_zone":"Europe/Berlin","voltage_sample_count":15360,"heart_rate_mean":64,"sampling_frequency_hz":512,"classification":"sinus_rhythm",
  "source_provider":"apple_health_kit","source_type":"watch","source_device_model":"Watch7,1"}');
SELECT pg_temp.rows_of('daily.data.menstrual_cycle.created', '{"id":"m","period_start":"2024-05-01","period_end":"2024-05-05","cycle_end":null,"is_predicted":false,"source_provider":"apple_health_kit","source_type":"app","menstrual_flow":[{"date":"2024-05-01","flow":"medium"}],
  "basal_body_temperature":[{"date":"2024-05-01","value":36.4},{"date":"2024-05-02","value":null},{"value":36.5},{"date":"2024-05-03","value":97.7},{"date":"2024-05-04","value":36.6}],"ovulation_test":[]}');
-- The other days of a cycle: once only the temperature was read. What has no number for it is refused.
SELECT pg_temp.rows_of('daily.data.menstrual_cycle.created', '{"id":"m2","period_start":"2024-05-01","source_provider":"apple_health_kit","source_type":"app",
  "menstrual_flow":[{"date":"2024-05-01","flow":"none"},{"date":"2024-05-02","flow":"torrential"},{"date":"2024-05-03","flow":null},{"date":"2024-05-04","flow":3}],
  "basal_body_temperature":[{"date":"2024-05-01","value":36.4}],"cervical_mucus":[{"date":"2024-05-01","quality":"egg_white"}],"intermenstrual_bleeding":[{"date":"2024-05-20"},{"date":"2024-05-21"}],
  "contraceptive":[{"date":"2024-05-01","type":"iud"}],"detected_deviations":[{"date":"2024-05-01","deviation":"prolonged_menstrual_periods"},{"date":"2024-05-01","deviation":"irregular_menstrual_cycles"},
  {"date":"2024-05-02","deviation":"infrequent_menstrual_cycles"},{"date":"2024-05-02","deviation":"persistent_intermenstrual_bleeding"}],
  "ovulation_test":[{"date":"2024-05-14","test_result":"luteinizing_hormone_surge"}],"home_pregnancy_test":[{"date":"2024-05-28","test_result":"negative"}],"home_progesterone_test":[{"date":"2024-05-20","test_result":"positive"}],
  "sexual_activity":[{"date":"2024-05-10","protection_used":true},{"date":"2024-05-11","protection_used":false},{"date":"2024-05-12","protection_used":null}]}');
-- once no reading: of a profile the height, at the time of its last change
SELECT pg_temp.document('profile', 'withings/scale', '"height":183,"birth_date":"1980-01-01","gender":"female","sex":"female","wheelchair_use":null');

-- A meal; the foods in it have names that somebody typed.
SELECT pg_temp.document('meal', 'my_fitness_pal_v2/app', '"calendar_date":"2024-05-01","name":"Lunch","timestamp":"2024-05-01T11:30:00Z","priority_id":null,"source_id":1,"provider_id":"x","energy":{"unit":"kcal","value":640},
  "macros":{"carbs":71,"protein":28,"alcohol":0,"water":310,"fibre":9,"sugar":12,"cholesterol":0.08,"fats":{"saturated":6,"monounsaturated":9,"polyunsaturated":4,"omega3":1.1,"omega6":2.9,"total":21}},
  "micros":{"minerals":{"sodium":910,"potassium":820,"calcium":210,"phosphorus":400,"magnesium":95,"iron":4.2,"zinc":3.3,"fluoride":0.1,"chloride":1300},
            "trace_elements":{"copper":0.4,"manganese":0.9,"chromium":11,"iodine":38,"molybdenum":20,"selenium":24},
            "vitamins":{"vitamin_a":240,"vitamin_b1":0.4,"riboflavin":0.3,"niacin":5.1,"pantothenic_acid":1.6,"vitamin_b6":0.5,"biotin":9,"vitamin_b12":1.1,"vitamin_c":31,"vitamin_d":1.4,"vitamin_e":3.9,"vitamin_k":44,"folic_acid":88}},
  "data":{"Rice, with \"things\"":{"energy":{"unit":"kcal","value":1},"macros":{"carbs":1}},"id":{"energy":{"value":2}},"macros.carbs":{"energy":{"value":3}}}');
SELECT pg_temp.document('meal', 'cronometer/app', '"name":"Tea","timestamp":"2024-05-01T15:30:00Z","energy":{"unit":"kJ","value":8.4},"macros":null,"micros":null,"data":{}');
-- Totals that are null: the foods are summed up, each figure by itself; once there was no reading. A total that is there stands.
SELECT pg_temp.document('meal', 'my_fitness_pal_v2/app', '"calendar_date":"2024-05-01","name":"Dinner","timestamp":"2024-05-01T18:30:00Z","energy":null,"macros":{"carbs":70,"protein":null},
  "data":{"Rice":{"energy":{"unit":"kcal","value":400},"macros":{"carbs":75,"protein":10.5,"fats":{"total":1}},"micros":null},"Tea":{"energy":{"unit":"kcal","value":0},"macros":null},"":{"macros":{"protein":4}},
          "Fish":{"energy":{"unit":"kcal","value":210},"macros":{"protein":30,"fats":{"total":null}},"micros":{"minerals":{"sodium":90}}}}');
SELECT pg_temp.document('meal', 'my_fitness_pal_v2/app', '"name":"Snack","timestamp":"2024-05-01T18:30:00Z","energy":{"unit":"kcal","value":null},"data":{"Bar":{"energy":{"unit":"kcal","value":"a few"}},"Nut":{"energy":{"unit":"kcal","value":2}}}');
-- what it was called once
SELECT pg_temp.document('meals', 'cronometer/app', '"name":"Tea","timestamp":"2024-05-01T15:30:00Z","energy":{"unit":"kJ","value":8.4}');
SELECT pg_temp.samples('active_energy_burned', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"kcal","value":31.5}');
SELECT pg_temp.samples('basal_energy_burned', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"kcal","value":70}');
SELECT pg_temp.samples('distance_running_walking', 'apple_health_kit/watch', '{"start":"2024-05-01T08:00:00+00:00","end":"2024-05-01T09:00:00+00:00","unit":"m","value":612.3}');
SELECT pg_temp.rows_of('daily.data.device.created', '{"id":"d","provider":"oura","device_model":"Gen 4"}');

-- Units: the same quantity in other words.
SELECT DISTINCT format('%s %s %s: ', resource, value, unit) || regexp_replace(line, ' at .* from .*', '')
FROM (VALUES ('glucose', '100', 'mg/dL'), ('glucose', '100', 'mg/dl'), ('glucose', '1', 'g/L'), ('weight', '157.4', 'lb'), ('weight', '71400', 'g'),
  ('body_temperature', '98.6', '°F'), ('body_temperature', '310.15', 'K'), ('body_temperature_delta', '1.8', '°F'), ('body_temperature_delta', '-1', 'K'),
  ('calories_active', '4184', 'kJ'), ('calories_active', '100', 'Cal'), ('calories_active', '100', 'cal'), ('water', '0.25', 'L'), ('water', '8', 'fl_oz_us'),
  ('blood_oxygen', '0.97', 'fraction'), ('stress_level', '0.3', '1'), ('distance', '1.5', 'km'), ('distance', '1', 'mi'), ('waist_circumference', '33', 'in'),
  ('mindfulness_minutes', '600', 's'), ('daylight_exposure', '0.5', 'h'), ('peak_expiratory_flow_rate', '8', 'L/s'), ('forced_vital_capacity', '4200', 'mL'),
  ('caffeine', '95000', 'µg'), ('caffeine', '95000', 'μg'), ('electrocardiogram_voltage', '373', 'uV'), ('respiratory_rate', '14', 'breaths/min'), ('heartrate', '1', 'Hz'),
  ('insulin_injection', '4', 'IU'), ('vo2_max', '12', 'MET'), ('heart_rate_recovery_one_minute', '24', 'bpm'), ('steps', '10', ''), ('weight', '11', 'furlong'),
  ('hrv', '0.05', 's')) AS u (resource, value, unit),
  LATERAL pg_temp.samples(resource, 'p/t', format('{"timestamp":"2024-05-01T08:00:00Z","type":"any","unit":"%s","value":%s}', unit, value)) AS line
ORDER BY 1;
-- no number, or none that a person can have
SELECT pg_temp.samples('heartrate', 'p/t', '{"timestamp":"2024-05-01T08:00:00Z","value":1e400},{"timestamp":"2024-05-01T08:00:00Z","value":"61"},{"timestamp":"2024-05-01T08:00:00Z","value":-1},
  {"timestamp":"1024-05-01T08:00:00Z","value":61},{"timestamp":"9999-12-31T00:00:00Z","value":61},{"timestamp":"2024-05-01T08:00:00Z","value":61}');
SELECT wearables.normalize('daily.data.heartrate.created', '{"data":{"source":{"provider":"p"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":NaN}]}}'::bytea);
\echo :SQLSTATE

-- Nothing that ships is left out of this test: no resource without a body, no mapping that gave nothing. (Streams: stream.sql.)
SELECT r.name FROM wearables.resources r WHERE r.name !~ '\.' AND r.stream_of IS NULL AND r.name NOT IN (SELECT b.resource FROM bodies b);
SELECT m.resource, m.provider, m.metric FROM wearables.mappings m
WHERE m.enabled AND m.resource NOT IN ('workout_stream', 'sleep_stream') AND NOT EXISTS (SELECT FROM yielded y WHERE y.resource = m.resource AND (y.metric = m.metric OR y.metric LIKE m.metric || '/%'));

-- All event types of the catalogue, each sent with the body of above.
CREATE TEMP TABLE catalogue AS
SELECT unnest(ARRAY['activity', 'sleep', 'sleep_cycle', 'workouts', 'workout_stream', 'body', 'profile', 'meal', 'menstrual_cycle', 'electrocardiogram',
  'afib_burden', 'basal_body_temperature', 'blood_oxygen', 'blood_pressure', 'body_mass_index', 'body_temperature', 'body_temperature_delta', 'caffeine',
  'calories_active', 'calories_basal', 'carbohydrates', 'cholesterol', 'daylight_exposure', 'distance', 'electrocardiogram_voltage', 'fall', 'fat',
  'floors_climbed', 'forced_expiratory_volume_1', 'forced_vital_capacity', 'glucose', 'handwashing', 'heart_rate_alert', 'heart_rate_recovery_one_minute',
  'heartrate', 'hrv', 'ige', 'igg', 'inhaler_usage', 'insulin_injection', 'lean_body_mass', 'mindfulness_minutes', 'note', 'peak_expiratory_flow_rate',
  'respiratory_rate', 'sleep_apnea_alert', 'sleep_breathing_disturbance', 'stand_duration', 'stand_hour', 'steps', 'stress_level', 'uv_exposure', 'vo2_max',
  'waist_circumference', 'water', 'weight', 'wheelchair_push', 'workout_distance', 'workout_duration', 'workout_swimming_stroke']) AS resource;
CREATE TEMP TABLE event_types AS
SELECT 'readings' AS family, format('daily.data.%s.%s', c.resource, action) AS event_type,
       (SELECT b.data FROM bodies b WHERE b.resource = c.resource ORDER BY b.ordinal LIMIT 1) AS data
FROM catalogue c, unnest('{created,updated}'::text[]) action
UNION ALL
SELECT 'backfill done', format('historical.data.%s.created', c.resource), '{"user_id":"u","provider":"oura","start_date":"2024-01-01T00:00:00+00:00","end_date":"2024-05-01","is_final":true}' FROM catalogue c
UNION ALL
SELECT 'connection', 'provider.connection.created', '{"user_id":"u","provider":{"name":"Oura","slug":"oura","logo":""},"resource_availability":{}}'
UNION ALL
SELECT 'connection', 'provider.connection.error', '{"user_id":"u","provider":"fitbit","error_type":"token_refresh_failed"}'
UNION ALL
SELECT 'other', t, '{"id":"x","user_id":"u"}'
FROM unnest('{provider.device.created,provider.device.updated,continuous_query.result_table.changed,labtest.order.created,labtest.order.updated,
  labtest.appointment.created,labtest.appointment.updated,labtest.result.critical,labtest.match_review.created,labtest.match_review.updated,
  lab_report.parsing_job.created,lab_report.parsing_job.updated}'::text[]) t;
SELECT count(*), count(DISTINCT event_type) FROM event_types;
SELECT count(wearables.receive(wearables.signed_headers('msg_' || md5(t.event_type), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body))
FROM event_types t, convert_to(format('{"event_type":"%s","user_id":"u-alice","client_user_id":"alice","data":%s}', t.event_type, t.data), 'UTF8') body;
CALL wearables.drain();
\pset tuples_only off
\pset format aligned
SELECT t.family, e.status, regexp_replace(e.note, '"(.*)"', '...') AS note, count(*),
       CASE WHEN e.status = 'skipped' THEN string_agg(DISTINCT substring(e.note FROM '"(.*)"'), ', ') END AS which
FROM event_types t JOIN wearables.webhook_events e USING (event_type) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- The column by which a repair selects. A connection and what nobody knows are about no resource.
SELECT t.family, count(*), count(e.resource) AS about_one,
       bool_and(e.resource IS NOT DISTINCT FROM CASE WHEN t.family IN ('readings', 'backfill done') THEN split_part(t.event_type, '.', 3) END) AS as_named
FROM event_types t JOIN wearables.webhook_events e USING (event_type) GROUP BY 1 ORDER BY 1;
-- a row says why
SELECT r.name, r.note FROM wearables.resources r WHERE r.kind = 'skipped' ORDER BY 1;
-- two bodies of one resource are one reading; nothing is lost on the way
SELECT bool_and(e.inserted + e.changed + e.confirmed + e.unchanged + e.stale + e.quarantined = (SELECT count(*) FROM wearables.normalize(e.event_id))) AS all_counted
FROM wearables.webhook_events e WHERE e.event_type LIKE 'daily.%' AND e.status = 'processed';
SELECT resource, count(*) AS documents, sum(cardinality(samples)) AS claims FROM wearables.summaries GROUP BY 1 ORDER BY 1;

-- Of all that was sent, no row knows this.
SELECT kind, resource, path, value FROM wearables.drift ORDER BY kind, resource, path, value;

-- Libre's instants are wall-clock time under the name of UTC: 08:00 in Berlin is 06:00.
SELECT metric, ts, ts_end, value FROM wearables.samples WHERE provider = 'abbott_libreview';
-- Berlin's day in which the clock went forward had 23 hours; its steps are apart from those of its minutes
SELECT ts, ts_end, value, channel FROM wearables.samples WHERE metric = 'steps' ORDER BY channel, ts;
SELECT name, unit, ucum, parent, origin FROM wearables.metrics WHERE origin = 'extended' ORDER BY name;

-- What a list held counts as looked at.
SELECT e.event_type, x.what FROM wearables.webhook_events e, wearables.explain_event(e.event_id) x
WHERE e.event_type IN ('daily.data.sleep_cycle.created', 'daily.data.workouts.created', 'daily.data.menstrual_cycle.created') AND x.aspect = 'field not mapped'
ORDER BY e.event_type, x.what COLLATE "C";

-- A path goes through one list, and what stands in a list is measured in a list.
\set VERBOSITY terse
SELECT path, wearables_internal.is_path(path) FROM unnest('{a,a.b,a.0,a.*,a.*.b,a*.b,*,*.a,a.*.*,a.*.b.*,a..b}'::text[]) path;
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('sleep_cycle', 'sleep_score', '{a.*.b.*}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, instant_fields) VALUES ('sleep_cycle', 'sleep_score', '{score}', '{starts.*}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('sleep_cycle', 'sleep_score', '{scores.*,score}');
\echo :SQLSTATE
INSERT INTO wearables.mappings (resource, metric, value_fields, base_field) VALUES ('sleep_cycle', 'sleep_score', '{score}', '.start');
\echo :SQLSTATE
-- a list side by side with the shipped ones, of a user's own
INSERT INTO wearables.mappings (resource, metric, value_fields, instant_fields, base_field) VALUES ('sleep_cycle', 'sleep_score', '{scores.*}', '{stage_start_offset_second.*}', 'session_start');
SELECT metric, ts, value FROM wearables.normalize('daily.data.sleep_cycle.created', '{"data":{"id":"c","source_provider":"p","session_start":"2024-05-01T22:00:00Z",
  "stage_start_offset_second":[0,60],"stage_type":[1],"scores":[50,60]}}'::jsonb);

DROP EXTENSION wearables_ingest CASCADE;
