"""What a credit bureau reported of the customer."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame


@frame("bureau")
def bureau_reports(at: AsOf, bureau: ir.Table) -> ir.Table:
    """The reports pulled by the as-of date, with days_old.

    ``days_before_latest`` counts from the customer's latest report, which has 0 and is_latest.
    """
    rows = bureau.filter(bureau.pulled_at <= at.today)
    days_old = at.days_since(rows.pulled_at)
    latest = days_old.min().over(ibis.window(group_by="customer_id"))
    return rows.mutate(
        days_old=days_old, days_before_latest=days_old - latest, is_latest=days_old == latest
    )
