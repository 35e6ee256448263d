"""What customers earn, spend, own and owe: the table `financials`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import BURN_IN_MONTHS, Calendar, Floats, between_hours, month_of
from pipeline.simulator.tables import customer_ids, in_order, table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.fortune import Climate, Fortune
    from pipeline.simulator.lending import Wishes
    from pipeline.simulator.population import People

LIVING_SHARE = np.array([0.55, 0.82, 0.84])
"""By segment: the part of usual income that goes, instalments aside."""

REPORTED, RESTATED, WITHDRAWN = range(3)


def financials(
    rng: Generator,
    calendar: Calendar,
    people: People,
    climate: Climate,
    wishes: Wishes,
    fortune: Fortune,
) -> pa.Table:
    """The table `financials`: a row a month of the window, known days after the month's end."""
    onboarded_step = month_of(people.onboarded_day) - calendar.first_month
    steps = np.arange(BURN_IN_MONTHS, BURN_IN_MONTHS + calendar.months)
    is_customer = (onboarded_step[:, None] <= steps) & ~people.is_mistake[:, None]
    customer, column = np.nonzero(is_customer)
    step = steps[column]
    cell, n = (customer, step), len(customer)
    period_end = calendar.starts[step + 1] - 1
    known_s = between_hours(rng, period_end + rng.integers(2, 9, n), 6, 20)

    usual = people.base_income[customer]
    shock = climate.shock[cell]
    income = climate.income[cell]
    spent = usual * LIVING_SHARE[people.segment[customer]] * np.exp(0.08 * rng.standard_normal(n))
    expense = spent + np.where(fortune.cure_day[cell] < 0, fortune.due[cell], 0.0)
    owed_elsewhere = usual * rng.exponential(1.2, people.count)[customer]
    liabilities = _owed(calendar, wishes, fortune)[cell] + owed_elsewhere
    wealth = np.exp(1.6 + 0.7 * rng.standard_normal(people.count) - 0.2 * people.frailty)
    cushion = np.exp(0.7 + 0.6 * rng.standard_normal(people.count))
    noise = np.exp(0.15 * rng.standard_normal(n))
    liquid = usual * cushion[customer] * np.exp(-0.45 * shock) * noise
    assets = liquid + usual * wealth[customer]

    misstated = np.flatnonzero(rng.random(n) < 0.01)
    first_income = income.copy()
    first_income[misstated] *= rng.uniform(0.7, 1.4, len(misstated))
    withdrawn = np.flatnonzero(rng.random(n) < 0.0005)
    row = np.concatenate([np.arange(n), misstated, withdrawn])
    later_s = between_hours(rng, period_end + rng.integers(12, 60, n), 9, 17)
    withdrawn_s = between_hours(rng, period_end + rng.integers(60, 90, n), 9, 17)
    known_s = np.concatenate([known_s, later_s[misstated], withdrawn_s[withdrawn]])
    event = np.repeat(np.arange(3), [n, len(misstated), len(withdrawn)])
    order = in_order(known_s, calendar.close_s, customer[row], period_end[row])
    row, known_s, event = row[order], known_s[order], event[order]

    # Firms report in hundreds. With cents, the last bit in which the exponentials of processors
    # differ would now and then show in a large amount.
    is_consumer = people.is_consumer[customer[row]]

    def money(amount: Floats) -> Floats:
        rounded: Floats = np.where(is_consumer, np.round(amount[row], 2), np.round(amount[row], -2))
        return rounded

    columns = {
        "customer_id": customer_ids(customer[row]),
        "period_end": period_end[row],
        "income": np.where(event == REPORTED, money(first_income), money(income)),
        "expense": money(expense),
        "assets": money(assets),
        "liabilities": money(liabilities),
        "liquid_assets": money(liquid),
    }
    return table("financials", columns, known_s, event == WITHDRAWN)


def _owed(calendar: Calendar, wishes: Wishes, fortune: Fortune) -> Floats:
    """Principal still to be repaid to the bank by schedule, a row a customer, a column a step."""
    owed = np.zeros(fortune.due.shape)
    step = np.arange(calendar.steps)
    for column in range(wishes.start.shape[1]):
        start, term = wishes.start[:, [column]], wishes.term[:, [column]]
        left = np.clip(wishes.first_due[:, [column]] + term - 1 - step, 0, term) / term
        is_owed = fortune.granted[:, [column]] & (start <= step)
        owed += np.where(is_owed, left * wishes.principal[:, [column]], 0.0)
    return owed
