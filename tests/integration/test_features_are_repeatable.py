"""The features of a whole simulated bank: the same bytes however and whenever they are built."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.as_of import AsOf, Known
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features, features_schema
from pipeline.settings import REPOSITORY
from pipeline.simulator.bank import Bank, simulate

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
AS_OF = date(2024, 3, 31)
FILES = 8

Files = Mapping[str, list[Path]]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The bank's rows in a few files a table, by when they became known."""
    folder = tmp_path_factory.mktemp("landed")
    files = {}
    for name, rows in simulate(Bank(customers=2_000)).items():
        size = -(-len(rows) // FILES)
        files[name] = [folder / f"{name}_{number}.parquet" for number in range(FILES)]
        for number, file in enumerate(files[name]):
            pq.write_table(rows.slice(number * size, size), file)
    return files


@pytest.fixture(scope="module")
def built(landed: Files) -> pa.Table:
    return _build(landed, threads=1)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_any_number_of_threads_gives_the_same_bytes(
    landed: Files, built: pa.Table, threads: int
) -> None:
    assert _differing(_build(landed, threads), built) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_any_order_of_files_and_rows_gives_the_same_bytes(
    landed: Files, built: pa.Table, tmp_path: Path, threads: int
) -> None:
    shuffled = {}
    for name, files in landed.items():
        rows = pa.concat_tables(pq.read_table(file) for file in reversed(files))
        order = np.random.default_rng(7).permutation(len(rows))
        shuffled[name] = [tmp_path / f"{name}.parquet"]
        pq.write_table(rows.take(pa.array(order)), shuffled[name][0], row_group_size=5_000)
    assert _differing(_build(shuffled, threads), built) == []
    assert _differing(_build({n: f[::-1] for n, f in landed.items()}, threads), built) == []


def test_nothing_that_comes_out_is_infinite_or_not_a_number(built: pa.Table) -> None:
    for name in features_schema().names[2:]:
        values = built.column(name).drop_null()
        assert len(values), f"{name} is null for everybody"
        assert pc.all(pc.is_finite(values)).as_py(), name


def _build(files: Files, threads: int) -> pa.Table:
    engine = DuckDBEngine(threads)
    at = AsOf(AS_OF, ZoneInfo("UTC"))
    versions = {
        name: engine.read_parquet(files[name], contract.arrow_schema)
        for name, contract in CONTRACTS.items()
    }
    return build_features(Known(at, versions, CONTRACTS, frozenset(CONTRACTS)), engine)


def _differing(one: pa.Table, other: pa.Table) -> list[str]:
    """The columns whose bytes differ; equal numbers of different signs of zero do, too."""
    return [name for name in one.column_names if _bytes(one, name) != _bytes(other, name)]


def _bytes(table: pa.Table, name: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.select([name]).schema) as stream:
        stream.write_table(table.select([name]).combine_chunks())
    return bytes(sink.getvalue())
