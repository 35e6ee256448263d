"""How the customer uses credit and accounts of late."""

import ibis
import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import mean
from pipeline.features.frames.bookings import CHANNELS, bookings
from pipeline.features.frames.loans import granted_loans
from pipeline.features.marks import different
from pipeline.features.own_past import before, half_a_year, lately, pace, total, volatility

BEHAVIOUR = Dimension.BEHAVIOUR
ONLINE = sum(1 << CHANNELS.index(channel) for channel in ("online", "mobile"))


@feature(
    BEHAVIOUR, unit=Unit.DAYS, risk=Risk.UNORDERED, over=granted_loans, topic="loans taken",
    reason=("The time since the latest loan", "距最近一笔贷款的时间"),
)  # fmt: skip
def days_since_last_loan(rows: ir.Table) -> ir.NumericValue:
    """Days since the latest loan was granted."""
    return rows.days_since_origination.min()


@feature(
    BEHAVIOUR, unit=Unit.LOANS, risk=Risk.UNORDERED, over=granted_loans,
    topic="loans taken", of_nothing=0,
    reason=("The number of loans taken of late", "近期新增贷款笔数"),
)  # fmt: skip
def loans_taken_90d(rows: ir.Table) -> ir.NumericValue:
    """Loans taken in the last 90 days."""
    return rows.count(where=rows.days_since_origination < 90)


@feature(
    BEHAVIOUR, unit=Unit.MONEY, risk=Risk.FALLS, over=bookings, topic="money in",
    reason=("Little money comes into the accounts", "账户资金流入偏低"),
)  # fmt: skip
def inflow_3m(rows: ir.Table) -> ir.NumericValue:
    """Money that came in, a month of the last 3, without loans paid out."""
    return total(rows.inflow, lately(rows)) / 3


@feature(
    BEHAVIOUR, unit=Unit.MONEY, risk=Risk.UNORDERED, over=bookings, topic="money out",
    reason=("The money that leaves the accounts", "账户资金流出规模"),
)  # fmt: skip
def outflow_3m(rows: ir.Table) -> ir.NumericValue:
    """Money that went out, a month of the last 3."""
    return total(rows.outflow, lately(rows)) / 3


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.FALLS, over=bookings,
    reason=("More money leaves the accounts than comes in", "账户资金入不敷出"),
)  # fmt: skip
def net_flow_share_3m(rows: ir.Table) -> ir.NumericValue:
    """Money in less money out, as a share of all money moved in the last 3 months."""
    inflow, outflow = total(rows.inflow, lately(rows)), total(rows.outflow, lately(rows))
    return (inflow - outflow) / (inflow + outflow).nullif(0)


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.FALLS, over=bookings, topic="money in",
    reason=("Less money comes in than before", "账户资金流入较以往减少"),
)  # fmt: skip
def inflow_change(rows: ir.Table) -> ir.NumericValue:
    """Money in a day of the last 3 months against the 9 months before."""
    return pace(rows, rows.inflow)


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.UNORDERED, over=bookings, topic="money out",
    reason=("The change in the money that goes out", "账户资金流出的变化"),
)  # fmt: skip
def outflow_change(rows: ir.Table) -> ir.NumericValue:
    """Money out a day of the last 3 months against the 9 months before."""
    return pace(rows, rows.outflow)


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.RISES, over=bookings, topic="uneven income",
    reason=("Money comes in unevenly from quarter to quarter", "账户各季度资金流入波动较大"),
)  # fmt: skip
def inflow_volatility_12m(rows: ir.Table) -> ir.NumericValue:
    """How much the money in a quarter varies over 12 months: sample deviation over mean."""
    return volatility(rows, rows.inflow)


@feature(
    BEHAVIOUR, unit=Unit.MONEY, risk=Risk.FALLS, over=bookings, topic="low balance",
    reason=("The balance fell to a low point of late", "近期账户最低余额偏低"),
)  # fmt: skip
def lowest_balance_3m(rows: ir.Table) -> ir.NumericValue:
    """Lowest balance after a booking in the last 3 months, below 0 if overdrawn."""
    return rows.balance.min(where=lately(rows))


@feature(
    BEHAVIOUR, unit=Unit.MONTHS, risk=Risk.FALLS, over=bookings, topic="low balance",
    reason=("The accounts keep no reserve for expenses", "账户余额不足以应对日常支出"),
)  # fmt: skip
def lowest_balance_to_outflow(rows: ir.Table) -> ir.NumericValue:
    """Months of usual outflow that the lowest balance of the last 3 months would cover."""
    lowest = rows.balance.min(where=lately(rows)).cast("float64")
    return lowest / (total(rows.outflow, lately(rows)) / 3).nullif(0)


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.RISES, over=bookings,
    reason=("Balances have been drained", "账户余额明显下降"),
)  # fmt: skip
def balance_drain_3m(rows: ir.Table) -> ir.NumericValue:
    """Part of the mean balance of the 9 months before that the last 3 months' mean lacks."""
    now = mean(rows.balance, where=lately(rows))
    then = mean(rows.balance, where=before(rows))
    # Of a balance that was below nothing, no part can be lacking.
    return (then > 0).ifelse(1 - now / then.nullif(0), ibis.null("float64"))


