"""A night's features on Spark are the bytes that DuckDB leaves, which needs no Spark."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import nightly
from pipeline.engines.base import Engine
from pipeline.features.cohorts import FEATURES, partition_name
from pipeline.features.registry import FEATURES as DECLARED
from pipeline.lake import Lake
from pipeline.rooms import Rooms
from pipeline.settings import Settings, load_settings
from pipeline.simulator.bank import Bank, simulate

AS_OF = date(2024, 3, 31)
WITHOUT_PYSPARK = """
import sys
sys.modules["pyspark"] = None
from datetime import date
from pipeline import nightly
from pipeline.settings import load_settings
nightly.build(load_settings(), date(2024, 3, 31))
"""


@pytest.fixture
def homes(
    spark_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Settings]:
    """Settings of a night of the bank in ``tmp_path``, by engine, each with its own home."""
    monkeypatch.setenv("RISK_SOURCE_URL", str(tmp_path / "bank"))
    # As many as the fixture's Spark has: a process has one.
    monkeypatch.setenv("RISK_THREADS", "1")
    found = {}
    for engine in ("duckdb", "spark"):
        monkeypatch.setenv("RISK_ENGINE", engine)
        monkeypatch.setenv("RISK_HOME", str(tmp_path / engine))
        found[engine] = load_settings()
    assert isinstance(Rooms(found["spark"]).feature_engine, type(spark_engine))
    return found


def test_features_are_the_same_to_the_last_byte(homes: dict[str, Settings], tmp_path: Path) -> None:
    _supply(Bank(customers=300, months=6, last_date=AS_OF), tmp_path / "bank")
    nightly.pull(homes["duckdb"], AS_OF)
    nightly.check(homes["duckdb"], AS_OF)
    shutil.copytree(homes["duckdb"].lake, homes["spark"].lake)
    for settings in homes.values():
        nightly.build(settings, AS_OF)
    name = partition_name(Rooms(homes["duckdb"]).contracts, homes["duckdb"].timezone)
    files = [Lake(of.lake).file(FEATURES, name, AS_OF) for of in homes.values()]
    expected, found = (pq.read_table(file) for file in files)
    assert len(expected) > 200
    assert [name for name in DECLARED if not found[name].equals(expected[name])] == []
    assert files[0].read_bytes() == files[1].read_bytes()


def _supply(bank: Bank, folder: Path) -> None:
    folder.mkdir()
    for name, rows in simulate(bank).items():
        pq.write_table(rows, folder / f"{name}.parquet")


@pytest.mark.parametrize(
    ("engine", "said"),
    [("duckdb", "no customer is known"), ("spark", "needs the package pyspark")],
)
def test_pyspark_is_needed_only_where_it_is_asked_for(
    tmp_path: Path, engine: str, said: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYSPARK],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"RISK_HOME": str(tmp_path), "RISK_ENGINE": engine},
    )
    assert ended.returncode == 1
    assert said in ended.stderr
