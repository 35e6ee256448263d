"""A bank, made up from equations.

A customer i of segment s and industry k stops paying in month t, having an instalment due, with
probability p = 1 / (1 + exp(-z)), where::

    z[i,t] = base[s] + means + stability + prospects + relationship + behaviour + network
             + 0.7 u[i] + 1.15 x[i,t] + squeeze + crunch

    means         1.1 ln(instalments due / capacity / 0.45), held within -1.5 and 1.5, less
                  0.2 c[i]; capacity is 0.40 of income for consumers, 0.16 for sme, 0.14 for
                  corporates
    stability     consumers: 2.2 n + 0.7 exp(-days at the address / 700) + 0.7 where self-employed
                  or paid by the hour, with n = exp(-days in the job / 500)
                  firms: 2.0 n, less 0.3 for corporates, with n = exp(-days since founding / 1500)
    prospects     f y[k,t] - 0.7 g[i]; f is 0.7 for consumers, 1.1 for firms
    relationship  -0.6 b[i]
    behaviour     0.6 a[i]
    network       N[i] + 0.4 times the sum over i's edges to j of w N[j], with
                  N[i] = sum over i's edges to j of w (x[j,t] + 2.2 where j does not pay);
                  w is 1 for guarantors and groups, 0.7 for shareholders, 0.5 for suppliers
                  and family, 0 for referrals
    squeeze       1.8 n times the part of ln(instalments due / capacity / 0.45) between 0 and 1:
                  a burden is worst where the job or the firm is new
    crunch        0.9 max(-c[i], 0) max(m[t], 0): a downturn is worst where liquid assets are thin

    u             frailty that no table shows, standard normal; the bureau knows it in part
    x             a personal shock, AR(1): x[t] = 0.93 x[t-1] + sqrt(1 - 0.93^2) e[t]
    m             slack of the economy: 0.15 times an AR(1) with 0.90, and downturns of depth 1.6,
                  each a raised cosine of 16 months. The bottom of the first lies within the
                  middle sixth of the window, or of its first six years; that of the next comes
                  72 to 96 months later
    y             cycle of the industry: its own level 0.45 e and AR(1) with 0.95, 0.6 strong, both
                  against the mean of industries, and its sensitivity (0.1 to 1.4) times m
    base          -9.35 for consumers, -9.3 for sme, -9.7 for corporates; where the window is longer
                  than 36 months, 1.25 (1 - 36 / months) more: with more good times between
                  downturns, fewer would default in the end
    c             cushion of liquid assets; b bond with the bank; g quality of a firm's management:
                  all standard normal and lasting, g of firms only
    a             taste for games of chance and cash: exponential with mean 1, at most 4

Income is base income times exp(0.002 t - 0.16 x - 0.02 y + 0.05 e) (0.10 y for firms). Of those
who stop, 45 % pay all arrears 30 to 120 days after the first instalment missed; the others never
pay again. Those who do pay are a few days late with a probability that grows with 0.45 (z - v), and
weeks late with 0.75 (z - v), where v is base and the lasting traits a, b, c, g: these show in no
credit history before it is too late.

A customer wishes for one to three loans, 6 to 23 months apart; in a window longer than 36 months,
for one to three again 48 months after the first of them, and so on. A loan is granted to customers
who have not ceased to pay and whose instalments stay within 1.3 times their capacity; its first
instalment falls due 13 to 58 days later. Of the customers, 22 % come during the window; during one
longer than 30 months more do, as often as there. An edge counts from the first day to the last,
also where the table lets it end.

What the tables show of this, each through noise e of its own:

financials        income; liquid assets, usual income times exp(0.7 + 0.6 c - 0.45 x + 0.3 e). Known
                  2 to 8 days after the month's end.
transactions      about 2.3 bookings a month, at most one of a category; those between are not
                  shown, so balances do not add up. Consumers gamble by 0.02 + 0.10 a a month,
                  for a share of income that grows with 0.5 + a; cash by 0.10 + 0.07 a, firms by
                  0.08 + 0.10 a. Beyond x = 0.5 cash grows with exp(0.2 (x - 0.5)) and leisure
                  falls with exp(-0.4 (x - 0.5)). Wages come in by 0.93 a month, by 0.8 times that
                  where payments have stopped. A balance, in usual income, is exp(0.2 + 0.6 c
                  - 0.45 x - 0.10 a + 0.35 e), running down over the month, less an overdraft
                  of 0.25 (x - 1) beyond x = 1. Known the next night, 2 % some days later.
interactions      complaints grow with exp(0.7 x - 0.9 b), calls for forbearance with exp(1.3 x);
                  logins, visits and surveys fall beyond x = 0.2. Sentiment has 0.25 b - 0.15 x,
                  satisfaction 0.8 b - 0.35 x. Known within two days.
assessments       of firms, twice a year (corporates: four times): management 0.95 g, reputation
                  0.55 g - 0.25 x, position 0.40 g - 0.30 y. Known 1 to 14 days later.
bureau            twice a year: score 620 - 55 u - 35 x + 40 e; inquiries with exp(0.45 x + 0.15 u);
                  debt elsewhere, overdue more often with 0.8 x + 0.6 u. Known on the evening of
                  the day or of one of the two days after.
industry_outlook  index 100 - 9 y + 2 e, and growth 2.4 - 2.6 m, unemployment 4.6 + 1.4 m three
                  months before, policy rate 2.75 - 1.1 m five months before. Known 18 to 25 days
                  after the month's end; 40 % of the indices are first noisier, and revised after
                  30 days.
defaults          past_due at 90 days past due (95 % of them), bankruptcy (15 %) and write_off
                  (70 %) of those who never pay again, restructuring (12 %) of those who pay again
                  before that. Known 1 to 14 days after the event. A false alarm, past_due of one
                  who has an instalment due and never stops paying, comes by 0.0001 a month and is
                  withdrawn 20 to 39 days after its date.
external_signals  of one customer in ten, four times a year: 0.1 - 0.25 x - 0.15 u + 0.3 e. Known
                  1 to 6 days later. One row in 200 comes without consent, as from real providers:
                  such a row breaks its contract, and no other row does.

In every table some rows are corrected later and some are withdrawn.

The bank keeps its books on UTC. Each part draws from a PCG64 generator of its own, and each table
from one for each block of customers, so that a change to one leaves the others' random numbers
alone. Matrices are kept in thousandths, and every published number is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.errors import RisklineError
from pipeline.simulator.accounts import transactions
from pipeline.simulator.bureau import bureau
from pipeline.simulator.character import form
from pipeline.simulator.clock import Calendar, day_number
from pipeline.simulator.contacts import interactions
from pipeline.simulator.defaults import defaults
from pipeline.simulator.economy import cycle, industry_outlook
from pipeline.simulator.fortune import live, weather
from pipeline.simulator.judgement import assessments
from pipeline.simulator.lending import loans, wish
from pipeline.simulator.means import financials
from pipeline.simulator.network import connect, relationships
from pipeline.simulator.outside import external_signals
from pipeline.simulator.payments import repayments
from pipeline.simulator.population import customers, settle
from pipeline.simulator.world import Block, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator

PARTS = (
    "people", "network", "climate", "wishes", "fortune", "book",
    "customers", "loans", "repayments", "financials", "relationships",
    "character", "economy", "transactions", "interactions", "assessments", "bureau",
    "industry_outlook", "defaults", "external_signals",
)  # fmt: skip
"""The order gives each part its random numbers: append, never insert."""

TABLES: dict[str, Callable[[Generator, Calendar, Block], pa.Table]] = {
    "customers": customers,
    "loans": loans,
    "repayments": repayments,
    "financials": financials,
    "relationships": relationships,
    "transactions": transactions,
    "interactions": interactions,
    "assessments": assessments,
    "bureau": bureau,
    "industry_outlook": industry_outlook,
    "defaults": defaults,
    "external_signals": external_signals,
}
"""How a block of customers shows in each table."""


EARLIEST, LATEST = date(1990, 1, 1), date(2100, 12, 31)
"""Earlier, the oldest customers would be born before 1900, and days before 1970 count below 0."""


@dataclass(frozen=True)
class Bank:
    """What to simulate: the same bank gives the same bytes."""

    customers: int = 2_000
    months: int = 30
    """Length of the window, which ends with the month of `last_date`."""
    last_date: date = date(2024, 5, 31)
    """Nothing is known after the close of this date; the window may begin in 1990."""
    seed: int = 20240601
    """0 or more."""
    block_customers: int = 50_000
    """Tables are made for so many customers at a time: it bounds memory and decides the bytes."""

    def __post_init__(self) -> None:
        """Refuse what no bank can be made up from.

        Raises:
            RisklineError: the window begins too early or ends too late, or the seed is below 0.
        """
        if self.calendar.window_start < day_number(EARLIEST):
            raise RisklineError(
                f"a bank of {self.months} months up to {self.last_date} would begin before "
                f"{EARLIEST}; name a later last date or fewer months"
            )
        if self.last_date > LATEST:
            raise RisklineError(f"a bank cannot last until {self.last_date}; end it by {LATEST}")
        if self.seed < 0:
            raise RisklineError(f"the seed {self.seed} is below 0; give 0 or a whole number above")

    @property
    def calendar(self) -> Calendar:
        """The months the bank lives through."""
        return Calendar(self.months, self.last_date)

    @property
    def blocks(self) -> int:
        """How many blocks of customers its tables come in."""
        return -(-self.customers // self.block_customers)


def generator(bank: Bank, part: str, *block: int) -> Generator:
    """The random numbers of one part of the bank, or of one block of that part."""
    seed = np.random.SeedSequence(bank.seed, spawn_key=(PARTS.index(part), *block))
    return np.random.Generator(np.random.PCG64(seed))


def create(bank: Bank, on_month: Callable[[], None] = lambda: None) -> World:
    """Let the bank live through its months.

    Args:
        bank: what to simulate.
        on_month: called after each of its calendar's steps.
    """
    calendar = bank.calendar
    people = settle(generator(bank, "people"), calendar, bank.customers)
    character = form(generator(bank, "character"), people)
    network = connect(generator(bank, "network"), people)
    economy = cycle(generator(bank, "economy"), calendar)
    climate = weather(generator(bank, "climate"), calendar, people, economy)
    wishes = wish(generator(bank, "wishes"), calendar, people, climate)
    fortune = live(
        generator(bank, "fortune"),
        calendar, people, character, network, economy, climate, wishes, on_month,
    )  # fmt: skip
    return World(people, character, network, economy, climate, wishes, fortune)


def pieces(bank: Bank, world: World) -> Iterator[tuple[str, pa.Table]]:
    """The bank's tables in pieces: all tables for the first block of customers, and so on.

    Yields:
        A table's name and those of its rows that belong to the block, sorted by known_at and
        then by key. The outlook of industries, which belongs to no customer, comes with the
        first block.
    """
    calendar = bank.calendar
    for number in range(bank.blocks):
        rng = generator(bank, "book", number)
        block = world.block(number, bank.block_customers, calendar, rng)
        for name, rows in TABLES.items():
            if name != "industry_outlook" or number == 0:
                yield name, rows(generator(bank, name, number), calendar, block)


def simulate(bank: Bank) -> dict[str, pa.Table]:
    """The bank's twelve tables in memory: for banks small enough for that.

    Each holds every version of every row known by the close of `bank.last_date`, in the shape of
    the contracts of data_contracts/sources; within a block of customers, and so all through a bank
    of one block, sorted by known_at and then by key.
    """
    blocks: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    for name, rows in pieces(bank, create(bank)):
        blocks[name].append(rows)
    return {name: pa.concat_tables(parts) for name, parts in blocks.items()}
