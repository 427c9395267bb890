"""Interleavings by a seed: sessions go on one stop point at a time (src/pg/server/stop_point.h), and the seed says which.

usage: interleave.py [--worlds N] [--seed S] [--times T]; the server is that of the PG* variables, its library has stop points.
Each world is small: it is received, then three sessions drain, replay and queue again at the same time; now and then one is terminated
in the middle. The state must be the reference's, and the same seed must give the same order of steps each time.
"""

import argparse
import hashlib
import random
import sys
import threading
import time

import psycopg

import arena
import digest
import permutation
import world as worlds

SESSIONS = 3

STATES = """
SELECT a.pid, a.query, count(*) FILTER (WHERE l.locktype = 'advisory' AND l.classid IN (4711, 4712) AND l.objsubid = 2) AS at_stop, count(l.pid) AS waits
FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
WHERE a.pid = ANY (%s) GROUP BY a.pid, a.query"""


class Member:
    """A session and the thread in which it does its tasks."""

    def __init__(self, database, tasks):
        self.connection = psycopg.connect(dbname=database, autocommit=True, options="-c client_min_messages=error -c TimeZone=UTC")
        self.pid, self.tasks, self.task, self.error = self.connection.info.backend_pid, tasks, None, None
        self.thread = threading.Thread(target=self.work)
        self.steps = 0

    def work(self):
        for sql, parameters in self.tasks:
            self.task = sql
            try:
                self.connection.execute(sql, parameters)
            except psycopg.errors.SerializationFailure:
                continue  # two replays, each with a name that the other one needs
            except psycopg.Error as error:
                self.error = None if self.connection.closed or self.connection.broken else error
                return

    def begin(self, driver):
        driver.execute("SELECT pg_advisory_lock(4711, %s), pg_advisory_lock(4712, %s)", (self.pid, self.pid))
        self.connection.execute("SET wearables_ingest.stop_point = '*:step'")
        self.thread.start()

    def step(self, driver):
        """It waits for the two locks in turn: the next is held before this one is let go, so it passes one point."""
        lock = 4711 + self.steps % 2
        self.steps += 1
        driver.execute("SELECT pg_advisory_unlock(%s, %s)", (lock, self.pid))
        driver.execute("SELECT pg_advisory_lock(%s, %s)", (lock, self.pid))

    def done(self):
        return not self.thread.is_alive()


