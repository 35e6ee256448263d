"""Great Expectations is asked what the contract demands, exactly, and keeps no row."""

import gc
import subprocess
import sys
import traceback
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import expectations
from pipeline.contracts.contract import (
    BatchCheck,
    Column,
    Contract,
    Metric,
    Severity,
)
from pipeline.contracts.expectations import (
    Verdict,
    batch_suite,
    check_batch,
    check_rows,
    row_suite,
)
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.rules import (
    NotBefore,
    OfForm,
    Required,
    Rule,
    UniqueKey,
    UnlessWithdrawn,
    Within,
)

FOLDER = Path(__file__).parents[2] / "data_contracts"


def contract_of(
    columns: Mapping[str, str], rules: Sequence[Rule] = (), checks: Sequence[BatchCheck] = ()
) -> Contract:
    return Contract(
        table="visits",
        description="",
        grain="",
        columns=tuple(
            Column(name, kind, "", is_required=False, is_personal=False)
            for name, kind in columns.items()
        ),
        key=(),
        rules=tuple(rules),
        batch_checks=tuple(checks),
        is_optional=False,
        sha256="",
    )


def check(
    name: str,
    minimum: float | None = None,
    maximum: float | None = None,
    severity: Severity = Severity.FAIL,
) -> BatchCheck:
    return BatchCheck(
        name, next(iter(Metric)), severity, f"About {name}.", minimum=minimum, maximum=maximum
    )


def passed(verdict: Verdict) -> dict[str, bool]:
    return {result.check: result.has_passed for result in verdict.results}


BOUNDED = [
    # minimum, maximum, observed, holds
    (1, None, 1, True),
    (1, None, 0, False),
    (1, None, 2**53, True),
    (None, 5, 5, True),
    (None, 5, 5.000001, False),
    (None, 5, -1, True),
    (0.5, 2, 0.5, True),
    (0.5, 2, 2, True),
    (0.5, 2, 0.499, False),
    (0.5, 2, 2.001, False),
    (0, 0, 0, True),
    (0, None, float("inf"), True),
    (None, 5, float("inf"), False),
    (0, None, float("nan"), False),
]


@pytest.mark.parametrize(("minimum", "maximum", "observed", "holds"), BOUNDED)
def test_a_fact_lies_within_its_bounds(
    minimum: float | None, maximum: float | None, observed: float, *, holds: bool
) -> None:
    contract = contract_of({}, checks=[check("some_fact", minimum, maximum)])

    verdict = check_batch(contract, {"some_fact": observed})

    assert passed(verdict) == {"some_fact": holds}
    assert verdict.validation is not None
    assert verdict.validation.success is holds


def test_the_result_of_a_batch_check_is_in_the_contracts_words() -> None:
    contract = contract_of({}, checks=[check("share", maximum=5, severity=Severity.WARN)])
    (result,) = check_batch(contract, {"share": 7.5}).results
    assert (result.table, result.check, result.severity) == ("visits", "share", Severity.WARN)
    assert (result.observed, result.threshold) == (7.5, "<= 5")
    assert result.description == "About share."


def test_a_check_without_a_fact_is_not_asked() -> None:
    contract = contract_of({}, checks=[check("one", 1), check("two", 1), check("three", 1)])

    verdict = check_batch(contract, {"three": 1, "one": 0})

    assert passed(verdict) == {"one": False, "three": True}
    assert verdict.validation is not None
    assert len(verdict.validation.results) == 2
    assert "About two." not in str(verdict.validation)


def test_nothing_asked_is_an_empty_verdict() -> None:
    rows = pa.table({"minutes": pa.array([1], pa.int64())})
    asking = contract_of({"minutes": "integer"}, [Required("minutes")], [check("some_fact", 1)])
    assert check_batch(asking, {}) == Verdict()
    assert check_rows(asking, rows.slice(0, 0)) == Verdict()
    silent = contract_of({"minutes": "integer"})
    assert check_rows(silent, rows) == Verdict()


