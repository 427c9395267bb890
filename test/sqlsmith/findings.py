"""Reads what a server logged while sqlsmith ran, and what sqlsmith said: which errors there were, and whose.

usage: findings.py LOG OUTPUT. The log has log_line_prefix '%m [%p] %u %e ' and log_error_verbosity verbose.
Fails on a crash and on an internal error (class XX) that was raised in our sources or on behalf of our functions.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass, field

LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[(\d+)\] (\S*) (\w{5}) (\w+):  (.*)$")
CRASH = re.compile(r"was terminated by signal|server process .* exited with exit code|TRAP: ")
PARTS = ("DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION", "STATEMENT", "BACKTRACE")
MARKS = {".": "done", "e": "errors", "t": "timeouts", "S": "syntax errors", "C": "lost connections"}
SHOWN = 5  # statements of an internal error
LENGTH = 2000


@dataclass
class Entry:
    """An error with the lines that follow it: LOCATION, CONTEXT, STATEMENT."""

    sqlstate: str
    message: str
    parts: dict = field(default_factory=dict)

    def location(self):
        return self.parts.get("LOCATION", "nowhere")

    def is_ours(self):
        return ".cpp:" in self.location() or "wearables" in self.parts.get("CONTEXT", "")


def read(path, crashes):
    """The errors of a log; a part goes with the last error of its process."""
    entries, last, part = [], {}, None
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            match = LINE.match(line)
            if not match:
                if part:
                    part[0].parts[part[1]] += line
                continue
            process, _, sqlstate, kind, text = match.groups()
            part = None
            if CRASH.search(text):
                crashes.append(line.rstrip())
            if kind in ("ERROR", "FATAL", "PANIC"):
                last[process] = Entry(sqlstate, text)
                entries.append(last[process])
            elif kind not in PARTS:
                last.pop(process, None)  # what follows a warning is the warning's
            elif process in last:
                last[process].parts[kind] = text
                part = (last[process], kind)
    return entries


def statements_of(path):
    """sqlsmith writes a mark for each statement."""
    with open(path, encoding="utf-8", errors="replace") as output:
        lines = [line.strip() for line in output]
    return Counter("".join(line for line in lines if re.fullmatch(r"[.etSC]+", line)))


def show_internal(entries):
    kinds = {}
    for entry in entries:
        if entry.sqlstate.startswith("XX"):
            kinds.setdefault((entry.is_ours(), entry.sqlstate, entry.location()), []).append(entry)
    for (ours, _, location), found in sorted(kinds.items()):
        print(f"  {'OURS' if ours else 'of the server'}: {len(found)} times {found[0].message} at {location}")
        for entry in found[:SHOWN] if ours else []:
            print(f"    {entry.parts.get('CONTEXT', '')}\n    {entry.parts.get('STATEMENT', '')[:LENGTH]}")
    return sum(len(found) for (ours, _, _), found in kinds.items() if ours)


def main():
    crashes = []
    entries = read(sys.argv[1], crashes)
    statements = statements_of(sys.argv[2])
    print(f"{sum(statements.values())} statements: " + ", ".join(f"{statements[mark]} {name}" for mark, name in MARKS.items()))
    print("SQLSTATEs: " + ", ".join(f"{state} {count}" for state, count in Counter(entry.sqlstate for entry in entries).most_common()))
    for line in crashes:
        print("  " + line)
    internal = show_internal(entries)
    print(f"{len(crashes)} crashes, {internal} internal errors of ours")
    sys.exit(1 if crashes or internal or not statements else 0)


main()
