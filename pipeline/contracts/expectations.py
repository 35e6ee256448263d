"""A contract's demands as a Great Expectations suite, and what a batch makes of it."""

import logging
import operator
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from pipeline.contracts.contract import BatchCheck, Contract, Severity
from pipeline.contracts.rules import Rule, UnlessWithdrawn

if TYPE_CHECKING:
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )


@dataclass(frozen=True)
class CheckResult:
    """What became of one check of one table."""

    table: str
    check: str
    severity: Severity
    has_passed: bool
    observed: float
    threshold: str
    description: str


def row_suite(contract: Contract) -> "ExpectationSuite":
    """The row rules of a contract as a suite; each expectation's meta names its rule."""
    return _suite(
        contract.table,
        [_expectation(rule) for rule in contract.rules],
    )


def batch_suite(contract: Contract) -> "ExpectationSuite":
    """The bounds on a batch's facts as a suite, over a frame with one column a check."""
    return _suite(
        f"{contract.table}_batch",
        [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": _bounds(check),
                "meta": {"rule": check.name},
            }
            for check in contract.batch_checks
        ],
    )


def check_rows(contract: Contract, rows: pa.Table) -> list[CheckResult]:
    """Every row rule over rows that passed the predicates: a second opinion that must agree.

    ``observed`` is the number of rows that break the rule, and a broken rule fails the run.
    """
    if len(rows) == 0:
        return []
    results = _validate(row_suite(contract), _frame(rows))
    return [
        CheckResult(
            table=contract.table,
            check=rule.name,
            severity=Severity.FAIL,
            has_passed=bool(results[rule.name].success),
            observed=float(results[rule.name].result.get("unexpected_count", 0)),
            threshold="0 rows",
            description=rule.describe(),
        )
        for rule in contract.rules
    ]


def check_batch(contract: Contract, facts: Mapping[str, float]) -> list[CheckResult]:
    """Every batch check over the facts observed, by the check's name."""
    frame = pd.DataFrame({name: [value] for name, value in facts.items()})
    results = _validate(batch_suite(contract), frame)
    return [
        CheckResult(
            table=contract.table,
            check=check.name,
            severity=check.severity,
            has_passed=bool(results[check.name].success),
            observed=facts[check.name],
            threshold=check.threshold,
            description=check.description,
        )
        for check in contract.batch_checks
    ]


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Rows in types that Great Expectations compares without loss and without a loop."""
    # Python's own dates end with the year 9999, and Great Expectations takes them one by one.
    instants = pa.schema(
        [
            field.with_type(pa.timestamp("s", "UTC")) if pa.types.is_date(field.type) else field
            for field in rows.schema
        ]
    )
    # Whole numbers beside a null would become floats, which take large neighbours for one number.
    whole_numbers = {pa.int64(): pd.Int64Dtype()}
    frame: pd.DataFrame = rows.cast(instants).to_pandas(types_mapper=whole_numbers.get)
    return frame


def _expectation(rule: Rule) -> dict[str, Any]:
    wanted = rule.expectation()
    kwargs = {
        name: pd.Timestamp(value, tz="UTC") if isinstance(value, date) else value
        for name, value in wanted["kwargs"].items()
    }
    if isinstance(rule, UnlessWithdrawn):
        _import_quietly()
        from great_expectations.expectations.row_conditions import Column

        kwargs["row_condition"] = operator.ne(Column(rule.withdrawn), True)
    return {**wanted, "kwargs": kwargs, "meta": {"rule": rule.name}}


def _bounds(check: BatchCheck) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"column": check.name}
    if check.minimum is not None:
        kwargs["min_value"] = check.minimum
    if check.maximum is not None:
        kwargs["max_value"] = check.maximum
    return kwargs


def _suite(name: str, configurations: Sequence[Mapping[str, Any]]) -> "ExpectationSuite":
    _import_quietly()
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )

    return ExpectationSuite(
        name, expectations=[ExpectationConfiguration(**item) for item in configurations]
    )


def _validate(suite: "ExpectationSuite", rows: pd.DataFrame) -> dict[str, Any]:
    """Results by rule; an expectation that could not be run at all is an error, not a failure."""
    batch = (
        _context()
        .data_sources.add_or_update_pandas("lake")
        .add_dataframe_asset(suite.name)
        .add_batch_definition_whole_dataframe("night")
        .get_batch({"dataframe": rows})
    )
    with warnings.catch_warnings():
        # Great Expectations 1.24 asks pandas 3.1 for the values of instants in the old way.
        warnings.filterwarnings("ignore", "Series.values returning an ndarray", DeprecationWarning)
        validated = batch.validate(suite, result_format="BASIC")
    results = {}
    for result in validated.results:
        configuration = result.expectation_config
        rule = str((configuration.meta or {})["rule"]) if configuration else suite.name
        # One exception's words, or those of each metric by its name.
        said = [result.exception_info, *result.exception_info.values()]
        if any(isinstance(info, dict) and info.get("raised_exception") for info in said):
            raise RuntimeError(f"{suite.name}, {rule}: {result.exception_info}")
        results[rule] = result
    return results


@lru_cache(maxsize=1)
def _context() -> "EphemeralDataContext":
    _import_quietly()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@lru_cache(maxsize=1)
def _import_quietly() -> None:
    """The first import of Great Expectations: it takes seconds and logs hundreds of lines."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations.expectations  # noqa: F401 - imported for what it sets up

    # Some of its modules set a level of their own as they are imported.
    for name in logging.Logger.manager.loggerDict:
        if name.startswith("great_expectations."):
            logging.getLogger(name).setLevel(logging.WARNING)
