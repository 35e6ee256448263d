"""Rows that are sound one by one and wrong together: a check of the batch says so by name."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import SecretStr

from pipeline import nightly
from tests.integration.corruptions.healthy_bank import A_DAY, NIGHT, healthy_bank, write_folder
from tests.integration.corruptions.nights import (
    Night,
    copy_contracts,
    link_tree,
    replace,
    with_column,
    with_references,
)

Change = Callable[[pa.Table], pa.Table]
TABLES = ("bureau", "customers", "loans", "relationships", "repayments", "transactions")


@pytest.fixture(scope="module")
def healthy(module_home: Path) -> Path:
    """A home whose lake holds all days before the night."""
    bank = healthy_bank()
    write_folder({table: bank[table] for table in TABLES}, module_home / "source")
    copy_contracts(TABLES, module_home)
    night = Night(module_home, str(module_home / "source"))
    nightly.pull(night.settings, NIGHT - timedelta(days=1))
    return module_home


@pytest.fixture
def start(healthy: Path) -> Iterator[Callable[[str], Night]]:
    """Makes the night of one table and those that it refers to."""
    home = healthy / "night"

    def start_night(table: str) -> Night:
        for folder in ("source", "lake/landed"):
            link_tree(healthy / folder, home / folder)
        copy_contracts(with_references(table), home)
        return Night(home, str(home / "source"))

    yield start_night
    shutil.rmtree(home)


def is_of_the_night(rows: pa.Table) -> pa.ChunkedArray:
    return pc.equal(rows["known_at"].cast(pa.date32(), safe=False), pa.scalar(NIGHT, pa.date32()))


def recently(column: str, value: Callable[[pa.ChunkedArray], pa.Array]) -> Change:
    """Another value in a column of the night's rows."""

    def change(rows: pa.Table) -> pa.Table:
        changed = pc.if_else(is_of_the_night(rows), value(rows[column]), rows[column])
        return with_column(rows, column, changed)

    return change


def of_the_window(column: str, value: Callable[[pa.ChunkedArray], pa.Array]) -> Change:
    """Another value in a column of the rows of the look-back window, which are read again."""

    def change(rows: pa.Table) -> pa.Table:
        first = pa.scalar(NIGHT - timedelta(days=3), pa.date32())
        is_late = pc.greater_equal(rows["known_at"].cast(pa.date32(), safe=False), first)
        return with_column(rows, column, pc.if_else(is_late, value(rows[column]), rows[column]))

    return change


