"""Parquet partitions on disk, each written whole or not at all."""

import fcntl
import filecmp
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import RisklineError
from pipeline.row_counts import count_rows, stamps_in

NAME = re.compile(r"[a-z][a-z0-9_]*")
DAY_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")
LANDED, VALID, QUARANTINED = "landed", "valid", "quarantined"
UNDATED = "undated"
NIGHT = "night"
"""The layer of what a night computes, by table and as-of date."""
MARK = "through_"
FSYNC_FILES = 16
ROW_GROUP = 250_000


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
            with suppress(FileExistsError):
                _link_or_copy(Path(mine.name), owner)
        before = owner.read_text(encoding="utf-8")
        if before != source:
            raise RisklineError(
                f"{self.root} holds rows of the source {before}, not of {source}; set RISK_HOME "
                "to a folder of its own for each source"
            )

    @contextmanager
    def hold(self, name: str, layer: str = LANDED) -> Iterator[None]:
        """Let nobody else hold the same meanwhile, in this process or another.

        Who lands or judges a source's table holds its name.

        The system lets go of it when the process ends, however it ends.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.folder(layer, name).with_suffix(".lock")
        file.parent.mkdir(exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        with _locked(file):
            yield

    def write(self, layer: str, table: str, day: date | str, rows: pa.Table) -> None:
        """Replace one partition; a reader sees the old file or the new one."""
        with self.renewal(layer, table) as new:
            new.write(day, [rows])

    @contextmanager
    def renewal(self, layer: str, table: str) -> Iterator["Renewal"]:
        """Partitions of a table to be replaced, each whole or not at all, when the block ends.

        Where the block fails, or the process dies in it, every partition stays as it was.
        """
        folder = self.folder(layer, table)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _scratch(folder) as scratch:
            new = Renewal(self, layer, table, scratch)
            yield new
            new.show()

    def read(
        self, layer: str, table: str, day: date | str, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows of one partition, all their columns or some.

        Raises:
            FileNotFoundError: there is no such partition.
            RisklineError: its file is damaged.
        """
        path = self.file(layer, table, day)
        try:
            # ParquetFile, not read_table: the latter takes folder names for columns.
            with pq.ParquetFile(path) as file:
                return file.read(columns=None if columns is None else list(columns))
        except pa.ArrowInvalid as error:
            raise RisklineError(
                f"{path} is damaged; move it away, and the next pull or run makes it again"
            ) from error

    def days(self, layer: str, table: str) -> list[date]:
        """Days that have a partition, in order."""
        folder = self.folder(layer, table)
        if not folder.exists():
            return []
        # Whatever else lies there, such as somebody's copy, is no partition.
        names = (file.stem for file in folder.glob("*.parquet"))
        return sorted(date.fromisoformat(name) for name in names if DAY_NAME.fullmatch(name))

    def files(self, layer: str, table: str, until: date) -> list[Path]:
        """Partitions of days up to ``until`` in order of their days; never the undated one."""
        return [self.file(layer, table, day) for day in self.days(layer, table) if day <= until]

    def count(self, layer: str, table: str, days: Iterable[date | str]) -> int:
        """Rows in the partitions of some days; a missing one has none."""
        return count_rows(self.folder(layer, table), {file_name(day) for day in days})

    def exists(self, layer: str, table: str, day: date | str) -> bool:
        """Whether there is such a partition."""
        return self.file(layer, table, day).exists()

    def stamps(self, layer: str, table: str) -> dict[str, int]:
        """When each partition was last replaced, in nanoseconds, by file name.

        It may be that of another's: what is made of a partition bears the stamp of its origin.
        """
        return stamps_in(self.folder(layer, table))

    def mark(self, layer: str, table: str, day: date, made_by: str = "") -> None:
        """Record that every partition up to ``day`` is there, empty days included.

        Args:
            layer: first folder.
            table: second folder.
            day: the last one.
            made_by: what the partitions were made by, such as a query.
        """
        folder = self.folder(layer, table)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as mark:
            mark.write(made_by)
        Path(mark.name).replace(folder / f"{MARK}{day.isoformat()}")

    def made_by(self, layer: str, table: str, day: date) -> str | None:
        """What the mark of a day says that the partitions were made by; None without a mark."""
        try:
            mark = self.folder(layer, table) / f"{MARK}{day.isoformat()}"
            return mark.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def marks(self, layer: str, table: str) -> Iterable[date]:
        """The days up to which everything is there."""
        names = (
            mark.name.removeprefix(MARK) for mark in self.folder(layer, table).glob(f"{MARK}*")
        )
        return [date.fromisoformat(name) for name in names if DAY_NAME.fullmatch(name)]

    def folder(self, layer: str, table: str) -> Path:
        """Where a table's partitions are kept."""
        for name in (layer, table):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a layer or table")
        return self.root / layer / table

    def file(self, layer: str, table: str, day: date | str) -> Path:
        """Where a partition is kept, or would be."""
        return self.folder(layer, table) / file_name(day)


