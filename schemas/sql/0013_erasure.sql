-- Erasure: a device's or a subject's values leave every table, in steps that can be continued (ingest/erase.ts), and do not come back.
-- Receipts stay: they hold no value, and are why a message that is sent again is not stored again.

-- Times of which nothing may be stored any more; null: none. The worker reads it together with the state (ingest/lookup.ts).
ALTER TABLE device ADD COLUMN erased tstzmultirange;

CREATE TABLE erasure (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('device', 'subject')),
  -- device: its id; subject: its pseudonym, and the tombstone once it is done
  target text NOT NULL,
  -- what stands in the place of the subject from then on
  tombstone text,
  -- as asked for; null: since ever, until the request
  asked_from timestamptz,
  asked_to timestamptz,
  requested_at timestamptz NOT NULL DEFAULT now(),
  requested_by text NOT NULL,
  purpose text,
  -- rows by table
  removed jsonb NOT NULL DEFAULT '{}',
  finished_at timestamptz,
  CHECK ((kind = 'subject') = (tombstone IS NOT NULL))
);
CREATE UNIQUE INDEX erasure_open ON erasure (kind, target, coalesce(asked_from, '-infinity'), coalesce(asked_to, 'infinity')) WHERE finished_at IS NULL;
COMMENT ON TABLE erasure IS 'Erasures asked for, how far they are, and what they removed.';

CREATE TABLE erasure_part (
  erasure int8 NOT NULL REFERENCES erasure,
  device int4 NOT NULL REFERENCES device,
  period tstzrange NOT NULL CHECK (NOT isempty(period)),
  -- samples, waves and rollups before this time are gone
  done_to timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (erasure, device, period)
);
COMMENT ON TABLE erasure_part IS 'Device and time that an erasure is about.';

