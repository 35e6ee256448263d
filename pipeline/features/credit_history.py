"""How the customer has paid so far, here and elsewhere."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import quotient, spread
from pipeline.features.frames.arrears import arrears
from pipeline.features.frames.bureau import bureau_reports
from pipeline.features.frames.defaults import default_events
from pipeline.features.frames.instalments import fell_due_within, instalments
from pipeline.features.frames.loans import granted_loans
from pipeline.features.frames.profile import DAYS_A_YEAR
from pipeline.features.frames.settlements import early_settlements
from pipeline.features.frames.signals import mean_signal, signals

CREDIT_HISTORY = Dimension.CREDIT_HISTORY
DAYS_A_MONTH = DAYS_A_YEAR / 12

# More than any lateness in days and any score, so that either fits below a day's number.
A_DAY = 10_000_000


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    reason=("Payments are overdue now", "目前有逾期款项"),
    of_nothing=0,
)
def days_past_due(rows: ir.Table) -> ir.NumericValue:
    """Days that the oldest unpaid instalment has been overdue."""
    return rows.days_late.max(where=~rows.is_paid)


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("The latest instalment was late", "最近一期还款逾期"),
)
def last_days_late(rows: ir.Table) -> ir.NumericValue:
    """Lateness of the instalment that fell due last, of several on one day the worst."""
    return _of_the_latest(rows.days_late, rows.days_since_due, rows.days_since_due >= 0)


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("A payment was long overdue in the last 3 months", "近3个月内出现过严重逾期"),
)
def worst_days_late_3m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 3 months."""
    return rows.days_late.max(where=fell_due_within(rows, 91))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("A payment was long overdue in the last 6 months", "近6个月内出现过严重逾期"),
)
def worst_days_late_6m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 6 months."""
    return rows.days_late.max(where=fell_due_within(rows, 182))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("A payment was long overdue in the last 12 months", "近12个月内出现过严重逾期"),
)
def worst_days_late_12m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 12 months."""
    return rows.days_late.max(where=fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("A payment was long overdue in the last 24 months", "近24个月内出现过严重逾期"),
)
def worst_days_late_24m(rows: ir.Table) -> ir.NumericValue:
    """Worst lateness of an instalment that fell due in the last 24 months."""
    return rows.days_late.max(where=fell_due_within(rows, 730))


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments were late by up to a month", "还款出现过1至29天的逾期"),
    of_nothing=0,
)
def late_1_to_29d_12m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 12 months that were 1 to 29 days late, or are by now."""
    return rows.count(where=rows.days_late.between(1, 29) & fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments were late by one to two months", "还款出现过30至59天的逾期"),
    of_nothing=0,
)
def late_30_to_59d_12m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 12 months that were 30 to 59 days late, or are by now."""
    return rows.count(where=rows.days_late.between(30, 59) & fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments were late by two to three months", "还款出现过60至89天的逾期"),
    of_nothing=0,
)
def late_60_to_89d_12m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 12 months that were 60 to 89 days late, or are by now."""
    return rows.count(where=rows.days_late.between(60, 89) & fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments were late by three months or more", "还款出现过90天及以上的逾期"),
    of_nothing=0,
)
def late_90d_24m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 24 months that were 90 or more days late, or are by now."""
    return rows.count(where=(rows.days_late >= 90) & fell_due_within(rows, 730))


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Many instalments of the last 12 months were late", "近12个月逾期期数较多"),
    of_nothing=0,
)
def late_instalments_12m(rows: ir.Table) -> ir.NumericValue:
    """Instalments of the last 12 months that were paid late or are overdue."""
    return rows.count(where=(rows.days_late > 0) & fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("A large share of recent instalments was late", "近12个月逾期期数占比较高"),
)
def late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 12 months' instalments that were paid late or are overdue."""
    return (rows.days_late > 0).mean(where=fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.MONTHS,
    risk=Risk.FALLS,
    over=instalments,
    topic="late payments",
    reason=("Payments were overdue not long ago", "距最近一次逾期时间较短"),
)
def months_since_last_late(rows: ir.Table) -> ir.NumericValue:
    """Months since the customer was last overdue with an instalment, 0 for one overdue now."""
    # A late one was overdue until the day it was paid; an open one is late by its whole age.
    days_since_overdue = rows.days_since_due - rows.days_late
    return days_since_overdue.min(where=rows.days_late > 0) / DAYS_A_MONTH


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments of the last 3 months came in late", "近3个月还款平均偏晚"),
)
def mean_days_late_3m(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the instalments of the last 3 months, early ones counted as negative."""
    return rows.days_late.mean(where=fell_due_within(rows, 91))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    topic="late payments",
    reason=("Instalments of the last 12 months came in late", "近12个月还款平均偏晚"),
)
def mean_days_late_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the instalments of the last 12 months, early ones counted as negative."""
    return rows.days_late.mean(where=fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.RISES,
    over=instalments,
    reason=("Payments come in later than they used to", "还款较以往越来越晚"),
)
def days_late_trend(rows: ir.Table) -> ir.NumericValue:
    """Mean lateness of the last 3 months, in days more than that of the 9 months before."""
    now = rows.days_late.mean(where=fell_due_within(rows, 91))
    return now - rows.days_late.mean(where=rows.days_since_due.between(92, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.DAYS,
    risk=Risk.UNORDERED,
    over=instalments,
    reason=("How irregularly instalments are paid", "还款时间的规律性"),
)
def days_late_spread_12m(rows: ir.Table) -> ir.NumericValue:
    """How much the lateness of the last 12 months' instalments varies (sample deviation)."""
    return spread(rows.days_late, fell_due_within(rows, 365))


@feature(
    CREDIT_HISTORY,
    unit=Unit.SHARE,
    risk=Risk.FALLS,
    over=instalments,
    reason=("Part of the money due so far was never paid", "到期款项未足额偿还"),
)
def paid_ratio(rows: ir.Table) -> ir.NumericValue:
    """Share of the money due so far that has been paid, partial payments included."""
    is_due = rows.days_since_due >= 0
    unpaid = rows.unpaid_amount.sum(where=is_due)
    due = rows.due_amount.sum(where=is_due)
    return quotient(due - unpaid, due)


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.FALLS,
    over=instalments,
    reason=("Few instalments have been paid so far", "已还期数较少"),
    of_nothing=0,
)
def paid_instalments(rows: ir.Table) -> ir.NumericValue:
    """Number of instalments paid so far."""
    return rows.count(where=rows.is_paid)


@feature(
    CREDIT_HISTORY,
    unit=Unit.INSTALMENTS,
    risk=Risk.UNORDERED,
    over=instalments,
    reason=("The number of instalments left to pay", "剩余未还期数"),
    of_nothing=0,
)
def instalments_left(rows: ir.Table) -> ir.NumericValue:
    """Number of instalments not yet paid, due or not."""
    return rows.count(where=~rows.is_paid)


@feature(
    CREDIT_HISTORY,
    unit=Unit.SHARE,
    risk=Risk.UNORDERED,
    over=instalments,
    reason=("How often instalments are paid ahead of time", "提前还款的比例"),
)
def early_share_6m(rows: ir.Table) -> ir.NumericValue:
    """Share of the last 6 months' instalments that were paid at least 5 days early."""
    is_early = rows.is_paid & (rows.days_late <= -5)
    return is_early.mean(where=fell_due_within(rows, 182))


@feature(
    CREDIT_HISTORY,
    unit=Unit.LOANS,
    risk=Risk.UNORDERED,
    over=early_settlements,
    reason=("The number of loans settled early", "提前结清的贷款笔数"),
    of_nothing=0,
)
def loans_settled_early(rows: ir.Table) -> ir.NumericValue:
    """Loans paid off in full, the last instalment at least 30 days before it fell due."""
    return rows.count()


@feature(
    CREDIT_HISTORY,
    unit=Unit.TIMES,
    risk=Risk.RISES,
    over=arrears,
    reason=("Arrears were cleared and came back", "逾期结清后再次逾期"),
    of_nothing=0,
)
def relapses_24m(rows: ir.Table) -> ir.NumericValue:
    """Times that all arrears of the last 24 months were cleared, and came back."""
    return rows.count(where=rows.cleared_before >= rows.days_since_due)


@feature(
    CREDIT_HISTORY,
    unit=Unit.YEARS,
    risk=Risk.FALLS,
    over=granted_loans,
    reason=("The customer has borrowed for a short time only", "信贷往来时间较短"),
)
def credit_age_years(rows: ir.Table) -> ir.NumericValue:
    """Time since the customer's first loan at the bank was granted."""
    return rows.days_since_origination.max() / DAYS_A_YEAR


@feature(
    CREDIT_HISTORY,
    unit=Unit.TIMES,
    risk=Risk.RISES,
    over=default_events,
    topic="recorded defaults",
    reason=("The bank has recorded a default", "有违约记录"),
    of_nothing=0,
)
def recorded_defaults(rows: ir.Table) -> ir.NumericValue:
    """Default events that the bank has recorded so far."""
    return rows.count()


@feature(
    CREDIT_HISTORY,
    unit=Unit.MONTHS,
    risk=Risk.FALLS,
    over=default_events,
    topic="recorded defaults",
    reason=("A default was recorded not long ago", "距最近一次违约时间较短"),
)
def months_since_recorded_default(rows: ir.Table) -> ir.NumericValue:
    """Months since the latest default event that the bank has recorded."""
    return rows.days_since_default.min() / DAYS_A_MONTH


@feature(
    CREDIT_HISTORY,
    unit=Unit.SCORE,
    risk=Risk.FALLS,
    over=bureau_reports,
    reason=("The credit bureau's score is low", "征信评分较低"),
)
def external_score(rows: ir.Table) -> ir.NumericValue:
    """The credit bureau's score in its latest report."""
    return rows.external_score.max(where=rows.is_latest)


@feature(
    CREDIT_HISTORY,
    unit=Unit.SCORE,
    risk=Risk.FALLS,
    over=bureau_reports,
    reason=("The credit bureau's score has fallen in a year", "征信评分较一年前下降"),
)
def external_score_change(rows: ir.Table) -> ir.NumericValue:
    """The bureau's latest score, less that of the last report at least a year older."""
    is_older = rows.days_before_latest >= 365
    then = _of_the_latest(rows.external_score, rows.days_before_latest, is_older)
    return rows.external_score.max(where=rows.is_latest) - then


@feature(
    CREDIT_HISTORY,
    unit=Unit.INQUIRIES,
    risk=Risk.RISES,
    over=bureau_reports,
    reason=(
        "Other lenders inquired often before the latest bureau report",
        "最近一次征信报告前查询次数较多",
    ),
)
def inquiries_3m(rows: ir.Table) -> ir.NumericValue:
    """Other lenders' inquiries in the 3 months before the bureau's latest report."""
    return rows.inquiries_3m.max(where=rows.is_latest)


@feature(
    CREDIT_HISTORY,
    unit=Unit.ACCOUNTS,
    risk=Risk.UNORDERED,
    over=bureau_reports,
    topic="debt elsewhere",
    reason=("The number of loans at other lenders", "在其他机构的未结清贷款笔数"),
)
def open_loans_elsewhere(rows: ir.Table) -> ir.NumericValue:
    """Loans open at other lenders, by the bureau's latest report."""
    return rows.open_loans_elsewhere.max(where=rows.is_latest)


@feature(
    CREDIT_HISTORY,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=bureau_reports,
    topic="debt elsewhere",
    reason=("The debt at other lenders", "在其他机构的负债金额"),
)
def debt_elsewhere(rows: ir.Table) -> ir.NumericValue:
    """Debt at other lenders, by the bureau's latest report."""
    return rows.debt_elsewhere.max(where=rows.is_latest)


@feature(
    CREDIT_HISTORY,
    unit=Unit.MONEY,
    risk=Risk.RISES,
    over=bureau_reports,
    topic="arrears elsewhere",
    reason=("Debt at other lenders is overdue", "在其他机构有逾期金额"),
)
def overdue_elsewhere(rows: ir.Table) -> ir.NumericValue:
    """Overdue debt at other lenders, by the bureau's latest report."""
    return rows.overdue_elsewhere.max(where=rows.is_latest)


@feature(
    CREDIT_HISTORY,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=bureau_reports,
    topic="arrears elsewhere",
    reason=("Much of the debt at other lenders is overdue", "在其他机构的负债逾期占比较高"),
)
def overdue_share_elsewhere(rows: ir.Table) -> ir.NumericValue:
    """Overdue share of the debt at other lenders, by the bureau's latest report."""
    overdue = rows.overdue_elsewhere.max(where=rows.is_latest)
    return quotient(overdue, rows.debt_elsewhere.max(where=rows.is_latest))


@feature(
    CREDIT_HISTORY,
    unit=Unit.MONTHS,
    risk=Risk.UNORDERED,
    over=bureau_reports,
    reason=("The age of the credit bureau's latest report", "最近一次征信报告距今的时间"),
)
def bureau_report_age_months(rows: ir.Table) -> ir.NumericValue:
    """Months since the bureau's latest report was pulled."""
    return rows.days_old.min() / DAYS_A_MONTH


@feature(
    CREDIT_HISTORY,
    unit=Unit.TONE,
    risk=Risk.FALLS,
    over=signals,
    reason=("Utility bills are paid poorly", "水电通讯费缴纳情况较差"),
)
def utilities_signal_12m(rows: ir.Table) -> ir.NumericValue:
    """How bills for utilities were paid in the last 12 months, from -1 (badly) to 1 (well)."""
    return mean_signal(rows, "utilities")


@feature(
    CREDIT_HISTORY,
    unit=Unit.TONE,
    risk=Risk.FALLS,
    over=signals,
    reason=("Court records speak against the customer", "法院记录存在不利信息"),
)
def court_signal_12m(rows: ir.Table) -> ir.NumericValue:
    """What court records of the last 12 months say of the customer, from -1 (bad) to 1 (good)."""
    return mean_signal(rows, "court")


def _of_the_latest(
    values: ir.IntegerColumn, days_back: ir.IntegerColumn, where: ir.BooleanValue
) -> ir.IntegerScalar:
    """The value of the fewest days back among those that there are, of several the highest.

    Args:
        values: whole numbers, closer to 0 than half of ``A_DAY``.
        days_back: none negative, where the row counts.
        where: which rows count.
    """
    # To find the row itself an engine sorts them; the least of one number takes a mere look.
    least = (days_back.cast("int64") * A_DAY + (A_DAY // 2 - values)).min(where=where)
    return A_DAY // 2 - least % A_DAY
