-- Who read whose data by the functions of the extension (pg/people/access.h). A function that reads a person's data
-- calls note_access() once; one that reads through such a function leaves it to that.

CREATE TABLE wearables.accesses (
  access_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  first_at     timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  session_role text COLLATE "C",
  role         text COLLATE "C",
  claim        text COLLATE "C",
  function     text COLLATE "C",
  user_id      bigint,
  reads        bigint NOT NULL CHECK (reads > 0),
  CONSTRAINT accesses_whose CHECK ((function IS NULL) = (user_id IS NULL))
);
COMMENT ON TABLE wearables.accesses IS
  'Who read whose data by the functions of the extension, if wearables_ingest.access_record is on. Equal reads within '
  'wearables_ingest.access_record_interval are one row. A row without a function says how many reads could not be '
  'recorded. What is read from tables and views is not recorded.';
COMMENT ON COLUMN wearables.accesses.access_id IS
  'Increases in the order in which rows are written, which is a moment after the reads.';
COMMENT ON COLUMN wearables.accesses.first_at IS 'When the first of these reads began.';
COMMENT ON COLUMN wearables.accesses.last_at IS 'When the last of these reads began.';
COMMENT ON COLUMN wearables.accesses.session_role IS
  'The role of the session (session_user), which the server has authenticated. A role that was dropped before the row '
  'was written is unknown (OID=...).';
COMMENT ON COLUMN wearables.accesses.role IS
  'The role that the session had taken by SET ROLE, otherwise session_role. Functions with SECURITY DEFINER do not '
  'change it.';
COMMENT ON COLUMN wearables.accesses.claim IS
  'The text of the claim that wearables_ingest.user_claim names, from the setting request.jwt.claims, up to 255 '
  'bytes. A session with SQL can set it as it likes. Null: there was none, or it named a person who is erased.';
COMMENT ON COLUMN wearables.accesses.function IS
  'Name of the function that read, such as timeseries. my_timeseries(), my_latest() and my_nights() read by '
  'timeseries, latest and nights. Null: so many reads could not be recorded.';
COMMENT ON COLUMN wearables.accesses.user_id IS
  'Whose data: the user that the function was called for, also if it found no rows or raised an error.';
COMMENT ON COLUMN wearables.accesses.reads IS
  'In how many statements. One that lasts longer than the interval may count in each.';
CREATE INDEX accesses_user_id ON wearables.accesses (user_id, last_at);
CREATE INDEX accesses_last_at ON wearables.accesses (last_at);
-- for an erasure
CREATE INDEX accesses_claim ON wearables.accesses (claim) WHERE claim IS NOT NULL;
CREATE INDEX accesses_lost ON wearables.accesses (last_at) WHERE function IS NULL;
SELECT pg_extension_config_dump('wearables.accesses', '');
SELECT pg_extension_config_dump(pg_get_serial_sequence('wearables.accesses', 'access_id')::regclass, '');

-- Stable, so that a condition that is nothing but this call is looked at once, before any row is (One-Time Filter): a
-- subquery around a volatile one made latest() an eighth slower. Our callers have SET, so no caller's plan holds it.
-- What a join may leave out, as it does beside an empty table, holds no such condition.
CREATE FUNCTION wearables_internal.note_access(function text, user_id bigint) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_note_access';
COMMENT ON FUNCTION wearables_internal.note_access(text, bigint) IS
  'Notes that the statement reads the data of a user, for accesses. Returns true.';

CREATE FUNCTION wearables_internal.access_state(
  OUT wanted boolean, OUT ready boolean, OUT waiting integer, OUT due_at timestamptz, OUT lost bigint,
  OUT lost_from timestamptz)
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_access_state';
COMMENT ON FUNCTION wearables_internal.access_state() IS
  'Whether wearables_ingest.access_record is on; whether there is memory for it (the library is preloaded); how many '
  'rows wait to be written to accesses, and since when they are due; how many reads found no room, and since when.';
