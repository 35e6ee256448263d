"""Counts that are remembered are those that counting again would give."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.row_counts import FEW_FILES, MEMO, count_rows

MANY = FEW_FILES * 2
NAMES = [f"{number}.parquet" for number in range(MANY)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of 0, 1, 2, ... rows."""
    for number, name in enumerate(NAMES):
        write(tmp_path / name, number)
    return tmp_path


def write(file: Path, rows: int, stamp: int | None = None) -> None:
    pq.write_table(pa.table({"n": range(rows)}), file)
    if stamp is not None:
        os.utime(file, ns=(stamp, stamp))


def test_rows_are_counted_and_what_is_missing_has_none(folder: Path) -> None:
    assert count_rows(folder, NAMES) == sum(range(MANY))
    assert count_rows(folder, NAMES[:3]) == 3
    assert count_rows(folder, [*NAMES, "gone.parquet"]) == sum(range(MANY))
    assert count_rows(folder / "nowhere", NAMES) == 0
    assert count_rows(folder, []) == 0


def test_what_was_counted_is_not_opened_again(folder: Path) -> None:
    count_rows(folder, NAMES)
    file = folder / NAMES[5]
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"no longer Parquet")
    os.utime(file, ns=(stamp, stamp))
    assert count_rows(folder, NAMES) == sum(range(MANY))


def test_a_file_that_changed_is_counted_again(folder: Path) -> None:
    count_rows(folder, NAMES)
    write(folder / NAMES[5], 100, stamp=1)
    (folder / NAMES[6]).unlink()
    write(folder / "new.parquet", 7)
    assert count_rows(folder, [*NAMES, "new.parquet"]) == sum(range(MANY)) + 95 - 6 + 7


@pytest.mark.parametrize("memo", ["", "[]", "{", '{"1.parquet": 3}', '{"1.parquet": ["x", 1]}'])
def test_a_memory_that_cannot_be_read_is_made_anew(folder: Path, memo: str) -> None:
    (folder / MEMO).write_text(memo)
    assert count_rows(folder, NAMES) == sum(range(MANY))
    assert (folder / MEMO).read_text() != memo
