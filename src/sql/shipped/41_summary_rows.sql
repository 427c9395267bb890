-- The shipped mappings of summaries. Ids below 10000 are ours for ever. A figure of a day, a night or a workout lies in
-- the channel of its summary, so a day's steps are never added to the steps of its minutes.

-- A night, at the moment of waking.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, unit_up_to_one, origin)
SELECT d.id, 'sleep', d.metric, d.fields, '{bedtime_stop,calendar_date,date}', d.unit_up_to_one, 'shipped'
FROM (VALUES
  (7,   'heartrate',                '{hr_lowest,hr_resting,hr_average}'::text[], NULL),
  (8,   'hrv_rmssd',                '{average_hrv}',                             NULL),
  (9,   'respiratory_rate',         '{respiratory_rate}',                        NULL),
  (100, 'heart_rate_lowest',        '{hr_lowest}',                               NULL),
  (101, 'heart_rate_average',       '{hr_average}',                              NULL),
  (102, 'sleep_resting_heart_rate', '{hr_resting}',                              NULL),
  (103, 'heart_rate_dip',           '{hr_dip}',                                  NULL),
  (104, 'body_temperature_delta',   '{temperature_delta}',                       NULL),
  (105, 'skin_temperature',         '{skin_temperature}',                        NULL),
  (106, 'time_in_bed',              '{duration}',                                NULL),
  (107, 'total_sleep_time',         '{total}',                                   NULL),
  (108, 'sleep_awake',              '{awake}',                                   NULL),
  (109, 'sleep_light',              '{light}',                                   NULL),
  (110, 'sleep_deep',               '{deep}',                                    NULL),
  (111, 'sleep_rem',                '{rem}',                                     NULL),
  (112, 'sleep_latency',            '{latency}',                                 NULL),
  (113, 'sleep_score',              '{score}',                                   NULL),
  (114, 'recovery_readiness_score', '{recovery_readiness_score}',                NULL),
  -- 0.97 in the schema's example, 91.2 from WHOOP, 87 from Oura
  (115, 'sleep_efficiency',         '{efficiency}',                              '1'))
  AS d (id, metric, fields, unit_up_to_one);
-- Apple has SDNN only: the mean of a night is that, too, whatever the field is said to hold.
INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, instant_fields, enabled, origin)
SELECT d.id, 'sleep', 'apple_health_kit', d.metric, '{average_hrv}', '{bedtime_stop,calendar_date,date}', d.enabled,
       'shipped'
FROM (VALUES (116, 'hrv_sdnn', true), (117, 'hrv_rmssd', false)) AS d (id, metric, enabled);

-- A nap that its sleeper has acknowledged is none of the night. What has another type, or none, is a night: a night
-- that is taken for a nap would be missed. Types beside: long_sleep, short_sleep (parts of a night, mostly) and unknown
-- (still asleep).
INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, instant_fields, unit_up_to_one, enabled, only_where_field,
   only_where_texts, channel, origin)
SELECT m.mapping_id + 300, m.resource, m.provider, m.metric, m.value_fields, m.instant_fields, m.unit_up_to_one,
       m.enabled, 'type', '{acknowledged_nap}', 'nap', 'shipped'
FROM wearables.mappings m WHERE m.resource = 'sleep';

-- The stages of a night: three lists side by side, offsets in seconds from the start.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, end_field, base_field, origin)
VALUES
  (120, 'sleep_cycle', 'sleep_stage', '{stage_type.*}', '{stage_start_offset_second.*}',
   'stage_end_offset_second.*', 'session_start', 'shipped');

