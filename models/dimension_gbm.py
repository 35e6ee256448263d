"""A gradient-boosted model of the log-odds of default that is additive over dimensions.

Trees of a first stage split on the features of one dimension only; a joint stage then adds trees
that may combine dimensions, where that predicts better. So

    log-odds = intercept + the contributions of the dimensions + joint effect

holds exactly, not as an attribution made afterwards. After training the trees are regrouped so
that each dimension is one contiguous range of iterations, and the trees over several dimensions
are another; explaining a customer then takes each tree once, as a plain predict does.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.calibration import platt
from models.explanation import Explanation
from models.growing import TrainingParams, grow
from models.learning_rows import learning_rows
from models.log_odds import logit
from models.model_input import default_labels, feature_matrix
from models.model_text import content_hash, seal, unseal
from models.tree_sums import TreeSums
from models.tree_text import regroup
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = ["DimensionGBM", "DimensionTrees", "Explanation", "TrainingParams", "TreeRange"]

FORMAT = 2
"""The version of the text that `DimensionGBM.to_json` writes."""


@dataclass(frozen=True)
class TreeRange:
    """A contiguous range of the regrouped trees.

    Attributes:
        first_tree: Its first iteration.
        num_trees: How many iterations it has; 0 for none.
        centre: Mean raw log-odds of its trees over the training rows.
    """

    first_tree: int
    num_trees: int
    centre: float


@dataclass(frozen=True)
class DimensionTrees(TreeRange):
    """The trees that split within one dimension.

    Attributes:
        name: The dimension.
        features: Its features, in the order the model reads them.
    """

    name: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class DimensionGBM:
    """A fitted model; made by `fit`, `calibrated` or `from_json`, never changed afterwards.

    Attributes:
        dimensions: The dimensions in their fixed order, with their ranges of trees.
        joint: The trees that split on features of several dimensions, with those that take from
            them what single dimensions explain.
        monotone: (feature, direction) for each feature whose direction of risk is known.
        fill: (feature, training median) for each feature that no training row lacked.
        params: How the trees were grown.
        raw_intercept: Log-odds, before calibration, of the average training customer.
        slope: Calibration's factor on log-odds, greater than 0.
        offset: Calibration's addend, log-odds.
        grown: How many trees of the first and of the joint stage were kept.
        trees: The regrouped trees in LightGBM's model text; empty when there is none.
    """

    dimensions: tuple[DimensionTrees, ...]
    joint: TreeRange
    monotone: tuple[tuple[str, int], ...]
    fill: tuple[tuple[str, float], ...]
    params: TrainingParams
    raw_intercept: float
    grown: tuple[int, int]
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

        Neither the order of the rows nor that of X's columns matters, nor do columns that no
        dimension names.

        The intercept is the log-odds of the training rows' default rate, plus trees that found no
        split, plus the mean over the training rows of every dimension's trees and of the joint
        ones; a contribution, and the joint effect, is what its trees say less that mean. Trees
        that split within one dimension are its own, of whichever stage they are, and so is what
        one dimension explains of the others (`models.growing.grow`). With validation rows the joint
        effect is 0 where combining dimensions predicts them no better.

        Trees are grown on all rows with equal weight, so these means are the expectations of
        path-dependent TreeSHAP (Lundberg et al. 2018, "Consistent Individualized Feature
        Attribution for Tree Ensembles", LightGBM's `pred_contrib`), and a contribution equals the
        TreeSHAP values of its dimension's features over its trees, summed; over all trees where
        there is no joint one.

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
        learning = learning_rows(
            X, y, X_valid, y_valid, dimensions, directions, params.min_defaults
        )
        names = [feature for features in dimensions.values() for feature in features]
        matrix, labels = learning.rows.matrix, learning.rows.labels
        grown = grow(learning, dimensions, directions, params)
        sizes = [len(group) for group in dimensions.values()]
        trees = regroup(grown.stages, sizes, grown.moved)
        starts = np.cumsum([0, *trees.counts[:-1]]).tolist()
        ranges = list(zip(starts, trees.counts, strict=True))
        # fsum is exact, so the centres do not depend on how a machine adds numbers up.
        centres = [
            math.fsum(raw) / len(labels)
            for raw in TreeSums(trees.text)(matrix, ranges, params.num_threads)
        ]
        *separate, joint = zip(starts, trees.counts, centres, strict=True)
        return cls(
            dimensions=tuple(
                DimensionTrees(*place, name, tuple(features))
                for place, (name, features) in zip(separate, dimensions.items(), strict=True)
            ),
            joint=TreeRange(*joint),
            monotone=tuple((name, directions[name]) for name in names if directions.get(name)),
            fill=tuple(learning.fill.items()),
            params=params,
            raw_intercept=math.fsum([logit(float(labels.mean())), trees.constant, *centres]),
            grown=grown.counts,
            trees=trees.text,
        )

    def calibrated(self, X: pd.DataFrame, y: ArrayLike) -> DimensionGBM:
        """Calibrate on rows that the trees have not seen.

        The log-odds become `slope * raw + offset` (see `models.calibration`). Contributions scale
        with the slope, so they still sum to the log-odds, and the mean PD over these rows equals
        their default rate. The order of the rows does not matter. Calibrating a calibrated model
        replaces its calibration.

        Args:
            X: (n, columns) calibration rows.
            y: (n,) 1 for default, 0 for none; a Series must have X's index.

        Returns:
            The same trees with a new slope and offset.

        Raises:
            RisklineError: As in `fit` for the rows and labels; or the slope is not positive, that
                is, the model ranks these customers the wrong way round.
        """
        labels = default_labels(y, X, "calibration", self.params.min_defaults)
        raw = dataclasses.replace(self, slope=1.0, offset=0.0).explain(X).log_odds
        order = np.lexsort((labels, raw))  # sums depend on it in their last bits
        slope, offset = platt(raw[order], labels[order])
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
        matrix = feature_matrix(X, self.feature_names, "scoring", dict(self.fill))

        ranges = [*self.dimensions, self.joint]
        raw = self._tree_sums(
            matrix, [(trees.first_tree, trees.num_trees) for trees in ranges], num_threads
        )
        *separate, joint = (
            self.slope * (said - trees.centre) for said, trees in zip(raw, ranges, strict=True)
        )
        names = (dimension.name for dimension in self.dimensions)
        return Explanation(
            intercept=self.slope * self.raw_intercept + self.offset,
            contributions=pd.DataFrame(dict(zip(names, separate, strict=True)), index=X.index),
            joint_effect=joint,
        )

    def feature_contributions(self, X: pd.DataFrame, *, num_threads: int = 0) -> pd.DataFrame:
        """What each feature adds to customers' log-odds: exact TreeSHAP over all trees.

        Far slower than `explain`, so for few rows: the customers who are warned of. What a
        combination of features explains is shared among them (Lundberg et al. 2018, see `fit`).

        Args:
            X: (n, columns) as for `explain`.
            num_threads: Threads to use, 0 for all cores; no effect on the result.

        Returns:
            (n, features) log-odds, on X's index. A row's sum is its log-odds less the intercept.

        Raises:
            RisklineError: As in `explain`.
        """
        names = list(self.feature_names)
        matrix = feature_matrix(X, names, "scoring", dict(self.fill))
        values = np.zeros(matrix.shape)
        if self._booster is not None and len(matrix):
            found = self._booster.predict(matrix, pred_contrib=True, num_threads=num_threads)
            values = self.slope * np.asarray(found, dtype=np.float64)[:, :-1]
        return pd.DataFrame(values, index=X.index, columns=names)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that the model reads, dimension by dimension."""
        return tuple(name for dimension in self.dimensions for name in dimension.features)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the whole model, in hexadecimal: equal models have equal hashes."""
        return content_hash(self._content())

    def to_json(self) -> str:
        """The whole model as text; the same model gives the same bytes on every machine."""
        return seal(self._content())

    @classmethod
    def from_json(cls, text: str) -> DimensionGBM:
        """Read a model that `to_json` wrote; its predictions are the same to the bit.

        Args:
            text: What `to_json` returned.

        Returns:
            The model.

        Raises:
            RisklineError: The text is no model, was changed, or is of another format.
        """
        content = unseal(text)
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
                joint=TreeRange(**content["joint"]),
                monotone=tuple((name, direction) for name, direction in content["monotone"]),
                fill=tuple((name, value) for name, value in content["fill"]),
                params=TrainingParams(**content["params"]),
                raw_intercept=content["raw_intercept"],
                grown=tuple(content["grown"]),
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
    def _tree_sums(self) -> TreeSums:
        return TreeSums(self.trees)

    @functools.cached_property
    def _booster(self) -> lgb.Booster | None:
        return lgb.Booster(model_str=self.trees) if self.trees else None
