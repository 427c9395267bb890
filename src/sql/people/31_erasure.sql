-- Which users were erased: the state of each erasure, and hashes by which later events of these users are known. The
-- functions that erase stand in 84_erase.sql, where all tables are there.

CREATE TABLE wearables.erasures (
  user_id       bigint PRIMARY KEY REFERENCES wearables.users,
  requested_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  requested_by  text NOT NULL,
  delete_vendor boolean NOT NULL,
  step          text NOT NULL DEFAULT 'samples'
                CHECK (step IN ('samples', 'documents', 'connections', 'refused', 'events', 'accesses', 'vendor',
                                'rest', 'done')),
  next_metric   smallint NOT NULL DEFAULT -32768,
  next_ts       timestamptz NOT NULL DEFAULT '-infinity',
  samples       bigint NOT NULL DEFAULT 0,
  documents     bigint NOT NULL DEFAULT 0,
  events        bigint NOT NULL DEFAULT 0,
  bytes         bigint NOT NULL DEFAULT 0,
  error         text,
  changed_at    timestamptz,
  finished_at   timestamptz
);
COMMENT ON TABLE wearables.erasures IS
  'Progress of each erase_user(), one row for each erased user. From the commit of erase_user(), the views and the '
  'read functions do not show the user. Rows that are not deleted yet can be read from the tables until finished_at '
  'is set.';
COMMENT ON COLUMN wearables.erasures.user_id IS 'The erased user: a number that leads to nobody.';
COMMENT ON COLUMN wearables.erasures.requested_at IS 'When erase_user() was first called for the user.';
COMMENT ON COLUMN wearables.erasures.requested_by IS 'The role that called erase_user().';
COMMENT ON COLUMN wearables.erasures.delete_vendor IS 'Whether the vendor is to delete its user, too.';
COMMENT ON COLUMN wearables.erasures.step IS
  'What is deleted now, in this order: samples, documents, connections, refused (readings), events, accesses '
  '(what they tell of the user as a reader); vendor: waits until the vendor has deleted its user; rest: all other '
  'tables; done.';
COMMENT ON COLUMN wearables.erasures.next_metric IS
  'In step samples: those below this metric, and of it below next_ts, are deleted. In step events: by which of the ids '
  'they are looked for (0: by user_id), from the week of next_ts on.';
COMMENT ON COLUMN wearables.erasures.next_ts IS 'See next_metric.';
COMMENT ON COLUMN wearables.erasures.samples IS 'Deleted samples.';
COMMENT ON COLUMN wearables.erasures.documents IS 'Deleted documents (rows of summaries).';
COMMENT ON COLUMN wearables.erasures.events IS 'Deleted raw events.';
COMMENT ON COLUMN wearables.erasures.bytes IS 'Size of the bodies of these events.';
COMMENT ON COLUMN wearables.erasures.error IS
  'Why the vendor has not deleted its user. The erasure waits until erase_user() is called again. Null: no error.';
COMMENT ON COLUMN wearables.erasures.changed_at IS 'When something was last deleted.';
COMMENT ON COLUMN wearables.erasures.finished_at IS 'When everything was deleted. Null: not yet.';
CREATE INDEX erasures_open ON wearables.erasures (user_id) WHERE finished_at IS NULL;
SELECT pg_extension_config_dump('wearables.erasures', '');

CREATE TABLE wearables_internal.erasure_ids (
  user_id  bigint NOT NULL REFERENCES wearables.erasures,
  endpoint text COLLATE "C" NOT NULL,
  id       text COLLATE "C" NOT NULL,
  PRIMARY KEY (user_id, endpoint, id)
);
COMMENT ON TABLE wearables_internal.erasure_ids IS
  'The ids of a user whose erasure is in progress: external user ids by endpoint, and with an empty endpoint the '
  'client user id. Deleted when the erasure is done.';
SELECT pg_extension_config_dump('wearables_internal.erasure_ids', '');

-- Made by the first erasure and not with the schema: a dump brings its own, and a restore must not find another.
CREATE TABLE wearables_internal.erasure_salt (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  salt bytea NOT NULL CHECK (octet_length(salt) = 32)
);
COMMENT ON TABLE wearables_internal.erasure_salt IS
  'What the hashes in erased_ids are salted with. Without it, a restored database would not know who was erased.';
