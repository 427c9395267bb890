-- What past days come to, by hour, so that a chart need not read every sample. See src/pg/rollup/rollup.h.

-- One row a day: of a year by day that is 366 rows. An entry for each source and hour is packed by the library
-- (src/core/rollup/day_rollup.h), for arrays of 15 columns would take longer to read. The rows stay in line: to fetch
-- them from a TOAST table takes longer than all the rest.
CREATE TABLE wearables_internal.rollups (
  user_id   bigint NOT NULL,
  day       date NOT NULL,
  epoch     bigint NOT NULL,
  metric_id smallint NOT NULL,
  entries   bytea COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (user_id, metric_id, day)
) USING heap WITH (toast_tuple_target = 8160);
COMMENT ON TABLE wearables_internal.rollups IS
  'What the samples of a user, metric and day (UTC) come to, by source and hour. A visible row of the newest visible '
  'epoch is exact. Any row can be deleted at any time. It is not dumped, but made anew after a restore.';
COMMENT ON COLUMN wearables_internal.rollups.epoch IS
  'rollup_resets.reset_id of the newest reset when it was made. A row of an older epoch is not used.';
COMMENT ON COLUMN wearables_internal.rollups.entries IS
  'For each source and hour: count, sum, minimum and maximum of both values, and the last reading.';

CREATE TABLE wearables_internal.rollup_users (
  user_id     bigint PRIMARY KEY,
  due_at      timestamptz NOT NULL DEFAULT 'infinity',
  epoch       bigint NOT NULL DEFAULT 0,
  due_from    date NOT NULL DEFAULT 'infinity',
  due_to      date NOT NULL DEFAULT '-infinity',
  rolled_from date NOT NULL DEFAULT 'infinity',
  rolled_to   date NOT NULL DEFAULT '-infinity'
) USING heap WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE wearables_internal.rollup_users IS
  'Which days of a user have been written since they were last rolled up. Changed only under the lock of the user.';
COMMENT ON COLUMN wearables_internal.rollup_users.due_at IS
  'When a job for the user is queued. infinity: none will be, until more is written.';
COMMENT ON COLUMN wearables_internal.rollup_users.epoch IS
  'Epoch under which all days of the user were queued last. If there is a newer one, all of them are again.';
COMMENT ON COLUMN wearables_internal.rollup_users.due_from IS 'First day (UTC) that may lack its rollups.';
COMMENT ON COLUMN wearables_internal.rollup_users.due_to IS 'Last such day. Earlier than due_from: there is none.';
COMMENT ON COLUMN wearables_internal.rollup_users.rolled_from IS 'No rollup of the user is of an earlier day.';
COMMENT ON COLUMN wearables_internal.rollup_users.rolled_to IS 'No rollup of the user is of a later day.';
CREATE INDEX rollup_users_due_at ON wearables_internal.rollup_users (due_at);

CREATE TABLE wearables_internal.rollup_resets (
  reset_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  made_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  queued_to bigint NOT NULL DEFAULT 0
) USING heap;
COMMENT ON TABLE wearables_internal.rollup_resets IS
  'SQL that changed sample_points directly, and rebuild_rollups() for all. The newest row is the current epoch.';
COMMENT ON COLUMN wearables_internal.rollup_resets.queued_to IS
  'Users up to this id have been queued to be rolled up again.';

CREATE TABLE wearables_internal.metrics_not_rolled_up (
  metric text COLLATE "C" PRIMARY KEY
);
COMMENT ON TABLE wearables_internal.metrics_not_rolled_up IS 'Metrics without rollups. See set_rollups().';
SELECT pg_extension_config_dump('wearables_internal.metrics_not_rolled_up', '');

CREATE FUNCTION wearables_internal.reset_rollups() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_reset_rollups';
COMMENT ON FUNCTION wearables_internal.reset_rollups() IS
  'Trigger function: SQL that changes sample_points directly makes all rollups invalid.';
CREATE TRIGGER reset_rollups BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON wearables.sample_points
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.reset_rollups();
-- in a session of replication, too. pg_restore --disable-triggers leaves it ORIGIN: rollups are then not used.
ALTER TABLE wearables.sample_points ENABLE ALWAYS TRIGGER reset_rollups;

