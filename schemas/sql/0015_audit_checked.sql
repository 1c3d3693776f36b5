-- Whoever may append to the audit trail may append the next rows and nothing else: a row that does not follow, that would stop every later
-- one, or that no verifier could ever find good, is refused, whoever adds it. A trigger and not a function to call, because programs of
-- the version before insert directly while this one is rolled out; by statement, so that a batch is one look at the chain.

CREATE FUNCTION audit_follows () RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  added_first int8;
  added_last int8;
  added_rows int8;
  last_number int8;
  last_hash bytea;
  strays int8;
  malformed int8;
BEGIN
  SELECT min(number), max(number), count(*) INTO added_first, added_last, added_rows FROM added;
  IF added_rows = 0 THEN
    RETURN NULL;
  END IF;
  -- two at once cannot both be the next: the key on number lets one of them wait, and then fail
  SELECT number, hash INTO last_number, last_hash FROM audit WHERE number < added_first ORDER BY number DESC LIMIT 1;
  IF added_first <> coalesce(last_number, 0) + 1 OR added_last - added_first <> added_rows - 1
    OR EXISTS (SELECT FROM audit WHERE number > added_last) THEN
    RAISE EXCEPTION 'rows of audit are added in the order of their numbers: the next one is not %', added_first USING ERRCODE = 'insufficient_privilege';
  END IF;

  -- the subquery's window keeps `fields` from being computed anew at each of its mentions
  SELECT min(number) FILTER (WHERE hash <> sha256(convert_to(E'pulsegate audit v1\n', 'UTF8') || before || convert_to(event, 'UTF8'))),
    -- what ingest/audit/check.ts finds good: the columns say what the text says, also to a reader whose numbers are float8
    min(number) FILTER (WHERE (
      octet_length(event) <= 200000
      AND fields -> 'number' = to_jsonb(number) AND fields ->> 'id' = id::text
      -- between two numbers lies nothing but numbers; whole ones are what they are as int8
      AND fields -> 'atMs' BETWEEN '0' AND '7258118400000' AND fields -> 'atMs' = to_jsonb((fields -> 'atMs')::int8)
      AND (NOT fields ? 'count' OR fields -> 'count' BETWEEN '0' AND '999999999999999')
      AND jsonb_typeof(fields -> 'type') = 'string' AND jsonb_typeof(fields -> 'subtype') = 'string'
      AND jsonb_typeof(fields -> 'action') = 'string' AND jsonb_typeof(fields -> 'outcome') = 'string'
      AND coalesce(jsonb_typeof(fields -> 'reason'), 'string') = 'string' AND coalesce(jsonb_typeof(fields -> 'purpose'), 'string') = 'string'
      AND coalesce(jsonb_typeof(fields -> 'requestId'), 'string') = 'string'
      AND jsonb_typeof(fields -> 'agent') = 'object' AND NOT fields -> 'agent' @? 'strict $.* ? (@.type() != "string")'
      AND jsonb_typeof(fields -> 'source') = 'object' AND NOT fields -> 'source' @? 'strict $.* ? (@.type() != "string")'
      AND (NOT fields ? 'entity' OR (jsonb_typeof(fields -> 'entity') = 'object' AND NOT fields -> 'entity' @? 'strict $.* ? (@.type() != "string")'))
      AND (NOT fields ? 'detail' OR (jsonb_typeof(fields -> 'detail') = 'object' AND NOT fields -> 'detail' @? 'strict $.* ? (@.type() == "object" || @.type() == "array")'))
    ) IS NOT TRUE)
  INTO strays, malformed
  FROM (
    SELECT number, id, hash, event, event::jsonb AS fields,
      lag(hash, 1, coalesce(last_hash, decode(repeat('00', 32), 'hex'))) OVER (ORDER BY number) AS before
    FROM added) AS chained;
  IF strays IS NOT NULL THEN
    RAISE EXCEPTION 'row % of audit does not follow from the row before', strays USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF malformed IS NOT NULL THEN
    -- with a constraint's name it is this row's fault, which the others need not suffer for
    RAISE EXCEPTION 'row % of audit holds no audit event', malformed USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_event';
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION audit_follows FROM PUBLIC;
CREATE TRIGGER audit_in_order AFTER INSERT ON audit REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_follows();
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_in_order;

-- A head says that a row of the chain has this hash. Whether its signature is good only a verifier can say, who therefore believes none
-- that he cannot check; but it cannot contradict the chain.
CREATE FUNCTION audit_head_follows () RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM audit WHERE number = NEW.number AND hash = NEW.hash) OR NEW.at_ms NOT BETWEEN 0 AND 7258118400000 OR NEW.key !~ '^[0-9a-f]{32}$' THEN
    RAISE EXCEPTION 'this is no head of the chain in audit' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION audit_head_follows FROM PUBLIC;
CREATE TRIGGER audit_head_in_order AFTER INSERT ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_follows();
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_in_order;
