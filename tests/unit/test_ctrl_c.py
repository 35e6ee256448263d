"""Ctrl-C ends a program whatever DuckDB is at, as Ctrl-C and not as an error of the query."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Each rests on what sorts for longer than a test may last.
A_QUERY = """
from datetime import UTC, datetime
from pipeline.contracts.odcs import load_contracts
from pipeline.settings import REPOSITORY
from pipeline.sources.files import FolderSource

queries = here / "queries"
queries.mkdir()
(queries / "repayments.sql").write_text(
    "SELECT range AS loan_id, NULL::timestamptz AS known_at FROM range(20_000_000) "
    "ORDER BY hash(range)"
)
contract = load_contracts(REPOSITORY / "data_contracts" / "sources")["repayments"]
source = FolderSource(here, queries)

def once():
    for rows in source.read(contract, None, datetime(2024, 4, 1, tzinfo=UTC)):
        pass
"""
A_SORT = """
from pipeline.engines.duckdb import DuckDBEngine
import pyarrow as pa
import pyarrow.parquet as pq

numbers = pa.array(range(3_000_000))
pq.write_table(pa.table({"group": pa.compute.bit_wise_and(numbers, 1023), "n": numbers}),
               here / "rows.parquet")
engine = DuckDBEngine(1)

def once():
    for rows in engine.sorted_batches(here / "rows.parquet", ["group", "n"], here):
        pass
"""
AN_EXPRESSION = """
from pipeline.engines.duckdb import DuckDBEngine
import ibis

engine = DuckDBEngine(1, spill=here / "spill")
numbers = ibis.range(20_000_000).unnest().name("n").as_table()

def once():
    engine.cached(numbers.order_by(numbers.n.hash()))
"""


@pytest.mark.parametrize(
    "work", [A_QUERY, A_SORT, AN_EXPRESSION], ids=["a query", "a sort", "an expression"]
)
def test_ctrl_c_is_ctrl_c(work: str, tmp_path: Path) -> None:
    program = (
        f"import pathlib\nhere = pathlib.Path({str(tmp_path)!r})\n{work}\n"
        "print('ready', flush=True)\nwhile True:\n    once()\n"
    )
    said = tmp_path / "said.txt"
    with (
        said.open("w") as writing,
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=writing, stderr=writing
        ) as running,
    ):
        try:
            while running.poll() is None:
                time.sleep(0.5)
                # As someone would: once, and again where nothing seems to happen.
                if said.read_text().startswith("ready"):
                    running.send_signal(signal.SIGINT)
        finally:
            running.kill()
    assert said.read_text().rstrip().endswith("KeyboardInterrupt")
    assert running.returncode == -signal.SIGINT
