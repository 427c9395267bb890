-- The parser is data: metrics, units, sources, resources, mappings, and the revision of it all.

CREATE TABLE wearables.revisions (
  revision   bigint PRIMARY KEY,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_by text NOT NULL DEFAULT session_user,
  relation   text NOT NULL,
  what       text NOT NULL
);
COMMENT ON TABLE wearables.revisions IS
  'History of the parser: one row for each changed row of mappings, metrics, units, resources, sources and '
  'known_fields. The highest number is revision().';
COMMENT ON COLUMN wearables.revisions.revision IS 'Increases with each change. 1: the shipped rows.';
COMMENT ON COLUMN wearables.revisions.changed_at IS 'When the change was made. Sessions use it from its commit on.';
COMMENT ON COLUMN wearables.revisions.changed_by IS 'Session user who made the change.';
COMMENT ON COLUMN wearables.revisions.relation IS 'The changed table.';
COMMENT ON COLUMN wearables.revisions.what IS 'insert, update or delete, and the key of the changed row.';
INSERT INTO wearables.revisions (revision, relation, what) VALUES (1, 'mappings', 'shipped rows');
SELECT pg_extension_config_dump('wearables.revisions', 'WHERE revision > 1');

CREATE FUNCTION wearables.revision() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT max(r.revision) FROM wearables.revisions r;
END;
COMMENT ON FUNCTION wearables.revision() IS
  'The current revision of the parser. It increases whenever a row of mappings, metrics, units, resources, sources '
  'or known_fields changes. Compare it with webhook_events.revision to find events that were processed before a '
  'change. Example: SELECT wearables.revision();';

-- Of 16 bits, so no sequence: one would spend a number on each row that was rolled back.
CREATE FUNCTION wearables_internal.free_number(of_source boolean) RETURNS smallint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_free_number';
COMMENT ON FUNCTION wearables_internal.free_number(boolean) IS
  'Lowest free source number (of_source true), or lowest free metric number from 10000 on (false). The number is '
  'reserved until the transaction ends.';

CREATE TABLE wearables.metrics (
  metric_id smallint DEFAULT wearables_internal.free_number(false) PRIMARY KEY CHECK (metric_id > 0),
  name      text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,62}(/[^[:cntrl:]]{1,100})?$'),
  unit      text NOT NULL,
  ucum      text COLLATE "C" CHECK (ucum ~ '^[!-~]+$'),
  codes     jsonb CHECK (jsonb_typeof(codes) = 'object'),
  aggregate text NOT NULL DEFAULT 'avg' CHECK (aggregate IN ('avg', 'sum', 'last', 'min', 'max')),
  kind      text NOT NULL DEFAULT 'instant' CHECK (kind IN ('instant', 'interval', 'session')),
  lowest    double precision NOT NULL DEFAULT '-infinity',
  highest   double precision NOT NULL DEFAULT 'infinity',
  parent    text COLLATE "C",  -- no reference to its own table: pg_dump would warn of it, and --inserts fail
  origin    text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user', 'extended')),
  unused_since timestamptz,
  CHECK (lowest <= highest)
);
CREATE INDEX metrics_parent ON wearables.metrics (parent) WHERE parent IS NOT NULL;
COMMENT ON TABLE wearables.metrics IS 'What can be stored: the metrics, their units and their plausible ranges.';
COMMENT ON COLUMN wearables.metrics.metric_id IS
  'Below 10000: shipped with the extension. From 10000 on: added here.';
COMMENT ON COLUMN wearables.metrics.name IS
  'Lower-case letters, digits and _; a sub-metric has the name of its parent, / and the distinguishing texts '
  '(cholesterol/hdl).';
COMMENT ON COLUMN wearables.metrics.unit IS
  'Canonical unit: every sample of the metric is stored in it, and charts show it.';
COMMENT ON COLUMN wearables.metrics.ucum IS
  'The same unit as a case-sensitive UCUM code, for exchange with other systems (FHIR). Counts and scores have an '
  'annotation, such as {steps} or {score}. Null: a metric added here without a code.';
