"""Tables drawn with bars and dashes, as the spec tests state them."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import count
from typing import Any

import pyarrow as pa

Row = dict[str, Any]

# What a contract demands and a spec is not about: a column that a table does not draw has these.
UNSAID: Mapping[str, Row] = {
    "customers": {"segment": "consumer"},
    "loans": {
        "product": "term",
        "principal": 1000.0,
        "originated_at": date(2020, 1, 1),
        "maturity_date": date(2030, 1, 1),
    },
    "repayments": {"due_amount": 100.0},
    "financials": {},
    "relationships": {"relation": "guarantor"},
    "transactions": {"amount": -1.0},
    "interactions": {"kind": "call"},
}

NUMBERED: Mapping[str, str] = {"transactions": "transaction_id", "interactions": "interaction_id"}


def parse(text: str) -> list[dict[str, str]]:
    """The cells of a table by the words of its first line; the second line is dashes."""
    header, dashes, *lines = [line.strip() for line in text.strip().splitlines()]
    assert set(dashes) <= {"-", "+"}, f"the second line must be dashes, not {dashes!r}"
    names = [name.strip() for name in header.split("|")]
    return [
        dict(zip(names, (cell.strip() for cell in line.split("|")), strict=True)) for line in lines
    ]


def typed(cells: Mapping[str, str], schema: pa.Schema) -> Row:
    """A row in the types of a schema; an empty cell is null."""
    return {name: _value(cell, schema.field(name).type) for name, cell in cells.items()}


def rows_of(table: str, text: str, schema: pa.Schema) -> list[Row]:
    """The rows of a table, with what it leaves unsaid.

    Instalments, bookings and contacts are numbered in the order of their lines, and a payment of
    which no amount is drawn paid all that was due.
    """
    rows = [UNSAID.get(table, {}) | typed(cells, schema) for cells in parse(text)]
    if table in NUMBERED:
        for number, row in enumerate(rows, start=1):
            row.setdefault(NUMBERED[table], str(number))
    if table == "repayments":
        numbers = count(1)
        for row in rows:
            row.setdefault("instalment_no", next(numbers))
            if row.get("paid_date") is not None:
                row.setdefault("paid_amount", row["due_amount"])
    return rows


def to_arrow(rows: list[Row], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table; a column that a row lacks is null."""
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema)


def _value(cell: str, kind: pa.DataType) -> object:
    if cell == "":
        return None
    if pa.types.is_date(kind):
        return date.fromisoformat(cell)
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(cell)
    if pa.types.is_boolean(kind):
        return {"yes": True, "no": False}[cell]
    if pa.types.is_floating(kind):
        return float(cell)
    return int(cell) if pa.types.is_integer(kind) else cell
