-- What lets a query on the view samples that names a metric read its range of the primary key.

CREATE FUNCTION wearables_internal.metric_id_of(name text) RETURNS smallint
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_metric_id_of';
COMMENT ON FUNCTION wearables_internal.metric_id_of(text) IS
  'The number of a metric, with the rights of the caller on metrics. Null: there is no such metric.';

CREATE FUNCTION wearables_internal.metric_ids_of(names text[]) RETURNS smallint[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_metric_ids_of';
COMMENT ON FUNCTION wearables_internal.metric_ids_of(text[]) IS
  'The numbers of those of the metrics that there are, with the rights of the caller on metrics.';

CREATE FUNCTION wearables_internal.metric_named_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'wearables_metric_named_support';
COMMENT ON FUNCTION wearables_internal.metric_named_support(internal) IS 'Planner support of metric_named().';

CREATE FUNCTION wearables_internal.metric_named(metric_id smallint, name text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SUPPORT wearables_internal.metric_named_support
AS 'MODULE_PATHNAME', 'wearables_metric_named';
COMMENT ON FUNCTION wearables_internal.metric_named(smallint, text) IS
  'True: the caller has joined metrics, so the metric has the name. In a query that fixes the name, the planner '
  'replaces it by metric_id = metric_id_of(name), in one that lists names by metric_id = ANY (metric_ids_of(names)).';
