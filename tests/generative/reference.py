"""A slow, obvious reading of every feature and of the outcome: loops over rows, one at a time.

It decides what is right. Money is exact here too, as Decimal; rows are dicts, as Arrow gives them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import mean, stdev
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
Number = float | int | Decimal

HALF_A_CENT = 0.005


def known(rows: Iterable[Row], entity: Sequence[str], close: datetime) -> list[Row]:
    """The last version of each entity known before the close, unless it withdraws the row."""
    last: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row["known_at"] >= close:
            continue
        key = tuple(row[name] for name in entity)
        if key not in last or row["known_at"] > last[key]["known_at"]:
            last[key] = row
    return [row for row in last.values() if not row["is_deleted"]]


def features(tables: Tables, today: date) -> dict[str, dict[str, float | None]]:
    """Every feature of every customer, from what was known."""
    found = {}
    for customer in tables["customers"]:
        values = {
            **_of_instalments(tables, customer, today),
            **_of_loans(tables, customer, today),
            **_of_profile(customer, today),
            **_of_means(tables, customer, today),
            **_of_industry(tables, customer, today),
            **_of_network(tables, customer, today),
        }
        found[customer["customer_id"]] = {
            name: None if value is None else float(value) for name, value in values.items()
        }
    return found


def outcome(
    tables: Tables, then: date, end: date, known_on: date, days_past_due: int
) -> dict[str, bool]:
    """Whether each customer defaulted after ``then`` and by ``end``, seen from ``known_on``."""
    found = {}
    for customer in sorted({loan["customer_id"] for loan in tables["loans"]}):
        is_in_default = has_to_pay = is_default = False
        for instalment in _instalments(tables, customer, known_on):
            default_day = instalment["due_date"] + timedelta(days=days_past_due)
            settled = instalment["paid_date"] if instalment["is_paid"] else date.max
            if default_day <= then and settled >= default_day and settled > then:
                is_in_default = True
            if instalment["due_date"] <= end and settled > then:
                has_to_pay = True
            if then < default_day <= end and settled >= default_day:
                is_default = True
        if has_to_pay and not is_in_default:
            found[customer] = is_default
    return found


def _money(amount: float) -> Decimal:
    return Decimal(repr(amount))


def _instalments(tables: Tables, customer_id: str, today: date) -> list[dict[str, Any]]:
    loans = {r["loan_id"] for r in tables["loans"] if r["customer_id"] == customer_id}
    found = []
    for row in tables["repayments"]:
        if row["loan_id"] not in loans or row["due_amount"] <= HALF_A_CENT:
            continue
        came_in = 0.0
        if row["paid_date"] is not None and row["paid_date"] <= today:
            came_in = row["paid_amount"] or 0.0
        is_paid = came_in >= row["due_amount"] - HALF_A_CENT
        since_due = (today - row["due_date"]).days
        days_late = None
        if is_paid:
            days_late = (row["paid_date"] - row["due_date"]).days
        elif since_due >= 0:
            days_late = since_due
        unpaid = Decimal(0) if is_paid else _money(row["due_amount"]) - _money(came_in)
        found.append(
            {**row, "is_paid": is_paid, "unpaid": unpaid, "late": days_late, "since_due": since_due}
        )
    return found


def _of_instalments(tables: Tables, customer: Row, today: date) -> dict[str, Number | None]:
    rows = _instalments(tables, customer["customer_id"], today)
    if not rows:
        return dict.fromkeys(
            (
                "days_past_due", "last_days_late", "worst_days_late_3m", "worst_days_late_12m",
                "mean_days_late_3m", "mean_days_late_12m", "days_late_spread_12m",
                "late_instalments_12m", "late_share_12m", "days_since_last_late",
                "paid_instalments", "exposure", "due_next_30d", "early_share_6m",
                "days_late_change",
            )
        )  # fmt: skip
    of_3m = [row["late"] for row in rows if 0 <= row["since_due"] <= 91]
    of_12m = [row["late"] for row in rows if 0 <= row["since_due"] <= 365]
    late_12m = [late for late in of_12m if late > 0]
    of_6m = [row for row in rows if 0 <= row["since_due"] <= 182]
    early_6m = [row for row in of_6m if row["is_paid"] and row["late"] <= -5]
    ever_late = [row for row in rows if row["late"] is not None and row["late"] > 0]
    by_number = sorted(rows, key=lambda row: (row["loan_id"], row["instalment_no"]))
    latest_first = sorted(by_number, key=lambda row: row["due_date"], reverse=True)
    lateness = [row["late"] for row in latest_first if row["late"] is not None]
    return {
        "days_past_due": max([r["late"] for r in ever_late if not r["is_paid"]], default=0),
        "last_days_late": lateness[0] if lateness else None,
        "worst_days_late_3m": max(of_3m, default=None),
        "worst_days_late_12m": max(of_12m, default=None),
        "mean_days_late_3m": mean(of_3m) if of_3m else None,
        "mean_days_late_12m": mean(of_12m) if of_12m else None,
        "days_late_spread_12m": stdev(of_12m) if len(of_12m) > 1 else None,
        "late_instalments_12m": len(late_12m),
        "late_share_12m": len(late_12m) / len(of_12m) if of_12m else None,
        "days_since_last_late": min([row["since_due"] for row in ever_late], default=None),
        "paid_instalments": len([row for row in rows if row["is_paid"]]),
        "exposure": sum(row["unpaid"] for row in rows),
        "due_next_30d": _due_next_30d(rows),
        "early_share_6m": len(early_6m) / len(of_6m) if of_6m else None,
        "days_late_change": (
            mean(lateness[:3]) - mean(lateness[3:]) if len(lateness) > 3 else None
        ),
    }


def _due_next_30d(instalments: Sequence[Row]) -> Decimal:
    total = Decimal(0)
    for row in instalments:
        if -30 <= row["since_due"] <= -1:
            total += row["unpaid"]
    return total


def _of_loans(tables: Tables, customer: Row, today: date) -> dict[str, Number | None]:
    loans = [
        row
        for row in tables["loans"]
        if row["customer_id"] == customer["customer_id"] and row["originated_at"] <= today
    ]
    if not loans:
        return dict.fromkeys(
            (
                "last_principal", "last_to_mean_principal", "last_annual_rate_pct",
                "last_term_months", "loans_taken", "products_held", "days_since_last_loan",
                "loans_taken_90d",
            )
        )  # fmt: skip
    by_number = sorted(loans, key=lambda row: str(row["loan_id"]))
    last = max(by_number, key=lambda row: row["originated_at"])  # the first of equals
    ages = [(today - row["originated_at"]).days for row in loans]
    principals = [_money(row["principal"]) for row in loans]
    return {
        "last_principal": last["principal"],
        "last_to_mean_principal": _money(last["principal"]) / mean(principals),
        "last_annual_rate_pct": last["annual_rate_pct"],
        "last_term_months": last["term_months"],
        "loans_taken": len(loans),
        "products_held": len({row["product"] for row in loans} - {None}),
        "days_since_last_loan": min(ages),
        "loans_taken_90d": len([age for age in ages if age < 90]),
    }


def _of_profile(customer: Row, today: date) -> dict[str, Number | None]:
    def years(since: date | None) -> float | None:
        return None if since is None else (today - since).days / 365.25

    born = customer["birth_date"]
    return {
        "age_years": years(customer["established_date"] if born is None else born),
        "employed_years": years(customer["employed_since"]),
        "resident_years": years(customer["resident_since"]),
        "dependents": customer["dependents"],
        "tenure_years": years(customer["onboarded_at"]),
    }


def _of_means(tables: Tables, customer: Row, today: date) -> dict[str, Number | None]:
    figures: dict[int, Row] = {}
    for row in tables["financials"]:
        if row["customer_id"] == customer["customer_id"] and row["period_end"] <= today:
            figures[row["period_end"].year * 12 + row["period_end"].month] = row
    latest = max(figures, default=0)

    def of(name: str, months_back: Iterable[int]) -> list[Decimal]:
        rows = [figures[latest - back] for back in months_back if latest - back in figures]
        return [_money(row[name]) for row in rows if row[name] is not None]

    def one(name: str, months_back: int) -> Decimal | None:
        values = of(name, [months_back])
        return values[0] if values else None

    def average(values: list[Decimal]) -> Decimal | None:
        return mean(values) if values else None

    def ratio(above: Decimal | None, below: Decimal | None) -> Decimal | None:
        return None if above is None or not below else above / below

    year = of("income", range(12))
    due = _due_next_30d(_instalments(tables, customer["customer_id"], today))
    expense, income = of("expense", range(6)), of("income", range(6))
    return {
        "income": one("income", 0),
        "debt_service_to_income": ratio(due, average(income)),
        "leverage": ratio(one("liabilities", 0), one("assets", 0)),
        "liquidity_months": ratio(one("liquid_assets", 0), one("expense", 0)),
        "expense_to_income_6m": ratio(
            sum(expense, Decimal(0)) if expense else None, sum(income, Decimal(0))
        ),
        "income_volatility_12m": ratio(stdev(year) if len(year) > 1 else None, average(year)),
        "income_growth_12m": ratio(
            average(of("income", range(3))), average(of("income", range(12, 15)))
        ),
        "asset_growth_12m": ratio(one("assets", 0), one("assets", 12)),
    }


def _of_industry(tables: Tables, customer: Row, today: date) -> dict[str, Number | None]:
    late = 0
    everything = 0
    for peer in tables["customers"]:
        if customer["industry_code"] is None:
            continue
        if peer["industry_code"] != customer["industry_code"]:
            continue
        for row in _instalments(tables, peer["customer_id"], today):
            if 0 <= row["since_due"] <= 365:
                everything += 1
                late += row["late"] > 30
    return {"industry_late_share_12m": late / everything if everything else None}


def _of_network(tables: Tables, customer: Row, today: date) -> dict[str, Number | None]:
    me = customer["customer_id"]
    others = set()
    for edge in tables["relationships"]:
        if edge["since"] is not None and edge["since"] > today:
            continue
        if edge["until"] is not None and edge["until"] < today:
            continue
        ends = {edge["customer_id"], edge["related_customer_id"]}
        if me in ends:
            others |= ends - {me}
    if not others:
        return dict.fromkeys(
            (
                "related_customers", "related_days_past_due", "related_mean_days_late_12m",
                "related_exposure",
            )
        )  # fmt: skip
    worst = []
    lateness = []
    owed = []
    for other in others:
        rows = _instalments(tables, other, today)
        if rows:
            worst.append(max([row["late"] or 0 for row in rows if not row["is_paid"]], default=0))
            owed.append(sum(row["unpaid"] for row in rows))
        lateness += [row["late"] for row in rows if 0 <= row["since_due"] <= 365]
    return {
        "related_customers": len(others),
        "related_days_past_due": max(worst, default=None),
        "related_mean_days_late_12m": mean(lateness) if lateness else None,
        "related_exposure": sum(owed) if owed else None,
    }
