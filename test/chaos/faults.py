"""What can happen. Each is a generator: it begins, lets things go on for a while, and ends what it began.

A fault draws everything from the Random it is given, so a seed gives the same plan; which process it hits is up to the moment.
"""

import contextlib
import resource
import signal
import threading
import time

import psycopg

from server import DATABASE

WORKERS = "backend_type = 'wearables_ingest worker'"
CLIENTS = "backend_type = 'client backend' AND application_name IN ('sender', 'drain')"
HELPERS = "backend_type IN ('checkpointer', 'walwriter', 'background writer', 'autovacuum launcher', 'wearables_ingest launcher')"
LOCK = 4711  # of stop points
LONGER_THAN_A_LEASE = 1.6


class Faults:
    def __init__(self, server, admin, stop_points):
        self.server, self.admin, self.stop_points = server, admin, stop_points
        self.snapshots = []
        self.errors = {}
        self.kinds = [self.kill_postmaster, self.kill_worker, self.kill_backend, self.kill_helper, self.stop_immediately, self.stop_fast,
                      self.terminate, self.cancel, self.pause_in_event, self.hold_worker, self.hold_backend, self.die_at_point, self.fail_at_point,
                      self.disk_full, self.file_limit, self.hold_snapshot, self.publication, self.lock_table, self.two_drains]
        self.crashes = [self.kill_postmaster, self.kill_worker, self.kill_backend, self.die_at_point, self.die_at_point]
        self.crashes += [self.disk_full] if server.small else []
        if not server.small:
            self.kinds.remove(self.disk_full)

    # -- help

    def pick(self, rng, which):
        """One of these processes, or None: after a crash the workers need a second."""
        number = rng.randrange(1000)
        for _ in range(30):
            rows = self.admin.run(f"SELECT pid FROM pg_stat_activity WHERE {which} ORDER BY pid")
            if rows:
                return rows[number % len(rows)][0]
            if which == CLIENTS:
                break
            time.sleep(0.05)
        return None

    def hit(self, rng, which, number):
        pid = self.pick(rng, which)
        return pid if pid is not None and self.server.signal(pid, number) else None

    def session(self, name):
        return psycopg.connect(dbname=DATABASE, autocommit=True, application_name=name)

    def set_stop_point(self, setting):
        if setting:
            self.admin.run(f"ALTER SYSTEM SET wearables_ingest.stop_point = '{setting}'")
        else:
            self.admin.run("ALTER SYSTEM RESET wearables_ingest.stop_point")
        self.admin.run("SELECT pg_reload_conf()")

    def count(self, error):
        state = getattr(error, "sqlstate", None) or "connection lost"
        self.errors[state] = self.errors.get(state, 0) + 1

    # -- the server, its processes

    def kill_postmaster(self, rng):
        self.server.kill()
        yield 0.1
        self.server.back()

    def stop_immediately(self, rng):
        self.server.stop(signal.SIGQUIT)
        yield 0.1
        self.server.back()

    def stop_fast(self, rng):
        self.server.stop(signal.SIGINT)
        yield 0.1
        self.server.back()

    def kill_worker(self, rng):
        self.hit(rng, WORKERS, signal.SIGKILL)
        yield 0.1

    def kill_backend(self, rng):
        self.hit(rng, CLIENTS, signal.SIGKILL)
        yield 0.1

    def kill_helper(self, rng):
        self.hit(rng, HELPERS, signal.SIGKILL)
        yield 0.1

    def terminate(self, rng):
        for _ in range(rng.randint(1, 4)):
            self.admin.run("SELECT pg_terminate_backend(%s)", (self.pick(rng, rng.choice((WORKERS, CLIENTS))) or 0,))
            yield rng.random() / 10

    def cancel(self, rng):
        for _ in range(rng.randint(1, 6)):
            self.admin.run("SELECT pg_cancel_backend(%s)", (self.pick(rng, rng.choice((WORKERS, CLIENTS))) or 0,))
            yield rng.random() / 20

    # -- leases that run out

    def pause_in_event(self, rng):
        """Whoever comes to this point stands there for longer than a lease."""
        point = rng.choice(("user locked", "user locked", rng.choice(self.stop_points)))
        self.server.back()
        holder = self.session("holder")
        try:
            holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            self.set_stop_point(f"{point}:pause")
            yield LONGER_THAN_A_LEASE
        finally:
            holder.close()
        self.set_stop_point(None)

    def hold_worker(self, rng):
        pid = self.hit(rng, WORKERS, signal.SIGSTOP)
        yield LONGER_THAN_A_LEASE if pid else 0
        self.server.go_on()

    def hold_backend(self, rng):
        pid = self.hit(rng, CLIENTS, signal.SIGSTOP)
        yield LONGER_THAN_A_LEASE if pid else 0
        self.server.go_on()

    # -- at a named point of the road

    def die_at_point(self, rng):
        self.set_stop_point(f"{rng.choice(self.stop_points)}:kill:{rng.choice((0, 1, 5, 30))}")
        yield 0.7
        self.set_stop_point(None)

    def fail_at_point(self, rng):
        self.set_stop_point(f"{rng.choice(self.stop_points)}:error:{rng.choice((0, 1, 5, 30))}")
        yield 0.5
        self.set_stop_point(None)

    # -- no room

    def disk_full(self, rng):
        """What cannot write its WAL ends the server; what cannot make a table longer, a statement."""
        self.server.fill(rng.choice(("wal", "data")), rng.choice((0, 16_384)))
        yield 0.6 + rng.random() / 2
        self.server.make_room()

    def file_limit(self, rng):
        """What `ulimit -f` does, to those who are there now: no file grows beyond a megabyte, which is as long as one of WAL."""
        limited = []
        for (pid,) in self.admin.run(f"SELECT pid FROM pg_stat_activity WHERE {rng.choice((WORKERS, CLIENTS))}"):
            try:
                limited.append((pid, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_048_576, limited[-1][1]))
            except ProcessLookupError:
                pass
        yield 0.3 + rng.random() / 2
        for pid, hard in limited:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    # -- what others do in the same database

    def hold_snapshot(self, rng):
        """For up to three rounds: what is done in the queue stays in its indexes."""
        self.server.back()
        session = self.session("snapshot")
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.execute("SELECT count(*) FROM wearables.jobs")
        self.snapshots.append([rng.randint(1, 3), session])
        yield 0.1

    def let_snapshots_go(self):
        """At the end of each round."""
        for held in self.snapshots:
            held[0] -= 1
            if held[0] == 0:
                held[1].close()
        self.snapshots = [held for held in self.snapshots if held[0] > 0]

    def publication(self, rng):
        what = rng.choice(("ALL TABLES", "TABLE wearables.jobs, wearables.webhook_events, wearables.sample_points", "TABLES IN SCHEMA wearables"))
        self.admin.run("DROP PUBLICATION IF EXISTS chaos")
        self.admin.run(f"CREATE PUBLICATION chaos FOR {what}")
        yield 0.3 + rng.random() / 2
        self.admin.run("DROP PUBLICATION IF EXISTS chaos")

    def lock_table(self, rng):
        table = rng.choice(("jobs", "sample_points", "summaries", "sources", "webhook_events", "deliveries", "users"))
        mode = rng.choice(("ACCESS EXCLUSIVE", "SHARE", "SHARE UPDATE EXCLUSIVE"))
        self.server.back()
        session = self.session("locker")
        try:
            session.execute("SET lock_timeout = '2s'")
            session.execute("BEGIN")
            session.execute(f"LOCK TABLE wearables.{table} IN {mode} MODE")
        except psycopg.Error as error:
            self.count(error)
        yield 0.3 + rng.random() / 2
        session.close()

    def two_drains(self, rng):
        until = time.monotonic() + 0.8
        threads = [threading.Thread(target=self.drain_until, args=(until,), daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        yield 0.6
        for thread in threads:
            thread.join()

    def drain_until(self, until):
        session = None
        while time.monotonic() < until:
            try:
                if session is None or session.closed:
                    session = self.session("drain")
                session.execute("CALL wearables.drain()")
                time.sleep(0.01)
            except psycopg.Error as error:
                self.count(error)
                time.sleep(0.02)
        if session is not None:
            session.close()
