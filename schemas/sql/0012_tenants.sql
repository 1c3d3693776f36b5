-- Tenants: whose readings a login may see. Readers are granted views; each view lets through what lies in a period in which the device
-- belonged to a tenant of the login. The login is session_user, which neither SET ROLE nor a SECURITY DEFINER function changes; a setting
-- of the session would be the reader's own to change. Row-level security is not used: TimescaleDB refuses the columnstore and COPY on a
-- hypertable that has it. security_barrier keeps a reader's own functions and operators away from rows it may not see; only leak-proof
-- conditions (comparisons of uuid, text, timestamptz, numbers) go below the barrier, and those are what an index can use.

CREATE TABLE tenancy (
  device int4 NOT NULL REFERENCES device,
  tenant text NOT NULL CHECK (tenant NOT IN ('', '*')),
  period tstzrange NOT NULL CHECK (NOT isempty(period)),
  CONSTRAINT tenancy_overlap EXCLUDE USING gist (device WITH =, period WITH &&)
);
CREATE INDEX tenancy_tenant ON tenancy (tenant, device);
CREATE INDEX tenancy_device ON tenancy (device);
COMMENT ON TABLE tenancy IS 'Which tenant a device belongs to, and when. device.tenant is the one of now.';

CREATE TABLE tenant_login (
  login text NOT NULL CHECK (login <> ''),
  -- '*' = every tenant, and devices that have none
  tenant text NOT NULL CHECK (tenant <> ''),
  granted_at timestamptz NOT NULL DEFAULT now(),
  granted_by text NOT NULL DEFAULT session_user,
  PRIMARY KEY (login, tenant)
);
COMMENT ON TABLE tenant_login IS 'Which tenants a LOGIN role may read. Not mapped: nothing.';

INSERT INTO tenancy (device, tenant, period) SELECT key, tenant, tstzrange(NULL, NULL) FROM device WHERE tenant NOT IN ('', '*');

-- device.tenant follows tenancy, and is not written otherwise: who sets it by hand would change no right.
CREATE FUNCTION follow_tenancy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  key_changed int4 := CASE WHEN TG_OP = 'DELETE' THEN OLD.device ELSE NEW.device END;
BEGIN
  UPDATE device d SET tenant = now_in.tenant
  FROM (SELECT max(t.tenant) AS tenant FROM tenancy t WHERE t.device = key_changed AND t.period @> now()) AS now_in
  WHERE d.key = key_changed AND d.tenant IS DISTINCT FROM now_in.tenant;
  RETURN NULL;
END
$$;
CREATE TRIGGER tenancy_changed AFTER INSERT OR UPDATE OR DELETE ON tenancy FOR EACH ROW EXECUTE FUNCTION follow_tenancy();

CREATE FUNCTION refuse_tenant() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.tenant IS DISTINCT FROM (SELECT t.tenant FROM tenancy t WHERE t.device = NEW.key AND t.period @> now()) THEN
    RAISE EXCEPTION 'the tenant of a device is changed through the table tenancy (pulsegate tenants move)' USING ERRCODE = '55000';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER device_tenant BEFORE UPDATE OF tenant ON device FOR EACH ROW
  WHEN (OLD.tenant IS DISTINCT FROM NEW.tenant) EXECUTE FUNCTION refuse_tenant();

-- a device that is registered with a tenant belongs to it since ever
CREATE FUNCTION begin_tenancy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO tenancy (device, tenant, period) VALUES (NEW.key, NEW.tenant, tstzrange(NULL, NULL));
  RETURN NULL;
END
$$;
CREATE TRIGGER device_with_tenant AFTER INSERT ON device FOR EACH ROW WHEN (NEW.tenant IS NOT NULL) EXECUTE FUNCTION begin_tenancy();

-- The tenants of this session's login; {*}: all. Whoever has the rights of the tables' owner could read them anyway. Asked as
-- (SELECT tenants_seen()), so that it is computed once a query.
CREATE FUNCTION tenants_seen() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE
    WHEN pg_has_role(session_user, current_user, 'USAGE') THEN '{*}'
    WHEN EXISTS (SELECT FROM tenant_login WHERE login = session_user AND tenant = '*') THEN '{*}'
    ELSE (SELECT coalesce(array_agg(tenant), '{}') FROM tenant_login WHERE login = session_user)
  END
$$;

CREATE FUNCTION sees_all() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$ SELECT '*' = ANY (tenants_seen()) $$;

