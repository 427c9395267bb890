"""Calls that change something: users made and deleted, links to connect a provider, providers deregistered.

What they change lives in memory: it is gone after a restart, as after another world.
"""

import json
import uuid

from request import HttpError, Response, encoded, wrong
from state import Event, User

LINK_LIFE_MS = 600_000


class Calls:
    """Beside the routes that only read; `self.lock` and `self.teams` are those of Vendor."""

    link_base = ""  # of the links that are given

    def begin_calls(self):
        self.links, self.made = {}, 0

    call_routes = (
        (r"v2/user", "POST", "create_user"),
        (r"v2/user/([^/]+)", "DELETE", "delete_user"),
        (r"v2/user/([^/]+)/([^/]+)", "DELETE", "deregister"),
        (r"v2/link/token", "POST", "link_token"),
        (r"v2/link/bulk_trigger_historical_pull", "POST", "trigger_pull"),
    )

    @staticmethod
    def members(request, *required):
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise HttpError(422, [{"loc": ["body"], "msg": "JSON decode error", "type": "json_invalid"}])
        for name in required:
            if not body.get(name):
                raise wrong(name, body.get(name), "Field required", "missing")
        return body

    def create_user(self, team, request, now_ms, page_size):
        client = self.members(request, "client_user_id")["client_user_id"]
        with self.lock:
            for user in team.users.values():
                if user.client == client:
                    raise HttpError(
                        400,
                        {
                            "error_type": "INVALID_REQUEST",
                            "error_message": "Client user id already exists.",
                            "user_id": user.external,
                            "created_on": user.created,
                        },
                    )
            self.made += 1
            external = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{client} {self.made}"))
            team.users[external] = User(external, client, now_ms)
        return Response(200, encoded({"user_id": external, "client_user_id": client}))

    def delete_user(self, team, request, now_ms, page_size, external):
        with self.lock:
            team.user(external)
            del team.users[external]
        return Response(200, encoded({"success": True}))

    def deregister(self, team, request, now_ms, page_size, external, provider):
        user = team.user(external)
        if provider not in team.connections(user, now_ms):
            raise HttpError(404, "Provider is not connected")
        self.add_lifecycle(user, "deregistered", now_ms, {"provider": provider})
        return Response(200, encoded({"success": True}))

    @staticmethod
    def add_lifecycle(user, what, now_ms, data):
        version = (now_ms << 20) + len(user.lifecycle)
        event = Event(version, now_ms, user.external, user.client, f"provider.connection.{what}", data)
        user.lifecycle.append(event)

    def link_token(self, team, request, now_ms, page_size):
        body = self.members(request, "user_id")
        user = team.user(body["user_id"])
        with self.lock:
            self.made += 1
            token = "link-" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"{user.external} {self.made}"))
            self.links[token] = (team, user, body.get("provider"), body.get("redirect_url"), now_ms)
        return Response(200, encoded({"link_token": token, "link_web_url": f"{self.link_base}?token={token}"}))

    def open_link(self, token, provider, now_ms):
        """The person connects a provider, and has there what whoever has most there has. Once a link."""
        team, user, wanted, redirect_url, made_ms = self.links.pop(token)
        if now_ms - made_ms > LINK_LIFE_MS:
            raise KeyError(token)
        slug = wanted or provider
        others = [other for _, other in sorted(team.users.items()) if slug in team.connections(other, now_ms)]
        if others:
            user.events = max(others, key=lambda other: sum(map(len, other.events.values()))).events
        self.add_lifecycle(user, "created", now_ms, {"provider": {"name": slug.title(), "slug": slug, "logo": ""}})
        return {"user_id": user.external, "client_user_id": user.client, "provider": slug, "redirect_url": redirect_url}

    def trigger_pull(self, team, request, now_ms, page_size):
        body = self.members(request, "user_ids", "provider")
        for external in body["user_ids"]:
            team.user(external)
        return Response(202, encoded({"success": True}))
