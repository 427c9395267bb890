-- The shipped mappings of timeseries. Ids below 10000 are ours for ever.

-- The unit has a default where the vendor's schema has one only (some senders leave it empty), or where everybody
-- measures in one (heart, breath, oxygen). Where several are in use there is none: mg/dL must not be taken for mmol/L.
INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, instant_fields, unit_field, unit_default, origin)
SELECT d.id, d.resource, d.provider, d.metric, '{value}', '{timestamp,start}', 'unit', d.unit_default, 'shipped'
FROM (VALUES
  (1, 'heartrate',        NULL,               'heartrate',         'bpm'),
  (2, 'hrv',              NULL,               'hrv_rmssd',         'ms'),
  (3, 'hrv',              'apple_health_kit', 'hrv_sdnn',          'ms'),
  (4, 'blood_oxygen',     NULL,               'oxygen_saturation', '%'),
  (5, 'respiratory_rate', NULL,               'respiratory_rate',  'bpm'))
  AS d (id, resource, provider, metric, unit_default);
-- grouping is what the vendor itself tells readings apart by: source type (which the source has), workout, sport and
-- device.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, secondary_field, instant_fields, unit_field, part_fields, origin) VALUES
  (6, 'blood_pressure', 'blood_pressure', '{systolic}', 'diastolic', '{timestamp,start}', 'unit',
   '{grouping,grouping.1,grouping.2,grouping.3}', 'shipped');
-- what Apple calls rmssd is in mapping 3 and must not be read as rmssd too
INSERT INTO wearables.mappings (mapping_id, resource, provider, metric, value_fields, enabled, origin) VALUES
  (10, 'hrv', 'apple_health_kit', 'hrv_rmssd', '{value}', false, 'shipped');

-- Readings of an instant.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, unit_field, unit_default, extends, origin)
SELECT d.id, d.resource, d.metric, '{value}', '{timestamp,start}', 'unit', d.unit_default, d.extends::text[], 'shipped'
FROM (VALUES
  (11, 'cholesterol',               'cholesterol',               '{type}',            NULL),
  (12, 'electrocardiogram_voltage', 'electrocardiogram_voltage', '{type}',            NULL),
  (13, 'fat',                       'body_fat_percentage',       '{}',                NULL),
  (14, 'glucose',                   'glucose',                   '{}',                NULL),
  (15, 'ige',                       'ige',                       '{type}',            NULL),
  (16, 'igg',                       'igg',                       '{type}',            NULL),
  (17, 'stress_level',              'stress_level',              '{}',                NULL),
  (18, 'weight',                    'body_weight',               '{}',                NULL),
  -- the vendor gives these a span, whose ends are one
  (21, 'basal_body_temperature',    'basal_body_temperature',    '{}',                '°C'),
  (22, 'body_mass_index',           'body_mass_index',           '{}',                'index'),
  (23, 'body_temperature',          'body_temperature',          '{sensor_location}', '°C'),
  (40, 'lean_body_mass',            'lean_body_mass',            '{}',                'kg'),
  (50, 'waist_circumference',       'waist_circumference',       '{}',                'cm'))
  AS d (id, resource, metric, extends, unit_default);

-- Readings of a span. `timestamp` is the older name of `start`; the schema and the documents disagree about
-- which of the two calories_basal, floors_climbed and water have.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, end_field, unit_field, unit_default, extends,
   origin)
SELECT d.id, d.resource, d.metric, '{value}', '{start,timestamp}', 'end', 'unit', d.unit_default, d.extends::text[],
       'shipped'
