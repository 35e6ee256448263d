"""What the warning rules bound: a number for each customer, and the sentence that says it."""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.decisions.policy import TIERS, RuleName
from pipeline.features.declaration import Dimension

CONTRIBUTION = "contribution_"
WATCHED_FEATURES = (
    "income_trend_6m",
    "balance_drain_3m",
    "complaints_3m",
    "guarantor_days_past_due",
    "group_days_past_due",
    "industry_outlook_change_6m",
)
"""The features that rules look at."""

Facts = Mapping[Hashable, Any]
Sentence = Callable[[float, Facts], tuple[str, str]]


@dataclass(frozen=True)
class Measure:
    """What a rule bounds.

    Attributes:
        amounts: of a night's customers, in the rule's unit; null where it cannot be told.
        sentence: what an amount says of a customer, given the customer's row: English, Chinese.
    """

    amounts: Callable[[pd.DataFrame], pd.Series]
    sentence: Sentence


def _tier_steps(night: pd.DataFrame) -> pd.Series:
    order = {tier: float(i) for i, tier in enumerate(TIERS)}
    # The type said: where there is no customer, or none with a tier before, pandas keeps words.
    now, before = (
        night[c].map(order).astype("float64") for c in ("model_tier", "previous_model_tier")
    )
    return now - before


def _changes_by_dimension(night: pd.DataFrame) -> pd.DataFrame:
    """What each dimension adds to the log-odds, less what it added on the night before."""
    return pd.DataFrame(
        {
            dimension: night[f"{CONTRIBUTION}{dimension}"]
            - night[f"previous_{CONTRIBUTION}{dimension}"]
            for dimension in Dimension
        },
        index=night.index,
    )


def _worsening_sentence(value: float, row: Facts) -> tuple[str, str]:
    worst = max(
        Dimension,
        key=lambda d: row[f"{CONTRIBUTION}{d}"] - row[f"previous_{CONTRIBUTION}{d}"],
    )
    english = worst.replace("_", " ")
    return (
        f"by {english} alone the odds of default are {math.exp(value):.1f} times the last ones",
        f"{_DIMENSIONS_IN_CHINESE[worst]}使违约几率升至前一晚的{math.exp(value):.1f}倍",
    )


def _days_past_due(night: pd.DataFrame) -> pd.Series:
    return night["days_past_due"].astype("float64")


def _days_sentence(value: float, row: Facts) -> tuple[str, str]:
    return f"an instalment is {value:.0f} days past due", f"有一期还款已逾期{value:.0f}天"


def _unknown_share(night: pd.DataFrame) -> pd.Series:
    return night["data_completeness"].median() - night["data_completeness"]


_DIMENSIONS_IN_CHINESE = {
    Dimension.CREDIT_HISTORY: "信用历史",
    Dimension.REPAYMENT_CAPACITY: "偿债能力",
    Dimension.STABILITY: "稳定性",
    Dimension.PROSPECTS: "发展前景",
    Dimension.RELATIONSHIP: "银行关系",
    Dimension.BEHAVIOUR: "账户行为",
    Dimension.NETWORK: "关联网络",
}

MEASURES: dict[RuleName, Measure] = {
    "pd_above": Measure(
        lambda night: night["pd"],
        lambda value, row: (f"the probability of default is {value:.1%}", f"违约概率为{value:.1%}"),
    ),
    "pd_jump": Measure(
        lambda night: night["log_odds"] - night["previous_log_odds"],
        lambda value, row: (
            f"the odds of default are {math.exp(value):.1f} times the last published ones",
            f"违约几率为上次公布值的{math.exp(value):.1f}倍",
        ),
    ),
    "tier_downgrade": Measure(
        _tier_steps,
        lambda value, row: (
            f"the tier fell from {row['previous_model_tier']} to {row['model_tier']}",
            f"风险等级由{row['previous_model_tier']}下调至{row['model_tier']}",
        ),
    ),
    "days_past_due_1": Measure(_days_past_due, _days_sentence),
    "days_past_due_30": Measure(_days_past_due, _days_sentence),
    "days_past_due_60": Measure(_days_past_due, _days_sentence),
    "dimension_worsening": Measure(
        lambda night: _changes_by_dimension(night).max(axis=1), _worsening_sentence
    ),
    "income_drop": Measure(
        lambda night: 1 - night["income_trend_6m"],
        lambda value, row: (
            f"income is {value:.0%} below that of the 3 months before",
            f"最近3个月收入较此前3个月下降{value:.0%}",
        ),
    ),
    "balance_drain": Measure(
        lambda night: night["balance_drain_3m"],
        lambda value, row: (
            f"balances are {value:.0%} below those of the 9 months before",
            f"最近3个月账户余额较此前9个月下降{value:.0%}",
        ),
    ),
    "complaint_surge": Measure(
        lambda night: night["complaints_3m"],
        lambda value, row: (
            f"{value:.0f} complaints in the last 3 months",
            f"最近3个月投诉{value:.0f}次",
        ),
    ),
    "guarantor_distress": Measure(
        lambda night: night["guarantor_days_past_due"],
        lambda value, row: (
            f"a guarantor is {value:.0f} days past due",
            f"保证人已逾期{value:.0f}天",
        ),
    ),
    "group_distress": Measure(
        lambda night: night["group_days_past_due"],
        lambda value, row: (
            f"a member of the customer's group is {value:.0f} days past due",
            f"集团成员已逾期{value:.0f}天",
        ),
    ),
    "industry_alert": Measure(
        # Of those who owe something: it speaks of whole industries at once.
        lambda night: -night["industry_outlook_change_6m"].where(night["exposure"] > 0),
        lambda value, row: (
            f"the outlook of the industry has lost {value:.1f} points within 6 months",
            f"行业景气指数6个月内下降{value:.1f}点",
        ),
    ),
    "data_gap": Measure(
        _unknown_share,
        lambda value, row: (
            f"{value:.0%} more of the facts than usual are not known",
            f"缺失的数据比一般客户多{value:.0%}",
        ),
    ),
}
