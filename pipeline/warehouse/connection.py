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
BOUND_WAITS = (
    "SELECT set_config('lock_timeout', '10min', true) WHERE current_setting('lock_timeout') = '0'"
)
"""Lets the transaction wait for no lock longer than the largest night takes, unless the role or
the URL says how long: whoever may sign in may hold an advisory lock for ever."""
SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
}
"""As every session of ours is, whatever a role, a database or the environment has set: any role may
set its own defaults, and what is read must not depend on them."""
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{to}', false)" for name, to in SESSION.items())
LOCK_TIMEOUT = psycopg.errors.LockNotAvailable.sqlstate
_HOLDERS = """
SELECT string_agg(DISTINCT usename || ' (process ' || pid || ')', ', ')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE granted AND locktype IN ('advisory', 'relation') AND datname = current_database()
AND pid <> pg_backend_pid()
"""


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """A connection that commits on leaving, or rolls back on an error.

    Raises:
        UnreachableError: the server cannot be reached, refuses the role, breaks off, or others
            hold a lock for too long.
        RisklineError: the URL is none, or the server refuses a statement.
    """
    # From None: the driver's words may quote the URL, and a traceback would print them.
    try:
        connection = psycopg.connect(url, connect_timeout=10)
        with connection.transaction():
            connection.execute(_SET)
    except psycopg.ProgrammingError:
        raise RisklineError(MALFORMED) from None
    except psycopg.OperationalError:
        raise UnreachableError(UNREACHABLE) from None
    try:
        with connection:
            yield connection
    except psycopg.errors.LockNotAvailable:
        raise held_up(url) from None
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


def take_turns(connection: psycopg.Connection, name: str) -> None:
    """Let nobody else who takes turns by that name go on until this transaction ends."""
    connection.execute(BOUND_WAITS)
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])


def held_up(url: str) -> UnreachableError:
    """What to say where a lock was not to be had in time: who may hold it."""
    with connect(url) as connection:
        row = connection.execute(_HOLDERS).fetchone()
    holders = row[0] if row and row[0] else "nobody any more"
    return UnreachableError(
        "the warehouse let us wait too long for a lock, and nothing was changed; locks are held "
        f"by {holders}; end the one that lasts by pg_terminate_backend, and run it again"
    )


def in_one_line(error: Exception) -> str:
    """What a driver says, at a length that people read."""
    return " ".join(str(error).split())[:300]
