"""What an Open Data Contract Standard file demands of a whole batch, as batch checks.

Where the standard has a word, the file uses it: the metrics ``rowCount``, ``invalidValues`` and
``nullValues``, the service level ``freshness`` and relationships. The other facts are stated as
``type: custom, engine: riskline``, with the fact and its bound in ``implementation``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    Relationship,
    ServiceLevelAgreementProperty,
)

from pipeline.contracts.contract import KNOWN_AT, BatchCheck, Column, Metric, Severity
from pipeline.contracts.odcs_rules import NUMBERS, TIMES, label, states_pair
from pipeline.contracts.odcs_words import custom_properties, refuse_unread
from pipeline.errors import RisklineError

ENGINE = "riskline"
SCOPES = {
    "rowCount": {"day": Metric.DAY_ROWS, "history": Metric.HISTORY_ROWS},
    "invalidValues": {
        "day": Metric.DAY_QUARANTINED_PCT,
        "history": Metric.HISTORY_QUARANTINED_PCT,
    },
}
COUNTED = {Metric.DAY_ROWS, Metric.HISTORY_ROWS}
WHOLE = {*COUNTED, Metric.BEFORE_REFERENCE}
PERCENT = {Metric.DAY_QUARANTINED_PCT, Metric.HISTORY_QUARANTINED_PCT, Metric.DAY_NULL_PCT}
FACTS_OF_A_TABLE = {Metric.DAY_ROWS_AGAINST_PAST}
FACTS_OF_A_COLUMN = {Metric.DAY_MEDIAN_AGAINST_PAST: NUMBERS, Metric.BEFORE_REFERENCE: TIMES}
COMPARISONS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)
LIBRARY_WORDS = {"type", "metric", "unit", "severity", "customProperties", *COMPARISONS}
FACT_WORDS = {"type", "engine", "implementation", "severity"}
LEVEL_WORDS = {"property", "element", "value", "unit", "customProperties"}
DAYS = {"d", "day", "days"}
FAIL_ABOVE_PCT = "failAbovePct"
NO_ROW_LOST = BatchCheck(
    name="no_row_lost",
    metric=Metric.LOST_ROWS,
    severity=Severity.FAIL,
    description="Every row that landed is valid or in quarantine.",
    minimum=0,
    maximum=0,
)
"""Of every table that lands, whatever its contract says."""
PAIRS = "pairs of columns of the engine great-expectations"


def batch_checks(
    odcs: OpenDataContractStandard, columns: Sequence[Column], place: str
) -> list[BatchCheck]:
    """The checks of relationships, of columns, of the table and of its freshness.

    Args:
        odcs: the file, of one table.
        columns: as read from it.
        place: the file, for errors.

    Raises:
        RisklineError: the file asks for something that cannot be checked.
    """
    table = (odcs.schema_ or [])[0]
    if table.relationships:
        raise RisklineError(f"{place}: state relationships at their columns")
    checks = [NO_ROW_LOST] if any(column.name == KNOWN_AT for column in columns) else []
    for item, column in zip(table.properties or [], columns, strict=True):
        where = f"{place}, column {column.name}"
        for link in item.relationships or []:
            checks += _orphan_checks(column, link, where)
        checks += [
            _column_check(quality, column, columns, f"{where}, check {label(quality, number)}")
            for number, quality in enumerate(item.quality or [], start=1)
        ]
    checks += [
        _table_check(quality, f"{place}, check {label(quality, number)}")
        for number, quality in enumerate(table.quality or [], start=1)
        if not states_pair(quality)
    ]
    checks += [_freshness(sla, str(table.name), columns, place) for sla in odcs.slaProperties or []]
    return checks


def _orphan_checks(column: Column, link: Relationship, place: str) -> Sequence[BatchCheck]:
    references = str(column.references)
    noun = column.name.removesuffix("_id").replace("_", " ")
    name = f"{column.name}_references_{references.replace('.', '_')}"
    checks = [
        BatchCheck(
            name=name,
            metric=Metric.ORPHANS,
            severity=Severity.WARN,
            description=f"Every row's {noun} is known ({column.name} leads to {references}).",
            maximum=0,
            column=column.name,
            references=references,
        )
    ]
    said = custom_properties(link.customProperties, {FAIL_ABOVE_PCT}, place)
    if FAIL_ABOVE_PCT in said:
        most = said[FAIL_ABOVE_PCT]
        if not _is_number(most) or not 0 <= most < 100:
            raise RisklineError(f"{place}: {FAIL_ABOVE_PCT} must be a number from 0 to below 100")
        checks.append(
            BatchCheck(
                name=f"{name}_pct",
                metric=Metric.ORPHANS_PCT,
                severity=Severity.FAIL,
                description=(
                    f"Of at most {most:g} % of the rows the {noun} is not known ({column.name} "
                    f"leads to no {references})."
                ),
                maximum=float(most),
                column=column.name,
                references=references,
            )
        )
    return checks


def _table_check(quality: DataQuality, place: str) -> BatchCheck:
    if quality.type == "custom":
        metric, wanted = _fact(quality, FACTS_OF_A_TABLE, set(), place)
        return _check(quality, metric, wanted, place)
    if quality.type not in {None, "library"} or quality.metric not in SCOPES:
        raise RisklineError(
            f"{place}: of a table, the metrics {' and '.join(SCOPES)} are understood, "
            f"{PAIRS}, and the facts {_names(FACTS_OF_A_TABLE)} of the engine {ENGINE}"
        )
    if quality.metric == "invalidValues" and quality.unit != "percent":
        raise RisklineError(f"{place}: invalidValues are understood in the unit percent")
    if quality.metric == "rowCount" and quality.unit not in {None, "rows"}:
        raise RisklineError(f"{place}: rowCount is understood in the unit rows")
    refuse_unread(quality, LIBRARY_WORDS, place)
    scope = custom_properties(quality.customProperties, {"scope"}, place).get("scope", "history")
    if not isinstance(scope, str) or scope not in SCOPES[quality.metric]:
        raise RisklineError(f"{place}: the scope must be day or history")
    return _check(quality, SCOPES[quality.metric][scope], quality.model_dump(), place)


def _column_check(
    quality: DataQuality, column: Column, columns: Sequence[Column], place: str
) -> BatchCheck:
    if quality.type == "custom":
        more = {"references", "via"}
        metric, wanted = _fact(quality, set(FACTS_OF_A_COLUMN), more, place)
        if column.type not in FACTS_OF_A_COLUMN[metric]:
            raise RisklineError(f"{place}: {metric} is no fact of a {column.type}")
        references, via = str(wanted.get("references", "")), str(wanted.get("via", ""))
        if metric is Metric.BEFORE_REFERENCE:
            _refuse_no_way(references, via, columns, place)
        elif more & wanted.keys():
            raise RisklineError(f"{place}: {metric} takes neither references nor via")
        return _check(quality, metric, wanted, place, column.name, references, via)
    if quality.type not in {None, "library"} or quality.metric != "nullValues":
        raise RisklineError(
            f"{place}: of a column, the metric nullValues is understood, and the facts "
            f"{_names(FACTS_OF_A_COLUMN)} of the engine {ENGINE}"
        )
    refuse_unread(quality, LIBRARY_WORDS, place)
    custom = custom_properties(quality.customProperties, {"scope"}, place)
    if quality.unit != "percent" or custom.get("scope", "day") != "day":
        raise RisklineError(f"{place}: nullValues are understood in percent of the day")
    return _check(quality, Metric.DAY_NULL_PCT, quality.model_dump(), place, column.name)


def _refuse_no_way(references: str, via: str, columns: Sequence[Column], place: str) -> None:
    """The column ``via`` must reference the key of the table whose date is compared."""
    target = next((c.references for c in columns if c.name == via), None) or ""
    if not target or target.partition(".")[0] != references.partition(".")[0]:
        raise RisklineError(
            f"{place}: references must be table.column of another table, and via this table's "
            "column with a relationship to that table"
        )


def _fact(
    quality: DataQuality, facts: set[Metric], more: set[str], place: str
) -> tuple[Metric, Mapping[str, Any]]:
    wanted = quality.implementation
    if quality.engine != ENGINE or not isinstance(wanted, dict):
        raise RisklineError(
            f"{place}: only the engine {ENGINE} with an implementation of fact and bound is "
            "understood here"
        )
    fact = wanted.get("fact")
    if not isinstance(fact, str) or fact not in facts:
        raise RisklineError(f"{place}: the fact must be one of {_names(facts)}")
    if unknown := sorted(str(name) for name in wanted.keys() - {"fact", *more, *COMPARISONS}):
        raise RisklineError(f"{place}: {', '.join(unknown)} is not understood")
    refuse_unread(quality, FACT_WORDS, place)
    return Metric(fact), wanted


def _freshness(
    sla: ServiceLevelAgreementProperty, table: str, columns: Sequence[Column], place: str
) -> BatchCheck:
    place = f"{place}, service level {sla.property}"
    if sla.property != "freshness" or sla.unit not in DAYS:
        raise RisklineError(f"{place}: only freshness in days (unit d) is understood")
    if sla.element != f"{table}.{KNOWN_AT}" or not any(c.name == KNOWN_AT for c in columns):
        raise RisklineError(f"{place}: the element must be {table}.{KNOWN_AT}")
    if not _is_number(sla.value) or sla.value < 0:
        raise RisklineError(f"{place}: the value must be a number of days")
    refuse_unread(sla, LEVEL_WORDS, place)
    custom = custom_properties(sla.customProperties, {"severity"}, place)
    return BatchCheck(
        name=sla.id or "freshness",
        metric=Metric.AGE_DAYS,
        severity=_severity(custom.get("severity"), place),
        description=sla.description or "",
        maximum=float(sla.value),
    )


def _check(
    quality: DataQuality,
    metric: Metric,
    wanted: Mapping[str, Any],
    place: str,
    column: str = "",
    references: str = "",
    via: str = "",
) -> BatchCheck:
    if not quality.name:
        raise RisklineError(f"{place}: it needs a name")
    minimum, maximum = _bounds(wanted, metric in COUNTED, place)
    most = 100 if metric in PERCENT else math.inf
    if not 0 <= (minimum or 0) <= most or not 0 <= (maximum or 0) <= most:
        raise RisklineError(
            f"{place}: {metric} is never {'below 0 or above 100' if most == 100 else 'below 0'}; "
            "correct the bound"
        )
    least, most = minimum or 0, math.inf if maximum is None else maximum
    if metric in WHOLE and math.ceil(least) > most:
        raise RisklineError(f"{place}: no whole number lies between {least} and {most}")
    return BatchCheck(
        name=quality.name,
        metric=metric,
        severity=_severity(quality.severity, place),
        description=quality.description or "",
        minimum=minimum,
        maximum=maximum,
        column=column,
        references=references,
        via=via,
    )


def _bounds(
    wanted: Mapping[str, Any], is_counted: bool, place: str
) -> tuple[float | None, float | None]:
    said = {name: wanted[name] for name in COMPARISONS if wanted.get(name) is not None}
    if len(said) != 1:
        raise RisklineError(f"{place}: it needs one bound, such as mustBeLessOrEqualTo")
    (comparison, bound), *_ = said.items()
    numbers = bound if isinstance(bound, list) else [bound]
    if not all(_is_number(number) for number in numbers) or numbers != sorted(numbers):
        raise RisklineError(f"{place}: {comparison} must be a number, or two in order")
    match comparison, numbers:
        case "mustBeGreaterOrEqualTo", [least]:
            return float(least), None
        case "mustBeLessOrEqualTo", [most]:
            return None, float(most)
        case "mustBeBetween", [least, most]:
            return float(least), float(most)
        # Of whole numbers, what is more than 0 is at least 1.
        case "mustBeGreaterThan", [least] if is_counted:
            return float(math.floor(least) + 1), None
        case "mustBeLessThan", [most] if is_counted:
            return None, float(math.ceil(most) - 1)
    raise RisklineError(
        f"{place}: {comparison} is not understood of this fact; state mustBeGreaterOrEqualTo, "
        "mustBeLessOrEqualTo or mustBeBetween"
    )


def _severity(value: object, place: str) -> Severity:
    if not isinstance(value, str) or value not in set(Severity):
        raise RisklineError(f"{place}: severity must be fail or warn")
    return Severity(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _names(facts: Mapping[Metric, object] | set[Metric]) -> str:
    return ", ".join(sorted(facts))
