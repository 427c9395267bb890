"""The databases of one worker of the proof, and sessions that outlive kills and crashes."""

import base64
import fcntl
import hashlib
import hmac
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

import world as worlds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "junction"))

import client

SECRET = "whsec_" + base64.b64encode(b"a secret for this test alone").decode()
TEMPLATE = "convergence_template"
TABLES = ("deliveries", "webhook_events", "jobs", "parked_events", "quarantine", "sample_points", "summaries", "connections",
          "connection_events", "backfills", "user_links", "users", "retention_policies", "retention_floors", "frozen_rollups",
          "archives", "archived_files")

RECEIVE = "SELECT (wearables.receive(r.h, r.b, r.e)).status FROM unnest(%s::jsonb[], %s::bytea[], %s::text[]) AS r (h, b, e)"

REGISTER = "SELECT wearables.register_user(%s, %s, %s, %s)"
RELINK = """UPDATE wearables.user_links l SET user_id = u.user_id FROM wearables.users u
            WHERE u.client_user_id = %s AND l.external_user_id = %s AND l.endpoint = %s"""

PULL = """
WITH page AS (
  INSERT INTO wearables.deliveries (endpoint, message_id, event_id, received_at, last_seen)
  VALUES (%(endpoint)s, %(message_id)s, nextval('wearables.event_id_seq'), clock_timestamp(), clock_timestamp())
  ON CONFLICT DO NOTHING RETURNING event_id, received_at),
event AS (
  INSERT INTO wearables.webhook_events (event_id, received_at, version, endpoint, message_id, event_type, resource, external_user_id, client_user_id, payload)
  SELECT event_id, received_at, %(version)s, %(endpoint)s, %(message_id)s, %(event_type)s, split_part(%(event_type)s, '.', 3), %(external)s, %(client)s, %(body)s FROM page)
INSERT INTO wearables.jobs (event_id, received_at, run_at, dedupe_key)
SELECT event_id, received_at, received_at, 'event:' || event_id FROM page"""

MANUAL = """
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value, value_secondary, version)
SELECT u.user_id, n.metric, n.ts, n.provider, n.source_type, n.value, n.secondary, n.version
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::bigint[])
  WITH ORDINALITY AS n (client, metric, ts, provider, source_type, value, secondary, version, i)
JOIN wearables.users u ON u.client_user_id = n.client ORDER BY n.i"""

SAY = """
SELECT wearables.set_connection(u.user_id, %(provider)s, %(status)s, %(actor)s, %(error_type)s, %(provider_user_id)s, %(at)s)
FROM wearables.users u WHERE u.client_user_id = %(client)s"""


# at once: an event that names both ids would make the link again
RELINK_ANEW = """
CREATE FUNCTION convergence_relink(client text, external text, endpoint text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM wearables.user_links l WHERE l.external_user_id = $2 AND l.endpoint = $3;
  PERFORM wearables.register_user($1, $2, $3);
END $$"""

# at once, so that each counts as the most specific one of its metrics from the start
RETAIN = """
INSERT INTO wearables.retention_policies AS p (target, metric, keep_days, keep_rollups, enabled)
SELECT 'samples', r.metric, (clock_timestamp() AT TIME ZONE 'UTC')::date - r.floor, r.keep, true
FROM unnest(%s::text[], %s::date[], %s::boolean[]) r (metric, floor, keep)
ON CONFLICT (target, metric, endpoint, resource) DO UPDATE SET keep_days = excluded.keep_days, next_at = clock_timestamp()"""
DROP_EVENTS = """
INSERT INTO wearables.retention_policies AS p (target, keep_days, enabled) VALUES ('webhook_events', 100, true), ('deliveries', 100, true)
ON CONFLICT (target, metric, endpoint, resource) DO UPDATE SET next_at = clock_timestamp()"""
RAISE_FLOOR = "SELECT wearables.raise_retention_floor(%s::date, %s)"

