"""Rows that break their contract: each in quarantine, with the right reasons and no others.

All are in one night's source, a row a case, so that none of them hides another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.integration.corruptions.healthy_bank import (
    A_DAY,
    CONTRACTS,
    NIGHT,
    SECRET,
    healthy_bank,
    write_folder,
)
from tests.integration.corruptions.nights import Night, broken_rules, copy_contracts

DAYS = 10
APART = 17
"""Rows from one broken row of a table to the next: no day's share breaks its bound."""
TABLES = (
    "bureau",
    "customers",
    "external_signals",
    "loans",
    "relationships",
    "repayments",
    "transactions",
)
YEAR_12000 = pa.scalar(3_663_567, pa.int32()).cast(pa.date32())
KNOWN_12000 = pa.scalar(316_538_668_800_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
KNOWN_900 = pa.scalar(-33_765_897_600_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
HUGE = "Zanzibar " * 1_200_000

Case = tuple[str, str, dict[str, Any], set[str]]
CASES: list[Case] = [
    ("no segment", "customers", {"segment": None}, {"segment_required"}),
    ("no id", "customers", {"customer_id": None}, {"customer_id_required"}),
    ("an empty id", "customers", {"customer_id": ""}, {"customer_id_length"}),
    ("an id too long", "customers", {"customer_id": "C" * 65}, {"customer_id_length"}),
    ("a kind unknown", "customers", {"segment": "retail"}, {"segment_allowed"}),
    ("another case", "customers", {"segment": "Consumer"}, {"segment_allowed"}),
    ("spaces around", "customers", {"segment": " consumer "}, {"segment_allowed"}),
    ("a name too long", "customers", {"name": SECRET * 30}, {"name_length"}),
    ("10 MB of text", "customers", {"name": HUGE}, {"name_length"}),
    ("a tab", "customers", {"name": f"{SECRET}\t1"}, {"name_clean"}),
    ("a line break", "customers", {"national_id": f"{SECRET}\n1"}, {"national_id_clean"}),
    ("a bell", "customers", {"region": "\a"}, {"region_clean"}),
    ("NUL", "customers", {"occupation": "bak\0er"}, {"occupation_clean"}),
    ("a letter lost", "customers", {"name": f"{SECRET} M\ufffdller"}, {"name_clean"}),
    ("born in year 1", "customers", {"birth_date": date(1, 1, 1)}, {"birth_date_in_range"}),
    ("-1 dependents", "customers", {"dependents": -1}, {"dependents_in_range"}),
    ("no principal", "loans", {"principal": None}, {"principal_required"}),
    ("NaN", "loans", {"principal": float("nan")}, {"principal_required"}),
    ("infinity", "loans", {"principal": float("inf")}, {"principal_in_range"}),
    ("minus infinity", "loans", {"collateral_value": float("-inf")}, {"collateral_value_in_range"}),
    ("zero principal", "loans", {"principal": 0.0}, {"principal_in_range"}),
    ("a negative rate", "loans", {"annual_rate_pct": -1.0}, {"annual_rate_pct_in_range"}),
    (
        "maturity before origination",
        "loans",
        {"maturity_date": date(2020, 1, 1)},
        {"maturity_not_before_origination"},
    ),
    ("granted in year 1", "loans", {"originated_at": date(1, 1, 1)}, {"originated_at_in_range"}),
    ("due in year 12000", "loans", {"maturity_date": YEAR_12000}, {"maturity_date_in_range"}),
    ("known never", "loans", {"known_at": None}, {"known_at_required"}),
    ("known in year 900", "loans", {"known_at": KNOWN_900}, {"known_at_in_range"}),
    ("known in year 12000", "loans", {"known_at": KNOWN_12000}, {"known_at_in_range"}),
    (
        "all at once",
        "loans",
        {"loan_id": "", "principal": -5.0, "originated_at": None, "is_deleted": None},
        {"loan_id_length", "principal_in_range", "originated_at_required", "is_deleted_required"},
    ),
    ("a negative amount", "repayments", {"due_amount": -1.0}, {"due_amount_in_range"}),
    ("10 trillion", "repayments", {"paid_amount": 1e13}, {"paid_amount_in_range"}),
    ("instalment 0", "repayments", {"instalment_no": 0}, {"instalment_no_in_range"}),
    ("due never", "repayments", {"due_date": None}, {"due_date_required"}),
    (
        "until before since",
        "relationships",
        {"until": date(2019, 12, 31)},
        {"until_not_before_since"},
    ),
    ("relation unknown", "relationships", {"relation": "friend"}, {"relation_allowed"}),
    ("no consent", "external_signals", {"consent": False}, {"consent_allowed"}),
    ("consent unknown", "external_signals", {"consent": None}, {"consent_required"}),
    (
        "overdue beyond debt",
        "bureau",
        {"debt_elsewhere": 1.0},
        {"overdue_within_debt"},
    ),
    ("a score of 1001", "bureau", {"external_score": 1001}, {"external_score_in_range"}),
    # Rows that look odd and are sound.
    ("SQL", "customers", {"name": "Zanzibar'); DROP TABLE loans; --\"%s{}\\"}, set()),
    ("another script", "customers", {"name": "Żółć 李明 مريم 🏦"}, set()),
    ("the word null", "customers", {"name": "NULL", "national_id": "NaN"}, set()),
    ("a customer without a name", "customers", {"name": None, "national_id": ""}, set()),
    ("minus zero", "repayments", {"due_amount": -0.0}, set()),
    ("due in 9999", "loans", {"maturity_date": date(9999, 12, 31)}, set()),
    (
        "withdrawn, with no more than its key",
        "loans",
        {"is_deleted": True, "principal": None, "originated_at": None, "maturity_date": None},
        set(),
    ),
]


@dataclass(frozen=True)
class Judged:
    """The night when it has been checked, and the broken rows as they were sent."""

    night: Night
    sent: dict[str, pa.Table]
    source: dict[str, pa.Table]


def with_values(row: pa.Table, values: Mapping[str, Any]) -> pa.Table:
    """One row with other values, in the same types."""
    for name, value in values.items():
        place = row.schema.get_field_index(name)
        field = row.schema.field(name)
        cell = pa.array(
            [value.cast(field.type)] if isinstance(value, pa.Scalar) else [value], field.type
        )
        row = row.set_column(place, field, cell)
    return row


@pytest.fixture(scope="module")
def judged(module_home: Path) -> Judged:
    bank = healthy_bank(DAYS)
    source = {table: bank[table] for table in TABLES}
    sent = {}
    used = dict.fromkeys(TABLES, 0)
    for name, table, values, _ in CASES:
        rows = source[table]
        place = len(rows) - 1 - APART * used[table]
        used[table] += 1
        sent[name] = with_values(rows.slice(place, 1), values)
        source[table] = pa.concat_tables([rows.slice(0, place), sent[name], rows.slice(place + 1)])
    # Repeated keys come on top: the row again, and again with another amount.
    bookings = source["transactions"]
    first, second, shifted = (bookings.slice(place, 1) for place in (10, 50, 90))
    sent["sent twice"] = first
    sent["sent twice, with other values"] = with_values(second, {"amount": 7.0})
    sent["a time zone shifted"] = with_values(
        shifted, {"posted_at": shifted["posted_at"][0].as_py() + timedelta(hours=8)}
    )
    source["transactions"] = pa.concat_tables(
        [
            bookings.slice(0, 90),
            sent["a time zone shifted"],
            bookings.slice(91),
            first,
            sent["sent twice, with other values"],
        ]
    )
    write_folder(source, module_home / "source")
    copy_contracts(TABLES, module_home)
    night = Night(module_home, str(module_home / "source"))
    night.pull()
    night.check()
    return Judged(night, sent, source)


def same(row: pa.Table, rows: pa.Table) -> list[int]:
    """The places of a row among others; NaN is no value, as everywhere in the lake."""
    wanted = with_values(row, {"principal": None}) if has_nan(row) else row
    schema = wanted.schema
    return [
        place
        for place in range(len(rows))
        if rows.slice(place, 1).select(schema.names).combine_chunks() == wanted.combine_chunks()
    ]


def has_nan(row: pa.Table) -> bool:
    return "principal" in row.column_names and str(row["principal"][0]) == "nan"


@pytest.mark.parametrize(
    ("name", "table", "rules"), [pytest.param(c[0], c[1], c[3], id=c[0]) for c in CASES]
)
def test_a_row_goes_to_its_side(name: str, table: str, rules: set[str], judged: Judged) -> None:
    row, night = judged.sent[name], judged.night
    quarantined = night.quarantined(table)
    places = same(row, quarantined)
    if rules:
        assert len(places) == 1
        reasons = quarantined["_reasons"][places[0]].as_py()
        assert broken_rules(reasons, CONTRACTS[table]) == rules
    else:
        assert places == []
        assert len(same(row, night.valid(table))) == 1


def test_a_repeated_key_leaves_one_row(judged: Judged) -> None:
    found = judged.night.quarantined("transactions")
    reasons = [broken_rules(r, CONTRACTS["transactions"]) for r in found["_reasons"].to_pylist()]
    assert sorted(map(sorted, reasons)) == [
        ["key_unique"],
        ["key_unique"],
        ["known_not_before_posted"],
    ]
    assert len(same(judged.sent["sent twice"], found)) == 1
    assert len(same(judged.sent["sent twice"], judged.night.valid("transactions"))) == 1
    # Of two that differ one stays, by the order of all columns: the smaller amount.
    assert len(same(judged.sent["sent twice, with other values"], found)) == 1
    assert len(same(judged.sent["a time zone shifted"], found)) == 1


def test_every_other_row_is_valid(judged: Judged) -> None:
    for table in TABLES:
        broken = sum(bool(rules) for _, of, _, rules in CASES if of == table)
        broken += 3 * (table == "transactions")
        assert len(judged.night.quarantined(table)) == broken
        assert len(judged.night.landed(table)) == len(judged.source[table])
        assert len(judged.source[table]) == DAYS * A_DAY + 2 * (table == "transactions")


def test_a_few_broken_rows_stop_no_night(judged: Judged) -> None:
    # What refers to a quarantined row leads nowhere, and the night says so.
    assert judged.night.failed_checks() == {
        "bureau.customer_id_references_customers_customer_id",
        "external_signals.customer_id_references_customers_customer_id",
        "loans.customer_id_references_customers_customer_id",
        "relationships.customer_id_references_customers_customer_id",
        "relationships.related_customer_id_references_customers_customer_id",
        "repayments.loan_id_references_loans_loan_id",
        "transactions.customer_id_references_customers_customer_id",
    }
    assert judged.night.lake.days("landed", "loans")[-1] == NIGHT
