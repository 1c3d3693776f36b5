-- Partitions, rollups and retention: the work of ingest/maintenance.ts. Each is a function that runs with the owner's
-- rights within narrow bounds, so that the ingest role needs neither DDL nor a right to read samples.

-- Which minutes of which devices a batch has written samples to: one row a batch, inserted in the batch's transaction,
-- so that a rollup can neither miss late data nor see data that was never committed. minute = unix seconds / 60.
CREATE TABLE rollup_mark (
  key int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  devices int4[] NOT NULL,
  minutes int4[] NOT NULL,
  CHECK (cardinality(devices) = cardinality(minutes))
);

CREATE TABLE sample_1m (
  time timestamptz NOT NULL,
  count int8 NOT NULL,
  min float8 NOT NULL,
  max float8 NOT NULL,
  sum float8 NOT NULL,
  device int4 NOT NULL,
  metric int2 NOT NULL
)
--@ plain
PARTITION BY RANGE (time)
--@ end
;
CREATE UNIQUE INDEX sample_1m_series ON sample_1m (device, metric, time);
--@ hypertable
SELECT create_hypertable('sample_1m', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
--@ end

CREATE TABLE sample_1h (
  time timestamptz NOT NULL,
  count int8 NOT NULL,
  min float8 NOT NULL,
  max float8 NOT NULL,
  sum float8 NOT NULL,
  device int4 NOT NULL,
  metric int2 NOT NULL,
  PRIMARY KEY (device, metric, time)
);
CREATE INDEX sample_1h_time ON sample_1h USING brin (time);

-- how far back retention has dropped; one row
CREATE TABLE retention (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  dropped_before timestamptz NOT NULL
);
INSERT INTO retention (dropped_before) VALUES ('-infinity');

-- Makes the daily partitions that the interval touches; answers how many it made. There is no DEFAULT partition: once
-- it held rows of a day, that day's own partition could not be made without scanning and locking them all.
-- SQLSTATE 22023 when the interval is outside what may ever be stored.
CREATE FUNCTION ensure_partitions(from_time timestamptz, to_time timestamptz) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
--@ hypertable
BEGIN
  RETURN 0; -- TimescaleDB makes chunks by itself
END
--@ end
--@ plain
DECLARE
  parent text;
  child text;
  day date;
  made int4 := 0;
BEGIN
  -- 3,660 days: the longest retention that may be set; 2 days: clocks may be ahead by minutes, midnight may be near
  IF from_time < now() - INTERVAL '3660 days' OR to_time > now() + INTERVAL '2 days' OR to_time < from_time THEN
    RAISE EXCEPTION 'no partitions are made for % to %', from_time, to_time USING ERRCODE = '22023';
  END IF;
  -- two workers at once; 7_040_002 is ours alone
  PERFORM pg_advisory_xact_lock(7040002);
  FOR day IN SELECT generate_series(from_time::date, to_time::date, INTERVAL '1 day')::date LOOP
    FOREACH parent IN ARRAY ARRAY['receipt', 'sample', 'wave', 'sample_1m'] LOOP
      child := parent || '_' || to_char(day, 'YYYYMMDD');
      IF to_regclass('public.' || child) IS NULL THEN
        -- made apart, then attached: CREATE … PARTITION OF would wait for, and block, every writer of the parent
        EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
          parent, child, day::timestamptz, (day + 1)::timestamptz);
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END
--@ end
$$;

-- Recomputes the one-minute and one-hour rollups of all marked minutes, late ones included, and takes the marks away.
-- A minute that is not over yet keeps its mark: its rollup would have to be made again. Answers how many device-minutes
-- were done; null when another worker is at it.
CREATE FUNCTION roll_up(max_marks int4 DEFAULT 1000) RETURNS int8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  device_keys int4[];
  minute_numbers int4[];
  hour_number int4;
  done int8;
  this_minute int4 := floor(extract(epoch FROM now()) / 60);
