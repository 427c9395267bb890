-- What arrived: the idempotency ledger and the raw store.

CREATE SEQUENCE wearables.event_id_seq AS bigint CACHE 1;
SELECT pg_extension_config_dump('wearables.event_id_seq', '');

CREATE TABLE wearables.deliveries (
  endpoint    text COLLATE "C" NOT NULL,
  message_id  text COLLATE "C" NOT NULL,
  event_id    bigint NOT NULL,
  received_at timestamptz NOT NULL,
  last_seen   timestamptz NOT NULL,
  count       integer NOT NULL DEFAULT 1,
  PRIMARY KEY (endpoint, message_id)
) WITH (fillfactor = 90);
COMMENT ON TABLE wearables.deliveries IS
  'One row for each message of an endpoint, however often it is delivered. Duplicates are recognized by the '
  'primary key of this table alone. Pages pulled over REST have a row, too.';
COMMENT ON COLUMN wearables.deliveries.endpoint IS 'Name of the endpoint. It is kept if the endpoint is deleted.';
COMMENT ON COLUMN wearables.deliveries.message_id IS
  'The id in the headers, which the sender repeats at each retry; pull:BACKFILL_ID:PAGE for a pulled page.';
COMMENT ON COLUMN wearables.deliveries.event_id IS 'The event that stores the message.';
COMMENT ON COLUMN wearables.deliveries.received_at IS
  'When the message was first delivered: received_at of its event.';
COMMENT ON COLUMN wearables.deliveries.last_seen IS 'When the message was last delivered.';
COMMENT ON COLUMN wearables.deliveries.count IS 'How often the message was delivered.';
SELECT pg_extension_config_dump('wearables.deliveries', '');

-- An enum and not a CHECK: the server would parse the CHECK anew in every statement of the hot path.
CREATE TYPE wearables.event_status AS ENUM ('received', 'processed', 'skipped', 'parked', 'failed');
COMMENT ON TYPE wearables.event_status IS
  'Status of an event. received: waits in the queue. processed: its readings are written. skipped: it holds '
  'nothing to be stored; note says why. parked: its user is not registered. failed: given up; error says why.';

CREATE TYPE wearables_internal.drift_term AS (
  kind text COLLATE "C", resource text COLLATE "C", path text COLLATE "C", value text COLLATE "C");
COMMENT ON TYPE wearables_internal.drift_term IS
  'Something in an event that no row of the parser covers. kind: resource (or event type), field, value, zone or '
  'unit. path: the path of the field, or the metric of the unit. value: the text. What does not apply is an empty '
  'string.';

-- No index on the parent: a partition carries its own (see make_event_partitions), so that pg_dump, which
-- knows the parent as the extension's, restores table and index in an order that works.
CREATE TABLE wearables.webhook_events (
  event_id         bigint NOT NULL DEFAULT nextval('wearables.event_id_seq'),
  received_at      timestamptz NOT NULL,
  version          bigint NOT NULL,
  revision         bigint,
  user_id          bigint,
  processed_at     timestamptz,
  wrote_from       timestamptz,
  wrote_to         timestamptz,
  inserted         integer,
  changed          integer,
  confirmed        integer,
  unchanged        integer,
  stale            integer,
  quarantined      integer,
  status           wearables.event_status NOT NULL DEFAULT 'received',
  endpoint         text COLLATE "C" NOT NULL,
  message_id       text COLLATE "C" NOT NULL,
  event_type       text COLLATE "C",
  resource         text COLLATE "C",
  external_user_id text COLLATE "C",
  client_user_id   text COLLATE "C",
  note             text,
  error            text,
  user_zone        text COLLATE "C",
  wrote_metrics    smallint[],
  drift            wearables_internal.drift_term[],
  headers          jsonb,
  payload          bytea COMPRESSION lz4 NOT NULL
) PARTITION BY RANGE (received_at);
COMMENT ON TABLE wearables.webhook_events IS
  'Every accepted message and every pulled page, with its body byte for byte. Partitioned by week of received_at.';
COMMENT ON COLUMN wearables.webhook_events.event_id IS
  'Unique over all partitions. Numbers can be missing: a duplicate delivery takes one.';