def test_a_broken_rule_counts_its_rows_and_keeps_none_of_their_values() -> None:
    contract = contract_of(
        {"name": "string", "minutes": "integer"},
        [Required("name"), Within("minutes", maximum=600), UniqueKey(("name", "minutes"), ())],
    )
    rows = pa.table({"name": ["Zebedee", "Zebedee", None], "minutes": [73_917, 73_917, 5]})

    verdict = check_rows(contract, rows)

    observed = {result.check: result.observed for result in verdict.results}
    assert observed == {"name_required": 1, "minutes_in_range": 2, "key_unique": 2}
    assert {result.severity for result in verdict.results} == {Severity.FAIL}
    assert {result.threshold for result in verdict.results} == {"0 rows"}
    said = str(verdict.validation)
    assert "minutes must be at most 600" in said
    assert "Zebedee" not in said
    assert "73917" not in said


@pytest.mark.parametrize("folder", ["sources", "outputs"])
def test_a_suite_asks_for_each_rule_and_each_check(folder: str) -> None:
    for contract in load_contracts(FOLDER / folder).values():
        rows, batch = row_suite(contract), batch_suite(contract)
        assert [(asked.meta, asked.description) for asked in rows.expectations] == [
            ({"rule": rule.name}, rule.describe()) for rule in contract.rules
        ]
        severities = {Severity.FAIL: "critical", Severity.WARN: "warning"}
        assert [(asked.meta, asked.severity) for asked in batch.expectations] == [
            ({"rule": check.name}, severities[check.severity]) for check in contract.batch_checks
        ]


WITHDRAWALS = contract_of(
    {"a": "integer", "b": "integer", "is_old": "boolean", "is_deleted": "boolean"},
    [
        UnlessWithdrawn(Required("a"), "is_deleted"),
        UnlessWithdrawn(Required("b"), "is_old"),
        UnlessWithdrawn(Within("a", minimum=0), "is_deleted"),
        UnlessWithdrawn(NotBefore("b_not_before_a", "b", "a"), "is_deleted"),
        Within("b", minimum=0),
    ],
)
WITHDRAWN = [
    # a, b, is_old, is_deleted, and the rules that the row breaks
    (1, 1, False, False, set()),
    (None, 1, False, False, {"a_required"}),
    (None, 1, False, None, {"a_required"}),
    (None, 1, False, True, set()),
    (None, 1, True, False, {"a_required"}),
    (1, None, False, True, {"b_required"}),
    (2, None, False, True, {"b_required"}),
    (1, None, True, False, set()),
    (-1, 1, True, False, {"a_in_range"}),
    (-1, 1, False, True, set()),
    (2, 1, False, False, {"b_not_before_a"}),
    (2, 1, False, True, set()),
    (1, -1, True, True, {"b_in_range"}),
]


def test_each_rule_leaves_out_the_rows_that_its_own_column_withdraws() -> None:
    columns = list(zip(*(row[:4] for row in WITHDRAWN), strict=True))
    rows = pa.table(
        {
            name: pa.array(values, pa.int64() if name in "ab" else pa.bool_())
            for name, values in zip(WITHDRAWALS.column_names, columns, strict=True)
        }
    )

    verdict = check_rows(WITHDRAWALS, rows)

    assert {result.check: result.observed for result in verdict.results} == {
        rule.name: sum(rule.name in broken for *_, broken in WITHDRAWN)
        for rule in WITHDRAWALS.rules
    }


def test_the_rows_that_stand_are_sought_once(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions: list[str] = []
    query = pd.DataFrame.query

    def counted(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
        conditions.append(condition)
        return query(frame, condition)

    monkeypatch.setattr(pd.DataFrame, "query", counted)
    rules = [UnlessWithdrawn(Within(name, minimum=0), "is_deleted") for name in "abc"]
    contract = contract_of(dict.fromkeys("abc", "integer") | {"is_deleted": "boolean"}, rules)
    check_rows(contract, pa.table({name: [1, 2] for name in "abc"} | {"is_deleted": [True, False]}))
    assert len(conditions) == 1


FRAMED = [
    # whole numbers, and how they are held
    ([1, 2**53 + 1], "int64"),
    ([1, None, 2**53 - 1, -(2**53) + 1], "float64"),
    ([None, 2**53], "Int64"),
    ([None, -(2**53)], "Int64"),
    ([None, None], "float64"),
]


@pytest.mark.parametrize(("values", "dtype"), FRAMED)
def test_whole_numbers_are_held_in_the_quickest_exact_type(
    values: list[int | None], dtype: str
) -> None:
    frame = expectations._frame(pa.table({"number": pa.array(values, pa.int64())}))
    assert str(frame["number"].dtype) == dtype
    held = [None if pd.isna(value) else int(value) for value in frame["number"]]
    assert held == values


near_the_edge = st.sampled_from(
    [None, 0, 2**53 - 2, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**53), -(2**53) - 1]
)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(near_the_edge, near_the_edge), min_size=1, max_size=5))
def test_no_two_whole_numbers_are_taken_for_one(
    rows: list[tuple[int | None, int | None]],
) -> None:
    bound = 2**53
    contract = contract_of(
        {"a": "integer", "b": "integer"},
        [
            Within("a", minimum=bound, is_minimum_excluded=True),
            Within("b", maximum=bound),
            NotBefore("a_not_before_b", "a", "b"),
            UniqueKey(("a", "b"), ()),
        ],
    )
    one, other = zip(*rows, strict=True)
    whole = [(a, b) for a, b in rows if a is not None and b is not None]

    verdict = check_rows(
        contract, pa.table({"a": pa.array(one, pa.int64()), "b": pa.array(other, pa.int64())})
    )

    assert passed(verdict) == {
        "a_in_range": all(a > bound for a in one if a is not None),
        "b_in_range": all(b <= bound for b in other if b is not None),
        "a_not_before_b": all(a >= b for a, b in whole),
        "key_unique": len(set(whole)) == len(whole),
    }


