"""What the benchmarks measure at length, briefly: features take no more time than rows."""

import time
from pathlib import Path

from rich.console import Console

from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features
from pipeline.simulator.bank import Bank
from pipeline.simulator.deliver import deliver
from tests.benchmarks.features_timed import known


def test_ten_times_the_customers_take_no_more_than_their_share(tmp_path: Path) -> None:
    seconds = {
        customers: _seconds(tmp_path / str(customers), customers) for customers in (1_000, 10_000)
    }
    # Of so few customers half the time is the start, so that less than ten times is to be had.
    assert seconds[10_000] <= 5 * seconds[1_000]


def _seconds(folder: Path, customers: int) -> float:
    """Processor seconds to build all features of a bank: other work is not ours to measure."""
    deliver(Bank(customers=customers, months=24), str(folder), Console(quiet=True))
    engine = DuckDBEngine(1)
    started = time.process_time()
    build_features(known(folder, engine), engine)
    return time.process_time() - started
