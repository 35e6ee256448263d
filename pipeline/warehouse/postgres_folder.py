"""The folder `RISK_HOME/postgres`: what lies in it, and how it is read and written.

| name             | what it is                                                          |
| ---------------- | ------------------------------------------------------------------- |
| `data`           | the cluster; if it is there, its roles and databases are complete   |
| `data.new.*`     | a cluster in the making, or what a killed making left behind        |
| `passwords.json` | one random password a role, readable by its owner only              |
| `port`           | the TCP port on 127.0.0.1, chosen once and kept while it is free    |
| `server.log`     | what initdb and the server say                                      |
| `.lock`          | held while somebody creates, starts or stops the server             |
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import RisklineError


@dataclass(frozen=True)
class PostgresFolder:
    """The folder of one embedded server."""

    path: Path

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What initdb and the server say."""
        return self.path / "server.log"

    def create(self) -> None:
        """Create the folder and what is missing above it; as root, let others pass through.

        Root's server runs as a user of its own. Folders that were there before keep their
        permissions.

        Raises:
            RisklineError: the folder cannot be created.
        """
        try:
            missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
            for path in reversed(missing):
                path.mkdir(exist_ok=True)
                path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise RisklineError(
                f"cannot create {self.path} ({error.strerror}): "
                "set RISK_HOME to a folder of your own"
            ) from None

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Keep every other process from creating, starting or stopping the server.

        Yields:
            The lock's descriptor; a subprocess that inherits it holds the lock until it ends.
        """
        try:
            lock = _open_private(self.path / ".lock", os.O_RDWR)
        except PermissionError:
            raise belongs_to_another(self.path) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            # Closed, not unlocked: unlocking would also free it for those who inherited it.
            os.close(lock)

    def passwords(self) -> dict[str, str]:
        """Each role's password."""
        file = self.path / "passwords.json"
        try:
            passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RisklineError(f"{file} is missing: restore it, or remove {self.data}") from None
        except PermissionError:
            raise belongs_to_another(file) from None
        return passwords

    def keep_passwords(self, passwords: Mapping[str, str]) -> None:
        """Replace the passwords."""
        self.write("passwords.json", json.dumps(passwords, indent=2) + "\n")

    def port(self) -> int | None:
        """The port that the server used last, if any."""
        with suppress(OSError, ValueError):
            return int((self.path / "port").read_text(encoding="utf-8"))
        return None

    def keep_port(self, port: int) -> None:
        """Remember the port for the next start."""
        if port != self.port():
            self.write("port", f"{port}\n")

    def write(self, name: str, text: str) -> Path:
        """Replace a file, readable by its owner only; a reader sees the old text or the new."""
        file = self.path / name
        fresh = self.path / f".{name}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(_open_private(fresh, os.O_WRONLY | os.O_EXCL), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
        self.flush()
        return file

    def flush(self) -> None:
        """Make renames in the folder survive a power cut."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_log(self) -> BinaryIO:
        """Open the log at its end. We hand it on, so it need not belong to the server's user."""
        return os.fdopen(_open_private(self.log, os.O_WRONLY | os.O_APPEND), "ab")

    def logged_since(self, start: int) -> str:
        """Return what the log says from byte `start` on."""
        with self.log.open("rb") as opened:
            opened.seek(start)
            return opened.read().decode(errors="replace")


def belongs_to_another(path: Path) -> RisklineError:
    """Say that files are somebody else's, and what to do."""
    return RisklineError(
        f"{path} belongs to another user: run as that user, "
        "or set RISK_HOME to a folder of your own"
    )


def last_words(logged: str) -> str:
    """Return the line that says why: the last fatal one, or else the last.

    After a fatal error PostgreSQL still says that it is shut down, which explains nothing.
    """
    lines = [line.strip() for line in logged.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal or lines or ["(nothing)"])[-1]


def _open_private(file: Path, flags: int) -> int:
    return os.open(file, flags | os.O_CREAT, 0o600)
