"""The portfolio at a glance: customers, money and movements by segment and tier."""

import pandas as pd

from pipeline.decisions.policy import TIERS, Policy


def portfolio_summary(customers: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """A row for each segment and tier that has customers.

    Args:
        customers: of the night: segment, tier, previous_tier, exposure, expected_loss and
            days_past_due.
        policy: says from how many days past due on a customer is in default.

    Returns:
        segment, tier, customers, exposure, expected_loss, bad_debt_rate (share of the exposure
        that customers in default owe, null where nothing is owed), upgrades and downgrades
        (customers who came to the tier from a riskier, or a safer, one since the night before).
    """
    order = {tier: float(i) for i, tier in enumerate(TIERS)}
    now, before = (customers[c].map(order).astype("float64") for c in ("tier", "previous_tier"))
    is_in_default = customers["days_past_due"] >= policy.days_past_due
    rows = customers[["segment", "tier", "exposure", "expected_loss"]].assign(
        customers=1,
        bad_debt=customers["exposure"].where(is_in_default, 0.0),
        upgrades=(now < before).astype("int64"),
        downgrades=(now > before).astype("int64"),
    )
    found = rows.groupby(["segment", "tier"], as_index=False).sum()
    rate = found["bad_debt"] / found["exposure"].where(found["exposure"] > 0)
    return found.assign(bad_debt_rate=rate).drop(columns="bad_debt")
