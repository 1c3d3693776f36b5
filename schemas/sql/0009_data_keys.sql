-- Keys of data that leaves the happy path: payloads in quarantine, exports. Each is random, and stands here only wrapped by a master key
-- that the database never sees; without `wrapped`, whatever was sealed with it is unreadable for good, in every backup that has it too.

CREATE TABLE data_key (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- quarantine: payloads of one tenant and day; export: one export; digest: the keyed digest that finds repeats in quarantine
  purpose text NOT NULL CHECK (purpose IN ('quarantine', 'export', 'digest')),
  -- '' = a device without a tenant, or an unknown one
  tenant text NOT NULL DEFAULT '',
  -- UTC; null for purposes that are not by day
  day date,
  -- which master key wraps it: hex of the first 8 bytes of SHA-256 over "pulsegate master key" and the key
  master text NOT NULL,
  wrapped bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  rotated_at timestamptz,
  destroyed_at timestamptz,
  CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
  CHECK ((purpose = 'quarantine') = (day IS NOT NULL))
);
CREATE UNIQUE INDEX data_key_quarantine ON data_key (tenant, day, master) WHERE purpose = 'quarantine' AND destroyed_at IS NULL;
CREATE UNIQUE INDEX data_key_digest ON data_key (purpose) WHERE purpose = 'digest' AND destroyed_at IS NULL;
COMMENT ON TABLE data_key IS 'Data keys, wrapped by a master key that is kept elsewhere.';

CREATE TABLE export (
  id uuid PRIMARY KEY,
  -- null: written in the clear, on explicit demand
  key int8 REFERENCES data_key,
  made_at timestamptz NOT NULL DEFAULT now(),
  made_by text NOT NULL,
  -- whose data is in it, so that an erasure finds it
  devices uuid[] NOT NULL DEFAULT '{}',
  subjects text[] NOT NULL DEFAULT '{}',
  from_time timestamptz,
  to_time timestamptz,
  rows int8
);
CREATE INDEX export_devices ON export USING gin (devices);
CREATE INDEX export_subjects ON export USING gin (subjects);
COMMENT ON TABLE export IS 'What was exported, by whom, about whom; never the data itself.';
