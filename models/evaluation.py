"""How well a PD ranks and fits, with the uncertainty of the figures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from models.calibration import platt
from models.explanation import Explanation
from models.log_odds import sigmoid

BOOTSTRAP_ROUNDS = 1000
BOOTSTRAP_SEED = 20240229


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.4f} (95 % interval {self.lower:.4f} to {self.upper:.4f})"


def bootstrap_auc(
    is_default: ArrayLike,
    score: ArrayLike,
    rounds: int = BOOTSTRAP_ROUNDS,
    seed: int = BOOTSTRAP_SEED,
) -> Estimate:
    """The area under the ROC curve, with a percentile bootstrap over rows.

    Rows are drawn with replacement within each class, so that no round lacks defaults (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13).

    Args:
        is_default: 0 or 1, shape (n,); both must occur.
        score: higher for the riskier, shape (n,).
        rounds: of the bootstrap.
        seed: of its random numbers.
    """
    truth = np.asarray(is_default, dtype=bool)
    ranks = np.asarray(score, dtype=np.float64)
    bad, good = np.sort(ranks[truth]), np.sort(ranks[~truth])
    rng = np.random.default_rng(seed)
    draws = [_auc(rng.choice(bad, len(bad)), rng.choice(good, len(good))) for _ in range(rounds)]
    lower, upper = np.percentile(draws, [2.5, 97.5])
    return Estimate(float(roc_auc_score(truth, ranks)), float(lower), float(upper))


def bootstrap_auc_difference(
    is_default: ArrayLike,
    score: ArrayLike,
    other: ArrayLike,
    rounds: int = BOOTSTRAP_ROUNDS,
    seed: int = BOOTSTRAP_SEED,
) -> Estimate:
    """How much more area under the ROC curve one score has than another on the same rows.

    The interval is the percentile bootstrap's, of the difference: a round draws rows, with
    replacement within each class, and asks both scores about them. Two scores that rank much
    alike err alike, so this interval is narrower than those of the two areas.

    Args:
        is_default: 0 or 1, shape (n,); both must occur.
        score: higher for the riskier, shape (n,).
        other: as ``score``, shape (n,).
        rounds: of the bootstrap.
        seed: of its random numbers.
    """
    truth = np.asarray(is_default, dtype=bool)
    one, two = np.asarray(score, dtype=np.float64), np.asarray(other, dtype=np.float64)
    bad, good = np.flatnonzero(truth), np.flatnonzero(~truth)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(rounds):
        drawn_bad, drawn_good = rng.choice(bad, len(bad)), rng.choice(good, len(good))
        draws.append(_auc(one[drawn_bad], one[drawn_good]) - _auc(two[drawn_bad], two[drawn_good]))
    lower, upper = np.percentile(draws, [2.5, 97.5])
    difference = float(roc_auc_score(truth, one)) - float(roc_auc_score(truth, two))
    return Estimate(difference, float(lower), float(upper))


def joint_variance_share(explanation: Explanation) -> float:
    """How much of the spread of the log-odds the joint effect accounts for.

    cov(joint effect, log-odds) / var(log-odds), over the rows explained. The log-odds are the sum
    of the parts, so the shares of the joint effect and of the contributions, each by this formula,
    add up to 1 (Pratt 1987, "Dividing the indivisible"). A share below 0 means that the joint
    effect takes back some of what the contributions say.

    Args:
        explanation: of rows that the model was not fitted to.

    Returns:
        The share, 0.0 where all log-odds are the same.
    """
    log_odds = explanation.log_odds
    spread = log_odds - log_odds.mean()
    variance = float(np.mean(spread**2))
    return float(np.mean(spread * explanation.joint_effect)) / variance if variance else 0.0


def calibration_slope(is_default: ArrayLike, log_odds: ArrayLike, customers: ArrayLike) -> Estimate:
    """The slope of the logistic regression of outcomes on log-odds: 1 where these are calibrated.

    Below 1 the PDs are too extreme, above 1 not enough so (Cox 1958, "Two further applications of
    a model for binary regression"). The interval is Wald's, with errors that allow for several rows
    of one customer (Liang and Zeger 1986, "Longitudinal data analysis using generalized linear
    models").

    Args:
        is_default: 0 or 1, shape (n,); both must occur.
        log_odds: shape (n,).
        customers: whose rows they are, shape (n,).
    """
    truth = np.asarray(is_default, dtype=np.float64)
    raw = np.asarray(log_odds, dtype=np.float64)
    slope, offset = platt(raw, truth)
    probability = sigmoid(slope * raw + offset)
    design = np.column_stack([raw, np.ones(len(raw))])
    information = (design * (probability * (1 - probability))[:, None]).T @ design
    _, codes = np.unique(np.asarray(customers), return_inverse=True)
    scores = design * (truth - probability)[:, None]
    by_customer = np.column_stack([np.bincount(codes, weights=score) for score in scores.T])
    bread = np.linalg.pinv(information)
    error = float(np.sqrt((bread @ (by_customer.T @ by_customer) @ bread)[0, 0]))
    return Estimate(slope, slope - 1.96 * error, slope + 1.96 * error)


def population_stability_index(reference: ArrayLike, other: ArrayLike, bins: int = 10) -> float:
    """How far a distribution has moved from another: below 0.1 little, above 0.25 a lot.

    The sum over bins of (share - reference share) * ln(share / reference share), with bins that
    part the reference evenly (Siddiqi, Credit Risk Scorecards, 2006, chapter 8). A bin that holds
    rows of one only counts as if it held half a row of the other.

    Args:
        reference: shape (n,).
        other: shape (m,).
        bins: how many, fewer where values tie.
    """
    old, new = np.asarray(reference, dtype=np.float64), np.asarray(other, dtype=np.float64)
    edges = np.unique(np.quantile(old, np.linspace(0, 1, bins + 1)[1:-1]))

    def counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)

    was, now = counts(old), counts(new)
    is_used = was + now > 0
    was_share = np.maximum(was[is_used], 0.5) / len(old)
    now_share = np.maximum(now[is_used], 0.5) / len(new)
    return float(np.sum((now_share - was_share) * np.log(now_share / was_share)))


def _auc(bad: NDArray[np.float64], good: NDArray[np.float64]) -> float:
    """Mann and Whitney's U over the number of pairs; a tie counts one half."""
    ordered = np.sort(good)
    below = np.searchsorted(ordered, bad, side="left")
    not_above = np.searchsorted(ordered, bad, side="right")
    return float((below + not_above).sum() / (2 * len(bad) * len(good)))
