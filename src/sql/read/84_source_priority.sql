-- Which source a chart of one line takes, where several have what it shows.

CREATE TABLE wearables.source_priorities (
  user_id     bigint REFERENCES wearables.users ON DELETE CASCADE,
  metric      text COLLATE "C" REFERENCES wearables.metrics (name) ON UPDATE CASCADE ON DELETE CASCADE,
  rank        integer NOT NULL,
  provider    text COLLATE "C",
  source_type text COLLATE "C",
  channel     text COLLATE "C",
  UNIQUE NULLS NOT DISTINCT (user_id, metric, rank)
);
CREATE TRIGGER refuse_erased AFTER INSERT OR UPDATE OF user_id ON wearables.source_priorities
  FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION wearables_internal.refuse_erased();
-- a user and a metric may be null, so there is no key that a publication could go by
ALTER TABLE wearables.source_priorities REPLICA IDENTITY FULL;
CREATE INDEX source_priorities_metric ON wearables.source_priorities (metric) WHERE metric IS NOT NULL;
COMMENT ON TABLE wearables.source_priorities IS
  'Priority lists of sources, which timeseries() reads if its argument merge is best or blend. The rows of one user '
  'and metric are a list. A chart uses one list as a whole, the first that exists of: the user and the metric; the '
  'user and the parent of the metric; the user and every metric; the same three without the user.';
COMMENT ON COLUMN wearables.source_priorities.user_id IS 'The user for whose charts the row holds. Null: everybody.';
COMMENT ON COLUMN wearables.source_priorities.metric IS 'The metric of the chart. Null: every metric.';
COMMENT ON COLUMN wearables.source_priorities.rank IS
  'Place in the list: the lowest is preferred. A source that several rows name has the lowest rank of these.';
COMMENT ON COLUMN wearables.source_priorities.provider IS 'Provider of the source. Null: any.';
COMMENT ON COLUMN wearables.source_priorities.source_type IS
  'Source type, which is the kind of the device: watch, ring, phone. Null: any.';
COMMENT ON COLUMN wearables.source_priorities.channel IS 'Channel of the source. Null: any.';
SELECT pg_extension_config_dump('wearables.source_priorities', '');

CREATE FUNCTION wearables_internal.source_places(user_id bigint, metric text, parent text, source_ids smallint[])
RETURNS TABLE (source_id smallint, provider text, source_type text, channel text, place bigint, is_named boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH list AS (
    SELECT p.user_id, p.metric FROM wearables.source_priorities p
    WHERE (p.user_id = $1 OR p.user_id IS NULL) AND (p.metric IN ($2, $3) OR p.metric IS NULL)
    ORDER BY p.user_id IS NULL, p.metric IS NULL, p.metric <> $2
    LIMIT 1),
  named AS (
    SELECT s.source_id, min(p.rank) AS rank
    FROM list l
    JOIN wearables.source_priorities p
      ON p.user_id IS NOT DISTINCT FROM l.user_id AND p.metric IS NOT DISTINCT FROM l.metric
    JOIN wearables.sources s
      ON s.provider = coalesce(p.provider, s.provider) AND s.source_type = coalesce(p.source_type, s.source_type)
      AND s.channel = coalesce(p.channel, s.channel)
    WHERE s.source_id = ANY ($4)
    GROUP BY s.source_id)
  SELECT s.source_id, s.provider, s.source_type, s.channel,
         row_number() OVER (
           ORDER BY n.rank NULLS LAST, s.channel <> 'timeseries', s.provider, s.source_type, s.channel),
         n.rank IS NOT NULL OR NOT EXISTS (SELECT FROM list)
  FROM wearables.sources s LEFT JOIN named n ON n.source_id = s.source_id
  WHERE s.source_id = ANY ($4);
END;
COMMENT ON FUNCTION wearables_internal.source_places(bigint, text, text, smallint[]) IS
  'These sources in the order in which a chart of the user and metric prefers them, and whether its list names them '
  '(true for all if there is no list).';
