"""DuckDB, the engine of one machine."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engines.base import EngineError
from pipeline.errors import RisklineError

# Readers by the end of a file's name; DuckDB unpacks .gz itself.
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".csv.gz": "read_csv",
}

CSV_TYPES = {
    pa.string(): "VARCHAR",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
    pa.float64(): "DOUBLE",
    # Not BIGINT, which rounds 1.5 without a word: what is no whole number is found out later.
    pa.int64(): "DECIMAL(38, 18)",
    pa.bool_(): "BOOLEAN",
}
DELIMITERS = ",;\t|"
LONGEST_HEADER = 1_000_000
CSV_FAULTS = {
    r"Expected Number of Columns: (\d+) Found: (\d+)": "has {1} fields; the first line names {0}",
    r"unterminated quote": "opens a quotation mark that is not closed as it should be",
    r"Error when converting column (\"[^\"]+\")[\s\S]* to '([A-Z ]+)": (
        "has a value in the column {0} that is no {1}"
    ),
    r"Invalid unicode": "is not in UTF-8; save the file in that encoding",
    r"Maximum line size": "is longer than 2 MB; a quotation mark may be missing",
}
"""What may be wrong with a line of a CSV file, by what DuckDB says of it."""
KINDS = {
    "DATE": "date such as 2024-06-30",
    "TIMESTAMP WITH TIME ZONE": "time such as 2024-06-30 18:15:00+00",
    "DOUBLE": "number such as 1234.5",
    "DECIMAL": "number such as 1234",
    "BOOLEAN": "true or false",
}
ASIDES = r"LINE \d+:|Candidate bindings|Possible |Original Line|The search space"
# Timestamps carry a zone; their dates must not depend on the machine's own. And DuckDB draws its
# progress into whatever stands on the terminal.
QUIETLY_UTC = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
BATCH_ROWS = 100_000
SORT_MEMORY = "400MB"
INTERRUPTED = "INTERRUPT Error"


class DuckDBEngine:
    """An in-memory DuckDB; safe for one thread of Python at a time."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._connection = ibis.duckdb.connect(threads=threads)
        self._connection.raw_sql(QUIETLY_UTC)

    def table(self, rows: pa.Table) -> ir.Table:
        """An Ibis table over rows in memory."""
        return ibis.memtable(rows)

    def read_parquet(self, files: Sequence[Path], schema: pa.Schema) -> ir.Table:
        """An Ibis table over Parquet files that all have ``schema``; of no rows without files."""
        if not files:
            return ibis.memtable(schema.empty_table())
        table = self._connection.read_parquet([str(file) for file in files])
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
        query = f"SELECT * FROM read_parquet($file) ORDER BY {columns}"  # noqa: S608 - a contract's names
        with duckdb.connect() as connection, _interruptible():
            connection.execute(
                f"{QUIETLY_UTC}; SET threads = {self._threads}; SET memory_limit = '{SORT_MEMORY}'"
            )
            connection.execute("SET temp_directory = ?", [str(scratch)])
            try:
                rows = connection.sql(query, params={"file": str(file)})
                yield from rows.to_arrow_reader(BATCH_ROWS)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise EngineError(str(error)) from error

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
) -> Iterator[pa.RecordBatch]:
    """Run SQL over a folder's files, each a view named by its file.

    Args:
        folder: Parquet and CSV files, the latter also packed with gzip.
        sql: one SELECT in DuckDB's dialect.
        parameters: values for the ``$name`` places of the SQL.
        csv_types: by table, columns whose type in a CSV file is not to be guessed.

    Yields:
        Batches of rows, the first of them perhaps empty, so that the columns are always known.

    Raises:
        EngineError: the SQL or a file cannot be read.
    """
    with duckdb.connect() as connection, _interruptible():
        try:
            connection.execute(QUIETLY_UTC)
            for name, file in tables_in(folder).items():
                # Only the views that the SQL may mean are made: reading a CSV file's types costs
                # time, and a broken file nobody asks for should stop nobody.
                if re.search(rf"\b{re.escape(name)}\b", sql, flags=re.IGNORECASE):
                    connection.execute(_view(name, file, csv_types.get(name)))
                    if READERS[_ending(file)] == "read_parquet":
                        # The reader renames the second one without a word.
                        _refuse_repeats(pq.read_schema(file).names, file)
            reader = connection.sql(sql, params=dict(parameters)).to_arrow_reader(BATCH_ROWS)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            # What goes wrong after the first batch comes by way of Arrow, as an OSError.
            if INTERRUPTED in str(error):
                raise KeyboardInterrupt from None
            raise EngineError(_words(error)) from error


