"""The economy and its industries, downturn included: the table `industry_outlook`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import BURN_IN_MONTHS, Calendar, Floats, between_hours
from pipeline.simulator.population import INDUSTRIES
from pipeline.simulator.tables import table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

PERSISTENCE, INDUSTRY_PERSISTENCE = 0.90, 0.95
DOWNTURN_DEPTH = 1.6
DOWNTURN_HALF_MONTHS = 8.0
FIRST_BOTTOM = 0.42, 0.58
"""Share of the window, or of its first six years, after which the first downturn is worst."""
MONTHS_BETWEEN_BOTTOMS = 72, 96
SENSITIVITY = np.array([0.5, 0.9, 0.9, 1.0, 1.3, 0.8, 1.4, 0.4, 0.1, 0.3])
"""Of each industry to the economy, in the order of INDUSTRIES."""


@dataclass(frozen=True)
class Economy:
    """The months' state; higher is worse. A column a step."""

    slack: Floats
    """Of the whole economy: near 0 in good times, near 2 at the bottom of a downturn."""
    industry: Floats
    """A row an industry."""


def cycle(rng: Generator, calendar: Calendar) -> Economy:
    """Draw a downturn inside the window, one every six to eight years, and how industries fare."""
    shortest = MONTHS_BETWEEN_BOTTOMS[0]
    first = min(calendar.months, shortest) * rng.uniform(*FIRST_BOTTOM)
    further = rng.uniform(*MONTHS_BETWEEN_BOTTOMS, calendar.months // shortest)
    bottoms = BURN_IN_MONTHS + np.cumsum([first, *further])
    away = np.abs(np.arange(calendar.steps)[:, None] - bottoms).min(axis=1)
    distance = np.minimum(away / DOWNTURN_HALF_MONTHS, 1.0)
    downturn = 0.5 * (1.0 + np.cos(np.pi * distance))
    slack = 0.15 * autoregress(rng, 1, calendar.steps, PERSISTENCE)[0] + DOWNTURN_DEPTH * downturn
    level = 0.45 * rng.standard_normal((len(INDUSTRIES), 1))
    own = level + 0.6 * autoregress(rng, len(INDUSTRIES), calendar.steps, INDUSTRY_PERSISTENCE)
    # What all industries share is the economy's, not theirs.
    own = own - own.mean(axis=0)
    return Economy(slack, own + SENSITIVITY[:, None] * slack)


def autoregress(rng: Generator, rows: int, steps: int, persistence: float) -> Floats:
    """Stationary AR(1) paths with variance 1."""
    path = rng.standard_normal((rows, steps))
    fresh = np.sqrt(1.0 - persistence**2)
    for t in range(1, steps):
        path[:, t] = persistence * path[:, t - 1] + fresh * path[:, t]
    return path


PUBLISHED, REVISED, WITHDRAWN = range(3)


def industry_outlook(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `industry_outlook`: known weeks after the month's end; some figures are revised."""
    economy = block.economy
    steps = BURN_IN_MONTHS + calendar.months
    industry = np.repeat(np.argsort(INDUSTRIES), steps)
    step = np.tile(np.arange(steps), len(INDUSTRIES))
    n = len(step)
    state = economy.industry[industry, step]
    index = 100.0 - 9.0 * state + 2.0 * rng.standard_normal(n)
    noisier_index = index + 3.0 * rng.standard_normal(n)
    odds = np.exp(-3.4 + 0.6 * state + 0.1 * rng.standard_normal(n))

    slack, noise = economy.slack[:steps], rng.standard_normal((3, steps))
    growth = 2.4 - 2.6 * slack + 0.3 * noise[0]
    unemployment = 4.6 + 1.4 * _later(slack, 3) + 0.1 * noise[1]
    rate = np.maximum(2.75 - 1.1 * _later(slack, 5) + 0.1 * noise[2], 0.0)

    month_end = calendar.starts[step + 1] - 1
    # A month's figures of all industries come out together.
    published_day = month_end + rng.integers(18, 26, steps)[step]
    published_s = between_hours(rng, published_day, 8, 10)
    is_revised = rng.random(n) < 0.4
    first_index = np.where(is_revised, noisier_index, index)
    revised = np.flatnonzero(is_revised)
    revised_s = between_hours(rng, published_day[revised] + 30, 8, 10)
    # One month of one industry is taken back; it lies well before the last day.
    withdrawn = np.array([rng.integers(len(INDUSTRIES)) * steps + steps - 5])
    withdrawn_s = between_hours(rng, published_day[withdrawn] + 40, 8, 10)
    row, known_s, event = versions(
        calendar,
        (np.arange(n), published_s),
        (revised, revised_s),
        (withdrawn, withdrawn_s),
    )
    shown = np.where(event == PUBLISHED, first_index[row], index[row])
    columns = {
        "industry_code": words(INDUSTRIES, industry[row]),
        "month": month_end[row],
        "outlook_index": np.round(np.clip(shown, 20.0, 180.0), 1),
        "industry_default_rate_pct": np.round(100.0 * odds / (1.0 + odds), 2)[row],
        "gdp_growth_pct": np.round(growth, 1)[step[row]],
        "unemployment_pct": np.round(unemployment, 1)[step[row]],
        "policy_rate_pct": np.round(rate, 2)[step[row]],
    }
    return table("industry_outlook", columns, known_s, event == WITHDRAWN)


def _later(path: Floats, months: int) -> Floats:
    """The path some months later; its first value stands for what lies before it."""
    return np.concatenate([np.full(months, path[0]), path[:-months]])
