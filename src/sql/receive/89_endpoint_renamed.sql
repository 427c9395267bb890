-- The name of an endpoint stands in what it has sent and in what was asked of it. Without a foreign key there, because
-- each delivery would pay for it, a trigger follows.

CREATE FUNCTION wearables_internal.follow_endpoint_name() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'endpoints' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on wearables.endpoints.';
  END IF;
  -- what is left of a former endpoint of that name
  DELETE FROM wearables.endpoint_activity a WHERE a.endpoint = NEW.name;
  DELETE FROM wearables_internal.silences s WHERE s.endpoint = NEW.name;
  DELETE FROM wearables_internal.silence_looks s WHERE s.endpoint = NEW.name;
  UPDATE wearables.endpoint_activity a SET endpoint = NEW.name WHERE a.endpoint = OLD.name;
  UPDATE wearables_internal.silences s SET endpoint = NEW.name WHERE s.endpoint = OLD.name;
  UPDATE wearables_internal.silence_looks s SET endpoint = NEW.name WHERE s.endpoint = OLD.name;
  -- the ledger, so that a message that is delivered again is a duplicate; events, so that a replay finds their users
  UPDATE wearables.deliveries d SET endpoint = NEW.name WHERE d.endpoint = OLD.name;
  UPDATE wearables.webhook_events e SET endpoint = NEW.name WHERE e.endpoint = OLD.name;
  UPDATE wearables.parked_events p SET endpoint = NEW.name WHERE p.endpoint = OLD.name;
  UPDATE wearables.connection_events c SET endpoint = NEW.name WHERE c.endpoint = OLD.name;
  UPDATE wearables.backfills b SET endpoint = NEW.name WHERE b.endpoint = OLD.name;
  UPDATE wearables.stream_pulls s SET endpoint = NEW.name WHERE s.endpoint = OLD.name;
  UPDATE wearables.vendor_pulls v SET endpoint = NEW.name WHERE v.endpoint = OLD.name;
  UPDATE wearables_internal.calls c SET endpoint = NEW.name WHERE c.endpoint = OLD.name;
  UPDATE wearables_internal.reconciled_spans r SET endpoint = NEW.name WHERE r.endpoint = OLD.name;
  -- a restore gives its events this name
  UPDATE wearables.archived_files f SET endpoint = NEW.name WHERE f.endpoint = OLD.name;
  UPDATE wearables_internal.erasure_ids i SET endpoint = NEW.name WHERE i.endpoint = OLD.name;
  UPDATE wearables.jobs j SET argument = j.argument || jsonb_build_object('endpoint', NEW.name)
  WHERE j.argument ->> 'endpoint' = OLD.name;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.follow_endpoint_name() IS
  'Trigger function: gives the new name of an endpoint to all rows that name it.';
CREATE TRIGGER follow_endpoint_name AFTER UPDATE OF name ON wearables.endpoints FOR EACH ROW
  WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION wearables_internal.follow_endpoint_name();
