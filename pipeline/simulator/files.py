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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MARK = "simulated_bank.txt"
"""The file that says which bank a folder holds: such a folder may be replaced."""
ROWS_A_GROUP = 500_000


def save_pieces(pieces: Iterable[tuple[str, pa.Table]], folder: Path, bank: str) -> None:
    """Write tables that come in pieces to `folder`, one <table>.parquet each.

    They are written beside the folder, which takes their place when all are whole: whoever is
    killed meanwhile leaves the folder as it was. Memory holds one piece at a time.

    Args:
        pieces: rows of a table with its name; pieces of a table need not follow each other.
        folder: replaced if it holds a simulated bank, made if it is missing.
        bank: what to note down about the bank.

    Raises:
        RisklineError: the folder holds something else, or another simulation is writing to it.
    """
    folder = folder.resolve()
    check_free(folder)
    new = folder.with_name(f".{folder.name}.new")
    old = folder.with_name(f".{folder.name}.old")
    with _claimed(new):
        try:
            _write(pieces, new)
            (new / MARK).write_text(f"{bank}\n")
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            if folder.exists():
                shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _claimed(new: Path) -> Iterator[None]:
    """An empty folder that no other simulation writes to, as long as the context lasts."""
    while True:
        new.mkdir(parents=True, exist_ok=True)
        claim = os.open(new, os.O_RDONLY)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another simulation may have moved it into place between the two lines above.
            if new.exists() and os.path.samestat(os.fstat(claim), new.stat()):
                for left_by_a_kill in new.iterdir():
                    left_by_a_kill.unlink()
                yield
                return
        except BlockingIOError:
            raise RisklineError(
                f"another simulation is writing to {new}; wait for its end, or name another folder"
            ) from None
        finally:
            os.close(claim)


def _write(pieces: Iterable[tuple[str, pa.Table]], new: Path) -> None:
    with ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}
        for name, rows in pieces:
            if name not in writers:
                file = pq.ParquetWriter(new / f"{name}.parquet", rows.schema, compression="zstd")
                writers[name] = files.enter_context(file)
            writers[name].write_table(rows, row_group_size=ROWS_A_GROUP)


def check_free(folder: Path) -> None:
    """Refuse a folder that holds something else than a simulated bank.

    Raises:
        RisklineError: it does, or it is a file.
    """
    if folder.is_dir():
        found = {file.name for file in folder.iterdir()}
        others = {name for name in found - {MARK} if not name.endswith(".parquet")}
        if not found or (MARK in found and not others):
            return
    elif not folder.exists():
        return
    raise RisklineError(f"{folder} holds something else than a simulated bank; name a new folder")
