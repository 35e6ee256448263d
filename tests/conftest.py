"""Fixtures that more than one folder of tests needs."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest

import models  # noqa: F401 - before LightGBM, for it says how that waits
from pipeline.engines.base import Engine
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
def temporary_home() -> Iterator[Path]:
    """An empty RISK_HOME, whose server is stopped at the end."""
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
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One running server for all tests that neither stop it nor count on an empty database."""
    with temporary_home() as home:
        yield ensure_running(home)


@pytest.fixture
def bank_url(shared_server: Server) -> str:
    """The URL of a database to pull from, empty whatever the tests before have left in it."""
    url = shared_server.url("bank", "bank")
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture(scope="session")
def scored_template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A bank with a champion, made once for all workers: `scored_bank.make` makes homes of it."""
    # What simulates and trains takes seconds to import, and few tests need it.
    from tests.integration import scored_bank

    base = tmp_path_factory.getbasetemp()
    # Workers' folders lie beside each other in the run's own.
    root = base if worker_id == "master" else base.parent
    template = root / "scored_bank"
    with (root / "scored_bank.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / "is_whole").exists():
            with temporary_home() as home, pytest.MonkeyPatch.context() as monkeypatch:
                scored_bank.prepare(template, home, monkeypatch)
            (template / "is_whole").touch()
    return template


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A RISK_HOME that the tests of one module share."""
    with temporary_home() as home:
        yield home


SMALL = {
    "spark.driver.memory": "1g",
    # To think of better ways, and to compile them, takes Spark longer than a few rows do.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One session of Spark, set up for small tables, where there is a Java to run it."""
    # Spark's import takes a second that most tests need not wait.
    from pipeline.engines.spark import JAVA, SparkEngine, java_version

    if (java_version() or 0) < JAVA:
        pytest.skip("no Java runtime")
    return SparkEngine(tmp_path_factory.mktemp("spark"), "local[1]", SMALL)