def test_no_row_is_kept_once_it_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[pd.DataFrame] = []
    frame_of, query = expectations._frame, pd.DataFrame.query
    standing: list[weakref.ref[pd.DataFrame]] = []

    def framed(rows: pa.Table) -> pd.DataFrame:
        frames.append(frame_of(rows))
        return frames[0]

    def queried(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
        found = query(frame, condition)
        standing.append(weakref.ref(found))
        return found

    monkeypatch.setattr(expectations, "_frame", framed)
    monkeypatch.setattr(pd.DataFrame, "query", queried)
    rules = [UnlessWithdrawn(Required("minutes"), "is_deleted")]
    contract = contract_of({"minutes": "integer", "is_deleted": "boolean"}, rules)
    rows = pa.table({"minutes": [1, 2, 3], "is_deleted": [False, True, False]})

    gc.disable()
    try:
        verdict = check_rows(contract, rows)
        assert passed(verdict) == {"minutes_required": True}
        assert list(frames[0]) == []
        assert [kept() for kept in standing] == [None]
        kept = expectations._night().data_asset.datasource.get_execution_engine().batch_manager
        assert (dict(kept.batch_cache), dict(kept.batch_data_cache)) == ({}, {})
    finally:
        gc.enable()


UNASKABLE: list[tuple[Rule, str]] = [
    (Within("name", maximum=5), "TypeError"),
    (OfForm("name", "[Zebedee"), "ArrowInvalid"),
    (UnlessWithdrawn(Required("name"), "Zebedee"), "KeyError"),
]


@pytest.mark.parametrize(("rule", "kind"), UNASKABLE)
def test_what_could_not_be_asked_is_an_error_that_quotes_nothing(rule: Rule, kind: str) -> None:
    contract = contract_of({"name": "string"}, [Required("name"), rule])
    rows = pa.table({"name": ["Zebedee"]})

    with pytest.raises(RuntimeError, match=kind) as raised:
        check_rows(contract, rows)

    said = "".join(traceback.format_exception(raised.value))
    assert f"visits.rows, {rule.name}: " in said
    assert "Zebedee" not in said
    assert len(str(raised.value)) < 100
    # The next is asked as if nothing had been.
    asked = contract_of({"name": "string"}, [Required("name")])
    assert passed(check_rows(asked, pa.table({"name": ["Ann"]}))) == {"name_required": True}


IMPORTS = """
import logging, sys
logging.basicConfig(level=logging.INFO)
import pipeline.contracts.check, pipeline.contracts.data_docs
assert "great_expectations" not in sys.modules
from pipeline.contracts.contract import BatchCheck, Contract, Metric, Severity
from pipeline.contracts.expectations import check_batch
check = BatchCheck("rows", next(iter(Metric)), Severity.FAIL, "", minimum=1)
contract = Contract("t", "", "", (), (), (), (check,), False, "")
assert check_batch(contract, {"rows": 1}).results[0].has_passed
"""


def test_great_expectations_is_imported_when_it_is_asked_and_then_in_silence() -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-W", "error"),
            *("-W", "ignore:module 'sre_constants' is deprecated:DeprecationWarning"),
            *("-W", "ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
            *("-c", IMPORTS),
        ],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
