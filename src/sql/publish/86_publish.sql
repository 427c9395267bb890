-- What a database without the library can be fed with by logical replication: one list, from which make_publication()
-- and subscriber_ddl() are made. No publication exists until make_publication() is called.

-- Lists of columns, so that a column which a later version adds does not stop a subscriber that has none. No table of
-- bodies, secrets, jobs or hashes; no identity of a vendor's user; nothing that only this database uses.
CREATE VIEW wearables_internal.published WITH (security_invoker = true) AS
SELECT p.relation, p.columns, p.indexes
FROM (VALUES
  ('wearables.users', 'user_id client_user_id time_zone created_at erased_at', ''),
  ('wearables.metrics', 'metric_id name unit ucum codes aggregate kind lowest highest parent', 'metrics_parent'),
  ('wearables.metric_codes', 'metric system scope code display rank', ''),
  ('wearables.sources', 'source_id provider source_type channel floating_time', ''),
  ('wearables.source_priorities', 'user_id metric rank provider source_type channel', ''),
  ('wearables.connections', 'user_id provider status error_type connected_at last_data_at version', ''),
  ('wearables.sample_points',
   'user_id ts value version value_secondary ts_end metric_id source_id part tz_offset', ''),
  ('wearables.summaries',
   'user_id resource identity summary_id version event_id event_version source_id first_ts last_ts samples doc part '
   'session_start session_end samples_source_id superseded event_received_at', 'summaries_sessions'))
  p (relation, columns, indexes);
COMMENT ON VIEW wearables_internal.published IS
  'The tables that make_publication() publishes, with their columns and the indexes that a reader needs.';

CREATE FUNCTION wearables.make_publication(name text DEFAULT 'wearables') RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tables text;
  other text;
BEGIN
  -- of a table whose whole row is its identity no list of columns can be published
  SELECT string_agg(
           p.relation || CASE WHEN c.relreplident = 'f' THEN ''
                              ELSE format(' (%s)', replace(p.columns, ' ', ', ')) END,
           ', ' ORDER BY p.relation)
  INTO tables FROM wearables_internal.published p JOIN pg_class c ON c.oid = p.relation::regclass;
  IF NOT EXISTS (SELECT FROM pg_publication u WHERE u.pubname = $1) THEN
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE %s', $1, tables);
    RETURN;
  END IF;
  SELECT r.prrelid::regclass::text INTO other
  FROM pg_publication u JOIN pg_publication_rel r ON r.prpubid = u.oid
  WHERE u.pubname = $1 AND r.prrelid NOT IN (SELECT p.relation::regclass FROM wearables_internal.published p) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'publication "%" holds table % of others', $1, other
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'make_publication() would remove it.', HINT = 'Give another name.';
  END IF;
  EXECUTE format('ALTER PUBLICATION %I SET TABLE %s', $1, tables);
  EXECUTE format('ALTER PUBLICATION %I SET (publish = ''insert, update, delete, truncate'')', $1);
END $$;
COMMENT ON FUNCTION wearables.make_publication(text) IS
  'Makes a publication of samples, summaries, connections, users and the names of metrics and sources, for a database '
  'without the extension: see subscriber_ddl(). If it exists, it is changed to what this version publishes. Raw '
  'bodies, secrets, jobs and the vendor''s ids of users are not published. Arguments: name: name of the publication. '
  'The caller must own the extension and have CREATE on the database. Raises object_not_in_prerequisite_state if the '
  'publication holds a table of others. Example: SELECT wearables.make_publication();';

-- A slot keeps WAL until its subscriber has read it, and may fill the disk.
CREATE VIEW wearables_internal.problems_of_publications AS
SELECT CASE s.wal_status WHEN 'lost' THEN 2 ELSE 4 END AS rank,
       CASE s.wal_status WHEN 'lost' THEN 'failing' ELSE 'warning' END AS severity,
       CASE s.wal_status WHEN 'lost' THEN 'subscriber_lost' ELSE 'subscriber_behind' END AS problem,
       s.slot_name::text AS object,
       CASE s.wal_status
         WHEN 'lost' THEN format('WAL that replication slot %s needs was removed, so its subscriber stands still',
                                 s.slot_name)
         ELSE format('replication slot %s holds back %s of WAL%s', s.slot_name, pg_size_pretty(s.held_back),
                     CASE WHEN s.active THEN '' ELSE ', and no subscriber is connected' END) END AS what,
       NULL::timestamptz AS since,
       CASE s.wal_status WHEN 'lost' THEN 'subscribe anew, which copies all rows again'
         ELSE 'see the log of the subscriber; drop the slot if it is no longer used' END AS remedy,
       'SELECT * FROM pg_replication_slots' AS statement
FROM (SELECT r.slot_name, r.active, r.wal_status,
             CASE WHEN NOT pg_is_in_recovery()
                  THEN pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn) END AS held_back
      FROM pg_replication_slots r
      -- of this database: those of pg_dump and of table copies are gone with their session
      WHERE r.slot_type = 'logical' AND r.database = current_database() AND NOT r.temporary) s
WHERE (s.wal_status IN ('unreserved', 'lost') OR s.held_back > 1073741824)
  -- the slots of other feeds are not ours to report
  AND EXISTS (
    SELECT FROM pg_publication u
    WHERE u.puballtables
       OR EXISTS (SELECT FROM pg_publication_rel r
                  WHERE r.prpubid = u.oid AND r.prrelid = 'wearables.sample_points'::regclass)
       OR EXISTS (SELECT FROM pg_publication_namespace n
                  WHERE n.pnpubid = u.oid AND n.pnnspid = 'wearables'::regnamespace));
COMMENT ON VIEW wearables_internal.problems_of_publications IS
  'Problems: subscribers that do not read what is published to them.';
