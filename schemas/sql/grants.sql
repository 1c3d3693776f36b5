-- Roles and rights; applied again at every migrate, so it must be harmless to repeat. The roles are group roles without
-- login, shared by all databases of a server. Where the owner may not create roles, an administrator creates the two
-- and migrates again; until then the rights are simply not given (a warning says so).

DO $$
DECLARE
  name text;
  -- the word for "may SET ROLE to it" became a privilege of its own in PostgreSQL 16
  may_set text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
  FOREACH name IN ARRAY ARRAY['pulsegate_ingest', 'pulsegate_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      EXCEPTION
        WHEN insufficient_privilege THEN
          RAISE WARNING 'role % does not exist and % may not create it: have an administrator run CREATE ROLE % NOLOGIN, then migrate again', name, current_user, name;
          CONTINUE;
        WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server was first
      END;
    END IF;
    IF NOT pg_has_role(current_user, name, may_set) THEN
      BEGIN
        EXECUTE format('GRANT %I TO CURRENT_USER', name);
      EXCEPTION WHEN insufficient_privilege OR unique_violation THEN NULL; -- only needed to SET ROLE from the owner
      END;
    END IF;
  END LOOP;
END
$$;

-- a function may be executed by anybody unless that is taken back
REVOKE ALL ON FUNCTION ensure_partitions, roll_up, retain, use_columnstore, completeness, wave_values, quarantine_by_reason FROM PUBLIC;

-- clusters that began before PostgreSQL 15 let everybody create in public: a way to shadow what our functions call
DO $$
BEGIN
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END
$$;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_ingest') THEN
    GRANT SELECT ON device, device_boot, metric, pairing, retention, schema_migration TO pulsegate_ingest;
    GRANT INSERT ON device, device_boot, pairing TO pulsegate_ingest;
    GRANT UPDATE (kind, model, serial, firmware, state, last_seen) ON device TO pulsegate_ingest;
    GRANT UPDATE (period) ON pairing TO pulsegate_ingest;
    -- history cannot be read: no SELECT on values, payloads, subjects or the audit trail
    GRANT INSERT ON sample, wave, receipt, rollup_mark, quarantine, audit TO pulsegate_ingest;
    -- the columns that ON CONFLICT and RETURNING must name
    GRANT SELECT (device, boot, seq, time) ON receipt TO pulsegate_ingest;
    GRANT SELECT (id, publisher, kind, digest, reason, times, last_received_at, key) ON quarantine TO pulsegate_ingest;
    -- wrapped by a master key that the database does not have; a key cannot be replaced or destroyed with these rights
    GRANT SELECT, INSERT, UPDATE (messages) ON data_key TO pulsegate_ingest;
    GRANT UPDATE (times, last_received_at) ON quarantine TO pulsegate_ingest;
    GRANT EXECUTE ON FUNCTION ensure_partitions, roll_up, retain, quarantine_by_reason TO pulsegate_ingest;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_reader') THEN
    GRANT SELECT ON device_list, metric_list, reading, latest_reading, reading_1m, reading_1h, wave_block, wave_sample
      TO pulsegate_reader;
    GRANT EXECUTE ON FUNCTION completeness, wave_values TO pulsegate_reader;
  END IF;
END
$$;
