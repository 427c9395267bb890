-- The series, narrow and readable; the newest version of each document; what was refused.

CREATE TABLE wearables.sample_points (
  user_id         bigint NOT NULL,
  ts              timestamptz NOT NULL,
  value           double precision NOT NULL,
  version         bigint NOT NULL,
  value_secondary double precision,
  ts_end          timestamptz,
  metric_id       smallint NOT NULL,
  source_id       smallint NOT NULL,
  part            smallint NOT NULL,
  tz_offset       smallint,
  PRIMARY KEY (user_id, metric_id, ts, source_id, part)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02);
COMMENT ON TABLE wearables.sample_points IS
  'the series: one reading per user, metric, instant, source and part; a row replaces another of its key only with an '
  'equal or newer version (R2)';
COMMENT ON COLUMN wearables.sample_points.part IS
  'which of several documents of one source and instant the reading came from (three meals of a date): 16 bits of a '
  'hash of the document''s id, never 0; 0: of no document, or of one that is the only one of its day or source '
  '(resources.one_per)';
COMMENT ON COLUMN wearables.sample_points.value IS 'in the canonical unit of the metric';
COMMENT ON COLUMN wearables.sample_points.value_secondary IS 'the second figure of a pair: diastolic pressure';
COMMENT ON COLUMN wearables.sample_points.ts_end IS 'end of an interval reading, half-open';
COMMENT ON COLUMN wearables.sample_points.tz_offset IS
  'minutes east of UTC where it was recorded; null: not known; 32767: a reading of a calendar day, which belongs to '
  'the date of ts in every time zone, and ts is 00:00 UTC of it (R11)';
COMMENT ON COLUMN wearables.sample_points.version IS 'order key of the event or document it came from (R3)';
SELECT pg_extension_config_dump('wearables.sample_points', '');

CREATE FUNCTION wearables_internal.has_sample_columns(relation oid) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_has_sample_columns';
COMMENT ON FUNCTION wearables_internal.has_sample_columns(oid) IS
  'whether the columns of the relation are those that the library knows: in their order, of their types, null where '
  'those may be';

CREATE TYPE wearables.summary_sample AS (
  metric_id smallint, ts timestamptz, source_id smallint, part smallint, value double precision,
  value_secondary double precision, ts_end timestamptz, tz_offset smallint);
COMMENT ON TYPE wearables.summary_sample IS
  'a sample that a document claims: what sample_points would hold, tz_offset 32767 of a day included, if no newer '
  'document claims its key';

CREATE TABLE wearables.summaries (
  user_id    bigint NOT NULL,
  resource   text COLLATE "C" NOT NULL,
  identity   text COLLATE "C" NOT NULL,
  summary_id text COLLATE "C" NOT NULL,
  version    bigint NOT NULL,
  event_id   bigint NOT NULL,
  event_version bigint NOT NULL,
  source_id  smallint NOT NULL,
  first_ts   timestamptz,
  last_ts    timestamptz,
  samples    wearables.summary_sample[] NOT NULL,
  doc        jsonb COMPRESSION lz4 NOT NULL,
  part       smallint NOT NULL,
  session_start timestamptz,
  session_end   timestamptz,
  samples_source_id smallint NOT NULL,
  superseded boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, resource, identity)
);
COMMENT ON TABLE wearables.summaries IS
  'newest version of each vendor document; the samples of a summary channel are a function of these rows (R4)';
COMMENT ON COLUMN wearables.summaries.identity IS
  'by which it replaces its former self: its id; where there is one document a day or a source (resources.one_per) its '
  'provider, source type and date instead, joined by /';
COMMENT ON COLUMN wearables.summaries.summary_id IS 'its id, as sent';
COMMENT ON COLUMN wearables.summaries.version IS
  'of its readings: the document''s own updated_at where it has one, else when its event was made, with a hash of '
  'identity; of two documents of one identity the later version stands, then the later event_version';
COMMENT ON COLUMN wearables.summaries.event_id IS 'the event it came from; event_version is that event''s order key';
COMMENT ON COLUMN wearables.summaries.part IS 'of its readings: see sample_points';
COMMENT ON COLUMN wearables.summaries.session_start IS
  'of a session, such as a night: see resources.session_start; null: of no session, or of one longer than 48 hours';
COMMENT ON COLUMN wearables.summaries.samples_source_id IS
  'the source under which its readings lie, where that is one: its own, or that of the channel that mappings give them';
COMMENT ON COLUMN wearables.summaries.superseded IS
  'whether a newer session of the same samples_source_id contains it or equals it: then none of its readings stands';
CREATE INDEX summaries_sessions ON wearables.summaries (user_id, resource, session_end) WHERE session_end IS NOT NULL;
COMMENT ON COLUMN wearables.summaries.doc IS
  'the document; what jsonb refuses is replaced (NaN by null, too), and of one with over 100,000 values each list '
  'ends after 1,000; the bytes as sent are in webhook_events.payload';
