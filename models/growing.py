"""Growing the trees: what an analyst may choose, and what makes the model what it says it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np

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


@dataclass(frozen=True)
class TrainingParams:
    """How the trees are grown; names and meanings are LightGBM's unless said otherwise.

    Attributes:
        num_trees: At most so many trees; early stopping may keep fewer.
        learning_rate: The share of each tree's step that is taken.
        num_leaves: Leaves in one tree at most, 2 or more.
        min_data_in_leaf: Training customers in a leaf at least.
        lambda_l2: Ridge penalty on leaf values.
        max_bin: Histogram bins of a feature at most.
        early_stopping_rounds: Trees without a better log-loss on the validation rows before
            training stops. Without validation rows all trees are grown.
        min_defaults: Our own: training and calibration rows with fewer defaults are refused.
        seed: Seed of LightGBM's random numbers.
        num_threads: Threads for training, 0 for all cores. It changes the time, never the model,
            and is no part of the model's text.
    """

    num_trees: int = 300
    learning_rate: float = 0.05
    num_leaves: int = 8
    min_data_in_leaf: int = 50
    lambda_l2: float = 1.0
    max_bin: int = 255
    early_stopping_rounds: int = 50
    min_defaults: int = 20
    seed: int = 20240229
    num_threads: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for name, least in (
            ("num_trees", 1),
            ("num_leaves", 2),
            ("early_stopping_rounds", 1),
            ("min_defaults", 1),
            ("num_threads", 0),
        ):
            if getattr(self, name) < least:
                raise RisklineError(f"{name} must be {least} or more, not {getattr(self, name)}")


def grow(
    matrix: NDArray[np.float64],
    labels: NDArray[np.float64],
    valid: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    base: float,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> str:
    """Train, each tree within one dimension and along the declared directions of risk.

    Args:
        matrix: (n, features) training rows, the features in the dimensions' order.
        labels: (n,) 1 for default, 0 for none.
        valid: Rows and labels for early stopping, if any.
        base: Log-odds from which the trees set out.
        dimensions: Dimension to its features.
        monotone: Feature to +1, -1 or 0; 0 where it is not named.
        params: How to grow the trees.

    Returns:
        LightGBM's model text up to the best iteration.

    Raises:
        RisklineError: LightGBM refuses the parameters.
    """
    names = [feature for features in dimensions.values() for feature in features]
    position = {name: index for index, name in enumerate(names)}
    settings: dict[str, object] = {
        **_FIXED,
        "interaction_constraints": [
            [position[feature] for feature in features]
            for features in dimensions.values()
            if features
        ],
        "monotone_constraints": [monotone.get(name, 0) for name in names],
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "lambda_l2": params.lambda_l2,
        "max_bin": params.max_bin,
        # LightGBM looks for missing values only in the rows that it samples for its bins; a
        # feature whose few NaNs it overlooks would have them read as 0 for ever.
        "bin_construct_sample_cnt": max(200_000, len(labels)),
        "seed": params.seed,
        "num_threads": params.num_threads,
    }
    train = lgb.Dataset(
        matrix,
        labels,
        init_score=np.full(len(labels), base),
        feature_name=names,
        params=settings,
    )
    valid_sets: list[lgb.Dataset] = []
    callbacks: list[Callable[..., Any]] = []
    if valid is not None:
        valid_sets.append(train.create_valid(*valid, init_score=np.full(len(valid[1]), base)))
        callbacks.append(lgb.early_stopping(params.early_stopping_rounds, verbose=False))
    try:
        booster = lgb.train(
            settings, train, params.num_trees, valid_sets=valid_sets, callbacks=callbacks
        )
    except lgb.basic.LightGBMError as error:
        raise RisklineError(f"LightGBM refused to train: {error}") from error
    # best_iteration is 0 without early stopping, which LightGBM reads as "all trees".
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text
