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
         WHEN NOT EXISTS (SELECT FROM wearables.endpoints) THEN 'no endpoint yet: add one with add_endpoint()'
         ELSE format('%s event(s) wait, the rest ended in samples or was skipped for a stated reason',
                     f.ready + f.running)
         END) AS reason,
       f.ready, f.running, f.failed, f.longest_wait, f.parked, f.quarantined, f.workers,
       f.oldest_event
FROM facts f LEFT JOIN worst w ON true;
COMMENT ON VIEW wearables.health IS
  'one verdict (ok, warning, failing) with its reason and what to do, the worst of the view problems; and counts, of '
  'which 1001 stands for more than 1000';
COMMENT ON COLUMN wearables.health.oldest_event IS
  'since when the oldest event waits that has not ended and is not parked; null: every event has ended';
