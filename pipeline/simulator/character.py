"""What customers are like, and no table says outright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

    from pipeline.simulator.clock import Bools, Floats
    from pipeline.simulator.population import People

STRONGEST_TASTE = 4.0
SHARING_SHARE = 0.10


@dataclass(frozen=True)
class Character:
    """Lasting traits of customers; every array has one entry a customer."""

    management: Floats
    """How well a firm is led, standard normal; 0 for consumers."""
    bond: Floats
    """How good the relationship with the bank is, standard normal."""
    taste: Floats
    """For games of chance and cash, 0 to 4 with a mean near 1."""
    cushion: Floats
    """Liquid assets for the income, on a log scale, standard normal."""
    wealth: Floats
    """Other assets, in months of usual income."""
    owed_elsewhere: Floats
    """Debt at other lenders, in months of usual income."""
    shares_data: Bools
    """Who lets providers from outside tell the bank about them."""


def form(rng: Generator, people: People) -> Character:
    """Draw the traits of all customers."""
    n = people.count
    return Character(
        management=np.where(people.is_consumer, 0.0, rng.standard_normal(n)),
        bond=rng.standard_normal(n),
        taste=np.minimum(rng.exponential(1.0, n), STRONGEST_TASTE),
        cushion=rng.standard_normal(n),
        wealth=np.exp(1.6 + 0.7 * rng.standard_normal(n) - 0.2 * people.frailty),
        owed_elsewhere=rng.exponential(1.2, n),
        shares_data=rng.random(n) < SHARING_SHARE,
    )
