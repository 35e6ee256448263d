"""Growing the trees: what an analyst may choose, and what makes the model what it says it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np

from models.tree_text import leaf_values
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

# What an analyst may not choose: these make the model what it says it is.
_FIXED: dict[str, object] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "boosting": "gbdt",
    # Together these give the same sums, hence the same bytes, on any number of threads.
    "deterministic": True,
    "force_row_wise": True,
    # The base rate is passed as the initial score, so that no leaf hides it.
    "boost_from_average": False,
    # Otherwise min_data_in_leaf would decide, out of sight, which features exist.
    "feature_pre_filter": False,
    "verbosity": -1,
}
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class TrainingParams:
    """How the trees are grown; names and meanings are LightGBM's unless said otherwise.

    Attributes:
        num_trees: At most so many trees that keep to one dimension; early stopping may keep fewer.
        joint_trees: At most so many trees of the joint stage, which comes after them; 0 for none.
        learning_rate: The share of each tree's step that is taken.
        num_leaves: Leaves in one tree at most, 2 or more.
        min_data_in_leaf: Training customers in a leaf at least.
        lambda_l2: Ridge penalty on leaf values.
        feature_fraction: The share of the features that a tree is offered.
        max_bin: Histogram bins of a feature at most.
        early_stopping_rounds: Trees without a better log-loss on the validation rows before
            training stops. Without validation rows all trees are grown.
        joint_standard_errors: Our own: the joint stage keeps the fewest trees whose log-loss on
            the validation rows is within so many standard errors of the best.
        min_defaults: Our own: training and calibration rows with fewer defaults are refused.
        seed: Seed of LightGBM's random numbers.
        num_threads: Threads for training, 0 for all cores. It changes the time, never the model,
            and is no part of the model's text.
    """

    num_trees: int = 300
    joint_trees: int = 300
    learning_rate: float = 0.05
    num_leaves: int = 8
    min_data_in_leaf: int = 50
    lambda_l2: float = 1.0
    feature_fraction: float = 1.0
    max_bin: int = 255
    early_stopping_rounds: int = 50
    joint_standard_errors: float = 1.0
    min_defaults: int = 20
    seed: int = 20240229
    num_threads: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for name, least in (
            ("num_trees", 1),
            ("joint_trees", 0),
            ("num_leaves", 2),
            ("early_stopping_rounds", 1),
            ("joint_standard_errors", 0),
            ("min_defaults", 1),
            ("num_threads", 0),
        ):
            if getattr(self, name) < least:
                raise RisklineError(f"{name} must be {least} or more, not {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Rows:
    """Customers to learn from, or to stop on.

    Attributes:
        matrix: (n, features) float64.
        labels: (n,) 1 for default, 0 for none.
    """

    matrix: NDArray[np.float64]
    labels: NDArray[np.float64]


def grow(
    rows: Rows,
    valid: Rows | None,
    base: float,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> list[str]:
    """Grow trees within one dimension each, then the joint stage, which may combine dimensions.

    The joint stage sets out from what the first stage says of each row, under the same directions
    of risk: a sum of trees that rise with a feature rises with it too. It is left out where fewer
    than two dimensions have features, for then there is nothing to combine.

    Args:
        rows: Training rows, the features in the dimensions' order.
        valid: Rows for early stopping, if any.
        base: Log-odds from which the first stage sets out.
        dimensions: Dimension to its features.
        monotone: Feature to +1, -1 or 0; 0 where it is not named.
        params: How to grow the trees.

    Returns:
        LightGBM's model text of each stage that keeps a tree, in their order.

    Raises:
        RisklineError: LightGBM refuses the parameters.
    """
    names = [feature for features in dimensions.values() for feature in features]
    place = {name: index for index, name in enumerate(names)}
    together = [[place[name] for name in features] for features in dimensions.values() if features]
    settings = _settings(params, [monotone.get(name, 0) for name in names], len(rows.labels))

    train = lgb.Dataset(
        rows.matrix,
        rows.labels,
        init_score=np.full(len(rows.labels), base),
        feature_name=names,
        params=settings,
    )
    watched: lgb.Dataset | None = None
    if valid is not None:
        start = np.full(len(valid.labels), base)
        watched = train.create_valid(valid.matrix, valid.labels, init_score=start)
    separate = _boost(
        {**settings, "interaction_constraints": together}, train, watched, params.num_trees, params
    )
    # best_iteration is 0 without early stopping, which LightGBM reads as "all trees".
    stages = [separate.model_to_string(num_iteration=separate.best_iteration)]
    if params.joint_trees == 0 or len(together) < 2:
        return stages

    def reached(each: Rows) -> NDArray[np.float64]:
        raw = separate.predict(each.matrix, raw_score=True, num_threads=params.num_threads)
        return base + np.asarray(raw, dtype=np.float64)

    # The same bins once more: they cost more memory than all else.
    train.set_init_score(reached(rows))
    if valid is not None and watched is not None:
        start = reached(valid)
        watched.set_init_score(start)
    joint = _boost(settings, train, watched, params.joint_trees, params)
    kept = joint.num_trees() if valid is None else fewest_trees(joint, valid, start, params)
    if kept:
        stages.append(joint.model_to_string(num_iteration=kept))
    return stages


def fewest_trees(
    booster: lgb.Booster, valid: Rows, start: NDArray[np.float64], params: TrainingParams
) -> int:
    """The fewest trees that predict the validation rows about as well as the best number does.

    About as well: the mean log-loss is higher by no more than ``joint_standard_errors`` standard
    errors of the mean difference between the two, row by row (the one-standard-error rule of
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, section
    7.10, with the errors of paired differences).

    Args:
        booster: Trees, with the iteration at which early stopping found them best.
        valid: The validation rows.
        start: (n,) log-odds from which the trees set out on these rows.
        params: Of the training.

    Returns:
        The number of trees, 0 where none is worth it.
    """
    best = booster.best_iteration or booster.num_trees()
    values = leaf_values(booster.model_to_string(num_iteration=best))
    wrong_way = 1.0 - 2.0 * valid.labels
    total, squares = np.zeros(best + 1), np.zeros(best + 1)
    for at in range(0, len(start), _ROWS_AT_ONCE):
        part = slice(at, at + _ROWS_AT_ONCE)
        leaves = np.asarray(
            booster.predict(
                valid.matrix[part],
                pred_leaf=True,
                num_iteration=best,
                num_threads=params.num_threads,
            )
        ).reshape(-1, best)
        steps = [tree[leaf] for tree, leaf in zip(values, leaves.T, strict=True)]
        # (trees kept + 1, rows): the log-odds with no tree, with one, and so on.
        log_odds = np.cumsum(np.vstack([start[part], *steps]), axis=0)
        losses = np.logaddexp(0.0, wrong_way[part] * log_odds)
        excess = losses - losses[-1]
        total += excess.sum(axis=1)
        squares += (excess**2).sum(axis=1)
    mean = total / len(start)
    error = np.sqrt(np.maximum(squares / len(start) - mean**2, 0.0) / len(start))
    return int(np.argmax(mean <= params.joint_standard_errors * error))


def _settings(params: TrainingParams, directions: list[int], rows: int) -> dict[str, object]:
    return {
        **_FIXED,
        "monotone_constraints": directions,
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "lambda_l2": params.lambda_l2,
        "feature_fraction": params.feature_fraction,
        "max_bin": params.max_bin,
        # LightGBM looks for missing values only in the rows that it samples for its bins; a
        # feature whose few NaNs it overlooks would have them read as 0 for ever.
        "bin_construct_sample_cnt": max(200_000, rows),
        "seed": params.seed,
        "num_threads": params.num_threads,
    }


def _boost(
    settings: dict[str, object],
    train: lgb.Dataset,
    watched: lgb.Dataset | None,
    most: int,
    params: TrainingParams,
) -> lgb.Booster:
    """Up to so many trees; `best_iteration` is 0 unless early stopping watched."""
    callbacks: list[Callable[..., Any]] = []
    if watched is not None:
        callbacks.append(lgb.early_stopping(params.early_stopping_rounds, verbose=False))
    try:
        return lgb.train(
            settings,
            train,
            most,
            valid_sets=[] if watched is None else [watched],
            callbacks=callbacks,
        )
    except lgb.basic.LightGBMError as error:
        raise RisklineError(f"LightGBM refused to train: {error}") from error
