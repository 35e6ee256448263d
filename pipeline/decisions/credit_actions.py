"""What is proposed for each customer's credit, and why."""

import numpy as np
import pandas as pd

from pipeline.decisions.policy import CreditAction, CreditRule, Policy, Severity
from pipeline.decisions.warning_life import OPEN
from pipeline.decisions.warnings import SEVERITIES

HOLD_REASON = "Nothing asks for a change."


def credit_actions(
    night: pd.DataFrame, warnings: pd.DataFrame, debts: pd.DataFrame, policy: Policy
) -> pd.DataFrame:
    """One action for each customer who owes anything or has a credit line.

    Args:
        night: by customer_id, with tier and days_past_due.
        warnings: of the night, with customer_id, severity and status.
        debts: a row for each loan: customer_id, owed, collateral_value and credit_limit (null for
            what is no credit line).
        policy: its credit rules; the first that applies counts.

    Returns:
        customer_id, action, current_limit and proposed_limit (money, null without a credit line)
        and reason. A frozen line is proposed to end where it is drawn to.
    """
    lines = debts["credit_limit"].notna()
    per_loan = debts.assign(drawn=debts["owed"].where(lines, 0.0))
    sums = per_loan.groupby("customer_id")[["owed", "drawn", "collateral_value"]].sum()
    # min_count: the sum of no limits is none, and not a limit of 0.
    limit = debts.groupby("customer_id")["credit_limit"].sum(min_count=1)
    found = night.loc[night.index.isin(sums.index), ["tier", "days_past_due"]].join(sums)
    found["current_limit"] = limit.reindex(found.index).astype("float64")
    found["gravest"] = _gravest(warnings).reindex(found.index)
    found["action"], found["reason"] = CreditAction.HOLD.value, HOLD_REASON
    found["proposed_limit"] = found["current_limit"]
    undecided = pd.Series(data=True, index=found.index)
    for rule in policy.credit_rules:
        applies = undecided & _applies(rule, found)
        found.loc[applies, ["action", "reason"]] = [rule.action.value, rule.reason]
        proposed = (found["current_limit"] * rule.limit_pct / 100).round(2)
        if rule.action is CreditAction.FREEZE:
            proposed = found[["drawn", "current_limit"]].min(axis=1, skipna=False)
        found["proposed_limit"] = found["proposed_limit"].where(~applies, proposed)
        undecided &= ~applies
    columns = ["action", "current_limit", "proposed_limit", "reason"]
    return found[columns].rename_axis("customer_id").reset_index()


def _gravest(warnings: pd.DataFrame) -> pd.Series:
    """The place in SEVERITIES of the gravest open warning, by customer_id."""
    is_open = warnings["status"].isin({status.value for status in OPEN})
    places = warnings["severity"].map({s.value: float(i) for i, s in enumerate(SEVERITIES)})
    return places[is_open].groupby(warnings["customer_id"][is_open]).max()


def _applies(rule: CreditRule, found: pd.DataFrame) -> pd.Series:
    applies = found["tier"].isin(rule.tiers) & (found["days_past_due"] >= rule.days_past_due_from)
    if rule.warning is not None:
        applies &= found["gravest"] >= SEVERITIES.index(Severity(rule.warning))
    if rule.is_without_warning:
        applies &= found["gravest"].isna()
    if rule.is_with_line:
        applies &= found["current_limit"].notna()
    if rule.utilisation_from > 0:
        applies &= found["drawn"] >= rule.utilisation_from * found["current_limit"]
    if np.isfinite(rule.cover_below):
        cover = rule.cover_below * found["owed"]
        applies &= (found["collateral_value"] > 0) & (found["collateral_value"] < cover)
    return applies
