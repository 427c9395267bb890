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
  'The stored samples: one row for each user, metric, time, source and part. A row is replaced only by a reading '
  'of an equal or higher version. The view samples shows them with names.';
COMMENT ON COLUMN wearables.sample_points.user_id IS 'See users.';
COMMENT ON COLUMN wearables.sample_points.ts IS
  'Time of the reading; for a reading of a calendar day, 00:00 UTC of that day; for metrics of kind session, the '
  'end of the session.';
COMMENT ON COLUMN wearables.sample_points.value IS 'In the canonical unit of the metric.';
COMMENT ON COLUMN wearables.sample_points.version IS
  'Order key of the event or document that the reading came from: see webhook_events.version and summaries.version.';
COMMENT ON COLUMN wearables.sample_points.value_secondary IS
  'Second value of a pair, such as the diastolic pressure. Null: none.';
COMMENT ON COLUMN wearables.sample_points.ts_end IS 'End of an interval, excluded. Null: the reading has none.';
COMMENT ON COLUMN wearables.sample_points.metric_id IS 'See metrics.';
COMMENT ON COLUMN wearables.sample_points.source_id IS 'See sources.';
COMMENT ON COLUMN wearables.sample_points.part IS
  'Distinguishes readings of several documents at one time (three meals of a day): 16 bits of a hash of the '
  'document''s id or of the mapping''s part_fields. 0: neither applies, or resources.one_per identifies the '
  'document.';
COMMENT ON COLUMN wearables.sample_points.tz_offset IS
  'Minutes east of UTC where the reading was recorded. Null: not known. 32767: a reading of a calendar day, which '
  'belongs to the date of ts in every time zone.';
SELECT pg_extension_config_dump('wearables.sample_points', '');

CREATE FUNCTION wearables_internal.has_sample_columns(relation oid) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_has_sample_columns';
COMMENT ON FUNCTION wearables_internal.has_sample_columns(oid) IS
  'Whether the relation has the columns that the library expects: in order, with their types and nullability.';

CREATE TYPE wearables.summary_sample AS (
  metric_id smallint, ts timestamptz, source_id smallint, part smallint, value double precision,
  value_secondary double precision, ts_end timestamptz, tz_offset smallint);
COMMENT ON TYPE wearables.summary_sample IS
  'A sample that follows from a document, as in sample_points. It is stored there unless a newer document yields a '
  'sample with the same key.';
COMMENT ON COLUMN wearables.summary_sample.metric_id IS 'See metrics.';
COMMENT ON COLUMN wearables.summary_sample.ts IS 'Time of the sample, as in sample_points.';
COMMENT ON COLUMN wearables.summary_sample.source_id IS
  'See sources. A mapping with a channel of its own can give it another source than that of the document.';
COMMENT ON COLUMN wearables.summary_sample.part IS 'As in sample_points.';
COMMENT ON COLUMN wearables.summary_sample.value IS 'In the canonical unit of the metric.';
COMMENT ON COLUMN wearables.summary_sample.value_secondary IS
  'Second value of a pair, such as the diastolic pressure. Null: none.';
COMMENT ON COLUMN wearables.summary_sample.ts_end IS 'End of an interval, excluded. Null: the sample has none.';
COMMENT ON COLUMN wearables.summary_sample.tz_offset IS
  'Minutes east of UTC. Null: not known. 32767: a reading of a calendar day.';

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
  event_received_at timestamptz,
  PRIMARY KEY (user_id, resource, identity)
);
COMMENT ON TABLE wearables.summaries IS
  'The newest version of each document of the vendor, such as a night. Samples of summary channels are derived '
  'from these rows alone.';
COMMENT ON COLUMN wearables.summaries.user_id IS 'See users.';
COMMENT ON COLUMN wearables.summaries.resource IS 'The resource of the document, such as sleep.';
COMMENT ON COLUMN wearables.summaries.identity IS
  'Identifies the document among those of the user and resource: its id; if resources.one_per is set, its '
  'provider, source type and date, joined by /.';
