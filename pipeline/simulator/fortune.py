"""How customers fare from month to month: income, loans granted, and who stops paying when.

The equations stand in `pipeline.simulator.bank`. Matrices have a row a customer and a column
a step of the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Bools, Calendar, Floats, Ints, Millis, millis, month_of
from pipeline.simulator.population import CORPORATE, NEVER, SELF_EMPLOYED, People

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from pipeline.simulator.character import Character
    from pipeline.simulator.economy import Economy
    from pipeline.simulator.lending import Wishes
    from pipeline.simulator.network import Network

PERSISTENCE = 0.93
SHOCK_WEIGHT = 1.15
FREE_SHARE = np.array([0.40, 0.16, 0.14])
"""By segment: the part of income left for instalments."""

BASE_LOG_ODDS = np.array([-9.35, -9.3, -9.7])
SHORT_WINDOW_MONTHS = 36
LONG_WINDOW_ADDS = 1.25
"""A long window has more good times in it: its base is higher, so that its default rate is not."""
USUAL_BURDEN = 0.45
CURE_SHARE = 0.45
CURE_DAYS = (30, 121)
MOST_BURDEN_GRANTED = 1.3


@dataclass(frozen=True)
class Climate:
    """What befalls customers, whatever they borrow."""

    shock: Millis
    """The personal shock x."""
    income: Millis
    """Logarithm of income against usual income."""


@dataclass(frozen=True)
class Fortune:
    """What became of customers and their wishes for loans."""

    log_odds: Millis
    """Of ceasing to pay this month."""
    at_risk: Bools
    """Where an instalment was due and the customer had not ceased before."""
    cure_day: NDArray[np.int32]
    """Where a customer does not pay: the day on which that ends, or NEVER; else -1."""
    granted: Bools
    """A row a customer, a column a wish."""


def weather(rng: Generator, calendar: Calendar, people: People, economy: Economy) -> Climate:
    """Draw personal shocks and the incomes that follow from them."""
    shape = people.count, calendar.steps
    shock, income = np.empty(shape, np.int16), np.empty(shape, np.int16)
    fresh = np.sqrt(1.0 - PERSISTENCE**2)
    felt = np.where(people.is_consumer, 0.02, 0.10)
    now = rng.standard_normal(people.count)
    for t in range(calendar.steps):
        if t > 0:
            now = PERSISTENCE * now + fresh * rng.standard_normal(people.count)
        noise = rng.standard_normal(people.count)
        shock[:, t] = millis(now)
        income[:, t] = millis(
            0.002 * t - 0.16 * now - felt * economy.industry[people.industry, t] + 0.05 * noise
        )
    return Climate(shock, income)


def incomes(people: People, climate: Climate, cell: tuple[Ints, Ints]) -> Floats:
    """Income a month of each cell of customer and step."""
    result: Floats = people.base_income[cell[0]] * np.exp(climate.income[cell] / 1000.0)
    return result


def live(
    rng: Generator,
    calendar: Calendar,
    people: People,
    character: Character,
    network: Network,
    economy: Economy,
    climate: Climate,
    wishes: Wishes,
    on_month: Callable[[], None] = lambda: None,
) -> Fortune:
    """Walk through the months: grant loans, weigh burdens, and see who stops paying."""
    n, steps = climate.shock.shape
    starts = calendar.starts
    onboarded_step = month_of(people.onboarded_day) - calendar.first_month
    log_odds = np.empty((n, steps), np.int16)
    at_risk = np.zeros((n, steps), np.bool_)
    cure_day = np.full((n, steps), -1, np.int32)
    granted = np.zeros(wishes.start.shape, np.bool_)
    unpaid_until = np.full(n, -1)
    lasting = base(calendar, people) + 0.7 * people.frailty + traits(character)
    usual_capacity = people.base_income * FREE_SHARE[people.segment]
    thin = np.maximum(-character.cushion, 0.0)
    felt = np.where(people.is_consumer, 0.7, 1.1)

    for t in range(steps):
        start = int(starts[t])
        is_stopped = unpaid_until >= start
        shock = climate.shock[:, t] / 1000.0
        capacity = usual_capacity * np.exp(climate.income[:, t] / 1000.0)
        active = granted & (wishes.first_due <= t) & (t < wishes.first_due + wishes.term)
        due = np.where(active, wishes.instalment, 0.0).sum(axis=1)
        burden = due / capacity
        strain = np.log(np.maximum(burden, 0.01) / USUAL_BURDEN)
        stability, instability = _footing(start, people)
        log_odds[:, t] = millis(
            lasting
            + stability
            + np.clip(1.1 * strain, -1.5, 1.5)
            + SHOCK_WEIGHT * shock
            + felt * economy.industry[people.industry, t]
            + network.pressure(shock + 2.2 * is_stopped)
            + 1.8 * instability * np.clip(strain, 0.0, 1.0)
            + 0.9 * thin * max(float(economy.slack[t]), 0.0)
        )
        at_risk[:, t] = (due > 0) & ~is_stopped
        draw, cures, cure_after = rng.random(n), rng.random(n), rng.integers(*CURE_DAYS, n)
        stops = at_risk[:, t] & (draw < probability(log_odds[:, t] / 1000.0))
        first_missed = start + people.due_dom - 1
        unpaid_until = np.where(
            stops, np.where(cures < CURE_SHARE, first_missed + cure_after, NEVER), unpaid_until
        )
        is_stopped |= stops
        cure_day[:, t] = np.where(is_stopped, unpaid_until, -1)

        bearable = burden[:, None] + wishes.instalment / capacity[:, None]
        granted |= (
            (wishes.start == t)
            & ~is_stopped[:, None]
            & (onboarded_step < t)[:, None]
            & (bearable < MOST_BURDEN_GRANTED)
        )
        on_month()
    return Fortune(log_odds, at_risk, cure_day, granted)


def dues(calendar: Calendar, wishes: Wishes, fortune: Fortune) -> Floats:
    """Instalments due a month, a row a customer, a column a step."""
    due = np.zeros(fortune.at_risk.shape)
    step = np.arange(calendar.steps)
    for column in range(wishes.start.shape[1]):
        first, term = wishes.first_due[:, [column]], wishes.term[:, [column]]
        is_due = fortune.granted[:, [column]] & (first <= step) & (step < first + term)
        due += np.where(is_due, wishes.instalment[:, [column]], 0.0)
    return due


def probability(log_odds: Floats) -> Floats:
    """The logistic function."""
    result: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return result


def base(calendar: Calendar, people: People) -> Floats:
    """Where the log-odds of each customer start from: by segment, and higher in a long window."""
    long_share = 1.0 - SHORT_WINDOW_MONTHS / max(calendar.months, SHORT_WINDOW_MONTHS)
    result: Floats = BASE_LOG_ODDS[people.segment] + LONG_WINDOW_ADDS * long_share
    return result


def traits(character: Character) -> Floats:
    """What lasting traits add to the log-odds of each customer."""
    result: Floats = (
        -0.6 * character.bond
        + 0.6 * character.taste
        - 0.7 * character.management
        - 0.2 * character.cushion
    )
    return result


def _footing(day: int, people: People) -> tuple[Floats, Floats]:
    """What age, job and home add to the log-odds, and how new the job or the firm is (0 to 1)."""
    employed = np.where(people.job_change_day <= day, people.job_change_day, people.employed_day)
    resident = np.where(people.move_day <= day, people.move_day, people.resident_day)
    newly_employed = np.exp(-np.maximum(day - employed, 0) / 500.0)
    newly_resident = np.exp(-np.maximum(day - resident, 0) / 700.0)
    newly_founded = np.exp(-np.maximum(day - people.birth_or_founding_day, 0) / 1_500.0)
    is_insecure = people.occupation >= SELF_EMPLOYED
    person = 2.2 * newly_employed + 0.7 * newly_resident + 0.7 * is_insecure
    firm = 2.0 * newly_founded - 0.3 * (people.segment == CORPORATE)
    is_consumer = people.is_consumer
    return np.where(is_consumer, person, firm), np.where(is_consumer, newly_employed, newly_founded)
