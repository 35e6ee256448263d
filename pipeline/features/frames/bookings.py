"""How the customer's accounts moved in the last year."""

import calendar
from datetime import date

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import Recent, frame
from pipeline.features.exact import money

BOOKINGS_OF_A_YEAR = Recent("transactions", "posted_at", days=365)
MONTHS = 12


@frame(BOOKINGS_OF_A_YEAR)
def bookings(at: AsOf, transactions: ir.Table) -> ir.Table:
    """Every booking of the last year.

    Columns: customer_id, days_ago, months_ago (0 to 11, see ``days_to_months``; null for a day
    before them), inflow (a loan paid out is none: it has to be paid back), outflow, income (wages,
    pensions and a firm's sales), category, channel and balance.
    """
    amount = money(transactions.amount)
    category = transactions.category.fill_null("other")
    nothing = money(ibis.literal(0.0))
    days_ago = at.days_since_instant(transactions.posted_at)
    bounds = days_to_months(at.date)
    is_in = amount > 0
    return transactions.select(
        "customer_id",
        "channel",
        category=category,
        days_ago=days_ago,
        months_ago=ibis.cases(
            *((days_ago < bound, month) for month, bound in enumerate(bounds)),
            else_=ibis.null("int64"),
        ),
        inflow=(is_in & (category != "loan")).ifelse(amount, nothing),
        outflow=is_in.ifelse(nothing, -amount),
        income=(is_in & category.isin(("salary", "revenue"))).ifelse(amount, nothing),
        balance=money(transactions.balance_after),
    )


def days_to_months(today: date) -> tuple[int, ...]:
    """How many days make up the last month, the last 2 months and so on, up to 12.

    Months are counted back from a day: to 15 June belong 16 May to 15 June, and a month's end
    leads to months' ends. So each holds one payday, which 30 days would not.
    """
    is_month_end = today.day == calendar.monthrange(today.year, today.month)[1]
    found = []
    for back in range(1, MONTHS + 1):
        year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
        last = calendar.monthrange(year, month + 1)[1]
        begin = date(year, month + 1, last if is_month_end else min(today.day, last))
        found.append((today - begin).days)
    return tuple(found)


def volatility(rows: ir.Table, amounts: ir.DecimalColumn) -> ir.FloatingScalar:
    """Sample deviation of the monthly sums of amounts, over their mean.

    Only months since the customer's first booking of the year count, the empty ones among them
    too. Null for fewer than two, and where nothing was booked.
    """
    months = [
        amounts.sum(where=rows.months_ago == month).fill_null(0).cast("float64")
        for month in range(MONTHS)
    ]
    first = rows.months_ago.max()
    mean = sum(months[1:], months[0]) / (first + 1)
    squares = [
        (first >= month).ifelse((amount - mean) * (amount - mean), 0.0)
        for month, amount in enumerate(months)
    ]
    return (sum(squares[1:], squares[0]) / first.nullif(0)).sqrt() / mean.nullif(0)
