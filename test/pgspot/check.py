"""Runs pgspot's visitor over each statement of a script by itself: what it cannot read is listed and hides nothing else."""
import argparse
import re
import sys

from pglast import split
from pgspot.state import Counter, State
from pgspot.visitors import visit_sql

# its version 0.9.4 looks for AS, which a function with a body of standard SQL has not; such a body is
# bound when it is made, so that no search_path reaches it
STANDARD_BODY = re.compile(r"^(?:\s*--[^\n]*\n)*\s*CREATE FUNCTION [\s\S]*?\b(?:BEGIN ATOMIC|RETURN)\b")


def main(path):
    with open(path, encoding="utf8") as file:
        script = "".join(line for line in file if not line.startswith("\\"))
    counter = Counter(argparse.Namespace(plpgsql=True, summary_only=False, ignore=[], ignore_lang=[], sql_fn=[],
                                         proc_without_search_path=[], append=True))
    state = State(counter)
    statements = unread = broken = 0
    for statement in split(script):
        statements += 1
        try:
            visit_sql(state, statement, toplevel=True)
        except Exception as error:
            name = re.search(r"CREATE FUNCTION ([\w.]+)", statement)
            expected = isinstance(error, IndexError) and STANDARD_BODY.match(statement)
            unread += 1
            broken += 0 if expected else 1
            print(f"not read: {name.group(1) if name else statement[:60]!r}: {'a body of standard SQL' if expected else repr(error)}")
    print(f"{statements} statements, {unread} not read; {counter}")
    return 0 if counter.is_clean() and not broken else 1


sys.exit(main(sys.argv[1]))
