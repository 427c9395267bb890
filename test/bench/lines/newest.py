"""The newest readings of a metric from the view samples, as an application lists them: by its name, newest first, 100 of them."""
import datetime
import statistics

import harness
import world

MINUTES, CALLS = 525_600, 200
FROM = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
TARGET_MS = 0.5

# straight into the table: what is measured is the reading
READINGS = """
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, version)
SELECT p.user_id, p.metric_id, %s::timestamptz + i * interval '1 minute', p.source_id, 0, 50 + i %% 97, 1
FROM wearables.sample_points p, generate_series(1, %s) i"""
OURS = "SELECT ts, value, provider, unit FROM wearables.samples WHERE user_id = %s AND metric = %s ORDER BY ts DESC LIMIT 100"
# who writes it knows the number of the metric
BY_HAND = """
SELECT p.ts, p.value, s.provider, m.unit FROM wearables.sample_points p JOIN wearables.metrics m USING (metric_id)
JOIN wearables.sources s USING (source_id) WHERE p.user_id = %s AND p.metric_id = %s ORDER BY p.ts DESC LIMIT 100"""


def run():
    session = harness.pinned_session()
    world.clear(session)
    world.register(session, 1)
    user, = session.execute("SELECT min(user_id) FROM wearables.users").fetchone()
    session.execute("INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (%s, 'heartrate', %s, 50)", [user, FROM])
    session.execute(READINGS, [FROM, harness.scaled(MINUTES, 20_000)])
    session.execute("VACUUM ANALYZE wearables.sample_points")
    metric, = session.execute("SELECT metric_id FROM wearables.sample_points LIMIT 1").fetchone()
    for how, prepare in (("planned at each call", False), ("prepared", True)):
        mine, theirs = [], []
        for _ in range(harness.scaled(CALLS, 20)):
            for seconds, sql, named in ((mine, OURS, "heartrate"), (theirs, BY_HAND, metric)):
                rows = []
                seconds.append(harness.timed(
                    lambda sql=sql, named=named, rows=rows, prepare=prepare: rows.extend(
                        session.execute(sql, [user, named], prepare=prepare).fetchall())))
                harness.check(len(rows) == 100, f"{len(rows)} rows")
        harness.report(f"newest 100 of a year of minutes from samples, {how}", "the same from the tables, by the metric's number",
                       [statistics.median(theirs) / statistics.median(mine)], f"{harness.ms(mine)}, by hand {harness.ms(theirs)}")
        harness.report(f"the same, {how}", "the target", [statistics.median(mine) * 1e3], "median", target=TARGET_MS, at_most=True, unit=" ms")
    world.clear(session)
    session.close()
