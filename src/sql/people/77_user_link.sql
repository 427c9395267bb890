-- A vendor's id is linked to another person: the events that came under it follow.

CREATE FUNCTION wearables_internal.user_links_changed() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_user_links_changed';
COMMENT ON FUNCTION wearables_internal.user_links_changed() IS
  'Trigger function: makes every session that handles an event look again whose it is, when the transaction commits.';
CREATE TRIGGER user_links_changed AFTER UPDATE OR DELETE OR TRUNCATE ON wearables.user_links
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.user_links_changed();
-- replication and restores apply changes too
ALTER TABLE wearables.user_links ENABLE ALWAYS TRIGGER user_links_changed;

CREATE FUNCTION wearables_internal.strayed_events(
  endpoint text, external_user_id text, OUT event_id bigint, OUT received_at timestamptz, OUT user_id bigint)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT e.event_id, e.received_at, e.user_id
  FROM wearables.user_links l
  JOIN wearables.webhook_events e ON e.external_user_id = l.external_user_id AND e.endpoint = l.endpoint
  WHERE l.endpoint = $1 AND l.external_user_id = $2 AND e.user_id <> l.user_id;
END;
COMMENT ON FUNCTION wearables_internal.strayed_events(text, text) IS
  'The events of a vendor''s user whose readings are stored for another person than the one who is linked now.';