COMMENT ON COLUMN wearables.webhook_events.received_at IS 'When the message was first delivered, or the page pulled.';
COMMENT ON COLUMN wearables.webhook_events.version IS
  'Order key of the event: the milliseconds of its origin time since 1970, shifted left by 20 bits; then one bit '
  'that is set for an updated event; then 19 bits of a hash of endpoint and message id. The origin time of a '
  'message is the creation time in its message id if it has one, else the timestamp of its first delivery. A '
  'stored sample is replaced only by one of an equal or higher version.';
COMMENT ON COLUMN wearables.webhook_events.revision IS
  'revision() of the mappings with which the event was last processed. Null: not processed yet.';
COMMENT ON COLUMN wearables.webhook_events.user_id IS
  'The user the event belongs to. Null: not known, or not processed yet.';
COMMENT ON COLUMN wearables.webhook_events.processed_at IS 'When the event was last processed. Null: not yet.';
COMMENT ON COLUMN wearables.webhook_events.wrote_from IS
  'Earliest timestamp of the samples that the event wrote. Null: it wrote none.';
COMMENT ON COLUMN wearables.webhook_events.wrote_to IS 'Latest timestamp of the samples that the event wrote.';
COMMENT ON COLUMN wearables.webhook_events.wrote_metrics IS
  'Metrics (metrics.metric_id) of the samples that the event wrote.';
COMMENT ON COLUMN wearables.webhook_events.inserted IS
  'Readings written under a new key when the event was last processed. For a processed event, inserted + changed + '
  'confirmed + unchanged + stale + quarantined is the number of readings in its body.';
COMMENT ON COLUMN wearables.webhook_events.changed IS 'Readings that replaced another value of a lower version.';
COMMENT ON COLUMN wearables.webhook_events.confirmed IS
  'Readings whose value was stored already, at a lower version: only the version was raised.';
COMMENT ON COLUMN wearables.webhook_events.unchanged IS
  'Readings that were stored already, at the same version: nothing was written.';
COMMENT ON COLUMN wearables.webhook_events.stale IS
  'Readings that were not written, because a higher version is stored, or because a later reading of the same body '
  'has the same key.';
COMMENT ON COLUMN wearables.webhook_events.quarantined IS 'Readings that were refused: see the table quarantine.';
COMMENT ON COLUMN wearables.webhook_events.status IS
  'received (waits in the queue), processed, skipped (nothing to be stored: see note), parked (user not '
  'registered), failed (given up: see error).';
COMMENT ON COLUMN wearables.webhook_events.endpoint IS
  'Name of the endpoint that received the message, or by which the page was pulled.';
COMMENT ON COLUMN wearables.webhook_events.message_id IS 'As in deliveries.';
COMMENT ON COLUMN wearables.webhook_events.event_type IS
  'As the body names it, such as daily.data.sleep.created; pulled.data.RESOURCE for a pulled page. Null: the body '
  'names none.';
COMMENT ON COLUMN wearables.webhook_events.resource IS
  'The resource that the event type names: sleep for daily.data.sleep.created and for pulled.data.sleep. Null: the '
  'type names no resource (such as a connection), or the body could not be read.';
COMMENT ON COLUMN wearables.webhook_events.external_user_id IS 'The vendor''s id of the user, as the body has it.';
COMMENT ON COLUMN wearables.webhook_events.client_user_id IS 'The application''s id of the user, as the body has it.';
COMMENT ON COLUMN wearables.webhook_events.note IS 'Why the event was skipped or parked.';
COMMENT ON COLUMN wearables.webhook_events.error IS 'Why the event failed. Never holds a reading or a secret.';
COMMENT ON COLUMN wearables.webhook_events.user_zone IS
  'Time zone of the user by which wall-clock times of the body were placed. Null: none had to be. If the user''s '
  'time zone is changed, the event is processed again.';
COMMENT ON COLUMN wearables.webhook_events.drift IS
  'What the event holds and no row of the parser covers, as of its last processing. Null: nothing. The view drift '
  'summarizes it.';
COMMENT ON COLUMN wearables.webhook_events.headers IS
  'Headers kept for audit: id, timestamp, signature, content type and user agent, each cut to 1 kB.';
COMMENT ON COLUMN wearables.webhook_events.payload IS 'The body as it was received.';