def file_name(day: date | str) -> str:
    """What the file of a partition is called."""
    if isinstance(day, date):
        return f"{day.isoformat()}.parquet"
    if day != UNDATED:
        raise ValueError(f"{day!r} is no partition")
    return f"{day}.parquet"


class Renewal:
    """New partitions beside the live ones, until all are written and take their places."""

    def __init__(self, lake: Lake, layer: str, table: str, scratch: Path) -> None:
        self.scratch = scratch
        """A folder for whatever else is needed on the way; it goes when the renewal ends."""
        self._file = partial(lake.file, layer, table)
        self._moves: dict[Path, Path | None] = {}

    def write(self, day: date | str, parts: Iterable[pa.Table]) -> int:
        """Write a partition from tables of one schema, of which there is at least one.

        The file's bytes depend on the rows and their order alone, not on where one table ends and
        the next begins.

        Returns:
            Rows written.
        """
        live = self._file(day)
        pieces = iter(parts)
        first = next(pieces)
        new = self.scratch / live.name
        # What is there already may be a link, whose bytes are not this one's to change.
        new.unlink(missing_ok=True)
        count = 0
        with pq.ParquetWriter(new, _bare(first).schema, compression="zstd") as file:
            for group in _row_groups(chain([first], pieces)):
                file.write_table(group, row_group_size=ROW_GROUP)
                count += len(group)
        self._moves[live] = new
        return count

    def link(self, day: date | str, file: Path) -> None:
        """Let a partition share the bytes, and the stamp, of another file of the lake."""
        live = self._file(day)
        new = self.scratch / live.name
        _link_or_copy(file, new)
        self._moves[live] = new

    def remove(self, day: date | str) -> None:
        """Let there be no such partition."""
        self._moves[self._file(day)] = None

    def keep(self, day: date | str) -> None:
        """Leave a partition as it is after all."""
        self._moves.pop(self._file(day), None)

    def is_unchanged(self, day: date | str) -> bool:
        """Whether what was written equals what is there."""
        live = self._file(day)
        new = self._moves[live]
        return new is not None and live.exists() and filecmp.cmp(new, live, shallow=False)

    def stamp(self, day: date | str) -> int:
        """The stamp of a partition that was written or linked."""
        return (self.scratch / self._file(day).name).stat().st_mtime_ns

    def set_stamp(self, day: date | str, stamp: int) -> None:
        """Give a partition that was written the stamp of what it was made from."""
        os.utime(self.scratch / self._file(day).name, ns=(stamp, stamp))

    def show(self) -> None:
        """Move every partition to its place, in the order in which they were written."""
        _make_durable([new for new in self._moves.values() if new is not None])
        for live, new in self._moves.items():
            if new is None:
                live.unlink(missing_ok=True)
            else:
                new.replace(live)
        self._moves.clear()


def _bare(rows: pa.Table) -> pa.Table:
    return rows.replace_schema_metadata()


def _row_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ROW_GROUP rows, the last one with the rest; at least one."""
    held: list[pa.Table] = []
    count = 0
    is_first = True
    for part in parts:
        held.append(_bare(part))
        count += len(part)
        while count >= ROW_GROUP:
            rows = pa.concat_tables(held)
            yield rows.slice(0, ROW_GROUP).combine_chunks()
            held, count, is_first = [rows.slice(ROW_GROUP)], count - ROW_GROUP, False
    if count or is_first:
        yield pa.concat_tables(held).combine_chunks()


def _link_or_copy(file: Path, new: Path) -> None:
    """Give a file a second name; of two at once under one name the first one stands, whole.

    Raises:
        FileExistsError: there is a file of the new name.
    """
    try:
        os.link(file, new)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        with new.open("xb") as copy:
            copy.write(file.read_bytes())
        shutil.copystat(file, new)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder of this process's own; those that killed processes left are swept away."""
    with _locked(folder):
        for left in folder.glob(".new_*"):
            with suppress(BlockingIOError, FileNotFoundError), _locked(left, fcntl.LOCK_NB):
                shutil.rmtree(left)
        mine = Path(tempfile.mkdtemp(dir=folder, prefix=".new_"))
        held = ExitStack()
        held.enter_context(_locked(mine))
    with held:
        try:
            yield mine
        finally:
            shutil.rmtree(mine)


@contextmanager
def _locked(place: Path, flags: int = 0) -> Iterator[None]:
    """Hold the lock of a file or folder."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)


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
