"""What the lines share: sessions, timing in interleaved pairs, and the report."""
import datetime
import os
import platform
import statistics
import subprocess
import time

import psycopg

SCALE = float(os.environ.get("SCALE", "1"))
AREA = os.environ["BENCH_AREA"]
SETTINGS = ["fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size",
            "checkpoint_timeout", "autovacuum", "wearables_ingest.chunk_rows"]

_cores = sorted(os.sched_getaffinity(0))
_results = []
_line = None


def scaled(count, least=1):
    return max(least, round(count * SCALE))


def connect():
    return psycopg.connect(autocommit=True)


def pin(connection):
    """A session that works alone gets the last core to itself, this client the first."""
    if len(_cores) < 2:
        return
    try:
        os.sched_setaffinity(connection.info.backend_pid, {_cores[-1]})
        os.sched_setaffinity(0, {_cores[0]})
    except PermissionError:
        print("    (sessions are not pinned to cores: not permitted)")


def unpin():
    os.sched_setaffinity(0, _cores)


def pinned_session():
    connection = connect()
    pin(connection)
    return connection


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleave(rounds, *sides):
    """Runs A B ... A B ...; each side prepares and returns the seconds of its timed part.

    The first round warms caches and plans and is not counted. Returns one list of seconds per side.
    """
    seconds = [[] for _ in sides]
    for turn in range(rounds + 1):
        for times, side in zip(seconds, sides):
            took = side()
            if turn > 0:
                times.append(took)
    return seconds


def ratios(numerators, denominators):
    return [n / d for n, d in zip(numerators, denominators)]


def check(holds, what):
    if not holds:
        raise AssertionError(f"{_line}: {what}")


def begin_line(name):
    global _line
    _line = name
    busy = other_work()
    print(f"\n== {name}" + (f"   (other work keeps {busy:.0%} of the cores busy: read the figures with care)" if busy > 0.1 else ""))


def other_work(seconds=0.5):
    """Share of the cores that is in use while nothing of ours runs."""
    def counters():
        with open("/proc/stat", encoding="ascii") as stat:
            numbers = [int(word) for word in stat.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    total, idle = counters()
    time.sleep(seconds)
    total_after, idle_after = counters()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def report(what, against, values, note, target=None, at_most=False, unit=" x", digits=2):
    """One measured pair: values are its ratios, a target is judged by their median."""
    low, middle, high = min(values), statistics.median(values), max(values)
    spread = " - ".join(f"{value:.{digits}f}" for value in (low, middle, high)) + unit
    verdict = ""
    if target is not None:
        met = middle <= target if at_most else middle >= target
        verdict = f"{'at most' if at_most else 'at least'} {target:g}{unit}: {'met' if met else 'MISSED'}"
    _results.append((_line, what, against, spread, verdict, note))
    print(f"{what}\n    against {against}\n    {spread}{'   ' + verdict if verdict else ''}\n    ({note})")


def say(text):
    print(f"    {text}")


def ms(seconds):
    middle = statistics.median(seconds) * 1e3
    return f"{middle:,.0f} ms" if middle >= 100 else f"{middle:.3g} ms"


def rate(count, seconds):
    return f"{count / statistics.median(seconds):,.0f}/s"


def _command(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def machine(connection):
    server = connection.execute("SELECT current_setting('server_version')").fetchone()[0]
    settings = ", ".join(f"{name} {_setting(connection, name)}" for name in SETTINGS)
    settings += f", sample_points {_options(connection) or 'with default storage options'}"
    filesystem = _command("df", "--output=fstype", AREA).split()[-1:]
    now = datetime.datetime.now(datetime.UTC)
    return (f"\n{now:%Y-%m-%d %H:%M} UTC, {_cpu()}, {os.cpu_count()} cores, Linux {platform.release()}, "
            f"data on {''.join(filesystem) or 'unknown'}, load before {os.getloadavg()[0]:.2f}, scale {SCALE:g}\n"
            f"PostgreSQL {server}; {settings}\n"
            f"Ratios are lowest - median - highest over the pairs, which alternate; above 1 ours is the better one "
            f"unless the line says otherwise.")


def _setting(connection, name):
    return connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]


def _options(connection):
    return connection.execute(
        "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE oid = 'wearables.sample_points'::regclass").fetchone()[0]


def table():
    head = ["", "## Summary", "", "| line | what | against | ratio | target | beside it |", "| --- " * 6 + "|"]
    return "\n".join(head + ["| " + " | ".join(result) + " |" for result in _results])
