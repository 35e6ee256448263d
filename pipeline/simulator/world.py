"""All that happens at a bank, of which its tables show a part."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.simulator.lending import Book, Wishes, book

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from numpy.random import Generator

    from pipeline.simulator.character import Character
    from pipeline.simulator.clock import Bools, Calendar
    from pipeline.simulator.economy import Economy
    from pipeline.simulator.fortune import Climate, Fortune
    from pipeline.simulator.network import Network
    from pipeline.simulator.population import People

    Rows = TypeVar("Rows", bound=DataclassInstance)


@dataclass(frozen=True)
class World:
    """The whole bank."""

    people: People
    character: Character
    network: Network
    economy: Economy
    climate: Climate
    wishes: Wishes
    fortune: Fortune

    def block(self, number: int, size: int, calendar: Calendar, rng: Generator) -> Block:
        """A block of customers, with the loans granted to them.

        Args:
            number: of the block, 0 for the first.
            size: customers of a block; the last one may have fewer.
            calendar: of the bank.
            rng: of the block's loan book.
        """
        first = number * size
        rows = slice(first, first + size)
        edges = slice(*np.searchsorted(self.network.customer, (rows.start, rows.stop)))
        people, wishes = _cut(self.people, rows), _cut(self.wishes, rows)
        fortune = _cut(self.fortune, rows)
        loans_before = int(np.count_nonzero(self.fortune.granted[:first]))
        return Block(
            number=number,
            people=people,
            character=_cut(self.character, rows),
            network=_cut(self.network, edges),
            economy=self.economy,
            climate=_cut(self.climate, rows),
            wishes=wishes,
            fortune=fortune,
            book=book(rng, calendar, people, wishes, fortune, loans_before),
        )


@dataclass(frozen=True)
class Block:
    """Some of the customers, in the order in which they came, and all that befell them.

    Edges of the network name customers of the whole bank; all else counts within the block.
    """

    number: int
    people: People
    character: Character
    network: Network
    economy: Economy
    climate: Climate
    wishes: Wishes
    fortune: Fortune
    book: Book

    def is_customer(self, calendar: Calendar) -> Bools:
        """Who was a customer all month: a row a customer, a column a month of the window."""
        month_start = calendar.starts[calendar.window]
        came_before: Bools = self.people.onboarded_day[:, None] < month_start
        return came_before & ~self.people.is_mistake[:, None]


def _cut(part: Rows, rows: slice) -> Rows:
    """The rows of every array of a part."""
    return replace(part, **{f.name: getattr(part, f.name)[rows] for f in fields(part)})
