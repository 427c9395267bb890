"""The events that are measured, how they get into the raw store, and what they are compared with."""
import datetime
import os

import harness

ENDPOINT = "bench"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SENT = START + datetime.timedelta(days=1000)  # later than all readings
KEPT = ["webhook_events", "deliveries", "jobs", "sample_points", "summaries", "quarantine", "connections",
        "connection_events", "parked_events", "backfills"]

SETUP = """
CREATE EXTENSION wearables_ingest;
CREATE SCHEMA bench;
-- messages as a sender would send them; receive() takes them from here, outside what is timed
CREATE TABLE bench.outbox (batch text, place bigint, message_id text, sent_at timestamptz, body bytea COMPRESSION lz4);
CREATE INDEX ON bench.outbox (batch, place);
"""


def install(connection):
    connection.execute(SETUP)
    # any moment may stand as that of sending, so that versions are the same in every round
    connection.execute("SELECT wearables.add_endpoint(%s, tolerance => '10 years')", [ENDPOINT])
    connection.execute("SELECT wearables.set_secret(%s, 'webhook', 0, %s)", [ENDPOINT, SECRET])
    connection.execute("SELECT wearables.make_event_partitions()")
    if os.environ.get("FILLFACTOR"):
        connection.execute(f"ALTER TABLE wearables.sample_points SET (fillfactor = {int(os.environ['FILLFACTOR'])})")


def register(connection, count):
    connection.execute(
        "SELECT count(wearables.register_user('user-' || i, 'external-' || i, %s)) FROM generate_series(1, %s) i",
        [ENDPOINT, count])


def heartrate_samples(count, offset_seconds=0):
    """A list of samples, one a second, as JSON text in the vendor's shape."""
    samples = []
    for i in range(count):
        at = START + datetime.timedelta(seconds=offset_seconds + i)
        samples.append(f'{{"id":null,"timestamp":"{at:%Y-%m-%dT%H:%M:%S}+00:00","timezone_offset":3600,'
                       f'"type":null,"unit":"bpm","value":{50 + i % 97}.0}}')
    return "[" + ",".join(samples) + "]"


def heartrate_body(user, samples):
    return (f'{{"event_type":"daily.data.heartrate.created","user_id":"external-{user}",'
            f'"client_user_id":"user-{user}","team_id":"bench","data":{{"data":{samples},'
            f'"source":{{"provider":"apple_health_kit","type":"watch","device_id":null}}}}}}').encode()


