-- The shipped metrics. Ids below 10000 are ours for ever: a metric never changes its number.
-- Names are the words of the standards where there is one (Open mHealth, HealthKit, Health Connect, LOINC). The unit is
-- what charts show, written as the vendor does where UCUM has no name for it (count, index, score, FSU); ucum is UCUM.
-- Ranges are there to catch another unit or another quantity, not a rare person: each holds the extremes that living
-- people have been measured with, with room to spare.

INSERT INTO wearables.metrics (metric_id, name, unit, ucum, aggregate, kind, lowest, highest, origin) VALUES
  -- heart, breath, blood
  (1,   'heartrate',                      '/min',      '/min',      'avg',  'instant',     10,    400, 'shipped'),
  (2,   'hrv_rmssd',                      'ms',        'ms',        'avg',  'instant',      0,   1000, 'shipped'),
  (3,   'hrv_sdnn',                       'ms',        'ms',        'avg',  'instant',      0,   1000, 'shipped'),
  (4,   'oxygen_saturation',              '%',         '%',         'avg',  'instant',     20,    100, 'shipped'),
  (5,   'respiratory_rate',               '/min',      '/min',      'avg',  'instant',      0,    120, 'shipped'),
  (6,   'blood_pressure',                 'mm[Hg]',    'mm[Hg]',    'avg',  'instant',     10,    400, 'shipped'),
  (7,   'afib_burden',                    '%',         '%',         'avg',  'interval',     0,    100, 'shipped'),
  -- a pulse may still rise in the minute after
  (8,   'heart_rate_recovery_one_minute', '/min',      '/min',      'avg',  'interval',  -300,    300, 'shipped'),
  (9,   'heart_rate_alert',               'count',     '{event}',   'sum',  'interval',     0,  10000, 'shipped'),
  -- an electrode sees a few mV; hundreds are µV under the wrong name
  (10,  'electrocardiogram_voltage',      'mV',        'mV',        'avg',  'instant',    -50,     50, 'shipped'),
  (11,  'forced_expiratory_volume_1',     'L',         'L',         'avg',  'interval',     0,     20, 'shipped'),
  (12,  'forced_vital_capacity',          'L',         'L',         'avg',  'interval',     0,     20, 'shipped'),
  (13,  'peak_expiratory_flow_rate',      'L/min',     'L/min',     'avg',  'interval',     0,   2000, 'shipped'),
  (14,  'vo2_max',                        'mL/kg/min', 'mL/kg/min', 'avg',  'interval',     0,    150, 'shipped'),
  (15,  'sleep_apnea_alert',              'count',     '{event}',   'sum',  'interval',     0,  10000, 'shipped'),
  (16,  'sleep_breathing_disturbance',    'count',     '{count}',   'avg',  'interval',     0,   1000, 'shipped'),
  (17,  'inhaler_usage',                  'count',     '{puff}',    'sum',  'interval',     0,  10000, 'shipped'),
  -- 147 mmol/L has been survived
  (18,  'glucose',                        'mmol/L',    'mmol/L',    'avg',  'instant',      0,    250, 'shipped'),
  -- thousands of units have been injected at once, and survived
  (19,  'insulin_injection',              '[IU]',      '[IU]',      'sum',  'interval',     0,  10000, 'shipped'),
  (20,  'cholesterol',                    'mmol/L',    'mmol/L',    'avg',  'instant',      0,    200, 'shipped'),
  -- triglycerides: 400 mmol/L has been seen
  (106, 'lipid',                          'mmol/L',    'mmol/L',    'avg',  'instant',      0,   1000, 'shipped'),
  -- fluorescence units of the two labs' scanner: no scale to convert by
  (21,  'ige',                            'FSU',       '{FSU}',     'avg',  'instant',      0,    1e9, 'shipped'),
  (22,  'igg',                            'FSU',       '{FSU}',     'avg',  'instant',      0,    1e9, 'shipped'),
  -- temperature; 11.8 °C and 46.5 °C have been survived, skin comes close to the air's
  (23,  'body_temperature',               'Cel',       'Cel',       'avg',  'instant',      0,     50, 'shipped'),
  (24,  'basal_body_temperature',         'Cel',       'Cel',       'avg',  'instant',     10,     50, 'shipped'),
  (25,  'body_temperature_delta',         'K',         'K',         'avg',  'interval',   -30,     30, 'shipped'),
  (26,  'skin_temperature',               'Cel',       'Cel',       'avg',  'instant',      0,     50, 'shipped'),
  -- body; from a preterm child of 0.2 kg to the heaviest man of 635 kg
  (27,  'body_weight',                    'kg',        'kg',        'last', 'instant',    0.1,   1000, 'shipped'),
  (28,  'body_fat_percentage',            '%',         '%',         'last', 'instant',      0,    100, 'shipped'),
  (29,  'body_mass_index',                'kg/m2',     'kg/m2',     'last', 'instant',      2,    400, 'shipped'),
  (30,  'lean_body_mass',                 'kg',        'kg',        'last', 'instant',   0.05,   1000, 'shipped'),
  (31,  'waist_circumference',            'cm',        'cm',        'last', 'instant',      5,    500, 'shipped'),
  (32,  'body_water_percentage',          '%',         '%',         'last', 'instant',      0,    100, 'shipped'),
  (33,  'muscle_mass_percentage',         '%',         '%',         'last', 'instant',      0,    100, 'shipped'),
  (34,  'bone_mass_percentage',           '%',         '%',         'last', 'instant',      0,    100, 'shipped'),
  (35,  'visceral_fat',                   'index',     '{index}',   'last', 'instant',      0,   1000, 'shipped'),
  -- a grown person of 55 cm, and one of 272 cm
  (170, 'body_height',                    'cm',        'cm',        'last', 'instant',     20,    300, 'shipped'),
  -- movement; of a day, and of the buckets it is made of
  (36,  'steps',                          'count',     '{steps}',   'sum',  'interval',     0,    1e6, 'shipped'),
  (37,  'distance',                       'm',         'm',         'sum',  'interval',     0,    1e7, 'shipped'),
  (38,  'floors_climbed',                 'count',     '{flights}', 'sum',  'interval',     0,    1e5, 'shipped'),
  (39,  'active_energy_burned',           'kcal',      'kcal',      'sum',  'interval',     0,  50000, 'shipped'),
  (40,  'basal_energy_burned',            'kcal',      'kcal',      'sum',  'interval',     0,  50000, 'shipped'),
  (41,  'total_energy_burned',            'kcal',      'kcal',      'sum',  'interval',     0,  50000, 'shipped'),
  (42,  'wheelchair_push',                'count',     '{pushes}',  'sum',  'interval',     0,    1e6, 'shipped'),
  (43,  'stand_hour',                     'count',     '{hours}',   'sum',  'interval',     0,  10000, 'shipped'),
  (44,  'stand_duration',                 'min',       'min',       'sum',  'interval',     0,  10080, 'shipped'),
  (45,  'fall',                           'count',     '{fall}',    'sum',  'interval',     0,  10000, 'shipped'),
  -- the minutes of a day of 25 hours: seconds that a mapping takes for minutes are beyond
  (46,  'activity_light',                 'min',       'min',       'sum',  'interval',     0,   1500, 'shipped'),
  (47,  'activity_moderate',              'min',       'min',       'sum',  'interval',     0,   1500, 'shipped'),
  (48,  'activity_vigorous',              'min',       'min',       'sum',  'interval',     0,   1500, 'shipped'),
  -- mind, habits, surroundings
  (49,  'stress_level',                   '%',         '%',         'avg',  'instant',      0,    100, 'shipped'),
  (50,  'mindfulness_minutes',            'min',       'min',       'sum',  'interval',     0,  10080, 'shipped'),
  (51,  'handwashing',                    'count',     '{event}',   'sum',  'interval',     0,  10000, 'shipped'),
  (52,  'time_in_daylight',               'min',       'min',       'sum',  'interval',     0,  10080, 'shipped'),
  -- the highest index ever measured on the ground is 43
  (53,  'uv_exposure',                    'index',     '{index}',   'avg',  'interval',     0,    100, 'shipped'),
  -- a pulse summed up over a day, a night or a workout: figures of their own beside the readings they are made of
  (54,  'heart_rate_average',             '/min',      '/min',      'avg',  'interval',    10,    400, 'shipped'),
  (55,  'heart_rate_lowest',              '/min',      '/min',      'min',  'interval',    10,    400, 'shipped'),
  (56,  'heart_rate_highest',             '/min',      '/min',      'max',  'interval',    10,    400, 'shipped'),
  -- a daily figure and a figure of the night: one series of both would jump
  (57,  'resting_heart_rate',             '/min',      '/min',      'avg',  'interval',    10,    400, 'shipped'),
  (58,  'sleep_resting_heart_rate',       '/min',      '/min',      'avg',  'session',     10,    400, 'shipped'),
  (59,  'walking_heart_rate',             '/min',      '/min',      'avg',  'interval',    10,    400, 'shipped'),
  (60,  'heart_rate_dip',                 '%',         '%',         'avg',  'session',   -100,    100, 'shipped'),
  -- a night, at its wake time; a week of seconds
  (61,  'time_in_bed',                    's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (62,  'total_sleep_time',               's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (63,  'sleep_awake',                    's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (64,  'sleep_light',                    's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (65,  'sleep_deep',                     's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (66,  'sleep_rem',                      's',         's',         'sum',  'session',      0, 604800, 'shipped'),
  (67,  'sleep_latency',                  's',         's',         'avg',  'session',      0, 604800, 'shipped'),
  (68,  'sleep_efficiency',               '%',         '%',         'avg',  'session',      0,    100, 'shipped'),
  (69,  'sleep_score',                    'score',     '{score}',   'avg',  'session',      0,    100, 'shipped'),
  (70,  'recovery_readiness_score',       'score',     '{score}',   'avg',  'instant',      0,    100, 'shipped'),
  -- workouts
  (72,  'workout_distance',               'm',         'm',         'sum',  'interval',     0,    1e7, 'shipped'),
  (73,  'workout_duration',               'min',       'min',       'sum',  'interval',     0,  10080, 'shipped'),
  (74,  'workout_swimming_stroke',        'count',     '{stroke}',  'sum',  'interval',     0,    1e6, 'shipped'),
  (75,  'workout_energy_burned',          'kcal',      'kcal',      'sum',  'interval',     0,  50000, 'shipped'),
  (76,  'workout_moving_time',            's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (77,  'elevation_gain',                 'm',         'm',         'sum',  'interval',     0,    1e5, 'shipped'),
  -- from a mine or a dive to an aircraft
  (78,  'elevation_highest',              'm',         'm',         'max',  'interval', -10000,  20000, 'shipped'),
  (79,  'elevation_lowest',               'm',         'm',         'min',  'interval', -10000,  20000, 'shipped'),
  -- skiing, gliding, falling
  (80,  'speed_average',                  'm/s',       'm/s',       'avg',  'interval',     0,    400, 'shipped'),
  (81,  'speed_highest',                  'm/s',       'm/s',       'max',  'interval',     0,    400, 'shipped'),
  (82,  'power_average',                  'W',         'W',         'avg',  'interval',     0,  10000, 'shipped'),
  (83,  'power_highest',                  'W',         'W',         'max',  'interval',     0,  10000, 'shipped'),
  (84,  'power_weighted',                 'W',         'W',         'avg',  'interval',     0,  10000, 'shipped'),
  -- seconds under 50, 60, 70, 80, 90 and up to 100 % of the highest rate for the age
  (86,  'hr_zone_1',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (87,  'hr_zone_2',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (88,  'hr_zone_3',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (89,  'hr_zone_4',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (90,  'hr_zone_5',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  (91,  'hr_zone_6',                      's',         's',         'sum',  'interval',     0, 604800, 'shipped'),
  -- within a workout; steps or turns a minute, whichever its sport has
  (190, 'cadence',                        '/min',      '/min',      'avg',  'instant',      0,   1000, 'shipped'),
  (191, 'power',                          'W',         'W',         'avg',  'instant',      0,  10000, 'shipped'),
  (192, 'speed',                          'm/s',       'm/s',       'avg',  'instant',      0,    400, 'shipped'),
  (193, 'altitude',                       'm',         'm',         'avg',  'instant', -10000,  20000, 'shipped'),
  -- since the start of the workout: not to be added up
  (194, 'cumulative_distance',            'm',         'm',         'max',  'instant',      0,    1e7, 'shipped'),
  (195, 'ambient_temperature',            'Cel',       'Cel',       'avg',  'instant',   -100,    100, 'shipped'),
  (196, 'latitude',                       'deg',       'deg',       'last', 'instant',    -90,     90, 'shipped'),
  (197, 'longitude',                      'deg',       'deg',       'last', 'instant',   -180,    180, 'shipped');

-- A stage is a code, not a quantity. 0 has been seen once, in an example, and nobody says what it stands for.
INSERT INTO wearables.metrics (metric_id, name, unit, ucum, codes, aggregate, kind, lowest, highest, origin) VALUES
  (71, 'sleep_stage', 'stage', '{stage}',
   '{"-1": "unknown", "1": "deep", "2": "light", "3": "rem", "4": "awake", "5": "entered by hand"}',
   'last', 'interval', -1, 5, 'shipped');

-- What is noted of a cycle, by HealthKit's numbers; of sexual activity by Health Connect's, which have one for what is
-- not said.
INSERT INTO wearables.metrics (metric_id, name, unit, ucum, codes, aggregate, kind, lowest, highest, origin) VALUES
  (171, 'menstrual_flow', 'code', '{code}',
   '{"1": "unspecified", "2": "light", "3": "medium", "4": "heavy", "5": "none"}', 'last', 'instant', 1, 5, 'shipped'),
  (172, 'cervical_mucus_quality', 'code', '{code}',
   '{"1": "dry", "2": "sticky", "3": "creamy", "4": "watery", "5": "egg white"}', 'last', 'instant', 1, 5, 'shipped'),
  (173, 'intermenstrual_bleeding', 'code', '{code}', '{"1": "observed"}', 'last', 'instant', 1, 1, 'shipped'),
  (174, 'contraceptive', 'code', '{code}',
   '{"1": "unspecified", "2": "implant", "3": "injection", "4": "intrauterine device", "5": "intravaginal ring",
     "6": "oral", "7": "patch"}', 'last', 'instant', 1, 7, 'shipped'),
  (175, 'ovulation_test_result', 'code', '{code}',
   '{"1": "negative", "2": "positive, luteinizing hormone surge", "3": "indeterminate", "4": "estrogen surge"}',
   'last', 'instant', 1, 4, 'shipped'),
  (176, 'pregnancy_test_result', 'code', '{code}', '{"1": "negative", "2": "positive", "3": "indeterminate"}',
   'last', 'instant', 1, 3, 'shipped'),
  (177, 'progesterone_test_result', 'code', '{code}', '{"1": "negative", "2": "positive", "3": "indeterminate"}',
   'last', 'instant', 1, 3, 'shipped'),
  (178, 'sexual_activity', 'code', '{code}', '{"0": "protection not said", "1": "protected", "2": "unprotected"}',
   'last', 'instant', 0, 2, 'shipped'),
  (179, 'irregular_menstrual_cycles', 'code', '{code}', '{"1": "detected"}', 'last', 'instant', 1, 1, 'shipped'),
  (180, 'infrequent_menstrual_cycles', 'code', '{code}', '{"1": "detected"}', 'last', 'instant', 1, 1, 'shipped'),
  (181, 'prolonged_menstrual_periods', 'code', '{code}', '{"1": "detected"}', 'last', 'instant', 1, 1, 'shipped'),
  (182, 'persistent_intermenstrual_bleeding', 'code', '{code}', '{"1": "detected"}', 'last', 'instant', 1, 1,
   'shipped');

-- Analytes and kinds whose meaning, range or unit is known. Any other that fields of a sample name is made after its
-- parent when it is first seen.
INSERT INTO wearables.metrics
  (metric_id, name, unit, ucum, aggregate, kind, lowest, highest, parent, origin)
SELECT d.id, p.name || '/' || d.type, p.unit, p.ucum, p.aggregate, p.kind, p.lowest, p.highest, p.name, 'shipped'
FROM (VALUES
  (92, 'cholesterol', 'total'),
  (93, 'cholesterol', 'hdl'),
  (94, 'cholesterol', 'ldl'),
  (96, 'heart_rate_alert', 'low_heart_rate'),
  (97, 'heart_rate_alert', 'high_heart_rate'),
  (98, 'heart_rate_alert', 'irregular_rhythm'),
  (99, 'insulin_injection', 'rapid_acting'),
  (100, 'insulin_injection', 'long_acting'),
  (101, 'stand_hour', 'stood'),
  (102, 'stand_hour', 'idle'),
  (103, 'electrocardiogram_voltage', 'lead_1'),
  -- LOINC, Open mHealth and Health Connect tell these apart: a sensor under the skin lags behind the blood
  (104, 'glucose', 'blood'),
  (105, 'glucose', 'interstitial_fluid')) AS d (id, parent, type)
JOIN wearables.metrics p ON p.name = d.parent;
-- The vendor's type is cholesterol/triglycerides, but that is another molecule, with another factor from mg/dL: whoever
-- asks for cholesterol must not get an average of both.
INSERT INTO wearables.metrics (metric_id, name, unit, ucum, aggregate, kind, lowest, highest, parent, origin)
SELECT 95, 'cholesterol/triglycerides', p.unit, p.ucum, p.aggregate, p.kind, p.lowest, p.highest, p.name, 'shipped'
FROM wearables.metrics p WHERE p.name = 'lipid';

-- What is eaten and drunk. Masses in the unit that labels give them in; ten kilograms of anything is another unit.
INSERT INTO wearables.metrics (metric_id, name, unit, ucum, aggregate, kind, lowest, highest, origin) VALUES
  -- a cup of coffee has 100 mg; 50 g has been survived
  (110, 'dietary_caffeine',            'mg',   'mg',   'sum', 'interval',     0, 100000, 'shipped'),
  (111, 'dietary_water',               'mL',   'mL',   'sum', 'interval',     0,  50000, 'shipped'),
  (112, 'dietary_carbohydrates',       'g',    'g',    'sum', 'interval',     0,  10000, 'shipped'),
  (113, 'dietary_energy',              'kcal', 'kcal', 'sum', 'instant',      0,  50000, 'shipped'),
  (114, 'dietary_protein',             'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (115, 'dietary_alcohol',             'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (116, 'dietary_fibre',               'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (117, 'dietary_sugar',               'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (118, 'dietary_cholesterol',         'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (119, 'dietary_fat',                 'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (120, 'dietary_fat_saturated',       'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (121, 'dietary_fat_monounsaturated', 'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (122, 'dietary_fat_polyunsaturated', 'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (123, 'dietary_omega3',              'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (124, 'dietary_omega6',              'g',    'g',    'sum', 'instant',      0,  10000, 'shipped'),
  (130, 'dietary_sodium',              'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (131, 'dietary_potassium',           'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (132, 'dietary_calcium',             'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (133, 'dietary_phosphorus',          'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (134, 'dietary_magnesium',           'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (135, 'dietary_iron',                'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (136, 'dietary_zinc',                'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (137, 'dietary_fluoride',            'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (138, 'dietary_chloride',            'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (139, 'dietary_copper',              'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (140, 'dietary_manganese',           'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (141, 'dietary_chromium',            'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (142, 'dietary_iodine',              'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (143, 'dietary_molybdenum',          'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (144, 'dietary_selenium',            'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (150, 'dietary_vitamin_a',           'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (151, 'dietary_thiamin',             'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (152, 'dietary_riboflavin',          'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (153, 'dietary_niacin',              'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (154, 'dietary_pantothenic_acid',    'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (155, 'dietary_vitamin_b6',          'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (156, 'dietary_biotin',              'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (157, 'dietary_vitamin_b12',         'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (158, 'dietary_vitamin_c',           'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (159, 'dietary_vitamin_d',           'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (160, 'dietary_vitamin_e',           'mg',   'mg',   'sum', 'instant',      0,    1e7, 'shipped'),
  (161, 'dietary_vitamin_k',           'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped'),
  (162, 'dietary_folic_acid',          'ug',   'ug',   'sum', 'instant',      0,    1e7, 'shipped');
