"""The features of a whole simulated bank: Spark's are DuckDB's."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.as_of import AsOf, Known
from pipeline.business_day import close_of
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features
from pipeline.features.registry import FEATURES
from pipeline.settings import REPOSITORY
from pipeline.simulator.bank import Bank, simulate

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
AS_OF = date(2024, 3, 31)


def test_both_engines_give_the_same_features(spark_engine: Engine, tmp_path: Path) -> None:
    for name, rows in simulate(Bank(customers=500)).items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    expected = _build(DuckDBEngine(threads=1), tmp_path)
    found = _build(spark_engine, tmp_path)
    assert len(expected) > 400
    assert found.schema == expected.schema
    assert found["customer_id"].equals(expected["customer_id"])
    for name in FEATURES:
        values = expected[name].to_pylist()
        assert [v is None for v in found[name].to_pylist()] == [v is None for v in values], name
        # Not to the last bit: DuckDB divides a sum once to a mean, with more digits than a double.
        near = pytest.approx(expected[name].drop_null().to_pylist(), rel=1e-9, abs=1e-12)
        assert found[name].drop_null().to_pylist() == near, name


def _build(engine: Engine, folder: Path) -> pa.Table:
    at = AsOf(AS_OF, close_of(AS_OF, ZoneInfo("UTC")))
    versions = {
        name: engine.read_parquet([folder / f"{name}.parquet"], contract.arrow_schema)
        for name, contract in CONTRACTS.items()
    }
    return build_features(Known(at, versions, CONTRACTS, frozenset(CONTRACTS)), engine)
