"""Where the customer's income, industry and economy are heading."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, Unit, feature
from pipeline.features.exact import mean, quotient
from pipeline.features.frames.assessments import assessed
from pipeline.features.frames.months import months
from pipeline.features.frames.outlook import economy, outlook
from pipeline.features.frames.peers import industry_peers, peer_medians
from pipeline.features.frames.signals import mean_signal, signals

PROSPECTS = Dimension.PROSPECTS


@feature(
    PROSPECTS,
    unit=Unit.INDEX,
    risk=Risk.FALLS,
    over=outlook,
    topic="industry outlook",
    reason=("The outlook of the customer's industry is poor", "客户所属行业景气度偏低"),
)
def industry_outlook_index(rows: ir.Table) -> ir.NumericValue:
    """Outlook of the customer's industry in its latest month; 100 is its long-run mean."""
    return rows.outlook_index


@feature(
    PROSPECTS,
    unit=Unit.INDEX,
    risk=Risk.FALLS,
    over=outlook,
    topic="industry outlook",
    reason=("The outlook of the industry has worsened over 6 months", "近6个月行业景气度下滑"),
)
def industry_outlook_change_6m(rows: ir.Table) -> ir.NumericValue:
    """Outlook of the customer's industry against that of 6 months before."""
    return rows.outlook_index - rows.outlook_index_6m_ago


@feature(
    PROSPECTS,
    unit=Unit.INDEX,
    risk=Risk.FALLS,
    over=outlook,
    topic="industry outlook",
    reason=("The outlook of the industry has worsened over 12 months", "近12个月行业景气度下滑"),
)
def industry_outlook_change_12m(rows: ir.Table) -> ir.NumericValue:
    """Outlook of the customer's industry against that of 12 months before."""
    return rows.outlook_index - rows.outlook_index_12m_ago


@feature(
    PROSPECTS,
    unit=Unit.PERCENT,
    risk=Risk.RISES,
    over=outlook,
    topic="industry defaults",
    reason=("Many borrowers of the industry default", "客户所属行业违约率偏高"),
)
def industry_default_rate_pct(rows: ir.Table) -> ir.NumericValue:
    """Share of the industry's borrowers who default within a year, in its latest month."""
    return rows.industry_default_rate_pct


@feature(
    PROSPECTS,
    unit=Unit.POINTS,
    risk=Risk.RISES,
    over=outlook,
    topic="industry defaults",
    reason=("Defaults in the industry have risen over 12 months", "近12个月行业违约率上升"),
)
def industry_default_rate_change_12m(rows: ir.Table) -> ir.NumericValue:
    """Default rate of the customer's industry less that of 12 months before."""
    return rows.industry_default_rate_pct - rows.industry_default_rate_pct_12m_ago


@feature(
    PROSPECTS,
    unit=Unit.SHARE,
    risk=Risk.RISES,
    over=industry_peers,
    topic="industry defaults",
    reason=("Many of the bank's borrowers in the industry pay late", "本行同行业借款人逾期较多"),
)
def industry_late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the bank's borrowers in the industry who were over 30 days late in 12 months."""
    return quotient(rows.late_borrowers, rows.borrowers)


@feature(
    PROSPECTS,
    unit=Unit.PERCENT,
    risk=Risk.FALLS,
    over=economy,
    topic="growth of the economy",
    reason=("The economy grows slowly or shrinks", "宏观经济增速偏低"),
)
def gdp_growth_pct(rows: ir.Table) -> ir.NumericValue:
    """Growth of the economy in the latest month, against the same month a year before."""
    return rows.gdp_growth_pct


@feature(
    PROSPECTS,
    unit=Unit.POINTS,
    risk=Risk.FALLS,
    over=economy,
    topic="growth of the economy",
    reason=("The economy's growth has slowed over 6 months", "近6个月经济增速放缓"),
)
def gdp_growth_change_6m(rows: ir.Table) -> ir.NumericValue:
    """Growth of the economy less that of 6 months before."""
    return rows.gdp_growth_pct - rows.gdp_growth_pct_6m_ago


@feature(
    PROSPECTS,
    unit=Unit.PERCENT,
    risk=Risk.RISES,
    over=economy,
    topic="unemployment",
    reason=("Unemployment in the economy is high", "宏观失业率偏高"),
)
def unemployment_pct(rows: ir.Table) -> ir.NumericValue:
    """Share of the workforce that is out of work, in the latest month."""
    return rows.unemployment_pct


@feature(
    PROSPECTS,
    unit=Unit.POINTS,
    risk=Risk.RISES,
    over=economy,
    topic="unemployment",
    reason=("Unemployment has risen over 6 months", "近6个月失业率上升"),
)
def unemployment_change_6m(rows: ir.Table) -> ir.NumericValue:
    """Unemployment less that of 6 months before."""
    return rows.unemployment_pct - rows.unemployment_pct_6m_ago


@feature(
    PROSPECTS,
    unit=Unit.PERCENT,
    risk=Risk.UNORDERED,
    over=economy,
    topic="policy rate",
    reason=("The level of the central bank's rate", "央行政策利率水平"),
)
def policy_rate_pct(rows: ir.Table) -> ir.NumericValue:
    """The central bank's rate in the latest month, a year."""
    return rows.policy_rate_pct


