"""Training on cohorts: split by time, and the same model from the same customers."""

import os
import re
import subprocess
import sys
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
from models.training import Cohort, Parts, Trained, bucket_of, split, train
from pipeline.errors import RisklineError
from pipeline.settings import REPOSITORY

DIMENSIONS = {"credit_history": ("arrears", "inquiries"), "stability": ("tenure",)}
MONOTONE = {"arrears": 1, "inquiries": 0, "tenure": -1}
PARAMS = TrainingParams(
    num_trees=20, joint_trees=20, min_data_in_leaf=10, min_defaults=10, num_threads=1
)
DAYS = [date(2023, month, 28) for month in range(1, 7)]


def cohort(day: date, n: int = 300, base: float = -1.5) -> Cohort:
    rng = np.random.default_rng(day.toordinal())
    index = pd.Index([f"c{i:04}" for i in range(n)], name="customer_id")
    features = pd.DataFrame(rng.normal(size=(n, 3)), index=index, columns=list(MONOTONE))
    truth = base + 1.2 * features["arrears"] - 0.7 * features["tenure"]
    is_default = pd.Series(rng.random(n) < 1 / (1 + np.exp(-truth)), index=index)
    return Cohort(day, features.mask(rng.random(features.shape) < 0.1), is_default)


COHORTS = [cohort(day) for day in DAYS]
KNOWN_BUCKETS = [3, 1, 1, 4, 0, 1, 1, 3, 1, 0, 1, 3, 4, 2, 2, 0, 0, 4, 4, 2]


def parts(cohorts: Sequence[Cohort] = COHORTS, held_out: int = 2) -> Parts:
    return split(cohorts, held_out, list(MONOTONE))


def trained(
    cohorts: Sequence[Cohort] = COHORTS, held_out: int = 2, trials: int = 1, **changes: Any
) -> Trained:
    return train(
        parts(cohorts, held_out),
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        params=replace(PARAMS, **changes),
        trials=trials,
    )


ONCE = trained()
NAMES = COHORTS[0].features.index.to_series()
ASIDE, VALIDATION = (set(NAMES[bucket_of(NAMES) == bucket]) for bucket in (0, 1))
FITTED = set(NAMES) - ASIDE - VALIDATION


@pytest.mark.parametrize("held_out", [1, 2, 5])
def test_cohorts_are_parted_by_time_and_customers_by_who_they_are(held_out: int) -> None:
    found = parts(COHORTS[::-1], held_out)
    assert found.training.cohorts == tuple(DAYS[:-held_out])
    assert found.validation.cohorts == found.test.cohorts == tuple(DAYS[-held_out:])
    assert set(found.training.customers) == FITTED
    assert set(found.validation.customers) == VALIDATION
    assert set(found.test.customers) == ASIDE
    assert len(found.training.features) == len(FITTED) * (len(DAYS) - held_out)
    assert len(found.validation.features) == len(VALIDATION) * held_out
    result = trained(COHORTS[::-1], held_out)
    assert result.fitted_cohorts == tuple(DAYS[:-held_out])
    assert result.held_out_cohorts == tuple(DAYS[-held_out:])


def test_each_row_stays_its_customers() -> None:
    found = parts()
    early, late = COHORTS[:-2], COHORTS[-2:]
    for stack, cohorts in ((found.training, early), (found.validation, late), (found.test, late)):
        kept = set(stack.customers)
        rows = [each.features[each.features.index.isin(kept)] for each in cohorts]
        truth = [each.is_default[each.is_default.index.isin(kept)] for each in cohorts]
        assert stack.customers.tolist() == [name for each in rows for name in each.index]
        pd.testing.assert_frame_equal(stack.features, pd.concat(rows, ignore_index=True))
        assert stack.is_default.tolist() == [int(v) for each in truth for v in each]


def test_the_parts_are_even_and_a_customers_part_is_the_same_whoever_else_there_is() -> None:
    names = pd.Series([f"K{i}" for i in range(20_000)])
    buckets = bucket_of(names)
    assert np.bincount(buckets).tolist() == pytest.approx([4_000] * 5, rel=0.05)
    assert np.array_equal(bucket_of(names[::-1]), buckets[::-1])
    # A hash that changed would let models learn from those on whom others were compared.
    assert bucket_of(names[:20]).tolist() == KNOWN_BUCKETS


