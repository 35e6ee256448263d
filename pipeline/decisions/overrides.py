"""Tiers that officers set in place of the model's."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Tiers:
    """The tier that is published of each customer, and whether an officer set it."""

    tier: pd.Series
    is_overridden: pd.Series


def with_overrides(model_tier: pd.Series, overrides: pd.DataFrame) -> Tiers:
    """Put the officers' tiers in the place of the model's.

    Args:
        model_tier: by customer_id.
        overrides: those in force on the night: customer_id, at and tier. Where a customer has
            several, the one that was asked for last counts.
    """
    last = overrides.sort_values("at", kind="stable").drop_duplicates("customer_id", keep="last")
    set_by_officer = last.set_index("customer_id")["tier"].reindex(model_tier.index)
    is_overridden = set_by_officer.notna()
    return Tiers(set_by_officer.where(is_overridden, model_tier), is_overridden)
