-- A change of a device's state is announced when it commits, so that every broker acts on it at once (ingest/registry-watch.ts): on
-- channel pulsegate_registry, {"id": <uuid>, "state": <the new state>}; a deleted device is announced as retired. Who was not
-- listening has missed it: a listener asks for the states again whenever it connects.

CREATE FUNCTION announce_device_state () RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM pg_notify('pulsegate_registry', json_build_object('id', OLD.id, 'state', 'retired')::text);
  ELSE
    PERFORM pg_notify('pulsegate_registry', json_build_object('id', NEW.id, 'state', NEW.state)::text);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_device_state IS 'Trigger function: announces a change of device.state on the channel pulsegate_registry.';
REVOKE ALL ON FUNCTION announce_device_state FROM PUBLIC;

CREATE TRIGGER device_state_changed AFTER UPDATE OF state ON device FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION announce_device_state();
CREATE TRIGGER device_deleted AFTER DELETE ON device FOR EACH ROW EXECUTE FUNCTION announce_device_state();
