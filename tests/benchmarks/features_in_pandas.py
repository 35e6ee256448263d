"""A third of the features in pandas, as fast as pandas can: what the build is measured against.

Ids become integers while they are read, so that grouping is arithmetic; whatever is counted or
summed up a customer is one `numpy.bincount`, and only largest and smallest values are grouped.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.features.frames.bookings import MONTHS, days_to_months

COLUMNS = (
    # Of instalments.
    "days_past_due", "last_days_late", "worst_days_late_3m", "worst_days_late_6m",
    "worst_days_late_12m", "worst_days_late_24m", "late_1_to_29d_12m", "late_30_to_59d_12m",
    "late_60_to_89d_12m", "late_90d_24m", "late_instalments_12m", "late_share_12m",
    "months_since_last_late", "mean_days_late_12m", "days_late_trend", "days_late_spread_12m",
    "paid_ratio", "paid_instalments", "instalments_left", "early_share_6m", "exposure",
    "due_next_30d",
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

IDS = ["customer_id", "loan_id"]
WORDS = ["category", "channel", "kind"]
DAYS_A_MONTH = 365.25 / 12
CENT = 0.005
A_DAY = 10_000_000

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Numbers = NDArray[Any]
Values = dict[str, Floats]


def features(folder: Path, as_of: date, close: datetime) -> pd.DataFrame:
    """The columns for all customers of a bank, one row a customer in the order of customer_id.

    Args:
        folder: with the bank's <table>.parquet files, which hold all versions of all rows.
        as_of: the day.
        close: the end of the day, from which on nothing is known.
    """
    customers = _customers(folder, close)
    today = (as_of - date(1970, 1, 1)).days
    found: Values = {}
    # Each table's rows are let go of before the next one's are read.
    found |= _of_instalments(folder, today, close, customers)
    found |= _of_months(folder, today, close, customers)
    found |= _of_bureau_reports(folder, today, close, customers)
    found |= _of_bookings(folder, as_of, close, customers)
    found |= _of_contacts(folder, close, customers)
    return pd.DataFrame({"customer_id": customers, **{name: found[name] for name in COLUMNS}})


class _Sums:
    """What comes out a customer, at the customer's place, of rows that know that place."""

    def __init__(self, places: Ints, customers: int) -> None:
        self.places, self.customers = places, customers

    def count(self, where: Bools) -> Floats:
        """How many rows count."""
        counted = np.bincount(self.places[where], minlength=self.customers)
        return counted.astype(np.float64)

    def total(self, values: Numbers, where: Bools | None = None) -> Floats:
        """What the values that count add up to."""
        places = self.places
        if where is not None:
            places, values = places[where], values[where]
        return np.bincount(places, values, self.customers).astype(np.float64, copy=False)

    def mean(self, values: Numbers, where: Bools) -> Floats:
        """The mean of the values that count, not a number where there are none."""
        return _over(self.total(values, where), self.count(where))

    def spread(self, values: Numbers, where: Bools) -> Floats:
        """Sample deviation of the values that count, not a number for fewer than two."""
        off: Floats = values - self.mean(values, where)[self.places]
        count = self.count(where)
        return np.sqrt(_over(self.total(off * off, where), np.where(count > 1, count - 1, 0)))

    def highest(self, values: Numbers, where: Bools | None = None) -> Floats:
        """The highest of the values that count, not a number where there are none."""
        return self._extreme("max", values, where)

    def lowest(self, values: Numbers, where: Bools | None = None) -> Floats:
        """The lowest of the values that count, not a number where there are none."""
        return self._extreme("min", values, where)

    def _extreme(self, which: str, values: Numbers, where: Bools | None) -> Floats:
        places = self.places
        if where is not None:
            places, values = places[where], values[where]
        # As categories the places need not be looked for once more, and nobody is left out.
        by = pd.Categorical.from_codes(places, categories=pd.RangeIndex(self.customers))
        found: pd.Series = pd.Series(values).groupby(pd.Series(by), observed=False).agg(which)
        return found.to_numpy(np.float64)