COMMENT ON COLUMN wearables.metrics.codes IS
  'For a coded value: what each number stands for, as an object {"1": "light"}. Null: the value is a quantity in '
  'unit.';
COMMENT ON COLUMN wearables.metrics.aggregate IS
  'How timeseries() combines the readings of a bucket: avg, sum, min, max or last.';
COMMENT ON COLUMN wearables.metrics.kind IS
  'What a reading describes. instant: the time ts. interval: the time from ts to ts_end, ts_end excluded. session: '
  'the whole session of its document, such as a night; ts is its end, so that a night counts on the day of waking.';
COMMENT ON COLUMN wearables.metrics.lowest IS
  'Lower limit of the plausible range, in unit. A reading below it is quarantined as out_of_range. The shipped '
  'ranges hold for every living person: they catch wrong units, not rare values.';
COMMENT ON COLUMN wearables.metrics.highest IS 'Upper limit of the plausible range, in unit.';
COMMENT ON COLUMN wearables.metrics.parent IS
  'For a sub-metric (cholesterol/hdl): the metric whose name it extends. timeseries() of the parent includes its '
  'sub-metrics.';
COMMENT ON COLUMN wearables.metrics.origin IS
  'shipped; changed (shipped, then changed here); user (added here); extended (added automatically, for a '
  'sub-metric that a reading named).';
COMMENT ON COLUMN wearables.metrics.unused_since IS
  'For origin extended: when reclaim_names() first found no sample of it. If it still has none at the next call, '
  'the row is deleted.';
SELECT pg_extension_config_dump('wearables.metrics', 'WHERE origin <> ''shipped''');

CREATE TABLE wearables.units (
  metric text COLLATE "C" NOT NULL REFERENCES wearables.metrics (name) ON UPDATE CASCADE ON DELETE CASCADE,
  text   text COLLATE "C" NOT NULL CHECK (text <> ''),
  factor double precision NOT NULL DEFAULT 1 CHECK (factor <> 0),
  shift  double precision NOT NULL DEFAULT 0,
  origin text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user')),
  PRIMARY KEY (metric, text)
);
COMMENT ON TABLE wearables.units IS
  'Spellings of units. Canonical value = value * factor + shift. The canonical unit itself needs no row.';
COMMENT ON COLUMN wearables.units.metric IS 'The metric for whose readings the spelling holds.';
COMMENT ON COLUMN wearables.units.text IS 'The unit as the vendor writes it. Case matters.';
COMMENT ON COLUMN wearables.units.factor IS 'How many canonical units one of this unit is.';
COMMENT ON COLUMN wearables.units.shift IS
  'Added after the multiplication, in the canonical unit: -17.78 for degrees Fahrenheit to Celsius.';
COMMENT ON COLUMN wearables.units.origin IS 'shipped; changed (shipped, then changed here); user (added here).';
SELECT pg_extension_config_dump('wearables.units', 'WHERE origin <> ''shipped''');

CREATE TABLE wearables.sources (
  source_id     smallint DEFAULT wearables_internal.free_number(true) PRIMARY KEY CHECK (source_id > 0),
  provider      text COLLATE "C" NOT NULL,
  source_type   text COLLATE "C" NOT NULL DEFAULT 'unknown',
  channel       text COLLATE "C" NOT NULL DEFAULT 'timeseries',
  floating_time boolean NOT NULL DEFAULT false,
  origin        text NOT NULL DEFAULT 'user' CHECK (origin IN ('seen', 'changed', 'user')),
  unused_since  timestamptz,
  UNIQUE (provider, source_type, channel)
);
COMMENT ON TABLE wearables.sources IS 'Where readings come from. A row is added when a source is first seen.';
COMMENT ON COLUMN wearables.sources.source_id IS
  'The lowest number that was free. The number of a source that was deleted is given again.';
