-- The shipped spellings of units. A canonical unit needs no row; the empty text means it too.
-- "cal" is left out on purpose: it is written for two units that differ by a thousand.

-- Every metric of a canonical unit knows the other spellings of it.
INSERT INTO wearables.units (metric, text, factor, origin)
SELECT m.name, u.text, u.factor, 'shipped'
FROM (VALUES
  ('/min', 'bpm', 1::double precision), ('/min', 'count/min', 1), ('/min', '1/min', 1), ('/min', 'rpm', 1),
  ('/min', 'Hz', 60),
  ('ms', 's', 1000),
  ('%', '1', 100), ('%', 'fraction', 100), ('%', 'percent', 1),
  ('s', 'sec', 1), ('s', 'second', 1), ('s', 'seconds', 1), ('s', 'ms', 0.001),
  ('s', 'min', 60), ('s', 'minutes', 60), ('s', 'h', 3600),
  ('min', 'minute', 1), ('min', 'minutes', 1), ('min', 's', 1 / 60.0),
  ('min', 'sec', 1 / 60.0), ('min', 'seconds', 1 / 60.0), ('min', 'h', 60), ('min', 'hr', 60), ('min', 'hours', 60),
  ('m', 'meter', 1), ('m', 'meters', 1), ('m', 'km', 1000), ('m', 'cm', 0.01), ('m', 'mi', 1609.344),
  ('m', 'mile', 1609.344), ('m', 'ft', 0.3048), ('m', 'yd', 0.9144),
  ('cm', 'm', 100), ('cm', 'mm', 0.1), ('cm', 'in', 2.54), ('cm', 'inch', 2.54), ('cm', 'ft', 30.48),
  ('m/s', 'km/h', 1 / 3.6), ('m/s', 'kph', 1 / 3.6), ('m/s', 'mph', 0.44704), ('m/s', 'mi/h', 0.44704),
  ('kg', 'g', 0.001), ('kg', 'lb', 0.45359237), ('kg', 'lbs', 0.45359237), ('kg', 'st', 6.35029318),
  ('kg/m2', 'index', 1), ('kg/m2', 'kg/m^2', 1), ('kg/m2', 'kg/m²', 1), ('kg/m2', 'count', 1),
  ('g', 'gram', 1), ('g', 'grams', 1), ('g', 'kg', 1000), ('g', 'mg', 1e-3), ('g', 'ug', 1e-6),
  ('g', 'µg', 1e-6), ('g', 'μg', 1e-6), ('g', 'mcg', 1e-6), ('g', 'oz', 28.349523125),
  ('mg', 'g', 1e3), ('mg', 'ug', 1e-3), ('mg', 'µg', 1e-3), ('mg', 'μg', 1e-3), ('mg', 'mcg', 1e-3),
  ('ug', 'µg', 1), ('ug', 'μg', 1), ('ug', 'mcg', 1), ('ug', 'mg', 1e3), ('ug', 'g', 1e6),
  ('kcal', 'Cal', 1), ('kcal', 'kilocalories', 1), ('kcal', 'kJ', 1 / 4.184), ('kcal', 'J', 1 / 4184.0),
  ('mL', 'ml', 1), ('mL', 'L', 1000), ('mL', 'l', 1000), ('mL', 'dL', 100), ('mL', 'cL', 10),
  ('mL', 'fl oz', 29.5735295625), ('mL', 'fl_oz_us', 29.5735295625),
  ('L', 'l', 1), ('L', 'mL', 0.001), ('L', 'ml', 0.001),
  ('L/min', 'l/min', 1), ('L/min', 'L/s', 60), ('L/min', 'mL/s', 0.06),
  ('mL/kg/min', 'ml/kg/min', 1), ('mL/kg/min', 'mL/min/kg', 1), ('mL/kg/min', 'mL/min·kg', 1),
  ('mL/kg/min', 'mL/(kg*min)', 1), ('mL/kg/min', 'MET', 3.5),
  ('mV', 'V', 1000), ('mV', 'uV', 0.001), ('mV', 'µV', 0.001), ('mV', 'μV', 0.001),
  ('[IU]', 'unit', 1), ('[IU]', 'units', 1), ('[IU]', 'IU', 1), ('[IU]', 'U', 1),
  ('mm[Hg]', 'mmHg', 1), ('mm[Hg]', 'kPa', 7.50061683),
  ('W', 'watt', 1), ('W', 'watts', 1), ('W', 'kW', 1000),
  ('mmol/L', 'mmol/l', 1),
  ('score', 'count', 1), ('index', 'count', 1)) AS u (canonical, text, factor)