CREATE TABLE wearables.webhook_events_default PARTITION OF wearables.webhook_events DEFAULT;
COMMENT ON TABLE wearables.webhook_events_default IS
  'Events for which no weekly partition exists, so that receiving never fails for lack of one. '
  'make_event_partitions() moves them.';
-- a key, and not an index: where a publication holds all tables, rows without one cannot be updated
ALTER TABLE wearables.webhook_events_default ADD CONSTRAINT webhook_events_default_event_id PRIMARY KEY (event_id);
CREATE INDEX webhook_events_default_drift ON wearables.webhook_events_default (event_id) WHERE drift IS NOT NULL;
CREATE INDEX webhook_events_default_wrote ON wearables.webhook_events_default (user_id, wrote_to)
  WHERE wrote_to IS NOT NULL;
CREATE INDEX webhook_events_default_user_zone ON wearables.webhook_events_default (user_id, event_id)
  WHERE user_zone IS NOT NULL;
-- From a person to their events. One column each, so that equal ids share their entry. What is processed under both
-- ids is found by the external one, so the other index holds only what is left, and events that name nobody.
CREATE INDEX webhook_events_default_external ON wearables.webhook_events_default (external_user_id)
  WHERE external_user_id IS NOT NULL;
CREATE INDEX webhook_events_default_client ON wearables.webhook_events_default (client_user_id)
  WHERE external_user_id IS NULL OR status IN ('skipped', 'failed');
SELECT pg_extension_config_dump('wearables.webhook_events_default', '');

CREATE FUNCTION wearables_internal.try_lock_maintenance() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_try_lock_maintenance';
COMMENT ON FUNCTION wearables_internal.try_lock_maintenance() IS
  'Takes the maintenance lock until the transaction ends. Returns false if another session holds it. No other SQL '
  'function can take this lock.';