def put(connection, batch, messages):
    """messages: (message_id, seconds after SENT at which it was sent, body) in the order of sending."""
    with connection.cursor() as cursor, cursor.copy(
            "COPY bench.outbox (batch, place, message_id, sent_at, body) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["text", "int8", "text", "timestamptz", "bytea"])
        for place, (message_id, seconds, body) in enumerate(messages):
            copy.write_row([batch, place, message_id, SENT + datetime.timedelta(seconds=seconds), body])


def put_heartrate(connection, batch, events, samples, seconds=0, first_user=1, offset_seconds=0):
    """One event a user, so that the rows come in the order of the key."""
    register(connection, first_user + events - 1)
    text = heartrate_samples(samples, offset_seconds)
    put(connection, batch, ((f"{batch}-{i}", seconds, heartrate_body(first_user + i, text)) for i in range(events)))
    connection.execute("ANALYZE bench.outbox")


def clear(connection):
    """Nothing arrived, nothing stored; then a checkpoint, so that no other falls into the timed part."""
    connection.execute("TRUNCATE " + ", ".join("wearables." + table for table in KEPT))
    # after the samples, whose TRUNCATE has users rolled up anew
    connection.execute("TRUNCATE wearables_internal.rollups, wearables_internal.rollup_users, wearables_internal.rollup_resets")
    connection.execute("CHECKPOINT")


def receive(connection, batch):
    """The batch by the real door: signed, verified, stored, queued."""
    received, accepted = connection.execute(
        """SELECT count(*), count(*) FILTER (WHERE r.status = 'accepted')
           FROM (SELECT * FROM bench.outbox WHERE batch = %s ORDER BY place) o,
                wearables.receive(wearables.signed_headers(o.message_id, o.sent_at, o.body, %s), o.body, %s) r""",
        [batch, SECRET, ENDPOINT]).fetchone()
    harness.check(received == accepted and received > 0, f"{accepted} of {received} messages were accepted")
    return received


def flush(connection):
    """A commit that waits for the disk: what was committed before it is durable then, too."""
    connection.execute("SELECT pg_logical_emit_message(true, 'bench', '')")


def drain(connection):
    """Works the queue off. The worker waits for no fsync (R10); the flush makes it as durable as a COPY's commit."""
    connection.execute("CALL wearables.drain()")
    flush(connection)


def check_drained(connection):
    status = dict(connection.execute("SELECT status, count(*) FROM wearables.webhook_events GROUP BY 1").fetchall())
    jobs = connection.execute(
        "SELECT count(*), state, attempt, leased_by, last_error FROM wearables.jobs GROUP BY 2, 3, 4, 5").fetchall()
    harness.check(list(status) == ["processed"] and not jobs, f"events {status}, jobs left {jobs}")


def digest(connection, table):
    """Count, and a sum of hashes over whole rows: equal for equal sets of rows, in any order."""
    return connection.execute(
        f"SELECT count(*), sum(hash_record_extended(t, 0)::numeric) FROM {table} t").fetchone()


def check_equal(connection, table, expected):
    found = digest(connection, table)
    harness.check(found == expected, f"{table} holds {found[0]} rows, not the same {expected[0]} as ours")


def make_twin(connection, name):
    """A table like sample_points in everything: columns, key, storage options."""
    connection.execute(f"DROP TABLE IF EXISTS {name}")
    connection.execute(f"CREATE TABLE {name} (LIKE wearables.sample_points INCLUDING ALL)")
    options = connection.execute(
        "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'wearables.sample_points'::regclass"
    ).fetchone()[0]
    if options:
        connection.execute(f"ALTER TABLE {name} SET ({options})")


def empty(connection, table):
    connection.execute(f"TRUNCATE {table}")
    connection.execute("CHECKPOINT")


def flush_counts(connection):
    """Afterwards pg_stat_get_* knows all that this session did, and pg_stat_get_xact_* counts from nothing."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")


def wal_position(connection):
    return connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0]


COLUMNS = ["metric_id", "ts", "source_id", "part", "value", "value_secondary", "ts_end", "tz_offset", "version"]


def make_arrays(connection, name):
    """The rows of sample_points as one array a column in chunks of 5,000, not compressed: ready for unnest()."""
    connection.execute(f"DROP TABLE IF EXISTS {name}")
    arrays = ", ".join(f"array_agg({column} ORDER BY metric_id, ts, source_id, part) AS {column}" for column in COLUMNS)
    chunked = ("SELECT *, (row_number() OVER (PARTITION BY user_id ORDER BY metric_id, ts, source_id, part) - 1) / 5000 AS chunk "
               "FROM wearables.sample_points")
    connection.execute(f"CREATE TABLE {name} AS SELECT user_id, chunk, {arrays} FROM ({chunked}) s GROUP BY 1, 2 LIMIT 0")
    for column in COLUMNS:
        connection.execute(f"ALTER TABLE {name} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    connection.execute(f"INSERT INTO {name} SELECT user_id, chunk, {arrays} FROM ({chunked}) s GROUP BY 1, 2 ORDER BY 1, 2")
    connection.execute(f"ANALYZE {name}")


UPDATES = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[4:])
ON_CONFLICT = f"ON CONFLICT (user_id, metric_id, ts, source_id, part) DO UPDATE SET {UPDATES}"


def upsert_arrays(table, arrays):
    """The plain upsert: no look before it, no rule in it."""
    names = ", ".join(COLUMNS)
    of_chunk = ", ".join("c." + column for column in COLUMNS)
    return (f"INSERT INTO {table} (user_id, {names}) SELECT c.user_id, u.* "
            f"FROM (SELECT * FROM {arrays} ORDER BY user_id, chunk) c, unnest({of_chunk}) AS u ({names}) {ON_CONFLICT}")

