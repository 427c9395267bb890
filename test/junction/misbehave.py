"""How the server misbehaves: rules that say which requests are hit, and what is done with them.

A rule: {"match": regular expression for path?query, "method", "every": n, "after": n, "times": n, "chance": 0..1,
"do": ...} and what the fault takes (FAULTS). The first rule that hits a request decides. `chance` depends on the seed,
the request and how often it was made, so it does not depend on what happens at the same time.
"""

import gzip
import hashlib
import json
import math
import re
import threading
import zlib
from collections import Counter
from email.utils import formatdate

from request import Response, encoded

WHICH = {"match", "method", "every", "after", "times", "chance", "do"}
# What may stand in a rule beside WHICH, and its default.
FAULTS = {
    "throttle": {"status": 429, "retry_after": 1, "form": "seconds"},
    "status": {"status": 503, "retry_after": None, "form": "seconds", "detail": None},
    "delay": {"seconds": 0.1},
    "hang": {"seconds": 3600},
    "drop": {"reset": False},
    "cut": {"reset": False, "chunked": False, "keep": 0.5},
    "json": {"form": "cut"},
    "types": {"form": "groups"},
    "gzip": {"form": "cut", "bytes": 1 << 30},
    "endless": {"bytes": None, "chunked": True},
    "cursor": {"form": "repeat"},
    "redirect": {"status": 302, "to": None},
    "trickle": {"bytes": 1, "seconds": 0.01},
    "exit": {"status": 1},
}
FORMS = {
    "throttle": ("seconds", "date", "ms", "reset", "none"),
    "status": ("seconds", "date", "ms", "reset", "none"),
    "json": ("cut", "empty", "garbage", "html", "not utf-8", "nan", "two", "deep"),
    "types": ("groups", "data", "source", "samples", "cursor", "list", "null", "text"),
    "gzip": ("cut", "bomb", "plain", "damaged"),
    "cursor": ("repeat", "null", "absent", "empty", "None", "long"),
}
WITHOUT_BODY = (204, 304)
BLOCK = 1 << 16
LONG_CURSOR = 1 << 20


class BadRule(Exception):
    """A rule that nobody could follow."""


def checked(rule):
    if not isinstance(rule, dict) or rule.get("do") not in FAULTS:
        raise BadRule(f'"do" must be one of {", ".join(FAULTS)}')
    defaults = FAULTS[rule["do"]]
    unknown = set(rule) - WHICH - set(defaults)
    if unknown:
        raise BadRule(f"{rule['do']} does not take {', '.join(sorted(unknown))}")
    rule = {**defaults, **rule}
    forms = FORMS.get(rule["do"])
    if forms and rule["form"] not in forms:
        raise BadRule(f'"form" of {rule["do"]} must be one of {", ".join(forms)}')
    if rule.get("every", 1) < 1:
        raise BadRule('"every" counts from 1')
    try:
        rule["pattern"] = re.compile(rule.get("match", ""))
    except (re.error, TypeError) as error:
        raise BadRule(f'"match": {error}') from error
    return rule


class Rules:
    def __init__(self, rules=(), seed=0):
        self.rules, self.seed = [checked(rule) for rule in rules], seed
        self.lock = threading.Lock()
        self.matched, self.hit, self.asked = Counter(), Counter(), Counter()

    def decide(self, method, target):
        """The rule that hits this request, or None."""
        decided = None
        with self.lock:
            self.asked[method, target] += 1
            for number, rule in enumerate(self.rules):
                if rule.get("method", method) != method or not rule["pattern"].search(target):
                    continue
                self.matched[number] += 1
                if decided is None and self.hits(number, rule, method, target):
                    self.hit[number] += 1
                    decided = rule
        return decided

    def hits(self, number, rule, method, target):
        count = self.matched[number] - rule.get("after", 0)
        if count <= 0 or count % rule.get("every", 1) or self.hit[number] >= rule.get("times", math.inf):
            return False
        said = f"{self.seed} {number} {method} {target} {self.asked[method, target]}"
        drawn = int.from_bytes(hashlib.sha256(said.encode()).digest()[:6], "big") / (1 << 48)
        return drawn < rule.get("chance", 1)

    def stats(self):
        with self.lock:
            return [
                {"do": rule["do"], "matched": self.matched[number], "hit": self.hit[number]}
                for number, rule in enumerate(self.rules)
            ]


# -- answers that are other ones than they should be


def told_to_wait(rule, now):
    """The header of each of the four ways to say when to come back."""
    seconds = rule["retry_after"]
    if seconds is None or rule["form"] == "none":
        return ()
    return {
        "seconds": (("Retry-After", str(math.ceil(seconds))),),
        "date": (("Retry-After", formatdate(math.ceil(now + seconds), usegmt=True)),),
        "ms": (("retry-after-ms", str(math.ceil(seconds * 1000))),),
        "reset": (("X-RateLimit-Reset", str(math.ceil(now + seconds))),),
    }[rule["form"]]


