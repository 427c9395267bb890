"""Rounds of deliveries while the server, its processes, its disk and its neighbours fail.

usage: chaos.py --rounds N --seed S --data FOLDER --bindir FOLDER --conf LINES --stop-points FILE [--small FOLDER]
It starts its own server on a unix socket, and ends it. See README.md.
"""

import argparse
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "convergence"))

# pylint: disable=wrong-import-position
import psycopg
from psycopg.types.json import Jsonb

import arena
import traffic as sent
import world as worlds
from faults import Faults
from server import DATABASE, Admin, Gone, Server

SENDERS = 4
BURST = 300
GUST, GAP = 5, 0.06  # so a burst lasts as long as most of what happens meanwhile


# Some of the traffic is out of range on purpose, which health tells of (R13).
HEALTH = """SELECT coalesce(p.severity, 'ok'), coalesce(p.what, '') FROM (SELECT 1) one
            LEFT JOIN LATERAL (SELECT * FROM wearables.problems x WHERE x.problem <> 'refused_readings' LIMIT 1) p ON true"""


class Chaos:
    def __init__(self, options):
        self.options = options
        self.server = Server(options)
        self.admin = Admin(self.server)
        self.faults = Faults(self.server, self.admin, Path(options.stop_points).read_text(encoding="utf-8").split("\n")[:-1])
        self.traffic = sent.Traffic(random.Random(f"traffic {options.seed}"), int(worlds.BASE.timestamp() * 1000))
        self.plans = random.Random(f"plans {options.seed}")
        self.deck = []
        self.unanswered = []
        self.surprises = []
        self.seen = [0, 0, 0, 0]
        self.lock = threading.Lock()

    # -- the server

    def install(self):
        self.server.make()
        self.server.back()
        place = ""
        if self.server.small:
            (self.server.small / "data" / "space").mkdir()
            place = " TABLESPACE small"
            arena.Session("postgres").run(f"CREATE TABLESPACE small LOCATION '{self.server.small}/data/space'")
        arena.Session("postgres").run(f"CREATE DATABASE {DATABASE}")
        run = self.admin.run
        run("CREATE EXTENSION wearables_ingest")
        run("SELECT wearables.add_endpoint('junction')")
        run("SELECT wearables.set_secret('junction', 'webhook', 0, %s)", (arena.SECRET,))
        run("SELECT wearables.make_event_partitions()")
        for client in sent.PEOPLE:
            self.register(client)
        if place:  # all but the bodies, which grow for ever; the WAL is there, too
            for table in ("deliveries", "jobs", "sample_points", "summaries", "sources"):
                run(f"ALTER TABLE wearables.{table} SET{place}")
            for index in ("deliveries_pkey", "jobs_pkey", "sample_points_pkey"):
                run(f"ALTER INDEX wearables.{index} SET{place}")

    def register(self, client):
        self.admin.run("SELECT wearables.register_user(%s, %s)", (client, f"ext-{client}"))

    # -- deliveries

    def connect(self):
        give_up = time.monotonic() + 90
        while True:
            self.server.must_be_there()
            try:
                return psycopg.connect(dbname=DATABASE, autocommit=True, application_name="sender", options="-c statement_timeout=30s", prepare_threshold=2)
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def send(self, messages):
        """One session, in gusts. What gets no answer is noted: the vendor sends it again."""
        connection = None
        for number, message in enumerate(messages):
            time.sleep(GAP if number % GUST == 0 else 0)
            if connection is None or connection.closed or connection.broken:
                connection = self.connect()
            message.sends += 1
            try:
                answer = connection.execute(sent.RECEIVE, (Jsonb(arena.headers_of(message)), message.body)).fetchone()
            except psycopg.Error as error:
                with self.lock:
                    self.faults.count(error)
                    self.unanswered.append(message)
                continue
            if answer[0] in ("accepted", "duplicate") and answer[1] == 202:
                message.answers += 1
            else:
                with self.lock:
                    self.surprises.append(f"{message.message_id} was answered with {answer}")
                    self.unanswered.append(message)
        if connection is not None:
            connection.close()

    def send_all(self, messages):
        def guarded(share):
            try:
                self.send(share)
            except Exception as error:  # a sender that is gone must not count as one that had nothing to say
                self.surprises.append(f"a sender ended: {type(error).__name__}: {error}")
        senders = [threading.Thread(target=guarded, args=(messages[number::SENDERS],), daemon=True) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        return senders

    def finish_sending(self, senders):
        for sender in senders:
            sender.join(120)
            if sender.is_alive():
                self.surprises.append("a delivery gets no answer, and its session no end")

    # -- rounds

    def draw(self):
        """Each kind before any comes again, those that crash the server more than once."""
        if not self.deck:
            self.deck = self.faults.kinds + self.faults.crashes
            self.plans.shuffle(self.deck)
        return self.deck.pop()

    def play_round(self, number):
        rng = random.Random(f"{self.options.seed} {number}")
        kinds = [self.draw() for _ in range(self.plans.choice((1, 1, 2)))]
        messages = self.unanswered + self.traffic.burst(BURST)
        # some that were answered already: the answer got lost on its way
        again = rng.sample(sorted(self.traffic.messages), min(10, len(self.traffic.messages)))
        messages += [m for m in map(self.traffic.messages.get, again) if m.answers and m not in messages]
        self.unanswered = []
        senders = self.send_all(messages)
        time.sleep(rng.random() * 0.5)
        self.let_happen(rng, kinds)
        self.server.back()
        self.finish_sending(senders)
        self.faults.let_snapshots_go()
        self.register_late(number)
        self.check_round(number, messages)
        names = " in ".join(kind.__name__.replace("_", " ") for kind in reversed(kinds))
        answered = sum(1 for message in messages if message.answers)
        print(f"round {number}: {names}: {answered} of {len(messages)} answered", flush=True)

    def let_happen(self, rng, kinds):
        """The second of two happens while the first goes on."""
        going = []
        for kind in kinds:
            fault = kind(random.Random(rng.random()))
            going.append(fault)
            time.sleep(next(fault, 0) if kind == kinds[-1] else 0.05)
        for fault in reversed(going):
            for rest in fault:
                time.sleep(rest)

    def register_late(self, number):
        for place, client in enumerate(sent.LATE):
            if number == (place + 1) * self.options.rounds // (len(sent.LATE) + 1):
                self.register(client)

    def check_round(self, number, messages):
        (missing,), = self.admin.run(sent.STORED, ([m.message_id for m in messages if m.answers],))
        if missing:
            self.surprises.append(f"after round {number} {missing} answered messages are not there")
        (*counts, most), = self.admin.run(sent.QUEUE)
        self.seen = [*(a + b for a, b in zip(self.seen, counts)), max(self.seen[3], most)]

    # -- the end

    def drain_to_the_end(self):
        """What was put off is due at once. What is left after two minutes is stuck."""
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            self.admin.run("UPDATE wearables.jobs SET run_at = clock_timestamp() WHERE state = 'ready' AND run_at > clock_timestamp()")
            self.admin.run("CALL wearables.drain()")
            if self.admin.run("SELECT count(*) FROM wearables.jobs WHERE state <> 'failed'") == [(0,)]:
                return
            time.sleep(0.1)

    def finish(self):
        self.server.back()
        self.server.make_room()
        # a clean start: nothing must hang on what only memory holds
        self.server.stop(signal.SIGINT)
        self.server.back()
        messages, self.traffic.held = self.unanswered + self.traffic.held, []
        self.unanswered = []
        for _ in range(5):
            self.finish_sending(self.send_all(messages))
            messages, self.unanswered = self.unanswered, []
            if not messages:
                break
        self.surprises += [f"{m.message_id} gets no answer on a server in order" for m in messages]
        for client in sent.LATE:
            self.register(client)
        self.drain_to_the_end()

    def check_health(self):
        """Nothing but that some events wait for a person whom nobody registers."""
        said = None
        for _ in range(100):
            said, = self.admin.run(HEALTH)
            if said[0] == "ok" or "parked" in said[1]:
                return []
            time.sleep(0.2)
        return [f"health: {said[0]}: {said[1]}"]

    def run(self):
        begun = time.monotonic()
        self.install()
        rounds = 0
        for number in range(1, self.options.rounds + 1):
            self.play_round(number)
            rounds += 1
            if self.surprises:
                break
        self.finish()
        verdict = sent.judge(self.admin, self.traffic)
        verdict.wrong += self.surprises + self.check_health()
        for line in verdict.all()[:40]:
            print(f"  {line}")
        print("errors met: " + ", ".join(f"{state} {count}" for state, count in sorted(self.faults.errors.items())))
        print("jobs seen after the rounds: {} suspects, {} put off, {} that had failed; at most {} attempts".format(*self.seen))
        without = "" if self.server.small else "; no small disk could be mounted: limits on the length of files instead"
        print(f"seed {self.options.seed}, {time.monotonic() - begun:.0f} s{without}")
        answered = sum(1 for message in self.traffic.messages.values() if message.answers)
        print(f"{rounds} rounds, {self.server.crashes()} crashes, {answered} messages acknowledged: "
              f"{len(verdict.lost)} lost, {len(verdict.twice)} twice, {len(verdict.stuck)} stuck, {len(verdict.wrong)} wrong")
        return not verdict.all()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bindir", required=True)
    parser.add_argument("--conf", required=True)
    parser.add_argument("--stop-points", required=True)
    parser.add_argument("--small", help="folder of two small disks: wal and data")
    return parser.parse_args()


def main():
    options = parse()
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))
    chaos = Chaos(options)
    try:
        good = chaos.run()
    except (Gone, KeyboardInterrupt) as end:
        print(f"  {str(end) or 'interrupted'}")
        good = False
    finally:
        chaos.server.stop(signal.SIGQUIT)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
