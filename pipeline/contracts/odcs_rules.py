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
from pipeline.contracts.odcs_words import refuse_unread
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
PAIR_WORDS = {"type", "engine", "implementation"}

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ESCAPED_SIGN = re.compile(r"\\[^A-Za-z0-9]")
ENGINES_DIFFER = re.compile(
    r"""
    \\ [A-Za-z0-9]                     # \d is any script's digit to some
    | \( \?                            # lookaheads and flags
    | [$]                              # before a last line break, or at the very end
    | \{ (?! [0-9]+ (,[0-9]*)? \} )     # a{,3}
    | \[ \^? \]                        # a set that begins with its end
    | \[ [^\]]* \[                     # a set within a set, such as [[:alpha:]]
    | &&                               # what two sets share
    """,
    re.VERBOSE,
)
"""What one engine's regular expressions understand in another way than the next one's, signs that
are escaped left aside."""


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
    for number, quality in enumerate(table.quality or [], start=1):
        if states_pair(quality):
            pair = _pair_rule(quality, columns, f"{place}, rule {label(quality, number)}")
            rules.append(UnlessWithdrawn(pair, withdrawn) if withdrawn else pair)
    if key:
        others = [column.name for column in columns if column.name not in key]
        rules.append(UniqueKey(tuple(key), (*key, *others)))
    return rules


def states_pair(quality: DataQuality) -> bool:
    """Whether a quality entry of a table is a row rule, and not a check of the batch."""
    return quality.type == "custom" and quality.engine == PAIR_ENGINE


def label(quality: DataQuality, number: int) -> str:
    """What to call a quality entry in an error: its name, or where it stands in its list."""
    return " ".join((quality.name or "").split()) or f"number {number}"


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
        side: int(options[option])
        for option, side in {"minLength": "minimum", "maxLength": "maximum"}.items()
        if option in options
    }
    if lengths:
        rule = LengthWithin(column.name, **lengths)
        _refuse_crossed(rule.minimum, rule.maximum, place)
        rules.append(rule)
    if "pattern" in options:
        rules.append(OfForm(column.name, _pattern(options["pattern"], place)))
    return rules


def _pattern(given: str, place: str) -> str:
    """The pattern without anchors, for all of the text must match it anyway."""
    pattern = given.removeprefix("^")
    if pattern.endswith("$") and not pattern.endswith(r"\$"):
        pattern = pattern[:-1]
    if ENGINES_DIFFER.search(ESCAPED_SIGN.sub("_", pattern)):
        raise RisklineError(
            f"{place}: the pattern {given} is read differently by different engines; write sets "
            r"such as [0-9] for \d, {0,3} for {,3}, and no (?, $, && or set within a set"
        )
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise RisklineError(f"{place}: the pattern {given} is no regular expression") from error
    return pattern


def _range_rules(column: Column, options: Mapping[str, Any], place: str) -> Sequence[Rule]:
    if column.type == "boolean":
        return []
    least = _bound(options.get("minimum", options.get("exclusiveMinimum")), column.type, place)
    most = _bound(options.get("maximum"), column.type, place)
    is_minimum_excluded = "exclusiveMinimum" in options
    if column.type in TIMES:
        least, most = least or FIRST_DAY, most or LAST_DAY
    else:
        largest = int(LARGEST) if column.type == "integer" else LARGEST
        least = -largest if least is None else least
        most = largest if most is None else most
    _refuse_crossed(least, most, place, is_minimum_excluded)
    return [Within(column.name, least, most, is_minimum_excluded)]


def _bound(value: float | str | None, kind: str, place: str) -> Bound | None:
    if value is None:
        return None
    if kind in TIMES:
        return _day(str(value), place)
    if isinstance(value, str) or not math.isfinite(value):
        raise RisklineError(f"{place}: the bound {value!r} is no number")
    if kind == "integer" and not float(value).is_integer():
        raise RisklineError(f"{place}: the bound {value!r} of a whole number is not whole")
    return value


def _day(value: str, place: str) -> date:
    try:
        # Python would take weeks, such as 2024-W01-1, for dates too.
        day = date.fromisoformat(value) if DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None:
        raise RisklineError(
            f"{place}: the bound {value!r} is no date; write it as YYYY-MM-DD, in quotes"
        )
    if not FIRST_DAY <= day <= LAST_DAY:
        raise RisklineError(f"{place}: the bound {value} is not within {FIRST_DAY} to {LAST_DAY}")
    return day


def _refuse_crossed(least: Any, most: Any, place: str, is_minimum_excluded: bool = False) -> None:
    if least > most or (is_minimum_excluded and least == most):
        raise RisklineError(f"{place}: nothing lies between {least} and {most}")


def _pair_rule(quality: DataQuality, columns: Sequence[Column], place: str) -> NotBefore:
    wanted = quality.implementation
    if not isinstance(wanted, dict) or wanted.get("type") != PAIR_RULE:
        raise RisklineError(f"{place}: only {PAIR_RULE} is understood")
    refuse_unread(quality, PAIR_WORDS, place)
    kwargs = wanted.get("kwargs")
    if not isinstance(kwargs, dict) or wanted.keys() - {"type", "kwargs"}:
        raise RisklineError(f"{place}: its implementation must be a type and kwargs, no more")
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