COMMENT ON COLUMN wearables.sources.provider IS 'The vendor''s name (slug) of the provider, such as oura.';
COMMENT ON COLUMN wearables.sources.source_type IS
  'Kind of device, such as watch, ring or phone; unknown if the vendor does not say.';
COMMENT ON COLUMN wearables.sources.channel IS
  'timeseries; or the summary resource from whose documents the readings are derived, such as sleep; or a channel '
  'that a mapping sets, such as nap. A reading of one channel never replaces a reading of another.';
COMMENT ON COLUMN wearables.sources.floating_time IS
  'True: the source sends wall-clock time marked as UTC. It is placed by the time zone or offset of the document, '
  'else by the user''s time zone.';
COMMENT ON COLUMN wearables.sources.origin IS
  'seen (added when a reading named it); changed (seen, then changed here); user (added here).';
COMMENT ON COLUMN wearables.sources.unused_since IS
  'When reclaim_names() first found no sample of the source. If it still has none at the next call, the row is '
  'deleted.';
SELECT pg_extension_config_dump('wearables.sources', '');

CREATE TABLE wearables.resources (
  name          text COLLATE "C" PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('timeseries', 'summary', 'skipped')),
  rest_path     text,
  list_key      text,
  backfill_days integer NOT NULL DEFAULT 30 CHECK (backfill_days BETWEEN 0 AND 3650),
  rest_range    text NOT NULL DEFAULT 'instants' CHECK (rest_range IN ('instants', 'dates', 'none')),
  window_days   integer CHECK (window_days BETWEEN 1 AND 3650),
  connection_days integer NOT NULL DEFAULT 0 CHECK (connection_days BETWEEN 0 AND 3650),
  reconcile_days integer NOT NULL DEFAULT 0 CHECK (reconcile_days BETWEEN 0 AND 92),
  one_per       text CHECK (one_per IN ('day', 'source')),
  session_start text,
  session_end   text,
  stream_of     text COLLATE "C",
  stream_path   text,
  stream_field  text,
  pull_stream   boolean NOT NULL DEFAULT false,
  note          text,
  origin        text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user'))
);
COMMENT ON TABLE wearables.resources IS
  'The vendor''s resources: what events and REST pages carry. An event of a resource without a row is skipped and '
  'appears in the view drift.';
COMMENT ON COLUMN wearables.resources.name IS
  'As the event type names it (sleep for daily.data.sleep.created), without a full stop. For event types that '
  'carry no readings: the type without its last word (labtest.order), or the whole type followed by a full stop if '
  'it has one word (ping.). For connection events: the whole type. (no event type) and (no user) stand for bodies '
  'that name none.';
COMMENT ON COLUMN wearables.resources.kind IS
  'timeseries: groups of samples. summary: documents with an id; a document without a mapping is kept and yields '
  'no sample. skipped: events are stored and not read; note says why.';
COMMENT ON COLUMN wearables.resources.rest_path IS
  'Path of the resource in the vendor''s REST API, with {user_id}. Null: it cannot be pulled.';
COMMENT ON COLUMN wearables.resources.list_key IS 'Member of a REST response that holds the documents.';
COMMENT ON COLUMN wearables.resources.backfill_days IS 'How many days sync() pulls when no start is given.';
COMMENT ON COLUMN wearables.resources.rest_range IS
  'How the path takes a range: instants, dates (both inclusive), or none.';
COMMENT ON COLUMN wearables.resources.window_days IS
  'A longer range is pulled in parts of this many days. Null: in one part.';
COMMENT ON COLUMN wearables.resources.connection_days IS
  'How many days are pulled when a user connects a provider. 0: none.';
COMMENT ON COLUMN wearables.resources.reconcile_days IS
  'How many of the most recent days reconcile() pulls again, because vendors revise recent readings. 0: none.';
COMMENT ON COLUMN wearables.resources.one_per IS
  'For summaries: what a document is identified by. Null: its id. day: its source and calendar day. source: its '
  'source. A document replaces the stored one of the same identity.';
