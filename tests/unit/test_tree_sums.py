"""What trees say of rows, against LightGBM's own predict."""

import re
import threading
import time

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import tree_sums
from models.tree_sums import TreeSums
from models.tree_text import tree_values
from pipeline.errors import RisklineError

QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
OFTEN_MISSING, SELDOM_MISSING, NEVER_MISSING, MOSTLY_ZERO = range(4)


def rows(count: int, seed: int) -> NDArray[np.float64]:
    """Four features: often NaN, seldom, never, and mostly 0 with either sign."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, 4))
    matrix[rng.random(count) < 0.4, OFTEN_MISSING] = np.nan
    matrix[rng.random(count) < 0.02, SELDOM_MISSING] = np.nan
    zero = rng.random(count) < 0.7
    matrix[zero, MOSTLY_ZERO] = np.where(rng.random(zero.sum()) < 0.5, 0.0, -0.0)
    return matrix


def grown(count: int, leaves: int, trees: int, seed: int = 1, **others: object) -> lgb.Booster:
    """Trees whose target moves with every feature, and with what is missing."""
    X = rows(count, seed)
    missing = np.isnan(X)
    target = np.nan_to_num(X).sum(axis=1) + 2 * missing[:, OFTEN_MISSING] * X[:, NEVER_MISSING]
    # One feature lowers where it is missing and the other raises, so that both sides occur.
    target += 3 * missing[:, OFTEN_MISSING] - 3 * missing[:, SELDOM_MISSING]
    given = {"num_leaves": leaves, "min_data_in_leaf": 1, "objective": "regression", **others}
    return lgb.train({**QUIET, **given}, lgb.Dataset(X, target), num_boost_round=trees)


def on_the_edge(booster: lgb.Booster, count: int, seed: int) -> NDArray[np.float64]:
    """Rows at the trees' thresholds, one step beside them, at zero and missing."""
    known = [-0.0, 0.0, 5e-324, -5e-324, 1e-36, -1e-36, 1e-35, -1e-35, np.nan, 1e300, -1e300]
    # What LightGBM reads as 0 ends here, and begins at its negative.
    end = float(np.float32(1e-35))
    known += [sign * number for sign in (1, -1) for number in (end, np.nextafter(end, 1))]
    for tree in tree_values(booster.model_to_string()):
        for number in tree.get("threshold", "").split():
            at = float(number)
            known += [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
    return np.random.default_rng(seed).choice(np.array(known), size=(count, 4))


def said(booster: lgb.Booster, X: NDArray[np.float64], first: int, count: int) -> bytes:
    """LightGBM's own sum of some trees."""
    raw = booster.predict(X, raw_score=True, start_iteration=first, num_iteration=count)
    return np.asarray(raw, dtype=np.float64).tobytes()


@settings(max_examples=60)
@given(
    leaves=st.sampled_from([2, 3, 5, 8, 31]),
    trees=st.integers(1, 12),
    learnt_from=st.sampled_from([30, 400]),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_the_sums_are_lightgbms_to_the_bit(
    leaves: int, trees: int, learnt_from: int, seed: int, data: st.DataObject
) -> None:
    booster = grown(learnt_from, leaves, trees, seed)
    parts = data.draw(st.integers(1, trees), "trees in the first range")
    ranges = [(0, parts), (parts, trees - parts), (trees - 1, 1), (0, 0)]
    sums = TreeSums(booster.model_to_string())
    for X in (rows(50, seed + 1), on_the_edge(booster, 200, seed)):
        found = sums(X, ranges, 1)
        for total, (first, count) in zip(found, ranges, strict=True):
            # LightGBM takes no trees for all of them.
            wanted = said(booster, X, first, count) if count else np.zeros(len(X)).tobytes()
            assert total.tobytes() == wanted


def test_missing_values_go_either_way() -> None:
    """The trees above hold each kind of split there is, so the comparison has met them all."""
    kinds = {
        int(kind)
        for tree in tree_values(grown(400, 31, 12).model_to_string())
        for kind in tree["decision_type"].split()
    }
    # LightGBM's flags: 8 where a missing value was met, 2 where it goes left.
    assert kinds >= {8, 10}
    assert kinds & {0, 2}


@pytest.mark.parametrize("leaves", [255, 256, 257, 1000])
def test_a_tree_may_have_more_leaves_than_a_byte_tells_apart(leaves: int) -> None:
    booster = grown(4_000, leaves, 2, min_sum_hessian_in_leaf=0, max_bin=1000)
    assert int(tree_values(booster.model_to_string())[0]["num_leaves"]) == leaves
    X = rows(3_000, 2)
    assert TreeSums(booster.model_to_string())(X, [(0, 2)])[0].tobytes() == said(booster, X, 0, 2)


def test_neither_blocks_of_rows_nor_threads_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    booster = grown(400, 8, 20)
    X = rows(1_001, 3)
    monkeypatch.setattr(tree_sums, "ROWS_AT_ONCE", 100)
    sums = TreeSums(booster.model_to_string())
    for threads in (-1, 0, 1, 2, 5):
        assert sums(X, [(0, 20)], threads)[0].tobytes() == said(booster, X, 0, 20)


@pytest.mark.parametrize("near_zero", ["0.", "-0.", "1.", "-1."])
@pytest.mark.parametrize("exponent", ["e-35", "e-36", "e-300"])
def test_thresholds_near_zero_part_what_lightgbm_reads_as_zero(
    near_zero: str, exponent: str
) -> None:
    text = grown(400, 8, 3).model_to_string()

    def put_near_zero(line: re.Match[str]) -> str:
        # LightGBM finds a tree by the length of its text, so each number keeps its own.
        return "threshold=" + " ".join(
            near_zero + "0" * (len(number) - len(near_zero + exponent)) + exponent
            for number in line[1].split()
        )

    text = re.sub(r"^threshold=(.*)$", put_near_zero, text, flags=re.M)
    booster = lgb.Booster(model_str=text)
    X = on_the_edge(booster, 400, 1)
    assert TreeSums(text)(X, [(0, 3)])[0].tobytes() == said(booster, X, 0, 3)


def test_what_goes_wrong_in_a_block_of_rows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = TreeSums(grown(50, 3, 2).model_to_string())
    monkeypatch.setattr(tree_sums, "ROWS_AT_ONCE", 10)
    leaves = tree_sums._Tree.leaves

    def fails_in_one_block(tree: tree_sums._Tree, columns: NDArray[np.float64]) -> object:
        if columns.shape[1] < 10:
            raise MemoryError("no room for the last block")
        return leaves(tree, columns)

    monkeypatch.setattr(tree_sums._Tree, "leaves", fails_in_one_block)
    with pytest.raises(MemoryError, match="no room for the last block"):
        sums(rows(35, 1), [(0, 2)])


def test_a_tree_without_a_split_says_the_same_of_all_rows() -> None:
    X = rows(100, 1)
    booster = lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, np.ones(100)), 1)
    assert TreeSums(booster.model_to_string())(X, [(0, 1)])[0].tobytes() == said(booster, X, 0, 1)


