"""Any rows of a contract's types: none is lost, none is misjudged, and all judges agree."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.contract import ARROW_TYPES, Column, Contract, load_contracts
from pipeline.contracts.expectations import check_rows
from pipeline.contracts.quarantine import REASONS, split
from pipeline.contracts.rules import (
    LengthWithin,
    NotBefore,
    OneOf,
    Required,
    Rule,
    UniqueKey,
    Within,
)
from pipeline.contracts.schema import conform
from pipeline.engines.duckdb import DuckDBEngine

CONTRACTS = Path(__file__).parents[2] / "data_contracts"
Cell = str | int | float | bool | None
Row = tuple[Cell, ...]

# Days and instants as Arrow keeps them: Python's own calendar is too short for what databases
# hold. These are the first and the last that PostgreSQL can.
FIRST_DAY, LAST_DAY = -2_440_588, 106_741_034
FIRST_INSTANT, LAST_INSTANT = FIRST_DAY * 86_400_000_000, LAST_DAY * 86_400_000_000


def column(name: str, kind: str) -> Column:
    return Column(name, kind, "", is_required=False, is_personal=False)


# Demands that no contract of the repository makes today, but could.
KEY = ("number", "weight")
DEMANDING = Contract(
    table="demanding",
    description="",
    grain="",
    columns=(
        column("number", "integer"),
        column("weight", "number"),
        column("lower", "number"),
        column("first_at", "timestamp"),
        column("last_at", "timestamp"),
        column("whole", "integer"),
        column("flag", "boolean"),
    ),
    key=KEY,
    rules=(
        Required("weight"),
        Required("flag"),
        Within("lower", minimum=0.0),
        Within("weight", maximum=10.0),
        Within("whole", minimum=-1, is_minimum_excluded=True),
        NotBefore("last_not_before_first", "last_at", "first_at"),
        NotBefore("weight_not_under_lower", "weight", "lower"),
        UniqueKey(KEY, (*KEY, "lower", "first_at", "last_at", "whole", "flag")),
    ),
    batch_checks=(),
    is_optional=False,
    sha256="",
)
LONE_KEY = Contract(
    table="lone_key",
    description="",
    grain="",
    columns=(column("number", "integer"),),
    key=("number",),
    rules=(UniqueKey(("number",), ("number",)),),
    batch_checks=(),
    is_optional=False,
    sha256="",
)
ALL = {
    **load_contracts(CONTRACTS / "sources"),
    **load_contracts(CONTRACTS / "outputs"),
    "demanding": DEMANDING,
    "lone_key": LONE_KEY,
}


@cache
def engine() -> DuckDBEngine:
    return DuckDBEngine(1)


def values(of: Column, contract: Contract) -> st.SearchStrategy[Cell]:
    """Values of a column: its rules' bounds and their neighbours, and the odd ones of its type."""
    rules = [rule for rule in contract.rules if getattr(rule, "column", "") == of.name]
    bounds = [
        _stored(bound)
        for rule in rules
        if isinstance(rule, Within)
        for bound in (rule.minimum, rule.maximum)
        if bound is not None
    ]
    near = [bound + step for bound in bounds for step in (-1, 0, 1)]
    found: st.SearchStrategy[Cell]
    match of.type:
        case "string":
            words = [w for rule in rules if isinstance(rule, OneOf) for w in rule.values]
            lengths = [
                n
                for rule in rules
                if isinstance(rule, LengthWithin)
                for n in (rule.minimum, rule.maximum, rule.maximum + 1)
            ]
            texts = [*words, "", "a", "Ünï✓", *("é" * n for n in lengths if n < 10_000)]
            found = st.sampled_from(texts) | st.text(max_size=5)
        case "date":
            odd = [0, 18_262, FIRST_DAY, LAST_DAY, 2_932_896, 2_932_897, *near]
            found = st.sampled_from([int(day) for day in odd]) | st.integers(FIRST_DAY, LAST_DAY)
        case "timestamp":
            found = st.sampled_from([0, 1, 1_577_836_800_000_000, FIRST_INSTANT, LAST_INSTANT])
        case "number":
            odd_numbers = [0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), *near]
            found = st.sampled_from([float(x) for x in odd_numbers]) | st.floats()
        case "integer":
            wide = [0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
            found = st.sampled_from([*wide, *(int(x) for x in near)])
        case _:
            found = st.booleans()
    return st.none() | found if of.is_required else st.sampled_from([None]) | found


def _stored(bound: float | date) -> float:
    return (bound - date(1970, 1, 1)).days if isinstance(bound, date) else bound


@st.composite
def frames(draw: st.DrawFn, contract: Contract) -> pa.Table:
    """Up to eight rows, of which some share their key and some everything."""
    row = st.tuples(*(values(c, contract) for c in contract.columns))
    rows = draw(st.lists(row, max_size=4))
    places = [contract.column_names.index(name) for name in contract.key]
    for original in draw(st.lists(st.sampled_from(rows), max_size=4)) if rows else ():
        changed = list(original if draw(st.booleans()) else draw(row))
        for place in places:
            changed[place] = original[place]
        rows.append(tuple(changed))
    return frame_of(rows, contract)


def frame_of(rows: Sequence[Row], contract: Contract) -> pa.Table:
    stored = {"date": pa.int32(), "timestamp": pa.int64()}
    arrays = [
        pa.array([row[i] for row in rows], stored.get(c.type, ARROW_TYPES[c.type]))
        for i, c in enumerate(contract.columns)
    ]
    schema = contract.arrow_schema
    return pa.Table.from_arrays(
        [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)],
        schema=schema,
    )


def rows_of(frame: pa.Table, contract: Contract) -> list[Row]:
    """Rows as tuples that compare: NaN as a word, and one zero."""
    columns = []
    for c in contract.columns:
        stored = {"date": pa.int32(), "timestamp": pa.int64()}.get(c.type)
        cells = frame.column(c.name)
        columns.append((cells.cast(stored) if stored else cells).to_pylist())
    return [
        tuple("NaN" if cell != cell else cell for cell in row)  # noqa: PLR0124
        for row in zip(*columns, strict=True)
    ]


def reference(rule: Rule, row: dict[str, Cell]) -> bool:
    """Whether one row breaks a rule, slowly and obviously."""

    def value(name: str) -> Cell:
        return None if row[name] == "NaN" else row[name]

    match rule:
        case Required():
            return value(rule.column) is None
        case OneOf():
            return value(rule.column) not in (None, *rule.values)
        case LengthWithin():
            text = value(rule.column)
            return isinstance(text, str) and not rule.minimum <= len(text) <= rule.maximum
        case Within():
            number = value(rule.column)
            if number is None or isinstance(number, str):
                return False
            if rule.minimum is not None:
                least = _stored(rule.minimum)
                if number < least or (rule.is_minimum_excluded and number == least):
                    return True
            return rule.maximum is not None and number > _stored(rule.maximum)
        case NotBefore():
            later, earlier = value(rule.column), value(rule.other)
            if later is None or earlier is None:
                return False
            assert not isinstance(later, str)
            assert not isinstance(earlier, str)
            return later < earlier
    raise AssertionError(rule)


def on_every_contract[**P](test: Callable[P, None]) -> Callable[P, None]:
    return pytest.mark.parametrize("table", sorted(ALL))(test)