@feature(
    BEHAVIOUR, unit=Unit.SHARE, risk=Risk.RISES, over=bookings,
    reason=("The accounts were overdrawn", "账户出现透支"),
)  # fmt: skip
def overdrawn_share_3m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 3 months' bookings that left the account overdrawn."""
    return (rows.balance < 0).mean(where=lately(rows))


def _share_of_outflow(rows: ir.Table, category: str, where: ir.BooleanColumn) -> ir.FloatingScalar:
    spent = total(rows.outflow, where & (rows.category == category))
    return spent / total(rows.outflow, where).nullif(0)


@feature(
    BEHAVIOUR, unit=Unit.SHARE, risk=Risk.RISES, over=bookings, topic="gambling",
    reason=("Much of the money out goes to gambling", "支出中博彩占比较高"),
)  # fmt: skip
def gambling_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the money out of the last 6 months that went to betting and games of chance."""
    return _share_of_outflow(rows, "gambling", half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.BOOKINGS, risk=Risk.RISES, over=bookings, topic="gambling", of_nothing=0,
    reason=("The customer gambles often", "博彩类交易频繁"),
)  # fmt: skip
def gambling_bookings_6m(rows: ir.Table) -> ir.NumericValue:
    """Payments for betting and games of chance in the last 6 months."""
    is_stake = (rows.category == "gambling") & (rows.outflow > 0)
    return rows.count(where=is_stake & half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.SHARE, risk=Risk.UNORDERED, over=bookings,
    reason=("The part of cash in the money out", "支出中现金的占比"),
)  # fmt: skip
def cash_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the money out of the last 6 months that was drawn in cash."""
    return _share_of_outflow(rows, "cash", half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.SHARE, risk=Risk.UNORDERED, over=bookings, topic="leisure",
    reason=("The part of leisure in the money out", "支出中休闲娱乐的占比"),
)  # fmt: skip
def leisure_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 6 months' money out that went to travel, restaurants, entertainment."""
    return _share_of_outflow(rows, "leisure", half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.POINTS, risk=Risk.UNORDERED, over=bookings, topic="leisure",
    reason=("The change in what is spent on leisure", "休闲娱乐支出占比的变化"),
)  # fmt: skip
def leisure_change(rows: ir.Table) -> ir.NumericValue:
    """Share of leisure in the money out of the last 3 months less that of the 9 before."""
    now = _share_of_outflow(rows, "leisure", lately(rows))
    return 100 * (now - _share_of_outflow(rows, "leisure", before(rows)))


def _digital_share(rows: ir.Table, where: ir.BooleanColumn) -> ir.FloatingScalar:
    return ((rows.channel & ONLINE) > 0).mean(where=where)


@feature(
    BEHAVIOUR, unit=Unit.SHARE, risk=Risk.UNORDERED, over=bookings, topic="online bookings",
    reason=("How much is booked online", "线上交易的占比"),
)  # fmt: skip
def digital_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 6 months' bookings made in online banking or the mobile app."""
    return _digital_share(rows, half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.POINTS, risk=Risk.UNORDERED, over=bookings, topic="online bookings",
    reason=("The change in how much is booked online", "线上交易占比的变化"),
)  # fmt: skip
def digital_share_change(rows: ir.Table) -> ir.NumericValue:
    """Share of online bookings in the last 3 months less that of the 9 months before."""
    return 100 * (_digital_share(rows, lately(rows)) - _digital_share(rows, before(rows)))


@feature(
    BEHAVIOUR, unit=Unit.CHANNELS, risk=Risk.UNORDERED, over=bookings, of_nothing=0,
    reason=("The number of channels used for bookings", "交易所用的渠道数"),
)  # fmt: skip
def channels_used_6m(rows: ir.Table) -> ir.NumericValue:
    """Different channels used for the bookings of the last 6 months."""
    return different(rows.channel, of=len(CHANNELS), where=half_a_year(rows))


@feature(
    BEHAVIOUR, unit=Unit.BOOKINGS, risk=Risk.UNORDERED, over=bookings,
    topic="account use", of_nothing=0,
    reason=("How much the accounts are used of late", "近期账户交易笔数"),
)  # fmt: skip
def bookings_3m(rows: ir.Table) -> ir.NumericValue:
    """Bookings in the last 3 months."""
    return rows.count(where=lately(rows))


@feature(
    BEHAVIOUR, unit=Unit.RATIO, risk=Risk.UNORDERED, over=bookings, topic="account use",
    reason=("The change in how much the accounts are used", "账户交易活跃度的变化"),
)  # fmt: skip
def bookings_change(rows: ir.Table) -> ir.NumericValue:
    """Bookings a day of the last 3 months against the 9 months before."""
    return pace(rows, rows.days_ago.notnull())


@feature(
    BEHAVIOUR, unit=Unit.DAYS, risk=Risk.UNORDERED, over=bookings, topic="account use",
    reason=("The time since the last booking", "距最近一笔交易的时间"),
)  # fmt: skip
def days_since_last_booking(rows: ir.Table) -> ir.NumericValue:
    """Days since the last booking within 12 months."""
    return rows.days_ago.min()
