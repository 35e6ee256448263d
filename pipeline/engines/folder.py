"""A folder of Parquet and CSV files that SQL can be run over."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engines.base import EngineError
from pipeline.engines.csv_file import line_fault, quoted, reading, refuse_repeats
from pipeline.engines.session import (
    FAULTS,
    QUIETLY_UTC,
    interruptible,
    memory_limit,
    path_of,
    room_wanted,
)
from pipeline.errors import RisklineError

# Readers by the end of a file's name; DuckDB unpacks .gz itself.
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".csv.gz": "read_csv",
}
ASIDES = r"LINE \d+:|Candidate bindings|Possible |Original Line|The search space"
"""Where DuckDB's own words end: what follows is advice to programmers, or a row."""
BATCH_ROWS = 100_000


def tables_in(folder: Path) -> dict[str, Path]:
    """The files of a folder that can be read as tables, by the table's name in lower case.

    Raises:
        RisklineError: two files claim the same table.
    """
    tables: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if not file.is_file() or not _name(file):
            continue
        # SQL knows no case of names, and some systems write files in capitals.
        name = _name(file).lower()
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
        RisklineError: two files claim the same table, or memory or disk does not suffice.
    """
    # Not DuckDB's own choice, a folder in whatever folder the program was started in.
    with tempfile.TemporaryDirectory(prefix="riskline_") as spill, duckdb.connect() as connection:
        connection.execute(QUIETLY_UTC)
        connection.execute("SET temp_directory = ?", [spill])
        connection.execute("SET memory_limit = ?", [memory_limit()])
        # A table's name that no file bears is a mistake, not a variable of this program.
        connection.execute("SET python_enable_replacements = false")
        try:
            with room_wanted(spill), interruptible():
                for name, file in tables_in(folder).items():
                    # Only the views that the SQL may mean are made: reading a CSV file's types
                    # costs time, and a broken file nobody asks for should stop nobody.
                    if re.search(rf"\b{re.escape(_name(file))}\b", sql, flags=re.IGNORECASE):
                        connection.execute(_view(file, csv_types.get(name)))
                        if _ending(file) == ".parquet":
                            # The reader renames the second one without a word.
                            refuse_repeats(pq.read_schema(file).names, file)
                reader = connection.sql(sql, params=dict(parameters)).to_arrow_reader(BATCH_ROWS)
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)
                yield from reader
        except FAULTS as error:
            raise EngineError(_words(error)) from error


def _ending(file: Path) -> str | None:
    return next((ending for ending in READERS if file.name.lower().endswith(ending)), None)


def _name(file: Path) -> str:
    """The table that a file holds; empty where it holds none."""
    ending = _ending(file)
    return file.name[: -len(ending)] if ending else ""


def _view(file: Path, csv_types: pa.Schema | None) -> str:
    reader = READERS[_ending(file) or ""]
    # A folder called principal=3 says nothing of the rows in it.
    arguments = f"{quoted(path_of(file))}, hive_partitioning = false"
    if reader == "read_csv":
        arguments += f", {reading(file, csv_types)}"
    view = _name(file).replace('"', '""')
    return f'CREATE VIEW "{view}" AS SELECT * FROM {reader}({arguments})'  # noqa: S608 - quoted


def _words(error: Exception) -> str:
    """What DuckDB says of a fault, less its advice to programmers and the rows that it quotes."""
    words = str(error)
    return line_fault(words) or re.split(ASIDES, words, maxsplit=1)[0].strip()
