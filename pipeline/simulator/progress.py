"""How far a simulation is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.simulator.bank import TABLES, Bank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from rich.console import Console


class Report:
    """Counts what has been done, and says so."""

    def __init__(self, bank: Bank, bar: Progress | None, console: Console) -> None:
        self.rows = dict.fromkeys(TABLES, 0)
        self._bank, self._bar, self._console = bank, bar, console
        # A month of all customers takes about as long as a table of a block.
        steps = bank.calendar.steps + bank.blocks * (len(TABLES) - 1) + 1
        self._task = bar.add_task("months", total=steps) if bar else None
        self._months = 0

    def month(self) -> None:
        """One month more has been lived."""
        self._months += 1
        self._advance("months lived")
        if self._bar is None and self._months == self._bank.calendar.steps:
            self._console.print(f"{self._months} months lived")

    def following(self, pieces: Iterable[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
        """The same pieces, counted."""
        block = 0
        last = list(TABLES)[-1]
        for name, rows in pieces:
            yield name, rows
            self.rows[name] += len(rows)
            self._advance(name)
            if name == last:
                block += 1
                if self._bar is None:
                    total = sum(self.rows.values())
                    self._console.print(
                        f"block {block} of {self._bank.blocks} written: {total:,} rows so far"
                    )

    def _advance(self, what: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=what)


@contextmanager
def report(bank: Bank, console: Console) -> Iterator[Report]:
    """Says how far the simulation of a bank is, as long as the context lasts."""
    if not console.is_terminal:
        yield Report(bank, None, console)
        return
    columns = TextColumn("{task.description:20}"), BarColumn()
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        yield Report(bank, bar, console)
