-- The parser is data: metrics, units, sources, resources, mappings, and the revision of it all.

CREATE TABLE wearables.revisions (
  revision   bigint PRIMARY KEY,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_by text NOT NULL DEFAULT session_user,
  relation   text NOT NULL,
  what       text NOT NULL
);
COMMENT ON TABLE wearables.revisions IS 'ledger of every change of the parser''s rows; its newest number is revision()';
INSERT INTO wearables.revisions (revision, relation, what) VALUES (1, 'mappings', 'shipped rows');
SELECT pg_extension_config_dump('wearables.revisions', 'WHERE revision > 1');

CREATE FUNCTION wearables.revision() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT max(r.revision) FROM wearables.revisions r;
END;
COMMENT ON FUNCTION wearables.revision() IS
  'number of the mapping set in force; goes up whenever a mapping, metric, unit or resource changes';

-- Of 16 bits, so no sequence: one would spend a number on each row that was rolled back.
CREATE FUNCTION wearables_internal.free_number(of_source boolean) RETURNS smallint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_free_number';
COMMENT ON FUNCTION wearables_internal.free_number(boolean) IS
  'the lowest number that no source (else no metric, from 10000 on) has and no '
  'open transaction has taken; taken until this one ends';

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
COMMENT ON TABLE wearables.metrics IS
  'what is stored; value is in unit, within lowest and highest or the reading is quarantined';
COMMENT ON COLUMN wearables.metrics.unit IS 'canonical unit, as charts show it';
COMMENT ON COLUMN wearables.metrics.ucum IS
  'the same unit as a case-sensitive UCUM code, for exchange (FHIR); what is only counted or scored has an annotation: '
  '{steps}, {score}; null: of a metric added here whose unit nobody has coded';
COMMENT ON COLUMN wearables.metrics.codes IS
  'of a coded value: what each number stands for; null: the value is a quantity in unit';
COMMENT ON COLUMN wearables.metrics.kind IS
  'what a reading describes: instant (ts), interval (ts to ts_end, half-open), session (the whole session of its '
  'document, such as a night; ts is when that ended, so that a night counts on the day of waking, and its start is in '
  'the document)';
COMMENT ON COLUMN wearables.metrics.aggregate IS 'how timeseries() makes one value of a bucket''s readings';
COMMENT ON COLUMN wearables.metrics.parent IS
  'for a name that fields of a sample extended (cholesterol/hdl): the metric it extends, by whose name timeseries() '
  'reads all of them';
COMMENT ON COLUMN wearables.metrics.origin IS
  'shipped, changed (shipped, then altered here), user (added here), extended (made when fields of a sample named it)';
SELECT pg_extension_config_dump('wearables.metrics', 'WHERE origin <> ''shipped''');

COMMENT ON COLUMN wearables.metrics.unused_since IS 'of an extended one: as in sources';

CREATE TABLE wearables.units (
  metric text COLLATE "C" NOT NULL REFERENCES wearables.metrics (name) ON UPDATE CASCADE ON DELETE CASCADE,
  text   text COLLATE "C" NOT NULL CHECK (text <> ''),
  factor double precision NOT NULL DEFAULT 1 CHECK (factor <> 0),
  shift  double precision NOT NULL DEFAULT 0,
  origin text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user')),
  PRIMARY KEY (metric, text)
);
COMMENT ON TABLE wearables.units IS
  'a spelling of a unit: canonical value = value * factor + shift; the canonical unit itself needs no row';
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
COMMENT ON TABLE wearables.sources IS
  'where a reading comes from: provider slug, source type, channel; made when first seen';
COMMENT ON COLUMN wearables.sources.channel IS
  'timeseries, or the summary resource a reading was derived from, or the channel that its mapping gives a part of '
  'that resource (nap)';
COMMENT ON COLUMN wearables.sources.origin IS
  'seen (made when first named), changed (seen, then altered here), user (added here)';
COMMENT ON COLUMN wearables.sources.unused_since IS
  'when reclaim_names() found no sample of it; the next time that it does, the row goes, unless it was named again';
