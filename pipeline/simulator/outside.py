"""What others tell the bank about customers: the table `external_signals`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, Floats, between_hours
from pipeline.simulator.tables import customer_ids, ids, mended, table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

KINDS = ("online_spending", "public_reputation", "utilities", "court", "employment")
PROVIDERS = ("Civic Ledger", "OpenPulse", "Meridian Data")
CONSUMER_KINDS, FIRM_KINDS = np.array([0, 2, 3, 4]), np.array([1, 1, 2, 3])
PROVIDER_OF = np.array([1, 1, 2, 0, 2])
MONTHS_BETWEEN = 3
WITHOUT_CONSENT_SHARE = 0.005
"""Rows that a provider delivers although the customer has not agreed: to be quarantined."""
NUMBERS_A_BLOCK = 10**9
MISTYPED_SHARE, WITHDRAWN_SHARE = 0.01, 0.004

DELIVERED, CORRECTED, WITHDRAWN = range(3)


def external_signals(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `external_signals`: each quarter of those who share their data."""
    people = block.people
    is_due = (people.number[:, None] + calendar.window) % MONTHS_BETWEEN == 0
    shares = block.character.shares_data[:, None]
    customer, column = np.nonzero(is_due & shares & block.is_customer(calendar))
    step, n = calendar.window[column], len(customer)
    day = calendar.starts[step] + rng.integers(0, 28, n)
    observed_s = between_hours(rng, day, 0, 24)
    order = np.lexsort((customer, observed_s))
    customer, step, observed_s = customer[order], step[order], observed_s[order]

    choice = rng.integers(0, 4, n)
    kind = np.where(people.is_consumer[customer], CONSUMER_KINDS[choice], FIRM_KINDS[choice])
    shock = block.climate.shock[customer, step] / 1000.0
    value = 0.1 - 0.25 * shock - 0.15 * people.frailty[customer] + 0.3 * rng.standard_normal(n)
    shown_value: Floats = np.clip(value, -1.0, 1.0).round(2)
    has_consent = rng.random(n) >= WITHOUT_CONSENT_SHARE

    known_s = observed_s + rng.integers(86_400, 6 * 86_400, n)
    corrected, withdrawn = mended(rng, known_s, MISTYPED_SHARE, WITHDRAWN_SHARE)
    row, known_s, event = versions(calendar, (np.arange(n), known_s), corrected, withdrawn)
    first_value = shown_value.copy()
    first_value[corrected[0]] *= -1.0
    columns = {
        "signal_id": ids("S", block.number * NUMBERS_A_BLOCK + row + 1, 12),
        "customer_id": customer_ids(people.number[customer[row]]),
        "observed_at": observed_s[row],
        "kind": words(KINDS, kind[row]),
        "value": np.where(event == DELIVERED, first_value[row], shown_value[row]),
        "provider": words(PROVIDERS, PROVIDER_OF[kind[row]]),
        "consent": has_consent[row],
    }
    return table("external_signals", columns, known_s, event == WITHDRAWN)
