"""The same events handled again: against their own first handling."""
import statistics

import harness
import world

EVENTS, SAMPLES, ROUNDS = 20, 10_000, 7
WRITES = """
SELECT pg_stat_get_xact_tuples_inserted(c) + pg_stat_get_xact_tuples_updated(c) + pg_stat_get_xact_tuples_deleted(c)
FROM (VALUES ('wearables.sample_points'::regclass)) t (c)
"""


def run():
    session = harness.pinned_session()
    events, rounds = harness.scaled(EVENTS), harness.scaled(ROUNDS, 3)
    world.put_heartrate(session, "replay", events, SAMPLES)
    rows, wal = events * SAMPLES, []

    def first():
        world.clear(session)
        world.receive(session, "replay")
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        return seconds

    def again():
        before = world.digest(session, "wearables.sample_points")
        world.flush_counts(session)
        position = world.wal_position(session)
        with session.transaction():
            seconds = harness.timed(lambda: replay(session, rows))
            writes = session.execute(WRITES).fetchone()[0]
        wal.append(world.wal_position(session) - position)
        harness.check(writes == 0, f"a replay wrote {writes} row versions")
        world.check_equal(session, "wearables.sample_points", before)
        return seconds

    firsts, agains = harness.interleave(rounds, first, again)
    harness.report(
        f"the same {events} events replayed, {rows:,} rows", "their own first write",
        harness.ratios(firsts, agains),
        f"{harness.ms(agains)} = {harness.rate(rows, agains)}, first {harness.ms(firsts)}; {rounds} pairs; no row version, "
        f"WAL {statistics.median(wal):,.0f} bytes (most {max(wal):,.0f})", target=5)
    session.close()


def replay(session, rows):
    totals = session.execute(
        "SELECT (t).processed, (t).unchanged, (t).failed FROM "
        "(SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events) r").fetchone()
    harness.check(totals[1] == rows and totals[2] == 0, f"replay totals {totals}")
