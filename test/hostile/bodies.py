"""Bodies that nobody honest sends: too deep, too long, too many, of the wrong shape, cut off, no JSON at all.

usage: bodies.py [--list] [NAME], writes the body of that name; HOSTILE_SCALE=0.1 makes the large ones smaller.
As a module: all_bodies(scale) yields Body(family, name, make); make() gives the bytes. A large body is made anew
each time, so that not all of them are in memory at once.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from pieces import (
    HEARTRATE,
    LISTS,
    MEGABYTE,
    NIGHT,
    PLACES,
    SAMPLE,
    SLEEP,
    SLEEP_CYCLE,
    SOURCE,
    STAGES,
    clock,
    event,
    fill,
    group,
    head,
    heartrates,
    numbered,
    with_member,
    without_member,
)
from values import EVENT_TYPES, INSTANTS, NO_NUMBERS, NUMBERS, SECONDS, TEXTS, WRONG, ZONES


class Body(NamedTuple):
    family: str
    name: str
    make: Callable[[], bytes]


def nesting(size):
    shapes = {"lists": (b"[", b"]"), "objects": (b'{"a":', b"}"), "data": (b'{"data":', b"}"), "data_lists": (b'{"data":[', b"]}"),
              "source": (b'{"source":', b"}")}
    for depth in (490, 500, 501, 5000, 100_000):
        for shape, (start, end) in shapes.items():
            text = start * depth + b"1" + end * depth
            yield f"{shape}_{depth}_alone", lambda text=text: text
            yield f"{shape}_{depth}_unclosed", lambda text=text, depth=depth: text[:-depth]
            yield f"{shape}_{depth}_as_data", lambda text=text: event(HEARTRATE, text)
            yield f"{shape}_{depth}_as_night", lambda text=text: event(SLEEP, text)
            for place, put in PLACES.items():
                yield f"{shape}_{depth}_in_{place}", lambda text=text, put=put: put(text)
    # shallow enough to be taken, with much at the bottom
    for shape, (start, end) in shapes.items():
        yield f"{shape}_400_with_14MB_at_the_bottom", lambda start=start, end=end: event(
            SLEEP, with_member(NIGHT, b"x", start * 400 + b'"' + b"a" * size(14 * MEGABYTE) + b'"' + end * 400))
    # a list before its source is put off, and what stands in it is passed over once more at each level
    depth = 240
    for resource in ("heartrate", "hrv"):
        def postponed(resource=resource):
            inner = b'{"data":[' * depth + fill(SAMPLE, size(14 * MEGABYTE)) + (b'],"source":' + SOURCE + b"}") * depth
            return event(f"daily.data.{resource}.created", inner)
        yield f"lists_before_their_sources_{resource}", postponed


def floods(size):
    patterns = {"numbers": b"1", "lists": b"[]", "objects": b"{}", "strings": b'""', "minus": b"-", "nulls": b"null",
                "nested": b"[[]]", "members": b'{"a":1}', "zeros": b"-0"}
    for pattern, place in itertools.product(patterns, LISTS):
        length = 15 if pattern == "numbers" else 4
        yield (f"{pattern}_{length}MB_in_{place}",
               lambda pattern=pattern, place=place, length=length: LISTS[place](fill(patterns[pattern], size(length * MEGABYTE))))
    for name, byte in {"minus": b"-", "blanks": b" ", "quotes": b'"', "backslashes": b"\\", "braces": b"{", "brackets": b"[", "colons": b":",
                       "commas": b",", "nuls": b"\0", "ff": b"\xff", "digits": b"9"}.items():
        yield f"only_{name}_4MB", lambda byte=byte: byte * size(4 * MEGABYTE)
    yield "string_of_backslashes_4MB", lambda: heartrates(with_member(SAMPLE, b"x", b'"' + b"\\\\" * size(2 * MEGABYTE) + b'"'))
    yield "string_of_escapes_15MB", lambda: heartrates(with_member(SAMPLE, b"type", b'"' + b"\\u00e9" * size(5 * MEGABYTE // 2) + b'"'))
    yield "blanks_between_15MB", lambda: heartrates(SAMPLE).replace(b":", b":" + b" \n\t\r" * size(270_000))


def honest(size):
    """For comparison: what a large honest body takes."""
    def beats(count, provider=b"garmin"):
        return heartrates(b",".join(b'{"timestamp":"%s","value":%d,"unit":"bpm","timezone_offset":3600}' % (clock(n), 50 + n % 97)
                                    for n in range(count)), SOURCE.replace(b"garmin", provider))
    yield "heartrates_1MB", lambda: beats(size(12_000))
    yield "heartrates_15MB", lambda: beats(size(180_000))
    yield "one_key_15MB", lambda: heartrates(fill(SAMPLE, size(15 * MEGABYTE)))
    yield "floating_time_15MB", lambda: beats(size(180_000), b"freestyle_libre")
    yield "pressures_15MB", lambda: event("daily.data.blood_pressure.created", group(b",".join(
        b'{"timestamp":"%s","systolic":120,"diastolic":%d,"unit":"kPa"}' % (clock(n), n % 99) for n in range(size(180_000)))))


def numbers(size):
    for number, text in enumerate(NUMBERS):
        name = text if len(text) < 24 else f"{text[:3]}_{len(text)}_digits_{number}"
        value = text.encode()
        yield f"{name}_as_value", lambda value=value: heartrates(SAMPLE.replace(b"60,", value + b","))
        yield f"{name}_as_time", lambda value=value: heartrates(b'{"timestamp":%s,"value":60,"timezone_offset":%s}' % (value, value))
        yield f"{name}_in_night", lambda value=value: event(SLEEP, with_member(
            with_member(NIGHT.replace(b'"night"', value), b"x", value), b"hr_average", value))
        yield f"{name}_in_stages", lambda value=value: event(SLEEP_CYCLE, STAGES.replace(b"300", value).replace(b"2,3", value))
    for text in NO_NUMBERS:
        value = text.encode()
        yield f"no_number_{text}", lambda value=value: heartrates(SAMPLE.replace(b"60,", value + b","))
        yield f"no_number_{text}_alone", lambda value=value: value
    yield "digits_10MB", lambda: heartrates(SAMPLE.replace(b"60,", b"9" * size(10 * MEGABYTE) + b","))
    yield "fraction_10MB", lambda: heartrates(SAMPLE.replace(b"60,", b"0." + b"0" * size(10 * MEGABYTE) + b"1,"))
    yield "exponent_10MB", lambda: heartrates(SAMPLE.replace(b"60,", b"1e" + b"0" * size(10 * MEGABYTE) + b"1,"))
    yield "digits_as_id_10MB", lambda: event(SLEEP, NIGHT.replace(b'"night"', b"9" * size(10 * MEGABYTE)))
    for text in (b"1e131071", b"1e400", b"-1e-400", b"1e-16383"):
        yield f"night_full_of_{text.decode()}_4MB", lambda text=text: PLACES["night"](b"[" + fill(text, size(4 * MEGABYTE)) + b"]")
    yield "night_full_of_399_digits_15MB", lambda: PLACES["night"](b"[" + fill(b"9" * 399, size(15 * MEGABYTE)) + b"]")
    yield "night_full_of_1e399_15MB", lambda: PLACES["night"](b"[" + fill(b"1e399", size(15 * MEGABYTE)) + b"]")


# A JSON string, in quotes, in every place that is read.
TEXT_PLACES = {
    "provider": lambda text: heartrates(SAMPLE, b'{"provider":%s,"type":"watch"}' % text),
    "source_type": lambda text: heartrates(SAMPLE, b'{"provider":"garmin","type":%s}' % text),
    "unit": lambda text: heartrates(SAMPLE.replace(b'"bpm"', text)),
    "timestamp": lambda text: heartrates(b'{"timestamp":%s,"value":60}' % text),
    "type": lambda text: event("daily.data.cholesterol.created", group(b'{"timestamp":"2026-03-29T06:00:00Z","value":5,"unit":"mmol/L","type":%s}' % text)),
    "id": lambda text: event(SLEEP, NIGHT.replace(b'"night"', text)),
    "updated_at": lambda text: event(SLEEP, with_member(NIGHT, b"updated_at", text)),
    "time_zone": lambda text: event(SLEEP, with_member(without_member(NIGHT, "bedtime_stop"), b"calendar_date", b'"2026-03-29","time_zone":' + text)),
    "night_provider": lambda text: event(SLEEP, NIGHT.replace(b'"oura"', text)),
    "event_type": lambda text: heartrates(SAMPLE).replace(b'"%s"' % HEARTRATE.encode(), text, 1),
    "user_id": lambda text: heartrates(SAMPLE).replace(b'"hostile"', text, 1),
    "client_user_id": lambda text: heartrates(SAMPLE).replace(b'"client_user_id":"hostile"', b'"client_user_id":' + text, 1),
    "sample_member": lambda text: heartrates(b"{" + text + b":1," + SAMPLE[1:]),
    "source_member": lambda text: heartrates(SAMPLE, b"{" + text + b":1," + SOURCE[1:]),
    "night_member": lambda text: event(SLEEP, b"{" + text + b":1," + NIGHT[1:]),
    "night_text": lambda text: event(SLEEP, with_member(NIGHT, b"type", text)),
    "envelope_member": lambda text: b"{" + text + b":1," + heartrates(SAMPLE)[1:],
    "group_name": lambda text: head("pull.heartrate") + b'"groups":{' + text + b':[{"data":[' + SAMPLE + b"]}]}}",
    "connection": lambda text: event("provider.connection.created", b'{"provider":{"slug":%s},"external_user_id":%s}' % (text, text)),
    "connection_error": lambda text: event("provider.connection.error", b'{"provider":%s,"error_type":%s}' % (text, text)),
    "historical": lambda text: event("historical.data.sleep.created", b'{"provider":"oura","start_date":%s,"end_date":%s}' % (text, text)),
}


def texts(size):
    for place, put in TEXT_PLACES.items():
        for name, text in TEXTS.items():
            yield f"{name}_as_{place}", lambda put=put, text=text: put(text)
        # in two of its fields at once a text of 10 MB would be more than the door takes
        length = size(10 * MEGABYTE) // (2 if put(b"``").count(b"``") > 1 else 1)
        yield f"long_as_{place}", lambda put=put, length=length: put(b'"' + b"a" * length + b'"')
        yield f"long_escaped_as_{place}", lambda put=put, length=length: put(b'"' + b"\\u0041" * (length // 6) + b'"')


def encodings(size):
    body = heartrates(SAMPLE)
    mark = b"\xef\xbb\xbf"
    yield "bom", lambda: mark + body
    yield "bom_twice", lambda: mark + mark + body
    yield "bom_alone", lambda: mark
    yield "bom_inside", lambda: event(HEARTRATE, mark + group(SAMPLE))
    for encoding in ("utf-16", "utf-16-be", "utf-32", "latin-1", "cp500"):
        yield encoding, lambda encoding=encoding: body.decode().encode(encoding)
    for name, whole in {"nothing": b"", "blank": b" \n", "number": b"1", "minus": b"-", "string": b'"a"', "null": b"null", "true": b"true",
                        "list": b"[]", "object": b"{}", "quote": b'"', "brace": b"{", "bracket": b"[", "comma": b",", "nul": b"\0",
                        "two": b"{}{}", "html": b"<html></html>", "name": b'{"a"', "colon": b'{"a":'}.items():
        yield f"only_{name}", lambda whole=whole: whole
    for tail in (b"x", b"{}", b"\0", b"]", b",", b" " * size(4 * MEGABYTE)):
        yield f"followed_by_{len(tail)}_{tail[:2]!r}", lambda tail=tail: body + tail


def cut_off(size):
    bodies = {"heartrate": heartrates(SAMPLE), "sleep": event(SLEEP, NIGHT), "stages": event(SLEEP_CYCLE, STAGES),
              "escapes": heartrates(SAMPLE.replace(b"bpm", b"\\u0062\\ud83d\\ude00")), "utf8": heartrates(SAMPLE.replace(b"bpm", "é😀".encode()))}
    for name, body in bodies.items():
        for sixteenth in range(1, 16):
            yield f"{name}_{sixteenth:02}_16", lambda body=body, at=sixteenth: body[:len(body) * at // 16]
    length = size(4 * MEGABYTE)
    for sixteenth in range(1, 16):
        yield f"large_{sixteenth:02}_16", lambda at=sixteenth: heartrates(fill(SAMPLE, length))[:length * at // 16]
    # the door looks at the first 1024 bytes alone where that is enough
    text = "\\u0061é😀\\\\\"".encode()
    for shift in range(48):
        yield f"across_1024_{shift:02}", lambda shift=shift: (
            b'{"x":"' + b"a" * (1024 - 60 + shift) + b'","event_type":"' + HEARTRATE.encode() + b'","user_id":"hostile' + text[:-1]
            + b'","client_user_id":"hostile","data":' + group(SAMPLE) + b"}")


def wrong_types(size):
    def at(path, document, value):
        """The document with the value at the path: member names and places joined by dots."""
        first, _, rest = path.partition(".")
        key = int(first) if isinstance(document, list) else first
        if not rest:
            document[key] = value
        else:
            at(rest, document[key], value)

    meal = (b'{"id":"m","source":{"provider":"x"},"timestamp":"2026-03-29T06:00:00Z","energy":{"unit":"kcal","value":1},'
            b'"macros":{"carbs":1,"fats":{"total":1}}}')
    connection = b'{"provider":{"name":"Oura","slug":"oura"},"source":{"slug":"oura"}}'
    historical = b'{"provider":{"slug":"oura"},"start_date":"2025-09-29","end_date":"2026-03-29"}'
    bodies = {
        "heartrate": (heartrates(SAMPLE), """
            event_type user_id client_user_id team_id groups data data.source data.source.provider data.source.type data.data data.data.0
            data.data.0.timestamp data.data.0.value data.data.0.unit data.data.0.type data.data.0.timezone_offset data.data.0.source"""),
        "sleep": (event(SLEEP, NIGHT), """
            data data.id data.source data.source.provider data.source.slug data.bedtime_stop data.hr_lowest data.updated_at
            data.time_zone data.timezone_offset data.calendar_date data.data data.sleep sleep"""),
        "stages": (event(SLEEP_CYCLE, STAGES), """
            data.session_start data.stage_type data.stage_type.1 data.stage_start_offset_second data.stage_start_offset_second.1
            data.stage_end_offset_second data.stage_end_offset_second.1"""),
        "meal": (event("daily.data.meal.created", meal), """
            data.energy data.energy.value data.energy.unit data.macros data.macros.fats data.macros.fats.total data.data"""),
        "connection": (event("provider.connection.created", connection), """
            data data.provider data.provider.slug data.source data.source.slug data.external_user_id"""),
        "historical": (event("historical.data.sleep.created", historical), """
            data data.provider data.provider.slug data.start_date data.end_date"""),
    }
    for body, (text, paths) in bodies.items():
        for path in paths.split():
            for wrong, value in WRONG.items():
                def make(text=text, path=path, value=value):
                    document = json.loads(text)
                    at(path, document, "\0here\0")
                    return json.dumps(document).encode().replace(b'"\\u0000here\\u0000"', value)
                yield f"{body}_{path}_{wrong}", make


def equal_names(size):
    many = size(100_000)
    yield "data_twice", lambda: with_member(heartrates(SAMPLE), b"data", group(SAMPLE))
    yield "event_type_twice", lambda: with_member(heartrates(SAMPLE), b"event_type", b'"daily.data.hrv.created"')
    yield "user_twice", lambda: with_member(heartrates(SAMPLE), b"user_id", b'"nobody"')
    yield "source_before_and_behind", lambda: event(HEARTRATE, with_member(group(SAMPLE), b"source", b'{"provider":"other"}'))
    yield "source_behind", lambda: event(HEARTRATE, b'{"data":[' + SAMPLE + b'],"source":' + SOURCE + b"}")
    for resource in ("heartrate", "hrv"):
        kind = f"daily.data.{resource}.created"
        yield f"lists_1e5_{resource}", lambda kind=kind: event(kind, b'{"source":' + SOURCE + b',"data":[]' * many + b"}")
        yield f"lists_1e5_before_source_{resource}", lambda kind=kind: event(
            kind, b"{" + fill(b'"data":[' + SAMPLE + b"]", many * (len(SAMPLE) + 10)) + b',"source":' + SOURCE + b"}")
        yield f"lists_and_sources_1e5_{resource}", lambda kind=kind: event(kind, b"{" + b",".join(
            b'"data":[%s],"source":{"provider":"p%d"}' % (SAMPLE, n % 50) for n in range(many)) + b"}")
    yield "value_1e5", lambda: heartrates(b'{"timestamp":"2026-03-29T06:00:00Z"' + b',"value":60' * many + b"}")
    yield "night_value_1e5", lambda: event(SLEEP, NIGHT[:-1] + b',"hr_lowest":45' * many + b"}")
    yield "sources_1e5", lambda: event(HEARTRATE, b'{"data":[' + SAMPLE + b"]" + (b',"source":' + SOURCE) * many + b"}")
    yield "stage_lists_1e5", lambda: event(SLEEP_CYCLE, STAGES[:-1] + b',"stage_type":[1,2,3]' * (many // 2) + b"}")
    yield "names_in_doc_1e5", lambda: event(SLEEP, NIGHT[:-1] + b',"x":{"y":1}' * many + b"}")


def names(size):
    """More names than 16 bits number."""
    many, some = size(33_000), size(100_000)
    yield "providers_33000_in_events", lambda: b"[" + b",".join(
        heartrates(SAMPLE, b'{"provider":"p%d"}' % n) for n in range(many)) + b"]"
    yield "providers_33000_in_groups", lambda: head("pull.heartrate") + b'"groups":{' + b",".join(
        b'"p%d":[{"data":[%s]}]' % (n, SAMPLE) for n in range(many)) + b"}}"
    yield "providers_33000_in_samples", lambda: heartrates(b",".join(
        group(SAMPLE, b'{"provider":"p%d"}' % n) for n in range(many)))
    yield "source_types_33000", lambda: heartrates(b",".join(
        group(SAMPLE, b'{"provider":"garmin","type":"t%d"}' % n) for n in range(many)))
    yield "providers_70000_in_samples", lambda: heartrates(b",".join(
        group(SAMPLE, b'{"provider":"p%d"}' % n) for n in range(size(70_000))))
    yield "night_providers_33000", lambda: event(SLEEP, b"[" + b",".join(
        NIGHT.replace(b'"oura"', b'"p%d"' % n).replace(b'"night"', b'"n%d"' % n) for n in range(many)) + b"]")
    yield "empty_groups_1e5", lambda: head("pull.heartrate") + b'"groups":{' + b",".join(b'"p%d":[{"data":[]}]' % n for n in range(some)) + b"}}"
    for resource, unit in (("cholesterol", b"mmol/L"), ("insulin_injection", b"unit")):
        yield f"{resource}_types_33000", lambda resource=resource, unit=unit: event(f"daily.data.{resource}.created", group(numbered(
            b'{"timestamp":"2026-03-29T06:00:00Z","start":"2026-03-29T06:00:00Z","value":5,"unit":"' + unit + b'","type":"t%d"}', many)))
    yield "cholesterol_types_70000", lambda: event("daily.data.cholesterol.created", group(numbered(
        b'{"timestamp":"2026-03-29T06:00:00Z","value":5,"unit":"mmol/L","type":"t%d"}', size(70_000))))
    yield "units_1e5", lambda: heartrates(numbered(b'{"timestamp":"2026-03-29T06:00:00Z","value":60,"unit":"u%d"}', some))
    yield "members_of_a_sample_1e6", lambda: heartrates(SAMPLE[:-1] + b"," + numbered(b'"m%d":1', size(1_000_000)) + b"}")
    yield "members_of_samples_1e5", lambda: heartrates(numbered(b'{"timestamp":"2026-03-29T06:00:00Z","value":60,"m%d":1}', some))
    yield "members_of_a_night_1e6", lambda: event(SLEEP, NIGHT[:-1] + b"," + numbered(b'"m%d":1', size(1_000_000)) + b"}")
    yield "night_types_1e5", lambda: event(SLEEP, b"[" + b",".join(
        with_member(NIGHT.replace(b'"night"', b'"n%d"' % (n % 10)), b"type", b'"t%d"' % n) for n in range(size(60_000))) + b"]")
    day = b'{"id":"d","source":{"provider":"x"},"calendar_date":"2026-03-29","steps":1,"time_zone":"%s"}'
    zones = {"iana": b"Zone/Z%d", "posix": None, "one": b"Zone/None", "long": b"Z" * 60 + b"%d"}
    for name, zone in zones.items():
        def of_zones(zone=zone):
            letters = itertools.product(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=4)
            texts = (bytes(next(letters)) + b"%d" % (n % 12) if zone is None else zone % n if b"%" in zone else zone for n in range(many))
            days = ((day % text).replace(b'"d"', b'"d%d"' % n) for n, text in enumerate(texts))
            return event("daily.data.activity.created", b"[" + b",".join(days) + b"]")
        yield f"time_zones_33000_{name}", of_zones


def documents(size):
    many = size(60_000)
    yield "equal_ids_6e4", lambda: event(SLEEP, b"[" + fill(NIGHT, many * (len(NIGHT) + 1)) + b"]")
    yield "equal_ids_6e4_in_events", lambda: b"[" + fill(event(SLEEP, NIGHT), size(50_000) * (len(event(SLEEP, NIGHT)) + 1)) + b"]"
    yield "short_equal_ids_3e5", lambda: event("daily.data.profile.created", b"[" + fill(
        b'{"id":"a","source":{"provider":"x"}}', size(300_000) * 37) + b"]")
    yield "distinct_ids_6e4", lambda: event(SLEEP, b"[" + b",".join(NIGHT.replace(b'"night"', b'"n%d"' % n) for n in range(many)) + b"]")
    yield "short_distinct_ids_3e5", lambda: event("daily.data.profile.created", b"[" + numbered(
        b'{"id":%d,"source":{"provider":"x"}}', size(300_000)) + b"]")
    yield "no_ids_15MB", lambda: event(SLEEP, b"[" + fill(b'{"a":0}', size(15 * MEGABYTE)) + b"]")
    yield "no_sources_15MB", lambda: event(SLEEP, b"[" + fill(b'{"id":1}', size(15 * MEGABYTE)) + b"]")
    yield "one_of_15MB", lambda: PLACES["night"](b'"' + b"a" * size(15 * MEGABYTE) + b'"')
    yield "updated_6e4_times", lambda: event(SLEEP, b"[" + b",".join(
        with_member(NIGHT, b"updated_at", b'"%s"' % clock(n)) for n in range(many)) + b"]")


def lists(size):
    """Lists that a shipped mapping reads by "*"."""
    def stages(types, starts, ends=b""):
        return event(SLEEP_CYCLE, STAGES[:STAGES.index(b'"stage_type"')] + b'"stage_type":[' + types + b'],"stage_start_offset_second":[' + starts
                     + b'],"stage_end_offset_second":[' + ends + b"]}")

    def counted(count):
        return b",".join(b"%d" % n for n in range(count))

    yield "stages_at_one_instant", lambda: stages(fill(b"1", size(7 * MEGABYTE)), fill(b"0", size(7 * MEGABYTE)))
    yield "stages_distinct", lambda: stages(fill(b"1", 2 * size(1_500_000)), counted(size(1_500_000)))
    yield "stages_with_ends", lambda: stages(fill(b"1", 2 * size(900_000)), counted(size(900_000)), counted(size(900_000)))
    yield "stages_without_starts", lambda: stages(fill(b"1", size(15 * MEGABYTE)), b"")
    yield "starts_without_stages", lambda: stages(b"", fill(b"0", size(15 * MEGABYTE)))
    yield "stages_of_text", lambda: stages(fill(b'"deep"', size(7 * MEGABYTE)), fill(b"0", size(7 * MEGABYTE)))
    yield "stages_out_of_range", lambda: stages(fill(b"99", size(7 * MEGABYTE)), fill(b"0", size(7 * MEGABYTE)))
    yield "starts_far_off", lambda: stages(fill(b"1", size(3 * MEGABYTE)), fill(b"1e300", size(9 * MEGABYTE)))
    yield "starts_as_times", lambda: stages(fill(b"1", 2 * size(500_000)), fill(b'"2026-03-28T21:40:00Z"', 23 * size(500_000)))
    yield "ends_before_starts", lambda: stages(fill(b"1", size(4 * MEGABYTE)), fill(b"9", size(4 * MEGABYTE)), fill(b"0", size(4 * MEGABYTE)))
    yield "stages_without_session", lambda: stages(
        fill(b"1", size(7 * MEGABYTE)), fill(b"0", size(7 * MEGABYTE))).replace(b"session_start", b"session")
    yield "stages_in_many_documents", lambda: event(SLEEP_CYCLE, b"[" + b",".join(
        STAGES.replace(b'"stages"', b'"s%d"' % n) for n in range(size(50_000))) + b"]")
    temperature = b'{"value":36.5,"date":"2026-03-29"}'
    cycle = b'{"id":"c","source":{"provider":"x"},"basal_body_temperature":[%s]}'
    yield "temperatures", lambda: event("daily.data.menstrual_cycle.created", cycle % fill(temperature, size(15 * MEGABYTE)))
    yield "temperatures_of_the_shortest", lambda: event("daily.data.menstrual_cycle.created", cycle % fill(b'{"value":1}', size(15 * MEGABYTE)))


def times(size):
    for text in INSTANTS:
        name = text[:40]
        value = json.dumps(text).encode()
        for place in ("timestamp", "updated_at", "historical"):
            yield f"{name}_as_{place}", lambda value=value, place=place: TEXT_PLACES[place](value)
        yield f"{name}_as_end", lambda value=value: event("daily.data.steps.created", group(b'{"start":%s,"end":%s,"value":1}' % (value, value)))
        yield f"{name}_as_base", lambda value=value: event(SLEEP_CYCLE, STAGES.replace(b'"2026-03-28T21:40:00+00:00"', value))
    for text in ZONES:
        for date in ("2026-03-29", "1900-01-01", "2199-12-31", "2200-01-01"):
            body = TEXT_PLACES["time_zone"](json.dumps(text).encode()).replace(b"2026-03-29", date.encode())
            yield f"zone_{text[:20]}_{len(text)}_{date}", lambda body=body: body
    day = b'{"id":"d","source":{"provider":"freestyle_libre"},"calendar_date":"2200-01-01","steps":1,"timezone_offset":%s}'
    for text in SECONDS:
        value = text.encode()
        yield f"epoch_{text}", lambda value=value: heartrates(b'{"timestamp":%s,"value":60}' % value)
        yield f"epoch_{text}_span", lambda value=value: event("daily.data.steps.created", group(b'{"start":-2208988800,"end":%s,"value":1}' % value))
        yield f"offset_{text}", lambda value=value: event("daily.data.activity.created", day % value)
        yield f"stage_at_{text}", lambda value=value: event(SLEEP_CYCLE, STAGES.replace(b"300", value))
    yield "floating_at_both_ends", lambda: heartrates(
        b'{"timestamp":"1900-01-01T00:00:00Z","value":60},{"timestamp":"2199-12-31T23:59:59Z","value":60}', b'{"provider":"abbott_libreview"}')


def event_types(size):
    for text in EVENT_TYPES:
        written = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        name = f"{text[:40]!r}_{len(text)}"
        yield f"heartrate_as_{name}", lambda written=written: heartrates(SAMPLE).replace(HEARTRATE.encode(), written, 1)
        yield f"sleep_as_{name}", lambda written=written: event(SLEEP, NIGHT).replace(SLEEP.encode(), written, 1)


FAMILIES = [honest, nesting, floods, numbers, texts, encodings, cut_off, wrong_types, equal_names, names, documents, lists, times, event_types]


def all_bodies(scale):
    """Scale is that of the large bodies; depths and what is small stay as they are."""
    def size(full):
        return max(1, round(full * scale))

    for family in FAMILIES:
        for name, make in family(size):
            yield Body(family.__name__, name.replace("\n", "n").replace("\0", "0"), make)


def main():
    scale = float(os.environ.get("HOSTILE_SCALE", "1"))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for body in all_bodies(scale):
        name = f"{body.family}/{body.name}"
        if sys.argv[1] == "--list":
            print(name)
        elif name == sys.argv[1]:
            sys.stdout.buffer.write(body.make())
            return


if __name__ == "__main__":
    main()
