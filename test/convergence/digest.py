"""The state a world ended in, by names and texts alone: no ids, no times of arrival."""

from collections import Counter

SAMPLES = """(SELECT coalesce(string_agg(concat_ws(' ', m.name, c.ts, concat_ws('/', o.provider, o.source_type, o.channel),
                         concat_ws(',', c.part, c.value, c.value_secondary, c.ts_end, c.tz_offset)), '; ' ORDER BY m.name COLLATE "C", c.ts, c.source_id, c.part), '')
              FROM unnest(s.samples) c JOIN wearables.metrics m USING (metric_id) JOIN wearables.sources o ON o.source_id = c.source_id)"""

# Where pages end, and how many times one is fetched, is not the world's: of them it is compared what they have in common.
PAGE = "e.message_id LIKE 'pull:%'"

# The worlds lie in 2025. A page that no world has planned, of a person whom the vendor does not know by that id, is made as of now.
MADE = "CASE WHEN e.version >> 20 < 1767225600000 THEN (e.version >> 20)::text ELSE 'as of now' END"

PARTS = {
    "samples": """SELECT concat_ws(' | ', u.client_user_id, s.metric, s.ts, 'day ' || s.day, s.provider, s.source_type, s.channel, s.part, {version},
                    s.value, s.value_secondary, s.unit, 'to ' || s.ts_end, s.tz_offset || ' min')
                  FROM wearables.samples s JOIN wearables.users u USING (user_id)""",
    "points": "SELECT 'rows in sample_points: ' || count(*) FROM wearables.sample_points",
    "summaries": f"""SELECT concat_ws(' | ', u.client_user_id, s.resource, s.identity, s.summary_id, {{version}}, s.superseded, o.provider, o.source_type, o.channel,
                       s.first_ts, s.last_ts, {SAMPLES}, s.doc)
                     FROM wearables.summaries s JOIN wearables.users u USING (user_id) JOIN wearables.sources o USING (source_id)""",
    "connections": """SELECT concat_ws(' | ', u.client_user_id, c.provider, c.status, c.error_type, c.provider_user_id, c.connected_at, {last_data_at}, c.version)
                      FROM wearables.connections c JOIN wearables.users u USING (user_id) WHERE {worth_it}""",
    "lifecycle": """SELECT concat_ws(' | ', {message_id}, u.client_user_id, c.provider, c.kind, c.actor, c.error_type, c.endpoint,
                      c.external_user_id, c.provider_user_id, c.at, c.version)
                    FROM wearables.connection_events c JOIN wearables.users u USING (user_id) LEFT JOIN wearables.webhook_events e USING (event_id)""",
    "quarantine": f"""SELECT concat_ws(' | ', e.message_id, q.ordinal, q.pointer, q.reason, q.metric, q.detail)
                      FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) WHERE NOT {PAGE}
                      UNION ALL SELECT DISTINCT concat_ws(' | ', 'a page', e.endpoint, e.resource, q.reason, q.metric, q.detail)
                      FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) WHERE {PAGE}""",
    "events": f"""SELECT concat_ws(' | ', e.endpoint, e.message_id, e.version, e.event_type, e.status, e.note,
                    (SELECT u.client_user_id FROM wearables.users u WHERE u.user_id = e.user_id AND e.status = 'processed'))
                  FROM wearables.webhook_events e WHERE NOT {PAGE}
                  UNION ALL SELECT DISTINCT concat_ws(' | ', e.endpoint, 'a page', {MADE}, e.event_type, e.status, e.note,
                    (SELECT u.client_user_id FROM wearables.users u WHERE u.user_id = e.user_id AND e.status = 'processed'))
                  FROM wearables.webhook_events e WHERE {PAGE}""",
    "drift": f"""SELECT DISTINCT concat_ws(' | ', CASE WHEN {PAGE} THEN 'a page' ELSE e.message_id END, t.kind, t.resource, t.path, t.value)
                 FROM wearables.webhook_events e CROSS JOIN LATERAL unnest(e.drift) t""",
    "backfills": """SELECT concat_ws(' | ', u.client_user_id, b.endpoint, b.provider, b.resource, b.range_from, b.range_to, b.intent, b.state)
                    FROM wearables.backfills b JOIN wearables.users u USING (user_id)""",
    # an event that a replay could not read is failed, too, but was no job
    "queue": """SELECT concat_ws(' | ', e.message_id, j.state) FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id)
                WHERE j.state <> 'failed' OR e.status <> 'failed'
                UNION ALL SELECT concat_ws(' | ', e.message_id, 'parked')
                FROM wearables.parked_events p JOIN wearables.webhook_events e USING (event_id)""",
}

