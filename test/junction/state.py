"""What the vendor knows at an instant, as a function of the events of a world.

Of the events sent until then, the newest of each key. So a page shows what the webhooks up to its Date say, and is
overtaken by the later ones.
"""

import bisect
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import catalog

DEEPEST = 64  # a vendor sends nothing that is nested deeper
A_DAY = 86_400_000_000  # in microseconds
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_plain_json(thing, depth=0):
    """Not NaN, which is no JSON, and not nested without end."""
    if isinstance(thing, float):
        return thing == thing and thing not in (float("inf"), float("-inf"))
    if isinstance(thing, dict | list):
        items = thing.values() if isinstance(thing, dict) else thing
        return depth < DEEPEST and all(is_plain_json(item, depth + 1) for item in items)
    return True


def instant_of(text, floating=False):
    """Microseconds since 1970, or None. Floating time is taken literally, whatever offset it bears."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if at.tzinfo is None or floating:
        at = at.replace(tzinfo=UTC)
    return (at - EPOCH) // MICROSECOND


def day_of(document):
    for name in catalog.DAY_FIELDS:
        try:
            return date.fromisoformat(document.get(name)[:10])
        except (TypeError, ValueError):
            continue
    return None


@dataclass
class Event:
    version: int
    origin: int  # milliseconds, which the version begins with
    external: str
    client: str | None
    event_type: str
    data: object


@dataclass
class User:
    external: str
    client: str | None = None
    created: int = 0
    events: dict = field(default_factory=dict)  # by resource, in the order of their versions
    lifecycle: list = field(default_factory=list)


def read_event(event):
    """None where the body says nothing that a vendor could have said."""
    try:
        body = json.loads(event.body)
        external, client = body.get("user_id"), body.get("client_user_id")
    except (ValueError, AttributeError, RecursionError):
        return None
    event_type = getattr(event, "event_type", None)
    if event_type is not None:  # a page as a puller stores it
        external, client, data = event.external, event.client, body
    else:
        event_type, data = body.get("event_type") or body.get("type"), body.get("data")
    if (
        not isinstance(event_type, str)
        or not isinstance(external, str | int)
        or isinstance(external, bool)
        or external == ""
    ):
        return None
    client = client if isinstance(client, str) else None
    return Event(event.version, event.version >> 20, str(external), client, event_type, data)


def groups_in(data):
    """(source, sample) of every sample in one of the shapes that events and pages have."""
    groups = data if isinstance(data, list) else [data]
    if isinstance(data, dict) and isinstance(data.get("groups"), dict):
        groups = [group for listed in data["groups"].values() if isinstance(listed, list) for group in listed]
    for group in groups:
        if isinstance(group, dict) and isinstance(group.get("source"), dict) and isinstance(group.get("data"), list):
            for sample in group["data"]:
                if isinstance(sample, dict):
                    yield group["source"], sample


def documents_in(data, list_key):
    if isinstance(data, dict) and isinstance(data.get(list_key), list):
        data = data[list_key]
    for document in data if isinstance(data, list) else [data]:
        if isinstance(document, dict) and isinstance(document.get("id"), str) and is_plain_json(document):
            yield document


def newest_samples(events, interval, floating=catalog.FLOATING):
    """[(position, source, sample)], sorted by position, which begins with the instant. `timestamp` of an interval is
    the older name of `start`."""
    newest = {}
    for event in events:
        for source, sample in groups_in(event.data):
            provider, kind = source.get("provider"), source.get("type", "unknown")
            at = instant_of(sample.get("start") or sample.get("timestamp"), provider in floating)
            key = (
                at
                if interval
                else instant_of(sample.get("timestamp") or sample.get("start"), provider in floating)
            )
            if isinstance(provider, str) and at is not None and key is not None and is_plain_json([source, sample]):
                newest[(key, provider, str(kind), str(sample.get("type") or ""))] = at, source, sample
    return sorted(
        (((at, *key), source, sample) for key, (at, source, sample) in newest.items()), key=lambda entry: entry[0]
    )


def newest_documents(events, list_key):
    """By their own updated_at, which a document may do without; then by the event, then by the place in it."""
    newest = {}
    for event in events:
        for document in documents_in(event.data, list_key):
            sent = event.origin * 1000
            updated = instant_of(document.get("updated_at"))
            order = (updated if updated is not None and updated <= sent + A_DAY else sent, event.version)
            if document["id"] not in newest or order >= newest[document["id"]][0]:
                newest[document["id"]] = order, document
    return [newest[name][1] for name in sorted(newest)]


class UnknownUser(Exception):
    """There is no user of that id."""


class Team:
    """The users of one endpoint, which is one account with the vendor."""

    def __init__(self, events, floating=catalog.FLOATING):
        self.floating = floating
        self.users = {}
        self.states = {}
        for event in sorted(filter(None, map(read_event, events)), key=lambda event: event.version):
            user = self.users.setdefault(event.external, User(event.external, created=event.origin))
            user.client = event.client or user.client
            words = event.event_type.split(".")
            if words[:2] in (["provider", "connection"], ["historical", "data"]):
                user.lifecycle.append(event)
            elif words[:2] == ["daily", "data"] and words[-1] in ("created", "updated"):
                user.events.setdefault(words[2], []).append(event)
            elif words[0] in ("pull", "pulled"):
                user.events.setdefault(words[-1], []).append(event)

    def user(self, external):
        if external not in self.users:
            raise UnknownUser
        return self.users[external]

    def state(self, user, resource, now_ms):
        events = user.events.get(resource, [])
        count = bisect.bisect_right(events, now_ms, key=lambda event: event.origin)
        name = (user.external, resource, count)
        if name not in self.states:
            summary = catalog.SUMMARIES.get(resource)
            series = catalog.TIMESERIES.get(resource)
            if summary:
                made = newest_documents(events[:count], summary.list_key)
            else:
                made = newest_samples(events[:count], series is not None and series.interval, self.floating)
            # of two threads that make it at once, both get the first one's
            self.states.setdefault(name, made)
        return self.states[name]

    def connections(self, user, now_ms):
        """The newest event of each provider that the user has, or had, a connection to."""
        newest = {}
        for event in user.lifecycle:
            if (
                event.event_type.startswith("provider.connection.")
                and event.origin <= now_ms
                and isinstance(event.data, dict)
            ):
                provider = event.data.get("provider")
                slug = provider.get("slug") if isinstance(provider, dict) else provider
                if isinstance(slug, str):
                    newest[slug] = event
        return {slug: newest[slug] for slug in sorted(newest) if not newest[slug].event_type.endswith(".deregistered")}

    def notices(self, user, now_ms):
        return [
            event
            for event in user.lifecycle
            if event.event_type.startswith("historical.data.")
            and event.origin <= now_ms
            and isinstance(event.data, dict)
            and isinstance(event.data.get("provider"), str)
        ]