CREATE FUNCTION wearables_internal.queue_link_change() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  place wearables.user_links;
  queues boolean;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'user_links' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated', DETAIL = 'Its function can only be used on wearables.user_links.';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF (OLD.user_id, OLD.external_user_id) = (NEW.user_id, NEW.external_user_id) THEN RETURN NULL; END IF;
  END IF;
  IF TG_OP <> 'DELETE' AND EXISTS (SELECT FROM wearables.users u
                                   WHERE u.user_id = NEW.user_id AND u.erased_at IS NOT NULL) THEN
    RAISE EXCEPTION 'user % was erased', NEW.user_id
      USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'See wearables.users for the ids of those who are not. register_user() begins anew.';
  END IF;
  -- Who found the former user, and has the lock, commits before; who waits for it looks again. The parking lock comes
  -- before that of a user, and the transaction may register somebody yet.
  IF TG_OP <> 'INSERT' THEN
    PERFORM wearables_internal.lock_parking();
    PERFORM wearables_internal.lock_user(OLD.user_id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    place := OLD;
    queues := NOT wearables_internal.is_being_erased(OLD.user_id);
  ELSE
    place := NEW;
    -- an old snapshot may not show what was stored meanwhile
    queues := TG_OP = 'UPDATE' OR EXISTS (
      SELECT FROM wearables_internal.strayed_events(NEW.endpoint, NEW.external_user_id));
  END IF;
  IF queues THEN
    -- one for each change, for the job of an earlier one may be past this
    INSERT INTO wearables.jobs (kind, dedupe_key, argument, subject, priority)
    VALUES ('link', format('link:%s:%s:change:%s', place.endpoint, md5(place.external_user_id), pg_current_xact_id()),
            jsonb_build_object('endpoint', place.endpoint, 'external_user_id', place.external_user_id, 'formers',
                               CASE TG_OP WHEN 'INSERT' THEN ARRAY[]::bigint[] ELSE ARRAY[OLD.user_id] END),
            place.user_id, 10)
    ON CONFLICT (dedupe_key) WHERE state IN ('ready', 'running') DO NOTHING;
    PERFORM wearables_internal.wake_workers();
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.queue_link_change() IS
  'Trigger function: queues a job of kind link if readings of the vendor''s user may be stored for another person. '
  'Refuses a user who was erased.';
CREATE TRIGGER queue_link_change AFTER INSERT OR DELETE OR UPDATE OF user_id, external_user_id ON wearables.user_links
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.queue_link_change();

CREATE FUNCTION wearables_internal.move_pulls(
  former_id bigint, user_id bigint, endpoint text, external_user_id text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  UPDATE wearables.backfills b SET user_id = $2
  WHERE b.user_id = $1 AND b.endpoint = $3 AND b.external_user_id = $4
    AND NOT EXISTS (
      SELECT FROM wearables.backfills o
      WHERE (o.user_id, o.endpoint, o.external_user_id, o.provider, o.resource, o.range_from, o.range_to, o.intent)
          = ($2, b.endpoint, b.external_user_id, b.provider, b.resource, b.range_from, b.range_to, b.intent));
  UPDATE wearables.stream_pulls p SET user_id = $2
  WHERE p.user_id = $1 AND p.endpoint = $3 AND p.external_user_id = $4
    AND NOT EXISTS (
      SELECT FROM wearables.stream_pulls o
      WHERE (o.user_id, o.endpoint, o.resource, o.document_id) = ($2, p.endpoint, p.resource, p.document_id));
END;
COMMENT ON FUNCTION wearables_internal.move_pulls(bigint, bigint, text, text) IS
  'What was pulled, or is to be, for a vendor''s user is another person''s from now on.';

CREATE FUNCTION wearables_internal.settle_former(former_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids bigint[];
  seen timestamptz[];
BEGIN
  PERFORM wearables_internal.lock_user($1);
  WITH newest AS MATERIALIZED (
    SELECT s.provider, max(p.ts) AS at FROM wearables.sample_points p
    JOIN wearables.sources s ON s.source_id = p.source_id
    WHERE p.user_id = $1 GROUP BY s.provider)
  UPDATE wearables.connections c SET last_data_at = f.at
  FROM (SELECT o.provider, n.at FROM wearables.connections o LEFT JOIN newest n ON n.provider = o.provider
        WHERE o.user_id = $1) f
  WHERE c.user_id = $1 AND c.provider = f.provider AND c.last_data_at IS DISTINCT FROM f.at;
  DELETE FROM wearables.connections c
  WHERE c.user_id = $1 AND c.last_data_at IS NULL
    AND NOT EXISTS (SELECT FROM wearables.connection_events l WHERE l.user_id = $1 AND l.provider = c.provider);
  -- what came under that id may have taken the place of the person's own documents, such as that of a day
  SELECT array_agg(e.event_id), array_agg(e.received_at) INTO ids, seen
  FROM (
    SELECT x.* FROM wearables.user_links l
    JOIN wearables.webhook_events x ON x.external_user_id = l.external_user_id AND x.endpoint = l.endpoint
    WHERE l.user_id = $1
    UNION ALL
    SELECT x.* FROM wearables.users u
    JOIN wearables.webhook_events x ON x.client_user_id = u.client_user_id AND x.external_user_id IS NULL
    WHERE u.user_id = $1) e
  JOIN wearables.resources r ON r.name = e.resource AND r.kind = 'summary'
  WHERE e.user_id = $1 AND e.status = 'processed';
  PERFORM wearables_internal.queue_events(ids, seen);
END $$;
COMMENT ON FUNCTION wearables_internal.settle_former(bigint) IS
  'When the events of a vendor''s user have left a person to whom it was linked by mistake: what their connections say '
  'of the newest reading, and the documents whose place was taken.';

CREATE FUNCTION wearables_internal.follow_link(
  endpoint text, external_user_id text, formers bigint[], paused interval) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  shortest CONSTANT interval := '5 seconds';
  longest CONSTANT interval := '10 minutes';
  person bigint;
  former bigint;
  holders bigint[];
  ids bigint[];
  seen timestamptz[];
  pause CONSTANT interval := least(greatest(2 * $4, shortest), longest);
BEGIN
  PERFORM wearables_internal.lock_parking();
  SELECT l.user_id INTO person FROM wearables.user_links l WHERE l.endpoint = $1 AND l.external_user_id = $2;
  IF NOT FOUND THEN RETURN; END IF;  -- whoever makes the link again makes the next job
  SELECT array_agg(s.event_id), array_agg(s.received_at), array_agg(DISTINCT s.user_id) INTO ids, seen, holders
  FROM wearables_internal.strayed_events($1, $2) s;
  IF ids IS NULL THEN
    FOR former IN SELECT DISTINCT f FROM unnest($3) f WHERE f <> person ORDER BY f LOOP
      PERFORM wearables_internal.settle_former(former);
    END LOOP;
    RETURN;
  END IF;
  FOREACH former IN ARRAY holders LOOP
    PERFORM wearables_internal.move_pulls(former, person, $1, $2);
  END LOOP;
  PERFORM wearables_internal.queue_events(ids, seen);
  -- Until none is left, and less often the longer that takes. A key of its own: the job of another change knows other
  -- persons.
  PERFORM wearables_internal.enqueue_job(
    'link', format('link:%s:%s:rest:%s', $1, md5($2), pg_current_xact_id()),
    jsonb_build_object('endpoint', $1, 'external_user_id', $2,
                       'formers', ARRAY(SELECT DISTINCT f FROM unnest($3 || holders) f), 'paused', pause),
    person::text, 10, clock_timestamp() + pause);
END $$;
COMMENT ON FUNCTION wearables_internal.follow_link(text, text, bigint[], interval) IS
  'The work of a job of kind link: queues the events of a vendor''s user that are stored for another person than the '
  'one who is linked now, and comes again until there are none. formers: the persons whom they have left. paused: how '
  'long the job has waited since it came last (null: it is the first).';
