"""Reads Open Data Contract Standard files into what the pipeline uses of them."""

import hashlib
import json
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


def load_contracts(folder: Path) -> Mapping[str, Contract]:
    """Every contract of a folder by its table's name, in alphabetical order.

    Raises:
        RisklineError: the folder holds no contract, or a file is not one.
    """
    files = sorted(folder.glob("*.odcs.yaml"))
    if not files:
        raise RisklineError(f"no data contract (*.odcs.yaml) in {folder}; set RISK_CONTRACTS")
    contracts = [load_contract(file) for file in files]
    return {contract.table: contract for contract in contracts}


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


def _contract(odcs: OpenDataContractStandard, file: Path, sha256: str) -> Contract:
    if odcs.schema_ is None or len(odcs.schema_) != 1:
        raise RisklineError(f"contract {file.name}: exactly one table a file is expected")
    table = odcs.schema_[0]
    properties = table.properties or []
    if not table.name or not properties:
        raise RisklineError(f"contract {file.name}: the table needs a name and properties")
    columns = tuple(_column(item, file) for item in properties)
    positions = {
        str(item.name): item.primaryKeyPosition or 0 for item in properties if item.primaryKey
    }
    key = tuple(sorted(positions, key=positions.__getitem__))
    rules = [rule for item in properties for rule in _column_rules(item, file)]
    checks = [_orphan_check(column) for column in columns if column.references]
    for quality in table.quality or []:
        if quality.type == "custom":
            rules.append(_pair_rule(quality, file))
        else:
            checks.append(_batch_check(quality, file))
    if key:
        rules.append(UniqueKey(key, (*key, *(c.name for c in columns if c.name not in key))))
    custom = {item.property: item.value for item in odcs.customProperties or []}
    return Contract(
        table=table.name,
        description=table.description or "",
        grain=table.dataGranularityDescription or "",
        columns=columns,
        key=key,
        rules=tuple(rules),
        batch_checks=tuple(checks),
        is_optional=bool(custom.get("optional", False)),
        sha256=sha256,
    )


def _column(item: SchemaProperty, file: Path) -> Column:
    if item.logicalType not in ARROW_TYPES:
        raise RisklineError(
            f"contract {file.name}, column {item.name}: logicalType {item.logicalType} is not one "
            f"of {', '.join(ARROW_TYPES)}"
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
        rules.append(OneOf(name, tuple(str(entry.value) for entry in item.enum)))
    if {"minLength", "maxLength"} & options.keys():
        bounds = {"minLength": "minimum", "maxLength": "maximum"}
        rules.append(LengthWithin(name, **{bounds[k]: v for k, v in options.items()}))
    elif options:
        unknown = options.keys() - {"minimum", "exclusiveMinimum", "maximum"}
        if unknown:
            raise RisklineError(
                f"contract {file.name}, column {name}: cannot check {', '.join(sorted(unknown))}"
            )
        least = options.get("minimum", options.get("exclusiveMinimum"))
        rules.append(
            Within(
                name,
                minimum=_bound(least),
                maximum=_bound(options.get("maximum")),
                is_minimum_excluded="exclusiveMinimum" in options,
            )
        )
    return rules


def _bound(value: Any) -> Bound | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _pair_rule(quality: DataQuality, file: Path) -> NotBefore:
    wanted = quality.implementation
    if not isinstance(wanted, dict) or wanted.get("type") != PAIR_RULE:
        raise RisklineError(
            f"contract {file.name}, rule {quality.name}: only {PAIR_RULE} is understood"
        )
    kwargs = wanted.get("kwargs", {})
    if kwargs.get("or_equal") is not True or not quality.name:
        raise RisklineError(f"contract {file.name}, rule {quality.name}: or_equal must be true")
    return NotBefore(quality.name, kwargs["column_A"], kwargs["column_B"])


def _batch_check(quality: DataQuality, file: Path) -> BatchCheck:
    custom = {item.property: item.value for item in quality.customProperties or []}
    is_day = custom.get("scope") == "day"
    minimum = maximum = None
    if quality.metric == "rowCount" and quality.mustBeGreaterThan is not None:
        metric = Metric.DAY_ROWS if is_day else Metric.HISTORY_ROWS
        minimum = float(quality.mustBeGreaterThan) + 1
    elif quality.metric == "invalidValues" and quality.mustBeLessOrEqualTo is not None:
        metric = Metric.DAY_QUARANTINED_PCT if is_day else Metric.HISTORY_QUARANTINED_PCT
        maximum = float(quality.mustBeLessOrEqualTo)
    else:
        raise RisklineError(
            f"contract {file.name}, check {quality.name}: only rowCount with mustBeGreaterThan "
            "and invalidValues with mustBeLessOrEqualTo are understood"
        )
    if quality.severity not in set(Severity):
        raise RisklineError(
            f"contract {file.name}, check {quality.name}: severity must be fail or warn"
        )
    return BatchCheck(
        name=str(quality.name),
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
