"""How customers fare from month to month: income, loans granted, and who stops paying when.

The equations stand in `pipeline.simulator.bank`. Matrices have a row a customer and a column
a step of the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Bools, Calendar, Floats, Ints, month_of
from pipeline.simulator.population import CORPORATE, INDUSTRIES, NEVER, SELF_EMPLOYED, People

if TYPE_CHECKING:
    from numpy.random import Generator

    from pipeline.simulator.lending import Wishes
    from pipeline.simulator.network import Network

PERSISTENCE = 0.93
INDUSTRY_PERSISTENCE = 0.90
FREE_SHARE = np.array([0.40, 0.16, 0.14])
"""By segment: the part of income left for instalments."""

BASE_LOG_ODDS = np.array([-7.1, -6.6, -7.1])
USUAL_BURDEN = 0.45
CURE_SHARE = 0.45
CURE_DAYS = (30, 121)
MOST_BURDEN_GRANTED = 1.3


@dataclass(frozen=True)
class Climate:
    """What befalls customers, whatever they borrow."""

    shock: Floats
    industry: Floats
    """A row an industry."""
    income: Floats
    capacity: Floats
    """Income left for instalments, a month."""


@dataclass(frozen=True)
class Fortune:
    """What became of customers and their wishes for loans."""

    log_odds: Floats
    """Of ceasing to pay this month."""
    at_risk: Bools
    """Where an instalment was due and the customer had not ceased before."""
    cure_day: Ints
    """Where a customer does not pay: the day on which that ends, or NEVER; else -1."""
    granted: Bools
    """A row a customer, a column a wish."""
    due: Floats
    """Instalments due, a month."""


def autoregress(rng: Generator, rows: int, steps: int, persistence: float) -> Floats:
    """Stationary AR(1) paths with variance 1."""
    path = rng.standard_normal((rows, steps))
    fresh = np.sqrt(1.0 - persistence**2)
    for t in range(1, steps):
        path[:, t] = persistence * path[:, t - 1] + fresh * path[:, t]
    return path


def weather(rng: Generator, calendar: Calendar, people: People) -> Climate:
    """Draw personal shocks, industry cycles and the incomes that follow from them."""
    steps = calendar.steps
    shock = autoregress(rng, people.count, steps, PERSISTENCE)
    level = 0.5 * rng.standard_normal((len(INDUSTRIES), 1))
    industry = level + autoregress(rng, len(INDUSTRIES), steps, INDUSTRY_PERSISTENCE)
    felt = np.where(people.is_consumer, 0.02, 0.10)[:, None] * industry[people.industry]
    noise = rng.standard_normal((people.count, steps))
    income = people.base_income[:, None] * np.exp(
        0.002 * np.arange(steps) - 0.16 * shock - felt + 0.05 * noise
    )
    return Climate(shock, industry, income, income * FREE_SHARE[people.segment][:, None])


def live(
    rng: Generator,
    calendar: Calendar,
    people: People,
    network: Network,
    climate: Climate,
    wishes: Wishes,
) -> Fortune:
    """Walk through the months: grant loans, weigh burdens, and see who stops paying."""
    n, steps = climate.shock.shape
    starts = calendar.starts
    onboarded_step = month_of(people.onboarded_day) - calendar.first_month
    log_odds = np.empty((n, steps))
    due = np.zeros((n, steps))
    at_risk = np.zeros((n, steps), dtype=np.bool_)
    cure_day = np.full((n, steps), -1)
    granted = np.zeros(wishes.start.shape, dtype=np.bool_)
    unpaid_until = np.full(n, -1)
    backed = np.flatnonzero(network.backer >= 0)
    backer = network.backer[backed]
    fixed = _stability_and_kind(calendar, people) + 0.7 * people.frailty[:, None]
    felt = np.where(people.is_consumer, 0.35, 0.8)

    for t in range(steps):
        start = int(starts[t])
        is_stopped = unpaid_until >= start
        active = granted & (wishes.first_due <= t) & (t < wishes.first_due + wishes.term)
        due[:, t] = np.where(active, wishes.instalment, 0.0).sum(axis=1)
        burden = due[:, t] / climate.capacity[:, t]

        network_term = np.zeros(n)
        network_term[backed] = 0.6 * climate.shock[backer, t] + 1.8 * is_stopped[backer]
        log_odds[:, t] = (
            fixed[:, t]
            + np.clip(1.1 * np.log(np.maximum(burden, 0.01) / USUAL_BURDEN), -1.5, 1.5)
            + 1.25 * climate.shock[:, t]
            + felt * climate.industry[people.industry, t]
            + network_term
        )
        at_risk[:, t] = (due[:, t] > 0) & ~is_stopped
        draw, cures, cure_after = rng.random(n), rng.random(n), rng.integers(*CURE_DAYS, n)
        stops = at_risk[:, t] & (draw < probability(log_odds[:, t]))
        first_missed = start + people.due_dom - 1
        unpaid_until = np.where(
            stops, np.where(cures < CURE_SHARE, first_missed + cure_after, NEVER), unpaid_until
        )
        is_stopped |= stops
        cure_day[:, t] = np.where(is_stopped, unpaid_until, -1)

        bearable = burden[:, None] + wishes.instalment / climate.capacity[:, [t]]
        granted |= (
            (wishes.start == t)
            & ~is_stopped[:, None]
            & (onboarded_step < t)[:, None]
            & (bearable < MOST_BURDEN_GRANTED)
        )
    return Fortune(log_odds, at_risk, cure_day, granted, due)


def probability(log_odds: Floats) -> Floats:
    """The logistic function."""
    result: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return result


def _stability_and_kind(calendar: Calendar, people: People) -> Floats:
    """The part of the log-odds that age, job, home and segment decide."""
    on_day = calendar.starts[:-1][None, :]
    job_change, employed = people.job_change_day[:, None], people.employed_day[:, None]
    move, resident = people.move_day[:, None], people.resident_day[:, None]
    tenure = on_day - np.where(job_change <= on_day, job_change, employed)
    residence = on_day - np.where(move <= on_day, move, resident)
    firm_age = np.maximum(on_day - people.birth_or_founding_day[:, None], 0)
    person = (
        2.2 * np.exp(-np.maximum(tenure, 0) / 500.0)
        + 0.7 * np.exp(-np.maximum(residence, 0) / 700.0)
        + np.where(people.occupation >= SELF_EMPLOYED, 0.7, 0.0)[:, None]
    )
    firm = 2.0 * np.exp(-firm_age / 1_500.0)
    firm = firm - np.where(people.segment == CORPORATE, 0.3, 0.0)[:, None]
    kind = np.where(people.is_consumer[:, None], person, firm)
    return BASE_LOG_ODDS[people.segment][:, None] + kind
