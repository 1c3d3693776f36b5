-- Roles and rights; applied again at every migrate, so it must be harmless to repeat. The roles are group roles without
-- login, shared by all databases of a server. Where the owner may not create roles, an administrator creates them
-- and migrates again; until then the rights are simply not given (a warning says so).

DO $$
DECLARE
  name text;
  -- the word for "may SET ROLE to it" became a privilege of its own in PostgreSQL 16
  may_set text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
  FOREACH name IN ARRAY ARRAY['pulsegate_ingest', 'pulsegate_reader', 'pulsegate_broker', 'pulsegate_auditor'] LOOP
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
REVOKE ALL ON FUNCTION ensure_partitions, roll_up, retain, use_columnstore, completeness, completeness_between, wave_values,
  quarantine_by_reason, tenants_seen, sees_all, follow_tenancy, refuse_tenant, begin_tenancy,
  erase_next, erase_slice, erase_edges, erase_waves, count_erased, erase_quarantine, erase_again, retention_overdue, check_data_key, retain_keys, keys_overdue FROM PUBLIC;

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
    GRANT INSERT ON sample, wave, receipt, rollup_mark, quarantine TO pulsegate_ingest;
    -- the columns that ON CONFLICT and RETURNING must name
    GRANT SELECT (device, boot, seq, time) ON receipt TO pulsegate_ingest;
    GRANT SELECT (id, publisher, kind, digest, reason, times, last_received_at, key) ON quarantine TO pulsegate_ingest;
    -- wrapped by a master key that the database does not have; a key cannot be replaced or destroyed with these rights
    REVOKE INSERT ON data_key FROM pulsegate_ingest; -- before 0017 of all columns
    GRANT SELECT, INSERT (purpose, tenant, day, master, wrapped, messages), UPDATE (messages) ON data_key TO pulsegate_ingest;
    GRANT UPDATE (times, last_received_at) ON quarantine TO pulsegate_ingest;
    GRANT EXECUTE ON FUNCTION ensure_partitions, roll_up, retain, quarantine_by_reason, erase_again, retention_overdue, retain_keys, keys_overdue TO pulsegate_ingest;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_reader') THEN
    GRANT SELECT ON device_list, metric_list, reading, latest_reading, reading_1m, reading_1h, wave_block, wave_sample
      TO pulsegate_reader;
    GRANT SELECT ON subject_reading, subject_latest, subject_wave_block TO pulsegate_reader;
    -- a view's functions are called with the reader's rights; these two tell it what it may see, and nothing else
    GRANT EXECUTE ON FUNCTION completeness, wave_values, tenants_seen, sees_all TO pulsegate_reader;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_broker') THEN
    -- admits devices and hears of their states: no pairing, no subject, no boot, nothing that was measured
    GRANT SELECT (key, id, state, first_seen, last_seen) ON device TO pulsegate_broker;
    GRANT INSERT (id, state) ON device TO pulsegate_broker;
    GRANT UPDATE (last_seen) ON device TO pulsegate_broker;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_auditor') THEN
    -- who may read what; never a reading
    GRANT SELECT ON tenancy, tenant_login, erasure, erasure_part TO pulsegate_auditor;
  END IF;
END
$$;

-- the audit trail: whoever appends must see the numbers, hashes and event ids of what is there, and nothing of what it says
REVOKE ALL ON FUNCTION audit_refuse FROM PUBLIC;
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pulsegate_ingest', 'pulsegate_broker'] LOOP
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('GRANT INSERT ON audit TO %I', name);
      -- not its id, which is the sequence's
      EXECUTE format('REVOKE INSERT ON audit_head FROM %I', name);
      EXECUTE format('GRANT INSERT (number, hash, at_ms, key, signature) ON audit_head TO %I', name);
      EXECUTE format('GRANT SELECT (number, hash, id) ON audit TO %I', name);
    END IF;
  END LOOP;
  -- an auditor reads all of it, and adds that it was read
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pulsegate_auditor') THEN
    GRANT SELECT ON audit_trail, audit_head TO pulsegate_auditor;
    GRANT INSERT ON audit TO pulsegate_auditor;
    GRANT SELECT (number, hash, id) ON audit TO pulsegate_auditor;
  END IF;
END
$$;
