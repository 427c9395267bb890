-- What the vendor is known to send and no mapping reads, so that drift shows only what is new.
-- Sources: the members of ClientFacingSource and of each schema of the vendor's OpenAPI document.

INSERT INTO wearables.known_fields (resource, path, texts, note, origin) VALUES
  (NULL, 'source.provider',
   '{oura,fitbit,garmin,whoop,strava,renpho,peloton,wahoo,zwift,freestyle_libre,abbott_libreview,tandem_source,'
   'freestyle_libre_ble,eight_sleep,withings,apple_health_kit,manual,ihealth,google_fit,beurer_api,beurer_ble,'
   'omron,omron_ble,onetouch_ble,accuchek_ble,contour_ble,dexcom,dexcom_v3,hammerhead,my_fitness_pal,'
   'health_connect,samsung_health,polar,cronometer,kardia,whoop_v2,ultrahuman,my_fitness_pal_v2,map_my_fitness,'
   'runkeeper,google_health,ayumetrix,spiriplex,ussl,quest,sonora_quest,labcorp,bioreference,us_biotek,sanocardio,'
   'ihd,nexus,my_uti,crl,mtl}',
   'providers and labs', 'shipped'),
  (NULL, 'source.type',
   '{unknown,phone,watch,app,multiple_sources,fingerprick,cuff,manual_scan,automatic,insulin_pump,scale,'
   'chest_strap,ring,lab,exercise_machine,earphone}',
   NULL, 'shipped'),
  (NULL, 'source.app_id',     NULL, NULL, 'shipped'),
  (NULL, 'source.device_id',  NULL, NULL, 'shipped'),
  (NULL, 'source.sport',      NULL, 'of the workout that a sample belongs to', 'shipped'),
  (NULL, 'source.workout_id', NULL, 'of the workout that a sample belongs to', 'shipped'),
  (NULL, 'source.slug',       NULL, 'older name of provider', 'shipped'),
  (NULL, 'source.name',       NULL, 'deprecated', 'shipped'),
  (NULL, 'source.logo',       NULL, 'deprecated', 'shipped'),
  (NULL, 'id',                NULL, 'of a document; of a sample deprecated', 'shipped'),
  (NULL, 'user_id',           NULL, NULL, 'shipped'),
  (NULL, 'created_at',        NULL, 'when the vendor received it', 'shipped'),
  (NULL, 'updated_at',        NULL, NULL, 'shipped'),
  (NULL, 'timestamp',         NULL, 'of a sample; beside start its older name', 'shipped'),
  (NULL, 'start',             NULL, 'of a sample', 'shipped'),
  (NULL, 'end',               NULL, 'of a sample', 'shipped'),
  (NULL, 'timezone_offset',   NULL, 'seconds east of UTC', 'shipped'),
  (NULL, 'zone_offset',       NULL, 'hours east of UTC: +01:00', 'shipped'),
  (NULL, 'time_zone',         NULL, 'IANA name', 'shipped'),
  (NULL, 'type',              NULL, 'of a sample, mostly null', 'shipped'),
  (NULL, 'unit',              NULL, 'of a sample', 'shipped');

INSERT INTO wearables.known_fields (resource, path, texts, note, origin) VALUES
  ('blood_pressure', 'value', NULL,
   'not in the vendor''s schema; a single number is not a pair, so it is quarantined as missing_value',
   'shipped'),
  ('blood_pressure', 'grouping', NULL, 'distinguishes readings in the vendor''s own key', 'shipped'),
  ('body_temperature', 'sensor_location',
   '{armpit,body,ear,finger,gastrointestinal,mouth,rectum,toe,eardrum,temporal_artery,forehead,wrist}',
   NULL, 'shipped'),
  ('body_temperature_delta', 'sensor_location',
   '{armpit,body,ear,finger,gastrointestinal,mouth,rectum,toe,eardrum,temporal_artery,forehead,wrist}',
   NULL, 'shipped'),
  ('insulin_injection', 'delivery_mode', '{basal,bolus}', NULL, 'shipped'),
  ('insulin_injection', 'delivery_form', '{standard,extended}', NULL, 'shipped'),
  ('insulin_injection', 'bolus_purpose', '{meal,correction,mixed,unknown}', NULL, 'shipped'),
  ('workout_duration', 'intensity', '{low,medium,high}', NULL, 'shipped');
-- The types that are known. The allergens and foods of ige and igg are without end.
INSERT INTO wearables.known_fields (resource, path, texts, origin) VALUES
  ('glucose',                     'type', '{automatic,manual_scan,fingerprick}', 'shipped'),
  ('sleep_breathing_disturbance', 'type', '{elevated,not_elevated}', 'shipped'),
  ('cholesterol',                 'type',
   '{cholesterol/total,cholesterol/hdl,cholesterol/ldl,cholesterol/triglycerides}', 'shipped'),
  ('heart_rate_alert',            'type', '{low_heart_rate,high_heart_rate,irregular_rhythm}', 'shipped'),
  ('insulin_injection',           'type', '{rapid_acting,long_acting}', 'shipped'),
  ('stand_hour',                  'type', '{stood,idle}', 'shipped'),
  ('electrocardiogram_voltage',   'type', '{lead_1}', 'shipped');

