"""What the model accepts: declarations, feature rows and labels, each refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


def check_declarations(
    dimensions: Mapping[str, Sequence[str]], monotone: Mapping[str, int]
) -> None:
    """Raise a RisklineError if the dimensions or the directions of risk contradict each other."""
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


def feature_matrix(
    X: pd.DataFrame, names: Sequence[str], rows: str, fill: Mapping[str, float] | None = None
) -> NDArray[np.float64]:
    """Return the features, (n, features) float64 in the model's order, filled where `fill` says.

    `rows` says in an error whose rows they are: training, validation, calibration or scoring.
    """
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


def default_labels(
    y: ArrayLike, X: pd.DataFrame, rows: str, min_defaults: int
) -> NDArray[np.float64]:
    """Return the labels of X's rows, (n,) float64: 1 for default, 0 for none, both occurring."""
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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
