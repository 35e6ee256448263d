"""Parquet partitions on disk, each written whole or not at all."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import RisklineError

NAME = re.compile(r"[a-z][a-z0-9_]*")
UNDATED = "undated"
FSYNC_FILES = 16


@dataclass(frozen=True)
class Lake:
    """Partitions by layer, table and day: <root>/<layer>/<table>/<day>.parquet.

    The layers are ``landed``, ``valid`` and ``quarantined`` for source tables, whose day is the
    one on which the rows became known, and ``features`` and ``night`` for what a night computes,
    whose day is the as-of date.
    """

    root: Path

    def claim(self, source: str) -> None:
        """Bind the lake to one source: rows of two banks must never meet.

        Raises:
            RisklineError: the lake holds the rows of another source.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = self.root / "source"
        with tempfile.NamedTemporaryFile("w", dir=self.root, encoding="utf-8") as mine:
            mine.write(source)
            mine.flush()
            # A link, not a rename: of two claims at once the first one stands, whole.
            with suppress(FileExistsError):
                os.link(mine.name, owner)
        before = owner.read_text(encoding="utf-8")
        if before != source:
            raise RisklineError(
                f"{self.root} holds rows of the source {before}, not of {source}; set RISK_HOME "
                "to a folder of its own for each source"
            )

    def write(self, layer: str, table: str, day: date | str, rows: pa.Table) -> Path:
        """Replace one partition; a reader sees the old file or the new one."""
        return self.write_all(layer, table, [(day, rows)])[0]

    def write_all(
        self, layer: str, table: str, parts: Iterable[tuple[date | str, pa.Table]]
    ) -> list[Path]:
        """Replace partitions, each whole or not at all, in the order given.

        Args:
            layer: first folder.
            table: second folder.
            parts: the partition, ``UNDATED`` for rows without a day, and its rows.
        """
        folder = self._folder(layer, table)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new_") as scratch:
            moves = []
            for day, rows in parts:
                file = self.file(layer, table, day)
                temporary = Path(scratch) / file.name
                pq.write_table(rows.replace_schema_metadata(), temporary, compression="zstd")
                moves.append((temporary, file))
            _make_durable([temporary for temporary, _ in moves])
            for temporary, file in moves:
                temporary.replace(file)
        return [file for _, file in moves]

    def read(self, layer: str, table: str, day: date | str) -> pa.Table:
        """The rows of one partition.

        Raises:
            FileNotFoundError: there is no such partition.
        """
        # ParquetFile, not read_table: the latter takes folder names for columns.
        with pq.ParquetFile(self.file(layer, table, day)) as file:
            return file.read()

    def days(self, layer: str, table: str) -> list[date]:
        """Days that have a partition, in order."""
        folder = self._folder(layer, table)
        if not folder.exists():
            return []
        names = (file.stem for file in folder.glob("[0-9]*.parquet"))
        return sorted(date.fromisoformat(name) for name in names)

    def files(self, layer: str, table: str, until: date) -> list[Path]:
        """Partitions of days up to ``until`` in order of their days; never the undated one."""
        return [self.file(layer, table, day) for day in self.days(layer, table) if day <= until]

    def exists(self, layer: str, table: str, day: date | str) -> bool:
        """Whether there is such a partition."""
        return self.file(layer, table, day).exists()

    def stamp(self, layer: str, table: str, day: date | str) -> int:
        """When a partition was last replaced, in nanoseconds; it may be set to another's."""
        return self.file(layer, table, day).stat().st_mtime_ns

    def set_stamp(self, layer: str, table: str, day: date | str, stamp: int) -> None:
        """Give a partition the stamp of what it was made from."""
        os.utime(self.file(layer, table, day), ns=(stamp, stamp))

    def mark(self, layer: str, table: str, day: date) -> None:
        """Record that every partition up to ``day`` is there, empty days included."""
        folder = self._folder(layer, table)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / f"through_{day.isoformat()}").touch()

    def marks(self, layer: str, table: str) -> Iterable[date]:
        """The days up to which everything is there."""
        marks = self._folder(layer, table).glob("through_*")
        return [date.fromisoformat(mark.name.removeprefix("through_")) for mark in marks]

    def _folder(self, layer: str, table: str) -> Path:
        for name in (layer, table):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a layer or table")
        return self.root / layer / table

    def file(self, layer: str, table: str, day: date | str) -> Path:
        """Where a partition is kept, or would be."""
        name = day.isoformat() if isinstance(day, date) else day
        if name != UNDATED:
            date.fromisoformat(name)
        return self._folder(layer, table) / f"{name}.parquet"


def _make_durable(files: Sequence[Path]) -> None:
    if len(files) > FSYNC_FILES:
        # One by one, each waits for the disk's journal; a first pull has thousands of days.
        os.sync()
        return
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def runs_of(rows: pa.Table, column: str) -> Iterator[tuple[Any, pa.Table]]:
    """Each value of a column, in order, with its rows, less that column.

    Args:
        rows: sorted by ``column``; nulls, where there are any, together.
        column: whose runs are wanted.
    """
    if len(rows) == 0:
        return
    values = rows.column(column).combine_chunks()
    encoded = pc.run_end_encode(values)
    ends = encoded.run_ends.to_pylist()
    kept = rows.drop_columns([column])
    start = 0
    for value, end in zip(encoded.values.to_pylist(), ends, strict=True):
        yield value, kept.slice(start, end - start).combine_chunks()
        start = end
