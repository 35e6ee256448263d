"""A third of the features in Polars, as fast as Polars can: what the build is measured against.

Everything is lazy and runs on the streaming engine; the newest version of a key is a group's
`max_by`, of the ways to say so the fastest and the most sparing.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from pipeline.business_day import months_after
from pipeline.features.own_past import QUARTERS
from tests.benchmarks.features_in_pandas import COLUMNS

DAYS_A_MONTH = 365.25 / 12
CENT = 0.005
A_DAY = 10_000_000

col = pl.col


def features(folder: Path, as_of: date, close: datetime) -> pl.DataFrame:
    """The columns for all customers of a bank, one row a customer in the order of customer_id.

    Args:
        folder: with the bank's <table>.parquet files, which hold all versions of all rows.
        as_of: the day.
        close: the end of the day, from which on nothing is known.
    """
    customers = _latest(_versions(folder, "customers", close), ["customer_id"], [])
    result = _collected(customers.select("customer_id").sort("customer_id"))
    counted = []
    for part in (
        _of_instalments(folder, as_of, close),
        _of_months(folder, as_of, close),
        _of_bureau_reports(folder, as_of, close),
        _of_bookings(folder, close),
        _of_contacts(folder, close),
    ):
        rows = _collected(part)
        counted += [name for name in rows.columns if name in COUNTS]
        result = result.join(rows, on="customer_id", how="left", maintain_order="left")
    result = result.with_columns(col(counted).fill_null(0))
    return result.select("customer_id", col(COLUMNS).cast(pl.Float64))


COUNTS = {
    "days_past_due", "late_1_to_29d_12m", "late_30_to_59d_12m", "late_60_to_89d_12m",
    "late_90d_24m", "late_instalments_12m", "paid_instalments", "instalments_left", "exposure",
    "due_next_month", "contacts_12m", "logins_3m", "complaints_12m",
}  # fmt: skip


def _of_instalments(folder: Path, as_of: date, close: datetime) -> pl.LazyFrame:
    loans = _versions(folder, "loans", close)
    loans = _latest(loans, ["loan_id"], ["customer_id", "originated_at"])
    loans = loans.filter(col("originated_at") <= as_of).drop("originated_at")
    columns = ["due_date", "due_amount", "paid_date", "paid_amount"]
    versions = _versions(folder, "repayments", close)
    rows = _latest(versions, ["loan_id", "instalment_no"], columns)
    rows = rows.filter(col("due_amount") > CENT).join(loans, on="loan_id")
    paid_ago = _days_since(as_of, "paid_date")
    rows = rows.select(
        "customer_id",
        "due_amount",
        since=_days_since(as_of, "due_date"),
        paid_ago=paid_ago,
        paid=pl.when(paid_ago >= 0).then(col("paid_amount").fill_null(0.0)).otherwise(0.0),
    )
    rows = rows.with_columns(is_paid=col("paid") >= col("due_amount") - CENT)
    since, is_paid = col("since"), col("is_paid")
    rows = rows.with_columns(
        unpaid=pl.when(is_paid)
        .then(0.0)
        .otherwise(pl.max_horizontal(col("due_amount") - col("paid"), 0.0)),
        # Of what is not due yet it is never looked at, beside that of a late one.
        late=pl.when(since >= 0).then(
            pl.when(is_paid).then(since - col("paid_ago")).otherwise(since)
        ),
    )
    days_ahead = (months_after(as_of, 1) - as_of).days
    late, unpaid = col("late"), col("unpaid")
    is_due = since >= 0
    of_3m, of_6m, of_12m, of_24m = (since.is_between(0, days) for days in (91, 182, 365, 730))
    by_customer = rows.group_by("customer_id").agg(
        days_past_due=_where(~is_paid, late).max(),
        least=(since * A_DAY + (A_DAY // 2 - late)).min(),
        worst_days_late_3m=_where(of_3m, late).max(),
        worst_days_late_6m=_where(of_6m, late).max(),
        worst_days_late_12m=_where(of_12m, late).max(),
        worst_days_late_24m=_where(of_24m, late).max(),
        late_1_to_29d_12m=(of_12m & late.is_between(1, 29)).sum(),
        late_30_to_59d_12m=(of_12m & late.is_between(30, 59)).sum(),
        late_60_to_89d_12m=(of_12m & late.is_between(60, 89)).sum(),
        late_90d_24m=(of_24m & (late >= 90)).sum(),
        late_instalments_12m=(of_12m & (late > 0)).sum(),
        late_share_12m=_where(of_12m, late > 0).mean(),
        overdue_ago=_where(late > 0, since - late).min(),
        mean_days_late_12m=_where(of_12m, late).mean(),
        now=_where(of_3m, late).mean(),
        then=_where(since.is_between(92, 365), late).mean(),
        days_late_spread_12m=_where(of_12m, late).std(),
        unpaid_of_due=_where(is_due, unpaid).sum(),
        due=_where(is_due, col("due_amount")).sum(),
        paid_instalments=is_paid.sum(),
        instalments_left=(~is_paid).sum(),
        early_share_6m=_where(of_6m, is_paid & (late <= -5)).mean(),
        exposure=unpaid.sum(),
        due_next_month=_where(since.is_between(-days_ahead, -1), unpaid).sum(),
    )
    return by_customer.select(
        pl.exclude("least", "overdue_ago", "now", "then", "unpaid_of_due", "due"),
        last_days_late=A_DAY // 2 - col("least") % A_DAY,
        months_since_last_late=col("overdue_ago") / DAYS_A_MONTH,
        days_late_trend=col("now") - col("then"),
        paid_ratio=_over(col("due") - col("unpaid_of_due"), col("due")),
    )


def _of_months(folder: Path, as_of: date, close: datetime) -> pl.LazyFrame:
    amounts = ["income", "expense", "assets", "liabilities", "liquid_assets"]
    rows = _latest(_versions(folder, "financials", close), ["customer_id", "period_end"], amounts)
    end = col("period_end")
    month = end.dt.year().cast(pl.Int32) * 12 + end.dt.month()
    rows = rows.filter(end <= as_of).select("customer_id", *amounts, month=month)
    back = col("month").max().over("customer_id") - col("month")
    rows = rows.with_columns(back=back)
    back, income, expense = col("back"), col("income"), col("expense")
    last, year, half_a_year = back == 0, back < 12, back < 6
    known = half_a_year & income.is_not_null() & expense.is_not_null()
    by_customer = rows.group_by("customer_id").agg(
        income=_where(back < 3, income).mean(),
        before=_where(back.is_between(3, 5), income).mean(),
        year_before=_where(back.is_between(12, 14), income).mean(),
        spread=_where(year, income).std(),
        of_year=_where(year, income).mean(),
        spent=_where(known, expense).sum(),
        earned=_where(known, income).sum(),
        last_expense=_where(last, expense).max(),
        liquid=_where(last, col("liquid_assets")).max(),
        assets=_where(last, col("assets")).max(),
        assets_then=_where(back == 12, col("assets")).max(),
        liabilities=_where(last, col("liabilities")).max(),
        liabilities_then=_where(back == 12, col("liabilities")).max(),
    )
    return by_customer.select(
        "customer_id",
        "income",
        income_trend_6m=_over(income, col("before")),
        income_volatility_12m=_over(col("spread"), col("of_year")),
        expense_to_income_6m=_over(col("spent"), col("earned")),
        leverage=_over(col("liabilities"), col("assets")),
        liquidity_months=_over(col("liquid"), col("last_expense")),
        income_growth_12m=_over(income, col("year_before")),
        asset_growth_12m=_over(col("assets"), col("assets_then")),
        liability_growth_12m=_over(col("liabilities"), col("liabilities_then")),
    )


def _of_bureau_reports(folder: Path, as_of: date, close: datetime) -> pl.LazyFrame:
    figures = [
        "external_score", "inquiries_3m", "open_loans_elsewhere", "debt_elsewhere",
        "overdue_elsewhere",
    ]  # fmt: skip
    rows = _latest(_versions(folder, "bureau", close), ["customer_id", "pulled_at"], figures)
    rows = rows.filter(col("pulled_at") <= as_of)
    latest = col("pulled_at").max().over("customer_id")
    is_older = latest - col("pulled_at") >= timedelta(days=365)
    rows = rows.with_columns(older_score=_where(is_older, col("external_score")))
    # A score that is not given is never the newest one.
    scored = _where(col("older_score").is_not_null(), col("pulled_at"))
    by_customer = (
        rows.with_columns(scored=scored)
        .group_by("customer_id")
        .agg(col(figures).max_by("pulled_at"), then=col("older_score").max_by("scored"))
    )
    return by_customer.select(
        "customer_id",
        *figures,
        external_score_change=col("external_score") - col("then"),
        overdue_share_elsewhere=_over(col("overdue_elsewhere"), col("debt_elsewhere")),
    )


def _of_bookings(folder: Path, close: datetime) -> pl.LazyFrame:
    columns = ["customer_id", "posted_at", "amount", "channel", "category", "balance_after"]
    versions = _versions(folder, "transactions", close, of_days=366)
    rows = _latest(versions, ["transaction_id"], columns)
    amount, category = col("amount"), col("category").fill_null("other")
    ago, balance, channel = col("ago"), col("balance_after"), col("channel")
    rows = rows.with_columns(ago=_days_ago("posted_at", close)).filter(ago.is_between(0, 365))
    rows = rows.select(
        "customer_id",
        "ago",
        "balance_after",
        is_digital=channel.is_in(["online", "mobile"]),
        is_gambling=category == "gambling",
        is_cash=category == "cash",
        inflow=pl.when((amount > 0) & (category != "loan")).then(amount).otherwise(0.0),
        outflow=pl.when(amount > 0).then(0.0).otherwise(-amount),
        quarter=pl.sum_horizontal(ago > days for days in QUARTERS[:-1]),
    )
    inflow, outflow, quarter = col("inflow"), col("outflow"), col("quarter")
    of_3m, of_6m = ago <= 91, ago <= 182
    by_customer = rows.group_by("customer_id").agg(
        in_3m=_where(of_3m, inflow).sum(),
        in_before=_where(~of_3m, inflow).sum(),
        out_3m=_where(of_3m, outflow).sum(),
        out_6m=_where(of_6m, outflow).sum(),
        gambled=_where(of_6m & col("is_gambling"), outflow).sum(),
        cash=_where(of_6m & col("is_cash"), outflow).sum(),
        lowest_balance_3m=_where(of_3m, balance).min(),
        balance_now=_where(of_3m, balance).mean(),
        balance_then=_where(~of_3m, balance).mean(),
        overdrawn_share_3m=_where(of_3m, balance < 0).mean(),
        digital_share_6m=_where(of_6m, col("is_digital")).mean(),
        bookings_3m=of_3m.sum(),
        bookings_before=(~of_3m).sum(),
        days_since_last_booking=ago.min(),
        longest=ago.max(),
        first=quarter.max(),
        **{f"in_{back}": _where(quarter == back, inflow).sum() for back in range(len(QUARTERS))},
    )
    in_3m, out_3m, first = col("in_3m"), col("out_3m"), col("first")
    by_quarter = [col(f"in_{back}") for back in range(len(QUARTERS))]
    mean = pl.sum_horizontal(by_quarter) / (first + 1)
    squares = pl.sum_horizontal(
        pl.when(first >= back).then((money - mean) ** 2).otherwise(0.0)
        for back, money in enumerate(by_quarter)
    )
    is_long_known = col("longest") > 182
    lacking = 1 - _over(col("balance_now"), col("balance_then"))
    return by_customer.select(
        "customer_id",
        "lowest_balance_3m",
        "overdrawn_share_3m",
        "digital_share_6m",
        "days_since_last_booking",
        inflow_3m=in_3m / 3,
        outflow_3m=out_3m / 3,
        net_flow_share_3m=_over(in_3m - out_3m, in_3m + out_3m),
        inflow_change=_where(
            is_long_known, _over(in_3m / 92, col("in_before") / (col("longest") - 91))
        ),
        inflow_volatility_12m=_over(_over(squares, first).sqrt(), mean),
        balance_drain_3m=_where(col("balance_then") > 0, lacking),
        gambling_share_6m=_over(col("gambled"), col("out_6m")),
        cash_share_6m=_over(col("cash"), col("out_6m")),
        bookings_change=_where(
            is_long_known,
            _over(col("bookings_3m") / 92, col("bookings_before") / (col("longest") - 91)),
        ),
    )


def _of_contacts(folder: Path, close: datetime) -> pl.LazyFrame:
    columns = ["customer_id", "occurred_at", "kind", "sentiment", "satisfaction"]
    versions = _versions(folder, "interactions", close, of_days=366)
    rows = _latest(versions, ["interaction_id"], columns)
    ago, is_login = col("ago"), col("kind") == "app_login"
    rows = rows.with_columns(ago=_days_ago("occurred_at", close)).filter(ago.is_between(0, 365))
    by_customer = rows.group_by("customer_id").agg(
        contacts_12m=(~is_login).sum(),
        logins_3m=(is_login & (ago <= 91)).sum(),
        mean_sentiment_12m=col("sentiment").mean(),
        complaints_12m=(col("kind") == "complaint").sum(),
        # The mark stands in the last digit, so that the latest time brings its mark along.
        marked=(col("occurred_at").dt.epoch("s") * 10 + col("satisfaction")).max(),
        days_since_last_contact=_where(~is_login, ago).min(),
    )
    return by_customer.select(pl.exclude("marked"), last_satisfaction=col("marked") % 10)


def _versions(
    folder: Path, table: str, close: datetime, of_days: int | None = None
) -> pl.LazyFrame:
    """Versions known by the close, of so many days before it."""
    rows = pl.scan_parquet(folder / f"{table}.parquet").filter(col("known_at") < close)
    if of_days is not None:
        rows = rows.filter(col("known_at") >= close - timedelta(days=of_days))
    return rows


def _latest(rows: pl.LazyFrame, key: Sequence[str], columns: Sequence[str]) -> pl.LazyFrame:
    """The last version of each key, unless it withdraws the row."""
    newest = rows.group_by(key).agg(col(*columns, "is_deleted").max_by("known_at"))
    return newest.filter(~col("is_deleted")).drop("is_deleted")


def _days_since(as_of: date, name: str) -> pl.Expr:
    return (pl.lit(as_of) - col(name)).dt.total_days()


def _days_ago(name: str, close: datetime) -> pl.Expr:
    return (int(close.timestamp()) - 1 - col(name).dt.epoch("s")) // 86_400


def _where(condition: pl.Expr, values: pl.Expr) -> pl.Expr:
    """Values where a condition holds, null elsewhere: aggregates pass over nulls."""
    return pl.when(condition).then(values)


def _over(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below != 0).then(above / below)


def _collected(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.collect(engine="streaming")
