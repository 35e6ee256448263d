"""What had become of every instalment by the as-of date."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.business_day import months_after
from pipeline.features.declaration import frame
from pipeline.features.exact import money

# Money is compared after rounding: a cent's fraction is no arrears.
CENT = 0.005


@frame("repayments", "loans")
def instalments(at: AsOf, repayments: ir.Table, loans: ir.Table) -> ir.Table:
    """Every instalment of the loans granted by the as-of date with its borrower, due or not.

    Columns: customer_id, loan_id, due_amount, is_last (of its loan), is_paid, unpaid_amount,
    days_late (of a paid one, when it was paid, negative if early; of an open one that is due, how
    long; null where it is neither), days_since_due (negative while it is not due) and
    is_due_next_month (after the as-of date, and by the same day of the next month).
    """
    # A loan agreed on for a later day is no debt yet.
    granted = loans.filter(loans.originated_at <= at.today)
    rows = repayments.join(granted.select("loan_id", "customer_id", "maturity_date"), "loan_id")
    # An instalment of nothing, as in a grace period, is never paid and never late.
    rows = rows.filter(rows.due_amount > CENT)
    # A payment announced for a later day, or for no day at all, has not come in.
    has_come_in = (rows.paid_date <= at.today).fill_null(False)
    paid_amount = has_come_in.ifelse(rows.paid_amount.fill_null(0.0), 0.0)
    rows = rows.mutate(
        is_paid=paid_amount >= rows.due_amount - CENT,
        unpaid_amount=ibis.greatest(rows.due_amount - paid_amount, 0.0),
        days_since_due=at.days_since(rows.due_date),
    )
    days_ahead = (months_after(at.date, 1) - at.date).days
    days_late = ibis.cases(
        (rows.is_paid, rows.days_since_due - at.days_since(rows.paid_date)),
        (rows.days_since_due >= 0, rows.days_since_due),
    )
    return rows.select(
        "customer_id",
        "loan_id",
        "is_paid",
        # There are many of these rows, and they are kept: days take half the room of numbers.
        days_since_due=rows.days_since_due.cast("int32"),
        due_amount=money(rows.due_amount),
        is_last=rows.due_date == rows.maturity_date,
        unpaid_amount=money(rows.is_paid.ifelse(0.0, rows.unpaid_amount)),
        days_late=days_late.cast("int32"),
        is_due_next_month=rows.days_since_due.between(-days_ahead, -1),
    )


def fell_due_within(rows: ir.Table, days: int) -> ir.BooleanColumn:
    """Which instalments fell due in so many days up to the as-of date, the as-of date included.

    Early payments of what is not due yet stay out: who pays a loan off years before its end would
    count as years early.
    """
    return rows.days_since_due.between(0, days)


def days_since_settled(rows: ir.Table) -> ir.IntegerValue:
    """How long ago instalments were paid in full; null while they are not."""
    return rows.is_paid.ifelse(rows.days_since_due - rows.days_late, ibis.null("int32"))
