"""What officers write: the rules of their two tables, and who may do what with them."""

from collections.abc import Mapping

from psycopg import sql

from pipeline.contracts.contract import Contract

FEEDBACK = "warning_feedback"
OVERRIDE = "tier_override"
OFFICER = "risk_officer"

#: Who speaks and when is not for the speaker to say. clock_timestamp: two answers of one
#: transaction are told apart by it.
_RULES = """
ALTER TABLE risk.warning_feedback
    ALTER officer SET DEFAULT session_user,
    ALTER at SET DEFAULT clock_timestamp();
ALTER TABLE risk.tier_override
    ALTER officer SET DEFAULT session_user,
    ALTER at SET DEFAULT clock_timestamp();

CREATE OR REPLACE FUNCTION risk.check_feedback() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
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
SET search_path = pg_catalog AS $$
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
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
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
    WHERE customer_id = of_customer_id AND at = asked_at;
END $$;
REVOKE EXECUTE ON FUNCTION risk.approve_override FROM PUBLIC;
"""

_CHECKS = {
    OVERRIDE: {
        "second_person": "(approved_by IS NULL) = (approved_at IS NULL) "
        "AND approved_by IS DISTINCT FROM officer",
        "has_reason": "length(btrim(reason)) >= 10",
        "expires_later": "expires_on >= (at AT TIME ZONE 'UTC')::date",
    },
    FEEDBACK: {},
}
_WRITTEN_BY_OFFICERS = {
    FEEDBACK: ("warning_id", "action", "outcome", "note"),
    OVERRIDE: ("customer_id", "tier", "reason", "expires_on"),
}


def rules(contracts: Mapping[str, Contract]) -> sql.Composed:
    """Statements that hold the officers' tables to their rules; they may be run again."""
    statements: list[sql.Composable] = [sql.SQL(_RULES)]
    for table, checks in _CHECKS.items():
        closed: dict[str, sql.Composable] = {
            f"{column.name}_is_known": sql.SQL("{} IN ({})").format(
                sql.Identifier(column.name),
                sql.SQL(", ").join(sql.Literal(each.value) for each in column.allowed),
            )
            for column in contracts[table].columns
            if column.allowed
        }
        for name, check in {**closed, **{n: sql.SQL(c) for n, c in checks.items()}}.items():
            statements.append(
                sql.SQL(
                    "ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {1}, ADD CONSTRAINT {1} CHECK ({2});"
                ).format(sql.Identifier("risk", table), sql.Identifier(name), check)
            )
    return sql.Composed(statements)


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
