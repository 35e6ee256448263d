"""The warehouse's schema, derived from the output contracts: tables, views, rights."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from pipeline.contracts.contract import Contract
from pipeline.contracts.ddl import create_table

SCHEMA = "risk"
READER = "risk_reader"

VIEWS = {
    "current_risk": """
        SELECT s.*, t.tier, t.previous_tier, t.tier_since, t.days_past_due, t.asset_class
        FROM risk.risk_scores AS s
        JOIN risk.risk_tiers AS t USING (as_of_date, customer_id)
        WHERE s.as_of_date = (SELECT max(as_of_date) FROM risk.runs)
    """,
    "current_warnings": """
        SELECT *
        FROM risk.warning_list
        WHERE as_of_date = (SELECT max(as_of_date) FROM risk.runs)
        ORDER BY rank
    """,
}
"""What reports read: the last published night."""


def ensure_schema(connection: psycopg.Connection, contracts: Mapping[str, Contract]) -> None:
    """Create what is missing of the schema, and let the reader read it.

    Args:
        connection: of the role that owns the schema; the caller commits.
        contracts: the output contracts by table.
    """
    # Two runs at once would both find the schema missing.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('riskline.schema'))")
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
    for contract in contracts.values():
        connection.execute(create_table(contract, SCHEMA))
    for name, query in VIEWS.items():
        connection.execute(
            sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(
                sql.Identifier(SCHEMA, name), sql.SQL(query)
            )
        )
    reader = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone()
    if reader is not None:
        schema, role = sql.Identifier(SCHEMA), sql.Identifier(READER)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
        connection.execute(
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role)
        )
