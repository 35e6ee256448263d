"""What a data contract demands of a table, as values: columns, row rules and batch checks."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

from pipeline.contracts.rules import NotBefore, Rule, UnlessWithdrawn, plain

KNOWN_AT = "known_at"
IS_DELETED = "is_deleted"
CONSENT = "consent"
"""Where a table has such a column, a version without it withdraws its row, and is quarantined."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
POSTGRES_TYPES: dict[str, tuple[str, ...]] = {
    "string": ("text", "json"),
    "date": ("date",),
    "timestamp": ("timestamptz",),
    "number": ("double precision",),
    "integer": ("bigint",),
    "boolean": ("boolean",),
}
"""What each type may be in PostgreSQL, the usual one first."""
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)
"""Dates beyond these are broken whatever a contract says: Python's calendar has no room there."""


class Severity(StrEnum):
    """What a batch check that does not hold does to the run."""

    FAIL = "fail"
    WARN = "warn"


class Metric(StrEnum):
    """A fact about a batch that a contract can bound."""

    DAY_ROWS = "day_rows"
    """Valid rows of the as-of date."""
    HISTORY_ROWS = "history_rows"
    """Valid rows up to the as-of date."""
    DAY_ROWS_AGAINST_PAST = "day_rows_against_past"
    """The day's rows divided by the mean of the same weekday in the four weeks before."""
    DAY_QUARANTINED_PCT = "day_quarantined_pct"
    """Percent of the day's rows that break the contract."""
    HISTORY_QUARANTINED_PCT = "history_quarantined_pct"
    """Percent of all rows up to the as-of date that break the contract."""
    AGE_DAYS = "age_days"
    """Days from the last known day that has rows to the as-of date."""
    ORPHANS = "orphans"
    """Rows of the history whose reference leads nowhere."""
    ORPHANS_PCT = "orphans_pct"
    """The same in percent of the rows."""
    BEFORE_REFERENCE = "before_reference"
    """Rows of the history whose ``column`` lies before a date of the row they reference, in all of
    its versions, such as a payment before its loan was granted."""
    LOST_ROWS = "lost_rows"
    """Rows landed up to the as-of date that are neither valid nor quarantined."""
    DAY_NULL_PCT = "day_null_pct"
    """Percent of the day's valid rows without a value in ``column``."""
    DAY_MEDIAN_AGAINST_PAST = "day_median_against_past"
    """Median size of ``column``, its sign left aside, over the look-back window divided by that
    over the 28 days before."""


@dataclass(frozen=True)
class AllowedValue:
    """One value of a closed list, and what it means."""

    value: str | int
    description: str


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
    allowed: tuple[AllowedValue, ...] = ()

    @property
    def arrow_field(self) -> pa.Field:
        """Name and Arrow type; every field may be null in Arrow, rules say what must not be."""
        return pa.field(self.name, ARROW_TYPES[self.type])


@dataclass(frozen=True)
class BatchCheck:
    """A bound on a fact about a whole batch, and what happens where it does not hold.

    Attributes:
        column: the column that the fact is about; empty where it is about rows.
        references: ``table.column`` that a reference must lead to, or, for ``BEFORE_REFERENCE``,
            the date in the referenced table that ``column`` must not lie before.
        via: for ``BEFORE_REFERENCE``, this table's column that holds the referenced table's key.
    """

    name: str
    metric: Metric
    severity: Severity
    description: str
    minimum: float | None = None
    maximum: float | None = None
    column: str = ""
    references: str = ""
    via: str = ""

    @property
    def threshold(self) -> str:
        """The bound in signs, such as '>= 1'."""
        if self.minimum is not None and self.minimum == self.maximum:
            return f"= {plain(self.minimum)}"
        parts = []
        if self.minimum is not None:
            parts.append(f">= {plain(self.minimum)}")
        if self.maximum is not None:
            parts.append(f"<= {plain(self.maximum)}")
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
    purpose: str = ""
    usage: str = ""

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

    def is_known_after(self, moment: str) -> bool:
        """Whether a rule demands that no row is known before the moment in one of its columns."""
        rules = (rule.rule if isinstance(rule, UnlessWithdrawn) else rule for rule in self.rules)
        return any(
            isinstance(rule, NotBefore) and (rule.column, rule.other) == (KNOWN_AT, moment)
            for rule in rules
        )

    @property
    def is_versioned(self) -> bool:
        """Whether rows say when they became known and whether they are withdrawn."""
        kinds = {column.name: column.type for column in self.columns if column.is_required}
        return (
            kinds.get(KNOWN_AT) == "timestamp"
            and kinds.get(IS_DELETED) == "boolean"
            and KNOWN_AT in self.key
        )
