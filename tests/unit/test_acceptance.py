"""What a ranking is worth, against the same worked out row by row."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from models.acceptance import ACCEPTED_PCT, worth

Row = tuple[bool, float, float]

ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([0.0, 1.0, 10.0, 250.5]),
        st.sampled_from([0.01, 0.02, 0.02 + 1e-9, 0.3, 0.5, 0.9]),
    ),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({row[0] for row in rows}) == 2)


def columns(rows: list[Row]) -> list[NDArray[np.float64]]:
    return [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]


@given(ROWS)
def test_of_the_rows_as_they_are(rows: list[Row]) -> None:
    bad, owed, pd = columns(rows)
    found = worth(bad, owed, pd, rounds=2, seed=1)
    assert found.auc[0] == pytest.approx(roc_auc_score(bad, pd), abs=1e-12)
    assert found.log_loss[0] == pytest.approx(log_loss(bad, pd), abs=1e-12)
    distances = [
        abs(np.mean(pd[bad == 1] <= bound) - np.mean(pd[bad == 0] <= bound)) for bound in pd
    ]
    assert found.ks[0] == pytest.approx(max(distances), abs=1e-12)


@given(ROWS)
def test_acceptance_takes_the_safest_and_of_equals_a_part_of_each(rows: list[Row]) -> None:
    bad, owed, pd = columns(rows)
    found = worth(bad, owed, pd, rounds=1, seed=1)
    for pct in ACCEPTED_PCT:
        room = pct / 100 * len(rows)
        taken = np.zeros(len(rows))
        for value in sorted(set(pd)):
            alike = pd == value
            taken[alike] = min(1.0, room / alike.sum())
            room -= taken[alike].sum()
        assert found.bad_rate[pct][0] == pytest.approx((taken * bad).sum() / taken.sum())
        money = (taken * owed).sum()
        if money > 1e-9:
            expected = (taken * owed * bad).sum() / money
            assert found.bad_amount_rate[pct][0] == pytest.approx(expected)
        elif money == 0:
            assert np.isnan(found.bad_amount_rate[pct][0])


@given(ROWS, st.randoms(use_true_random=False))
def test_no_order_of_the_rows_matters_to_the_rows_as_they_are(
    rows: list[Row], random: Random
) -> None:
    bad, owed, pd = columns(rows)
    one = worth(bad, owed, pd, rounds=1, seed=1)
    bad, owed, pd = columns(random.sample(rows, len(rows)))
    two = worth(bad, owed, pd, rounds=1, seed=1)
    for (name, mine), (_, others) in zip(one.named(), two.named(), strict=True):
        np.testing.assert_allclose(mine[0], others[0], rtol=1e-12, err_msg=name)


def test_a_better_ranking_accepts_fewer_bad_debts() -> None:
    rng = np.random.default_rng(1)
    bad = rng.random(5000) < 0.1
    owed = rng.lognormal(size=5000)
    good, poor = (bad * gain + rng.normal(size=5000) for gain in (2.0, 0.2))
    of_good, of_poor = (
        worth(bad, owed, 1 / (1 + np.exp(-score)), rounds=50, seed=3) for score in (good, poor)
    )
    for pct in ACCEPTED_PCT:
        # The same customers are drawn for both, so that they compare round by round.
        assert (of_good.bad_rate[pct] < of_poor.bad_rate[pct]).all()
        assert of_good.bad_amount_rate[pct][0] < of_poor.bad_amount_rate[pct][0]
        assert of_poor.bad_rate[pct][0] < bad.mean()


def test_rounds_come_in_parts_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    bad, owed, pd = rng.random(100) < 0.3, rng.random(100), rng.random(100)
    once = worth(bad, owed, pd, rounds=20, seed=3)
    monkeypatch.setattr("models.acceptance.CELLS_AT_ONCE", 700)
    again = worth(bad, owed, pd, rounds=20, seed=3)
    for (name, mine), (_, others) in zip(once.named(), again.named(), strict=True):
        assert mine.shape == (21,)
        np.testing.assert_allclose(mine, others, rtol=1e-12, err_msg=name)


def test_the_rounds_of_the_auc_spread_as_the_formula_says() -> None:
    # Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve", formula 2.
    rng = np.random.default_rng(1)
    bad = rng.random(1000) < 0.3
    found = worth(bad, np.ones(1000), bad * 0.2 + rng.random(1000) * 0.8, rounds=400, seed=3)
    auc, defaults = found.auc[0], bad.sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    others = 1000 - defaults
    variance = auc * (1 - auc) + (defaults - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    expected = (variance / (defaults * others)) ** 0.5
    assert found.auc[1:].std() == pytest.approx(expected, rel=0.2)
