-- Roles that see some users only. A row of limited_roles is the state: a trigger keeps the policies of the tables in
-- step with it, also when the row comes from a dump, which carries no policy of an extension's table. The policies are
-- restrictive and name the roles, so they bind a renamed role too, and whoever inherits from one.

CREATE TABLE wearables.limited_roles (
  role       text COLLATE "C" PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('reader', 'self')),
  limited_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE wearables.limited_roles IS
  'Roles that are bound by the row-level policies of the extension. limit_reader() and grant_access() add a row.';
COMMENT ON COLUMN wearables.limited_roles.role IS 'Name of the role.';
COMMENT ON COLUMN wearables.limited_roles.kind IS
  'reader: it sees the users that assigned_users lists for it. self: it sees the user that the request names.';
COMMENT ON COLUMN wearables.limited_roles.limited_at IS 'When limit_reader() or grant_access() first bound the role.';
SELECT pg_extension_config_dump('wearables.limited_roles', '');

CREATE TABLE wearables.assigned_users (
  role        text COLLATE "C" NOT NULL REFERENCES wearables.limited_roles ON DELETE CASCADE,
  user_id     bigint NOT NULL REFERENCES wearables.users ON DELETE CASCADE,
  assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (role, user_id)
);
COMMENT ON TABLE wearables.assigned_users IS
  'Which users a limited reader sees. assign_users() and unassign_users() change it.';
COMMENT ON COLUMN wearables.assigned_users.role IS 'Name of the role.';
COMMENT ON COLUMN wearables.assigned_users.user_id IS 'A user whom the role sees: see users.';
COMMENT ON COLUMN wearables.assigned_users.assigned_at IS
  'When the user was assigned to the role. A repeated assign_users() does not move it.';
CREATE INDEX assigned_users_user_id ON wearables.assigned_users (user_id);
CREATE TRIGGER refuse_erased AFTER INSERT OR UPDATE OF user_id ON wearables.assigned_users
  FOR EACH ROW EXECUTE FUNCTION wearables_internal.refuse_erased();
SELECT pg_extension_config_dump('wearables.assigned_users', '');

-- A view has the rights of its owner, and yet its functions see who asks: the role needs no right on the tables.
CREATE VIEW wearables_internal.visible_assignments WITH (security_barrier = true) AS
SELECT a.user_id
FROM wearables.limited_roles l
JOIN wearables.assigned_users a ON a.role = l.role
-- null for a role that is no more
WHERE l.kind = 'reader' AND pg_has_role(to_regrole(quote_ident(l.role))::oid, 'USAGE');
COMMENT ON VIEW wearables_internal.visible_assignments IS
  'Users that are assigned to the limited readers whose privileges the current role has.';

CREATE FUNCTION wearables_internal.claimed_id() RETURNS text
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_claimed_id';
COMMENT ON FUNCTION wearables_internal.claimed_id() IS
  'The text of the claim that wearables_ingest.user_claim names, from the setting request.jwt.claims. Null: there '
  'are no claims, they are not one JSON object, or the claim is missing, not a text, empty, or there twice.';

-- Definer: a policy of users calls it, so it must read that table past the policy. It takes nothing from the caller but
-- the claims, which are data.
CREATE FUNCTION wearables_internal.claimed_user() RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT u.user_id FROM wearables.users u
  WHERE u.client_user_id = (wearables_internal.claimed_id() COLLATE "C") AND u.erased_at IS NULL;
END;
COMMENT ON FUNCTION wearables_internal.claimed_user() IS
  'The user whose client_user_id the request claims. Null: none is claimed, or none has that id.';

-- Where the site has permissive policies of its own they decide, as without ours.
CREATE FUNCTION wearables_internal.apply_role_policies() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  relation regclass;
  rule record;
