"""What the benchmarks compare the build with computes the same: otherwise a race says nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rich.console import Console

from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features
from pipeline.features.registry import FEATURES
from pipeline.simulator.bank import Bank
from pipeline.simulator.deliver import deliver
from tests.benchmarks import features_in_pandas, features_in_polars
from tests.benchmarks.features_by_step import seconds_by_step
from tests.benchmarks.features_in_pandas import COLUMNS
from tests.benchmarks.features_timed import AS_OF, CLOSE, CONTENDERS, THIRD, known, timed


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "bank"
    deliver(Bank(customers=1_500, months=24), str(folder), Console(quiet=True))
    return folder


@pytest.fixture(scope="module")
def declared(bank: Path) -> pa.Table:
    engine = DuckDBEngine(2)
    return build_features(known(bank, engine), engine, THIRD)


def test_they_are_a_third_of_the_features() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS) >= len(FEATURES) / 3


def test_pandas_gives_the_same(bank: Path, declared: pa.Table) -> None:
    same(features_in_pandas.features(bank, AS_OF, CLOSE), declared)


def test_polars_gives_the_same(bank: Path, declared: pa.Table) -> None:
    same(features_in_polars.features(bank, AS_OF, CLOSE).to_pandas(), declared)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_each_contender_runs_by_itself(contender: str, bank: Path, declared: pa.Table) -> None:
    told = timed(contender, bank)
    assert told.rows == len(declared)
    assert told.seconds > 0
    assert 0.05 < told.peak_gb < 2


def test_every_frame_has_its_step(bank: Path) -> None:
    steps = [name for name, _ in seconds_by_step(bank, DuckDBEngine(2))]
    assert len(set(steps)) == len(steps)
    assert {f"features over {feature.frame.name}" for feature in FEATURES.values()} <= set(steps)


def same(found: pd.DataFrame, declared: pa.Table) -> None:
    """The same customers in the same order, the same nulls, and the same numbers."""
    assert list(found.columns) == ["customer_id", *COLUMNS]
    assert found["customer_id"].tolist() == declared["customer_id"].to_pylist()
    for name in COLUMNS:
        expected = declared[name].to_numpy()
        numbers = expected[~np.isnan(expected)]
        assert len(np.unique(numbers)) > 1, f"{name} is the same for everybody"
        # What is 0 of exact sums may be off by a last bit of the numbers it is the difference of.
        np.testing.assert_allclose(
            found[name].to_numpy(), expected, rtol=1e-9, atol=1e-12, err_msg=name
        )
