"""A request, read as the vendor's framework reads it, and the answers of all routes."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from urllib.parse import parse_qsl

from state import EPOCH, MICROSECOND

POSITION = (int, int, str, str, str)  # of a sample: start, timestamp, provider, source type, type


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    list_key: str | None = None  # the member that holds what was asked for
    cursor: str | None = None  # of the next page
    headers: tuple = ()


class HttpError(Exception):
    def __init__(self, status, detail, headers=()):
        super().__init__(detail)
        self.response = Response(status, encoded({"detail": detail}), headers=headers)


def encoded(document):
    """As the vendor's framework writes JSON; a lone surrogate, which UTF-8 cannot hold, stays escaped."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def wrong(name, value, message, kind):
    """422 as the framework words it."""
    return HttpError(422, [{"loc": ["query", name], "msg": message, "type": kind, "input": value}])


class Request:
    def __init__(self, method, target, body=b""):
        self.method, self.target, self.body = method, target, body
        path, _, query = target.partition("?")
        self.path = path.removeprefix("/")
        self.query = dict(parse_qsl(query, keep_blank_values=True))

    def text(self, name, default=""):
        return self.query.get(name, default)

    def bound(self, name, end):
        """A date or a date-time; a bare date is its first or its last second. Microseconds since 1970."""
        text = self.query[name]
        try:
            if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                at = datetime.combine(date.fromisoformat(text), time(23, 59, 59) if end else time(), UTC)
            else:
                at = datetime.fromisoformat(text)
                at = at if at.tzinfo else at.replace(tzinfo=UTC)
            return (at - EPOCH) // MICROSECOND
        except (ValueError, OverflowError):
            raise wrong(name, text, "Input should be a valid date or datetime", "datetime_from_date_parsing") from None

    def range(self, now_ms):
        if "start_date" not in self.query:
            raise wrong("start_date", None, "Field required", "missing")
        start = self.bound("start_date", False)
        end = self.bound("end_date", True) if "end_date" in self.query else now_ms * 1000
        if "end_date" in self.query and end < start:
            raise wrong("end_date", self.query["end_date"], "end_date is before start_date", "value_error")
        return start, end

    def dates(self, now_ms):
        """Of the resources that take dates alone."""
        for name in ("start_date", "end_date"):
            if name in self.query and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.query[name]):
                raise wrong(name, self.query[name], "Input should be a valid date", "date_from_datetime_parsing")
        return self.range(now_ms)

    def number(self, name, default, lowest, highest):
        text = self.query.get(name, str(default))
        if not re.fullmatch(r"-?\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise wrong(name, text, f"Input should be an integer from {lowest} to {highest}", "int_parsing")
        return int(text)

    def cursor(self, shape):
        """The position behind which the page begins. A cursor of another request, or a made-up one, is refused."""
        text = self.text("next_cursor") or self.text("cursor")
        if not text:
            return None
        try:
            asked, position = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, TypeError):  # among them binascii.Error
            asked, position = None, None
        if asked != self.digest() or not isinstance(position, list) or tuple(map(type, position)) != shape:
            raise wrong("next_cursor", text, "Invalid cursor", "value_error")
        return position

    def cursor_to(self, position):
        return base64.urlsafe_b64encode(json.dumps([self.digest(), list(position)]).encode()).decode().rstrip("=")

    def digest(self):
        rest = sorted((name, value) for name, value in self.query.items() if name not in ("next_cursor", "cursor"))
        return hashlib.sha256(repr((self.path, rest)).encode()).hexdigest()[:12]
