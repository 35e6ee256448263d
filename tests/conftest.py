"""Fixtures that more than one folder of tests needs."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from pipeline.warehouse.server import Server, ensure_running, stop

# The same examples in every run: a failure is there again when somebody looks at it. Without a
# deadline, since other work on the machine is not ours to measure.
hypothesis.settings.register_profile("riskline", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("riskline")


def _quick_folder() -> str | None:
    """Memory, if there is plenty: a cluster is a thousand files, and tests make many clusters."""
    memory = Path("/dev/shm")
    plenty = 4 << 30
    return str(memory) if memory.exists() and shutil.disk_usage(memory).free > plenty else None


@contextmanager
def _temporary_home() -> Iterator[Path]:
    # Not tmp_path: pytest keeps it from other users, and root's server runs as one of them.
    home = Path(tempfile.mkdtemp(prefix="risk-home-", dir=_quick_folder()))
    home.chmod(0o755)
    try:
        yield home
    finally:
        stop(home)
        shutil.rmtree(home)


@pytest.fixture
def risk_home() -> Iterator[Path]:
    """An empty RISK_HOME of the test's own; a server started in it is stopped at the end."""
    with _temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One running server for all tests that neither stop it nor count on an empty database."""
    with _temporary_home() as home:
        yield ensure_running(home)


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A RISK_HOME that the tests of one module share."""
    with _temporary_home() as home:
        yield home
