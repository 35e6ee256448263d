"""Everything that is decided on a night, from the PDs to the proposals for credit."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date

import pandas as pd

from pipeline.decisions.credit_actions import credit_actions
from pipeline.decisions.measures import CONTRIBUTION
from pipeline.decisions.overrides import with_overrides
from pipeline.decisions.policy import Policy
from pipeline.decisions.portfolio import portfolio_summary
from pipeline.decisions.tiers import (
    asset_class_of,
    expected_loss_of,
    loss_given_default_of,
    score_of,
    tier_of,
)
from pipeline.decisions.warning_life import Answer
from pipeline.decisions.warnings import Why, warning_list
from pipeline.features.declaration import Dimension


@dataclass(frozen=True)
class Past:
    """What a night goes on from.

    Attributes:
        customers: of the night published before, by customer_id: tier, model_tier, tier_since,
            log_odds, model_version and the contributions.
        warnings: its warning list.
        answers: what officers said to those warnings up to the close of the night, by warning_id.
        overrides: tiers that officers set, as `with_overrides` takes them.
    """

    customers: pd.DataFrame
    warnings: pd.DataFrame
    answers: Mapping[str, AbstractSet[Answer]]
    overrides: pd.DataFrame

    @property
    def said_by_officers(self) -> dict[str, str]:
        """All that officers said which bears on the night, in words that tell it apart."""
        answers = {warning: ",".join(sorted(said)) for warning, said in self.answers.items()}
        overrides = {
            f"tier of {row['customer_id']} at {row['at'].astimezone(UTC)}": str(row["tier"])
            for row in self.overrides.to_dict("records")
        }
        return answers | overrides


@dataclass(frozen=True)
class Decisions:
    """What is decided, by customer, warning, customer with credit, and segment and tier."""

    customers: pd.DataFrame
    warnings: pd.DataFrame
    credit_actions: pd.DataFrame
    portfolio: pd.DataFrame


def decide_night(
    scored: pd.DataFrame, debts: pd.DataFrame, past: Past, as_of: date, policy: Policy, why: Why
) -> Decisions:
    """Put customers in tiers, raise and end warnings, and propose what to do about credit.

    Args:
        scored: by customer_id: pd, log_odds, contribution_<dimension>, exposure, days_past_due,
            data_completeness, model_version, and the features that warning rules look at.
        debts: a row for each loan of which something is owed, and each running credit line:
            customer_id, owed, collateral_type, collateral_value and credit_limit.
        past: what the night goes on from.
        as_of: the night.
        policy: in force on the night.
        why: what raises the risk of some customers most.
    """
    night = scored.join(past.customers.add_prefix("previous_"))
    # Another model sees everybody with other eyes: what changed is not the customer.
    is_same_model = night["model_version"] == night["previous_model_version"]
    compared = [f"previous_{c}" for c in ("log_odds", *(CONTRIBUTION + d for d in Dimension))]
    night[compared] = night[compared].astype("float64").where(is_same_model)
    lost = loss_given_default_of(debts, policy).reindex(night.index)
    night["loss_given_default"] = lost.fillna(policy.loss_given_default)
    night["expected_loss"] = expected_loss_of(
        night["pd"].to_numpy(), night["loss_given_default"].to_numpy(), night["exposure"].to_numpy()
    )
    night["score"] = score_of(night["log_odds"].to_numpy(), policy)
    night["model_tier"] = tier_of(night["pd"].to_numpy(), night["previous_model_tier"], policy)
    tiers = with_overrides(night["model_tier"], past.overrides)
    night["tier"], night["is_overridden"] = tiers.tier, tiers.is_overridden
    night["asset_class"] = asset_class_of(night["days_past_due"].to_numpy(), policy)
    has_stayed = night["tier"] == night["previous_tier"]
    night["tier_since"] = night["previous_tier_since"].where(has_stayed, as_of)
    warnings = warning_list(night, past.warnings, past.answers, as_of, policy, why)
    actions = credit_actions(night, warnings, debts, policy)
    portfolio = portfolio_summary(night, policy)
    return Decisions(night.reset_index(), warnings, actions, portfolio)
