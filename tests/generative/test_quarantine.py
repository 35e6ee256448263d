"""Any rows of a contract's types: none is lost, none is misjudged, and all judges agree."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.contract import ARROW_TYPES, Column, Contract
from pipeline.contracts.expectations import check_rows
from pipeline.contracts.odcs import load_contract, load_contracts
from pipeline.contracts.quarantine import REASONS, split
from pipeline.contracts.rules import (
    CleanText,
    LengthWithin,
    NotBefore,
    OfForm,
    OneOf,
    Required,
    Rule,
    UniqueKey,
    UnlessWithdrawn,
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
# And what a driver makes of its days and instants without end.
ENDLESS_DAYS, ENDLESS = (-(2**31), -2_147_472_692, 2**31 - 1), 2**63 - 1
FIRST_INSTANT, LAST_INSTANT = FIRST_DAY * 86_400_000_000, LAST_DAY * 86_400_000_000


def column(name: str, kind: str) -> Column:
    return Column(name, kind, "", is_required=False, is_personal=False)


# What text may bring: characters that control, break, join, hide or stand for a lost letter.
ODD_TEXTS = (
    *("", " ", "a", "A1", "A12", "A1\n", "Ünï✓", "a\tb", "a\nb", "\r", "\x00", "a\x1fb"),
    *("\x20", "\x7e", "\x7f", "\x80", "\x85", "\x9f", "\xa0", "\u00ad", "\u2028", "\u200b"),
    *("\u202e", "\ue000", "\ufeff", "\ufffc", "\ufffd", "M\ufffdller", "\uffff", "e\u0301"),
    *("\U0001f1e9\U0001f1ea", "\U0010ffff"),
)

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
        column("grade", "integer"),
        column("code", "string"),
    ),
    key=KEY,
    rules=(
        Required("weight"),
        Required("flag"),
        Within("lower", minimum=0.0),
        Within("weight", maximum=10.0),
        Within("whole", minimum=-1, is_minimum_excluded=True),
        NotBefore("last_not_before_first", "last_at", "first_at"),
        NotBefore("weight_not_under_lower", "weight", "lower", is_time=False),
        OneOf("flag", (False,)),
        OneOf("grade", (1, 2, 2**53)),
        CleanText("code"),
        OfForm("code", "[A-Z].?[0-9]|é+"),
        UniqueKey(KEY, (*KEY, "lower", "first_at", "last_at", "whole", "flag", "grade", "code")),
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
    # It has a column named reasons.
    "warning_list": load_contract(CONTRACTS / "outputs" / "warning_list.odcs.yaml"),
    "demanding": DEMANDING,
    "lone_key": LONE_KEY,
}


@cache
def engine() -> DuckDBEngine:
    return DuckDBEngine(1)


def values(of: Column, contract: Contract) -> st.SearchStrategy[Cell]:
    """Values of a column: its rules' bounds and their neighbours, and the odd ones of its type."""
    plain = [rule.rule if isinstance(rule, UnlessWithdrawn) else rule for rule in contract.rules]
    rules = [rule for rule in plain if getattr(rule, "column", "") == of.name]
    bounds = [
        _stored(bound, of.type)
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
            texts = [*words, *ODD_TEXTS, *("é" * n for n in lengths if n < 10_000)]
            found = st.sampled_from(texts) | st.text(max_size=5)
        case "date":
            odd = [0, 18_262, FIRST_DAY, LAST_DAY, 2_932_896, 2_932_897, *ENDLESS_DAYS, *near]
            found = st.sampled_from([int(day) for day in odd]) | st.integers(FIRST_DAY, LAST_DAY)
        case "timestamp":
            instants = [0, 1, 1_577_836_800_000_000, FIRST_INSTANT, LAST_INSTANT, ENDLESS, *near]
            found = st.sampled_from([int(instant) for instant in instants])
        case "number":
            odd_numbers = [0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), *near]
            found = st.sampled_from([float(x) for x in odd_numbers]) | st.floats()
        case "integer":
            wide = [0, 1, 2, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
            found = st.sampled_from([*wide, *(int(x) for x in near)])
        case _:
            found = st.booleans()
    return st.none() | found if of.is_required else st.sampled_from([None]) | found


def _stored(bound: float | date, kind: str) -> float:
    if not isinstance(bound, date):
        return bound
    return (bound - date(1970, 1, 1)).days * (86_400_000_000 if kind == "timestamp" else 1)


@st.composite
def frames(draw: st.DrawFn, contract: Contract) -> pa.Table:
    """Up to ten rows, of which some share their key and some everything."""
    row = st.tuples(*(values(c, contract) for c in contract.columns))
    rows = draw(st.lists(row, max_size=6))
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
        tuple("NaN" if cell != cell else cell for cell in row) for row in zip(*columns, strict=True)
    ]