BEGIN
  FOREACH relation IN ARRAY ARRAY['wearables.users', 'wearables.sample_points', 'wearables.summaries',
                                  'wearables.connections']::regclass[] LOOP
    FOR rule IN
      SELECT k.name, k.condition,
             string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) AS roles,
             EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname = k.name) AS made
      FROM (VALUES
        ('reader', 'wearables_assigned',
         'user_id IN (SELECT a.user_id FROM wearables_internal.visible_assignments a)'),
        ('self', 'wearables_self', 'user_id = (SELECT wearables_internal.claimed_user())'))
        k (kind, name, condition)
      LEFT JOIN wearables.limited_roles l ON l.kind = k.kind
      LEFT JOIN pg_roles r ON r.rolname = l.role
      GROUP BY k.name, k.condition LOOP
      IF rule.roles IS NULL AND rule.made THEN
        EXECUTE format('DROP POLICY %I ON %s', rule.name, relation);
      ELSIF rule.made THEN
        EXECUTE format('ALTER POLICY %I ON %s TO %s', rule.name, relation, rule.roles);
      ELSIF rule.roles IS NOT NULL THEN
        EXECUTE format('CREATE POLICY %I ON %s AS RESTRICTIVE TO %s USING (%s)', rule.name, relation, rule.roles,
                       rule.condition);
      END IF;
    END LOOP;
    -- a site that has switched row-level security on decides itself what those see whom ours do not bind
    IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = relation)
       AND EXISTS (SELECT FROM wearables.limited_roles) THEN
      IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname = 'wearables_read') THEN
        EXECUTE format('DROP POLICY wearables_read ON %s', relation);
      END IF;
      EXECUTE format($f$CREATE POLICY wearables_read ON %s USING (NOT EXISTS (
        SELECT FROM pg_policy p
        WHERE p.polrelid = %L::regclass AND p.polpermissive AND p.polname <> 'wearables_read'))$f$, relation, relation);
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION wearables_internal.apply_role_policies() IS
  'Makes the policies of the extension match limited_roles. Row-level security is switched on with the first row.';

CREATE FUNCTION wearables_internal.limited_roles_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_SCHEMA <> 'wearables' OR TG_TABLE_NAME <> 'limited_roles' THEN
    RAISE EXCEPTION 'trigger "%" cannot be used on relation "%"', TG_NAME, TG_TABLE_NAME
      USING ERRCODE = 'trigger_protocol_violated',
            DETAIL = 'Its function can only be used on wearables.limited_roles.';
  END IF;
  PERFORM wearables_internal.apply_role_policies();
  RETURN NULL;
END $$;
COMMENT ON FUNCTION wearables_internal.limited_roles_changed() IS
  'Trigger function: makes the policies of the extension match limited_roles.';
CREATE TRIGGER limited_roles_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON wearables.limited_roles
  FOR EACH STATEMENT EXECUTE FUNCTION wearables_internal.limited_roles_changed();

