"""A slow, obvious reading of the features of prospects."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import mean, median

from tests.generative.reference.credit_history import credit_history, signal
from tests.generative.reference.repayment_capacity import repayment_capacity
from tests.generative.reference.rows import (
    Number,
    Row,
    Tables,
    Values,
    average,
    money,
    of_customer,
    ratio,
)

ByMonth = Mapping[int, Decimal]


def prospects(tables: Tables, customer: Row, today: date) -> Values:
    return {
        **of_industry(tables["industry_outlook"], customer, today),
        **of_economy(tables["industry_outlook"], today),
        **of_figures(of_customer(tables["financials"], customer), today),
        **of_assessments(of_customer(tables["assessments"], customer), today),
        **of_peers(tables, customer, today),
        "reputation_signal_12m": signal(tables, customer, today, "public_reputation"),
        "employment_signal_12m": signal(tables, customer, today, "employment"),
        "online_spending_signal_12m": signal(tables, customer, today, "online_spending"),
    }


def of_industry(months: Sequence[Row], customer: Row, today: date) -> Values:
    own = [row for row in months if row["industry_code"] == customer["industry_code"]]
    index = by_month(own, "outlook_index", today)
    default_rate = by_month(own, "industry_default_rate_pct", today)
    return {
        "industry_outlook_index": level(index),
        "industry_outlook_change_6m": change(index, 6),
        "industry_outlook_change_12m": change(index, 12),
        "industry_default_rate_pct": level(default_rate),
        "industry_default_rate_change_12m": change(default_rate, 12),
    }


def of_economy(months: Sequence[Row], today: date) -> Values:
    growth = by_month(months, "gdp_growth_pct", today)
    unemployment = by_month(months, "unemployment_pct", today)
    rate = by_month(months, "policy_rate_pct", today)
    return {
        "gdp_growth_pct": level(growth),
        "gdp_growth_change_6m": change(growth, 6),
        "unemployment_pct": level(unemployment),
        "unemployment_change_6m": change(unemployment, 6),
        "policy_rate_pct": level(rate),
        "policy_rate_change_6m": change(rate, 6),
    }


def by_month(rows: Sequence[Row], name: str, today: date) -> ByMonth:
    """A figure of each month that has ended and has it, the mean where several rows have."""
    found: dict[int, list[Decimal]] = {}
    for row in rows:
        if row["month"] <= today and row[name] is not None:
            number = row["month"].year * 12 + row["month"].month
            found.setdefault(number, []).append(Decimal(repr(row[name])))
    return {number: mean(values) for number, values in found.items()}


def level(figure: ByMonth) -> Decimal | None:
    return figure[max(figure)] if figure else None


def change(figure: ByMonth, months: int) -> Decimal | None:
    if not figure or max(figure) - months not in figure:
        return None
    return figure[max(figure)] - figure[max(figure) - months]


def of_figures(rows: Sequence[Row], today: date) -> Values:
    figures = {
        row["period_end"].year * 12 + row["period_end"].month: row
        for row in rows
        if row["period_end"] <= today
    }
    latest = max(figures, default=0)

    def of(name: str, months_back: Sequence[int]) -> Number | None:
        there = [figures[latest - back] for back in months_back if latest - back in figures]
        return average([money(row[name]) for row in there if row[name] is not None])

    return {
        "income_growth_12m": ratio(of("income", [0, 1, 2]), of("income", [12, 13, 14])),
        "asset_growth_12m": ratio(of("assets", [0]), of("assets", [12])),
        "liability_growth_12m": ratio(of("liabilities", [0]), of("liabilities", [12])),
    }


def of_assessments(rows: Sequence[Row], today: date) -> Values:
    made = sorted(
        [row for row in rows if row["assessed_at"] <= today],
        key=lambda row: (row["assessed_at"], row["assessment_id"]),
    )
    if not made:
        return dict.fromkeys(
            (
                "management_quality", "market_reputation", "industry_position",
                "assessment_mean", "assessment_change",
            )
        )  # fmt: skip
    latest = made[-1]
    year_before = [
        row for row in made if 273 <= (latest["assessed_at"] - row["assessed_at"]).days <= 730
    ]
    now, then = mean_mark(latest), mean_mark(year_before[-1]) if year_before else None
    return {
        "management_quality": latest["management_quality"],
        "market_reputation": latest["market_reputation"],
        "industry_position": latest["industry_position"],
        "assessment_mean": now,
        "assessment_change": None if now is None or then is None else now - then,
    }


def mean_mark(row: Row) -> float | None:
    marks = [row["management_quality"], row["market_reputation"], row["industry_position"]]
    given = [mark for mark in marks if mark is not None]
    return sum(given) / len(given) if given else None


def of_peers(tables: Tables, customer: Row, today: date) -> Values:
    industry = customer["industry_code"]
    peers = [
        row
        for row in tables["customers"]
        if industry is not None and row["industry_code"] == industry
    ]
    worst = [credit_history(tables, peer, today)["worst_days_late_12m"] for peer in peers]
    borrowers = [days for days in worst if days is not None]
    of_segment = [
        repayment_capacity(tables, peer, today)
        for peer in peers
        if peer["segment"] == customer["segment"]
    ]
    own = repayment_capacity(tables, customer, today)

    def to_median(name: str) -> Number | None:
        values = [float(v) for peer in of_segment if (v := peer[name]) is not None]
        value = own[name]
        if value is None or not values:
            return None
        return ratio(float(value), median(values))

    return {
        "industry_late_share_12m": ratio(
            len([days for days in borrowers if days > 30]), len(borrowers)
        ),
        "income_to_peers": to_median("income"),
        "leverage_to_peers": to_median("leverage"),
        "liquidity_to_peers": to_median("liquidity_months"),
    }
