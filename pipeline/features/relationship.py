"""How long and how closely the customer has dealt with the bank."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import mean
from pipeline.features.frames.contacts import contacts
from pipeline.features.frames.loans import granted_loans
from pipeline.features.frames.open_loans import open_loans
from pipeline.features.frames.profile import profile
from pipeline.features.own_past import before, lately, pace

RELATIONSHIP = Dimension.RELATIONSHIP


@feature(
    RELATIONSHIP, unit=Unit.YEARS, risk=Risk.FALLS, over=profile,
    reason=("The customer is new to the bank", "与本行建立业务关系时间较短"),
)  # fmt: skip
def tenure_years(rows: ir.Table) -> ir.NumericValue:
    """Time since the customer came to the bank."""
    return rows.tenure_years


@feature(
    RELATIONSHIP, unit=Unit.LOANS, risk=Risk.UNORDERED, over=granted_loans,
    topic="loans taken", of_nothing=0,
    reason=("The number of loans taken so far", "累计贷款笔数"),
)  # fmt: skip
def loans_taken(rows: ir.Table) -> ir.NumericValue:
    """Loans taken so far."""
    return rows.count()


@feature(
    RELATIONSHIP, unit=Unit.PRODUCTS, risk=Risk.UNORDERED, over=open_loans, of_nothing=0,
    reason=("The number of different loan products held", "持有的贷款产品种类数"),
)  # fmt: skip
def products_held(rows: ir.Table) -> ir.NumericValue:
    """Different products of the loans that are still owed and the credit lines that run."""
    return rows["product"].nunique()


@feature(
    RELATIONSHIP, unit=Unit.CONTACTS, risk=Risk.UNORDERED, over=contacts,
    topic="contact", of_nothing=0,
    reason=("The number of contacts with the bank", "与银行的联系次数"),
)  # fmt: skip
def contacts_12m(rows: ir.Table) -> ir.NumericValue:
    """Contacts with the bank in the last 12 months, logins aside."""
    return rows.count(where=rows.is_contact)


@feature(
    RELATIONSHIP, unit=Unit.RATIO, risk=Risk.UNORDERED, over=contacts, topic="contact",
    reason=("The change in how often the bank is in contact", "与银行联系频率的变化"),
)  # fmt: skip
def contacts_trend(rows: ir.Table) -> ir.NumericValue:
    """Contacts a day in the last 3 months against the 9 months before, logins aside."""
    return pace(rows, rows.is_contact)


@feature(
    RELATIONSHIP, unit=Unit.CONTACTS, risk=Risk.UNORDERED, over=contacts,
    topic="logins", of_nothing=0,
    reason=("The number of logins of late", "近期登录网上或手机银行的次数"),
)  # fmt: skip
def logins_3m(rows: ir.Table) -> ir.NumericValue:
    """Logins to online banking or the mobile app in the last 3 months."""
    return rows.count(where=rows.is_login & lately(rows))


@feature(
    RELATIONSHIP, unit=Unit.RATIO, risk=Risk.UNORDERED, over=contacts, topic="logins",
    reason=("The change in how often the customer logs in", "登录网上或手机银行频率的变化"),
)  # fmt: skip
def logins_trend(rows: ir.Table) -> ir.NumericValue:
    """Logins a day in the last 3 months against the 9 months before."""
    return pace(rows, rows.is_login)


@feature(
    RELATIONSHIP, unit=Unit.TONE, risk=Risk.FALLS, over=contacts, topic="tone",
    reason=("The tone of contacts is poor", "与银行沟通时态度消极"),
)  # fmt: skip
def mean_sentiment_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean tone of the contacts of the last 12 months."""
    return mean(rows.tone, where=rows.tone.notnull())


@feature(
    RELATIONSHIP, unit=Unit.TONE_CHANGE, risk=Risk.FALLS, over=contacts, topic="tone",
    reason=("The tone of contacts has become worse", "与银行沟通的态度有所恶化"),
)  # fmt: skip
def sentiment_trend(rows: ir.Table) -> ir.NumericValue:
    """Mean tone of the contacts of the last 3 months less that of the 9 months before."""
    return mean(rows.tone, where=lately(rows)) - mean(rows.tone, where=before(rows))


@feature(
    RELATIONSHIP, unit=Unit.TIMES, risk=Risk.RISES, over=contacts, topic="complaints", of_nothing=0,
    reason=("The customer complained of late", "近期有投诉"),
)  # fmt: skip
def complaints_3m(rows: ir.Table) -> ir.NumericValue:
    """Complaints in the last 3 months."""
    return rows.count(where=(rows.kind == "complaint") & lately(rows))


@feature(
    RELATIONSHIP, unit=Unit.TIMES, risk=Risk.RISES, over=contacts, topic="complaints", of_nothing=0,
    reason=("The customer complained in the past year", "过去一年内有投诉"),
)  # fmt: skip
def complaints_12m(rows: ir.Table) -> ir.NumericValue:
    """Complaints in the last 12 months."""
    return rows.count(where=rows.kind == "complaint")


@feature(
    RELATIONSHIP, unit=Unit.TIMES, risk=Risk.RISES, over=contacts, of_nothing=0,
    reason=("The customer asked to pay later or less", "曾申请延期或减免还款"),
)  # fmt: skip
def hardship_calls_12m(rows: ir.Table) -> ir.NumericValue:
    """Times in the last 12 months that the customer asked to pay later or less."""
    return rows.count(where=rows.kind == "hardship")


@feature(
    RELATIONSHIP, unit=Unit.TIMES, risk=Risk.UNORDERED, over=contacts, of_nothing=0,
    reason=("The amount of advice taken", "接受银行咨询服务的次数"),
)  # fmt: skip
def advice_12m(rows: ir.Table) -> ir.NumericValue:
    """Times in the last 12 months that the customer took advice."""
    return rows.count(where=rows.kind == "advice")


@feature(
    RELATIONSHIP, unit=Unit.MARK, risk=Risk.FALLS, over=contacts, topic="satisfaction",
    reason=("The last mark given to the bank is low", "客户最近一次满意度评分偏低"),
)  # fmt: skip
def last_satisfaction(rows: ir.Table) -> ir.NumericValue:
    """The customer's latest mark for the bank, within 12 months."""
    return rows.satisfaction.argmax(rows.marked_at)


@feature(
    RELATIONSHIP, unit=Unit.MARK, risk=Risk.FALLS, over=contacts, topic="satisfaction",
    reason=("The customer is not satisfied with the bank", "客户对银行的总体满意度偏低"),
)  # fmt: skip
def mean_satisfaction_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean of the customer's marks for the bank over the last 12 months."""
    return rows.satisfaction.mean()


@feature(
    RELATIONSHIP, unit=Unit.DAYS, risk=Risk.UNORDERED, over=contacts, topic="contact",
    reason=("The time since the last contact", "距上次与银行联系的时间"),
)  # fmt: skip
def days_since_last_contact(rows: ir.Table) -> ir.NumericValue:
    """Days since the last contact with the bank within 12 months, logins aside."""
    return rows.days_ago.min(where=rows.is_contact)


@feature(
    RELATIONSHIP, unit=Unit.DAYS, risk=Risk.UNORDERED, over=contacts, topic="logins",
    reason=("The time since the last login", "距上次登录网上或手机银行的时间"),
)  # fmt: skip
def days_since_last_login(rows: ir.Table) -> ir.NumericValue:
    """Days since the customer last logged in, within 12 months."""
    return rows.days_ago.min(where=rows.is_login)
