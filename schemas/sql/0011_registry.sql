-- The registry as it changes: a history of states, pairings announced as they commit, and what was measured on each subject.

-- every reader takes periods as [from, to): a time belongs to one period or to none
ALTER TABLE pairing ADD CONSTRAINT pairing_half_open CHECK (NOT upper_inc(period) AND (lower_inc(period) OR lower_inf(period)));
ALTER TABLE assignment ADD CONSTRAINT assignment_half_open CHECK (NOT upper_inc(period) AND (lower_inc(period) OR lower_inf(period)));

-- a page of the devices in one state, without reading the others
CREATE INDEX device_state_id ON device (state, id);

CREATE TABLE device_state_history (
  -- goes with the device; the audit trail does not
  device int4 NOT NULL REFERENCES device ON DELETE CASCADE,
  state text NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'retired')),
  period tstzrange NOT NULL CHECK (NOT isempty(period)),
  CONSTRAINT device_state_history_overlap EXCLUDE USING gist (device WITH =, period WITH &&)
);
COMMENT ON TABLE device_state_history IS 'Which state a device was in, and when; the last one is open. Kept by a trigger, whoever changes the state.';

-- of the time before this file nothing is known
INSERT INTO device_state_history (device, state, period) SELECT key, state, tstzrange(now(), NULL) FROM device;

-- As the owner: the ingest role registers devices and may change states, and has no business with the history itself.
CREATE FUNCTION keep_device_state () RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  -- not now(): a transaction that waited for the row's lock began before the state it ends
  since timestamptz := clock_timestamp();
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE device_state_history SET period = tstzrange(lower(period), greatest(since, lower(period) + INTERVAL '1 microsecond'))
      WHERE device = NEW.key AND upper_inf(period) RETURNING upper(period) INTO since;
  END IF;
  INSERT INTO device_state_history (device, state, period) VALUES (NEW.key, NEW.state, tstzrange(coalesce(since, clock_timestamp()), NULL));
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION keep_device_state IS 'Trigger function: keeps device_state_history in step with device.state.';
REVOKE ALL ON FUNCTION keep_device_state FROM PUBLIC;
CREATE TRIGGER device_state_kept_new AFTER INSERT ON device FOR EACH ROW EXECUTE FUNCTION keep_device_state();
CREATE TRIGGER device_state_kept AFTER UPDATE OF state ON device FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION keep_device_state();

-- A change of a pairing is announced when it commits, so that every worker forgets at once what it knew of it: on channel
-- pulsegate_pairing, {"gateway": <device.key>, "sensor": <device.key>}. Who did not hear it asks again within a second.
CREATE FUNCTION announce_pairing () RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM pg_notify('pulsegate_pairing', json_build_object('gateway', OLD.gateway, 'sensor', OLD.sensor)::text);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM pg_notify('pulsegate_pairing', json_build_object('gateway', NEW.gateway, 'sensor', NEW.sensor)::text);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_pairing IS 'Trigger function: announces a change of a pairing on the channel pulsegate_pairing.';
REVOKE ALL ON FUNCTION announce_pairing FROM PUBLIC;
CREATE TRIGGER pairing_changed AFTER INSERT OR UPDATE OR DELETE ON pairing FOR EACH ROW EXECUTE FUNCTION announce_pairing();

-- What was measured on a subject. The time of the measurement decides, however late it came in; one at the very time of a
-- hand-over belongs to the subject that the device goes to. By the subject's devices, then by the index of sample: no other device is read.
CREATE VIEW subject_reading WITH (security_barrier) AS
SELECT s.time, a.subject, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
FROM assignment a JOIN device d ON d.key = a.device JOIN metric m ON NOT m.wave
JOIN sample s ON s.device = a.device AND s.metric = m.id
  AND s.time >= coalesce(lower(a.period), '-infinity') AND s.time < coalesce(upper(a.period), 'infinity');
COMMENT ON VIEW subject_reading IS 'Readings by the subject the device was assigned to at the time of the measurement. Filter by subject and time.';

CREATE VIEW subject_latest WITH (security_barrier) AS
SELECT s.time, a.subject, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
FROM assignment a JOIN device d ON d.key = a.device JOIN metric m ON NOT m.wave
CROSS JOIN LATERAL (
  SELECT time, value, quality FROM sample
  WHERE device = a.device AND metric = m.id
    AND time >= coalesce(lower(a.period), '-infinity') AND time < coalesce(upper(a.period), 'infinity')
  ORDER BY time DESC LIMIT 1
) AS s
WHERE a.period @> now();
COMMENT ON VIEW subject_latest IS 'The newest reading of each metric of the devices assigned now, from the time of the assignment on.';

-- A block is cut at a hand-over, value by value. block_time is when the whole block began: filter by it, time is computed.
CREATE VIEW subject_wave_block WITH (security_barrier) AS
SELECT w.time + part.from_index * w.period_us * INTERVAL '1 microsecond' AS time, a.subject, d.id AS device, d.kind AS device_kind,
  m.name AS metric, m.unit, w.period_us, w.scale, w."offset", w."values"[part.from_index + 1:part.to_index] AS "values",
  w.time + part.to_index * w.period_us * INTERVAL '1 microsecond' AS end_time, m.mdc, m.loinc, w.time AS block_time
FROM assignment a JOIN device d ON d.key = a.device JOIN metric m ON m.wave
JOIN wave w ON w.device = a.device AND w.metric = m.id AND w.time < coalesce(upper(a.period), 'infinity')
CROSS JOIN LATERAL (
  -- value i (from 0) is at time + i * period: the first at or after the beginning, and the first at or after the end
  SELECT greatest(0, ceil((coalesce(extract(epoch FROM lower(a.period)), '-Infinity') - extract(epoch FROM w.time)) * 1000000 / w.period_us)) AS low,
    least(cardinality(w."values"), ceil((coalesce(extract(epoch FROM upper(a.period)), 'Infinity') - extract(epoch FROM w.time)) * 1000000 / w.period_us)) AS high
) AS bounds
CROSS JOIN LATERAL (SELECT bounds.low::int4 AS from_index, bounds.high::int4 AS to_index WHERE bounds.low < bounds.high) AS part;
COMMENT ON VIEW subject_wave_block IS 'Waves by the subject the device was assigned to, cut where an assignment begins or ends. Filter by subject and block_time.';
