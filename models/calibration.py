"""Calibration: what makes log-odds that rank well into probabilities that come true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.log_odds import logit, sigmoid
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The weight, in units of the log-likelihood, that holds the calibration's slope at 1. It is far
# too small to move a slope that the rows determine; it keeps the slope finite when the defaults
# are separated perfectly, and at 1 when the model ranks nobody.
_SLOPE_PRECISION = 0.01
_STEPS = 100


def platt(raw: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the logistic regression of labels on raw log-odds.

    Newton's method on the two numbers (Platt 1999, "Probabilistic Outputs for Support Vector
    Machines"), with plain sums: scikit-learn's solvers go through BLAS, whose last bits depend on
    the number of threads, and can pull a slope towards 0 but not towards 1. Platt's smoothed
    targets are not used: with 0 and 1 the mean probability over these rows equals their default
    rate.

    Args:
        raw: (n,) log-odds.
        labels: (n,) 1 for default, 0 for none; both occur.

    Returns:
        Slope and offset; the slope is not positive if defaults are rarer where `raw` is higher.

    Raises:
        RisklineError: Newton's method does not settle.
    """
    centre = math.fsum(raw) / len(raw)  # centred, the two numbers are nearly independent
    x = raw - centre

    def loss(point: NDArray[np.float64]) -> float:
        eta = point[0] * x + point[1]
        likelihood = float(np.sum(np.logaddexp(0.0, eta) - labels * eta))
        return likelihood + 0.5 * _SLOPE_PRECISION * float(point[0] - 1.0) ** 2

    point = np.array([1.0, logit(float(labels.mean()))])
    for _ in range(_STEPS):
        probability = sigmoid(point[0] * x + point[1])
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
    raise RisklineError(f"calibration did not settle in {_STEPS} steps on {len(raw)} rows")
