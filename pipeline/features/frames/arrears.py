"""The days from which on the customer was overdue."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.frames.instalments import fell_due_within, instalments


@frame(instalments)
def arrears(at: AsOf, instalments: ir.Table) -> ir.Table:
    """One row a day of the last 24 months on which something fell due that was not paid in time.

    Columns: customer_id, due_date and cleared_before, the day on which all that had fallen due on
    earlier ones of these days was paid: null for the first, far ahead while any is open.
    """
    late = instalments.filter((instalments.days_late > 0) & fell_due_within(instalments, 730))
    days = late.group_by("customer_id", "due_date").aggregate(
        cleared=late.settled_date.fill_null(ibis.date(9999, 12, 31)).max()
    )
    earlier = ibis.window(group_by="customer_id", order_by=days.due_date, rows=(None, -1))
    return days.select("customer_id", "due_date", cleared_before=days.cleared.max().over(earlier))
