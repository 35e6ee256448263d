"""The warning list of a night: which rules fire for whom, why, and what is to be done."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from pipeline.decisions.policy import TIERS, Policy, RuleName

DIMENSION_REASONS = 3
SEVERITY_ORDER = {"critical": 0, "serious": 1, "general": 2}


@dataclass(frozen=True)
class Measure:
    """What a rule bounds, by customer_id, and the sentence that says it of one customer."""

    amount: pd.Series
    sentence: Callable[[float, "pd.Series"], str]


def warning_list(
    night: pd.DataFrame,
    contributions: pd.DataFrame,
    before: pd.DataFrame,
    as_of: date,
    policy: Policy,
) -> pd.DataFrame:
    """Every warning that stands on a night.

    A customer in default is past warning and has none: that case is workout's.

    A warning keeps its identity for as long as its rule fires without a break in the nights
    published before; it is ongoing then, and new on its first night.

    Args:
        night: by customer_id, with pd, log_odds, tier, days_past_due, exposure, expected_loss and
            the night before's previous_tier and previous_log_odds (null without one).
        contributions: by customer_id, log-odds that each dimension adds.
        before: warnings of the night published before: warning_id, customer_id, rule,
            first_raised, due_by.
        as_of: the night.
        policy: the rules in force.

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
        fired["sentence"] = [
            measure.sentence(value, row)
            for value, (_, row) in zip(measure.amount[fires], fired.iterrows(), strict=True)
        ]
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
    warnings["reasons"] = [
        json.dumps([sentence, *drivers], ensure_ascii=False)
        for sentence, drivers in zip(
            warnings["sentence"],
            _drivers(contributions.loc[warnings["customer_id"]]),
            strict=True,
        )
    ]
    order = warnings.assign(_grave=warnings["severity"].map(SEVERITY_ORDER)).sort_values(
        ["_grave", "expected_loss", "customer_id", "rule"], ascending=[True, False, True, True]
    )
    order["rank"] = range(1, len(order) + 1)
    return order.drop(columns="_grave").reset_index(drop=True)


def _warning_id(customer_id: str, rule: str, first_raised: date) -> str:
    text = f"{customer_id}\x1f{rule}\x1f{first_raised.isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _drivers(contributions: pd.DataFrame) -> Iterator[list[str]]:
    """For each row the dimensions that raise its risk most, in words, the largest first."""
    names = [str(name).replace("_", " ") for name in contributions.columns]
    for row in contributions.itertuples(index=False):
        ranked = sorted(zip(row, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
        yield [
            f"{name} multiplies the odds of default by {math.exp(value):.1f}"
            for value, name in ranked[:DIMENSION_REASONS]
            if value > 0.05
        ]


def _pd(night: pd.DataFrame) -> Measure:
    return Measure(night["pd"], lambda value, row: f"the probability of default is {value:.1%}")


def _pd_jump(night: pd.DataFrame) -> Measure:
    return Measure(
        night["log_odds"] - night["previous_log_odds"],
        lambda value, row: (
            f"the odds of default are {math.exp(value):.1f} times the last published ones"
        ),
    )


def _tier_steps(night: pd.DataFrame) -> Measure:
    order = {tier: float(i) for i, tier in enumerate(TIERS)}
    # The type said: where there is no customer, or none with a tier before, pandas keeps words.
    now, before = (night[c].map(order).astype("float64") for c in ("tier", "previous_tier"))
    return Measure(
        now - before,
        lambda value, row: f"the tier fell from {row['previous_tier']} to {row['tier']}",
    )


def _days_past_due(night: pd.DataFrame) -> Measure:
    return Measure(
        night["days_past_due"],
        lambda value, row: f"an instalment is {value:.0f} days past due",
    )


MEASURES: dict[RuleName, Callable[[pd.DataFrame], Measure]] = {
    "pd_above": _pd,
    "pd_jump": _pd_jump,
    "tier_downgrade": _tier_steps,
    "days_past_due_1": _days_past_due,
    "days_past_due_30": _days_past_due,
    "days_past_due_60": _days_past_due,
}
