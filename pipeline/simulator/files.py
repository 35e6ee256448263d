"""Puts a bank's tables into a folder of Parquet files, as a source to pull from."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RisklineError
from pipeline.simulator.tables import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MARK = "simulated_bank.txt"
"""The file that says which bank a folder holds: such a folder may be replaced."""
OURS = frozenset({MARK, *(f"{name}.parquet" for name in SCHEMAS)})
"""The files of a simulated bank; a folder with any other is somebody else's."""
NEW, OLD = "new", "old"
ROWS_A_GROUP = 500_000


def save_pieces(pieces: Iterable[tuple[str, pa.Table]], folder: Path, bank: str) -> None:
    """Write tables that come in pieces to `folder`, one <table>.parquet each.

    They are written in a work folder beside it, named `.<folder>.simulation`, and take the
    folder's place when all are whole; between two renames there is no folder for an instant.
    Whoever is killed leaves the folder as it was, or in that instant none, and the work folder:
    the next simulation to the folder first puts the old bank back and then clears up. Nothing is
    taken from `pieces` before the place is known to be free and to take files; memory holds one
    piece at a time.

    Args:
        pieces: rows of a table with its name; pieces of a table need not follow each other.
        folder: replaced if it holds a simulated bank, made if it is missing.
        bank: what to note down about the bank.

    Raises:
        RisklineError: the folder or the work folder holds something else, or another simulation
            is writing to it.
        OSError: the place cannot be written.
    """
    folder = folder.resolve()
    _check_free(folder)
    with _work_folder(folder) as work:
        (work / NEW).mkdir()
        (work / NEW / MARK).write_text(f"{bank}\n")
        _write(pieces, work / NEW)
        if folder.exists():
            # Simulating may take long enough for somebody to put a file there.
            _check_free(folder)
            folder.rename(work / OLD)
        (work / NEW).rename(folder)


def _check_free(folder: Path) -> None:
    """Refuse a folder that holds something else than a simulated bank, and a file."""
    if folder.is_dir():
        found = {file.name for file in folder.iterdir()}
        if not found or (MARK in found and found <= OURS):
            return
    elif not folder.exists():
        return
    raise RisklineError(f"{folder} holds something else than a simulated bank; name a new folder")


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that no other simulation has, as long as the context lasts.

    It is removed at the end, whatever happens; `folder` is never left without the bank it had.
    """
    work = folder.with_name(f".{folder.name}.simulation")
    claim = _claim(work)
    try:
        _check_ours(work)
        (work / MARK).touch()
        try:
            _restore(work, folder)
            yield work
        finally:
            _restore(work, folder)
            (work / MARK).unlink()
            work.rmdir()
    finally:
        os.close(claim)


def _claim(work: Path) -> int:
    """Make a folder this process's own until it closes the descriptor returned."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            claim = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # The simulation that had it has removed it since.
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The same may have happened between the last two lines.
            if os.path.samestat(os.fstat(claim), work.stat()):
                return claim
        except BlockingIOError:
            os.close(claim)
            raise RisklineError(
                f"another simulation is writing to {work}; wait for its end, or name another folder"
            ) from None
        except FileNotFoundError:
            pass
        os.close(claim)


def _check_ours(work: Path) -> None:
    """Refuse a work folder with anything in it that no simulation left there."""
    found = list(work.iterdir())
    parts = {NEW, OLD, MARK}
    inside = {
        file.name for part in (work / NEW, work / OLD) if part.exists() for file in part.iterdir()
    }
    if found and not (
        (work / MARK).exists() and {file.name for file in found} <= parts and inside <= OURS
    ):
        raise RisklineError(
            f"{work} holds something that no simulation left there; move it away, or name another "
            "folder"
        )


def _restore(work: Path, folder: Path) -> None:
    """Put the old bank back where the new one has not taken its place, and clear up the rest."""
    if (work / OLD).exists() and not folder.exists():
        (work / OLD).rename(folder)
    for part in (work / NEW, work / OLD):
        if part.exists():
            shutil.rmtree(part)


def _write(pieces: Iterable[tuple[str, pa.Table]], new: Path) -> None:
    with ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}
        for name, rows in pieces:
            if name not in writers:
                file = pq.ParquetWriter(new / f"{name}.parquet", rows.schema, compression="zstd")
                writers[name] = files.enter_context(file)
            writers[name].write_table(rows, row_group_size=ROWS_A_GROUP)
