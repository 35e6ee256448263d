"""Simulates a bank straight into the place where it should be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import RisklineError
from pipeline.simulator import files, load
from pipeline.simulator.bank import TABLES, Bank, create, pieces
from pipeline.simulator.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from rich.console import Console

    Put = Callable[[Iterator[tuple[str, pa.Table]]], None]


def deliver(bank: Bank, to: str, console: Console) -> dict[str, int]:
    """Simulate a bank into a folder of Parquet files or a PostgreSQL database.

    Args:
        bank: what to simulate.
        to: a folder's path or `postgresql://...`; what it holds is replaced, if that is a
            simulated bank.
        console: where progress is shown.

    Returns:
        How many rows each table has.

    Raises:
        RisklineError: the place is of another kind, holds something else or cannot be reached.
    """
    if to.startswith(("postgresql://", "postgres://")):
        load.check_free(TABLES, to)
        return fill(bank, to, console)
    if "://" in to:
        kind = to.split("://", 1)[0]
        raise RisklineError(
            f"a bank cannot go to a place of kind {kind}://; name a folder or postgresql://..."
        )
    folder = Path(to)
    files.check_free(folder)
    return _live_and_put(bank, console, lambda rows: files.save_pieces(rows, folder, repr(bank)))


def fill(bank: Bank, url: str, console: Console) -> dict[str, int]:
    """Simulate a bank into a database, whatever its tables of the same names hold.

    Returns and raises as `deliver` does.
    """
    return _live_and_put(bank, console, lambda rows: load.load_pieces(rows, url))


def _live_and_put(bank: Bank, console: Console, put: Put) -> dict[str, int]:
    with report(bank, console) as progress:
        world = create(bank, progress.month)
        put(progress.following(pieces(bank, world)))
    return progress.rows
