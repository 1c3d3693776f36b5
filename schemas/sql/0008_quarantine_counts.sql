-- Quarantine at scale: how many messages of each reason wait, and the messages of one reason in order, without reading
-- a payload. Made in a transaction: a million rows hold up the worker's next quarantined message for a second or two.

-- only what waits: a row leaves the index when it is replayed; a repeat (times, last_received_at) does not touch it
CREATE INDEX quarantine_waiting ON quarantine (reason, id) WHERE replayed_at IS NULL;

-- Messages in quarantine and not replayed, by reason: for the metrics of the worker, whose role may not read the table.
CREATE FUNCTION quarantine_by_reason() RETURNS TABLE (reason text, messages int8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT q.reason, count(*) FROM quarantine q WHERE q.replayed_at IS NULL GROUP BY q.reason
$$;
