"""What the customer earns and owns, against what has to be paid."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features import credit_history
from pipeline.features.declaration import Dimension, Risk, Unit, feature, frame, values_of
from pipeline.features.exact import mean, quotient, spread
from pipeline.features.frames.instalments import instalments
from pipeline.features.frames.loans import granted_loans
from pipeline.features.frames.months import months
from pipeline.features.frames.open_loans import open_loans

REPAYMENT_CAPACITY = Dimension.REPAYMENT_CAPACITY


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=instalments,
    topic="debt here",
    reason=("What is still owed to the bank", "在本行的未偿还金额"),
    of_nothing=0,
)
def exposure(rows: ir.Table) -> ir.NumericValue:
    """What the customer still owes the bank on all instalments, due or not."""
    return rows.unpaid_amount.sum()


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=instalments,
    topic="instalments to come",
    reason=("What falls due within a month", "未来一个月应还金额"),
    of_nothing=0,
)
def due_next_month(rows: ir.Table) -> ir.NumericValue:
    """What falls due by the same day of the next month and is not paid yet."""
    return rows.unpaid_amount.sum(where=rows.is_due_next_month)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONEY,
    risk=Risk.UNORDERED,
    over=granted_loans,
    topic="latest loan",
    reason=("The size of the latest loan", "最近一笔贷款的金额"),
)
def last_principal(rows: ir.Table) -> ir.NumericValue:
    """Amount of the customer's latest loan."""
    return rows.principal.max(where=rows.recency == 0)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.UNORDERED,
    over=granted_loans,
    topic="latest loan",
    reason=("The latest loan against the earlier ones", "最近一笔贷款相对以往贷款的金额"),
)
def last_to_mean_principal(rows: ir.Table) -> ir.NumericValue:
    """Amount of the latest loan against the mean of all the customer's loans."""
    last = rows.principal.max(where=rows.recency == 0)
    return quotient(last * rows.count(), rows.principal.sum())


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.PERCENT,
    risk=Risk.RISES,
    over=granted_loans,
    reason=("The latest loan carries a high interest rate", "最近一笔贷款利率较高"),
)
def last_annual_rate_pct(rows: ir.Table) -> ir.NumericValue:
    """Interest rate of the latest loan, a year."""
    return rows.annual_rate_pct.max(where=rows.recency == 0)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONTHS,
    risk=Risk.UNORDERED,
    over=granted_loans,
    reason=("The term of the latest loan", "最近一笔贷款的期限"),
)
def last_term_months(rows: ir.Table) -> ir.NumericValue:
    """Term of the customer's latest loan."""
    return rows.term_months.max(where=rows.recency == 0)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONEY,
    risk=Risk.FALLS,
    over=months,
    topic="income level",
    reason=("Income is low", "收入水平较低"),
)
def income(rows: ir.Table) -> ir.NumericValue:
    """Mean income or revenue of the latest 3 months."""
    return mean(rows.income, rows.months_back < 3)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=months,
    topic="income over time",
    reason=("Income has fallen over its latest 6 months", "最近6个月的收入记录呈下降趋势"),
)
def income_trend_6m(rows: ir.Table) -> ir.NumericValue:
    """Mean income of the latest 3 months against that of the 3 months before."""
    before = mean(rows.income, rows.months_back.between(3, 5))
    return quotient(mean(rows.income, rows.months_back < 3), before)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=months,
    topic="uneven income",
    reason=("Income varies much from month to month", "月度收入波动较大"),
)
def income_volatility_12m(rows: ir.Table) -> ir.NumericValue:
    """How much the income of the last 12 months varies: its sample deviation over its mean."""
    year = rows.months_back < 12
    return quotient(spread(rows.income, year), mean(rows.income, year))


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=months,
    reason=("Expense takes up much of the income", "支出占收入比例较高"),
)
def expense_to_income_6m(rows: ir.Table) -> ir.NumericValue:
    """Expense against income over the latest 6 months."""
    is_known = rows.income.notnull() & rows.expense.notnull() & (rows.months_back < 6)
    return quotient(rows.expense.sum(where=is_known), rows.income.sum(where=is_known))


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=months,
    topic="leverage",
    reason=("Debts are high against assets", "资产负债率较高"),
)
def leverage(rows: ir.Table) -> ir.NumericValue:
    """Everything owed against everything owned, at the end of the latest month."""
    last = rows.months_back == 0
    return quotient(rows.liabilities.max(where=last), rows.assets.max(where=last))


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONTHS,
    risk=Risk.FALLS,
    over=months,
    topic="liquidity",
    reason=("Liquid assets would not last long", "流动资产可支撑时间较短"),
)
def liquidity_months(rows: ir.Table) -> ir.NumericValue:
    """Months of the latest expense that the liquid assets would cover."""
    last = rows.months_back == 0
    return quotient(rows.liquid_assets.max(where=last), rows.expense.max(where=last))


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.UNORDERED,
    over=open_loans,
    topic="collateral",
    reason=("How far collateral covers the debt", "抵押物对债务的覆盖程度"),
)
def collateral_cover(rows: ir.Table) -> ir.NumericValue:
    """Value of all collateral of loans not paid off, against all that is owed to the bank."""
    return quotient(rows.collateral.sum(where=rows.owed > 0), rows.owed.sum())


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=open_loans,
    topic="collateral",
    reason=("Secured loans are high against their collateral", "抵押贷款成数较高"),
)
def loan_to_value(rows: ir.Table) -> ir.NumericValue:
    """What is owed on loans with collateral, against the value of that collateral."""
    is_secured = (rows.owed > 0) & (rows.collateral > 0)
    return quotient(rows.owed.sum(where=is_secured), rows.collateral.sum(where=is_secured))


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.SHARE,
    risk=Risk.UNORDERED,
    over=open_loans,
    topic="collateral",
    reason=("The part of the debt without collateral", "无抵押债务的占比"),
)
def unsecured_share(rows: ir.Table) -> ir.NumericValue:
    """Share of what is owed to the bank that stands on loans without collateral."""
    return quotient(rows.owed.sum(where=rows.collateral == 0).fill_null(0), rows.owed.sum())


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=open_loans,
    reason=("Credit lines are drawn to a high degree", "授信额度使用率较高"),
)
def utilisation(rows: ir.Table) -> ir.NumericValue:
    """What is owed on credit lines, against their limits."""
    return quotient(rows.owed.sum(where=rows.credit_limit.notnull()), rows.credit_limit.sum())


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.MONTHS,
    risk=Risk.UNORDERED,
    over=months,
    reason=("The age of the figures on income and assets", "收入与资产数据距今的时间"),
)
def figures_age_months(rows: ir.Table) -> ir.NumericValue:
    """Months since the end of the latest month of which income or balances are known."""
    return rows.days_old.min() / credit_history.DAYS_A_MONTH


