-- What a backend reads. These names and columns are the contract (docs/database.md): columns are added at the end,
-- never renamed or removed. Views run with their owner's rights, so readers need no grant on any table.

CREATE VIEW device_list AS
SELECT id AS device, kind, model, serial, firmware, state, tenant, first_seen, last_seen FROM device;

CREATE VIEW metric_list AS
SELECT id, name AS metric, kinds, unit, mdc, loinc, wave, plausible_low, plausible_high, hard_low, hard_high, verified
FROM metric;

CREATE VIEW reading AS
SELECT s.time, d.id AS device, d.kind AS device_kind, m.name AS metric,
  s.value, m.unit, s.quality, m.mdc, m.loinc
FROM sample s JOIN device d ON d.key = s.device JOIN metric m ON m.id = s.metric;
COMMENT ON VIEW reading IS 'A sample with names and units. Filter by device, metric and time: that is one index range a day.';

-- LATERAL, not DISTINCT ON: one index probe a series instead of a scan of the day. A series that does not exist would be
-- looked for in every day there is, so those without a rollup are looked for in the last day only.
CREATE VIEW latest_reading AS
SELECT s.time, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
FROM device d JOIN metric m ON NOT m.wave
CROSS JOIN LATERAL (
  SELECT time, value, quality FROM sample WHERE device = d.key AND metric = m.id ORDER BY time DESC LIMIT 1
) AS s
WHERE EXISTS (SELECT FROM sample_1h WHERE device = d.key AND metric = m.id)
UNION ALL
SELECT s.time, d.id, d.kind, m.name, s.value, m.unit, s.quality, m.mdc, m.loinc
FROM device d JOIN metric m ON NOT m.wave
CROSS JOIN LATERAL (
  SELECT time, value, quality FROM sample
  WHERE device = d.key AND metric = m.id AND time >= now() - INTERVAL '1 day' ORDER BY time DESC LIMIT 1
) AS s
WHERE NOT EXISTS (SELECT FROM sample_1h WHERE device = d.key AND metric = m.id);
COMMENT ON VIEW latest_reading IS 'The newest reading of each device and metric; one older than a day shows after the next rollup.';

CREATE VIEW reading_1m AS
SELECT r.time, d.id AS device, d.kind AS device_kind, m.name AS metric, m.unit,
  r.count, r.min, r.max, r.sum / r.count AS avg
FROM sample_1m r JOIN device d ON d.key = r.device JOIN metric m ON m.id = r.metric;
COMMENT ON VIEW reading_1m IS 'Readings by the minute, late ones included; a minute shows within the rollup interval after its end.';

CREATE VIEW reading_1h AS
SELECT r.time, d.id AS device, d.kind AS device_kind, m.name AS metric, m.unit,
  r.count, r.min, r.max, r.sum / r.count AS avg
FROM sample_1h r JOIN device d ON d.key = r.device JOIN metric m ON m.id = r.metric;
COMMENT ON VIEW reading_1h IS 'Readings by the hour, late ones included; of the minutes that are over.';

CREATE VIEW wave_block AS
SELECT w.time, d.id AS device, d.kind AS device_kind, m.name AS metric, m.unit,
  w.period_us, w.scale, w."offset", w."values",
  w.time + cardinality(w."values") * w.period_us * INTERVAL '1 microsecond' AS end_time, m.mdc, m.loinc
FROM wave w JOIN device d ON d.key = w.device JOIN metric m ON m.id = w.metric;
COMMENT ON VIEW wave_block IS 'Waves as they were sent: physical value = (raw + offset) * scale. end_time is when the next block is due.';

-- scale is a whole number of 1e-9; multiplying by that number first keeps 3 steps of 0.1 at 0.3
CREATE VIEW wave_sample AS
SELECT b.time + (v.n - 1) * b.period_us * INTERVAL '1 microsecond' AS time, b.device, b.device_kind, b.metric, b.unit,
  (v.raw::float8 + b."offset") * round(b.scale * 1e9) / 1e9 AS value, v.raw, b.time AS block_time, (v.n - 1)::int4 AS index
FROM wave_block b CROSS JOIN LATERAL unnest(b."values") WITH ORDINALITY AS v (raw, n);
COMMENT ON VIEW wave_sample IS 'Each value of a wave with its own time (microseconds). Filter by block_time as well: time alone cannot use the index.';

