"""When the customer began a new job or moved."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import History, frame

DAYS_BACK = 730
# Nobody moves twice in a month: a date that close to the one before corrects it.
DAYS_APART = 31


@frame(History("customers"))
def life_changes(at: AsOf, customers: ir.Table) -> ir.Table:
    """The jobs begun and homes moved into in the last 24 months, as the bank ever recorded them.

    Columns: customer_id, what ("job" or "home") and days_since. A date up to a month after another
    one recorded for the same customer is taken for its correction, or corrected by it.
    """
    dates = ibis.union(
        customers.select("customer_id", what=ibis.literal("job"), since="employed_since"),
        customers.select("customer_id", what=ibis.literal("home"), since="resident_since"),
    )
    days_since = at.days_since(dates.since)
    dates = dates.select("customer_id", "what", days_since=days_since)
    dates = dates.filter(dates.days_since.between(0, DAYS_BACK + DAYS_APART)).distinct()
    in_order = ibis.window(group_by=["customer_id", "what"], order_by=dates.days_since.desc())
    dates = dates.mutate(days_before=dates.days_since.lag().over(in_order) - dates.days_since)
    is_new = dates.days_before.isnull() | (dates.days_before > DAYS_APART)
    return dates.filter(is_new & (dates.days_since <= DAYS_BACK)).drop("days_before")