COMMENT ON COLUMN wearables.sources.floating_time IS
  'its instants are wall-clock time dressed as UTC, to be read in the time_zone or by the offset of the document, else '
  'in the user''s time zone';
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
  one_per       text CHECK (one_per IN ('day', 'source')),
  session_start text,
  session_end   text,
  note          text,
  origin        text NOT NULL DEFAULT 'user' CHECK (origin IN ('shipped', 'changed', 'user'))
);
COMMENT ON TABLE wearables.resources IS 'the vendor''s input shapes; a resource that no row knows is skipped, visibly';
COMMENT ON COLUMN wearables.resources.name IS
  'as an event type of readings names it, without a full stop; of event types that carry no readings: the type '
  'without its last word if a full stop is left, else all of it, with one behind it if there is none (labtest.order, '
  'sleep.created, ping.), and all of a lifecycle event''s type; (no event type) and (no user) for bodies that say '
  'neither';
COMMENT ON COLUMN wearables.resources.kind IS
  'timeseries (groups of samples), summary (documents with an id; without a mapping the document is kept and yields '
  'no sample), skipped (stored, read by nobody: see note)';
COMMENT ON COLUMN wearables.resources.rest_path IS 'path of the REST API, {user_id} to be filled in';
COMMENT ON COLUMN wearables.resources.backfill_days IS 'what a sync() asks for that names no start';
COMMENT ON COLUMN wearables.resources.rest_range IS
  'how the path takes a range: as instants, as calendar dates (both inclusive), or not at all';
COMMENT ON COLUMN wearables.resources.window_days IS 'a longer range is pulled in parts of so many days; null: at once';
COMMENT ON COLUMN wearables.resources.connection_days IS
  'how many days are pulled when somebody connects a provider; 0: nothing';
COMMENT ON COLUMN wearables.resources.one_per IS
  'of summaries: there is one document a source and calendar day (day), or one a source (source), under whatever id: '
  'it replaces the one before it whole; null: any number, each known by its id';
COMMENT ON COLUMN wearables.resources.session_start IS
  'of summaries: with session_end the fields between whose instants a document lies, such as a night. A session is '
  'superseded by a newer one of the same source that contains it: its readings do not stand. Null: no sessions';
COMMENT ON COLUMN wearables.resources.session_end IS 'see session_start';
COMMENT ON COLUMN wearables.resources.list_key IS 'member that holds the documents in a REST answer';
SELECT pg_extension_config_dump('wearables.resources', 'WHERE origin <> ''shipped''');

