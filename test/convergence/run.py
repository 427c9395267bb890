"""The convergence proof: whatever the order, the crowd and the accidents, a set of events leads to one state.

usage: run.py [--permutations N] [--seed S [--permutation P]] [--workers W] [--crash COMMAND] ...; the server is that of the PG* variables.
Each world is applied once, event by event in version order, into a fresh database; then again and again in other ways.
"""

import argparse
import multiprocessing
import sys
import time
import traceback

import arena
import digest
import permutation
import world as worlds

PER_WORLD = 25


def make_world(options, seed):
    return worlds.from_directory(options.events) if options.events else worlds.make(seed)


def check_versions(world, state):
    """R3, worked out here a second time: by the id or the first attempt, and by nothing else."""
    stored = {tuple(line.split(" | ")[:3]) for line in state["events"].split("\n")}
    wrong = [e for e in world.events if (e.endpoint, e.message_id, str(e.version)) not in stored]
    if wrong:
        raise arena.Broken([f"  versions: {len(wrong)} events have another version than R3 gives them, the first is {wrong[0].message_id}"])


def reference_of(options, place, world):
    place.make_reference()
    place.open_history(place.reference, world)
    state = permutation.in_version_order(place.reference, world)
    place.drop_reference()
    if not options.events:
        check_versions(world, state)
    return state


def run_permutation(options, place, world, reference, number, tally):
    """Lines of a difference; none when all is well."""
    plan = permutation.Permutation(world, number, options)
    try:
        state = plan.apply(place)
    except arena.Broken as broken:
        return broken.lines
    finally:
        tally.add_accidents(plan.accidents)
        tally.add_rolled_days(plan.rolled_days)
    found = digest.difference(reference, state, world.old_events == "dropped")
    return found + [f"  step: {step}" for step in plan.log] if found and options.verbose else found


def permutations_of(options):
    return [options.permutation] * options.repeat if options.permutation is not None else range(options.per_world)


def run_world(options, place, seed, tally):
    world = make_world(options, seed)
    try:
        reference = reference_of(options, place, world)
    except arena.Broken as broken:
        return tally.differ(seed, "reference", broken.lines)
    tally.add_world()
    for number in permutations_of(options):
        if not tally.take():
            return
        found = run_permutation(options, place, world, reference, number, tally)
        if found:
            tally.differ(seed, number, found)


class Tally:
    """Shared by all workers."""

    def __init__(self, wanted, most_differences):
        self.lock = multiprocessing.Lock()
        self.wanted, self.most = wanted, most_differences
        self.done, self.worlds, self.differences, self.broken, self.kills, self.crashes, self.rolled_days = (multiprocessing.Value("q", 0) for _ in range(7))
        self.begun = time.monotonic()

    def finished(self):
        return self.done.value >= self.wanted or self.differences.value >= self.most or self.broken.value > 0

    def take(self):
        """Whether there is one more to do; counts it."""
        with self.lock:
            if self.finished():
                return False
            self.done.value += 1
            if self.done.value % 500 == 0:
                print(f"{self.done.value} permutations, {self.done.value / (time.monotonic() - self.begun):.1f}/s", flush=True)
            return True

    def add_world(self):
        with self.lock:
            self.worlds.value += 1

    def add_accidents(self, accidents):
        with self.lock:
            self.kills.value += accidents.count("kill")
            self.crashes.value += accidents.count("crash")

    def add_rolled_days(self, days):
        with self.lock:
            self.rolled_days.value += days

    def differ(self, seed, number, lines):
        with self.lock:
            self.differences.value += 1
            print(f"DIFFERENCE after {self.done.value} permutations: --seed {seed} --permutation {number}", flush=True)
            print("\n".join(lines), flush=True)


def work(options, number, tally):
    try:
        with arena.Arena(options, number) as place:
            seed = options.seed + number
            while not tally.finished():
                run_world(options, place, seed, tally)
                seed += options.workers
                if options.permutation is not None or options.events:
                    return
    except Exception:  # a worker that is gone must not count as one that found nothing
        with tally.lock:
            tally.broken.value += 1
            traceback.print_exc()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--permutations", type=int, default=300)
    parser.add_argument("--per-world", type=int, default=PER_WORLD)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--permutation", type=int)
    parser.add_argument("--repeat", type=int, default=1, help="how often the one permutation runs: only its plan is fixed, not the interleaving")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--crash", help="command that crashes the server and starts it again")
    parser.add_argument("--extra-sql", help="file with your own mapping rows")
    parser.add_argument("--events", help="folder with your own bodies, *.json, instead of made ones")
    parser.add_argument("--most-differences", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.permutation is not None or options.events:
        options.workers, options.permutations = 1, options.repeat if options.permutation is not None else options.permutations
        options.per_world = options.permutations
    return options


def main():
    options = parse()
    arena.make_template(options)
    tally = Tally(options.permutations, options.most_differences)
    crew = [multiprocessing.Process(target=work, args=(options, number, tally)) for number in range(options.workers)]
    for member in crew:
        member.start()
    for member in crew:
        member.join()
    done = tally.done.value
    print(f"{done / (time.monotonic() - tally.begun):.1f} permutations/s; {tally.kills.value} drains killed, {tally.crashes.value} servers crashed; {tally.rolled_days.value} days rolled up")
    print(f"{done} permutations of {tally.worlds.value} worlds, {tally.differences.value} differences")
    sys.exit(0 if done > 0 and tally.differences.value + tally.broken.value == 0 else 1)


if __name__ == "__main__":
    main()
