"""Raw events to samples, new data: against COPY of the rows that come of them."""
import harness
import world

EVENTS, SAMPLES, ROUNDS = 20, 10_000, 7


def run():
    session = harness.pinned_session()
    events, rounds = harness.scaled(EVENTS), harness.scaled(ROUNDS, 3)
    world.put_heartrate(session, "copy", events, SAMPLES)
    world.make_twin(session, "bench.twin")
    rows = events * SAMPLES
    path = f"{harness.AREA}/rows.bin"
    expected = None

    def ours():
        nonlocal expected
        world.clear(session)
        world.receive(session, "copy")
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        found = world.digest(session, "wearables.sample_points")
        if expected is None:
            harness.check(found[0] == rows, f"{found[0]} rows of {rows}")
            session.execute(f"COPY wearables.sample_points TO '{path}' (FORMAT binary)")
        harness.check(expected in (None, found), "another round gave other rows")
        expected = found
        return seconds

    def copy():
        world.empty(session, "bench.twin")
        seconds = harness.timed(lambda: session.execute(f"COPY bench.twin FROM '{path}' (FORMAT binary)"))
        world.check_equal(session, "bench.twin", expected)
        return seconds

    mine, theirs = harness.interleave(rounds, ours, copy)
    harness.report(
        f"raw events to samples, {rows:,} new rows from {events} events, JSON parse included",
        "COPY (FORMAT binary) of the same rows from a file into a table like it",
        harness.ratios(theirs, mine),
        f"{harness.ms(mine)} = {harness.rate(rows, mine)}, COPY {harness.ms(theirs)} = {harness.rate(rows, theirs)}; "
        f"{rounds} pairs, both into empty tables, both end with a flushed commit", target=0.9)
    session.close()