class Interleaving:
    def __init__(self, place, world):
        self.place, self.world = place, world
        self.rng = random.Random(f"{world.seed} interleaved")
        self.trace = hashlib.sha256()
        self.steps = self.terminated = 0

    def tasks(self):
        rng = self.rng
        salt, part = rng.getrandbits(31), rng.choice((1, 2, 3))
        kinds = (("CALL wearables.drain()", None), ("CALL wearables.drain(%s)", (rng.randint(1, 6),)),
                 (permutation.REPLAY_SOME, (salt, part)), (permutation.REQUEUE_SOME, (salt, part)))
        return [rng.choices(kinds, (6, 4, 3, 2))[0] for _ in range(rng.randint(1, 3))]

    def settled(self, driver, members):
        """What each waits at: its stop point, or a lock of another; nothing for those that have ended. A drain tries locks for a moment."""
        give_up = time.monotonic() + 60
        before = None
        while time.monotonic() < give_up:
            alive = [m for m in members if not m.done()]
            rows = {row[0]: row[1:] for row in driver.execute(STATES, ([m.pid for m in alive],)).fetchall()}
            found = {}
            for member in alive:
                query, at_stop, waits = rows.get(member.pid, ("", 0, 0))
                if at_stop:
                    found[member] = query
                elif waits and "drain" not in member.task:
                    found[member] = None
            if len(found) == len(alive) and all(not m.done() for m in alive):
                # twice the same: the name is read before the lock, and what one has let go, another may be about to take
                if found == before:
                    return found
                before = found
        raise arena.Broken(["  the sessions do not come to rest"])

    def play(self):
        world, place, rng = self.world, self.place, self.rng
        place.reset(thorough=True)
        for who in world.registers:
            permutation.do(place.main, who)
        for step in permutation.shuffled(rng, list(world.events)):
            permutation.do(place.main, step)
        driver = psycopg.connect(dbname=place.name, autocommit=True)
        moves = [(arena.REGISTER, (who.client, who.external, who.endpoint, who.zone)) for who in world.moves]
        members = [Member(place.name, [("CALL wearables.drain()", None)] if i == 0 else (moves if i == 1 else []) + self.tasks()) for i in range(SESSIONS)]
        victim = rng.choice(members) if rng.random() < 0.3 else None
        at = rng.randint(1, 150)
        for member in members:
            member.begin(driver)
        try:
            self.step_through(driver, members, victim, at)
        finally:
            driver.close()  # with it go its locks: nobody waits any more
            for member in members:
                member.thread.join()
                member.connection.close()
        errors = [f"  {type(m.error).__name__}: {m.error}" for m in members if m.error is not None]
        if errors:
            raise arena.Broken(errors)
        place.main.run("UPDATE wearables.jobs SET run_at = clock_timestamp()")
        return self.finish()

    def step_through(self, driver, members, victim, at):
        while True:
            waiting = self.settled(driver, members)
            ready = [m for m in members if waiting.get(m) is not None]
            self.trace.update(repr([waiting.get(m, "done") for m in members]).encode())
            if not ready:
                return
            member = self.rng.choice(ready)
            self.steps += 1
            if victim is member and self.steps >= at:
                driver.execute("SELECT pg_terminate_backend(%s)", (member.pid,))
                member.thread.join()
                self.terminated += 1
                victim = None
                continue
            member.step(driver)

    def finish(self):
        session, world = self.place.main, self.world
        permutation.drain_all(session)
        for step in world.manuals + world.said:
            permutation.do(session, step)
        for change in world.changes:
            self.place.change(session, change)
        # whose session was terminated may not have moved
        for who in world.moves[-1:]:
            permutation.do(session, who)
        if world.changes or not world.moves:
            session.run(permutation.REPLAY_SOME, (0, 1))
        permutation.drain_all(session)
        permutation.Permutation.check_books(session)
        return permutation.state_of(session, world)


def small_world(seed):
    return worlds.Maker(seed, names=("alice", "bob"), steps=(5, 9), changed=0.3, bounded=0).make()


def one(place, seed, times):
    """Lines of a difference, steps, sessions terminated."""
    world = small_world(seed)
    place.make_reference()
    reference = permutation.in_version_order(place.reference, world)
    place.drop_reference()
    traces, steps, terminated = set(), 0, 0
    for _ in range(times):
        way = Interleaving(place, world)
        found = digest.difference(reference, way.play())
        if found:
            return found, steps, terminated
        traces.add(way.trace.hexdigest())
        steps += way.steps
        terminated += way.terminated
    return (["  the same seed gave another order of steps"] if len(traces) > 1 else []), steps, terminated


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=2, help="how often each is run")
    parser.add_argument("--extra-sql", help="file with your own mapping rows")
    options = parser.parse_args()
    arena.make_template(options)
    differences = steps = terminated = 0
    with arena.Arena(options, 77) as place:
        for seed in range(options.seed, options.seed + options.worlds):
            try:
                found, some, killed = one(place, seed, options.times)
            except arena.Broken as broken:
                found, some, killed = broken.lines, 0, 0
            steps += some
            terminated += killed
            if found:
                differences += 1
                print(f"DIFFERENCE: --seed {seed} --worlds 1")
                print("\n".join(found), flush=True)
    print(f"{options.worlds} interleavings, each {options.times} times, {steps} steps, {terminated} sessions terminated, {differences} differences")
    sys.exit(0 if steps > 0 and differences == 0 else 1)


if __name__ == "__main__":
    main()
