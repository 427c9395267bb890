-- A change of the parser moves the revision and marks the row as the user's. Made after the shipped rows,
-- so that only changes made later count.

CREATE FUNCTION wearables.note_revision() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  doc jsonb := to_jsonb(CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END);
BEGIN
  -- two changes at once must not take the same number
  LOCK TABLE wearables.revisions IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO wearables.revisions (revision, relation, what)
  SELECT max(r.revision) + 1, TG_TABLE_NAME,
         lower(TG_OP) || ' ' || concat_ws(' ', doc ->> 'resource', doc ->> 'provider', doc ->> 'metric', doc ->> 'name', doc ->> 'text')
  FROM wearables.revisions r;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables.note_revision() IS 'trigger: one row in revisions for each changed row of the parser';

CREATE FUNCTION wearables.mark_origin() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.origin IN ('shipped', 'changed') AND pg_trigger_depth() = 1 THEN
      RAISE EXCEPTION 'cannot delete a shipped row of "%"', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'The next installation or restore would bring it back.',
              HINT = CASE TG_TABLE_NAME WHEN 'mappings' THEN 'Switch it off: UPDATE wearables.mappings SET enabled = false WHERE mapping_id = ' || (to_jsonb(OLD) ->> 'mapping_id') || ';'
                     ELSE 'Change the row instead.' END;
    END IF;
    RETURN OLD;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF OLD.origin = 'shipped' THEN NEW.origin := 'changed'; END IF;
    RETURN NEW;
  END IF;
  -- a restore brings back what the user made of a shipped row: it takes the shipped row's place
  IF NEW.origin IN ('shipped', 'changed') THEN
    NEW.origin := 'changed';
    CASE TG_TABLE_NAME
      WHEN 'mappings' THEN DELETE FROM wearables.mappings m WHERE m.mapping_id = (to_jsonb(NEW) ->> 'mapping_id')::integer;
      WHEN 'units' THEN
        DELETE FROM wearables.units u WHERE u.metric = to_jsonb(NEW) ->> 'metric' AND u.text = to_jsonb(NEW) ->> 'text';
      ELSE NULL;
    END CASE;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION wearables.mark_origin() IS 'trigger: tells shipped rows from the user''s, and lets a restore put the user''s in their place';

CREATE FUNCTION wearables.restore_in_place() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- rows that others refer to cannot be deleted first: they are changed where they stand
  IF TG_TABLE_NAME = 'revisions' THEN
    DELETE FROM wearables.revisions r WHERE r.revision = NEW.revision;
  ELSIF TG_TABLE_NAME = 'metrics' AND NEW.origin = 'changed' THEN
    UPDATE wearables.metrics m SET (unit, aggregate, kind, lowest, highest, origin) =
      ROW(NEW.unit, NEW.aggregate, NEW.kind, NEW.lowest, NEW.highest, 'changed') WHERE m.metric_id = NEW.metric_id;
    RETURN CASE WHEN FOUND THEN NULL ELSE NEW END;
  ELSIF TG_TABLE_NAME = 'resources' AND NEW.origin = 'changed' THEN
    UPDATE wearables.resources r SET (kind, rest_path, list_key, backfill_days, note, origin) =
      (SELECT d.kind, d.rest_path, d.list_key, d.backfill_days, d.note, 'changed'
       FROM jsonb_populate_record(NULL::wearables.resources, to_jsonb(NEW)) d) WHERE r.name = NEW.name;
    RETURN CASE WHEN FOUND THEN NULL ELSE NEW END;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION wearables.restore_in_place() IS 'trigger: a restored row takes the place of the one this installation made';

CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.metrics FOR EACH ROW EXECUTE FUNCTION wearables.restore_in_place();
CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.resources FOR EACH ROW EXECUTE FUNCTION wearables.restore_in_place();
CREATE TRIGGER restore_in_place BEFORE INSERT ON wearables.revisions FOR EACH ROW EXECUTE FUNCTION wearables.restore_in_place();

CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.mappings FOR EACH ROW EXECUTE FUNCTION wearables.mark_origin();
CREATE TRIGGER mark_origin BEFORE INSERT OR UPDATE OR DELETE ON wearables.units FOR EACH ROW EXECUTE FUNCTION wearables.mark_origin();
CREATE TRIGGER mark_origin BEFORE UPDATE OR DELETE ON wearables.metrics FOR EACH ROW EXECUTE FUNCTION wearables.mark_origin();
CREATE TRIGGER mark_origin BEFORE UPDATE OR DELETE ON wearables.resources FOR EACH ROW EXECUTE FUNCTION wearables.mark_origin();

CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.mappings FOR EACH ROW EXECUTE FUNCTION wearables.note_revision();
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.units FOR EACH ROW EXECUTE FUNCTION wearables.note_revision();
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE OR DELETE ON wearables.resources FOR EACH ROW EXECUTE FUNCTION wearables.note_revision();
-- which sources have floating time is read with the mappings; a source that is new changes nothing
CREATE TRIGGER note_revision AFTER UPDATE OR DELETE ON wearables.sources FOR EACH ROW EXECUTE FUNCTION wearables.note_revision();
-- a metric that a sample's type extended changes nothing of the parser
CREATE TRIGGER note_revision AFTER INSERT OR UPDATE ON wearables.metrics FOR EACH ROW
  WHEN (NEW.origin <> 'extended') EXECUTE FUNCTION wearables.note_revision();
CREATE TRIGGER note_removal AFTER DELETE ON wearables.metrics FOR EACH ROW EXECUTE FUNCTION wearables.note_revision();