-- A day, in whatever time zone. daily_movement is left out: it is deprecated, and nobody says what its equivalent
-- metres are.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, end_field, origin)
SELECT d.id, 'activity', d.metric, ARRAY[d.field], '{calendar_date,date}', 'calendar_date', 'shipped'
FROM (VALUES
  (130, 'steps',                'steps'),
  (131, 'total_energy_burned',  'calories_total'),
  (132, 'active_energy_burned', 'calories_active'),
  (133, 'distance',             'distance'),
  (134, 'floors_climbed',       'floors_climbed'),
  (135, 'wheelchair_push',      'wheelchair_push'),
  (139, 'resting_heart_rate',   'heart_rate.resting_bpm'),
  (140, 'heart_rate_average',   'heart_rate.avg_bpm'),
  (141, 'heart_rate_lowest',    'heart_rate.min_bpm'),
  (142, 'heart_rate_highest',   'heart_rate.max_bpm'),
  (143, 'walking_heart_rate',   'heart_rate.avg_walking_bpm')) AS d (id, metric, field);

-- Minutes by the schema, seconds in the vendor's own index of the same field, and 6400 in its example. Up to 1500 both
-- are possible, so what no provider's own row reads is refused: the document would have to say its unit.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, instant_fields, end_field, unit_field, origin)
SELECT d.id, 'activity', d.metric, ARRAY[d.field], '{calendar_date,date}', 'calendar_date', 'unit', 'shipped'
FROM (VALUES
  (136, 'activity_light',    'low'),
  (137, 'activity_moderate', 'medium'),
  (138, 'activity_vigorous', 'high')) AS d (id, metric, field);

-- A workout.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, end_field, origin)
SELECT d.id, 'workouts', d.metric, ARRAY[d.field], '{time_start}', 'time_end', 'shipped'
FROM (VALUES
  (150, 'heart_rate_average',    'average_hr'),
  (151, 'heart_rate_highest',    'max_hr'),
  (152, 'workout_distance',      'distance'),
  (153, 'workout_energy_burned', 'calories'),
  (154, 'steps',                 'steps'),
  (155, 'workout_moving_time',   'moving_time'),
  (156, 'elevation_gain',        'total_elevation_gain'),
  (157, 'elevation_highest',     'elev_high'),
  (158, 'elevation_lowest',      'elev_low'),
  (159, 'speed_average',         'average_speed'),
  (160, 'speed_highest',         'max_speed'),
  (161, 'power_average',         'average_watts'),
  (162, 'power_highest',         'max_watts'),
  (163, 'power_weighted',        'weighted_average_watts'),
  -- the list may be shorter than six
  (165, 'hr_zone_1',             'hr_zones.0'),
  (166, 'hr_zone_2',             'hr_zones.1'),
  (167, 'hr_zone_3',             'hr_zones.2'),
  (168, 'hr_zone_4',             'hr_zones.3'),
  (169, 'hr_zone_5',             'hr_zones.4'),
  (170, 'hr_zone_6',             'hr_zones.5')) AS d (id, metric, field);

-- A measurement of the body: only its day is known.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, origin)
SELECT d.id, 'body', d.metric, ARRAY[d.field], '{calendar_date,date}', 'shipped'
FROM (VALUES
  (180, 'body_weight',            'weight'),
  (181, 'body_fat_percentage',    'fat'),
  (182, 'body_water_percentage',  'water_percentage'),
  (183, 'muscle_mass_percentage', 'muscle_mass_percentage'),
  (184, 'bone_mass_percentage',   'bone_mass_percentage'),
  (185, 'visceral_fat',           'visceral_fat_index'),
  (186, 'body_mass_index',        'body_mass_index'),
  (187, 'lean_body_mass',         'lean_body_mass_kilogram'),
  (188, 'waist_circumference',    'waist_circumference_centimeter')) AS d (id, metric, field);

-- A meal as a whole; where a total is null, what its foods say is summed up. The foods stay in the document, under
-- names that the eater chose.
INSERT INTO wearables.mappings
  (mapping_id, resource, metric, value_fields, sum_field, instant_fields, unit_field, unit_default, origin)