@frame(
    values_of(
        exposure, due_next_month, income, expense_to_income_6m, credit_history.debt_elsewhere
    ),
    per_customer=True,
)
def means(at: AsOf, values: ir.Table) -> ir.Table:
    """What each customer owes and earns, a row a customer.

    It stands here and not among the frames, for it is made of features. What an absent table
    would tell is null in it, and the rest stands.
    """
    return values


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=means,
    topic="instalments to come",
    reason=("Instalments take up much of the income", "还款额占收入比例较高"),
)
def debt_service_to_income(rows: ir.Table) -> ir.NumericValue:
    """What falls due within a month against a month's income."""
    return quotient(rows.due_next_month, rows.income)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=means,
    topic="debt here",
    reason=("The debt to the bank is high against income", "在本行的负债相对收入较高"),
)
def exposure_to_income(rows: ir.Table) -> ir.NumericValue:
    """What the customer still owes the bank against a month's income."""
    return quotient(rows.exposure, rows.income)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.RISES,
    over=means,
    topic="debt here",
    reason=("Debt here and elsewhere is high against income", "总负债相对收入较高"),
)
def total_debt_to_income(rows: ir.Table) -> ir.NumericValue:
    """Debt to the bank, and to other lenders where known, against a month's income."""
    return quotient(rows.exposure + rows.debt_elsewhere.fill_null(0.0), rows.income)


@feature(
    REPAYMENT_CAPACITY,
    unit=Unit.RATIO,
    risk=Risk.FALLS,
    over=means,
    topic="instalments to come",
    reason=("Little income is left after expense and instalments", "收入扣除支出和还款后结余较少"),
)
def free_income(rows: ir.Table) -> ir.NumericValue:
    """Part of income left after expense and instalments, negative where they are higher."""
    return 1 - rows.expense_to_income_6m - quotient(rows.due_next_month, rows.income)
