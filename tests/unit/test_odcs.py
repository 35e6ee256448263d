"""What the reader makes of a contract's file."""

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.contracts.contract import LAST_DAY, BatchCheck, Metric, Severity
from pipeline.contracts.odcs import load_contract
from pipeline.contracts.odcs_checks import NO_ROW_LOST
from pipeline.contracts.rules import (
    CleanText,
    LengthWithin,
    NotBefore,
    OneOf,
    Required,
    UniqueKey,
    UnlessWithdrawn,
    Within,
)
from tests.unit.small_contract import (
    DAY_ROWS,
    FIRST_DAY,
    LAST,
    MINUTES,
    PAIR,
    SMALL,
    check,
    column,
    write,
)


def test_a_contract_becomes_columns_rules_and_checks(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))

    assert contract.arrow_schema == pa.schema(
        [
            ("visit_id", pa.string()),
            ("kind", pa.string()),
            ("minutes", pa.float64()),
            ("first_day", pa.date32()),
            ("last_day", pa.date32()),
            ("known_at", pa.timestamp("us", tz="UTC")),
            ("is_deleted", pa.bool_()),
        ]
    )
    assert (contract.key, contract.entity_key) == (("visit_id", "known_at"), ("visit_id",))
    assert contract.is_optional
    assert [c.name for c in contract.columns if c.is_personal] == ["kind"]
    first, last = date(1000, 1, 1), LAST_DAY
    order = ("visit_id", "known_at", "kind", "minutes", "first_day", "last_day", "is_deleted")
    assert list(contract.rules) == [
        Required("visit_id"),
        CleanText("visit_id"),
        LengthWithin("visit_id", 1, 8),
        UnlessWithdrawn(OneOf("kind", ("call", "visit")), "is_deleted"),
        UnlessWithdrawn(Within("minutes", 0, 90, is_minimum_excluded=True), "is_deleted"),
        UnlessWithdrawn(Within("first_day", date(2001, 2, 3), last), "is_deleted"),
        UnlessWithdrawn(Within("last_day", first, last), "is_deleted"),
        Required("known_at"),
        Within("known_at", first, last),
        Required("is_deleted"),
        UnlessWithdrawn(NotBefore("last_not_before_first", "last_day", "first_day"), "is_deleted"),
        UniqueKey(("visit_id", "known_at"), order),
    ]
    fail, warn = Severity
    assert list(contract.batch_checks) == [
        NO_ROW_LOST,
        BatchCheck("minutes_known", Metric.DAY_NULL_PCT, warn, "", maximum=12.5, column="minutes"),
        BatchCheck(
            "minutes_against_past",
            Metric.DAY_MEDIAN_AGAINST_PAST,
            fail,
            "",
            minimum=0.1,
            maximum=10,
            column="minutes",
        ),
        BatchCheck("rows_of_the_day", Metric.DAY_ROWS, warn, "", minimum=3),
        BatchCheck("share_quarantined_pct", Metric.HISTORY_QUARANTINED_PCT, fail, "", maximum=5),
        BatchCheck("rows_against_past", Metric.DAY_ROWS_AGAINST_PAST, warn, "", minimum=0.5),
        BatchCheck(
            "freshness", Metric.AGE_DAYS, fail, "Somebody visits within four days.", maximum=4
        ),
    ]


