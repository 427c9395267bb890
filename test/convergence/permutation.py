"""One way of applying a world: an order, duplicates, splits, a crowd of sessions, replays, kills and crashes."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import arena
import digest
from arena import Broken
from world import Manual, Message, Page, Pull, Raised, Register, Relink, Retain, Said

POOL = ThreadPoolExecutor(max_workers=arena.Arena.CROWD)

REPLAY_SOME = """SELECT wearables.replay(event_id) FROM wearables.webhook_events
                 WHERE hashtextextended(message_id, %s) %% %s = 0"""
REPLAY_ALL = "SELECT (r).inserted, (r).changed, (r).confirmed, (r).removed FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events) x"
APPLY_RETENTION = "SELECT wearables.apply_retention()"
REPLAY_BEHIND = "SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE revision < wearables.revision()"
REQUEUE_SOME = """SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events
                  WHERE hashtextextended(message_id, %s) %% %s = 0"""
# drain() does not wait for its commits: another worker may crash the server, and they would be lost after they were seen
FLUSH = "SELECT pg_logical_emit_message(true, 'drained', '')"
# nobody waits here for what the vendor asked to wait for, nor until a connection's history is looked for once more
HURRY = ("""UPDATE wearables.jobs SET run_at = clock_timestamp()
            WHERE job_id IN (SELECT j.job_id FROM wearables.jobs j WHERE j.kind = 'pull' AND j.state = 'ready' AND j.run_at > clock_timestamp()
                             FOR UPDATE SKIP LOCKED)""",
         "UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0 WHERE blocked_until IS NOT NULL")
# nor until it is looked once more whether all events have followed a link
HURRY_LINKS = ("UPDATE wearables.jobs SET run_at = clock_timestamp() WHERE kind = 'link' AND state = 'ready' AND run_at > clock_timestamp()",)
CANCEL_SOME = """SELECT wearables.cancel_backfill(backfill_id) FROM wearables.backfills
                 WHERE hashtextextended(resource || range_to || intent, %s) %% %s = 0"""
RETRY_CANCELLED = "SELECT wearables.retry_backfill(backfill_id) FROM wearables.backfills WHERE state = 'cancelled'"
# what a vendor does now and then, and a puller gets over
MISBEHAVIOUR = ({"do": "throttle", "retry_after": 1, "form": "ms"}, {"do": "throttle", "retry_after": 1, "form": "date"},
                {"do": "status", "status": 503}, {"do": "status", "status": 409}, {"do": "drop"}, {"do": "cut"}, {"do": "cut", "chunked": True},
                {"do": "json", "form": "cut"}, {"do": "json", "form": "html"}, {"do": "gzip", "form": "damaged"})
WAITING = "SELECT count(*) FROM wearables.jobs WHERE state IN ('ready', 'running')"


def state_of(session, world):
    row, = session.run(digest.query(bool(world.changes or world.moves or world.links), bool(world.pulls), world.old_events == "dropped"))
    return dict(zip(digest.PARTS, row))


def drain_all(session, hurry=()):
    """A job that needs a name which another session was just making comes back after a moment."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        for sql in hurry:
            session.run(sql)
        session.run("CALL wearables.drain()")
        session.run(FLUSH)
        if session.run(WAITING) == [(0,)]:
            return
    raise Broken(["  the queue does not become empty:",
                  *(f"  {row}" for row in session.run("SELECT state, attempt, last_error FROM wearables.jobs WHERE state <> 'failed' LIMIT 5"))])


def do(session, step):
    if isinstance(step, Message):
        arena.receive(session, [step])
    elif isinstance(step, Page):
        arena.pull(session, step)
    elif isinstance(step, Pull):
        arena.request(session, step)
    elif isinstance(step, Manual):
        arena.write_by_hand(session, step)
    elif isinstance(step, Said):
        arena.say(session, step)
    elif isinstance(step, Relink):
        arena.relink(session, step)
    elif isinstance(step, Retain):
        arena.retain(session, step.policies)
    elif isinstance(step, Raised):
        arena.raise_floor(session, step)
    else:
        arena.register(session, step)


