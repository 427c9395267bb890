-- Registering a person frees what was parked for them.

CREATE FUNCTION wearables_internal.lock_parking() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_lock_parking';
COMMENT ON FUNCTION wearables_internal.lock_parking() IS
  'Takes the parking lock until the transaction ends: no other session parks an event or releases parked ones '
  'meanwhile.';

CREATE FUNCTION wearables_internal.free_parked(endpoint text, external_user_id text, client_user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- a job that is there already is left out rather than run into: its holder may wait for the parking lock
  WITH freed AS (
    DELETE FROM wearables.parked_events p
    WHERE (p.external_user_id = $2 AND p.endpoint = $1) OR p.client_user_id = $3
    RETURNING p.event_id, p.received_at)
  INSERT INTO wearables.jobs (event_id, received_at, dedupe_key)
  SELECT f.event_id, f.received_at, 'event:' || f.event_id FROM freed f
  WHERE NOT EXISTS (SELECT FROM wearables.jobs j
                    WHERE j.dedupe_key = 'event:' || f.event_id AND j.state IN ('ready', 'running'))
  ORDER BY f.event_id
  ON CONFLICT (dedupe_key) WHERE state IN ('ready', 'running') DO NOTHING;
  IF FOUND THEN PERFORM wearables_internal.wake_workers(); END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.free_parked(text, text, text) IS
  'Queues the events that are parked for a user, found by external user id at the endpoint or by client user id. '
  'The caller holds lock_parking().';

CREATE FUNCTION wearables_internal.free_registered() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME NOT IN ('users', 'user_links') THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated',
            DETAIL = 'Its function can only be used on wearables.users and wearables.user_links.';
  END IF;
  -- of one who was there nothing is about to be parked: something may have been left by other means
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'users' THEN
    IF NEW.client_user_id = OLD.client_user_id AND NOT EXISTS (SELECT FROM wearables.parked_events p) THEN
      RETURN NULL;
    END IF;
  END IF;
  -- A worker that is about to park an event holds the same lock while it looks for the person a last time.
  PERFORM wearables_internal.lock_parking();
  IF TG_TABLE_NAME = 'users' THEN
    PERFORM wearables_internal.free_parked(NULL, NULL, NEW.client_user_id);
    IF TG_OP = 'UPDATE' THEN
      PERFORM wearables_internal.free_parked(l.endpoint, l.external_user_id, NULL)
      FROM wearables.user_links l WHERE l.user_id = NEW.user_id ORDER BY l.endpoint, l.external_user_id;
    END IF;
  ELSE
    PERFORM wearables_internal.free_parked(NEW.endpoint, NEW.external_user_id, NULL);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.free_registered() IS
  'Trigger function: queues what is parked for a new user or link. At the end of the transaction, so that one that '
  'registers somebody and stays open keeps nobody else from registering or parking.';
-- register_user() sets the time zone of one who is there
CREATE CONSTRAINT TRIGGER free_registered AFTER INSERT OR UPDATE OF client_user_id, time_zone ON wearables.users
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.client_user_id IS NOT NULL)
  EXECUTE FUNCTION wearables_internal.free_registered();
CREATE CONSTRAINT TRIGGER free_registered AFTER INSERT OR UPDATE OF external_user_id ON wearables.user_links
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wearables_internal.free_registered();

