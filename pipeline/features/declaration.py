"""How a feature is declared: once, with what the model, the contracts and the words derive from.

A feature is a function from a frame's rows to a number a customer. Its name is the function's, its
description the docstring's first line, written for a credit officer. A frame is a function from
the tables, other frames and features that it names to rows of customers: it sees nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import ibis.expr.types as ir


class Dimension(StrEnum):
    """The seven sides from which a customer is seen; a feature belongs to exactly one."""

    CREDIT_HISTORY = "credit_history"
    REPAYMENT_CAPACITY = "repayment_capacity"
    STABILITY = "stability"
    PROSPECTS = "prospects"
    RELATIONSHIP = "relationship"
    BEHAVIOUR = "behaviour"
    NETWORK = "network"


class Risk(StrEnum):
    """What happens to the risk when the feature's value grows."""

    RISES = "rises"
    FALLS = "falls"
    UNORDERED = "unordered"

    @property
    def monotone(self) -> int:
        """LightGBM's monotone constraint."""
        return {Risk.RISES: 1, Risk.FALLS: -1, Risk.UNORDERED: 0}[self]


class Unit(StrEnum):
    """What a feature is counted in, and with it which values it can have at all."""

    ACCOUNTS = "accounts"
    BOOKINGS = "bookings"
    CHANNELS = "channels"
    CONTACTS = "contacts"
    CUSTOMERS = "customers"
    DAYS = "days"
    INDEX = "index points"
    INQUIRIES = "inquiries"
    INSTALMENTS = "instalments"
    LOANS = "loans"
    MARK = "mark, 1 to 5"
    MARKS = "marks"
    MONEY = "money"
    MONTHS = "months"
    PEOPLE = "people"
    PERCENT = "percent"
    POINTS = "percentage points"
    PRODUCTS = "products"
    RATIO = "ratio"
    SCORE = "score"
    SHARE = "share"
    TIMES = "times"
    TONE = "tone, -1 to 1"
    TONE_CHANGE = "points of tone"
    YEARS = "years"


@dataclass(frozen=True)
class Reason:
    """What is said of a customer whose risk the feature raises, as the end of 'because ...'."""

    english: str
    chinese: str


@dataclass(frozen=True)
class Recent:
    """Of a source table, the rows that happened in so many days up to the as-of date.

    ``moment`` is the column, an instant, that says when. Its table's contract must rule
    that nothing is known before it happens: what was known too early need not be looked at then.
    """

    table: str
    moment: str
    days: int


@dataclass(frozen=True)
class History:
    """Of a source table, every version known by the as-of date, to tell what has changed."""

    table: str


@dataclass(frozen=True)
class Values:
    """Features as columns beside customer_id, one row a known customer."""

    features: tuple["Feature", ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """Rows that features are computed over, in the column customer_id.

    Attributes:
        name: of the frame.
        reads: what it is built from, in the order in which ``build`` takes them.
        build: takes the as-of date and a table for each of ``reads``.
        is_per_customer: whether a customer has at most one row, so that features are its columns
            rather than aggregates.
        is_personal: whether its features tell the customer's own life, as age does, and are shown
            to those alone who may see what is personal.
    """

    name: str
    reads: tuple["str | Recent | History | Values | Frame", ...]
    build: Callable[..., ir.Table]
    is_per_customer: bool
    is_personal: bool

    @property
    def tables(self) -> frozenset[str]:
        """The source tables that it reads itself, or through other frames."""
        found: set[str] = set()
        for read in self.reads:
            if isinstance(read, Frame):
                found |= read.tables
            elif not isinstance(read, Values):
                found.add(read if isinstance(read, str) else read.table)
        return frozenset(found)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The source tables that its rows come from, those of the features it reads among them."""
        found = set(self.tables)
        for feature in self.values_read:
            found |= set(feature.sources)
        return tuple(sorted(found))

    @property
    def values_read(self) -> Iterator["Feature"]:
        """The features that it reads itself, or through other frames."""
        for read in self.reads:
            if isinstance(read, Values):
                yield from read.features
            elif isinstance(read, Frame):
                yield from read.values_read


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature: a number a customer, null where there is nothing to compute it from.

    Attributes:
        topic: what its reason is about; features of one topic say much the same.
        of_nothing: what it is for a customer of whom the frame has no row, or none that counts,
            where the bank does have the frame's tables; null unless said otherwise.
    """

    name: str
    dimension: Dimension
    unit: Unit
    risk: Risk
    description: str
    reason: Reason
    topic: str
    frame: Frame
    expression: Callable[[ir.Table], ir.NumericValue]
    of_nothing: float | None

    @property
    def sources(self) -> tuple[str, ...]:
        """The tables it is computed from."""
        return self.frame.sources


def values_of(*features: Feature) -> Values:
    """Features for a frame to read, as one table with a column each beside customer_id."""
    return Values(features)


def frame(
    *reads: "str | Recent | History | Values | Frame",
    per_customer: bool = False,
    personal: bool = False,
) -> Callable[[Callable[..., ir.Table]], Frame]:
    """Declare a frame by the function that builds it; the frame takes the function's name.

    Args:
        reads: names of source tables, their ``Recent`` part or their ``History``, other frames,
            and features: the function takes an ``AsOf`` and then a table for each, in this order.
        per_customer: whether a customer has at most one row.
        personal: whether its features tell the customer's own life.
    """

    def declare(build: Callable[..., ir.Table]) -> Frame:
        return Frame(build.__name__, reads, build, per_customer, personal)

    return declare


def feature(
    dimension: Dimension,
    *,
    unit: Unit,
    risk: Risk,
    over: Frame,
    reason: tuple[str, str],
    topic: str | None = None,
    of_nothing: float | None = None,
) -> Callable[[Callable[[ir.Table], ir.NumericValue]], Feature]:
    """Declare a feature by the expression that gives it.

    Args:
        dimension: the one it belongs to.
        unit: of its values.
        risk: its direction.
        over: the frame whose rows it is taken over.
        reason: what is said where it raises a customer's risk, in English and in Chinese.
        topic: what the reason is about, where other features say much the same; else its own.
        of_nothing: its value for a customer of whom no row counts, such as 0 of a number of things.
    """

    def declare(expression: Callable[[ir.Table], ir.NumericValue]) -> Feature:
        description = (expression.__doc__ or "").strip().split("\n")[0]
        if not description:
            raise ValueError(f"feature {expression.__name__} needs a docstring")
        name = expression.__name__
        return Feature(
            name, dimension, unit, risk, description, Reason(*reason), topic or name, over,
            expression, of_nothing,
        )  # fmt: skip

    return declare