-- What became of a device's messages: one row a boot with messages in [from, to), in the order in which the boots began.
-- received: messages stored whose time lies in the interval. first_seq, last_seq: of those; first_seq is 0 when nothing
-- older of the boot is known and retention has not reached back to it, because a boot counts from 0.
-- missing: seqs in [first_seq, last_seq] that are neither stored (whenever) nor in quarantine.
-- quarantined: messages of the boot in quarantine and not stored since. Boots known from quarantine alone, and (boot null)
-- messages whose header could not be read, count by the time of receipt.
CREATE FUNCTION completeness(device uuid, from_time timestamptz DEFAULT '-infinity', to_time timestamptz DEFAULT 'infinity')
RETURNS TABLE (boot numeric, first_seq int8, last_seq int8, received int8, missing_count int8, missing int8multirange, quarantined int8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH bad AS (
    SELECT q.boot, q.seq, q.received_at FROM quarantine q
    WHERE coalesce(q.source, q.publisher) = completeness.device AND q.replayed_at IS NULL
  ), inside AS (
    SELECT b.key, b.boot, b.device, b.anchor, min(r.seq) AS low, max(r.seq) AS high, count(*) AS received
    FROM device d JOIN device_boot b ON b.device = d.key JOIN receipt r ON r.device = d.key AND r.boot = b.key
    WHERE d.id = completeness.device AND r.time >= from_time AND r.time < to_time
    GROUP BY b.key
  ), bounded AS (
    SELECT i.*, CASE
      WHEN i.anchor >= (SELECT dropped_before FROM retention) AND NOT EXISTS (
        SELECT FROM receipt r WHERE r.device = i.device AND r.boot = i.key AND r.seq < i.low
      ) THEN 0 ELSE i.low END AS first
    FROM inside i
  ), known AS (
    SELECT s.key, r.seq FROM bounded s JOIN receipt r ON r.device = s.device AND r.boot = s.key
    WHERE r.seq BETWEEN s.first AND s.high
    UNION
    SELECT s.key, bad.seq FROM bounded s JOIN bad ON bad.boot = s.boot WHERE bad.seq BETWEEN s.first AND s.high
  ), runs AS (
    -- consecutive seqs differ from their row number by the same amount
    SELECT key, int8range(min(seq), max(seq), '[]') AS run
    FROM (SELECT key, seq, seq - row_number() OVER (PARTITION BY key ORDER BY seq) AS island FROM known) AS numbered
    GROUP BY key, island
  ), holes AS (
    SELECT s.*, int8multirange(int8range(s.first, s.high, '[]'))
      - (SELECT range_agg(runs.run) FROM runs WHERE runs.key = s.key) AS missing
    FROM bounded s
  ), result AS (
    SELECT h.anchor AS began, h.boot, h.first, h.high, h.received,
      (SELECT coalesce(sum(upper(gap) - lower(gap)), 0)::int8 FROM unnest(h.missing) AS gap) AS missing_count, h.missing,
      (SELECT count(*) FROM bad WHERE bad.boot = h.boot AND NOT EXISTS (
        SELECT FROM receipt r WHERE r.device = h.device AND r.boot = h.key AND r.seq = bad.seq)) AS quarantined
    FROM holes h
    UNION ALL
    SELECT min(bad.received_at), bad.boot, min(bad.seq), max(bad.seq), 0, 0, '{}', count(*) FROM bad
    WHERE bad.received_at >= from_time AND bad.received_at < to_time
      AND NOT EXISTS (SELECT FROM inside WHERE inside.boot = bad.boot)
    GROUP BY bad.boot
  )
  SELECT boot, first, high, received, missing_count, missing, quarantined FROM result ORDER BY boot IS NULL, began, boot
$$;

-- every value of one wave metric in [from, to), blocks that begin before the interval included
CREATE FUNCTION wave_values(device uuid, metric text, from_time timestamptz, to_time timestamptz)
RETURNS TABLE ("time" timestamptz, value float8, raw int2)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT s.time, s.value, s.raw FROM wave_sample s
  WHERE s.device = wave_values.device AND s.metric = wave_values.metric
    -- one block never spans more than an hour of what the wire allows at clinical rates
    AND s.block_time >= from_time - INTERVAL '1 hour' AND s.block_time < to_time
    AND s.time >= from_time AND s.time < to_time
  ORDER BY s.time
$$;
