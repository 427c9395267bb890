"""Raw events to samples, new data: against what a user would write instead."""
import json

import harness
import world

EVENTS, SAMPLES, ROUNDS = 5, 10_000, 5
ROWS_A_STATEMENT = 2_000

# Users and sources are known by then; everything else is as the body says it.
JSONB = f"""
INSERT INTO bench.jsonb (user_id, {', '.join(world.COLUMNS)})
SELECT u.user_id, m.metric_id, r."timestamp", s.source_id, 0, r.value, NULL, NULL, r.timezone_offset / 60, e.version
FROM (SELECT *, convert_from(payload, 'UTF8')::jsonb AS doc FROM wearables.webhook_events OFFSET 0) e
JOIN wearables.users u ON u.client_user_id = e.doc ->> 'client_user_id'
JOIN wearables.sources s ON s.provider = e.doc #>> '{{data,source,provider}}'
  AND s.source_type = e.doc #>> '{{data,source,type}}' AND s.channel = 'timeseries'
JOIN wearables.metrics m ON m.name = 'heartrate'
CROSS JOIN LATERAL jsonb_to_recordset(e.doc #> '{{data,data}}')
  AS r ("timestamp" timestamptz, timezone_offset integer, value float8, unit text)
WHERE e.event_type LIKE 'daily.data.heartrate.%'
{world.ON_CONFLICT}
"""


def run():
    session = harness.pinned_session()
    events, rounds = harness.scaled(EVENTS), harness.scaled(ROUNDS, 3)
    world.put_heartrate(session, "upsert", events, SAMPLES)
    for name in ("bench.plain", "bench.jsonb", "bench.driver"):
        world.make_twin(session, name)
    rows = events * SAMPLES
    expected, stored = None, None

    def ours():
        nonlocal expected, stored
        world.clear(session)
        world.receive(session, "upsert")
        seconds = harness.timed(lambda: world.drain(session))
        world.check_drained(session)
        found = world.digest(session, "wearables.sample_points")
        if expected is None:
            harness.check(found[0] == rows, f"{found[0]} rows of {rows}")
            world.make_arrays(session, "bench.arrays")
            stored = stored_events(session)
        harness.check(expected in (None, found), "another round gave other rows")
        expected = found
        return seconds

    def other(table, work):
        def side():
            world.empty(session, table)
            seconds = harness.timed(work)
            world.check_equal(session, table, expected)
            return seconds
        return side

    plain = world.upsert_arrays("bench.plain", "bench.arrays")
    mine, plains, jsonbs, drivers = harness.interleave(
        rounds, ours, other("bench.plain", lambda: session.execute(plain)),
        other("bench.jsonb", lambda: session.execute(JSONB)),
        other("bench.driver", lambda: write_with_driver(session, stored)))
    beside = f"{harness.ms(mine)} = {harness.rate(rows, mine)}, theirs "
    what = f"raw events to samples, {rows:,} new rows, JSON parse included"
    for against, theirs in [
            ("INSERT .. SELECT FROM unnest .. ON CONFLICT DO UPDATE, from arrays, no JSON", plains),
            ("INSERT .. SELECT FROM jsonb_to_recordset .. ON CONFLICT DO UPDATE, from the stored bodies", jsonbs),
            (f"psycopg: json.loads, then VALUES of {ROWS_A_STATEMENT:,} rows with bind parameters", drivers)]:
        harness.report(what, against, harness.ratios(theirs, mine),
                       beside + f"{harness.ms(theirs)} = {harness.rate(rows, theirs)}; {rounds} pairs")
    session.close()


def stored_events(session):
    """What the platform has in hand when a webhook comes: the body, and who and what it is about."""
    return session.execute(
        "SELECT e.payload, e.user_id, s.metric_id, s.source_id, e.version FROM wearables.webhook_events e, "
        "LATERAL (SELECT * FROM wearables.sample_points p WHERE p.user_id = e.user_id LIMIT 1) s "
        "ORDER BY e.event_id").fetchall()


def write_with_driver(session, stored):
    with session.transaction(), session.cursor() as cursor:
        for body, user_id, metric_id, source_id, version in stored:
            samples = json.loads(body)["data"]["data"]
            for begin in range(0, len(samples), ROWS_A_STATEMENT):
                part = samples[begin:begin + ROWS_A_STATEMENT]
                parameters = []
                for sample in part:
                    parameters += (user_id, metric_id, sample["timestamp"], source_id, 0, sample["value"], None, None,
                                   sample["timezone_offset"] // 60, version)
                cursor.execute(values_statement(len(part)), parameters, prepare=True)


_statements = {}


def values_statement(rows):
    if rows not in _statements:
        one = "(" + ", ".join(["%s"] * (1 + len(world.COLUMNS))) + ")"
        _statements[rows] = (f"INSERT INTO bench.driver (user_id, {', '.join(world.COLUMNS)}) VALUES "
                             + ", ".join([one] * rows) + " " + world.ON_CONFLICT)
    return _statements[rows]
