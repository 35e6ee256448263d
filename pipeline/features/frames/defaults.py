"""The defaults that the bank has recorded."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame


@frame("defaults")
def default_events(at: AsOf, defaults: ir.Table) -> ir.Table:
    """The default events up to the as-of date, with how many days ago each was."""
    rows = defaults.filter(defaults.default_date <= at.today)
    return rows.select("customer_id", days_since_default=at.days_since(rows.default_date))
