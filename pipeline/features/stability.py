"""How settled the customer's life or business is."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import mean, quotient, spread
from pipeline.features.frames.bookings import MONTHS, bookings
from pipeline.features.frames.contacts import CHANNELS, contacts
from pipeline.features.frames.life_changes import life_changes
from pipeline.features.frames.peers import region_peers
from pipeline.features.frames.profile import profile
from pipeline.features.marks import different

STABILITY = Dimension.STABILITY


@feature(
    STABILITY, unit=Unit.YEARS, risk=Risk.UNORDERED, over=profile,
    reason=("The age of the person or the firm", "客户年龄或企业成立年限"),
)  # fmt: skip
def age_years(rows: ir.Table) -> ir.NumericValue:
    """Age of the person or the firm."""
    return rows.age_years


@feature(
    STABILITY, unit=Unit.YEARS, risk=Risk.FALLS, over=profile, topic="job",
    reason=("The present job began only recently", "现职工作时间较短"),
)  # fmt: skip
def employed_years(rows: ir.Table) -> ir.NumericValue:
    """Time in the present job."""
    return rows.employed_years


@feature(
    STABILITY, unit=Unit.YEARS, risk=Risk.FALLS, over=profile, topic="home",
    reason=("The customer moved in only recently", "现住址居住时间较短"),
)  # fmt: skip
def resident_years(rows: ir.Table) -> ir.NumericValue:
    """Time at the present address."""
    return rows.resident_years


@feature(
    STABILITY, unit=Unit.PEOPLE, risk=Risk.UNORDERED, over=profile,
    reason=("The number of dependents", "供养人口数"),
)  # fmt: skip
def dependents(rows: ir.Table) -> ir.NumericValue:
    """People who live on the customer's income."""
    return rows.dependents


@feature(
    STABILITY, unit=Unit.TIMES, risk=Risk.RISES, over=life_changes, topic="job", of_nothing=0,
    reason=("The customer changed jobs of late", "近期更换过工作"),
)  # fmt: skip
def job_changes_24m(rows: ir.Table) -> ir.NumericValue:
    """Jobs that the customer began in the last 24 months."""
    return rows.count(where=rows.what == "job")


@feature(
    STABILITY, unit=Unit.TIMES, risk=Risk.RISES, over=life_changes, topic="home", of_nothing=0,
    reason=("The customer changed address of late", "近期变更过住址"),
)  # fmt: skip
def address_changes_24m(rows: ir.Table) -> ir.NumericValue:
    """Homes that the customer moved into in the last 24 months."""
    return rows.count(where=rows.what == "home")


@feature(
    STABILITY, unit=Unit.SHARE, risk=Risk.RISES, over=region_peers,
    reason=("Many of the bank's borrowers in the region pay late", "本行同地区借款人逾期较多"),
)  # fmt: skip
def region_late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the bank's borrowers in the region who were over 30 days late in 12 months."""
    return quotient(rows.late_borrowers, rows.borrowers)


@feature(
    STABILITY, unit=Unit.MONTHS, risk=Risk.FALLS, over=bookings, topic="income bookings",
    reason=("Income was not booked every month", "并非每月都有收入入账"),
)  # fmt: skip
def income_months_6m(rows: ir.Table) -> ir.NumericValue:
    """Of the last 6 full months, those in which wages, a pension or a firm's sales were booked."""
    return different(rows.month, of=MONTHS, where=rows.income > 0).fill_null(0)


@feature(
    STABILITY, unit=Unit.DAYS, risk=Risk.RISES, over=bookings, topic="income bookings",
    reason=("No income has been booked for some time", "已有一段时间无收入入账"),
)  # fmt: skip
def days_since_income(rows: ir.Table) -> ir.NumericValue:
    """Days since wages, a pension or a firm's sales were last booked, within 12 months."""
    return rows.days_ago.min(where=rows.income > 0)


@feature(
    STABILITY, unit=Unit.RATIO, risk=Risk.RISES, over=bookings, topic="uneven income",
    reason=("The customer's income comes in unequal sums", "入账收入金额不稳定"),
)  # fmt: skip
def income_booking_volatility_12m(rows: ir.Table) -> ir.NumericValue:
    """How much single income bookings of the last 12 months vary: sample deviation over mean."""
    is_income = rows.income > 0
    # Not month by month: where a payday moves by days, a month would have two or none.
    return spread(rows.income, is_income) / mean(rows.income, where=is_income)


@feature(
    STABILITY, unit=Unit.DAYS, risk=Risk.UNORDERED, over=contacts, topic="contact",
    reason=("The time since the bank last reached the customer", "距上次与客户取得联系的时间"),
)  # fmt: skip
def days_since_reached(rows: ir.Table) -> ir.NumericValue:
    """Days since the customer was last called, visited or advised, within 12 months."""
    return rows.days_ago.min(where=rows.kind.isin(("call", "visit", "advice")))


@feature(
    STABILITY, unit=Unit.CHANNELS, risk=Risk.UNORDERED, over=contacts, of_nothing=0,
    reason=("The number of ways of contact used", "与银行联系所用的渠道数"),
)  # fmt: skip
def contact_channels_12m(rows: ir.Table) -> ir.NumericValue:
    """Different channels of the contacts of the last 12 months, logins aside."""
    return different(rows.channel, of=len(CHANNELS), where=rows.is_contact)