CREATE FUNCTION wearables_internal.limit_role(role regrole, kind text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r pg_roles;
BEGIN
  SELECT x.* INTO STRICT r FROM pg_roles x WHERE x.oid = $1;
  IF r.rolsuper OR r.rolbypassrls
     OR pg_has_role(r.oid, (SELECT c.relowner FROM pg_class c WHERE c.oid = 'wearables.users'::regclass), 'USAGE') THEN
    RAISE EXCEPTION 'role "%" cannot be limited', r.rolname
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Row-level security does not apply to superusers, to roles with BYPASSRLS, and to the owner of '
                     'the tables.',
            HINT = 'Use another role.';
  END IF;
  INSERT INTO wearables.limited_roles AS l (role, kind) VALUES (r.rolname, $2) ON CONFLICT DO NOTHING;
  IF NOT EXISTS (SELECT FROM wearables.limited_roles l WHERE l.role = r.rolname AND l.kind = $2) THEN
    RAISE EXCEPTION 'role "%" is limited in another way', r.rolname
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'A role is a limited reader or of kind self, not both.',
            HINT = 'Use another role.';
  END IF;
END $$;
COMMENT ON FUNCTION wearables_internal.limit_role(regrole, text) IS
  'Adds a row to limited_roles unless it is there. Raises an error for a role to which policies do not apply.';

CREATE FUNCTION wearables_internal.members_of(role regrole) RETURNS TABLE (login text, inherits boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH RECURSIVE below (role) AS (
    SELECT $1::oid
    UNION
    SELECT m.member FROM below b JOIN pg_auth_members m ON m.roleid = b.role)
  SELECT r.rolname::text, pg_has_role(r.oid, $1::oid, 'USAGE')
  FROM below b JOIN pg_roles r ON r.oid = b.role
  WHERE r.rolcanlogin AND NOT r.rolsuper
  ORDER BY r.rolname;
END;
COMMENT ON FUNCTION wearables_internal.members_of(regrole) IS
  'The login roles that are members of a role, superusers left out, and whether they have its rights without SET ROLE.';

CREATE FUNCTION wearables.limit_reader(role regrole, limited boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF limited THEN
    EXECUTE format('GRANT SELECT ON wearables_internal.visible_assignments TO %s', $1);
    PERFORM wearables_internal.limit_role($1, 'reader');
    -- the statement's trigger has run, but not if the row was there: policies may have been lost since
    PERFORM wearables_internal.apply_role_policies();
  ELSE
    DELETE FROM wearables.limited_roles l USING pg_roles r
    WHERE r.oid = $1 AND l.role = r.rolname AND l.kind = 'reader';
    EXECUTE format('REVOKE SELECT ON wearables_internal.visible_assignments FROM %s', $1);
  END IF;
END $$;
COMMENT ON FUNCTION wearables.limit_reader(regrole, boolean) IS
  'Limits a reader to the users that assign_users() assigns to it; at first to none. It applies to tables, views and '
  'functions alike, to members of the role too, and to them even if another role of theirs may read everything. '
  'Arguments: role: the role, which also needs grant_access(role, ''reader''); limited: false removes the limit and '
  'the assignments. The caller must own the extension or be a superuser. The first call switches on row-level '
  'security of users, sample_points, summaries and connections, and waits for statements that use them. Raises '
  'object_not_in_prerequisite_state for a superuser, a role with BYPASSRLS and the owner. Example: SELECT '
  'wearables.limit_reader(current_user::regrole);';

-- Definer: what is written is two numbers that the caller gives.
CREATE FUNCTION wearables.assign_users(role regrole, user_ids bigint[]) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text;
  added integer;
BEGIN
  SELECT l.role INTO name FROM wearables.limited_roles l JOIN pg_roles r ON r.rolname = l.role
  WHERE r.oid = $1 AND l.kind = 'reader';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role % is not a limited reader', $1
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It may see every user, or none.',
            HINT = 'Call wearables.limit_reader() first.';
  END IF;
  INSERT INTO wearables.assigned_users (role, user_id)
  SELECT DISTINCT name, u FROM unnest($2) u ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  RETURN added;
END $$;
COMMENT ON FUNCTION wearables.assign_users(regrole, bigint[]) IS
  'Lets a limited reader see these users. Arguments: role: a role that limit_reader() has limited; user_ids: the '
  'users. Returns how many were not assigned before. Raises object_not_in_prerequisite_state for a role that is not '
  'limited, or a user who was erased, foreign_key_violation for an unknown user. Example: SELECT '
  'wearables.assign_users(current_user::regrole, ARRAY[1, 2]);';

CREATE FUNCTION wearables.unassign_users(role regrole, user_ids bigint[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  removed integer;
BEGIN
  DELETE FROM wearables.assigned_users a USING pg_roles r
  WHERE r.oid = $1 AND a.role = r.rolname AND ($2 IS NULL OR a.user_id = ANY ($2));
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;
COMMENT ON FUNCTION wearables.unassign_users(regrole, bigint[]) IS
  'Hides users from a limited reader again. It stays limited when none is left. Arguments: role: the role; user_ids: '
  'the users (null: all of them). Returns how many were assigned. Example: SELECT '
  'wearables.unassign_users(current_user::regrole, ARRAY[2]);';

CREATE VIEW wearables_internal.problems_of_roles AS
WITH selves AS (
  SELECT DISTINCT a.grantee AS role
  FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
  WHERE p.pronamespace = 'wearables_api'::regnamespace AND p.proname = 'my_samples' AND a.grantee <> p.proowner),
logins AS (
  SELECT DISTINCT m.login
  FROM selves s CROSS JOIN LATERAL wearables_internal.members_of(s.role) m
  -- the proxy's own role takes the rights by SET ROLE
  WHERE s.role <> 0 AND m.inherits),
-- one row for each role and table that its policy does not bind, for a dump carries no policies
unbound AS (
  SELECT l.role, l.limited_at
  FROM wearables.limited_roles l
  JOIN pg_roles r ON r.rolname = l.role
  JOIN pg_class c ON c.relnamespace = 'wearables'::regnamespace
    AND c.relname IN ('users', 'sample_points', 'summaries', 'connections')
  WHERE NOT c.relrowsecurity OR NOT EXISTS (
    SELECT FROM pg_policy p
    WHERE p.polrelid = c.oid AND NOT p.polpermissive AND r.oid = ANY (p.polroles)
      AND p.polname = CASE l.kind WHEN 'self' THEN 'wearables_self' ELSE 'wearables_assigned' END))
SELECT 2 AS rank, 'failing' AS severity, 'unlimited' AS problem, u.role AS object,
       format('role %s is limited to some users, but no policy binds it', u.role) AS what, u.limited_at AS since,
       'make the policies again' AS remedy,
       'SELECT wearables_internal.apply_role_policies()' AS statement
FROM (SELECT DISTINCT x.role, x.limited_at FROM unbound x) u
UNION ALL
SELECT 4, 'warning', 'self_login', l.login,
       format('login role %s has the rights of kind self, so a session of it can claim to be any user', l.login), NULL,
       'only the login role of the proxy should be a member, with NOINHERIT', NULL
FROM logins l
UNION ALL
SELECT 4, 'warning', 'self_login', 'public', 'everybody has the rights of kind self', NULL,
       'revoke them from PUBLIC', 'REVOKE EXECUTE ON FUNCTION wearables_api.my_samples FROM PUBLIC'
FROM selves s WHERE s.role = 0;
COMMENT ON VIEW wearables_internal.problems_of_roles IS
  'Problems: roles that may read more than they should.';