def refusal(rule, now):
    detail = rule.get("detail") or {429: "Too many requests", 503: "Service unavailable"}.get(
        rule["status"], f"status {rule['status']}"
    )
    body = b"" if rule["status"] in WITHOUT_BODY else encoded({"detail": detail})
    return Response(rule["status"], body, headers=told_to_wait(rule, now))


def replaced(response, body):
    return Response(response.status, body, response.list_key, response.cursor, response.headers)


def wrong_json(rule, response):
    body = response.body
    return replaced(
        response,
        {
            "cut": body[: len(body) // 2],
            "empty": b"",
            "garbage": bytes(range(256)),
            "not utf-8": b'{"groups":{"\xff\xfe":[]}}',
            "html": b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>",
            "nan": b'{"groups":{"garmin":[{"source":{"provider":"garmin"},"data":[{"value":NaN}]}]}}',
            "two": body + body,
            "deep": b'{"groups":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        }[rule["form"]],
    )


def wrong_types(rule, response):
    """One member of another type than the schema says; the rest as it should be."""
    document, form, key = json.loads(response.body), rule["form"], response.list_key
    if form in ("list", "null", "text"):
        return replaced(response, encoded({"list": [document], "null": None, "text": json.dumps(document)}[form]))
    if key is None:
        return replaced(response, encoded({name: [value] for name, value in document.items()}))
    if form == "groups":
        document[key] = "many" if isinstance(document[key], list) else [document[key]]
    elif form == "cursor":
        document["next_cursor"] = {"page": 2}
    elif isinstance(document[key], list):
        document[key] = [7, None, "a document", [], *document[key]]
    else:
        for group in (group for listed in document[key].values() for group in listed):
            group.update(
                {
                    "data": {"data": {}},
                    "source": {"source": "watch"},
                    "samples": {"data": [7, None, "a sample", [], *group["data"]]},
                }[form]
            )
    return replaced(response, encoded(document))


def other_cursor(rule, response, request):
    """`repeat` answers with the cursor of the request for ever, and gives one to a response that has none. `long` is
    any page's. The others are ways to say that a page is the last, and leave the pages before it alone."""
    document = json.loads(response.body)
    if "next_cursor" not in document:
        return response
    form = rule["form"]
    if form not in ("repeat", "long") and response.cursor is not None:
        return response
    if form == "absent":
        document.pop("next_cursor"), document.pop("next", None)
    elif form == "repeat":
        again = (
            request.text("next_cursor")
            or request.text("cursor")
            or response.cursor
            or request.cursor_to([0, 0, "", "", ""] if response.list_key == "groups" else [""])
        )
        document["next_cursor"] = document["next"] = again
    else:
        document["next_cursor"] = {"null": None, "empty": "", "None": "None", "long": "c" * LONG_CURSOR}[form]
    return replaced(response, encoded(document))


# -- bytes


def bomb(size):
    """Pieces of gzip that grow to `size` bytes of JSON, nearly all of them blanks. A block is compressed once."""
    head, tail = b'{"groups":{', b'},"next_cursor":null}'
    compressor, crc = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.crc32(head)
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    blanks = b" " * (1 << 20)
    piece = compressor.compress(blanks) + compressor.flush(zlib.Z_FULL_FLUSH)
    # nothing before a full flush is referred to behind it, so the same piece may stand there again
    count = max(1, (size - len(head) - len(tail)) // len(blanks))
    for _ in range(count):
        crc = zlib.crc32(blanks, crc)
        yield piece
    crc, total = zlib.crc32(tail, crc), len(head) + len(tail) + count * len(blanks)
    yield (
        compressor.compress(tail)
        + compressor.flush()
        + crc.to_bytes(4, "little")
        + (total & 0xFFFFFFFF).to_bytes(4, "little")
    )


def wrong_gzip(rule, body):
    packed = gzip.compress(body, mtime=0)
    if rule["form"] == "cut":
        return packed[: len(packed) * 2 // 3]
    if rule["form"] == "plain":
        return body
    middle = len(packed) // 2
    return packed[:middle] + bytes(byte ^ 0x55 for byte in packed[middle:])


def endless_samples():
    """A page that never ends, of samples that could be true."""
    yield b'{"groups":{"garmin":[{"source":{"provider":"garmin","type":"watch"},"data":['
    sample = (
        encoded(
            {"timestamp": "2025-05-20T05:00:00+00:00", "timezone_offset": 0, "type": None, "unit": "bpm", "value": 61}
        )
        + b","
    )
    block = sample * (BLOCK // len(sample))
    while True:
        yield block
