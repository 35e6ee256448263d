"""What officers write and what is kept of it: the rules of those tables, and who may do what."""

from collections.abc import Mapping

from psycopg import sql

from pipeline.contracts.contract import Contract
from pipeline.contracts.rules import UNCLEAN, CleanText, LengthWithin, OneOf, Within

FEEDBACK = "warning_feedback"
OVERRIDE = "tier_override"
AUDIT = "audit_log"
OFFICER = "risk_officer"

#: Who speaks and when is not for the speaker to say. clock_timestamp: two answers of one
#: transaction are told apart by it. pg_temp stands last in every search path: unnamed it would come
#: first, and a type that a caller puts there would run the caller's code with the owner's rights.
_RULES = """
ALTER TABLE risk.warning_feedback
    ALTER officer SET DEFAULT session_user,
    ALTER at SET DEFAULT clock_timestamp();
ALTER TABLE risk.tier_override
    ALTER officer SET DEFAULT session_user,
    ALTER at SET DEFAULT clock_timestamp();

CREATE OR REPLACE FUNCTION risk.check_feedback() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM risk.warning_list WHERE warning_id = NEW.warning_id) THEN
        RAISE EXCEPTION 'there is no warning %; look for its warning_id in risk.current_warnings',
            NEW.warning_id;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_feedback BEFORE INSERT ON risk.warning_feedback
    FOR EACH ROW EXECUTE FUNCTION risk.check_feedback();

CREATE OR REPLACE FUNCTION risk.check_override() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM risk.risk_tiers WHERE customer_id = NEW.customer_id) THEN
        RAISE EXCEPTION 'there is no customer %; look for the customer_id in risk.current_risk',
            NEW.customer_id;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_override BEFORE INSERT ON risk.tier_override
    FOR EACH ROW EXECUTE FUNCTION risk.check_override();

-- Approving is all that may be done to an override; so it is a function, and not a right to update.
CREATE OR REPLACE FUNCTION risk.approve_override(
    of_customer_id text, asked_at timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    asked risk.tier_override;
BEGIN
    SELECT * INTO asked FROM risk.tier_override
    WHERE customer_id = of_customer_id AND at = asked_at FOR UPDATE;
    IF asked IS NULL THEN
        RAISE EXCEPTION 'there is no override of % asked for at %', of_customer_id, asked_at;
    ELSIF asked.approved_by IS NOT NULL THEN
        RAISE EXCEPTION 'the override is approved already, by %', asked.approved_by;
    ELSIF asked.officer = session_user THEN
        RAISE EXCEPTION 'who asks for an override cannot approve it; ask another officer';
    END IF;
    UPDATE risk.tier_override SET approved_by = session_user, approved_at = clock_timestamp()
    WHERE customer_id = of_customer_id AND at = asked_at RETURNING * INTO asked;
    INSERT INTO risk.audit_log (event, subject, detail)
    VALUES ('approve', of_customer_id, to_jsonb(asked)::text);
END $$;
"""

#: Whoever may execute a trigger's function may hang it on a table of their own, and have it write
#: to the audit log what they please.
_REVOKED = """
REVOKE ALL ON FUNCTION
    risk.check_feedback, risk.check_override, risk.approve_override, risk.seal_audit,
    risk.refuse_change, risk.audit_word
FROM PUBLIC;
"""

