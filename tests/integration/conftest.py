"""A bank with a champion, made once for all workers and files."""

import fcntl
from pathlib import Path

import pytest

from tests.conftest import temporary_home
from tests.integration import scored_bank


@pytest.fixture(scope="session")
def scored_template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """What `scored_bank.make` makes homes of."""
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
