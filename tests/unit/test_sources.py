"""What a source is called, and what its errors do not say."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from pipeline.contracts.judged import quarantine_table
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.quarantine import split
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.errors import RisklineError
from pipeline.lake import Lake
from pipeline.settings import REPOSITORY
from pipeline.sources.queries import without_values
from pipeline.sources.source import name_of

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
DAY = date(2024, 3, 1)
UTC_ZONE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/bank", "/data/bank"),
        ("postgresql://u:secret@h/db", "host=h dbname=db"),
        ("postgresql://u:s%2Fe@h:5433/db", "host=h port=5433 dbname=db"),
        ("postgresql://u:sec[ret@127.0.0.1/db", "host=127.0.0.1 dbname=db"),
        ("postgresql://u@h1:1,h2:2/db", "host=h1,h2 port=1,2 dbname=db"),
        ("postgresql:///db?host=/tmp/a", "host=/tmp/a dbname=db"),
        ("postgresql://h/db?options=-csearch_path%3Dx", "host=h dbname=db options=-csearch_path=x"),
    ],
)
def test_a_source_is_named_without_its_password(url: str, name: str) -> None:
    assert name_of(url, None) == name
    assert name_of(url, Path("/q")) == f"{name} by /q"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bank:secret/word@127.0.0.1/bank",
        "postgresql://bank:12/3secret@h/db",
        "postgresql://user:p@secret@127.0.0.1/db",
        "postgresql://user:p@127.0.0.1/db?secret=1",
    ],
)
def test_a_doubtful_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(RisklineError, match="RISK_SOURCE_URL cannot be read") as caught:
        name_of(url, None)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_errors_quote_no_values() -> None:
    words = (
        "Conversion Error: CSV Error on Line: 2\n"
        "Original Line: c1,consumer,Alice Secret,ID-991,not a time\n"
        'Error when converting column "known_at". Could not convert string "Alice" to \'DATE\''
    )
    said = without_values(words)
    assert "Alice" not in said
    assert "\n" not in said
    assert 'column "known_at"' in said
    assert "Secret" not in without_values('invalid input syntax for type date: "Alice Secret"')


def test_a_withdrawal_needs_only_its_key() -> None:
    contract = CONTRACTS["customers"]
    known_at = datetime(2024, 3, 1, tzinfo=UTC)
    bare = {"customer_id": "c1", "known_at": known_at, "is_deleted": True}
    rows = [bare, {**bare, "customer_id": "c2", "is_deleted": False}, {**bare, "customer_id": None}]
    sides = split(
        pa.Table.from_pylist(rows, schema=contract.arrow_schema), contract, DuckDBEngine(1)
    )
    assert sides.valid["customer_id"].to_pylist() == ["c1"]
    assert len(sides.quarantined) == 2


def test_rows_landed_under_a_contract_with_fewer_columns_are_named(tmp_path: Path) -> None:
    contract, lake, engine = CONTRACTS["loans"], Lake(tmp_path), DuckDBEngine(1)
    rows = contract.arrow_schema.empty_table()
    lake.write("landed", "loans", DAY, rows.drop_columns(["purpose"]))
    with pytest.raises(RisklineError, match=r"lack the column purpose; move .* away"):
        quarantine_table(contract, CONTRACTS, lake, engine, DAY, UTC_ZONE, 3)
    # A column more, or another order, is no obstacle.
    shuffled = rows.select([*reversed(rows.column_names)])
    lake.write("landed", "loans", DAY, shuffled.append_column("more", pa.array([], pa.int64())))
    counts = quarantine_table(contract, CONTRACTS, lake, engine, DAY, UTC_ZONE, 3)
    assert counts.landed == 0
