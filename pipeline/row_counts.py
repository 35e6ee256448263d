"""How many rows lie in the files of a folder, without opening each of thousands every night."""

import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

import pyarrow.parquet as pq

MEMO = ".row_counts"
FEW_FILES = 8
"""To open so many takes no longer than to read what is remembered."""


def count_rows(folder: Path, names: Collection[str]) -> int:
    """Rows in some Parquet files of a folder; a missing one has none.

    What was counted once is remembered beside the files, by their time of change. Whoever counts
    may lose or repeat that memory, and gets the same answer.

    Args:
        folder: which need not exist.
        names: of files in it.
    """
    if len(names) <= FEW_FILES:
        files = [folder / name for name in names]
        return sum(pq.read_metadata(file).num_rows for file in files if file.exists())
    stamps = {name: stamp for name, stamp in stamps_in(folder).items() if name in names}
    remembered = _recall(folder).items()
    known = {name: rows for name, (stamp, rows) in remembered if stamps.get(name) == stamp}
    new: dict[str, int] = {
        name: pq.read_metadata(folder / name).num_rows for name in stamps if name not in known
    }
    if len(new) > FEW_FILES:
        counts = known | new
        _remember(folder, {name: (stamp, counts[name]) for name, stamp in stamps.items()})
    return sum([*known.values(), *new.values()])


def stamps_in(folder: Path) -> dict[str, int]:
    """When each Parquet file of a folder was last changed, in nanoseconds; none of no folder."""
    if not folder.exists():
        return {}
    with os.scandir(folder) as entries:
        return {e.name: e.stat().st_mtime_ns for e in entries if e.name.endswith(".parquet")}


def _recall(folder: Path) -> dict[str, tuple[int, int]]:
    try:
        content = json.loads((folder / MEMO).read_text(encoding="utf-8"))
        return {str(name): (int(stamp), int(rows)) for name, (stamp, rows) in content.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        # Never made, or cut off by a failure of the power: everything is counted anew.
        return {}


def _remember(folder: Path, counts: dict[str, tuple[int, int]]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as memo:
        json.dump(counts, memo)
    Path(memo.name).replace(folder / MEMO)