-- The first time in [from, to) at which anything measured is left of a device; null: nothing is.
CREATE FUNCTION erase_next(device_key int4, from_time timestamptz, to_time timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT min(least(
    (SELECT s.time FROM sample s WHERE s.device = device_key AND s.metric = m.id AND s.time >= from_time AND s.time < to_time ORDER BY s.time LIMIT 1),
    (SELECT w.time FROM wave w WHERE w.device = device_key AND w.metric = m.id AND w.time >= from_time AND w.time < to_time ORDER BY w.time LIMIT 1),
    (SELECT r.time FROM sample_1m r WHERE r.device = device_key AND r.metric = m.id AND r.time >= from_time
      AND r.time < date_trunc('minute', to_time) ORDER BY r.time LIMIT 1),
    (SELECT r.time FROM sample_1h r WHERE r.device = device_key AND r.metric = m.id AND r.time >= from_time
      AND r.time < date_trunc('hour', to_time) ORDER BY r.time LIMIT 1))) FROM metric m
$$;

-- Removes what was measured in [from, to), which must lie within one hour. The rollups of what remains of its edges are left to
-- roll_up(), and are away until then rather than wrong. 22023: more than an hour.
CREATE FUNCTION erase_slice(device_key int4, from_time timestamptz, to_time timestamptz, OUT samples int8, OUT waves int8, OUT rollups int8)
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
  DELETE FROM sample WHERE device = device_key AND time >= from_time AND time < to_time;
  GET DIAGNOSTICS samples = ROW_COUNT;
  DELETE FROM wave WHERE device = device_key AND time >= from_time AND time < to_time;
  GET DIAGNOSTICS waves = ROW_COUNT;
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

-- Blocks of waves that reach over an edge of [from, to) lose the values that lie in it and keep the others. Answers how many were cut.
CREATE FUNCTION erase_edges(device_key int4, from_time timestamptz, to_time timestamptz) RETURNS int8
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  block record;
  step interval;
  first_in int4;
  first_after int4;
  cut int8 := 0;
BEGIN
  -- a block that begins in the hour before an edge may reach over it (0006, wave_values)
  FOR block IN
    SELECT w.* FROM wave w WHERE w.device = device_key AND w.time >= from_time - INTERVAL '1 hour' AND w.time < from_time
      AND w.time + cardinality(w."values") * w.period_us * INTERVAL '1 microsecond' > from_time
    UNION ALL
    SELECT w.* FROM wave w WHERE w.device = device_key AND w.time >= greatest(from_time, to_time - INTERVAL '1 hour') AND w.time < to_time
      AND w.time + cardinality(w."values") * w.period_us * INTERVAL '1 microsecond' > to_time
  LOOP
    step := block.period_us * INTERVAL '1 microsecond';
    -- value i (from 0) is at time + i * period
    first_in := CASE WHEN block.time >= from_time THEN 0
      ELSE ceil(extract(epoch FROM from_time - block.time) * 1000000 / block.period_us)::int4 END;
    first_after := least(cardinality(block."values"), ceil(extract(epoch FROM to_time - block.time) * 1000000 / block.period_us))::int4;
    CONTINUE WHEN first_in >= first_after;
    DELETE FROM wave w WHERE w.device = device_key AND w.metric = block.metric AND w.time = block.time AND w."values" = block."values";
    IF first_in > 0 THEN
      INSERT INTO wave (time, scale, device, period_us, "offset", metric, "values")
      VALUES (block.time, block.scale, device_key, block.period_us, block."offset", block.metric, block."values"[1:first_in]);
    END IF;
    IF first_after < cardinality(block."values") THEN
      PERFORM ensure_partitions(block.time + first_after * step, block.time + first_after * step);
      INSERT INTO wave (time, scale, device, period_us, "offset", metric, "values")
      VALUES (block.time + first_after * step, block.scale, device_key, block.period_us, block."offset", block.metric, block."values"[first_after + 1:]);
    END IF;
    cut := cut + 1;
  END LOOP;
  RETURN cut;
END
$$;

-- Messages in quarantine lose their bytes and what was said of them; who sent which message, and when it came, stays for completeness().
-- In the place of the bytes stands the row's number: the digest of the bytes themselves would tell short ones.
CREATE FUNCTION erase_quarantine(ids int8[]) RETURNS int8
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  done int8;
BEGIN
  -- no longer sealed (0014, when it is there): there is nothing left to open
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.quarantine'::regclass AND attname = 'key' AND NOT attisdropped) THEN
    EXECUTE 'UPDATE quarantine SET key = NULL, bytes = NULL WHERE id = ANY ($1) AND reason <> $2' USING ids, 'erased';
  END IF;
  UPDATE quarantine SET payload = convert_to('erased: row ' || id, 'UTF8'), digest = sha256(convert_to('erased: row ' || id, 'UTF8')),
    detail = '', reason = 'erased'
  WHERE id = ANY (ids) AND reason <> 'erased';
  GET DIAGNOSTICS done = ROW_COUNT;
  RETURN done;
END
$$;

-- Once more what an erasure of the last week removed: a batch that was prepared before it, and held up by an outage, may have been
-- written after. At most so many slices a call; answers how many had anything in them.
CREATE FUNCTION erase_again(max_slices int4 DEFAULT 200) RETURNS int8
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

-- 0004's, and the keys of exports too.
CREATE OR REPLACE FUNCTION retain(keep interval) RETURNS int4
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
  -- what an export holds is older than the export
  UPDATE data_key k SET wrapped = NULL, destroyed_at = now()
  FROM export e WHERE e.key = k.id AND e.made_at < cutoff AND k.destroyed_at IS NULL;
  UPDATE retention SET dropped_before = cutoff WHERE dropped_before < cutoff;
  RETURN dropped;
END
$$;

-- What is older than retention allows and still there, by table: all zero after retain(), unless it did not get a lock.
CREATE FUNCTION retention_overdue(keep interval) RETURNS TABLE (name text, overdue int8)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  cutoff timestamptz := date_trunc('day', now() - keep);
BEGIN
  FOREACH name IN ARRAY ARRAY['sample', 'wave', 'receipt', 'sample_1m', 'sample_1h'] LOOP
    -- as a constant: planning then looks at old days only
    EXECUTE format('SELECT count(*) FROM public.%I WHERE time < %L', name, cutoff) INTO overdue;
    RETURN NEXT;
  END LOOP;
  name := 'quarantine';
  SELECT count(*) INTO overdue FROM quarantine q WHERE q.received_at < cutoff AND q.last_received_at < cutoff;
  RETURN NEXT;
  name := 'export';
  SELECT count(*) INTO overdue FROM export e JOIN data_key k ON k.id = e.key WHERE e.made_at < cutoff AND k.destroyed_at IS NULL;
  RETURN NEXT;
END
$$;
