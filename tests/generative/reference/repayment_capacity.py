"""A slow, obvious reading of the features of repayment_capacity."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from statistics import stdev

from tests.generative.reference.credit_history import DAYS_A_MONTH, of_bureau
from tests.generative.reference.own_past import a_month_later
from tests.generative.reference.rows import (
    Row,
    Tables,
    Values,
    average,
    figures_of,
    instalments_of,
    money,
    of_customer,
    ratio,
)

NOTHING = Decimal(0)


def repayment_capacity(tables: Tables, customer: Row, today: date) -> Values:
    loans = of_customer(tables["loans"], customer)
    instalments = instalments_of(tables, customer["customer_id"], today)
    exposure = sum((row["unpaid"] for row in instalments), NOTHING)
    due_next_month = sum(
        (row["unpaid"] for row in instalments if today < row["due_date"] <= a_month_later(today)),
        NOTHING,
    )
    of_figures = figures(tables, customer, today)
    debt_elsewhere = of_bureau(of_customer(tables["bureau"], customer), today)["debt_elsewhere"]
    income, spent = of_figures["income"], of_figures["expense_to_income_6m"]
    service = ratio(due_next_month, income)
    return {
        "exposure": exposure,
        "due_next_month": due_next_month,
        **last_loan([loan for loan in loans if loan["originated_at"] <= today]),
        **of_figures,
        **securities(loans, instalments, today),
        "debt_service_to_income": service,
        "exposure_to_income": ratio(exposure, income),
        "total_debt_to_income": ratio(exposure + money(float(debt_elsewhere or 0)), income),
        "free_income": (
            None if spent is None or service is None else 1 - float(spent) - float(service)
        ),
    }


def last_loan(loans: Sequence[Row]) -> Values:
    by_number = sorted(loans, key=lambda row: str(row["loan_id"]))
    last: Row = max(by_number, key=lambda row: row["originated_at"], default={})  # first of equals
    return {
        "last_principal": last.get("principal"),
        "last_to_mean_principal": (
            ratio(money(last["principal"]), average([money(row["principal"]) for row in loans]))
            if loans
            else None
        ),
        "last_annual_rate_pct": last.get("annual_rate_pct"),
        "last_term_months": last.get("term_months"),
    }


def figures(tables: Tables, customer: Row, today: date) -> Values:
    by_months_back = figures_of(tables, customer, today)

    def of(name: str, months_back: Iterable[int]) -> list[Decimal]:
        rows = [by_months_back[back] for back in months_back if back in by_months_back]
        return [money(row[name]) for row in rows if row[name] is not None]

    def latest(name: str) -> Decimal | None:
        return next(iter(of(name, [0])), None)

    both = [
        (money(row["expense"]), money(row["income"]))
        for back, row in by_months_back.items()
        if back < 6 and row["expense"] is not None and row["income"] is not None
    ]
    year = of("income", range(12))
    latest_end = by_months_back[0]["period_end"] if by_months_back else None
    return {
        "figures_age_months": (today - latest_end).days / DAYS_A_MONTH if latest_end else None,
        "income": average(of("income", range(3))),
        "income_trend_6m": ratio(average(of("income", range(3))), average(of("income", (3, 4, 5)))),
        "income_volatility_12m": ratio(stdev(year) if len(year) > 1 else None, average(year)),
        "expense_to_income_6m": ratio(
            sum((expense for expense, _ in both), NOTHING),
            sum((income for _, income in both), NOTHING),
        ),
        "leverage": ratio(latest("liabilities"), latest("assets")),
        "liquidity_months": ratio(latest("liquid_assets"), latest("expense")),
    }


def securities(loans: Sequence[Row], instalments: Sequence[Row], today: date) -> Values:
    owed_on: dict[str, Decimal] = defaultdict(Decimal)
    for row in instalments:
        owed_on[row["loan_id"]] += row["unpaid"]
    collateral = secured = secured_by = unsecured = drawn = limits = NOTHING
    for loan in loans:
        owed, value = owed_on[loan["loan_id"]], money(loan["collateral_value"] or 0.0)
        if owed > 0:
            collateral += value
            if value > 0:
                secured += owed
                secured_by += value
            else:
                unsecured += owed
        is_running = loan["originated_at"] <= today <= loan["maturity_date"]
        if loan["credit_limit"] is not None and (owed > 0 or is_running):
            drawn += owed
            limits += money(loan["credit_limit"])
    everything = secured + unsecured
    return {
        "collateral_cover": ratio(collateral, everything),
        "loan_to_value": ratio(secured, secured_by),
        "unsecured_share": ratio(unsecured, everything),
        "utilisation": ratio(drawn, limits),
    }
