"""What the references of all dimensions read: rows as known, and what became of instalments.

Rows are dicts, as Arrow gives them; money is exact here too, as Decimal.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from statistics import mean
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
Number = float | int | Decimal
Values = dict[str, Number | None]

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


def of_customer(rows: Iterable[Row], customer: Row) -> list[Row]:
    """The rows of one customer."""
    return [row for row in rows if row["customer_id"] == customer["customer_id"]]


def days_since(moment: date | datetime, today: date) -> int:
    """Whole days from a date to the day, or from an instant to the day's close, in UTC."""
    if isinstance(moment, datetime):
        close = datetime.combine(today + timedelta(days=1), time.min, tzinfo=UTC)
        return (close - timedelta(seconds=1) - moment.replace(microsecond=0)) // timedelta(days=1)
    return (today - moment).days


def average(values: Sequence[Number]) -> Number | None:
    """The mean of what there is, if anything."""
    return mean(values) if values else None  # type: ignore[type-var]  # never of mixed types


def ratio(above: Number | None, below: Number | None) -> Number | None:
    """A quotient, where there are both and the lower one is not 0."""
    return None if above is None or not below else above / below  # type: ignore[operator] # alike


def money(amount: float) -> Decimal:
    return Decimal(repr(amount))


def instalments_of(tables: Tables, customer_id: str, today: date) -> list[dict[str, Any]]:
    loans = {
        r["loan_id"]: r
        for r in tables["loans"]
        if r["customer_id"] == customer_id and r["originated_at"] <= today
    }
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
        unpaid = Decimal(0) if is_paid else money(row["due_amount"]) - money(came_in)
        is_last = row["due_date"] == loans[row["loan_id"]]["maturity_date"]
        found.append(
            {**row, "is_paid": is_paid, "unpaid": unpaid, "late": days_late,
             "since_due": since_due, "is_last": is_last}
        )  # fmt: skip
    return found


def figures_of(tables: Tables, customer: Row, today: date) -> dict[int, Row]:
    """A customer's figures by how many months before those of the latest month they are."""
    by_month = {
        row["period_end"].year * 12 + row["period_end"].month: row
        for row in of_customer(tables["financials"], customer)
        if row["period_end"] <= today
    }
    return {max(by_month) - month: row for month, row in by_month.items()}
