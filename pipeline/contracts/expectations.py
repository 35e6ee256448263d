"""A contract's demands as a Great Expectations suite, and what a batch makes of it."""

import logging
import operator
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.contract import BatchCheck, Contract, Severity
from pipeline.contracts.rules import Rule, UnlessWithdrawn

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )

LARGEST_EXACT_FLOAT = 2**53 - 1
"""Whole numbers up to here are floats without loss, and none beyond is taken for one of them."""

# Unexpected values would be values of rows, which may be personal: they must not even be kept.
COUNTS_ONLY = {"result_format": "BASIC", "exclude_unexpected_values": True}


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


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations said of one batch, in our words and in its own.

    ``validation`` holds counts, never values of rows; it is None where nothing was asked.
    """

    results: tuple[CheckResult, ...] = ()
    validation: "ExpectationSuiteValidationResult | None" = None


def row_suite(contract: Contract) -> "ExpectationSuite":
    """The row rules of a contract as a suite; each expectation's meta names its rule."""
    return _suite(f"{contract.table}.rows", [_row_expectation(rule) for rule in contract.rules])


def batch_suite(contract: Contract, names: Iterable[str] | None = None) -> "ExpectationSuite":
    """The bounds on a batch's facts as a suite, over a frame of one row with one column a check.

    Args:
        contract: whose batch checks.
        names: of the checks wanted, if not all.
    """
    wanted = {check.name for check in contract.batch_checks} if names is None else set(names)
    return _suite(
        f"{contract.table}.batch",
        [_batch_expectation(check) for check in contract.batch_checks if check.name in wanted],
    )


def check_rows(contract: Contract, rows: pa.Table) -> Verdict:
    """Every row rule over rows that passed the predicates: a second opinion that must agree.

    ``observed`` is the number of rows that break the rule, and a broken rule fails the run.
    """
    if len(rows) == 0 or not contract.rules:
        return Verdict()
    validation, by_rule = _validate(row_suite(contract), _frame(rows))
    return Verdict(
        tuple(
            CheckResult(
                table=contract.table,
                check=rule.name,
                severity=Severity.FAIL,
                has_passed=bool(by_rule[rule.name].success),
                observed=float(by_rule[rule.name].result["unexpected_count"]),
                threshold="0 rows",
                description=rule.describe(),
            )
            for rule in contract.rules
        ),
        validation,
    )


