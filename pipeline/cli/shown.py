"""What all commands share: settings, dates, and how they print."""

import re
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from pipeline.settings import Settings

UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
AsOf = Annotated[str, typer.Option("--as-of", help="Business date, YYYY-MM-DD.", metavar="DATE")]


def read_settings() -> "Settings":
    """The settings of the environment."""
    # Only when a command runs: what reads settings takes longer to import than --help may take.
    from pipeline.settings import load_settings

    return load_settings()


def business_date(text: str, settings: "Settings") -> date:
    """A day of the bank as it was typed, if there is such a day and it is over."""
    from pipeline.business_day import resolve_as_of

    return resolve_as_of(text, None, settings.timezone, datetime.now(UTC))


def reader_url(settings: "Settings") -> str:
    """The URL with which people read the warehouse."""
    from pipeline.warehouse.server import ensure_running

    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return ensure_running(settings.home).url("warehouse", "risk_reader")


def figure(value: float | None) -> str:
    """A number as people write it: no decimals where there are none, else four digits or more."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 10_000 else f"{value:.4g}"


def open_console() -> "Console":
    """Where commands print."""
    from rich.console import Console

    # A log has no width of its own; rich would fold lines at 80 characters.
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def print_table(names: "Sequence[str]", rows: "Iterable[Sequence[object]]") -> None:
    """Print rows under the names of their columns."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(*(escape(name) for name in names))
    for row in rows:
        # Text, not markup: a customer's name may hold brackets; and what an officer wrote must not
        # move the cursor of whoever reads it.
        cells = ("" if value is None else UNPRINTABLE.sub("\ufffd", str(value)) for value in row)
        table.add_row(*map(Text, cells))
    open_console().print(table)
