"""Days, months and seconds as integers, so that arithmetic on them is the same on every machine.

A day counts from 1970-01-01, a month from January 1970, an instant in seconds from the epoch.
The simulated bank keeps its books on UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Millis = NDArray[np.int16]
"""Thousandths: a quarter of the memory, and no last bit for processors to differ in."""

SECONDS_A_DAY = 86_400
BURN_IN_MONTHS = 24
"""Months lived before the window, so that its first month already has loans with a past."""

THURSDAY = 3  # 1970-01-01
SATURDAY = 5


def day_number(day: date) -> int:
    """Days from 1970-01-01 to `day`."""
    return (day - date(1970, 1, 1)).days


def first_day(months: Ints) -> Ints:
    """The first day of each month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def month_of(days: Ints) -> Ints:
    """The month each day lies in."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def on_weekdays(days: Ints) -> Ints:
    """Each Saturday and Sunday moved back to its Friday; other days as they are."""
    weekday = (days + THURSDAY) % 7
    return days - np.maximum(weekday - SATURDAY + 1, 0)


def millis(values: Floats) -> Millis:
    """Values between -32 and 32 as thousandths."""
    result: Millis = np.rint(values * 1000.0).astype(np.int16)
    return result


def between_hours(rng: np.random.Generator, days: Ints, opens: int, closes: int) -> Ints:
    """A random second of each day, from the hour `opens` until before the hour `closes`."""
    return days * SECONDS_A_DAY + rng.integers(opens * 3600, closes * 3600, size=days.shape)


@dataclass(frozen=True)
class Calendar:
    """The months a bank lives through.

    Step 0 is the first month of the burn-in; the window of `months` ends with the month of
    `last_date`. One step more is lived, unseen but for those who pay early.
    """

    months: int
    last_date: date

    @property
    def last_day(self) -> int:
        """The last day on which anything is known."""
        return day_number(self.last_date)

    @property
    def close_s(self) -> int:
        """The first instant after the last day."""
        return (self.last_day + 1) * SECONDS_A_DAY

    @property
    def steps(self) -> int:
        """How many months are lived."""
        return BURN_IN_MONTHS + self.months + 1

    @property
    def first_month(self) -> int:
        """The month of step 0."""
        last_month = (self.last_date.year - 1970) * 12 + self.last_date.month - 1
        return last_month - (BURN_IN_MONTHS + self.months) + 1

    @property
    def starts(self) -> Ints:
        """The first day of each step, and of the month after the last one: steps + 1 days."""
        return first_day(self.first_month + np.arange(self.steps + 1))

    @property
    def window(self) -> Ints:
        """The steps of the window."""
        return np.arange(BURN_IN_MONTHS, BURN_IN_MONTHS + self.months)

    @property
    def window_start(self) -> int:
        """The first day of the window."""
        return int(self.starts[BURN_IN_MONTHS])
