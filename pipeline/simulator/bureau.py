"""What a credit bureau says of customers: the table `bureau`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, between_hours
from pipeline.simulator.fortune import probability
from pipeline.simulator.tables import customer_ids, mended, money, table, versions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

MONTHS_BETWEEN = 6
MISTYPED_SHARE, WITHDRAWN_SHARE = 0.004, 0.002

REPORTED, CORRECTED, WITHDRAWN = range(3)


def bureau(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `bureau`: a report twice a year of each customer, known within three days."""
    people, character = block.people, block.character
    is_due = (people.number[:, None] + calendar.window) % MONTHS_BETWEEN == 0
    customer, column = np.nonzero(is_due & block.is_customer(calendar))
    step, n = calendar.window[column], len(customer)
    day = calendar.starts[step] + rng.integers(0, 28, n)

    shock = block.climate.shock[customer, step] / 1000.0
    frailty, usual = people.frailty[customer], people.base_income[customer]
    noise = rng.standard_normal((2, n))
    is_consumer = people.is_consumer[customer]
    score = np.rint(np.clip(620.0 - 55.0 * frailty - 35.0 * shock + 40.0 * noise[0], 300.0, 850.0))
    inquiries = rng.poisson(np.exp(np.clip(-0.9 + 0.45 * shock + 0.15 * frailty, -5.0, 2.0)))
    open_loans = rng.poisson(np.minimum(0.4 + 0.7 * character.owed_elsewhere[customer], 8.0))
    debt = usual * character.owed_elsewhere[customer] * np.exp(0.1 * noise[1])
    is_overdue = rng.random(n) < probability(-3.6 + 0.8 * shock + 0.6 * frailty)
    overdue = np.where(is_overdue, debt * rng.uniform(0.02, 0.4, n), 0.0)

    known_s = between_hours(rng, day + rng.integers(0, 3, n), 18, 23)
    corrected, withdrawn = mended(rng, known_s, MISTYPED_SHARE, WITHDRAWN_SHARE)
    row, known_s, event = versions(calendar, (np.arange(n), known_s), corrected, withdrawn)
    # Mixed up with a namesake, whose score was another.
    first_score = score.copy()
    first_score[corrected[0]] = np.rint(rng.uniform(400.0, 800.0, len(corrected[0])))
    columns = {
        "customer_id": customer_ids(people.number[customer[row]]),
        "pulled_at": day[row],
        "external_score": np.where(event == REPORTED, first_score[row], score[row]).astype(
            np.int64
        ),
        "inquiries_3m": inquiries[row],
        "open_loans_elsewhere": open_loans[row],
        "debt_elsewhere": money(debt[row], is_consumer[row]),
        "overdue_elsewhere": money(overdue[row], is_consumer[row]),
    }
    return table("bureau", columns, known_s, event == WITHDRAWN)