def in_version_order(session, world):
    """The reference: the final mappings from the start, everybody known, one event at a time, oldest first."""
    for change in world.changes:
        session.run(change[0])
    for who in world.registers + world.moves:
        do(session, who)
    hurry = HURRY if world.pulls else ()
    for step in sorted(world.events + world.manuals + world.said + world.pulls, key=lambda step: step.version):
        do(session, step)
        drain_all(session, hurry)
    for step in floor_steps(world):
        do(session, step)
        drain_all(session)
    return state_of(session, world)


def floor_steps(world):
    return [*world.raised, Retain(world.policies)] if world.policies else []


def shuffled(rng, steps):
    steps = sorted(steps, key=lambda step: getattr(step, "version", 0))
    way = rng.choice(("random", "random", "random", "newest first", "nearly sorted"))
    if way == "random":
        rng.shuffle(steps)
    elif way == "newest first":
        steps.reverse()
    else:
        for _ in range(len(steps) // 4):
            a, b = rng.randrange(len(steps)), rng.randrange(len(steps))
            steps[a], steps[b] = steps[b], steps[a]
    return steps


def people_first(steps):
    """What is written or said by hand needs its people, a pull the person's link: they wait for them."""
    known, waiting, out = set(), [], []
    everybody = {step.client for step in steps if isinstance(step, Register)}

    def needs(step):
        if isinstance(step, Pull):
            return {(step.client, step.endpoint)}
        return ({step.client} if isinstance(step, Said) else {row[0] for row in step.rows}) & everybody

    for step in steps:
        if isinstance(step, Manual | Said | Pull):
            waiting.append(step)
        else:
            out.append(step)
        if isinstance(step, Register):
            known |= {step.client, (step.client, step.endpoint)}
        ready = [s for s in waiting if needs(s) <= known]
        out += ready
        waiting = [s for s in waiting if s not in ready]
    return out


def tell_rollups(wrong):
    if wrong:
        raise Broken(["  charts that rollups tell otherwise:", *(f"  {line}" for line, in wrong[:5])])


class Permutation:
    def __init__(self, world, number, options):
        self.rng = random.Random(f"{world.seed} permutation {number}")
        self.world, self.options = world, options
        self.log = []
        self.accidents = []  # kills and crashes
        self.frozen = {}     # what was frozen, by its key
        self.rolled_days = 0

    def chance(self, probability):
        return self.rng.random() < probability

    def note(self, text):
        self.log.append(text)

    def accident(self, kind):
        self.note(kind)
        self.accidents.append(kind)

    def plan(self):
        """All steps, some of them twice or thrice, the changes of the parser in their own order among them."""
        rng = self.rng
        steps = self.world.events + self.world.manuals + self.world.said + self.world.pulls
        again = rng.choice((0, 0.1, 0.5))
        steps = steps + [step for step in steps if self.chance(again)] + [step for step in steps if self.chance(again / 4)]
        registers = list(self.world.registers)
        steps = shuffled(rng, steps)
        if self.chance(0.3):
            steps = registers + steps
        else:
            for who in registers:
                steps.insert(rng.randint(0, len(steps)), who)
        steps = people_first(steps)
        places = sorted(rng.randint(0, len(steps)) for _ in self.world.changes)
        for place, change in reversed(list(zip(places, self.world.changes))):
            steps.insert(place, change)
        return self.with_floors(self.with_links(self.with_moves(steps)))

    def with_links(self, steps):
        """Once both are known; in their order, for the last one is right."""
        links = self.world.links
        if not links:
            return steps
        clients = {link.client for link in links}
        known = max(place for place, step in enumerate(steps) if isinstance(step, Register) and step.client in clients)
        places = sorted(self.rng.randint(known + 1, len(steps)) for _ in links)
        for place, link in reversed(list(zip(places, links))):
            steps.insert(place, link)
        return steps

    def with_moves(self, steps):
        """Nobody moves before he lives somewhere; the last place counts."""
        for who in self.world.moves:
            known = max(place for place, step in enumerate(steps) if isinstance(step, Register) and step.client == who.client)
            steps.insert(self.rng.randint(known + 1, len(steps)), who)
        return steps

    def rounds(self, steps):
        cuts = sorted(self.rng.randint(0, len(steps)) for _ in range(self.rng.randint(0, 4)))
        return [steps[a:b] for a, b in zip([0, *cuts], [*cuts, len(steps)])]

    def with_floors(self, steps):
        """The floors may move at any moment, and again and again."""
        for step in floor_steps(self.world):
            for _ in range(self.rng.choice((0, 1, 1, 2))):
                steps.insert(self.rng.randint(0, len(steps)), step)
        return steps

    def apply(self, place):
        place.reset(thorough=self.world.bounded)
        place.take_road(self.chance(0.15))
        place.open_history(place.main, self.world)
        sources, metrics = self.rng.randint(3, 150), self.rng.choice((0, 10, 300))
        for session in (place.main, *place.crowd):
            session.set("wearables_ingest.chunk_rows", str(self.rng.choice((1, 100, 137, 1000, 20000))))
            session.set("wearables_ingest.max_sources", str(sources if self.world.bounded else 10_000))
            session.set("wearables_ingest.max_extended_metrics", str(metrics if self.world.bounded else 10_000))
        for steps in self.rounds(self.plan()):
            self.turn_vendor(place)
            self.play_round(place, steps)
            if self.world.policies:
                self.between_rounds(place.main)
        return self.finish(place)

    def between_rounds(self, session):
        """What is dropped while nobody else works shows in no chart; what was frozen once stays; old events go."""
        if self.chance(0.2):
            self.drop_alone(session)
        self.check_frozen(session)
        if self.world.old_events and self.chance(0.5):
            salt = self.rng.getrandbits(31)
            self.note(f"old events {salt}")
            session.run("SELECT convergence_age(%s)", (salt,))
            if self.world.old_events == "dropped":
                session.run(arena.DROP_EVENTS)
            else:
                if self.chance(0.4):
                    self.note("restore")
                    session.run("SELECT convergence_restore()")
                self.note("archive")
                session.run("SELECT convergence_archive()")

    def drop_alone(self, session):
        drain_all(session, self.hurry())
        before = digest.charts(session)
        self.note("drop alone")
        for step in floor_steps(self.world):
            do(session, step)
        drain_all(session, self.hurry())
        unlike = digest.unlike_charts(before, digest.charts(session), digest.unkept(session))
        if unlike:
            raise Broken(["  charts that a drop has changed:", *(f"  {line}" for line in unlike[:5])])

    def check_frozen(self, session):
        now = dict(session.run(digest.FROZEN))
        lost = [] if all(policy.keep_rollups for policy in self.world.policies) else self.frozen.keys() - now.keys()
        changed = [key for key, entries in self.frozen.items() if key not in lost and now.get(key) != entries]
        if changed:
            raise Broken(["  frozen days that have changed:", *(f"  {key}" for key in changed[:5])])
        self.frozen = now

    def hurry(self):
        return HURRY if self.world.pulls else HURRY_LINKS if self.world.links else ()

    def turn_vendor(self, place):
        """Pages end elsewhere, and some requests fail."""
        if not self.world.pulls:
            return
        rules = [{**rule, "every": self.rng.randint(1, 4), "times": self.rng.randint(1, 2)}
                 for rule in self.rng.sample(MISBEHAVIOUR, self.rng.choice((0, 0, 1, 2)))]
        place.tell_vendor(page_size=self.rng.choice((1, 2, 3, 7, 500)), rules=rules)
        self.note(f"the vendor: {rules}")

    def play_round(self, place, steps):
        """Some steps before the crowd begins to work, the rest among it."""
        crowd = self.rng.choice((0, 1, 1, 2, 3, 4))
        alone = self.rng.randint(0, len(steps)) if crowd else len(steps)
        self.play(place, steps[:alone])
        sessions = place.crowd[:crowd]
        busy = [POOL.submit(self.work, session, [self.task() for _ in range(self.rng.randint(1, 3))]) for session in sessions]
        self.play(place, steps[alone:])
        if sessions and self.chance(0.08):
            self.accident("kill")
            place.kill(self.rng.choice(sessions))
        if self.options.crash and sessions and self.chance(0.01):
            self.accident("crash")
            place.crash()
        for member in busy:
            member.result()

    def task(self):
        """What a session of the crowd does next; mostly it drains."""
        salt, part = self.rng.getrandbits(31), self.rng.choice((1, 2, 3, 8))
        tasks = [("CALL wearables.drain()", None), ("CALL wearables.drain(%s)", (self.rng.randint(1, 20),)),
                 (REPLAY_SOME, (salt, part)), (REQUEUE_SOME, (salt, part)), (digest.ROLLUPS, (salt,)), (CANCEL_SOME, (salt, part)),
                 (APPLY_RETENTION, None)]
        task = self.rng.choices(tasks, (6, 6, 2, 1, 1, 3 if self.world.pulls else 0, 2 if self.world.policies else 0))[0]
        self.note(f"crowd: {task[0].split('FROM')[0]} {task[1]}")
        return task

    @staticmethod
    def work(session, tasks):
        """Whatever others do meanwhile: the two charts of a line are of one snapshot."""
        for sql, parameters in tasks:
            rows = session.run(sql, parameters)
            if sql is digest.ROLLUPS:
                tell_rollups(rows)

    def play(self, place, steps):
        messages = []
        for step in steps:
            if isinstance(step, Message):
                messages.append(step)
                if self.chance(0.8):
                    continue
            self.receive(place.main, messages)
            messages = []
            if isinstance(step, Message):
                continue
            self.note(f"{type(step).__name__} {getattr(step, 'message_id', step)}")
            if isinstance(step, tuple):
                place.change(place.main, step)
            else:
                do(place.main, step)
        self.receive(place.main, messages)

    def receive(self, session, messages):
        if messages:
            self.note("receive " + " ".join(m.message_id for m in messages))
            arena.receive(session, messages)

    def finish(self, place):
        """What an operator does after a change: everything that it concerns is replayed; then there is one state."""
        session = place.main
        hurry = self.hurry()
        if self.world.old_events == "archived":
            session.run("SELECT convergence_restore()")
        if self.world.pulls:
            place.tell_vendor(rules=[])
            session.run(RETRY_CANCELLED)
        drain_all(session, hurry)
        if self.world.bounded:
            session.run("SELECT wearables.reclaim_names()")
            session.set("wearables_ingest.max_sources", "10000")
            session.set("wearables_ingest.max_extended_metrics", "10000")
            drain_all(session)
        if self.world.changes:
            session.run(REPLAY_BEHIND)
            drain_all(session)
        if self.chance(0.2):
            session.run(REPLAY_SOME, (self.rng.getrandbits(31), self.rng.choice((1, 2, 5))))
            drain_all(session)
        if self.chance(0.3):
            self.check_books(session)
        if self.world.policies:
            self.settle_floors(session, hurry)
        self.check_rollups(session)
        return state_of(session, self.world)

    def settle_floors(self, session, hurry):
        """Whatever comes after the drop, even everything once more, brings nothing back and leaves no trace."""
        for step in floor_steps(self.world):
            do(session, step)
        drain_all(session, hurry)
        self.check_frozen(session)
        if self.world.old_events == "archived":
            session.run(REPLAY_ALL)
            drain_all(session)
        if self.world.old_events == "dropped":
            # of some the ledger does not know any more that they were there
            self.receive(session, [step for step in self.world.events if isinstance(step, Message)])
            drain_all(session)
        self.check_below(session)
        if not self.chance(0.5):
            return
        before = state_of(session, self.world)
        written = session.run(REPLAY_ALL)
        drain_all(session)
        found = digest.difference(before, state_of(session, self.world))
        self.check_frozen(session)
        self.check_below(session)
        if found or written not in ([], [(0, 0, 0, 0)]):
            raise Broken([f"  what a replay of everything has written: {written}", *found])

    @staticmethod
    def check_below(session):
        below = session.run(digest.BELOW)
        if below:
            raise Broken(["  samples below a floor:", *(f"  {line}" for line, in below[:5])])

    def check_rollups(self, session):
        """As the crowd left them, then all of them made anew."""
        for _ in range(2 if self.chance(0.3) else 1):
            tell_rollups(session.run(digest.ROLLUPS, (self.rng.getrandbits(31),)))
            (days,), = session.run(digest.ROLLED_DAYS)
            self.rolled_days = max(self.rolled_days, days)
            session.run("SELECT wearables.rebuild_rollups()")
            drain_all(session)

    @staticmethod
    def check_books(session):
        wrong = session.run(digest.BOOKS)
        if wrong:
            raise Broken(["  readings that nobody accounts for:", *(f"  {line}" for line, in wrong[:5])])
        moved = session.run(digest.DAYS)
        if moved:
            raise Broken(["  days that are charted on another:", *(f"  {line}" for line, in moved[:5])])
