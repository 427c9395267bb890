"""Worlds for the convergence proof: users, devices and events, made from a seed number alone.

A world is a set of steps. Applied in any order, any number of times, they must lead to one state.
"""

import hashlib
import json
import os
import random
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

BASE = datetime(2025, 6, 1, tzinfo=UTC)
DAY = datetime(2025, 5, 20, 5, 0, tzinfo=UTC)  # the readings lie within this morning
MIDNIGHT = datetime(2025, 5, 19, 23, 55, tzinfo=UTC)  # or, where a floor is to pass between them, on both sides of this midnight
KSUID_EPOCH = 1_400_000_000
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ENDPOINTS = ("junction", "other")
DEVICES = (("garmin", "watch"), ("apple_health_kit", "watch"), ("apple_health_kit", "phone"), ("oura", "ring"),
           ("freestyle_libre", None), ("fitbit", "unknown"))

# Days whose clocks were set back, or forward.
CLOCK_CHANGES = {"Europe/Berlin": (date(2024, 10, 27), date(2025, 3, 30)), "America/New_York": (date(2024, 11, 3), date(2025, 3, 9))}

# What every world adds to the shipped mappings: a metric of one's own that a sample's type extends.
SETUP = """
INSERT INTO wearables.metrics (name, unit, lowest, highest) VALUES ('strength', 'kg', 0, 2000);
INSERT INTO wearables.resources (name, kind) VALUES ('strength', 'timeseries');
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field, unit_default, extends)
VALUES ('strength', 'strength', '{value}', 'unit', 'kg', '{type}');
UPDATE wearables.resources SET connection_days = 0 WHERE name NOT IN ('hrv', 'sleep') AND connection_days > 0;
"""

# What is pulled; and what makes of a pull another one, or refuses it: worlds that change that pull nothing.
PULLED = ("heartrate", "hrv", "blood_oxygen", "respiratory_rate", "blood_pressure", "cholesterol", "steps", "sleep")
UNPULLABLE = ("UPDATE wearables.resources SET kind", "SET instant_fields = '{start,timestamp}'")

# Changes of the parser: what is done, what undoes it. They leave alone the metrics that are written by hand.
CHANGES = (
    # a channel, a name and a part that come and go
    ("UPDATE wearables.mappings SET only_where_texts = '{acknowledged_nap,unknown}' WHERE channel = 'nap'",
     "UPDATE wearables.mappings SET only_where_texts = '{acknowledged_nap}' WHERE channel = 'nap'"),
    ("UPDATE wearables.mappings SET enabled = false WHERE channel = 'nap'",
     "UPDATE wearables.mappings SET enabled = metric <> 'hrv_rmssd' OR provider IS NULL WHERE channel = 'nap'"),
    ("UPDATE wearables.mappings SET extends = '{}' WHERE resource IN ('workout_duration', 'insulin_injection')",
     "UPDATE wearables.mappings SET extends = CASE resource WHEN 'workout_duration' THEN '{intensity}'::text[]"
     " ELSE '{type,delivery_mode,delivery_form,bolus_purpose}' END WHERE resource IN ('workout_duration', 'insulin_injection')"),
    ("UPDATE wearables.mappings SET part_fields = '{}' WHERE resource = 'workout_distance'",
     "UPDATE wearables.mappings SET part_fields = '{source.workout_id}' WHERE resource = 'workout_distance'"),
    ("UPDATE wearables.mappings SET enabled = false WHERE resource = 'glucose' AND only_where_field = 'type'",
     "UPDATE wearables.mappings SET enabled = true WHERE resource = 'glucose' AND only_where_field = 'type'"),
    ("UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate'",
     "UPDATE wearables.mappings SET value_fields = '{hr_lowest,hr_resting,hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate'"),
    ("UPDATE wearables.mappings SET instant_fields = '{bedtime_start,date}' WHERE resource = 'sleep' AND metric = 'hrv_rmssd'",
     "UPDATE wearables.mappings SET instant_fields = '{bedtime_stop,calendar_date,date}' WHERE resource = 'sleep' AND metric = 'hrv_rmssd'"),
    ("UPDATE wearables.mappings SET value_fields = '{peak}' WHERE resource = 'heartrate'",
     "UPDATE wearables.mappings SET value_fields = '{value}' WHERE resource = 'heartrate'"),
    ("UPDATE wearables.mappings SET value_fields = '{peak,value}' WHERE resource = 'heartrate'",
     "UPDATE wearables.mappings SET value_fields = '{value}' WHERE resource = 'heartrate'"),
    ("UPDATE wearables.metrics SET highest = 75 WHERE name = 'heartrate'",
     "UPDATE wearables.metrics SET highest = 400 WHERE name = 'heartrate'"),
    ("UPDATE wearables.units SET factor = 61 WHERE metric = 'heartrate' AND text = 'Hz'",
     "UPDATE wearables.units SET factor = 60 WHERE metric = 'heartrate' AND text = 'Hz'"),
    ("UPDATE wearables.mappings SET enabled = false WHERE resource = 'respiratory_rate'",
     "UPDATE wearables.mappings SET enabled = true WHERE resource = 'respiratory_rate'"),
    ("UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'hrv'",
     "UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'hrv'"),
    ("UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep'",
     "UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep'"),
    ("INSERT INTO wearables.mappings (resource, provider, metric, value_fields)"
     " VALUES ('heartrate', 'garmin', 'hrv_rmssd', '{peak}') ON CONFLICT DO NOTHING",
     "DELETE FROM wearables.mappings WHERE resource = 'heartrate' AND provider = 'garmin' AND metric = 'hrv_rmssd'"),
    ("UPDATE wearables.mappings SET instant_fields = '{start,timestamp}' WHERE resource = 'heartrate'",
     "UPDATE wearables.mappings SET instant_fields = '{timestamp,start}' WHERE resource = 'heartrate'"),
    # what was handled cannot be any more
    ("UPDATE wearables.resources SET kind = 'timeseries' WHERE name = 'sleep'",
     "UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep'"),
    # the streams within nights, and what of them is read
    ("UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep_stream'",
     "UPDATE wearables.resources SET kind = 'summary' WHERE name = 'sleep_stream'"),
    ("UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep_stream' AND metric = 'heartrate'",
     "UPDATE wearables.mappings SET enabled = true WHERE resource = 'sleep_stream' AND metric = 'heartrate'"),
    # what no row knew is known now
    ("INSERT INTO wearables.known_fields (resource, path) VALUES ('heartrate', 'peak'), ('sleep', 'mood') ON CONFLICT DO NOTHING",
     "DELETE FROM wearables.known_fields WHERE origin = 'user'"),
    ("UPDATE wearables.known_fields SET texts = texts || 'dozing'::text WHERE resource = 'sleep' AND path = 'state' AND NOT 'dozing' = ANY (texts)",
     "UPDATE wearables.known_fields SET texts = array_remove(texts, 'dozing') WHERE resource = 'sleep' AND path = 'state'"),
    ("INSERT INTO wearables.units (metric, text, factor) VALUES ('heartrate', 'furlong', 1.5) ON CONFLICT DO NOTHING",
     "DELETE FROM wearables.units WHERE metric = 'heartrate' AND text = 'furlong'"),
    # what a document is known by, and whether nights are sessions
    ("UPDATE wearables.resources SET one_per = NULL WHERE name = 'activity'",
     "UPDATE wearables.resources SET one_per = 'day' WHERE name = 'activity'"),
    ("UPDATE wearables.resources SET session_start = NULL, session_end = NULL WHERE name = 'sleep'",
     "UPDATE wearables.resources SET session_start = 'bedtime_start', session_end = 'bedtime_stop' WHERE name = 'sleep'"),
    ("INSERT INTO wearables.resources (name, kind, note) VALUES ('aura', 'skipped', 'none of ours') ON CONFLICT DO NOTHING",
     "DELETE FROM wearables.resources WHERE name = 'aura'"),
)