-- Inside the views: from when until when the login may see which device. Of the two halves one is not executed.
CREATE VIEW seen_period AS
SELECT d.key AS device, d.id, d.kind, '-infinity'::timestamptz AS since, 'infinity'::timestamptz AS until
FROM device d WHERE (SELECT sees_all())
UNION ALL
SELECT d.key, d.id, d.kind, coalesce(lower(t.period), '-infinity'), coalesce(upper(t.period), 'infinity')
FROM tenancy t JOIN device d ON d.key = t.device WHERE t.tenant = ANY ((SELECT tenants_seen())::text[]);

-- The current tenant sees all of its device. One that had it earlier finds it by id, and learns nothing of its life since. Two halves
-- stand inside of one SELECT, here and below: PostgreSQL takes a view that is itself a UNION ALL apart, and its barrier with it.
CREATE OR REPLACE VIEW device_list WITH (security_barrier) AS
SELECT device, kind, model, serial, firmware, state, tenant, first_seen, last_seen FROM (
  SELECT id AS device, kind, model, serial, firmware, state, tenant, first_seen, last_seen FROM device
  WHERE (SELECT sees_all()) OR tenant = ANY ((SELECT tenants_seen())::text[])
  UNION ALL
  SELECT d.id, d.kind, NULL, NULL, NULL, NULL, last.tenant, greatest(d.first_seen, last.since), least(d.last_seen, last.until)
  FROM device d CROSS JOIN LATERAL (
    SELECT t.tenant, coalesce(lower(t.period), '-infinity') AS since, upper(t.period) AS until FROM tenancy t
    WHERE t.device = d.key AND t.tenant = ANY ((SELECT tenants_seen())::text[]) ORDER BY t.period DESC LIMIT 1
  ) AS last
  WHERE d.tenant IS NULL OR d.tenant <> ALL ((SELECT tenants_seen())::text[])
) AS halves;

-- The second condition says again what the join says, where rows are first read: EXPLAIN ANALYZE shows how many rows each step let
-- through, and a condition of the reader's on the value must not be counted over other tenants' rows. value * 1 is the value; as
-- an expression it has no statistics, whose estimates would tell of all tenants' values.
CREATE OR REPLACE VIEW reading WITH (security_barrier) AS
SELECT s.time, p.id AS device, p.kind AS device_kind, m.name AS metric,
  s.value * 1 AS value, m.unit, s.quality, m.mdc, m.loinc
FROM seen_period p JOIN sample s ON s.device = p.device AND s.time >= p.since AND s.time < p.until JOIN metric m ON m.id = s.metric
WHERE (SELECT sees_all()) OR s.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[]));

-- see 0005 for the two halves
CREATE OR REPLACE VIEW latest_reading WITH (security_barrier) AS
SELECT time, device, device_kind, metric, value, unit, quality, mdc, loinc FROM (
  SELECT s.time, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
  FROM device d JOIN metric m ON NOT m.wave
  CROSS JOIN LATERAL (
    SELECT newest.time, newest.value, newest.quality FROM seen_period p CROSS JOIN LATERAL (
      SELECT time, value, quality FROM sample
      WHERE device = p.device AND metric = m.id AND time >= p.since AND time < p.until ORDER BY time DESC LIMIT 1
    ) AS newest
    WHERE p.device = d.key ORDER BY newest.time DESC LIMIT 1
  ) AS s
  WHERE ((SELECT sees_all()) OR d.key IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[])))
    AND EXISTS (SELECT FROM sample_1h WHERE device = d.key AND metric = m.id)
  UNION ALL
  SELECT s.time, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
  FROM device d JOIN metric m ON NOT m.wave
  CROSS JOIN LATERAL (
    SELECT newest.time, newest.value, newest.quality FROM seen_period p CROSS JOIN LATERAL (
      SELECT time, value, quality FROM sample
      WHERE device = p.device AND metric = m.id AND time >= greatest(p.since, now() - INTERVAL '1 day') AND time < p.until ORDER BY time DESC LIMIT 1
    ) AS newest
    WHERE p.device = d.key ORDER BY newest.time DESC LIMIT 1
  ) AS s
  WHERE ((SELECT sees_all()) OR d.key IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[])))
    AND NOT EXISTS (SELECT FROM sample_1h WHERE device = d.key AND metric = m.id)
) AS halves;

