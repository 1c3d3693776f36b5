-- What devices measured, and the receipts that make redelivery harmless. Rows are only ever inserted, and leave a day
-- at a time (0004, retain). Eight-byte columns come first: padding would cost a sample four bytes.

CREATE TABLE sample (
  time timestamptz NOT NULL,
  -- in the metric's unit; null = the device said it has no value, quality says why
  value float8,
  device int4 NOT NULL,
  metric int2 NOT NULL,
  quality int2 NOT NULL
)
--@ plain
PARTITION BY RANGE (time)
--@ end
;
COMMENT ON TABLE sample IS 'One value of one metric at one time.';

CREATE TABLE wave (
  -- of the first value; value i (from 0) is at time + i * period_us
  time timestamptz NOT NULL,
  -- physical value of one step: physical = (raw + offset) * scale
  scale float8 NOT NULL,
  device int4 NOT NULL,
  period_us int4 NOT NULL,
  "offset" int4 NOT NULL,
  metric int2 NOT NULL,
  "values" int2[] NOT NULL
)
--@ plain
PARTITION BY RANGE (time)
--@ end
;
COMMENT ON TABLE wave IS 'A block of evenly spaced values of one metric, as the device sent it.';

CREATE TABLE receipt (
  -- the base time of the message, as placed
  time timestamptz NOT NULL,
  -- device_boot.key
  boot int8 NOT NULL,
  seq int8 NOT NULL,
  received_at timestamptz NOT NULL,
  tick_ms int8 NOT NULL,
  device int4 NOT NULL,
  publisher int4 NOT NULL,
  flags int4 NOT NULL,
  clock_error_ms int4,
  -- 1: time is the device's own wall clock; 2: it had none, time = anchor of the boot + tick
  placed int2 NOT NULL,
  clock_source int2,
  rssi_dbm int2,
  samples int2 NOT NULL,
  waves int2 NOT NULL,
  unknown_keys int2 NOT NULL
)
--@ plain
PARTITION BY RANGE (time)
--@ end
;
COMMENT ON TABLE receipt IS 'Says that a message is stored, and what the device said of its clock. Exactly one per message.';

--@ hypertable
-- No default index on time: chunk exclusion serves time ranges, and the index would cost a quarter of the speed.
SELECT create_hypertable('sample', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('wave', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('receipt', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
--@ end

-- not unique: the receipt decides what is new, so a sample is never looked up before it is written
CREATE INDEX sample_device_metric_time ON sample (device, metric, time);
CREATE INDEX wave_device_metric_time ON wave (device, metric, time);
-- time is in it because a partition key must be; placing is deterministic, so a message has one time only
CREATE UNIQUE INDEX receipt_message ON receipt (device, boot, seq, time);
