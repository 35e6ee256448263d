"""What became of customers in the horizon after an as-of date: what the model learns to foresee."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import pyarrow as pa

from pipeline.business_day import months_after
from pipeline.engines.base import Engine
from pipeline.features.build import CUSTOMER_ID, Frames
from pipeline.features.frames.instalments import days_since_settled, instalments

IS_DEFAULT = "is_default"


class Unit(StrEnum):
    """What a horizon is counted in."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True)
class DefaultDefinition:
    """What counts as a default, and within which time after the as-of date."""

    days_past_due: int
    horizon: int
    horizon_unit: Unit

    def horizon_end(self, as_of: date) -> date:
        """The last day of the horizon; a month's end stays a month's end."""
        if self.horizon_unit is Unit.DAY:
            return as_of + timedelta(days=self.horizon)
        return months_after(as_of, self.horizon)


def outcomes(then: date, frames: Frames, definition: DefaultDefinition, engine: Engine) -> pa.Table:
    """Who defaulted between an as-of date and the end of its horizon.

    A customer defaults on the day on which an instalment has been unpaid for the definition's
    days past due. Left out are customers already in default at the as-of date, and those who had
    nothing to pay in the horizon: neither shows what the model is to foresee.

    Args:
        then: the as-of date that the features were built for.
        frames: of the end of the horizon or a later day, never an earlier one.
        definition: of default and horizon.
        engine: where the frames live.

    Returns:
        customer_id and is_default, in the order of customer_id.

    Raises:
        ValueError: the horizon is not over at the day of the frames.
    """
    end = definition.horizon_end(then)
    known_on = frames.known.at.date
    if end > known_on:
        raise ValueError(f"the horizon of {then} ends on {end}, after {known_on}")
    rows = frames.rows(instalments)
    # All in days before the frames' own: what is not paid by then was not within the horizon.
    first, last = (known_on - then).days, (known_on - end).days
    settled = days_since_settled(rows).fill_null(-1)
    default = rows.days_since_due - definition.days_past_due
    defaults = settled <= default
    rows = rows.mutate(
        is_in_default=defaults & (default >= first) & (settled < first),
        is_due=(rows.days_since_due >= last) & (settled < first),
        is_default=defaults & (default < first) & (default >= last),
    )
    customers = rows.group_by(CUSTOMER_ID).aggregate(
        is_in_default=rows.is_in_default.any(),
        is_due=rows.is_due.any(),
        is_default=rows.is_default.any(),
    )
    kept = customers.filter(customers.is_due & ~customers.is_in_default)
    return engine.to_arrow(kept.select(CUSTOMER_ID, IS_DEFAULT).order_by(CUSTOMER_ID))
