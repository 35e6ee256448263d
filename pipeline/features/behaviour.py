"""How the customer uses credit of late."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.frames import instalments, is_recent, loans

BEHAVIOUR = Dimension.BEHAVIOUR


@feature(BEHAVIOUR, unit="days", risk=Risk.UNORDERED, over=loans)
def days_since_last_loan(rows: ir.Table) -> ir.NumericValue:
    """Days since the latest loan was granted."""
    return rows.days_since_origination.min()


@feature(BEHAVIOUR, unit="loans", risk=Risk.UNORDERED, over=loans)
def loans_taken_90d(rows: ir.Table) -> ir.NumericValue:
    """Loans taken in the last 90 days."""
    return (rows.days_since_origination < 90).sum()


@feature(BEHAVIOUR, unit="share", risk=Risk.UNORDERED, over=instalments)
def early_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 6 months' instalments that were paid at least 5 days early."""
    is_early = rows.is_paid & (rows.days_late <= -5)
    return is_early.mean(where=is_recent(rows, 182))


@feature(BEHAVIOUR, unit="days", risk=Risk.RISES, over=instalments)
def days_late_change(rows: ir.Table) -> ir.NumericValue:
    """Lateness of the last 3 instalments against that of all before them."""
    return rows.days_late.mean(where=rows.recency < 3) - rows.days_late.mean(
        where=rows.recency >= 3
    )
