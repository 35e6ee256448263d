"""How quickly a bank is simulated into Parquet, and in how much memory.

python -m pytest tests/benchmarks/bench_simulator.py -s, with the number of customers in
RISK_BENCH_CUSTOMERS (20,000 if it is not set). A bank of 1,000,000 customers and 24 months is to
take at most 10 minutes and 8 GB.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

MONTHS = 24
CUSTOMERS = int(os.environ.get("RISK_BENCH_CUSTOMERS", "20000"))
MOST_SECONDS_A_CUSTOMER = 600 / 1_000_000
START_UP_SECONDS = 10
MOST_GB = 8.0

# In a process of its own: the peak of memory is that of the simulation alone.
MEASURED = """
import json, resource, sys, time
from rich.console import Console
from pipeline.simulator.bank import Bank
from pipeline.simulator.deliver import deliver
customers, months, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
started = time.perf_counter()
rows = deliver(Bank(customers=customers, months=months), folder, Console(file=sys.stderr))
seconds = time.perf_counter() - started
peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"rows": rows, "seconds": seconds, "peak_gb": peak_gb}))
"""


def test_simulate(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, str(CUSTOMERS), str(MONTHS), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    measured = json.loads(told.stdout)
    seconds, total = measured["seconds"], sum(measured["rows"].values())
    size_gb = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
    for name, rows in measured["rows"].items():
        print(f"{name:>17} {rows:>13,} rows")
    print(
        f"{CUSTOMERS:,} customers x {MONTHS} months in {seconds:.1f} s: "
        f"{CUSTOMERS / seconds:,.0f} customers/s, {total / seconds:,.0f} rows/s, "
        f"peak {measured['peak_gb']:.2f} GB, {size_gb:.2f} GB of Parquet"
    )
    assert seconds < START_UP_SECONDS + CUSTOMERS * MOST_SECONDS_A_CUSTOMER
    assert measured["peak_gb"] < MOST_GB
