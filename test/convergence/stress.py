"""The deadlock stress: everything that writes, all at once, over the same people, for some seconds.

usage: stress.py [--seconds S] [--seed N]; the server is that of the PG* variables, with a deadlock_timeout of some milliseconds.
At the end there must have been no deadlock, nothing may wait, and the state must be that of the same steps done one by one in order.
"""

import argparse
import random
import sys
import threading
import time
import traceback

import arena
import digest
import permutation
import world as worlds

NAMES = (*(f"user{number}" for number in range(12)), "stranger")


OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"


class Stress:
    def __init__(self, options, place, world):
        self.options, self.place, self.world = options, place, world
        self.rng = random.Random(f"stress {options.seed}")
        self.left = world.events[:]
        self.rng.shuffle(self.left)
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.failed, self.done = [], {}

    def member(self, name, step):
        """A thread that does its step again and again, in a session of its own."""
        session, rng = arena.Session(self.place.name), random.Random(f"{self.options.seed} {name}")
        session.set("wearables_ingest.chunk_rows", str(rng.choice((1, 100, 137, 1000, 20000))))

        def loop():
            try:
                while not self.stop.is_set():
                    step(session, rng)
                    self.done[name] = self.done.get(name, 0) + 1
            except Exception:
                self.failed.append(f"  {name}: {traceback.format_exc()}")
            session.close()
        return threading.Thread(target=loop)

    def crowd(self):
        steps = [("drain", self.drain, 4), ("replay", self.replay, 2), ("requeue", self.requeue, 1), ("insert", self.insert, 3),
                 ("register", self.register, 1), ("mapping", self.change, 1), ("receive", self.receive, 2)]
        return [self.member(f"{name} {number}", step) for name, step, count in steps for number in range(count)]

    def take_events(self, most):
        with self.lock:
            taken, self.left = self.left[:most], self.left[most:]
        return taken

    @staticmethod
    def drain(session, rng):
        session.run("CALL wearables.drain(%s)", (rng.randint(1, 50),))

    @staticmethod
    def replay(session, rng):
        session.run(permutation.REPLAY_SOME, (rng.getrandbits(31), rng.choice((2, 5, 20))))

    @staticmethod
    def requeue(session, rng):
        session.run(permutation.REQUEUE_SOME, (rng.getrandbits(31), rng.choice((5, 20))))

    def insert(self, session, rng):
        """Rows and words about all kinds of people, in no order; only those of them who are known yet."""
        arena.write_by_hand(session, rng.choice(self.world.manuals))
        arena.say(session, rng.choice(self.world.said))

    def register(self, session, rng):
        arena.register(session, rng.choice(self.world.registers))

    def change(self, session, rng):
        session.run(rng.choice(rng.choice(self.world.changes)))
        self.stop.wait(rng.random() / 5)  # a revision has to last long enough for others to work under it

    def receive(self, session, rng):
        events = self.take_events(rng.randint(1, 10)) or rng.sample(self.world.events, 5)
        rng.shuffle(events)
        for event in events:
            if isinstance(event, worlds.Message):
                arena.receive(session, [event])  # a delivery is a transaction: several in one would have to be in order
            if isinstance(event, worlds.Page):
                arena.pull(session, event)

    def run(self):
        crowd = self.crowd()
        for member in crowd:
            member.start()
        until = time.monotonic() + self.options.seconds
        while time.monotonic() < until and not self.failed:
            self.stop.wait(0.2)
        self.stop.set()
        for member in crowd:
            member.join()

    def finish(self):
        """What the time did not suffice for, then the final mappings, as an operator would."""
        session = self.place.main
        for who in self.world.registers:
            arena.register(session, who)
        for manual in self.world.manuals:
            arena.write_by_hand(session, manual)
        for said in self.world.said:
            arena.say(session, said)
        for event in self.left:
            permutation.do(session, event)
        for change in self.world.changes:
            session.run(change[0])
        permutation.drain_all(session)
        session.run(permutation.REPLAY_BEHIND)
        permutation.drain_all(session)
        return permutation.state_of(session, self.world)


def deadlocks_of(place):
    """A session tells what it counted when it ends, so all of them have to be gone."""
    place.close_sessions()
    (others,), = place.admin.run(OTHERS, (place.name,))
    while others:
        (others,), = place.admin.run(OTHERS, (place.name,))
    (count,), = place.admin.run("SELECT deadlocks::int FROM pg_stat_database WHERE datname = %s", (place.name,))
    return count


def make_world(seed):
    maker = worlds.Maker(f"stress {seed}", NAMES, (1200, 1200), changed=0, bounded=0)
    # the heart rate's own changes: what they take away and give back is what replays and inserts meet in
    maker.world.changes = [worlds.CHANGES[2], worlds.CHANGES[4]]
    world = maker.make()
    world.moves = []
    return world


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--extra-sql")
    options = parser.parse_args()
    arena.make_template(options)
    world = make_world(options.seed)
    with arena.Arena(options, "stress") as place:
        stress = Stress(options, place, world)
        stress.run()
        found = list(stress.failed)
        try:
            state = stress.finish()
            place.make_reference()
            found += digest.difference(permutation.in_version_order(place.reference, world), state)
        except arena.Broken as broken:
            found += broken.lines
        deadlocks = deadlocks_of(place)
    print(", ".join(f"{name} {count}" for name, count in sorted(stress.done.items())))
    print("\n".join(found))
    print(f"{sum(stress.done.values())} steps in {options.seconds:g} s, {deadlocks} deadlocks, {len(found)} differences")
    sys.exit(1 if found or deadlocks else 0)


if __name__ == "__main__":
    main()
