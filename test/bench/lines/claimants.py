"""A person moves to another time zone: the events of a source that tells wall-clock time overlap, one is handled again."""
import datetime

import harness
import world

EVENTS, SAMPLES, ROUNDS = 400, 400, 5


def body(number):
    """Readings a quarter of an hour apart; each event begins with the second reading of the one before."""
    text = []
    for i in range(SAMPLES):
        at = world.START + datetime.timedelta(minutes=15 * (number + i))
        text.append(f'{{"timestamp":"{at:%Y-%m-%dT%H:%M:%S}+00:00","unit":"mmol/L","value":{4 + i % 5}}}')
    return (f'{{"event_type":"daily.data.glucose.created","user_id":"external-1","client_user_id":"user-1","data":{{"data":[{",".join(text)}],'
            f'"source":{{"provider":"freestyle_libre","type":"unknown"}}}}}}').encode()


def run():
    session = harness.pinned_session()
    events, rounds = harness.scaled(EVENTS, 40), harness.scaled(ROUNDS, 3)
    world.register(session, 1)
    world.put(session, "claimants", ((f"claimants-{i}", i, body(i)) for i in range(events)))
    session.execute("ANALYZE bench.outbox")

    def first():
        session.execute("UPDATE wearables.users SET time_zone = 'UTC'")
        world.clear(session)
        world.receive(session, "claimants")
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        return seconds

    def moved():
        session.execute("UPDATE wearables.users SET time_zone = 'America/Bogota'")
        session.execute("SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1")
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        earliest = session.execute("SELECT min(ts) FROM wearables.sample_points").fetchone()[0]
        harness.check(earliest == world.START + datetime.timedelta(hours=5), f"the first reading lies at {earliest}")
        return seconds

    firsts, moves = harness.interleave(rounds, first, moved)
    harness.report(
        f"{events} overlapping events of wall-clock time, the zone changed, one of them queued again: all claim what it gives up",
        "their own first write, time to time", harness.ratios(moves, firsts),
        f"{harness.ms(moves)}, first {harness.ms(firsts)}; {rounds} pairs", target=3, at_most=True)
    session.close()
