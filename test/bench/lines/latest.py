"""The newest reading of each metric of a user, as the front page of an application shows them: latest() of 25 metrics."""
import statistics

import harness
import world

METRICS, READINGS, CALLS = 25, 1_000, 200
TARGET_MS = 0.5

# straight into the table: what is measured is the reading
READINGS_OF_TWO = """
INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, version)
SELECT u.user_id, m.metric_id, timestamptz '2025-01-01Z' + i * interval '1 minute', s.source_id, 0, 50 + i %% 97, 1
FROM wearables.users u CROSS JOIN (SELECT metric_id FROM wearables.metrics ORDER BY metric_id LIMIT %s) m
CROSS JOIN (SELECT min(source_id) AS source_id FROM wearables.sources) s CROSS JOIN generate_series(1, %s) i"""
OURS = "SELECT metric, ts, value, unit, provider FROM wearables.latest(%s)"
# asks for each metric there is; of several parts at one instant it takes any
BY_HAND = """
SELECT m.name, p.ts, p.value, m.unit, s.provider FROM wearables.metrics m
CROSS JOIN LATERAL (SELECT x.ts, x.value, x.source_id FROM wearables.sample_points x WHERE x.user_id = %s AND x.metric_id = m.metric_id
                    ORDER BY x.ts DESC LIMIT 1) p
JOIN wearables.sources s USING (source_id) ORDER BY m.name"""


def run():
    session = harness.pinned_session()
    world.clear(session)
    world.register(session, 2)
    user, = session.execute("SELECT min(user_id) FROM wearables.users").fetchone()
    session.execute("INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (%s, 'heartrate', '2025-01-01Z', 50)", [user])
    session.execute("DELETE FROM wearables.sample_points")
    session.execute(READINGS_OF_TWO, [METRICS, harness.scaled(READINGS, 100)])
    session.execute("VACUUM ANALYZE wearables.sample_points")
    for how, prepare in (("planned at each call", False), ("prepared", True)):
        mine, theirs = [], []
        for _ in range(harness.scaled(CALLS, 20)):
            for seconds, sql in ((mine, OURS), (theirs, BY_HAND)):
                rows = []
                seconds.append(harness.timed(
                    lambda sql=sql, rows=rows, prepare=prepare: rows.extend(session.execute(sql, [user], prepare=prepare).fetchall())))
                harness.check(len(rows) == METRICS, f"{len(rows)} rows")
        harness.report(f"latest() of {METRICS} metrics, {how}", "a look-up for each metric there is",
                       [statistics.median(theirs) / statistics.median(mine)], f"{harness.ms(mine)}, by hand {harness.ms(theirs)}")
        harness.report(f"the same, {how}", "the target", [statistics.median(mine) * 1e3], "median", target=TARGET_MS, at_most=True, unit=" ms")
    world.clear(session)
    session.close()
