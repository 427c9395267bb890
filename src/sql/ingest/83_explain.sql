-- Why an event gave what it gave. PARALLEL UNSAFE: an EXCEPTION block is a subtransaction, which a parallel
-- query may not start.

CREATE FUNCTION wearables_internal.storable_json(body text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'wearables_storable_json';
COMMENT ON FUNCTION wearables_internal.storable_json(text) IS
  'Replaces what jsonb cannot hold, as in summaries.doc: U+0000 and unpaired surrogates by U+FFFD; numbers of more '
  'than 400 characters or with an exponent beyond 400, bare words (NaN), and what is nested deeper than 500 levels '
  'by null. If there are more than 100,000 values, each list and object is cut after 1,000.';

CREATE FUNCTION wearables_internal.resource_of(event_type text, endpoint text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'wearables_resource_of';
COMMENT ON FUNCTION wearables_internal.resource_of(text, text) IS
  'The resource that an event type of the endpoint''s vendor names. Null: none.';

CREATE FUNCTION wearables.body_fields(payload bytea) RETURNS TABLE (path text, example jsonb, occurrences bigint)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_levels CONSTANT integer := 30;
  body jsonb;
BEGIN
  BEGIN
    body := wearables_internal.storable_json(convert_from(payload, 'UTF8'))::jsonb;
  EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN;
  END;
  RETURN QUERY
  WITH RECURSIVE walk (path, value, depth) AS (
    SELECT ''::text, body, 0
    UNION ALL
    SELECT c.path, c.value, w.depth + 1
    FROM walk w
    CROSS JOIN LATERAL (
      SELECT CASE w.path WHEN '' THEN o.key ELSE w.path || '.' || o.key END AS path, o.value
      FROM jsonb_each(CASE jsonb_typeof(w.value) WHEN 'object' THEN w.value ELSE '{}' END) o
      UNION ALL
      -- the elements of a list are alike: the first thousand tell which fields there are
      SELECT w.path, a.value
      FROM jsonb_array_elements(CASE jsonb_typeof(w.value) WHEN 'array' THEN w.value ELSE '[]' END)
           WITH ORDINALITY a (value, n)
      WHERE a.n <= 1000) c
    -- each level is a copy of all that is below it
    WHERE w.depth < most_levels)
  SELECT w.path, (min(w.value::text) FILTER (WHERE jsonb_typeof(w.value) NOT IN ('object', 'array')))::jsonb, count(*)
  FROM walk w
  WHERE jsonb_typeof(w.value) NOT IN ('object', 'array')
     OR (w.depth = most_levels AND w.value <> '{}' AND w.value <> '[]')
  GROUP BY w.path;
END $$;
COMMENT ON FUNCTION wearables.body_fields(bytea) IS
  'The fields of a JSON body, to find out what an event holds. Arguments: payload: the body. Returns one row for '
  'each path that holds a value: path, without list positions; example, one of its values; occurrences, how often '
  'it occurs. Fields nested deeper than 30 levels are not listed. Returns no row for a body that is not JSON. '
  'Example: SELECT f.* FROM wearables.webhook_events e, wearables.body_fields(e.payload) f WHERE e.event_id = 1;';

CREATE FUNCTION wearables_internal.read_paths(resource text) RETURNS TABLE (path text)
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  -- the fields a mapping names, and those that every record is read for
  SELECT regexp_replace(coalesce(s.stream_field || '.', '') || f.path, '[.]([*]|[0-9]+)(?=[.]|$)', '', 'g')
  FROM wearables.mappings p
  -- of a stream within the record, too
  LEFT JOIN wearables.resources s ON s.name = p.resource AND s.stream_of = $1
  CROSS JOIN LATERAL unnest(p.value_fields || p.instant_fields || p.extends || p.part_fields
                            || ARRAY[p.secondary_field, p.end_field, p.unit_field, p.base_field,
                                     p.only_where_field, p.sum_field]) AS f (path)
  WHERE (p.resource = $1 OR s.stream_field IS NOT NULL) AND p.enabled AND f.path IS NOT NULL
  UNION
  VALUES ('source.provider'), ('source.slug'), ('source.type'), ('source_provider'), ('source_type'), ('type'), ('id'),
         ('timezone_offset'), ('zone_offset'), ('time_zone'), ('updated_at'), ('user_id')
  UNION
  SELECT 'calendar_date' FROM wearables.resources r WHERE r.name = $1 AND r.kind = 'summary';
END;
COMMENT ON FUNCTION wearables_internal.read_paths(text) IS
  'The paths, relative to a record, that the mappings of a resource read.';

CREATE FUNCTION wearables.explain_event(event_id bigint) RETURNS TABLE (aspect text, what text, detail text)
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  e wearables.webhook_events;
  shape wearables.resources;
BEGIN
  SELECT x.* INTO e FROM wearables.webhook_events x WHERE x.event_id = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'event % does not exist', $1
      USING ERRCODE = 'no_data_found',
            HINT = 'See wearables.webhook_events for the ids. Archived and dropped events are not there.';
  END IF;
  PERFORM wearables_internal.note_access('explain_event', e.user_id);
  SELECT r.* INTO shape FROM wearables.resources r
  WHERE r.name = wearables_internal.resource_of(e.event_type, e.endpoint);

  RETURN QUERY SELECT 'event', coalesce(e.event_type, 'no event type'),
    format('%s bytes, received %s', octet_length(e.payload), e.received_at);
  RETURN QUERY SELECT 'status', e.status::text, concat_ws('; ', e.note, e.error,
    CASE WHEN e.status = 'processed' THEN
      format('inserted %s, changed %s, confirmed %s, unchanged %s, stale %s, quarantined %s '
             'when handled under revision %s',
             e.inserted, e.changed, e.confirmed, e.unchanged, e.stale, e.quarantined, e.revision) END,
    CASE WHEN e.revision < wearables.revision() THEN 'the mappings have changed since' END);
  RETURN QUERY SELECT 'user',
    coalesce(u.client_user_id,
             CASE WHEN e.status IN ('received', 'skipped', 'failed') THEN 'not looked up' ELSE 'unknown' END),
    concat_ws('; ', format('external user id %s', coalesce(e.external_user_id, 'not given')),
      CASE WHEN u.user_id IS NULL THEN (
        SELECT format('this id is linked at endpoint %s, and not at %s',
                      string_agg(l.endpoint, ', ' ORDER BY l.endpoint), e.endpoint)
        FROM wearables.user_links l
        WHERE l.external_user_id = e.external_user_id AND l.endpoint <> e.endpoint
          AND NOT EXISTS (SELECT FROM wearables.user_links o
                          WHERE o.external_user_id = e.external_user_id AND o.endpoint = e.endpoint)
        HAVING count(*) > 0) END)
    FROM (SELECT 1) one LEFT JOIN wearables.users u ON u.user_id = e.user_id;
  RETURN QUERY SELECT 'resource', coalesce(shape.name, 'none'),
    coalesce(shape.note, shape.kind, 'no row in wearables.resources for this event type');
  IF shape.kind IS NULL OR shape.kind = 'skipped' THEN RETURN; END IF;

  BEGIN
    RETURN QUERY
    SELECT 'mapping', format('%s: %s -> %s', p.mapping_id, p.resource, p.metric),
           format('%s reading(s) of %s from the first of %s', count(n.ts), n.provider,
                  array_to_string(p.value_fields, ', '))
    FROM wearables.normalize($1) n
    JOIN wearables.metrics m ON m.name = n.metric
    JOIN wearables.mappings p ON p.enabled
      AND (p.resource = shape.name
           OR p.resource IN (SELECT r.name FROM wearables.resources r
                             WHERE r.stream_of = shape.name AND r.stream_field IS NOT NULL))
      AND (p.metric = m.name OR starts_with(m.name, p.metric || '/'))
      AND n.channel = coalesce(p.channel, CASE shape.kind WHEN 'summary' THEN p.resource ELSE 'timeseries' END)
      AND (p.provider = n.provider OR (p.provider IS NULL AND NOT EXISTS (
            SELECT FROM wearables.mappings o
            WHERE o.resource = p.resource AND o.metric = p.metric AND o.channel IS NOT DISTINCT FROM p.channel
              AND o.provider = n.provider)))
    WHERE n.refused IS NULL
    GROUP BY p.mapping_id, p.resource, p.metric, n.provider, p.value_fields ORDER BY p.mapping_id;
  EXCEPTION WHEN data_exception THEN
    RETURN QUERY SELECT 'mapping', 'none', 'the body cannot be read: ' || SQLERRM;
  END;
  RETURN QUERY
  SELECT 'field not mapped', f.path, format('%s time(s), %s', f.occurrences, coalesce(k.known, 'unknown'))
  FROM wearables.body_fields(e.payload) f
  LEFT JOIN LATERAL (
    SELECT 'known' || coalesce(': ' || min(k.note), '') AS known FROM wearables.known_fields k
    WHERE (k.resource = shape.name OR k.resource IS NULL
           OR k.resource IN (SELECT r.name FROM wearables.resources r
                             WHERE r.stream_of = shape.name AND r.stream_field IS NOT NULL))
      AND position('.' || k.path || '.' IN f.path || '.') > 0
    HAVING count(*) > 0) k ON true
  WHERE f.path ~ ('^(data|groups|' || coalesce(shape.list_key, 'data') || ')[.]')
    AND NOT EXISTS (SELECT FROM wearables_internal.read_paths(shape.name) r
                    WHERE right(f.path, length(r.path) + 1) = '.' || r.path)
  ORDER BY f.path;
  RETURN QUERY SELECT 'quarantine', q.pointer, concat_ws(' ', q.reason, q.metric, q.detail)
    FROM wearables.quarantine q WHERE q.event_id = $1 ORDER BY q.ordinal;
END $$;
COMMENT ON FUNCTION wearables.explain_event(bigint) IS
  'Explains why an event yielded what it did. Arguments: event_id: the event; an unknown one raises no_data_found. '
  'Returns rows of aspect, what and detail. The aspects are: event, status, user and resource; mapping, for each '
  'row that yielded readings; field not mapped, for each field that no mapping reads; quarantine, for each refused '
  'reading. Example: SELECT * FROM wearables.explain_event(1);';