CREATE FUNCTION wearables_internal.check_not_erased(
  client_user_id text, endpoint text, external_user_id text, again boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  erased wearables.erased_ids;
BEGIN
  FOR erased IN
    SELECT t.* FROM wearables.erased_ids t
    WHERE t.again_at IS NULL
      AND t.id_hash IN (wearables_internal.client_id_hash($1), wearables_internal.external_id_hash($2, $3)) LOOP
    -- no message names the person: it would stand in the log
    IF $4 IS NOT TRUE THEN
      RAISE EXCEPTION 'the user was erased at %', date_trunc('second', erased.erased_at)
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'To begin anew, call register_user() with again => true. What was erased does not come back.';
    END IF;
    IF wearables_internal.is_being_erased(erased.user_id) THEN
      RAISE EXCEPTION 'the erasure of the user is not finished'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Wait until erasures.finished_at is set, or CALL wearables.drain().';
    END IF;
    UPDATE wearables.erased_ids t SET again_at = clock_timestamp()
    WHERE t.user_id = erased.user_id AND t.again_at IS NULL;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.check_not_erased(text, text, text, boolean) IS
  'Raises an error if one of the ids is that of an erased user. With again: notes that events created from now on are '
  'stored.';

CREATE FUNCTION wearables.register_user(
  client_user_id text, external_user_id text DEFAULT NULL, endpoint text DEFAULT NULL, time_zone text DEFAULT NULL,
  again boolean DEFAULT false)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person bigint;
  sender text := $3;
  linked bigint;
BEGIN
  IF coalesce($1, '') = '' THEN
    RAISE EXCEPTION 'client_user_id must not be null or empty'
      USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the id by which your application knows the user.';
  END IF;
  PERFORM wearables_internal.check_id('client_user_id', $1), wearables_internal.check_id('external_user_id', $2),
          wearables_internal.zone($4);
  IF $2 IS NOT NULL AND sender IS NULL THEN
    IF (SELECT count(*) FROM wearables.endpoints) <> 1 THEN
      RAISE EXCEPTION 'endpoint must be given'
        USING ERRCODE = 'invalid_parameter_value',
              DETAIL = format('There are %s endpoints; an external user id belongs to one.',
                              (SELECT count(*) FROM wearables.endpoints)),
              HINT = 'Name the endpoint, or add one with wearables.add_endpoint().';
    END IF;
    SELECT e.name INTO sender FROM wearables.endpoints e;
  ELSIF sender IS NOT NULL AND NOT EXISTS (SELECT FROM wearables.endpoints e WHERE e.name = sender) THEN
    RAISE EXCEPTION 'endpoint "%" does not exist', sender
      USING ERRCODE = 'undefined_object', HINT = 'Add it with wearables.add_endpoint().';
  END IF;

  PERFORM wearables_internal.check_not_erased($1, sender, $2, $5);

  LOOP
    INSERT INTO wearables.users AS u (client_user_id, time_zone) VALUES ($1, coalesce($4, 'UTC'))
    ON CONFLICT (client_user_id) DO NOTHING RETURNING u.user_id INTO person;
    EXIT WHEN FOUND;
    UPDATE wearables.users u SET time_zone = coalesce($4, u.time_zone) WHERE u.client_user_id = $1
    RETURNING u.user_id INTO person;
    EXIT WHEN FOUND;  -- else they were erased this moment
  END LOOP;
  IF $2 IS NOT NULL THEN
    INSERT INTO wearables.user_links AS l (endpoint, external_user_id, user_id) VALUES (sender, $2, person)
    ON CONFLICT ON CONSTRAINT user_links_pkey DO NOTHING;
    SELECT l.user_id INTO linked FROM wearables.user_links l WHERE l.endpoint = sender AND l.external_user_id = $2;
    IF linked <> person THEN
      RAISE EXCEPTION 'external user id "%" of endpoint "%" is linked to another user', $2, sender
        USING ERRCODE = 'unique_violation',
              HINT = 'If that link is wrong, update or delete the row in wearables.user_links.';
    END IF;
    -- the vendor has that user again
    UPDATE wearables.user_links l SET deleted_at = NULL
    WHERE l.endpoint = sender AND l.external_user_id = $2 AND l.deleted_at IS NOT NULL;
  END IF;

  -- one who was erased while this waited for their row
  PERFORM wearables_internal.check_not_erased($1, sender, $2, $5);
  RETURN person;  -- what is parked is freed at the commit: see free_registered()
END $$;
COMMENT ON FUNCTION wearables.register_user(text, text, text, text, boolean) IS
  'Registers a user, or changes one, and returns the user_id. Events that are parked for the user are queued again '
  'when the transaction commits. Arguments: client_user_id: the application''s own id of the user, as it is given to '
  'the vendor; external_user_id: the vendor''s id of the user (null: it is learned from the first event that names '
  'both ids); endpoint: where that id is valid (null: the only endpoint); time_zone: an IANA region (Europe/Berlin), '
  'UTC, or an ISO offset such as +02:00, two hours east of UTC (null: UTC for a new user, unchanged for a known one); '
  'again: '
  'true to register a user who was erased; the user gets a new user_id, and events that the vendor created before '
  'are still not stored. '
  'Calling it again with the same arguments changes nothing. Raises unique_violation if external_user_id is linked '
  'to another user, undefined_object for an unknown endpoint, object_not_in_prerequisite_state for an erased user '
  'without again, or while the erasure is in progress. Example: SELECT wearables.register_user(''alice'', '
  '''0f3c6b1e'', time_zone => ''Europe/Berlin'');';

CREATE FUNCTION wearables_internal.queue_zone_change() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'users' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on wearables.users.';
  END IF;
  -- A job for each change, whatever others there are: one that runs may be past an event that this change concerns. And
  -- without lock_parking(): whoever has that may wait for the row of users, which is ours here.
  INSERT INTO wearables.jobs (kind, dedupe_key, argument, subject, priority)
  VALUES ('zone', format('zone:%s:%s:change:%s', NEW.user_id, NEW.time_zone, pg_current_xact_id()),
          jsonb_build_object('user_id', NEW.user_id, 'time_zone', NEW.time_zone), NEW.user_id, 10)
  ON CONFLICT (dedupe_key) WHERE state IN ('ready', 'running') DO NOTHING;
  PERFORM wearables_internal.wake_workers();
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.queue_zone_change() IS
  'Trigger function: queues a job of kind zone, which queues the events that were placed by the user''s former '
  'time zone.';

CREATE TRIGGER queue_zone_change AFTER UPDATE OF time_zone ON wearables.users FOR EACH ROW
  WHEN (OLD.time_zone IS DISTINCT FROM NEW.time_zone AND NEW.erased_at IS NULL)
  EXECUTE FUNCTION wearables_internal.queue_zone_change();
