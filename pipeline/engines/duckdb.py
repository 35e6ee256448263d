"""DuckDB, the engine of one machine."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.sql.compilers import DuckDBCompiler
from ibis.backends.sql.compilers.base import NULL, STAR, AggGen

from pipeline.engines.base import EngineError
from pipeline.engines.session import (
    FAULTS,
    QUIETLY_UTC,
    interruptible,
    memory_limit,
    path_of,
    room_wanted,
)
from pipeline.errors import of_the_machine

BATCH_ROWS = 100_000
SORT_MEMORY = "400MB"
# The side of a join that is kept in memory is the right one, as the expression says: DuckDB itself
# takes `NOT is_deleted` to leave a fifth of the rows, and would keep the larger side. And an
# aggregate reads its rows once, not once more for each range of keys: they lie by day, not by key.
LEFT_ASIDE = "build_side_probe_side, partitioned_execution"
# Those in use of the aggregates that pass over nulls.
PASS_OVER_NULLS = frozenset({"avg", "bit_or", "count", "max", "min", "sum"})


class _Aggregates(AggGen):  # type: ignore[misc] # Ibis has no types
    """Aggregates to which what does not count is null, where they pass over nulls.

    Of a FILTER clause DuckDB makes a selection of the rows and of their groups, for each aggregate
    anew: twenty over thirty million rows took a fifth longer.
    """

    __slots__ = ()

    def aggregate(
        self, compiler: DuckDBCompiler, name: str, *args: Any, where: Any = None, **rest: Any
    ) -> sge.Expression:
        """The call of an aggregate, of the rows for which ``where`` holds."""
        if where is not None and name in PASS_OVER_NULLS and len(args) == 1:
            (counted,) = args
            if not isinstance(counted, sge.Distinct):
                args = (compiler.if_(where, 1 if counted is STAR else counted, NULL),)
                where = None
        call: sge.Expression = super().aggregate(compiler, name, *args, where=where, **rest)
        return call


class _Compiler(DuckDBCompiler):  # type: ignore[misc] # Ibis has no types
    """Where Ibis has DuckDB take a detour."""

    __slots__ = ()

    agg = _Aggregates(supports_filter=True, supports_order_by=True)

    def visit_ExtractEpochSeconds(  # noqa: N802 - Ibis calls it by the operation's name
        self, op: ops.ExtractEpochSeconds, *, arg: sge.Expression
    ) -> sge.Expression:
        """Seconds of an instant as it is: by way of a local time they take ten times as long."""
        return sge.Anonymous(this="epoch", expressions=[arg])


class DuckDBEngine:
    """An in-memory DuckDB; safe for one thread of Python at a time."""

    def __init__(self, threads: int, *, spill: Path | None = None) -> None:
        """Open a DuckDB.

        Args:
            threads: how many it may use.
            spill: a folder where rows wait that memory does not hold, made where it is missing;
                without one all of them have to fit into memory.

        Raises:
            RisklineError: the folder cannot be made.
        """
        self._threads = threads
        self._spill = "" if spill is None else str(spill)
        self._connection = ibis.duckdb.connect(threads=threads)
        self._connection.compiler = _Compiler()
        self._connection.raw_sql(QUIETLY_UTC)
        self._connection.con.execute("SET disabled_optimizers = ?", [LEFT_ASIDE])
        # An expression that wants an order says so; to keep that of files takes time.
        self._connection.con.execute("SET preserve_insertion_order = false")
        # Its own choice would be a folder in whatever folder the program was started in.
        self._connection.con.execute("SET temp_directory = ?", [self._spill])
        if spill is not None:
            try:
                # What waits there may be personal.
                spill.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise of_the_machine(error) from error
            self._connection.con.execute("SET memory_limit = ?", [memory_limit()])

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory, which stay there for as long as the engine lives."""
        return ibis.memtable(rows)

    @contextmanager
    def holding(self, rows: pa.Table) -> Iterator[ir.Table]:
        """An Ibis table over rows in memory, which the engine lets go of when the block ends."""
        table = ibis.memtable(rows)
        try:
            yield table
        finally:
            # Ibis itself keeps them until the interpreter ends.
            self._connection.con.unregister(table.op().name)

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        if not files:
            return ibis.memtable(schema.empty_table())
        paths = [path_of(file) for file in files]
        # A folder called principal=3 says nothing of the rows in it.
        table = self._connection.read_parquet(paths, hive_partitioning=False)
        return table.select(schema.names)

    def sorted_batches(
        self, file: Path, order: Sequence[str], scratch: Path
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file in the order of some columns, nulls first.

        Memory is bounded whatever the file's size: what does not fit waits in ``scratch``.

        Raises:
            EngineError: there is no room for what has to wait.
        """
        columns = ", ".join(f'"{name}" NULLS FIRST' for name in order)
        files = "read_parquet($file, hive_partitioning = false)"
        query = f"SELECT * FROM {files} ORDER BY {columns}"  # noqa: S608 - a contract's names
        with duckdb.connect() as connection:
            connection.execute(
                f"{QUIETLY_UTC}; SET threads = {self._threads}; SET memory_limit = '{SORT_MEMORY}'"
            )
            connection.execute("SET temp_directory = ?", [str(scratch)])
            try:
                with interruptible():
                    rows = connection.sql(query, params={"file": path_of(file)})
                    yield from rows.to_arrow_reader(BATCH_ROWS)
            except FAULTS as error:
                raise EngineError(str(error)) from error

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression.

        Raises:
            RisklineError: memory or disk does not suffice.
        """
        with self._computing():
            return self._connection.to_pyarrow(expression)

    def cached(self, expression: ir.Table) -> ir.Table:
        """The expression, computed once and kept for as long as the engine lives.

        Raises:
            RisklineError: memory or disk does not suffice.
        """
        with self._computing():
            return self._connection.create_table(
                ibis.util.gen_name("cached"), expression, temp=True
            )

    def _computing(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(room_wanted(self._spill))
        stack.enter_context(interruptible())
        return stack
