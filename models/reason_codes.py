"""Why a customer's risk is high, in the few features that say most of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

MOST = 4
"""Reasons a customer: as many as lenders in the United States give (Regulation B, 12 CFR 1002.9,
comment 9(b)(2)-1, finds more than four unlikely to help)."""
LEAST = 0.05
"""What a feature has to add to the log-odds to be a reason: it raises the odds by a twentieth."""


def reason_codes(contributions: pd.DataFrame, topics: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The features that raise each customer's risk most, at most four, the first the most.

    Of the features of one topic, which say much the same, only the one that adds most is named; one
    that lowers the risk, or hardly raises it, never is.

    Args:
        contributions: (n, features) what each feature adds to a customer's log-odds.
        topics: feature to topic, of each column.

    Returns:
        n tuples of names of columns; of two that add the same the one first in the alphabet leads.
    """
    names = [str(name) for name in contributions.columns]
    found = []
    for row in contributions.itertuples(index=False):
        pairs = zip(row, names, strict=True)
        raising = sorted((-value, name) for value, name in pairs if value > LEAST)
        by_topic: dict[str, str] = {}
        for _, name in raising:
            by_topic.setdefault(topics[name], name)
        found.append(tuple(by_topic.values())[:MOST])
    return found
