"""Reads Open Data Contract Standard files into what the pipeline uses of them."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pydantic
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaProperty,
)

from pipeline.contracts.rules import (
    Bound,
    LengthWithin,
    NotBefore,
    OneOf,
    Required,
    Rule,
    UniqueKey,
    UnlessWithdrawn,
    Within,
)
from pipeline.errors import RisklineError

KNOWN_AT = "known_at"
IS_DELETED = "is_deleted"

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)
"""Dates beyond these are broken whatever a contract says: Python's calendar has no room there."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
TEXT_OPTIONS = {"minLength", "maxLength"}
RANGE_OPTIONS = {"minimum", "exclusiveMinimum", "maximum"}
PAIR_RULE = "expect_column_pair_values_a_to_be_greater_than_b"


class Severity(StrEnum):
    """What a batch check that does not hold does to the run."""

    FAIL = "fail"
    WARN = "warn"


class Metric(StrEnum):
    """A fact about a batch that a contract can bound."""

    DAY_ROWS = "day_rows"
    HISTORY_ROWS = "history_rows"
    DAY_QUARANTINED_PCT = "day_quarantined_pct"
    HISTORY_QUARANTINED_PCT = "history_quarantined_pct"
    ORPHANS = "orphans"


@dataclass(frozen=True)
class Column:
    """One column: its name, its type and what it means."""

    name: str
    type: str
    description: str
    is_required: bool
    is_personal: bool
    physical_type: str | None = None
    references: str | None = None

    @property
    def arrow_field(self) -> pa.Field:
        """Name and Arrow type; every field may be null in Arrow, rules say what must not be."""
        return pa.field(self.name, ARROW_TYPES[self.type])


@dataclass(frozen=True)
class BatchCheck:
    """A bound on a fact about a whole batch, and what happens where it does not hold."""

    name: str
    metric: Metric
    severity: Severity
    description: str
    minimum: float | None = None
    maximum: float | None = None
    column: str = ""
    references: str = ""

    @property
    def threshold(self) -> str:
        """The bound in signs, such as '>= 1'."""
        parts = []
        if self.minimum is not None:
            parts.append(f">= {self.minimum:g}")
        if self.maximum is not None:
            parts.append(f"<= {self.maximum:g}")
        return " and ".join(parts)


@dataclass(frozen=True)
class Contract:
    """What one table's rows and batches must be."""

    table: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    batch_checks: tuple[BatchCheck, ...]
    is_optional: bool
    sha256: str

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Columns in the contract's order."""
        return pa.schema([column.arrow_field for column in self.columns])

    @property
    def entity_key(self) -> tuple[str, ...]:
        """The key of what a row is a version of: the key without known_at."""
        return tuple(name for name in self.key if name != KNOWN_AT)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def is_versioned(self) -> bool:
        """Whether rows say when they became known and whether they are withdrawn."""
        kinds = {column.name: column.type for column in self.columns if column.is_required}
        return (
            kinds.get(KNOWN_AT) == "timestamp"
            and kinds.get(IS_DELETED) == "boolean"
            and KNOWN_AT in self.key
        )


def load_contracts(folder: Path) -> Mapping[str, Contract]:
    """Every contract of a folder by its table's name, in alphabetical order.

    Raises:
        RisklineError: the folder holds no contract, or a file is not one.
    """
    files = sorted(folder.glob("*.odcs.yaml"))
    if not files:
        raise RisklineError(f"no data contract (*.odcs.yaml) in {folder}; set RISK_CONTRACTS")
    contracts: dict[str, Contract] = {}
    for file in files:
        contract = load_contract(file)
        if contract.table in contracts:
            raise RisklineError(
                f"contract {file.name}: another file of {folder} has the table {contract.table} "
                "too; keep one"
            )
        contracts[contract.table] = contract
    for contract in contracts.values():
        _refuse_dangling_references(contract, contracts)
    return contracts


