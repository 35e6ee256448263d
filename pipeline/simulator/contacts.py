"""How customers and the bank deal with each other: the table `interactions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import Calendar, Floats, Ints, between_hours
from pipeline.simulator.tables import (
    NOTHING,
    customer_ids,
    ids,
    mended,
    table,
    versions,
    words,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

KINDS = ("call", "visit", "complaint", "survey", "app_login", "advice", "hardship")
CALL, VISIT, COMPLAINT, SURVEY, APP_LOGIN, ADVICE, HARDSHIP = range(7)
CHANNELS = ("branch", "phone", "online", "mobile", "email", "visit")
CHANNELS_OF = np.array(
    [
        [1, 1, 1, 1], [0, 0, 5, 5], [1, 4, 2, 0], [4, 2, 3, 1], [3, 3, 2, 3], [0, 1, 5, 2],
        [1, 0, 4, 1],
    ]
)  # fmt: skip
"""Four channels of each kind, all as likely."""
TONE = np.array([0.10, 0.25, -0.60, 0.0, 0.0, 0.30, -0.35])
"""Mean sentiment of each kind, where bond and shock are 0."""
NUMBERS_A_BLOCK = 10**9
MISTYPED_SHARE, WITHDRAWN_SHARE = 0.004, 0.002

RECORDED, CORRECTED, WITHDRAWN = range(3)


def interactions(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `interactions`: known within two days."""
    customer, step, kind = _contacts(rng, calendar, block)
    n = len(customer)
    first_day = calendar.starts[step]
    day = first_day + rng.integers(0, calendar.starts[step + 1] - first_day)
    occurred_s = between_hours(rng, day, 8, 20)
    order = np.argsort(occurred_s, kind="stable")
    customer, step, kind = customer[order], step[order], kind[order]
    occurred_s = occurred_s[order]

    bond = block.character.bond[customer]
    shock = block.climate.shock[customer, step] / 1000.0
    noise = rng.standard_normal(n)
    sentiment = np.clip(TONE[kind] + 0.25 * bond - 0.15 * shock + 0.22 * noise, -1.0, 1.0)
    sentiment = np.where((kind == SURVEY) | (kind == APP_LOGIN), np.nan, np.round(sentiment, 2))
    mark = np.rint(np.clip(3.4 + 0.8 * bond - 0.35 * shock + 0.6 * noise, 1.0, 5.0))
    satisfaction = np.where(kind == SURVEY, mark.astype(np.int64), NOTHING)

    known_s = occurred_s + rng.integers(600, 40 * 3600, n)
    corrected, withdrawn = mended(rng, known_s, MISTYPED_SHARE, WITHDRAWN_SHARE)
    row, known_s, event = versions(calendar, (np.arange(n), known_s), corrected, withdrawn)
    # What is corrected is the channel.
    channel = CHANNELS_OF[kind, rng.integers(0, 4, n)]
    first_channel = channel.copy()
    first_channel[corrected[0]] = (channel[corrected[0]] + 1) % len(CHANNELS)
    columns = {
        "interaction_id": ids("I", block.number * NUMBERS_A_BLOCK + row + 1, 12),
        "customer_id": customer_ids(block.people.number[customer[row]]),
        "occurred_at": occurred_s[row],
        "channel": words(CHANNELS, np.where(event == RECORDED, first_channel[row], channel[row])),
        "kind": words(KINDS, kind[row]),
        "sentiment": sentiment[row],
        "satisfaction": satisfaction[row],
    }
    return table("interactions", columns, known_s, event == WITHDRAWN)


def _contacts(rng: Generator, calendar: Calendar, block: Block) -> tuple[Ints, Ints, Ints]:
    """Customer, step and kind of each contact: at most one of a kind a month."""
    is_customer = block.is_customer(calendar)
    bond = block.character.bond[:, None]
    shock = block.climate.shock[:, calendar.window] / 1000.0
    distress = np.maximum(shock - 0.2, 0.0)
    visits = np.where(block.people.is_consumer, 0.01, 0.10)[:, None]
    # Those in distress keep away, and call rather than log in.
    chances: dict[int, Floats] = {
        CALL: 0.05 + 0.05 * distress,
        VISIT: visits * np.exp(0.2 * bond - 0.4 * distress),
        COMPLAINT: 0.012 * np.exp(np.minimum(0.70 * shock - 0.9 * bond, 4.0)),
        SURVEY: 0.07 * np.exp(-0.3 * distress),
        APP_LOGIN: 0.32 * np.exp(0.15 * bond - 1.0 * distress),
        ADVICE: 0.02 * np.exp(0.3 * bond - 0.3 * distress),
        HARDSHIP: 0.002 * np.exp(np.minimum(1.3 * shock, 5.0)),
    }
    found = []
    for kind, chance in chances.items():
        customer, column = np.nonzero(is_customer & (rng.random(is_customer.shape) < chance))
        found.append((customer, calendar.window[column], np.full(len(customer), kind)))
    customers, steps, kinds = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return customers, steps, kinds
