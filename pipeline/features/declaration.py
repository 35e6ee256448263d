"""How a feature is declared: once, with what the model, the contracts and the words derive from.

A feature is a function from a frame's rows to an aggregate a customer. Its name is the function's,
its description the docstring's first line, written for a credit officer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import ibis.expr.types as ir

from pipeline.as_of import Known


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


@dataclass(frozen=True)
class Frame:
    """Rows that features are computed over, any number a customer, in the column customer_id."""

    name: str
    sources: tuple[str, ...]
    build: Callable[[Known], ir.Table]


@dataclass(frozen=True)
class Feature:
    """One feature: a number a customer, null where there is nothing to compute it from."""

    name: str
    dimension: Dimension
    unit: str
    risk: Risk
    description: str
    frame: Frame
    expression: Callable[[ir.Table], ir.NumericValue]

    @property
    def sources(self) -> tuple[str, ...]:
        """The tables it is computed from."""
        return self.frame.sources


def frame(*sources: str) -> Callable[[Callable[[Known], ir.Table]], Frame]:
    """Declare a frame by the function that builds it; the frame takes the function's name."""

    def declare(build: Callable[[Known], ir.Table]) -> Frame:
        return Frame(build.__name__, sources, build)

    return declare


def feature(
    dimension: Dimension, *, unit: str, risk: Risk, over: Frame
) -> Callable[[Callable[[ir.Table], ir.NumericValue]], Feature]:
    """Declare a feature by the aggregate that gives it.

    Args:
        dimension: the one it belongs to.
        unit: of its values.
        risk: its direction.
        over: the frame whose rows the aggregate is taken over.
    """

    def declare(expression: Callable[[ir.Table], ir.NumericValue]) -> Feature:
        description = (expression.__doc__ or "").strip().split("\n")[0]
        if not description:
            raise ValueError(f"feature {expression.__name__} needs a docstring")
        return Feature(expression.__name__, dimension, unit, risk, description, over, expression)

    return declare
