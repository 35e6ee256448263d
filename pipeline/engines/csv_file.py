"""How a CSV file is to be read, by its first line, and what may be wrong with the others."""

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.engines.base import EngineError

TYPES = {
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
LINE_FAULTS = {
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


def reading(file: Path, types: pa.Schema | None) -> str:
    """The arguments of DuckDB's reader, after the file's path.

    Guessing by the lines below the first would make of a broken line another way to write the file.

    Args:
        file: in UTF-8, its columns' names in the first line.
        types: columns whose type is not to be guessed; None where all are.

    Raises:
        EngineError: the first line cannot be read, or names none of the columns.
    """
    names, delimiter = _first_line(file)
    shape = f"header = true, quote = '\"', escape = '\"', delim = {quoted(delimiter)}"
    if types is None:
        # The whole file is the sample: a column may hold its first date in the last line.
        return f"{shape}, sample_size = -1"
    unnamed = [name for name in types.names if name not in {given.lower() for given in names}]
    if len(unnamed) == len(types.names):
        raise EngineError(
            f"the first line of {file.name} names none of the contract's columns; it must hold "
            "the columns' names, with commas, semicolons, tabs or bars between them"
        )
    wanted = {field.name: TYPES[field.type] for field in types}
    columns = ", ".join(
        f"{quoted(name)}: {quoted(wanted.get(name.lower(), 'VARCHAR'))}" for name in names
    )
    # A day such as 03.04.2024 is not to be guessed either.
    return f"{shape}, auto_detect = false, columns = {{{columns}}}, dateformat = '%Y-%m-%d'"


def line_fault(words: str) -> str | None:
    """What is wrong with which line, where DuckDB's words speak of one; no value is quoted."""
    line = re.search(r"CSV Error on Line: (\d+)", words)
    if line:
        for pattern, said in LINE_FAULTS.items():
            fault = re.search(pattern, words)
            if fault:
                return f"line {line[1]} " + said.format(
                    *(KINDS.get(group, group) for group in fault.groups())
                )
    return None


def refuse_repeats(names: Sequence[str], file: Path) -> None:
    """Of two columns of one name nobody knows which is meant.

    Raises:
        EngineError: there are such.
    """
    lower = [name.lower() for name in names]
    for place, name in enumerate(lower):
        if name in lower[:place]:
            # By number: where the names are missing, what stands in their place is personal.
            raise EngineError(
                f"columns {lower.index(name) + 1} and {place + 1} of {file.name} have the same "
                "name; keep one"
            )


def quoted(value: str) -> str:
    """A text as SQL writes it."""
    return "'{}'".format(value.replace("'", "''"))


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
    refuse_repeats(names, file)
    return names, delimiter
