"""What a contract can demand of a row, each rule a value that describes and checks itself.

A rule gives a predicate, which runs on every engine and sends rows to quarantine, and the Great
Expectations configuration that demands the same of a batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

Bound = float | date

UNCLEAN = "[\\x00-\\x1f\\x7f-\\x9f\N{REPLACEMENT CHARACTER}]"
"""Control characters, tab and line break among them, and the mark of a letter that was lost when
text was read in a wrong encoding: a regular expression that every engine reads alike."""


class Rule(ABC):
    """A demand on one row, or on one row among the others of its batch."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name, unique within the contract."""

    @abstractmethod
    def describe(self) -> str:
        """The demand in words, as a quarantined row's reason states it."""

    @abstractmethod
    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule, else False; never null."""

    @abstractmethod
    def expectation(self) -> dict[str, Any]:
        """Type and kwargs of the Great Expectations expectation that demands the same."""


@dataclass(frozen=True)
class Required(Rule):
    """The column has a value."""

    column: str

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_required"

    def describe(self) -> str:
        """The demand in words."""
        return f"{self.column} must have a value"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        return ~_has_value(rows[self.column])

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": self.column},
        }


@dataclass(frozen=True)
class OneOf(Rule):
    """The column, where it has a value, has one of a list."""

    column: str
    values: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_allowed"

    def describe(self) -> str:
        """The demand in words."""
        words = [str(v).lower() if isinstance(v, bool) else str(v) for v in self.values]
        return f"{self.column} must be {'one of ' if len(words) > 1 else ''}{', '.join(words)}"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        return rows[self.column].notin(self.values).fill_null(False)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": self.column, "value_set": list(self.values)},
        }


@dataclass(frozen=True)
class Within(Rule):
    """The column, where it has a value, lies between two bounds; either may be absent."""

    column: str
    minimum: Bound | None = None
    maximum: Bound | None = None
    is_minimum_excluded: bool = False

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_in_range"

    def describe(self) -> str:
        """The demand in words."""
        parts = []
        if self.minimum is not None:
            least = "more than" if self.is_minimum_excluded else "at least"
            parts.append(f"{least} {plain(self.minimum)}")
        if self.maximum is not None:
            parts.append(f"at most {plain(self.maximum)}")
        return f"{self.column} must be {' and '.join(parts)}"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        value = rows[self.column]
        broken = ibis.literal(False)
        if self.minimum is not None:
            low = ibis.literal(self.minimum)
            broken = broken | ((value <= low) if self.is_minimum_excluded else (value < low))
        if self.maximum is not None:
            broken = broken | (value > ibis.literal(self.maximum))
        return broken.fill_null(False) & _has_value(value)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        kwargs: dict[str, Any] = {"column": self.column}
        if self.minimum is not None:
            kwargs |= {"min_value": self.minimum, "strict_min": self.is_minimum_excluded}
        if self.maximum is not None:
            kwargs["max_value"] = self.maximum
        return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}


@dataclass(frozen=True)
class LengthWithin(Rule):
    """The text, where there is one, has between so many characters and so many."""

    column: str
    minimum: int = 0
    maximum: int = 1_000_000

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_length"

    def describe(self) -> str:
        """The demand in words."""
        return f"{self.column} must have {self.minimum:,} to {self.maximum:,} characters"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        length = rows[self.column].length()
        return ((length < self.minimum) | (length > self.maximum)).fill_null(False)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_value_lengths_to_be_between",
            "kwargs": {
                "column": self.column,
                "min_value": self.minimum,
                "max_value": self.maximum,
            },
        }


@dataclass(frozen=True)
class CleanText(Rule):
    """The text, where there is one, is free of control characters and of lost letters."""

    column: str

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_clean"

    def describe(self) -> str:
        """The demand in words."""
        return (
            f"{self.column} must have no control characters, such as tabs or line breaks, and no "
            "letters lost to a wrong encoding (U+FFFD)"
        )

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        return rows[self.column].re_search(UNCLEAN).fill_null(False)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_values_to_not_match_regex",
            "kwargs": {"column": self.column, "regex": UNCLEAN},
        }


@dataclass(frozen=True)
class OfForm(Rule):
    """The text, where there is one, is matched by a regular expression from end to end.

    The expression is one of RE2, which DuckDB and pandas both use; Spark reads it alike.
    """

    column: str
    pattern: str

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return f"{self.column}_form"

    def describe(self) -> str:
        """The demand in words."""
        return f"{self.column} must have the form {self.pattern}"

    @property
    def _whole(self) -> str:
        return rf"\A(?:{self.pattern})\z"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        return (~rows[self.column].re_search(self._whole)).fill_null(False)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": self.column, "regex": self._whole},
        }


@dataclass(frozen=True)
class NotBefore(Rule):
    """The column, where both have a value, does not lie before another one, or is not less.

    Attributes:
        rule_name: the rule's name.
        column: a date, an instant or a number.
        other: a column of the same type.
        is_time: whether the two are dates or instants; it changes the words alone.
    """

    rule_name: str
    column: str
    other: str
    is_time: bool = True

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return self.rule_name

    def describe(self) -> str:
        """The demand in words."""
        words = "lie before" if self.is_time else "be less than"
        return f"{self.column} must not {words} {self.other}"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        column, other = rows[self.column], rows[self.other]
        return (column < other).fill_null(False) & _has_value(column) & _has_value(other)

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        return {
            "type": "expect_column_pair_values_a_to_be_greater_than_b",
            "kwargs": {
                "column_A": self.column,
                "column_B": self.other,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
        }


@dataclass(frozen=True)
class UnlessWithdrawn(Rule):
    """Another rule, asked of every version but those that withdraw their row.

    A withdrawal needs no more than the key of what it withdraws.
    """

    rule: Rule
    withdrawn: str

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return self.rule.name

    def describe(self) -> str:
        """The demand in words."""
        return self.rule.describe()

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        return self.rule.is_broken(rows) & ~rows[self.withdrawn].fill_null(False)

    def expectation(self) -> dict[str, Any]:
        """The other rule's counterpart; its row condition is an object of Great Expectations."""
        return self.rule.expectation()


