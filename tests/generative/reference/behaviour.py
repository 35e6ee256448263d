"""A slow, obvious reading of the features of behaviour."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from statistics import mean, stdev

from tests.generative.reference.own_past import before, happened, last_days, pace
from tests.generative.reference.rows import (
    Number,
    Row,
    Tables,
    Values,
    average,
    days_since,
    money,
    of_customer,
    ratio,
)
from tests.generative.reference.stability import least


def behaviour(tables: Tables, customer: Row, today: date) -> Values:
    rows = happened(tables["transactions"], "posted_at", customer, today)
    ages = [
        days_since(row["originated_at"], today) for row in of_customer(tables["loans"], customer)
    ]
    values: Values = {
        "days_since_last_loan": least(age for age in ages if age >= 0),
        "loans_taken_90d": len([age for age in ages if 0 <= age < 90]),
        "gambling_bookings_6m": len(
            [r for r in last_days(rows, 182) if r["category"] == "gambling" and r["amount"] < 0]
        ),
        "channels_used_6m": len({row["channel"] for row in last_days(rows, 182)} - {None}),
        "bookings_3m": len(last_days(rows, 91)),
        "days_since_last_booking": least(row["days_ago"] for row in rows),
    }
    return values | flows(rows) | balances(rows) | spending(rows)


def flows(rows: Sequence[Row]) -> Values:
    recent = last_days(rows, 91)
    came, went = sum(map(inflow, recent)), sum(map(outflow, recent))
    return {
        "inflow_3m": came / 3 if rows else None,
        "outflow_3m": went / 3 if rows else None,
        "net_flow_share_3m": ratio(came - went, came + went),
        "inflow_change": pace(rows, [inflow(row) for row in rows]),
        "outflow_change": pace(rows, [outflow(row) for row in rows]),
        "bookings_change": pace(rows, [1 for _ in rows]),
        "inflow_volatility_12m": volatility(rows),
    }


def volatility(rows: Sequence[Row]) -> Number | None:
    """Of what came in in each of the last four quarters, since the one of the first booking."""
    sums = []
    for last_day, first_day in ((0, 91), (92, 182), (183, 273), (274, 365)):
        if any(row["days_ago"] >= last_day for row in rows):
            amounts = [inflow(row) for row in rows if last_day <= row["days_ago"] <= first_day]
            sums.append(sum(amounts, Decimal(0)))
    return ratio(stdev(sums), mean(sums)) if len(sums) > 1 else None


def balances(rows: Sequence[Row]) -> Values:
    recent, past = balances_of(last_days(rows, 91)), balances_of(before(rows))
    lowest = min(recent, default=None)
    now, then = average(recent), average(past)
    went = sum(map(outflow, last_days(rows, 91)))
    kept = ratio(now, then if then is not None and then > 0 else None)
    return {
        "lowest_balance_3m": lowest,
        "lowest_balance_to_outflow": ratio(lowest, went / Decimal(3)),
        "balance_drain_3m": None if kept is None else 1 - kept,
        "overdrawn_share_3m": average([int(balance < 0) for balance in recent]),
    }


def balances_of(rows: Iterable[Row]) -> list[Decimal]:
    return [money(row["balance_after"]) for row in rows if row["balance_after"] is not None]


def spending(rows: Sequence[Row]) -> Values:
    half_a_year = last_days(rows, 182)
    recent, past = last_days(rows, 91), before(rows)
    return {
        "gambling_share_6m": share_of(half_a_year, "gambling"),
        "cash_share_6m": share_of(half_a_year, "cash"),
        "leisure_share_6m": share_of(half_a_year, "leisure"),
        "leisure_change": points(share_of(recent, "leisure"), share_of(past, "leisure")),
        "digital_share_6m": digital(half_a_year),
        "digital_share_change": points(digital(recent), digital(past)),
    }


def share_of(rows: Iterable[Row], category: str) -> Number | None:
    all_out = out_for_it = Decimal(0)
    for row in rows:
        all_out += outflow(row)
        if row["category"] == category:
            out_for_it += outflow(row)
    return ratio(out_for_it, all_out)


def digital(rows: Iterable[Row]) -> Number | None:
    known = [row for row in rows if row["channel"] is not None]
    return average([int(row["channel"] in ("online", "mobile")) for row in known])


def points(now: Number | None, then: Number | None) -> float | None:
    return None if now is None or then is None else 100 * (float(now) - float(then))


def inflow(row: Row) -> Decimal:
    return Decimal(0) if row["category"] == "loan" else max(money(row["amount"]), Decimal(0))


def outflow(row: Row) -> Decimal:
    return max(-money(row["amount"]), Decimal(0))
