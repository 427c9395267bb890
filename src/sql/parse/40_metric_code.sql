-- What the standards call a metric.

CREATE FUNCTION wearables_internal.is_loinc(code text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN code ~ '^[0-9]{1,7}-[0-9]$' THEN (
  -- every second digit, counted from the check digit, counts twice
  SELECT sum(CASE WHEN d.place % 2 = 0 THEN d.digit * 2 / 10 + d.digit * 2 % 10 ELSE d.digit END) % 10 = 0
  FROM (SELECT n AS place, substr(reverse(replace(code, '-', '')), n, 1)::integer AS digit
        FROM generate_series(1, length(code) - 1) n) d)
  ELSE false END;
COMMENT ON FUNCTION wearables_internal.is_loinc(text) IS
  'Whether the text has the form of a LOINC code and its check digit (mod 10) is right.';

CREATE TABLE wearables.metric_codes (
  metric  text COLLATE "C" NOT NULL REFERENCES wearables.metrics (name) ON UPDATE CASCADE ON DELETE CASCADE,
  system  text COLLATE "C" NOT NULL
          CONSTRAINT metric_codes_system_is_uri CHECK (system ~ '^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$'),
  scope   text COLLATE "C" NOT NULL DEFAULT 'reading' CHECK (scope IN ('reading', 'day', 'session')),
  code    text COLLATE "C" NOT NULL
          CONSTRAINT metric_codes_code_is_code CHECK (code ~ '^[^[:space:]]+( [^[:space:]]+)*$'),
  display text CHECK (display <> ''),
  rank    smallint NOT NULL DEFAULT 10 CHECK (rank >= 0),
  origin  text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user')),
  PRIMARY KEY (metric, system, scope, code),
  CONSTRAINT metric_codes_loinc_has_check_digit
    CHECK (system <> 'http://loinc.org' OR wearables_internal.is_loinc(code))
);
COMMENT ON TABLE wearables.metric_codes IS
  'What the standards call a metric: its codes in LOINC, HL7''s Personal Health Record guide, HealthKit, Health '
  'Connect and Open mHealth. The view fhir_observations uses them. A sub-metric without rows has the codes of the '
  'metric before the first / of its name.';
COMMENT ON COLUMN wearables.metric_codes.metric IS 'metrics.name.';
COMMENT ON COLUMN wearables.metric_codes.system IS 'URI of the code system, such as http://loinc.org.';
COMMENT ON COLUMN wearables.metric_codes.scope IS
  'reading: the code names a reading. day: it names the figure of a whole day, such as the steps in 24 hours. session: '
  'it names the figure of a whole session, such as the mean respiratory rate of a night. The codes of day and session '
  'replace the reading codes of their system.';
COMMENT ON COLUMN wearables.metric_codes.code IS
  'The code, in the case in which the system writes it. A LOINC code must have the right check digit.';
COMMENT ON COLUMN wearables.metric_codes.display IS
  'The system''s own name for the code, unaltered. Null: the code is its name.';
COMMENT ON COLUMN wearables.metric_codes.rank IS
  'Codes of a lower rank come first. 0: the code is not used. This is how a shipped row is switched off.';
COMMENT ON COLUMN wearables.metric_codes.origin IS 'shipped; changed (shipped, then changed here); user (added here).';
SELECT pg_extension_config_dump('wearables.metric_codes', 'WHERE origin <> ''shipped''');
