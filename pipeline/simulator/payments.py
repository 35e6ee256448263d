"""How instalments are met: the table `repayments`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import (
    SECONDS_A_DAY,
    Calendar,
    Floats,
    Ints,
    between_hours,
    first_day,
)
from pipeline.simulator.fortune import base, probability, traits
from pipeline.simulator.lending import loan_ids
from pipeline.simulator.population import NEVER
from pipeline.simulator.tables import NOTHING, table, versions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

EARLY_SHARE = 0.15
EARLY_DAYS = (1, 6)
FEW_DAYS_LATE = (1, 6)
SHORTEST_SLIP_DAYS, MEAN_SLIP_DAYS, LONGEST_SLIP_DAYS = 6, 16, 75
KNOWN_NEXT_DAY_SHARE = 0.15
MISBOOKED_SHARE = 0.003

SCHEDULED, MISBOOKED, PAID, WITHDRAWN = range(4)


def repayments(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `repayments`: each instalment scheduled with its loan, and again when paid."""
    loan_book = block.book
    term = loan_book.term
    loan = np.repeat(np.arange(loan_book.count), term)
    number = np.arange(len(loan)) - np.repeat(np.cumsum(term) - term, term)
    due_month = loan_book.first_due_month[loan] + number
    due_day = first_day(due_month) + loan_book.due_dom[loan] - 1
    paid_day = _paid_day(rng, calendar, block, loan_book.customer[loan], due_month, due_day)
    paid_day = np.where(loan_book.is_cancelled[loan], NEVER, paid_day)

    is_paid = np.flatnonzero(paid_day < NEVER)
    next_day = rng.random(len(is_paid)) < KNOWN_NEXT_DAY_SHARE
    paid_s = np.where(
        next_day,
        between_hours(rng, paid_day[is_paid] + 1, 6, 9),
        between_hours(rng, paid_day[is_paid], 18, 23),
    )
    # A misbooked payment is known first with a wrong amount, and set right some days later.
    is_wrong = rng.random(len(is_paid)) < MISBOOKED_SHARE
    right_s = between_hours(rng, paid_s // SECONDS_A_DAY + rng.integers(1, 5, len(is_paid)), 9, 17)
    misbooked = is_paid[is_wrong]
    withdrawn = np.flatnonzero(loan_book.is_cancelled[loan])

    row, known_s, event = versions(
        calendar,
        (np.arange(len(loan)), loan_book.origination_s[loan]),
        (misbooked, paid_s[is_wrong]),
        (is_paid, np.where(is_wrong, right_s, paid_s)),
        (withdrawn, loan_book.cancelled_s[loan[withdrawn]]),
    )

    shows_payment = (event == PAID) | (event == MISBOOKED)
    due_amount = loan_book.instalment[loan[row]]
    paid_amount = np.where(event == MISBOOKED, np.round(due_amount * 0.9, 2), due_amount)
    columns = {
        "loan_id": loan_ids(loan_book.number[loan[row]]),
        "instalment_no": number[row] + 1,
        "due_date": due_day[row],
        "due_amount": due_amount,
        "paid_date": np.where(shows_payment, paid_day[row], NOTHING),
        "paid_amount": np.where(shows_payment, paid_amount, np.nan),
    }
    return table("repayments", columns, known_s, event == WITHDRAWN)


def _paid_day(
    rng: Generator,
    calendar: Calendar,
    block: Block,
    customer: Ints,
    due_month: Ints,
    due_day: Ints,
) -> Ints:
    """The day each instalment is paid, or NEVER; what falls due after the last step is unknown."""
    step = due_month - calendar.first_month
    is_lived = step < calendar.steps
    cell = (customer, np.minimum(step, calendar.steps - 1))
    # Who likes the bank or a game of chance pays no earlier or later for it, until the end.
    unseen = base(calendar, block.people) + traits(block.character)
    strain = block.fortune.log_odds[cell] / 1000.0 - unseen[customer]

    usual_day = due_day + _delay(rng, strain)
    cure_day = block.fortune.cure_day[cell].astype(np.int64)
    paid_day = np.where(cure_day >= due_day, cure_day, usual_day)
    return np.where(is_lived, paid_day, NEVER)


def _delay(rng: Generator, strain: Floats) -> Ints:
    """Days from due to paid for customers who do pay: the more strain, the more they are late."""
    n = len(strain)
    draw, kind = rng.random(n), rng.random(n)
    slip_days = SHORTEST_SLIP_DAYS + rng.exponential(MEAN_SLIP_DAYS, n).astype(np.int64)
    late = draw < probability(-2.6 + 0.45 * strain)
    slips = draw < probability(-5.0 + 0.75 * strain)
    early = ~late & (kind < EARLY_SHARE)
    delay = np.where(early, -rng.integers(*EARLY_DAYS, n), 0)
    delay = np.where(late, rng.integers(*FEW_DAYS_LATE, n), delay)
    return np.where(slips, np.minimum(slip_days, LONGEST_SLIP_DAYS), delay)