COMMENT ON COLUMN wearables.summaries.summary_id IS 'The id of the document, as the vendor sent it.';
COMMENT ON COLUMN wearables.summaries.version IS
  'Order key of the document and its samples: its own updated_at if it has one, else the origin time of its event, '
  'with a hash of identity. Of two documents of one identity the one with the higher version is kept, then the one '
  'with the higher event_version.';
COMMENT ON COLUMN wearables.summaries.event_id IS 'The event that brought the document.';
COMMENT ON COLUMN wearables.summaries.event_version IS 'Version of that event.';
COMMENT ON COLUMN wearables.summaries.event_received_at IS
  'received_at of that event, the partition key of webhook_events.';
COMMENT ON COLUMN wearables.summaries.source_id IS 'Source of the document.';
COMMENT ON COLUMN wearables.summaries.first_ts IS 'Earliest timestamp in samples. Null: it has none.';
COMMENT ON COLUMN wearables.summaries.last_ts IS 'Latest timestamp in samples. Null: it has none.';
COMMENT ON COLUMN wearables.summaries.samples IS
  'The samples that follow from the document. If two documents yield samples with the same key, that of the higher '
  'version is stored.';
COMMENT ON COLUMN wearables.summaries.doc IS
  'The document. Values that jsonb cannot hold are replaced (NaN by null), and in a document of more than 100,000 '
  'values each list is cut after 1,000. The original bytes are in webhook_events.payload.';
COMMENT ON COLUMN wearables.summaries.part IS 'The part of its samples, as in sample_points.';
COMMENT ON COLUMN wearables.summaries.session_start IS
  'Start of the session. Null: not a session, or longer than 48 hours. See resources.session_start.';
COMMENT ON COLUMN wearables.summaries.session_end IS
  'End of the session. Null: not a session, or longer than 48 hours.';
COMMENT ON COLUMN wearables.summaries.samples_source_id IS
  'For a session of which a condition of a mapping with a channel holds, such as a nap: the source of that channel. '
  'Else the source of its samples if they all have the same, or its own.';
COMMENT ON COLUMN wearables.summaries.superseded IS
  'True: a newer session of the same samples_source_id contains this session or equals it, so none of its samples '
  'is stored.';
-- Superseded documents are apart: a vendor that issues a night again under a new id adds one each time.
CREATE INDEX summaries_sessions ON wearables.summaries (user_id, resource, session_end)
  WHERE session_end IS NOT NULL AND NOT superseded;
CREATE INDEX summaries_superseded ON wearables.summaries (user_id, resource, session_end) WHERE superseded;
CREATE INDEX summaries_claims ON wearables.summaries (user_id, last_ts, first_ts) WHERE NOT superseded;
SELECT pg_extension_config_dump('wearables.summaries', '');

CREATE TABLE wearables.quarantine (
  event_id   bigint NOT NULL,
  ordinal    integer NOT NULL,
  pointer    text NOT NULL,
  reason     text NOT NULL,
  metric     text,
  detail     text,
  refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  user_id    bigint,
  ts         timestamptz,
  day        date,
  PRIMARY KEY (event_id, ordinal)
);
COMMENT ON TABLE wearables.quarantine IS
  'Readings that were refused when their event was last processed. The other readings of the event are written. '
  'The reading itself is not copied here. The first 1,000 of an event are listed; one row with reason more_refused '
  'counts the others.';
