"""Sends every hostile body through receive() and drain() and says what each took.

usage: hostile.py [--table] [--rows] [--more] [PATTERN...]; the connection is that of the PG* variables, to a server
of its own, as superuser: databases are made and dropped.
  PATTERN   only bodies of which family/name matches, such as names/* or *_15MB*
  --table   prints what is slow, takes much memory or is in trouble row by row, the rest as a row per family
  --rows    the same with a row for every body
  --more    afterwards normalize(), explain_event(), replay_preview() and replay() of the event
Memory is the peak of the session while it worked, above what it had before, without shared memory; "kept" is what it
still had afterwards.
A body passes when its event ends as processed, skipped, parked or failed, or is refused at the door. It fails when
the server crashes, reports an internal error or runs out of memory, or when it takes longer than HOSTILE_SECONDS.
HOSTILE_SCALE=0.1 makes the large bodies smaller.
"""

import base64
import fnmatch
import hashlib
import hmac
import os
import sys
import time
from dataclasses import dataclass, field

import psycopg
from psycopg.types.json import Jsonb

import bodies
import pieces

SCALE = float(os.environ.get("HOSTILE_SCALE", "1"))
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "120"))
SECRET = "whsec_" + base64.b64encode(b"a secret for this test alone").decode()
TEMPLATE = "hostile_template"
LARGE = 100_000  # bytes; such a body gets a database and sessions of its own
# what is above one of these has a row of its own
USUAL_SECONDS = 1
USUAL_MEMORY = 16 << 20
USUAL_TIMES = 6  # the size of the body
NUMERIC = ["size", "receive s", "MB", "drain s", "MB", "kept", "x body", "read", "refused"]
FINAL = {"processed", "skipped", "parked", "failed", "refused"}
OUT_OF_MEMORY = "53200"
CANCELLED = "57014"
MORE = {"normalize": "SELECT count(*) FROM wearables.normalize(%s)",
        "explain_event": "SELECT count(*) FROM wearables.explain_event(%s)",
        "replay_preview": "SELECT count(*) FROM wearables.replay_preview(%s)",
        "replay": "SELECT wearables.replay(e) FROM (VALUES (%s::bigint)) v (e)"}


@dataclass
class Work:
    """What one statement took."""

    seconds: float = 0
    peak: int = 0
    kept: int = 0
    row: tuple | None = None
    sqlstate: str = ""
    error: str = ""


@dataclass
class Result:
    family: str
    name: str
    size: int
    received: Work = field(default_factory=Work)
    drained: Work = field(default_factory=Work)
    state: str = ""
    readings: int | None = None
    refused: int | None = None
    remark: str = ""
    more: dict = field(default_factory=dict)

    def works(self):
        return {"receive": self.received, "drain": self.drained, **self.more}

    def troubles(self):
        for what, work in self.works().items():
            if work.sqlstate == "crash" or work.sqlstate.startswith("XX") or work.sqlstate == OUT_OF_MEMORY:
                yield f"{what}: {work.sqlstate} {work.error}"
            elif work.sqlstate == CANCELLED:
                yield f"{what}: not done after {SECONDS:.0f} s"
        if self.state not in FINAL:
            yield f"ends as {self.state}"

    def trouble(self):
        return "; ".join(self.troubles())

    def is_remarkable(self):
        """Honest bodies are there to be compared with."""
        usual = USUAL_MEMORY + USUAL_TIMES * self.size
        return self.family == "honest" or bool(self.trouble()) or any(w.seconds > USUAL_SECONDS or w.peak > usual for w in self.works().values())


def admin(statement):
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)


