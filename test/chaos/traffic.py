"""What is sent, and what must have come of it: worked out here by the rules alone (R2 to R5), newest message of each key."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import world as worlds

PEOPLE = tuple(f"p{number}" for number in range(8))
LATE = tuple(f"late{number}" for number in range(4))  # registered while the rounds go on
NOBODY = "nobody"                                     # never registered
DAY = datetime(2025, 5, 20, tzinfo=UTC)
NIGHTS = DAY + timedelta(days=1)


@dataclass(eq=False)
class Message:
    message_id: str
    version: int
    body: bytes
    status: str           # what its event must end as
    readings: int | None  # that it holds; None: of an event that is not processed
    sent_at: int | None = None
    sends: int = 0
    answers: int = 0


class Traffic:
    def __init__(self, rng, origin_ms):
        self.rng, self.clock = rng, origin_ms
        self.messages = {}
        self.samples, self.nights, self.connections = {}, {}, {}
        self.held = []

    def burst(self, count):
        """So many new messages in no order, and some that were made for the burst before."""
        new = [self.make() for _ in range(count)]
        late = [message for message in new if self.rng.random() < 0.1]
        now = [message for message in new if message not in late] + self.held
        self.held = late
        self.rng.shuffle(now)
        return now

    def make(self):
        kind = self.rng.choices((self.readings, self.night, self.connection, self.skipped), (80, 12, 5, 3))[0]
        return kind()

    def message(self, event_type, client, data, status="processed", readings=0):
        self.clock += self.rng.randint(4, 2000)
        message_id, origin = worlds.ksuid(self.rng, self.clock)
        body = {"event_type": event_type, "user_id": f"ext-{client}", "client_user_id": client, "data": data}
        if client == NOBODY and status == "processed":
            status, readings = "parked", None
        encoded = json.dumps(body).encode()
        version = worlds.version_of(origin, "junction", message_id, worlds.is_update(encoded))
        message = Message(message_id, version, encoded, status, readings)
        self.messages[message_id] = message
        return message

    def client(self):
        return self.rng.choices((*PEOPLE, *LATE, NOBODY), [8] * len(PEOPLE) + [2] * len(LATE) + [1])[0]

    @staticmethod
    def put(table, key, version, value):
        if key not in table or version >= table[key][0]:
            table[key] = (version, value)

    def readings(self):
        rng, client = self.rng, self.client()
        # now and then a source that nobody has named yet
        provider = rng.choice(("garmin", "fitbit", "garmin", "fitbit", f"maker{rng.randrange(60)}"))
        resource, metric = rng.choice((("heartrate", "heartrate"), ("hrv", "hrv_rmssd")))
        rows = [(minute, 5000 if rng.random() < 0.02 else 40 + rng.randrange(9600) / 64)
                for minute in rng.sample(range(240), rng.choice((1, 2, 3, 10, 40)))]
        data = {"source": {"provider": provider, "type": "watch"},
                "data": [{"timestamp": (DAY + timedelta(minutes=minute)).isoformat(), "value": value} for minute, value in rows]}
        message = self.message(f"daily.data.{resource}.created", client, data, readings=len(rows))
        for minute, value in rows:
            if value != 5000 and client != NOBODY:
                key = (client, metric, DAY + timedelta(minutes=minute), provider, "watch", "timeseries")
                self.put(self.samples, key, message.version, value)
        return message

    def night(self):
        """One of six nights of a person; its end moves, its pulse may go."""
        rng, client, number = self.rng, self.client(), self.rng.randrange(6)
        stop = NIGHTS + timedelta(hours=2 * number, minutes=rng.randrange(60))
        pulse = rng.choice((None, *range(40, 70)))
        data = {"id": f"night-{client}-{number}", "calendar_date": "2025-05-21", "source": {"provider": "oura", "type": "ring"},
                "bedtime_start": (stop - timedelta(hours=8)).isoformat(), "bedtime_stop": stop.isoformat(), "hr_lowest": pulse}
        # the pulse is a metric of its own, and the heart rate of the moment
        message = self.message("daily.data.sleep.updated", client, data, readings=0 if pulse is None else 2)
        if client != NOBODY:
            self.put(self.nights, (client, data["id"]), message.version, (stop, pulse))
        return message

    def connection(self):
        client, provider = self.client(), self.rng.choice(("garmin", "fitbit", "oura"))
        action = self.rng.choice(("created", "error"))
        data = {"provider": {"slug": provider}} if action == "created" else {"provider": provider, "error_type": "token_refresh_failed"}
        message = self.message(f"provider.connection.{action}", client, data)
        if client != NOBODY:
            self.put(self.connections, (client, provider), message.version, "connected" if action == "created" else "error")
        return message

    def skipped(self):
        return self.message("labtest.order.created", self.client(), {}, status="skipped", readings=None)

    def expected_samples(self):
        expected = dict(self.samples)
        for (client, night), (event_version, (stop, pulse)) in self.nights.items():
            version = worlds.version_of_document(event_version >> 20, night)
            for metric in ("heartrate", "heart_rate_lowest") if pulse is not None else ():
                expected[client, metric, stop, "oura", "ring", "sleep"] = (version, pulse)
        return expected


RECEIVE = "SELECT r.status, r.http_status FROM wearables.receive(%s, %s, 'junction') r"

EVENTS = """
SELECT e.message_id, e.status::text, encode(sha256(e.payload), 'hex'), e.version, d.count,
       e.inserted + e.changed + e.confirmed + e.unchanged + e.stale + e.quarantined