# R5: what became of the readings of an event adds up to the readings it holds.
BOOKS = """
SELECT e.message_id || ': the counts give ' || inserted + changed + confirmed + unchanged + stale + quarantined || ', the body holds ' || n.readings
FROM wearables.webhook_events e
CROSS JOIN LATERAL (SELECT coalesce(sum(CASE r.refused WHEN 'more_refused' THEN substring(r.detail FROM '^[0-9]+')::integer ELSE 1 END), 0) AS readings
                    FROM wearables.normalize(e.event_id) r) n
WHERE e.status = 'processed' AND (e.event_type LIKE 'daily.%' OR e.event_type LIKE 'pulled.%')
  AND inserted + changed + confirmed + unchanged + stale + quarantined <> n.readings
"""

# R11: what is charted in whatever zone as steps of a day is of that day.
DAYS = """
SELECT concat_ws(' ', u.client_user_id, 'in', c.zone, wearables.day_of(t.bucket_start, c.zone), t.provider, t.source_type, t.value)
FROM wearables.users u CROSS JOIN (VALUES ('Pacific/Niue'), ('Pacific/Kiritimati')) c (zone)
CROSS JOIN LATERAL wearables.timeseries(u.user_id, 'steps', date '2025-05-01', date '2025-06-01', 'day', c.zone, only_channel => 'activity') t
WHERE t.value IS DISTINCT FROM (
  SELECT sum(s.value) FROM wearables.samples s
  WHERE s.user_id = u.user_id AND s.metric = 'steps' AND s.channel = 'activity'
    AND (s.provider, s.source_type, s.day) = (t.provider, t.source_type, wearables.day_of(t.bucket_start, c.zone)))
  AND NOT EXISTS (SELECT FROM wearables.frozen_rollups r JOIN wearables.metrics m USING (metric_id)
                  WHERE r.user_id = u.user_id AND m.name = 'steps' AND r.day = wearables.day_of(t.bucket_start, c.zone))
"""

# By user, metric and day: what was frozen.
FROZEN = "SELECT concat_ws(' | ', r.user_id, r.metric_id, r.day), md5(r.entries) FROM wearables.frozen_rollups r"

# A metric without a floor of its own has that of all others.
BELOW = """
SELECT concat_ws(' | ', s.user_id, m.name, s.ts, f.floor) FROM wearables.sample_points s JOIN wearables.metrics m USING (metric_id)
JOIN wearables.retention_floors f ON f.metric_id = CASE WHEN EXISTS (SELECT FROM wearables.retention_floors o WHERE o.metric_id = s.metric_id) THEN s.metric_id ELSE 0 END
WHERE s.ts < f.floor"""

# All that can be charted, where an hour lies in one bucket.
CHARTS = """
SELECT concat_ws(' | ', u.user_id, m.name, z.width, z.zone, t.bucket_start, t.provider, t.source_type, t.channel),
       m.name, t.bucket_start, (t.readings, t.lowest, t.highest)::text, t.value, t.value_secondary, greatest(abs(t.lowest), abs(t.highest)) * t.readings
FROM wearables.users u
CROSS JOIN (SELECT x.name FROM wearables.metrics x JOIN (SELECT metric_id FROM wearables.sample_points UNION SELECT metric_id FROM wearables.frozen_rollups) s USING (metric_id)) m
CROSS JOIN (VALUES ('hour', 'UTC'), ('day', 'Pacific/Kiritimati')) z (width, zone)
CROSS JOIN LATERAL wearables.timeseries(u.user_id, m.name, '2024-01-01Z', '2026-01-01Z', z.width, z.zone) t"""


def charts(session):
    return {row[0]: row[1:] for row in session.run(CHARTS)}


def unlike_charts(before, after, unkept):
    """What is charted otherwise, but for metrics whose rollups are not kept."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        if (one or other)[0] in unkept:
            continue
        if one is None or other is None or one[2] != other[2] or not (close(one[3], other[3], one[5]) and close(one[4], other[4], one[5])):
            lines.append(f"{key}: {one and one[2:5]} before, {other and other[2:5]} after")
    return lines


def close(one, other, size):
    """Sums of the same readings in another order."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 1e-9 * max(1, size)