CREATE FUNCTION wearables_internal.is_path(path text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN path ~ '^[^.[:cntrl:]]+([.][^.[:cntrl:]]+)*$' AND length(path) <= 200
  AND path !~ '^[*]([.]|$)' AND path || '.' !~ '[.][*][.](.*[.])?[*][.]';
COMMENT ON FUNCTION wearables_internal.is_path(text) IS
  'whether the text can be a path of a mapping: member names joined by dots, a '
  'number for a place in a list, one * for every place';

-- here, for the function is younger than the table
ALTER TABLE wearables.resources
  ADD CONSTRAINT resources_session_is_two_paths CHECK (
    (session_start IS NULL) = (session_end IS NULL)
    AND wearables_internal.is_path(session_start) AND wearables_internal.is_path(session_end)
    AND session_start || session_end !~ '[*]');

CREATE FUNCTION wearables_internal.are_paths(paths text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN cardinality(paths) > 0 AND array_position(paths, NULL) IS NULL
  AND (SELECT bool_and(wearables_internal.is_path(p)) FROM unnest(paths) p);
COMMENT ON FUNCTION wearables_internal.are_paths(text[]) IS 'whether every element is_path(), and there is one';

CREATE FUNCTION wearables_internal.lists_read(paths text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT count(*) FROM unnest(paths) p WHERE p || '.' ~ '[.][*][.]');
COMMENT ON FUNCTION wearables_internal.lists_read(text[]) IS 'how many of the paths read every place of a list by *';

CREATE FUNCTION wearables_internal.are_codes(codes jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_typeof(codes) = 'object' AND codes <> '{}'
  AND NOT jsonb_path_exists(codes, 'strict $.* ? (@.type() != "number" && @.type() != "null")');
COMMENT ON FUNCTION wearables_internal.are_codes(jsonb) IS 'whether it is an object whose values are numbers, or null';

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
  'the parser: which field of which resource becomes which metric. The key is resource, provider, metric and channel, '
  'and of rows that differ in their condition alone, the condition. A provider''s rows take the place of the general '
  'ones of the same metric and channel. Of what is left, the rows with a condition are tried by ordinal, then '
  'mapping_id, those of a metric and of the metrics whose parent it is together; the first whose condition holds reads '
  'the record, and then no row without a condition of its metric, or of the parent of its metric, does';
COMMENT ON COLUMN wearables.mappings.provider IS
  'null: every provider that has no row of its own for this resource, metric and channel';
COMMENT ON COLUMN wearables.mappings.only_where_field IS
  'the row reads a record only where this field holds one of only_where_texts; a path as of value_fields, without *; '
  'of a timeseries source.x is a member of the source beside the samples; null: no condition';
COMMENT ON COLUMN wearables.mappings.only_where_texts IS 'texts, or numbers as they are written';
COMMENT ON COLUMN wearables.mappings.channel IS
  'of the sources of the readings, such as nap beside sleep; only of a summary, and of one resource only; null: the '
  'resource''s own, which is its name, or timeseries';
COMMENT ON COLUMN wearables.mappings.ordinal IS
  'rows with a condition are tried in ascending order of it, then of mapping_id';
COMMENT ON COLUMN wearables.mappings.value_fields IS
  'candidates in order of preference; paths relative to the sample or the document; hr_zones.0 is the first of a '
  'list, stages.*.type yields a reading for each place of it (a list is read by * or by numbers, not both; of an '
  'object * is each member)';
COMMENT ON COLUMN wearables.mappings.instant_fields IS
  'candidates for the instant, in order of preference; a bare date, all of calendar_date, and midnight UTC of the '
  'document''s calendar_date (else its date) are no instant but that day, in whatever zone (samples.day); * is the '
  'place that the value came from';
COMMENT ON COLUMN wearables.mappings.end_field IS
  'end of an interval reading; a bare date ends with that day, at 00:00 UTC of the next';
COMMENT ON COLUMN wearables.mappings.base_field IS
  'instant that numbers in instant_fields and end_field are seconds after; of a bare date 00:00 by timezone_offset or '
  'zone_offset, else UTC';
COMMENT ON COLUMN wearables.mappings.unit_up_to_one IS
  'instead of unit or unit_default for values from -1 to 1, where a vendor writes fractions and percent into one field';
COMMENT ON COLUMN wearables.mappings.unit IS
  'unit of the value where no field holds one (unit_field is null); null: the metric''s canonical unit';
COMMENT ON COLUMN wearables.mappings.unit_field IS
  'field that holds the unit of the value; where it is absent, null or empty, unit_default is the unit';
COMMENT ON COLUMN wearables.mappings.unit_default IS
  'null: a reading whose unit_field does not say is quarantined as missing_unit; without a unit_field it means nothing';
COMMENT ON COLUMN wearables.mappings.extends IS
  'fields of closed vocabularies that tell readings of one instant apart: their texts become part of the metric''s '
  'name, joined by / in this order, type as it is (cholesterol/hdl), every other field as field=text '
  '(workout_duration/intensity=low); what is absent, null or empty is left out; a row of metrics of that name gives '
  'unit, units and range, else one is made after the metric. Paths without *; of a timeseries source.x is a member of '
  'the source beside the samples. A field with an open vocabulary would make a metric of each of its texts';
COMMENT ON COLUMN wearables.mappings.part_fields IS
  'fields of open vocabularies (the ids of workouts and devices) that tell readings of one instant apart: a hash of '
  'their texts and numbers goes into the part of the reading''s key; 0, or the document''s part, where they are '
  'absent, null or empty; paths as of extends';
COMMENT ON COLUMN wearables.mappings.sum_field IS
  'path with a *, of the places of a list or the members of an object: their sum is the value where no value field is '
  'present';
COMMENT ON COLUMN wearables.mappings.codes IS
  'the value is a text (or true, false): the number that stands for each, "*" for any other, null for no reading; a '
  'text that is not among them is quarantined as unknown_code';
COMMENT ON COLUMN wearables.mappings.enabled IS
  'false: yields nothing, which is how a shipped row is switched off; with a '
  'provider, the general rows of metric and channel are off for that provider';
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
  'fields that are known and yield no reading, with all that is below them, and texts that a field may hold; what '
  'neither a mapping nor a row here knows shows in drift';
COMMENT ON COLUMN wearables.known_fields.resource IS 'null: every resource';
COMMENT ON COLUMN wearables.known_fields.path IS
  'member names joined by dots, relative to the sample or the document; source.x also '
  'where the source stands beside the samples';
COMMENT ON COLUMN wearables.known_fields.texts IS
  'every text that is known here; null: any; of time_zone texts that are no zone, and of which drift need not tell';
SELECT pg_extension_config_dump('wearables.known_fields', 'WHERE origin <> ''shipped''');
