"""What earlier nights decided, as far as tonight depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd
import psycopg

from pipeline.contracts.contract import Contract
from pipeline.warehouse.connection import connect
from pipeline.warehouse.schema import ensure_schema


@dataclass(frozen=True)
class PreviousNight:
    """The last night published before another, empty where there is none.

    ``customers`` has previous_tier, tier_since and previous_log_odds by customer_id; ``warnings``
    has customer_id, rule, warning_id, first_raised and due_by.
    """

    run_id: str | None
    customers: pd.DataFrame
    warnings: pd.DataFrame


def previous_night(url: str, as_of: date, contracts: Mapping[str, Contract]) -> PreviousNight:
    """Read the last night published before ``as_of``.

    Raises:
        RisklineError: the warehouse cannot be reached.
    """
    with connect(url) as connection:
        ensure_schema(connection, contracts)
    with connect(url) as connection:
        # One look at all tables: the night might be published anew between two queries.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = connection.execute(
            "SELECT run_id, as_of_date FROM risk.runs WHERE as_of_date < %s "
            "ORDER BY as_of_date DESC LIMIT 1",
            [as_of],
        ).fetchone()
        run_id, before = row if row is not None else (None, None)
        customers = _frame(
            connection,
            "SELECT t.customer_id, t.tier AS previous_tier, t.tier_since, "
            "s.log_odds AS previous_log_odds FROM risk.risk_tiers AS t "
            "JOIN risk.risk_scores AS s USING (as_of_date, customer_id) WHERE as_of_date = %s",
            before,
        )
        warnings = _frame(
            connection,
            "SELECT customer_id, rule, warning_id, first_raised, due_by FROM risk.warning_list "
            "WHERE as_of_date = %s",
            before,
        )
    return PreviousNight(run_id, customers.set_index("customer_id"), warnings)


def stale_nights(url: str) -> list[date]:
    """Published nights that were decided when the night before them was another one."""
    with connect(url) as connection:
        rows = connection.execute("SELECT as_of_date FROM risk.stale_nights").fetchall()
    return [row[0] for row in rows]


def _frame(connection: psycopg.Connection, query: str, day: date | None) -> pd.DataFrame:
    cursor = connection.execute(query.encode(), [day])
    names = [column.name for column in cursor.description or []]
    return pd.DataFrame(cursor.fetchall(), columns=names)
