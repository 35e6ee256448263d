"""How the customer has paid so far."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.exact import spread
from pipeline.features.frames import instalments, is_recent

CREDIT_HISTORY = Dimension.CREDIT_HISTORY


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Days that the oldest unpaid instalment has been overdue."""
    return rows.days_late.max(where=~rows.is_paid).fill_null(0)


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def last_days_late(rows: ir.Table) -> ir.NumericValue:
    """Days by which the latest instalment was late, negative if it was paid early."""
    return rows.days_late.max(where=rows.recency == 0)


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def worst_days_late_3m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 3 months."""
    return rows.days_late.max(where=is_recent(rows, 91))


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def worst_days_late_12m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 12 months."""
    return rows.days_late.max(where=is_recent(rows, 365))


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def mean_days_late_3m(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the instalments of the last 3 months, early ones counted as negative."""
    return rows.days_late.mean(where=is_recent(rows, 91))


@feature(CREDIT_HISTORY, unit="days", risk=Risk.RISES, over=instalments)
def mean_days_late_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the instalments of the last 12 months, early ones counted as negative."""
    return rows.days_late.mean(where=is_recent(rows, 365))


@feature(CREDIT_HISTORY, unit="days", risk=Risk.UNORDERED, over=instalments)
def days_late_spread_12m(rows: ir.Table) -> ir.NumericValue:
    """How much the lateness of the last 12 months' instalments varies (sample deviation)."""
    return spread(rows.days_late, is_recent(rows, 365))


@feature(CREDIT_HISTORY, unit="instalments", risk=Risk.RISES, over=instalments)
def late_instalments_12m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 12 months that were paid late or still are unpaid."""
    return ((rows.days_late > 0) & is_recent(rows, 365)).sum()


@feature(CREDIT_HISTORY, unit="share", risk=Risk.RISES, over=instalments)
def late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 12 months' instalments that were paid late or still are unpaid."""
    return (rows.days_late > 0).mean(where=is_recent(rows, 365))


@feature(CREDIT_HISTORY, unit="days", risk=Risk.FALLS, over=instalments)
def days_since_last_late(rows: ir.Table) -> ir.NumericValue:
    """Days since an instalment that was not paid in time fell due."""
    return rows.days_since_due.min(where=rows.days_late > 0)


@feature(CREDIT_HISTORY, unit="instalments", risk=Risk.FALLS, over=instalments)
def paid_instalments(rows: ir.Table) -> ir.NumericValue:
    """Instalments paid so far."""
    return rows.is_paid.sum()
