"""A slow, obvious reading of the features of stability."""

from collections.abc import Iterable
from datetime import date
from statistics import mean, stdev

from tests.generative.reference.own_past import happened
from tests.generative.reference.rows import (
    Number,
    Row,
    Tables,
    Values,
    days_since,
    instalments_of,
    money,
    of_customer,
    ratio,
)


def stability(tables: Tables, customer: Row, today: date) -> Values:
    born = customer["birth_date"]
    return {
        "age_years": years(customer["established_date"] if born is None else born, today),
        "employed_years": years(customer["employed_since"], today),
        "resident_years": years(customer["resident_since"], today),
        "dependents": customer["dependents"],
        "job_changes_24m": begun(tables, customer, "employed_since", today),
        "address_changes_24m": begun(tables, customer, "resident_since", today),
        "region_late_share_12m": late_in_region(tables, customer, today),
        **income(happened(tables["transactions"], "posted_at", customer, today)),
        **reached(happened(tables["interactions"], "occurred_at", customer, today)),
    }


def years(since: date | None, today: date) -> float | None:
    return None if since is None or since > today else (today - since).days / 365.25


def begun(tables: Tables, customer: Row, column: str, today: date) -> int:
    versions = of_customer(tables["customers, all versions"], customer)
    days = sorted({row[column] for row in versions if row[column] is not None})
    count = 0
    before = date.min
    for day in days:
        if 0 <= days_since(day, today) <= 730 and (day - before).days > 31:
            count += 1
        before = day
    return count


def late_in_region(tables: Tables, customer: Row, today: date) -> Number | None:
    late = borrowers = 0
    for peer in tables["customers"]:
        if customer["region"] is not None and peer["region"] == customer["region"]:
            rows = instalments_of(tables, peer["customer_id"], today)
            of_year = [row["late"] for row in rows if 0 <= row["since_due"] <= 365]
            borrowers += bool(of_year)
            late += any(days > 30 for days in of_year)
    return ratio(late, borrowers)


def income(bookings: list[Row]) -> Values:
    sums = [
        row for row in bookings if row["category"] in ("salary", "revenue") and row["amount"] > 0
    ]
    amounts = [money(row["amount"]) for row in sums]
    months = {row["month"] for row in sums} - {None}
    return {
        "income_months_6m": len(months) if bookings else None,
        "days_since_income": least(row["days_ago"] for row in sums),
        "income_booking_volatility_12m": (
            stdev(amounts) / mean(amounts) if len(amounts) > 1 else None
        ),
    }


def reached(contacts: list[Row]) -> Values:
    spoken = [row for row in contacts if row["kind"] in ("call", "visit", "advice")]
    channels = {row["channel"] for row in contacts if row["kind"] != "app_login"}
    return {
        "days_since_reached": least(row["days_ago"] for row in spoken),
        "contact_channels_12m": len(channels - {None}),
    }


def least(values: Iterable[int]) -> int | None:
    return min(values, default=None)
