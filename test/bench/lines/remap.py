"""Replays after the mappings changed: what an operator does when a parser bug is mended, against the first write."""
import datetime

import harness
import world

SHAPES = ((1, 20_000), (20, 10_000))
ROUNDS = 5
SHIPPED = ("{value}", "{timestamp,start}")
# every row gets another value; every row moves to another instant, so that all of what stood is orphaned
CHANGES = (("every value changed", ("{peak}", "{timestamp,start}")), ("every instant moved", ("{value}", "{start,timestamp}")))


def samples(count):
    text = []
    for i in range(count):
        at = world.START + datetime.timedelta(seconds=i)
        start = at + datetime.timedelta(days=7)
        text.append(f'{{"timestamp":"{at:%Y-%m-%dT%H:%M:%S}+00:00","start":"{start:%Y-%m-%dT%H:%M:%S}+00:00",'
                    f'"unit":"bpm","value":{50 + i % 97}.0,"peak":{60 + i % 97}.0}}')
    return "[" + ",".join(text) + "]"


def set_mapping(session, values, instants):
    session.execute("UPDATE wearables.mappings SET value_fields = %s, instant_fields = %s WHERE resource = 'heartrate' AND provider IS NULL",
                    [values, instants])


def measure(session, what, change, batch, events, count):
    rows = events * count

    def first():
        set_mapping(session, *SHIPPED)
        world.clear(session)
        world.receive(session, batch)
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        return seconds

    def again():
        set_mapping(session, *change)
        with session.transaction():
            seconds = harness.timed(lambda: replay(session, rows))
        return seconds

    rounds = harness.scaled(ROUNDS, 3)
    firsts, agains = harness.interleave(rounds, first, again)
    set_mapping(session, *SHIPPED)
    harness.report(
        f"replay after a changed mapping, {rows:,} rows of {events} event(s): {what}", "its own first write, time to time",
        harness.ratios(agains, firsts), f"{harness.ms(agains)}, first {harness.ms(firsts)}; {rounds} pairs", target=2, at_most=True)


def run():
    session = harness.pinned_session()
    for events, count in SHAPES:
        events, count = events, harness.scaled(count, 1000)
        batch = f"remap {events}"
        world.register(session, events)
        text = samples(count)
        world.put(session, batch, ((f"{batch}-{i}", 0, world.heartrate_body(1 + i, text)) for i in range(events)))
        session.execute("ANALYZE bench.outbox")
        for what, change in CHANGES:
            measure(session, what, change, batch, events, count)
    session.close()


def replay(session, rows):
    totals = session.execute(
        "SELECT (t).changed, (t).inserted, (t).removed, (t).failed FROM "
        "(SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events) r").fetchone()
    harness.check(totals in ((rows, 0, 0, 0), (0, rows, rows, 0)), f"replay totals {totals}")