BEGIN
  IF NOT pg_try_advisory_xact_lock(7040003) THEN RETURN NULL; END IF;
  WITH taken AS (
    DELETE FROM rollup_mark WHERE key IN (SELECT key FROM rollup_mark ORDER BY key LIMIT max_marks)
    RETURNING devices, minutes
  ), marked AS (
    SELECT DISTINCT m.device, m.minute FROM taken, unnest(taken.devices, taken.minutes) AS m (device, minute)
  ), put_back AS (
    INSERT INTO rollup_mark (devices, minutes)
    SELECT array_agg(device), array_agg(minute) FROM marked WHERE minute >= this_minute HAVING count(*) > 0
  )
  SELECT array_agg(device), array_agg(minute), count(*) INTO device_keys, minute_numbers, done
  FROM marked WHERE minute < this_minute;

  FOR hour_number IN SELECT DISTINCT minute / 60 FROM unnest(minute_numbers) AS minute ORDER BY 1 LOOP
    -- the hour stands in the text as a constant, so that planning looks at one day's partition only
    EXECUTE format($query$
      INSERT INTO sample_1m (time, count, min, max, sum, device, metric)
      SELECT to_timestamp(mark.minute * 60.0), part.count, part.min, part.max, part.sum, mark.device, metric.id
      FROM (SELECT * FROM unnest($1, $2) AS m (device, minute) WHERE m.minute >= %1$s AND m.minute < %1$s + 60) AS mark
      CROSS JOIN metric
      CROSS JOIN LATERAL (
        SELECT count(value), min(value), max(value), sum(value) FROM sample
        WHERE device = mark.device AND metric = metric.id
          AND time >= to_timestamp(mark.minute * 60.0) AND time < to_timestamp(mark.minute * 60.0 + 60)
          AND time >= %2$L AND time < %3$L
      ) AS part
      WHERE NOT metric.wave AND part.count > 0
      ON CONFLICT (device, metric, time) DO UPDATE
        SET count = excluded.count, min = excluded.min, max = excluded.max, sum = excluded.sum
      $query$, hour_number * 60, to_timestamp(hour_number * 3600.0), to_timestamp(hour_number * 3600.0 + 3600))
      USING device_keys, minute_numbers;
    EXECUTE format($query$
      INSERT INTO sample_1h (time, count, min, max, sum, device, metric)
      SELECT %2$L, part.count, part.min, part.max, part.sum, mark.device, metric.id
      FROM (SELECT DISTINCT device FROM unnest($1, $2) AS m (device, minute)
            WHERE m.minute >= %1$s AND m.minute < %1$s + 60) AS mark
      CROSS JOIN metric
      CROSS JOIN LATERAL (
        SELECT sum(count)::int8 AS count, min(min), max(max), sum(sum) FROM sample_1m
        WHERE device = mark.device AND metric = metric.id AND time >= %2$L AND time < %3$L
      ) AS part
      WHERE NOT metric.wave AND part.count > 0
      ON CONFLICT (device, metric, time) DO UPDATE
        SET count = excluded.count, min = excluded.min, max = excluded.max, sum = excluded.sum
      $query$, hour_number * 60, to_timestamp(hour_number * 3600.0), to_timestamp(hour_number * 3600.0 + 3600))
      USING device_keys, minute_numbers;
  END LOOP;
  RETURN done;
END
$$;

-- Drops the days that ended before now - keep; answers how many partitions or chunks went. A message older than `keep`
-- is quarantined by the worker, so dropping its receipt cannot let a resend in a second time. 22023: keep is too short.
CREATE FUNCTION retain(keep interval) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  -- whole days, as partitions are
  cutoff timestamptz := date_trunc('day', now() - keep);
  parent text;
  child text;
  dropped int4 := 0;
BEGIN
  IF keep < INTERVAL '1 day' THEN
    RAISE EXCEPTION 'retention must be at least one day, not %', keep USING ERRCODE = '22023';
  END IF;
  IF NOT pg_try_advisory_xact_lock(7040004) THEN RETURN 0; END IF;
  -- a drop waits for writers and holds up those behind it: rather later than long
  PERFORM set_config('lock_timeout', '2s', true);
  -- receipts last: they live at least as long as what they vouch for
  FOREACH parent IN ARRAY ARRAY['sample_1m', 'sample', 'wave', 'receipt'] LOOP
    --@ hypertable
    FOR child IN SELECT drop_chunks(format('public.%I', parent)::regclass, older_than => cutoff) LOOP
      dropped := dropped + 1;
    END LOOP;
    --@ end
    --@ plain
    FOR child IN
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = format('public.%I', parent)::regclass
        AND to_date(right(c.relname, 8), 'YYYYMMDD') < cutoff::date
    LOOP
      EXECUTE format('DROP TABLE public.%I', child);
      dropped := dropped + 1;
    END LOOP;
    --@ end
  END LOOP;
  DELETE FROM sample_1h WHERE time < cutoff;
  DELETE FROM quarantine WHERE last_received_at < cutoff;
  UPDATE retention SET dropped_before = cutoff WHERE dropped_before < cutoff;
  RETURN dropped;
END
$$;

-- Old days into TimescaleDB's columnstore. Only its licensed edition has that; elsewhere this answers false and changes
-- nothing. Receipts stay as they are: their unique index is what redelivery is measured against.
CREATE FUNCTION use_columnstore() RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  parent text;
BEGIN
  --@ hypertable
  FOREACH parent IN ARRAY ARRAY['sample', 'wave'] LOOP
    IF NOT EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_name = parent AND compression_enabled) THEN
      EXECUTE format($query$ALTER TABLE public.%I SET (timescaledb.compress, timescaledb.compress_segmentby = 'device, metric',
        timescaledb.compress_orderby = 'time DESC')$query$, parent);
    END IF;
    -- a week: devices that were out of reach for some days still write into plain rows
    PERFORM add_compression_policy(format('public.%I', parent)::regclass, INTERVAL '7 days', if_not_exists => true);
  END LOOP;
  RETURN true;
EXCEPTION WHEN feature_not_supported THEN
  --@ end
  RETURN false;
END
$$;
