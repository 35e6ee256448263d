"""What only a database can hold, or do in the middle of a pull."""

from pathlib import Path

import psycopg
import pytest

from pipeline.simulator.load import load
from tests.integration.corruptions.healthy_bank import A_DAY, CONTRACTS, SECRET, healthy_bank
from tests.integration.corruptions.nights import Night, broken_rules, copy_contracts

TABLES = ("customers", "loans")
DAYS = 10
ROWS = DAYS * A_DAY


@pytest.fixture
def night(bank_url: str, tmp_path: Path) -> Night:
    bank = healthy_bank(DAYS)
    load({table: bank[table] for table in TABLES}, bank_url)
    copy_contracts(TABLES, tmp_path)
    return Night(tmp_path, bank_url)


def spoil(night: Night, statements: str) -> None:
    with psycopg.connect(night.url) as connection:
        # Without parameters, psycopg sends many statements at once.
        connection.execute(statements.encode())


def view(table: str, column: str) -> str:
    """The table becomes a view with a column that is worked out as it is read."""
    return (
        f"ALTER TABLE {table} RENAME TO raw; "
        f"CREATE VIEW {table} AS SELECT raw.*, {column} AS worked_out FROM raw"
    )


MANY = (
    "INSERT INTO {0} SELECT more.* FROM {0}, generate_series(1, 300), LATERAL (SELECT {0}.*) more"
)
"""Enough rows that many have come before the last one does."""
FORBIDDEN = "CREATE VIEW loans AS SELECT raw.* FROM raw, pg_catalog.pg_authid"
LAST_SPOILT = f"UPDATE customers SET region = '{SECRET}' WHERE customer_id = 'C00399'; "

REFUSED = [
    (
        "a cast that fails on the last rows",
        f"{LAST_SPOILT}{MANY.format('customers')}; "
        + view("customers", "CASE region WHEN 'north' THEN 0 ELSE region::numeric END"),
        "table customers cannot be read from the source: ",
    ),
    ("a date that is none", view("customers", "name::date"), "for type date: …; supply it"),
    ("JSON that is none", view("customers", "name::json"), "for type json; supply it"),
    (
        "JSON that breaks off",
        view("customers", """('{"name": ' || name)::json"""),
        "for type json; supply it",
    ),
    (
        "a name with quotation marks",
        'UPDATE customers SET name = \'a"b" '
        + SECRET
        + "\"' || name; "
        + view("customers", "name::int"),
        "for type integer: …; supply it",
    ),
    (
        "a division by zero",
        view("loans", "1 / (CASE loan_id WHEN 'L00399' THEN 0 ELSE 1 END)"),
        "table loans cannot be read from the source: ",
    ),
    ("a table that is not there", "DROP TABLE loans", 'relation "loans" does not exist; supply it'),
    (
        "a table that may not be read",
        f"ALTER TABLE loans RENAME TO raw; {FORBIDDEN}",
        "permission denied",
    ),
    (
        "a number as text",
        "ALTER TABLE loans ALTER principal TYPE text",
        "table loans, column principal: the source delivers string, the contract wants double; ca",
    ),
    (
        "half a person",
        "ALTER TABLE customers ALTER dependents TYPE numeric USING dependents + 0.5",
        "table customers, column dependents: a value does not fit int64",
    ),
    (
        "known_at as text",
        "ALTER TABLE loans ALTER known_at TYPE text",
        "operator does not exist: text < timestamp with time zone; supply it",
    ),
    (
        "a list for a text",
        "ALTER TABLE customers ALTER name TYPE text[] USING ARRAY[name]",
        "table customers, column name: the source delivers list<",
    ),
    (
        "bytes for a text",
        "ALTER TABLE customers ALTER name TYPE bytea USING name::bytea",
        "table customers, column name: the source delivers binary, the contract wants string",
    ),
]


@pytest.mark.parametrize(
    ("statements", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_a_table_that_is_refused(statements: str, words: str, night: Night) -> None:
    spoil(night, statements)
    said = night.refused(night.pull)
    assert words in said
    table = next(table for table in TABLES if f"table {table}" in said)
    assert night.lake.days("landed", table) == []
    assert not any(night.lake.root.glob("landed/*/.new_*"))


ODD_VALUES = [
    # The driver's days overflow: what never comes looks like the distant past.
    (
        "maturity_date = 'infinity'",
        {"maturity_date_in_range", "maturity_not_before_origination"},
    ),
    ("originated_at = '-infinity'", {"originated_at_in_range"}),
    ("originated_at = '0044-03-15 BC'", {"originated_at_in_range"}),
    ("originated_at = '0001-01-01'", {"originated_at_in_range"}),
    ("maturity_date = '20000-01-01'", {"maturity_date_in_range"}),
    ("principal = 'NaN'", {"principal_required"}),
    ("principal = 'Infinity'", {"principal_in_range"}),
    ("principal = '-Infinity'", {"principal_in_range"}),
    ("principal = 10::numeric ^ 400", {"principal_in_range"}),
    ("known_at = 'infinity'", {"known_at_in_range"}),
    ("known_at = '-infinity'", {"known_at_in_range"}),
    ("known_at = '20000-01-01'", {"known_at_in_range"}),
    ("known_at = '0044-03-15 BC'", {"known_at_in_range"}),
    ("known_at = NULL", {"known_at_required"}),
]


def test_odd_values_are_quarantined(night: Night) -> None:
    wanted = {}
    statements = "ALTER TABLE loans ALTER principal TYPE numeric; "
    for number, (change, rules) in enumerate(ODD_VALUES):
        # Spread over the days, of each of which a fifth may be broken.
        loan_id = f"L{number * 27:05}"
        statements += f"UPDATE loans SET {change} WHERE loan_id = '{loan_id}'; "
        wanted[loan_id] = rules
    spoil(night, statements)

    night.pull()
    night.check()

    found = night.quarantined("loans").select(["loan_id", "_reasons"]).to_pylist()
    contract = CONTRACTS["loans"]
    assert {row["loan_id"]: broken_rules(row["_reasons"], contract) for row in found} == wanted
    assert len(night.landed("loans")) == ROWS
    assert night.failed_checks() == set()


def test_a_table_that_goes_after_it_was_pulled(night: Night) -> None:
    night.pull()
    before = night.landed_files()
    spoil(night, "DROP TABLE loans")
    assert "table loans cannot be read from the source: " in night.refused(night.pull)
    assert night.landed_files() == before