@feature(
    PROSPECTS,
    unit=Unit.POINTS,
    risk=Risk.UNORDERED,
    over=economy,
    topic="policy rate",
    reason=("The change of the central bank's rate over 6 months", "近6个月央行政策利率的变动"),
)
def policy_rate_change_6m(rows: ir.Table) -> ir.NumericValue:
    """The central bank's rate less that of 6 months before."""
    return rows.policy_rate_pct - rows.policy_rate_pct_6m_ago


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=months,
    topic="income over time",
    reason=("Income or revenue has fallen within a year", "收入较上年同期下降"),
)
def income_growth_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean income or revenue of the last 3 months against that of the same months a year before."""
    now = rows.months_back < 3
    then = rows.months_back.between(12, 14)
    return quotient(mean(rows.income, now), mean(rows.income, then))


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=months,
    reason=("The customer owns less than a year ago", "总资产较上年同期减少"),
)
def asset_growth_12m(rows: ir.Table) -> ir.NumericValue:
    """Assets of the latest month against those of the same month a year before."""
    return _against_a_year_before(rows, "assets")


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.UNORDERED,
    over=months,
    reason=("The growth of the customer's debts within a year", "总负债较上年同期的变动"),
)
def liability_growth_12m(rows: ir.Table) -> ir.NumericValue:
    """Everything owed in the latest month against that of the same month a year before."""
    return _against_a_year_before(rows, "liabilities")


@feature(
    PROSPECTS,
    unit=Unit.MARK,
    risk=Risk.FALLS,
    over=assessed,
    reason=("The firm is not well led", "客户经理对企业管理水平评价偏低"),
)
def management_quality(rows: ir.Table) -> ir.NumericValue:
    """How well the firm is led, by the relationship manager's latest assessment."""
    return rows.management_quality.max(where=rows.is_latest)


@feature(
    PROSPECTS,
    unit=Unit.MARK,
    risk=Risk.FALLS,
    over=assessed,
    topic="reputation",
    reason=("The market does not speak well of the firm", "客户经理对企业市场口碑评价偏低"),
)
def market_reputation(rows: ir.Table) -> ir.NumericValue:
    """How the market speaks of the firm, by the relationship manager's latest assessment."""
    return rows.market_reputation.max(where=rows.is_latest)


@feature(
    PROSPECTS,
    unit=Unit.MARK,
    risk=Risk.FALLS,
    over=assessed,
    reason=("The firm is weak among its competitors", "客户经理对企业行业地位评价偏低"),
)
def industry_position(rows: ir.Table) -> ir.NumericValue:
    """How the firm stands among its competitors, by the manager's latest assessment."""
    return rows.industry_position.max(where=rows.is_latest)


@feature(
    PROSPECTS,
    unit=Unit.MARK,
    risk=Risk.FALLS,
    over=assessed,
    topic="assessment",
    reason=("The relationship manager's marks are low", "客户经理综合评价偏低"),
)
def assessment_mean(rows: ir.Table) -> ir.NumericValue:
    """Mean of the marks that the relationship manager's latest assessment gives."""
    return rows.mean_mark.max(where=rows.is_latest)


@feature(
    PROSPECTS,
    unit=Unit.MARKS,
    risk=Risk.FALLS,
    over=assessed,
    topic="assessment",
    reason=("The relationship manager's marks have fallen in a year", "客户经理评价较上年下降"),
)
def assessment_change(rows: ir.Table) -> ir.NumericValue:
    """Mean of the latest assessment's marks less that of the one about a year before it."""
    return rows.mean_mark.max(where=rows.is_latest) - rows.mean_mark.max(where=~rows.is_latest)


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=peer_medians,
    topic="income level",
    reason=("Income or revenue is below that of peers", "收入低于同业同类客户"),
)
def income_to_peers(rows: ir.Table) -> ir.NumericValue:
    """Income or revenue against the median of customers of the same industry and segment."""
    return quotient(rows.income, rows.median_income)


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=peer_medians,
    topic="leverage",
    reason=("Debts against assets are above those of peers", "资产负债率高于同业同类客户"),
)
def leverage_to_peers(rows: ir.Table) -> ir.NumericValue:
    """Debts against assets, over the median of customers of the same industry and segment."""
    return quotient(rows.leverage, rows.median_leverage)


@feature(
    PROSPECTS,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=peer_medians,
    topic="liquidity",
    reason=("Liquid assets last less long than those of peers", "流动性低于同业同类客户"),
)
def liquidity_to_peers(rows: ir.Table) -> ir.NumericValue:
    """Months that liquid assets last, over the median of the same industry and segment."""
    return quotient(rows.liquidity_months, rows.median_liquidity_months)


@feature(
    PROSPECTS,
    unit=Unit.TONE,
    risk=Risk.FALLS,
    over=signals,
    topic="reputation",
    reason=("The public speaks badly of the customer", "客户公开舆情偏负面"),
)
def reputation_signal_12m(rows: ir.Table) -> ir.NumericValue:
    """What is said of the customer in public, the mean of the last 12 months."""
    return mean_signal(rows, "public_reputation")


@feature(
    PROSPECTS,
    unit=Unit.TONE,
    risk=Risk.FALLS,
    over=signals,
    reason=("Employment records speak against the customer", "客户就业信息偏负面"),
)
def employment_signal_12m(rows: ir.Table) -> ir.NumericValue:
    """What employment records say of the customer, the mean of the last 12 months."""
    return mean_signal(rows, "employment")


@feature(
    PROSPECTS,
    unit=Unit.TONE,
    risk=Risk.FALLS,
    over=signals,
    reason=("Online spending shows the customer in difficulty", "客户线上消费信息偏负面"),
)
def online_spending_signal_12m(rows: ir.Table) -> ir.NumericValue:
    """What the customer's online spending says, the mean of the last 12 months."""
    return mean_signal(rows, "online_spending")


def _against_a_year_before(rows: ir.Table, amount: str) -> ir.FloatingScalar:
    now, then = rows.months_back == 0, rows.months_back == 12
    return quotient(rows[amount].max(where=now), rows[amount].max(where=then))