def load_contract(file: Path) -> Contract:
    """One contract from its file.

    Raises:
        RisklineError: the file cannot be read, breaks the standard's own schema, or asks for
            something that the pipeline cannot check.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        if not isinstance(content, dict):
            raise RisklineError(f"contract {file.name}: not a mapping of names to values")
        _validate(content, file)
        odcs = OpenDataContractStandard(**content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, pydantic.ValidationError) as error:
        reason = " ".join(str(error).split())
        raise RisklineError(f"contract {file.name} cannot be read: {reason}") from error
    return _contract(odcs, file, hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=1)
def _standard() -> Draft201909Validator:
    schema = resources.files("open_data_contract_standard").joinpath("schema.json").read_text()
    return Draft201909Validator(json.loads(schema))


def _validate(content: dict[str, Any], file: Path) -> None:
    error = next(iter(_standard().iter_errors(content)), None)
    if error is not None:
        place = "/".join(str(part) for part in error.absolute_path) or "the file"
        raise RisklineError(
            f"contract {file.name} breaks the Open Data Contract Standard at {place}: "
            f"{error.message[:200]}"
        )


def _refuse_dangling_references(contract: Contract, contracts: Mapping[str, Contract]) -> None:
    for column in contract.columns:
        if column.references is None:
            continue
        table, _, name = column.references.partition(".")
        parent = contracts.get(table)
        types = {c.name: c.type for c in parent.columns} if parent is not None else {}
        if types.get(name) != column.type:
            raise RisklineError(
                f"contract of table {contract.table}, column {column.name}: it references "
                f"{column.references}, which is no {column.type} column of these contracts; "
                "correct the relationship"
            )


def _contract(odcs: OpenDataContractStandard, file: Path, sha256: str) -> Contract:
    if odcs.schema_ is None or len(odcs.schema_) != 1:
        raise RisklineError(f"contract {file.name}: exactly one table a file is expected")
    table = odcs.schema_[0]
    properties = table.properties or []
    if not table.name or not properties:
        raise RisklineError(f"contract {file.name}: the table needs a name and properties")
    names = [table.name, *(str(item.name) for item in properties)]
    for name in names:
        if not NAME.fullmatch(name):
            raise RisklineError(
                f"contract {file.name}: {name!r} is no name for a table or column; take lower "
                "case letters, digits and underscores, a letter first"
            )
    _refuse_repeats(names[1:], "columns", file)
    columns = tuple(_column(item, file) for item in properties)
    positions = {
        str(item.name): item.primaryKeyPosition or 0 for item in properties if item.primaryKey
    }
    key = tuple(sorted(positions, key=positions.__getitem__))
    always = {*key, IS_DELETED}
    can_withdraw = IS_DELETED in names
    rules = [
        UnlessWithdrawn(rule, IS_DELETED) if can_withdraw and item.name not in always else rule
        for item in properties
        for rule in _column_rules(item, file)
    ]
    checks = [_orphan_check(column) for column in columns if column.references]
    for quality in table.quality or []:
        if quality.type == "custom":
            pair = _pair_rule(quality, columns, file)
            rules.append(UnlessWithdrawn(pair, IS_DELETED) if can_withdraw else pair)
        else:
            checks.append(_batch_check(quality, file))
    if key:
        rules.append(UniqueKey(key, (*key, *(c.name for c in columns if c.name not in key))))
    _refuse_repeats([rule.name for rule in rules] + [c.name for c in checks], "rules", file)
    custom = {item.property: item.value for item in odcs.customProperties or []}
    is_optional = custom.get("optional", False)
    if not isinstance(is_optional, bool):
        raise RisklineError(f"contract {file.name}: optional must be true or false")
    return Contract(
        table=table.name,
        description=table.description or "",
        grain=table.dataGranularityDescription or "",
        columns=columns,
        key=key,
        rules=tuple(rules),
        batch_checks=tuple(checks),
        is_optional=is_optional,
        sha256=sha256,
    )


def _refuse_repeats(names: Sequence[str], what: str, file: Path) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RisklineError(
            f"contract {file.name}: two {what} are named {repeated[0]}; names must differ"
        )


def _column(item: SchemaProperty, file: Path) -> Column:
    if item.logicalType not in ARROW_TYPES:
        raise RisklineError(
            f"contract {file.name}, column {item.name}: logicalType {item.logicalType} is not one "
            f"of {', '.join(ARROW_TYPES)}"
        )
    if item.quality or item.unique:
        # Silence would look like a promise.
        raise RisklineError(
            f"contract {file.name}, column {item.name}: quality and unique are not understood on "
            "a column; state primaryKey, or a check of the table"
        )
    targets = [link.to for link in item.relationships or [] if isinstance(link.to, str)]
    return Column(
        name=str(item.name),
        type=item.logicalType,
        description=item.description or "",
        is_required=bool(item.required),
        is_personal=item.classification == "personal",
        physical_type=item.physicalType,
        references=targets[0] if targets else None,
    )


def _column_rules(item: SchemaProperty, file: Path) -> Sequence[Rule]:
    name = str(item.name)
    options = item.logicalTypeOptions or {}
    rules: list[Rule] = []
    if item.required:
        rules.append(Required(name))
    if item.enum:
        values = [entry.value for entry in item.enum]
        if item.logicalType != "string" or not all(isinstance(value, str) for value in values):
            raise RisklineError(
                f"contract {file.name}, column {name}: an enum must list texts, of a string "
                "column; put others, such as yes and 1, in quotes"
            )
        rules.append(OneOf(name, tuple(str(value) for value in values)))
    understood = TEXT_OPTIONS if item.logicalType == "string" else RANGE_OPTIONS
    unknown = options.keys() - understood
    if unknown or {"minimum", "exclusiveMinimum"} <= options.keys():
        raise RisklineError(
            f"contract {file.name}, column {name}: cannot check "
            f"{', '.join(sorted(unknown or options.keys()))} of a {item.logicalType}"
        )
    if item.logicalType == "string":
        if options:
            bounds = {"minLength": "minimum", "maxLength": "maximum"}
            rules.append(LengthWithin(name, **{bounds[k]: v for k, v in options.items()}))
        return rules
    least = _bound(options.get("minimum", options.get("exclusiveMinimum")), name, file)
    most = _bound(options.get("maximum"), name, file)
    is_minimum_excluded = "exclusiveMinimum" in options
    if item.logicalType in {"date", "timestamp"}:
        least, most = least or FIRST_DAY, most or LAST_DAY
    if least is not None or most is not None:
        rules.append(Within(name, least, most, is_minimum_excluded))
    return rules


def _bound(value: Any, column: str, file: Path) -> Bound | None:
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]  # a number, says the standard's schema
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise RisklineError(
            f"contract {file.name}, column {column}: the bound {value!r} is no date; write it as "
            "YYYY-MM-DD"
        ) from error


def _pair_rule(quality: DataQuality, columns: Sequence[Column], file: Path) -> NotBefore:
    wanted = quality.implementation
    if not isinstance(wanted, dict) or wanted.get("type") != PAIR_RULE:
        raise RisklineError(
            f"contract {file.name}, rule {quality.name}: only {PAIR_RULE} is understood"
        )
    kwargs = wanted.get("kwargs") or {}
    if kwargs.get("or_equal") is not True or not quality.name:
        raise RisklineError(
            f"contract {file.name}, rule {quality.name}: it needs a name, and or_equal must be true"
        )
    pair = [str(kwargs.get(side)) for side in ("column_A", "column_B")]
    types = [column.type for name in pair for column in columns if column.name == name]
    if len(types) != len(pair) or len(set(types)) > 1:
        raise RisklineError(
            f"contract {file.name}, rule {quality.name}: column_A and column_B must be two columns "
            f"of one type, not {' and '.join(pair)}"
        )
    return NotBefore(quality.name, *pair)


def _batch_check(quality: DataQuality, file: Path) -> BatchCheck:
    custom = {item.property: item.value for item in quality.customProperties or []}
    scope = custom.get("scope", "history")
    if not quality.name or scope not in {"day", "history"}:
        raise RisklineError(
            f"contract {file.name}, check {quality.name}: it needs a name, and the scope day or "
            "history"
        )
    is_day = scope == "day"
    is_percent = quality.unit == "percent"
    minimum = maximum = None
    if quality.metric == "rowCount" and quality.mustBeGreaterThan is not None:
        metric = Metric.DAY_ROWS if is_day else Metric.HISTORY_ROWS
        minimum = float(math.floor(quality.mustBeGreaterThan) + 1)
    elif (
        quality.metric == "invalidValues" and is_percent and quality.mustBeLessOrEqualTo is not None
    ):
        metric = Metric.DAY_QUARANTINED_PCT if is_day else Metric.HISTORY_QUARANTINED_PCT
        maximum = float(quality.mustBeLessOrEqualTo)
    else:
        raise RisklineError(
            f"contract {file.name}, check {quality.name}: only rowCount with mustBeGreaterThan "
            "and invalidValues in percent with mustBeLessOrEqualTo are understood"
        )
    if quality.severity not in set(Severity):
        raise RisklineError(
            f"contract {file.name}, check {quality.name}: severity must be fail or warn"
        )
    return BatchCheck(
        name=quality.name,
        metric=metric,
        severity=Severity(quality.severity),
        description=quality.description or "",
        minimum=minimum,
        maximum=maximum,
    )


def _orphan_check(column: Column) -> BatchCheck:
    return BatchCheck(
        name=f"{column.name}_references_{str(column.references).replace('.', '_')}",
        metric=Metric.ORPHANS,
        severity=Severity.WARN,
        description=f"Every {column.name} is a known {column.references}.",
        maximum=0,
        column=column.name,
        references=str(column.references),
    )
