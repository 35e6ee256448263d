"""One way to compute features, timed in a process of its own, whose memory is its own.

python -m tests.benchmarks.features_timed CONTENDER FOLDER SPILL prints a JSON object: seconds,
processor_seconds, peak_gb and rows. What is imported, and the interpreter's start, do not count.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.as_of import AsOf, Known
from pipeline.business_day import close_of
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features
from pipeline.features.registry import FEATURES
from pipeline.settings import REPOSITORY
from tests.benchmarks import features_in_pandas, features_in_polars
from tests.benchmarks.features_by_hand import features_by_hand
from tests.benchmarks.features_in_pandas import COLUMNS

AS_OF = date(2024, 3, 31)
ZONE = ZoneInfo("UTC")
CLOSE = close_of(AS_OF, ZONE)
THREADS = 2
CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
THIRD = {name: FEATURES[name] for name in COLUMNS}


@dataclass(frozen=True)
class Timed:
    """What a contender took."""

    seconds: float
    processor_seconds: float
    peak_gb: float
    rows: int


def timed(contender: str, bank: Path) -> Timed:
    """Time a contender in a process of its own, on as many threads as all others have."""
    # pandas itself has one; Arrow, which reads its files, and Polars are held to as many as DuckDB.
    limits = {"OMP_NUM_THREADS": str(THREADS), "POLARS_MAX_THREADS": str(THREADS)}
    with tempfile.TemporaryDirectory() as spill:
        command = [sys.executable, "-m", __name__, contender, str(bank), spill]
        ended = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **limits},
            stdout=subprocess.PIPE,
            check=True,
        )
    return Timed(**json.loads(ended.stdout))


def known(bank: Path, engine: Engine) -> Known:
    """A simulated bank's tables as of the day."""
    versions = {
        name: engine.read_parquet([bank / f"{name}.parquet"], contract.arrow_schema)
        for name, contract in CONTRACTS.items()
    }
    return Known(AsOf(AS_OF, ZONE), versions, CONTRACTS, frozenset(CONTRACTS))


def _all_declared(bank: Path, spill: Path) -> int:
    engine = DuckDBEngine(THREADS, spill=spill)
    return len(build_features(known(bank, engine), engine))


def _third_declared(bank: Path, spill: Path) -> int:
    engine = DuckDBEngine(THREADS, spill=spill)
    return len(build_features(known(bank, engine), engine, THIRD))


def _all_by_hand(bank: Path, spill: Path) -> int:
    del spill
    return len(features_by_hand(bank, AS_OF, CLOSE, THREADS))


def _third_in_pandas(bank: Path, spill: Path) -> int:
    del spill
    return len(features_in_pandas.features(bank, AS_OF, CLOSE))


def _third_in_polars(bank: Path, spill: Path) -> int:
    del spill
    return len(features_in_polars.features(bank, AS_OF, CLOSE))


CONTENDERS: dict[str, Callable[[Path, Path], int]] = {
    "all, declared": _all_declared,
    "all, SQL by hand": _all_by_hand,
    "third, declared": _third_declared,
    "third, pandas": _third_in_pandas,
    "third, Polars": _third_in_polars,
}


def _main(contender: str, bank: Path, spill: Path) -> None:
    started, busy = time.perf_counter(), time.process_time()
    rows = CONTENDERS[contender](bank, spill)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    # Not getrusage: what it tells may be the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    peak_gb = int(found[1]) / 2**20 if found else 0.0
    print(json.dumps(asdict(Timed(seconds, busy, peak_gb, rows))))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