-- Receivers wait while rows are moved.
CREATE FUNCTION wearables_internal.make_event_partition(week timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
-- bounds are written as text and read again; whatever the site sets, the partitions are ordinary tables
SET DateStyle = 'ISO, YMD' SET TimeZone = 'UTC' SET default_table_access_method = 'heap'
-- whoever comes behind us waits for as long as we do
SET lock_timeout = '100ms'
AS $$
DECLARE
  part CONSTANT text := 'webhook_events_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
  -- A receiver that is about to fill the default partition waits here instead of failing the ATTACH, and so does
  -- whoever is about to handle an event: they take the default partition before its parent, readers take it after it,
  -- so it is locked against the former first. Behind a long reader everybody would wait: so it is tried, for a moment.
  BEGIN
    LOCK TABLE wearables.webhook_events_default IN SHARE ROW EXCLUSIVE MODE;
    -- Who plans a query while rows are moved must not get the partitions of before: it would look for the rows where
    -- they were, with a snapshot in which they are gone. So readers, too, wait before they plan.
    IF EXISTS (SELECT FROM wearables.webhook_events_default e
               WHERE e.received_at >= week AND e.received_at < week + interval '7 days') THEN
      LOCK TABLE ONLY wearables.webhook_events IN ACCESS EXCLUSIVE MODE;
    ELSE
      LOCK TABLE ONLY wearables.webhook_events IN SHARE UPDATE EXCLUSIVE MODE;
    END IF;
    LOCK TABLE wearables.webhook_events_default IN ACCESS EXCLUSIVE MODE;
  EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'could not lock wearables.webhook_events to create a partition'
      USING ERRCODE = 'lock_not_available',
            HINT = 'Call make_event_partitions() again later. A worker does so by itself.';
  END;
  EXECUTE format(
    'CREATE TABLE wearables.%I (LIKE wearables.webhook_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
    'INCLUDING STORAGE INCLUDING COMPRESSION)', part);
  PERFORM wearables_internal.revoke_from_others(format('wearables.%I', part)::regclass);
  EXECUTE format(
    'WITH moved AS (
       DELETE FROM wearables.webhook_events_default WHERE received_at >= %L AND received_at < %L RETURNING *)
     INSERT INTO wearables.%I SELECT * FROM moved', week, week + interval '7 days', part);
  EXECUTE format('ALTER TABLE wearables.%I ADD CONSTRAINT %I PRIMARY KEY (event_id)', part, part || '_event_id');
  EXECUTE format('CREATE INDEX %I ON wearables.%I (event_id) WHERE drift IS NOT NULL', part || '_drift', part);
  EXECUTE format('CREATE INDEX %I ON wearables.%I (user_id, wrote_to) WHERE wrote_to IS NOT NULL',
                 part || '_wrote', part);
  EXECUTE format('CREATE INDEX %I ON wearables.%I (user_id, event_id) WHERE user_zone IS NOT NULL',
                 part || '_user_zone', part);
  EXECUTE format('CREATE INDEX %I ON wearables.%I (external_user_id) WHERE external_user_id IS NOT NULL',
                 part || '_external', part);
  EXECUTE format('CREATE INDEX %I ON wearables.%I (client_user_id) '
                 'WHERE external_user_id IS NULL OR status IN (''skipped'', ''failed'')', part || '_client', part);
  EXECUTE format('ALTER TABLE wearables.webhook_events ATTACH PARTITION wearables.%I FOR VALUES FROM (%L) TO (%L)',
                 part, week, week + interval '7 days');
  EXECUTE format('COMMENT ON TABLE wearables.%I IS %L', part,
                 'Events received in the week beginning ' || (week AT TIME ZONE 'UTC')::date);
END $$;
COMMENT ON FUNCTION wearables_internal.make_event_partition(timestamptz) IS
  'Creates the partition of webhook_events for the week that begins then, and moves its events from the default '
  'partition into it. The caller holds the maintenance lock. Raises lock_not_available if another session holds '
  'webhook_events for more than 100 ms.';

CREATE FUNCTION wearables.make_event_partitions(ahead interval DEFAULT '21 days', most_moved integer DEFAULT 20000)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- seven days of a zone in which clocks are moved are no week
SET TimeZone = 'UTC' SET lock_timeout = '100ms'
AS $$
DECLARE
  this_week timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
  week timestamptz;
  first_week timestamptz;
  rows bigint;
  part text;
  made integer := 0;
BEGIN
  IF ahead IS NULL OR ahead < interval '0' OR ahead > interval '1 year' THEN
    RAISE EXCEPTION 'cannot create partitions "%" ahead', ahead
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give an interval from 0 to 1 year.';
  END IF;
  IF most_moved < 0 THEN
    RAISE EXCEPTION 'cannot move at most % rows', most_moved
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give 0 or more, or null for no limit.';
  END IF;
  -- one maker at a time
  IF NOT wearables_internal.try_lock_maintenance() THEN RETURN 0; END IF;
  SELECT date_trunc('week', least(min(e.received_at), clock_timestamp()), 'UTC') INTO first_week
  FROM wearables.webhook_events_default e;
  FOR week IN
    SELECT w
    FROM generate_series(first_week, date_trunc('week', clock_timestamp() + ahead, 'UTC'), interval '7 days') w LOOP
    part := 'webhook_events_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('wearables.%I', part)) IS NOT NULL;
    SELECT count(*) INTO rows FROM (
      SELECT FROM wearables.webhook_events_default e
      WHERE e.received_at >= week AND e.received_at < week + interval '7 days' LIMIT most_moved::bigint + 1) e;
    -- weeks long past that hold nothing are not worth a table
    CONTINUE WHEN week < this_week AND rows = 0;
    -- receivers wait while rows are moved: of many, only when told to. They do no harm where they are
    CONTINUE WHEN rows > most_moved;
    PERFORM wearables_internal.make_event_partition(week);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
COMMENT ON FUNCTION wearables.make_event_partitions(interval, integer) IS
  'Creates the missing weekly partitions of webhook_events, and moves events from the default partition into them. '
  'Arguments: ahead: how far into the future, 0 to 1 year; most_moved: a week with more events than this in the '
  'default partition is left there, because deliveries wait while events are moved (null: no limit). Returns the '
  'number of partitions created, 0 if another session is doing the same. Raises lock_not_available if another '
  'session holds webhook_events for more than 100 ms; call it again later. A worker calls it every hour. Without a '
  'worker, schedule it with pg_cron. Example: SELECT wearables.make_event_partitions();';