JOIN wearables.metrics m ON m.unit = u.canonical;

-- A temperature has a zero point, a difference, which is in kelvin, has none.
INSERT INTO wearables.units (metric, text, factor, shift, origin)
SELECT m.name, u.text, u.factor, CASE m.unit WHEN 'K' THEN 0 ELSE u.shift END, 'shipped'
FROM (VALUES
  ('Cel', 1::double precision, 0::double precision), ('°C', 1, 0), ('C', 1, 0), ('degC', 1, 0), ('celsius', 1, 0),
  ('K', 1, -273.15),
  ('°F', 5 / 9.0, -160 / 9.0), ('F', 5 / 9.0, -160 / 9.0), ('degF', 5 / 9.0, -160 / 9.0),
  ('[degF]', 5 / 9.0, -160 / 9.0), ('fahrenheit', 5 / 9.0, -160 / 9.0)) AS u (text, factor, shift)
JOIN wearables.metrics m ON m.unit IN ('Cel', 'K') AND m.unit <> u.text;

-- What only one metric means by a text.
INSERT INTO wearables.units (metric, text, factor, origin)
SELECT u.metric, u.text, u.factor, 'shipped'
FROM (VALUES
  ('respiratory_rate', 'breaths/min', 1::double precision), ('heartrate', 'beats/min', 1),
  ('hrv_rmssd', 'rmssd', 1),
  -- Apple has SDNN only and labels it rmssd (vital-ios, CoreModels+Extensions)
  ('hrv_sdnn', 'rmssd', 1), ('hrv_sdnn', 'sdnn', 1),
  -- the vendor counts beats here
  ('heart_rate_recovery_one_minute', 'count', 1),
  -- 1 L of water is 1 kg
  ('dietary_water', 'g', 1),
  ('steps', 'steps', 1), ('floors_climbed', 'floors', 1),
  -- molar masses in g/mol: glucose 180.16, cholesterol 386.65, triglycerides 885.7 (as triolein)
  ('glucose', 'mg/dL', 1 / 18.016), ('glucose', 'mg/dl', 1 / 18.016), ('glucose', 'g/L', 10 / 1.8016),
  ('glucose/blood', 'mg/dL', 1 / 18.016), ('glucose/blood', 'mg/dl', 1 / 18.016),
  ('glucose/blood', 'g/L', 10 / 1.8016),
  ('glucose/interstitial_fluid', 'mg/dL', 1 / 18.016), ('glucose/interstitial_fluid', 'mg/dl', 1 / 18.016),
  ('glucose/interstitial_fluid', 'g/L', 10 / 1.8016),
  ('cholesterol', 'mg/dL', 1 / 38.665), ('cholesterol', 'mg/dl', 1 / 38.665),
  ('cholesterol/total', 'mg/dL', 1 / 38.665), ('cholesterol/total', 'mg/dl', 1 / 38.665),
  ('cholesterol/hdl', 'mg/dL', 1 / 38.665), ('cholesterol/hdl', 'mg/dl', 1 / 38.665),
  ('cholesterol/ldl', 'mg/dL', 1 / 38.665), ('cholesterol/ldl', 'mg/dl', 1 / 38.665),
  ('cholesterol/triglycerides', 'mg/dL', 1 / 88.57), ('cholesterol/triglycerides', 'mg/dl', 1 / 88.57))
  AS u (metric, text, factor);
