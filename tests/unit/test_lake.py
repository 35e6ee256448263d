"""Partitions are whole or not there, and a lake is of one source."""

from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import RisklineError
from pipeline.lake import UNDATED, Lake, runs_of

DAY = date(2024, 2, 29)
ROWS = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


def test_a_partition_reads_back_as_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)
    lake.write("landed", "loans", UNDATED, ROWS.slice(1, 1))
    assert lake.read("landed", "loans", DAY).equals(ROWS)
    assert lake.days("landed", "loans") == [DAY]
    assert lake.files("landed", "loans", DAY) == [lake.file("landed", "loans", DAY)]
    assert lake.files("landed", "loans", date(2024, 2, 28)) == []
    assert lake.exists("landed", "loans", UNDATED)


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = Lake(tmp_path / "one"), Lake(tmp_path / "two")
    first = one.write("landed", "loans", DAY, ROWS)
    second = two.write("landed", "loans", DAY, pa.concat_tables([ROWS]).combine_chunks())
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)

    def parts() -> "list[tuple[date, pa.Table]]":
        return [(DAY, ROWS.slice(0, 1)), (date(2024, 3, 1), "not a table")]

    with pytest.raises(AttributeError):
        lake.write_all("landed", "loans", parts())
    assert lake.read("landed", "loans", DAY).equals(ROWS)
    assert sorted(p.name for p in (tmp_path / "landed" / "loans").iterdir()) == [f"{DAY}.parquet"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "x.y"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        Lake(tmp_path).file(name, "loans", DAY)
    with pytest.raises(ValueError, match="is no name"):
        Lake(tmp_path).file("landed", name, DAY)
    with pytest.raises(ValueError, match="isoformat"):
        Lake(tmp_path).file("landed", "loans", "../../etc")


def test_a_lake_is_of_one_source(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.claim("a")
    lake.claim("a")
    with pytest.raises(RisklineError, match="holds rows of the source a, not of b; set RISK_HOME"):
        lake.claim("b")
    assert [file.name for file in lake.root.iterdir()] == ["source"]


def _claim(root: Path, source: str) -> str:
    try:
        Lake(root).claim(source)
    except RisklineError:
        return "refused"
    return source


def test_of_claims_at_once_one_stands(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        names = [f"source {i}" for i in range(8)]
        outcomes = list(pool.map(_claim, [tmp_path / "lake"] * 8, names))
    assert len([outcome for outcome in outcomes if outcome != "refused"]) == 1


def test_runs_of_gives_each_value_its_rows() -> None:
    rows = pa.table({"day": [None, 1, 1, 3], "a": [0, 1, 2, 3]})
    found = {value: part.column("a").to_pylist() for value, part in runs_of(rows, "day")}
    assert found == {None: [0], 1: [1, 2], 3: [3]}
    assert list(runs_of(rows.slice(0, 0), "day")) == []
