"""From probability to log-odds, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def logit(rate: float) -> float:
    """Log-odds of a rate between 0 and 1, both excluded."""
    return math.log(rate / (1.0 - rate))


def sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log-odds, of the same shape."""
    # Written so that no log-odds, however far out, overflow.
    return np.exp(-np.logaddexp(0.0, -log_odds))
