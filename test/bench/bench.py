"""make bench: runs the lines that are wanted, one after the other, and sums them up in a table."""
import importlib
import os
import sys
import time

import harness
import world

LINES = ["core", "copy", "replay", "remap", "claimants", "overlap", "upsert", "accept", "small", "latency", "storage", "pull", "chart", "newest", "latest", "import", "archive"]
ON_REQUEST = ["growth"]


def wanted_lines():
    named = os.environ.get("BENCH_LINES", "").split()
    unknown = set(named) - set(LINES + ON_REQUEST)
    if unknown:
        sys.exit(f"no such line: {' '.join(sorted(unknown))}; there are {' '.join(LINES + ON_REQUEST)}")
    if named:
        return named
    return LINES + (ON_REQUEST if os.environ.get("FULL") else [])


def main():
    start = time.monotonic()
    admin = harness.connect()
    world.install(admin)
    print(harness.machine(admin))
    for name in wanted_lines():
        harness.begin_line(name)
        importlib.import_module(f"lines.{name}").run()
        print(f'    again: LINES="{name}" make bench')
    print(harness.table())
    print(f"\nmeasured in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
