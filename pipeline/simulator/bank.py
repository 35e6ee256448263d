"""A bank, made up from equations.

A customer i of segment s stops paying in month t, having an instalment due, with probability
p = 1 / (1 + exp(-z)), where::

    z[i,t] = base[s] + means + stability + 0.7 u[i] + 1.25 x[i,t] + f y[k,t] + network

    means      1.1 ln(instalments due / capacity / 0.45), held within -1.5 and 1.5;
               capacity is 0.40 of income for consumers, 0.16 for sme, 0.14 for corporates
    stability  consumers: 2.2 exp(-days in the job / 500) + 0.7 exp(-days at the address / 700)
               + 0.7 where self-employed or paid by the hour
               firms: 2.0 exp(-days since founding / 1500), less 0.3 for corporates
    u          frailty that no table shows, standard normal
    x          a personal shock, AR(1): x[t] = 0.93 x[t-1] + sqrt(1 - 0.93^2) e[t]
    y          the cycle of industry k, a level plus AR(1) with 0.90; f is 0.35 for consumers,
               0.8 for firms
    network    with a guarantor or head of group j: 0.6 x[j,t], and 1.8 where j does not pay

Income is base income times exp(0.002 t - 0.16 x - 0.02 y + 0.05 e) (0.10 y for firms), and
liquid assets move with exp(-0.45 x), so that the tables show the shock through noise. Of those
who stop, 45 % pay all arrears 30 to 120 days after the first instalment missed; the others never
pay again. Those who do pay are a few days late with a probability that grows with 0.45 (z - base),
and weeks late with 0.75 (z - base). A new loan is granted to customers who are not in arrears and
whose instalments stay within 1.3 times their capacity. A guarantor counts from the first day to
the last, also where the table lets the edge end.

The bank keeps its books on UTC. Each part draws from a PCG64 generator of its own, so that a
change to one part leaves the others' random numbers alone; every published number is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar
from pipeline.simulator.fortune import Climate, Fortune, live, weather
from pipeline.simulator.lending import Book, Wishes, book, loans, wish
from pipeline.simulator.means import financials
from pipeline.simulator.network import Network, connect, relationships
from pipeline.simulator.payments import repayments
from pipeline.simulator.population import People, customers, settle

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

PARTS = (
    "people", "network", "climate", "wishes", "fortune", "book",
    "customers", "loans", "repayments", "financials", "relationships",
)  # fmt: skip
"""The order gives each part its random numbers: append, never insert."""


@dataclass(frozen=True)
class Bank:
    """What to simulate: the same bank gives the same bytes."""

    customers: int = 2_000
    months: int = 30
    """Length of the window, which ends with the month of `last_date`."""
    last_date: date = date(2024, 5, 31)
    """Nothing is known after the close of this date."""
    seed: int = 20240601

    @property
    def calendar(self) -> Calendar:
        """The months the bank lives through."""
        return Calendar(self.months, self.last_date)


@dataclass(frozen=True)
class World:
    """All that happens at a bank, of which its tables show a part."""

    people: People
    network: Network
    climate: Climate
    wishes: Wishes
    fortune: Fortune
    book: Book


def generator(bank: Bank, part: str) -> Generator:
    """The random numbers of one part of the bank."""
    seed = np.random.SeedSequence(bank.seed, spawn_key=(PARTS.index(part),))
    return np.random.Generator(np.random.PCG64(seed))


def create(bank: Bank) -> World:
    """Let the bank live through its months."""
    calendar = bank.calendar
    people = settle(generator(bank, "people"), calendar, bank.customers)
    network = connect(generator(bank, "network"), people)
    climate = weather(generator(bank, "climate"), calendar, people)
    wishes = wish(generator(bank, "wishes"), calendar, people, climate)
    fortune = live(generator(bank, "fortune"), calendar, people, network, climate, wishes)
    loan_book = book(generator(bank, "book"), calendar, people, wishes, fortune)
    return World(people, network, climate, wishes, fortune, loan_book)


def simulate(bank: Bank) -> dict[str, pa.Table]:
    """The bank's tables customers, loans, repayments, financials, relationships.

    Each holds every version of every row known by the close of `bank.last_date`, sorted by
    known_at and then by key, in the shape of the contracts of data_contracts/sources.
    """
    calendar, world = bank.calendar, create(bank)
    people, fortune = world.people, world.fortune
    return {
        "customers": customers(generator(bank, "customers"), calendar, people),
        "loans": loans(generator(bank, "loans"), calendar, people, world.book),
        "repayments": repayments(
            generator(bank, "repayments"), calendar, people, fortune, world.book
        ),
        "financials": financials(
            generator(bank, "financials"), calendar, people, world.climate, world.wishes, fortune
        ),
        "relationships": relationships(
            generator(bank, "relationships"), calendar, people, world.network
        ),
    }
