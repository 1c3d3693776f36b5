-- Devices and what is known of them. Small tables, joined by everything else through int4 keys: a key costs a sample
-- four bytes, an id would cost sixteen. Times are UTC; periods are half-open [from, to).

-- trusted extension: a database owner may create it; the period constraints below need it
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE device (
  key int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  -- of the latest birth message; null until there was one
  kind text,
  model text,
  serial text,
  firmware text,
  state text NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'retired')),
  tenant text,
  first_seen timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE device IS 'A thing with its own identity: a sensor, or a gateway. Only active devices may publish.';

CREATE TABLE device_boot (
  key int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device int4 NOT NULL REFERENCES device,
  -- the device's own boot id: any uint64
  boot numeric(20, 0) NOT NULL CHECK (boot >= 0),
  -- received_at - tick at first sight of the boot; written once, so that every redelivery is placed at the same time
  anchor timestamptz NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(),
  UNIQUE (device, boot)
);
COMMENT ON TABLE device_boot IS 'One run of a device''s firmware between restarts.';

CREATE TABLE metric (
  id int2 PRIMARY KEY,
  name text NOT NULL UNIQUE,
  -- device kinds that send it; empty = any kind
  kinds text[] NOT NULL DEFAULT '{}',
  unit text NOT NULL,
  -- on the wire a value is an integer times ten to this power; stored values are already in the unit
  exponent int2 NOT NULL DEFAULT 0,
  mdc int4,
  loinc text,
  wave boolean NOT NULL DEFAULT false,
  plausible_low float8,
  plausible_high float8,
  hard_low float8,
  hard_high float8,
  -- false: the MDC or LOINC code has not been checked against its source
  verified boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE metric IS 'The metric registry of schemas/metrics.ts, copied in by every migrate. Units are UCUM.';

CREATE TABLE pairing (
  gateway int4 NOT NULL REFERENCES device,
  sensor int4 NOT NULL REFERENCES device,
  period tstzrange NOT NULL CHECK (NOT isempty(period)),
  CHECK (gateway <> sensor),
  -- a sensor speaks through one gateway at a time
  CONSTRAINT pairing_overlap EXCLUDE USING gist (sensor WITH =, period WITH &&)
);
CREATE INDEX pairing_gateway ON pairing (gateway, sensor);
COMMENT ON TABLE pairing IS 'Which gateway may publish for which sensor, and when.';

CREATE TABLE assignment (
  device int4 NOT NULL REFERENCES device,
  -- a pseudonym; who it is, is kept elsewhere
  subject text NOT NULL,
  period tstzrange NOT NULL CHECK (NOT isempty(period)),
  CONSTRAINT assignment_overlap EXCLUDE USING gist (device WITH =, period WITH &&)
);
CREATE INDEX assignment_subject ON assignment (subject);
COMMENT ON TABLE assignment IS 'Which pseudonymous subject a device measures, and when.';
