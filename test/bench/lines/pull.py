"""History from a vendor: pages a second of a server that is slow to answer, what reading them costs, and what waiting does."""
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import harness
import world

LATENCY = 0.1
TRANSFERS = 16
PAGES, ROUNDS = 12, 3  # of each of two users for each transfer, so that there is always one to ask for
EVENTS, SAMPLES = 20, 10_000
IDLE_SECONDS = 10
TARGET, READ_TARGET, IDLE_TARGET = 0.9, 0.95, 1.0
FROM, TO = "2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z"


@contextmanager
def vendor(session, *arguments):
    """The endpoint's API, as pages.py has it; it ends with the line."""
    command = [sys.executable, "-B", str(Path(world.__file__).with_name("pages.py")), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            url = f"http://127.0.0.1:{int(program.stdout.readline())}"
            session.execute("ALTER SYSTEM SET wearables_ingest.allow_loopback_http = on")
            session.execute("SELECT pg_reload_conf()")
            session.execute("SET wearables_ingest.allow_loopback_http = on")
            session.execute("SELECT wearables.add_endpoint(%s, base_url => %s, tolerance => '10 years')", [world.ENDPOINT, url])
            session.execute("SELECT wearables.set_secret(%s, 'api_key', 0, 'sk_us_bench')", [world.ENDPOINT])
            yield
        finally:
            session.execute("UPDATE wearables.endpoints SET base_url = NULL WHERE name = %s", [world.ENDPOINT])
            program.kill()


def ask(session, users):
    world.clear(session)
    session.execute(
        """SELECT count(wearables.request_backfill(u.user_id, 'apple_health_kit', 'heartrate', %s, %s))
           FROM (SELECT user_id FROM wearables.users ORDER BY user_id LIMIT %s) u""", [FROM, TO, users])


def pulled(session, pages):
    found = session.execute("SELECT min(state::text), max(state::text), sum(pages) FROM wearables.backfills").fetchone()
    harness.check(found == ("done", "done", pages), f"backfills are {found}, not {pages} pages")


def rate_of(session, transfers, pages):
    """Share of what so many transfers could bring: a page each in the server's own time."""
    users = 2 * transfers
    session.execute("SELECT set_config('wearables_ingest.http_concurrency', %s, false)", [str(transfers)])
    ask(session, users)
    start = time.time()
    session.execute("CALL wearables.drain()")
    seconds = session.execute("SELECT extract(epoch FROM max(finished_at))::float8 FROM wearables.backfills").fetchone()[0] - start
    pulled(session, users * pages)
    return users * pages * LATENCY / transfers / seconds, users * pages / seconds


def measure_rate(session, pages, rounds):
    for transfers in (1, TRANSFERS):
        rate_of(session, transfers, 1 if pages == 1 else pages)  # warms up
        shares, rates = zip(*(rate_of(session, transfers, pages) for _ in range(rounds)))
        harness.report(
            f"pages pulled by one session with {transfers} transfer{'s'[:transfers - 1]}, each read as it comes",
            f"a page for each transfer every {LATENCY * 1e3:.0f} ms, which is how long the server takes", list(shares),
            f"{sorted(rates)[len(rates) // 2]:,.1f} pages/s; {rounds} rounds", target=TARGET)


def measure_reading(session, events, rounds):
    """The same readings, stored by the door and by the puller, then read."""
    world.put_heartrate(session, "pull", events, SAMPLES)

    def delivered():
        world.clear(session)
        world.receive(session, "pull")
        return read()

    def paged():
        ask(session, events)
        session.execute("SELECT wearables.pause_queue('normalize')")
        session.execute("CALL wearables.drain()")
        session.execute("SELECT wearables.resume_queue('normalize')")
        pulled(session, events)
        return read()

    def read():
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        rows = session.execute("SELECT count(*) FROM wearables.sample_points").fetchone()[0]
        harness.check(rows == events * SAMPLES, f"{rows} rows")
        return seconds

    pages, webhooks = harness.interleave(rounds, paged, delivered)
    rows = events * SAMPLES
    harness.report(
        f"raw events to samples, {rows:,} new rows from {events} pulled pages", "the same readings from webhooks",
        harness.ratios(webhooks, pages),
        f"{harness.ms(pages)} = {harness.rate(rows, pages)}, webhooks {harness.ms(webhooks)} = {harness.rate(rows, webhooks)}; {rounds} pairs",
        target=READ_TARGET)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_waiting(session, seconds):
    """What a worker uses that has nothing to do but wait for answers that do not come."""
    ask(session, TRANSFERS)
    session.execute("ALTER SYSTEM SET wearables_ingest.databases = 'bench'")
    session.execute("SELECT pg_reload_conf()")
    try:
        give_up = time.monotonic() + 30
        running = "SELECT count(*) = %s FROM wearables.jobs WHERE kind = 'pull' AND state = 'running'"
        while not session.execute(running, [TRANSFERS]).fetchone()[0]:
            harness.check(time.monotonic() < give_up, "the worker does not ask")
            time.sleep(0.05)
        pid = session.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'").fetchone()[0]
        before, start = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        used = cpu_seconds(pid) - before
        took = time.monotonic() - start
        harness.check(session.execute(running, [TRANSFERS]).fetchone()[0], "the requests did not hang")
    finally:
        session.execute("ALTER SYSTEM SET wearables_ingest.databases = ''")
        session.execute("SELECT pg_reload_conf()")
    harness.report(
        f"processor time of a worker while {TRANSFERS} requests hang", "the target", [100 * used / took],
        f"{used * 1e3:.0f} ms in {took:.0f} s, by the clock tick of the kernel", target=IDLE_TARGET, at_most=True, unit=" %")


def run():
    harness.unpin()  # a puller and a server
    session = harness.connect()
    world.register(session, max(2 * TRANSFERS, EVENTS))
    pages, rounds, events = harness.scaled(PAGES, 2), harness.scaled(ROUNDS, 1), harness.scaled(EVENTS, 2)
    with vendor(session, "--pages", pages, "--latency", LATENCY):
        measure_rate(session, pages, rounds)
    session.execute("RESET wearables_ingest.http_concurrency")
    with vendor(session, "--samples", SAMPLES):
        measure_reading(session, events, rounds)
    with vendor(session, "--hang", 3600):
        measure_waiting(session, harness.scaled(IDLE_SECONDS, 4))
    session.close()
