"""The server's process, PostgreSQL's postmaster: to find it, to start it, to stop it."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import RisklineError
from pipeline.warehouse.postgres_folder import PostgresFolder, belongs_to_another, last_words
from pipeline.warehouse.postgres_programs import Account

#: Below the range from which systems hand out ports for outgoing connections, so that the stored
#: port is still free when the server comes back.
_PORTS = range(20_000, 32_000)

_PATIENCE_SECONDS = 60.0
#: Recovery after a crash replays up to max_wal_size of log before the server answers.
_RECOVERY_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.01


def ready_port(data: Path) -> int | None:
    """Return the port of the server on `data`, or None if none is ready for connections."""
    postmaster = _find(data)
    return postmaster.port if postmaster is not None and postmaster.status == "ready" else None


def settled_port(data: Path) -> int | None:
    """Like `ready_port`, but wait for a server that is about to be ready, or about to be gone."""
    postmaster = _find(data)
    return None if postmaster is None else _await_ready(data, postmaster.pid)


def start(data: Path, account: Account, *settings: str) -> int:
    """Start the server on a cluster that has none, while its folder is locked.

    Args:
        data: The cluster.
        account: Who runs it.
        settings: `name=value`, for this run only.

    Returns:
        The port on which it is ready: the stored one, or another if that is taken.

    Raises:
        RisklineError: it did not start; the message holds its last words.
    """
    folder = PostgresFolder(data.parent)
    port = folder.port() or secrets.choice(_PORTS)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        _remove_foreign_pid_file(data)
        with folder.open_log() as log:
            said_before = log.tell()
            pid = _launch(data, account, log, f"--port={port}", *(f"--{each}" for each in settings))
        ready = _await_ready(data, pid)
        if ready is not None:
            folder.keep_port(ready)
            return ready
        said = folder.logged_since(said_before)
        port_is_taken = "Address already in use" in said
        # Processes of a killed server take a moment to notice that it is gone.
        killed_one_lingers = "pre-existing shared memory block" in said
        if not (port_is_taken or killed_one_lingers) or time.monotonic() > deadline:
            raise RisklineError(
                f"the database server did not start: {folder.log} ends with: {last_words(said)}"
            )
        if port_is_taken:
            port = secrets.choice(_PORTS)
        time.sleep(0.1)


def stop(data: Path) -> None:
    """Stop the server on `data`, if there is one, in PostgreSQL's fast mode.

    Raises:
        RisklineError: it belongs to another user, or has not ended within a minute.
    """
    postmaster = _find(data)
    if postmaster is None:
        return
    try:
        os.kill(postmaster.pid, signal.SIGINT)
    except ProcessLookupError:
        return
    except PermissionError:
        raise belongs_to_another(data) from None
    if not wait_until(lambda: not _serves(postmaster.pid, data)):
        raise RisklineError(
            f"the database server (process {postmaster.pid}) does not stop; "
            f"see {PostgresFolder(data.parent).log}"
        )


def wait_until(condition: Callable[[], bool], patience_seconds: float = _PATIENCE_SECONDS) -> bool:
    """Wait for the condition; return False if it does not come about in time."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@dataclass(frozen=True)
class _Postmaster:
    """A live server process, as its postmaster.pid describes it."""

    pid: int
    port: int
    status: str


def _find(data: Path) -> _Postmaster | None:
    lines = _pid_file_lines(data)
    if not lines or not _serves(int(lines[0]), data):
        return None
    # The server writes its file in steps: port and status may not be there yet.
    lines += [""] * 8
    return _Postmaster(pid=int(lines[0]), port=int(lines[3] or 0), status=lines[7].strip())


def _launch(data: Path, account: Account, log: BinaryIO, *options: str) -> int:
    """Start the server as nobody's child and return its process id.

    A shell in between puts it into the background, so that it is never a zombie of ours; pg_ctl
    would do so too, but splices paths into a command line. Its only open files are the log and
    /dev/null: who waits for our output to end (`| tee`) does not wait for the server.
    """
    shell = ["/bin/sh", "-c", 'exec "$@" >&2 & echo $!', "sh"]
    server = [account.program("postgres"), "-D", str(data), *options]
    launched = account.run(*shell, *server, stdout=subprocess.PIPE, stderr=log)
    return int(launched.stdout)


def _await_ready(data: Path, pid: int) -> int | None:
    """Wait for process `pid`; return the port once it is ready, None once it has given up."""

    def settled() -> bool:
        return ready_port(data) is not None or not _serves(pid, data)

    if not wait_until(settled, _RECOVERY_PATIENCE_SECONDS):
        raise RisklineError(
            f"the database server on {data} runs but does not answer; "
            f"see {PostgresFolder(data.parent).log}"
        )
    return ready_port(data)


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except PermissionError:
        raise belongs_to_another(data) from None


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is a PostgreSQL server on `data`.

    The number alone proves nothing: after a crash or a reboot it may be anybody's, or a dead
    process that nobody has reaped.
    """
    try:
        command = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        # Without /proc (macOS) the number has to do.
        return not Path("/proc/self").exists() and _is_alive(pid)
    if command == [""]:
        # In the midst of exec: the program is there, its arguments not yet. (A dead process that
        # nobody has reaped has neither.)
        return _program(pid).startswith("postgres")
    served = Path(dict(pairwise(command)).get("-D", ""))
    if not served.is_absolute():
        # Somebody else's doing. If it is some PostgreSQL, rather take it for ours and fail than
        # start a second server on one cluster.
        return Path(command[0]).name.startswith("postgres")
    try:
        return served.samefile(data)
    except OSError:
        return False


def _program(pid: int) -> str:
    """The name of the file that process `pid` runs, or "" if it cannot be told."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""


def _remove_foreign_pid_file(data: Path) -> None:
    """Remove a pid file that PostgreSQL would take for a running server's.

    It recovers by itself from a dead server's file, but not from an empty one, nor if the number
    now belongs to another process of the same user. We hold the lock and know that no server runs.
    """
    lines = _pid_file_lines(data)
    if not lines or _is_alive(int(lines[0])):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
