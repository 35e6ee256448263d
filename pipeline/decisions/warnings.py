"""The warning list of a night: which rules fire for whom, why, and what is to be done."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import pandas as pd

from pipeline.decisions.policy import TIERS, Policy, RuleName

SEVERITY_ORDER = {"critical": 0, "serious": 1, "general": 2}


@dataclass(frozen=True)
class Reason:
    """Why a warning stands: the name of a rule or a feature, and what it says in two languages."""

    code: str
    en: str
    zh: str


@dataclass(frozen=True)
class Measure:
    """What a rule bounds, by customer_id, and the sentences that say it of one customer."""

    amount: pd.Series
    sentences: Callable[[float, "pd.Series"], tuple[str, str]]


def warning_list(
    night: pd.DataFrame,
    before: pd.DataFrame,
    as_of: date,
    policy: Policy,
    why: Callable[[Sequence[str]], Mapping[str, Sequence[Reason]]],
) -> pd.DataFrame:
    """Every warning that stands on a night.

    A customer in default is past warning and has none: that case is workout's.

    A warning keeps its identity for as long as its rule fires without a break in the nights
    published before; it is ongoing then, and new on its first night.

    Args:
        night: by customer_id, with pd, log_odds, tier, days_past_due, exposure, expected_loss and
            the night before's previous_tier and previous_log_odds (null without one).
        before: warnings of the night published before: warning_id, customer_id, rule,
            first_raised, due_by.
        as_of: the night.
        policy: the rules in force.
        why: what raises the risk of some customers most, by customer_id; asked of the warned ones.

    Returns:
        One row a warning, ranked by severity and then by expected loss, the largest first.
    """
    alive = night[night["days_past_due"] < policy.days_past_due]
    found = []
    for name, rule in policy.warning_rules.items():
        measure = MEASURES[name](alive)
        # A comparison with a missing value is False: no night before, no jump.
        fires = (measure.amount >= rule.bound) & (measure.amount < rule.below)
        fired = alive[fires].copy()
        fired["rule"] = name
        fired["severity"] = rule.severity.value
        fired["playbook"] = rule.playbook
        fired["owner_role"] = rule.owner_role
        fired["due_by"] = as_of + timedelta(days=rule.due_days)
        said = [
            Reason(name, *measure.sentences(value, row))
            for value, (_, row) in zip(measure.amount[fires], fired.iterrows(), strict=True)
        ]
        fired["said"] = pd.Series(said, index=fired.index, dtype="object")
        found.append(fired.reset_index())
    warnings = pd.concat(found, ignore_index=True)
    known = before[["customer_id", "rule", "warning_id", "first_raised", "due_by"]]
    warnings = warnings.merge(
        known, on=["customer_id", "rule"], how="left", suffixes=("", "_before")
    )
    is_new = warnings["warning_id"].isna()
    warnings["status"] = is_new.map({True: "new", False: "ongoing"})
    warnings["first_raised"] = warnings["first_raised"].where(~is_new, as_of)
    warnings["due_by"] = warnings["due_by_before"].where(~is_new, warnings["due_by"])
    warnings["warning_id"] = [
        _warning_id(*row)
        for row in zip(
            warnings["customer_id"], warnings["rule"], warnings["first_raised"], strict=True
        )
    ]
    drivers = why(sorted(set(warnings["customer_id"])))
    warnings["reasons"] = [
        json.dumps([asdict(reason) for reason in (said, *drivers[customer])], ensure_ascii=False)
        for said, customer in zip(warnings["said"], warnings["customer_id"], strict=True)
    ]
    order = warnings.assign(_grave=warnings["severity"].map(SEVERITY_ORDER)).sort_values(
        ["_grave", "expected_loss", "customer_id", "rule"], ascending=[True, False, True, True]
    )
    order["rank"] = range(1, len(order) + 1)
    return order.drop(columns="_grave").reset_index(drop=True)


def _warning_id(customer_id: str, rule: str, first_raised: date) -> str:
    text = f"{customer_id}\x1f{rule}\x1f{first_raised.isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _pd(night: pd.DataFrame) -> Measure:
    return Measure(
        night["pd"],
        lambda value, row: (f"the probability of default is {value:.1%}", f"违约概率为{value:.1%}"),
    )


def _pd_jump(night: pd.DataFrame) -> Measure:
    return Measure(
        night["log_odds"] - night["previous_log_odds"],
        lambda value, row: (
            f"the odds of default are {math.exp(value):.1f} times the last published ones",
            f"违约几率为上次公布值的{math.exp(value):.1f}倍",
        ),
    )


def _tier_steps(night: pd.DataFrame) -> Measure:
    order = {tier: float(i) for i, tier in enumerate(TIERS)}
    # The type said: where there is no customer, or none with a tier before, pandas keeps words.
    now, before = (night[c].map(order).astype("float64") for c in ("tier", "previous_tier"))
    return Measure(
        now - before,
        lambda value, row: (
            f"the tier fell from {row['previous_tier']} to {row['tier']}",
            f"风险等级由{row['previous_tier']}下调至{row['tier']}",
        ),
    )


def _days_past_due(night: pd.DataFrame) -> Measure:
    return Measure(
        night["days_past_due"],
        lambda value, row: (
            f"an instalment is {value:.0f} days past due",
            f"有一期还款已逾期{value:.0f}天",
        ),
    )


MEASURES: dict[RuleName, Callable[[pd.DataFrame], Measure]] = {
    "pd_above": _pd,
    "pd_jump": _pd_jump,
    "tier_downgrade": _tier_steps,
    "days_past_due_1": _days_past_due,
    "days_past_due_30": _days_past_due,
    "days_past_due_60": _days_past_due,
}