COMMENT ON COLUMN wearables.quarantine.event_id IS 'The event that holds the reading.';
COMMENT ON COLUMN wearables.quarantine.ordinal IS 'Place of the reading in the body, counted from 0.';
COMMENT ON COLUMN wearables.quarantine.pointer IS 'JSON pointer (RFC 6901) to the reading in the body of the event.';
COMMENT ON COLUMN wearables.quarantine.reason IS
  'Why it was refused. The value: missing_value, not_a_number, out_of_range (outside of the metric''s plausible '
  'range), unknown_unit, missing_unit, unknown_code (a text without a number in the mapping). The time: '
  'missing_timestamp, bad_timestamp, timestamp_out_of_range (not in the years 1900 to 2199), end_before_start, '
  'ambiguous_time (wall-clock time that occurs twice or never in its time zone), after_origin (more than a day '
  'later than the event was made). The record: not_an_object, nested_too_deep (more than 500 levels), '
  'missing_source, missing_id, missing_type (a field of the mapping''s extends is not a text, or too long). Limits '
  'of one body: too_many_names, too_many_documents, too_many_places (elements of a list). no_more_names: the '
  'database has reached wearables_ingest.max_sources or max_extended_metrics. more_refused: stands for further '
  'readings, detail says how many.';
COMMENT ON COLUMN wearables.quarantine.metric IS 'The metric it would have become. Null: not known.';
COMMENT ON COLUMN wearables.quarantine.detail IS
  'The unit, type or source that was refused; for more_refused, how many more. Never the reading itself.';
COMMENT ON COLUMN wearables.quarantine.refused_at IS
  'When the reading was first refused. Processing the event again moves it only if something else in the row '
  'changes.';
COMMENT ON COLUMN wearables.quarantine.user_id IS 'The user of the event: see users.';
COMMENT ON COLUMN wearables.quarantine.ts IS
  'Timestamp of the reading; a wall-clock time is taken as UTC. Null: not known.';
COMMENT ON COLUMN wearables.quarantine.day IS
  'Calendar date of a day reading, whose ts is 00:00 UTC of that date. Null: not a day reading.';
CREATE INDEX quarantine_user_id ON wearables.quarantine (user_id, ts) WHERE ts IS NOT NULL;
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
JOIN wearables.sources s ON s.source_id = p.source_id
WHERE wearables_internal.metric_named(p.metric_id, m.name)
  AND wearables_internal.is_shown(p.user_id);
