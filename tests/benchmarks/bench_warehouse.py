"""A night of 1,000,000 customers in the warehouse: how long to publish it, and to ask it.

python -m pytest tests/benchmarks/bench_warehouse.py -s, with the number of customers in
RISK_BENCH_CUSTOMERS (1,000,000 if it is not set). The rows are made up in the contracts' columns
and types; two nights are published, so that a question about one has another to leave alone.
"""

import os
import subprocess
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from pyarrow import csv

from pipeline.contracts.contract import Contract
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.schema import conform
from pipeline.settings import REPOSITORY
from pipeline.warehouse.partitions import RUN_ID
from pipeline.warehouse.postgres_programs import wheel_programs
from pipeline.warehouse.publish import publish
from pipeline.warehouse.server import Server, ensure_running

CUSTOMERS = int(os.environ.get("RISK_BENCH_CUSTOMERS", "1000000"))
WARNED = 0.07
NIGHT = date(2024, 5, 31)
CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "outputs")
MOST_OF_A_COPY = 1.5
MOST_SECONDS = 1.0

#: What a nightly report asks, of the newest night.
QUERIES = {
    "the newest runs": "SELECT * FROM risk.runs ORDER BY as_of_date DESC LIMIT 10",
    "portfolio by segment and tier": "SELECT * FROM risk.portfolio_trend WHERE as_of_date = "
    "(SELECT max(as_of_date) FROM risk.runs)",
    "customers by tier": "SELECT tier, count(*) FROM risk.risk_tiers WHERE as_of_date = "
    "(SELECT max(as_of_date) FROM risk.runs) GROUP BY tier",
    "moves between tiers": "SELECT * FROM risk.tier_migration WHERE as_of_date = "
    "(SELECT max(as_of_date) FROM risk.runs)",
    "the most urgent warnings": "SELECT * FROM risk.current_warnings LIMIT 100",
    "warnings by rule and status": "SELECT rule, status, count(*) FROM risk.warning_list WHERE "
    "as_of_date = (SELECT max(as_of_date) FROM risk.runs) GROUP BY rule, status",
    "one customer": "SELECT * FROM risk.current_risk WHERE customer_id = 'C0000777'",
    "one customer over the nights": "SELECT as_of_date, pd, score FROM risk.risk_scores "
    "WHERE customer_id = 'C0000777' ORDER BY as_of_date",
    "the largest expected losses": "SELECT customer_id, expected_loss FROM risk.risk_scores WHERE "
    "as_of_date = (SELECT max(as_of_date) FROM risk.runs) ORDER BY expected_loss DESC LIMIT 100",
    "credit actions": "SELECT action, count(*), sum(proposed_limit - current_limit) "
    "FROM risk.credit_actions WHERE as_of_date = (SELECT max(as_of_date) FROM risk.runs) "
    "GROUP BY action",
    "checks that failed": "SELECT * FROM risk.data_quality WHERE NOT passed",
    "stale nights": "SELECT * FROM risk.stale_nights",
}


def rows_of(contract: Contract, as_of: date) -> pa.Table:
    """A table of the night: every column of the contract, keys in order, allowed values only."""
    count = {
        "runs": 1,
        "data_quality": 300,
        "portfolio_summary": 15,
        "warning_list": int(CUSTOMERS * WARNED),
        "credit_actions": CUSTOMERS // 2,
    }.get(contract.table, CUSTOMERS)
    rng = np.random.default_rng(0)
    place = np.arange(count)
    made = {}
    for column in contract.columns:
        fixed = {"as_of_date": as_of, "run_id": f"of {as_of}", "reasons": '[{"code": "pd_above"}]'}
        if column.name in fixed:
            values = pa.array([fixed[column.name]]).take(pa.array(np.zeros(count, np.int64)))
        elif column.name in {"customer_id", "warning_id", "check_name", "table_name", "segment"}:
            values = pa.array(np.char.add("C", np.char.zfill(place.astype(str), 7)))
        elif column.allowed:
            names = pa.array([str(each.value) for each in column.allowed])
            values = names.take(pa.array(rng.integers(0, len(names), count)))
        elif column.name == "rank":
            values = pa.array(place + 1)
        else:
            values = {
                "string": lambda: pa.array(np.char.add("text ", (place % 50).astype(str))),
                "number": lambda: pa.array(rng.random(count)),
                "integer": lambda: pa.array(rng.integers(1, 90, count)),
                "boolean": lambda: pa.array(rng.random(count) < 0.5),
                "date": lambda: pa.array([as_of]).take(pa.array(np.zeros(count, np.int64))),
                "timestamp": lambda: pa.array(["2024-06-01T02:00:00Z"] * count).cast(
                    pa.timestamp("us", tz="UTC")
                ),
            }[column.type]()
        made[column.name] = values
    return conform(pa.table(made), contract)


@pytest.fixture(scope="module")
def server(module_home: Path) -> Server:
    return ensure_running(module_home)


@pytest.fixture(scope="module")
def took(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Seconds to publish a night and to copy the same rows by psql, one after the other."""
    nightly = {n: c for n, c in CONTRACTS.items() if RUN_ID in c.column_names}
    url = server.url("warehouse", "risk_pipeline")
    seconds = {}
    for name, as_of in (("first", NIGHT - timedelta(days=1)), ("published", NIGHT)):
        tables = {table: rows_of(contract, as_of) for table, contract in nightly.items()}
        began = time.perf_counter()
        publish(url, as_of, tables, CONTRACTS)
        seconds[name] = time.perf_counter() - began
    folder = tmp_path_factory.mktemp("copied")
    for table, rows in tables.items():
        csv.write_csv(rows, folder / f"{table}.csv")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA copied")
        for table in tables:
            connection.execute(
                f"CREATE TABLE copied.{table} (LIKE risk.{table} INCLUDING ALL)".encode()
            )
    psql = wheel_programs() / "psql"
    commands = [
        part
        for table in tables
        for part in ("-c", rf"\copy copied.{table} FROM '{folder}/{table}.csv' CSV HEADER")
    ]
    began = time.perf_counter()
    subprocess.run(
        [psql, url, "--no-psqlrc", "--quiet", "--single-transaction", *commands], check=True
    )
    seconds["copied"] = time.perf_counter() - began
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA copied CASCADE")
        # As autovacuum does within minutes.
        connection.execute("ANALYZE")
    return seconds


def test_publishing_takes_little_longer_than_a_copy(took: dict[str, float]) -> None:
    ratio = took["published"] / took["copied"]
    print(
        f"\n{CUSTOMERS:,} customers: published in {took['published']:.1f} s (the night before in "
        f"{took['first']:.1f} s), copied by psql in {took['copied']:.1f} s: {ratio:.2f} times"
    )
    assert ratio <= MOST_OF_A_COPY


def test_a_report_is_answered_within_a_second(server: Server, took: dict[str, float]) -> None:
    slowest = 0.0
    with closing(psycopg.connect(server.url("warehouse", "risk_reader"))) as connection:
        print()
        for name, query in QUERIES.items():
            began = time.perf_counter()
            rows = connection.execute(query.encode()).fetchall()
            seconds = time.perf_counter() - began
            slowest = max(slowest, seconds)
            print(f"{seconds:6.3f} s  {name} ({len(rows):,} rows)")
    assert slowest < MOST_SECONDS
