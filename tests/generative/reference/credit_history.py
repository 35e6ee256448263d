"""A slow, obvious reading of the features of credit_history."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from statistics import mean, stdev

from tests.generative.reference.rows import (
    Row,
    Tables,
    Values,
    average,
    days_since,
    instalments_of,
    money,
    of_customer,
    ratio,
)

DAYS_A_MONTH = 365.25 / 12


def credit_history(tables: Tables, customer: Row, today: date) -> Values:
    instalments = instalments_of(tables, customer["customer_id"], today)
    granted = [
        (today - loan["originated_at"]).days
        for loan in of_customer(tables["loans"], customer)
        if loan["originated_at"] <= today
    ]
    return {
        **of_instalments(instalments),
        "relapses_24m": relapses(instalments, today),
        "credit_age_years": max(granted) / 365.25 if granted else None,
        **of_defaults(of_customer(tables["defaults"], customer), today),
        **of_bureau(of_customer(tables["bureau"], customer), today),
        "utilities_signal_12m": signal(tables, customer, today, "utilities"),
        "court_signal_12m": signal(tables, customer, today, "court"),
    }


def of_instalments(rows: Sequence[Row]) -> Values:
    def due_within(first: int, last: int) -> list[Row]:
        return [row for row in rows if first <= row["since_due"] <= last]

    def lateness(first: int, last: int) -> list[int]:
        return [row["late"] for row in due_within(first, last)]

    has_fallen_due = [row for row in rows if row["since_due"] >= 0]
    last_due = min([row["since_due"] for row in has_fallen_due], default=None)
    late_of_last = [row["late"] for row in has_fallen_due if row["since_due"] == last_due]
    # A late instalment was overdue until it was paid, or still is.
    since_overdue = [
        row["since_due"] - row["late"] if row["is_paid"] else 0
        for row in rows
        if row["late"] is not None and row["late"] > 0
    ]
    of_3m, of_9m_before, of_12m = lateness(0, 91), lateness(92, 365), lateness(0, 365)
    of_6m, late_12m = due_within(0, 182), [late for late in of_12m if late > 0]
    due = sum((money(row["due_amount"]) for row in has_fallen_due), Decimal(0))
    unpaid = sum((row["unpaid"] for row in has_fallen_due), Decimal(0))
    return {
        "days_past_due": max([row["since_due"] for row in has_fallen_due if not row["is_paid"]],
                             default=0),
        "last_days_late": max(late_of_last, default=None),
        "worst_days_late_3m": max(of_3m, default=None),
        "worst_days_late_6m": max(lateness(0, 182), default=None),
        "worst_days_late_12m": max(of_12m, default=None),
        "worst_days_late_24m": max(lateness(0, 730), default=None),
        "late_1_to_29d_12m": len([late for late in of_12m if 1 <= late <= 29]),
        "late_30_to_59d_12m": len([late for late in of_12m if 30 <= late <= 59]),
        "late_60_to_89d_12m": len([late for late in of_12m if 60 <= late <= 89]),
        "late_90d_24m": len([late for late in lateness(0, 730) if late >= 90]),
        "late_instalments_12m": len(late_12m),
        "late_share_12m": len(late_12m) / len(of_12m) if of_12m else None,
        "months_since_last_late": min(since_overdue) / DAYS_A_MONTH if since_overdue else None,
        "mean_days_late_3m": average(of_3m),
        "mean_days_late_12m": average(of_12m),
        "days_late_trend": mean(of_3m) - mean(of_9m_before) if of_3m and of_9m_before else None,
        "days_late_spread_12m": stdev(of_12m) if len(of_12m) > 1 else None,
        "paid_ratio": ratio(due - unpaid, due),
        "paid_instalments": len([row for row in rows if row["is_paid"]]),
        "instalments_left": len([row for row in rows if not row["is_paid"]]),
        "early_share_6m": ratio(
            len([row for row in of_6m if row["is_paid"] and row["late"] <= -5]), len(of_6m)
        ),
        "loans_settled_early": len(
            {row["loan_id"] for row in rows
             if row["is_last"] and row["is_paid"] and row["late"] <= -30}
            - {row["loan_id"] for row in rows if not row["is_paid"]}
        ),
    }  # fmt: skip


def relapses(rows: Sequence[Row], today: date) -> int:
    """How often something fell due and came late when all that had come late before was paid."""
    late = [row for row in rows if 0 <= row["since_due"] <= 730 and row["late"] > 0]
    found = 0
    for day in {row["due_date"] for row in late}:
        before = [row for row in late if row["due_date"] < day]
        found += bool(before) and all(row["is_paid"] and row["paid_date"] <= day for row in before)
    return found


def of_defaults(events: Sequence[Row], today: date) -> Values:
    days = [days_since(row["default_date"], today) for row in events]
    past = [day for day in days if day >= 0]
    return {
        "recorded_defaults": len(past),
        "months_since_recorded_default": min(past) / DAYS_A_MONTH if past else None,
    }


def of_bureau(reports: Sequence[Row], today: date) -> Values:
    past = [row for row in reports if row["pulled_at"] <= today]
    last: Row = max(past, key=lambda row: row["pulled_at"], default={})
    older = [
        row
        for row in past
        if (last["pulled_at"] - row["pulled_at"]).days >= 365 and row["external_score"] is not None
    ]
    then: Row = max(older, key=lambda row: row["pulled_at"], default={})
    now = last.get("external_score")
    copied = (
        "external_score", "inquiries_3m", "open_loans_elsewhere", "debt_elsewhere",
        "overdue_elsewhere",
    )  # fmt: skip
    return {
        **{name: last.get(name) for name in copied},
        "bureau_report_age_months": (
            (today - last["pulled_at"]).days / DAYS_A_MONTH if last else None
        ),
        "external_score_change": now - then["external_score"] if then and now is not None else None,
        "overdue_share_elsewhere": ratio(last.get("overdue_elsewhere"), last.get("debt_elsewhere")),
    }


def signal(tables: Tables, customer: Row, today: date, kind: str) -> float | None:
    values = [
        row["value"]
        for row in of_customer(tables["external_signals"], customer)
        if row["kind"] == kind
        and row["value"] is not None
        and 0 <= days_since(row["observed_at"], today) <= 365
    ]
    return mean(values) if values else None
