-- Payloads in quarantine are sealed: encrypted with a data key of a tenant and day, which stands in data_key wrapped by a master key that
-- the database never sees. Rows from before (key null) stay readable until `pulsegate keys seal` has sealed them.

ALTER TABLE data_key
  -- how many messages may have been sealed with it: counted up in blocks, before they are sealed
  ADD COLUMN messages int8 NOT NULL DEFAULT 0;
COMMENT ON COLUMN data_key.messages IS 'Upper bound of what was sealed with it; a key that is full is followed by another of the same tenant and day.';

-- a day may have several keys: when one is full, and when a rotation brings two together under one master key
DROP INDEX data_key_quarantine;
CREATE INDEX data_key_quarantine ON data_key (tenant, day, id) WHERE purpose = 'quarantine' AND destroyed_at IS NULL;

ALTER TABLE quarantine
  -- null: from before, in the clear
  ADD COLUMN key int8 REFERENCES data_key,
  -- length of what the device sent; null: that of payload
  ADD COLUMN bytes int4;
CREATE INDEX quarantine_key ON quarantine (key) WHERE key IS NOT NULL;
CREATE INDEX quarantine_plain ON quarantine (id) WHERE key IS NULL;
COMMENT ON COLUMN quarantine.payload IS 'With a key: version, nonce, AES-256-GCM ciphertext, tag; empty once the key is destroyed. Without: the bytes that were sent.';
COMMENT ON COLUMN quarantine.digest IS 'With a key: HMAC-SHA-256 with the data key of purpose digest. Without: SHA-256.';
COMMENT ON TABLE quarantine IS 'Messages that could not be stored as data: their bytes, sealed, the reason, and a way back.';