def wait_for_server():
    give_up = time.monotonic() + 120
    while True:
        try:
            return admin("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def make_template():
    admin(f"CREATE DATABASE {TEMPLATE}")
    with psycopg.connect(dbname=TEMPLATE, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION wearables_ingest")
        connection.execute("SELECT wearables.add_endpoint('junction')")
        connection.execute("SELECT wearables.set_secret('junction', 'webhook', 0, %s)", (SECRET,))
        connection.execute("SELECT wearables.make_event_partitions()")
        connection.execute("SELECT wearables.register_user(%s, %s, time_zone => 'Europe/Berlin')", (pieces.USER, pieces.USER))


class Session:
    """A connection whose statements are measured."""

    def __init__(self, database):
        options = f"-c statement_timeout={round(SECONDS * 1000)} -c client_min_messages=error"
        self.connection = psycopg.connect(dbname=database, autocommit=True, options=options)

    def memory(self):
        text = self.connection.execute("SELECT pg_read_file('/proc/self/status')").fetchone()[0]
        return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in text.splitlines())
                if name in ("VmHWM", "VmRSS", "RssShmem")}

    def work(self, statement, parameters=()):
        work = Work()
        self.connection.execute("COPY (SELECT 5) TO '/proc/self/clear_refs'")  # the peak begins here
        before = self.memory()
        start = time.monotonic()
        try:
            cursor = self.connection.execute(statement, parameters)
            work.row = cursor.fetchone() if cursor.description else None
        except psycopg.Error as error:
            work.sqlstate = "crash" if self.connection.broken else error.sqlstate
            work.error = str(error).split("\n", maxsplit=1)[0]
        work.seconds = time.monotonic() - start
        if work.sqlstate != "crash":
            after = self.memory()
            shared = max(0, after["RssShmem"] - before["RssShmem"])
            work.peak = max(0, after["VmHWM"] - before["VmRSS"] - shared)
            work.kept = max(0, after["VmRSS"] - before["VmRSS"] - shared)
        return work


class World:
    """A database made for the purpose: one session receives, the other drains."""

    made = 0
    messages = 0

    def __init__(self):
        World.made += 1
        self.database = f"hostile_{World.made}"
        admin(f"CREATE DATABASE {self.database} TEMPLATE {TEMPLATE}")
        self.door = Session(self.database)
        self.worker = Session(self.database)
        # what a session reads of catalogs at its first event is not counted
        for body in (pieces.heartrates(pieces.SAMPLE), pieces.event(pieces.SLEEP, pieces.NIGHT)):
            self.receive(body)
            self.worker.work("CALL wearables.drain()")

    def receive(self, content):
        World.messages += 1
        headers = signed_headers(f"msg_hostile_{World.messages}", content)
        return self.door.work("SELECT r.status, r.event_id, r.reason FROM wearables.receive(%s, %b) r", (Jsonb(headers), content))

    def close(self):
        self.door.connection.close()
        self.worker.connection.close()
        wait_for_server()
        admin(f"DROP DATABASE {self.database} (FORCE)")

    def broken(self):
        return self.door.connection.broken or self.worker.connection.broken


def signed_headers(message_id, body):
    timestamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {"svix-id": message_id, "svix-timestamp": timestamp, "svix-signature": "v1," + base64.b64encode(digest).decode(),
            "content-type": "application/json"}


def receive(world, result, content):
    result.received = world.receive(content)
    if result.received.row is None:
        result.state = "not received"
        return None
    status, event_id, reason = result.received.row
    if event_id is None:
        result.state, result.remark = status, reason
    return event_id


def look_at(world, result, event_id):
    """What became of the event."""
    result.state, readings, result.refused, result.remark = world.worker.connection.execute(
        "SELECT status::text, inserted + changed + confirmed + unchanged + stale, quarantined, coalesce(error, note, '') "
        "FROM wearables.webhook_events WHERE event_id = %s", (event_id,)).fetchone()
    result.readings = readings
    job = world.worker.connection.execute("SELECT state, attempt, last_error FROM wearables.jobs WHERE event_id = %s", (event_id,)).fetchone()
    if job and result.state == "received":
        result.state = f"a job that is {job[0]} after attempt {job[1]}: {job[2]}"
    world.worker.connection.execute("DELETE FROM wearables.jobs")


