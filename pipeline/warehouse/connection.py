"""Connections to the warehouse, and one clear line where there is none or it breaks off."""

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import psycopg

from pipeline.errors import RisklineError, UnreachableError

UNREACHABLE = (
    "the warehouse cannot be reached; check RISK_WAREHOUSE_URL, and that the server runs and lets "
    "this role in"
)
MALFORMED = "RISK_WAREHOUSE_URL cannot be read; give it as postgresql://role:password@host/database"
LOST = "the warehouse broke off"


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """A connection that commits on leaving, or rolls back on an error.

    Raises:
        UnreachableError: the server cannot be reached, refuses the role, or breaks off.
        RisklineError: the URL is none, or the server refuses a statement.
    """
    # From None: the driver's words may quote the URL, and a traceback would print them.
    try:
        connection = psycopg.connect(url, connect_timeout=10)
    except psycopg.ProgrammingError:
        raise RisklineError(MALFORMED) from None
    except psycopg.OperationalError:
        raise UnreachableError(UNREACHABLE) from None
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        raise UnreachableError(f"{LOST}: {in_one_line(error)}") from error
    except psycopg.Error as error:
        raise RisklineError(f"the warehouse refuses: {in_one_line(error)}") from error


@contextmanager
def bulk_connect(url: str) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
    """An ADBC connection for bulk loads; rolls back unless the caller has committed.

    Raises:
        UnreachableError: the server cannot be reached or refuses the role.
    """
    try:
        connection = adbc_driver_postgresql.dbapi.connect(url)
    except adbc_driver_manager.Error:
        raise UnreachableError(UNREACHABLE) from None
    with connection:
        yield connection


def in_one_line(error: Exception) -> str:
    """What a driver says, at a length that people read."""
    return " ".join(str(error).split())[:300]