FLOORED = float(os.environ.get("FLOORED", "0.15"))  # of the worlds have floors

SAME_PART = ("n-1329", "n-1704", "n-15432")


@dataclass(frozen=True)
class Message:
    """One webhook. sent_at fixes the attempt's time where the version hangs on it: the id is no KSUID."""
    endpoint: str
    message_id: str
    version: int
    body: bytes
    sent_at: int | None = None


@dataclass(frozen=True)
class Page:
    """One page as a puller stores it."""
    endpoint: str
    message_id: str
    version: int
    event_type: str
    external: str | None
    client: str | None
    body: bytes


@dataclass(frozen=True)
class Pull:
    """History that is asked for by hand. Its requests are told from others by the end of their range."""
    version: int    # of its pages, but for what hangs on their ids
    clock: int      # Unix seconds as of which it is answered
    seconds: int
    endpoint: str
    client: str
    provider: str   # empty: all
    resource: str
    begins: str

    @property
    def ends(self):
        return f"2025-05-21T03:07:{self.seconds:02d}Z"

    @property
    def pattern(self):
        return f"(?i)end_date=[^&]*T03%3a07%3a{self.seconds:02d}%2b00"


@dataclass(frozen=True)
class Manual:
    """One INSERT INTO samples: client, metric, ts, provider, source_type, value, secondary, version."""
    version: int
    rows: tuple


@dataclass(frozen=True)
class Said:
    """One set_connection(): what the application says of a connection, at a time of its own."""
    version: int  # of about that time
    client: str
    provider: str
    status: str
    actor: str
    error_type: str | None
    provider_user_id: str | None
    at: str

    @property
    def rows(self):
        return ((self.client,),)


@dataclass(frozen=True)
class Register:
    client: str
    external: str | None
    endpoint: str | None
    zone: str | None


@dataclass(frozen=True)
class Relink:
    """A vendor's id is another person's from now on: by UPDATE, or anew."""
    client: str
    external: str
    endpoint: str
    anew: bool


@dataclass(frozen=True)
class Policy:
    """Samples before a date are dropped."""
    metric: str | None  # None: of all metrics without a policy of their own
    floor: str
    keep_rollups: bool


@dataclass(frozen=True)
class Retain:
    """All policies of the world are there from now on, and are due."""
    policies: tuple


@dataclass(frozen=True)
class Raised:
    """A floor that is moved by hand."""
    metric: str | None
    floor: str


@dataclass(frozen=True)
class Person:
    client: str
    externals: dict
    known_by: str  # what register_user() is told: both, client, nothing (never registered)
    zone: str


@dataclass
class World:
    seed: object
    registers: list = field(default_factory=list)
    events: list = field(default_factory=list)   # Message and Page
    manuals: list = field(default_factory=list)
    said: list = field(default_factory=list)
    changes: list = field(default_factory=list)
    moves: list = field(default_factory=list)    # Register: one person, who turns out to live in other time zones
    links: list = field(default_factory=list)    # Relink: one id of a vendor that is somebody else's for a while; the last one is right
    bounded: bool = False                        # meets each bound on what one body, and all of them, can make
    pulls: list = field(default_factory=list)    # Pull: what is asked for by hand; where there are none, events ask for none, either
    clocks: list = field(default_factory=list)   # (pattern, Unix seconds): as of when a request is answered, by the first that it matches
    policies: tuple = ()                         # Policy: what is dropped at some moment
    raised: tuple = ()                           # Raised: floors that move before their policies do
    old_events: str | None = None                # what becomes of raw events that have become old: dropped or archived


UPDATE = re.compile(r"(daily|historical)\.(data|timeseries)\.[^.]+\.updated|provider\.connection\.updated")


def is_update(body):
    """Whether the event type says that it tells a later state of what was made before."""
    try:
        document = json.loads(body)
    except ValueError:
        return False
    except RecursionError:  # nested() writes the type first
        named = re.search(r'"event_type": "([^"]*)"', body.decode())
        document = {"event_type": named[1]} if named else {}
    event_type = document.get("event_type") or document.get("type") if isinstance(document, dict) else None
    return isinstance(event_type, str) and UPDATE.fullmatch(event_type) is not None


def version_of(origin_ms, endpoint, message_id, updated=False):
    digest = hashlib.sha256(f"{endpoint}\0{message_id}".encode()).digest()
    return origin_ms << 20 | updated << 19 | int.from_bytes(digest[:3], "big") >> 5


