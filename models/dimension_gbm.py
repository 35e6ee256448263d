"""A gradient-boosted model of the log-odds of default that is additive over dimensions.

Every tree may split on the features of one dimension only, so

    log-odds = intercept + the contributions of the dimensions + joint effect

holds exactly, not as an attribution made afterwards. After training the trees are regrouped so
that each dimension is one contiguous range of iterations; explaining a customer in all dimensions
then walks each tree once, which is what a plain predict costs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

FORMAT = 1
"""The version of the text that `DimensionGBM.to_json` writes."""

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

# The weight, in units of the log-likelihood, that holds the calibration's slope at 1. It is far
# too small to move a slope that the rows determine; it keeps the slope finite when the defaults
# are separated perfectly, and at 1 when the model ranks nobody.
_SLOPE_PRECISION = 0.01
_CALIBRATION_STEPS = 100


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


@dataclass(frozen=True)
class DimensionTrees:
    """Where a dimension stands in the regrouped trees.

    Attributes:
        name: The dimension.
        features: Its features, in the order the model reads them.
        centre: Mean raw log-odds of its trees over the training rows.
        first_tree: Its first iteration.
        num_trees: How many iterations it has; 0 when no tree uses it.
    """

    name: str
    features: tuple[str, ...]
    centre: float
    first_tree: int
    num_trees: int


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why each customer has the log-odds that it has.

    Attributes:
        intercept: Log-odds of a customer whose every contribution is 0.
        contributions: (n, dimensions) log-odds; the rows and index of the frame explained, the
            columns in the model's dimension order. 0 means "as the average training customer".
        joint_effect: (n,) log-odds that only combinations of dimensions explain.
    """

    intercept: float
    contributions: pd.DataFrame
    joint_effect: NDArray[np.float64]

    @property
    def log_odds(self) -> NDArray[np.float64]:
        """Published log-odds of default, (n,).

        They are defined as this sum: the intercept, the contributions from left to right, then
        the joint effect. Floating-point addition depends on its order, so whoever repeats it in
        this order (a report, SQL) gets the same bits.
        """
        total = np.full(len(self.contributions), self.intercept)
        for dimension in self.contributions.columns:
            total += self.contributions[dimension].to_numpy()
        return total + self.joint_effect

    @property
    def default_probability(self) -> NDArray[np.float64]:
        """PD, (n,), between 0 and 1: the logistic sigmoid of `log_odds`."""
        return _sigmoid(self.log_odds)


