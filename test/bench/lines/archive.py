"""A week of raw events to a Parquet file and back, by wearables-archive: against pg_dump -Fc of its partition and pg_restore.

That is what an operator would do without it: one command of every installation, which stores the table whole, compressed,
and brings it back as a partition. It compares nothing.
"""
import os
import random
import shutil
import subprocess
import urllib.parse
from pathlib import Path

import harness
import world

EVENTS, USERS, ROUNDS = 10_000, 200, 2
SIZES = [(3, 0.75), (60, 0.2), (700, 0.05)]  # at most so many samples an event, share of the events
WEEK, PARTITION = "2026-03-23", "wearables.webhook_events_20260323"
PROGRAM = "wearables-archive"


def bodies(count):
    """Heart rates as they come: most events hold a few readings, some an hour, a few a day."""
    chance = random.Random(35)
    for i in range(count):
        most, = chance.choices([size for size, _ in SIZES], [share for _, share in SIZES])
        value, samples = 60, []
        first = chance.randrange(86_400 * 6)
        for second in range(chance.randint(1, most)):
            value = min(180, max(45, value + chance.randint(-3, 3)))
            at = world.START.timestamp() + first + second * 60
            samples.append(f'{{"id":null,"timestamp":"{iso(at)}","timezone_offset":3600,"type":null,"unit":"bpm","value":{value}.0}}')
        yield world.heartrate_body(1 + i % USERS, "[" + ",".join(samples) + "]")


def iso(seconds):
    return f"{world.datetime.datetime.fromtimestamp(seconds, world.datetime.UTC):%Y-%m-%dT%H:%M:%S}+00:00"


def command(*words):
    """Runs a program; a failure is shown."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    harness.check(done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}")


def run():
    python = os.environ.get("WEARABLES_ARCHIVE_PYTHON")
    if not python:
        harness.say(f"skipped: {os.environ.get('WEARABLES_NO_ARCHIVE_PYTHON') or 'no Python with pyarrow and psycopg is named'}")
        return
    session = harness.connect()
    events = harness.scaled(EVENTS, 50)
    world.clear(session)
    world.register(session, USERS)
    world.put(session, "archive", ((f"archive-{i}", 0, body) for i, body in enumerate(bodies(events))))
    world.receive(session, "archive")
    world.drain(session)
    world.check_drained(session)
    session.execute("UPDATE wearables.webhook_events SET received_at = %s::timestamptz + event_id * interval '1 second'", [WEEK + "Z"])
    session.execute("SELECT wearables.make_event_partitions('0', NULL)")
    measure(session, python, events)
    session.execute(f"DROP TABLE {PARTITION}")
    session.execute("TRUNCATE wearables.archives, wearables.archived_files")
    session.execute("DELETE FROM bench.outbox WHERE batch = 'archive'")
    world.clear(session)
    session.close()


def measure(session, python, events):
    bindir = Path(subprocess.run([os.environ["PG_CONFIG"], "--bindir"], capture_output=True, text=True, check=True).stdout.strip())
    program, = Path(harness.AREA, "dest").rglob(PROGRAM)
    folder, dump = Path(harness.AREA, "archived"), Path(harness.AREA, "archived.dump")
    url = "file://" + urllib.parse.quote(str(folder))
    session.execute(f"VACUUM ANALYZE {PARTITION}")
    before = world.digest(session, PARTITION)
    harness.check(before[0] == events, f"the week has {before[0]} events")
    heap, bytes_of_bodies = session.execute(
        f"SELECT pg_total_relation_size('{PARTITION}'), (SELECT sum(octet_length(payload)) FROM {PARTITION})").fetchone()

    def work(request):
        session.execute("CHECKPOINT")
        session.execute(f"SELECT wearables.{request}")
        seconds = harness.timed(lambda: command(python, str(program), "--under", url, ""))
        harness.check(session.execute("SELECT bool_and(state = 'done') FROM wearables.archives").fetchone()[0], "a request is not done")
        return seconds

    def is_back():
        world.check_equal(session, PARTITION, before)

    def archive():
        seconds = work(f"archive_events('2026-03-30Z', '{url}')")
        harness.check(session.execute(f"SELECT to_regclass('{PARTITION}') IS NULL").fetchone()[0], "the partition is there")
        return seconds

    def restore():
        seconds = work(f"restore_events('{url}')")
        is_back()
        return seconds

    def to_dump():
        session.execute("CHECKPOINT")
        return harness.timed(lambda: command(str(bindir / "pg_dump"), "-Fc", "-t", PARTITION, "-f", str(dump)))

    def from_dump():
        session.execute(f"DROP TABLE {PARTITION}")
        session.execute("CHECKPOINT")
        seconds = harness.timed(lambda: command(str(bindir / "pg_restore"), "-d", os.environ["PGDATABASE"], str(dump)))
        is_back()
        return seconds

    archived, restored, dumped, undumped = harness.interleave(harness.scaled(ROUNDS, 1), archive, restore, to_dump, from_dump)
    file_bytes, = session.execute("SELECT sum(bytes)::bigint FROM wearables.archived_files WHERE state <> 'obsolete'").fetchone()
    megabytes = bytes_of_bodies / 1e6

    def speed(seconds):
        return f"{harness.rate(events, seconds)}, {harness.rate(megabytes, seconds)[:-2]} MB/s"

    harness.report(
        f"bytes of a week of {events:,} events in Parquet", "its partition with TOAST and indexes", [heap / file_bytes],
        f"{file_bytes / events:,.0f} bytes an event, partition {heap / events:,.0f}, bodies {bytes_of_bodies / events:,.0f}, "
        f"pg_dump -Fc {dump.stat().st_size / events:,.0f}")
    harness.report("archiving it: written, read back, compared, its partition dropped", "pg_dump -Fc, which compares nothing",
                   harness.ratios(dumped, archived), f"{harness.ms(archived)} = {speed(archived)}, pg_dump {harness.ms(dumped)}")
    harness.report("restoring it: the file's digest compared, its events stored", "pg_restore", harness.ratios(undumped, restored),
                   f"{harness.ms(restored)} = {speed(restored)}, pg_restore {harness.ms(undumped)}")
    shutil.rmtree(folder)
    dump.unlink()
