"""Growing the trees: what an analyst may choose, and what makes the model what it says it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np

from models.log_odds import logit
from models.tree_text import leaf_values, regroup
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from models.learning_rows import LearningRows, Rows

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
# What is moved from the joint effect is fitted to a known function, so there is nothing to stop on.
_MOVED_TREES = 100
_MOVING: dict[str, object] = {"objective": "regression", "metric": "l2", "learning_rate": 0.1}


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
        separate_share: Our own: the share of the first stage's trees from which the joint stage
            sets out, above 0 and at most 1.
        joint_standard_errors: Our own: the joint stage keeps the fewest trees whose log-loss on
            the validation rows is within so many standard errors of the best; none, if that of
            the whole first stage is.
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
    separate_share: float = 0.25
    joint_standard_errors: float = 0.0
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
        if not 0 < self.separate_share <= 1:
            raise RisklineError(
                f"separate_share must be above 0 and at most 1, not {self.separate_share}"
            )


@dataclass(frozen=True)
class Grown:
    """Trees in LightGBM's model text.

    Attributes:
        stages: The text of each stage that keeps a tree, in their order.
        counts: How many trees of the first and of the joint stage are kept.
        moved: Trees that are to be added to their dimension, and taken from the joint effect.
    """

    stages: list[str]
    counts: tuple[int, int]
    moved: str = ""


def grow(
    learning: LearningRows,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> Grown:
    """Grow trees within one dimension each, then the joint stage, which may combine dimensions.

    The joint stage sets out from what the first stage says of each row, under the same directions
    of risk: a sum of trees that rise with a feature rises with it too. A joint tree can therefore
    take nothing back of what the first stage says, where two features are bad but together not
    twice as bad; so it sets out from a share of the first stage's trees, and says the rest itself.
    Where that predicts no better than the whole first stage, the first stage stays alone. So it
    does where fewer than two dimensions have features, for then there is nothing to combine.

    A tree over several dimensions also says what one of them explains by itself. That is moved: a
    sum of trees within one dimension each is fitted to what all such trees say of the training
    rows, to be added to the dimensions and taken from the joint effect. So the log-odds stay as
    they are, and the joint effect keeps what only combinations explain (the purification of
    Lengerich et al. 2020, "Purifying Interaction Effects with the Functional ANOVA", fitted by
    boosting on the rows' own distribution).

    Args:
        learning: What to grow on and stop by, the features in the dimensions' order.
        dimensions: Dimension to its features.
        monotone: Feature to +1, -1 or 0; 0 where it is not named.
        params: How to grow the trees.

    Returns:
        The trees.

    Raises:
        RisklineError: LightGBM refuses the parameters.
    """
    rows, valid = learning.rows, learning.valid
    first = _FirstStage(learning, dimensions, monotone, params)
    base, settings, together = first.base, first.settings(params), first.together
    train, watched = first.train, first.watched
    separate = first.boost(params)
    all_separate = separate.best_iteration or separate.num_trees()
    alone = Grown([separate.model_to_string(num_iteration=all_separate)], (all_separate, 0))
    if params.joint_trees == 0 or len(together) < 2:
        return alone

    def reached(each: Rows, trees: int) -> NDArray[np.float64]:
        raw = separate.predict(
            each.matrix, raw_score=True, num_iteration=trees, num_threads=params.num_threads
        )
        return base + np.asarray(raw, dtype=np.float64)

    # The same bins once more: they cost more memory than all else.
    set_out = math.ceil(params.separate_share * all_separate)
    train.set_init_score(reached(rows, set_out))
    if valid is not None and watched is not None:
        start = reached(valid, set_out)
        watched.set_init_score(start)
    joint = _boost(settings, train, watched, params.joint_trees, params)
    kept = joint.num_trees()
    if valid is not None:
        kept = fewest_trees(joint, valid, start, reached(valid, all_separate), params)
    if kept == 0:
        return alone
    stages = [
        separate.model_to_string(num_iteration=set_out),
        joint.model_to_string(num_iteration=kept),
    ]
    effect = _joint_effect(stages, [len(group) for group in dimensions.values()], rows, params)
    if not effect.any():
        return Grown(stages, (set_out, kept))
    train.set_init_score(np.zeros(len(effect)))
    train.set_label(effect - effect.mean())
    moved = _boost(
        {**settings, **_MOVING, "interaction_constraints": together},
        train,
        None,
        _MOVED_TREES,
        params,
    )
    return Grown(stages, (set_out, kept), moved.model_to_string())


def validation_loss(
    learning: LearningRows,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> Callable[[TrainingParams], float]:
    """What the first stage reaches on the validation rows, as a function of the parameters.

    Args:
        learning: What to grow on and stop by; it has validation rows.
        dimensions: Dimension to its features.
        monotone: Feature to direction.
        params: Whose bins are those of all calls.

    Returns:
        A function that grows a first stage, and returns the least mean log-loss it came to.
    """
    first = _FirstStage(learning, dimensions, monotone, params)
    valid = learning.valid
    if valid is None:
        raise ValueError("without validation rows there is no loss on them")
    wrong_way = 1.0 - 2.0 * valid.labels

    def loss(chosen: TrainingParams) -> float:
        trees = first.boost(chosen)
        raw = trees.predict(
            valid.matrix,
            raw_score=True,
            num_iteration=trees.best_iteration or trees.num_trees(),
            num_threads=chosen.num_threads,
        )
        # Not LightGBM's own figure, whose last bits depend on the number of threads.
        log_odds = first.base + np.asarray(raw, dtype=np.float64)
        return math.fsum(np.logaddexp(0.0, wrong_way * log_odds)) / len(wrong_way)

    return loss


class _FirstStage:
    """Trees that keep to one dimension each, over rows whose bins are made once."""

    def __init__(
        self,
        learning: LearningRows,
        dimensions: Mapping[str, Sequence[str]],
        monotone: Mapping[str, int],
        params: TrainingParams,
    ) -> None:
        rows, valid = learning.rows, learning.valid
        names = [feature for features in dimensions.values() for feature in features]
        place = {name: index for index, name in enumerate(names)}
        self.together = [
            [place[name] for name in features] for features in dimensions.values() if features
        ]
        self._directions = [monotone.get(name, 0) for name in names]
        self._rows = len(rows.labels)
        self.base = logit(float(rows.labels.mean()))
        self.train = lgb.Dataset(
            rows.matrix,
            rows.labels,
            init_score=np.full(len(rows.labels), self.base),
            feature_name=names,
            params=self.settings(params),
        )
        self.watched: lgb.Dataset | None = None
        if valid is not None:
            start = np.full(len(valid.labels), self.base)
            self.watched = self.train.create_valid(valid.matrix, valid.labels, init_score=start)

    def settings(self, params: TrainingParams) -> dict[str, object]:
        """LightGBM's parameters."""
        return _settings(params, self._directions, self._rows)

    def boost(self, params: TrainingParams) -> lgb.Booster:
        """Grow the trees."""
        settings = {**self.settings(params), "interaction_constraints": self.together}
        return _boost(settings, self.train, self.watched, params.num_trees, params)


def fewest_trees(
    booster: lgb.Booster,
    valid: Rows,
    start: NDArray[np.float64],
    without: NDArray[np.float64],
    params: TrainingParams,
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
        without: (n,) log-odds of the model that none of the trees belongs to.
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
        # (trees + 1, rows): the log-odds without them, with the first one, with two, and so on.
        log_odds = np.cumsum(np.vstack([start[part], *steps]), axis=0)
        log_odds[0] = without[part]
        losses = np.logaddexp(0.0, wrong_way[part] * log_odds)
        excess = losses - losses[-1]
        total += excess.sum(axis=1)
        squares += (excess**2).sum(axis=1)
    mean = total / len(start)
    error = np.sqrt(np.maximum(squares / len(start) - mean**2, 0.0) / len(start))
    return int(np.argmax(mean <= params.joint_standard_errors * error))


def _joint_effect(
    stages: Sequence[str], group_sizes: Sequence[int], rows: Rows, params: TrainingParams
) -> NDArray[np.float64]:
    """What the trees over several dimensions say of the rows, (n,) log-odds."""
    grown = regroup(stages, group_sizes)
    *separate, joint = grown.counts
    if joint == 0:
        return np.zeros(len(rows.labels))
    raw = lgb.Booster(model_str=grown.text).predict(
        rows.matrix,
        raw_score=True,
        start_iteration=sum(separate),
        num_iteration=joint,
        num_threads=params.num_threads,
    )
    return np.asarray(raw, dtype=np.float64)


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
