-- Calls to a vendor about people: make its user, give a link to connect a provider, take away again. A call is a row
-- here and, while it is under way, a job of kind call with the same id.

CREATE TYPE wearables.call_operation AS ENUM (
  'create_vendor_user', 'link_url', 'disconnect_provider', 'delete_vendor_user', 'refresh_user',
  'trigger_historical_pull', 'read_pull_state');
COMMENT ON TYPE wearables.call_operation IS
  'The function that requested the call. read_pull_state: check_vendor_pulls().';

CREATE TYPE wearables.call_state AS ENUM ('waiting', 'running', 'done', 'failed');
COMMENT ON TYPE wearables.call_state IS
  'waiting: due, or to be tried again. running: a request is in progress. done: the vendor has done it. failed: '
  'given up, see error.';

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
  'Calls to vendors, one row each. Kept for call_retention() after they ended.';
COMMENT ON COLUMN wearables_internal.calls.intent IS
  'Hash of the operation, the endpoint, what it is about, and the request that it follows. While a call is open, or '
  'was done recently, the same intent is the same call.';
COMMENT ON COLUMN wearables_internal.calls.redirect_url IS 'Argument of link_url(). Removed when the call ends.';
COMMENT ON COLUMN wearables_internal.calls.refusals IS 'Number of requests that failed and were to be repeated.';
COMMENT ON COLUMN wearables_internal.calls.expires_at IS 'A call that is not done by then is given up.';
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
  'The links that link_url() got. Whoever has one can connect a provider to the account of that user. Never dumped. '
  'Deleted soon after expires_at.';
CREATE INDEX call_links_expires_at ON wearables_internal.call_links (expires_at);

CREATE FUNCTION wearables_internal.call_retention() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN interval '30 days';
COMMENT ON FUNCTION wearables_internal.call_retention() IS 'How long a call is kept after it ended.';

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
  'How long the same intent is the same call after the call is done, and how long a call is tried.';

CREATE VIEW wearables.outbound_calls WITH (security_invoker = true) AS
SELECT c.job_id, c.operation, c.state, c.user_id, c.client_user_id, c.endpoint, c.provider,
       cardinality(c.external_user_ids) AS users, c.attempts, c.http_status, c.result, l.link_url, l.link_token,
       l.expires_at AS link_expires_at, c.error, c.again_at, c.requested_by, c.created_at, c.asked_at, c.finished_at
FROM wearables_internal.calls c
LEFT JOIN wearables_internal.call_links l ON l.job_id = c.job_id AND l.expires_at > clock_timestamp()
WHERE c.user_id IS NULL OR NOT wearables_internal.is_being_erased(c.user_id);
COMMENT ON VIEW wearables.outbound_calls IS
  'Calls to vendors and their results. NOTIFY wearables_calls sends the id of a call when it ended. A call is kept '
  'for 30 days after that.';
COMMENT ON COLUMN wearables.outbound_calls.job_id IS
  'The id that the function returned. While the call is in progress, also the id of its job.';
COMMENT ON COLUMN wearables.outbound_calls.operation IS 'The function that requested the call.';
COMMENT ON COLUMN wearables.outbound_calls.state IS 'waiting, running, done or failed: see call_state.';
COMMENT ON COLUMN wearables.outbound_calls.user_id IS 'The user. Null: the call is about several users.';
COMMENT ON COLUMN wearables.outbound_calls.client_user_id IS
  'Of create_vendor_user(): the reference of the application to the user.';
COMMENT ON COLUMN wearables.outbound_calls.endpoint IS 'The endpoint whose vendor is called.';
COMMENT ON COLUMN wearables.outbound_calls.provider IS 'The provider. Null: none in particular.';
COMMENT ON COLUMN wearables.outbound_calls.users IS
  'Number of the vendor''s users that the call is about. 0 for create_vendor_user().';
COMMENT ON COLUMN wearables.outbound_calls.attempts IS 'Number of requests that were sent.';
COMMENT ON COLUMN wearables.outbound_calls.http_status IS 'HTTP status of the last response. Null: there was none.';
COMMENT ON COLUMN wearables.outbound_calls.result IS
  'Response of the vendor, up to 16 kB. Null if it contains a link.';
COMMENT ON COLUMN wearables.outbound_calls.link_url IS
  'Of link_url(): the address that the user opens to connect a provider. A secret, shown for 10 minutes.';
COMMENT ON COLUMN wearables.outbound_calls.link_token IS
  'Of link_url(): the token of that link for an SDK. A secret, shown for 10 minutes.';
COMMENT ON COLUMN wearables.outbound_calls.link_expires_at IS 'When the link is no longer shown.';
COMMENT ON COLUMN wearables.outbound_calls.error IS
  'Why the call failed or is tried again, in the vendor''s words if it gave any.';
COMMENT ON COLUMN wearables.outbound_calls.again_at IS
  'Of a call that failed because of a limit of the vendor: when the same call can be requested again.';
COMMENT ON COLUMN wearables.outbound_calls.requested_by IS 'The role that requested the call.';
COMMENT ON COLUMN wearables.outbound_calls.created_at IS 'When it was requested.';
COMMENT ON COLUMN wearables.outbound_calls.asked_at IS 'When the last request was sent.';
COMMENT ON COLUMN wearables.outbound_calls.finished_at IS 'When it ended. Null: it is in progress.';

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
  'Deletes expired links, and calls that ended call_retention() ago, at most the given number of each.';

-- In the room of calls, which is the last of those whose jobs wait for a key.
CREATE FUNCTION wearables_internal.api_access_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed text;
  stopped boolean;
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> ALL ('{endpoints,endpoint_secrets}'::name[]) THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated';
  END IF;
  changed := to_jsonb(NEW) ->> TG_ARGV[0];
  DELETE FROM wearables_internal.refused_keys r WHERE r.endpoint = changed;
  stopped := FOUND;
  -- that the former key was taken says nothing of this one
  DELETE FROM wearables_internal.proven_keys p WHERE p.endpoint = changed;
  IF NOT stopped THEN RETURN NULL; END IF;
  -- a job that somebody has in hand asks anyway
  UPDATE wearables.jobs j SET run_at = clock_timestamp()
  FROM (SELECT x.job_id FROM wearables.jobs x
        WHERE x.kind IN ('pull', 'call') AND x.state = 'ready' AND x.run_at > clock_timestamp()
          AND (EXISTS (SELECT FROM wearables.backfills b
                       WHERE x.kind = 'pull' AND b.backfill_id = (x.argument ->> 'backfill_id')::bigint
                         AND b.endpoint = changed)
               OR EXISTS (SELECT FROM wearables_internal.calls c
                          WHERE c.job_id = x.job_id AND c.endpoint = changed))
        FOR UPDATE SKIP LOCKED) w
  WHERE j.job_id = w.job_id;
  PERFORM wearables_internal.wake_workers();
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.api_access_changed() IS
  'Trigger function: if an endpoint could not be asked for lack of an accepted API key, its pulls and calls are due '
  'at once.';
CREATE TRIGGER api_key_changed AFTER INSERT OR UPDATE ON wearables.endpoint_secrets
  FOR EACH ROW WHEN (NEW.kind = 'api_key') EXECUTE FUNCTION wearables_internal.api_access_changed('endpoint');
CREATE TRIGGER api_access_changed AFTER UPDATE OF base_url, enabled ON wearables.endpoints
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.api_access_changed('name');
