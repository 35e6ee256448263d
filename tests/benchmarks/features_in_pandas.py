"""A third of the features in vectorised pandas: what the build is measured against.

As whoever knows pandas writes it: files are filtered while they are read, and only for the columns
in use; nothing loops over rows; what a window of time asks for is one grouping of its rows.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pandas.api.typing import DataFrameGroupBy

COLUMNS = (
    # Of instalments.
    "days_past_due", "last_days_late", "worst_days_late_3m", "worst_days_late_6m",
    "worst_days_late_12m", "worst_days_late_24m", "late_1_to_29d_12m", "late_30_to_59d_12m",
    "late_60_to_89d_12m", "late_90d_24m", "late_instalments_12m", "late_share_12m",
    "months_since_last_late", "mean_days_late_12m", "days_late_trend", "days_late_spread_12m",
    "paid_ratio", "paid_instalments", "instalments_left", "early_share_6m", "exposure",
    "due_next_month",
    # Of months.
    "income", "income_trend_6m", "income_volatility_12m", "expense_to_income_6m", "leverage",
    "liquidity_months", "income_growth_12m", "asset_growth_12m", "liability_growth_12m",
    # Of bureau reports.
    "external_score", "external_score_change", "inquiries_3m", "open_loans_elsewhere",
    "debt_elsewhere", "overdue_elsewhere", "overdue_share_elsewhere",
    # Of bookings.
    "inflow_3m", "outflow_3m", "net_flow_share_3m", "inflow_change", "inflow_volatility_12m",
    "lowest_balance_3m", "balance_drain_3m", "overdrawn_share_3m", "gambling_share_6m",
    "cash_share_6m", "digital_share_6m", "bookings_change", "days_since_last_booking",
    # Of contacts.
    "contacts_12m", "logins_3m", "mean_sentiment_12m", "complaints_12m", "last_satisfaction",
    "days_since_last_contact",
)  # fmt: skip

OF_NOTHING = dict.fromkeys(
    (
        "days_past_due", "late_1_to_29d_12m", "late_30_to_59d_12m", "late_60_to_89d_12m",
        "late_90d_24m", "late_instalments_12m", "paid_instalments", "instalments_left", "exposure",
        "due_next_month", "contacts_12m", "logins_3m", "complaints_12m",
    ),
    0.0,
)  # fmt: skip
DAYS_A_MONTH = 365.25 / 12
CENT = 0.005
QUARTERS = QUARTER, HALF_A_YEAR, _, YEAR = 91, 182, 273, 365


def features(folder: Path, as_of: date, close: datetime) -> pd.DataFrame:
    """The columns for all customers of a bank, one row a customer in the order of customer_id.

    Args:
        folder: with the bank's <table>.parquet files, which hold all versions of all rows.
        as_of: the day.
        close: the end of the day, from which on nothing is known.
    """
    known = _newest(_read(folder, "customers", ["customer_id"], close), ["customer_id"])
    customers = pd.Index(known["customer_id"].sort_values())
    today = pd.Timestamp(as_of)
    parts = (
        _of_instalments(folder, today, close),
        _of_months(folder, today, close),
        _of_bureau_reports(folder, today, close),
        _of_bookings(folder, close),
        _of_contacts(folder, close),
    )
    found = pd.concat([part.reindex(customers) for part in parts], axis="columns")
    return found[list(COLUMNS)].astype(float).fillna(OF_NOTHING).reset_index()


def _of_instalments(folder: Path, today: pd.Timestamp, close: datetime) -> pd.DataFrame:
    columns = ["loan_id", "customer_id", "originated_at"]
    loans = _newest(_read(folder, "loans", columns, close), ["loan_id"])
    loans = loans[loans["originated_at"] <= today]
    borrowers = loans.set_index("loan_id")["customer_id"]
    columns = ["loan_id", "instalment_no", "due_date", "due_amount", "paid_date", "paid_amount"]
    rows = _newest(_read(folder, "repayments", columns, close), ["loan_id", "instalment_no"])
    rows = rows[rows["due_amount"] > CENT]
    paid = rows["paid_amount"].where(rows["paid_date"] <= today, 0.0).fillna(0.0)
    is_paid = paid >= rows["due_amount"] - CENT
    settled = rows["paid_date"].where(is_paid, today)
    rows = pd.DataFrame(
        {
            "customer_id": rows["loan_id"].map(borrowers),
            "due_amount": rows["due_amount"],
            "days_since_due": (today - rows["due_date"]).dt.days,
            "days_late": (settled - rows["due_date"]).dt.days,
            "is_paid": is_paid,
            "unpaid": (rows["due_amount"] - paid).clip(lower=0.0).where(~is_paid, 0.0),
        }
    )
    of_all = _by_customer(rows).agg(
        instalments=("is_paid", "size"),
        paid_instalments=("is_paid", "sum"),
        exposure=("unpaid", "sum"),
    )
    month_end = pd.offsets.MonthEnd(1)
    next_month = today + (month_end if today.is_month_end else pd.DateOffset(months=1))
    soon = rows[rows["days_since_due"].between((today - next_month).days, -1)]
    due_next_month = _by_customer(soon)["unpaid"].sum()

    due = rows[rows["days_since_due"] >= 0]
    since, late = due["days_since_due"], due["days_late"]
    due = due.assign(
        overdue=late.where(~due["is_paid"]),
        late_since=(since - late).where(late > 0),
    )
    of_due = _by_customer(due).agg(
        due_amount=("due_amount", "sum"),
        unpaid=("unpaid", "sum"),
        days_past_due=("overdue", "max"),
        late_since=("late_since", "min"),
        last_due=("days_since_due", "min"),
    )
    last = due[since == due["customer_id"].map(of_due["last_due"])]

    due = due[since <= 2 * YEAR]
    since, late = due["days_since_due"], due["days_late"]
    of_24m = _by_customer(due.assign(late_90d=late >= 90)).agg(
        late_90d_24m=("late_90d", "sum"),
        worst_days_late_24m=("days_late", "max"),
    )
    due = due[since <= YEAR]
    since, late = due["days_since_due"], due["days_late"]
    due = due.assign(
        is_late=late > 0,
        late_1_to_29d=late.between(1, 29),
        late_30_to_59d=late.between(30, 59),
        late_60_to_89d=late.between(60, 89),
        lately=late.where(since <= QUARTER),
        before=late.where(since > QUARTER),
    )
    of_12m = _by_customer(due).agg(
        late_1_to_29d_12m=("late_1_to_29d", "sum"),
        late_30_to_59d_12m=("late_30_to_59d", "sum"),
        late_60_to_89d_12m=("late_60_to_89d", "sum"),
        late_instalments_12m=("is_late", "sum"),
        late_share_12m=("is_late", "mean"),
        worst_days_late_12m=("days_late", "max"),
        mean_days_late_12m=("days_late", "mean"),
        days_late_spread_12m=("days_late", "std"),
        worst_days_late_3m=("lately", "max"),
        lately=("lately", "mean"),
        before=("before", "mean"),
    )
    due = due[since <= HALF_A_YEAR]
    due = due.assign(is_early=due["is_paid"] & (due["days_late"] <= -5))
    of_6m = _by_customer(due).agg(
        worst_days_late_6m=("days_late", "max"),
        early_share_6m=("is_early", "mean"),
    )
    return pd.concat([of_all, of_due, of_24m, of_12m, of_6m], axis="columns").assign(
        instalments_left=of_all["instalments"] - of_all["paid_instalments"],
        due_next_month=due_next_month,
        days_past_due=of_due["days_past_due"].fillna(0.0),
        paid_ratio=_over(of_due["due_amount"] - of_due["unpaid"], of_due["due_amount"]),
        last_days_late=_by_customer(last)["days_late"].max(),
        months_since_last_late=of_due["late_since"] / DAYS_A_MONTH,
        days_late_trend=of_12m["lately"] - of_12m["before"],
    )


def _of_months(folder: Path, today: pd.Timestamp, close: datetime) -> pd.DataFrame:
    columns = [
        "customer_id", "period_end", "income", "expense", "assets", "liabilities", "liquid_assets",
    ]  # fmt: skip
    rows = _read(folder, "financials", columns, close)
    rows = _newest(rows, ["customer_id", "period_end"])
    rows = rows[rows["period_end"] <= today]
    rows["month"] = rows["period_end"].dt.year * 12 + rows["period_end"].dt.month
    back = _by_customer(rows)["month"].transform("max") - rows["month"]
    income, expense = rows["income"], rows["expense"]
    is_known = (back < 6) & income.notna() & expense.notna()
    found = _by_customer(
        rows.assign(
            lately=income.where(back < 3),
            quarter_before=income.where(back.between(3, 5)),
            year_before=income.where(back.between(12, 14)),
            of_year=income.where(back < 12),
            earned=income.where(is_known),
            spent=expense.where(is_known),
        )
    ).agg(
        income=("lately", "mean"),
        quarter_before=("quarter_before", "mean"),
        year_before=("year_before", "mean"),
        mean=("of_year", "mean"),
        spread=("of_year", "std"),
        earned=("earned", "sum"),
        spent=("spent", "sum"),
    )
    last = rows[back == 0].set_index("customer_id").reindex(found.index)
    then = rows[back == 12].set_index("customer_id").reindex(found.index)
    return pd.DataFrame(
        {
            "income": found["income"],
            "income_trend_6m": _over(found["income"], found["quarter_before"]),
            "income_volatility_12m": _over(found["spread"], found["mean"]),
            "expense_to_income_6m": _over(found["spent"], found["earned"]),
            "leverage": _over(last["liabilities"], last["assets"]),
            "liquidity_months": _over(last["liquid_assets"], last["expense"]),
            "income_growth_12m": _over(found["income"], found["year_before"]),
            "asset_growth_12m": _over(last["assets"], then["assets"]),
            "liability_growth_12m": _over(last["liabilities"], then["liabilities"]),
        }
    )


def _of_bureau_reports(folder: Path, today: pd.Timestamp, close: datetime) -> pd.DataFrame:
    figures = [
        "external_score", "inquiries_3m", "open_loans_elsewhere", "debt_elsewhere",
        "overdue_elsewhere",
    ]  # fmt: skip
    rows = _read(folder, "bureau", ["customer_id", "pulled_at", *figures], close)
    rows = _newest(rows, ["customer_id", "pulled_at"])
    rows = rows[rows["pulled_at"] <= today].sort_values("pulled_at")
    latest = _by_customer(rows)["pulled_at"].transform("max")
    is_older = latest - rows["pulled_at"] >= pd.Timedelta(days=YEAR)
    then = _by_customer(rows[is_older])["external_score"].last()
    found = rows.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    return found[figures].assign(
        external_score_change=found["external_score"] - then,
        overdue_share_elsewhere=_over(found["overdue_elsewhere"], found["debt_elsewhere"]),
    )


def _of_bookings(folder: Path, close: datetime) -> pd.DataFrame:
    columns = [
        "transaction_id", "customer_id", "posted_at", "amount", "channel", "category",
        "balance_after",
    ]  # fmt: skip
    rows = _read(folder, "transactions", columns, close, of_days=YEAR + 1)
    rows = _newest(rows, ["transaction_id"])
    rows["days_ago"] = _days_ago(rows["posted_at"], close)
    rows = rows[rows["days_ago"].between(0, YEAR)]
    rows["quarter"] = pd.cut(rows["days_ago"], [-1, *QUARTERS], labels=[0, 1, 2, 3])
    amount, is_in = rows["amount"], rows["amount"] > 0
    rows["inflow"] = amount.where(is_in & (rows["category"] != "loan"), 0.0)
    rows["outflow"] = -amount.where(~is_in, 0.0)
    balance, is_lately = rows["balance_after"], rows["quarter"] == 0
    # Each of its columns is a frame with a column a quarter, which type stubs know nothing of.
    by_quarter: Any = rows.pivot_table(
        index="customer_id",
        columns="quarter",
        aggfunc={"inflow": "sum", "outflow": "sum", "amount": "count"},
        observed=False,
    )
    inflow, outflow = by_quarter["inflow"], by_quarter["outflow"]
    bookings = by_quarter["amount"]
    of_12m = _by_customer(
        rows.assign(balance_3m=balance.where(is_lately), balance_before=balance.where(~is_lately))
    ).agg(
        first=("days_ago", "max"),
        last=("days_ago", "min"),
        lowest=("balance_3m", "min"),
        balance_3m=("balance_3m", "mean"),
        balance_before=("balance_before", "mean"),
    )
    lately = rows[is_lately & balance.notna()]
    overdrawn = _by_customer(lately.assign(is_overdrawn=lately["balance_after"] < 0))
    half = rows[rows["quarter"] <= 1]
    category, channel = half["category"], half["channel"]
    is_digital = channel.isin(["online", "mobile"]).astype(float)
    of_6m = _by_customer(
        half.assign(
            gambled=half["outflow"].where(category == "gambling", 0.0),
            cash=half["outflow"].where(category == "cash", 0.0),
            is_digital=is_digital.where(channel.notna()),
        )
    ).agg(
        outflow=("outflow", "sum"),
        gambled=("gambled", "sum"),
        cash=("cash", "sum"),
        is_digital=("is_digital", "mean"),
    )
    has_booked, is_long_known = of_12m["first"].notna(), of_12m["first"] > HALF_A_YEAR
    in_3m, out_3m = inflow[0], outflow[0]
    # From the oldest on: a quarter counts once there was a booking.
    oldest_first = [3, 2, 1, 0]
    counted = inflow[oldest_first].where(bookings[oldest_first].cumsum(axis="columns") > 0)
    drained = 1 - of_12m["balance_3m"] / of_12m["balance_before"]

    def pace(values: pd.DataFrame) -> pd.Series:
        before = values[[1, 2, 3]].sum(axis="columns")
        return _over(values[0] / 92, before / (of_12m["first"] - 91)).where(is_long_known)

    return pd.DataFrame(
        {
            "inflow_3m": (in_3m / 3).where(has_booked),
            "outflow_3m": (out_3m / 3).where(has_booked),
            "net_flow_share_3m": _over(in_3m - out_3m, in_3m + out_3m),
            "inflow_change": pace(inflow),
            "inflow_volatility_12m": _over(
                counted.std(axis="columns"), counted.mean(axis="columns")
            ),
            "lowest_balance_3m": of_12m["lowest"],
            "balance_drain_3m": drained.where(of_12m["balance_before"] > 0),
            "overdrawn_share_3m": overdrawn["is_overdrawn"].mean(),
            "gambling_share_6m": _over(of_6m["gambled"], of_6m["outflow"]),
            "cash_share_6m": _over(of_6m["cash"], of_6m["outflow"]),
            "digital_share_6m": of_6m["is_digital"],
            "bookings_change": pace(bookings),
            "days_since_last_booking": of_12m["last"],
        }
    )


def _of_contacts(folder: Path, close: datetime) -> pd.DataFrame:
    columns = ["interaction_id", "customer_id", "occurred_at", "kind", "sentiment", "satisfaction"]
    rows = _read(folder, "interactions", columns, close, of_days=YEAR + 1)
    rows = _newest(rows, ["interaction_id"])
    rows["days_ago"] = _days_ago(rows["occurred_at"], close)
    rows = rows[rows["days_ago"].between(0, YEAR)]
    ago, is_login = rows["days_ago"], rows["kind"] == "app_login"
    found = _by_customer(
        rows.assign(
            is_contact=~is_login,
            is_login=is_login & (ago <= QUARTER),
            is_complaint=rows["kind"] == "complaint",
            contact_ago=ago.where(~is_login),
        )
    ).agg(
        contacts_12m=("is_contact", "sum"),
        logins_3m=("is_login", "sum"),
        mean_sentiment_12m=("sentiment", "mean"),
        complaints_12m=("is_complaint", "sum"),
        days_since_last_contact=("contact_ago", "min"),
    )
    marks = rows[rows["satisfaction"].notna()]
    # Of two marks in the same second the better one is the last.
    marks = marks.assign(second=marks["occurred_at"].dt.floor("s"))
    marks = marks.sort_values(["second", "satisfaction"])
    return found.assign(last_satisfaction=_by_customer(marks)["satisfaction"].last())


def _read(
    folder: Path,
    table: str,
    columns: Sequence[str],
    close: datetime,
    of_days: int | None = None,
) -> pd.DataFrame:
    """Versions known by the close.

    Args:
        folder: with the bank's files.
        table: its name.
        columns: beside known_at and is_deleted.
        close: the end of the day.
        of_days: only those known in so many days before the close.
    """
    filters: list[tuple[str, str, Any]] = [("known_at", "<", close)]
    if of_days is not None:
        filters.append(("known_at", ">=", close - timedelta(days=of_days)))
    return pd.read_parquet(
        folder / f"{table}.parquet",
        engine="pyarrow",
        columns=[*columns, "known_at", "is_deleted"],
        filters=filters,
        to_pandas_kwargs={"date_as_object": False},
    )


def _newest(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The newest version of each key, unless it withdraws the row."""
    # What else a row holds need not be sorted.
    by_time = rows[[*key, "known_at", "is_deleted"]].sort_values("known_at", kind="stable")
    newest = by_time.drop_duplicates(key, keep="last")
    kept = newest.index[~newest["is_deleted"]]
    return rows.drop(columns=["known_at", "is_deleted"]).loc[kept]


def _by_customer(rows: pd.DataFrame) -> "DataFrameGroupBy[Any, Any]":
    return rows.groupby("customer_id")


def _days_ago(moments: pd.Series, close: datetime) -> pd.Series:
    last_moment = pd.Timestamp(close) - pd.Timedelta(microseconds=1)
    ago: pd.Series = (last_moment - moments).dt.days
    return ago


def _over(above: pd.Series, below: pd.Series) -> pd.Series:
    return above / below.where(below != 0)
