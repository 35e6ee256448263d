"""Faults injected for real: readers see nights whole, and the next try ends as if undisturbed.

``make torture`` runs every fault as often as it takes to believe it; here each comes a few times.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from pipeline.settings import Settings
from pipeline.warehouse.audit import verify
from pipeline.warehouse.server import ensure_running, stop
from tests.faults.storm import Tally, hash_of, kill, start, storm, watched
from tests.integration import scored_bank
from tests.integration.scored_bank import NIGHTS, run, writer

IS_TORTURE = os.environ.get("TORTURE") == "1"
AS_OF = NIGHTS[1]
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def settings(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield scored_bank.make(scored_template, module_home, monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(settings: Settings) -> tuple[str, float]:
    """The hash of the night without a fault, and the seconds that the command takes."""
    run(settings, NIGHTS[0])
    began = time.monotonic()
    process = start(AS_OF)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return hash_of(settings, AS_OF), time.monotonic() - began


def hold(tally: Tally, settings: Settings) -> None:
    """What every fault must leave behind."""
    print(f"\n{tally}")
    assert tally.looks > tally.tries
    assert not tally.halves, tally.halves[0]
    assert tally.other_hashes == 0
    assert not [end for end in tally.ends if end.startswith("ended badly")], tally
    verify(writer(settings))


def test_killed_at_random_moments(settings: Settings, undisturbed: tuple[str, float]) -> None:
    tally = Tally("killed")
    storm(settings, AS_OF, undisturbed[0], tally, 50 if IS_TORTURE else 2, undisturbed[1], kill)
    hold(tally, settings)
    assert tally.ends["killed"] > 0


def test_the_server_restarted_while_a_night_is_published(
    settings: Settings, undisturbed: tuple[str, float]
) -> None:
    def restart(process: subprocess.Popen[str]) -> None:
        stop(settings.home)
        ensure_running(settings.home)

    tally = Tally("server restarted")
    storm(settings, AS_OF, undisturbed[0], tally, 15 if IS_TORTURE else 1, 1, restart, "publish")
    hold(tally, settings)


def test_the_connection_cut_while_a_night_is_published(
    settings: Settings, undisturbed: tuple[str, float]
) -> None:
    def cut(process: subprocess.Popen[str]) -> None:
        """Every connection of the run, for as long as it is at its end."""
        root = ensure_running(settings.home).url("warehouse", "postgres")
        until = time.monotonic() + 1
        with psycopg.connect(root, autocommit=True) as connection:
            while process.poll() is None and time.monotonic() < until:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'risk_pipeline'"
                )

    tally = Tally("connection cut")
    storm(settings, AS_OF, undisturbed[0], tally, 15 if IS_TORTURE else 1, 0.2, cut, "publish")
    hold(tally, settings)


def test_two_runs_of_the_same_night_at_once(
    settings: Settings, undisturbed: tuple[str, float]
) -> None:
    tally = Tally("twice at once")

    def twice(process: subprocess.Popen[str]) -> None:
        other = start(AS_OF)
        _, said = other.communicate(timeout=300)
        assert other.returncode == 0, said

    storm(settings, AS_OF, undisturbed[0], tally, 5 if IS_TORTURE else 1, 1, twice)
    hold(tally, settings)
    assert tally.ends == {"finished all the same": tally.tries}


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk in memory that holds what there is and little more."""
    folder = Path("/dev/shm") if Path("/dev/shm").exists() else tmp_path_factory.mktemp("disk")
    disk = folder / f"risk-disk-{os.getpid()}"
    disk.mkdir(mode=0o755)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        disk.rmdir()
        pytest.skip("a disk that is full needs a mount, which this user may not make")
    try:
        yield disk
    finally:
        stop(disk / "home")
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def test_the_disk_full(
    scored_template: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[str, float],
) -> None:
    home = small_disk / "home"
    home.mkdir(mode=0o755)
    settings = scored_bank.make(scored_template, home, monkeypatch)
    run(settings, NIGHTS[0])
    tally = Tally("disk full")
    # From no room at all to nearly enough: another step of the night is the first to find none.
    kilobytes = (0, 200, 400, 800, 1600, 3200, 6400) if IS_TORTURE else (400,)
    with watched(settings, AS_OF, tally):
        for room in kilobytes:
            used = os.statvfs(small_disk)
            taken = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
            _resize(small_disk, f"{taken + room}k")
            process = start(AS_OF)
            _, said = process.communicate(timeout=300)
            tally.tries += 1
            lines = [line for line in said.splitlines() if line.startswith("riskline: ")]
            is_clear = process.returncode == 0 or (len(lines) == 1 and "Traceback" not in said)
            tally.ends["told in one clear line" if is_clear else f"ended badly: {said}"] += 1
            _resize(small_disk, "2g")
            with suppress(psycopg.OperationalError):
                ensure_running(home)
            run(settings, AS_OF)
            tally.other_hashes += hash_of(settings, AS_OF) != undisturbed[0]
    hold(tally, settings)