INSERT INTO wearables.known_fields (resource, path, texts, note, origin) VALUES
  ('activity', 'date', NULL, 'older form of calendar_date', 'shipped'),
  ('activity', 'daily_movement', NULL, 'deprecated; its unit is not documented', 'shipped'),
  ('activity', 'wheelchair_use', NULL, NULL, 'shipped'),

  ('sleep', 'type', '{long_sleep,short_sleep,acknowledged_nap,unknown}',
   'unknown: the user is still asleep', 'shipped'),
  ('sleep', 'state', '{tentative,confirmed}', NULL, 'shipped'),
  ('sleep', 'bedtime_start', NULL, NULL, 'shipped'),

  ('sleep_cycle', 'sleep_id', NULL, NULL, 'shipped'),
  ('sleep_cycle', 'session_end', NULL, NULL, 'shipped'),

  ('workouts', 'calendar_date', NULL, NULL, 'shipped'),
  ('workouts', 'title', NULL, 'free text', 'shipped'),
  ('workouts', 'sport', NULL, 'id, name and slug', 'shipped'),
  ('workouts', 'map', NULL, 'the route; kept in the document', 'shipped'),
  ('workouts', 'device_watts', NULL, 'whether the power was measured, not the power itself', 'shipped'),
  ('workouts', 'provider_id', NULL, NULL, 'shipped'),

  ('workout_stream', 'lat', NULL, 'where the user was; mapping 510 reads it if it is enabled', 'shipped'),
  ('workout_stream', 'lng', NULL, 'where the user was; mapping 511 reads it if it is enabled', 'shipped'),
  ('workout_stream', 'sport', NULL, 'of the workout, in the event that announces the stream', 'shipped'),
  ('workout_stream', 'resistance', NULL, 'its unit is not documented', 'shipped'),

  ('sleep_stream', 'heartrate', NULL, 'samples as those of the timeseries', 'shipped'),
  ('sleep_stream', 'hrv', NULL, 'samples as those of the timeseries', 'shipped'),
  ('sleep_stream', 'respiratory_rate', NULL, 'samples as those of the timeseries', 'shipped'),
  ('sleep_stream', 'hypnogram', NULL, 'samples as those of the timeseries', 'shipped'),

  ('body', 'height', NULL, 'in an example, not in the schema', 'shipped'),

  ('meal', 'name', NULL, 'free text', 'shipped'),
  ('meal', 'calendar_date', NULL, NULL, 'shipped'),
  ('meal', 'data', NULL, 'foods, under names chosen by the user; summed if the meal has no total', 'shipped'),
  ('meal', 'priority_id', NULL, 'deprecated', 'shipped'),
  ('meal', 'source_id', NULL, 'deprecated', 'shipped'),
  ('meal', 'provider_id', NULL, 'deprecated', 'shipped'),

  ('menstrual_cycle', 'period_start', NULL, NULL, 'shipped'),
  ('menstrual_cycle', 'period_end', NULL, NULL, 'shipped'),
  ('menstrual_cycle', 'cycle_end', NULL, NULL, 'shipped'),
  ('menstrual_cycle', 'is_predicted', NULL, NULL, 'shipped'),

  ('profile', 'birth_date', NULL, NULL, 'shipped'),
  ('profile', 'gender', '{female,male,other,unknown}', NULL, 'shipped'),
  ('profile', 'sex', '{female,male,other}', NULL, 'shipped'),
  ('profile', 'wheelchair_use', NULL, NULL, 'shipped'),

  ('electrocardiogram', 'voltage_sample_count', NULL,
   'of the recording; the voltages are readings of electrocardiogram_voltage', 'shipped'),
  ('electrocardiogram', 'sampling_frequency_hz', NULL,
   'of the recording; the voltages are readings of electrocardiogram_voltage', 'shipped'),
  ('electrocardiogram', 'classification', '{sinus_rhythm,atrial_fibrillation,inconclusive}', NULL, 'shipped'),
  ('electrocardiogram', 'inconclusive_cause', '{high_heart_rate,low_heart_rate,poor_reading}', NULL, 'shipped'),
  ('electrocardiogram', 'algorithm_version', NULL, NULL, 'shipped');

-- These repeat their source beside the object.
INSERT INTO wearables.known_fields (resource, path, note, origin)
SELECT r, f, 'repeats the source', 'shipped'
FROM unnest(ARRAY['sleep_cycle', 'menstrual_cycle', 'electrocardiogram']) r,
     unnest(ARRAY['source_provider', 'source_type', 'source_app_id', 'source_device_id', 'source_device_model']) f;
