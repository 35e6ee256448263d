"""The loans that were paid off ahead of time."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.frames.instalments import instalments

EARLY_DAYS = 30


@frame(instalments)
def early_settlements(at: AsOf, instalments: ir.Table) -> ir.Table:
    """The loans paid off in full, the last instalment at least 30 days before it fell due.

    Columns: customer_id and loan_id.
    """
    is_early = instalments.is_last & instalments.is_paid & (instalments.days_late <= -EARLY_DAYS)
    ended = instalments.filter(is_early).select("customer_id", "loan_id").distinct()
    # Of the many instalments left to pay only those of these few loans are held.
    unpaid = instalments.filter(~instalments.is_paid).semi_join(ended, "loan_id")
    return ended.anti_join(unpaid, "loan_id")
