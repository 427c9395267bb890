-- Calls to a vendor about people: make its user, give a link to connect a provider, take away again. A call is a row
-- here and, while it is under way, a job of kind call with the same id.

CREATE TYPE wearables.call_operation AS ENUM (
  'create_vendor_user', 'link_url', 'disconnect_provider', 'delete_vendor_user', 'refresh_user',
  'trigger_historical_pull', 'read_pull_state');
COMMENT ON TYPE wearables.call_operation IS
  'the function that asks for the call; read_pull_state: check_vendor_pulls()';

CREATE TYPE wearables.call_state AS ENUM ('waiting', 'running', 'done', 'failed');
COMMENT ON TYPE wearables.call_state IS
  'waiting: for its turn, or to be tried again; running: a request is under way; done: the vendor has done it; '
  'failed: given up, see error';

CREATE TABLE wearables_internal.calls (
  job_id            bigint PRIMARY KEY,
  operation         wearables.call_operation NOT NULL,
  intent            text COLLATE "C" NOT NULL,
  state             wearables.call_state NOT NULL DEFAULT 'waiting',
  endpoint          text COLLATE "C" NOT NULL,
  user_id           bigint REFERENCES wearables.users,
  client_user_id    text COLLATE "C",
  external_user_ids text[] NOT NULL DEFAULT '{}',
  provider          text COLLATE "C",
  redirect_url      text,
  attempts          integer NOT NULL DEFAULT 0,
  refusals          integer NOT NULL DEFAULT 0,
  http_status       integer,
  result            jsonb,
  error             text,
  again_at          timestamptz,
  requested_by      text NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at        timestamptz NOT NULL,
  asked_at          timestamptz,
  finished_at       timestamptz
) WITH (fillfactor = 80);
COMMENT ON TABLE wearables_internal.calls IS
  'calls to vendors: one row is one call; kept for call_retention() after its end';
COMMENT ON COLUMN wearables_internal.calls.intent IS
  'a hash of operation, endpoint and what it is about; while a call is open, or was done a moment ago, the same intent '
  'is the same call';
COMMENT ON COLUMN wearables_internal.calls.redirect_url IS 'of link_url; removed when the call ends';
COMMENT ON COLUMN wearables_internal.calls.refusals IS 'requests that are to be made again';
COMMENT ON COLUMN wearables_internal.calls.expires_at IS 'a call that is not done by then is given up';
CREATE UNIQUE INDEX calls_open ON wearables_internal.calls (intent) WHERE state IN ('waiting', 'running');
CREATE INDEX calls_intent ON wearables_internal.calls (intent, finished_at);
CREATE INDEX calls_waiting ON wearables_internal.calls (endpoint) WHERE state IN ('waiting', 'running');
CREATE INDEX calls_user_id ON wearables_internal.calls (user_id, operation, finished_at);
CREATE INDEX calls_finished_at ON wearables_internal.calls (finished_at, state);
SELECT pg_extension_config_dump('wearables_internal.calls', '');

CREATE TABLE wearables_internal.call_links (
  job_id     bigint PRIMARY KEY REFERENCES wearables_internal.calls ON DELETE CASCADE,
  link_url   text,
  link_token text,
  expires_at timestamptz NOT NULL
);
COMMENT ON TABLE wearables_internal.call_links IS
  'the links that link_url() was given: whoever has one can connect a provider to that person''s account; never '
  'dumped, deleted soon after expires_at';
CREATE INDEX call_links_expires_at ON wearables_internal.call_links (expires_at);

CREATE FUNCTION wearables_internal.call_retention() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN interval '30 days';
COMMENT ON FUNCTION wearables_internal.call_retention() IS 'how long a call is kept after its end';

CREATE FUNCTION wearables_internal.call_terms(
  operation wearables.call_operation, OUT same_for interval, OUT valid_for interval)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  -- a link is for one person at one screen; a refresh for whoever waits for fresh data
  SELECT t.same_for, t.valid_for
  FROM (VALUES
    ('create_vendor_user'::wearables.call_operation, interval '1 day', interval '7 days'),
    ('link_url', interval '1 minute', interval '15 minutes'),
    ('disconnect_provider', interval '5 minutes', interval '7 days'),
    ('delete_vendor_user', interval '1 day', interval '7 days'),
    ('refresh_user', interval '1 minute', interval '1 hour'),
    ('trigger_historical_pull', interval '1 hour', interval '7 days'),
    ('read_pull_state', interval '1 minute', interval '1 hour')) t (operation, same_for, valid_for)
  WHERE t.operation = $1;
END;
COMMENT ON FUNCTION wearables_internal.call_terms(wearables.call_operation) IS
  'for how long after a call is done the same intent is the same call, and for how long a call is tried';

CREATE VIEW wearables.outbound_calls WITH (security_invoker = true) AS
SELECT c.job_id, c.operation, c.state, c.user_id, c.client_user_id, c.endpoint, c.provider,
       cardinality(c.external_user_ids) AS users, c.attempts, c.http_status, c.result, l.link_url, l.link_token,
       l.expires_at AS link_expires_at, c.error, c.again_at, c.requested_by, c.created_at, c.asked_at, c.finished_at
FROM wearables_internal.calls c
LEFT JOIN wearables_internal.call_links l ON l.job_id = c.job_id AND l.expires_at > clock_timestamp();
COMMENT ON VIEW wearables.outbound_calls IS
  'calls to vendors, each by the id that its function returned and that NOTIFY wearables_calls carries when it has '
  'ended; kept for 30 days after that';
COMMENT ON COLUMN wearables.outbound_calls.job_id IS 'the id of the call and, while it is under way, of its job';
COMMENT ON COLUMN wearables.outbound_calls.users IS 'how many of the vendor''s users it is about; 0: it makes one';
COMMENT ON COLUMN wearables.outbound_calls.attempts IS 'requests that were made';
COMMENT ON COLUMN wearables.outbound_calls.http_status IS 'of the last answer; null: none came';
COMMENT ON COLUMN wearables.outbound_calls.result IS
  'what the vendor answered, up to 16 kB; null where that holds a link';
COMMENT ON COLUMN wearables.outbound_calls.link_url IS
  'of link_url: the address that the person opens to connect a provider; a secret, shown for 10 minutes';
COMMENT ON COLUMN wearables.outbound_calls.link_token IS
  'the same for an SDK that takes a token; a secret, shown for 10 minutes';
COMMENT ON COLUMN wearables.outbound_calls.error IS
  'why it was given up or is tried again, in the vendor''s words where it gave some';
COMMENT ON COLUMN wearables.outbound_calls.again_at IS
  'of a call that failed because the vendor wants to be left alone: when the same may be asked again';
COMMENT ON COLUMN wearables.outbound_calls.requested_by IS 'the role that asked for it';

CREATE FUNCTION wearables_internal.delete_old_calls(most integer) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- whoever comes second leaves what the first is at
  DELETE FROM wearables_internal.call_links l
  WHERE l.job_id IN (SELECT x.job_id FROM wearables_internal.call_links x WHERE x.expires_at < clock_timestamp()
                     ORDER BY x.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED);
  DELETE FROM wearables_internal.calls c
  WHERE c.job_id IN (SELECT x.job_id FROM wearables_internal.calls x
                     WHERE x.finished_at < clock_timestamp() - wearables_internal.call_retention()
                     ORDER BY x.finished_at LIMIT $1 FOR UPDATE SKIP LOCKED);
END;
COMMENT ON FUNCTION wearables_internal.delete_old_calls(integer) IS
  'delete links that have expired, and calls that ended call_retention() ago, at most so many of each';