CREATE FUNCTION wearables_internal.queue_rollups(delay interval, most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reset record;
  queued bigint;
  more bigint := 0;
  last bigint;
BEGIN
  IF (SELECT count(*) FROM (SELECT FROM wearables.jobs j
                            WHERE j.state = 'ready' AND NOT j.suspect AND j.kind = 'rollup' LIMIT $2) x) >= $2 THEN
    RETURN 0;
  END IF;
  -- a job that is there is not run into: its holder would be waited for
  INSERT INTO wearables.jobs (kind, dedupe_key, argument, subject, priority)
  SELECT 'rollup', 'rollup:' || u.user_id, jsonb_build_object('user_id', u.user_id), u.user_id::text, 10
  FROM (SELECT x.user_id FROM wearables_internal.rollup_users x WHERE x.due_at <= clock_timestamp()
        ORDER BY x.due_at LIMIT $2) u
  WHERE NOT EXISTS (SELECT FROM wearables.jobs j
                    WHERE j.dedupe_key = 'rollup:' || u.user_id AND j.state IN ('ready', 'running'))
  ON CONFLICT (dedupe_key) WHERE state IN ('ready', 'running') DO NOTHING;
  GET DIAGNOSTICS queued = ROW_COUNT;
  SELECT r.* INTO reset FROM wearables_internal.rollup_resets r ORDER BY r.reset_id DESC LIMIT 1;
  IF reset.queued_to < 9223372036854775807 AND reset.made_at <= clock_timestamp() - $1 THEN
    SELECT max(u.user_id) INTO last
    FROM (SELECT x.user_id FROM wearables.users x WHERE x.user_id > reset.queued_to ORDER BY x.user_id LIMIT $2) u;
    INSERT INTO wearables.jobs (kind, dedupe_key, argument, subject, priority)
    SELECT 'rollup', 'rollup:' || u.user_id, jsonb_build_object('user_id', u.user_id), u.user_id::text, 10
    FROM wearables.users u
    WHERE u.user_id > reset.queued_to AND u.user_id <= last
      AND NOT EXISTS (SELECT FROM wearables.jobs j
                      WHERE j.dedupe_key = 'rollup:' || u.user_id AND j.state IN ('ready', 'running'))
    ON CONFLICT (dedupe_key) WHERE state IN ('ready', 'running') DO NOTHING;
    GET DIAGNOSTICS more = ROW_COUNT;
    UPDATE wearables_internal.rollup_resets r SET queued_to = coalesce(last, 9223372036854775807)
    WHERE r.reset_id = reset.reset_id;
    DELETE FROM wearables_internal.rollup_resets r WHERE r.reset_id < reset.reset_id;
  END IF;
  RETURN queued + more;
END $$;
COMMENT ON FUNCTION wearables_internal.queue_rollups(interval, integer) IS
  'Queues users whose rollups are due, and after a reset some of all users, unless that many jobs are ready. Returns '
  'how many it has queued.';

CREATE FUNCTION wearables_internal.rebuild_rollups(user_id bigint) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'wearables_rebuild_rollups';
COMMENT ON FUNCTION wearables_internal.rebuild_rollups(bigint) IS
  'Makes a user due whose rollups are all to be made anew.';

CREATE FUNCTION wearables.rebuild_rollups(user_id bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF $1 IS NULL THEN
    INSERT INTO wearables_internal.rollup_resets (made_at) VALUES ('-infinity');
  ELSIF EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1) THEN
    PERFORM wearables_internal.rebuild_rollups($1);
    DELETE FROM wearables_internal.rollups r WHERE r.user_id = $1;
  ELSE
    RAISE EXCEPTION 'user % does not exist', $1
      USING ERRCODE = 'no_data_found', HINT = 'See wearables.users for the ids.';
  END IF;
  PERFORM wearables_internal.wake_workers();
END $$;
COMMENT ON FUNCTION wearables.rebuild_rollups(bigint) IS
  'Makes rollups anew, in jobs of low priority. Until then charts read every sample, with the same answers. '
  'Arguments: user_id: only those of this user (null: of all); an unknown one raises no_data_found. It is needed '
  'after the trigger reset_rollups of sample_points was disabled, or to roll up the past of a metric after '
  'set_rollups(). Example: SELECT wearables.rebuild_rollups(1);';

CREATE FUNCTION wearables.set_rollups(metric text, enabled boolean) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  number smallint;
BEGIN
  SELECT m.metric_id INTO number FROM wearables.metrics m WHERE m.name = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'metric "%" does not exist', $1
      USING ERRCODE = 'undefined_object', HINT = 'See wearables.metrics for the names.';
  END IF;
  IF $2 THEN
    DELETE FROM wearables_internal.metrics_not_rolled_up n WHERE n.metric = $1;
  ELSE
    INSERT INTO wearables_internal.metrics_not_rolled_up (metric) VALUES ($1)
    ON CONFLICT ON CONSTRAINT metrics_not_rolled_up_pkey DO NOTHING;
    DELETE FROM wearables_internal.rollups r WHERE r.metric_id = number;
  END IF;
END $$;
COMMENT ON FUNCTION wearables.set_rollups(text, boolean) IS
  'Turns rollups of a metric off or on; they are on at first. Charts give the same answers either way. Arguments: '
  'metric: metrics.name, an unknown one raises undefined_object; enabled: false deletes the rollups of the metric, '
  'and makes none of what is written from now on; true makes them of what is written from now on: '
  'call rebuild_rollups() for the past. Example: SELECT wearables.set_rollups(''steps'', false);';