def is_broken(rule: Rule, row: Row, contract: Contract) -> bool:
    """Whether one row breaks a rule, slowly and obviously."""
    kinds = {c.name: c.type for c in contract.columns}

    def value(name: str) -> Cell:
        cell = row[contract.column_names.index(name)]
        return None if cell == "NaN" else cell

    match rule:
        case UnlessWithdrawn():
            return value(rule.withdrawn) is not True and is_broken(rule.rule, row, contract)
        case Required():
            return value(rule.column) is None
        case OneOf():
            return value(rule.column) not in (None, *rule.values)
        case LengthWithin():
            text = value(rule.column)
            return isinstance(text, str) and not rule.minimum <= len(text) <= rule.maximum
        case CleanText():
            text = value(rule.column)
            return isinstance(text, str) and any(
                unicodedata.category(letter) == "Cc" or letter == "\ufffd" for letter in text
            )
        case OfForm():
            text = value(rule.column)
            return isinstance(text, str) and re.fullmatch(rule.pattern, text) is None
        case Within():
            number = value(rule.column)
            if number is None or isinstance(number, str):
                return False
            if rule.minimum is not None:
                least = _stored(rule.minimum, kinds[rule.column])
                if number < least or (rule.is_minimum_excluded and number == least):
                    return True
            return rule.maximum is not None and number > _stored(rule.maximum, kinds[rule.column])
        case NotBefore():
            later, earlier = value(rule.column), value(rule.other)
            if later is None or earlier is None:
                return False
            assert not isinstance(later, str)
            assert not isinstance(earlier, str)
            return later < earlier
    raise AssertionError(rule)


on_every_contract = pytest.mark.parametrize("table", sorted(ALL))


@on_every_contract
@settings(max_examples=10)
@given(data=st.data())
def test_each_row_goes_to_its_side_with_its_reasons(table: str, data: st.DataObject) -> None:
    contract = ALL[table]
    frame = data.draw(frames(contract))

    sides = split(frame, contract, engine())

    valid, quarantined = rows_of(sides.valid, contract), rows_of(sides.quarantined, contract)
    landed = rows_of(frame, contract)
    assert Counter(valid) + Counter(quarantined) == Counter(landed)
    of_one_row = [rule for rule in contract.rules if not isinstance(rule, UniqueKey)]
    assert not any(is_broken(rule, row, contract) for row in valid for rule in of_one_row)
    repeats: Counter[Row] = Counter()
    for row, reasons in zip(quarantined, sides.quarantined[REASONS].to_pylist(), strict=True):
        wanted = [rule.describe() for rule in of_one_row if is_broken(rule, row, contract)]
        given_reasons = [reason for reason in reasons if "must not repeat" not in reason]
        assert given_reasons == wanted
        assert reasons
        repeats[_key(row, contract)] += len(reasons) - len(given_reasons)
    for key, count in Counter(_key(row, contract) for row in landed).items():
        is_whole = not {None, "NaN"} & set(key)
        has_rule = any(isinstance(rule, UniqueKey) for rule in contract.rules)
        assert repeats[key] == (count - 1 if has_rule and is_whole else 0)


@on_every_contract
@settings(max_examples=6)
@given(data=st.data())
def test_neither_the_order_of_rows_nor_a_second_judgement_changes_anything(
    table: str, data: st.DataObject
) -> None:
    contract = ALL[table]
    landed = conform(data.draw(frames(contract)), contract)
    order = data.draw(st.permutations(range(len(landed))))

    one = split(landed, contract, engine())
    other = split(landed.take(pa.array(order, pa.int64())), contract, engine())

    for mine, theirs in ((one.valid, other.valid), (one.quarantined, other.quarantined)):
        assert Counter(rows_of(mine, contract)) == Counter(rows_of(theirs, contract))
    again = split(one.valid, contract, engine())
    assert len(again.quarantined) == 0
    assert again.valid.equals(one.valid)


@on_every_contract
@settings(max_examples=8)
@given(data=st.data())
def test_predicates_and_great_expectations_agree(table: str, data: st.DataObject) -> None:
    """Not only whether a rule is broken, but by how many rows."""
    contract = ALL[table]
    frame = data.draw(frames(contract))

    quarantined = split(frame, contract, engine()).quarantined
    results = {result.check: result for result in check_rows(contract, frame).results}

    broken = Counter(reason for reasons in quarantined[REASONS].to_pylist() for reason in reasons)
    for rule in contract.rules if len(frame) else ():
        found = results[rule.name]
        assert found.has_passed == (broken[rule.describe()] == 0), rule
        if not isinstance(rule, UniqueKey):  # of rows that share a key, one is not broken
            assert found.observed == broken[rule.describe()], rule


def test_neighbours_that_no_float_tells_apart_are_two_numbers() -> None:
    frame = frame_of([(2**53,), (2**53 + 1,), (None,)], LONE_KEY)
    assert len(split(frame, LONE_KEY, engine()).quarantined) == 0
    assert [result.has_passed for result in check_rows(LONE_KEY, frame).results] == [True]


def _key(row: Row, contract: Contract) -> Row:
    return tuple(row[contract.column_names.index(name)] for name in contract.key)
