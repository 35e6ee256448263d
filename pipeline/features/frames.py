"""The rows that features are computed over, each a table with one row a thing that happened."""

import ibis
import ibis.expr.types as ir

from pipeline.as_of import Known
from pipeline.features.declaration import frame
from pipeline.features.exact import money

# Money is compared after rounding: a cent's fraction is no arrears.
CENT = 0.005
DAYS_A_YEAR = 365.25


def days_between(earlier: ir.DateValue, later: ir.DateValue) -> ir.IntegerValue:
    """Whole days from one date to another, negative where the first lies later."""
    return later.delta(earlier, unit="day")


def is_recent(instalments: ir.Table, days: int) -> ir.BooleanColumn:
    """Which instalments fell due in so many days up to the as-of date, the as-of date included.

    Early payments of what is not due yet stay out: who pays a loan off years before its end would
    count as years early.
    """
    return instalments.days_since_due.between(0, days)


def instalment_states(known: Known) -> ir.Table:
    """Every instalment with its borrower and what had become of it by the as-of date.

    Columns: customer_id, loan_id, instalment_no, due_date, is_paid, unpaid_amount, days_late (of a
    paid one, when it was paid, negative if early; of an open one that is due, how long; null where
    it is neither) and days_since_due (negative while it is not due).
    """
    today = ibis.literal(known.as_of)
    rows = known["repayments"].join(known["loans"].select("loan_id", "customer_id"), "loan_id")
    # An instalment of nothing, as in a grace period, is never paid and never late.
    rows = rows.filter(rows.due_amount > CENT)
    # A payment announced for a later day, or for no day at all, has not come in.
    has_come_in = (rows.paid_date <= today).fill_null(False)
    paid_amount = has_come_in.ifelse(rows.paid_amount.fill_null(0.0), 0.0)
    rows = rows.mutate(
        is_paid=paid_amount >= rows.due_amount - CENT,
        unpaid_amount=ibis.greatest(rows.due_amount - paid_amount, 0.0),
        days_since_due=days_between(rows.due_date, today),
    )
    days_late = ibis.cases(
        (rows.is_paid, days_between(rows.due_date, rows.paid_date)),
        (rows.days_since_due >= 0, rows.days_since_due),
    )
    return rows.select(
        "customer_id",
        "loan_id",
        "instalment_no",
        "due_date",
        "is_paid",
        unpaid_amount=money(rows.is_paid.ifelse(0.0, rows.unpaid_amount)),
        days_late=days_late,
        days_since_due="days_since_due",
    )


@frame("loans", "repayments")
def instalments(known: Known) -> ir.Table:
    """The states of all instalments, with ``recency``: 0 for the last one that was due or paid."""
    rows = instalment_states(known)
    window = ibis.window(
        group_by=["customer_id", rows.days_late.notnull()],
        order_by=[rows.due_date.desc(), rows.loan_id, rows.instalment_no],
    )
    recency = rows.days_late.notnull().ifelse(ibis.row_number().over(window), ibis.null("int64"))
    return rows.mutate(recency=recency)


@frame("loans")
def loans(known: Known) -> ir.Table:
    """The loans granted by the as-of date, with ``recency``: 0 for the last one granted."""
    rows = known["loans"]
    rows = rows.filter(rows.originated_at <= ibis.literal(known.as_of))
    window = ibis.window(group_by="customer_id", order_by=[rows.originated_at.desc(), rows.loan_id])
    return rows.mutate(
        principal=money(rows.principal),
        days_since_origination=days_between(rows.originated_at, ibis.literal(known.as_of)),
        recency=ibis.row_number().over(window),
    )


@frame("customers")
def profile(known: Known) -> ir.Table:
    """One row a customer, with the years since each date of the customer's life."""
    rows = known["customers"]
    today = ibis.literal(known.as_of)
    born = ibis.coalesce(rows.birth_date, rows.established_date)
    return rows.select(
        "customer_id",
        "dependents",
        age_years=days_between(born, today) / DAYS_A_YEAR,
        employed_years=days_between(rows.employed_since, today) / DAYS_A_YEAR,
        resident_years=days_between(rows.resident_since, today) / DAYS_A_YEAR,
        tenure_years=days_between(rows.onboarded_at, today) / DAYS_A_YEAR,
    )


@frame("financials", "loans", "repayments")
def means(known: Known) -> ir.Table:
    """The months of a customer's figures up to the as-of date.

    ``months_back`` counts calendar months from the customer's latest month, which has 0: a month
    without figures leaves a gap. Each row also has due_next_month, what falls due in the 30 days
    after the as-of date.
    """
    rows = known["financials"]
    rows = rows.filter(rows.period_end <= ibis.literal(known.as_of))
    month = rows.period_end.year() * 12 + rows.period_end.month()
    states = instalment_states(known)
    service = states.filter((states.days_since_due < 0) & (states.days_since_due >= -30)).group_by(
        "customer_id"
    )
    due = service.aggregate(due_next_month=lambda open_: open_.unpaid_amount.sum())
    amounts = ("income", "expense", "assets", "liabilities", "liquid_assets")
    rows = rows.select(
        "customer_id",
        months_back=month.max().over(ibis.window(group_by="customer_id")) - month,
        **{name: money(rows[name]) for name in amounts},
    )
    joined = rows.left_join(due, "customer_id").drop("customer_id_right")
    return joined.mutate(due_next_month=joined.due_next_month.fill_null(0))


@frame("customers", "loans", "repayments")
def industry_peers(known: Known) -> ir.Table:
    """The instalments of the last year of all customers of the same industry, summed up."""
    people = known["customers"].filter(lambda rows: rows.industry_code.notnull())
    states = instalment_states(known)
    recent = states.filter(is_recent(states, 365))
    industry = (
        recent.join(people.select("customer_id", "industry_code"), "customer_id")
        .group_by("industry_code")
        .aggregate(
            late_instalments=lambda rows: (rows.days_late > 30).sum(),
            instalments=lambda rows: rows.count(),
        )
    )
    return people.select("customer_id", "industry_code").join(industry, "industry_code")


@frame("relationships", "loans", "repayments")
def neighbours(known: Known) -> ir.Table:
    """One row an edge that holds on the as-of date, with how the other end pays its own loans.

    An edge is seen from both its ends: a guarantor's trouble matters to the borrower, and the
    borrower's to the guarantor.
    """
    today = ibis.literal(known.as_of)
    edges = known["relationships"]
    edges = edges.filter(
        (edges.since.isnull() | (edges.since <= today))
        & (edges.until.isnull() | (edges.until >= today))
    )
    there = edges.select("customer_id", "related_customer_id")
    back = edges.select(customer_id="related_customer_id", related_customer_id="customer_id")
    both = ibis.union(there, back, distinct=True)
    both = both.filter(both.customer_id != both.related_customer_id)
    states = instalment_states(known)
    standing = states.group_by("customer_id").aggregate(
        days_past_due=lambda rows: rows.days_late.max(where=~rows.is_paid).fill_null(0),
        days_late_12m=lambda rows: rows.days_late.sum(where=is_recent(rows, 365)),
        instalments_12m=lambda rows: rows.days_late.count(where=is_recent(rows, 365)),
        unpaid_amount=lambda rows: rows.unpaid_amount.sum(),
    )
    standing = standing.rename(related_customer_id="customer_id")
    return both.left_join(standing, "related_customer_id").drop("related_customer_id_right")
