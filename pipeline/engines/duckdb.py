"""DuckDB, the engine of one machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from pipeline.engines.base import EngineError
from pipeline.errors import RisklineError

# Readers by the end of a file's name; DuckDB unpacks .gz itself.
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".csv.gz": "read_csv",
}

TYPES = {pa.string(): "VARCHAR", pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ"}


class DuckDBEngine:
    """An in-memory DuckDB; safe for one thread of Python at a time."""

    def __init__(self, threads: int) -> None:
        self._connection = ibis.duckdb.connect(threads=threads)
        # Timestamps carry a zone; their dates must not depend on the machine's own.
        self._connection.raw_sql("SET TimeZone = 'UTC'")

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory."""
        return ibis.memtable(rows)

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        if not files:
            return ibis.memtable(schema.empty_table())
        table = self._connection.read_parquet([str(file) for file in files])
        return table.select(schema.names)

    def count_rows(self, files: Sequence[Path]) -> int:
        """Rows in Parquet files, from their footers alone."""
        if not files:
            return 0
        names = [str(file) for file in files]
        query = "SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata($files)"
        rows = self._connection.con.execute(query, {"files": names}).fetchall()
        return int(rows[0][0])

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""
        with _interruptible():
            return self._connection.to_pyarrow(expression)

    def cached(self, expression: ir.Table) -> ir.Table:
        """The expression, computed once and kept for as long as the engine lives."""
        with _interruptible():
            return self._connection.create_table(
                ibis.util.gen_name("cached"), expression, temp=True
            )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: DuckDB turns it into an error of its own."""
    try:
        yield
    except RuntimeError as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from None
        raise


def tables_in(folder: Path) -> dict[str, Path]:
    """The files of a folder that can be read as tables, by the table's name.

    Raises:
        RisklineError: two files claim the same table.
    """
    tables: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        for ending in READERS:
            if file.is_file() and file.name.lower().endswith(ending):
                name = file.name[: -len(ending)]
                if name in tables:
                    raise RisklineError(
                        f"source folder {folder}: {tables[name].name} and {file.name} both hold "
                        f"the table {name}; keep one"
                    )
                tables[name] = file
    return tables


def query_folder(
    folder: Path,
    sql: str,
    parameters: Mapping[str, object],
    csv_types: Mapping[str, pa.Schema],
) -> pa.Table:
    """Run SQL over a folder's files, each a view named by its file.

    Args:
        folder: Parquet and CSV files, the latter also packed with gzip.
        sql: one SELECT in DuckDB's dialect.
        parameters: values for the ``$name`` places of the SQL.
        csv_types: by table, columns whose type in a CSV file is not to be guessed.

    Raises:
        EngineError: the SQL or a file cannot be read.
    """
    with duckdb.connect() as connection:
        try:
            connection.execute("SET TimeZone = 'UTC'")
            for name, file in tables_in(folder).items():
                # Only the views that the SQL may mean are made: reading a CSV file's types costs
                # time, and a broken file nobody asks for should stop nobody.
                if re.search(rf"\b{re.escape(name)}\b", sql, flags=re.IGNORECASE):
                    connection.execute(_view(name, file, connection, csv_types.get(name)))
            return connection.sql(sql, params=dict(parameters)).to_arrow_table()
        except (duckdb.Error, pa.ArrowException) as error:
            raise EngineError(str(error)) from error


def _view(
    name: str, file: Path, connection: duckdb.DuckDBPyConnection, csv_types: pa.Schema | None
) -> str:
    ending = next(ending for ending in READERS if file.name.lower().endswith(ending))
    quoted_name = name.replace('"', '""')
    arguments = "'{}'".format(str(file).replace("'", "''"))
    if READERS[ending] == "read_csv":
        arguments += ", header = true"
        query = f"SELECT * FROM read_csv({arguments}, all_varchar = true) LIMIT 0"  # noqa: S608
        there = connection.sql(query).columns
        types = {f.name: TYPES[f.type] for f in csv_types or () if f.name in there}
        # The whole file is the sample: a column may hold its first date in the last line.
        arguments += ", sample_size = -1" + (f", types = {types}" if types else "")
    return f'CREATE VIEW "{quoted_name}" AS SELECT * FROM {READERS[ending]}({arguments})'  # noqa: S608
