"""Bytes a row: against the seed's table, text keys, surrogate id and all."""
import harness
import world

EVENTS, SAMPLES = 100, 10_000
LARGEST_TUPLE = 76

SEED = """
DROP TABLE IF EXISTS bench.seed;
CREATE TABLE bench.seed (
  id bigserial PRIMARY KEY, "user" uuid NOT NULL, metric text NOT NULL, ts timestamptz NOT NULL, provider text NOT NULL,
  value float8 NOT NULL, unit text, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE ("user", metric, ts, provider));
INSERT INTO bench.seed ("user", metric, ts, provider, value, unit)
SELECT md5(s.user_id::text)::uuid, s.metric, s.ts, s.provider, s.value, 'bpm'
FROM wearables.samples s ORDER BY s.user_id, s.metric, s.ts
"""
SIZE = "SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)"


def run():
    session = harness.pinned_session()
    events = harness.scaled(EVENTS)
    rows = events * SAMPLES
    world.put_heartrate(session, "storage", events, SAMPLES)
    world.clear(session)
    world.receive(session, "storage")
    world.drain(session)
    world.check_drained(session)
    session.execute(SEED)
    counts = [session.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
              for table in ("wearables.sample_points", "bench.seed")]
    harness.check(counts == [rows, rows], f"rows {counts}")
    ours = session.execute(SIZE, ["wearables.sample_points"] * 2).fetchone()
    seed = session.execute(SIZE, ["bench.seed"] * 2).fetchone()
    # a row as a value has the header and the alignment of a heap tuple
    tuple_size, = session.execute("SELECT max(pg_column_size(s)) FROM wearables.sample_points s").fetchone()
    widest, = session.execute(
        "SELECT pg_column_size(ROW(1, now(), 1.5, 2, 2.5, now(), 1, 1, 0, 60)::wearables.sample_points)").fetchone()
    share = sum(ours) / sum(seed)
    harness.report(
        f"bytes of table and index, {rows:,} rows in order", "the seed's table and its two indexes", [share],
        f"{sum(ours) / rows:.1f} bytes a row (table {ours[0] / rows:.1f}, index {ours[1] / rows:.1f}), "
        f"seed {sum(seed) / rows:.1f} ({seed[0] / rows:.1f}, {seed[1] / rows:.1f})", target=0.5, at_most=True)
    harness.report("heap tuple of such a row", "its limit", [tuple_size],
                   f"a row with no column empty has {widest} bytes", target=LARGEST_TUPLE, at_most=True, unit=" bytes", digits=0)
    session.execute("DROP TABLE bench.seed")
    session.execute("DELETE FROM bench.outbox WHERE batch = 'storage'")
    world.clear(session)
    session.close()
