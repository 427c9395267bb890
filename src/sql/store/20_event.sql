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
  'idempotency ledger: one row per message of an endpoint, however often it is delivered; receive() dedupes on its '
  'key and on nothing else';
COMMENT ON COLUMN wearables.deliveries.received_at IS 'first seen; webhook_events.received_at of its event';
SELECT pg_extension_config_dump('wearables.deliveries', '');

-- An enum and not a CHECK: the server would parse the CHECK anew in every statement of the hot path.
CREATE TYPE wearables.event_status AS ENUM ('received', 'processed', 'skipped', 'parked', 'failed');
COMMENT ON TYPE wearables.event_status IS 'what became of an event; every event ends as one of the last four';

CREATE TYPE wearables_internal.drift_term AS (
  kind text COLLATE "C", resource text COLLATE "C", path text COLLATE "C", value text COLLATE "C");
COMMENT ON TYPE wearables_internal.drift_term IS
  'what no row knew: kind resource (or event type), field, value, zone or unit; path of the field, or the unit''s '
  'metric; value: the text; what does not apply is empty';

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
COMMENT ON TABLE wearables.webhook_events IS 'raw store: one row per message or pulled page, its body byte for byte';
COMMENT ON COLUMN wearables.webhook_events.version IS
  'order key (R3): origin milliseconds << 20 | 20 bits of a hash of endpoint and message id';
COMMENT ON COLUMN wearables.webhook_events.revision IS
  'revision of the mappings that handled it last; null: not handled yet';
COMMENT ON COLUMN wearables.webhook_events.status IS
  'received (waiting), processed, skipped (nothing for us in it: see note), parked (unknown user), failed (see error)';
COMMENT ON COLUMN wearables.webhook_events.resource IS
  'what it is about, as its type says when it arrives: sleep of daily.data.sleep.created and pulled.data.sleep; null: '
  'no resource (a connection, a type that names none), or the body could not be read';
COMMENT ON COLUMN wearables.webhook_events.inserted IS
  'inserted + changed + confirmed + unchanged + stale + quarantined = the readings the body held, when last handled';
COMMENT ON COLUMN wearables.webhook_events.wrote_metrics IS
  'with wrote_from and wrote_to: where a replay looks for samples this event wrote';
COMMENT ON COLUMN wearables.webhook_events.user_zone IS
  'the time zone of its user that wall-clock time in it was read in; null: nothing in it hangs on that';
COMMENT ON COLUMN wearables.webhook_events.drift IS
  'what no row knew when the event was last handled; null: nothing; see the view drift';
COMMENT ON COLUMN wearables.webhook_events.headers IS
  'the headers kept for audit: id, timestamp, signature, content type, user agent';

CREATE TABLE wearables.webhook_events_default PARTITION OF wearables.webhook_events DEFAULT;
COMMENT ON TABLE wearables.webhook_events_default IS
  'events outside every other partition: receiving never fails for want of one; make_event_partitions() moves its rows';
-- a key, and not an index: where a publication holds all tables, rows without one cannot be updated
ALTER TABLE wearables.webhook_events_default ADD CONSTRAINT webhook_events_default_event_id PRIMARY KEY (event_id);
CREATE INDEX webhook_events_default_drift ON wearables.webhook_events_default (event_id) WHERE drift IS NOT NULL;
CREATE INDEX webhook_events_default_wrote ON wearables.webhook_events_default (user_id, wrote_to)
  WHERE wrote_to IS NOT NULL;
CREATE INDEX webhook_events_default_user_zone ON wearables.webhook_events_default (user_id, event_id)
  WHERE user_zone IS NOT NULL;
SELECT pg_extension_config_dump('wearables.webhook_events_default', '');

CREATE FUNCTION wearables_internal.try_lock_maintenance() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_try_lock_maintenance';
COMMENT ON FUNCTION wearables_internal.try_lock_maintenance() IS
  'until the transaction ends, no other session maintains; false when one does already; a lock that no SQL '
  'function reaches';

CREATE FUNCTION wearables.make_event_partitions(ahead interval DEFAULT '21 days', most_moved integer DEFAULT 20000)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- bounds are written as text and read again; whatever the site sets, the partitions are ordinary tables
SET DateStyle = 'ISO, YMD' SET TimeZone = 'UTC' SET default_table_access_method = 'heap'
-- whoever comes behind us waits for as long as we do
SET lock_timeout = '100ms'
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
    RAISE EXCEPTION 'cannot make partitions "%" ahead', ahead
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give an interval from 0 to 1 year.';
  END IF;
  IF most_moved < 0 THEN
    RAISE EXCEPTION 'cannot move at most % rows', most_moved
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Give 0 or more, or null for no bound.';
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
    -- A receiver that is about to fill the default partition waits here instead of failing the ATTACH, and so does
    -- whoever is about to handle an event. At once as strong as the ATTACH needs it, or two could deadlock. Behind a
    -- long reader everybody would wait: so it is tried, for a moment.
    BEGIN
      LOCK TABLE wearables.webhook_events IN SHARE UPDATE EXCLUSIVE MODE;
      LOCK TABLE wearables.webhook_events_default IN ACCESS EXCLUSIVE MODE;
    EXCEPTION WHEN lock_not_available THEN
      RAISE EXCEPTION 'another session holds wearables.webhook_events, and no partition is made behind it'
        USING ERRCODE = 'lock_not_available', HINT = 'Call make_event_partitions() again later; the worker does so.';
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
    EXECUTE format('ALTER TABLE wearables.webhook_events ATTACH PARTITION wearables.%I FOR VALUES FROM (%L) TO (%L)',
                   part, week, week + interval '7 days');
    EXECUTE format('COMMENT ON TABLE wearables.%I IS %L', part,
                   'events received in the week from ' || (week AT TIME ZONE 'UTC')::date);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
COMMENT ON FUNCTION wearables.make_event_partitions(interval, integer) IS
  'make the weekly partitions of webhook_events from now to "ahead", and move rows of the default partition into '
  'theirs; a week of which more than most_moved rows lie there keeps them there; returns how many were made; the '
  'worker calls it, pg_cron may';
