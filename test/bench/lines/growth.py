"""The first million rows and the last, of as many as ten minutes write. Only on request: it takes that long."""
import time

import harness
import world

USERS, SAMPLES, SECONDS, MOST_ROWS = 500, 2_000, 600, 50_000_000


def run():
    session = harness.pinned_session()
    world.clear(session)
    one_more(session, 0, 1)  # plans and caches
    world.clear(session)
    users = harness.scaled(USERS)
    rows, taken = users * SAMPLES, []
    end = time.monotonic() + SECONDS * min(1, harness.SCALE)
    while (time.monotonic() < end and len(taken) * rows < MOST_ROWS) or len(taken) < 2:
        taken.append(one_more(session, len(taken), users))
    found, = session.execute("SELECT count(*) FROM wearables.sample_points").fetchone()
    harness.check(found == rows * len(taken), f"{found} rows of {rows * len(taken)}")
    size, = session.execute("SELECT pg_total_relation_size('wearables.sample_points')").fetchone()
    harness.report(
        f"the last {rows:,} of {found:,} rows, {users:,} users that grow together", f"the first {rows:,}",
        [taken[0] / taken[-1]],
        f"first {harness.rate(rows, taken[:1])}, last {harness.rate(rows, taken[-1:])}, slowest {harness.rate(rows, [max(taken)])}; "
        f"table and index {size / 1e9:.1f} GB")
    world.clear(session)
    session.close()


def one_more(session, turn, users):
    """Every user's next readings; the raw events of the turn before are dropped, the samples stay."""
    batch = f"growth-{turn}"
    world.put_heartrate(session, batch, users, SAMPLES, seconds=turn, offset_seconds=turn * SAMPLES)
    session.execute("TRUNCATE wearables.webhook_events, wearables.deliveries, wearables.jobs")
    world.receive(session, batch)
    session.execute("TRUNCATE bench.outbox")
    session.execute("CHECKPOINT")
    seconds = harness.timed(lambda: world.drain(session))
    world.check_drained(session)
    return seconds