#: An entry is numbered, dated, signed and sealed here, whoever adds it. The lock lets one
#: transaction after the other add to the chain; it is taken last, so that nobody waits for it who
#: is waited for. A snapshot from before the lock would fork the chain: the key then refuses it.
_AUDIT = """
CREATE OR REPLACE FUNCTION risk.seal_audit() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    previous risk.audit_log;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('riskline.audit'));
    SELECT * INTO previous FROM risk.audit_log ORDER BY entry DESC LIMIT 1;
    NEW.entry := coalesce(previous.entry, 0) + 1;
    NEW.at := clock_timestamp();
    NEW.actor := session_user;
    NEW.previous_hash := coalesce(previous.hash, '');
    NEW.hash := encode(sha256(convert_to(json_build_array(
        NEW.entry, to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), NEW.actor,
        NEW.event, NEW.subject, NEW.detail, NEW.previous_hash
    )::text, 'UTF8')), 'hex');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER seal_audit BEFORE INSERT ON risk.audit_log
    FOR EACH ROW EXECUTE FUNCTION risk.seal_audit();

CREATE OR REPLACE FUNCTION risk.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the table % is only ever added to', TG_TABLE_NAME;
END $$;
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON risk.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION risk.refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE
    ON risk.warning_feedback FOR EACH STATEMENT EXECUTE FUNCTION risk.refuse_change();

-- Officers may not add to the log; what they say does so for them.
-- The words of an entry are the same in whatever time zone they are said.
CREATE OR REPLACE FUNCTION risk.audit_word() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO risk.audit_log (event, subject, detail) VALUES (
        TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1],
        (to_jsonb(NEW) - 'approved_by' - 'approved_at')::text
    );
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER audit_word AFTER INSERT ON risk.warning_feedback
    FOR EACH ROW EXECUTE FUNCTION risk.audit_word('feedback', 'warning_id');
CREATE OR REPLACE TRIGGER audit_word AFTER INSERT ON risk.tier_override
    FOR EACH ROW EXECUTE FUNCTION risk.audit_word('override', 'customer_id');
"""

#: What `CleanText` refuses; PostgreSQL knows no NUL.
_UNCLEAN = UNCLEAN.replace(r"\x00", r"\x01")
_CHECKS = {
    OVERRIDE: {
        "second_person": "(approved_by IS NULL) = (approved_at IS NULL) "
        "AND approved_by IS DISTINCT FROM officer",
        "has_reason": "length(btrim(reason)) >= 10",
        "expires_later": "expires_on >= (at AT TIME ZONE 'UTC')::date",
    },
    FEEDBACK: {},
    AUDIT: {"is_json": "json_typeof(detail::json) = 'object'"},
}
_WRITTEN_BY_OFFICERS = {
    FEEDBACK: ("warning_id", "action", "outcome", "note"),
    OVERRIDE: ("customer_id", "tier", "reason", "expires_on"),
}


def rules(contracts: Mapping[str, Contract]) -> sql.Composed:
    """Statements that hold the officers' tables and the audit log to their rules, once or again."""
    statements: list[sql.Composable] = [sql.SQL(_AUDIT), sql.SQL(_RULES), sql.SQL(_REVOKED)]
    for table, checks in _CHECKS.items():
        all_checks = {name: sql.Composed([sql.SQL(check)]) for name, check in checks.items()}
        if table in _WRITTEN_BY_OFFICERS:
            all_checks |= _checks_of(contracts[table])
        for name, check in all_checks.items():
            statements.append(
                sql.SQL(
                    "ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {1}, ADD CONSTRAINT {1} CHECK ({2});"
                ).format(sql.Identifier("risk", table), sql.Identifier(name), check)
            )
    return sql.Composed(statements)


def _checks_of(contract: Contract) -> dict[str, sql.Composed]:
    """A contract's bounds on single values as checks, by the names of its rules."""
    checks: dict[str, sql.Composed] = {}
    for rule in contract.rules:
        match rule:
            case OneOf(column, values):
                closed = sql.SQL(", ").join(map(sql.Literal, values))
                checks[rule.name] = sql.SQL("{} IN ({})").format(sql.Identifier(column), closed)
            case LengthWithin(column, least, most):
                length = sql.SQL("length({}) BETWEEN {} AND {}")
                checks[rule.name] = length.format(sql.Identifier(column), least, most)
            case CleanText(column):
                clean = sql.SQL("{} !~ {}")
                checks[rule.name] = clean.format(sql.Identifier(column), _UNCLEAN)
            case Within(column, first, last):
                between = sql.SQL("{} BETWEEN {} AND {}")
                checks[rule.name] = between.format(sql.Identifier(column), first, last)
    return checks


def grants() -> sql.Composed:
    """Statements that let officers say what is theirs to say, and nothing else."""
    role = sql.Identifier(OFFICER)
    statements = [
        sql.SQL("GRANT INSERT ({}) ON {} TO {};").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("risk", table), role
        )
        for table, columns in _WRITTEN_BY_OFFICERS.items()
    ]
    approve = sql.SQL("GRANT EXECUTE ON FUNCTION risk.approve_override TO {};").format(role)
    return sql.Composed([*statements, approve])
