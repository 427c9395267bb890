"""A watch on somebody's wrist: a signed delivery of one reading of the heart rate a second, through the proxy.

usage: watch.py SECRET REST USER EXTERNAL_ID SECONDS. It begins with ten minutes that lie behind, so that there is a line.
"""

import base64
import hashlib
import hmac
import json
import math
import pathlib
import random
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from messages import GARMIN, TEAM, iso, message_id

MINUTES_BEHIND = 10
CHANCE = random.Random(7)


def heart_rate(moment):
    """Somebody who gets up, walks and sits down again."""
    seconds = moment.timestamp()
    effort = max(0.0, math.sin(seconds / 90)) ** 2
    return round(64 + 44 * effort + 4 * math.sin(seconds / 7) + CHANCE.uniform(-1.5, 1.5))


def deliver(secret, rest, user, external_id, moments):
    data = [{"timestamp": iso(moment), "value": heart_rate(moment), "unit": "bpm"} for moment in moments]
    body = json.dumps({"event_type": "daily.data.heartrate.created", "user_id": external_id, "client_user_id": user,
                       "team_id": TEAM, "data": {"source": GARMIN, "data": data}}).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    name, sent_at = message_id(datetime.now(UTC), body.decode()), str(int(time.time()))
    signature = hmac.new(key, f"{name}.{sent_at}.".encode() + body, hashlib.sha256).digest()
    request = urllib.request.Request(f"{rest}/rpc/webhook", body, {
        "content-type": "application/json", "svix-id": name, "svix-timestamp": sent_at,
        "svix-signature": "v1," + base64.b64encode(signature).decode()})
    with urllib.request.urlopen(request) as answer:
        answer.read()


def main():
    secret, rest, user, external_id, seconds = sys.argv[1:]
    now = datetime.now(UTC).replace(microsecond=0)
    deliver(secret, rest, user, external_id, [now - timedelta(seconds=s) for s in range(MINUTES_BEHIND * 60, 0, -2)])
    for _ in range(int(seconds)):
        deliver(secret, rest, user, external_id, [datetime.now(UTC).replace(microsecond=0)])
        time.sleep(1)


main()