# Nobody else works meanwhile. Of events that name nobody the archive wants nothing.
AGE = """
CREATE FUNCTION convergence_age(salt bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE wearables.webhook_events e SET received_at = e.received_at - interval '200 days'
  WHERE e.status IN ('processed', 'skipped') AND e.received_at > clock_timestamp() - interval '100 days'
    AND coalesce(e.client_user_id, e.external_user_id) IS NOT NULL AND hashtextextended(e.message_id, salt) % 3 > 0
    AND NOT EXISTS (SELECT FROM wearables.jobs j WHERE j.event_id = e.event_id);
  UPDATE wearables.deliveries d SET received_at = e.received_at, last_seen = e.received_at
  FROM wearables.webhook_events e WHERE e.event_id = d.event_id AND e.received_at < d.received_at;
  UPDATE wearables.summaries s SET event_received_at = e.received_at
  FROM wearables.webhook_events e WHERE e.event_id = s.event_id AND e.received_at <> s.event_received_at;
  PERFORM wearables.make_event_partitions();
END $$"""

# What wearables-archive does, with a table as its files.
SHELVE = """
CREATE TABLE shelf (file_id bigint, event jsonb, payload bytea);
CREATE FUNCTION convergence_archive() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  task record;
  week record;
  place text;
  file bigint;
  files bigint[];
  found record;
  counts bigint[];
  digests bytea[];
BEGIN
  PERFORM wearables.archive_events(clock_timestamp() - interval '100 days', 'file:///shelf');
  SELECT c.* INTO task FROM wearables_internal.claim_archive('{file:///shelf}') c;
  FOR week IN SELECT w.* FROM wearables_internal.weeks_to_archive(task.archive_id) w WHERE w.reason IS NULL LOOP
    files := NULL;
    counts := NULL;
    digests := NULL;
    FOREACH place IN ARRAY week.endpoints LOOP
      SELECT f.file_id INTO file FROM wearables_internal.begin_file(task.archive_id, 'events', place, week.week, week.week + interval '168 hours') f;
      INSERT INTO shelf
      SELECT file, jsonb_build_array(e.event_id, e.received_at, e.version, e.revision, e.user_id, e.processed_at, e.wrote_from, e.wrote_to, e.inserted,
                                     e.changed, e.confirmed, e.unchanged, e.stale, e.quarantined, e.status, e.endpoint, e.message_id, e.event_type,
                                     e.resource, e.external_user_id, e.client_user_id, e.note, e.error, e.user_zone, e.wrote_metrics, e.drift, e.headers), e.payload
      FROM wearables_internal.archivable_events e
      WHERE e.endpoint = place AND e.received >= week.week AND e.received < week.week + interval '168 hours';
      SELECT d.* INTO found FROM wearables_internal.events_digest(wearables_internal.partition_of_week(week.week), place) d;
      files := files || file;
      counts := counts || found.rows;
      digests := digests || found.digest;
    END LOOP;
    PERFORM wearables_internal.finish_week(task.archive_id, week.week, files,
      wearables_internal.check_week(task.archive_id, week.week, files, counts, counts, digests));
  END LOOP;
  PERFORM wearables_internal.end_archive(task.archive_id, 0, 0, NULL, NULL);
END $$;
CREATE FUNCTION convergence_restore() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  task record;
  file bigint;
  since timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.archived_files f WHERE f.state = 'archived') THEN RETURN; END IF;
  PERFORM wearables.restore_events('file:///shelf');
  SELECT c.* INTO task FROM wearables_internal.claim_archive('{file:///shelf}') c;
  FOR file IN SELECT f.file_id FROM wearables.archived_files f WHERE f.state = 'archived' LOOP
    PERFORM wearables_internal.prepare_restore(task.archive_id, file);
    since := wearables_internal.begin_sweep();
    PERFORM wearables_internal.restore_rows(task.archive_id, file, jsonb_agg(s.event ORDER BY s.event -> 0), array_agg(s.payload ORDER BY s.event -> 0))
    FROM shelf s WHERE s.file_id = file;
    PERFORM wearables_internal.end_restore(task.archive_id, file, since);
  END LOOP;
  PERFORM wearables_internal.end_archive(task.archive_id, 0, 0, NULL, NULL);
END $$"""

REQUEST = """
SELECT wearables.request_backfill(u.user_id, %(provider)s, %(resource)s, %(begins)s::timestamptz, %(ends)s::timestamptz, %(endpoint)s)
FROM wearables.users u WHERE u.client_user_id = %(client)s"""

