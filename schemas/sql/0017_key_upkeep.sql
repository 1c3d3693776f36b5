-- Keys of quarantine do not outlive what they sealed, and nobody but the owner can make a key seal more than it should.

-- A key seals at most 2^26 messages (random nonces, ingest/keys/data-keys.ts). Workers count up before they seal; a login that could count
-- down, or bring a full key in anew, could have one key seal without bound. 23514, 23505: refused.
CREATE FUNCTION check_data_key() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.messages < 0 OR NEW.messages > 67108864 THEN
    RAISE EXCEPTION 'a data key seals at most 67108864 messages' USING ERRCODE = '23514';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.messages < OLD.messages THEN
    RAISE EXCEPTION 'the count of a data key never goes down' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER data_key_checked BEFORE INSERT OR UPDATE OF messages ON data_key FOR EACH ROW EXECUTE FUNCTION check_data_key();
CREATE UNIQUE INDEX data_key_once ON data_key (sha256(wrapped)) WHERE purpose = 'quarantine' AND wrapped IS NOT NULL;

-- Destroys the keys of days before now - keep under which nothing lies in quarantine any more; answers how many. What a backup still holds
-- of those days is unreadable from then on (docs/security/encryption.md). 22023: keep is too short.
CREATE FUNCTION retain_keys(keep interval) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  cutoff date := (now() - keep)::date;
  candidates int8[];
  destroyed int4;
BEGIN
  IF keep < INTERVAL '1 day' THEN
    RAISE EXCEPTION 'retention must be at least one day, not %', keep USING ERRCODE = '22023';
  END IF;
  -- A batch that is being written holds its key (FOR SHARE) until it has committed. Who holds none of these now cannot take one until we
  -- are done, so the look below, a statement of its own, sees all that was written under them.
  candidates := ARRAY(SELECT id FROM data_key
    WHERE purpose = 'quarantine' AND day < cutoff AND destroyed_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED);
  UPDATE data_key k SET wrapped = NULL, destroyed_at = now()
  WHERE k.id = ANY(candidates) AND NOT EXISTS (SELECT FROM quarantine q WHERE q.key = k.id);
  GET DIAGNOSTICS destroyed = ROW_COUNT;
  RETURN destroyed;
END
$$;

-- Keys that retain_keys would destroy: zero after it, but for those that a batch holds at this moment.
CREATE FUNCTION keys_overdue(keep interval) RETURNS int8
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
  SELECT count(*) FROM data_key k WHERE k.purpose = 'quarantine' AND k.day < (now() - keep)::date AND k.destroyed_at IS NULL
    AND NOT EXISTS (SELECT FROM quarantine q WHERE q.key = k.id)
$$;
