"""The rows that trees are grown on and stopped by, checked, filled and in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.model_input import check_declarations, default_labels, feature_matrix
from models.row_order import in_content_order
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Customers to learn from, or to stop on.

    Attributes:
        matrix: (n, features) float64.
        labels: (n,) 1 for default, 0 for none.
    """

    matrix: NDArray[np.float64]
    labels: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningRows:
    """What trees are grown on.

    Attributes:
        rows: The training rows.
        valid: Rows for early stopping, if any, with what they lack filled.
        fill: Feature to training median, for each feature that no training row lacks.
    """

    rows: Rows
    valid: Rows | None
    fill: Mapping[str, float]


def learning_rows(
    X: pd.DataFrame,
    y: ArrayLike,
    X_valid: pd.DataFrame | None,
    y_valid: ArrayLike | None,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    min_defaults: int,
) -> LearningRows:
    """Check declarations and rows, and bring the rows into the order of their contents.

    Args:
        X: (n, columns) training rows, a numeric column for each feature.
        y: (n,) 1 for default, 0 for none; a Series must have X's index.
        X_valid: (m, columns) rows for early stopping, if any.
        y_valid: (m,) their labels.
        dimensions: Dimension to its features.
        monotone: Feature to direction.
        min_defaults: Training rows with fewer defaults are refused.

    Raises:
        RisklineError: As `models.dimension_gbm.DimensionGBM.fit` says.
    """
    check_declarations(dimensions, monotone)
    names = [feature for features in dimensions.values() for feature in features]
    rows = Rows(
        *in_content_order(
            feature_matrix(X, names, "training"), default_labels(y, X, "training", min_defaults)
        )
    )
    fill = {
        name: float(np.median(column))
        for name, column in zip(names, rows.matrix.T, strict=True)
        if not np.isnan(column).any()
    }
    if (X_valid is None) != (y_valid is None):
        raise RisklineError("early stopping needs both X_valid and y_valid, or neither")
    valid: Rows | None = None
    if X_valid is not None and y_valid is not None:
        valid = Rows(
            *in_content_order(
                feature_matrix(X_valid, names, "validation", fill),
                default_labels(y_valid, X_valid, "validation", 1),
            )
        )
    return LearningRows(rows, valid, fill)
