"""What the pipeline asks of an engine."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa


class EngineError(Exception):
    """An engine cannot do what it was asked to do; its words are those of the engine."""


class Engine(Protocol):
    """Turns files and Arrow tables into Ibis tables, and Ibis expressions into Arrow tables."""

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory, which stay there for as long as the engine lives."""
        ...

    def holding(self, rows: pa.Table) -> AbstractContextManager[ir.Table]:
        """An Ibis table over rows in memory, which the engine lets go of when the block ends."""
        ...

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        ...

    def sorted_batches(
        self, file: Path, order: Sequence[str], scratch: Path
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file in the order of some columns, nulls first.

        Memory is bounded whatever the file's size: what does not fit waits in ``scratch``.

        Raises:
            EngineError: there is no room for what has to wait.
        """
        ...

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""
        ...

    def cached(self, expression: ir.Table) -> ir.Table:
        """The expression, computed once and kept for as long as the engine lives."""
        ...
