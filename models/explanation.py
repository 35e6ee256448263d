"""Why each customer has the log-odds that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.log_odds import sigmoid

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


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
        return sigmoid(self.log_odds)
