"""What is still owed on each loan, and what stands against it."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import frame
from pipeline.features.exact import money
from pipeline.features.frames.instalments import instalments


@frame(instalments, "loans")
def open_loans(at: AsOf, instalments: ir.Table, loans: ir.Table) -> ir.Table:
    """The loans of which something is still owed, and the credit lines that run.

    Columns: loan_id, customer_id, product, owed, collateral_type (null where nothing secures the
    loan), collateral (money, 0 there) and credit_limit (null for what is no credit line).
    """
    unpaid = instalments.filter(instalments.unpaid_amount > 0)
    balances = unpaid.group_by("loan_id").aggregate(owed=unpaid.unpaid_amount.sum())
    rows = loans.left_join(balances, "loan_id")
    # The limit of a line counts also while nothing is drawn on it.
    is_running = (rows.originated_at <= at.today) & (rows.maturity_date >= at.today)
    is_line = rows.credit_limit.notnull()
    return rows.filter(rows.owed.notnull() | (is_line & is_running)).select(
        "loan_id",
        "customer_id",
        "product",
        "collateral_type",
        owed=rows.owed.fill_null(0),
        collateral=money(rows.collateral_value.fill_null(0.0)),
        credit_limit=money(rows.credit_limit),
    )