COMMENT ON COLUMN wearables.resources.session_start IS
  'For summaries: path of the start of a session, such as a night; used together with session_end. A session is '
  'superseded by a newer session of the same source that contains it, and then has no samples. Null: the documents '
  'are not sessions.';
COMMENT ON COLUMN wearables.resources.session_end IS
  'For summaries: path of the end of a session. Null: the documents are not sessions.';
COMMENT ON COLUMN wearables.resources.stream_of IS
  'For streams, whose bodies hold neither an id nor a source: the resource of the documents that they are about, such '
  'as workouts. A stream has the id, user and source of its document. Null: not a stream.';
COMMENT ON COLUMN wearables.resources.stream_path IS
  'For streams: path of a stream in the vendor''s REST API, with {document_id}. Null: it cannot be pulled.';
COMMENT ON COLUMN wearables.resources.stream_field IS
  'For streams: member of the document that may hold the stream itself. Null: no document does.';
COMMENT ON COLUMN wearables.resources.pull_stream IS
  'For streams: true pulls the stream of each document that arrives or changes from now on, and of each one that the '
  'vendor announces. See stream_pulls.';
COMMENT ON COLUMN wearables.resources.note IS 'Explanation for people, such as why the resource is skipped.';
COMMENT ON COLUMN wearables.resources.origin IS 'shipped; changed (shipped, then changed here); user (added here).';
SELECT pg_extension_config_dump('wearables.resources', 'WHERE origin <> ''shipped''');

