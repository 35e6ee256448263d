"""How accounts move: the table `transactions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import (
    SECONDS_A_DAY,
    Bools,
    Calendar,
    Floats,
    Ints,
    between_hours,
    month_of,
)
from pipeline.simulator.fortune import incomes
from pipeline.simulator.tables import customer_ids, ids, mended, money, table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

CATEGORIES = (
    "salary", "revenue", "rent", "groceries", "utilities", "leisure", "gambling", "cash", "loan",
    "supplier", "payroll", "tax", "transfer", "other",
)  # fmt: skip
(
    SALARY, REVENUE, RENT, GROCERIES, UTILITIES, LEISURE, GAMBLING, CASH, LOAN,
    SUPPLIER, PAYROLL, TAX, TRANSFER, OTHER,
) = range(14)  # fmt: skip
FIRM, CONSUMER = 0, 1
HOW_OFTEN = np.zeros((len(CATEGORIES), 2))
"""Chance of a booking in a month, of a firm and of a consumer."""
HOW_OFTEN[[REVENUE, SUPPLIER, PAYROLL, TAX, UTILITIES, RENT, CASH, TRANSFER, OTHER], FIRM] = (
    0.95, 0.45, 0.40, 0.12, 0.08, 0.08, 0.08, 0.05, 0.06,
)  # fmt: skip
HOW_OFTEN[
    [SALARY, RENT, GROCERIES, UTILITIES, LEISURE, GAMBLING, CASH, TRANSFER, OTHER], CONSUMER
] = 0.93, 0.27, 0.26, 0.12, 0.20, 0.02, 0.10, 0.08, 0.05
TASTE_ADDS = {GAMBLING: (0.0, 0.10), CASH: (0.10, 0.07)}
"""What a taste of 1 adds to that chance."""
SHARE_OF_INCOME = np.zeros((len(CATEGORIES), 2))
"""Usual size of a booking, as a share of usual income; of what comes in, of present income."""
SHARE_OF_INCOME[:, FIRM] = (
    0, 1.0, 0.04, 0, 0.02, 0, 0, 0.05, 0, 0.45, 0.30, 0.10, 0.05, 0.03,
)  # fmt: skip
SHARE_OF_INCOME[:, CONSUMER] = (
    1.0, 0, 0.28, 0.10, 0.05, 0.09, 0.06, 0.08, 0, 0, 0, 0, 0.07, 0.05,
)  # fmt: skip
PAID_IN = 0.25
"""Share of cash and transfers that come in rather than go out."""

CHANNELS = ("branch", "atm", "card", "online", "mobile", "transfer")
CHANNELS_OF = np.array(
    [
        [5, 5, 5, 5], [5, 5, 2, 3], [5, 5, 5, 3], [2, 2, 2, 4], [5, 5, 3, 4], [2, 2, 4, 3],
        [3, 4, 2, 4], [1, 1, 1, 0], [5, 5, 5, 5], [5, 3, 3, 5], [5, 5, 5, 3], [5, 3, 3, 0],
        [4, 4, 3, 5], [2, 3, 4, 0],
    ]
)  # fmt: skip
"""Four channels of each category, all as likely."""
NUMBERS_A_BLOCK = 10**9
LATE_SHARE, MISTYPED_SHARE, WITHDRAWN_SHARE = 0.02, 0.002, 0.001

POSTED, CORRECTED, WITHDRAWN = range(3)


@dataclass(frozen=True)
class Bookings:
    """What was booked, in the order of time; one entry a booking."""

    customer: Ints
    step: Ints
    category: Ints
    posted_s: Ints
    principal: Floats
    """Of the loan that was paid out, else 0."""

    @property
    def cell(self) -> tuple[Ints, Ints]:
        """Customer and step of each booking."""
        return self.customer, self.step

    @property
    def day(self) -> Ints:
        """Day of each booking."""
        return self.posted_s // SECONDS_A_DAY

    def is_of(self, *categories: int) -> Bools:
        """Which bookings are of one of the categories."""
        found: Bools = np.isin(self.category, categories)
        return found


def transactions(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `transactions`: known overnight, a few days late."""
    bookings = _bookings(rng, calendar, block)
    n, customer = len(bookings.customer), bookings.customer
    amount = _amounts(rng, block, bookings)
    balance = _balances(rng, calendar, block, bookings)
    channel = CHANNELS_OF[bookings.category, rng.integers(0, 4, n)]

    known_day = bookings.day + 1 + (rng.random(n) < LATE_SHARE) * rng.integers(1, 5, n)
    known_s = between_hours(rng, known_day, 1, 5)
    corrected, withdrawn = mended(rng, known_s, MISTYPED_SHARE, WITHDRAWN_SHARE)
    row, known_s, event = versions(calendar, (np.arange(n), known_s), corrected, withdrawn)
    first_amount = amount.copy()
    first_amount[corrected[0]] *= 10.0
    columns = {
        "transaction_id": ids("T", block.number * NUMBERS_A_BLOCK + row + 1, 12),
        "customer_id": customer_ids(block.people.number[customer[row]]),
        "posted_at": bookings.posted_s[row],
        "amount": np.where(event == POSTED, first_amount[row], amount[row]),
        "channel": words(CHANNELS, channel[row]),
        "category": words(CATEGORIES, bookings.category[row]),
        "balance_after": balance[row],
    }
    return table("transactions", columns, known_s, event == WITHDRAWN)


