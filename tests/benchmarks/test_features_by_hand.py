"""SQL written by hand, as the benchmark times it, gives what the declarations give."""

import math
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.as_of import AsOf, Known
from pipeline.business_day import close_of
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import CUSTOMER_ID, SEGMENT, build_features
from pipeline.features.registry import FEATURES
from pipeline.settings import REPOSITORY
from pipeline.simulator.bank import Bank, simulate
from tests.benchmarks.features_by_hand import features_by_hand

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    for name, rows in simulate(Bank(customers=1500)).items():
        pq.write_table(rows, folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize(
    ("as_of", "timezone"),
    [
        pytest.param(date(2024, 3, 31), "UTC", id="month_end"),
        pytest.param(date(2024, 2, 13), "Asia/Shanghai", id="mid_month"),
    ],
)
def test_sql_by_hand_gives_the_same_features(bank: Path, as_of: date, timezone: str) -> None:
    close = close_of(as_of, ZoneInfo(timezone))
    engine = DuckDBEngine(2)
    versions = {
        name: engine.read_parquet([bank / f"{name}.parquet"], contract.arrow_schema)
        for name, contract in CONTRACTS.items()
    }
    known = Known(AsOf(as_of, ZoneInfo(timezone)), versions, CONTRACTS, frozenset(CONTRACTS))
    declared = build_features(known, engine)
    by_hand = features_by_hand(bank, as_of, close, threads=2)
    assert by_hand.column_names == declared.column_names
    assert len(declared) > 1000
    for name in (CUSTOMER_ID, SEGMENT):
        assert by_hand[name].equals(declared[name])
    assert [name for name in FEATURES if not agree(declared[name], by_hand[name])] == []


def agree(values: pa.ChunkedArray, others: pa.ChunkedArray) -> bool:
    """Whether there are any values, and others are the same but for rounding, nulls included."""
    pairs = zip(values.to_pylist(), others.to_pylist(), strict=True)
    return values.null_count < len(values) and all(
        value == other if None in (value, other) else math.isclose(value, other, rel_tol=1e-9)
        for value, other in pairs
    )
