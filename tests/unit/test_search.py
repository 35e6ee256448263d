"""The search for parameters: no worse than what it sets out from, and the same every time."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.dimension_gbm import DimensionGBM, TrainingParams
from models.search import Searched, search
from pipeline.errors import RisklineError
from tests.unit.test_training import COHORTS, DIMENSIONS, MONOTONE, PARAMS, parts, trained

START = replace(PARAMS, joint_trees=0, num_leaves=4)


def searched(trials: int, params: TrainingParams = START) -> Searched:
    rows = parts()
    return search(
        rows.training.features,
        rows.training.is_default,
        rows.validation.features,
        rows.validation.is_default,
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        params=params,
        trials=trials,
    )


@cache
def found() -> Searched:
    return searched(6)


def fitted(params: TrainingParams) -> float:
    """The log-loss of the later cohorts, by a model fitted for itself."""
    rows = parts()
    model = DimensionGBM.fit(
        rows.training.features,
        rows.training.is_default,
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        params=params,
        X_valid=rows.validation.features,
        y_valid=rows.validation.is_default,
    )
    log_odds = model.explain(rows.validation.features).log_odds
    truth = rows.validation.is_default.to_numpy()
    return float(np.mean(np.logaddexp(0, (1 - 2 * truth) * log_odds)))


def test_the_given_parameters_are_tried_first_and_the_best_are_no_worse() -> None:
    first, *others = found().trials
    assert len(others) == 5
    given = (START.num_leaves, START.min_data_in_leaf, START.lambda_l2, START.feature_fraction)
    assert given == (
        first.num_leaves, first.min_data_in_leaf, first.lambda_l2, first.feature_fraction,
    )  # fmt: skip
    best = min(found().trials, key=lambda trial: trial.log_loss)
    chosen = found().best
    assert (chosen.num_leaves, chosen.lambda_l2) == (best.num_leaves, best.lambda_l2)
    assert len({trial.lambda_l2 for trial in found().trials}) > 3


def test_what_is_not_searched_for_stays() -> None:
    changed = {
        name: getattr(START, name)
        for name in ("num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction")
    }
    assert replace(found().best, **changed) == START


def test_a_trials_loss_is_that_of_a_model_fitted_for_itself() -> None:
    assert found().trials[0].log_loss == pytest.approx(fitted(START), abs=1e-9)
    best = min(trial.log_loss for trial in found().trials)
    assert best == pytest.approx(fitted(found().best), abs=1e-9)


def test_the_same_rows_give_the_same_trials_on_any_number_of_threads() -> None:
    assert searched(6) == found()
    assert searched(6, replace(START, num_threads=2)).trials == found().trials


def test_with_one_trial_nothing_is_searched() -> None:
    assert searched(1) == Searched(START, ())


@pytest.mark.parametrize(
    "odd", [{"lambda_l2": 0.0}, {"min_data_in_leaf": 0}, {"num_leaves": 2}, {"lambda_l2": 1e4}]
)
def test_any_parameters_may_be_set_out_from(odd: dict[str, Any]) -> None:
    assert len(searched(2, replace(START, **odd)).trials) == 2


def test_training_uses_what_was_found() -> None:
    result = trained(trials=4)
    assert len(result.trials) == 4
    best = min(result.trials, key=lambda trial: trial.log_loss)
    assert result.model.params.min_data_in_leaf == best.min_data_in_leaf
    assert trained(trials=4).model.content_hash == result.model.content_hash


def test_rows_that_no_model_can_learn_from_are_one_line() -> None:
    good = [replace(each, is_default=each.is_default & False) for each in COHORTS[:-2]]
    with pytest.raises(RisklineError) as caught:
        trained([*good, *COHORTS[-2:]], trials=3)
    assert re.match("the training labels are all 0", str(caught.value))