RULES: list[tuple[str, str, dict[str, Any], str]] = [
    # logicalType, options or enum of the column last_day, and the demand in words
    ("a number without bounds", "number", {},
     "last_day must be at least -1,000,000,000,000,000 and at most 1,000,000,000,000,000"),
    ("a number with a least", "number", {"minimum": 0.25},
     "last_day must be at least 0.25 and at most 1,000,000,000,000,000"),
    ("a number with a most", "number", {"maximum": -1234567.5},
     "last_day must be at least -1,000,000,000,000,000 and at most -1,234,567.5"),
    ("a whole number with a least", "integer", {"minimum": 3},
     "last_day must be at least 3 and at most 1,000,000,000,000,000"),
    ("a whole number without bounds", "integer", {},
     "last_day must be at least -1,000,000,000,000,000 and at most 1,000,000,000,000,000"),
    ("a day", "date", {"maximum": "2030-01-31"},
     "last_day must be at least 1000-01-01 and at most 2030-01-31"),
    ("a text with a length", "string", {"maxLength": 5000},
     "last_day must have 0 to 5,000 characters"),
    ("a text with a form", "string", {"pattern": "^[A-Z]{2}[0-9]+$"},
     "last_day must have the form [A-Z]{2}[0-9]+"),
    ("a text with a dollar", "string", {"pattern": r"[0-9]+\$"},
     r"last_day must have the form [0-9]+\$"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "given", "words"), [pytest.param(*case[1:], id=case[0]) for case in RULES]
)
def test_a_demand_becomes_words(
    kind: str, given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    content = deepcopy(SMALL)
    content["schema"][0]["quality"].pop(PAIR)
    column(content, LAST).update(logicalType=kind, logicalTypeOptions=given)
    rules = load_contract(write(tmp_path, content)).rules
    assert words in [rule.describe() for rule in rules]


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("boolean", [True], "last_day must be true"),
        ("boolean", [True, False], "last_day must be one of true, false"),
        ("integer", [1, 2], "last_day must be one of 1, 2"),
        ("string", ["yes", "1"], "last_day must be one of yes, 1"),
    ],
)
def test_an_enum_becomes_words(kind: str, values: list[object], words: str, tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    content["schema"][0]["quality"].pop(PAIR)
    enum = [{"value": value, "description": "so"} for value in values]
    column(content, LAST).update(logicalType=kind, enum=enum)
    contract = load_contract(write(tmp_path, content))
    assert words in [rule.describe() for rule in contract.rules]
    assert [(v.value, v.description) for v in contract.columns[LAST].allowed] == [
        (value, "so") for value in values
    ]


def test_two_numbers_are_compared_as_numbers_and_two_days_as_days(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    for place in (FIRST_DAY, LAST):
        column(content, place).update(logicalType="number", logicalTypeOptions={})
    numbers = load_contract(write(tmp_path, content)).rules
    days = load_contract(write(tmp_path, SMALL)).rules
    for rules, words in ((numbers, "be less than"), (days, "lie before")):
        assert f"last_day must not {words} first_day" in [rule.describe() for rule in rules]


BOUNDS: list[tuple[str, str, object, tuple[float | None, float | None], str]] = [
    ("more than, of rows", "mustBeGreaterThan", 2, (3, None), ">= 3"),
    ("more than a fraction, of rows", "mustBeGreaterThan", 2.5, (3, None), ">= 3"),
    ("at least", "mustBeGreaterOrEqualTo", 2, (2, None), ">= 2"),
    ("less than, of rows", "mustBeLessThan", 2_000_000, (None, 1_999_999), "<= 1,999,999"),
    ("at most", "mustBeLessOrEqualTo", 2, (None, 2), "<= 2"),
    ("between", "mustBeBetween", [2, 4], (2, 4), ">= 2 and <= 4"),
]


@pytest.mark.parametrize(
    ("comparison", "bound", "wanted", "signs"),
    [pytest.param(*case[1:], id=case[0]) for case in BOUNDS],
)
def test_a_comparison_becomes_bounds(
    comparison: str,
    bound: object,
    wanted: tuple[float | None, float | None],
    signs: str,
    tmp_path: Path,
) -> None:
    content = deepcopy(SMALL)
    del check(content, DAY_ROWS)["mustBeGreaterThan"]
    check(content, DAY_ROWS)[comparison] = bound
    checks = load_contract(write(tmp_path, content)).batch_checks
    found = next(c for c in checks if c.name == "rows_of_the_day")
    assert (found.minimum, found.maximum) == wanted
    assert found.threshold == signs


def test_a_bound_that_leaves_one_number_says_so() -> None:
    assert NO_ROW_LOST.threshold == "= 0"


def test_another_text_is_another_contract(tmp_path: Path) -> None:
    changed = deepcopy(SMALL)
    column(changed, MINUTES)["logicalTypeOptions"]["maximum"] = 91
    one = load_contract(write(tmp_path, SMALL)).sha256
    assert load_contract(write(tmp_path, changed)).sha256 != one
