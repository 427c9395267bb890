-- The vendor's resources: 50 timeseries and 10 summaries of today's catalogue, names of older ones that may still
-- arrive, and what carries no readings. backfill_days is what a sync asks for where the provider allows it.

INSERT INTO wearables.resources (name, kind, rest_path, backfill_days, origin)
SELECT r, 'timeseries', '/v2/timeseries/{user_id}/' || r || '/grouped', 90, 'shipped'
FROM unnest(ARRAY[
  'afib_burden', 'basal_body_temperature', 'blood_oxygen', 'blood_pressure', 'body_mass_index', 'body_temperature',
  'body_temperature_delta', 'caffeine', 'calories_active', 'calories_basal', 'carbohydrates', 'cholesterol',
  'daylight_exposure', 'distance', 'electrocardiogram_voltage', 'fall', 'floors_climbed',
  'forced_expiratory_volume_1', 'forced_vital_capacity', 'glucose', 'handwashing', 'heart_rate_alert',
  'heart_rate_recovery_one_minute', 'heartrate', 'hrv', 'ige', 'igg', 'inhaler_usage', 'insulin_injection',
  'lean_body_mass', 'mindfulness_minutes', 'peak_expiratory_flow_rate', 'respiratory_rate', 'sleep_apnea_alert',
  'sleep_breathing_disturbance', 'stand_duration', 'stand_hour', 'steps', 'stress_level', 'uv_exposure', 'vo2_max',
  'waist_circumference', 'water', 'wheelchair_push', 'workout_distance', 'workout_duration',
  'workout_swimming_stroke']) r;

INSERT INTO wearables.resources (name, kind, rest_path, list_key, backfill_days, note, origin) VALUES
  -- the two whose REST name is another
  ('weight', 'timeseries', '/v2/timeseries/{user_id}/body_weight/grouped', NULL, 90, NULL, 'shipped'),
  ('fat',    'timeseries', '/v2/timeseries/{user_id}/body_fat/grouped',    NULL, 90, NULL, 'shipped'),
  ('note',   'skipped', NULL, NULL, 90, 'its values are texts; the body is kept', 'shipped'),

  ('activity',    'summary', '/v2/summary/activity/{user_id}',    'activity',    180, NULL, 'shipped'),
  ('sleep',       'summary', '/v2/summary/sleep/{user_id}',       'sleep',       180, NULL, 'shipped'),
  ('sleep_cycle', 'summary', '/v2/summary/sleep_cycle/{user_id}', 'sleep_cycle', 180, NULL, 'shipped'),
  ('workouts',    'summary', '/v2/summary/workouts/{user_id}',    'workouts',    180, NULL, 'shipped'),
  ('body',        'summary', '/v2/summary/body/{user_id}',        'body',        180, NULL, 'shipped'),
  ('meal',        'summary', '/v2/summary/meal/{user_id}',        'meals',       180, NULL, 'shipped'),
  ('menstrual_cycle',   'summary', '/v2/summary/menstrual_cycle/{user_id}',   'menstrual_cycle',   180,
   'entries of its days are read; its start and end stay in the document', 'shipped'),
  ('electrocardiogram', 'summary', '/v2/summary/electrocardiogram/{user_id}', 'electrocardiogram', 180,
   NULL, 'shipped'),
  ('profile', 'summary', '/v2/summary/profile/{user_id}', NULL, 0,
   'the height, dated by the last change of the profile, because no time of measurement is given', 'shipped'),
  -- names of older catalogues, some switched off by the vendor's own calendar on 2026-09-14
  ('hypnogram', 'timeseries', '/v2/timeseries/{user_id}/hypnogram/grouped', NULL, 90,
   'older name of sleep_cycle', 'shipped'),
  ('active_energy_burned',     'timeseries', NULL, NULL, 90, 'older name of calories_active', 'shipped'),
  ('basal_energy_burned',      'timeseries', NULL, NULL, 90, 'older name of calories_basal', 'shipped'),
  ('distance_running_walking', 'timeseries', NULL, NULL, 90, 'older name of distance', 'shipped'),
  ('meals',  'summary', NULL, 'meals', 0,
   'older name of meal: kept as a document, so that a meal sent under both names counts once', 'shipped'),
  ('device', 'skipped', NULL, NULL, 0, 'older name of provider.device', 'shipped'),

  -- event types that carry no readings, without their last word
  ('provider.device',   'skipped', NULL, NULL, 0, 'describes a device, no readings; the body is kept', 'shipped'),
  ('continuous_query.result_table', 'skipped', NULL, NULL, 0,
   'results of the vendor''s own queries; the readings themselves arrive separately', 'shipped'),
  ('labtest.order',           'skipped', NULL, NULL, 0,
   'status of a lab order, no readings; the body is kept', 'shipped'),
  ('labtest.appointment',     'skipped', NULL, NULL, 0,
   'status of a lab order, no readings; the body is kept', 'shipped'),
  ('labtest.result',          'skipped', NULL, NULL, 0,
   'reports that a result is critical, without the result; the body is kept', 'shipped'),
  ('labtest.match_review',    'skipped', NULL, NULL, 0,
   'status of a lab order, no readings; the body is kept', 'shipped'),
  ('lab_report.parsing_job',  'skipped', NULL, NULL, 0,
   'status of parsing a lab report, no readings; the body is kept', 'shipped');

INSERT INTO wearables.resources (name, kind, backfill_days, stream_of, stream_path, stream_field, note, origin) VALUES
  ('workout_stream', 'summary', 0, 'workouts', '/v2/timeseries/workouts/{document_id}/stream', NULL,
   'its event only announces a stream; pulled if pull_stream is set', 'shipped'),
  ('sleep_stream', 'summary', 0, 'sleep', '/v2/timeseries/sleep/{document_id}/stream', 'sleep_stream',
   'read where a night holds it; pulled if pull_stream is set', 'shipped');

-- a day issued anew under another id takes the place of the former one, and so does a profile
UPDATE wearables.resources SET one_per = 'day' WHERE name = 'activity';
UPDATE wearables.resources SET one_per = 'source' WHERE name = 'profile';
-- of a night that was put together anew from two, under a third id, only the third counts
UPDATE wearables.resources SET session_start = 'bedtime_start', session_end = 'bedtime_stop' WHERE name = 'sleep';