def _bookings(rng: Generator, calendar: Calendar, block: Block) -> Bookings:
    """At most one booking of a category a month, and the loans paid out."""
    is_customer = block.is_customer(calendar)
    segment = block.people.is_consumer.astype(np.int64)
    distress = np.maximum(block.climate.shock[:, calendar.window] / 1000.0 - 0.5, 0.0)
    is_stopped = block.fortune.cure_day[:, calendar.window] >= 0
    # Those in distress go out less; those who stopped paying have lost their wages more often.
    thrift = {
        LEISURE: np.exp(-0.4 * distress),
        CASH: np.exp(0.2 * distress),
        SALARY: np.where(is_stopped, 0.8, 1.0),
    }
    found = []
    for category in range(len(CATEGORIES)):
        chance = HOW_OFTEN[category, segment]
        if category in TASTE_ADDS:
            chance = chance + np.array(TASTE_ADDS[category])[segment] * block.character.taste
        chances: Floats = chance[:, None] * thrift.get(category, 1.0)
        customer, column = np.nonzero(is_customer & (rng.random(is_customer.shape) < chances))
        found.append((customer, calendar.window[column], np.full(len(customer), category)))
    customers, steps, categories = (np.concatenate(parts) for parts in zip(*found, strict=True))

    first_day = calendar.starts[steps]
    day = first_day + rng.integers(0, calendar.starts[steps + 1] - first_day)
    payday = first_day + (block.people.due_dom[customers] + 24) % 28
    day = np.where((categories == SALARY) | (categories == REVENUE), payday, day)

    lent = block.book
    loan = np.flatnonzero((lent.origination_day >= calendar.window_start) & ~lent.is_cancelled)
    lent_step = month_of(lent.origination_day[loan]) - calendar.first_month
    day = np.concatenate([day, lent.origination_day[loan]])
    posted_s = between_hours(rng, day, 6, 22)
    order = np.argsort(posted_s, kind="stable")
    return Bookings(
        customer=np.concatenate([customers, lent.customer[loan]])[order],
        step=np.concatenate([steps, lent_step])[order],
        category=np.concatenate([categories, np.full(len(loan), LOAN)])[order],
        posted_s=posted_s[order],
        principal=np.concatenate([np.zeros(len(customers)), lent.principal[loan]])[order],
    )


def _amounts(rng: Generator, block: Block, bookings: Bookings) -> Floats:
    """Signed amounts: of the month's income for what is earned, of usual income for the rest."""
    n, customer = len(bookings.customer), bookings.customer
    is_consumer = block.people.is_consumer[customer]
    is_earned, is_loan = bookings.is_of(SALARY, REVENUE), bookings.is_of(LOAN)
    income = np.where(
        is_earned,
        incomes(block.people, block.climate, bookings.cell),
        block.people.base_income[customer],
    )
    share = SHARE_OF_INCOME[bookings.category, is_consumer.astype(np.int64)]
    amount = income * share * np.exp(np.where(is_earned, 0.03, 0.30) * rng.standard_normal(n))
    amount *= np.where(bookings.is_of(GAMBLING), 0.5 + block.character.taste[customer], 1.0)
    least = np.where(is_consumer, 0.01, 100.0)
    amount = np.maximum(money(amount, is_consumer), least)
    amount = np.where(is_loan, bookings.principal, amount)
    comes_back = bookings.is_of(CASH, TRANSFER) & (rng.random(n) < PAID_IN)
    return np.where(is_earned | is_loan | comes_back, amount, -amount)


def _balances(rng: Generator, calendar: Calendar, block: Block, bookings: Bookings) -> Floats:
    """Balances of the accounts: they run down over the month, and with distress and taste."""
    customer, step = bookings.cell
    shock = block.climate.shock[bookings.cell] / 1000.0
    level = (
        0.2
        + 0.6 * block.character.cushion[customer]
        - 0.45 * shock
        - 0.10 * block.character.taste[customer]
        + 0.35 * rng.standard_normal(len(customer))
    )
    run_down = 1.1 - 0.008 * (bookings.day - calendar.starts[step])
    overdraft = 0.25 * np.maximum(shock - 1.0, 0.0)
    balance = block.people.base_income[customer] * (np.exp(level) * run_down - overdraft)
    return money(balance, block.people.is_consumer[customer])
