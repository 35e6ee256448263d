"""The simulated bank as frames, and what became of its customers, for the tests about it."""

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import yaml

from pipeline.simulator.bank import Bank

ROOT = Path(__file__).parents[2]
BANK = Bank()
MONTH_ENDS = pd.date_range(end="2024-05-31", periods=BANK.months, freq="ME")
DEFAULT_DAYS = pd.Timedelta(days=90)

Frames = dict[str, pd.DataFrame]


@lru_cache
def properties(table: str) -> list[dict[str, Any]]:
    """The columns of a table, as its contract states them."""
    contract = yaml.safe_load((ROOT / f"data_contracts/sources/{table}.odcs.yaml").read_text())
    return cast("list[dict[str, Any]]", contract["schema"][0]["properties"])


def key(table: str) -> list[str]:
    """The key of the row, without known_at, which makes it the key of a version."""
    names = [p["name"] for p in properties(table) if p.get("primaryKey")]
    return [name for name in names if name != "known_at"]


def as_pandas(tables: dict[str, pa.Table]) -> Frames:
    return {name: rows.to_pandas(date_as_object=False) for name, rows in tables.items()}


def close_of(as_of: pd.Timestamp) -> pd.Timestamp:
    """The first instant after a day."""
    return as_of.tz_localize("UTC") + pd.Timedelta(days=1)


def as_known(frame: pd.DataFrame, table: str, close: pd.Timestamp | None = None) -> pd.DataFrame:
    """The latest version of each row known before `close`, without those withdrawn."""
    if close is not None:
        frame = frame[frame["known_at"] < close]
    latest = frame.drop_duplicates(key(table), keep="last")
    return latest[~latest["is_deleted"]]


def instalments(frames: Frames) -> pd.DataFrame:
    repayments = as_known(frames["repayments"], "repayments")
    loans = as_known(frames["loans"], "loans")[["loan_id", "customer_id", "originated_at"]]
    return repayments.merge(loans, on="loan_id", validate="many_to_one")


def outcomes(rows: pd.DataFrame, as_of: pd.Timestamp) -> "pd.Series[bool]":
    """For customers with an active loan and not in default: whether they default in 12 months."""
    rows = rows[rows["originated_at"] <= as_of]
    defaults_on = rows["due_date"] + DEFAULT_DAYS
    is_open = rows["paid_date"].isna() | (rows["paid_date"] > as_of)
    in_default = is_open & (defaults_on <= as_of)
    stays_unpaid = rows["paid_date"].isna() | (rows["paid_date"] > defaults_on)
    in_horizon = (defaults_on > as_of) & (defaults_on <= as_of + pd.DateOffset(months=12))
    flags = pd.DataFrame(
        {"open": is_open, "in_default": in_default, "defaults": stays_unpaid & in_horizon}
    )
    customers = flags.groupby(rows["customer_id"]).any()
    return customers.loc[customers["open"] & ~customers["in_default"], "defaults"]
