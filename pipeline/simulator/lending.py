"""What customers ask for and the bank grants: the table `loans`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import (
    BURN_IN_MONTHS,
    Bools,
    Calendar,
    Floats,
    Ints,
    between_hours,
    first_day,
    month_of,
    on_weekdays,
)
from pipeline.simulator.fortune import FREE_SHARE, incomes
from pipeline.simulator.population import CONSUMER, CORPORATE, SME, People
from pipeline.simulator.tables import customer_ids, ids, table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.fortune import Climate, Fortune
    from pipeline.simulator.world import Block

MOST_LOANS = 3
"""That a customer wants in one round of wishes."""
WANTED_SHARES = (0.33, 0.37, 0.30)
ROUND_MONTHS = 48
"""From the first wish of a round to that of the next: longer than a round can take."""
MONTHS_OF_ONE_ROUND = 36
"""The longest window for which one round is enough to keep the loan book from shrinking away."""
TERMS = np.array([6, 12, 18, 24, 36])
TERM_SHARES = (0.10, 0.24, 0.24, 0.26, 0.16)
BASE_RATE_PCT = np.array([8.5, 6.5, 4.5])

PRODUCTS = (
    "personal_loan", "car_loan", "home_improvement", "working_capital", "equipment_loan",
    "term_loan", "project_loan", "credit_line",
)  # fmt: skip
PRODUCT_SHARES = np.zeros((3, len(PRODUCTS)))
PRODUCT_SHARES[CONSUMER, [0, 1, 2, 7]] = 0.50, 0.25, 0.15, 0.10
PRODUCT_SHARES[SME, [3, 4, 7]] = 0.55, 0.30, 0.15
PRODUCT_SHARES[CORPORATE, [5, 6, 7]] = 0.55, 0.35, 0.10
CREDIT_LINE = 7
COLLATERALS = ("vehicle", "equipment", "real_estate")
COLLATERAL_OF = np.array([-1, 0, -1, -1, 1, -1, 2, -1])
PURPOSES = (
    "consumption", "vehicle", "renovation", "working_capital", "machinery", "expansion",
    "construction", "liquidity",
)  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """Loans asked for: a row a customer, a column a wish in the order of time.

    A start of -1 is no wish.
    """

    start: Ints
    """The step in which the loan would be granted."""
    origination_day: Ints
    first_due: Ints
    """The step of the first instalment."""
    term: Ints
    annual_rate_pct: Floats
    principal: Floats
    instalment: Floats


def wish(rng: Generator, calendar: Calendar, people: People, climate: Climate) -> Wishes:
    """Draw one to three loans a customer and round, each sized by the income of its day."""
    n, rounds = (
        people.count,
        1 + max(-(-(calendar.months - MONTHS_OF_ONE_ROUND) // ROUND_MONTHS), 0),
    )
    shape = n, rounds * MOST_LOANS
    onboarded_step = month_of(people.onboarded_day) - calendar.first_month
    wanted = 1 + rng.choice(MOST_LOANS, size=(n, rounds), p=WANTED_SHARES)
    # Those who were customers before the burn-in come for a loan at some time during it.
    wait = np.where(onboarded_step < 0, rng.integers(0, BURN_IN_MONTHS + 4, n), 0)
    gaps = rng.integers(6, 24, (n, rounds, MOST_LOANS))
    first = np.maximum(onboarded_step, -1) + 1 + wait + rng.integers(0, 3, n)
    gaps[:, :, 0] = first[:, None] + ROUND_MONTHS * np.arange(rounds)
    start = np.cumsum(gaps, axis=2).reshape(shape)
    is_wish = (np.arange(MOST_LOANS) < wanted[:, :, None]).reshape(shape)
    is_wish &= (start < calendar.steps) & ~people.is_mistake[:, None]
    start = np.where(is_wish, start, -1)

    month = first_day(calendar.first_month + start)
    dom = rng.integers(3, 29, shape)
    origination_day = on_weekdays(month + dom - 1)
    origination_dom = origination_day - month + 1
    # The first instalment leaves the customer 13 days over a February, else 15 or more.
    first_due = start + 1 + (origination_dom - people.due_dom[:, None] > 15)
    term = TERMS[rng.choice(len(TERMS), size=shape, p=TERM_SHARES)]
    rate = np.round(
        BASE_RATE_PCT[people.segment][:, None]
        + 0.9 * people.frailty[:, None]
        + 1.2 * rng.standard_normal(shape),
        2,
    ).clip(1.5, 24.0)

    asked = np.arange(n)[:, None], np.maximum(start, 0)
    capacity = incomes(people, climate, asked) * FREE_SHARE[people.segment][:, None]
    burden = 0.33 * np.exp(0.55 * rng.standard_normal(shape))
    monthly_rate = rate / 1200.0
    annuity = (1.0 - (1.0 + monthly_rate) ** -term) / monthly_rate
    principal = np.maximum(np.round(capacity * burden * annuity, -2), 100.0)
    return Wishes(
        start, origination_day, first_due, term, rate, principal, np.round(principal / annuity, 2)
    )


@dataclass(frozen=True)
class Book:
    """The loans granted, in the order in which they were; one entry a loan."""

    number: Ints
    """One that no other loan of the bank has, 0 for the first."""
    customer: Ints
    """The borrower's place among the people."""
    origination_day: Ints
    origination_s: Ints
    first_due_month: Ints
    due_dom: Ints
    term: Ints
    annual_rate_pct: Floats
    principal: Floats
    instalment: Floats
    is_cancelled: Bools
    """Booked in error and withdrawn before the first instalment."""
    cancelled_s: Ints

    @property
    def count(self) -> int:
        """How many loans there are."""
        return len(self.customer)

    @property
    def maturity_day(self) -> Ints:
        """Day on which the last instalment falls due."""
        return first_day(self.first_due_month + self.term - 1) + self.due_dom - 1


