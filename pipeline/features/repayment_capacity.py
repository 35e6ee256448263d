"""What the customer earns and owns, against what has to be paid."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.frames import instalments, loans, means

REPAYMENT_CAPACITY = Dimension.REPAYMENT_CAPACITY


@feature(REPAYMENT_CAPACITY, unit="money", risk=Risk.UNORDERED, over=instalments)
def exposure(rows: ir.Table) -> ir.NumericValue:
    """What the customer still owes the bank on all instalments, due or not."""
    return rows.unpaid_amount.sum()


@feature(REPAYMENT_CAPACITY, unit="money", risk=Risk.UNORDERED, over=instalments)
def due_next_30d(rows: ir.Table) -> ir.NumericValue:
    """What falls due in the next 30 days."""
    is_next = (rows.days_since_due < 0) & (rows.days_since_due >= -30)
    return rows.unpaid_amount.sum(where=is_next).fill_null(0)


@feature(REPAYMENT_CAPACITY, unit="money", risk=Risk.UNORDERED, over=loans)
def last_principal(rows: ir.Table) -> ir.NumericValue:
    """Amount of the latest loan."""
    return rows.principal.max(where=rows.recency == 0)


@feature(REPAYMENT_CAPACITY, unit="ratio", risk=Risk.UNORDERED, over=loans)
def last_to_mean_principal(rows: ir.Table) -> ir.NumericValue:
    """Amount of the latest loan against the mean of all the customer's loans."""
    return rows.principal.max(where=rows.recency == 0) / rows.principal.mean().nullif(0)


@feature(REPAYMENT_CAPACITY, unit="percent", risk=Risk.RISES, over=loans)
def last_annual_rate_pct(rows: ir.Table) -> ir.NumericValue:
    """Interest rate of the latest loan."""
    return rows.annual_rate_pct.max(where=rows.recency == 0)


@feature(REPAYMENT_CAPACITY, unit="months", risk=Risk.UNORDERED, over=loans)
def last_term_months(rows: ir.Table) -> ir.NumericValue:
    """Term of the latest loan."""
    return rows.term_months.max(where=rows.recency == 0)


@feature(REPAYMENT_CAPACITY, unit="money", risk=Risk.FALLS, over=means)
def income(rows: ir.Table) -> ir.NumericValue:
    """Income or revenue of the latest month."""
    return rows.income.max(where=rows.months_back == 0)


@feature(REPAYMENT_CAPACITY, unit="ratio", risk=Risk.RISES, over=means)
def debt_service_to_income(rows: ir.Table) -> ir.NumericValue:
    """What falls due in the next 30 days against the mean income of the last 6 months."""
    mean_income = rows.income.mean(where=rows.months_back < 6)
    return rows.due_next_month.max() / mean_income.nullif(0)


@feature(REPAYMENT_CAPACITY, unit="ratio", risk=Risk.RISES, over=means)
def leverage(rows: ir.Table) -> ir.NumericValue:
    """Everything owed against everything owned, at the end of the latest month."""
    last = rows.months_back == 0
    return rows.liabilities.max(where=last) / rows.assets.max(where=last).nullif(0)


@feature(REPAYMENT_CAPACITY, unit="months", risk=Risk.FALLS, over=means)
def liquidity_months(rows: ir.Table) -> ir.NumericValue:
    """Months of the latest expense that the liquid assets would cover."""
    last = rows.months_back == 0
    return rows.liquid_assets.max(where=last) / rows.expense.max(where=last).nullif(0)


@feature(REPAYMENT_CAPACITY, unit="ratio", risk=Risk.RISES, over=means)
def expense_to_income_6m(rows: ir.Table) -> ir.NumericValue:
    """Expense against income over the last 6 months."""
    half_year = rows.months_back < 6
    return rows.expense.sum(where=half_year) / rows.income.sum(where=half_year).nullif(0)