def unkept(session):
    return {name for name, in session.run("""
        SELECT m.name FROM wearables_internal.governed_metrics(false) g JOIN wearables.metrics m USING (metric_id) WHERE NOT g.keep_rollups""")}


# What is charted of rollups is what is charted of all samples; sums may differ in their last bits, as may what they are
# made of. Of each person and metric one zone and width, by chance.
ROLLUPS = """
WITH asked AS MATERIALIZED (
  SELECT m.user_id, m.name, m.aggregate, (ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'])[1 + m.chance %% 5] AS zone,
         (ARRAY['hour', '6 hours', 'day', 'week', 'month'])[1 + m.chance / 5 %% 5] AS width
  FROM (SELECT DISTINCT p.user_id, m.name, m.aggregate, abs(hashint4extended(p.metric_id, %s) %% 1000)::integer AS chance
        FROM wearables.sample_points p JOIN wearables.metrics m USING (metric_id)) m)
SELECT concat_ws(' | ', q.user_id, q.name, q.zone, q.width, coalesce(a.bucket_start, b.bucket_start), a.readings || ' of a rollup', a.value, b.readings || ' of all', b.value)
FROM asked q
CROSS JOIN LATERAL (
  SELECT a, b FROM wearables.timeseries(q.user_id, q.name, '2025-01-01Z', '2026-01-01Z', q.width, q.zone) a
  FULL JOIN convergence_plain(q.user_id, q.name, '2025-01-01Z', '2026-01-01Z', q.width, q.zone) b USING (bucket_start, provider, source_type, channel)
  OFFSET 0) x
CROSS JOIN LATERAL (SELECT (x.a).*) a CROSS JOIN LATERAL (SELECT (x.b).*) b
WHERE (a.readings, a.lowest, a.highest, a.value_secondary IS NULL) IS DISTINCT FROM (b.readings, b.lowest, b.highest, b.value_secondary IS NULL)
   OR abs(a.value - b.value) > CASE WHEN q.aggregate IN ('avg', 'sum') THEN 1e-12 * greatest(abs(b.lowest), abs(b.highest)) * b.readings ELSE 0 END
   OR abs(a.value_secondary - b.value_secondary) > CASE WHEN q.aggregate IN ('avg', 'sum') THEN 1e-9 ELSE 0 END
"""
ROLLED_DAYS = """SELECT count(*) FROM wearables_internal.rollups r
                 WHERE r.epoch = (SELECT coalesce(max(x.reset_id), 0) FROM wearables_internal.rollup_resets x)"""


# Of worlds whose raw events are dropped it is compared what there is.
OF_EVENTS = ("events", "quarantine", "drift")


def sql_of(part, changed, pulled, dropped):
    # data that came in before a mapping was changed has come in, although the final mapping yields none of it; and of whom
    # strayed readings have left, it is said by what is stored
    names = {"last_data_at": "NULL", "worth_it": "c.version > 0"} if changed else {"last_data_at": "c.last_data_at", "worth_it": "true"}
    names["message_id"] = "CASE WHEN c.event_id IS NULL THEN 'said' ELSE 'event' END" if dropped else "coalesce(e.message_id, 'said')"
    # of a page's version all but the milliseconds hangs on the number of its pull
    return PARTS[part].format(version="s.version >> 20" if pulled else "s.version", **names)


def query(changed, pulled, dropped):
    """One row, one column per part: all of its lines, sorted."""
    return "SELECT " + ", ".join(
        f"(SELECT coalesce(string_agg(t.line, chr(10) ORDER BY t.line COLLATE \"C\"), '') FROM ({sql_of(part, changed, pulled, dropped)}) t (line)) AS {part}"
        for part in PARTS)


def difference(reference, state, dropped=False, limit=12):
    """Lines only the reference has (-) and lines only the state has (+), part by part."""
    out = []
    for part in PARTS:
        if reference[part] == state[part]:
            continue
        expected, got = Counter(reference[part].split("\n")), Counter(state[part].split("\n"))
        if dropped and part in OF_EVENTS:
            got = Counter({line: 1 for line in got if line not in expected})
            expected = Counter()
        lines = [f"  - {line}" for line in (expected - got).elements()] + [f"  + {line}" for line in (got - expected).elements()]
        if not lines:
            continue
        out += [f"  {part}:", *sorted(lines, key=lambda line: line[4:])[:limit]]
        if len(lines) > limit:
            out.append(f"  ... and {len(lines) - limit} more")
    return out
