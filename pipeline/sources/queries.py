"""The SQL of a pull: a table as it is, or what its query file makes of the source."""

import re
from pathlib import Path

from pipeline.contracts.contract import FIRST_DAY, LAST_DAY
from pipeline.errors import RisklineError

ASIDES = r"\n *(?:LINE \d+:|DETAIL:|CONTEXT:|HINT:|Query was:)"
"""Where PostgreSQL's own words end: what follows quotes the query, or a row."""


def query_file(table: str, queries: Path | None) -> Path | None:
    """The query file of a table, where there is one."""
    if queries is None:
        return None
    file = queries / f"{table}.sql"
    return file if file.is_file() else None


def query_text(table: str, queries: Path | None) -> str | None:
    """What the query file of a table says, where there is one.

    Raises:
        RisklineError: it cannot be read, or says nothing.
    """
    file = query_file(table, queries)
    if file is None:
        return None
    try:
        text = file.read_text(encoding="utf-8").strip().rstrip(";")
    except (OSError, UnicodeDecodeError) as error:
        raise RisklineError(f"query file {file} cannot be read: {error}") from error
    if not text:
        raise RisklineError(
            f"query file {file} is empty; write the SELECT into it that gives the table {table}, "
            "or remove the file, and the table is taken as it is"
        )
    return text


def selection(table: str, queries: Path | None, condition: str) -> str:
    """The SELECT that gives a table's rows under a condition on known_at.

    A row without known_at, or with one beyond calendars, is always given: it has to reach
    quarantine, not wait for a night that never comes.

    Raises:
        RisklineError: the query file cannot be read, or says nothing.
    """
    inner = query_text(table, queries)
    if inner is None:
        inner = f'SELECT * FROM "{table}"'  # noqa: S608 - a contract's name
    first, last = (f"TIMESTAMPTZ '{day} 00:00:00+00'" for day in (FIRST_DAY, LAST_DAY))
    undated = f"known_at IS NULL OR known_at < {first} OR known_at > {last}"
    # The line break keeps a query's closing comment from swallowing the bracket.
    return (
        f"SELECT * FROM (\n{inner}\n) AS pulled "  # noqa: S608 - the lender's own query
        f"WHERE {undated} OR ({condition})"
    )


def without_values(words: str) -> str:
    """What an engine says in one line, less the values that it quotes: they may be personal."""
    lines = [line for line in words.splitlines() if not line.startswith("Original Line")]
    said = re.split(ASIDES, "\n".join(lines), maxsplit=1)[0]
    # To the last mark, for a value may hold some itself.
    text = re.sub(r"""((?:string|value|: )\s*)(["']).*\2""", r"\1…", " ".join(said.split()))
    return text[:300]


def failure(
    table: str, queries: Path | None, error: Exception, remedy: str = "supply it"
) -> RisklineError:
    """One line for a table that could not be read, naming the query file where there is one."""
    reason = without_values(str(error))
    file = query_file(table, queries)
    if file is None:
        return RisklineError(
            f"table {table} cannot be read from the source: {reason}; {remedy}, or give a query "
            f"file {table}.sql"
        )
    return RisklineError(f"table {table}: query file {file.name} fails: {reason}; correct it")
