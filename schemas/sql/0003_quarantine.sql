-- Where a message goes that cannot be stored as data, and the audit trail.

CREATE TABLE quarantine (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at timestamptz NOT NULL,
  last_received_at timestamptz NOT NULL,
  publisher uuid NOT NULL,
  -- the header's, as far as it could be read: source null = the publisher or unknown
  source uuid,
  boot numeric(20, 0),
  seq int8,
  kind text NOT NULL,
  reason text NOT NULL,
  -- says what is wrong and where, never a value
  detail text NOT NULL DEFAULT '',
  payload bytea NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  times int4 NOT NULL DEFAULT 1,
  replayed_at timestamptz,
  replay_outcome text,
  -- a bad message is sent again and again: it stays one row, `times` counts
  CONSTRAINT quarantine_message UNIQUE (publisher, kind, digest, reason)
);
CREATE INDEX quarantine_received_at ON quarantine (received_at);
CREATE INDEX quarantine_device ON quarantine ((coalesce(source, publisher)), received_at);
COMMENT ON TABLE quarantine IS 'Messages that could not be stored as data: their bytes, the reason, and a way back. digest is SHA-256.';

-- after FHIR AuditEvent; rows are only ever inserted
CREATE TABLE audit (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recorded timestamptz NOT NULL DEFAULT now(),
  -- create, read, update, delete, execute
  action "char" NOT NULL CHECK (action IN ('C', 'R', 'U', 'D', 'E')),
  type text NOT NULL,
  subtype text,
  outcome text NOT NULL CHECK (outcome IN ('success', 'minor-failure', 'serious-failure', 'major-failure')),
  reason text,
  agent text,
  agent_role text,
  agent_address inet,
  certificate_issuer text,
  certificate_serial text,
  source_node text,
  source_version text,
  entity_type text,
  entity text,
  request_id text,
  -- never a patient value, payload, key or token
  detail jsonb
);
CREATE INDEX audit_recorded ON audit (recorded);
COMMENT ON TABLE audit IS 'Who did what to what, when, and how it ended.';
