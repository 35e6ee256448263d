"""Whatever comes late, and in whichever order nights are run, each finds the same lost references.

The slow and obvious answer holds every row known by a night against every other.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.contract import BatchCheck, Column, Contract, Metric, Severity
from pipeline.contracts.facts import Batch
from pipeline.contracts.judged import quarantine_table
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.lake import Lake

UTC_ZONE = ZoneInfo("UTC")
FIRST = date(2024, 1, 1)
NIGHTS = range(4)


def column(name: str, kind: str, references: str | None = None) -> Column:
    return Column(name, kind, "", is_required=True, is_personal=False, references=references)


def check(name: str, metric: Metric, **places: Any) -> BatchCheck:
    return BatchCheck(name, metric, Severity.WARN, "", maximum=0, **places)


VERSION = (column("known_at", "timestamp"), column("is_deleted", "boolean"))
LOANS = Contract(
    table="loans",
    description="",
    grain="",
    columns=(column("loan", "string"), column("granted", "date"), *VERSION),
    key=("loan", "known_at"),
    rules=(),
    batch_checks=(),
    is_optional=False,
    sha256="a" * 64,
)
PAYMENTS = Contract(
    table="payments",
    description="",
    grain="",
    columns=(
        column("payment", "integer"),
        column("loan", "string", "loans.loan"),
        column("paid", "date"),
        *VERSION,
    ),
    key=("payment", "known_at"),
    rules=(),
    batch_checks=(
        check("lost", Metric.ORPHANS, column="loan", references="loans.loan"),
        check("lost_pct", Metric.ORPHANS_PCT, column="loan", references="loans.loan"),
        check(
            "early", Metric.BEFORE_REFERENCE, column="paid", references="loans.granted", via="loan"
        ),
    ),
    is_optional=False,
    sha256="b" * 64,
)
CONTRACTS = {"loans": LOANS, "payments": PAYMENTS}


@dataclass(frozen=True)
class Row:
    """A version of a loan, or a payment on one."""

    loan: str
    day: int
    """When it became known."""
    date: int
    """When it was granted or paid."""
    is_deleted: bool


def rows(most: int) -> st.SearchStrategy[list[Row]]:
    days = st.integers(0, NIGHTS[-1])
    row = st.builds(Row, st.sampled_from("ABC"), days, days, st.booleans())
    return st.lists(row, max_size=most)


def known_at(day: int, number: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), time(0, 0, number), UTC)


def land(lake: Lake, loans: list[Row], payments: list[Row]) -> None:
    for day in NIGHTS:
        for table, contract, found in (("loans", LOANS, loans), ("payments", PAYMENTS, payments)):
            part = [
                {
                    "payment": number,
                    "loan": row.loan,
                    "granted": FIRST + timedelta(days=row.date),
                    "paid": FIRST + timedelta(days=row.date),
                    "known_at": known_at(row.day, number),
                    "is_deleted": row.is_deleted,
                }
                for number, row in enumerate(found)
                if row.day == day
            ]
            known_day = FIRST + timedelta(days=day)
            if part or lake.exists("landed", table, known_day):
                schema = contract.arrow_schema
                content = pa.Table.from_pylist(
                    [{name: row[name] for name in schema.names} for row in part], schema
                )
                lake.write("landed", table, known_day, content)


@cache
def engine() -> DuckDBEngine:
    return DuckDBEngine(1)


def facts(lake: Lake, night: int) -> dict[str, float | None]:
    as_of = FIRST + timedelta(days=night)
    counts = {
        name: quarantine_table(contract, CONTRACTS, lake, engine(), as_of, UTC_ZONE, 3)
        for name, contract in CONTRACTS.items()
    }
    batch = Batch(PAYMENTS, CONTRACTS, counts["payments"], lake, engine(), as_of, 3)
    return {check.name: batch.fact(check) for check in PAYMENTS.batch_checks}


def slowly(loans: list[Row], payments: list[Row], night: int) -> dict[str, float | None]:
    known_loans = [row for row in loans if row.day <= night]
    known = [row for row in payments if row.day <= night]
    lost = early = 0
    for payment in known:
        dates = [loan.date for loan in known_loans if loan.loan == payment.loan]
        if not payment.is_deleted:
            lost += not dates
            early += bool(dates) and payment.date < min(dates)
    return {
        "lost": lost,
        "lost_pct": 100 * lost / len(known) if known else 0.0,
        "early": early,
    }


@settings(max_examples=40)
@given(
    loans=rows(most=5),
    payments=rows(most=6),
    nights=st.permutations(NIGHTS),
)
def test_every_night_finds_what_holding_all_against_all_finds(
    loans: list[Row], payments: list[Row], nights: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        land(lake, loans, payments)
        for night in nights:
            assert facts(lake, night) == slowly(loans, payments, night)


@settings(max_examples=30)
@given(
    loans=rows(most=4),
    anew=rows(most=4),
    payments=rows(most=5),
    nights=st.lists(st.sampled_from(NIGHTS), min_size=2, max_size=2).map(sorted),
)
def test_loans_that_land_anew_are_looked_up_anew(
    loans: list[Row], anew: list[Row], payments: list[Row], nights: list[int]
) -> None:
    earlier, later = nights
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        land(lake, loans, payments)
        facts(lake, earlier)
        # All days lie within the look-back: rows come, go and change their dates.
        land(lake, anew, payments)
        assert facts(lake, later) == slowly(anew, payments, later)
