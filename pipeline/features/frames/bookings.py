"""How the customer's accounts moved in the last year."""

import calendar
from datetime import date

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import Recent, frame
from pipeline.features.exact import money
from pipeline.features.marks import one_bit

BOOKINGS_OF_A_YEAR = Recent("transactions", "posted_at", days=365)
CHANNELS = ("branch", "atm", "card", "online", "mobile", "transfer")
MONTHS = 6


@frame(BOOKINGS_OF_A_YEAR)
def bookings(at: AsOf, transactions: ir.Table) -> ir.Table:
    """Every booking of the last year.

    Columns: customer_id, days_ago, month (a bit for each of the last 6, see ``days_to_months``; 0
    before them), inflow (a loan paid out is none: it has to be paid back), outflow, income (wages,
    pensions and a firm's sales), category, channel (a bit for each of ``CHANNELS``, null where
    none is recorded) and balance.
    """
    amount = money(transactions.amount)
    category = transactions.category.fill_null("other")
    nothing = money(ibis.literal(0.0))
    is_in = amount > 0
    rows = transactions.select(
        "customer_id",
        category=category,
        channel=one_bit(transactions.channel == channel for channel in CHANNELS),
        days_ago=at.days_since_instant(transactions.posted_at),
        inflow=(is_in & (category != "loan")).ifelse(amount, nothing),
        outflow=is_in.ifelse(nothing, -amount),
        income=(is_in & category.isin(("salary", "revenue"))).ifelse(amount, nothing),
        balance=money(transactions.balance_after),
    )
    bounds = days_to_months(at.date)
    return rows.mutate(month=one_bit(rows.days_ago < bound for bound in bounds).fill_null(0))


def days_to_months(today: date) -> tuple[int, ...]:
    """How many days make up the last month, the last 2 months and so on, up to 6.

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
