"""What earlier nights decided and officers said, as far as tonight depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql

from pipeline.contracts.contract import Contract
from pipeline.decisions.measures import CONTRIBUTION
from pipeline.decisions.night import Past
from pipeline.decisions.warning_life import Answer
from pipeline.decisions.warnings import CARRIED
from pipeline.errors import RisklineError
from pipeline.features.declaration import Dimension
from pipeline.warehouse.connection import BOUND_WAITS, connect
from pipeline.warehouse.schema import ensure_schema

RETIRED = "retired"
CUSTOMER_COLUMNS = {
    **dict.fromkeys(("tier", "model_tier", "tier_since"), "t"),
    **dict.fromkeys(("log_odds", "model_version", *(CONTRIBUTION + d for d in Dimension)), "s"),
}
"""What a night goes on from, and in which of the tables joined below it stands."""


@dataclass(frozen=True)
class PreviousRun:
    """The run of the last night published before another."""

    run_id: str
    as_of_date: date
    status: str


def past_of(
    url: str, as_of: date, close: datetime, contracts: Mapping[str, Contract]
) -> tuple[PreviousRun | None, Past]:
    """Read the last night published before another, and what officers said by its close.

    Args:
        url: of the warehouse.
        as_of: the night that goes on from it.
        close: the first moment that no longer belongs to that night.
        contracts: the output contracts by table.

    Returns:
        The run of the night before, None where there is none, and what a night goes on from.

    Raises:
        RisklineError: the warehouse cannot be reached, or no longer keeps that night.
    """
    with connect(url) as connection:
        ensure_schema(connection, contracts)
    with connect(url) as connection:
        # What an officer says bears the time at which it is said, and is seen only once it is
        # committed: what is said by now is waited for.
        connection.execute(BOUND_WAITS)
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext('riskline.audit'))")
    with connect(url) as connection:
        # One look at all tables: the night might be published anew between two queries.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = connection.execute(
            "SELECT run_id, as_of_date, status FROM risk.runs "
            "WHERE as_of_date < %s ORDER BY as_of_date DESC LIMIT 1",
            [as_of],
        ).fetchone()
        run = None if row is None else PreviousRun(*row)
        before = None if run is None else run.as_of_date
        if run is not None and run.status == RETIRED:
            raise RisklineError(
                f"the warehouse no longer keeps the rows of {run.as_of_date}, from which {as_of} "
                "would go on; warehouse_nights in the policy says how many nights are kept"
            )
        columns = sql.SQL(", ").join(sql.Identifier(t, c) for c, t in CUSTOMER_COLUMNS.items())
        customers = _frame(
            connection,
            sql.SQL(
                "SELECT t.customer_id, {} FROM risk.risk_tiers AS t "
                "JOIN risk.risk_scores AS s USING (as_of_date, customer_id) WHERE as_of_date = %s"
            ).format(columns),
            before,
        )
        warnings = _frame(
            connection,
            sql.SQL("SELECT {} FROM risk.warning_list WHERE as_of_date = %s").format(
                sql.SQL(", ").join(map(sql.Identifier, CARRIED))
            ),
            before,
        )
        said = connection.execute(
            "SELECT f.warning_id, f.action FROM risk.warning_feedback AS f "
            "JOIN risk.warning_list AS w ON w.warning_id = f.warning_id AND w.as_of_date = %s "
            "WHERE f.at < %s",
            [before, close],
        ).fetchall()
        overrides = _frame(
            connection,
            sql.SQL(
                "SELECT customer_id, at, tier FROM risk.tier_override "
                "WHERE approved_at < %s AND expires_on >= %s ORDER BY customer_id, at"
            ),
            close,
            as_of,
        )
    answers: dict[str, set[Answer]] = {}
    for warning_id, action in said:
        answers.setdefault(warning_id, set()).add(Answer(action))
    return run, Past(customers.set_index("customer_id"), warnings, answers, overrides)


def night_under_other_ids(url: str, as_of: date, fingerprint: str | None) -> date | None:
    """The latest other night, if any, whose rows bear ids under another key, or under none.

    Args:
        url: of the warehouse.
        as_of: the night that may be replaced.
        fingerprint: of the key in use; None where there is none.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT max(as_of_date) FROM risk.runs WHERE as_of_date <> %s AND status <> %s "
            "AND pseudonym_fingerprint IS DISTINCT FROM %s",
            [as_of, RETIRED, fingerprint],
        ).fetchone()
    return row[0] if row else None


def published_run(url: str, as_of: date) -> dict[str, Any] | None:
    """The row of a night in ``runs``; None where it is not published."""
    with connect(url) as connection:
        rows = _frame(connection, sql.SQL("SELECT * FROM risk.runs WHERE as_of_date = %s"), as_of)
    found: list[dict[Any, Any]] = rows.astype("object").where(rows.notna(), None).to_dict("records")
    return found[0] if found else None


def published_tables(
    url: str, as_of: date, columns: Mapping[str, Sequence[str]]
) -> dict[str, pd.DataFrame]:
    """Some columns of some of a night's tables, all of one look; empty where it is not published.

    Raises:
        RisklineError: the warehouse cannot be reached.
    """
    with connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return {
            table: _frame(
                connection,
                sql.SQL("SELECT {} FROM {} WHERE as_of_date = %s").format(
                    sql.SQL(", ").join(map(sql.Identifier, chosen)),
                    sql.Identifier("risk", table),
                ),
                as_of,
            )
            for table, chosen in columns.items()
        }


def newest_night(url: str) -> date:
    """The last published night, of which there is one.

    Raises:
        RisklineError: the warehouse cannot be reached.
    """
    with connect(url) as connection:
        ((night,),) = connection.execute("SELECT max(as_of_date) FROM risk.runs").fetchall()
    assert isinstance(night, date)
    return night


def stale_nights(url: str) -> list[date]:
    """Published nights that were decided when the night before them was another one."""
    with connect(url) as connection:
        rows = connection.execute("SELECT as_of_date FROM risk.stale_nights").fetchall()
    return [row[0] for row in rows]


def _frame(
    connection: psycopg.Connection, query: sql.SQL | sql.Composed, *values: Any
) -> pd.DataFrame:
    cursor = connection.execute(query, values)
    names = [column.name for column in cursor.description or []]
    return pd.DataFrame(cursor.fetchall(), columns=names)
