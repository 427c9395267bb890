-- catalogue: nothing numeric that the vendor's schema has is left without a reading or a stated reason
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION wearables_ingest;

-- The numeric fields of the vendor's OpenAPI (0.4.687), by resource; of names that are anybody's or an enumeration each one that is listed.
CREATE TEMP TABLE numeric_fields AS
SELECT r.resource, f.field FROM (
  SELECT unnest(ARRAY['afib_burden', 'basal_body_temperature', 'blood_oxygen', 'body_mass_index', 'body_temperature', 'body_temperature_delta', 'caffeine', 'calories_active', 'calories_basal', 'carbohydrates',
    'cholesterol', 'daylight_exposure', 'distance', 'electrocardiogram_voltage', 'fall', 'fat', 'floors_climbed', 'forced_expiratory_volume_1', 'forced_vital_capacity', 'glucose', 'handwashing',
    'heart_rate_alert', 'heart_rate_recovery_one_minute', 'heartrate', 'hrv', 'ige', 'igg', 'inhaler_usage', 'insulin_injection', 'lean_body_mass', 'mindfulness_minutes', 'peak_expiratory_flow_rate',
    'respiratory_rate', 'sleep_apnea_alert', 'sleep_breathing_disturbance', 'stand_duration', 'stand_hour', 'steps', 'stress_level', 'uv_exposure', 'vo2_max', 'waist_circumference', 'water', 'weight',
    'wheelchair_push', 'workout_distance', 'workout_duration', 'workout_swimming_stroke']), '{id,timezone_offset,value}'::text[]
  UNION ALL SELECT v.resource, v.fields::text[] FROM (VALUES
  ('blood_pressure', '{id,timezone_offset,systolic,diastolic}'),
  ('note', '{id,timezone_offset}'),
  ('activity', '{timezone_offset,steps,calories_total,calories_active,distance,floors_climbed,low,medium,high,daily_movement,wheelchair_push,heart_rate.avg_bpm,heart_rate.min_bpm,heart_rate.max_bpm,'
   'heart_rate.resting_bpm,heart_rate.avg_walking_bpm}'),
  ('sleep', '{timezone_offset,duration,total,awake,light,rem,deep,latency,score,recovery_readiness_score,efficiency,hr_lowest,hr_average,hr_resting,hr_dip,average_hrv,respiratory_rate,temperature_delta,'
   'skin_temperature,sleep_stream.heartrate.*.value,sleep_stream.heartrate.*.id,sleep_stream.heartrate.*.timezone_offset,sleep_stream.hrv.*.value,sleep_stream.hrv.*.id,sleep_stream.hrv.*.timezone_offset,'
   'sleep_stream.hypnogram.*.value,sleep_stream.hypnogram.*.id,sleep_stream.hypnogram.*.timezone_offset,sleep_stream.respiratory_rate.*.value,sleep_stream.respiratory_rate.*.id,'
   'sleep_stream.respiratory_rate.*.timezone_offset}'),
  ('sleep_cycle', '{stage_type.*,stage_start_offset_second.*,stage_end_offset_second.*}'),
  ('workouts', '{timezone_offset,sport.id,average_hr,max_hr,distance,calories,steps,moving_time,total_elevation_gain,elev_high,elev_low,average_speed,max_speed,average_watts,device_watts,max_watts,'
   'weighted_average_watts,hr_zones.*}'),
  ('workout_stream', '{sport.id,time.*,heartrate.*,cadence.*,altitude.*,velocity_smooth.*,lat.*,lng.*,distance.*,power.*,resistance.*,temperature.*}'),
  ('sleep_stream', '{heartrate.*.value,heartrate.*.id,heartrate.*.timezone_offset,hrv.*.value,hrv.*.id,hrv.*.timezone_offset,hypnogram.*.value,hypnogram.*.id,hypnogram.*.timezone_offset,'
   'respiratory_rate.*.value,respiratory_rate.*.id,respiratory_rate.*.timezone_offset}'),
  ('body', '{weight,fat,water_percentage,muscle_mass_percentage,bone_mass_percentage,visceral_fat_index,body_mass_index,lean_body_mass_kilogram,waist_circumference_centimeter}'),
  ('menstrual_cycle', '{basal_body_temperature.*.value}'),
  ('profile', '{height}'),
  ('electrocardiogram', '{heart_rate_mean,voltage_sample_count,sampling_frequency_hz}'),
  ('meal', '{priority_id,source_id}')) v (resource, fields)) AS r (resource, fields)
