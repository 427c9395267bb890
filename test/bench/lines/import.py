"""An import by SQL: INSERT of 50,000 readings into the view samples and COPY of them, against the plain upsert of the same rows."""
import harness
import world

ROWS, ROUNDS = 50_000, 7
TARGET = 1.0

STAGE = """
CREATE TABLE bench.stage AS
SELECT %s::bigint AS user_id, 'heartrate'::text AS metric, timestamptz '2026-01-01Z' + i * interval '1 minute' AS ts,
       'garmin'::text AS provider, 'watch'::text AS source_type, (50 + i %% 97)::double precision AS value
FROM generate_series(1, %s) i"""
COLUMNS = "user_id, metric, ts, provider, source_type, value"
# who writes it knows the numbers of metric and source, and counts versions by hand
PLAIN = """
INSERT INTO bench.twin (user_id, metric_id, ts, source_id, part, value, version)
SELECT user_id, %s, ts, %s, 0, value, %s FROM {stage} ON CONFLICT (user_id, metric_id, ts, source_id, part)
DO UPDATE SET value = excluded.value, version = excluded.version WHERE bench.twin.version <= excluded.version"""


def run():
    session = harness.pinned_session()
    world.clear(session)
    world.register(session, 1)
    user, = session.execute("SELECT min(user_id) FROM wearables.users").fetchone()
    rows = harness.scaled(ROWS, 1_000)
    session.execute("DROP TABLE IF EXISTS bench.stage, bench.copied")
    session.execute(STAGE, [user, rows])
    session.execute("CREATE TABLE bench.copied (LIKE bench.stage)")
    session.execute("VACUUM ANALYZE bench.stage")
    world.make_twin(session, "bench.twin")
    with session.cursor() as cursor, cursor.copy(f"COPY bench.stage ({COLUMNS}) TO STDOUT") as copy:
        text = b"".join(copy)
    session.execute(f"INSERT INTO wearables.samples ({COLUMNS}) SELECT {COLUMNS} FROM bench.stage LIMIT 1")
    metric, source = session.execute("SELECT metric_id, source_id FROM wearables.sample_points").fetchone()

    def insert():
        session.execute(f"INSERT INTO wearables.samples ({COLUMNS}) SELECT {COLUMNS} FROM bench.stage")

    def copy_in(table):
        with session.cursor() as cursor, cursor.copy(f"COPY {table} ({COLUMNS}) FROM STDIN") as copy:
            copy.write(text)

    def upsert(version, stage="bench.stage"):
        session.execute(PLAIN.format(stage=stage), [metric, source, version])

    def copy_and_upsert():
        session.execute("TRUNCATE bench.copied")
        copy_in("bench.copied")
        upsert(1, "bench.copied")

    compare(session, rows, f"INSERT of {rows:,} new rows into samples", insert, "plain INSERT .. SELECT .. ON CONFLICT DO UPDATE",
            lambda: upsert(1), new=True)
    compare(session, rows, "the same again, equal values in a newer version", insert, "the same", lambda: upsert(2), new=False)
    compare(session, rows, f"COPY of {rows:,} new rows into samples", lambda: copy_in("wearables.samples"),
            "COPY into a table of its own, then the plain upsert", copy_and_upsert, new=True)
    session.execute("DROP TABLE bench.stage, bench.copied")
    world.clear(session)
    session.close()


def compare(session, rows, what, ours, against, theirs, new):
    def side(table, work):
        if new:
            world.empty(session, table)
        else:
            session.execute(f"VACUUM {table}")
        seconds = harness.timed(work)
        found, = session.execute(f"SELECT count(*) FROM {table}").fetchone()
        harness.check(found == rows, f"{table} holds {found} rows")
        return seconds

    mine, plain = harness.interleave(harness.scaled(ROUNDS, 2), lambda: side("wearables.sample_points", ours),
                                     lambda: side("bench.twin", theirs))
    harness.report(what, against, harness.ratios(plain, mine), f"{harness.ms(mine)} = {harness.rate(rows, mine)}, plain {harness.ms(plain)}",
                   target=TARGET)
