-- How each resource is asked for: what range its path takes, how much at once, and what a new connection is pulled.

UPDATE wearables.resources SET rest_range = 'dates'
WHERE name IN ('sleep_cycle', 'menstrual_cycle', 'electrocardiogram');
UPDATE wearables.resources SET rest_range = 'none' WHERE name = 'profile';
-- a month of minute data is a few pages; summaries have none, and a quarter of a year of them is small
UPDATE wearables.resources SET window_days = 31, connection_days = 31
WHERE kind = 'timeseries' AND rest_path IS NOT NULL;
UPDATE wearables.resources SET window_days = 92, connection_days = backfill_days
WHERE kind = 'summary' AND rest_path IS NOT NULL;
-- days and nights are revised for days: a watch is synchronised late, a night is corrected by its sleeper
UPDATE wearables.resources SET reconcile_days = 7
WHERE name IN ('activity', 'sleep', 'sleep_cycle', 'workouts', 'body', 'meal');