-- a minute or hour in which the device changed hands mixes two tenants' readings: neither sees it
CREATE OR REPLACE VIEW reading_1m WITH (security_barrier) AS
SELECT r.time, p.id AS device, p.kind AS device_kind, m.name AS metric, m.unit,
  r.count, r.min * 1 AS min, r.max * 1 AS max, r.sum / r.count AS avg
FROM seen_period p JOIN sample_1m r ON r.device = p.device AND r.time >= p.since AND r.time <= p.until - INTERVAL '1 minute'
JOIN metric m ON m.id = r.metric
WHERE (SELECT sees_all()) OR r.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[]));

CREATE OR REPLACE VIEW reading_1h WITH (security_barrier) AS
SELECT r.time, p.id AS device, p.kind AS device_kind, m.name AS metric, m.unit,
  r.count, r.min * 1 AS min, r.max * 1 AS max, r.sum / r.count AS avg
FROM seen_period p JOIN sample_1h r ON r.device = p.device AND r.time >= p.since AND r.time <= p.until - INTERVAL '1 hour'
JOIN metric m ON m.id = r.metric
WHERE (SELECT sees_all()) OR r.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[]));

-- a block that reaches over the end of a period is shown value by value (wave_sample), each value to its tenant
CREATE OR REPLACE VIEW wave_block WITH (security_barrier) AS
SELECT w.time, p.id AS device, p.kind AS device_kind, m.name AS metric, m.unit,
  w.period_us, w.scale, w."offset", w."values",
  w.time + cardinality(w."values") * w.period_us * INTERVAL '1 microsecond' AS end_time, m.mdc, m.loinc
FROM seen_period p JOIN wave w ON w.device = p.device AND w.time >= p.since AND w.time < p.until JOIN metric m ON m.id = w.metric
WHERE ((SELECT sees_all()) OR w.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[])))
  AND (p.until = 'infinity' OR w.time + cardinality(w."values") * w.period_us * INTERVAL '1 microsecond' <= p.until);

-- one block never spans more than an hour of what the wire allows at clinical rates
CREATE OR REPLACE VIEW wave_sample WITH (security_barrier) AS
SELECT v.time, p.id AS device, p.kind AS device_kind, m.name AS metric, m.unit,
  (v.raw::float8 + w."offset") * round(w.scale * 1e9) / 1e9 AS value, v.raw, w.time AS block_time, (v.n - 1)::int4 AS index
FROM seen_period p
JOIN wave w ON w.device = p.device AND w.time >= p.since - INTERVAL '1 hour' AND w.time < p.until
JOIN metric m ON m.id = w.metric
CROSS JOIN LATERAL (
  SELECT raw, n, w.time + (n - 1) * w.period_us * INTERVAL '1 microsecond' AS time FROM unnest(w."values") WITH ORDINALITY AS u (raw, n)
) AS v
WHERE ((SELECT sees_all()) OR w.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[])))
  AND v.time >= p.since AND v.time < p.until;

