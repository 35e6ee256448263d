"""A night under faults: run by the command, watched by readers, tried again until it is there."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date

import psycopg

from pipeline.decided import PUBLISHED
from pipeline.rooms import Rooms
from pipeline.settings import REPOSITORY, Settings
from pipeline.warehouse.publish import content_hash, read_night
from pipeline.warehouse.server import ensure_running
from tests.integration.scored_bank import run, writer

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "--as-of"]
TABLES = PUBLISHED


@dataclass
class Tally:
    """What became of the tries of one kind of fault."""

    name: str
    tries: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    halves: list[str] = field(default_factory=list)
    other_hashes: int = 0

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        return (
            f"{self.name}: {self.tries} tries ({ends}); {self.looks} looks by readers, "
            f"{len(self.halves)} of half a night; {self.other_hashes} of the nights that were "
            "there in the end differ from the undisturbed one"
        )


def start(as_of: date) -> subprocess.Popen[str]:
    """The night, by the command, in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, str(as_of)],
        cwd=REPOSITORY,
        # It tells each stage as it begins.
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Without warning, as the machine's failure would."""
    os.kill(process.pid, signal.SIGKILL)


def forget(settings: Settings, as_of: date) -> None:
    """Take a night out of the warehouse and out of the lake, as if it had never been run."""
    with psycopg.connect(writer(settings)) as connection:
        for table in (*TABLES, "runs"):
            connection.execute(f"DELETE FROM risk.{table} WHERE as_of_date = %s".encode(), [as_of])
    for layer in ("night", "features"):
        for file in (settings.home / "lake" / layer).glob(f"*/{as_of}.parquet"):
            file.unlink()


def hash_of(settings: Settings, as_of: date) -> str:
    """Of the rows that are published of a night."""
    outputs = Rooms(settings).outputs
    return content_hash(
        read_night(writer(settings), as_of, {name: outputs[name] for name in TABLES})
    )


@contextmanager
def watched(settings: Settings, as_of: date, tally: Tally) -> Iterator[None]:
    """Read the night over and over meanwhile, as reports do, and note where half of it shows."""
    is_over = threading.Event()
    counts = " UNION ALL ".join(
        f"SELECT '{table}', run_id, count(*) FROM risk.{table} WHERE as_of_date = '{as_of}' "
        "GROUP BY run_id"
        for table in TABLES
    )
    expected = f"SELECT run_id, customers FROM risk.runs WHERE as_of_date = '{as_of}'"

    def look(connection: psycopg.Connection) -> None:
        with connection.transaction():
            runs = connection.execute(expected.encode()).fetchall()
            found = connection.execute(counts.encode()).fetchall()
        tally.looks += 1
        ids = {run_id for _, run_id, _ in found}
        scored = [number for table, _, number in found if table == "risk_scores"]
        is_whole = (
            not found
            if not runs
            else len(runs) == 1 and ids == {runs[0][0]} and scored == [runs[0][1]]
        )
        if not is_whole:
            tally.halves.append(str((runs, found)))

    def watch() -> None:
        while not is_over.is_set():
            try:
                url = ensure_running(settings.home).url("warehouse", "risk_reader")
                with closing(psycopg.connect(url, autocommit=True, connect_timeout=5)) as reader:
                    reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                    while not is_over.is_set():
                        look(reader)
                        time.sleep(0.002)
            except psycopg.OperationalError:
                # The server is down, as some faults want it; readers come back.
                time.sleep(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def storm(
    settings: Settings,
    as_of: date,
    undisturbed: str,
    tally: Tally,
    tries: int,
    seconds: float,
    fault: Callable[[subprocess.Popen[str]], None],
    stage: str | None = None,
) -> None:
    """Run a night so many times with a fault at a random moment, and then to its end.

    Args:
        settings: of the home.
        as_of: the night.
        undisturbed: the hash that it must have in the end.
        tally: what becomes of it.
        tries: how many.
        seconds: the span in which the fault comes, from the start of the run or of a stage.
        fault: does it; told the process of the run.
        stage: from whose start on, if not from that of the run.
    """
    moments = random.Random(20241126)
    with watched(settings, as_of, tally):
        for _ in range(tries):
            forget(settings, as_of)
            process = start(as_of)
            if stage is not None:
                _wait_for(process, stage)
            time.sleep(moments.uniform(0, seconds))
            fault(process)
            _, said = process.communicate(timeout=300)
            tally.tries += 1
            tally.ends[_end(process.returncode, said)] += 1
            run(settings, as_of)
            tally.other_hashes += hash_of(settings, as_of) != undisturbed


def _wait_for(process: subprocess.Popen[str], stage: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[-1:] == [stage]:
            return
    raise AssertionError(f"the run never came to the stage {stage}")


def _end(code: int, said: str) -> str:
    """How a run ended: by the fault, by itself, or with the one clear line that it owes."""
    if code == 0:
        return "finished all the same"
    if code == -signal.SIGKILL:
        return "killed"
    lines = [line for line in said.splitlines() if line.startswith("riskline: ")]
    if len(lines) == 1 and "Traceback" not in said:
        return "ended in one clear line"
    return f"ended badly: {said[-2000:]}"
