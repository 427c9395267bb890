-- A change of the parser moves the revision and marks the row as the user's. Made after the shipped rows,
-- so that only changes made later count.

-- A trigger function works on the tables it was made for and refuses any other: there, a column could be of a type
-- whose casts run with the owner's rights. In schema wearables only the owner can make a table.

CREATE FUNCTION wearables_internal.note_revision() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  doc jsonb;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables'
     OR TG_TABLE_NAME <> ALL ('{mappings,known_fields,units,resources,sources,metrics}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  doc := to_jsonb(CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END);
  -- two changes at once must not take the same number
  LOCK TABLE wearables.revisions IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO wearables.revisions (revision, relation, what)
  SELECT max(r.revision) + 1, TG_TABLE_NAME,
         lower(TG_OP) || ' ' || concat_ws(' ', doc ->> 'resource', doc ->> 'provider', doc ->> 'metric',
                                          CASE TG_TABLE_NAME WHEN 'mappings' THEN doc ->> 'channel' END,
                                          doc ->> 'name', doc ->> 'text', doc ->> 'path')
  FROM wearables.revisions r
  -- In REPEATABLE READ the snapshot may be older than the lock and not show the last number. Then the server raises
  -- serialization_failure, and not unique_violation as it would without this.
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.note_revision() IS
  'Trigger function: adds one row to revisions for each changed row of the parser.';

CREATE FUNCTION wearables_internal.mark_origin() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- only who restores a dump puts rows in the place of shipped ones
  restores boolean := pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE');
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables'
     OR TG_TABLE_NAME <> ALL ('{mappings,known_fields,units,resources,metrics,metric_codes,sources}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF OLD.origin IN ('shipped', 'changed') AND NOT (restores AND pg_trigger_depth() > 1) THEN
      RAISE EXCEPTION 'cannot delete a shipped row of "%"', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'The next installation or restore would bring it back.',
              HINT = CASE TG_TABLE_NAME
                     WHEN 'mappings' THEN
                       'Disable it: UPDATE wearables.mappings SET enabled = false WHERE mapping_id = '
                       || (to_jsonb(OLD) ->> 'mapping_id') || ';'
                     WHEN 'metric_codes' THEN 'Set its rank to 0 to switch it off.'
                     ELSE 'Change the row instead.' END;
    END IF;
    RETURN OLD;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    NEW.origin := CASE WHEN OLD.origin IN ('shipped', 'changed', 'seen') THEN 'changed' ELSE OLD.origin END;
    RETURN NEW;
  END IF;
  -- a restore brings back what the user made of a shipped row: it takes the shipped row's place
  IF NEW.origin IN ('shipped', 'changed') THEN
    NEW.origin := CASE WHEN restores THEN 'changed' ELSE 'user' END;
    CASE WHEN NOT restores THEN NULL;
      WHEN TG_TABLE_NAME = 'mappings' THEN
        DELETE FROM wearables.mappings m WHERE m.mapping_id = (to_jsonb(NEW) ->> 'mapping_id')::integer;
      WHEN TG_TABLE_NAME = 'units' THEN
        DELETE FROM wearables.units u WHERE u.metric = to_jsonb(NEW) ->> 'metric' AND u.text = to_jsonb(NEW) ->> 'text';
      WHEN TG_TABLE_NAME = 'known_fields' THEN
        DELETE FROM wearables.known_fields k
        WHERE k.resource IS NOT DISTINCT FROM to_jsonb(NEW) ->> 'resource' AND k.path = to_jsonb(NEW) ->> 'path';
      WHEN TG_TABLE_NAME = 'metric_codes' THEN
        DELETE FROM wearables.metric_codes c
        WHERE (c.metric, c.system, c.scope, c.code) = (to_jsonb(NEW) ->> 'metric', to_jsonb(NEW) ->> 'system',
                                                       to_jsonb(NEW) ->> 'scope', to_jsonb(NEW) ->> 'code');
      ELSE NULL;
    END CASE;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION wearables_internal.mark_origin() IS
  'Trigger function: marks changed shipped rows and rows added by users, and lets a restored row replace the '
  'shipped one.';

CREATE FUNCTION wearables_internal.restore_in_place() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables'
     OR TG_TABLE_NAME <> ALL ('{metrics,resources,revisions}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE') THEN
    NEW.origin := 'user';
    RETURN NEW;
  END IF;
  -- rows that others refer to cannot be deleted first: they are changed where they stand
  IF TG_TABLE_NAME = 'revisions' THEN
    DELETE FROM wearables.revisions r WHERE r.revision = NEW.revision;
  ELSIF TG_TABLE_NAME = 'metrics' AND NEW.origin = 'changed' THEN
    -- It may have been renamed, and its new name may be that of a row that was renamed, too, and is restored later.
    PERFORM set_config('wearables_restore.metrics', 'on', true);
    UPDATE wearables.metrics m SET name = 'shipped_' || m.metric_id
    WHERE m.name = NEW.name AND m.metric_id <> NEW.metric_id AND m.origin = 'shipped';
    UPDATE wearables.metrics m SET (name, unit, ucum, codes, aggregate, kind, lowest, highest, parent, origin) =
      ROW(NEW.name, NEW.unit, NEW.ucum, NEW.codes, NEW.aggregate, NEW.kind, NEW.lowest, NEW.highest, NEW.parent,
          'changed')
      WHERE m.metric_id = NEW.metric_id;
    RETURN CASE WHEN FOUND THEN NULL ELSE NEW END;
  ELSIF TG_TABLE_NAME = 'resources' AND NEW.origin = 'changed' THEN
    UPDATE wearables.resources r
    SET (kind, rest_path, list_key, backfill_days, rest_range, window_days, connection_days, reconcile_days, one_per,
         session_start, session_end, pull_stream, note, origin) =
      (SELECT d.kind, d.rest_path, d.list_key, d.backfill_days, d.rest_range, d.window_days, d.connection_days,
              d.reconcile_days, d.one_per, d.session_start, d.session_end,
              d.pull_stream AND r.stream_path IS NOT NULL, d.note, 'changed'
       FROM jsonb_populate_record(NULL::wearables.resources, to_jsonb(NEW)) d) WHERE r.name = NEW.name;
    RETURN CASE WHEN FOUND THEN NULL ELSE NEW END;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION wearables_internal.restore_in_place() IS
  'Trigger function: lets a row from a dump replace the row that this installation made.';

-- What the constraints refuse, said so that the next attempt succeeds.
CREATE FUNCTION wearables_internal.check_mapping() RETURNS trigger
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  field text;
  path text;
  shape wearables.resources;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> ALL ('{mappings}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  FOR field, path IN
    SELECT 'value_fields', unnest(NEW.value_fields) UNION ALL SELECT 'instant_fields', unnest(NEW.instant_fields)
    UNION ALL VALUES ('secondary_field', NEW.secondary_field), ('end_field', NEW.end_field),
                     ('unit_field', NEW.unit_field), ('base_field', NEW.base_field),
                     ('sum_field', NEW.sum_field) LOOP
    CONTINUE WHEN path IS NULL OR wearables_internal.is_path(path);
    RAISE EXCEPTION '"%" in % is not a valid path', path, field
      USING ERRCODE = 'check_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = field,
            HINT = 'Give member names joined by dots, relative to the sample or the document: '
                   'heart_rate.resting_bpm, hr_zones.0, stages.*.type; one * at most, not at the start.';
  END LOOP;
  FOR field, path IN
    SELECT 'extends', unnest(NEW.extends) UNION ALL SELECT 'part_fields', unnest(NEW.part_fields)
    UNION ALL VALUES ('only_where_field', NEW.only_where_field) LOOP
    CONTINUE WHEN path IS NULL OR (wearables_internal.is_path(path) AND path !~ '[*]');
    RAISE EXCEPTION '"%" in % is not a path without *', path, field
      USING ERRCODE = 'check_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = field,
            HINT = 'Give member names joined by dots, without *. The path is read once for each sample or document.';
  END LOOP;
  IF (NEW.only_where_field IS NULL) <> (NEW.only_where_texts IS NULL) THEN
    RAISE EXCEPTION 'only_where_field and only_where_texts must be given together'
      USING ERRCODE = 'check_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'only_where_texts',
            HINT = 'Give both only_where_field and only_where_texts, or neither.';
  END IF;
  SELECT r.* INTO shape FROM wearables.resources r WHERE r.name = NEW.resource;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'resource "%" does not exist', NEW.resource
      USING ERRCODE = 'foreign_key_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'resource',
            HINT = format('A resource has the name that the event type uses. To add it: '
                          'INSERT INTO wearables.resources (name, kind) VALUES (%L, ''timeseries''), '
                          'or ''summary'' for documents with an id.',
                          NEW.resource);
  END IF;
  IF NOT EXISTS (SELECT FROM wearables.metrics m WHERE m.name = NEW.metric) THEN
    RAISE EXCEPTION 'metric "%" does not exist', NEW.metric
      USING ERRCODE = 'foreign_key_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'metric',
            HINT = format('To add it: INSERT INTO wearables.metrics (name, unit) VALUES (%L, ''its unit'').',
                          NEW.metric);
  END IF;
  -- a resource that became a timeseries later does without its channels: its rows may still be changed, and restored
  IF NEW.channel IN (NEW.resource, 'timeseries')
     OR (NEW.channel IS NOT NULL AND shape.kind = 'timeseries'
         AND CASE TG_OP WHEN 'INSERT' THEN NEW.origin = 'user'
             ELSE (NEW.channel, NEW.resource) IS DISTINCT FROM (OLD.channel, OLD.resource) END) THEN
    RAISE EXCEPTION 'readings of resource "%" cannot have the channel "%"', NEW.resource, NEW.channel
      USING ERRCODE = 'check_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'channel',
            HINT = CASE shape.kind WHEN 'timeseries' THEN 'Leave it null: samples of a timeseries have the channel '
                     'timeseries.'
                   ELSE 'Leave it null: then the channel is the name of the resource.' END;
  END IF;
  IF NEW.unit IS NOT NULL AND NEW.unit_field IS NOT NULL THEN
    RAISE EXCEPTION 'a mapping cannot have both unit and unit_field'
      USING ERRCODE = 'check_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'unit',
            HINT = 'Use unit_default for readings whose unit_field says nothing.';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION wearables_internal.check_mapping() IS
  'Trigger function: refuses a mapping that cannot work, with a hint that says what to write instead.';

CREATE FUNCTION wearables_internal.check_channel() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  other text;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> ALL ('{mappings,resources}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  IF TG_TABLE_NAME = 'resources' THEN
    SELECT min(m.resource) INTO other FROM wearables.mappings m WHERE m.channel = NEW.name;
    IF other IS NULL THEN RETURN NULL; END IF;
    RAISE EXCEPTION 'name "%" is used for a channel of resource "%"', NEW.name, other
      USING ERRCODE = 'unique_violation', SCHEMA = 'wearables', TABLE = 'resources', COLUMN = 'name',
            HINT = 'Use another name. A resource''s name is also its channel, and a channel belongs to one resource.';
  END IF;
  SELECT min(o.resource) INTO other
  FROM (SELECT m.resource FROM wearables.mappings m WHERE m.channel = NEW.channel AND m.resource <> NEW.resource
        UNION ALL SELECT r.name FROM wearables.resources r WHERE r.name = NEW.channel) o;
  IF other IS NOT NULL THEN
    RAISE EXCEPTION 'the channel "%" belongs to resource "%"', NEW.channel, other
      USING ERRCODE = 'unique_violation', SCHEMA = 'wearables', TABLE = 'mappings', COLUMN = 'channel',
            DETAIL = 'The readings of a channel are derived from the documents of one resource.',
            HINT = format('Use another channel for the readings of resource "%s".', NEW.resource);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.check_channel() IS
  'Trigger function: refuses a channel that belongs to another resource. Its name sorts after note_revision, so it '
  'runs while that trigger''s lock on revisions is held: every concurrent change is either visible or not yet '
  'begun.';

CREATE FUNCTION wearables_internal.keep_used_metric() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tries CONSTANT integer := 60;
  pause CONSTANT double precision := 0.05;  -- seconds
  alone boolean := false;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'metrics' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on tables of the parser.';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    -- a restore brings the row as it was when these samples were written
    IF NEW.unit = OLD.unit OR current_setting('wearables_restore.metrics', true) = 'on' THEN RETURN NEW; END IF;
  ELSIF OLD.unused_since IS NOT NULL THEN
    RETURN OLD;  -- reclaim_names() has looked, under a lock
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'a metric can be deleted, or get another unit, only in a READ COMMITTED transaction'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'The snapshot of this transaction may be older than samples of the metric.',
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  -- Whoever writes samples holds this table from before he reads the parser to the end of his transaction: so whoever
  -- read of the metric has written, and whoever has not read yet will not find it. The lock is taken when this
  -- transaction commits, so that one that stays open stops nobody. It is tried, not awaited, because nobody could begin
  -- to write while this waited for another that stays open.
  FOR try IN 1 .. CASE TG_WHEN WHEN 'AFTER' THEN tries ELSE 0 END LOOP
    BEGIN
      LOCK TABLE wearables.sources IN SHARE ROW EXCLUSIVE MODE NOWAIT;
      alone := true;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(pause);
    END;
    EXIT WHEN alone;
  END LOOP;
  IF TG_WHEN = 'AFTER' AND NOT alone THEN
    RAISE EXCEPTION 'metric "%" may be in use by another transaction', OLD.name
      USING ERRCODE = 'lock_not_available', DETAIL = 'Other transactions are writing samples.',
            HINT = 'Run the transaction again when they have ended.';
  END IF;
  -- from one user to the next by the key, since no index begins with the metric
  IF EXISTS (SELECT FROM wearables.users u
             CROSS JOIN LATERAL (SELECT FROM wearables.sample_points p
                                 WHERE p.user_id = u.user_id AND p.metric_id = OLD.metric_id
                                 UNION ALL
                                 SELECT FROM wearables.frozen_rollups r
                                 WHERE r.user_id = u.user_id AND r.metric_id = OLD.metric_id LIMIT 1) x) THEN
    RAISE EXCEPTION 'metric "%" has samples', OLD.name
      USING ERRCODE = 'dependent_objects_still_exist',
            DETAIL = 'They would be shown in another unit, or under the name of a later metric.',
            HINT = 'Delete its samples first, or add a metric of another name.';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
COMMENT ON FUNCTION wearables_internal.keep_used_metric() IS
  'Trigger function: refuses to delete a metric that has samples, or to change its unit. It looks at the statement, '
  'and once more when the transaction commits, for samples that were written meanwhile.';
CREATE TRIGGER keep_used_metric BEFORE DELETE OR UPDATE OF unit ON wearables.metrics
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.keep_used_metric();
CREATE CONSTRAINT TRIGGER keep_written_metric AFTER DELETE OR UPDATE OF unit ON wearables.metrics
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wearables_internal.keep_used_metric();

CREATE TRIGGER check_mapping BEFORE INSERT OR UPDATE ON wearables.mappings
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.check_mapping();

CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.metrics
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.restore_in_place();
CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.resources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.restore_in_place();
CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.revisions
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.restore_in_place();

CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.mappings
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.known_fields
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.units
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.metric_codes
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE UPDATE OR DELETE ON wearables.metrics
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE UPDATE OR DELETE ON wearables.resources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();
CREATE TRIGGER mark_origin BEFORE UPDATE OF floating_time ON wearables.sources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.mark_origin();

CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.mappings
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.note_revision();
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.known_fields
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.note_revision();
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.units
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.note_revision();
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.resources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.note_revision();
-- In the order of names these come after note_revision, which makes them one after the other.
CREATE CONSTRAINT TRIGGER one_resource_of_channel AFTER INSERT OR UPDATE ON wearables.mappings
  FOR EACH ROW WHEN (NEW.channel IS NOT NULL) EXECUTE FUNCTION wearables_internal.check_channel();
CREATE CONSTRAINT TRIGGER one_resource_of_channel AFTER INSERT OR UPDATE OF name ON wearables.resources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.check_channel();
-- which sources have floating time is read with the mappings; a source that is new changes nothing
CREATE TRIGGER note_revision AFTER UPDATE OF provider, source_type, channel, floating_time ON wearables.sources
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.note_revision();
CREATE TRIGGER note_removal AFTER DELETE ON wearables.sources FOR EACH ROW
  WHEN (OLD.unused_since IS NULL) EXECUTE FUNCTION wearables_internal.note_revision();
-- a metric that fields of a sample named changes nothing of the parser
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE ON wearables.metrics FOR EACH ROW
  WHEN (NEW.origin <> 'extended') EXECUTE FUNCTION wearables_internal.note_revision();
CREATE TRIGGER note_removal AFTER DELETE ON wearables.metrics FOR EACH ROW
  WHEN (OLD.unused_since IS NULL) EXECUTE FUNCTION wearables_internal.note_revision();