def times_100(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.multiply(values, 100.0)


def nothing(values: pa.ChunkedArray) -> pa.Array:
    return pa.nulls(len(values), values.type)


def later(**by: float) -> Change:
    """The night's rows become known later, as a feed does whose clock is wrong."""
    return recently("known_at", lambda values: pc.add(values, pa.scalar(timedelta(**by))))


def one(column: str, value: object) -> Change:
    """Another value in the last row."""

    def change(rows: pa.Table) -> pa.Table:
        values = [*rows[column].to_pylist()[:-1], value]
        return with_column(rows, column, pa.array(values, rows.schema.field(column).type))

    return change


def all_sent_again(rows: pa.Table) -> pa.Table:
    """Each row of the past once more, as if it had become known on the night."""
    at = pa.scalar(rows["known_at"][-1].as_py(), rows["known_at"].type)
    again = with_column(rows, "known_at", pa.repeat(at, len(rows)))
    return pa.concat_tables([rows.slice(0, len(rows) - 1), again])


def all_but(count: int) -> Change:
    """All but the last rows of the night are missing."""
    return lambda rows: pa.concat_tables(
        [rows.filter(pc.invert(is_of_the_night(rows))), rows.slice(len(rows) - count)]
    )


def numbered_anew(rows: pa.Table) -> pa.Table:
    """Account numbers as a spreadsheet shows them."""
    return recently(
        "customer_id", lambda values: pa.array([f"{n}.0E12" for n in range(len(values))])
    )(rows)


FLAGGED: list[tuple[str, str, Change, set[str], int]] = [
    ("nothing wrong", "repayments", lambda rows: rows, set(), 0),
    (
        "a payment before its loan",
        "repayments",
        one("paid_date", NIGHT - timedelta(days=1)),
        {"repayments.paid_not_before_loan"},
        0,
    ),
    (
        "an instalment due before its loan",
        "repayments",
        one("due_date", NIGHT - timedelta(days=1)),
        {"repayments.due_not_before_loan"},
        0,
    ),
    (
        "a repayment of no loan",
        "repayments",
        one("loan_id", "L99999"),
        {"repayments.loan_id_references_loans_loan_id"},
        0,
    ),
    (
        "a loan of nobody",
        "loans",
        one("customer_id", "C99999"),
        {"loans.customer_id_references_customers_customer_id"},
        0,
    ),
    (
        "a guarantor whom nobody knows",
        "relationships",
        one("related_customer_id", "C99999"),
        {"relationships.related_customer_id_references_customers_customer_id"},
        0,
    ),
    (
        "account numbers as a spreadsheet shows them",
        "bureau",
        numbered_anew,
        {"bureau.customer_id_references_customers_customer_id"},
        0,
    ),
    (
        "payments in cents",
        "repayments",
        of_the_window("paid_amount", times_100),
        {"repayments.paid_amount_against_past"},
        0,
    ),
    (
        "principals in cents",
        "loans",
        of_the_window("principal", times_100),
        {"loans.principal_against_past"},
        0,
    ),
    (
        "a column without a value",
        "loans",
        recently("annual_rate_pct", nothing),
        {"loans.annual_rate_known"},
        0,
    ),
    (
        "a required column without a value",
        "repayments",
        recently("due_amount", nothing),
        {
            "repayments.share_quarantined_of_the_day_pct",
            "repayments.feed_arrived",
            "repayments.rows_of_the_day",
            "repayments.rows_against_past",
        },
        0,
    ),
    (
        "all of the past sent again",
        "transactions",
        all_sent_again,
        {"transactions.rows_against_past"},
        43 * A_DAY - 1,
    ),
    (
        "one booking in forty",
        "transactions",
        all_but(1),
        {"transactions.rows_against_past"},
        -(A_DAY - 1),
    ),
    (
        "a feed shifted to the next day",
        "repayments",
        later(days=1),
        {
            "repayments.feed_arrived",
            "repayments.rows_of_the_day",
            "repayments.rows_against_past",
        },
        -A_DAY,
    ),
    (
        "a twentieth of the usual instalments",
        "repayments",
        all_but(A_DAY // 20),
        {"repayments.rows_against_past"},
        -(A_DAY - A_DAY // 20),
    ),
]
STOPPING = {
    "repayments.feed_arrived",
    "repayments.paid_amount_against_past",
    "repayments.share_quarantined_of_the_day_pct",
}


@pytest.mark.parametrize(
    ("table", "change", "checks", "more"), [pytest.param(*case[1:], id=case[0]) for case in FLAGGED]
)
def test_a_feed_is_flagged(
    table: str, change: Change, checks: set[str], more: int, start: Callable[[str], Night]
) -> None:
    night = start(table)
    replace(night.source, table, change)
    night.pull()
    if checks & STOPPING:
        said = night.refused(night.check)
        assert said.startswith(f"table {table} fails ")
        assert all(check in said.replace(" fails ", ".") for check in checks & STOPPING)
    else:
        night.check()
    assert night.failed_checks() == checks
    assert len(night.landed(table)) == 43 * A_DAY + more


def test_rows_of_tomorrow_wait_for_their_night(start: Callable[[str], Night]) -> None:
    night = start("customers")
    # The last 14 of 40 rows, recorded from 15:00 on, fall on the next day.
    replace(night.source, "customers", later(hours=9))
    night.pull()
    landed = len(night.landed("customers"))
    assert 42 * A_DAY < landed < 43 * A_DAY
    nightly.pull(night.settings, NIGHT + timedelta(days=1))
    lake = night.lake
    assert lake.count("landed", "customers", lake.days("landed", "customers")) == 43 * A_DAY


def test_a_feed_that_has_stood_still(start: Callable[[str], Night]) -> None:
    night = start("repayments")
    late = NIGHT + timedelta(days=5)
    nightly.pull(night.settings, late)
    said = night.refused(lambda: nightly.check(night.settings, late))
    assert "table repayments fails " in said
    assert "repayments.freshness" in said.replace(" fails ", ".")


def test_an_optional_table_that_goes_after_it_was_pulled(start: Callable[[str], Night]) -> None:
    night = start("bureau")
    (night.source / "bureau.parquet").unlink()
    said = night.refused(night.pull)
    assert said.startswith("table bureau was pulled before and is not in the source any more; ")


def test_a_header_only_takes_nothing_out_of_the_lake(start: Callable[[str], Night]) -> None:
    night = start("bureau")
    replace(night.source, "bureau", lambda rows: rows.slice(0, 0))
    said = night.refused(night.pull)
    assert said.startswith(
        "table bureau: the source has none of the 120 rows any more that were pulled of the days "
        "from 2024-03-26 to 2024-03-29; check the source, or move their files in "
    )


def test_a_table_half_loaded_is_told(
    start: Callable[[str], Night], caplog: pytest.LogCaptureFixture
) -> None:
    night = start("bureau")
    replace(night.source, "bureau", lambda rows: rows.slice(0, len(rows) - 130))
    night.pull()
    (said,) = caplog.messages
    assert said.startswith("table bureau: 90 rows that were pulled before are not in the source ")


def test_a_home_of_another_source_is_refused(start: Callable[[str], Night], tmp_path: Path) -> None:
    night = start("customers")
    night.pull()
    link = tmp_path / "other"
    shutil.copytree(night.source, link)
    other = night.settings.model_copy(update={"source_url": SecretStr(str(link))})
    assert "set RISK_HOME to a folder of its own" in night.refused(
        lambda: nightly.pull(other, NIGHT)
    )
