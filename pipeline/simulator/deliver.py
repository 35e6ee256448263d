"""Simulates a bank straight into the place where it should be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import RisklineError
from pipeline.simulator import files, load
from pipeline.simulator.bank import TABLES, Bank, create, pieces
from pipeline.simulator.progress import Report, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from rich.console import Console


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
        OSError: the folder cannot be written.
    """
    if to.startswith(("postgresql://", "postgres://")):
        load.check_free(TABLES, to)
        return fill(bank, to, console)
    if to.lstrip().lower().startswith("postgres"):
        # Not quoted: it is likely to hold a password.
        raise RisklineError(
            "a place that begins with postgres must go on as in "
            "postgresql://user:password@host/database; of a folder of that name, give the full path"
        )
    if "://" in to:
        kind = to.split("://", 1)[0]
        raise RisklineError(
            f"a bank cannot go to a place of kind {kind}://; name a folder or postgresql://..."
        )
    with report(bank, console) as progress:
        files.save_pieces(_lived(bank, progress), Path(to), repr(bank))
    return progress.rows


def fill(bank: Bank, url: str, console: Console) -> dict[str, int]:
    """Simulate a bank into a database, whatever its tables of the same names hold.

    Returns and raises as `deliver` does.
    """
    with report(bank, console) as progress:
        # Many servers cut a transaction that waits for minutes: live first, then connect.
        world = create(bank, progress.month)
        load.load_pieces(progress.following(pieces(bank, world)), url)
    return progress.rows


def _lived(bank: Bank, progress: Report) -> Iterator[tuple[str, pa.Table]]:
    """The bank's tables in pieces; it lives through its months when the first one is asked for."""
    yield from progress.following(pieces(bank, create(bank, progress.month)))