SELECT pg_extension_config_dump('wearables_internal.erasure_salt', '');

CREATE TABLE wearables.erased_ids (
  id_hash   bytea PRIMARY KEY,
  user_id   bigint NOT NULL,
  erased_at timestamptz NOT NULL,
  again_at  timestamptz
);
COMMENT ON TABLE wearables.erased_ids IS
  'Salted hashes of the ids of erased users. What is delivered for one of these ids is acknowledged and not stored. '
  'Do not delete rows, or the user comes back with the next event.';
COMMENT ON COLUMN wearables.erased_ids.id_hash IS
  'Hash of a client user id, or of an external user id with vendor and environment.';
COMMENT ON COLUMN wearables.erased_ids.user_id IS 'The erased user: see erasures.';
COMMENT ON COLUMN wearables.erased_ids.erased_at IS 'When the user was erased.';
COMMENT ON COLUMN wearables.erased_ids.again_at IS
  'When register_user() registered the person again. Events that were created before are still not stored. Null: not '
  'registered again.';
CREATE INDEX erased_ids_user_id ON wearables.erased_ids (user_id);
SELECT pg_extension_config_dump('wearables.erased_ids', '');

CREATE FUNCTION wearables_internal.erased_ids_changed() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_erased_ids_changed';
COMMENT ON FUNCTION wearables_internal.erased_ids_changed() IS
  'Trigger function: makes every session look again whether anybody was erased, when the transaction commits.';
CREATE TRIGGER erased_ids_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON wearables.erased_ids
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.erased_ids_changed();
-- replication and restores apply changes too
ALTER TABLE wearables.erased_ids ENABLE ALWAYS TRIGGER erased_ids_changed;

CREATE FUNCTION wearables_internal.client_id_hash(client_user_id text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT sha256(s.salt || convert_to(jsonb_build_array('client', $1)::text, 'UTF8'))
  FROM wearables_internal.erasure_salt s WHERE $1 IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.client_id_hash(text) IS
  'erased_ids.id_hash of a client user id. Null if nobody was ever erased.';

-- By vendor and environment, and not by endpoint: an endpoint may be renamed, or removed and added again.
CREATE FUNCTION wearables_internal.external_id_hash(endpoint text, external_user_id text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT sha256(s.salt || convert_to(jsonb_build_array('external', e.vendor, e.environment, $2)::text, 'UTF8'))
  FROM wearables_internal.erasure_salt s CROSS JOIN wearables.endpoints e WHERE e.name = $1 AND $2 IS NOT NULL;
END;
COMMENT ON FUNCTION wearables_internal.external_id_hash(text, text) IS
  'erased_ids.id_hash of an external user id of an endpoint. Null if nobody was ever erased.';

CREATE FUNCTION wearables_internal.is_being_erased(user_id bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM wearables.erasures r WHERE r.user_id = $1 AND r.finished_at IS NULL);
END;
COMMENT ON FUNCTION wearables_internal.is_being_erased(bigint) IS
  'True: rows of the user may still be there and must not be shown.';

-- After the foreign key, whose lock an erasure waits for, or is waited for. Definer: the caller may not see the user.
CREATE FUNCTION wearables_internal.refuse_erased() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME NOT IN ('source_priorities', 'assigned_users') THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated',
            DETAIL = 'Its function can only be used on source_priorities and assigned_users of schema wearables.';
  END IF;
  IF EXISTS (SELECT FROM wearables.users u WHERE u.user_id = NEW.user_id AND u.erased_at IS NOT NULL) THEN
    RAISE EXCEPTION 'user % was erased', NEW.user_id
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'See wearables.users for the ids of those who are not.';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.refuse_erased() IS
  'Trigger function: refuses a row for a user who was erased, which no erasure would delete.';

CREATE FUNCTION wearables_internal.is_shown_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_is_shown_support';
COMMENT ON FUNCTION wearables_internal.is_shown_support(internal) IS 'Planner support of is_shown().';

CREATE FUNCTION wearables_internal.is_shown(user_id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE SUPPORT wearables_internal.is_shown_support
AS 'MODULE_PATHNAME', 'wearables_is_shown';
COMMENT ON FUNCTION wearables_internal.is_shown(bigint) IS
  'False: the user is being erased, so no view shows what is still there. Everybody may call it, since whoever reads a '
  'view calls it.';
