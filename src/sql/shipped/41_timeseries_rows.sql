-- The shipped mappings of timeseries. Ids below 10000 are ours for ever.

INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, secondary_field, instant_fields, unit_field, origin) VALUES
  (1, 'heartrate',        NULL, 'heartrate',         '{value}',    NULL,        '{timestamp,start}', 'unit', 'shipped'),
  (2, 'hrv',              NULL, 'hrv_rmssd',         '{value}',    NULL,        '{timestamp,start}', 'unit', 'shipped'),
  (3, 'hrv', 'apple_health_kit', 'hrv_sdnn',         '{value}',    NULL,        '{timestamp,start}', 'unit', 'shipped'),
  (4, 'blood_oxygen',     NULL, 'oxygen_saturation', '{value}',    NULL,        '{timestamp,start}', 'unit', 'shipped'),
  (5, 'respiratory_rate', NULL, 'respiratory_rate',  '{value}',    NULL,        '{timestamp,start}', 'unit', 'shipped'),
  (6, 'blood_pressure',   NULL, 'blood_pressure',    '{systolic}', 'diastolic', '{timestamp,start}', 'unit', 'shipped');
-- what Apple calls rmssd is in mapping 3 and must not be read as rmssd too
INSERT INTO wearables.mappings (mapping_id, resource, provider, metric, value_fields, enabled, origin) VALUES
  (10, 'hrv', 'apple_health_kit', 'hrv_rmssd', '{value}', false, 'shipped');

-- Readings of an instant.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, unit_field, type_extends, origin)
SELECT d.id, d.resource, d.metric, '{value}', '{timestamp,start}', 'unit', d.by_type, 'shipped'
FROM (VALUES
  (11, 'cholesterol',               'cholesterol',               true),
  (12, 'electrocardiogram_voltage', 'electrocardiogram_voltage', true),
  (13, 'fat',                       'body_fat_percentage',       false),
  (14, 'glucose',                   'glucose',                   false),
  (15, 'ige',                       'ige',                       true),
  (16, 'igg',                       'igg',                       true),
  (17, 'stress_level',              'stress_level',              false),
  (18, 'weight',                    'body_weight',               false),
  -- the vendor gives these a span, whose ends are one
  (21, 'basal_body_temperature',    'basal_body_temperature',    false),
  (22, 'body_mass_index',           'body_mass_index',           false),
  (23, 'body_temperature',          'body_temperature',          false),
  (40, 'lean_body_mass',            'lean_body_mass',            false),
  (50, 'waist_circumference',       'waist_circumference',       false)) AS d (id, resource, metric, by_type);

-- Readings of a span. `timestamp` is the older name of `start`; the schema and the documents disagree about
-- which of the two calories_basal, floors_climbed and water have.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, end_field, unit_field, type_extends, origin)
SELECT d.id, d.resource, d.metric, '{value}', '{start,timestamp}', 'end', 'unit', d.by_type, 'shipped'
FROM (VALUES
  (20, 'afib_burden',                    'afib_burden',                    false),
  (24, 'body_temperature_delta',         'body_temperature_delta',         false),
  (25, 'caffeine',                       'dietary_caffeine',               false),
  (26, 'calories_active',                'active_energy_burned',           false),
  (27, 'calories_basal',                 'basal_energy_burned',            false),
  (28, 'carbohydrates',                  'dietary_carbohydrates',          false),
  (29, 'daylight_exposure',              'time_in_daylight',               false),
  (30, 'distance',                       'distance',                       false),
  (31, 'fall',                           'fall',                           false),
  (32, 'floors_climbed',                 'floors_climbed',                 false),
  (33, 'forced_expiratory_volume_1',     'forced_expiratory_volume_1',     false),
  (34, 'forced_vital_capacity',          'forced_vital_capacity',          false),
  (35, 'handwashing',                    'handwashing',                    false),
  (36, 'heart_rate_alert',               'heart_rate_alert',               true),
  (37, 'heart_rate_recovery_one_minute', 'heart_rate_recovery_one_minute', false),
  (38, 'inhaler_usage',                  'inhaler_usage',                  false),
  (39, 'insulin_injection',              'insulin_injection',              true),
  (41, 'mindfulness_minutes',            'mindfulness_minutes',            false),
  (42, 'peak_expiratory_flow_rate',      'peak_expiratory_flow_rate',      false),
  (43, 'sleep_apnea_alert',              'sleep_apnea_alert',              false),
  -- its type (elevated, not_elevated, null) judges the value, it does not tell two values apart
  (44, 'sleep_breathing_disturbance',    'sleep_breathing_disturbance',    false),
  (45, 'stand_duration',                 'stand_duration',                 false),
  (46, 'stand_hour',                     'stand_hour',                     true),
  (47, 'steps',                          'steps',                          false),
  (48, 'uv_exposure',                    'uv_exposure',                    false),
  (49, 'vo2_max',                        'vo2_max',                        false),
  (51, 'water',                          'dietary_water',                  false),
  (52, 'wheelchair_push',                'wheelchair_push',                false),
  (53, 'workout_distance',               'workout_distance',               false),
  (54, 'workout_duration',               'workout_duration',               false),
  (55, 'workout_swimming_stroke',        'workout_swimming_stroke',        false),
  (56, 'hypnogram',                      'sleep_stage',                    false),
  (57, 'active_energy_burned',           'active_energy_burned',           false),
  (58, 'basal_energy_burned',            'basal_energy_burned',            false),
  (59, 'distance_running_walking',       'distance',                       false)) AS d (id, resource, metric, by_type);
