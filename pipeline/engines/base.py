"""What the pipeline asks of an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa


class EngineError(Exception):
    """An engine cannot read what it was asked to read; its words are those of the engine."""


class Engine(Protocol):
    """Turns files and Arrow tables into Ibis tables, and Ibis expressions into Arrow tables."""

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory."""
        ...

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        ...

    def count_rows(self, files: Sequence[Path]) -> int:
        """Rows in Parquet files, from their footers alone."""
        ...

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""
        ...

    def cached(self, expression: ir.Table) -> ir.Table:
        """The expression, computed once and kept for as long as the engine lives."""
        ...
