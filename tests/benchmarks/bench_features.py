"""How fast all features are built, and in how much memory, against other ways to compute them.

Run by `make bench`. BENCH_CUSTOMERS sets the customers of the bank, a million unless told.
BENCH_BANK may name a folder that holds the banks already, each in a folder named by its customers;
to simulate them takes some minutes and, for a million, two gigabytes of disk.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engines.duckdb import DuckDBEngine
from tests.benchmarks.features_by_step import seconds_by_step
from tests.benchmarks.features_timed import THREADS, Timed, timed

RISKLINE = Path(sys.executable).with_name("riskline")
CUSTOMERS = int(float(os.environ.get("BENCH_CUSTOMERS", "1e6")))
FEWER = CUSTOMERS // 10
MONTHS = 24
ROUNDS = 2
PANDAS_WANTS_GB = 16
MOST_GB = 6.0
LEAST_SECONDS = 0.05


@pytest.fixture(scope="module")
def banks() -> Iterator[Path]:
    """A folder with a bank in a folder for each number of customers."""
    ready = os.environ.get("BENCH_BANK")
    if ready is not None:
        yield Path(ready).resolve()
        return
    # Not pytest's own: it keeps those of the last three runs.
    with tempfile.TemporaryDirectory() as folder:
        for customers in (FEWER, CUSTOMERS):
            # In a process of its own, which gives all of its memory back.
            size = ["--customers", str(customers), "--months", str(MONTHS)]
            place = ["--to", f"{folder}/{customers}"]
            subprocess.run([RISKLINE, "simulate", *size, *place], check=True)
        yield Path(folder)


@pytest.fixture(scope="module")
def all_columns(banks: Path) -> dict[str, Timed]:
    """All columns of the large bank, declared and by hand."""
    return race(banks / str(CUSTOMERS), "all, declared", "all, SQL by hand")


def test_declared_features_cost_little_more_than_sql_by_hand(all_columns: dict[str, Timed]) -> None:
    declared, by_hand = all_columns["all, declared"], all_columns["all, SQL by hand"]
    ratio = declared.seconds / by_hand.seconds
    print(f"\ndeclared takes {ratio:.2f} times the time of SQL by hand", end="")
    assert declared.rows == by_hand.rows > 0
    assert ratio <= 1.2
    assert declared.peak_gb < MOST_GB


def test_ten_times_the_customers_take_at_most_eleven_times_the_time(
    banks: Path, all_columns: dict[str, Timed]
) -> None:
    fewer = race(banks / str(FEWER), "all, declared")["all, declared"]
    ratio = all_columns["all, declared"].seconds / fewer.seconds
    print(f"\nten times the customers: {ratio:.1f} times the time", end="")
    assert ratio <= 11


@pytest.fixture(scope="module")
def third(banks: Path) -> dict[str, Timed]:
    """A third of the columns of the large bank, declared and in Polars."""
    # Nearer to each other than rounds of the same one are.
    return race(banks / str(CUSTOMERS), "third, declared", "third, Polars", rounds=2 * ROUNDS)


def test_a_third_of_the_features_is_not_slower_than_polars(third: dict[str, Timed]) -> None:
    declared, polars = third["third, declared"], third["third, Polars"]
    print(f"\nPolars takes {polars.seconds / declared.seconds:.2f} times the time", end="")
    assert declared.rows == polars.rows > 0
    assert declared.seconds <= polars.seconds


def test_a_third_of_the_features_is_built_three_times_as_fast_as_in_pandas(
    banks: Path, third: dict[str, Timed]
) -> None:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if memory_gb < PANDAS_WANTS_GB:
        pytest.skip(f"pandas may need {PANDAS_WANTS_GB} GB of memory; here are {memory_gb:.0f}")
    declared = third["third, declared"]
    pandas = race(banks / str(CUSTOMERS), "third, pandas", rounds=1)["third, pandas"]
    print(
        f"\npandas takes {pandas.seconds / declared.seconds:.1f} times the time and "
        f"{pandas.peak_gb / declared.peak_gb:.1f} times the memory",
        end="",
    )
    assert declared.rows == pandas.rows > 0
    assert pandas.seconds >= 3 * declared.seconds
    assert declared.peak_gb <= pandas.peak_gb / 3


def test_where_the_time_goes(banks: Path, all_columns: dict[str, Timed], tmp_path: Path) -> None:
    engine = DuckDBEngine(THREADS, spill=tmp_path)
    steps = list(seconds_by_step(banks / str(CUSTOMERS), engine))
    for name, seconds in sorted(steps, key=lambda step: -step[1]):
        if seconds >= LEAST_SECONDS:
            print(f"\n{seconds:7.2f} s  {name}", end="")
    print(
        f"\n{sum(seconds for _, seconds in steps):7.2f} s  all steps before the last join", end=""
    )
    print(f"\n{all_columns['all, declared'].seconds:7.2f} s  all in one go, with it", end="")


def race(bank: Path, *contenders: str, rounds: int = ROUNDS) -> dict[str, Timed]:
    """The best round of each contender, who take turns: a machine is not as fast at all times."""
    found: dict[str, Timed] = {}
    for _ in range(rounds):
        for contender in contenders:
            this = timed(contender, bank)
            print(
                f"\n{contender}, {this.rows:,} customers: {this.seconds:.1f} s, "
                f"{this.processor_seconds:.1f} s of processor, peak {this.peak_gb:.2f} GB",
                end="",
            )
            best = found.setdefault(contender, this)
            if this.seconds < best.seconds:
                found[contender] = this
    return found
