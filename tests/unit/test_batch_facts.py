"""What a night's batch is seen to be: volume, freshness, shares and medians, as small tables."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from pipeline.contracts.contract import BatchCheck, Column, Contract, Metric, Severity
from pipeline.contracts.facts import Batch
from pipeline.contracts.judged import quarantine_table
from pipeline.contracts.rules import Required
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.lake import Lake

NIGHT = date(2024, 3, 29)
UTC_ZONE = ZoneInfo("UTC")
ENGINE = DuckDBEngine(1)

Days = Mapping[int, list[float | None]]
"""The amounts that became known so many days before the night."""


def column(name: str, kind: str) -> Column:
    return Column(name, kind, "", is_required=True, is_personal=False)


BOOKINGS = Contract(
    table="bookings",
    description="",
    grain="",
    columns=(
        column("number", "integer"),
        column("amount", "number"),
        column("known_at", "timestamp"),
        column("is_deleted", "boolean"),
    ),
    key=("number", "known_at"),
    rules=(Required("number"),),
    batch_checks=(),
    is_optional=False,
    sha256="c" * 64,
)


def observed(metric: Metric, days: Days, folder: Path, broken: int = 0) -> float | None:
    """A fact about the bookings; the first ``broken`` of each day break their contract."""
    lake = Lake(folder)
    for back, amounts in days.items():
        day = NIGHT - timedelta(days=back)
        at = datetime.combine(day, time(12), UTC)
        rows = {
            "number": [None if n < broken else n for n in range(len(amounts))],
            "amount": amounts,
            "known_at": [at] * len(amounts),
            "is_deleted": [False] * len(amounts),
        }
        lake.write("landed", "bookings", day, pa.table(rows, schema=BOOKINGS.arrow_schema))
    contracts = {"bookings": BOOKINGS}
    counts = quarantine_table(BOOKINGS, contracts, lake, ENGINE, NIGHT, UTC_ZONE, 3)
    assert counts.landed == counts.valid + counts.quarantined
    check = BatchCheck("fact", metric, Severity.WARN, "", maximum=0, column="amount")
    return Batch(BOOKINGS, contracts, counts, lake, ENGINE, NIGHT, lookback_days=3).fact(check)


def many(count: int, amount: float | None = 1.0) -> list[float | None]:
    return [amount] * count


A_MONTH = {back: many(40) for back in range(32)}
WEEKS = {7: many(30), 14: many(40), 21: many(50), 28: many(40)}

FACTS: dict[str, tuple[Metric, Days, float | None]] = {
    "rows of the day": (Metric.DAY_ROWS, {0: many(3), 1: many(5)}, 3),
    "a day without a file": (Metric.DAY_ROWS, {1: many(5)}, 0),
    "rows known by the night": (Metric.HISTORY_ROWS, {-1: many(9), 0: many(3), 90: many(5)}, 8),
    # Volume: against the same weekday of four weeks.
    "half the usual rows": (Metric.DAY_ROWS_AGAINST_PAST, {0: many(20), **WEEKS}, 0.5),
    "none of the usual rows": (Metric.DAY_ROWS_AGAINST_PAST, WEEKS, 0),
    "other weekdays do not count": (
        Metric.DAY_ROWS_AGAINST_PAST,
        {0: many(40), 1: many(4000), **WEEKS},
        1,
    ),
    "a weekday that is quiet": (
        Metric.DAY_ROWS_AGAINST_PAST,
        {0: many(9), 7: many(29), 14: many(29), 21: many(29), 28: many(29)},
        None,
    ),
    "a weekday a feed once missed": (
        Metric.DAY_ROWS_AGAINST_PAST,
        {0: many(45), 7: many(60), 14: many(60), 28: many(60)},
        1,
    ),
    "a history too short": (Metric.DAY_ROWS_AGAINST_PAST, {0: many(9), 7: many(99)}, None),
    # Freshness.
    "rows today": (Metric.AGE_DAYS, {0: many(1)}, 0),
    "the last rows lie back": (Metric.AGE_DAYS, {0: [], 3: [], 5: many(1), 9: many(1)}, 5),
    "what comes tomorrow is not seen": (Metric.AGE_DAYS, {-1: many(1), 2: many(1)}, 2),
    "never a row": (Metric.AGE_DAYS, {0: []}, None),
    # Shares.
    "a tenth is empty": (Metric.DAY_NULL_PCT, {0: [*many(4, None), *many(36)]}, 10),
    "of a day too small": (Metric.DAY_NULL_PCT, {0: many(29, None)}, None),
    "of the day alone": (Metric.DAY_NULL_PCT, {0: many(30), 1: many(90, None)}, 0),
    # Distribution.
    "cents for units": (
        Metric.DAY_MEDIAN_AGAINST_PAST,
        {**A_MONTH, **{back: many(40, 100.0) for back in range(4)}},
        100,
    ),
    "one wild booking": (Metric.DAY_MEDIAN_AGAINST_PAST, {**A_MONTH, 0: [1e12]}, 1),
    "the day before the window": (Metric.DAY_MEDIAN_AGAINST_PAST, {**A_MONTH, 4: many(9, 1e6)}, 1),
    "a past too far": (
        Metric.DAY_MEDIAN_AGAINST_PAST,
        {0: many(40, 3.0), 31: many(40, 2.0), 32: many(999, 7.0)},
        1.5,
    ),
    "empty amounts do not count": (
        Metric.DAY_MEDIAN_AGAINST_PAST,
        {0: [*many(31, 4.0), *many(99, None)], 10: many(30, 2.0)},
        2,
    ),
    "in and out by their size": (
        Metric.DAY_MEDIAN_AGAINST_PAST,
        {0: [*many(20, -8.0), *many(19, 8.0)], 10: [*many(20, -2.0), *many(20, 2.0)]},
        4,
    ),
    "too few today": (Metric.DAY_MEDIAN_AGAINST_PAST, {0: many(29), 10: many(99)}, None),
    "too few before": (Metric.DAY_MEDIAN_AGAINST_PAST, {0: many(99), 10: many(29)}, None),
    "nothing to divide by": (Metric.DAY_MEDIAN_AGAINST_PAST, {0: many(99), 10: many(99, 0)}, None),
}


@pytest.mark.parametrize(
    ("metric", "days", "expected"), [pytest.param(*case, id=name) for name, case in FACTS.items()]
)
def test_a_fact(metric: Metric, days: Days, expected: float | None, tmp_path: Path) -> None:
    assert observed(metric, days, tmp_path) == expected


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.DAY_ROWS, 30),
        (Metric.HISTORY_ROWS, 45),
        (Metric.DAY_QUARANTINED_PCT, 25),
        (Metric.HISTORY_QUARANTINED_PCT, 100 * 20 / 65),
        (Metric.AGE_DAYS, 0),
        (Metric.LOST_ROWS, 0),
    ],
)
def test_a_fact_about_rows_of_which_some_are_quarantined(
    metric: Metric, expected: float, tmp_path: Path
) -> None:
    days = {0: many(40), 1: many(25), 2: []}
    assert observed(metric, days, tmp_path, broken=10) == pytest.approx(expected)


def test_a_share_of_a_small_day_is_not_judged(tmp_path: Path) -> None:
    days = {0: many(29), 1: many(999)}
    assert observed(Metric.DAY_QUARANTINED_PCT, days, tmp_path, broken=10) is None


def test_a_day_of_which_every_row_is_broken_is_no_fresh_day(tmp_path: Path) -> None:
    assert observed(Metric.AGE_DAYS, {0: many(9), 4: many(12)}, tmp_path, broken=10) == 4