def test_no_trees_and_no_rows_say_nothing() -> None:
    assert TreeSums("")(rows(3, 1), [(0, 0), (0, 0)]).tolist() == [[0.0] * 3] * 2
    assert TreeSums(grown(50, 3, 2).model_to_string())(np.zeros((0, 4)), [(0, 2)]).shape == (1, 0)


@pytest.mark.parametrize(
    ("categories", "params"), [([MOSTLY_ZERO], {}), ([], {"zero_as_missing": True})]
)
def test_other_kinds_of_split_are_refused(categories: list[int], params: dict[str, object]) -> None:
    rng = np.random.default_rng(1)
    X = rows(400, 1)
    X[:, MOSTLY_ZERO] = rng.integers(0, 5, 400)
    target = (X[:, MOSTLY_ZERO] % 2) * 5
    data = lgb.Dataset(X, target, categorical_feature=categories, params={**QUIET, **params})
    booster = lgb.train({**QUIET, **params, "objective": "regression"}, data, num_boost_round=2)
    with pytest.raises(RisklineError, match=r"decision_type \d+.* no dimension model"):
        TreeSums(booster.model_to_string())


@pytest.mark.parametrize("beyond", [(0, 3), (2, 1), (3, 0), (-1, 2), (1, -1)])
def test_trees_that_are_not_there_are_refused(beyond: tuple[int, int]) -> None:
    sums = TreeSums(grown(50, 3, 2).model_to_string())
    with pytest.raises(RisklineError, match="are asked for; the model has 2"):
        sums(rows(3, 1), [(0, 2), beyond])


def test_no_more_than_eight_blocks_of_rows_are_held_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    booster = grown(50, 3, 2)
    X = rows(64, 1)
    monkeypatch.setattr(tree_sums, "ROWS_AT_ONCE", 1)
    leaves = tree_sums._Tree.leaves
    threads: set[int] = set()

    def slowly(tree: tree_sums._Tree, columns: NDArray[np.float64]) -> object:
        threads.add(threading.get_ident())
        time.sleep(0.01)
        return leaves(tree, columns)

    monkeypatch.setattr(tree_sums._Tree, "leaves", slowly)
    found = TreeSums(booster.model_to_string())(X, [(0, 2)], 64)
    assert 1 < len(threads) <= 8
    assert found[0].tobytes() == said(booster, X, 0, 2)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_refused(width: int) -> None:
    sums = TreeSums(grown(50, 3, 2).model_to_string())
    with pytest.raises(RisklineError, match=f"read 4 features, the rows have {width}"):
        sums(np.zeros((2, width)), [(0, 2)])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"objective": "regression", "linear_tree": True}, "linear leaves"),
        ({"objective": "multiclass", "num_class": 3}, "several classes"),
    ],
)
def test_other_kinds_of_tree_are_refused(params: dict[str, object], says: str) -> None:
    X = np.random.default_rng(1).normal(size=(200, 4))
    data = lgb.Dataset(X, np.arange(200) % 3, params={**QUIET, **params})
    booster = lgb.train({**QUIET, **params}, data, num_boost_round=2)
    with pytest.raises(RisklineError, match=says):
        TreeSums(booster.model_to_string())
