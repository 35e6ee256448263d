"""How well a PD ranks: the interval around the area under the curve."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.calibration import platt
from models.evaluation import (
    _auc,
    bootstrap_auc,
    bootstrap_auc_difference,
    calibration_slope,
    joint_variance_share,
    population_stability_index,
)
from models.explanation import Explanation

Floats = NDArray[np.float64]


def scored(seed: int, n: int = 400, shift: float = 1.0) -> tuple[Floats, Floats]:
    """Truth and scores; defaults score higher by ``shift`` standard deviations."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.2).astype(np.float64)
    return truth, rng.normal(size=n) + shift * truth


# Few different scores, so that many are tied.
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
)
def test_the_area_is_scikit_learns_ties_included(bad: list[int], good: list[int]) -> None:
    truth = [1] * len(bad) + [0] * len(good)
    expected = roc_auc_score(truth, [*bad, *good])
    assert _auc(np.array(bad, float), np.array(good, float)) == pytest.approx(expected, abs=1e-12)
    assert bootstrap_auc(truth, [*bad, *good], rounds=2).value == expected


@given(st.integers(0, 1000))
def test_the_interval_holds_the_value(seed: int) -> None:
    estimate = bootstrap_auc(*scored(seed), rounds=60)
    assert 0 <= estimate.lower <= estimate.value <= estimate.upper <= 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # Two normal distributions one standard deviation apart: the area is Phi(1 / sqrt 2).
    truth = 0.7602499389065233
    intervals = [bootstrap_auc(*scored(seed, 1000), rounds=200) for seed in range(200)]
    covered = sum(interval.lower <= truth <= interval.upper for interval in intervals)
    assert 0.91 <= covered / len(intervals) <= 0.99


def test_the_interval_narrows_with_more_customers() -> None:
    few, many = (bootstrap_auc(*scored(3, n), rounds=200) for n in (200, 20_000))
    assert many.upper - many.lower < (few.upper - few.lower) / 5


def test_the_seed_decides_and_nothing_else() -> None:
    truth, score = scored(1)
    first = bootstrap_auc(truth, score, rounds=50)
    assert bootstrap_auc(truth, score, rounds=50) == first
    assert bootstrap_auc(truth, score, rounds=50, seed=7) != first
    order = np.random.default_rng(5).permutation(len(truth))
    assert bootstrap_auc(truth[order], score[order], rounds=50) == first


def test_a_perfect_ranking_and_none_at_all() -> None:
    truth = np.array([0, 0, 0, 1, 1])
    perfect = bootstrap_auc(truth, truth, rounds=50)
    assert (perfect.lower, perfect.value, perfect.upper) == (1, 1, 1)
    wrong = bootstrap_auc(truth, 1 - truth, rounds=50)
    assert (wrong.lower, wrong.value, wrong.upper) == (0, 0, 0)
    flat = bootstrap_auc(truth, np.full(5, 0.2), rounds=50)
    assert (flat.lower, flat.value, flat.upper) == (0.5, 0.5, 0.5)
    assert str(flat) == "0.5000 (95 % interval 0.5000 to 0.5000)"


def test_the_difference_of_two_scores_is_paired() -> None:
    truth, score = scored(4, 2000)
    other = score + 0.1 * np.random.default_rng(9).normal(size=len(score))
    difference = bootstrap_auc_difference(truth, score, other, rounds=200)
    assert difference.value == roc_auc_score(truth, score) - roc_auc_score(truth, other)
    assert difference.lower < difference.value < difference.upper
    alone = bootstrap_auc(truth, score, rounds=200)
    assert difference.upper - difference.lower < (alone.upper - alone.lower) / 4
    same = bootstrap_auc_difference(truth, score, score, rounds=20)
    assert (same.lower, same.value, same.upper) == (0, 0, 0)
    back = bootstrap_auc_difference(truth, other, score, rounds=200)
    assert (back.lower, back.upper) == pytest.approx((-difference.upper, -difference.lower))


def explanation(joint: list[float], contribution: list[float]) -> Explanation:
    return Explanation(-1.0, pd.DataFrame({"stability": contribution}), np.array(joint))


def test_the_joint_effects_share_of_the_variance() -> None:
    apart = explanation([1, -1, 1, -1], [3, 3, -3, -3])  # uncorrelated: 1 of 1 + 9
    assert joint_variance_share(apart) == pytest.approx(0.1)
    assert joint_variance_share(explanation([2, 4, 6, 8], [0, 0, 0, 0])) == pytest.approx(1.0)
    assert joint_variance_share(explanation([0, 0, 0, 0], [2, 4, 6, 8])) == 0.0
    assert joint_variance_share(explanation([-1, 1], [3, -3])) == pytest.approx(-0.5)
    assert joint_variance_share(explanation([0, 0], [2, 2])) == 0.0  # nothing varies


def test_a_slope_of_outcomes_on_log_odds_is_found_with_its_noise() -> None:
    rng = np.random.default_rng(4)
    log_odds = rng.normal(-1.0, 1.5, size=4000)
    for slope in (0.5, 1.0, 2.0):
        truth = rng.random(4000) < 1 / (1 + np.exp(-slope * log_odds))
        found = calibration_slope(truth, log_odds, np.arange(4000))
        assert found.lower < slope < found.upper
        assert found.value == pytest.approx(platt(log_odds, truth.astype(float))[0])
        assert 0.05 < (found.upper - found.lower) / found.value < 0.3


def test_a_customers_rows_tell_once_what_they_tell() -> None:
    truth, log_odds = scored(3)
    customers = np.arange(len(truth))
    once = calibration_slope(truth, log_odds, customers)
    thrice = calibration_slope(*(np.tile(part, 3) for part in (truth, log_odds, customers)))
    assert thrice.value == pytest.approx(once.value, rel=1e-3)
    assert thrice.upper - thrice.lower == pytest.approx(once.upper - once.lower, rel=1e-3)


def test_the_stability_index_of_shares_worked_out_by_hand() -> None:
    reference = np.arange(100) / 100
    assert population_stability_index(reference, reference) == 0.0
    assert population_stability_index(reference, np.tile(reference, 3)) == 0.0
    # All of the upper half: five bins of a fifth each in place of ten of a tenth.
    upper = reference[reference >= 0.5]
    expected = 5 * 0.1 * np.log(2) + 5 * (0.01 - 0.1) * np.log(0.01 / 0.1)
    assert population_stability_index(reference, upper) == pytest.approx(expected)
    # Where one value fills many bins there are fewer of them.
    assert population_stability_index(np.zeros(50), np.zeros(9)) == 0.0
