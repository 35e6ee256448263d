"""Scores, tiers, asset classes and expected losses from a PD, days past due and exposure."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.decisions.policy import ARREARS, TIERS, Policy


def score_of(log_odds: NDArray[np.float64], policy: Policy) -> NDArray[np.int64]:
    """Points on the 0 to 1000 scale; higher is safer.

    score = base + pdo / ln 2 * (ln(odds of paying) - ln(base odds)), rounded and held within the
    scale (Siddiqi, Credit Risk Scorecards, 2006, chapter 6).

    Args:
        log_odds: of default, shape (n,).
        policy: gives the scale.
    """
    factor = policy.points_to_double_odds / np.log(2)
    points = policy.score_at_base_odds + factor * (-log_odds - np.log(policy.score_base_odds))
    clipped: NDArray[np.int64] = np.clip(np.rint(points), 0, 1000).astype(np.int64)
    return clipped


def tier_of(
    default_probability: NDArray[np.float64], previous: pd.Series, policy: Policy
) -> NDArray[np.object_]:
    """The tier of each customer, held in the previous night's unless the PD has left it clearly.

    Args:
        default_probability: shape (n,).
        previous: tier of the night before, null for a customer without one; shape (n,).
        policy: gives the bounds and the hysteresis.

    Returns:
        Letters A to E, shape (n,).
    """
    uppers = np.array([policy.tier_pd_upper_bounds[tier] for tier in TIERS])
    lowers = np.concatenate([[0.0], uppers[:-1]])
    now = np.searchsorted(uppers, default_probability, side="left")
    before = previous.map({tier: i for i, tier in enumerate(TIERS)}).to_numpy(np.float64)
    has_tier = ~np.isnan(before)
    held = np.where(has_tier, before, 0).astype(np.int64)
    margin = policy.tier_hysteresis_pct / 100
    is_inside = (default_probability <= uppers[held] * (1 + margin)) & (
        default_probability > lowers[held] * (1 - margin)
    )
    # PD 0 lies in A, whatever the margin makes of its lower bound.
    is_inside |= (held == 0) & (default_probability <= uppers[0] * (1 + margin))
    return np.array(TIERS, dtype=object)[np.where(has_tier & is_inside, held, now)]


def asset_class_of(days_past_due: NDArray[np.int64], policy: Policy) -> NDArray[np.object_]:
    """The asset class of each customer.

    Args:
        days_past_due: of the oldest unpaid instalment, 0 where nothing is; shape (n,).
        policy: gives the bounds.
    """
    starts = np.array([policy.asset_class_days_past_due[name] for name in ARREARS])
    return np.array(["normal", *ARREARS], dtype=object)[
        np.searchsorted(starts, days_past_due, side="right")
    ]


def loss_given_default_of(debts: pd.DataFrame, policy: Policy) -> pd.Series:
    """Share of a customer's debt that is lost on default, by what secures it.

    Of each loan, what the collateral covers after its haircut is lost at the rate of its type, and
    the rest at the rate of debt that nothing secures (Basel Committee, CRE32.12, without its
    scaling of the exposure, since a cash loan has no haircut of its own).

    Args:
        debts: a row for each of a customer's loans: customer_id, owed, collateral_type (null
            where nothing secures it) and collateral_value.
        policy: gives the terms of each type.

    Returns:
        By customer_id, between 0 and 1, of each customer who owes anything.
    """
    debts = debts[debts["owed"] > 0]
    terms = {
        name: (t.haircut_pct, t.loss_given_default) for name, t in policy.collateral_terms.items()
    }
    unsecured = policy.loss_given_default
    haircut = debts["collateral_type"].map({name: pct for name, (pct, _) in terms.items()})
    rate = debts["collateral_type"].map({name: lgd for name, (_, lgd) in terms.items()})
    trusted = debts["collateral_value"] * (1 - haircut.astype("float64").fillna(100) / 100)
    secured = np.minimum(debts["owed"], trusted)
    lost = (
        secured * rate.astype("float64").fillna(unsecured) + (debts["owed"] - secured) * unsecured
    )
    sums = pd.DataFrame({"lost": lost, "owed": debts["owed"]}).groupby(debts["customer_id"]).sum()
    return sums["lost"] / sums["owed"]


def expected_loss_of(
    default_probability: NDArray[np.float64],
    loss_given_default: NDArray[np.float64],
    exposure: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What is to be lost on each customer within the horizon, in the money of the exposure.

    Args:
        default_probability: shape (n,).
        loss_given_default: share of the exposure, shape (n,).
        exposure: what the customer owes, shape (n,).
    """
    return default_probability * loss_given_default * exposure
