"""What the demo sends: Junction-shaped messages of one spring weekend, made by code.

On 2026-03-29 Berlin's clock jumps from 02:00 to 03:00, so that day has 23 hours.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

TEAM = "5a4b1c8e-2f60-4b7e-9a55-0d6f1c2b3a49"

# client_user_id, Junction's user id, time zone. Carol is registered only after her data arrived.
ALICE = ("alice", "0f3c6b1e-7a5d-4c60-8d52-1f1b8c0a1a01", "Europe/Berlin")
BOB = ("bob", "3d9e2a74-51c8-4f0b-b6aa-6c7de2f0b0b2", "America/New_York")
CAROL = ("carol", "8b61d5f0-9c3e-4e17-a7f4-92c4a4d1c0c3", "Asia/Kolkata")

GARMIN = {"provider": "garmin", "type": "watch"}
OURA = {"provider": "oura", "type": "ring"}
WHOOP = {"provider": "whoop_v2", "type": "unknown"}
APPLE_WATCH = {"provider": "apple_health_kit", "type": "watch"}
APPLE_PHONE = {"provider": "apple_health_kit", "type": "phone"}
WITHINGS = {"provider": "withings", "type": "cuff"}
OMRON = {"provider": "omron", "type": "cuff"}


@dataclass(frozen=True)
class Message:
    message_id: str
    body: bytes
    forged: bool = False  # signed with a key that the endpoint does not have
    content_type: str = "application/json"


def at(text):
    """'29 05:10' is a moment of March 2026, in UTC."""
    return datetime.strptime("2026-03-" + text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def message_id(created, label):
    """Svix's form: "msg_" and a KSUID, which begins with the moment of its creation (4 ms steps)."""
    milliseconds = round(created.timestamp() * 1000)
    number = (milliseconds // 1000 - 1_400_000_000).to_bytes(4, "big") + bytes([milliseconds % 1000 // 4])
    number = int.from_bytes(number + hashlib.sha256(label.encode()).digest()[:15], "big")
    digits = ""
    for _ in range(27):
        number, digit = divmod(number, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "msg_" + digits


def message(created, user, event_type, data):
    client_user_id, user_id, _ = user
    body = {"event_type": event_type, "user_id": user_id, "client_user_id": client_user_id, "team_id": TEAM,
            "data": data}
    text = json.dumps(body, separators=(",", ":"))
    return Message(message_id(at(created), text), text.encode())


def timeseries(created, user, resource, source, samples, action="created"):
    return message(created, user, f"daily.data.{resource}.{action}", {"source": source, "data": samples})


def seconds_east(user, moment):
    return int(moment.astimezone(ZoneInfo(user[2])).utcoffset().total_seconds())


def readings(user, first, count, step, unit, value):
    """`count` samples, one every `step` minutes; value(i) is the reading."""
    moments = [at(first) + timedelta(minutes=i * step) for i in range(count)]
    return [{"timestamp": iso(moment), "value": value(i), "unit": unit, "type": None,
             "timezone_offset": seconds_east(user, moment)} for i, moment in enumerate(moments)]


def wave(middle, swing, period, digits=0):
    """A reading that goes up and down: series that look alive and are the same in every run."""
    def value(i):
        reading = middle + swing * math.sin(2 * math.pi * i / period) + swing / 4 * math.sin(i * 1.7)
        return round(reading, digits) if digits else round(reading)
    return value


def night(name, user, source, start, stop, updated, **fields):
    duration = int((at(stop) - at(start)).total_seconds())
    return {"id": hashlib.md5(name.encode()).hexdigest(), "user_id": user[1], "source": source,
            "date": stop_day(stop) + "T00:00:00+00:00", "calendar_date": stop_day(stop), "type": "long_sleep",
            "bedtime_start": iso(at(start)), "bedtime_stop": iso(at(stop)), "duration": duration,
            "total": duration - 1500, "awake": 1500, "light": duration // 2, "rem": duration // 5,
            "deep": duration - 1500 - duration // 2 - duration // 5, "created_at": iso(at(updated)),
            "updated_at": iso(at(updated)), "timezone_offset": seconds_east(user, at(stop)), **fields}


def stop_day(stop):
    return at(stop).date().isoformat()


def connected(created, user, slug, name):
    provider = {"name": name, "slug": slug, "logo": f"https://example.org/{slug}.png"}
    return message(created, user, "provider.connection.created", {
        "user_id": user[1], "provider": provider, "source": provider, "external_user_id": None,
        "resource_availability": {"heartrate": {"status": "available", "scope_requirements": None}}})


def failed_connection(created, user, slug, error_type):
    return message(created, user, "provider.connection.error", {
        "user_id": user[1], "provider": slug, "error_type": error_type, "error_details": None,
        "message": "the user has to connect again"})


def alice():
    yield connected("28 18:00", ALICE, "oura", "Oura")
    yield connected("28 18:02", ALICE, "garmin", "Garmin")
    yield connected("28 18:05", ALICE, "apple_health_kit", "Apple Health")
    yield message("28 18:10", ALICE, "historical.data.sleep.created", {
        "user_id": ALICE[1], "provider": "oura", "is_final": True,
        "start_date": "2025-09-29T00:00:00+00:00", "end_date": "2026-03-28T18:10:00+00:00"})
    # the night first ends at 04:10 UTC; three hours later Oura knows that she slept on until 05:25
    yield message("29 04:30", ALICE, "daily.data.sleep.created", night(
        "alice", ALICE, OURA, "28 21:40", "29 04:10", "29 04:29", hr_lowest=47, hr_average=54, average_hrv=58,
        respiratory_rate=14.2, efficiency=88.0))
    yield message("29 07:30", ALICE, "daily.data.sleep.updated", night(
        "alice", ALICE, OURA, "28 21:40", "29 05:25", "29 07:29", hr_lowest=45, hr_average=53, average_hrv=61,
        respiratory_rate=14.0, efficiency=91.0))
    for day in ("27", "28", "29"):
        for hour in range(0, 24, 6):
            samples = readings(ALICE, f"{day} {hour:02}:00", 360, 1, "bpm", wave(66 + hour, 9, 97))
            yield timeseries(f"{day} {hour + 5:02}:59", ALICE, "heartrate", GARMIN, samples)
    # a correction of two hours, made later: it wins in whatever order the two arrive
    yield timeseries("29 23:30", ALICE, "heartrate", GARMIN,
                     readings(ALICE, "29 10:00", 120, 1, "bpm", wave(120, 20, 40)), "updated")
    # watch and phone read at the same instants: two sources, two rows
    yield timeseries("29 12:10", ALICE, "heartrate", APPLE_WATCH, readings(ALICE, "29 08:00", 24, 5, "bpm", wave(71, 6, 11)))
    yield timeseries("29 12:11", ALICE, "heartrate", APPLE_PHONE, readings(ALICE, "29 08:00", 24, 5, "bpm", wave(74, 6, 11)))
    # labelled rmssd, but Apple has SDNN only
    yield timeseries("29 12:12", ALICE, "hrv", APPLE_WATCH, readings(ALICE, "29 00:00", 6, 60, "rmssd", wave(52, 9, 5, 1)))
    yield timeseries("29 12:13", ALICE, "hrv", GARMIN, readings(ALICE, "29 00:00", 60, 5, "rmssd", wave(44, 8, 17, 1)))
    yield timeseries("29 06:40", ALICE, "blood_oxygen", GARMIN, readings(ALICE, "28 22:00", 48, 10, "%", wave(96, 1.6, 13, 1)))
    yield timeseries("29 06:41", ALICE, "respiratory_rate", GARMIN, readings(ALICE, "28 22:00", 48, 10, "bpm", wave(14, 1.5, 9, 1)))


def bob():
    yield connected("27 15:00", BOB, "whoop_v2", "WHOOP")
    yield failed_connection("28 09:00", BOB, "whoop_v2", "token_refresh_failed")
    yield connected("28 20:00", BOB, "whoop_v2", "WHOOP")
    yield connected("27 15:05", BOB, "withings", "Withings")
    yield failed_connection("29 16:00", BOB, "withings", "required_scopes_not_granted")
    # WHOOP has no timeseries; its nights carry the resting pulse only
    yield message("29 12:30", BOB, "daily.data.sleep.created", night(
        "bob", BOB, WHOOP, "29 03:15", "29 11:50", "29 12:29", hr_lowest=None, hr_average=None, hr_resting=51,
        average_hrv=72.4, respiratory_rate=15.1))
    yield timeseries("29 13:00", BOB, "blood_pressure", WITHINGS, [
        pressure("28 12:05", 131, 84, "mmHg"), pressure("28 23:40", 127, 81, "mmHg"), pressure("29 12:10", 129, 83, "mmHg")])
    # of five readings three are refused: nothing there, no living heart, no such unit
    samples = readings(BOB, "29 14:00", 5, 1, "bpm", wave(63, 2, 7))
    samples[1]["value"] = None
    samples[2]["value"] = 4
    samples[3]["unit"] = "beats/fortnight"
    yield timeseries("29 14:30", BOB, "heartrate", GARMIN, samples)
    # shallow by design: there is nothing to read in it
    yield message("29 15:00", BOB, "daily.data.workout_stream.created", {
        "user_id": BOB[1], "workout_id": "b3f1", "provider_id": "17", "source": GARMIN,
        "sport": {"id": 1, "name": "Running", "slug": "running"}, "message": "fetch the stream over REST"})
    yield message("29 15:10", BOB, "labtest.order.created", {"id": "o-1", "user_id": BOB[1], "status": "received"})


def carol():
    yield connected("28 03:00", CAROL, "omron", "Omron")
    yield message("29 02:40", CAROL, "daily.data.sleep.created", night(
        "carol", CAROL, OURA, "28 17:30", "29 01:10", "29 02:39", hr_lowest=49, hr_average=57, average_hrv=49,
        respiratory_rate=13.4))
    yield timeseries("29 03:00", CAROL, "blood_pressure", OMRON, [pressure("29 02:30", 118, 76, "mmHg"), pressure("29 02:33", 15.5, 10, "kPa")])
    yield timeseries("29 09:00", CAROL, "heartrate", GARMIN, readings(CAROL, "29 03:00", 300, 1, "bpm", wave(70, 8, 61)))


def pressure(moment, systolic, diastolic, unit):
    return {"timestamp": iso(at(moment)), "systolic": systolic, "diastolic": diastolic, "unit": unit, "type": None,
            "timezone_offset": None}


def strangers():
    """What no honest sender would send, and what one might send by mistake."""
    body = b'{"event_type":"daily.data.heartrate.created","user_id":"evil","data":{}}'
    yield Message(message_id(at("29 16:00"), "forged"), body, forged=True)
    # PostgREST refuses application/json that is not JSON; as text/plain it gets as far as the database
    yield Message(message_id(at("29 16:01"), "cut off"), b'{"event_type":"daily.data.heartrate.cre', content_type="text/plain")


def is_late(message):
    """The night as it was first said, which the demo lets arrive after what was said of it later."""
    return b'"daily.data.sleep.created"' in message.body and b'"alice"' in message.body


def all_messages():
    return [*alice(), *bob(), *carol(), *strangers()]
