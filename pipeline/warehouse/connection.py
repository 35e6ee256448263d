"""Connections to the warehouse, and one clear line where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import psycopg

from pipeline.errors import UnreachableError

UNREACHABLE = (
    "the warehouse cannot be reached; check RISK_WAREHOUSE_URL, and that the server runs and lets "
    "this role in"
)


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """A connection that commits on leaving, or rolls back on an error.

    Raises:
        UnreachableError: the server cannot be reached or refuses the role.
    """
    try:
        connection = psycopg.connect(url, connect_timeout=10)
    except psycopg.OperationalError as error:
        # Without the driver's words: they may quote the URL, and with it the password.
        raise UnreachableError(UNREACHABLE) from error
    with connection:
        yield connection


@contextmanager
def bulk_connect(url: str) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
    """An ADBC connection for bulk loads; rolls back unless the caller has committed.

    Raises:
        UnreachableError: the server cannot be reached or refuses the role.
    """
    try:
        connection = adbc_driver_postgresql.dbapi.connect(url)
    except adbc_driver_manager.Error as error:
        raise UnreachableError(UNREACHABLE) from error
    with connection:
        yield connection
