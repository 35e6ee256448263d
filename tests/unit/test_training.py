"""Training on cohorts: split by time, and the same model from the same customers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dimension_gbm import DimensionGBM, TrainingParams
from models.training import Cohort, Trained, train
from pipeline.errors import RisklineError

DIMENSIONS = {"credit_history": ("arrears", "inquiries"), "stability": ("tenure",)}
MONOTONE = {"arrears": 1, "inquiries": 0, "tenure": -1}
PARAMS = TrainingParams(num_trees=20, joint_trees=20, min_data_in_leaf=10, num_threads=1)
DAYS = [date(2023, month, 28) for month in range(1, 7)]


def cohort(day: date, n: int = 300, base: float = -1.5) -> Cohort:
    rng = np.random.default_rng(day.toordinal())
    index = pd.Index([f"c{i:04}" for i in range(n)], name="customer_id")
    features = pd.DataFrame(rng.normal(size=(n, 3)), index=index, columns=list(MONOTONE))
    truth = base + 1.2 * features["arrears"] - 0.7 * features["tenure"]
    is_default = pd.Series(rng.random(n) < 1 / (1 + np.exp(-truth)), index=index)
    return Cohort(day, features.mask(rng.random(features.shape) < 0.1), is_default)


COHORTS = [cohort(day) for day in DAYS]


def trained(cohorts: Sequence[Cohort] = COHORTS, held_out: int = 2, **changes: Any) -> Trained:
    return train(
        cohorts,
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        held_out_cohorts=held_out,
        params=replace(PARAMS, **changes),
    )


ONCE = trained()


@pytest.mark.parametrize("held_out", [1, 2, 5])
def test_the_latest_cohorts_are_held_out(held_out: int) -> None:
    result = trained(COHORTS[::-1], held_out)
    assert result.fitted_cohorts == tuple(DAYS[:-held_out])
    assert result.held_out_cohorts == tuple(DAYS[-held_out:])
    late = COHORTS[-held_out:]
    assert result.held_out.rows == sum(len(each.features) for each in late)
    assert result.held_out.defaults == sum(int(each.is_default.sum()) for each in late)


def test_what_is_held_out_never_reaches_the_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[pd.DataFrame, pd.Series]] = []
    fit = DimensionGBM.fit

    def watch(X: pd.DataFrame, y: pd.Series, **others: Any) -> DimensionGBM:
        seen.append((X, y))
        return fit(X, y, **others)

    monkeypatch.setattr(DimensionGBM, "fit", watch)
    trained()
    early = COHORTS[:-2]
    (X, y) = seen[0]
    pd.testing.assert_frame_equal(
        X, pd.concat([each.features for each in early], ignore_index=True)
    )
    assert y.tolist() == [int(value) for each in early for value in each.is_default]


def test_held_out_customers_choose_how_many_trees_but_not_which() -> None:
    # One tree at most, so that nothing is left to choose.
    rng = np.random.default_rng(1)
    other = [
        *COHORTS[:-2],
        *(
            Cohort(
                each.as_of, each.features + rng.normal(size=each.features.shape), each.is_default
            )
            for each in COHORTS[-2:]
        ),
    ]
    one, another = (
        trained(cohorts, num_trees=1, joint_trees=0).model for cohorts in (COHORTS, other)
    )
    assert one.trees == another.trees
    assert one.raw_intercept == another.raw_intercept
    assert one.slope != another.slope


@settings(max_examples=8)
@given(st.permutations(range(len(COHORTS))), st.integers(0, 99))
def test_no_order_of_cohorts_customers_or_columns_changes_the_model(
    order: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shuffled = []
    for place in order:
        each = COHORTS[place]
        rows, labels = rng.permutation(len(each.features)), rng.permutation(len(each.features))
        columns = rng.permutation(list(MONOTONE))
        features = each.features.iloc[rows][list(columns)]
        # The labels in yet another order: the customer's id tells whose they are.
        shuffled.append(Cohort(each.as_of, features, each.is_default.iloc[labels]))
    again = trained(shuffled)
    assert again.model.content_hash == ONCE.model.content_hash
    assert again.held_out == ONCE.held_out


def test_the_number_of_threads_does_not_change_the_model() -> None:
    assert trained(num_threads=2).model.to_json() == ONCE.model.to_json()


def test_columns_that_no_dimension_names_do_not_matter() -> None:
    wider = [
        Cohort(each.as_of, each.features.assign(segment="sme"), each.is_default) for each in COHORTS
    ]
    assert trained(wider).model.content_hash == ONCE.model.content_hash


def test_the_model_ranks_and_is_calibrated_on_what_it_has_not_seen() -> None:
    assert ONCE.held_out.auc.lower > 0.6
    assert ONCE.held_out.mean_pd == pytest.approx(ONCE.held_out.default_rate, abs=1e-6)


def refusal(cohorts: Sequence[Cohort], held_out: int = 2) -> str:
    with pytest.raises(RisklineError) as caught:
        trained(cohorts, held_out)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("there", [0, 1, 2])
def test_too_few_cohorts_are_one_line(there: int) -> None:
    assert refusal(COHORTS[:there]).startswith(
        f"training needs more than 2 cohorts with a full horizon, there are {there}; "
    )


def test_too_few_defaults_are_one_line_wherever_they_are_too_few() -> None:
    few = [cohort(day, base=-6.0) for day in DAYS]
    assert re.match(r"the training rows hold \d+ defaults", refusal([*few[:-2], *COHORTS[-2:]]))
    assert re.match(r"the calibration rows hold \d+ defaults", refusal([*COHORTS[:-2], *few[-2:]]))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda cohort: replace(cohort, features=cohort.features.drop(columns="tenure")),
            "the cohort of 2023-02-28 lacks features: tenure",
        ),
        (
            lambda cohort: replace(cohort, features=cohort.features.assign(tenure="long")),
            "the training rows hold features that are not numbers: tenure (object)",
        ),
        (
            lambda cohort: replace(cohort, features=cohort.features.assign(tenure=np.inf)),
            "the training rows hold infinite values: tenure",
        ),
    ],
)
def test_a_cohort_with_a_feature_amiss_is_one_line(
    spoil: Callable[[Cohort], Cohort], says: str
) -> None:
    assert refusal([COHORTS[0], spoil(COHORTS[1]), *COHORTS[2:]]) == says


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_only_is_one_line(outcome: int) -> None:
    same = [replace(each, is_default=each.is_default * 0 + outcome) for each in COHORTS]
    expected = f"labels are all {outcome}: both classes are needed to learn"
    assert refusal([*same[:-2], *COHORTS[-2:]]) == f"the training {expected}"
    # The number of trees is chosen on the held-out cohorts too.
    assert refusal([*COHORTS[:-2], *same[-2:]]) == f"the validation {expected}"


def test_features_that_never_vary_are_named_and_change_nothing() -> None:
    """A source may lack a whole table, so its features are missing for everybody."""
    rng = np.random.default_rng(3)
    cohorts = [
        replace(
            each,
            features=each.features.assign(
                absent=np.nan,
                same=7.0,
                # One value, but not everybody has it: that may say something.
                some=np.where(rng.random(len(each.features)) < 0.5, 1.0, np.nan),
            ),
        )
        for each in COHORTS
    ]
    # Only what the model was fitted to counts: it cannot learn from a later cohort.
    cohorts[-1].features["same"] = 8.0
    extra = {"absent": 0, "same": 1, "some": 0}
    result = train(
        cohorts,
        dimensions={**DIMENSIONS, "network": tuple(extra)},
        monotone={**MONOTONE, **extra},
        held_out_cohorts=2,
        params=PARAMS,
    )
    assert result.constant_features == ("absent", "same")
    assert ONCE.constant_features == ()
    features = pd.concat([each.features for each in cohorts])
    moved = features.assign(absent=1.0, same=-3.0)
    before, after = (result.model.explain(each).log_odds for each in (features, moved))
    assert np.array_equal(before, after)


def test_the_joint_effects_share_is_that_of_the_held_out_cohorts() -> None:
    result = trained(num_trees=5, joint_standard_errors=0.0)
    held_out = pd.concat([each.features for each in COHORTS[-2:]])
    explained = result.model.explain(held_out)
    parts = explained.contributions.assign(joint=explained.joint_effect)
    shares = [np.cov(parts[name], explained.log_odds)[0, 1] for name in parts]
    assert sum(shares) == pytest.approx(np.var(explained.log_odds, ddof=1))
    assert result.joint_variance_share == pytest.approx(shares[-1] / sum(shares))
    assert result.joint_variance_share > 0.01


def test_labels_of_other_customers_are_refused() -> None:
    odd = COHORTS[0]
    with pytest.raises(ValueError, match="2023-01-28"):
        Cohort(odd.as_of, odd.features, odd.is_default.iloc[1:])
    with pytest.raises(ValueError, match="2023-01-28"):
        Cohort(odd.as_of, odd.features, odd.is_default.rename(lambda name: f"x{name}"))
