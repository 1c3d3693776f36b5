-- completeness() lost the holes at the borders of intervals, so that adjoining reports could all say "complete" where
-- their union did not, and did not look for holes around messages in quarantine. Same name, columns and grants.

-- What became of a device's messages: one row a boot with messages in [from, to), in the order in which the boots began.
-- A message lies in the interval that holds its time; in quarantine it has none that can be trusted: there the time of
-- receipt counts. A hole lies in the interval that holds the first message after it. So each message stored and each
-- missing seq is in exactly one of adjoining intervals, and what these report adds up to what their union reports.
-- received: messages stored. first_seq, last_seq: of the messages, stored or in quarantine, with the hole before the
-- first of them; first_seq is 0 when nothing older of the boot is known and retention has not reached back to it,
-- because a boot counts from 0. missing: seqs of holes, neither stored nor in quarantine, whenever.
-- quarantined: in quarantine and not stored since, with a seq from first_seq to last_seq (a backlog's bad messages are
-- received long after its good ones were sent: they must not vanish from the report in whose range they lie) or received
-- in the interval. boot null: messages whose header could not be read.
CREATE OR REPLACE FUNCTION completeness(device uuid, from_time timestamptz DEFAULT '-infinity', to_time timestamptz DEFAULT 'infinity')
RETURNS TABLE (boot numeric, first_seq int8, last_seq int8, received int8, missing_count int8, missing int8multirange, quarantined int8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH boots AS (
    SELECT b.device, b.key, b.boot, b.anchor FROM device d JOIN device_boot b ON b.device = d.key
    WHERE d.id = completeness.device
  ), bad AS (
    SELECT q.boot, q.seq, q.received_at FROM quarantine q LEFT JOIN boots b ON b.boot = q.boot
    WHERE coalesce(q.source, q.publisher) = completeness.device AND q.replayed_at IS NULL
      -- not NOT EXISTS: that may become a join that reads all receipts, this stays one probe of the index a row
      AND (b.key IS NULL OR (SELECT r.seq FROM receipt r WHERE r.device = b.device AND r.boot = b.key AND r.seq = q.seq LIMIT 1) IS NULL)
  ), inside AS (
    SELECT part.boot, min(part.low) AS low, max(part.high) AS high, sum(part.received)::int8 AS received, min(part.since) AS since
    FROM (
      SELECT b.boot, min(r.seq) AS low, max(r.seq) AS high, count(*) AS received, b.anchor AS since
      FROM boots b JOIN receipt r ON r.device = b.device AND r.boot = b.key
      WHERE r.time >= from_time AND r.time < to_time
      GROUP BY b.key, b.boot, b.anchor
      UNION ALL
      SELECT bad.boot, min(bad.seq), max(bad.seq), 0, min(bad.received_at) FROM bad
      WHERE bad.received_at >= from_time AND bad.received_at < to_time
      GROUP BY bad.boot
    ) AS part
    GROUP BY part.boot
  ), placed AS (
    SELECT i.*, b.device, b.key, coalesce(b.anchor, i.since) AS began,
      -- the message before the first; none: null
      greatest((SELECT max(r.seq) FROM receipt r WHERE r.device = b.device AND r.boot = b.key AND r.seq < i.low),
        (SELECT max(bad.seq) FROM bad WHERE bad.boot = i.boot AND bad.seq < i.low)) AS before,
      -- below this, what is not there may be what retention has dropped
      CASE
        -- Nothing says when a boot known from quarantine alone began. A day before what is left of it: without that
        -- day, a device that is refused for longer than the retention time would seem to begin where retention ends.
        WHEN coalesce(b.anchor, (SELECT min(bad.received_at) - INTERVAL '1 day' FROM bad WHERE bad.boot = i.boot))
          >= (SELECT dropped_before FROM retention) THEN 0
        -- Receipts alone vouch for what lies above them: a backlog's messages in quarantine outlive its receipts.
        WHEN b.key IS NOT NULL THEN coalesce((SELECT min(r.seq) FROM receipt r WHERE r.device = b.device AND r.boot = b.key), i.high)
        ELSE (SELECT min(bad.seq) FROM bad WHERE bad.boot = i.boot)
      END AS floor
    FROM inside i LEFT JOIN boots b ON b.boot = i.boot
  ), bounded AS (
    -- least and greatest pass over nulls; without a low no message says its seq
    SELECT p.*, CASE WHEN p.low IS NOT NULL THEN least(p.low, greatest(p.before + 1, p.floor)) END AS first FROM placed p
  ), known AS (
    SELECT s.boot, r.seq, r.time FROM bounded s JOIN receipt r ON r.device = s.device AND r.boot = s.key
    WHERE r.seq BETWEEN coalesce(s.before, s.low) AND s.high
    UNION ALL
    SELECT s.boot, bad.seq, min(bad.received_at) FROM bounded s JOIN bad ON bad.boot = s.boot
    WHERE bad.seq BETWEEN coalesce(s.before, s.low) AND s.high
    GROUP BY s.boot, bad.seq
  ), steps AS (
    SELECT k.boot, k.time, k.seq, coalesce(lag(k.seq) OVER (PARTITION BY k.boot ORDER BY k.seq) + 1, 0) AS due FROM known k
  ), holes AS (
    SELECT s.boot, range_agg(int8range(greatest(s.floor, steps.due), steps.seq)) AS missing,
      sum(steps.seq - greatest(s.floor, steps.due))::int8 AS missing_count
    FROM bounded s JOIN steps ON steps.boot = s.boot
    WHERE steps.time >= from_time AND steps.time < to_time AND steps.seq > greatest(s.floor, steps.due)
    GROUP BY s.boot
  )
  SELECT s.boot, s.first, s.high, s.received, coalesce(h.missing_count, 0), coalesce(h.missing, '{}'),
    (SELECT count(*) FROM bad WHERE bad.boot IS NOT DISTINCT FROM s.boot
      AND (bad.received_at >= from_time AND bad.received_at < to_time OR bad.boot IS NOT NULL AND bad.seq BETWEEN s.first AND s.high))
  FROM bounded s LEFT JOIN holes h ON h.boot = s.boot
  ORDER BY s.boot IS NULL, s.began, s.boot
$$;
