"""What running a night again would change, before it does."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipeline.decisions.policy import load_policy
from pipeline.decisions.warning_life import OPEN
from pipeline.judging import judge
from pipeline.nightly import pull
from pipeline.replay import compute
from pipeline.rooms import Rooms, warehouse_url
from pipeline.scoring import model_of
from pipeline.settings import Settings
from pipeline.warehouse.history import published_tables

NOT_THERE = "none"


@dataclass(frozen=True)
class Preview:
    """What would change.

    Attributes:
        is_published: whether there is a night to be replaced.
        tiers: a row a customer whose tier would change: customer_id, before, after.
        warnings: a row a warning that would be raised, end or change: customer_id, rule, before
            and after, which are its status, or none.
        expected_loss: of all customers, before and after.
    """

    is_published: bool
    tiers: pd.DataFrame
    warnings: pd.DataFrame
    expected_loss: tuple[float, float]


def preview(settings: Settings, as_of: date) -> Preview:
    """Compute a night as a run would now, and compare; nothing is published.

    What the source has learnt lands in the lake, as by a run.

    Raises:
        RisklineError: as a run would.
    """
    pull(settings, as_of)
    rooms = Rooms(settings)
    policy = load_policy(settings.policy, as_of)
    judged = judge(rooms, as_of)
    judged.gate(as_of)
    decided = compute(rooms, as_of, judged, model_of(settings.home, as_of), policy)
    after = {name: rows.to_pandas() for name, rows in decided.tables.items()}
    before = published_tables(
        warehouse_url(settings),
        as_of,
        {
            "risk_tiers": ("customer_id", "tier"),
            "risk_scores": ("customer_id", "expected_loss"),
            "warning_list": ("customer_id", "rule", "status"),
        },
    )
    return Preview(
        not before["risk_tiers"].empty,
        _changes(before["risk_tiers"], after["risk_tiers"], ["customer_id"], "tier"),
        _changes(
            _alive(before["warning_list"]),
            _alive(after["warning_list"]),
            ["customer_id", "rule"],
            "status",
        ),
        (
            float(before["risk_scores"]["expected_loss"].sum()),
            float(after["risk_scores"]["expected_loss"].sum()),
        ),
    )


def _alive(warnings: pd.DataFrame) -> pd.DataFrame:
    return warnings[warnings["status"].isin({status.value for status in OPEN})]


def _changes(
    before: pd.DataFrame, after: pd.DataFrame, key: list[str], column: str
) -> pd.DataFrame:
    """The rows whose value in a column would change, appear or be gone, in the order of the key."""
    both = before[[*key, column]].merge(
        after[[*key, column]], on=key, how="outer", suffixes=("_before", "_after"), sort=True
    )
    found = both.rename(columns={f"{column}_before": "before", f"{column}_after": "after"})
    found[["before", "after"]] = found[["before", "after"]].astype("object").fillna(NOT_THERE)
    return found[found["before"] != found["after"]].reset_index(drop=True)
