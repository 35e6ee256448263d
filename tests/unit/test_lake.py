"""Partitions are whole or not there, and a lake is of one source."""

import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
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
    one.write("landed", "loans", DAY, ROWS)
    with two.renewal("landed", "loans") as new:
        new.write(DAY, (ROWS.slice(n, 1) for n in range(len(ROWS))))
    files = [lake.file("landed", "loans", DAY) for lake in (one, two)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)

    def renew() -> None:
        with lake.renewal("landed", "loans") as new:
            new.write(DAY, [ROWS.slice(0, 1)])
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        renew()
    assert lake.read("landed", "loans", DAY).equals(ROWS)
    assert sorted(p.name for p in (tmp_path / "landed" / "loans").iterdir()) == [f"{DAY}.parquet"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "x.y"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        Lake(tmp_path).file(name, "loans", DAY)
    with pytest.raises(ValueError, match="is no name"):
        Lake(tmp_path).file("landed", name, DAY)
    with pytest.raises(ValueError, match="is no partition"):
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


DIES = """
import os, signal, sys
from datetime import date
from pathlib import Path
from pipeline.lake import Lake
with Lake(Path(sys.argv[1])).renewal("landed", "loans") as new:
    (new.scratch / "half").write_text("half a file")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    killed = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("landed/loans/.new_*/half"))) == 1
    with lake.renewal("landed", "loans") as living:
        # Another writer at work, in this process or another, is left alone.
        lake.write("landed", "loans", DAY, ROWS)
        living.write(date(2024, 3, 1), [ROWS])
    assert not list(tmp_path.glob("landed/loans/.new_*"))
    assert lake.days("landed", "loans") == [DAY, date(2024, 3, 1)]


def test_large_partitions_have_the_same_bytes_however_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.lake.ROW_GROUP", 10)
    rows = pa.table({"n": range(47)})
    found = set()
    for step in (1, 7, 10, 25, 47):
        lake = Lake(tmp_path / str(step))
        with lake.renewal("landed", "loans") as new:
            new.write(DAY, (rows.slice(n, step) for n in range(0, 47, step)))
        file = lake.file("landed", "loans", DAY)
        assert lake.read("landed", "loans", DAY).equals(rows)
        assert pq.read_metadata(file).num_row_groups == 5
        found.add(file.read_bytes())
    assert len(found) == 1


def test_a_damaged_partition_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)
    file = lake.file("landed", "loans", DAY)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(RisklineError, match=rf"{DAY}\.parquet is damaged; move it away"):
        lake.read("landed", "loans", DAY)


def test_what_else_lies_in_the_folder_is_no_partition(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)
    lake.mark("landed", "loans", DAY)
    for name in ("2024-03-05 (1).parquet", "2024-3-5.parquet", "through_2024-03-05~", "x.txt"):
        (lake.folder("landed", "loans") / name).write_bytes(b"")
    assert lake.days("landed", "loans") == [DAY]
    assert list(lake.marks("landed", "loans")) == [DAY]


def test_a_file_system_without_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.link", no_links)
    lake = Lake(tmp_path)
    lake.claim("a")
    with pytest.raises(RisklineError, match="holds rows of the source a, not of b"):
        lake.claim("b")


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "loans", DAY, ROWS)
    with lake.renewal("valid", "loans") as new:
        new.link(DAY, lake.file("landed", "loans", DAY))
        new.write(DAY, [ROWS.slice(0, 1)])
    assert lake.read("landed", "loans", DAY).equals(ROWS)
    assert lake.read("valid", "loans", DAY).num_rows == 1
