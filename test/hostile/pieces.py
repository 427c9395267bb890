"""What hostile bodies are put together from: honest events, and ways to put something into them."""

import json

USER = "hostile"  # the person all of them are about, at both sides
SOURCE = b'{"provider":"garmin","type":"watch"}'
SAMPLE = b'{"timestamp":"2026-03-29T06:00:00+00:00","value":60,"unit":"bpm"}'
NIGHT = (b'{"id":"night","source":{"provider":"oura","type":"ring"},"bedtime_start":"2026-03-28T21:40:00+00:00",'
         b'"bedtime_stop":"2026-03-29T05:25:00+00:00","hr_lowest":45,"average_hrv":61}')
STAGES = (b'{"id":"stages","source":{"provider":"oura","type":"ring"},"session_start":"2026-03-28T21:40:00+00:00",'
          b'"stage_type":[1,2,3],"stage_start_offset_second":[0,300,600],"stage_end_offset_second":[300,600,900]}')
HEARTRATE = "daily.data.heartrate.created"
SLEEP = "daily.data.sleep.created"
SLEEP_CYCLE = "daily.data.sleep_cycle.created"
MEGABYTE = 1 << 20


def head(event_type):
    return b'{"event_type":"%s","user_id":"%s","client_user_id":"%s",' % (event_type.encode(), USER.encode(), USER.encode())


def event(event_type, data):
    return head(event_type) + b'"data":' + data + b"}"


def group(elements, source=SOURCE):
    return b'{"source":' + source + b',"data":[' + elements + b"]}"


def heartrates(elements, source=SOURCE):
    return event(HEARTRATE, group(elements, source))


def with_member(document, name, value):
    """A JSON object with one member more, the last."""
    return document[:-1] + b',"' + name + b'":' + value + b"}"


def without_member(document, name):
    return json.dumps({key: value for key, value in json.loads(document).items() if key != name}).encode()


def fill(pattern, size):
    """A list's elements: the pattern again and again, with commas between, about so many bytes in all."""
    return pattern + (b"," + pattern) * max(0, (size - len(pattern)) // (len(pattern) + 1))


def numbered(pattern, count):
    return b",".join(pattern % n for n in range(count))


def clock(n):
    """Distinct instants, a second apart."""
    return b"2026-%02d-%02dT%02d:%02d:%02d+00:00" % (n // 2419200 % 12 + 1, n // 86400 % 28 + 1, n // 3600 % 24, n // 60 % 60, n % 60)


# Where a value of any size can stand. Each takes the text of a JSON value, or of a list's elements.
PLACES = {
    "sample": lambda value: heartrates(with_member(SAMPLE, b"x", value)),
    "source": lambda value: heartrates(SAMPLE, with_member(SOURCE, b"x", value)),
    "night": lambda value: event(SLEEP, with_member(NIGHT, b"x", value)),
    "envelope": lambda value: with_member(heartrates(SAMPLE), b"x", value),
    "before_envelope": lambda value: b'{"x":' + value + b"," + heartrates(SAMPLE)[1:],
}
LISTS = {
    "samples": heartrates,
    "nights": lambda elements: event(SLEEP, b"[" + elements + b"]"),
    "page": lambda elements: head("pull.sleep") + b'"sleep":[' + elements + b"]}",
    "groups": lambda elements: head("pull.heartrate") + b'"groups":{"garmin":[' + elements + b"]}}",
    "events": lambda elements: b"[" + elements + b"]",
    "unknown_member": lambda elements: PLACES["sample"](b"[" + elements + b"]"),
    "stages": lambda elements: event(SLEEP_CYCLE, with_member(STAGES, b"stage_type", b"[" + elements + b"]")),
    "temperatures": lambda elements: event("daily.data.menstrual_cycle.created", with_member(
        without_member(NIGHT, "hr_lowest"), b"basal_body_temperature", b"[" + elements + b"]")),
    "zones": lambda elements: event("daily.data.workouts.created", with_member(
        with_member(NIGHT, b"time_start", b'"2026-03-29T05:25:00Z"'), b"hr_zones", b"[" + elements + b"]")),
}