FROM (VALUES
  (20, 'afib_burden',                    'afib_burden',                    '{}',                '%'),
  (24, 'body_temperature_delta',         'body_temperature_delta',         '{sensor_location}', '°C'),
  (25, 'caffeine',                       'dietary_caffeine',               '{}',                NULL),
  (26, 'calories_active',                'active_energy_burned',           '{}',                'kcal'),
  (27, 'calories_basal',                 'basal_energy_burned',            '{}',                'kcal'),
  (28, 'carbohydrates',                  'dietary_carbohydrates',          '{}',                NULL),
  (29, 'daylight_exposure',              'time_in_daylight',               '{}',                'min'),
  (30, 'distance',                       'distance',                       '{}',                'm'),
  (31, 'fall',                           'fall',                           '{}',                'count'),
  (32, 'floors_climbed',                 'floors_climbed',                 '{}',                'count'),
  (33, 'forced_expiratory_volume_1',     'forced_expiratory_volume_1',     '{}',                'L'),
  (34, 'forced_vital_capacity',          'forced_vital_capacity',          '{}',                'L'),
  (35, 'handwashing',                    'handwashing',                    '{}',                'count'),
  (36, 'heart_rate_alert',               'heart_rate_alert',               '{type}',            'count'),
  (37, 'heart_rate_recovery_one_minute', 'heart_rate_recovery_one_minute', '{}',                'count'),
  (38, 'inhaler_usage',                  'inhaler_usage',                  '{}',                'count'),
  (39, 'insulin_injection',              'insulin_injection',
   '{type,delivery_mode,delivery_form,bolus_purpose}', 'unit'),
  (41, 'mindfulness_minutes',            'mindfulness_minutes',            '{}',                NULL),
  (42, 'peak_expiratory_flow_rate',      'peak_expiratory_flow_rate',      '{}',                'L/min'),
  (43, 'sleep_apnea_alert',              'sleep_apnea_alert',              '{}',                'count'),
  -- its type (elevated, not_elevated, null) judges the value, it does not tell two values apart
  (44, 'sleep_breathing_disturbance',    'sleep_breathing_disturbance',    '{}',                'count'),
  (45, 'stand_duration',                 'stand_duration',                 '{}',                'min'),
  (46, 'stand_hour',                     'stand_hour',                     '{type}',            'count'),
  (47, 'steps',                          'steps',                          '{}',                'count'),
  (48, 'uv_exposure',                    'uv_exposure',                    '{}',                'index'),
  (49, 'vo2_max',                        'vo2_max',                        '{}',                NULL),
  (51, 'water',                          'dietary_water',                  '{}',                NULL),
  (52, 'wheelchair_push',                'wheelchair_push',                '{}',                'count'),
  (53, 'workout_distance',               'workout_distance',               '{}',                'm'),
  (54, 'workout_duration',               'workout_duration',               '{intensity}',       'min'),
  (55, 'workout_swimming_stroke',        'workout_swimming_stroke',        '{}',                'count'),
  (56, 'hypnogram',                      'sleep_stage',                    '{}',                'stage'),
  (57, 'active_energy_burned',           'active_energy_burned',           '{}',                'kcal'),
  (58, 'basal_energy_burned',            'basal_energy_burned',            '{}',                'kcal'),
  (59, 'distance_running_walking',       'distance',                       '{}',                'm'))
  AS d (id, resource, metric, extends, unit_default);

-- What tells two readings of one start apart, and has no end of values: the workout that a source is part of; the
-- sport, without which the metres of a wheelchair would take the place of those on foot.
UPDATE wearables.mappings SET part_fields = '{source.workout_id}'
WHERE resource IN ('workout_distance', 'workout_duration', 'workout_swimming_stroke');
UPDATE wearables.mappings SET part_fields = '{source.sport}' WHERE resource IN ('distance', 'distance_running_walking');

-- Where a glucose was measured, the sample's type says, else the type of its source: a sensor that reads by itself or
-- is scanned lies in the interstitial fluid, a finger is pricked for blood. Where neither says, it is glucose.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, unit_field, only_where_field, only_where_texts, ordinal,
   origin)
SELECT d.id, 'glucose', d.metric, '{value}', '{timestamp,start}', 'unit', d.field, d.texts, d.ordinal, 'shipped'
FROM (VALUES
  (60, 'glucose/interstitial_fluid', 'type',        '{automatic,manual_scan}'::text[], 1),
  (61, 'glucose/blood',              'type',        '{fingerprick}',                   1),
  (62, 'glucose/interstitial_fluid', 'source.type', '{automatic,manual_scan}',         2),
  (63, 'glucose/blood',              'source.type', '{fingerprick}',                   2))
  AS d (id, metric, field, texts, ordinal);
