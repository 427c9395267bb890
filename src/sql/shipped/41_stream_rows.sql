-- The shipped mappings of streams. Ids below 10000 are ours for ever. Their readings lie in the channel of the stream,
-- never in that of its workout or night.

-- A workout: epoch seconds beside lists of the same length, in which null stands for what was not measured.
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, instant_fields, enabled, origin)
SELECT d.id, 'workout_stream', d.metric, ARRAY[d.list || '.*'], '{time.*}', d.enabled, 'shipped'
FROM (VALUES
  (500, 'heartrate',           'heartrate',       true),
  (501, 'cadence',             'cadence',         true),
  (502, 'power',               'power',           true),
  (503, 'speed',               'velocity_smooth', true),
  (504, 'altitude',            'altitude',        true),
  (505, 'cumulative_distance', 'distance',        true),
  (506, 'ambient_temperature', 'temperature',     true),
  -- where somebody was and lives is read only if that is asked for
  (510, 'latitude',            'lat',             false),
  (511, 'longitude',           'lng',             false)) AS d (id, metric, list, enabled);

-- A night: lists of samples as those of the timeseries of the same name.
INSERT INTO wearables.mappings
  (mapping_id, resource, provider, metric, value_fields, instant_fields, end_field, unit_field, unit_default, enabled,
   origin)
SELECT d.id, 'sleep_stream', d.provider, d.metric, ARRAY[d.list || '.*.value'],
       ARRAY[d.list || '.*.' || CASE WHEN d.spans THEN 'start' ELSE 'timestamp' END,
             d.list || '.*.' || CASE WHEN d.spans THEN 'timestamp' ELSE 'start' END],
       CASE WHEN d.spans THEN d.list || '.*.end' END, d.list || '.*.unit', d.unit_default, d.enabled, 'shipped'
FROM (VALUES
  (520, NULL,               'heartrate',        'heartrate',        'bpm',   false, true),
  (521, NULL,               'hrv_rmssd',        'hrv',              'ms',    false, true),
  -- as in the timeseries: what Apple calls rmssd is SDNN
  (522, 'apple_health_kit', 'hrv_sdnn',         'hrv',              'ms',    false, true),
  (523, 'apple_health_kit', 'hrv_rmssd',        'hrv',              'ms',    false, false),
  (524, NULL,               'respiratory_rate', 'respiratory_rate', 'bpm',   false, true),
  (525, NULL,               'sleep_stage',      'hypnogram',        'stage', true,  true))
  AS d (id, provider, metric, list, unit_default, spans, enabled);