CREATE FUNCTION wearables_internal.is_path(path text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN path ~ '^[^.[:cntrl:]]+([.][^.[:cntrl:]]+)*$' AND length(path) <= 200
  AND path !~ '^[*]([.]|$)' AND path || '.' !~ '[.][*][.](.*[.])?[*][.]';
COMMENT ON FUNCTION wearables_internal.is_path(text) IS
  'Whether the text is a valid path of a mapping: member names joined by dots, a number for one element of a list, '
  'at most one * for every element.';

-- here, for the function is younger than the table
ALTER TABLE wearables.resources
  ADD CONSTRAINT resources_session_is_two_paths CHECK (
    (session_start IS NULL) = (session_end IS NULL)
    AND wearables_internal.is_path(session_start) AND wearables_internal.is_path(session_end)
    AND session_start || session_end !~ '[*]'),
  ADD CONSTRAINT resources_stream_is_complete CHECK (
    stream_of IS NULL AND stream_path IS NULL AND stream_field IS NULL AND NOT pull_stream
    OR stream_of IS NOT NULL AND stream_of <> name AND rest_path IS NULL AND one_per IS NULL AND session_start IS NULL
       AND kind <> 'timeseries' AND (stream_path IS NOT NULL OR NOT pull_stream)
       AND (stream_field IS NULL OR wearables_internal.is_path(stream_field) AND stream_field !~ '[*]'));

CREATE UNIQUE INDEX resources_one_stream_within ON wearables.resources (stream_of) WHERE stream_field IS NOT NULL;

CREATE FUNCTION wearables_internal.are_paths(paths text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN cardinality(paths) > 0 AND array_position(paths, NULL) IS NULL
  AND (SELECT bool_and(wearables_internal.is_path(p)) FROM unnest(paths) p);
COMMENT ON FUNCTION wearables_internal.are_paths(text[]) IS
  'Whether the array is not empty and every element is a valid path.';

CREATE FUNCTION wearables_internal.lists_read(paths text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT count(*) FROM unnest(paths) p WHERE p || '.' ~ '[.][*][.]');
COMMENT ON FUNCTION wearables_internal.lists_read(text[]) IS
  'How many of the paths contain a *, which reads every element of a list.';

CREATE FUNCTION wearables_internal.are_codes(codes jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_typeof(codes) = 'object' AND codes <> '{}'
  AND NOT jsonb_path_exists(codes, 'strict $.* ? (@.type() != "number" && @.type() != "null")');
COMMENT ON FUNCTION wearables_internal.are_codes(jsonb) IS
  'Whether the value is a non-empty object whose members are numbers or null.';

CREATE TABLE wearables.mappings (
  mapping_id      integer PRIMARY KEY,
  resource        text COLLATE "C" NOT NULL REFERENCES wearables.resources ON UPDATE CASCADE,
  provider        text COLLATE "C",
  metric          text COLLATE "C" NOT NULL REFERENCES wearables.metrics (name) ON UPDATE CASCADE,
  value_fields    text[] NOT NULL
                  CONSTRAINT mappings_value_fields_are_paths CHECK (wearables_internal.are_paths(value_fields)),
  secondary_field text CONSTRAINT mappings_secondary_field_is_path CHECK (wearables_internal.is_path(secondary_field)),
  instant_fields  text[] NOT NULL DEFAULT '{timestamp,start}'
                  CONSTRAINT mappings_instant_fields_are_paths CHECK (wearables_internal.are_paths(instant_fields)),
  end_field       text CONSTRAINT mappings_end_field_is_path CHECK (wearables_internal.is_path(end_field)),
  unit_field      text CONSTRAINT mappings_unit_field_is_path CHECK (wearables_internal.is_path(unit_field)),
  unit            text,
  extends         text[] NOT NULL DEFAULT '{}'
                  CONSTRAINT mappings_extends_are_members
                  CHECK (extends = '{}'
                         OR wearables_internal.are_paths(extends) AND array_to_string(extends, '.') !~ '[*]'),
  enabled         boolean NOT NULL DEFAULT true,
  origin          text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user')),
  base_field      text CONSTRAINT mappings_base_field_is_path CHECK (wearables_internal.is_path(base_field)),
  unit_up_to_one  text,
  unit_default    text,
  only_where_field text
                  CONSTRAINT mappings_only_where_field_is_member
                  CHECK (wearables_internal.is_path(only_where_field) AND only_where_field !~ '[*]'),
  only_where_texts text[]
                  CONSTRAINT mappings_only_where_texts_are_texts
                  CHECK (cardinality(only_where_texts) > 0 AND array_position(only_where_texts, NULL) IS NULL),
  channel         text COLLATE "C" CONSTRAINT mappings_channel_is_name CHECK (channel ~ '^[a-z][a-z0-9_]{0,62}$'),
  ordinal         smallint NOT NULL DEFAULT 0,
  part_fields     text[] NOT NULL DEFAULT '{}'
                  CONSTRAINT mappings_part_fields_are_members
                  CHECK (part_fields = '{}'
                         OR wearables_internal.are_paths(part_fields) AND array_to_string(part_fields, '.') !~ '[*]'),
  sum_field       text
                  CONSTRAINT mappings_sum_field_is_list CHECK (
                    sum_field IS NULL
                    OR wearables_internal.is_path(sum_field) AND wearables_internal.lists_read(ARRAY[sum_field]) = 1
                       AND wearables_internal.lists_read(value_fields) = 0),
  codes           jsonb CONSTRAINT mappings_codes_are_numbers CHECK (wearables_internal.are_codes(codes)),
  -- rows of one metric and channel differ in their condition
  CONSTRAINT mappings_key
    UNIQUE NULLS NOT DISTINCT (resource, provider, metric, channel, only_where_field, only_where_texts),
  CONSTRAINT mappings_condition_is_whole CHECK ((only_where_field IS NULL) = (only_where_texts IS NULL)),
  CONSTRAINT mappings_channel_is_another CHECK (channel <> resource AND channel <> 'timeseries'),
  CONSTRAINT mappings_unit_is_constant CHECK (unit IS NULL OR unit_field IS NULL),
  CONSTRAINT mappings_lists_have_values CHECK (
    wearables_internal.lists_read(value_fields) = cardinality(value_fields)
    OR wearables_internal.lists_read(
         value_fields || instant_fields || ARRAY[secondary_field, end_field, unit_field, base_field]) = 0)
);
-- Of two rows that take whatever no condition takes, one would never read anything.
CREATE UNIQUE INDEX mappings_one_takes_the_rest ON wearables.mappings (resource, provider, metric) NULLS NOT DISTINCT
  WHERE only_where_field IS NULL AND enabled;
COMMENT ON TABLE wearables.mappings IS
  'The parser: which field of which resource becomes which metric. How the rows for one record are chosen: first, '
  'a row with the record''s provider takes the place of rows without a provider that have the same metric and '
  'channel. Then the rows with a condition are tried by ordinal and mapping_id, the rows of a metric together with '
  'those of its sub-metrics, and the first one whose condition holds reads the record. A row without a condition '
  'reads the record only if no row with a condition of the same metric, or of the metric''s parent, has read it.';
COMMENT ON COLUMN wearables.mappings.mapping_id IS
  'Below 10000: shipped with the extension. From 10000 on: added here.';
COMMENT ON COLUMN wearables.mappings.resource IS 'The resource whose records the row reads.';
COMMENT ON COLUMN wearables.mappings.provider IS
  'The provider for which the row holds. Null: every provider without a row of its own for the same resource, '
  'metric and channel.';
COMMENT ON COLUMN wearables.mappings.metric IS 'The metric that the readings become.';
COMMENT ON COLUMN wearables.mappings.value_fields IS
  'Paths of the value in order of preference: the first that holds a value is taken. A path consists of member '
  'names relative to the sample or document, joined by dots (heart_rate.resting_bpm). hr_zones.0 is the first '
  'element of a list. stages.*.type yields one reading for each element of a list, or each member of an object. '
  'Either all value fields of a row contain a *, or none does.';
COMMENT ON COLUMN wearables.mappings.secondary_field IS
  'Path of the second value of a pair, such as the diastolic pressure. Null: none.';
COMMENT ON COLUMN wearables.mappings.instant_fields IS
  'Paths of the time of the reading, in order of preference. A date without a time, any calendar_date, and '
  'midnight UTC of the document''s own calendar_date stand for that calendar day in every time zone (see '
  'samples.day). A * stands for the element that the value comes from.';
COMMENT ON COLUMN wearables.mappings.end_field IS
  'Path of the end of an interval. A date without a time stands for the end of that day. Null: the reading has no '
  'end.';
COMMENT ON COLUMN wearables.mappings.base_field IS
  'Path of the time from which numbers in instant_fields and end_field count seconds. A date without a time stands '
  'for 00:00 by timezone_offset or zone_offset, else UTC. Null: numbers are not offsets.';
COMMENT ON COLUMN wearables.mappings.unit_field IS
  'Path of the unit of the value. If it is absent, null or empty, unit_default holds. Null: the unit is constant, '
  'see unit.';
COMMENT ON COLUMN wearables.mappings.unit IS
  'Unit of every value of this row. Null: the canonical unit of the metric, or unit_field says.';
COMMENT ON COLUMN wearables.mappings.unit_default IS
  'Unit of a value whose unit_field says nothing. Null: such a reading is quarantined as missing_unit.';
COMMENT ON COLUMN wearables.mappings.unit_up_to_one IS
  'Unit of values from -1 to 1, for a vendor that writes both fractions and percentages into one field. Null: the '
  'same unit as for other values.';
COMMENT ON COLUMN wearables.mappings.extends IS
  'Fields with a closed set of values that distinguish readings of one time. Their texts are appended to the '
  'metric''s name, joined by / in this order: the field type as it is (cholesterol/hdl), every other field as '
  'field=text (workout_duration/intensity=low). Absent, null and empty fields are left out. If metrics has no row '
  'of the resulting name, one is added with the unit and range of the metric. Paths without *; for timeseries, '
  'source.x is a member of the source object. Do not list a field with unlimited values: each of its values would '
  'become a metric.';
COMMENT ON COLUMN wearables.mappings.part_fields IS
  'Fields with an unlimited set of values (ids of workouts or devices) that distinguish readings of one time. A '
  'hash of their values goes into sample_points.part. Paths as in extends.';
COMMENT ON COLUMN wearables.mappings.sum_field IS
  'Path with a *: the sum of all these values is taken if no value field holds a value. Null: no sum.';
COMMENT ON COLUMN wearables.mappings.codes IS
  'For values that are texts or booleans: an object with the number for each text. "*" stands for every other '
  'text; null means no reading. A text that is not listed is quarantined as unknown_code. Null: the values are '
  'numbers.';
COMMENT ON COLUMN wearables.mappings.only_where_field IS
  'Condition: the row reads only records in which this field holds one of only_where_texts. A path without *; for '
  'timeseries, source.x is a member of the source object. Null: no condition.';
COMMENT ON COLUMN wearables.mappings.only_where_texts IS
  'The texts, or numbers as they are written, for which the condition holds.';
COMMENT ON COLUMN wearables.mappings.ordinal IS
  'Rows with a condition are tried in ascending order of ordinal, then mapping_id.';
COMMENT ON COLUMN wearables.mappings.channel IS
  'Channel of the readings, such as nap for a part of the resource sleep. Only for summaries, and each channel '
  'belongs to one resource. Null: the name of the resource, or timeseries.';
COMMENT ON COLUMN wearables.mappings.enabled IS
  'False: the row yields nothing. This is how a shipped row is switched off. A disabled row with a provider also '
  'keeps the general rows of the same metric and channel from reading that provider.';
COMMENT ON COLUMN wearables.mappings.origin IS 'shipped; changed (shipped, then changed here); user (added here).';
CREATE SEQUENCE wearables.mapping_id_seq AS integer MINVALUE 10000 START 10000 OWNED BY wearables.mappings.mapping_id;
ALTER TABLE wearables.mappings ALTER COLUMN mapping_id SET DEFAULT nextval('wearables.mapping_id_seq');
SELECT pg_extension_config_dump('wearables.mappings', 'WHERE origin <> ''shipped''');
SELECT pg_extension_config_dump('wearables.mapping_id_seq', '');

CREATE TABLE wearables.known_fields (
  resource text COLLATE "C" REFERENCES wearables.resources ON UPDATE CASCADE ON DELETE CASCADE,
  path     text COLLATE "C" NOT NULL
           CONSTRAINT known_fields_path_is_member CHECK (wearables_internal.is_path(path) AND path !~ '[*]'),
  texts    text[]
           CONSTRAINT known_fields_texts_are_texts
           CHECK (cardinality(texts) > 0 AND array_position(texts, NULL) IS NULL),
  note     text,
  origin   text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user')),
  UNIQUE NULLS NOT DISTINCT (resource, path)
);
-- a resource may be null, so there is no key that a publication could go by
ALTER TABLE wearables.known_fields REPLICA IDENTITY FULL;
COMMENT ON TABLE wearables.known_fields IS
  'Fields, and values of fields, that are known and need no mapping. They do not appear in the view drift.';
COMMENT ON COLUMN wearables.known_fields.resource IS 'The resource for which the row holds. Null: every resource.';
COMMENT ON COLUMN wearables.known_fields.path IS
  'Member names joined by dots, relative to the sample or document. Covers every field below it as well. source.x '
  'is a member of the source object.';
COMMENT ON COLUMN wearables.known_fields.texts IS
  'Values that are known for this field. Null: every value. For time_zone: texts that are not time zones and need '
  'not be reported.';
COMMENT ON COLUMN wearables.known_fields.note IS 'Explanation for people: what the field is, or why it is not read.';
COMMENT ON COLUMN wearables.known_fields.origin IS
  'shipped; changed (shipped, then changed here); user (added here).';
SELECT pg_extension_config_dump('wearables.known_fields', 'WHERE origin <> ''shipped''');
