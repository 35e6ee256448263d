"""What customers earn, spend, own and owe: the table `financials`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, Floats, between_hours, month_of
from pipeline.simulator.fortune import Fortune, dues, incomes
from pipeline.simulator.tables import customer_ids, money, table, versions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.lending import Wishes
    from pipeline.simulator.world import Block

LIVING_SHARE = np.array([0.55, 0.82, 0.84])
"""By segment: the part of usual income that goes, instalments aside."""

REPORTED, RESTATED, WITHDRAWN = range(3)


def financials(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `financials`: a row a month of the window, known days after the month's end."""
    people, character, fortune = block.people, block.character, block.fortune
    onboarded_step = month_of(people.onboarded_day) - calendar.first_month
    is_customer = (onboarded_step[:, None] <= calendar.window) & ~people.is_mistake[:, None]
    customer, column = np.nonzero(is_customer)
    step = calendar.window[column]
    cell, n = (customer, step), len(customer)
    period_end = calendar.starts[step + 1] - 1
    known_s = between_hours(rng, period_end + rng.integers(2, 9, n), 6, 20)

    usual = people.base_income[customer]
    shock = block.climate.shock[cell] / 1000.0
    income = incomes(people, block.climate, cell)
    spent = usual * LIVING_SHARE[people.segment[customer]] * np.exp(0.08 * rng.standard_normal(n))
    due = dues(calendar, block.wishes, fortune)[cell]
    expense = spent + np.where(fortune.cure_day[cell] < 0, due, 0.0)
    owed_elsewhere = usual * character.owed_elsewhere[customer]
    liabilities = _owed(calendar, block.wishes, fortune)[cell] + owed_elsewhere
    noise = 0.3 * rng.standard_normal(n)
    cushion = 0.7 + 0.6 * character.cushion[customer]
    liquid = usual * np.exp(cushion - 0.45 * shock + noise)
    assets = liquid + usual * character.wealth[customer]

    misstated = np.flatnonzero(rng.random(n) < 0.01)
    first_income = income.copy()
    first_income[misstated] *= rng.uniform(0.7, 1.4, len(misstated))
    withdrawn = np.flatnonzero(rng.random(n) < 0.0005)
    later_s = between_hours(rng, period_end + rng.integers(12, 60, n), 9, 17)
    withdrawn_s = between_hours(rng, period_end + rng.integers(60, 90, n), 9, 17)
    row, known_s, event = versions(
        calendar,
        (np.arange(n), known_s),
        (misstated, later_s[misstated]),
        (withdrawn, withdrawn_s[withdrawn]),
    )

    is_consumer = people.is_consumer[customer[row]]

    def shown(amount: Floats) -> Floats:
        return money(amount[row], is_consumer)

    columns = {
        "customer_id": customer_ids(people.number[customer[row]]),
        "period_end": period_end[row],
        "income": np.where(event == REPORTED, shown(first_income), shown(income)),
        "expense": shown(expense),
        "assets": shown(assets),
        "liabilities": shown(liabilities),
        "liquid_assets": shown(liquid),
    }
    return table("financials", columns, known_s, event == WITHDRAWN)


def _owed(calendar: Calendar, wishes: Wishes, fortune: Fortune) -> Floats:
    """Principal still to be repaid to the bank by schedule, a row a customer, a column a step."""
    owed = np.zeros(fortune.at_risk.shape)
    step = np.arange(calendar.steps)
    for column in range(wishes.start.shape[1]):
        start, term = wishes.start[:, [column]], wishes.term[:, [column]]
        left = np.clip(wishes.first_due[:, [column]] + term - 1 - step, 0, term) / term
        is_owed = fortune.granted[:, [column]] & (start <= step)
        owed += np.where(is_owed, left * wishes.principal[:, [column]], 0.0)
    return owed
