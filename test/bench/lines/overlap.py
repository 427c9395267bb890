"""Equal readings in a newer message, as when a webhook follows a backfill: against the plain upsert."""
import statistics

import harness
import world

EVENTS, SAMPLES, ROUNDS = 20, 10_000, 7


def run():
    session = harness.pinned_session()
    events, rounds = harness.scaled(EVENTS), harness.scaled(ROUNDS, 3)
    world.put_heartrate(session, "overlap-first", events, SAMPLES)
    world.put_heartrate(session, "overlap-second", events, SAMPLES, seconds=3600)
    world.make_twin(session, "bench.twin")
    session.execute("DROP TABLE IF EXISTS bench.base")
    rows = events * SAMPLES
    upsert = world.upsert_arrays("bench.twin", "bench.arrays")
    wal, hot, expected = {"ours": [], "theirs": []}, {"ours": [], "theirs": []}, None

    def measured(side, table, work):
        position, updates = world.wal_position(session), hot_updates(session, table)
        seconds = harness.timed(work)
        wal[side].append(world.wal_position(session) - position)
        after = hot_updates(session, table)
        hot[side].append((after[1] - updates[1]) / max(1, after[0] - updates[0]))
        return seconds

    def ours():
        nonlocal expected
        world.clear(session)
        world.receive(session, "overlap-first")
        world.drain(session)
        if expected is None:
            session.execute("CREATE TABLE bench.base AS SELECT * FROM wearables.sample_points")
        world.receive(session, "overlap-second")
        session.execute("VACUUM wearables.sample_points")
        seconds = measured("ours", "wearables.sample_points", lambda: world.drain(session))
        world.check_drained(session)
        found = world.digest(session, "wearables.sample_points")
        if expected is None:
            harness.check(found[0] == rows and moved(session) == rows, "not every version moved")
            world.make_arrays(session, "bench.arrays")
        harness.check(expected in (None, found), "another round gave other rows")
        expected = found
        return seconds

    def plain():
        world.empty(session, "bench.twin")
        session.execute("INSERT INTO bench.twin SELECT * FROM bench.base ORDER BY user_id, metric_id, ts, source_id, part")
        session.execute("VACUUM bench.twin")
        seconds = measured("theirs", "bench.twin", lambda: session.execute(upsert))
        world.check_equal(session, "bench.twin", expected)
        return seconds

    mine, theirs = harness.interleave(rounds, ours, plain)
    shares = {side: f"{statistics.median(values):.0%}" for side, values in hot.items()}
    bytes_a_row = {side: statistics.median(values) / rows for side, values in wal.items()}
    harness.report(
        f"equal values in a newer message, {rows:,} rows, JSON parse included: every version moves",
        "plain INSERT .. SELECT FROM unnest .. ON CONFLICT DO UPDATE of the same rows from arrays",
        harness.ratios(theirs, mine),
        f"{harness.ms(mine)} = {harness.rate(rows, mine)}, plain {harness.ms(theirs)}; {rounds} pairs; HOT {shares['ours']}, "
        f"plain {shares['theirs']}; WAL {bytes_a_row['ours']:.0f} bytes a row, plain {bytes_a_row['theirs']:.0f}", target=1.5)
    session.close()


def moved(session):
    return session.execute(
        "SELECT count(*) FROM bench.base b JOIN wearables.sample_points s USING (user_id, metric_id, ts, source_id, part) "
        "WHERE s.version > b.version AND s.value = b.value").fetchone()[0]


def hot_updates(session, table):
    """Updates so far and how many of them were HOT."""
    world.flush_counts(session)
    return session.execute(
        "SELECT pg_stat_get_tuples_updated(t), pg_stat_get_tuples_hot_updated(t) FROM (VALUES (%s::regclass)) v (t)",
        [table]).fetchone()
