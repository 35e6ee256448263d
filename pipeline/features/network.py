"""Who stands behind the customer, and how they fare."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.frames import neighbours

NETWORK = Dimension.NETWORK


@feature(NETWORK, unit="customers", risk=Risk.UNORDERED, over=neighbours)
def related_customers(rows: ir.Table) -> ir.NumericValue:
    """Customers who are tied to this one, such as guarantors, group members or family."""
    return rows.count()


@feature(NETWORK, unit="days", risk=Risk.RISES, over=neighbours)
def related_days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Worst days past due, today, among the customers tied to this one."""
    return rows.days_past_due.max()


@feature(NETWORK, unit="days", risk=Risk.RISES, over=neighbours)
def related_mean_days_late_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the last 12 months' instalments of the customers tied to this one."""
    return rows.days_late_12m.sum() / rows.instalments_12m.sum().nullif(0)


@feature(NETWORK, unit="money", risk=Risk.UNORDERED, over=neighbours)
def related_exposure(rows: ir.Table) -> ir.NumericValue:
    """What the customers tied to this one owe the bank together."""
    return rows.unpaid_amount.sum()