@dataclass(frozen=True)
class DimensionGBM:
    """A fitted model; made by `fit`, `calibrated` or `from_json`, never changed afterwards.

    Attributes:
        dimensions: The dimensions in their fixed order, with their ranges of trees.
        monotone: (feature, direction) for each feature whose direction of risk is known.
        fill: (feature, training median) for each feature that no training row lacked.
        params: How the trees were grown.
        raw_intercept: Log-odds, before calibration, of the average training customer.
        slope: Calibration's factor on log-odds, greater than 0.
        offset: Calibration's addend, log-odds.
        trees: The regrouped trees in LightGBM's model text; empty when there is none.
    """

    dimensions: tuple[DimensionTrees, ...]
    monotone: tuple[tuple[str, int], ...]
    fill: tuple[tuple[str, float], ...]
    params: TrainingParams
    raw_intercept: float
    trees: str = field(repr=False)
    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(
        cls,
        X: pd.DataFrame,
        y: ArrayLike,
        *,
        dimensions: Mapping[str, Sequence[str]],
        monotone: Mapping[str, int] | None = None,
        params: TrainingParams | None = None,
        X_valid: pd.DataFrame | None = None,
        y_valid: ArrayLike | None = None,
    ) -> DimensionGBM:
        """Grow the trees and regroup them by dimension.

        The order of the rows is part of the data: another order adds histograms up in another
        order and may give another model. The caller sorts the rows by a total order. The order of
        X's columns, and columns that no dimension names, do not matter.

        The intercept is the log-odds of the training rows' default rate, plus trees that found no
        split, plus every dimension's mean over the training rows; a contribution is what its
        trees say less that mean. Trees are grown on all rows with equal weight, so these means
        are the expectations of path-dependent TreeSHAP (Lundberg et al. 2018, "Consistent
        Individualized Feature Attribution for Tree Ensembles", LightGBM's `pred_contrib`), and a
        contribution equals the TreeSHAP values of its dimension's features, summed.

        A missing value (NaN) takes the side of each split that LightGBM learned for it. For a
        feature that is never missing in X nothing was learned, and LightGBM would read NaN as the
        number 0 (no income, no days past due); here it is read as the median of X instead.

        Args:
            X: (n, columns) training rows, a numeric column for each feature.
            y: (n,) 1 for default, 0 for none; a Series must have X's index.
            dimensions: Dimension to its features; its order is the contributions' order. A
                dimension may be empty, a feature belongs to exactly one.
            monotone: Feature to +1 (risk rises with it), -1 (falls) or 0 (either way).
            params: How to grow the trees; the defaults if None.
            X_valid: (m, columns) rows for early stopping, if any.
            y_valid: (m,) their labels.

        Returns:
            The model, not yet calibrated (slope 1, offset 0).

        Raises:
            RisklineError: The declarations contradict each other; a frame lacks a feature or holds
                one that is not a finite number or NaN; labels are not 0 and 1, are of one class,
                or hold fewer than `params.min_defaults` defaults; or LightGBM refuses the
                parameters.
        """
        params = params or TrainingParams()
        directions = dict(monotone or {})
        _check_declarations(dimensions, directions)
        names = [feature for features in dimensions.values() for feature in features]

        matrix = _matrix(X, names, "training")
        labels = _labels(y, X, "training", params.min_defaults)
        fill = {
            name: float(np.median(column))
            for name, column in zip(names, matrix.T, strict=True)
            if not np.isnan(column).any()
        }
        base = _logit(float(labels.mean()))
        valid: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        if X_valid is not None and y_valid is not None:
            valid = (
                _matrix(X_valid, names, "validation", fill),
                _labels(y_valid, X_valid, "validation", 1),
            )
        elif X_valid is not None or y_valid is not None:
            raise RisklineError("early stopping needs both X_valid and y_valid, or neither")

        grown = _grow(matrix, labels, valid, base, dimensions, directions, params)
        trees, counts, constant = _regroup(grown, [len(group) for group in dimensions.values()])

        starts = np.cumsum([0, *counts]).tolist()
        model = cls(
            dimensions=tuple(
                DimensionTrees(name, tuple(features), 0.0, start, count)
                for (name, features), start, count in zip(
                    dimensions.items(), starts, counts, strict=False
                )
            ),
            monotone=tuple((name, directions[name]) for name in names if directions.get(name)),
            fill=tuple(fill.items()),
            params=params,
            raw_intercept=base,
            trees=trees,
        )
        # fsum is exact, so the centres do not depend on how a machine adds numbers up.
        centres = [
            math.fsum(model._raw(dimension, matrix, params.num_threads)) / len(labels)
            for dimension in model.dimensions
        ]
        return dataclasses.replace(
            model,
            dimensions=tuple(
                dataclasses.replace(dimension, centre=centre)
                for dimension, centre in zip(model.dimensions, centres, strict=True)
            ),
            raw_intercept=math.fsum([base, constant, *centres]),
        )

    def calibrated(self, X: pd.DataFrame, y: ArrayLike) -> DimensionGBM:
        """Calibrate on rows that the trees have not seen.

        The log-odds become `slope * raw + offset`, fitted by maximum likelihood (Platt 1999,
        "Probabilistic Outputs for Support Vector Machines"). Contributions scale with the slope,
        so they still sum to the log-odds. Platt's smoothed targets are not used: with 0 and 1 the
        mean PD over these rows equals their default rate. Calibrating a calibrated model replaces
        its calibration.

        Args:
            X: (n, columns) calibration rows.
            y: (n,) 1 for default, 0 for none; a Series must have X's index.

        Returns:
            The same trees with a new slope and offset.

        Raises:
            RisklineError: As in `fit` for the rows and labels; or the slope is not positive, that
                is, the model ranks these customers the wrong way round.
        """
        labels = _labels(y, X, "calibration", self.params.min_defaults)
        raw = dataclasses.replace(self, slope=1.0, offset=0.0).explain(X).log_odds
        slope, offset = _platt(raw, labels)
        if slope <= 0:
            raise RisklineError(
                f"calibration gave a slope of {slope:.3g}: on these {len(labels)} rows defaults "
                "are rarer where the model sees more risk, so it must not be used"
            )
        return dataclasses.replace(self, slope=slope, offset=offset)

    def explain(self, X: pd.DataFrame, *, num_threads: int = 0) -> Explanation:
        """Score customers, with what each dimension adds.

        Args:
            X: (n, columns) a numeric column for each feature, NaN where missing; column order and
                other columns do not matter. n may be 0.
            num_threads: Threads to use, 0 for all cores; no effect on the result.

        Returns:
            Log-odds of default in parts, on X's index. A row's result depends on that row only.

        Raises:
            RisklineError: X lacks a feature, or holds one that is not a finite number or NaN.
        """
        matrix = _matrix(X, self.feature_names, "scoring", dict(self.fill))
        contributions = {
            dimension.name: self.slope
            * (self._raw(dimension, matrix, num_threads) - dimension.centre)
            for dimension in self.dimensions
        }
        return Explanation(
            intercept=self.slope * self.raw_intercept + self.offset,
            contributions=pd.DataFrame(contributions, index=X.index),
            joint_effect=np.zeros(len(X)),
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that the model reads, dimension by dimension."""
        return tuple(name for dimension in self.dimensions for name in dimension.features)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the whole model, in hexadecimal: equal models have equal hashes."""
        return _content_hash(self._content())

    def to_json(self) -> str:
        """The whole model as text; the same model gives the same bytes on every machine."""
        return _canonical({"content": self._content(), "sha256": self.content_hash}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> DimensionGBM:
        """Read a model that `to_json` wrote; its predictions are the same to the bit.

        The hash inside the text finds damage and edits by hand. It is no signature: who can
        rewrite the text can rewrite the hash.

        Args:
            text: What `to_json` returned.

        Returns:
            The model.

        Raises:
            RisklineError: The text is no model, was changed, or is of another format.
        """
        try:
            document = json.loads(text)
            content, stated = document["content"], document["sha256"]
            actual = _content_hash(content)
        except (ValueError, KeyError, TypeError) as error:
            raise RisklineError("the model text is not a dimension model's JSON") from error
        if actual != stated:
            raise RisklineError(
                f"the model text was changed: its content hashes to {actual}, it states {stated}"
            )
        try:
            if content["format"] != FORMAT:
                raise RisklineError(
                    f"the model text has format {content['format']}, this code reads {FORMAT}"
                )
            return cls(
                dimensions=tuple(
                    DimensionTrees(**{**dimension, "features": tuple(dimension["features"])})
                    for dimension in content["dimensions"]
                ),
                monotone=tuple((name, direction) for name, direction in content["monotone"]),
                fill=tuple((name, value) for name, value in content["fill"]),
                params=TrainingParams(**content["params"]),
                raw_intercept=content["raw_intercept"],
                trees=content["trees"],
                slope=content["slope"],
                offset=content["offset"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RisklineError("the model text lacks a part of a dimension model") from error

    def _content(self) -> dict[str, Any]:
        content = dataclasses.asdict(self)
        del content["params"]["num_threads"]
        return {"format": FORMAT, **content}

    @functools.cached_property
    def _booster(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.trees)

    def _raw(
        self, dimension: DimensionTrees, matrix: NDArray[np.float64], num_threads: int
    ) -> NDArray[np.float64]:
        """Uncalibrated, uncentred log-odds of a dimension's trees, (n,)."""
        # LightGBM reads num_iteration=0 as "all trees", and refuses a matrix without rows.
        if dimension.num_trees == 0 or len(matrix) == 0:
            return np.zeros(len(matrix))
        return np.asarray(
            self._booster.predict(
                matrix,
                raw_score=True,
                start_iteration=dimension.first_tree,
                num_iteration=dimension.num_trees,
                num_threads=num_threads,
            ),
            dtype=np.float64,
        )


def _check_declarations(
    dimensions: Mapping[str, Sequence[str]], monotone: Mapping[str, int]
) -> None:
    names = [feature for features in dimensions.values() for feature in features]
    if not names:
        raise RisklineError("no dimension has a feature, so there is nothing to learn from")
    if repeated := {name for name in names if names.count(name) > 1}:
        raise RisklineError(
            f"a feature belongs to exactly one dimension, once: {_listed(repeated)}"
        )
    # LightGBM writes names into a space-separated line, and refuses JSON's special characters.
    if odd := [name for name in names if not name.isidentifier()]:
        raise RisklineError(f"a feature's name must be an identifier: {_listed(odd)}")
    if unknown := set(monotone) - set(names):
        raise RisklineError(f"monotone names features of no dimension: {_listed(unknown)}")
    if wrong := [name for name, direction in monotone.items() if direction not in (-1, 0, 1)]:
        raise RisklineError(f"a monotone direction must be -1, 0 or +1: {_listed(wrong)}")


def _matrix(
    X: pd.DataFrame, names: Sequence[str], rows: str, fill: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """The features as (n, features) float64 in the model's order, filled where `fill` says."""
    if missing := [name for name in names if name not in X.columns]:
        raise RisklineError(f"the {rows} rows lack features: {_listed(missing)}")
    frame = X[list(names)]
    if frame.shape[1] != len(names):
        doubled = set(frame.columns[frame.columns.duplicated()])
        raise RisklineError(f"the {rows} rows hold columns twice: {_listed(doubled)}")
    if other := [
        f"{name} ({dtype})"
        for name, dtype in frame.dtypes.items()
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype)
    ]:
        raise RisklineError(f"the {rows} rows hold features that are not numbers: {_listed(other)}")
    matrix = np.ascontiguousarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    if np.isinf(matrix).any():
        infinite = [
            name for name, column in zip(names, matrix.T, strict=True) if np.isinf(column).any()
        ]
        raise RisklineError(f"the {rows} rows hold infinite values: {_listed(infinite)}")
    if fill and np.isnan(matrix).any():
        medians = np.array([fill.get(name, np.nan) for name in names])
        matrix = np.where(np.isnan(matrix), medians, matrix)
    return matrix


def _labels(y: ArrayLike, X: pd.DataFrame, rows: str, min_defaults: int) -> NDArray[np.float64]:
    if len(X) == 0:
        raise RisklineError(f"there are no {rows} rows")
    # A Series in another order would be paired with the wrong customers, silently.
    if isinstance(y, pd.Series) and not y.index.equals(X.index):
        raise RisklineError(f"the {rows} labels have another index than the rows")
    try:
        labels = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RisklineError(f"the {rows} labels must be 0 or 1") from error
    if labels.shape != (len(X),):
        raise RisklineError(
            f"the {rows} labels have shape {labels.shape} for {len(X)} rows, not ({len(X)},)"
        )
    if not np.isin(labels, (0.0, 1.0)).all():
        raise RisklineError(f"the {rows} labels must be 0 or 1, and none missing")
    defaults = int(labels.sum())
    if defaults in (0, len(labels)):
        raise RisklineError(
            f"the {rows} labels are all {int(labels[0])}: both classes are needed to learn"
        )
    if defaults < min_defaults:
        raise RisklineError(
            f"the {rows} rows hold {defaults} defaults, fewer than the {min_defaults} required"
        )
    return labels


def _grow(
    matrix: NDArray[np.float64],
    labels: NDArray[np.float64],
    valid: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    base: float,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> str:
    """Train, and return LightGBM's model text up to the best iteration."""
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


def _regroup(text: str, group_sizes: Sequence[int]) -> tuple[str, list[int], float]:
    """Order the trees of a model text by dimension; within one, as they were grown.

    The text is a header, blocks that start with `Tree=<number>`, and sections that only inform.
    The header's `tree_sizes` gives each block's length in bytes, by which LightGBM finds it. The
    sections are left out: they name the number of threads, and the model must not.

    Args:
        text: LightGBM's model text (v4), one tree per iteration.
        group_sizes: The number of features of each dimension; features are numbered across them.

    Returns:
        The new text (empty if no tree splits), each dimension's number of trees, and the sum of
        the trees that do not split, in log-odds.
    """
    dimension_of = np.repeat(np.arange(len(group_sizes)), group_sizes)
    header, *blocks = re.split(r"^Tree=\d+\n", text.partition("end of trees")[0], flags=re.M)
    groups: list[list[str]] = [[] for _ in group_sizes]
    constant = 0.0
    for block in blocks:
        values = dict(line.split("=", 1) for line in block.splitlines() if line)
        used = {int(dimension_of[int(number)]) for number in values["split_feature"].split()}
        if not used:
            constant += float(values["leaf_value"])
        elif len(used) == 1:
            groups[used.pop()].append(block)
        else:
            raise RuntimeError(f"LightGBM grew a tree over {len(used)} dimensions")
    counts = [len(group) for group in groups]
    if not any(counts):
        return "", counts, constant

    ordered = (block for group in groups for block in group)
    numbered = [f"Tree={number}\n{block}" for number, block in enumerate(ordered)]
    sizes = " ".join(str(len(block.encode())) for block in numbered)
    header = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", header, flags=re.M)
    return header + "".join(numbered) + "end of trees\n", counts, constant


def _platt(raw: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the logistic regression of labels on raw log-odds.

    Newton's method on the two numbers (Platt 1999), with plain sums: scikit-learn's solvers go
    through BLAS, whose last bits depend on the number of threads, and can pull a slope towards 0
    but not towards 1.
    """
    centre = math.fsum(raw) / len(raw)  # centred, the two numbers are nearly independent
    x = raw - centre

    def loss(point: NDArray[np.float64]) -> float:
        eta = point[0] * x + point[1]
        likelihood = float(np.sum(np.logaddexp(0.0, eta) - labels * eta))
        return likelihood + 0.5 * _SLOPE_PRECISION * float(point[0] - 1.0) ** 2

    point = np.array([1.0, _logit(float(labels.mean()))])
    for _ in range(_CALIBRATION_STEPS):
        probability = _sigmoid(point[0] * x + point[1])
        residual, weight = probability - labels, probability * (1.0 - probability)
        gradient = np.array(
            [np.sum(residual * x) + _SLOPE_PRECISION * (point[0] - 1.0), np.sum(residual)]
        )
        cross = np.sum(weight * x)
        curvature = np.array(
            [[np.sum(weight * x * x) + _SLOPE_PRECISION, cross], [cross, np.sum(weight)]]
        )
        step = np.linalg.solve(curvature, gradient)
        # Twice the distance of the loss from its minimum, whatever the scale of the log-odds.
        decrement = float(np.sum(gradient * step))
        current = loss(point)
        while loss(point - step) > current + 1e-12 * current:
            step = step / 2
        point = point - step
        if decrement < 1e-24 * len(raw):
            return float(point[0]), float(point[1] - point[0] * centre)
    raise RisklineError(
        f"calibration did not settle in {_CALIBRATION_STEPS} steps on {len(raw)} rows"
    )


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    # Written so that no log-odds, however far out, overflow.
    return np.exp(-np.logaddexp(0.0, -log_odds))


def _logit(rate: float) -> float:
    return math.log(rate / (1.0 - rate))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _content_hash(content: object) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
