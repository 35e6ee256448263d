"""Who stands behind whom: the table `relationships`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import SECONDS_A_DAY, Calendar, Floats, Ints, between_hours
from pipeline.simulator.population import CONSUMER, CORPORATE, SME, People
from pipeline.simulator.tables import NOTHING, customer_ids, table, versions, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

    from pipeline.simulator.world import Block

RELATIONS = ("family", "group", "guarantor", "referral", "shareholder", "supplier")
FAMILY, GROUP, GUARANTOR, REFERRAL, SHAREHOLDER, SUPPLIER = range(6)
CONTAGION = np.array([0.5, 1.0, 1.0, 0.0, 0.7, 0.5])
"""By relation: how much of the other one's distress reaches the customer."""
SECOND_STEP = 0.4
"""How much of it goes on to those who are tied to that customer."""
FIRMS_A_GROUP = 3


@dataclass(frozen=True)
class Network:
    """Edges from a customer to another one, by customer, related and relation."""

    customer: Ints
    related: Ints
    relation: Ints
    begun_s: Ints
    """When the later one of the two came to the bank."""

    def pressure(self, distress: Floats) -> Floats:
        """What the distress of others adds to each customer's log-odds: both one entry each."""
        weight = CONTAGION[self.relation]

        def reaching(one_step_away: Floats) -> Floats:
            felt = weight * one_step_away[self.related]
            total = np.bincount(self.customer, felt, minlength=len(distress))
            return total.astype(np.float64)

        first = reaching(distress)
        return first + SECOND_STEP * reaching(first)


def connect(rng: Generator, people: People) -> Network:
    """Draw guarantors, family and so on, and put corporates in groups of three."""
    lasting = ~people.is_mistake
    consumers = np.flatnonzero(lasting & (people.segment == CONSUMER))
    small = np.flatnonzero(lasting & (people.segment == SME))
    corporates = np.flatnonzero(lasting & (people.segment == CORPORATE))
    firms = np.flatnonzero(lasting & (people.segment != CONSUMER))
    head = corporates[np.arange(len(corporates)) // FIRMS_A_GROUP * FIRMS_A_GROUP]
    members, heads = corporates[corporates != head], head[corporates != head]
    pairs = (
        (GUARANTOR, *_earlier(rng, consumers, consumers, 0.20)),
        (FAMILY, *_earlier(rng, consumers, consumers, 0.12)),
        (GUARANTOR, *_earlier(rng, small, consumers, 0.25)),
        (SHAREHOLDER, *_earlier(rng, firms, consumers, 0.20)),
        (SUPPLIER, *_earlier(rng, firms, firms, 0.30)),
        (REFERRAL, *_earlier(rng, consumers, consumers, 0.08)),
        (GROUP, members, heads),
        (GROUP, heads, members),
    )
    customer = np.concatenate([ones for _, ones, _ in pairs])
    related = np.concatenate([others for _, _, others in pairs])
    relation = np.repeat([kind for kind, _, _ in pairs], [len(ones) for _, ones, _ in pairs])
    order = np.lexsort((relation, related, customer))
    customer, related, relation = customer[order], related[order], relation[order]
    begun_s = people.onboarded_s[np.maximum(customer, related)]
    return Network(customer, related, relation, begun_s)


def _earlier(rng: Generator, pool: Ints, others: Ints, share: float) -> tuple[Ints, Ints]:
    """A share of the pool, each with one of the others who came before."""
    came_before = np.searchsorted(others, pool)
    chosen = (rng.random(len(pool)) < share) & (came_before > 0)
    partner = (rng.random(len(pool)) * came_before).astype(np.int64)
    return pool[chosen], others[partner[chosen]]


BEGUN, ENDED, WITHDRAWN = range(3)


def relationships(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `relationships`: known at onboarding; some edges end, a few are withdrawn."""
    network = block.network
    edges = np.arange(len(network.customer))
    begun_day = network.begun_s // SECONDS_A_DAY
    later_s = between_hours(rng, begun_day + rng.integers(60, 900, len(edges)), 9, 17)
    fate = rng.random(len(edges))
    ended, withdrawn = edges[fate < 0.05], edges[fate > 0.98]
    edge, known_s, event = versions(
        calendar,
        (edges, network.begun_s),
        (ended, later_s[ended]),
        (withdrawn, later_s[withdrawn]),
    )
    columns = {
        "customer_id": customer_ids(network.customer[edge]),
        "related_customer_id": customer_ids(network.related[edge]),
        "relation": words(RELATIONS, network.relation[edge]),
        "since": begun_day[edge],
        "until": np.where(event == ENDED, known_s // SECONDS_A_DAY, NOTHING),
    }
    return table("relationships", columns, known_s, event == WITHDRAWN)
