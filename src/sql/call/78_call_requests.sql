-- Asking for a call. Nothing is sent before the transaction that asks commits; one that is rolled back has asked for
-- nothing. A call whose answer was lost, because the server was killed before it was stored, is made again. That is
-- harmless: a user that is there is linked, a second link replaces one that nobody has seen, what is gone is gone, and
-- a refresh or a pull that runs twice brings the same readings twice, which are written once.

CREATE FUNCTION wearables_internal.check_callable(endpoint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  base_url text;
BEGIN
  SELECT e.base_url INTO base_url FROM wearables.endpoints e WHERE e.name = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'endpoint "%" does not exist', $1
      USING ERRCODE = 'undefined_object', HINT = 'Add it with wearables.add_endpoint().';
  END IF;
  IF base_url IS NULL THEN
    RAISE EXCEPTION 'endpoint "%" has no base_url', $1
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set one with wearables.add_endpoint().';
  END IF;
  IF NOT EXISTS (SELECT FROM wearables.endpoint_secrets s WHERE s.endpoint = $1 AND s.kind = 'api_key') THEN
    RAISE EXCEPTION 'endpoint "%" has no API key', $1
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set one with wearables.set_secret().';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.check_callable(text) IS
  'Raises an error unless the API of the endpoint can be called.';

CREATE FUNCTION wearables_internal.check_provider(provider text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF $1 IS NULL OR $1 !~ '^[A-Za-z0-9_-]{1,100}$' THEN
    RAISE EXCEPTION 'provider "%" is not valid', left($1, 100)
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give the vendor''s name (slug) of the provider, for example oura.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.check_provider(text) IS
  'Raises an error unless the text can be the name (slug) of a provider.';

CREATE FUNCTION wearables_internal.check_refresh(endpoint text, user_id bigint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  an_hour CONSTANT integer := 8;  -- what the vendor allows for one user
  again timestamptz;
BEGIN
  SELECT max(c.again_at) INTO again FROM wearables_internal.calls c
  WHERE c.user_id = $2 AND c.endpoint = $1 AND c.operation = 'refresh_user' AND c.again_at > clock_timestamp();
  IF again IS NULL THEN
    SELECT c.finished_at + interval '1 hour' INTO again FROM wearables_internal.calls c
    WHERE c.user_id = $2 AND c.endpoint = $1 AND c.operation = 'refresh_user' AND c.state = 'done'
      AND c.finished_at > clock_timestamp() - interval '1 hour'
    ORDER BY c.finished_at DESC OFFSET an_hour - 1 LIMIT 1;
  END IF;
  IF again IS NOT NULL THEN
    RAISE EXCEPTION 'user % cannot be refreshed before %', $2, date_trunc('second', again) + interval '1 second'
      USING ERRCODE = 'configuration_limit_exceeded',
            DETAIL = format('The vendor refreshes a user %s times an hour.', an_hour),
            HINT = 'Call refresh_user() again at that time.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.check_refresh(text, bigint) IS
  'Raises an error that names the time until which the vendor would refuse to refresh the user. Returns if there is '
  'none.';

CREATE FUNCTION wearables_internal.contrary_before(
  operation wearables.call_operation, endpoint text, user_id bigint, provider text)
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE
    WHEN $1 IN ('create_vendor_user', 'delete_vendor_user') THEN
      (SELECT max(o.job_id)::text FROM wearables_internal.calls o
       WHERE o.user_id = $3 AND o.endpoint = $2
         AND o.operation = CASE $1 WHEN 'create_vendor_user' THEN 'delete_vendor_user'::wearables.call_operation
                           ELSE 'create_vendor_user' END)
    WHEN $1 = 'disconnect_provider' THEN
      (SELECT extract(epoch FROM c.connected_at)::text FROM wearables.connections c
       WHERE c.user_id = $3 AND c.provider = $4)
    END;
END;
COMMENT ON FUNCTION wearables_internal.contrary_before(wearables.call_operation, text, bigint, text) IS
  'The last event or call that undoes what the operation does: a deletion before a creation, a creation before a '
  'deletion, a connection before a disconnection. Null: there is none.';

CREATE FUNCTION wearables_internal.same_call(
  operation wearables.call_operation, intent text, user_id bigint, provider text)
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT c.job_id FROM wearables_internal.calls c
  WHERE c.intent = $2
    AND (c.state IN ('waiting', 'running')
         OR c.state = 'done'
            AND c.finished_at > clock_timestamp() - (SELECT t.same_for FROM wearables_internal.call_terms($1) t)
            -- the vendor's clock may be behind, so that the disconnection did not count
            AND NOT ($1 = 'disconnect_provider' AND EXISTS (
              SELECT FROM wearables.connections o
              WHERE o.user_id = $3 AND o.provider = $4 AND o.status = 'connected')))
  ORDER BY c.job_id DESC LIMIT 1;
END;
COMMENT ON FUNCTION wearables_internal.same_call(wearables.call_operation, text, bigint, text) IS
  'The call that has this intent: it is open, or was done recently. Null: there is none.';

CREATE FUNCTION wearables_internal.make_call(
  operation wearables.call_operation, endpoint text, user_id bigint, client_user_id text, external_user_ids text[],
  provider text, redirect_url text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- a request that follows its contrary is another intent, even while the earlier call is open: that call is made, or
  -- has been made, before the contrary
  follows CONSTANT text := wearables_internal.contrary_before($1, $2, $3, $6);
  hash CONSTANT text :=
    encode(sha256(convert_to(jsonb_build_array($1, $2, $3, $4, $5, $6, $7, follows)::text, 'UTF8')), 'hex');
  asker CONSTANT text := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
  job bigint;
BEGIN
  PERFORM wearables_internal.check_callable($2);
  -- waits for who erases the user at this moment
  PERFORM FROM wearables.users u WHERE u.user_id = $3 AND u.erased_at IS NULL FOR KEY SHARE;
  IF NOT FOUND AND $3 IS NOT NULL AND $1 <> 'delete_vendor_user' THEN
    RAISE EXCEPTION 'user % was erased', $3
      USING ERRCODE = 'no_data_found', HINT = 'To begin anew, call register_user() with again => true.';
  END IF;
  PERFORM wearables_internal.delete_old_calls(100);
  -- whose job somebody has deleted
  UPDATE wearables_internal.calls c
  SET state = 'failed', error = 'its job was deleted', finished_at = clock_timestamp(), redirect_url = NULL
  WHERE c.intent = hash AND c.state IN ('waiting', 'running')
    AND NOT EXISTS (SELECT FROM wearables.jobs j
                    WHERE j.dedupe_key = 'call:' || c.job_id AND j.state IN ('ready', 'running'));
  LOOP
    job := wearables_internal.same_call($1, hash, $3, $6);
    IF job IS NOT NULL THEN RETURN job; END IF;
    IF $1 = 'refresh_user' THEN PERFORM wearables_internal.check_refresh($2, $3); END IF;
    job := nextval('wearables.jobs_job_id_seq');
    INSERT INTO wearables_internal.calls
      (job_id, operation, intent, endpoint, user_id, client_user_id, external_user_ids, provider, redirect_url,
       requested_by, expires_at)
    SELECT job, $1, hash, $2, $3, $4, $5, $6, $7, asker, clock_timestamp() + t.valid_for
    FROM wearables_internal.call_terms($1) t
    ON CONFLICT DO NOTHING;
    EXIT WHEN FOUND;  -- else another session has asked for the same this moment
  END LOOP;
  -- what nobody waits for comes after what somebody does
  INSERT INTO wearables.jobs (job_id, kind, dedupe_key, argument, subject, priority)
  VALUES (job, 'call', 'call:' || job, jsonb_build_object('call_id', job), coalesce($3::text, $2 || ' ' || $6),
          CASE $1 WHEN 'read_pull_state' THEN 5 ELSE 0 END);
  PERFORM wearables_internal.wake_workers();
  RETURN job;
END $$;
COMMENT ON FUNCTION wearables_internal.make_call(
  wearables.call_operation, text, bigint, text, text[], text, text) IS
  'Creates a call and its job, or returns the call that has the same intent.';

CREATE FUNCTION wearables.create_vendor_user(client_user_id text, endpoint text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  sender text := $2;
  person bigint;
BEGIN
  IF sender IS NULL THEN
    SELECT CASE count(*) WHEN 1 THEN min(e.name) END INTO sender FROM wearables.endpoints e
    WHERE e.base_url IS NOT NULL;
    IF sender IS NULL THEN
      RAISE EXCEPTION 'the endpoint is ambiguous or missing'
        USING ERRCODE = 'invalid_parameter_value',
              DETAIL = format('There are %s endpoints with a base_url.',
                              (SELECT count(*) FROM wearables.endpoints e WHERE e.base_url IS NOT NULL)),
              HINT = 'Name the endpoint, or add one with wearables.add_endpoint().';
    END IF;
  END IF;
  IF $1 <> '' THEN PERFORM wearables_internal.check_id('client_user_id', $1); END IF;
  PERFORM wearables_internal.check_callable(sender);
  person := wearables.register_user($1);
  RETURN wearables_internal.make_call('create_vendor_user', sender, person, $1, '{}', NULL, NULL);
END $$;
COMMENT ON FUNCTION wearables.create_vendor_user(text, text) IS
  'Creates the vendor''s user for a user of the application, and links both ids when the vendor has responded. The '
  'user is registered if that has not been done. If the vendor has a user with this client_user_id, that user is '
  'linked. Arguments: client_user_id: the reference of the application to the user; endpoint: the endpoint to call '
  '(null: the only one with a base_url). Returns the id of the call: see outbound_calls. Example: SELECT '
  'wearables.create_vendor_user(''ann'');';

CREATE FUNCTION wearables.link_url(
  user_id bigint, provider text DEFAULT NULL, redirect_url text DEFAULT NULL, endpoint text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
BEGIN
  IF $2 IS NOT NULL THEN PERFORM wearables_internal.check_provider($2); END IF;
  IF length($3) > 2000 OR $3 !~ '^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$' THEN
    RAISE EXCEPTION 'redirect_url is not a URL'
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It must begin with a scheme and consist of at most 2000 printable characters without spaces.',
            HINT = 'Give a URL such as https://app.example/connected or myapp://connected.';
  END IF;
  link := wearables_internal.only_link($1, $4);
  RETURN wearables_internal.make_call('link_url', link.endpoint, $1, NULL, ARRAY[link.external_user_id], $2, $3);
END $$;
COMMENT ON FUNCTION wearables.link_url(bigint, text, text, text) IS
  'Requests a link by which the user connects a provider. outbound_calls shows it for 10 minutes. Arguments: '
  'user_id: the user; provider: the vendor''s name (slug) of the provider (null: the user chooses one); '
  'redirect_url: where the user is sent afterwards (null: the page of the vendor); endpoint: the endpoint to call '
  '(null: the only one that the user is linked to). Returns the id of the call: see outbound_calls. Example: SELECT '
  'wearables.link_url(1, ''oura'', ''https://app.example/connected'');';

CREATE FUNCTION wearables.disconnect_provider(user_id bigint, provider text, endpoint text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
BEGIN
  PERFORM wearables_internal.check_provider($2);
  link := wearables_internal.only_link($1, $3);
  RETURN wearables_internal.make_call(
    'disconnect_provider', link.endpoint, $1, NULL, ARRAY[link.external_user_id], $2, NULL);
END $$;
COMMENT ON FUNCTION wearables.disconnect_provider(bigint, text, text) IS
  'Has the vendor deregister a provider of a user. When the vendor has responded, the connection is set to '
  'deregistered as by set_connection(). Arguments: user_id: the user; provider: the vendor''s name (slug) of the '
  'provider; endpoint: the endpoint to call (null: the only one that the user is linked to). Returns the id of the '
  'call: see outbound_calls. Example: SELECT wearables.disconnect_provider(1, ''oura'');';

CREATE FUNCTION wearables.delete_vendor_user(user_id bigint, endpoint text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
  done bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM wearables.user_links l
                 WHERE l.user_id = $1 AND ($2 IS NULL OR l.endpoint = $2) AND l.deleted_at IS NULL) THEN
    SELECT c.job_id INTO done FROM wearables_internal.calls c
    WHERE c.user_id = $1 AND c.operation = 'delete_vendor_user' AND ($2 IS NULL OR c.endpoint = $2)
      AND c.finished_at > clock_timestamp() - (SELECT t.same_for FROM wearables_internal.call_terms(c.operation) t)
      AND c.state = 'done'
      AND NOT EXISTS (SELECT FROM wearables_internal.calls o
                      WHERE o.user_id = $1 AND o.operation = 'create_vendor_user' AND o.endpoint = c.endpoint
                        AND o.job_id > c.job_id AND o.state IN ('waiting', 'running'))
    ORDER BY c.job_id DESC LIMIT 1;
    IF FOUND THEN RETURN done; END IF;
  END IF;
  link := wearables_internal.only_link($1, $2);
  RETURN wearables_internal.make_call(
    'delete_vendor_user', link.endpoint, $1, NULL, ARRAY[link.external_user_id], NULL, NULL);
END $$;
COMMENT ON FUNCTION wearables.delete_vendor_user(bigint, text) IS
  'Has the vendor delete its user. When the vendor has responded, the connections of the user are set to '
  'deregistered and the link is not used for further calls. Everything stored in this database is kept. Arguments: '
  'user_id: the user; endpoint: the endpoint to call (null: the only one that the user is linked to). Returns the id '
  'of the call: see outbound_calls. Example: SELECT wearables.delete_vendor_user(1);';

CREATE FUNCTION wearables.refresh_user(user_id bigint, endpoint text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link wearables.user_links;
BEGIN
  link := wearables_internal.only_link($1, $2);
  RETURN wearables_internal.make_call(
    'refresh_user', link.endpoint, $1, NULL, ARRAY[link.external_user_id], NULL, NULL);
END $$;
COMMENT ON FUNCTION wearables.refresh_user(bigint, text) IS
  'Has the vendor fetch new data from all providers of a user. The data arrive as webhooks. The vendor does this 8 '
  'times an hour for one user. A further call is refused with an error that names the time from which it is '
  'possible. Arguments: user_id: the user; endpoint: the endpoint to call (null: the only one that the user is '
  'linked to). Returns the id of the call: see outbound_calls. Example: SELECT wearables.refresh_user(1);';

CREATE FUNCTION wearables.trigger_historical_pull(user_ids bigint[], provider text, endpoint text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most CONSTANT integer := 250;  -- what the vendor takes at a time of its largest providers
  links wearables.user_links[];
BEGIN
  PERFORM wearables_internal.check_provider($2);
  IF coalesce(cardinality($1), 0) NOT BETWEEN 1 AND most OR array_position($1, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'user_ids is empty, contains a null, or has more than % elements', most
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Call the function several times with fewer users.';
  END IF;
  SELECT array_agg(wearables_internal.only_link(u, $3) ORDER BY u) INTO links FROM (SELECT DISTINCT unnest($1)) x (u);
  IF (SELECT count(DISTINCT l.endpoint) FROM unnest(links) l) <> 1 THEN
    RAISE EXCEPTION 'the users are linked to different endpoints'
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Name the endpoint, or call the function once for each endpoint.';
  END IF;
  RETURN wearables_internal.make_call(
    'trigger_historical_pull', links[1].endpoint, NULL, NULL, ARRAY(SELECT l.external_user_id FROM unnest(links) l),
    $2, NULL);
END $$;
COMMENT ON FUNCTION wearables.trigger_historical_pull(bigint[], text, text) IS
  'Has the vendor pull the history of a provider again. The vendor announces the result by historical events, and '
  'the history is then pulled from the vendor. Arguments: user_ids: up to 250 users; provider: the vendor''s name '
  '(slug) of the provider; endpoint: the endpoint to call (null: the only one that each user is linked to). Returns '
  'the id of the call: see outbound_calls. Example: SELECT wearables.trigger_historical_pull(ARRAY[1, 2], ''oura'');';

-- What a call has changed at the vendor, by its job.

CREATE FUNCTION wearables_internal.note_vendor_user(
  user_id bigint, client_user_id text, endpoint text, external_user_id text)
RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM wearables.user_links l
             WHERE l.endpoint = $3 AND l.external_user_id = $4 AND l.user_id <> $1) THEN
    RETURN format('the vendor''s user %s is linked to another user', $4);
  END IF;
  IF NOT EXISTS (SELECT FROM wearables.users u
                 WHERE u.user_id = $1 AND u.client_user_id = $2 AND u.erased_at IS NULL) THEN
    RETURN 'the user was erased or renamed';
  END IF;
  PERFORM wearables.register_user($2, $4, $3);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.note_vendor_user(bigint, text, text, text) IS
  'Links the vendor''s user to the user of a call. Returns why that is not possible, or null.';

CREATE FUNCTION wearables_internal.note_disconnected(user_id bigint, provider text, at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM wearables.users u WHERE u.user_id = $1 AND u.erased_at IS NULL) THEN
    PERFORM wearables.set_connection($1, $2, 'deregistered', 'application', at => least($3, clock_timestamp()));
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.note_disconnected(bigint, text, timestamptz) IS
  'Sets the connection to deregistered, as of the time at which the vendor did so.';

CREATE FUNCTION wearables_internal.note_vendor_user_deleted(
  user_id bigint, endpoint text, external_user_id text, at timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- a connection that another endpoint told of last is that one's
  PERFORM wearables_internal.note_disconnected($1, c.provider, $4)
  FROM wearables.connections c
  WHERE c.user_id = $1 AND c.status NOT IN ('disconnected', 'deregistered')
    AND coalesce((SELECT l.endpoint FROM wearables.connection_events l
                  WHERE l.user_id = $1 AND l.provider = c.provider AND l.endpoint IS NOT NULL
                  ORDER BY l.version DESC LIMIT 1), $2) = $2
  ORDER BY c.provider;
  UPDATE wearables.user_links l SET deleted_at = clock_timestamp()
  WHERE l.endpoint = $2 AND l.external_user_id = $3 AND l.deleted_at IS NULL;
  -- an erasure that waits for this goes on at once
  UPDATE wearables.jobs j SET run_at = clock_timestamp()
  WHERE j.job_id IN (SELECT x.job_id FROM wearables.jobs x
                     WHERE x.dedupe_key = 'erase:' || $1 AND x.state = 'ready' FOR UPDATE SKIP LOCKED);
  PERFORM wearables_internal.wake_workers();
END $$;
COMMENT ON FUNCTION wearables_internal.note_vendor_user_deleted(bigint, text, text, timestamptz) IS
  'Marks the link to a user that the vendor has deleted, and sets its connections to deregistered as of that time.';
