-- One row for whoever asks whether all is well.

CREATE VIEW wearables.health AS
WITH
worst AS (
  SELECT p.severity, p.what || '; ' || p.remedy || coalesce(': ' || p.statement, '') AS reason
  FROM wearables.problems p LIMIT 1),
-- counted to 1,001, which stands for more: the view queue counts all
facts AS (
  SELECT (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'failed' LIMIT 1001) x) AS failed,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'ready' AND NOT j.suspect LIMIT 1001) x)
         + (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'ready' AND j.suspect LIMIT 1001) x)
           AS ready,
         (SELECT count(*) FROM (SELECT FROM wearables.jobs j WHERE j.state = 'running' LIMIT 1001) x) AS running,
         (SELECT max(clock_timestamp() - r.run_at) FROM wearables_internal.first_ready_jobs r
          WHERE r.run_at <= clock_timestamp()) AS longest_wait,
         (SELECT count(*) FROM (SELECT FROM wearables.parked_events LIMIT 1001) x) AS parked,
         (SELECT count(*) FROM (SELECT FROM wearables.quarantine LIMIT 1001) x) AS quarantined,
         wearables_internal.worker_count() AS workers, wearables_internal.oldest_event() AS oldest_event)
SELECT coalesce(w.severity, 'ok') AS verdict,
       coalesce(w.reason, CASE
         WHEN NOT EXISTS (SELECT FROM wearables.endpoints) THEN 'no endpoint is configured: add one with add_endpoint()'
         ELSE format('no problems; %s job(s) are waiting or running',
                     f.ready + f.running)
         END) AS reason,
       f.ready, f.running, f.failed, f.longest_wait, f.parked, f.quarantined, f.workers,
       f.oldest_event
FROM facts f LEFT JOIN worst w ON true;
COMMENT ON VIEW wearables.health IS
  'One row for monitoring: the verdict, its reason and a few counts. Counting stops at 1,001, which means "more '
  'than 1,000".';
COMMENT ON COLUMN wearables.health.verdict IS 'ok, warning or failing: the severity of the worst row of problems.';
COMMENT ON COLUMN wearables.health.reason IS 'That problem, what to do, and a statement for it.';
COMMENT ON COLUMN wearables.health.ready IS 'Jobs that are ready.';
COMMENT ON COLUMN wearables.health.running IS 'Jobs that are running.';
COMMENT ON COLUMN wearables.health.failed IS 'Jobs that were given up.';
COMMENT ON COLUMN wearables.health.longest_wait IS 'How long the first ready job has been due. Null: none is.';
COMMENT ON COLUMN wearables.health.parked IS 'Parked events.';
COMMENT ON COLUMN wearables.health.quarantined IS 'Quarantined readings.';
COMMENT ON COLUMN wearables.health.workers IS 'Running workers of this database. Null: the library is not preloaded.';
COMMENT ON COLUMN wearables.health.oldest_event IS
  'When the oldest event arrived that still has to be processed, parked events excluded. Null: there is none.';
