"""The warehouse's schema, derived from the output contracts: tables, views, rights."""

import hashlib
from collections.abc import Mapping, Set

import psycopg
from psycopg import sql

from pipeline.contracts.contract import Contract
from pipeline.contracts.ddl import create_table
from pipeline.warehouse import officers
from pipeline.warehouse.connection import take_turns
from pipeline.warehouse.partitions import AS_OF_DATE, partitioned

SCHEMA = "risk"
TURN = "riskline.schema"
"""By which those who create what is missing take turns."""
READER = "risk_reader"
READERS = (READER, officers.OFFICER)
"""Roles that read the schema, where the server has them."""

VIEWS: dict[str, tuple[str, str]] = {
    "current_risk": (
        "Every customer on the newest night: PD, what it is made of, tier and asset class.",
        """
        SELECT
            s.*, t.tier, t.previous_tier, t.model_tier, t.is_overridden, t.tier_since,
            t.days_past_due, t.asset_class
        FROM risk.risk_scores AS s
        JOIN risk.risk_tiers AS t USING (as_of_date, customer_id)
        WHERE s.as_of_date = (SELECT max(as_of_date) FROM risk.runs)
    """,
    ),
    "stale_nights": (
        "Nights that rest on another past than is published; riskline settle decides them anew.",
        """
        WITH RECURSIVE nights AS (
            SELECT
                as_of_date,
                run_id,
                status = 'retired' AS is_retired,
                row_number() OVER before AS place,
                -- What rests on a night whose rows are no longer kept cannot be decided again.
                previous_run_id IS DISTINCT FROM lag(run_id) OVER before
                    AND lag(status) OVER before IS DISTINCT FROM 'retired' AS is_stale
            FROM risk.runs
            WINDOW before AS (ORDER BY as_of_date)
        ),
        marked AS (
            SELECT * FROM nights WHERE place = 1
            UNION ALL
            -- A night that follows a stale one will change with it.
            SELECT
                n.as_of_date, n.run_id, n.is_retired, n.place,
                n.is_stale OR (m.is_stale AND NOT m.is_retired)
            FROM nights AS n
            JOIN marked AS m ON n.place = m.place + 1
        )
        SELECT as_of_date, run_id
        FROM marked
        WHERE is_stale AND NOT is_retired
        ORDER BY as_of_date
    """,
    ),
    "model_verdicts": (
        "Each trained model: whether the gate let it through, and why not.",
        """
        SELECT
            as_of_date,
            model_version,
            bool_and(coalesce(passed, true)) AS has_passed,
            string_agg(
                meaning || ': ' || value::real
                || coalesce(
                    ' (95 % interval ' || lower::real || ' to ' || upper::real || ')', ''
                )
                || '; wanted: ' || wanted,
                E'\n' ORDER BY metric
            ) FILTER (WHERE NOT passed) AS reasons
        FROM risk.model_performance
        GROUP BY as_of_date, model_version
    """,
    ),
    "tier_migration": (
        "How many customers went from which tier to which, by night.",
        """
        SELECT as_of_date, previous_tier, tier, count(*) AS customers
        FROM risk.risk_tiers
        WHERE previous_tier IS NOT NULL
        GROUP BY as_of_date, previous_tier, tier
    """,
    ),
    "portfolio_trend": (
        "Customers, exposure and expected loss by night, segment and tier.",
        """
        SELECT
            p.*,
            p.customers::double precision / sum(p.customers) OVER night AS share_of_customers,
            p.exposure / nullif(sum(p.exposure) OVER night, 0) AS share_of_exposure
        FROM risk.portfolio_summary AS p
        WINDOW night AS (PARTITION BY p.as_of_date)
    """,
    ),
    "current_warnings": (
        "The open warnings of the newest night within the daily capacity, by rank.",
        """
        SELECT *
        FROM risk.warning_list
        WHERE as_of_date = (SELECT max(as_of_date) FROM risk.runs) AND in_capacity
        ORDER BY rank
    """,
    ),
}
"""What reports read: what each view says, and its query."""


def ensure_schema(connection: psycopg.Connection, contracts: Mapping[str, Contract]) -> None:
    """Create what is missing of the schema, and let the reader read it.

    Args:
        connection: of the role that owns the tables; the caller commits.
        contracts: the output contracts by table.
    """
    # Two runs at once would both find the schema missing.
    take_turns(connection, TURN)
    found = connection.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(READERS)]
    ).fetchall()
    statements = _statements(contracts, {role for (role,) in found})
    digest = hashlib.sha256(statements.as_string(connection).encode()).hexdigest()[:16]
    if _is_as_declared(connection, contracts, digest):
        return
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
        # IF NOT EXISTS would ask for the right to create it even where it exists.
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
    connection.execute(statements)
    said = {c.name: c.description for each in contracts.values() for c in each.columns}
    for name, (says, _) in VIEWS.items():
        view = sql.Identifier(SCHEMA, name)
        columns = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0",
            [f"{SCHEMA}.{name}"],
        ).fetchall()
        for column in (column for (column,) in columns if column in said):
            connection.execute(
                sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                    view, sql.Identifier(column), sql.Literal(said[column])
                )
            )
        comment = sql.Literal(_view_comment(says, digest))
        connection.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(view, comment))


def _is_as_declared(
    connection: psycopg.Connection, contracts: Mapping[str, Contract], digest: str
) -> bool:
    """Whether everything is there, made by these very statements.

    Making it again would do no harm but to whoever reads a view meanwhile: replacing one waits for
    its readers, and new readers wait for the replacement.
    """
    found = connection.execute(
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class "
        "WHERE relnamespace = to_regnamespace(%s)",
        [SCHEMA],
    ).fetchall()
    comments: dict[str, str | None] = dict(found)
    return contracts.keys() <= comments.keys() and all(
        comments.get(name) == _view_comment(says, digest) for name, (says, _) in VIEWS.items()
    )


def _view_comment(says: str, digest: str) -> str:
    return f"{says} (schema {digest})"


def _statements(contracts: Mapping[str, Contract], roles: Set[str]) -> sql.Composed:
    by_night = partitioned(contracts)
    statements: list[sql.Composable] = [
        create_table(contract, SCHEMA, AS_OF_DATE if name in by_night else None)
        for name, contract in contracts.items()
    ]
    statements += [
        sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(
            sql.Identifier(SCHEMA, name), sql.SQL(query)
        )
        for name, (_, query) in VIEWS.items()
    ]
    statements.append(officers.rules(contracts))
    for name in sorted(roles):
        schema, role = sql.Identifier(SCHEMA), sql.Identifier(name)
        statements += [
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role),
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role),
        ]
    if officers.OFFICER in roles:
        statements.append(officers.grants())
    return sql.SQL("; ").join(statements)
