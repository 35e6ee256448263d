"""The shape of the bank's five tables, and how their rows are put in it.

A source system has a shape of its own; a test holds this one against the data contracts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.simulator.clock import Bools, Ints

STRING, DATE, NUMBER, INTEGER = pa.string(), pa.date32(), pa.float64(), pa.int64()
VERSION = [("known_at", pa.timestamp("us", tz="UTC")), ("is_deleted", pa.bool_())]

SCHEMAS: dict[str, pa.Schema] = {
    "customers": pa.schema(
        [
            ("customer_id", STRING),
            ("segment", STRING),
            ("name", STRING),
            ("national_id", STRING),
            ("birth_date", DATE),
            ("established_date", DATE),
            ("region", STRING),
            ("industry_code", STRING),
            ("occupation", STRING),
            ("employed_since", DATE),
            ("resident_since", DATE),
            ("marital_status", STRING),
            ("dependents", INTEGER),
            ("education", STRING),
            ("onboarded_at", DATE),
            *VERSION,
        ]
    ),
    "loans": pa.schema(
        [
            ("loan_id", STRING),
            ("customer_id", STRING),
            ("product", STRING),
            ("principal", NUMBER),
            ("annual_rate_pct", NUMBER),
            ("term_months", NUMBER),
            ("originated_at", DATE),
            ("maturity_date", DATE),
            ("collateral_type", STRING),
            ("collateral_value", NUMBER),
            ("purpose", STRING),
            ("credit_limit", NUMBER),
            *VERSION,
        ]
    ),
    "repayments": pa.schema(
        [
            ("loan_id", STRING),
            ("instalment_no", INTEGER),
            ("due_date", DATE),
            ("due_amount", NUMBER),
            ("paid_date", DATE),
            ("paid_amount", NUMBER),
            *VERSION,
        ]
    ),
    "financials": pa.schema(
        [
            ("customer_id", STRING),
            ("period_end", DATE),
            ("income", NUMBER),
            ("expense", NUMBER),
            ("assets", NUMBER),
            ("liabilities", NUMBER),
            ("liquid_assets", NUMBER),
            *VERSION,
        ]
    ),
    "relationships": pa.schema(
        [
            ("customer_id", STRING),
            ("related_customer_id", STRING),
            ("relation", STRING),
            ("since", DATE),
            ("until", DATE),
            *VERSION,
        ]
    ),
}

NOTHING = int(np.iinfo(np.int32).min)
"""Stands for null in integer and date columns; NaN does in numbers."""


def in_order(known_s: Ints, close_s: int, *keys: Ints) -> Ints:
    """Which rows were known before the close, by known_at and then by key, first key first."""
    order = np.lexsort((*reversed(keys), known_s)).astype(np.int64)
    return order[known_s[order] < close_s]


def words(vocabulary: Sequence[str], codes: Ints) -> pa.Array:
    """The word of each code; a negative code is null."""
    return pa.array(vocabulary, STRING).take(pa.array(codes, mask=codes < 0))


def ids(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    """Identifiers that sort as their numbers do, such as C0000042."""
    padded = pc.utf8_lpad(pc.cast(pa.array(numbers), STRING), digits, "0")
    return pc.binary_join_element_wise(prefix, padded, "")


def customer_ids(index: Ints) -> pa.Array:
    """The bank's numbers for customers, counted from 1."""
    return ids("C", index + 1, 7)


def table(name: str, columns: Mapping[str, object], known_s: Ints, is_deleted: Bools) -> pa.Table:
    """Columns as an Arrow table of the shape of `name`.

    Args:
        name: one of the five tables.
        columns: arrays of equal length, one for every column but known_at and is_deleted.
        known_s: when each row was recorded, in seconds since the epoch.
        is_deleted: where a row is withdrawn.

    Raises:
        KeyError: where a column is missing.
    """
    version = {"known_at": known_s * 1_000_000, "is_deleted": is_deleted}
    values = {**columns, **version}
    arrays = [_array(values[field.name], field.type) for field in SCHEMAS[name]]
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[name])


def _array(values: object, kind: pa.DataType) -> pa.Array:
    if not isinstance(values, np.ndarray):
        return values
    if kind == DATE:
        return pa.array(values.astype(np.int32), mask=values == NOTHING).cast(DATE)
    if kind == INTEGER:
        return pa.array(values, mask=values == NOTHING)
    if kind == NUMBER:
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values).cast(kind)
