"""What relationship managers think of firms: the table `assessments`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, Floats, Ints, between_hours
from pipeline.simulator.population import CONSUMER, CORPORATE
from pipeline.simulator.tables import customer_ids, ids, mended, table, versions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

MONTHS_BETWEEN = {"sme": 6, "corporate": 3}
NUMBERS_A_BLOCK = 10**9
MISTYPED_SHARE, WITHDRAWN_SHARE = 0.01, 0.004

RECORDED, CORRECTED, WITHDRAWN = range(3)


def assessments(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `assessments`: twice a year of small firms, each quarter of corporates."""
    people = block.people
    every = np.where(
        people.segment == CORPORATE, MONTHS_BETWEEN["corporate"], MONTHS_BETWEEN["sme"]
    )[:, None]
    is_due = (people.number[:, None] + calendar.window) % every == 0
    is_firm = (people.segment != CONSUMER)[:, None]
    customer, column = np.nonzero(is_due & is_firm & block.is_customer(calendar))
    step, n = calendar.window[column], len(customer)
    day = calendar.starts[step] + rng.integers(0, 28, n)
    order = np.lexsort((customer, day))
    customer, step, day = customer[order], step[order], day[order]

    management = block.character.management[customer]
    shock = block.climate.shock[customer, step] / 1000.0
    industry = block.economy.industry[people.industry[customer], step]
    noise = rng.standard_normal((3, n))
    led = _mark(3.1 + 0.95 * management + 0.45 * noise[0])
    spoken_of = _mark(3.2 + 0.55 * management - 0.25 * shock + 0.6 * noise[1])
    placed = _mark(3.1 + 0.40 * management - 0.30 * industry + 0.6 * noise[2])

    known_s = between_hours(rng, day + rng.integers(1, 15, n), 9, 17)
    corrected, withdrawn = mended(rng, known_s, MISTYPED_SHARE, WITHDRAWN_SHARE)
    row, known_s, event = versions(calendar, (np.arange(n), known_s), corrected, withdrawn)
    first_led = led.copy()
    first_led[corrected[0]] = 6 - led[corrected[0]]
    columns = {
        "assessment_id": ids("A", block.number * NUMBERS_A_BLOCK + row + 1, 12),
        "customer_id": customer_ids(people.number[customer[row]]),
        "assessed_at": day[row],
        "management_quality": np.where(event == RECORDED, first_led[row], led[row]),
        "market_reputation": spoken_of[row],
        "industry_position": placed[row],
    }
    return table("assessments", columns, known_s, event == WITHDRAWN)


def _mark(values: Floats) -> Ints:
    marks: Ints = np.rint(np.clip(values, 1.0, 5.0)).astype(np.int64)
    return marks
