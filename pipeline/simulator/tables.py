"""The shape of the bank's twelve tables, and how their rows are put in it.

A source system has a shape of its own; a test holds this one against the data contracts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulator.clock import SECONDS_A_DAY, between_hours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator

    from pipeline.simulator.clock import Bools, Calendar, Floats, Ints

STRING, DATE, NUMBER, INTEGER = pa.string(), pa.date32(), pa.float64(), pa.int64()
INSTANT = pa.timestamp("us", tz="UTC")
VERSION = [("known_at", INSTANT), ("is_deleted", pa.bool_())]

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
    "transactions": pa.schema(
        [
            ("transaction_id", STRING),
            ("customer_id", STRING),
            ("posted_at", INSTANT),
            ("amount", NUMBER),
            ("channel", STRING),
            ("category", STRING),
            ("balance_after", NUMBER),
            *VERSION,
        ]
    ),
    "interactions": pa.schema(
        [
            ("interaction_id", STRING),
            ("customer_id", STRING),
            ("occurred_at", INSTANT),
            ("channel", STRING),
            ("kind", STRING),
            ("sentiment", NUMBER),
            ("satisfaction", INTEGER),
            *VERSION,
        ]
    ),
    "assessments": pa.schema(
        [
            ("assessment_id", STRING),
            ("customer_id", STRING),
            ("assessed_at", DATE),
            ("management_quality", INTEGER),
            ("market_reputation", INTEGER),
            ("industry_position", INTEGER),
            *VERSION,
        ]
    ),
    "bureau": pa.schema(
        [
            ("customer_id", STRING),
            ("pulled_at", DATE),
            ("external_score", INTEGER),
            ("inquiries_3m", INTEGER),
            ("open_loans_elsewhere", INTEGER),
            ("debt_elsewhere", NUMBER),
            ("overdue_elsewhere", NUMBER),
            *VERSION,
        ]
    ),
    "industry_outlook": pa.schema(
        [
            ("industry_code", STRING),
            ("month", DATE),
            ("outlook_index", NUMBER),
            ("industry_default_rate_pct", NUMBER),
            ("gdp_growth_pct", NUMBER),
            ("unemployment_pct", NUMBER),
            ("policy_rate_pct", NUMBER),
            *VERSION,
        ]
    ),
    "defaults": pa.schema(
        [
            ("customer_id", STRING),
            ("default_date", DATE),
            ("kind", STRING),
            *VERSION,
        ]
    ),
    "external_signals": pa.schema(
        [
            ("signal_id", STRING),
            ("customer_id", STRING),
            ("observed_at", INSTANT),
            ("kind", STRING),
            ("value", NUMBER),
            ("provider", STRING),
            ("consent", pa.bool_()),
            *VERSION,
        ]
    ),
}

NOTHING = int(np.iinfo(np.int32).min)
"""Stands for null in integer and date columns; NaN does in numbers."""


def versions(calendar: Calendar, *events: tuple[Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """The versions of a table's rows that were known before the close.

    Args:
        calendar: says when the books close.
        events: of each kind of version, the rows that have one, as numbers in the order of the
            table's key, and when each was recorded, in seconds since the epoch.

    Returns:
        Row, known_s and number of the event of each version, by known_s and then by row.
    """
    row = np.concatenate([rows for rows, _ in events])
    known_s = np.concatenate([at for _, at in events])
    event = np.repeat(np.arange(len(events)), [len(rows) for rows, _ in events])
    kept = np.flatnonzero(known_s < calendar.close_s)
    row, known_s, event = row[kept], known_s[kept], event[kept]
    # One number to sort by is much quicker than two; a row has no two versions of one second.
    first = int(known_s.min(initial=0))
    order = np.argsort((known_s - first) * (int(row.max(initial=0)) + 1) + row, kind="stable")
    return row[order], known_s[order], event[order]


def mended(
    rng: Generator, known_s: Ints, wrong_share: float, withdrawn_share: float
) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Which rows are corrected 1 to 20 days after they were recorded, and which are withdrawn.

    Returns:
        The events of `versions` for corrections and for withdrawals, 21 to 60 days after.
    """
    fate = rng.random(len(known_s))
    wrong = np.flatnonzero(fate < wrong_share)
    withdrawn = np.flatnonzero(fate >= 1.0 - withdrawn_share)

    def later(rows: Ints, days_from: int, days_until: int) -> Ints:
        day = known_s[rows] // SECONDS_A_DAY + rng.integers(days_from, days_until, len(rows))
        return between_hours(rng, day, 9, 17)

    return (wrong, later(wrong, 1, 21)), (withdrawn, later(withdrawn, 21, 61))


def money(amounts: Floats, is_consumer: Bools) -> Floats:
    """Amounts as published: in cents for consumers, in hundreds for firms.

    With cents, the last bit in which the exponentials of processors differ would now and then
    show in a firm's large amount.
    """
    result: Floats = np.where(is_consumer, np.round(amounts, 2), np.round(amounts, -2))
    return result


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
        name: one of the twelve tables.
        columns: arrays of equal length, one for every column but known_at and is_deleted; days
            since the epoch for dates, seconds for instants.
        known_s: when each row was recorded, in seconds since the epoch.
        is_deleted: where a row is withdrawn.

    Raises:
        KeyError: where a column is missing.
    """
    version = {"known_at": known_s, "is_deleted": is_deleted}
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
    if kind == INSTANT:
        return pa.array(values * 1_000_000).cast(INSTANT)
    return pa.array(values).cast(kind)
