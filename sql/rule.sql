-- rule: R2 decided by judge() before rows are written and by what replay_preview() shows, each against the same rule in SQL,
-- over random rows; the guard of the upsert is in test/specs/rule.spec
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE EXTENSION wearables_ingest;
SELECT wearables.add_endpoint('junction');
SELECT wearables.set_secret('junction', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT wearables.register_user('alice') AS alice;
INSERT INTO wearables.sources (provider, source_type, channel) VALUES ('garmin', 'watch', 'timeseries'), ('oura', 'ring', 'timeseries');

-- what becomes of a row whose key may be taken
CREATE FUNCTION pg_temp.verdict(new wearables.sample_points, stored wearables.sample_points) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN stored.version IS NULL THEN 'inserted' WHEN new.version < stored.version THEN 'stale'
              WHEN (new.value, new.value_secondary, new.ts_end, new.tz_offset) IS DISTINCT FROM
                   (stored.value, stored.value_secondary, stored.ts_end, stored.tz_offset) THEN 'changed'
              WHEN new.version > stored.version THEN 'confirmed' ELSE 'unchanged' END $$;
CREATE FUNCTION pg_temp.one_of(anyarray) RETURNS anyelement LANGUAGE sql AS $$ SELECT $1[1 + floor(random() * cardinality($1))::int] $$;

-- few values of each column, so that rows often agree; a third of the readings belong to a calendar day
SELECT 0.1507 AS seed, setseed(0.1507);
CREATE FUNCTION pg_temp.some_row(i int, at timestamptz, day boolean, metric smallint, source smallint, part smallint) RETURNS wearables.sample_points LANGUAGE sql AS $$
  SELECT (1, at, pg_temp.one_of('{60,61,0,-0}'::float8[]), pg_temp.one_of('{5,6,7}'::bigint[]), pg_temp.one_of('{NULL,1,2}'::float8[]),
          at + pg_temp.one_of('{NULL,"0 minutes","1 minute"}'::interval[]), metric, source, part,
          CASE WHEN day THEN 32767 ELSE pg_temp.one_of('{NULL,0,120}'::smallint[]) END)::wearables.sample_points $$;
CREATE TEMP TABLE keys AS
  SELECT i, CASE WHEN i % 3 = 0 THEN timestamptz '2020-01-01' + i * interval '1 day' ELSE timestamptz '2020-01-01 00:30' + i * interval '1 minute' END AS at,
         i % 3 = 0 AS day, pg_temp.one_of(ARRAY(SELECT metric_id FROM wearables.metrics WHERE name IN ('steps', 'body_fat_percentage'))) AS metric,
         pg_temp.one_of(ARRAY(SELECT source_id FROM wearables.sources)) AS source, pg_temp.one_of('{0,1,-7}'::smallint[]) AS part
  FROM generate_series(1, 3000) i;
CREATE TEMP TABLE pairs AS
  SELECT i, pg_temp.some_row(i, at, day, metric, source, part) AS new,
         CASE WHEN random() < 0.9 THEN pg_temp.some_row(i, at, day, metric, source, part) END AS stored
  FROM keys;
-- of a third the reading is the same
UPDATE pairs SET stored = (1, (new).ts, (new).value, pg_temp.one_of('{5,6,7}'::bigint[]), (new).value_secondary, (new).ts_end,
                           (new).metric_id, (new).source_id, (new).part, (new).tz_offset)::wearables.sample_points
WHERE i % 4 = 0 OR random() < 0.1;

-- 3,000 rows over what is stored, in one statement: what stands afterwards, and what was not even touched
CREATE FUNCTION pg_temp.write_all(OUT verdict text, OUT rows bigint, OUT wrong bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
  TRUNCATE wearables.sample_points;
  INSERT INTO wearables.sample_points SELECT (stored).* FROM pairs WHERE (stored).version IS NOT NULL;
  CREATE TEMP TABLE before ON COMMIT DROP AS SELECT p AS r, p.ctid AS place FROM wearables.sample_points p;
  INSERT INTO wearables.samples (user_id, metric, ts, day, provider, source_type, channel, value, value_secondary, ts_end, tz_offset, version, part)
  SELECT 1, m.name, (n).ts, CASE (n).tz_offset WHEN 32767 THEN (n).ts::date END, s.provider, s.source_type, s.channel,
         (n).value, (n).value_secondary, (n).ts_end, nullif((n).tz_offset, 32767), (n).version, (n).part
  FROM (SELECT new AS n FROM pairs ORDER BY random()) x
  JOIN wearables.metrics m ON m.metric_id = (n).metric_id JOIN wearables.sources s ON s.source_id = (n).source_id;
  RETURN QUERY
  SELECT v, count(*), count(*) FILTER (WHERE stands IS NULL
      OR (stands).version <> CASE WHEN v IN ('stale', 'unchanged') THEN (stored).version ELSE (new).version END
      OR ((stands).value, (stands).value_secondary, (stands).ts_end, (stands).tz_offset) IS DISTINCT FROM
         (CASE WHEN v = 'stale' THEN ((stored).value, (stored).value_secondary, (stored).ts_end, (stored).tz_offset)
               ELSE ((new).value, (new).value_secondary, (new).ts_end, (new).tz_offset) END)
      OR v IN ('stale', 'unchanged') <> coalesce(place = was, false))
  FROM (SELECT p.new, p.stored, pg_temp.verdict(p.new, p.stored) AS v, w AS stands, w.ctid AS place, b.place AS was
        FROM pairs p
        LEFT JOIN wearables.sample_points w ON (w.user_id, w.metric_id, w.ts, w.source_id, w.part) = (1, (new).metric_id, (new).ts, (new).source_id, (new).part)
        LEFT JOIN before b ON ((b.r).metric_id, (b.r).ts, (b.r).source_id, (b.r).part) = ((new).metric_id, (new).ts, (new).source_id, (new).part)) x
  GROUP BY 1 ORDER BY 1;
  DROP TABLE before;
END $$;
-- the fast way into the table
SELECT * FROM pg_temp.write_all();
-- the guarded upsert, since the table has a trigger
CREATE FUNCTION pg_temp.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER pass BEFORE INSERT ON wearables.sample_points FOR EACH ROW EXECUTE FUNCTION pg_temp.pass();
SELECT * FROM pg_temp.write_all();
DROP TRIGGER pass ON wearables.sample_points;

-- An event over random rows: replay_preview() shows of each reading what the rule says, and replay() does as much of it.
TRUNCATE wearables.sample_points;
SELECT (wearables.receive(wearables.signed_headers('msg_' || rpad('2t01', 27, '0'), now(), body, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), body)).status
FROM convert_to(json_build_object('event_type', 'daily.data.heartrate.created', 'client_user_id', 'alice', 'data',
       json_build_object('source', json_build_object('provider', 'garmin', 'type', 'watch'), 'data',
         (SELECT json_agg(json_build_object('timestamp', to_char(timestamp '2024-05-01 08:00' + i * interval '1 minute' + hours * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS')
                                                         || to_char(hours, 'SG00') || ':00', 'value', pg_temp.one_of('{60,61}'::int[])))
          FROM generate_series(1, 1000) i, LATERAL (SELECT 2 * (i % 2) AS hours) h)))::text, 'UTF8') body;
CALL wearables.drain();
CREATE TEMP TABLE read AS SELECT p AS new, NULL::wearables.sample_points AS stored FROM wearables.sample_points p;
UPDATE read SET stored = (1, (new).ts, pg_temp.one_of('{60,61}'::float8[]), (new).version + pg_temp.one_of('{-1,0,1}'::int[]), pg_temp.one_of('{NULL,NULL,NULL,1}'::float8[]),
                          (new).ts + pg_temp.one_of('{NULL,NULL,NULL,"1 minute"}'::interval[]), (new).metric_id, (new).source_id, 0,
                          pg_temp.one_of('{NULL,120}'::smallint[]))::wearables.sample_points WHERE random() < 0.9;
TRUNCATE wearables.sample_points;
INSERT INTO wearables.sample_points SELECT (stored).* FROM read WHERE (stored).version IS NOT NULL;
CREATE TEMP TABLE shown AS
  SELECT v.* FROM wearables.webhook_events e, wearables.replay_preview(e.event_id) v;
SELECT pg_temp.verdict(new, stored) AS verdict, count(*) AS rows,
       count(*) FILTER (WHERE pg_temp.verdict(new, stored) IS DISTINCT FROM coalesce(s.change, 'stale')
                           OR s.old_value IS DISTINCT FROM (stored).value AND s.change IS NOT NULL
                           OR s.new_value <> (new).value) AS wrong
FROM read LEFT JOIN shown s ON s.ts = (new).ts GROUP BY 1 ORDER BY 1;
SELECT inserted, changed, confirmed, unchanged, stale, removed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events) r;

DISCARD TEMP;
DROP EXTENSION wearables_ingest CASCADE;
