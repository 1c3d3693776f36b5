-- The audit trail: rows that are only ever added, each hashed together with the one before it, and the signed heads of that chain.
-- What is hashed is the text `event`, to the byte; every other column is computed from it, so that none can say something else.

-- 0003 made a table without a chain, which nothing has written to; rows that somebody put there by hand are kept beside
DO $$
BEGIN
  IF EXISTS (SELECT FROM audit) THEN
    ALTER TABLE audit RENAME TO audit_unchained;
    ALTER INDEX audit_pkey RENAME TO audit_unchained_pkey;
    ALTER INDEX audit_recorded RENAME TO audit_unchained_recorded;
  ELSE
    DROP TABLE audit;
  END IF;
END
$$;

CREATE TABLE audit (
  -- from 1, without a gap
  number int8 PRIMARY KEY CHECK (number > 0),
  -- of the event: what makes telling it twice harmless
  id uuid NOT NULL CONSTRAINT audit_id UNIQUE,
  -- SHA-256('pulsegate audit v1' || newline || hash of the row before, 32 zero bytes before the first || event)
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  -- canonical JSON (RFC 8785), UTF-8; never a patient value, payload, key or token
  event text NOT NULL,
  -- when it happened
  recorded timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp((event::jsonb ->> 'atMs')::float8 / 1000)) STORED,
  type text NOT NULL GENERATED ALWAYS AS (event::jsonb ->> 'type') STORED,
  subtype text NOT NULL GENERATED ALWAYS AS (event::jsonb ->> 'subtype') STORED,
  -- create, read, update, delete, execute
  action text NOT NULL CHECK (action IN ('C', 'R', 'U', 'D', 'E')) GENERATED ALWAYS AS (event::jsonb ->> 'action') STORED,
  outcome text NOT NULL CHECK (outcome IN ('success', 'minor-failure', 'serious-failure', 'major-failure'))
    GENERATED ALWAYS AS (event::jsonb ->> 'outcome') STORED,
  reason text GENERATED ALWAYS AS (event::jsonb ->> 'reason') STORED,
  purpose text GENERATED ALWAYS AS (event::jsonb ->> 'purpose') STORED,
  agent text NOT NULL GENERATED ALWAYS AS (event::jsonb #>> '{agent,id}') STORED,
  agent_role text NOT NULL GENERATED ALWAYS AS (event::jsonb #>> '{agent,role}') STORED,
  agent_address text GENERATED ALWAYS AS (event::jsonb #>> '{agent,address}') STORED,
  certificate_issuer text GENERATED ALWAYS AS (event::jsonb #>> '{agent,certificateIssuer}') STORED,
  certificate_serial text GENERATED ALWAYS AS (event::jsonb #>> '{agent,certificateSerial}') STORED,
  source_node text NOT NULL GENERATED ALWAYS AS (event::jsonb #>> '{source,node}') STORED,
  source_version text NOT NULL GENERATED ALWAYS AS (event::jsonb #>> '{source,version}') STORED,
  entity_type text GENERATED ALWAYS AS (event::jsonb #>> '{entity,type}') STORED,
  entity text GENERATED ALWAYS AS (event::jsonb #>> '{entity,id}') STORED,
  entity_tenant text GENERATED ALWAYS AS (event::jsonb #>> '{entity,tenant}') STORED,
  request_id text GENERATED ALWAYS AS (event::jsonb ->> 'requestId') STORED,
  -- how many events this one stands for
  count int8 NOT NULL GENERATED ALWAYS AS (coalesce((event::jsonb ->> 'count')::int8, 1)) STORED,
  detail jsonb GENERATED ALWAYS AS (event::jsonb -> 'detail') STORED
);
CREATE INDEX audit_recorded ON audit (recorded);
CREATE INDEX audit_type ON audit (type, number);
CREATE INDEX audit_agent ON audit (agent, number);
CREATE INDEX audit_entity ON audit (entity, number) WHERE entity IS NOT NULL;
COMMENT ON TABLE audit IS 'Who did what to what, when, why, and how it ended; a hash chain (docs/security/audit.md).';

-- what a process has signed: "the chain had so many rows, and this was the last one's hash"; the same lines are in a file elsewhere
CREATE TABLE audit_head (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  number int8 NOT NULL CHECK (number > 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  at_ms int8 NOT NULL,
  -- hex of the first 16 bytes of SHA-256 over the public key (SubjectPublicKeyInfo, DER)
  key text NOT NULL,
  -- Ed25519
  signature bytea NOT NULL CHECK (octet_length(signature) = 64)
);
COMMENT ON TABLE audit_head IS 'Signed heads of the chain in audit; the same are kept in a file outside of the database.';

CREATE FUNCTION audit_refuse () RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
-- for the owner too: whoever really wants to must first drop these, and the chain still tells
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_append_only;

CREATE VIEW audit_trail AS
  SELECT number, recorded, type, subtype, action, outcome, reason, purpose, agent, agent_role, agent_address, certificate_issuer,
    certificate_serial, source_node, source_version, entity_type, entity, entity_tenant, request_id, count, detail, id, hash, event
  FROM audit;
COMMENT ON VIEW audit_trail IS 'The audit trail for auditors: everything that was recorded, and what is needed to check it.';
