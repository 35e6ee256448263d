"""A slow, obvious reading of a year of bookings or contacts, and of its parts."""

import calendar
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from tests.generative.reference.rows import Number, Row, days_since, of_customer


def happened(rows: Iterable[Row], moment: str, customer: Row, today: date) -> list[Row]:
    """A customer's rows of the last year, with days_ago and month, as ``month_of`` says."""
    found: list[Row] = []
    for row in of_customer(rows, customer):
        days_ago = days_since(row[moment], today)
        if 0 <= days_ago <= 365:
            day = today - timedelta(days=days_ago)
            found.append({**row, "days_ago": days_ago, "month": month_of(day, today)})
    return found


def month_of(day: date, today: date) -> int | None:
    """Which of the last 6 full calendar months a day lies in, if in any; 0 is the latest."""
    is_full = (today + timedelta(days=1)).day == 1
    back = (today.year - day.year) * 12 + today.month - day.month - (0 if is_full else 1)
    return back if 0 <= back < 6 else None


def a_month_later(today: date) -> date:
    """The same day of the next month; the last day of a month stays the last."""
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    last = date(year, month, calendar.monthrange(year, month)[1])
    if (today + timedelta(days=1)).day == 1 or today.day > last.day:
        return last
    return date(year, month, today.day)


def last_days(rows: Iterable[Row], days: int) -> list[Row]:
    return [row for row in rows if row["days_ago"] <= days]


def before(rows: Iterable[Row]) -> list[Row]:
    """What lies more than 3 months back."""
    return [row for row in rows if row["days_ago"] > 91]


def pace(rows: Sequence[Row], values: Sequence[Any]) -> float | None:
    """A day's part in the last 3 months against that of the days before, from the first row on."""
    first = max((row["days_ago"] for row in rows), default=0)
    if first <= 182:
        return None
    now: Number = sum(v for v, row in zip(values, rows, strict=True) if row["days_ago"] <= 91)
    then: Number = sum(v for v, row in zip(values, rows, strict=True) if row["days_ago"] > 91)
    return None if not then else (float(now) / 92) / (float(then) / (first - 91))
