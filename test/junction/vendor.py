"""How the vendor's REST API answers: no sockets here, and the same response to the same request."""

import bisect
import hashlib
import json
import re
import threading
import uuid
from collections import OrderedDict
from datetime import timedelta
from urllib.parse import unquote

import catalog
from calls import Calls
from request import POSITION, HttpError, Request, Response, encoded
from state import EPOCH, Team, UnknownUser, day_of, instant_of

CACHE_SIZE = 2000
REFRESHES_AN_HOUR = 8


class Vendor(Calls):
    def __init__(self, world, endpoints, floating=catalog.FLOATING):
        self.teams = {
            endpoint: Team([event for event in world.events if event.endpoint == endpoint], floating) for endpoint in endpoints
        }
        self.cache, self.lock = OrderedDict(), threading.Lock()
        self.refreshed = {}
        self.begin_calls()
        self.pulls = []  # what introspection says of a backfill instead of "success"
        self.routes = [
            (r"v2/timeseries/(workouts|sleep)/([^/]+)/stream", "GET", self.stream),
            (r"v2/timeseries/([^/]+)/([^/]+)/grouped", "GET", self.grouped),
            (r"v2/summary/([^/]+)/([^/]+)", "GET", self.summary),
            (r"v2/introspect/historical_pull", "GET", self.historical_pulls),
            (r"v2/user/refresh/([^/]+)", "POST", self.refresh),
            (r"v2/user/providers/([^/]+)", "GET", self.providers),
            (r"v2/user/resolve/([^/]+)", "GET", self.resolve),
            (r"v2/user/([^/]+)", "GET", self.one_user),
            (r"v2/user/([^/]+)/providers", None, None),  # older documentation: 405
            *((pattern, verb, getattr(self, name)) for pattern, verb, name in self.call_routes),
        ]

    def response(self, method, target, endpoint, now_ms, page_size, body=b""):
        """`endpoint` is whose key was shown, None: nobody's. `now_ms` is the Date of the response."""
        try:
            if endpoint is None:
                raise HttpError(401, "Invalid API key")
            request = Request(method, target, body)
            known = False
            for pattern, verb, route in self.routes:
                match = re.fullmatch(pattern, request.path)
                if match and verb == method:
                    return route(self.teams[endpoint], request, now_ms, page_size, *map(unquote, match.groups()))
                known = known or bool(match)
            raise HttpError(405, "Method Not Allowed") if known else HttpError(404, "Not Found")
        except UnknownUser:
            return HttpError(404, "User not found").response
        except HttpError as error:
            return error.response

    def cached(self, name, make):
        """`make` is called by two threads at once at worst, and then makes the same."""
        response = self.cache.get(name)
        if response is None:
            response = make()
            with self.lock:
                self.cache[name] = response
                while len(self.cache) > CACHE_SIZE:
                    self.cache.popitem(last=False)
        return response

    # -- data

    def grouped(self, team, request, now_ms, page_size, external, segment):
        resource = catalog.SEGMENTS.get(segment, segment if segment == "strength" else None)  # a world has its own
        if resource is None:
            raise HttpError(404, "Not Found")
        user = team.user(external)
        start, end = request.range(now_ms)
        behind = request.cursor(POSITION)
        samples = team.state(user, resource, now_ms)
        name = (id(samples), request.target, page_size, end)
        return self.cached(name, lambda: self.page(samples, request, start, end, behind, page_size))

    @staticmethod
    def page(samples, request, start, end, behind, page_size):
        first = bisect.bisect_left(samples, (start,), key=lambda entry: entry[0])
        if behind is not None:
            first = max(first, bisect.bisect_right(samples, tuple(behind), key=lambda entry: entry[0]))
        provider, taken, more = request.text("provider"), [], False
        for position, source, sample in samples[first:]:
            if position[0] > end:
                break
            if provider in ("", source["provider"]):
                more = len(taken) == page_size
                if more:
                    break
                taken.append((position, source, sample))
        groups = {}
        for _, source, sample in taken:
            context = json.dumps(source, sort_keys=True)
            groups.setdefault(source["provider"], {}).setdefault(context, {"source": source, "data": []})[
                "data"
            ].append(sample)
        cursor = request.cursor_to(taken[-1][0]) if more else None
        body = {
            "groups": {slug: list(listed.values()) for slug, listed in sorted(groups.items())},
            "next": cursor,
            "next_cursor": cursor,
        }
        return Response(200, encoded(body), "groups", cursor)

    def summary(self, team, request, now_ms, page_size, resource, external):
        summary = catalog.SUMMARIES.get(resource)
        if summary is None:
            raise HttpError(404, "Not Found")
        user = team.user(external)
        if summary.list_key is None:
            start = end = None
        else:
            start, end = request.dates(now_ms) if summary.date_only else request.range(now_ms)
        documents = team.state(user, resource, now_ms)
        name = (id(documents), request.target, end)
        return self.cached(name, lambda: self.documents(documents, summary, request.text("provider"), start, end))

    @staticmethod
    def documents(documents, summary, provider, start, end):
        def provider_of(document):
            source = document.get("source")
            return (source.get("provider") if isinstance(source, dict) else None) or document.get("source_provider")

        chosen = [document for document in documents if provider in ("", provider_of(document))]
        if summary.list_key is None:
            if not chosen:
                raise HttpError(404, "Profile not found")
            return Response(200, encoded(chosen[-1]))
        first, last = (EPOCH + timedelta(microseconds=start)).date(), (EPOCH + timedelta(microseconds=end)).date()
        chosen = [document for document in chosen if (day := day_of(document)) is not None and first <= day <= last]
        return Response(200, encoded({summary.list_key: chosen}), summary.list_key)

    def stream(self, team, request, now_ms, page_size, kind, identity):
        """Of a workout parallel arrays, made from its id and length; of a night the samples that lie in it."""
        for user in team.users.values():
            for document in team.state(user, kind, now_ms):
                if document["id"] == identity:
                    return (
                        self.workout_stream(document)
                        if kind == "workouts"
                        else self.sleep_stream(team, user, document, now_ms)
                    )
        raise HttpError(404, "Not Found")

    @staticmethod
    def workout_stream(workout):
        start, stop = instant_of(workout.get("time_start")), instant_of(workout.get("time_end"))
        if start is None or stop is None:
            raise HttpError(404, "Stream not found")
        seconds = list(range(start // 1_000_000, stop // 1_000_000, 10))
        stamps = [second // 10 if number == 3 else second for number, second in enumerate(seconds)]
        body = {
            "time": stamps,  # one of nine digits, as in the documentation's example
            "heartrate": [110 + (number * 7) % 60 for number in range(len(seconds))],
            "cadence": [None if number % 9 == 0 else 80 + number % 5 for number in range(len(seconds))],
            "distance": [round(number * 31.5, 1) for number in range(len(seconds))],
            "velocity_smooth": [3.1] * len(seconds),
            "altitude": [],
            "power": [200 + number % 9 for number in range(len(seconds) // 2)],  # a sensor that was late for it
            "resistance": None,
            "temperature": [19] * len(seconds),
            "lat": [52.5] * len(seconds),
            "lng": [13.4] * len(seconds),
        }
        return Response(200, encoded(body))

    @staticmethod
    def sleep_stream(team, user, night, now_ms):
        start, stop = instant_of(night.get("bedtime_start")), instant_of(night.get("bedtime_stop"))
        body = {}
        for resource in ("hrv", "heartrate", "hypnogram", "respiratory_rate"):
            samples = [
                sample
                for position, _, sample in team.state(user, resource, now_ms)
                if start is not None and stop is not None and start <= position[0] < stop
            ]
            body[resource] = samples or None
        return Response(200, encoded(body))

    # -- users

    def providers(self, team, request, now_ms, page_size, external):
        listed = []
        for slug, event in team.connections(team.user(external), now_ms).items():
            kind, data = event.event_type.split(".")[2], event.data
            status = {"created": "connected", "error": "error"}.get(kind, "paused")
            at = time_text(event.origin)
            error = {"error_type": data.get("error_type"), "error_message": data.get("message"), "errored_at": at}
            listed.append(
                {
                    "name": slug.replace("_", " ").title(),
                    "slug": slug,
                    "logo": "",
                    "created_on": at,
                    "status": status,
                    "external_user_id": None,
                    "error_details": error if status == "error" else None,
                    "resource_availability": data.get("resource_availability") or {},
                }
            )
        return Response(200, encoded({"providers": listed}), "providers")

    def one_user(self, team, request, now_ms, page_size, external):
        user = team.user(external)
        sources = [
            {"provider": {"name": slug.title(), "slug": slug, "logo": ""}, "created_on": time_text(event.origin)}
            for slug, event in team.connections(user, now_ms).items()
        ]
        return Response(
            200,
            encoded(
                {
                    "user_id": external,
                    "team_id": str(uuid.uuid5(uuid.NAMESPACE_OID, "team")),
                    "client_user_id": user.client or external,
                    "created_on": time_text(user.created),
                    "connected_sources": sources,
                    "fallback_time_zone": None,
                    "fallback_birth_date": None,
                    "ingestion_start": None,
                    "ingestion_end": None,
                }
            ),
        )

    def resolve(self, team, request, now_ms, page_size, client):
        for user in team.users.values():
            if user.client == client:
                return self.one_user(team, request, now_ms, page_size, user.external)
        raise HttpError(404, "User not found")

    def refresh(self, team, request, now_ms, page_size, external):
        user = team.user(external)
        request.number("timeout", 10, 5, 60)
        recent = [at for at in self.refreshed.get((id(team), external), []) if now_ms - at < 3_600_000]
        if len(recent) >= REFRESHES_AN_HOUR:
            raise HttpError(
                429, "Too many refreshes", (("Retry-After", str((recent[0] + 3_600_000 - now_ms + 999) // 1000)),)
            )
        connected = [
            slug for slug, event in team.connections(user, now_ms).items() if event.event_type.endswith(".created")
        ]
        if not connected:
            return Response(400, encoded({"success": False, "error": "No connected sources", "failed_sources": []}))
        self.refreshed[id(team), external] = [*recent, now_ms]
        body = {
            "success": True,
            "user_id": external,
            "refreshed_sources": [f"{slug}/sleep" for slug in connected],
            "in_progress_sources": [],
            "failed_sources": [],
        }
        return Response(200, encoded(body))

    def historical_pulls(self, team, request, now_ms, page_size):
        limit = request.number("user_limit", 50, 1, 500)
        behind = request.cursor((str,))
        names = sorted(team.users)
        if "user_id" in request.query:
            names = [team.user(request.query["user_id"]).external]
        names = [name for name in names if behind is None or name > behind[0]]
        data = [
            {"user_id": name, "provider": self.pulls_of(team, team.users[name], request.text("provider"), now_ms)}
            for name in names[:limit]
        ]
        cursor = request.cursor_to([names[limit - 1]]) if len(names) > limit else None
        return Response(200, encoded({"data": data, "next_cursor": cursor}), "data", cursor)

    def pulls_of(self, team, user, wanted, now_ms):
        found = {}
        for event in team.notices(user, now_ms):
            slug, resource = event.data["provider"], event.event_type.split(".")[2]
            if wanted in ("", slug):
                at = time_text(event.origin)
                found.setdefault(slug, {})[resource] = {
                    "status": "success",
                    "range_start": event.data.get("start_date"),
                    "range_end": event.data.get("end_date"),
                    "timeline": {"scheduled_at": at, "started_at": at, "ended_at": at},
                    "days_with_data": None,
                    "release": "2025.06",
                    "trace_id": hashlib.sha256(f"{user.external} {slug} {resource}".encode()).hexdigest()[:32],
                    "error_details": None,
                }
        for pull in self.pulls:
            if pull["user_id"] == user.external and wanted in ("", pull["provider"]):
                resources = found.setdefault(pull["provider"], {})
                resources[pull["resource"]] = {**resources.get(pull["resource"], {}), **pull["is"]}
        connections = team.connections(user, now_ms)
        offered = {slug: event.data.get("resource_availability") or {} for slug, event in connections.items()}
        return {
            slug: {
                "pulled": dict(sorted(pulled.items())),
                "not_pulled": sorted(set(offered.get(slug, {})) - set(pulled)),
            }
            for slug, pulled in sorted(found.items())
        }


def time_text(milliseconds):
    return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
