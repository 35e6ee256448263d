"""The days from which on the customer was overdue."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.frames.instalments import days_since_settled, fell_due_within, instalments


@frame(instalments)
def arrears(at: AsOf, instalments: ir.Table) -> ir.Table:
    """One row a day of the last 24 months on which something fell due that was not paid in time.

    Columns: customer_id, days_since_due and cleared_before, for how many days all that had fallen
    due on earlier ones of these days is paid: null for the first, below 0 while any is open.
    """
    late = instalments.filter((instalments.days_late > 0) & fell_due_within(instalments, 730))
    days = late.group_by("customer_id", "days_since_due").aggregate(
        cleared=days_since_settled(late).fill_null(-1).min()
    )
    oldest_first = [days.days_since_due.desc()]
    earlier = ibis.window(group_by="customer_id", order_by=oldest_first, rows=(None, -1))
    return days.mutate(cleared_before=days.cleared.min().over(earlier)).drop("cleared")
