-- Returns when no job is ready or running; fails after a minute.
DO $$
DECLARE
  started timestamptz := clock_timestamp();
BEGIN
  WHILE EXISTS (SELECT FROM wearables.jobs WHERE state IN ('ready', 'running')) LOOP
    IF clock_timestamp() > started + interval '1 minute' THEN
      RAISE EXCEPTION 'the queue is not empty after a minute: %', (SELECT reason FROM wearables.health);
    END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