CROSS JOIN LATERAL unnest(r.fields) f (field)
UNION ALL
SELECT 'meal', above || field FROM unnest('{"",data.*.}'::text[]) above, unnest(
  '{energy.value,macros.carbs,macros.protein,macros.alcohol,macros.water,macros.fibre,macros.sugar,macros.cholesterol,macros.fats.saturated,macros.fats.monounsaturated,macros.fats.polyunsaturated,'
  'macros.fats.omega3,macros.fats.omega6,macros.fats.total,micros.minerals.sodium,micros.minerals.potassium,micros.minerals.calcium,micros.minerals.phosphorus,micros.minerals.magnesium,'
  'micros.minerals.iron,micros.minerals.zinc,micros.minerals.fluoride,micros.minerals.chloride,micros.trace_elements.chromium,micros.trace_elements.copper,micros.trace_elements.iodine,'
  'micros.trace_elements.manganese,micros.trace_elements.molybdenum,micros.trace_elements.selenium,micros.vitamins.vitamin_a,micros.vitamins.vitamin_b1,micros.vitamins.riboflavin,micros.vitamins.niacin,'
  'micros.vitamins.pantothenic_acid,micros.vitamins.vitamin_b6,micros.vitamins.biotin,micros.vitamins.vitamin_b12,micros.vitamins.vitamin_c,micros.vitamins.vitamin_d,micros.vitamins.vitamin_e,'
  'micros.vitamins.vitamin_k,micros.vitamins.folic_acid}'::text[]) field;

-- What a row reads, and as what: a place of a list by its number is one of all places.
-- A stream that a document may hold is read in it, too.
CREATE TEMP VIEW fields_read AS
SELECT p.resource, f.role, p.before || regexp_replace(f.path, '[.][0-9]+(?=[.]|$)', '.*') AS field, m.metric
FROM wearables.mappings m
CROSS JOIN LATERAL (
  SELECT 'value', unnest(m.value_fields || ARRAY[m.secondary_field])
  UNION ALL SELECT 'sum', m.sum_field
  UNION ALL SELECT 'time', unnest(m.instant_fields || ARRAY[m.end_field, m.base_field])) f (role, path)
CROSS JOIN LATERAL (
  SELECT m.resource, '' UNION ALL SELECT s.stream_of, s.stream_field || '.' FROM wearables.resources s WHERE s.name = m.resource AND s.stream_field IS NOT NULL) p (resource, before)
WHERE m.enabled AND f.path IS NOT NULL;

-- Why what no row reads yields no reading: the note of a row that knows the field, or what it is part of; or that of the resource.
CREATE TEMP VIEW fields_left_out AS
SELECT n.resource, n.field, coalesce(
  (SELECT k.note FROM wearables.known_fields k
   LEFT JOIN wearables.resources s ON s.name = k.resource AND s.stream_of = n.resource
   WHERE (k.resource = n.resource OR k.resource IS NULL OR s.stream_field IS NOT NULL) AND k.note IS NOT NULL
     AND starts_with(replace(n.field, '.*', '') || '.', coalesce(s.stream_field || '.', '') || k.path || '.')
   ORDER BY k.resource IS NULL, length(k.path) DESC LIMIT 1),
  (SELECT r.note FROM wearables.resources r WHERE r.name = n.resource AND r.kind = 'skipped')) AS reason
FROM numeric_fields n
WHERE NOT EXISTS (SELECT FROM fields_read f WHERE f.resource = n.resource AND f.field = n.field);

-- must be empty: give each a mapping, or a row of known_fields whose note says why it has none
SELECT resource, field AS neither_read_nor_explained FROM fields_left_out WHERE reason IS NULL ORDER BY 1, 2;

-- The table of the manual: `make catalogue` puts it there.
\pset format unaligned
\pset tuples_only on
SELECT format('| `%s` | %s | %s |', r.name,
  (SELECT string_agg(t.line, ', ' ORDER BY t.line COLLATE "C") FROM (
     SELECT format('`%s`', f.metric) || CASE WHEN string_agg(DISTINCT f.field, ',') = 'value' THEN '' ELSE ': ' || string_agg(DISTINCT format('`%s`', f.field), ' or ') END AS line
     FROM fields_read f WHERE f.resource = r.name AND f.role = 'value' GROUP BY f.metric) t),
  (SELECT string_agg(t.line, '; ' ORDER BY t.line COLLATE "C") FROM (
     SELECT string_agg(format('`%s`', l.field), ', ' ORDER BY l.field COLLATE "C") || ': ' || l.reason AS line
     FROM fields_left_out l WHERE l.resource = r.name AND l.field NOT IN ('id', 'timezone_offset') GROUP BY l.reason) t))
FROM wearables.resources r
WHERE r.name IN (SELECT n.resource FROM numeric_fields n) ORDER BY r.name COLLATE "C";

DROP VIEW fields_left_out, fields_read;
DROP EXTENSION wearables_ingest CASCADE;
