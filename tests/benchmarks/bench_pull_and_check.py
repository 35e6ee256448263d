"""How fast rows are pulled, judged and checked, and what a night costs when the history is long.

Run by `make bench`. BENCH_ROWS sets the rows of the large table, 20 million unless told.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from pydantic import SecretStr

from pipeline import nightly
from pipeline.contracts.expectations import check_rows
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.quarantine import split
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.settings import REPOSITORY, Settings
from pipeline.simulator.load import load
from pipeline.warehouse.server import Server
from tests.benchmarks.repayment_feed import LAST_DAY, repayments, write_feed

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
CONTRACT = CONTRACTS["repayments"]
ROWS = int(float(os.environ.get("BENCH_ROWS", "2e7")))
DAYS = 730
ROWS_JUDGED = 1_000_000

FIRST_PULL = """
import json, re, sys, time
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.lake import Lake
from pipeline.settings import REPOSITORY
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source
contract = load_contracts(REPOSITORY / "data_contracts" / "sources")["repayments"]
started = time.perf_counter()
rows = pull_table(
    open_source(sys.argv[1], None), contract, Lake(Path(sys.argv[2])), DuckDBEngine(2),
    date.fromisoformat(sys.argv[3]), ZoneInfo("UTC"), 3,
)
seconds = time.perf_counter() - started
# Not getrusage: what it tells may be the peak of the process that started this one.
peak_mb = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"rows": rows, "seconds": seconds, "peak_mb": peak_mb}))
"""


@pytest.fixture(scope="module")
def feed(module_home: Path) -> Path:
    folder = module_home / "parquet"
    write_feed(folder, CONTRACTS, DAYS, ROWS // DAYS, ROWS // DAYS // 24)
    return folder


def test_a_first_pull_is_bounded_in_memory(
    feed: Path, module_home: Path, shared_server: Server
) -> None:
    file = pq.ParquetFile(feed / "repayments.parquet")
    folder = module_home / "csv"
    folder.mkdir()
    with csv.CSVWriter(folder / "repayments.csv", CONTRACT.arrow_schema) as written:
        for batch in file.iter_batches():
            written.write_batch(batch)
    database = shared_server.url("bank", "bank")
    load({"repayments": file.read()}, database)
    for kind, url in (("Parquet", str(feed)), ("CSV", str(folder)), ("PostgreSQL", database)):
        seen = first_pull(url, module_home / f"lake_{kind}")
        print(
            f"\nfirst pull from {kind}: {seen['rows']:,.0f} rows, {seen['seconds']:.1f} s, "
            f"{seen['rows'] / seen['seconds']:,.0f} rows/s, peak {seen['peak_mb']:,.0f} MB",
            end="",
        )
        assert seen["rows"] == ROWS // DAYS * DAYS
        assert seen["peak_mb"] < 1024


def first_pull(url: str, lake: Path) -> dict[str, float]:
    """A pull in a process of its own, whose memory is its own."""
    command = [sys.executable, "-c", FIRST_PULL, url, str(lake), LAST_DAY.isoformat()]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    seen: dict[str, float] = json.loads(ended.stdout)
    return seen


def test_rows_a_second_of_each_judge() -> None:
    rows, engine = repayments(CONTRACT, ROWS_JUDGED), DuckDBEngine(2)
    check_rows(CONTRACT, rows.slice(0, 10))  # Great Expectations' import is not what is measured.
    judges: dict[str, Callable[[], object]] = {
        "predicate pass": lambda: split(rows, CONTRACT, engine),
        "Great Expectations": lambda: check_rows(CONTRACT, rows),
    }
    for name, judge in judges.items():
        seconds = min(timed(judge) for _ in range(3))
        print(f"\n{name}: {len(rows) / seconds:,.0f} rows/s, {len(CONTRACT.rules)} rules", end="")


def test_a_night_does_not_grow_with_the_history(module_home: Path) -> None:
    growth(module_home / "growth", days=60, rows_a_day=20_000, most=1.5)


def growth(folder: Path, days: int, rows_a_day: int, most: float) -> None:
    """Pull and check one new day after a history, and after one ten times as long.

    Args:
        folder: for sources and lakes.
        days: of the short history.
        rows_a_day: repayments known on each day.
        most: how many times as long the night with the long history may take.
    """
    seconds = {}
    for history in (days, 10 * days):
        source = folder / f"source_{history}"
        write_feed(source, CONTRACTS, history, rows_a_day, loans_a_day=rows_a_day // 10)
        home = folder / f"home_{history}"
        settings = Settings(home=home, source_url=SecretStr(str(source)), threads=2)
        seconds[history] = min(nights(settings))
        print(f"\na night after {history} days: pull and check {seconds[history]:.2f} s", end="")
    ratio = seconds[10 * days] / seconds[days]
    print(f"\nten times the history: {ratio:.2f} times the time", end="")
    assert ratio <= most


def nights(settings: Settings) -> Iterator[float]:
    """Processor seconds of three nights in turn, each with one new day."""
    first = LAST_DAY - timedelta(days=3)
    nightly.pull(settings, first)
    nightly.check(settings, first)
    for back in (2, 1, 0):
        day = LAST_DAY - timedelta(days=back)

        # Not the clock on the wall: other work on the machine is not ours to measure.
        started = time.process_time()
        nightly.pull(settings, day)
        nightly.check(settings, day)
        yield time.process_time() - started


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