@dataclass(frozen=True)
class UniqueKey(Rule):
    """No earlier row has the same key; of rows that repeat a key the first in order stays.

    The order is that of all columns, so that it does not depend on how the rows arrived.
    """

    key: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def name(self) -> str:
        """A short name, unique within the contract."""
        return "key_unique"

    def describe(self) -> str:
        """The demand in words."""
        return f"{', '.join(self.key)} must not repeat those of another row"

    def is_broken(self, rows: ir.Table) -> ir.BooleanValue:
        """True for each row that breaks the rule."""
        window = ibis.window(group_by=list(self.key), order_by=list(self.order))
        is_repeat = ibis.row_number().over(window) > 0
        has_key = ibis.literal(True)
        for column in self.key:
            has_key = has_key & _has_value(rows[column])
        return is_repeat & has_key

    def expectation(self) -> dict[str, Any]:
        """The Great Expectations counterpart."""
        if len(self.key) == 1:
            return {
                "type": "expect_column_values_to_be_unique",
                "kwargs": {"column": self.key[0]},
            }
        return {
            "type": "expect_compound_columns_to_be_unique",
            "kwargs": {"column_list": list(self.key), "ignore_row_if": "any_value_is_missing"},
        }


def _has_value(column: ir.Column) -> ir.BooleanValue:
    """Not null; and a number, for pandas and Great Expectations take NaN for a missing value."""
    has_value = column.notnull()
    if column.type().is_floating():
        has_value = has_value & ~column.isnan().fill_null(False)
    return has_value


def plain(value: float | date) -> str:
    """A number or a date in full, as people write it: 1,000,000 and not 1e+06."""
    if isinstance(value, date):
        return value.isoformat()
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"
