"""The customer's own figures, month by month."""

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
    past = financials.filter(financials.period_end <= at.today)
    rows = past.select(
        "customer_id",
        days_old=at.days_since(past.period_end),
        month=past.period_end.year() * 12 + past.period_end.month(),
        **{name: money(past[name]) for name in AMOUNTS},
    )
    # Not by a window, which would sort all columns of all rows.
    latest = rows.group_by("customer_id").aggregate(latest=rows.month.max())
    rows = rows.join(latest, "customer_id")
    return rows.select("customer_id", "days_old", *AMOUNTS, months_back=rows.latest - rows.month)
