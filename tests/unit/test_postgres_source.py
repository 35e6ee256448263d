"""A database's own types: numbers keep their value, however their columns are written."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.schema import conform
from pipeline.errors import RisklineError
from pipeline.settings import REPOSITORY
from pipeline.sources.postgres import PostgresSource

CONTRACT = load_contracts(REPOSITORY / "data_contracts" / "sources")["repayments"]
UNTIL = datetime(2024, 4, 1, tzinfo=UTC)
COLUMNS = {
    "loan_id": "'L1'::text",
    "instalment_no": "1",
    "due_date": "date '2024-03-01'",
    "due_amount": "12.34::float8",
    "paid_date": "NULL::date",
    "paid_amount": "NULL::float8",
    "known_at": "timestamptz '2024-03-01 00:00:00+00'",
    "is_deleted": "false",
}


def read(bank_url: str, columns: dict[str, str]) -> pa.Table:
    """One row of repayments in the contract's shape, some columns in the place of the usual ones.

    They are in the usual ones' place also where their case is another.
    """
    replaced = {name.lower() for name in columns}
    given = {name: value for name, value in COLUMNS.items() if name not in replaced} | columns
    named = ", ".join(f'{value} AS "{name}"' for name, value in given.items())
    with psycopg.connect(bank_url) as connection:
        connection.execute(f"CREATE VIEW repayments AS SELECT {named}".encode())
    batches = PostgresSource(bank_url, None).read(CONTRACT, None, UNTIL)
    return conform(pa.Table.from_batches(batches), CONTRACT)


@pytest.mark.parametrize("name", ["due_amount", "DUE_AMOUNT", "Due_Amount"])
def test_the_type_money_is_refused(name: str, bank_url: str) -> None:
    with pytest.raises(RisklineError, match=r"column due_amount: the type money .* cast it"):
        read(bank_url, {name: "12.34::money"})


def test_money_that_the_contract_does_not_take_is_no_matter(bank_url: str) -> None:
    # The contract's own case goes before capitals.
    columns = {"due_amount": "12.34::numeric", "DUE_AMOUNT": "9.99::money", "fee": "1::money"}
    assert read(bank_url, columns)["due_amount"].to_pylist() == [12.34]


@pytest.mark.parametrize("name", ["loan_id", "LOAN_ID"])
def test_numeric_digits_are_a_text(name: str, bank_url: str) -> None:
    columns = {name: "90071992547409931234567890::numeric"}
    assert read(bank_url, columns)["loan_id"].to_pylist() == ["90071992547409931234567890"]


@pytest.mark.parametrize("name", ["instalment_no", "INSTALMENT_NO"])
@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("9007199254740993", 9007199254740993),
        ("-9007199254740993", -9007199254740993),
        ("9007199254740993.000", 9007199254740993),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1200", 1200),
        ("0.00", 0),
        ("NaN", None),
        (None, None),
    ],
)
def test_whole_numbers_keep_every_digit(
    name: str, value: str | None, whole: int | None, bank_url: str
) -> None:
    written = "NULL" if value is None else f"'{value}'"
    rows = read(bank_url, {name: f"{written}::numeric"})
    assert rows["instalment_no"].to_pylist() == [whole]


@pytest.mark.parametrize(
    "value", ["0.5", "9007199254740993.5", "9223372036854775808", "1e400", "Infinity", "-Infinity"]
)
def test_what_is_no_whole_number_is_refused_without_being_shown(value: str, bank_url: str) -> None:
    with pytest.raises(RisklineError) as refused:
        read(bank_url, {"instalment_no": f"'{value}'::numeric"})
    assert str(refused.value) == (
        "table repayments, column instalment_no: a value does not fit int64; cast it in the source "
        "or in the query file repayments.sql"
    )
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [("12.34", 12.34), ("0.1", 0.1), ("1e22", 1e22), ("NaN", None), ("Infinity", float("inf"))],
)
def test_amounts_are_the_nearest_numbers(value: str, amount: float | None, bank_url: str) -> None:
    rows = read(bank_url, {"DUE_AMOUNT": f"'{value}'::numeric"})
    assert rows["due_amount"].to_pylist() == [amount]


HOSTILE = ["'; DROP TABLE kept; --", "); DROP TABLE kept; --", "%s $1 {0}", "../../etc/passwd"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_columns_name_is_no_statement(name: str, bank_url: str) -> None:
    with psycopg.connect(bank_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    assert read(bank_url, {name: "'x'::text"})["loan_id"].to_pylist() == ["L1"]
    with psycopg.connect(bank_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)


@pytest.mark.parametrize("end", ["; DROP TABLE kept", ") AS pulled; DROP TABLE kept; --"])
def test_a_query_file_is_one_question(end: str, bank_url: str, tmp_path: Path) -> None:
    with psycopg.connect(bank_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    (tmp_path / "repayments.sql").write_text(f"SELECT now() AS known_at{end}")
    # What else lies in the folder is no query of a table, whatever it is called.
    (tmp_path / "x; DROP TABLE kept.sql").write_text("DROP TABLE kept")
    source = PostgresSource(bank_url, tmp_path)
    assert not source.has('x"; DROP TABLE kept; --')
    with pytest.raises(
        RisklineError, match=r"query file repayments\.sql fails: .* correct it"
    ) as e:
        list(source.read(CONTRACT, None, UNTIL))
    assert "\n" not in str(e.value)
    with psycopg.connect(bank_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