# a chart of all samples
PLAIN = """
CREATE FUNCTION convergence_plain(user_id bigint, metric text, from_ts timestamptz, to_ts timestamptz, width text, zone text)
RETURNS TABLE (bucket_start timestamptz, provider text, source_type text, channel text, value float8, value_secondary float8,
               lowest float8, highest float8, readings bigint, unit text, partial boolean)
LANGUAGE sql STABLE SET wearables_ingest.use_rollups = off AS 'SELECT * FROM wearables.timeseries($1, $2, $3, $4, $5, $6)'"""


class Broken(Exception):
    """The proof failed in a way that leaves no state to compare."""

    def __init__(self, lines):
        super().__init__("\n".join(lines))
        self.lines = lines


def signature(message_id, sent_at, body):
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{message_id}.{sent_at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers_of(message):
    sent_at = message.sent_at or int(time.time())  # of the attempt: another one each time, the id stays
    return {"svix-id": message.message_id, "svix-timestamp": str(sent_at), "svix-signature": signature(message.message_id, sent_at, message.body)}


class Session:
    """A connection that comes back: after a kill or a crash the statement is run again, which must do no harm."""

    def __init__(self, database):
        self.database = database
        self.settings = {}
        self.connection = None

    def open(self):
        give_up = time.monotonic() + 60
        while self.connection is None or self.connection.closed or self.connection.broken:
            try:
                self.connection = psycopg.connect(dbname=self.database, autocommit=True, prepare_threshold=2,
                                                  options="-c statement_timeout=120s -c client_min_messages=error -c TimeZone=UTC")
                for name, value in self.settings.items():
                    self.connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
        return self.connection

    def set(self, name, value):
        self.settings[name] = value
        self.run("SELECT set_config(%s, %s, false)", (name, value))

    def run(self, sql, parameters=None):
        """The rows, or none when the statement has none."""
        while True:
            try:
                cursor = self.open().execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
            except psycopg.errors.SerializationFailure:
                continue  # two replays, each with a name that the other one needs: do it again
            except psycopg.OperationalError as error:
                if not (self.connection.closed or self.connection.broken):
                    raise Broken([f"  {type(error).__name__}: {error}", f"  in: {sql[:100]}"]) from error

    def pid(self):
        return self.connection.info.backend_pid if self.connection and not self.connection.closed else 0

    def close(self):
        if self.connection is not None:
            self.connection.close()


def receive(session, messages):
    session.run(RECEIVE, ([Jsonb(headers_of(m)) for m in messages], [m.body for m in messages], [m.endpoint for m in messages]))


def pull(session, page):
    session.run(PULL, vars(page))


def request(session, pull):
    session.run(REQUEST, {**vars(pull), "ends": pull.ends})


def write_by_hand(session, manual):
    session.run(MANUAL, [list(column) for column in zip(*manual.rows)])


def say(session, said):
    session.run(SAY, vars(said))


def register(session, who):
    session.run(REGISTER, (who.client, who.external, who.endpoint, who.zone))


def relink(session, link):
    session.run("SELECT convergence_relink(%s, %s, %s)" if link.anew else RELINK, (link.client, link.external, link.endpoint))


def retain(session, policies):
    session.run(RETAIN, [list(column) for column in zip(*((p.metric, p.floor, p.keep_rollups) for p in policies))])


def raise_floor(session, raised):
    session.run(RAISE_FLOOR, (raised.floor, raised.metric))


def make_template(options):
    """The database that every other one is copied from: the extension, two endpoints, the mappings."""
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    with psycopg.connect(dbname=TEMPLATE, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION wearables_ingest")
        for endpoint in worlds.ENDPOINTS:
            connection.execute("SELECT wearables.add_endpoint(%s, tolerance => '50 years')", (endpoint,))
            connection.execute("SELECT wearables.set_secret(%s, 'webhook', 0, %s)", (endpoint, SECRET))
            connection.execute("SELECT wearables.set_secret(%s, 'api_key', 0, %s)", (endpoint, f"sk_us_{endpoint}"))
        connection.execute("SELECT wearables.make_event_partitions()")
        connection.execute(worlds.SETUP)
        connection.execute(PLAIN)
        connection.execute(RELINK_ANEW)
        connection.execute(AGE)
        connection.execute(SHELVE)
        if options.extra_sql:
            connection.execute(Path(options.extra_sql).read_text())


class Arena:
    """One worker's databases: a lasting one for permutations, a fresh one for each reference."""

    CROWD = 4

    def __init__(self, options, number):
        self.options, self.number = options, number
        self.name = f"convergence_{number}"
        self.admin = Session("postgres")
        self.main, self.crowd, self.reference = None, [], None
        self.vendor, self.vendors_world = None, None
        self.to_undo = []
        self.resets = 0

    def __enter__(self):
        self.copy_template(self.name)
        self.main = Session(self.name)
        self.crowd = [Session(self.name) for _ in range(self.CROWD)]
        return self

    def __exit__(self, *_):
        self.close_sessions()
        self.admin.close()
        if self.vendor is not None:
            self.vendor.end()

    def open_history(self, session, world):
        """The vendor's API answers of this world, if history is pulled in it."""
        url = None
        if world.pulls:
            if self.vendor is None:
                self.vendor = client.Junction()
            url = f"http://127.0.0.1:{self.vendor.port}"
            if self.vendors_world != world.seed:
                # two spellings of one wall-clock time are one reading, here and for the vendor
                self.tell_vendor(world=world.seed, clocks=world.clocks)
                self.vendors_world = world.seed
            self.tell_vendor(rules=[], page_size=500, reset=True)
        session.run("UPDATE wearables.endpoints SET base_url = %s WHERE base_url IS DISTINCT FROM %s", (url, url))

    def tell_vendor(self, **wanted):
        status, told = self.vendor.control(**wanted)
        if status != 200:
            raise Broken([f"  the vendor is told {wanted} and says {told}"])

    def close_sessions(self):
        for session in (self.main, *self.crowd):
            session.close()

    def copy_template(self, name):
        while True:
            try:
                self.admin.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                self.admin.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
                break
            except psycopg.errors.DuplicateDatabase:
                continue  # the server crashed between making and telling
        # each day that has a sample is rolled up as soon as it was written, while others write
        for setting in ("retry_base = 0", "max_attempts = 100", "allow_loopback_http = on", "rollup_delay = 0", "rollup_readings = 1"):
            self.admin.run(f"ALTER DATABASE {name} SET wearables_ingest.{setting}")

    def make_reference(self):
        name = f"{self.name}_reference"
        self.copy_template(name)
        self.reference = Session(name)

    def drop_reference(self):
        self.reference.close()
        self.admin.run(f"DROP DATABASE {self.reference.database} WITH (FORCE)")

    def change(self, session, change):
        if change not in self.to_undo:
            self.to_undo.append(change)
        session.run(change[0])

    def reset(self, thorough=False):
        """Empties the lasting database. Now and then sources and sessions go too, so that they are made anew."""
        self.resets += 1
        thorough = thorough or self.resets % 20 == 0
        if thorough:
            self.close_sessions()
        while self.to_undo:
            self.main.run(self.to_undo[-1][1])
            self.to_undo.pop()
        if thorough:
            self.main.run("TRUNCATE " + ", ".join(f"wearables.{table}" for table in TABLES) + " CASCADE")
            self.main.run("DELETE FROM wearables.sources")
            self.main.run("DELETE FROM wearables.metrics WHERE origin = 'extended'")
        else:
            self.main.run(";".join(f"DELETE FROM wearables.{table}" for table in TABLES))
        self.main.run("TRUNCATE shelf")
        for table in ("pull_hosts", "refused_keys", "rollups", "rollup_users"):
            self.main.run(f"DELETE FROM wearables_internal.{table}")

    def take_road(self, guarded):
        """A constraint on the table makes the writer take the guarded upsert."""
        (now,), = self.main.run("SELECT count(*) > 0 FROM pg_constraint WHERE conname = 'guarded'"
                                " AND conrelid = 'wearables.sample_points'::regclass")
        if now != guarded:
            self.main.run("ALTER TABLE wearables.sample_points "
                          + ("ADD CONSTRAINT guarded CHECK (user_id IS NOT NULL) NOT VALID" if guarded
                             else "DROP CONSTRAINT guarded"))

    def kill(self, session):
        self.main.run("SELECT pg_terminate_backend(%s) WHERE %s > 0", (session.pid(), session.pid()))

    def crash(self):
        """One worker at a time: the server is everybody's."""
        with open(os.path.join(tempfile.gettempdir(), f"convergence-{os.getuid()}.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run(self.options.crash, shell=True, check=True, stdout=subprocess.DEVNULL)
