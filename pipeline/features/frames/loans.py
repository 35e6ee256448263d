"""The loans that the bank has granted."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.exact import money


@frame("loans")
def granted_loans(at: AsOf, loans: ir.Table) -> ir.Table:
    """The loans granted by the as-of date, with ``recency``: 0 for a customer's last one."""
    rows = loans.filter(loans.originated_at <= at.today)
    window = ibis.window(group_by="customer_id", order_by=[rows.originated_at.desc(), rows.loan_id])
    return rows.mutate(
        principal=money(rows.principal),
        days_since_origination=at.days_since(rows.originated_at),
        recency=ibis.row_number().over(window),
    )
