"""The customer's own figures, month by month."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.exact import money

AMOUNTS = ("income", "expense", "assets", "liabilities", "liquid_assets")


@frame("financials")
def months(at: AsOf, financials: ir.Table) -> ir.Table:
    """The months of a customer's figures up to the as-of date, in money, with days_old.

    ``months_back`` counts calendar months from the customer's latest month, which has 0: a month
    without figures leaves a gap.
    """
    rows = financials.filter(financials.period_end <= at.today)
    month = rows.period_end.year() * 12 + rows.period_end.month()
    return rows.select(
        "customer_id",
        days_old=at.days_since(rows.period_end),
        months_back=month.max().over(ibis.window(group_by="customer_id")) - month,
        **{name: money(rows[name]) for name in AMOUNTS},
    )
