"""From the commit of receive() to the sample that another session sees, on an idle server with one worker."""
import threading
import time

import harness
import world

EVENTS = 200
TARGET_MS = 5

# The obvious alternative: a program that LISTENs, and writes a row it is told of. Nothing is parsed.
NOTIFIED = """
CREATE TABLE IF NOT EXISTS bench.told (id bigint PRIMARY KEY);
CREATE TABLE IF NOT EXISTS bench.made (id bigint PRIMARY KEY);
CREATE OR REPLACE FUNCTION bench.tell(id bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO bench.told VALUES (id); SELECT pg_notify('bench', id::text) $$
"""


def seconds_until(watcher, query, parameters):
    start = time.perf_counter()
    while not watcher.execute(query, parameters, prepare=True).fetchone()[0]:
        harness.check(time.perf_counter() - start < 30, "nothing was seen for 30 s")
    return time.perf_counter() - start


def worker(session, databases, count):
    session.execute(f"ALTER SYSTEM SET wearables_ingest.databases = '{databases}'")
    session.execute("SELECT pg_reload_conf()")
    start = time.perf_counter()
    query = "SELECT count(*) = %s FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND state = 'idle'"
    while not session.execute(query, [count]).fetchone()[0]:
        harness.check(time.perf_counter() - start < 30, "the worker does not come or go")
        time.sleep(0.05)


def listen(ready):
    session = harness.connect()
    session.execute("SET synchronous_commit = off")
    session.execute("LISTEN bench")
    ready.set()
    for notice in session.notifies():
        if notice.payload == "stop":
            break
        session.execute("INSERT INTO bench.made VALUES (%s)", [int(notice.payload)], prepare=True)
    session.close()


def run():
    harness.unpin()  # a worker, a sender and a watcher
    session, watcher = harness.connect(), harness.connect()
    events = harness.scaled(EVENTS, 20)
    world.clear(session)
    world.register(session, 1)
    world.put(session, "latency", ((f"latency-{i}", i, world.heartrate_body(1, world.heartrate_samples(1, 60 * i)))
                                   for i in range(events)))
    worker(session, "bench", 1)
    ours = []
    for i in range(events):
        session.execute(
            """SELECT r.status FROM bench.outbox o, wearables.receive(
                 wearables.signed_headers(o.message_id, o.sent_at, o.body, %s), o.body, %s) r
               WHERE o.batch = 'latency' AND o.place = %s""", [world.SECRET, world.ENDPOINT, i])
        ours.append(seconds_until(watcher, "SELECT count(*) > %s FROM wearables.sample_points", [i]))
        time.sleep(0.005)  # idle again
    world.check_drained(session)
    worker(session, "", 0)

    session.execute(NOTIFIED)
    session.execute("TRUNCATE bench.told, bench.made")
    ready = threading.Event()
    listener = threading.Thread(target=listen, args=[ready], daemon=True)
    listener.start()
    ready.wait()
    theirs = []
    for i in range(events):
        session.execute("SELECT bench.tell(%s)", [i])
        theirs.append(seconds_until(watcher, "SELECT count(*) > %s FROM bench.made", [i]))
        time.sleep(0.005)
    session.execute("NOTIFY bench, 'stop'")
    listener.join()
    for times in (ours, theirs):
        times.sort()
    middle, tail = events // 2, events * 99 // 100
    harness.report(
        f"commit of receive() to the visible sample, {events} events one by one, median", "the target",
        [1e3 * ours[middle]], f"99 % within {1e3 * ours[tail]:.2f} ms", target=TARGET_MS, at_most=True, unit=" ms")
    harness.report(
        "the same", "NOTIFY to a client that LISTENs and inserts one row, without parsing anything",
        [ours[middle] / theirs[middle]], f"{harness.ms(ours)} against {harness.ms(theirs)}")
    session.close()
    watcher.close()