def test_what_becomes_of_those_set_aside_changes_nothing_that_is_learnt() -> None:
    other = [
        replace(
            each,
            is_default=each.is_default.where(~each.is_default.index.isin(ASIDE), ~each.is_default),
            features=each.features.mask(
                np.repeat(each.features.index.isin(ASIDE)[:, None], 3, axis=1), 9.0
            ),
        )
        for each in COHORTS
    ]
    assert trained(other).model.content_hash == ONCE.model.content_hash


def test_nobody_to_measure_on_is_one_line() -> None:
    good = [
        replace(each, is_default=each.is_default & ~each.is_default.index.isin(ASIDE))
        for each in COHORTS
    ]
    assert re.match(
        r"of the \d+ customers of the latest cohorts that are set aside to measure a model, "
        r"0 defaulted: both kinds are needed",
        refusal(good),
    )


def test_what_is_held_out_never_reaches_the_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[pd.DataFrame, pd.Series]] = []
    fit = DimensionGBM.fit

    def watch(X: pd.DataFrame, y: pd.Series, **others: Any) -> DimensionGBM:
        seen.append((X, y))
        return fit(X, y, **others)

    monkeypatch.setattr(DimensionGBM, "fit", watch)
    trained()
    kept = [each.features.index.isin(FITTED) for each in COHORTS[:-2]]
    early = list(zip(COHORTS[:-2], kept, strict=True))
    (X, y) = seen[0]
    pd.testing.assert_frame_equal(
        X, pd.concat([each.features[fitted] for each, fitted in early], ignore_index=True)
    )
    assert y.tolist() == [int(v) for each, fitted in early for v in each.is_default[fitted]]


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


def test_the_number_of_threads_does_not_change_the_model() -> None:
    assert trained(num_threads=2).model.to_json() == ONCE.model.to_json()


def test_columns_that_no_dimension_names_do_not_matter() -> None:
    wider = [
        Cohort(each.as_of, each.features.assign(segment="sme"), each.is_default) for each in COHORTS
    ]
    assert trained(wider).model.content_hash == ONCE.model.content_hash


def test_the_model_is_calibrated_on_the_later_cohorts() -> None:
    late = parts().validation
    found = ONCE.model.explain(late.features).default_probability
    assert found.mean() == pytest.approx(late.is_default.mean(), abs=1e-6)


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
    # The number of trees is chosen on the later cohorts too.
    learnt = [
        replace(each, is_default=each.is_default.where(each.is_default.index.isin(ASIDE), outcome))
        for each in COHORTS
    ]
    assert refusal([*COHORTS[:-2], *learnt[-2:]]) == f"the validation {expected}"


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
    monotone = {**MONOTONE, **extra}
    result = train(
        split(cohorts, 2, list(monotone)),
        dimensions={**DIMENSIONS, "network": tuple(extra)},
        monotone=monotone,
        params=PARAMS,
    )
    assert result.constant_features == ("absent", "same")
    assert ONCE.constant_features == ()
    features = pd.concat([each.features for each in cohorts])
    moved = features.assign(absent=1.0, same=-3.0)
    before, after = (result.model.explain(each).log_odds for each in (features, moved))
    assert np.array_equal(before, after)


def test_labels_of_other_customers_are_refused() -> None:
    odd = COHORTS[0]
    with pytest.raises(ValueError, match="2023-01-28"):
        Cohort(odd.as_of, odd.features, odd.is_default.iloc[1:])
    with pytest.raises(ValueError, match="2023-01-28"):
        Cohort(odd.as_of, odd.features, odd.is_default.rename(lambda name: f"x{name}"))


TWO_AT_ONCE = """
import time
import models.growing
import lightgbm as lgb
import numpy as np

X = np.random.default_rng(0).normal(size=(20_000, 40))
rows = lgb.Dataset(X, X[:, 0] > 0)
params = {"objective": "binary", "num_threads": 2, "verbose": -1, "force_row_wise": True}
began = time.perf_counter()
lgb.train(params, rows, 50)
print(time.perf_counter() - began)
"""


def test_trainings_at_once_do_not_wait_by_spinning() -> None:
    environment = {name: to for name, to in os.environ.items() if name != "OMP_WAIT_POLICY"}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", TWO_AT_ONCE],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    # Less than a second each on two idle cores; spinning, they take a minute.
    assert all(float(each.communicate(timeout=120)[0]) < 15 for each in running)
