"""The normalizer without a server: against simdjson's own walk over the same bytes."""
import re
import subprocess

import harness


def run():
    harness.unpin()
    out = subprocess.run([f"{harness.AREA}/core/normalize_bench", f"{3 * min(1, harness.SCALE):g}"],
                         capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        found = re.search(r"^(.*): ratio ([\d.]+)/([\d.]+)/([\d.]+) of ([^,]*), (.*)$", line)
        if found is None:
            harness.say(line)
            continue
        what, *ratio, against, note = found.groups()
        harness.report(what, against, [float(value) for value in ratio], note, target=0.5)
