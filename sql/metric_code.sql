-- metric_code: the standards' codes of metrics
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION wearables_ingest;
\pset format unaligned
\pset fieldsep ' | '
\pset footer off

-- The shipped codes. Each LOINC code beside the unit that its values are sent in, for a reader to compare.
SELECT system, scope, count(*), count(DISTINCT metric) AS metrics FROM wearables.metric_codes GROUP BY 1, 2 ORDER BY min(rank), 2 DESC;
SELECT c.metric, m.ucum, c.scope, c.rank, c.code, c.display FROM wearables.metric_codes c JOIN wearables.metrics m ON m.name = c.metric
WHERE c.system = 'http://loinc.org' ORDER BY m.metric_id, c.scope DESC, c.rank;
-- What LOINC's name says must be what the unit measures; each of these lists what breaks it.
CREATE TEMP TABLE dimensions (named text, units text[]);
INSERT INTO dimensions VALUES
  ('Moles/volume', '{mmol/L}'), ('Mass/volume', '{}'), ('temperature', '{Cel}'), ('[Dd]uration|Standing time', '{s,min}'), ('[Pp]ercent|[Ss]aturation in|/Body weight Measured', '{%}'),
  ('Calorie', '{kcal}'), ('[Nn]umber of|Flights climbed', '{"{steps}","{flights}","{pushes}"}'), ('distance|Distance|Elevation', '{m}'), ('\m[Rr]ate(?! Content)(?! variability)', '{/min}'),
  ('Rate Content', '{mL/kg/min}'), ('variability', '{ms}'), ('(Carbohydrate|Protein|Fiber|[Ff]at|fatty acid) intake', '{g}'), ('Fluid intake', '{mL}'),
  ('^Body weight|Lean body weight', '{kg}'), ('BMI', '{kg/m2}'), ('Circumference|height', '{cm}'), ('(Vitamin|ium|Copper|Iron|Zinc|Phosphorus|Molybdenum|Cholesterol|Caffeine).* intake', '{mg,ug}'),
  ('FEV1|vital capacity', '{L}'), ('gas flow', '{L/min}'), ('pressure', '{mm[Hg]}');
SELECT c.metric, c.code, c.display, m.ucum FROM wearables.metric_codes c JOIN wearables.metrics m ON m.name = c.metric
WHERE c.system = 'http://loinc.org' AND (NOT EXISTS (SELECT FROM dimensions d WHERE c.display ~ d.named) OR EXISTS (SELECT FROM dimensions d WHERE c.display ~ d.named AND m.ucum <> ALL (d.units)));
SELECT c.code AS of_24_hours_but_a_reading FROM wearables.metric_codes c WHERE (c.display ~ '24 hour|1 day') <> (c.scope = 'day');
SELECT c.code AS with_two_names FROM wearables.metric_codes c GROUP BY c.system, c.code HAVING count(DISTINCT c.display) > 1;
-- met by others: an absolute uptake for VO2max, an area for an index of visceral fat, mass per volume for mmol/L, SDNN's for RMSSD, a LOINC part
SELECT metric, code FROM wearables.metric_codes WHERE code IN ('60842-2', '73707-2', '2339-0', '41653-7', '2093-3', 'LP203183-1') OR metric = 'hrv_rmssd' AND system = 'http://loinc.org';

-- A site's own codes. A digit that is wrong is noticed.
SELECT code, wearables_internal.is_loinc(code) FROM unnest('{8867-4,8867-5,8876-4,112429-6,5-0,0-0,8867,x-1,8867-44,NULL}'::text[]) code;
\set VERBOSITY terse
INSERT INTO wearables.metric_codes (metric, system, code) VALUES ('hrv_rmssd', 'http://loinc.org', '80404-8');
INSERT INTO wearables.metric_codes (metric, system, code) VALUES ('hrv_rmssd', 'loinc', '80404-7');
INSERT INTO wearables.metric_codes (metric, system, code) VALUES ('hrv_rmssd', 'urn:site', ' x');
INSERT INTO wearables.metric_codes (metric, system, code) VALUES ('luck', 'urn:site', 'luck');
DELETE FROM wearables.metric_codes WHERE metric = 'heartrate' AND code = '8867-4';
\set VERBOSITY default
DELETE FROM wearables.metric_codes WHERE metric = 'heartrate' AND code = '8867-4';
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1');
INSERT INTO wearables.metric_codes (metric, system, code, display) VALUES ('mood', 'urn:site', 'mood', 'How they feel'), ('hrv_rmssd', 'urn:site', 'rmssd', NULL);
UPDATE wearables.metric_codes SET rank = 0 WHERE metric = 'hrv_rmssd' AND system LIKE '%apple%';
SELECT metric, system, scope, code, display, rank, origin FROM wearables.metric_codes WHERE origin <> 'shipped' ORDER BY 1, 2;
SELECT count(*) AS revisions FROM wearables.revisions WHERE relation = 'metric_codes';

DROP EXTENSION wearables_ingest CASCADE;