def book(
    rng: Generator,
    calendar: Calendar,
    people: People,
    wishes: Wishes,
    fortune: Fortune,
    first_number: int,
) -> Book:
    """The wishes that were granted, numbered from `first_number` on."""
    customer, column = np.nonzero(fortune.granted)
    origination_s = between_hours(rng, wishes.origination_day[customer, column], 9, 17)
    order = np.lexsort((column, customer, origination_s))
    customer, column, origination_s = customer[order], column[order], origination_s[order]
    cell = (customer, column)
    origination_day = wishes.origination_day[cell]
    return Book(
        number=first_number + np.arange(len(customer)),
        customer=customer,
        origination_day=origination_day,
        origination_s=origination_s,
        first_due_month=calendar.first_month + wishes.first_due[cell],
        due_dom=people.due_dom[customer],
        term=wishes.term[cell],
        annual_rate_pct=wishes.annual_rate_pct[cell],
        principal=wishes.principal[cell],
        instalment=wishes.instalment[cell],
        is_cancelled=rng.random(len(customer)) < 0.004,
        cancelled_s=between_hours(rng, origination_day + rng.integers(1, 6, len(customer)), 9, 17),
    )


GRANTED, REVALUED, WITHDRAWN = range(3)


def loans(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `loans`: known when granted; some collateral is revalued, a few are withdrawn."""
    people, loan_book = block.people, block.book
    n = loan_book.count
    thresholds = np.cumsum(PRODUCT_SHARES, axis=1)[people.segment[loan_book.customer]]
    product = (rng.random((n, 1)) >= thresholds).sum(axis=1).clip(max=CREDIT_LINE)
    collateral = COLLATERAL_OF[product]
    value = np.round(loan_book.principal * rng.uniform(0.8, 1.6, n), -2)
    value = np.where(collateral >= 0, value, np.nan)
    later_value = np.round(value * rng.uniform(0.6, 1.1, n), -2)
    limit = np.where(
        product == CREDIT_LINE, np.ceil(loan_book.principal * rng.uniform(1.0, 1.5, n)), np.nan
    )
    revalued_s = between_hours(rng, loan_book.origination_day + rng.integers(100, 400, n), 9, 17)
    is_revalued = (collateral >= 0) & ~loan_book.is_cancelled & (rng.random(n) < 0.1)

    everyone = np.arange(n)
    revalued, withdrawn = everyone[is_revalued], everyone[loan_book.is_cancelled]
    loan, known_s, event = versions(
        calendar,
        (everyone, loan_book.origination_s),
        (revalued, revalued_s[revalued]),
        (withdrawn, loan_book.cancelled_s[withdrawn]),
    )
    columns = {
        "loan_id": loan_ids(loan_book.number[loan]),
        "customer_id": customer_ids(people.number[loan_book.customer[loan]]),
        "product": words(PRODUCTS, product[loan]),
        "principal": loan_book.principal[loan],
        "annual_rate_pct": loan_book.annual_rate_pct[loan],
        "term_months": loan_book.term[loan].astype(np.float64),
        "originated_at": loan_book.origination_day[loan],
        "maturity_date": loan_book.maturity_day[loan],
        "collateral_type": words(COLLATERALS, collateral[loan]),
        "collateral_value": np.where(event == REVALUED, later_value[loan], value[loan]),
        "purpose": words(PURPOSES, product[loan]),
        "credit_limit": limit[loan],
    }
    return table("loans", columns, known_s, event == WITHDRAWN)


def loan_ids(number: Ints) -> pa.Array:
    """The bank's numbers for loans, counted from 1."""
    return ids("L", number + 1, 8)