COMMENT ON VIEW wearables.samples IS
  'The stored samples with the names of metric and source. An INSERT writes them by the same rule as events: a '
  'stored row of the same key is replaced unless its version is higher. "version" defaults to the current time, '
  'provider to manual, source_type to unknown, channel to timeseries, part to 0. For a reading of a calendar day, '
  'give day instead of ts. Samples of summary channels cannot be inserted, because they are derived from '
  'documents. Example: INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, ''body_weight'', '
  '''2026-03-29 07:00+02'', 71.4);';
COMMENT ON COLUMN wearables.samples.user_id IS 'See users.';
COMMENT ON COLUMN wearables.samples.metric IS 'metrics.name.';
COMMENT ON COLUMN wearables.samples.ts IS
  'Time of the reading; for a reading of a calendar day, 00:00 UTC of that day; for metrics of kind session, the '
  'end of the session.';
COMMENT ON COLUMN wearables.samples.day IS
  'The calendar day of a reading that the vendor dated without a time. It belongs to that date in every time zone. '
  'Null: ts is the time of the reading.';
COMMENT ON COLUMN wearables.samples.provider IS 'See sources.';
COMMENT ON COLUMN wearables.samples.source_type IS 'See sources.';
COMMENT ON COLUMN wearables.samples.channel IS 'See sources.';
COMMENT ON COLUMN wearables.samples.value IS 'In the unit of the column unit.';
COMMENT ON COLUMN wearables.samples.value_secondary IS
  'Second value of a pair, such as the diastolic pressure. Null: none.';
COMMENT ON COLUMN wearables.samples.unit IS
  'Canonical unit of the metric. In an INSERT it may be left out; another unit is refused.';
COMMENT ON COLUMN wearables.samples.ts_end IS 'End of an interval, excluded. Null: the reading has none.';
COMMENT ON COLUMN wearables.samples.tz_offset IS
  'Minutes east of UTC where the reading was recorded. Null: not known, or a reading of a calendar day.';
COMMENT ON COLUMN wearables.samples.version IS 'Order key, as in sample_points.';
COMMENT ON COLUMN wearables.samples.part IS 'As in sample_points.';

CREATE FUNCTION wearables_internal.insert_samples() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_insert_samples';
COMMENT ON FUNCTION wearables_internal.insert_samples() IS
  'Trigger function: collects the rows of an INSERT into samples and writes them at the end of the statement.';
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
COMMENT ON TYPE wearables.normalized IS 'A reading as normalize() shows it.';
COMMENT ON COLUMN wearables.normalized.metric IS 'metrics.name. Null: refused before the metric was known.';
COMMENT ON COLUMN wearables.normalized.ts IS
  'Time of the reading. A wall-clock time is shown as if it were UTC. Null: refused.';
COMMENT ON COLUMN wearables.normalized.day IS
  'The calendar day of a reading that is dated without a time, as in samples.';
COMMENT ON COLUMN wearables.normalized.provider IS 'Provider of the reading, as in sources. Null: refused.';
COMMENT ON COLUMN wearables.normalized.source_type IS 'Source type of the reading, as in sources. Null: refused.';
COMMENT ON COLUMN wearables.normalized.channel IS 'Channel of the reading, as in sources. Null: refused.';
COMMENT ON COLUMN wearables.normalized.value IS 'In the unit of the column unit. Null: refused.';
COMMENT ON COLUMN wearables.normalized.value_secondary IS
  'Second value of a pair, such as the diastolic pressure. Null: none, or refused.';
COMMENT ON COLUMN wearables.normalized.unit IS 'Canonical unit of the metric; value is converted to it.';
COMMENT ON COLUMN wearables.normalized.ts_end IS
  'End of an interval, excluded. Null: the reading has none, or is refused.';
COMMENT ON COLUMN wearables.normalized.tz_offset IS
  'Minutes east of UTC where the reading was recorded. Null: not known.';
COMMENT ON COLUMN wearables.normalized.summary_id IS
  'Id of the document that the reading comes from. Null for timeseries.';
COMMENT ON COLUMN wearables.normalized.refused IS
  'Null: the reading would be written. Else the reason for which it would be quarantined: see quarantine.reason.';
COMMENT ON COLUMN wearables.normalized.pointer IS 'JSON pointer to a refused reading in the body.';
COMMENT ON COLUMN wearables.normalized.detail IS 'As in quarantine.';
COMMENT ON COLUMN wearables.normalized.part IS 'As in sample_points. Null: refused.';

CREATE FUNCTION wearables.normalize(event_id bigint) RETURNS SETOF wearables.normalized
LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_normalize_event';
COMMENT ON FUNCTION wearables.normalize(bigint) IS
  'The readings that a stored event yields under the current mappings, one row for each. Nothing is written. '
  'Arguments: event_id: the event; an unknown one raises no_data_found. A body that cannot be read raises an error '
  'of class 22. Wall-clock times are shown as they are written, before they are placed by a time zone. Example: '
  'SELECT * FROM wearables.normalize(1);';

CREATE FUNCTION wearables.normalize(event_type text, payload bytea) RETURNS SETOF wearables.normalized
LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_normalize_payload';
COMMENT ON FUNCTION wearables.normalize(text, bytea) IS
  'The readings that a body would yield, without storing it. Arguments: event_type: type of the event, such as '
  'daily.data.heartrate.created; payload: the body, as bytes. A body that cannot be read raises an error of class '
  '22. Example: SELECT * FROM wearables.normalize(''daily.data.heartrate.created'', ''{"data": {"source": '
  '{"provider": "garmin"}, "data": []}}''::bytea);';

CREATE FUNCTION wearables.normalize(event_type text, payload jsonb) RETURNS SETOF wearables.normalized
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT * FROM wearables.normalize($1, convert_to($2::text, 'UTF8'));
END;
COMMENT ON FUNCTION wearables.normalize(text, jsonb) IS
  'The readings that a JSON value would yield, without storing it. Arguments: event_type: type of the event; '
  'payload: the value. Example: SELECT * FROM wearables.normalize(''daily.data.heartrate.created'', ''{"data": '
  '{"source": {"provider": "garmin"}, "data": []}}''::jsonb);';