def version_of_document(origin_ms, identity):
    digest = hashlib.sha256(identity.encode()).digest()
    return origin_ms << 20 | int.from_bytes(digest[2:5], "big") >> 4


def ksuid(rng, origin_ms):
    """A message id as Svix makes it, and the origin that can be read from it again."""
    seconds, milliseconds = divmod(origin_ms, 1000)
    raw = (seconds - KSUID_EPOCH).to_bytes(4, "big") + bytes([milliseconds // 4]) + rng.randbytes(15)
    number, text = int.from_bytes(raw, "big"), ""
    for _ in range(27):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return "msg_" + text, seconds * 1000 + milliseconds // 4 * 4


class Maker:
    def __init__(self, seed, names=("alice", "bob", "carol", "dave"), steps=(35, 60), changed=0.5, bounded=0.12, pulled=0, floored=0):
        # by a seed of its own: worlds without floors are what they were
        self.floors = random.Random(f"floors of {seed}")
        self.floored = self.floors.random() < floored
        # nothing in it asks that an event is read again, so that events may go
        self.plain = self.floored and self.floors.random() < 0.3
        if self.plain:
            changed = bounded = pulled = 0
        self.day = MIDNIGHT if self.floored else DAY
        self.rng = random.Random(f"world {seed}")
        self.names, self.steps, self.changed, self.bounded, self.pulled = names, steps, changed, bounded, pulled
        self.world = World(seed)
        self.people = []
        self.clock = int(BASE.timestamp() * 1000)
        self.pages = 0
        self.told = []  # whom a vendor knows readings of: person, endpoint, resource, since when
        self.made_anew = set()  # clients with another id at the vendor, too
        self.manual_metrics = ("oxygen_saturation", "blood_pressure")

    def make(self):
        rng = self.rng
        self.add_people()
        if rng.random() < self.changed:
            self.world.changes = rng.sample(CHANGES, rng.randint(1, 2))
        kinds = [self.readings] * 12 + [self.night] * 8 + [self.page] * 5 + [self.night_page] * 2 + \
                [self.connection] * 3 + [self.say] * 2 + [self.manual] * 3 + [self.correction] * 2 + [self.oddity] * 3 + \
                [self.notice, self.nights_in_one] + [self.meals] * 3 + [self.days] * 3 + [self.cycles] + \
                [self.travels] * 3 + [self.kinds_at_once] * 3 + [self.groupings] * 2 + [self.nap] * 3 + \
                [self.clock_change, self.future]
        for _ in range(rng.randint(*self.steps)):
            rng.choice(kinds)()
        if rng.random() < 0.3:
            self.long_readings()
        if rng.random() < self.bounded:
            self.meet_bounds()
        if rng.random() < 0.35 and not self.plain:
            known = [p for p in self.people if p.known_by != "nothing"]
            self.move(rng.choice(known).client)
        self.plan_pulls()
        if not self.plain:
            self.stray()
        if self.floored:
            self.plan_floors()
        return self.world

    # A floor of everything, or of some metrics; a metric may be kept longer than everything, or shorter.
    FLOORS = ("2025-05-20",) * 5 + ("2025-05-21", "2025-05-19", "2025-03-30", "2025-06-05")
    METRICS = ("heartrate", "heartrate", "hrv_rmssd", "respiratory_rate", "oxygen_saturation", "steps", "cholesterol", "strength", "workout_duration")

    def plan_floors(self):
        rng, world = self.floors, self.world
        metrics = ([None] if rng.random() < 0.7 else []) + sorted(set(rng.sample(self.METRICS, rng.randint(0, 3))))
        world.policies = tuple(Policy(metric, rng.choice(self.FLOORS), rng.random() < 0.75) for metric in metrics or [None])
        if rng.random() < 0.3:
            world.raised = (Raised(rng.choice(world.policies).metric, rng.choice(self.FLOORS)),)
        if not world.bounded and rng.random() < 0.6:
            world.old_events = "dropped" if self.plain else "archived"

    def plan_pulls(self):
        """From the real puller, of a vendor who knows what the events until then say. By a seed of its own: with or without it the
        events are the same. A second in which something else was made could not tell which is newer."""
        rng = random.Random(f"pulls of {self.world.seed}")
        changed = any(text in change[0] for change in self.world.changes for text in UNPULLABLE)
        if changed or self.world.bounded or not self.world.events or rng.random() >= self.pulled:
            return
        origins = sorted(step.version >> 20 for step in self.world.events + self.world.manuals)
        taken = {origin for origin in origins if origin % 1000 == 0}

        def clock(earliest):
            second = rng.choice([origin for origin in origins if origin >= earliest]) // 1000 + 1
            while second * 1000 in taken or second % 60 == 0:
                second += 1
            taken.add(second * 1000)
            return second

        # of two ids at one endpoint it cannot be said which is meant
        told = [what for what in self.told if what[0].known_by == "both" and what[2] in PULLED and what[0].client not in self.made_anew]
        for seconds in range(min(rng.randint(1, 5), len(told))):
            person, endpoint, resource, origin = rng.choice(told)
            at = clock(origin)
            pull = Pull(version_of(at * 1000, endpoint, f"pull {seconds}"), at, seconds, endpoint, person.client,
                        rng.choice(("", "", "", "garmin")), resource,
                        rng.choice(("2025-05-19T00:00:00Z", f"{self.day + timedelta(minutes=4):%Y-%m-%dT%H:%M:%SZ}", f"2025-03-01T03:07:{seconds:02d}Z")))
            self.world.pulls.append(pull)
            self.world.clocks.append((pull.pattern, at))
        # what events ask for: of two endpoints at one second neither is newer
        for endpoint in ENDPOINTS:
            ids = "|".join(person.externals[endpoint] for person in self.people)
            self.world.clocks.append((f"/({ids})[/?]", clock(origins[0])))

    def move(self, client):
        """Wall-clock readings of this person move; a row by hand that one of them had overtaken would not come back."""
        zones = self.rng.sample(("Asia/Tokyo", "Europe/Berlin", "America/New_York", "+02:00"), self.rng.randint(1, 3))
        self.world.moves = [Register(client, None, None, zone) for zone in zones]
        for i, manual in enumerate(self.world.manuals):
            rows = tuple(row for row in manual.rows if row[0] != client or row[3] != "freestyle_libre")
            self.world.manuals[i] = Manual(manual.version, rows)
        self.world.manuals = [manual for manual in self.world.manuals if manual.rows]

    def stray(self):
        """Somebody is linked to another one's id, until that is corrected. By a seed of its own, as the pulls are. A row by hand of
        that person which a strayed reading had overtaken would not come back."""
        rng = random.Random(f"links of {self.world.seed}")
        known = [p for p in self.people if p.known_by != "nothing"]
        rights = [p for p in known if p.known_by == "both"]
        if self.world.pulls or self.world.bounded or not rights or len(known) < 2 or rng.random() >= 0.3:
            return
        right = rng.choice(rights)
        wrong = rng.choice([p for p in known if p is not right])
        endpoint = rng.choice(list(right.externals))
        for _ in range(rng.randint(1, 2)):
            for client in (wrong.client, right.client):
                self.world.links.append(Relink(client, right.externals[endpoint], endpoint, rng.random() < 0.5))
        kept = [(m.version, tuple(row for row in m.rows if row[0] != wrong.client)) for m in self.world.manuals]
        self.world.manuals = [Manual(version, rows) for version, rows in kept if rows]

    def chance(self, probability):
        return self.rng.random() < probability

    def add_people(self):
        for number, name in enumerate(self.names):
            known_by = "nothing" if name == self.names[-1] else ("both", "client", self.rng.choice(("both", "client")))[number % 3]
            # of one of them the vendor's ids are numbers, beyond any that JSON readers keep exactly
            ids = {e: f"{name}-at-{e}" if number != 1 else f"{17 * (i + 1)}345678901234567890" for i, e in enumerate(ENDPOINTS)}
            person = Person(name, ids, known_by,
                            self.rng.choice(("UTC", "Europe/Berlin", "America/New_York")))
            self.people.append(person)
            if known_by == "both":
                self.world.registers += [Register(name, person.externals[e], e, person.zone) for e in ENDPOINTS]
            if known_by == "client":
                self.world.registers.append(Register(name, None, None, person.zone))
                for endpoint in ENDPOINTS:  # the event from which the link is learnt
                    self.connection(person, endpoint)

    # -- what all events have

    def origin(self):
        """A little later than the last one; now and then the very same millisecond."""
        if self.chance(0.95):
            self.clock += self.rng.randint(1, 3_600_000)
        return self.clock

    def person(self):
        return self.rng.choices(self.people, [4] * (len(self.people) - 1) + [1])[0]

    def send(self, event_type, person, data, endpoint=None, client=None):
        endpoint = endpoint or self.rng.choice(ENDPOINTS)
        external = person.externals[endpoint]
        if external.isdigit() and self.chance(0.7):
            external = int(external)
        body = {self.rng.choice(("event_type", "event_type", "type")): event_type, "user_id": external, "data": data}
        if client or self.chance(0.6):
            body["client_user_id"] = person.client
        self.send_body(json.dumps(body).encode(), endpoint)
        if event_type.startswith("daily.data."):
            self.told.append((person, endpoint, event_type.split(".")[2], self.world.events[-1].version >> 20))

    def send_body(self, body, endpoint="junction"):
        if self.chance(0.9):
            message_id, origin = ksuid(self.rng, self.origin())
            sent_at = None
        else:
            sent_at = self.origin() // 1000
            message_id, origin = f"plain-{self.rng.getrandbits(60)}", sent_at * 1000
        self.world.events.append(Message(endpoint, message_id, version_of(origin, endpoint, message_id, is_update(body)), body, sent_at))

    def add_page(self, resource, person, document):
        self.pages += 1
        endpoint = self.rng.choice(ENDPOINTS)
        message_id = f"page:{self.world.seed}:{self.pages}"  # no pull has one like it
        self.world.events.append(Page(endpoint, message_id, version_of(self.origin(), endpoint, message_id),
                                      f"pulled.data.{resource}", person.externals[endpoint],
                                      person.client, json.dumps(document).encode()))

    # -- readings

    def instant(self, minutes=10):
        at = self.day + timedelta(minutes=self.rng.randrange(minutes))
        shape = self.rng.randrange(4)
        if shape == 0:
            return at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if shape == 1:
            return at.astimezone(timezone(timedelta(hours=2))).isoformat()
        return at.isoformat()

    def sample(self, resource):
        """One reading; some are null, implausible, without a time or in a unit nobody knows."""
        rng = self.rng
        sample = {"timestamp": self.instant(), "value": rng.choice((55, 60, 66, 72, 80.5))}
        if resource == "heartrate":
            sample["unit"] = rng.choice(("bpm", "count/min"))
            if self.chance(0.3):
                sample.update(unit="Hz", value=rng.choice((1, 1.1, 1.25)))
            if self.chance(0.4):
                sample["peak"] = rng.choice((60, 90, 95))
        if resource == "blood_pressure":
            sample = {"timestamp": sample["timestamp"], "unit": "mmHg", "systolic": rng.choice((118, 121)), "diastolic": rng.choice((75, 80, None))}
            if self.chance(0.3):
                sample.update(unit="kPa", systolic=16, diastolic=10.5)
        if resource in ("cholesterol", "strength"):
            sample["type"] = rng.choice(("hdl", "left", "right"))
        # one in three forgets it, which refuses the reading: this unit has no default
        if resource == "cholesterol" and self.chance(0.67):
            sample["unit"] = "mmol/L"
        if resource == "steps" or (resource == "heartrate" and self.chance(0.2)):
            sample.update(start=self.instant(), end=self.instant(30))
        if self.chance(0.3):
            sample["timezone_offset"] = rng.choice((0, 7200, -18000, None))
        if self.chance(0.12):
            sample.update(rng.choice(({"value": None}, {"value": 5000}, {"unit": "furlong"}, {"timestamp": None},
                                      {"timestamp": "yesterday"}, {"value": "66"})))
        if self.chance(0.1):
            sample.update(rng.choice(({"unit": "stone"}, {"trend": "up"}, {"detail": {"arrow": 1}}, {"detail": {"arrow": 1, "tail": []}}, {"glow": None})))
        return sample

    def source(self, device):
        provider, kind = device
        source = {"provider": provider} if kind is None else {"provider": provider, "type": kind}
        if self.chance(0.1):
            source.update(self.rng.choice(({"type": "patch"}, {"colour": "red"}, {"colour": None, "strap": {"length": 1}})))
        return source

    def resource(self):
        return self.rng.choices(("heartrate", "hrv", "blood_oxygen", "respiratory_rate", "blood_pressure", "cholesterol", "strength", "steps"),
                                (6, 2, 2, 2, 2, 1, 1, 2))[0]

    def readings(self):
        resource = self.resource()
        samples = [self.sample(resource) for _ in range(self.rng.randint(1, 8))]
        self.send(f"daily.data.{resource}.{self.rng.choice(('created', 'updated'))}", self.person(),
                  {"source": self.source(self.rng.choice(DEVICES)), "data": samples})

    def long_readings(self):
        """More than the smallest chunk, each key twice."""
        samples = [{"timestamp": (self.day + timedelta(seconds=20 * (i // 2))).isoformat(), "value": 50 + i % 7, "unit": "bpm", "peak": 60 + i % 5}
                   for i in range(self.rng.randint(150, 350))]
        self.rng.shuffle(samples)
        self.send("daily.data.heartrate.created", self.person(), {"source": self.source(self.rng.choice(DEVICES)), "data": samples})

    def meet_bounds(self):
        """More refusals, sources, types and documents than one body may make; and names that not all find room at first."""
        self.world.bounded = True
        # a row by hand is refused for good where there is no room for its source
        self.world.manuals = []
        reading = {"timestamp": self.day.isoformat(), "value": 61}
        self.send("daily.data.heartrate.created", self.person(),
                  {"source": self.source(DEVICES[0]), "data": [1] * 700 + [reading] + [2] * 700 + [{**reading, "unit": "furlong"}]})
        for _ in range(2):
            names = [f"maker{number}" for number in range(130)]
            self.rng.shuffle(names)
            self.send_groups([{"source": {"provider": name}, "data": [reading]} for name in names])
        for types in (540, 30):
            samples = [{"timestamp": self.day.isoformat(), "value": 20, "type": f"lift {number}"} for number in range(types)]
            self.rng.shuffle(samples)
            self.send("daily.data.strength.created", self.person(), {"source": self.source(DEVICES[1]), "data": samples})
        person = self.person()
        documents = [{"id": f"short-{number % 7}", "source_provider": "oura", "bedtime_stop": self.day.isoformat(), "hr_lowest": 50 + number % 3}
                     for number in range(50_020)]
        self.send("daily.data.sleep.created", person, documents)

    def send_groups(self, groups):
        person, endpoint = self.person(), self.rng.choice(ENDPOINTS)
        body = {"event_type": "daily.data.heartrate.created", "user_id": person.externals[endpoint], "data": groups}
        self.send_body(json.dumps(body).encode(), endpoint)

    def correction(self):
        """A, B, A again: the last A must win although its value is known."""
        person, device, at = self.person(), self.rng.choice(DEVICES), self.instant()
        for value in (61, 62, 61):
            self.send("daily.data.heartrate.updated", person,
                      {"source": self.source(device), "data": [{"timestamp": at, "value": value, "peak": value + 1, "unit": "bpm"}]})

    def page(self):
        """The readings of earlier messages, or new ones, grouped as the REST API answers."""
        resource, groups = self.resource(), {}
        for provider, kind in self.rng.sample(DEVICES, self.rng.randint(1, 3)):
            samples = [self.sample(resource) for _ in range(self.rng.randint(1, 10))]
            groups.setdefault(provider, []).append({"source": self.source((provider, kind)), "data": samples})
        self.add_page(resource, self.person(), {"groups": groups, "next": None})

    # -- wall-clock time

    def wall_clock(self):
        """What a clock showed in a night in which it was set, every quarter of an hour: an hour comes twice, or not at all."""
        zone = ZoneInfo(self.rng.choice(("Europe/Berlin", "America/New_York")))
        day = self.rng.choice(CLOCK_CHANGES[zone.key])
        first = datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
        return [(first + timedelta(minutes=15 * i)).astimezone(zone) for i in range(18)]

    def clock_change(self):
        """Of one night several pages, cut where the clock was set, too; some out of order, some backwards."""
        person, shown = self.person(), self.wall_clock()
        for _ in range(self.rng.randint(2, 4)):
            first, last = sorted(self.rng.sample(range(len(shown) + 1), 2))
            written = self.rng.choice(("+00:00", "Z", "", "+02:00"))
            samples = [{"timestamp": at.strftime("%Y-%m-%dT%H:%M:%S") + written, "value": 50 + self.rng.randint(0, 9), "unit": "bpm"} for at in shown[first:last]]
            if self.chance(0.2):
                samples.reverse()
            if self.chance(0.1):
                self.rng.shuffle(samples)
            group = {"source": {"provider": "freestyle_libre"}, "data": samples}
            if self.chance(0.5):
                self.add_page("heartrate", person, {"groups": {"freestyle_libre": [group]}, "next": None})
            else:
                self.send("daily.data.heartrate.created", person, group)

    def future(self):
        """Readings about a day after their messages were made, some refused; one that some of several messages may tell."""
        person, device = self.person(), self.rng.choice(DEVICES)
        day_ahead = (self.clock // 3_600_000 + 25) * 3600
        for _ in range(3):
            samples = [{"timestamp": day_ahead + 3600 * self.rng.randint(-2, 2), "value": self.rng.randint(60, 69), "unit": "bpm"} for _ in range(3)]
            samples.append({"timestamp": "2036-01-01T00:00:00Z", "value": 60, "unit": "bpm"})
            self.send("daily.data.heartrate.created", person, {"source": self.source(device), "data": samples})
        self.send("daily.data.sleep.created", person, {**self.document(person), "bedtime_stop": "2036-01-01T06:00:00Z"})

    # -- documents

    def document(self, person):
        """A state of one of three nights; two may claim one minute, fields come and go."""
        rng = self.rng
        # the last three have one part: 16 bits of the hashes of these ids are equal
        name = rng.choice((*(f"night-{person.client}-{number}" for number in (1, 2, 3)), *SAME_PART))
        document = {"id": name, "date": "2025-05-20",
                    "source": self.source(rng.choices((("oura", "ring"), ("garmin", "watch")), (5, 1))[0]),
                    "bedtime_start": self.instant(3), "bedtime_stop": self.instant(3), "state": rng.choice(("tentative", "confirmed", "confirmed", "dozing"))}
        for name, values in (("hr_lowest", (48, 50)), ("hr_resting", (52, 53)), ("hr_average", (58, 60, 1000)),
                             ("average_hrv", (60, 61.5)), ("respiratory_rate", (14, 15.5))):
            document[name] = rng.choice(values) if self.chance(0.6) else None
        if self.chance(0.1):
            document["bedtime_stop"] = None
        if self.chance(0.05):
            document["note"] = "\0 and \ud800"
        if self.chance(0.2):
            document["mood"] = rng.choice(("good", {"dreams": 2, "nightmares": 0}))
        if self.chance(0.4):
            document["updated_at"] = self.updated_at()
        if self.chance(0.35):
            document["sleep_stream"] = self.stream()
        return document

    def stream(self):
        """What a night says of its stream: nothing, that there is none, or samples, some of which are of another night."""
        rng = self.rng
        if self.chance(0.3):
            return rng.choice((None, {}, {"heartrate": None, "hrv": []}, [], "none"))
        stream = {}
        for name, unit, values in (("heartrate", "bpm", (50, 51, 5000)), ("hrv", "rmssd", (60, 61.5)), ("respiratory_rate", "bpm", (14, None))):
            if self.chance(0.6):
                stream[name] = [{"timestamp": rng.choice((self.instant(3), self.instant(3), "1975-05-20T00:00:00Z", None)), "unit": unit,
                                 "value": rng.choice(values)} for _ in range(rng.randint(0, 3))]
        if self.chance(0.1):
            stream["snoring"] = [{"value": 1}]
        return stream

    def updated_at(self):
        """Often a tie; now and then a time at which nobody can have sent it."""
        if self.chance(0.1):
            return "2036-01-01T00:00:00+00:00"
        return (BASE + timedelta(minutes=self.rng.choice((10, 700, 1400, self.rng.randrange(3000))))).isoformat()

    def meals(self):
        """Meals of one date, of which each has an id; a page or a message may hold several. Of some only the foods have figures."""
        rng, person = self.rng, self.person()
        meals = [{"id": f"meal-{rng.randint(1, 4)}", "timestamp": "2025-05-20T00:00:00Z", "source": self.source(("cronometer", "app")),
                  "energy": {"unit": "kcal", "value": rng.choice((400, 700, 900))} if self.chance(0.8) else None}
                 for _ in range(rng.randint(1, 4))]
        for meal in meals:
            if self.chance(0.4):
                meal["data"] = {name: {"energy": rng.choice((None, {"unit": "kcal", "value": rng.choice((100, 120.5, None))})), "macros": {"carbs": rng.choice((10, 20))}}
                                for name in rng.sample(("rice", "tea", "energy", ""), rng.randint(0, 3))}
        if self.chance(0.3):
            return self.add_page("meal", person, {"meals": meals})
        return self.send(f"daily.data.meal.{rng.choice(('created', 'updated'))}", person, meals)

    def cycles(self):
        """A cycle whose lists grow and shrink; some words have no number."""
        rng, person = self.rng, self.person()
        flows = [{"date": f"2025-05-{day}", "flow": rng.choice(("light", "heavy", "none", None, "torrential"))} for day in rng.sample(range(10, 16), rng.randint(0, 4))]
        cycle = {"id": f"cycle-{rng.randint(1, 2)}", "period_start": "2025-05-10", "source_provider": "apple_health_kit", "source_type": rng.choice(("app", "watch")),
                 "menstrual_flow": flows, "intermenstrual_bleeding": [{"date": f"2025-05-{rng.randint(20, 22)}"} for _ in range(rng.randint(0, 2))],
                 "sexual_activity": [{"date": "2025-05-12", "protection_used": rng.choice((True, False, None))}]}
        if self.chance(0.3):
            return self.add_page("menstrual_cycle", person, {"menstrual_cycle": [cycle]})
        return self.send(f"daily.data.menstrual_cycle.{rng.choice(('created', 'updated'))}", person, cycle)

    def days(self):
        """Totals of a day, now and then issued anew under another id: there is one a day and source."""
        rng, person = self.rng, self.person()
        days = []
        for _ in range(rng.randint(1, 3)):
            day = {"id": f"day-{rng.randint(1, 6)}", "date": f"2025-05-{rng.choice((19, 20))}", "source": self.source(rng.choice(DEVICES)),
                   "steps": rng.choice((5000, 6000, 7000)), "floors_climbed": rng.choice((None, 3, 4))}
            if self.chance(0.3):
                day["updated_at"] = self.updated_at()
            days.append(day)
        if self.chance(0.3):
            return self.add_page("activity", person, {"activity": days})
        return self.send(f"daily.data.activity.{rng.choice(('created', 'updated'))}", person, days)

    PLACES = ({"time_zone": "America/New_York", "timezone_offset": -14400}, {"time_zone": "Europe/Berlin"}, {"timezone_offset": 32400},
              {"time_zone": "UTC-4", "timezone_offset": -14400}, {"time_zone": "Mars/Olympus"}, {"zone_offset": "+05:45"}, {"time_zone": "+02:00"}, {})

    def travels(self):
        """Somebody under way: days, whatever zone their documents name, and readings of an instant on many clocks."""
        self.rng.choice((self.travelled_days, self.travelled_weights, self.travelled_meals, self.travelled_readings))()

    def place(self):
        return self.rng.choice(self.PLACES)

    def travelled_days(self):
        """The same day may come again from another place; whether from there or here, it is that day."""
        rng, person = self.rng, self.person()
        days = [{"id": f"trip-{rng.randint(1, 6)}", "calendar_date": rng.choice(("2025-05-19", "2025-05-20", "2025-05-20T00:00:00+02:00")),
                 "source": self.source(rng.choice(DEVICES)), "steps": rng.choice((5000, 7000, 9000)), **self.place()} for _ in range(rng.randint(1, 3))]
        self.send(f"daily.data.activity.{rng.choice(('created', 'updated'))}", person, days)

    def travelled_weights(self):
        rng, person = self.rng, self.person()
        date = rng.choice(("calendar_date", "date"))
        weights = [{"id": f"weight-{rng.randint(1, 3)}", date: f"2025-05-{rng.choice((19, 20))}", "source": self.source(("withings", "scale")),
                    "weight": rng.choice((70, 71.5)), **self.place()} for _ in range(rng.randint(1, 2))]
        if self.chance(0.3):
            return self.add_page("body", person, {"body": weights})
        return self.send("daily.data.body.created", person, weights)

    def travelled_meals(self):
        """At midnight UTC of their own date they have no time; of another date, and at noon, they have one."""
        rng, person = self.rng, self.person()
        self.send("daily.data.meal.updated", person, [
            {"id": f"meal-{rng.randint(1, 4)}", "calendar_date": f"2025-05-{rng.choice((19, 20))}", "energy": {"unit": "kcal", "value": rng.choice((400, 700))},
             "timestamp": rng.choice(("2025-05-20T00:00:00Z", "2025-05-20", "2025-05-20T12:00:00+02:00")), "source": self.source(("cronometer", "app")),
             **self.place()} for _ in range(rng.randint(1, 3))])

    def travelled_readings(self):
        samples = [{**self.sample("heartrate"), **self.place()} for _ in range(self.rng.randint(1, 6))]
        if self.chance(0.3):
            samples[0]["timestamp"] = "2025-05-20"
        self.send("daily.data.heartrate.created", self.person(), {"source": self.source(self.rng.choice(DEVICES)), "data": samples})

    def night(self):
        person = self.person()
        self.send(f"daily.data.sleep.{self.rng.choice(('created', 'updated'))}", person, self.document(person))

    def nights_in_one(self):
        """Several documents in one message; they have one version, and may even have one id."""
        person = self.person()
        self.send("daily.data.sleep.updated", person, [self.document(person) for _ in range(self.rng.randint(2, 3))])

    def night_page(self):
        person = self.person()
        self.add_page("sleep", person, {"sleep": [self.document(person) for _ in range(self.rng.randint(1, 4))]})

    def nap(self):
        """A session that is a night in one state and a nap in another, or of a type that is none; its readings change channels."""
        person = self.person()
        document = {**self.document(person), "id": f"nap-{person.client}-{self.rng.randint(1, 2)}"}
        document["type"] = self.rng.choice(("acknowledged_nap", "acknowledged_nap", "long_sleep", "unknown", None, 7))
        self.send(f"daily.data.sleep.{self.rng.choice(('created', 'updated'))}", person, [document, self.document(person)][:self.rng.randint(1, 2)])

    # -- what tells readings of one instant apart

    def kinds_at_once(self):
        """Readings of one start that a field with a closed vocabulary, or none, tells apart."""
        rng = self.rng
        resource, unit, fields = rng.choice((
            ("workout_duration", "min", {"intensity": ("low", "high")}),
            ("insulin_injection", "unit", {"type": ("rapid_acting", None), "delivery_mode": ("basal", "bolus", None)}),
            ("body_temperature", "°C", {"sensor_location": ("ear", "mouth", "")}),
            ("glucose", "mmol/L", {"type": ("automatic", "fingerprick", None)})))
        samples = []
        for _ in range(rng.randint(1, 6)):
            sample = {"start": self.instant(3), "value": rng.choice((5, 6, 37)), "unit": unit}
            sample.update({name: rng.choice(values) for name, values in fields.items() if self.chance(0.8)})
            samples.append(sample)
        source = self.source(rng.choice((*DEVICES, ("freestyle_libre", "automatic"))))
        self.send(f"daily.data.{resource}.created", self.person(), {"source": source, "data": samples})

    def groupings(self):
        """Readings of one instant that an id tells apart, which is in the sample or beside it; and the same without one."""
        rng, person = self.rng, self.person()
        groups = []
        for _ in range(rng.randint(1, 3)):
            source = {"provider": "apple_health_kit", "type": "watch", "workout_id": rng.choice(("w1", "w2", None))}
            samples = [{"start": self.instant(2), "value": rng.choice((100, 200)), "unit": "m"} for _ in range(rng.randint(1, 3))]
            groups.append({"source": source, "data": samples})
        self.send("daily.data.workout_distance.updated", person, groups)
        samples = [{"timestamp": self.instant(2), "unit": "mmHg", "systolic": rng.choice((118, 121)), "diastolic": 80,
                    "grouping": rng.choice((["cuff", None, None, "d1"], ["cuff", None, None, "d2"], ["unknown", None, None, None], "d1", None))}
                   for _ in range(rng.randint(1, 4))]
        self.send("daily.data.blood_pressure.created", person, {"source": self.source(("garmin", "watch")), "data": samples})

    # -- the rest

    def connection(self, person=None, endpoint=None):
        provider = self.rng.choice(DEVICES)[0]
        kind = self.rng.choice(("created", "error", "created", "created", "paused", "deregistered", "deleted")) if endpoint is None else "created"
        errors = ("token_refresh_failed", "deregistered_per_provider")
        data = {"provider": {"slug": provider}, "error_type": self.rng.choice(errors) if kind == "error" else None,
                "external_user_id": self.rng.choice((None, "first account", "second account"))}
        person = person or self.person()
        if endpoint is None and self.chance(0.2):  # the person has been made anew at the vendor: another id, by which their own is known
            self.made_anew.add(person.client)
            person = replace(person, externals={name: f"{external}5" for name, external in person.externals.items()})
            return self.send(f"provider.connection.{kind}", person, data, client=True)
        return self.send(f"provider.connection.{kind}", person, data, endpoint, client=endpoint is not None)

    def say(self):
        """What the application does itself: it is the only one that ever says so."""
        origin, status = self.origin(), self.rng.choice(("connected", "disconnected", "deregistered", "error"))
        person = self.rng.choice([p for p in self.people if p.known_by != "nothing"])
        self.world.said.append(Said(
            origin << 20, person.client, self.rng.choice(DEVICES)[0], status, self.rng.choice(("application", "user", "operator")),
            "provider_credential_error" if status == "error" else None, self.rng.choice((None, None, "first account")),
            datetime.fromtimestamp(origin / 1000, UTC).isoformat()))

    def notice(self):
        self.send("historical.data.heartrate.created", self.person(),
                  {"provider": self.rng.choice(DEVICES)[0], "start_date": "2025-05-01T00:00:00+00:00", "end_date": "2025-05-21"})

    def oddity(self):
        person = self.person()
        choice = self.rng.randrange(12)
        if choice == 0:
            self.send_body(self.rng.choice((b"not json", b"\xff\xfe\0", b"{\"event_type\": ", b"")))
        elif choice == 1:
            self.send_body(b'{"hello": "world"}')
        elif choice == 2:
            self.send(f"daily.data.{self.rng.choice(('aura', 'grip_strength'))}.created", person, {"source": {"provider": "oura"}, "data": []})
        elif choice == 3:
            self.send("daily.data.heartrate.created", person, "nothing of the kind")
        elif choice == 4:
            self.send("daily.data.sleep.created", person, {"source": {"provider": "oura"}, "hr_lowest": 50})
        elif choice == 5:
            self.send(self.rng.choice(("lab_order.requested", "sleep.created", "heartrate", "daily.data.heartrate.deleted", "a.b.c.d.e.f.g.h", ".",
                                       "two\nlines", "é" * 300)), person, {})
        elif choice == 6:  # by a name of its own, or by none
            self.send_body(json.dumps({self.rng.choice(("type", "kind")): self.rng.choice(("workout.created", 17, None, "", " \0")),
                                       "user_id": person.externals["junction"], "data": {"type": "daily.data.heartrate.created"}}).encode())
        elif choice == 7:
            self.send(f"historical.data.{self.rng.choice(('aura', 'aura', 'workout_stream'))}.created", person, {"provider": "oura"})
        elif choice == 8:
            self.no_json(person)
        elif choice == 9:
            self.send(f"daily.data.{self.rng.choice(('sleep', 'heartrate'))}.created", person,
                      self.rng.choice((None, {"source": {"provider": "oura"}, "data": None}, 7)))
        elif choice == 10:
            self.nested(person)
        else:
            self.nobodys()

    def no_json(self, person):
        """Words that JSON does not have, in readings and in a document, beside what is as good as ever."""
        words = (float("nan"), float("inf"), float("-inf"))
        samples = [self.sample("heartrate") for _ in range(4)]
        for sample in samples[:2]:
            sample[self.rng.choice(("value", "timestamp", "unit", "trend", "peak"))] = self.rng.choice(words)
        self.send("daily.data.heartrate.updated", person, {"source": self.source(DEVICES[0]), "data": [*samples, self.rng.choice(words)]})
        document = self.document(person)
        document[self.rng.choice(("hr_lowest", "average_hrv", "mood", "updated_at", "id"))] = self.rng.choice(words)
        self.send("daily.data.sleep.updated", person, [document, self.document(person)])

    def nested(self, person):
        """Nested deeper than is read: where nobody looks, in a document, and a reading of its own."""
        depth = self.rng.choice((600, 5000))
        beyond = [f"@{number}@" for number in range(3)]
        sample, document = self.sample("heartrate"), self.document(person)
        sample["trend"], document["mood"] = beyond[0], beyond[1]
        for event, data in (("heartrate", {"source": self.source(DEVICES[0]), "data": [sample, beyond[2]]}), ("sleep", document)):
            body = json.dumps({"event_type": f"daily.data.{event}.updated", "user_id": person.externals["junction"], "data": data})
            for text in beyond[:2]:
                body = body.replace(f'"{text}"', "[" * depth + "]" * depth)
            self.send_body(body.replace(f'"{beyond[2]}"', '{"data":[' * depth + "]}" * depth).encode())

    def nobodys(self):
        """Readings, nights, announcements and connections that do not say whose they are."""
        ids = self.rng.choice(({}, {"user_id": None}, {"user_id": "", "client_user_id": "  "}, {"user_id": {"id": 42}, "client_user_id": True}, {"user": {"user_id": "alice"}}))
        event_type = self.rng.choice(("daily.data.heartrate.created", "daily.data.sleep.created", "historical.data.heartrate.created", "provider.connection.created"))
        data = {"id": "night-nobody", "provider": "oura", "source": {"provider": "oura"}, "hr_lowest": 50, "bedtime_stop": self.instant(),
                "data": [self.sample("heartrate")]}
        self.send_body(json.dumps({"event_type": event_type, **ids, "data": data}).encode())

    def manual(self):
        """A repair by hand, of several people at once, under a version of its own."""
        rng, people = self.rng, [p for p in self.people if p.known_by != "nothing"]
        metrics = self.manual_metrics if self.world.changes else ("heartrate", "hrv_rmssd", *self.manual_metrics)
        version = self.origin() << 20 | rng.getrandbits(20)
        rows = []
        for _ in range(rng.randint(1, 5)):
            metric, (provider, kind) = rng.choice(metrics), rng.choice(DEVICES)
            rows.append((rng.choice(people).client, metric, self.day + timedelta(minutes=rng.randrange(10)), provider, kind or "unknown",
                         float(rng.choice((60, 66, 71, 90))), 77.0 if metric == "blood_pressure" else None, version))
        self.world.manuals.append(Manual(version, tuple(rows)))


def make(seed):
    return Maker(seed, pulled=0.7, floored=FLOORED).make()


def from_directory(path):
    """A world of somebody's own bodies: each *.json is one webhook, the order of the names is the order of origin."""
    rng = random.Random(f"directory {path}")
    world, people = World(str(path)), {}
    clock = int(BASE.timestamp() * 1000)
    for file in sorted(Path(path).glob("*.json")):
        body = file.read_bytes()
        clock += 60_000
        message_id, origin = ksuid(rng, clock)
        world.events.append(Message("junction", message_id, version_of(origin, "junction", message_id, is_update(body)), body))
        try:
            document = json.loads(body)
            external, client = document.get("user_id"), document.get("client_user_id")
        except (ValueError, AttributeError):
            continue
        if external or client:
            people[client or external] = external or people.get(client)
    world.registers = [Register(client, external, "junction" if external else None, None) for client, external in people.items()]
    return world
