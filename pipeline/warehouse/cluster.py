"""The cluster: how it is set up, and which databases and roles it holds."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from pipeline.errors import RisklineError
from pipeline.warehouse import postmaster
from pipeline.warehouse.postgres_folder import PostgresFolder, last_words
from pipeline.warehouse.postgres_programs import Account

ADDRESS = "127.0.0.1"
"""Where the server listens, and nowhere else."""

_SUPERUSER = "postgres"

#: Roles that may sign in, beside the superuser.
_ROLES = ("risk_pipeline", "risk_reader", "risk_officer", "airflow", "bank")

#: Each database and the role that owns it.
_OWNERS = {"warehouse": "risk_pipeline", "airflow": "airflow", "bank": "bank"}

#: Who else may connect to a database; nobody does by default.
_GUESTS = (("warehouse", "risk_reader"), ("warehouse", "risk_officer"))

#: Written into postgresql.conf when the cluster is created, so that an operator may edit them.
#: They suit two cores and a few GB of memory; durability (fsync) stays as PostgreSQL ships it.
_SETTINGS = {
    "listen_addresses": ADDRESS,
    # A socket path must stay under 108 bytes, which a home of any length would break.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # A night is one burst of bulk loads: let it end before checkpoints get in its way.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    # Stored instants read the same wherever the server was created.
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def create(folder: PostgresFolder, account: Account, lock: int) -> None:
    """Create the cluster with its roles and databases; `data` appears only when all is done.

    Args:
        folder: The locked folder in which `data` is missing.
        account: Who is to run the server.
        lock: The folder's lock, which initdb holds too.

    Raises:
        RisklineError: initdb or the server failed, or what a killed creation left cannot be
            removed.
    """
    for unfinished in folder.path.glob("data.new.*"):
        _remove(unfinished)
    # A name of its own: what a killed attempt was just about to start finds nothing.
    making = Path(tempfile.mkdtemp(prefix="data.new.", dir=folder.path))
    account.take_over(making)
    passwords = _with_missing({})
    _create_cluster(folder, making, account, lock, passwords[_SUPERUSER])
    # Written without waiting for the disk, then flushed once: nobody takes it for whole before it
    # is renamed, and thousands of single flushes take seconds on a disk that others use.
    relaxed = ("fsync=off", "full_page_writes=off")
    port = postmaster.start(making, account, *relaxed)
    try:
        _complete(port, passwords)
    finally:
        postmaster.stop(making)
    _flush(folder, making, account, lock)
    folder.keep_passwords(passwords)
    making.rename(folder.data)
    folder.flush()


def complete(folder: PostgresFolder, port: int) -> None:
    """Give a running cluster what it lacks of roles, databases and rights.

    It may have been created before there was one of them.

    Args:
        folder: The locked folder of the cluster.
        port: Where its server listens.

    Raises:
        RisklineError: the superuser is not let in, or the server refuses.
    """
    kept = folder.passwords()
    passwords = _with_missing(kept)
    if passwords != kept:
        # First: a role whose password nobody keeps would be of no use.
        folder.keep_passwords(passwords)
    try:
        _complete(port, passwords)
    except psycopg.Error as error:
        # From None: a traceback would show the statement, and with it a password.
        raise RisklineError(
            f"the embedded server lacks roles or rights that it should have, and "
            f"{folder.path / 'passwords.json'} does not let us complete it: "
            f"{' '.join(str(error).split())}"
        ) from None


def _with_missing(passwords: Mapping[str, str]) -> dict[str, str]:
    return {role: token_urlsafe(24) for role in (_SUPERUSER, *_ROLES)} | dict(passwords)


def _remove(unfinished: Path) -> None:
    def gone() -> bool:
        # Its server may still be starting, and write while we delete.
        postmaster.stop(unfinished)
        shutil.rmtree(unfinished, ignore_errors=True)
        return not unfinished.exists()

    if not postmaster.wait_until(gone):
        raise RisklineError(f"cannot remove the unfinished {unfinished}: delete it by hand")


def _create_cluster(
    folder: PostgresFolder, making: Path, account: Account, lock: int, password: str
) -> None:
    # The password goes by a file: arguments are for every user to see.
    password_file = folder.write(".initdb-password", password + "\n")
    try:
        account.take_over(password_file)
        _initdb(
            folder,
            making,
            account,
            lock,
            f"--username={_SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # PostgreSQL's own collation: no upgrade of the system's libraries reorders an index.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
            "--no-instructions",
            "--no-sync",
        )
    finally:
        password_file.unlink(missing_ok=True)


def _flush(folder: PostgresFolder, making: Path, account: Account, lock: int) -> None:
    """Bring a stopped cluster to the disk, whole."""
    # One flush of the file system instead of one for each of thousands of files; only Linux has it.
    method = "syncfs" if sys.platform == "linux" else "fsync"
    _initdb(folder, making, account, lock, "--sync-only", f"--sync-method={method}")


def _initdb(
    folder: PostgresFolder, making: Path, account: Account, lock: int, *options: str
) -> None:
    with folder.open_log() as log:
        said_before = log.tell()
        ended = account.run(
            account.program("initdb"),
            f"--pgdata={making}",
            *options,
            stdout=log,
            stderr=log,
            # initdb outlives us if we are killed. It holds the lock until it ends, so that nobody
            # deletes its folder while it writes: that would leave shared memory behind, for good.
            pass_fds=(lock,),
        )
    if ended.returncode != 0:
        said = last_words(folder.logged_since(said_before))
        raise RisklineError(f"initdb failed: {folder.log} ends with: {said}")


def _complete(port: int, passwords: Mapping[str, str]) -> None:
    # Every setting is named, so that PG* variables of the caller have no say.
    with closing(
        psycopg.connect(
            host=ADDRESS,
            port=port,
            user=_SUPERUSER,
            password=passwords[_SUPERUSER],
            dbname="postgres",
            sslmode="disable",
            gssencmode="disable",
            options="",
            connect_timeout=10,
            autocommit=True,
        )
    ) as connection:
        run = connection.execute
        # A statement that fails would be logged with the password in it.
        run("SET log_min_error_statement = panic")
        roles = {name for (name,) in run("SELECT rolname FROM pg_roles")}
        for role in _ROLES:
            name = Identifier(role)
            if role not in roles:
                run(SQL("CREATE ROLE {} LOGIN").format(name))
            # A role may change its own password and its own settings, which are not its alone.
            run(SQL("ALTER ROLE {} PASSWORD {}").format(name, Literal(passwords[role])))
            run(SQL("ALTER ROLE {} RESET ALL").format(name))
        databases = {name for (name,) in run("SELECT datname FROM pg_database")}
        for database, owner in _OWNERS.items():
            if database not in databases:
                names = (Identifier(database), Identifier(owner))
                run(SQL("CREATE DATABASE {} OWNER {}").format(*names))
        # Nor may everybody create temporary objects, as PostgreSQL would let them.
        for database in (*_OWNERS, "postgres", "template1"):
            run(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))
        for database, guest in _GUESTS:
            names = (Identifier(database), Identifier(guest))
            run(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
