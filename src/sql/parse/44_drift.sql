-- What arrives and no row knows. Each event keeps what it brought, in bounds per body, so the counts follow from the
-- events, whoever handled them and how often, and no sender can fill a table that others need. The type stands with
-- webhook_events.

CREATE FUNCTION wearables_internal.drift_remedy(kind text, resource text, path text, value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- texts of strangers, so each is a quoted literal and stands nowhere else, a comment included
RETURN CASE kind
  WHEN 'resource' THEN
    format('INSERT INTO wearables.resources (name, kind, note) VALUES (%L, ''skipped'', ''why'');', resource)
  -- refused as it stands: the factor is for somebody who knows
  WHEN 'unit' THEN format('INSERT INTO wearables.units (metric, text, factor) VALUES (%L, %L, NULL);', path, value)
  WHEN 'field' THEN format('INSERT INTO wearables.known_fields (resource, path) VALUES (%L, %L);', resource, path)
  -- value, zone
  ELSE
    format('UPDATE wearables.known_fields SET texts = texts || %L::text WHERE path = %L '
           'AND (resource = %L OR resource IS NULL);', value, path, resource)
  END;
COMMENT ON FUNCTION wearables_internal.drift_remedy(text, text, text, text) IS
  'The statement that marks one row of the view drift as known.';

CREATE FUNCTION wearables_internal.is_known(kind text, resource text, path text, value text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE kind
  WHEN 'resource' THEN EXISTS (SELECT FROM wearables.resources r WHERE r.name = $2)
  WHEN 'unit' THEN EXISTS (SELECT FROM wearables.units u WHERE u.metric = $3 AND u.text = $4)
  WHEN 'field' THEN EXISTS (
    SELECT FROM wearables.known_fields k
    WHERE (k.resource = $2 OR k.resource IS NULL)
      AND (k.path || '.' = left($3 || '.', length(k.path) + 1) OR $3 || '.' = left(k.path || '.', length($3) + 1)))
    OR EXISTS (
    SELECT FROM wearables.mappings m
    CROSS JOIN LATERAL unnest(
      m.value_fields || m.instant_fields || m.extends || m.part_fields
      || ARRAY[m.secondary_field, m.end_field, m.unit_field, m.base_field, m.only_where_field, m.sum_field])
      f (path)
    WHERE m.resource = $2 AND m.enabled AND $3 || '.' = left(f.path || '.', length($3) + 1))
  WHEN 'value' THEN (
    SELECT coalesce(bool_or($4 = ANY (k.texts)), true) FROM wearables.known_fields k
    WHERE k.path = $3 AND (k.resource = $2 OR k.resource IS NULL) AND k.texts IS NOT NULL)
  WHEN 'zone' THEN EXISTS (
    SELECT FROM wearables.known_fields k
    WHERE k.path = $3 AND (k.resource = $2 OR k.resource IS NULL) AND $4 = ANY (k.texts))
  END;
COMMENT ON FUNCTION wearables_internal.is_known(text, text, text, text) IS
  'Whether a row of the parser covers this drift now.';

CREATE VIEW wearables.drift WITH (security_invoker = true) AS
SELECT t.kind, t.resource, nullif(t.path, '') AS path, nullif(t.value, '') AS value, t.endpoint, t.event_type,
       t.events, t.first_seen, t.last_seen, t.example_event_id,
       wearables_internal.drift_remedy(t.kind, t.resource, t.path, t.value) AS remedy
FROM (
  SELECT d.kind, d.resource, d.path, d.value, e.endpoint, x.event_type,
         count(*) AS events, min(e.received_at) AS first_seen, max(e.received_at) AS last_seen,
         max(e.event_id) AS example_event_id
  FROM wearables.webhook_events e CROSS JOIN LATERAL unnest(e.drift) d
  -- one remedy may be that of several kinds of message, and each of them is news
  CROSS JOIN LATERAL (SELECT CASE d.kind WHEN 'resource' THEN left(e.event_type, 200) END) x (event_type)
  WHERE e.drift IS NOT NULL GROUP BY d.kind, d.resource, d.path, d.value, e.endpoint, x.event_type) t
WHERE NOT wearables_internal.is_known(t.kind, t.resource, t.path, t.value);
COMMENT ON VIEW wearables.drift IS
  'What received events hold and no row of the parser covers: resources and event types, fields, values of fields '
  'with a known set of values, time zones and units. One row for each endpoint and finding.';
COMMENT ON COLUMN wearables.drift.kind IS
  'resource (or event type), field, value, zone (the text is neither a time zone of this server nor an ISO '
  'offset), or unit.';
COMMENT ON COLUMN wearables.drift.resource IS
  'Resource in which it was found. For kind resource, the name that a row in resources needs: of a resource or an '
  'event type; (no event type) for bodies that name none; (no user) for readings that name no user.';
COMMENT ON COLUMN wearables.drift.path IS
  'Path of the field, relative to the sample or document. For a unit: its metric. Null for kind resource.';
COMMENT ON COLUMN wearables.drift.value IS 'The value, time zone or unit found. Null for other kinds.';
COMMENT ON COLUMN wearables.drift.endpoint IS 'The endpoint that sent it.';
COMMENT ON COLUMN wearables.drift.event_type IS
  'For kind resource: the type of these events, null if they name none.';
COMMENT ON COLUMN wearables.drift.events IS 'Number of events that hold it.';
COMMENT ON COLUMN wearables.drift.first_seen IS 'When the first of these events was received.';
COMMENT ON COLUMN wearables.drift.last_seen IS 'When the last of these events was received.';
COMMENT ON COLUMN wearables.drift.example_event_id IS
  'The newest of these events: see explain_event() and body_fields().';
COMMENT ON COLUMN wearables.drift.remedy IS
  'Statement that marks it as known without reading it. To read it, add a mapping instead. For a unit, replace '
  'NULL by the factor: how many canonical units one of it is.';
