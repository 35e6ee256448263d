"""A bank's repayments of any length, made in a moment: what the benchmarks pull and check."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.contracts.contract import Contract

LAST_DAY = date(2024, 5, 31)
DAY_US = 86_400_000_000
INSTALMENTS_A_LOAN = 24


def write_feed(
    folder: Path, contracts: Mapping[str, Contract], days: int, rows_a_day: int, loans_a_day: int
) -> None:
    """So many new loans, of as many new customers, and so many repayments known on each day.

    Args:
        folder: where <table>.parquet files go, sorted by known_at as an append-only feed is.
        contracts: of customers, loans and repayments.
        days: length of the history, which ends with ``LAST_DAY``.
        rows_a_day: repayments known on each day, of the loans known by then.
        loans_a_day: new loans, one a customer.
    """
    first = (LAST_DAY - date(1970, 1, 1)).days - days + 1
    loans = days * loans_a_day
    numbers = np.arange(loans)
    begun = first + numbers // loans_a_day
    begun_dates = pa.array(begun.astype(np.int32)).cast(pa.date32())
    people = {"customer_id": ids("C", numbers), "segment": pa.array(["consumer"] * loans)}
    granted = {
        "loan_id": ids("L", numbers),
        "customer_id": ids("C", numbers),
        "principal": np.full(loans, 1000.0),
        "originated_at": begun_dates,
        "maturity_date": pa.array((begun + 720).astype(np.int32)).cast(pa.date32()),
    }
    for name, columns in {"customers": people, "loans": granted}.items():
        _write(folder, contracts[name], [_rows(contracts[name], begun * DAY_US, columns)])
    contract = contracts["repayments"]
    parts = (
        _payments(contract, first + day, day * rows_a_day, rows_a_day, (day + 1) * loans_a_day)
        for day in range(days)
    )
    _write(folder, contract, parts)


def repayments(contract: Contract, rows: int) -> pa.Table:
    """Repayments in the contract's columns, all known on one day."""
    day = (LAST_DAY - date(1970, 1, 1)).days
    return _payments(contract, day, 0, rows, 1 + rows // INSTALMENTS_A_LOAN)


def ids(prefix: str, numbers: NDArray[np.int64]) -> pa.Array:
    """Identifiers of equal length."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), 9, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _payments(contract: Contract, day: int, first_number: int, rows: int, loans: int) -> pa.Table:
    rng = np.random.default_rng(day)
    number = first_number + np.arange(rows)
    due = pa.array(np.full(rows, day, dtype=np.int32)).cast(pa.date32())
    amount = np.round(rng.lognormal(5.0, 1.0, rows), 2)
    known_at = np.sort(day * DAY_US + rng.integers(0, DAY_US, rows))
    columns = {
        "loan_id": ids("L", number % loans),
        "instalment_no": 1 + number // loans,
        "due_date": due,
        "due_amount": amount,
        "paid_date": due,
        "paid_amount": amount,
    }
    return _rows(contract, known_at, columns)


def _rows(contract: Contract, known_at: object, columns: Mapping[str, object]) -> pa.Table:
    at = pa.array(known_at, pa.timestamp("us", "UTC"))
    given = {**columns, "known_at": at, "is_deleted": pa.repeat(pa.scalar(value=False), len(at))}
    return pa.table(
        [
            pa.array(given[field.name], field.type)
            if field.name in given
            else pa.nulls(len(at), field.type)
            for field in contract.arrow_schema
        ],
        schema=contract.arrow_schema,
    )


def _write(folder: Path, contract: Contract, parts: list[pa.Table] | Iterator[pa.Table]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{contract.table}.parquet"
    with pq.ParquetWriter(file, contract.arrow_schema, compression="snappy") as writer:
        for part in parts:
            writer.write_table(part)
