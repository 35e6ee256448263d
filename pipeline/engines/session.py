"""What every session with DuckDB needs: bounds, Ctrl-C, and files by their names."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.errors import RisklineError

# Timestamps carry a zone; their dates must not depend on the machine's own. And DuckDB draws its
# progress into whatever stands on the terminal.
QUIETLY_UTC = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
MEMORY_GB = 3.0
"""What a session may hold before rows wait on disk: enough for millions of customers, and so little
that other programs, and the rows that Python holds, have room on the machine of a small lender."""
FAULTS = (duckdb.Error, pa.ArrowException, OSError)
"""How DuckDB fails: what goes wrong after the first batch comes by way of Arrow, as an OSError."""
PATTERN_SIGNS = re.compile(r"[*?\[]")
NO_ROOM = re.compile(
    r"Out of Memory Error|No space left on device|Disk quota exceeded|File too large"
)
INTERRUPTED = re.compile(r"INTERRUPT Error|^Query interrupted")


def memory_limit() -> str:
    """What a session that has a folder to spill to may hold, as DuckDB takes it."""
    return f"{min(MEMORY_GB, machine_gb() / 2):.1f}GB"


def machine_gb() -> float:
    """The memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def path_of(file: Path) -> str:
    """A file's path as DuckDB takes it, in which ``*``, ``?`` and ``[`` stand for themselves.

    Raises:
        RisklineError: there is a backslash beside them, which DuckDB takes for a folder's end.
    """
    path = str(file)
    if not PATTERN_SIGNS.search(path):
        return path
    if "\\" in path:
        raise RisklineError(
            f"{path} has a backslash beside one of *, ? and [ in its name, and cannot be read; "
            "rename the file or its folder"
        )
    return PATTERN_SIGNS.sub(lambda sign: f"[{sign[0]}]", path)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: DuckDB turns it into an error of its own."""
    try:
        yield
    except (RuntimeError, *FAULTS) as error:
        if isinstance(error, duckdb.InterruptException) or INTERRUPTED.search(str(error)):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def room_wanted(spill: str) -> Iterator[None]:
    """Say in one line that memory or disk does not suffice; other errors stay as they are.

    Args:
        spill: where rows wait that memory does not hold, in words; empty where they may not.
    """
    try:
        yield
    except (MemoryError, *FAULTS) as error:
        if isinstance(error, MemoryError) or NO_ROOM.search(str(error)):
            disk = f", or room on the disk of {spill}," if spill else ""
            raise RisklineError(
                f"the machine has not enough memory free{disk} for the rows of this step; free "
                "some and run again"
            ) from error
        raise