def _ending(file: Path) -> str:
    return next(ending for ending in READERS if file.name.lower().endswith(ending))


def _view(name: str, file: Path, csv_types: pa.Schema | None) -> str:
    quoted_name = name.replace('"', '""')
    arguments = _text(str(file))
    reader = READERS[_ending(file)]
    if reader == "read_csv":
        arguments += _csv_arguments(file, csv_types)
    return f'CREATE VIEW "{quoted_name}" AS SELECT * FROM {reader}({arguments})'  # noqa: S608


def _csv_arguments(file: Path, types: pa.Schema | None) -> str:
    """How a CSV file is to be read, by its first line.

    Guessing by the lines below would make of a broken line another way to write the file.
    """
    names, delimiter = _first_line(file)
    shape = f", header = true, quote = '\"', escape = '\"', delim = {_text(delimiter)}"
    if types is None:
        # The whole file is the sample: a column may hold its first date in the last line.
        return f"{shape}, sample_size = -1"
    unnamed = [name for name in types.names if name not in {given.lower() for given in names}]
    if len(unnamed) == len(types.names):
        raise EngineError(
            f"the first line of {file.name} names none of the contract's columns; it must hold "
            "the columns' names, with commas, semicolons, tabs or bars between them"
        )
    wanted = {field.name: CSV_TYPES[field.type] for field in types}
    columns = ", ".join(
        f"{_text(name)}: {_text(wanted.get(name.lower(), 'VARCHAR'))}" for name in names
    )
    # A day such as 03.04.2024 is not to be guessed either.
    return f"{shape}, auto_detect = false, columns = {{{columns}}}, dateformat = '%Y-%m-%d'"


def _first_line(file: Path) -> tuple[list[str], str]:
    """The columns' names and the sign between them."""
    opened = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with opened(file, "rt", encoding="utf-8-sig", newline=None) as stream:
            line = stream.readline(LONGEST_HEADER)
    except UnicodeDecodeError:
        raise EngineError(f"{file.name} is not in UTF-8; save it in that encoding") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise EngineError(f"{file.name} cannot be opened or unpacked: {reason}") from error
    if not line.strip():
        raise EngineError(f"the first line of {file.name} is empty; it must name the columns")
    delimiter = max(DELIMITERS, key=line.count)
    names = next(csv.reader([line.rstrip("\n")], delimiter=delimiter))
    # Some programs write the rows' numbers first, under no name.
    names = [name or f"unnamed_{number}" for number, name in enumerate(names, start=1)]
    _refuse_repeats(names, file)
    return names, delimiter


def _refuse_repeats(names: Sequence[str], file: Path) -> None:
    """Of two columns of one name nobody knows which is meant."""
    lower = [name.lower() for name in names]
    for place, name in enumerate(lower):
        if name in lower[:place]:
            # By number: where the names are missing, what stands in their place is personal.
            raise EngineError(
                f"columns {lower.index(name) + 1} and {place + 1} of {file.name} have the same "
                "name; keep one"
            )


def _text(value: str) -> str:
    """A text as SQL writes it."""
    return "'{}'".format(value.replace("'", "''"))


def _words(error: Exception) -> str:
    """What DuckDB says of a fault, less its advice to programmers and the rows that it quotes."""
    full = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", full)
    if line:
        for pattern, words in CSV_FAULTS.items():
            fault = re.search(pattern, full)
            if fault:
                said = [KINDS.get(group, group) for group in fault.groups()]
                return f"line {line[1]} {words.format(*said)}"
    return re.split(ASIDES, full, maxsplit=1)[0].strip()
