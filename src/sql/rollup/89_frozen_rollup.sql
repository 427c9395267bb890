-- What days came to whose samples were dropped by a retention policy. Unlike rollups these rows cannot be made again,
-- so they are a table of their own, which only the drop fills, and which is dumped. See src/pg/rollup/frozen.cpp.

CREATE TABLE wearables.frozen_rollups (
  user_id    bigint NOT NULL,
  day        date NOT NULL,
  metric_id  smallint NOT NULL,
  source_ids smallint[] NOT NULL,
  entries    bytea COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (user_id, metric_id, day)
) WITH (toast_tuple_target = 8160);
COMMENT ON TABLE wearables.frozen_rollups IS
  'What the dropped samples of a user, metric and day (UTC) came to, by source and hour. timeseries() reads it. Only a '
  'retention policy without keep_rollups and an erasure delete from it.';
COMMENT ON COLUMN wearables.frozen_rollups.user_id IS 'See users.';
COMMENT ON COLUMN wearables.frozen_rollups.day IS 'The day in UTC, in whatever time zone the user lives.';
COMMENT ON COLUMN wearables.frozen_rollups.metric_id IS 'See metrics.';
COMMENT ON COLUMN wearables.frozen_rollups.source_ids IS 'The sources of the entries: see sources.';
COMMENT ON COLUMN wearables.frozen_rollups.entries IS
  'For each source and hour: count, sum, minimum and maximum of both values, and the last reading. Numbers are stored '
  'in the byte order of the machine.';
SELECT pg_extension_config_dump('wearables.frozen_rollups', '');

CREATE VIEW wearables_internal.visible_frozen_rollups WITH (security_barrier = true) AS
SELECT r.user_id, r.metric_id, r.day, r.entries
FROM wearables.frozen_rollups r
WHERE wearables_internal.is_visible(r.user_id);
COMMENT ON VIEW wearables_internal.visible_frozen_rollups IS 'Frozen rollups of the users that the caller may see.';
