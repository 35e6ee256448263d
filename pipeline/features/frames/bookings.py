"""How the customer's accounts moved in the last year."""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.business_day import is_month_end, months_after
from pipeline.features.declaration import Recent, frame
from pipeline.features.exact import money
from pipeline.features.marks import one_bit

BOOKINGS_OF_A_YEAR = Recent("transactions", "posted_at", days=365)
CHANNELS = ("branch", "atm", "card", "online", "mobile", "transfer")
MONTHS = 6


@frame(BOOKINGS_OF_A_YEAR)
def bookings(at: AsOf, transactions: ir.Table) -> ir.Table:
    """Every booking of the last year.

    Columns: customer_id, days_ago, month (a bit for each of the last 6 full ones, see
    ``days_to_months``; 0 in others), inflow (a loan paid out is none: it has to be paid back),
    outflow, income (wages, pensions and a firm's sales), category, channel (a bit for each of
    ``CHANNELS``, null where none is recorded) and balance.
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
    # The lowest bit, of the month that still runs, is shifted out.
    month = one_bit(rows.days_ago < days for days in days_to_months(at.date)).fill_null(0)
    return rows.mutate(month=month >> 1)


def days_to_months(today: date) -> tuple[int, ...]:
    """How many days belong to the month that still runs, to it and the last full one, and so on.

    Months are those of the calendar, for paydays are: a last day of each month would fall into
    months counted back from the 30th twice or not at all. On a month's last day none still runs.

    Returns:
        One more than there are months; the first may be 0.
    """
    ended = today if is_month_end(today) else today.replace(day=1) - timedelta(days=1)
    return tuple((today - months_after(ended, -back)).days for back in range(MONTHS + 1))
