-- Waves at the edges of an erasure: whoever deletes a block puts back what of it is not meant, in the same statement's wake, so that neither
-- a block that comes between two steps goes whole nor two that erase at once put it back twice.

-- How many rows of a device erasures have taken away. Receipts stay and claim them: with this, whoever compares the two can tell what was
-- erased from what was lost.
CREATE TABLE erased_rows (
  device int4 PRIMARY KEY REFERENCES device,
  samples int8 NOT NULL DEFAULT 0,
  -- less those that a cut put in their place
  waves int8 NOT NULL DEFAULT 0
);
COMMENT ON TABLE erased_rows IS 'Rows of samples and waves that erasures took away, by device.';

CREATE FUNCTION count_erased(device_key int4, sample_rows int8, wave_rows int8) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO erased_rows AS e (device, samples, waves) SELECT device_key, sample_rows, wave_rows WHERE sample_rows <> 0 OR wave_rows <> 0
  ON CONFLICT (device) DO UPDATE SET samples = e.samples + EXCLUDED.samples, waves = e.waves + EXCLUDED.waves
$$;

-- Takes the values in [from_time, to_time) out of the blocks that begin in [begin_from, begin_to); answers how many blocks lost any.
CREATE FUNCTION erase_waves(device_key int4, from_time timestamptz, to_time timestamptz, begin_from timestamptz, begin_to timestamptz) RETURNS int8
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  block record;
  step interval;
  first_in int8;
  first_after int8;
  cut int8 := 0;
  put_back int8 := 0;
BEGIN
  -- as erase_slice(): who holds rows of a wave holds this, so that two that erase at once do not wait for each other
  PERFORM pg_advisory_xact_lock(7040003);
  -- the licensed edition takes rows of old days out of the columnstore to delete them; an hour of one device is bounded
  PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
  FOR block IN
    DELETE FROM wave w WHERE w.device = device_key AND w.time >= begin_from AND w.time < begin_to
      -- its last value; counted in int8: an hour of microseconds is more than an int4
      AND w.time + (cardinality(w."values") - 1)::int8 * w.period_us * INTERVAL '1 microsecond' >= from_time
    RETURNING w.*
  LOOP
    step := block.period_us * INTERVAL '1 microsecond';
    -- value i (from 0) is at time + i * period
    first_in := CASE WHEN block.time >= from_time THEN 0
      ELSE ceil(extract(epoch FROM from_time - block.time) * 1000000 / block.period_us) END;
    first_after := least(cardinality(block."values"), ceil(extract(epoch FROM to_time - block.time) * 1000000 / block.period_us));
    IF first_in > 0 THEN
      INSERT INTO wave (time, scale, device, period_us, "offset", metric, "values")
      VALUES (block.time, block.scale, device_key, block.period_us, block."offset", block.metric, block."values"[1:first_in]);
      put_back := put_back + 1;
    END IF;
    IF first_after < cardinality(block."values") THEN
      PERFORM ensure_partitions(block.time + first_after * step, block.time + first_after * step);
      INSERT INTO wave (time, scale, device, period_us, "offset", metric, "values")
      VALUES (block.time + first_after * step, block.scale, device_key, block.period_us, block."offset", block.metric, block."values"[first_after + 1:]);
      put_back := put_back + 1;
    END IF;
    cut := cut + 1;
  END LOOP;
  PERFORM count_erased(device_key, 0, cut - put_back);
  RETURN cut;
END
$$;

-- 0013's: blocks that begin in the hour before the time (no block is longer) and reach into it. Those that begin in it, and reach over its
-- end, are erase_slice()'s.
CREATE OR REPLACE FUNCTION erase_edges(device_key int4, from_time timestamptz, to_time timestamptz) RETURNS int8
LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT erase_waves(device_key, from_time, to_time, from_time - INTERVAL '1 hour', from_time)
$$;

-- 0013's, and what a block has beyond the slice stays: in the next slice, or for good.
CREATE OR REPLACE FUNCTION erase_slice(device_key int4, from_time timestamptz, to_time timestamptz, OUT samples int8, OUT waves int8, OUT rollups int8)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  this_hour timestamptz := date_trunc('hour', from_time);
  hours int8;
BEGIN
  IF to_time > this_hour + INTERVAL '1 hour' OR to_time <= from_time THEN
    RAISE EXCEPTION 'not within one hour: % to %', from_time, to_time USING ERRCODE = '22023';
  END IF;
  -- with roll_up(): one that has read the samples before must not write their rollup after
  PERFORM pg_advisory_xact_lock(7040003);
  waves := erase_waves(device_key, from_time, to_time, from_time, to_time);
  DELETE FROM sample WHERE device = device_key AND time >= from_time AND time < to_time;
  GET DIAGNOSTICS samples = ROW_COUNT;
  PERFORM count_erased(device_key, samples, 0);
  DELETE FROM sample_1m WHERE device = device_key AND time >= date_trunc('minute', from_time) AND time < to_time;
  GET DIAGNOSTICS rollups = ROW_COUNT;
  DELETE FROM sample_1h WHERE device = device_key AND time = this_hour;
  GET DIAGNOSTICS hours = ROW_COUNT;
  rollups := rollups + hours;
  IF to_time - from_time < INTERVAL '1 hour' THEN
    INSERT INTO rollup_mark (devices, minutes) VALUES (ARRAY[device_key, device_key],
      ARRAY[floor(extract(epoch FROM from_time) / 60), ceil(extract(epoch FROM to_time) / 60) - 1]::int4[]);
  END IF;
END
$$;

-- 0013's, and the edges. Counts a slice in which there was anything, and a block that reached in from before.
CREATE OR REPLACE FUNCTION erase_again(max_slices int4 DEFAULT 200) RETURNS int8
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  part record;
  next_time timestamptz;
  done int8 := 0;
BEGIN
  FOR part IN
    SELECT p.device, coalesce(lower(p.period), '-infinity') AS since, upper(p.period) AS until
    FROM erasure_part p JOIN erasure e ON e.id = p.erasure WHERE e.finished_at > now() - INTERVAL '7 days'
  LOOP
    done := done + erase_edges(part.device, part.since, part.until);
    LOOP
      next_time := erase_next(part.device, part.since, part.until);
      EXIT WHEN next_time IS NULL OR done >= max_slices;
      PERFORM erase_slice(part.device, greatest(part.since, date_trunc('hour', next_time)), least(part.until, date_trunc('hour', next_time) + INTERVAL '1 hour'));
      done := done + 1;
    END LOOP;
  END LOOP;
  RETURN done;
END
$$;