def check_batch(contract: Contract, facts: Mapping[str, float]) -> Verdict:
    """The batch checks whose facts were observed.

    Args:
        contract: whose batch checks.
        facts: what was observed, by the check's name. A check without a fact is not asked: there
            was too little to judge by.
    """
    asked = [check for check in contract.batch_checks if check.name in facts]
    if not asked:
        return Verdict()
    frame = pd.DataFrame({check.name: [float(facts[check.name])] for check in asked})
    validation, by_check = _validate(batch_suite(contract, facts), frame)
    return Verdict(
        tuple(
            CheckResult(
                table=contract.table,
                check=check.name,
                severity=check.severity,
                has_passed=bool(by_check[check.name].success),
                observed=facts[check.name],
                threshold=check.threshold,
                description=check.description,
            )
            for check in asked
        ),
        validation,
    )


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Rows in types that Great Expectations compares without loss and without a loop."""
    # Python's own dates end with the year 9999, and Great Expectations takes them one by one.
    instants = pa.schema(
        [
            field.with_type(pa.timestamp("s", "UTC")) if pa.types.is_date(field.type) else field
            for field in rows.schema
        ]
    )
    frame: pd.DataFrame = rows.cast(instants).to_pandas()
    for name in rows.column_names:
        if _would_lose_digits(rows[name]):
            # It takes these one by one, but beside a null there is no other exact type.
            frame[name] = rows[name].to_pandas(types_mapper=lambda _: pd.Int64Dtype())
    return frame


def _would_lose_digits(column: pa.ChunkedArray) -> bool:
    """Whether floats, which pandas makes of whole numbers beside a null, would be inexact."""
    if not pa.types.is_integer(column.type) or column.null_count in (0, len(column)):
        return False
    bounds = pc.min_max(column).as_py()
    exact: bool = bounds["min"] >= -LARGEST_EXACT_FLOAT and bounds["max"] <= LARGEST_EXACT_FLOAT
    return not exact


def _row_expectation(rule: Rule) -> dict[str, Any]:
    wanted = rule.expectation()
    kwargs = {
        name: pd.Timestamp(value, tz="UTC") if isinstance(value, date) else value
        for name, value in wanted["kwargs"].items()
    }
    if isinstance(rule, UnlessWithdrawn):
        import_quietly()
        from great_expectations.expectations.row_conditions import Column

        kwargs["row_condition"] = operator.ne(Column(rule.withdrawn), True)
    return {
        **wanted,
        "kwargs": kwargs,
        "meta": {"rule": rule.name},
        "description": rule.describe(),
        "severity": "critical",
    }


def _batch_expectation(check: BatchCheck) -> dict[str, Any]:
    """A bound on the greatest of one number: unlike a count of misfits, its result shows it."""
    kwargs: dict[str, Any] = {"column": check.name}
    if check.minimum is not None:
        kwargs["min_value"] = check.minimum
    if check.maximum is not None:
        kwargs["max_value"] = check.maximum
    return {
        "type": "expect_column_max_to_be_between",
        "kwargs": kwargs,
        "meta": {"rule": check.name},
        "description": f"{check.description} ({check.threshold})",
        "severity": "critical" if check.severity is Severity.FAIL else "warning",
    }


def _suite(name: str, configurations: Sequence[Mapping[str, Any]]) -> "ExpectationSuite":
    import_quietly()
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )

    return ExpectationSuite(
        name, expectations=[ExpectationConfiguration(**item) for item in configurations]
    )


def _validate(
    suite: "ExpectationSuite", rows: pd.DataFrame
) -> tuple["ExpectationSuiteValidationResult", dict[str, "ExpectationValidationResult"]]:
    """The whole result, and each expectation's by its rule; the frame is empty afterwards.

    An expectation that could not be run at all is an error, not a failure.
    """
    from great_expectations.validator.v1_validator import Validator

    night = _night()
    try:
        # Not by way of a batch, which would be loaded, and all its rows be hashed, twice.
        validator = Validator(night, dict(COUNTS_ONLY), {"dataframe": rows})
        with warnings.catch_warnings():
            # Great Expectations 1.24 asks pandas 3.1 for the values of instants in the old way.
            warnings.filterwarnings(
                "ignore", "Series.values returning an ndarray", DeprecationWarning
            )
            validation = validator.validate_expectation_suite(suite)
    finally:
        # Its objects refer to each other in circles, which would keep the rows in memory until
        # Python looks for circles.
        night.data_asset.datasource.get_execution_engine().forget()
        for column in list(rows):
            del rows[column]
    results = {}
    for result in validation.results:
        configuration = result.expectation_config
        rule = str((configuration.meta or {})["rule"]) if configuration else suite.name
        # One exception's words, or those of each metric by its name.
        said = [result.exception_info, *result.exception_info.values()]
        for info in said:
            if isinstance(info, dict) and info.get("raised_exception"):
                # Its words may quote a value of a row.
                raise RuntimeError(
                    f"{suite.name}, {rule}: Great Expectations could not ask this "
                    f"({_kind_of_exception(info['exception_traceback'])})"
                )
        results[rule] = result
    return validation, results


def _kind_of_exception(written: str) -> str:
    """The type of the first exception in a written traceback; its words are left out."""
    found = re.search(r"^Traceback .*\n(?: .*\n)+([\w.]+)", written, re.MULTILINE)
    return found[1] if found else "of no known type"


@lru_cache(maxsize=1)
def _night() -> "BatchDefinition[Any]":
    """What every suite is asked of, made once: each change to it writes the context out anew."""
    lake = _context().data_sources.add_lake("lake")
    night: BatchDefinition[Any] = lake.add_dataframe_asset(
        "rows"
    ).add_batch_definition_whole_dataframe("night")
    return night


@lru_cache(maxsize=1)
def _context() -> "EphemeralDataContext":
    import_quietly()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@lru_cache(maxsize=1)
def import_quietly() -> None:
    """The first import of Great Expectations: it takes seconds and logs hundreds of lines."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations.expectations  # noqa: F401 - it registers the expectations

    import pipeline.contracts.pandas_source  # noqa: F401 - it registers the lake's data source

    # Some of its modules set a level of their own as they are imported.
    for name in logging.Logger.manager.loggerDict:
        if name.startswith("great_expectations."):
            logging.getLogger(name).setLevel(logging.WARNING)