def _of_instalments(folder: Path, today: int, close: datetime, customers: pd.Index) -> Values:
    loans = _read(folder, "loans", ["loan_id", "customer_id"], close)
    loans = loans.take(_latest(loans, loans["loan_id"].cat.codes))
    borrowers = pd.Series(_places(loans["customer_id"], customers), loans["loan_id"].astype(str))
    columns = ["loan_id", "instalment_no", "due_date", "due_amount", "paid_date", "paid_amount"]
    rows = _read(folder, "repayments", columns, close)
    number = rows["instalment_no"]
    loan = rows["loan_id"].cat.codes.astype(np.int64)
    rows = rows.take(_latest(rows, loan * (int(number.max()) + 1) + number))
    loan_places = borrowers.index.get_indexer(rows["loan_id"].cat.categories)
    place = _taken(borrowers.to_numpy(), _taken(loan_places, rows["loan_id"].cat.codes.to_numpy()))
    due_amount = rows["due_amount"].to_numpy()
    counts = (place >= 0) & (due_amount > CENT)
    rows, place, due_amount = rows.loc[counts], place[counts], due_amount[counts]

    days_since_due = today - rows["due_date"].to_numpy().astype(np.int64)
    days_since_paid = today - rows["paid_date"].to_numpy()
    paid = np.where(days_since_paid >= 0, rows["paid_amount"].fillna(0.0).to_numpy(), 0.0)
    is_paid = paid >= due_amount - CENT
    unpaid = np.where(is_paid, 0.0, np.maximum(due_amount - paid, 0.0))
    is_due = days_since_due >= 0
    everything = _Sums(place, len(customers))
    found: Values = {
        "paid_instalments": everything.count(is_paid),
        "instalments_left": everything.count(~is_paid),
        "exposure": everything.total(unpaid),
        "due_next_30d": everything.total(unpaid, (days_since_due < 0) & (days_since_due >= -30)),
    }
    due = everything.total(due_amount, is_due)
    found["paid_ratio"] = _over(due - everything.total(unpaid, is_due), due)

    # What is not due yet tells no more.
    since, is_paid = days_since_due[is_due], is_paid[is_due]
    late = np.where(is_paid, since - days_since_paid[is_due], since)
    sums = _Sums(place[is_due], len(customers))
    is_late = late > 0
    found["days_past_due"] = np.nan_to_num(sums.highest(late, ~is_paid))
    least = sums.lowest(since * A_DAY + (A_DAY // 2 - late))
    found["last_days_late"] = A_DAY // 2 - np.mod(least, A_DAY)
    found["months_since_last_late"] = sums.lowest(since - late, is_late) / DAYS_A_MONTH
    of_3m, of_6m, of_12m, of_24m = (since <= days for days in (91, 182, 365, 730))
    found["worst_days_late_3m"] = sums.highest(late, of_3m)
    found["worst_days_late_6m"] = sums.highest(late, of_6m)
    found["worst_days_late_12m"] = sums.highest(late, of_12m)
    found["worst_days_late_24m"] = sums.highest(late, of_24m)
    found["late_1_to_29d_12m"] = sums.count(of_12m & is_late & (late <= 29))
    found["late_30_to_59d_12m"] = sums.count(of_12m & (late >= 30) & (late <= 59))
    found["late_60_to_89d_12m"] = sums.count(of_12m & (late >= 60) & (late <= 89))
    found["late_90d_24m"] = sums.count(of_24m & (late >= 90))
    found["late_instalments_12m"] = sums.count(of_12m & is_late)
    found["late_share_12m"] = _over(found["late_instalments_12m"], sums.count(of_12m))
    found["mean_days_late_12m"] = sums.mean(late, of_12m)
    found["days_late_trend"] = sums.mean(late, of_3m) - sums.mean(late, of_12m & ~of_3m)
    found["days_late_spread_12m"] = sums.spread(late, of_12m)
    early = sums.count(of_6m & is_paid & (late <= -5))
    found["early_share_6m"] = _over(early, sums.count(of_6m))
    return found


def _of_months(folder: Path, today: int, close: datetime, customers: pd.Index) -> Values:
    amounts = ["income", "expense", "assets", "liabilities", "liquid_assets"]
    rows = _read(folder, "financials", ["customer_id", "period_end", *amounts], close)
    rows = rows.take(_latest(rows, _by_day(rows["customer_id"], rows["period_end"])))
    place = _places(rows["customer_id"], customers)
    counts = (place >= 0) & (rows["period_end"].to_numpy() <= today)
    rows, place = rows.loc[counts], place[counts]
    sums = _Sums(place, len(customers))
    month = rows["period_end"].to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    number = month.astype(np.int64)
    back = sums.highest(number)[place] - number
    income, expense, assets, liabilities, liquid = (rows[name].to_numpy() for name in amounts)
    earned, spent = ~np.isnan(income), ~np.isnan(expense)
    lately, year = earned & (back < 3), earned & (back < 12)
    last, year_before = back == 0, back == 12
    known = earned & spent & (back < 6)
    mean_income = sums.mean(income, lately)
    last_assets, last_liabilities = sums.highest(assets, last), sums.highest(liabilities, last)
    return {
        "income": mean_income,
        "income_trend_6m": _over(
            mean_income, sums.mean(income, earned & (back >= 3) & (back <= 5))
        ),
        "income_volatility_12m": _over(sums.spread(income, year), sums.mean(income, year)),
        "expense_to_income_6m": _over(sums.total(expense, known), sums.total(income, known)),
        "leverage": _over(last_liabilities, last_assets),
        "liquidity_months": _over(sums.highest(liquid, last), sums.highest(expense, last)),
        "income_growth_12m": _over(
            mean_income, sums.mean(income, earned & (back >= 12) & (back <= 14))
        ),
        "asset_growth_12m": _over(last_assets, sums.highest(assets, year_before)),
        "liability_growth_12m": _over(last_liabilities, sums.highest(liabilities, year_before)),
    }


def _of_bureau_reports(folder: Path, today: int, close: datetime, customers: pd.Index) -> Values:
    figures = [
        "external_score", "inquiries_3m", "open_loans_elsewhere", "debt_elsewhere",
        "overdue_elsewhere",
    ]  # fmt: skip
    rows = _read(folder, "bureau", ["customer_id", "pulled_at", *figures], close)
    rows = rows.take(_latest(rows, _by_day(rows["customer_id"], rows["pulled_at"])))
    place = _places(rows["customer_id"], customers)
    days_old = today - rows["pulled_at"].to_numpy()
    counts = (place >= 0) & (days_old >= 0)
    rows, place, days_old = rows.loc[counts], place[counts], days_old[counts]
    sums = _Sums(place, len(customers))
    before_latest = days_old - sums.lowest(days_old)[place]
    # A customer has one report a day: there is one that is the latest.
    is_latest = before_latest == 0
    found = {name: np.full(len(customers), np.nan) for name in figures}
    for name in figures:
        found[name][place[is_latest]] = rows[name].to_numpy()[is_latest]
    score = rows["external_score"].to_numpy()
    is_older = (before_latest >= 365) & ~np.isnan(score)
    newest = before_latest == sums.lowest(before_latest, is_older)[place]
    then = np.full(len(customers), np.nan)
    then[place[newest]] = score[newest]
    found["external_score_change"] = found["external_score"] - then
    overdue, debt = found["overdue_elsewhere"], found["debt_elsewhere"]
    found["overdue_share_elsewhere"] = _over(overdue, debt)
    return found


def _of_bookings(folder: Path, as_of: date, close: datetime, customers: pd.Index) -> Values:
    columns = ["transaction_id", "customer_id", "posted_at", "amount", "channel", "category"]
    columns.append("balance_after")
    rows = _read(folder, "transactions", columns, close, of_days=366)
    rows = rows.take(_latest(rows, rows["transaction_id"]))
    place, ago = _places(rows["customer_id"], customers), _days_ago(rows["posted_at"], close)
    counts = (place >= 0) & (ago >= 0) & (ago <= 365)
    rows, place, ago = rows.loc[counts], place[counts], ago[counts]
    sums = _Sums(place, len(customers))
    amount, balance = rows["amount"].to_numpy(), rows["balance_after"].to_numpy()
    is_in = amount > 0
    inflow = np.where(is_in & ~_is(rows["category"], "loan"), amount, 0.0)
    outflow = np.where(is_in, 0.0, -amount)
    of_3m, of_6m = ago <= 91, ago <= 182
    before, kept = ~of_3m, ~np.isnan(balance)
    in_3m, out_3m = sums.total(inflow, of_3m), sums.total(outflow, of_3m)
    out_6m = sums.total(outflow, of_6m)
    longest = sums.highest(ago)
    then = sums.mean(balance, before & kept)
    drain = np.where(then > 0, 1 - _over(sums.mean(balance, of_3m & kept), then), np.nan)
    has_channel = of_6m & rows["channel"].notna().to_numpy()
    is_digital = _is(rows["channel"], "online", "mobile")

    def pace(now: Floats, then: Floats) -> Floats:
        return np.where(longest > 182, _over(now / 92, then / 274), np.nan)

    return {
        "inflow_3m": np.where(np.isnan(longest), np.nan, in_3m / 3),
        "outflow_3m": np.where(np.isnan(longest), np.nan, out_3m / 3),
        "net_flow_share_3m": _over(in_3m - out_3m, in_3m + out_3m),
        "inflow_change": pace(in_3m, sums.total(inflow, before)),
        "inflow_volatility_12m": _volatility(sums, inflow, ago, as_of),
        "lowest_balance_3m": sums.lowest(balance, of_3m & kept),
        "balance_drain_3m": drain,
        "overdrawn_share_3m": _over(sums.count(of_3m & (balance < 0)), sums.count(of_3m & kept)),
        "gambling_share_6m": _over(
            sums.total(outflow, of_6m & _is(rows["category"], "gambling")), out_6m
        ),
        "cash_share_6m": _over(sums.total(outflow, of_6m & _is(rows["category"], "cash")), out_6m),
        "digital_share_6m": _over(sums.count(of_6m & is_digital), sums.count(has_channel)),
        "bookings_change": pace(sums.count(of_3m), sums.count(before)),
        "days_since_last_booking": sums.lowest(ago),
    }


def _volatility(sums: _Sums, amounts: Floats, ago: Ints, as_of: date) -> Floats:
    """Deviation over mean of a customer's monthly sums since the first month with a booking."""
    month = np.searchsorted(np.array(days_to_months(as_of)), ago, side="right")
    counts = month < MONTHS
    cells = sums.places[counts] * MONTHS + month[counts]
    size = sums.customers * MONTHS
    by_month = np.bincount(cells, weights=amounts[counts], minlength=size).reshape(-1, MONTHS)
    first = sums.highest(month, counts)
    mean = by_month.sum(axis=1) / (first + 1)
    off = np.where(np.arange(MONTHS) <= first[:, None], by_month - mean[:, None], 0.0)
    return _over(np.sqrt(_over((off * off).sum(axis=1), first)), mean)


def _of_contacts(folder: Path, close: datetime, customers: pd.Index) -> Values:
    columns = ["interaction_id", "customer_id", "occurred_at", "kind", "sentiment", "satisfaction"]
    rows = _read(folder, "interactions", columns, close, of_days=366)
    rows = rows.take(_latest(rows, rows["interaction_id"]))
    place, ago = _places(rows["customer_id"], customers), _days_ago(rows["occurred_at"], close)
    counts = (place >= 0) & (ago >= 0) & (ago <= 365)
    rows, place, ago = rows.loc[counts], place[counts], ago[counts]
    sums = _Sums(place, len(customers))
    is_login = _is(rows["kind"], "app_login")
    tone, satisfaction = rows["sentiment"].to_numpy(), rows["satisfaction"].to_numpy()
    # The mark stands in the last digit, so that the latest time brings its mark along.
    marked_at = rows["occurred_at"].to_numpy() // 1_000_000 * 10 + satisfaction
    return {
        "contacts_12m": sums.count(~is_login),
        "logins_3m": sums.count(is_login & (ago <= 91)),
        "mean_sentiment_12m": sums.mean(tone, ~np.isnan(tone)),
        "complaints_12m": sums.count(_is(rows["kind"], "complaint")),
        "last_satisfaction": np.mod(sums.highest(marked_at), 10),
        "days_since_last_contact": sums.lowest(ago, ~is_login),
    }


def _customers(folder: Path, close: datetime) -> pd.Index:
    rows = _read(folder, "customers", ["customer_id"], close)
    return pd.Index(
        rows["customer_id"].take(_latest(rows, rows["customer_id"].cat.codes)).astype(str)
    ).sort_values()


def _read(
    folder: Path, table: str, columns: Sequence[str], close: datetime, of_days: int | None = None
) -> pd.DataFrame:
    """Versions known by the close: ids and words as categories, days and moments as integers.

    Args:
        folder: with the bank's files.
        table: its name.
        columns: beside known_at and is_deleted.
        close: the end of the day.
        of_days: only those known in so many days before the close.
    """
    is_known = pc.field("known_at") < close
    if of_days is not None:
        is_known &= pc.field("known_at") >= close - timedelta(days=of_days)
    rows = pq.read_table(
        folder / f"{table}.parquet",
        columns=[*columns, "known_at", "is_deleted"],
        filters=is_known,
        read_dictionary=[name for name in columns if name in (*IDS, *WORDS)],
    )
    for place, field in enumerate(rows.schema):
        if pa.types.is_date32(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).cast(pa.int32()))
        elif pa.types.is_timestamp(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).cast(pa.int64()))
    frame: pd.DataFrame = rows.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _latest(rows: pd.DataFrame, key: pd.Series) -> Ints:
    """Where the last known version of each key stands, unless it withdraws the row."""
    # The files come in a few runs in order of time, which a stable sort takes advantage of.
    order = np.argsort(rows["known_at"].to_numpy(), kind="stable")
    is_last = ~key.take(order).duplicated(keep="last").to_numpy()
    last = order[is_last]
    found: Ints = last[~rows["is_deleted"].to_numpy()[last]]
    return found


def _by_day(ids: pd.Series, days: pd.Series) -> pd.Series:
    return ids.cat.codes.astype(np.int64) * 1_000_000 + days


def _places(ids: pd.Series, customers: pd.Index) -> Ints:
    """Each id's place among the customers, -1 of one who is none."""
    return _taken(customers.get_indexer(ids.cat.categories), ids.cat.codes.to_numpy())


def _taken(values: Numbers, places: Numbers) -> Ints:
    """The values at some places, -1 where there is no place."""
    taken: Ints = np.where(places >= 0, values[places], -1)
    return taken


def _days_ago(moments: pd.Series, close: datetime) -> Ints:
    seconds: Ints = moments.to_numpy() // 1_000_000
    ago: Ints = (int(close.timestamp()) - 1 - seconds) // 86_400
    return ago


def _is(words: pd.Series, *wanted: str) -> Bools:
    codes = words.cat.categories.get_indexer(pd.Index(wanted))
    return np.isin(words.cat.codes.to_numpy(), codes[codes >= 0])


def _over(above: Floats, below: Floats) -> Floats:
    found: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below != 0)
    return found