def try_body(world, body, content, more):
    result = Result(body.family, body.name, len(content))
    event_id = receive(world, result, content)
    if event_id is None:
        return result
    result.drained = world.worker.work("CALL wearables.drain()")
    if world.broken():
        result.state = "crashed"
        return result
    look_at(world, result, event_id)
    for name, statement in more.items():
        if world.broken():
            break
        result.more[name] = world.worker.work(statement, (event_id,))
    return result


def try_all(patterns, more):
    world = family = None
    for body in bodies.all_bodies(SCALE):
        if not any(fnmatch.fnmatch(f"{body.family}/{body.name}", pattern) for pattern in patterns):
            continue
        content = body.make()
        if world and (len(content) > LARGE or body.family != family or world.broken()):
            world.close()
            world = None
        if world is None:
            world, family = World(), body.family
        result = try_body(world, body, content, more)
        if len(content) > LARGE:
            world.close()
            world = None
        if result.trouble():
            print(f"  {result.family}/{result.name}: {result.trouble()[:300]}", flush=True)
        yield result
    if world:
        world.close()


def figures(work):
    if work.sqlstate:
        return f"{work.seconds:.2f}", work.sqlstate
    return f"{work.seconds:.2f}", f"{work.peak / 1e6:.1f}"


def row_of(result):
    worst = max(result.more.items(), key=lambda item: item[1].peak, default=None)
    return [f"{result.family}/{result.name}", f"{result.size / 1e6:.2f}", *figures(result.received), *figures(result.drained),
            f"{result.drained.kept / 1e6:.1f}", f"{result.drained.peak / result.size:.1f}" if result.size > LARGE else "",
            "" if result.readings is None else str(result.readings), "" if result.refused is None else str(result.refused),
            result.state[:40], (result.trouble() or result.remark or "")[:60],
            *([f"{worst[0]} {worst[1].seconds:.2f} s, {worst[1].peak / 1e6:.0f} MB"] if worst else [])]


def rest_of(family, results):
    """A row for all of a family that need no row of their own: the worst of each figure."""
    states = sorted({r.state for r in results})
    return [f"{family}: {len(results)} more, none above", f"{max(r.size for r in results) / 1e6:.2f}",
            f"{max(r.received.seconds for r in results):.2f}", f"{max(r.received.peak for r in results) / 1e6:.1f}",
            f"{max(r.drained.seconds for r in results):.2f}", f"{max(r.drained.peak for r in results) / 1e6:.1f}",
            f"{max(r.drained.kept for r in results) / 1e6:.1f}", "", "", "", ", ".join(states), ""]


def print_table(results, every_row):
    heads = ["body", *NUMERIC, "ends as", "remark", "worst of the rest"]
    rows = [heads]
    for family in dict.fromkeys(r.family for r in results):
        of_family = [r for r in results if r.family == family]
        shown = [r for r in of_family if every_row or r.is_remarkable()]
        rows += [row_of(r) for r in shown]
        rest = [r for r in of_family if r not in shown]
        if rest:
            rows.append(rest_of(family, rest))
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(heads))]
    for row in rows:
        cells = zip(heads, row, widths, strict=False)
        print("  ".join(text.rjust(width) if head in NUMERIC else text.ljust(width) for head, text, width in cells).rstrip())


def main():
    flags = {argument for argument in sys.argv[1:] if argument.startswith("--")}
    if flags - {"--table", "--rows", "--more"}:
        sys.exit(__doc__)
    patterns = [argument for argument in sys.argv[1:] if not argument.startswith("--")] or ["*"]
    make_template()
    results = list(try_all(patterns, MORE if "--more" in flags else {}))
    failed = sum(1 for result in results if result.trouble())
    if flags & {"--table", "--rows"}:
        print_table(results, "--rows" in flags)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not results else 0)


main()