-- completeness() of 0006, of one interval and for nobody in particular; the words there hold
CREATE FUNCTION completeness_between(device uuid, from_time timestamptz, to_time timestamptz)
RETURNS TABLE (boot numeric, first_seq int8, last_seq int8, received int8, missing_count int8, missing int8multirange, quarantined int8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH boots AS (
    SELECT b.device, b.key, b.boot, b.anchor FROM device d JOIN device_boot b ON b.device = d.key
    WHERE d.id = completeness_between.device
  ), bad AS (
    SELECT q.boot, q.seq, q.received_at FROM quarantine q LEFT JOIN boots b ON b.boot = q.boot
    WHERE coalesce(q.source, q.publisher) = completeness_between.device AND q.replayed_at IS NULL
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

-- Each period of the login by itself: what lies outside of it is no more told than if it were not there. Who sees all, or has had the
-- device all the time, gets one row a boot.
CREATE OR REPLACE FUNCTION completeness(device uuid, from_time timestamptz DEFAULT '-infinity', to_time timestamptz DEFAULT 'infinity')
RETURNS TABLE (boot numeric, first_seq int8, last_seq int8, received int8, missing_count int8, missing int8multirange, quarantined int8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH periods AS (
    SELECT '-infinity'::timestamptz AS since, 'infinity'::timestamptz AS until WHERE sees_all()
    UNION ALL
    -- adjoining periods of a login that has both tenants are one
    SELECT coalesce(lower(part), '-infinity'), coalesce(upper(part), 'infinity') FROM unnest((
      SELECT range_agg(t.period) FROM device d JOIN tenancy t ON t.device = d.key
      WHERE d.id = completeness.device AND t.tenant = ANY (tenants_seen()))) AS part
  )
  SELECT c.boot, c.first_seq, c.last_seq, c.received, c.missing_count, c.missing, c.quarantined
  FROM periods p CROSS JOIN LATERAL completeness_between(completeness.device, greatest(from_time, p.since), least(to_time, p.until))
    WITH ORDINALITY AS c (boot, first_seq, last_seq, received, missing_count, missing, quarantined, n)
  ORDER BY p.since, c.n
$$;

-- The views by subject (0011) too: columns and meaning as there, each reading in a period of the login as well as of the assignment.
DO $views$
DECLARE
  -- says again where rows are first read, as in `reading`
  seen text := '((SELECT sees_all()) OR a.device IN (SELECT t.device FROM tenancy t WHERE t.tenant = ANY ((SELECT tenants_seen())::text[])))';
BEGIN
  IF to_regclass('public.subject_reading') IS NULL THEN RETURN; END IF;
  EXECUTE $view$
    CREATE OR REPLACE VIEW subject_reading WITH (security_barrier) AS
    SELECT s.time, a.subject, p.id AS device, p.kind AS device_kind, m.name AS metric, s.value * 1 AS value, m.unit, s.quality, m.mdc, m.loinc
    FROM assignment a JOIN seen_period p ON p.device = a.device JOIN metric m ON NOT m.wave
    JOIN sample s ON s.device = a.device AND s.metric = m.id
      AND s.time >= coalesce(lower(a.period), '-infinity') AND s.time < coalesce(upper(a.period), 'infinity')
      AND s.time >= p.since AND s.time < p.until
    WHERE $view$ || seen;
  EXECUTE $view$
    CREATE OR REPLACE VIEW subject_latest WITH (security_barrier) AS
    SELECT s.time, a.subject, d.id AS device, d.kind AS device_kind, m.name AS metric, s.value, m.unit, s.quality, m.mdc, m.loinc
    FROM assignment a JOIN device d ON d.key = a.device JOIN metric m ON NOT m.wave
    CROSS JOIN LATERAL (
      SELECT newest.time, newest.value, newest.quality FROM seen_period p CROSS JOIN LATERAL (
        SELECT time, value, quality FROM sample
        WHERE device = p.device AND metric = m.id
          AND time >= greatest(p.since, coalesce(lower(a.period), '-infinity')) AND time < least(p.until, coalesce(upper(a.period), 'infinity'))
        ORDER BY time DESC LIMIT 1
      ) AS newest
      WHERE p.device = a.device ORDER BY newest.time DESC LIMIT 1
    ) AS s
    WHERE a.period @> now() AND $view$ || seen;
  EXECUTE $view$
    CREATE OR REPLACE VIEW subject_wave_block WITH (security_barrier) AS
    SELECT w.time + part.from_index * w.period_us * INTERVAL '1 microsecond' AS time, a.subject, p.id AS device, p.kind AS device_kind,
      m.name AS metric, m.unit, w.period_us, w.scale, w."offset", w."values"[part.from_index + 1:part.to_index] AS "values",
      w.time + part.to_index * w.period_us * INTERVAL '1 microsecond' AS end_time, m.mdc, m.loinc, w.time AS block_time
    FROM assignment a JOIN seen_period p ON p.device = a.device JOIN metric m ON m.wave
    JOIN wave w ON w.device = a.device AND w.metric = m.id AND w.time < coalesce(upper(a.period), 'infinity') AND w.time < p.until
    CROSS JOIN LATERAL (
      SELECT greatest(p.since, coalesce(lower(a.period), '-infinity')) AS since, least(p.until, coalesce(upper(a.period), 'infinity')) AS until
    ) AS both_in
    CROSS JOIN LATERAL (
      SELECT greatest(0, ceil((extract(epoch FROM both_in.since) - extract(epoch FROM w.time)) * 1000000 / w.period_us)) AS low,
        least(cardinality(w."values"), ceil((extract(epoch FROM both_in.until) - extract(epoch FROM w.time)) * 1000000 / w.period_us)) AS high
    ) AS bounds
    CROSS JOIN LATERAL (SELECT bounds.low::int4 AS from_index, bounds.high::int4 AS to_index WHERE bounds.low < bounds.high) AS part
    WHERE $view$ || seen;
END
$views$;
