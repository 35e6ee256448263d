"""Who stands behind whom: the table `relationships`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulator.clock import SECONDS_A_DAY, Calendar, Ints, between_hours
from pipeline.simulator.population import CONSUMER, CORPORATE, People
from pipeline.simulator.tables import NOTHING, customer_ids, in_order, table, words

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.random import Generator

RELATIONS = ("family", "group", "guarantor")
FAMILY, GROUP, GUARANTOR = range(3)
FIRMS_A_GROUP = 3


@dataclass(frozen=True)
class Network:
    """Edges from a customer to one who came before; one entry an edge."""

    customer: Ints
    related: Ints
    relation: Ints
    backer: Ints
    """One entry a customer: the guarantor or the head of the group, -1 where there is none."""


def connect(rng: Generator, people: People) -> Network:
    """Draw guarantors and family for consumers, and put corporates in groups of three."""
    lasting = ~people.is_mistake
    consumers = np.flatnonzero(lasting & (people.segment == CONSUMER))
    corporates = np.flatnonzero(lasting & (people.segment == CORPORATE))
    guaranteed, guarantors = _earlier(rng, consumers, 0.15)
    relatives, kin = _earlier(rng, consumers, 0.06)
    head = corporates[np.arange(len(corporates)) // FIRMS_A_GROUP * FIRMS_A_GROUP]
    members, heads = corporates[corporates != head], head[corporates != head]

    backer = np.full(people.count, -1)
    backer[guaranteed] = guarantors
    backer[members] = heads
    pairs = ((relatives, kin), (members, heads), (guaranteed, guarantors))
    return Network(
        customer=np.concatenate([one for one, _ in pairs]),
        related=np.concatenate([other for _, other in pairs]),
        relation=np.repeat(np.arange(3), [len(one) for one, _ in pairs]),
        backer=backer,
    )


def _earlier(rng: Generator, pool: Ints, share: float) -> tuple[Ints, Ints]:
    """A share of the pool, each with another one of it who came before."""
    rank = np.arange(len(pool))
    chosen = (rng.random(len(pool)) < share) & (rank > 0)
    partner = (rng.random(len(pool)) * rank).astype(np.int64)
    return pool[chosen], pool[partner[chosen]]


BEGUN, ENDED, WITHDRAWN = range(3)


def relationships(rng: Generator, calendar: Calendar, people: People, network: Network) -> pa.Table:
    """The table `relationships`: known at onboarding; some edges end, a few are withdrawn."""
    edges = np.arange(len(network.customer))
    begun_day = people.onboarded_day[network.customer]
    later_day = begun_day + rng.integers(60, 900, len(edges))
    later_s = between_hours(rng, later_day, 9, 17)
    fate = rng.random(len(edges))
    ended, withdrawn = edges[fate < 0.05], edges[fate > 0.98]

    edge = np.concatenate([edges, ended, withdrawn])
    known_s = np.concatenate(
        [people.onboarded_s[network.customer], later_s[ended], later_s[withdrawn]]
    )
    event = np.repeat(np.arange(3), [len(edges), len(ended), len(withdrawn)])
    order = in_order(
        known_s, calendar.close_s, network.customer[edge], network.related[edge],
        network.relation[edge],
    )  # fmt: skip
    edge, known_s, event = edge[order], known_s[order], event[order]
    columns = {
        "customer_id": customer_ids(network.customer[edge]),
        "related_customer_id": customer_ids(network.related[edge]),
        "relation": words(RELATIONS, network.relation[edge]),
        "since": begun_day[edge],
        "until": np.where(event == ENDED, known_s // SECONDS_A_DAY, NOTHING),
    }
    return table("relationships", columns, known_s, event == WITHDRAWN)