FROM wearables.webhook_events e
LEFT JOIN wearables.deliveries d ON d.endpoint = e.endpoint AND d.message_id = e.message_id AND d.event_id = e.event_id AND d.received_at = e.received_at"""
SAMPLES = """
SELECT u.client_user_id, s.metric, s.ts, s.provider, s.source_type, s.channel, s.version, s.value
FROM wearables.samples s JOIN wearables.users u USING (user_id)"""
NIGHTS_STORED = """
SELECT u.client_user_id, s.summary_id, s.event_version FROM wearables.summaries s JOIN wearables.users u USING (user_id)"""
CONNECTIONS = """
SELECT u.client_user_id, c.provider, c.version, c.status FROM wearables.connections c JOIN wearables.users u USING (user_id) WHERE c.version > 0"""
LIFECYCLE_TWICE = "SELECT event_id, count(*) FROM wearables.connection_events GROUP BY 1 HAVING count(*) > 1"
QUEUE = """
SELECT count(*) FILTER (WHERE suspect), count(*) FILTER (WHERE waits > 0), count(*) FILTER (WHERE attempt > 0 AND NOT suspect), coalesce(max(attempt), 0)
FROM wearables.jobs"""
STORED = """
SELECT count(*) FROM unnest(%s::text[]) AS m (id)
WHERE NOT EXISTS (SELECT FROM wearables.deliveries d JOIN wearables.webhook_events e USING (event_id, received_at)
                  WHERE d.endpoint = 'junction' AND d.message_id = m.id)"""
JOBS = """
SELECT e.message_id, j.state, j.attempt, j.waits, j.suspect, j.last_sqlstate, j.last_error
FROM wearables.jobs j LEFT JOIN wearables.webhook_events e USING (event_id)"""


def compare(what, expected, found):
    """Lines that say what differs between two tables."""
    lines = [f"{what} {key}: {found.get(key)} instead of {value}" for key, value in expected.items() if found.get(key) != value]
    return lines + [f"{what} {key}: {value}, and nothing must be there" for key, value in found.items() if key not in expected]


class Verdict:
    def __init__(self):
        self.lost, self.twice, self.stuck, self.wrong = [], [], [], []

    def all(self):
        return self.lost + self.twice + self.stuck + self.wrong


def judge_event(verdict, message, rows):
    """The rows that the raw store has for a message, each with the ledger's count."""
    name = message.message_id
    if not rows or rows[0][4] is None:
        verdict.lost.append(f"{name}, answered {message.answers} times, is {'in the ledger no more' if rows else 'gone'}")
        return
    if len(rows) > 1 or not message.answers <= rows[0][4] <= message.sends:
        verdict.twice.append(f"{name}: {len(rows)} events, counted {rows[0][4]} times, sent {message.sends}, answered {message.answers} times")
    _, status, digest, version, _, readings = rows[0]
    if digest != hashlib.sha256(message.body).hexdigest() or version != message.version:
        verdict.wrong.append(f"{name}: another body or version than was sent")
    if status != message.status or (message.readings is not None and readings != message.readings):
        verdict.wrong.append(f"{name}: {status} with {readings} readings instead of {message.status} with {message.readings}")


def judge(session, traffic):
    """Everything that was ever sent, against everything that is there."""
    verdict = Verdict()
    rows = {}
    for row in session.run(EVENTS):
        rows.setdefault(row[0], []).append(row)
    for message in traffic.messages.values():
        judge_event(verdict, message, rows.pop(message.message_id, []))
    verdict.wrong += [f"an event of {name}, which nobody sent" for name in rows]
    (ledger,), = session.run("SELECT count(*) FROM wearables.deliveries")
    if ledger != len(traffic.messages):
        verdict.twice.append(f"the ledger has {ledger} rows for {len(traffic.messages)} messages")
    for job in session.run(JOBS):
        (verdict.wrong if job[1] == "failed" else verdict.stuck).append("a dead letter or job is left: " + " ".join(map(str, job)))
    verdict.wrong += compare("sample", traffic.expected_samples(), {row[:6]: row[6:] for row in session.run(SAMPLES)})
    verdict.wrong += compare("night", {key: night[0] for key, night in traffic.nights.items()},
                             {row[:2]: row[2] for row in session.run(NIGHTS_STORED)})
    verdict.wrong += compare("connection", traffic.connections, {row[:2]: row[2:] for row in session.run(CONNECTIONS)})
    verdict.twice += [f"event {event} stands {count} times in the lifecycle ledger" for event, count in session.run(LIFECYCLE_TWICE)]
    return verdict
