"""Events of one to three samples of many users: how many a session handles in a second."""
import threading

import harness
import world

EVENTS, USERS, ROUNDS = 10_000, 2_000, 3
TARGET = 5_000

# The limit: one row and one commit an event, no fsync waited for, nothing between client and server.
BARE = """
CREATE OR REPLACE PROCEDURE bench.bare_commits(events integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. events LOOP
    INSERT INTO bench.twin (user_id, metric_id, ts, source_id, part, value, version)
    VALUES (i % 2000, 1, timestamptz '2026-01-01' + i * interval '1 second', 1, 0, 60, i);
    COMMIT;
  END LOOP;
END $$
"""


def messages(events):
    for i in range(events):
        samples = world.heartrate_samples(1 + i % 3, offset_seconds=(i // USERS) * 60)
        yield f"small-{i}", i, world.heartrate_body(1 + i % USERS, samples)


def run():
    harness.unpin()  # one session against two: neither is given a core
    session, helper = harness.connect(), harness.connect()
    events, rounds = harness.scaled(EVENTS), harness.scaled(ROUNDS, 2)
    rows = sum(1 + i % 3 for i in range(events))
    world.register(session, USERS)
    world.put(session, "small", messages(events))
    world.make_twin(session, "bench.twin")
    session.execute(BARE)
    session.execute("ANALYZE bench.outbox")

    def prepared(work):
        world.clear(session)
        world.receive(session, "small")
        session.execute("ANALYZE wearables.jobs, wearables.users, wearables.user_links")
        seconds = harness.timed(work)
        world.check_drained(session)
        found = world.digest(session, "wearables.sample_points")[0]
        harness.check(found == rows, f"{found} rows of {rows}")
        return seconds

    def one():
        return prepared(lambda: world.drain(session))

    def two():
        return prepared(lambda: both(session, helper))

    def bare():
        world.empty(session, "bench.twin")
        session.execute("SET synchronous_commit = off")
        seconds = harness.timed(lambda: session.execute(f"CALL bench.bare_commits({events})"))
        session.execute("RESET synchronous_commit")
        found = world.digest(session, "bench.twin")[0]
        harness.check(found == events, f"{found} bare rows of {events}")
        return seconds

    ones, twos, bares = harness.interleave(rounds, one, two, bare)
    harness.report(
        f"{events:,} events of one to three samples, {USERS:,} users, one session", "the target",
        [events / seconds for seconds in ones], f"{rounds} rounds of {harness.ms(ones)}", target=TARGET, unit=" events/s", digits=0)
    harness.report(
        "the same, two sessions at once", "one session", harness.ratios(ones, twos),
        f"{harness.rate(events, twos)} against {harness.rate(events, ones)}")
    harness.report(
        "the same, one session", "as many one-row inserts, each committed without fsync, in a loop inside the server",
        harness.ratios(bares, ones), f"{harness.rate(events, ones)} against {harness.rate(events, bares)}")
    session.close()
    helper.close()


def both(session, helper):
    errors = []

    def work():
        try:
            world.drain(helper)
        except Exception as error:  # carried to the thread that can stop the run
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    world.drain(session)
    thread.join()
    if errors:
        raise errors[0]