COMMENT ON COLUMN wearables.summaries.samples IS
  'what it claims unless it is superseded; of two documents that claim one key the newer version holds it';
COMMENT ON COLUMN wearables.summaries.last_ts IS 'with first_ts: the span of its claims, to find who else claims a key';
CREATE INDEX summaries_claims ON wearables.summaries (user_id, last_ts, first_ts);
SELECT pg_extension_config_dump('wearables.summaries', '');

CREATE TABLE wearables.quarantine (
  event_id   bigint NOT NULL,
  ordinal    integer NOT NULL,
  pointer    text NOT NULL,
  reason     text NOT NULL,
  metric     text,
  detail     text,
  refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (event_id, ordinal)
);
COMMENT ON TABLE wearables.quarantine IS
  'readings that were refused, while the rest of their batch went in; never the reading itself; of one event the '
  'first 1,000, then one row more_refused';
COMMENT ON COLUMN wearables.quarantine.pointer IS 'JSON pointer (RFC 6901) into the body of the event';
COMMENT ON COLUMN wearables.quarantine.detail IS
  'a unit, a type or a source; of more_refused how many more; never a reading';
CREATE INDEX quarantine_no_more_names ON wearables.quarantine (event_id)
  WHERE reason = 'no_more_names' OR reason = 'more_refused' AND detail LIKE '%no_more_names%';
CREATE INDEX quarantine_more_refused ON wearables.quarantine (event_id) WHERE reason = 'more_refused';
SELECT pg_extension_config_dump('wearables.quarantine', '');

CREATE VIEW wearables.samples WITH (security_invoker = true) AS
SELECT p.user_id, m.name AS metric, p.ts, CASE p.tz_offset WHEN 32767 THEN (p.ts AT TIME ZONE 'UTC')::date END AS day,
       s.provider, s.source_type, s.channel, p.value, p.value_secondary, m.unit, p.ts_end,
       nullif(p.tz_offset, 32767::smallint) AS tz_offset, p.version, p.part
FROM wearables.sample_points p
JOIN wearables.metrics m ON m.metric_id = p.metric_id
JOIN wearables.sources s ON s.source_id = p.source_id;
COMMENT ON VIEW wearables.samples IS
  'the series, readable; INSERT upserts by the rule of the writer (R2), at "version" or else as of now; provider '
  'defaults to manual, channel to timeseries, part to 0; of a reading of a calendar day it takes day, and ts may be '
  'left out';
COMMENT ON COLUMN wearables.samples.day IS
  'of a reading that was born of a calendar date: that date, to which it belongs in every time zone; ts is 00:00 UTC '
  'of it and says no more. Null: ts is the instant of the reading';
COMMENT ON COLUMN wearables.samples.tz_offset IS 'minutes east of UTC where it was recorded; null: not known, or a day';

CREATE FUNCTION wearables_internal.insert_samples() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_insert_samples';
COMMENT ON FUNCTION wearables_internal.insert_samples() IS
  'trigger: gathers the rows of an INSERT into samples and hands them to the writer at the end of the statement';
CREATE TRIGGER insert_samples_begin BEFORE INSERT ON wearables.samples
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.insert_samples();
CREATE TRIGGER insert_samples_row INSTEAD OF INSERT ON wearables.samples
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.insert_samples();
CREATE TRIGGER insert_samples_end AFTER INSERT ON wearables.samples
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.insert_samples();

CREATE TYPE wearables.normalized AS (
  metric text, ts timestamptz, day date, provider text, source_type text, channel text, value double precision,
  value_secondary double precision, unit text, ts_end timestamptz, tz_offset smallint, summary_id text,
  refused text, pointer text, detail text, part smallint);
COMMENT ON TYPE wearables.normalized IS
  'a reading as normalize() shows it; refused, pointer and detail are those of quarantine, for one that would be '
  'refused';

CREATE FUNCTION wearables.normalize(event_id bigint) RETURNS SETOF wearables.normalized
LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_normalize_event';
COMMENT ON FUNCTION wearables.normalize(bigint) IS
  'dry run: the readings a stored event holds under the present mappings, wall-clock time as it is written; writes '
  'nothing';

CREATE FUNCTION wearables.normalize(event_type text, payload bytea) RETURNS SETOF wearables.normalized
LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_normalize_payload';
COMMENT ON FUNCTION wearables.normalize(text, bytea) IS 'dry run over a body that is not stored';

CREATE FUNCTION wearables.normalize(event_type text, payload jsonb) RETURNS SETOF wearables.normalized
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT * FROM wearables.normalize($1, convert_to($2::text, 'UTF8'));
END;
COMMENT ON FUNCTION wearables.normalize(text, jsonb) IS 'dry run over a JSON value typed by hand';
