"""What an Open Data Contract Standard file demands of each row, as row rules."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from open_data_contract_standard.model import DataQuality, SchemaObject, SchemaProperty

from pipeline.contracts.contract import FIRST_DAY, LAST_DAY, Column
from pipeline.contracts.rules import (
    Bound,
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
from pipeline.errors import RisklineError

LARGEST = 1e15
"""A number beyond this, either way, is broken whatever a contract says: no currency has amounts
of this size, floats begin to miss cents there, and infinity is no amount at all."""

TEXT_OPTIONS = {"minLength", "maxLength", "pattern"}
RANGE_OPTIONS = {"minimum", "exclusiveMinimum", "maximum"}
TIMES = {"date", "timestamp"}
NUMBERS = {"number", "integer"}

PAIR_ENGINE = "great-expectations"
PAIR_RULE = "expect_column_pair_values_a_to_be_greater_than_b"
PAIR_SIDES = ("column_A", "column_B")

ENGINES_DIFFER = re.compile(r"\\[A-Za-z0-9]|\(\?|(?<!\\)\$")
"""What one engine's regular expressions understand in another way than the next one's."""


def row_rules(
    table: SchemaObject,
    columns: Sequence[Column],
    key: Sequence[str],
    withdrawn: str | None,
    place: str,
) -> list[Rule]:
    """The rules of each column, then those of pairs of columns, then that of the key.

    Args:
        table: as the file states it.
        columns: as read from it.
        key: names of the key's columns.
        withdrawn: the column that marks a withdrawal, of which only the key is asked; or None.
        place: the file, for errors.

    Raises:
        RisklineError: the file asks for something that cannot be checked.
    """
    rules: list[Rule] = []
    for item, column in zip(table.properties or [], columns, strict=True):
        of_column = _column_rules(item, column, f"{place}, column {column.name}")
        if withdrawn and column.name not in {*key, withdrawn}:
            rules += [UnlessWithdrawn(rule, withdrawn) for rule in of_column]
        else:
            rules += of_column
    for quality in table.quality or []:
        if states_pair(quality):
            pair = _pair_rule(quality, columns, f"{place}, rule {quality.name}")
            rules.append(UnlessWithdrawn(pair, withdrawn) if withdrawn else pair)
    if key:
        others = [column.name for column in columns if column.name not in key]
        rules.append(UniqueKey(tuple(key), (*key, *others)))
    return rules


def states_pair(quality: DataQuality) -> bool:
    """Whether a quality entry of a table is a row rule, and not a check of the batch."""
    return quality.type == "custom" and quality.engine == PAIR_ENGINE


def _column_rules(item: SchemaProperty, column: Column, place: str) -> Sequence[Rule]:
    rules: list[Rule] = []
    if column.is_required:
        rules.append(Required(column.name))
    if column.allowed:
        rules.append(OneOf(column.name, tuple(entry.value for entry in column.allowed)))
    options = item.logicalTypeOptions or {}
    understood = {"string": TEXT_OPTIONS, "boolean": set[str]()}.get(column.type, RANGE_OPTIONS)
    unknown = options.keys() - understood
    if unknown or {"minimum", "exclusiveMinimum"} <= options.keys():
        raise RisklineError(
            f"{place}: cannot check {', '.join(sorted(unknown or options.keys()))} of a "
            f"{column.type}"
        )
    if column.type == "string":
        return [*rules, *_text_rules(column, options, place)]
    return [*rules, *_range_rules(column, options, place)]


def _text_rules(column: Column, options: Mapping[str, Any], place: str) -> Sequence[Rule]:
    # A word of a closed list is clean as it is.
    rules: list[Rule] = [] if column.allowed else [CleanText(column.name)]
    lengths = {
        side: options[option]
        for option, side in {"minLength": "minimum", "maxLength": "maximum"}.items()
        if option in options
    }
    if lengths:
        _refuse_crossed(lengths.get("minimum"), lengths.get("maximum"), place)
        rules.append(LengthWithin(column.name, **lengths))
    if "pattern" in options:
        rules.append(OfForm(column.name, _pattern(options["pattern"], place)))
    return rules


def _pattern(given: str, place: str) -> str:
    """The pattern without anchors, for all of the text must match it anyway."""
    pattern = given.removeprefix("^")
    if pattern.endswith("$") and not pattern.endswith(r"\$"):
        pattern = pattern[:-1]
    if ENGINES_DIFFER.search(pattern):
        raise RisklineError(
            f"{place}: the pattern {given} is read differently by different engines; write sets "
            r"such as [0-9] for \d, and neither (? nor $ within it"
        )
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise RisklineError(f"{place}: the pattern {given} is no regular expression") from error
    return pattern


def _range_rules(column: Column, options: Mapping[str, Any], place: str) -> Sequence[Rule]:
    is_time = column.type in TIMES
    least = _bound(options.get("minimum", options.get("exclusiveMinimum")), is_time, place)
    most = _bound(options.get("maximum"), is_time, place)
    is_minimum_excluded = "exclusiveMinimum" in options
    if is_time:
        least, most = least or FIRST_DAY, most or LAST_DAY
    elif column.type == "number":
        least = -LARGEST if least is None else least
        most = LARGEST if most is None else most
    if least is None and most is None:
        return []
    _refuse_crossed(least, most, place)
    return [Within(column.name, least, most, is_minimum_excluded)]


def _bound(value: float | str | None, is_time: bool, place: str) -> Bound | None:
    if value is None:
        return None
    if is_time:
        try:
            return date.fromisoformat(str(value))
        except ValueError as error:
            raise RisklineError(
                f"{place}: the bound {value!r} is no date; write it as YYYY-MM-DD, in quotes"
            ) from error
    if isinstance(value, str) or not math.isfinite(value):
        raise RisklineError(f"{place}: the bound {value!r} is no number")
    return value


def _refuse_crossed(least: Any, most: Any, place: str) -> None:
    if least is not None and most is not None and least > most:
        raise RisklineError(f"{place}: nothing lies between {least} and {most}")


def _pair_rule(quality: DataQuality, columns: Sequence[Column], place: str) -> NotBefore:
    wanted = quality.implementation
    if not isinstance(wanted, dict) or wanted.get("type") != PAIR_RULE:
        raise RisklineError(f"{place}: only {PAIR_RULE} is understood")
    kwargs = wanted.get("kwargs") or {}
    if kwargs.get("or_equal") is not True or not quality.name:
        raise RisklineError(f"{place}: it needs a name, and or_equal must be true")
    if unknown := sorted(kwargs.keys() - {"or_equal", *PAIR_SIDES}):
        raise RisklineError(f"{place}: {', '.join(unknown)} is not understood")
    pair = [str(kwargs.get(side)) for side in PAIR_SIDES]
    types = [column.type for name in pair for column in columns if column.name == name]
    if len(types) != len(pair) or len(set(types)) > 1 or types[0] not in TIMES | NUMBERS:
        raise RisklineError(
            f"{place}: column_A and column_B must be two columns of one type, dates, instants or "
            f"numbers, not {' and '.join(pair)}"
        )
    return NotBefore(quality.name, pair[0], pair[1], is_time=types[0] in TIMES)