VALUES
  (200, 'meal', 'dietary_energy', '{energy.value}', 'data.*.energy.value', '{timestamp}', 'energy.unit', 'kcal',
   'shipped');
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, sum_field, instant_fields, unit, origin)
SELECT d.id, 'meal', d.metric, ARRAY[d.field], 'data.*.' || d.field, '{timestamp}', d.unit, 'shipped'
FROM (VALUES
  (201, 'dietary_carbohydrates',       'macros.carbs',                  NULL),
  (202, 'dietary_protein',             'macros.protein',                NULL),
  (203, 'dietary_alcohol',             'macros.alcohol',                NULL),
  (204, 'dietary_water',               'macros.water',                  'g'),
  (205, 'dietary_fibre',               'macros.fibre',                  NULL),
  (206, 'dietary_sugar',               'macros.sugar',                  NULL),
  (207, 'dietary_cholesterol',         'macros.cholesterol',            'g'),
  (208, 'dietary_fat',                 'macros.fats.total',             NULL),
  (209, 'dietary_fat_saturated',       'macros.fats.saturated',         NULL),
  (210, 'dietary_fat_monounsaturated', 'macros.fats.monounsaturated',   NULL),
  (211, 'dietary_fat_polyunsaturated', 'macros.fats.polyunsaturated',   NULL),
  (212, 'dietary_omega3',              'macros.fats.omega3',            NULL),
  (213, 'dietary_omega6',              'macros.fats.omega6',            NULL),
  (220, 'dietary_sodium',              'micros.minerals.sodium',        NULL),
  (221, 'dietary_potassium',           'micros.minerals.potassium',     NULL),
  (222, 'dietary_calcium',             'micros.minerals.calcium',       NULL),
  (223, 'dietary_phosphorus',          'micros.minerals.phosphorus',    NULL),
  (224, 'dietary_magnesium',           'micros.minerals.magnesium',     NULL),
  (225, 'dietary_iron',                'micros.minerals.iron',          NULL),
  (226, 'dietary_zinc',                'micros.minerals.zinc',          NULL),
  (227, 'dietary_fluoride',            'micros.minerals.fluoride',      NULL),
  (228, 'dietary_chloride',            'micros.minerals.chloride',      NULL),
  (229, 'dietary_copper',              'micros.trace_elements.copper',     NULL),
  (230, 'dietary_manganese',           'micros.trace_elements.manganese',  NULL),
  (231, 'dietary_chromium',            'micros.trace_elements.chromium',   NULL),
  (232, 'dietary_iodine',              'micros.trace_elements.iodine',     NULL),
  (233, 'dietary_molybdenum',          'micros.trace_elements.molybdenum', NULL),
  (234, 'dietary_selenium',            'micros.trace_elements.selenium',   NULL),
  (240, 'dietary_vitamin_a',           'micros.vitamins.vitamin_a',        NULL),
  (241, 'dietary_thiamin',             'micros.vitamins.vitamin_b1',       NULL),
  (242, 'dietary_riboflavin',          'micros.vitamins.riboflavin',       NULL),
  (243, 'dietary_niacin',              'micros.vitamins.niacin',           NULL),
  (244, 'dietary_pantothenic_acid',    'micros.vitamins.pantothenic_acid', NULL),
  (245, 'dietary_vitamin_b6',          'micros.vitamins.vitamin_b6',       NULL),
  (246, 'dietary_biotin',              'micros.vitamins.biotin',           NULL),
  (247, 'dietary_vitamin_b12',         'micros.vitamins.vitamin_b12',      NULL),
  (248, 'dietary_vitamin_c',           'micros.vitamins.vitamin_c',        NULL),
  (249, 'dietary_vitamin_d',           'micros.vitamins.vitamin_d',        NULL),
  (250, 'dietary_vitamin_e',           'micros.vitamins.vitamin_e',        NULL),
  (251, 'dietary_vitamin_k',           'micros.vitamins.vitamin_k',        NULL),
  (252, 'dietary_folic_acid',          'micros.vitamins.folic_acid',       NULL))
  AS d (id, metric, field, unit);

INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, end_field, origin) VALUES
  (260, 'electrocardiogram', 'heart_rate_average', '{heart_rate_mean}', '{session_start}', 'session_end', 'shipped');
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, origin) VALUES
  (261, 'menstrual_cycle', 'basal_body_temperature', '{basal_body_temperature.*.value}',
   '{basal_body_temperature.*.date}', 'shipped');

-- The days of a cycle, by HealthKit's numbers (of sexual activity Health Connect's). Several deviations can share a
-- day, so each is a metric. Bleeding between periods has a date alone, and activity may have one alone.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, codes, instant_fields, origin)
SELECT d.id, 'menstrual_cycle', d.metric, d.fields, d.codes, ARRAY[d.list || '.*.date'], 'shipped'
FROM (VALUES
  (262, 'menstrual_flow', 'menstrual_flow', '{menstrual_flow.*.flow}'::text[],
   '{"unspecified": 1, "light": 2, "medium": 3, "heavy": 4, "none": 5}'::jsonb),
  (263, 'cervical_mucus_quality', 'cervical_mucus', '{cervical_mucus.*.quality}',
   '{"dry": 1, "sticky": 2, "creamy": 3, "watery": 4, "egg_white": 5}'),
  (264, 'intermenstrual_bleeding', 'intermenstrual_bleeding', '{intermenstrual_bleeding.*.date}', '{"*": 1}'),
  (265, 'contraceptive', 'contraceptive', '{contraceptive.*.type}',
   '{"unspecified": 1, "implant": 2, "injection": 3, "iud": 4, "intravaginal_ring": 5, "oral": 6, "patch": 7}'),
  (266, 'ovulation_test_result', 'ovulation_test', '{ovulation_test.*.test_result}',
   '{"negative": 1, "luteinizing_hormone_surge": 2, "positive": 2, "indeterminate": 3, "estrogen_surge": 4}'),
  (267, 'pregnancy_test_result', 'home_pregnancy_test', '{home_pregnancy_test.*.test_result}',
   '{"negative": 1, "positive": 2, "indeterminate": 3}'),
  (268, 'progesterone_test_result', 'home_progesterone_test', '{home_progesterone_test.*.test_result}',
   '{"negative": 1, "positive": 2, "indeterminate": 3}'),
  (269, 'sexual_activity', 'sexual_activity', '{sexual_activity.*.protection_used,sexual_activity.*.date}',
   '{"true": 1, "false": 2, "*": 0}'),
  (270, 'irregular_menstrual_cycles', 'detected_deviations', '{detected_deviations.*.deviation}',
   '{"irregular_menstrual_cycles": 1, "infrequent_menstrual_cycles": null, "prolonged_menstrual_periods": null,
     "persistent_intermenstrual_bleeding": null}'),
  (271, 'infrequent_menstrual_cycles', 'detected_deviations', '{detected_deviations.*.deviation}',
   '{"irregular_menstrual_cycles": null, "infrequent_menstrual_cycles": 1, "prolonged_menstrual_periods": null,
     "persistent_intermenstrual_bleeding": null}'),
  (272, 'prolonged_menstrual_periods', 'detected_deviations', '{detected_deviations.*.deviation}',
   '{"irregular_menstrual_cycles": null, "infrequent_menstrual_cycles": null, "prolonged_menstrual_periods": 1,
     "persistent_intermenstrual_bleeding": null}'),
  (273, 'persistent_intermenstrual_bleeding', 'detected_deviations', '{detected_deviations.*.deviation}',
   '{"irregular_menstrual_cycles": null, "infrequent_menstrual_cycles": null, "prolonged_menstrual_periods": null,
     "persistent_intermenstrual_bleeding": 1}'))
  AS d (id, metric, list, fields, codes);

-- The vendor itself goes by updated_at; nobody says when the height was measured.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, origin) VALUES
  (280, 'profile', 'body_height', '{height}', '{updated_at,created_at}', 'shipped');
