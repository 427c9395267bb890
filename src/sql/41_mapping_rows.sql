-- The shipped rows. Ids below 10000 are ours for ever: a metric never changes its number.

INSERT INTO wearables.metrics (metric_id, name, unit, aggregate, kind, lowest, highest, origin) VALUES
  (1, 'heartrate',        '/min',  'avg', 'instant', 10, 400, 'shipped'),
  (2, 'hrv',              'ms',    'avg', 'instant', 0, 1000, 'shipped'),
  (3, 'hrv_sdnn',         'ms',    'avg', 'instant', 0, 1000, 'shipped'),
  (4, 'blood_oxygen',     '%',     'avg', 'instant', 20, 100, 'shipped'),
  (5, 'respiratory_rate', '/min',  'avg', 'instant', 0, 120, 'shipped'),
  (6, 'blood_pressure',   'mm[Hg]', 'avg', 'instant', 10, 400, 'shipped');
COMMENT ON COLUMN wearables.metrics.lowest IS 'plausible range, wide enough for every living person: readings outside are quarantined';

INSERT INTO wearables.units (metric, text, factor, shift, origin) VALUES
  ('heartrate', 'bpm', 1, 0, 'shipped'), ('heartrate', 'count/min', 1, 0, 'shipped'), ('heartrate', 'Hz', 60, 0, 'shipped'),
  ('hrv', 'rmssd', 1, 0, 'shipped'), ('hrv', 's', 1000, 0, 'shipped'),
  -- Apple has SDNN only and labels it rmssd (vital-ios, CoreModels+Extensions)
  ('hrv_sdnn', 'rmssd', 1, 0, 'shipped'), ('hrv_sdnn', 'sdnn', 1, 0, 'shipped'), ('hrv_sdnn', 's', 1000, 0, 'shipped'),
  ('respiratory_rate', 'bpm', 1, 0, 'shipped'), ('respiratory_rate', 'count/min', 1, 0, 'shipped'),
  ('respiratory_rate', 'breaths/min', 1, 0, 'shipped'),
  ('blood_pressure', 'mmHg', 1, 0, 'shipped'), ('blood_pressure', 'kPa', 7.50061683, 0, 'shipped');

INSERT INTO wearables.resources (name, kind, rest_path, list_key, backfill_days, origin) VALUES
  ('heartrate',        'timeseries', '/v2/timeseries/{user_id}/heartrate/grouped', NULL, 90, 'shipped'),
  ('hrv',              'timeseries', '/v2/timeseries/{user_id}/hrv/grouped', NULL, 90, 'shipped'),
  ('blood_oxygen',     'timeseries', '/v2/timeseries/{user_id}/blood_oxygen/grouped', NULL, 90, 'shipped'),
  ('respiratory_rate', 'timeseries', '/v2/timeseries/{user_id}/respiratory_rate/grouped', NULL, 90, 'shipped'),
  ('blood_pressure',   'timeseries', '/v2/timeseries/{user_id}/blood_pressure/grouped', NULL, 90, 'shipped'),
  ('sleep',            'summary',    '/v2/summary/sleep/{user_id}', 'sleep', 180, 'shipped');

INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, secondary_field, instant_fields, unit_field, unit, origin) VALUES
  (1, 'heartrate',        NULL, 'heartrate',        '{value}', NULL, '{timestamp,start}', 'unit', NULL, 'shipped'),
  (2, 'hrv',              NULL, 'hrv',              '{value}', NULL, '{timestamp,start}', 'unit', NULL, 'shipped'),
  (3, 'hrv', 'apple_health_kit', 'hrv_sdnn',        '{value}', NULL, '{timestamp,start}', 'unit', NULL, 'shipped'),
  (4, 'blood_oxygen',     NULL, 'blood_oxygen',     '{value}', NULL, '{timestamp,start}', 'unit', NULL, 'shipped'),
  (5, 'respiratory_rate', NULL, 'respiratory_rate', '{value}', NULL, '{timestamp,start}', 'unit', NULL, 'shipped'),
  (6, 'blood_pressure',   NULL, 'blood_pressure',   '{systolic}', 'diastolic', '{timestamp,start}', 'unit', NULL, 'shipped'),
  (7, 'sleep', NULL, 'heartrate',        '{hr_lowest,hr_resting,hr_average}', NULL, '{bedtime_stop,date}', NULL, NULL, 'shipped'),
  (8, 'sleep', NULL, 'hrv',              '{average_hrv}',                     NULL, '{bedtime_stop,date}', NULL, NULL, 'shipped'),
  (9, 'sleep', NULL, 'respiratory_rate', '{respiratory_rate}',                NULL, '{bedtime_stop,date}', NULL, NULL, 'shipped');
-- what Apple calls rmssd is in mapping 3 and must not be read as rmssd too
INSERT INTO wearables.mappings (mapping_id, resource, provider, metric, value_fields, enabled, origin) VALUES
  (10, 'hrv', 'apple_health_kit', 'hrv', '{value}', false, 'shipped');
