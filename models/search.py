"""A small search for boosting parameters, judged on later cohorts than the fitted ones."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from models.growing import TrainingParams, validation_loss
from models.learning_rows import learning_rows

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """A set of parameters, and the mean log-loss on the later rows where stopping found it best."""

    num_leaves: int
    min_data_in_leaf: int
    lambda_l2: float
    feature_fraction: float
    log_loss: float


@dataclass(frozen=True)
class Searched:
    """What was tried, in order, and the parameters to train with."""

    best: TrainingParams
    trials: tuple[Trial, ...]


def search(
    X: pd.DataFrame,
    y: pd.Series,
    X_late: pd.DataFrame,
    y_late: pd.Series,
    *,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
    trials: int,
) -> Searched:
    """Try sets of parameters around the given ones, by the tree-structured Parzen estimator.

    The given ones are tried first, so the best are no worse than they are on the later rows. A
    trial grows the first stage alone, which takes most of the time and says most. The same rows
    and seed give the same trials (Bergstra et al. 2011, "Algorithms for Hyper-Parameter
    Optimization", as Optuna has it).

    Args:
        X: features of the rows to fit to.
        y: 0 or 1 for each.
        X_late: features of later rows, by whose log-loss a trial is judged.
        y_late: 0 or 1 for each.
        dimensions: the features of each dimension.
        monotone: direction of each feature.
        params: to set out from.
        trials: how many sets are tried; with fewer than two the given ones are the best untried.

    Raises:
        RisklineError: as `models.dimension_gbm.DimensionGBM.fit` has it.
    """
    if trials < 2:
        return Searched(params, ())
    # Its import takes half a second.
    import optuna

    learning = learning_rows(X, y, X_late, y_late, dimensions, monotone, params.min_defaults)
    loss_of = validation_loss(learning, dimensions, monotone, params)
    tried: list[Trial] = []

    def objective(trial: "optuna.Trial") -> float:
        chosen = replace(
            params,
            num_leaves=trial.suggest_int(
                "num_leaves", max(2, params.num_leaves // 2), 4 * params.num_leaves, log=True
            ),
            min_data_in_leaf=trial.suggest_int(
                "min_data_in_leaf",
                params.min_data_in_leaf // 4,
                max(1, 4 * params.min_data_in_leaf),
            ),
            lambda_l2=trial.suggest_float("lambda_l2", 0.0, max(10.0, 4 * params.lambda_l2)),
            feature_fraction=trial.suggest_float(
                "feature_fraction", params.feature_fraction / 2, params.feature_fraction
            ),
        )
        loss = loss_of(chosen)
        tried.append(Trial(**trial.params, log_loss=loss))
        return loss

    logging.getLogger("optuna").setLevel(logging.WARNING)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The first third at random; the estimator then looks where that was good.
    sampler = optuna.samplers.TPESampler(
        seed=params.seed, n_startup_trials=min(10, max(2, trials // 3))
    )
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(
        {
            "num_leaves": params.num_leaves,
            "min_data_in_leaf": params.min_data_in_leaf,
            "lambda_l2": params.lambda_l2,
            "feature_fraction": params.feature_fraction,
        }
    )
    study.optimize(objective, n_trials=trials)
    return Searched(replace(params, **study.best_params), tuple(tried))
