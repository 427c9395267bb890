"""What a chart of a user costs: a year of minutes by day, and a week of them by hour, at the first and the 20th call of a session.
From samples, and then with the year rolled up."""
import datetime
import statistics

import harness
import world

MINUTES, CALLS = 525_600, 20
ROUNDS, ROUNDS_OF_WEEK = 5, 25  # a first call of some milliseconds is seldom like another
ZONE = "Europe/Berlin"
FROM = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
WEEK_FROM = FROM + datetime.timedelta(days=20)
TARGET, WEEK_TARGET_MS, ROLLED_TARGET_MS = 1.0, 5, 10

READINGS = """
INSERT INTO wearables.samples (user_id, metric, ts, provider, source_type, value)
SELECT %s, 'heartrate', %s::timestamptz + i * interval '1 minute', 'garmin', 'watch', 50 + i %% 97
FROM generate_series(0, %s) i"""
OURS = "SELECT bucket_start, value FROM wearables.timeseries(%s, 'heartrate', %s, %s, %s, %s) ORDER BY 1"
# who writes it knows the numbers of user, metric and source, and wants the average alone
BY_HAND = """
SELECT date_trunc(%s, p.ts, %s) AS bucket, avg(p.value) FROM wearables.sample_points p
WHERE p.user_id = %s AND p.metric_id = %s AND p.source_id = %s AND p.ts >= %s AND p.ts < %s GROUP BY 1 ORDER BY 1"""


def run():
    session = harness.pinned_session()
    world.clear(session)
    world.register(session, 1)
    user, = session.execute("SELECT min(user_id) FROM wearables.users").fetchone()
    minutes = harness.scaled(MINUTES, 20_000)
    session.execute(READINGS, [user, FROM, minutes - 1])
    session.execute("VACUUM ANALYZE wearables.sample_points")
    metric, source = session.execute("SELECT metric_id, source_id FROM wearables.sample_points LIMIT 1").fetchone()
    for bucket, first, days in (("day", FROM, minutes // 1440), ("hour", WEEK_FROM if minutes > 60_000 else FROM, 7)):
        bounds = [first, first + datetime.timedelta(days=days)]
        ours = [user, *bounds, bucket, ZONE]
        theirs = [bucket, ZONE, user, metric, source, *bounds]
        measure(f"{days} days of minutes by {bucket}", (OURS, ours), (BY_HAND, theirs), ROUNDS if bucket == "day" else ROUNDS_OF_WEEK)
    measure_rollups(session, user, minutes // 1440)
    world.clear(session)
    session.close()


def time_calls(sql, parameters):
    """Of a session of its own, as a pool opens them: the seconds of each call, and the rows of the last. As with a driver the
    statement is prepared after some calls."""
    session, seconds, rows = harness.pinned_session(), [], []

    def call(number):
        nonlocal rows
        rows = session.execute(sql, parameters, prepare=number > 5).fetchall()

    for number in range(1, CALLS + 1):
        seconds.append(harness.timed(lambda number=number: call(number)))
    session.close()
    return seconds, rows


def is_same(chart, other):
    return len(chart) == len(other) > 0 and all(
        start == other_start and abs(value - other_value) < 1e-9 * abs(other_value)
        for (start, value), (other_start, other_value) in zip(chart, other))


def measure(what, ours, theirs, rounds):
    seconds = {(side, call): [] for side in ("ours", "theirs") for call in (1, CALLS)}
    for _ in range(harness.scaled(rounds, 2)):
        charts = {}
        for side, (sql, parameters) in (("ours", ours), ("theirs", theirs)):
            took, charts[side] = time_calls(sql, parameters)
            for call in (1, CALLS):
                seconds[side, call].append(took[call - 1])
        harness.check(is_same(charts["ours"], charts["theirs"]), "the charts differ")
    for call in (1, CALLS):
        mine, by_hand = seconds["ours", call], seconds["theirs", call]
        harness.report(f"timeseries(), {what}, call {call} of a session", "date_trunc(.., zone) and GROUP BY, written by hand, the average alone",
                       harness.ratios(by_hand, mine), f"{harness.ms(mine)}, by hand {harness.ms(by_hand)}", target=TARGET)
    if "hour" in what:
        harness.report(f"timeseries(), {what}", "the target", [statistics.median(seconds["ours", CALLS]) * 1e3],
                       f"call {CALLS} of a session", target=WEEK_TARGET_MS, at_most=True, unit=" ms")


def measure_rollups(session, user, days):
    bounds = [FROM, FROM + datetime.timedelta(days=days)]
    raw = session.execute(OURS, [user, *bounds, "day", ZONE]).fetchall()
    session.execute("SELECT wearables.rebuild_rollups(%s)", [user])
    took = harness.timed(lambda: world.drain(session))
    rolled, size, samples = session.execute(
        """SELECT count(*), pg_total_relation_size('wearables_internal.rollups'), pg_total_relation_size('wearables.sample_points')
           FROM wearables_internal.rollups""").fetchone()
    # a day of the chart begins within one of UTC
    harness.check(days <= rolled <= days + 1, f"{rolled} days are rolled up, and not {days} or one more")
    harness.report("rolling them up", "", [days / took], f"{took:.1f} s, {100 * size / samples:.1f} % of the room of the samples", unit=" days/s")
    for bucket in ("day", "hour"):
        calls = [time_calls(OURS, [user, *bounds, bucket, ZONE]) for _ in range(harness.scaled(ROUNDS, 2))]
        harness.check(bucket == "hour" or is_same(calls[-1][1], raw), "the charts differ")
        for call in (1, CALLS):
            milliseconds = [took[call - 1] * 1e3 for took, _ in calls]
            harness.report(f"timeseries(), {days} days of minutes by {bucket}, rolled up, call {call} of a session", "the target",
                           [statistics.median(milliseconds)], f"{len(calls[-1][1])} rows", target=ROLLED_TARGET_MS if bucket == "day" else None,
                           at_most=True, unit=" ms")
