"""What only the simulator knows. For tests and evidence: the pipeline never reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.simulator.bank import Bank, create
from pipeline.simulator.defaults import DAYS_PAST_DUE
from pipeline.simulator.fortune import (
    CURE_DAYS,
    CURE_SHARE,
    PERSISTENCE,
    SHOCK_WEIGHT,
    probability,
)
from pipeline.simulator.tables import customer_ids

if TYPE_CHECKING:
    from pipeline.simulator.clock import Calendar, Floats, Ints
    from pipeline.simulator.world import World

MONTHS_TO_DEFAULT_IN = 9
"""Who stops paying later than that within a year is not 90 days past due by its end."""


def true_distress(bank: Bank) -> pa.Table:
    """How likely each customer was to stop paying and to default, for each month of the window.

    Returns:
        A table with one row a customer and month after onboarding, sorted by month_end and then
        customer_id, of

        - customer_id and month_end (date32),
        - monthly_pd (0 to 1): of ceasing to pay in the month, had nothing been unpaid before,
        - yearly_pd (0 to 1): of an instalment 90 days past due within 12 months after month_end,
          given the economy's path and the customer's state at month_end; 1 if there is one already,
        - is_at_risk: an instalment was due and payments had not stopped before.
    """
    world, calendar = create(bank), bank.calendar
    month_end: Ints = calendar.starts[calendar.window + 1] - 1
    came = world.people.onboarded_day[None, :] <= month_end[:, None]
    month, customer = np.nonzero(came & ~world.people.is_mistake[None, :])
    cell = (customer, calendar.window[month])
    return pa.table(
        {
            "customer_id": customer_ids(customer),
            "month_end": pa.array(month_end[month].astype(np.int32)).cast(pa.date32()),
            "monthly_pd": probability(world.fortune.log_odds[cell] / 1000.0),
            "yearly_pd": _yearly(world, calendar, cell),
            "is_at_risk": world.fortune.at_risk[cell],
        }
    )


def _yearly(world: World, calendar: Calendar, cell: tuple[Ints, Ints]) -> Floats:
    """PD within 12 months, averaged over the futures of the customer's own shock.

    All else, such as the economy, takes the path that it did take; after the bank's last month it
    stays as it is.
    """
    customer, step = cell
    fortune, wishes = world.fortune, world.wishes
    shock = world.climate.shock[cell] / 1000.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    weights = weights / weights.sum()
    shortest, end = CURE_DAYS
    cures_late = CURE_SHARE * (end - DAYS_PAST_DUE) / (end - shortest)
    defaults_once_stopped = 1.0 - CURE_SHARE + cures_late

    survives = np.ones(len(customer))
    first_due, term = wishes.first_due[customer], wishes.term[customer]
    granted = fortune.granted[customer] & (wishes.start[customer] <= step[:, None])
    for ahead in range(1, MONTHS_TO_DEFAULT_IN + 1):
        then = (step + ahead)[:, None]
        is_due = (granted & (first_due <= then) & (then < first_due + term)).any(axis=1)
        kept = PERSISTENCE**ahead
        spread = SHOCK_WEIGHT * np.sqrt(1.0 - kept**2)
        lived = customer, np.minimum(step + ahead, calendar.steps - 1)
        came = world.climate.shock[lived] / 1000.0
        expected = fortune.log_odds[lived] / 1000.0 + SHOCK_WEIGHT * (kept * shock - came)
        odds = expected[:, None] + spread * nodes
        stops = (probability(odds) * weights).sum(axis=1)
        survives *= 1.0 - is_due * stops * defaults_once_stopped

    # Of those who have stopped already, the longer it lasts, the fewer pay in time.
    steps = np.arange(calendar.steps)
    stops_now = fortune.at_risk & (fortune.cure_day >= 0)
    latest_stop = np.maximum.accumulate(np.where(stops_now, steps, 0), axis=1)[cell]
    first_missed = calendar.starts[latest_stop] + world.people.due_dom[customer] - 1
    unpaid_days = calendar.starts[step + 1] - 1 - first_missed
    still_curing = np.clip((end - np.maximum(unpaid_days, shortest)) / (end - shortest), 0.0, 1.0)
    of_stopped = defaults_once_stopped / (1.0 - CURE_SHARE + CURE_SHARE * still_curing)
    of_stopped = np.where(unpaid_days >= DAYS_PAST_DUE, 1.0, of_stopped)
    is_stopped = fortune.cure_day[cell] >= calendar.starts[step + 1]
    result: Floats = np.where(is_stopped, of_stopped, 1.0 - survives)
    return result
