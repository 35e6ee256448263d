"""A slow, obvious reading of the features of relationship."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from tests.generative.reference.own_past import before, happened, last_days, pace
from tests.generative.reference.rows import (
    Number,
    Row,
    Tables,
    Values,
    average,
    instalments_of,
    money,
    of_customer,
)
from tests.generative.reference.stability import least, years


def relationship(tables: Tables, customer: Row, today: date) -> Values:
    loans = [row for row in of_customer(tables["loans"], customer) if row["originated_at"] <= today]
    rows = happened(tables["interactions"], "occurred_at", customer, today)
    contacts = [row for row in rows if row["kind"] != "app_login"]
    logins = of_kind(rows, "app_login")
    now, then = average(tones(last_days(rows, 91))), average(tones(before(rows)))
    marked = [row for row in rows if row["satisfaction"] is not None]
    return {
        "tenure_years": years(customer["onboarded_at"], today),
        "loans_taken": len(loans),
        "products_held": len({row["product"] for row in held(tables, customer, today)} - {None}),
        "contacts_12m": len(contacts),
        "contacts_trend": pace(rows, [row["kind"] != "app_login" for row in rows]),
        "logins_3m": len(last_days(logins, 91)),
        "logins_trend": pace(rows, [row["kind"] == "app_login" for row in rows]),
        "mean_sentiment_12m": average(tones(rows)),
        "sentiment_trend": None if now is None or then is None else float(now) - float(then),
        "complaints_3m": len(last_days(of_kind(rows, "complaint"), 91)),
        "complaints_12m": len(of_kind(rows, "complaint")),
        "hardship_calls_12m": len(of_kind(rows, "hardship")),
        "advice_12m": len(of_kind(rows, "advice")),
        "last_satisfaction": last_mark(marked),
        "mean_satisfaction_12m": average([row["satisfaction"] for row in marked]),
        "days_since_last_contact": least(row["days_ago"] for row in contacts),
        "days_since_last_login": least(row["days_ago"] for row in logins),
    }


def held(tables: Tables, customer: Row, today: date) -> list[Row]:
    """The loans of which something is owed, and the credit lines that run."""
    owed = {
        row["loan_id"]
        for row in instalments_of(tables, customer["customer_id"], today)
        if row["unpaid"] > 0
    }
    return [
        loan
        for loan in of_customer(tables["loans"], customer)
        if loan["loan_id"] in owed
        or (
            loan["credit_limit"] is not None
            and loan["originated_at"] <= today <= loan["maturity_date"]
        )
    ]


def of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def tones(rows: Iterable[Row]) -> list[Decimal]:
    return [money(row["sentiment"]) for row in rows if row["sentiment"] is not None]


def last_mark(marked: list[Row]) -> Number | None:
    """The mark of the last second in which one was given, the best of several."""
    if not marked:
        return None
    last = max(row["occurred_at"].replace(microsecond=0) for row in marked)
    marks: list[Number] = [
        row["satisfaction"] for row in marked if row["occurred_at"].replace(microsecond=0) == last
    ]
    return max(marks)
