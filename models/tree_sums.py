"""What ranges of trees say of rows, to the bit what LightGBM's own predict says of them.

LightGBM leads one row after the other down each tree, and the processor cannot foresee where it
turns. Here a block of rows takes every split of a tree at once, without a turn: a comparison of a
whole column, and two operations on bytes that hold the rows' leaves. So many rows take less time
where trees have few leaves, as a dimension model's have; few rows, or trees of a hundred leaves,
take more.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.tree_text import header_values, tree_values
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ROWS_AT_ONCE = 32_768
"""So many that Python's share of the time is low, and a column still fits a processor's cache."""

_MOST_THREADS = 8
"""Each holds a block's columns, and Python lets one of them speak at a time."""

# LightGBM's decision_type, a sum of flags (include/LightGBM/tree.h).
_CATEGORICAL, _MISSING_GOES_LEFT, _MISSING_TYPE = 1, 2, 12
_MISSING_IS_ZERO, _MISSING_IS_NAN = 4, 8
# What LightGBM reads as the number 0 lies between this and its negative, both included.
_ZERO = float(np.float32(1e-35))


@dataclass(frozen=True)
class _Split:
    """A node: which rows go right, and where the leaf is of those that go either way.

    A leaf is told by its number from the left, so that all to the right of a node are greater
    than all to its left. ``left`` and ``right`` are a leaf's number, or the node (~ its index)
    below which it is.
    """

    feature: int
    threshold: float
    missing_goes_left: bool
    left: int
    right: int

    def goes_right(self, columns: NDArray[np.float64]) -> NDArray[np.bool_]:
        column = columns[self.feature]
        # Neither comparison holds for NaN.
        if self.missing_goes_left:
            right: NDArray[np.bool_] = np.greater(column, self.threshold)
        else:
            right = np.logical_not(np.less_equal(column, self.threshold))
        return right


@dataclass(frozen=True)
class _Tree:
    """One tree; the nodes below a node come after it."""

    splits: tuple[_Split, ...]
    values: NDArray[np.float64]

    def leaves(self, columns: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
        """The number of the leaf that each row comes to, from the left."""
        number = np.min_scalar_type(len(self.values) - 1)
        if not self.splits:
            return np.zeros(columns.shape[1], number)
        below: dict[int, NDArray[np.unsignedinteger]] = {}
        for node in reversed(range(len(self.splits))):
            split = self.splits[node]
            right = split.goes_right(columns).view(np.uint8).astype(number, copy=False)
            right *= below.pop(split.right) if split.right < 0 else split.right
            left = below.pop(split.left) if split.left < 0 else split.left
            below[~node] = np.maximum(right, left, out=right)
        return below[~0]


class TreeSums:
    """The trees of a LightGBM model text, each with one output, without categorical splits."""

    def __init__(self, text: str) -> None:
        """Read the trees.

        Args:
            text: LightGBM's model text (v4); empty for no trees.

        Raises:
            RisklineError: The trees are of a kind that a dimension model does not have.
        """
        header = header_values(text)
        if header.get("num_tree_per_iteration", "1") != "1":
            raise RisklineError("the trees tell several classes apart, not defaults from others")
        self._width = int(header.get("max_feature_idx", "-1")) + 1
        self._trees = [_tree(values) for values in tree_values(text)]

    def __call__(
        self,
        matrix: NDArray[np.float64],
        ranges: Sequence[tuple[int, int]],
        num_threads: int = 0,
    ) -> NDArray[np.float64]:
        """Sum what the trees of each range say, in their order.

        Args:
            matrix: (n, features) in the text's order, finite or NaN.
            ranges: (first tree, number of trees) of each range.
            num_threads: Threads to use at most, 0 for all cores, and never more than eight; no
                effect on the result.

        Returns:
            (ranges, n) log-odds.

        Raises:
            RisklineError: The matrix has another number of features than the text, or a range
                goes beyond its trees.
        """
        if self._trees and matrix.shape[1] != self._width:
            raise RisklineError(
                f"the trees read {self._width} features, the rows have {matrix.shape[1]}"
            )
        for start, count in ranges:
            if not 0 <= start <= start + count <= len(self._trees):
                raise RisklineError(
                    f"{count} trees after the first {start} are asked for; the model has "
                    f"{len(self._trees)}"
                )
        sums = np.zeros((len(ranges), len(matrix)))

        def add(first: int) -> None:
            columns = np.ascontiguousarray(matrix[first : first + ROWS_AT_ONCE].T)
            for total, (start, count) in zip(
                sums[:, first : first + ROWS_AT_ONCE], ranges, strict=True
            ):
                for tree in self._trees[start : start + count]:
                    total += tree.values.take(tree.leaves(columns))

        wanted = num_threads if num_threads > 0 else os.cpu_count() or 1
        with ThreadPoolExecutor(min(wanted, _MOST_THREADS)) as threads:
            # A list, for what a thread raises is raised where its result is read.
            list(threads.map(add, range(0, len(matrix), ROWS_AT_ONCE)))
        return sums


def _tree(values: Mapping[str, str]) -> _Tree:
    if values.get("is_linear", "0") != "0":
        raise RisklineError("a tree has linear leaves, which no dimension model has")
    # A tree that found no split names none.
    features, kinds, lefts, rights = (
        [int(number) for number in values.get(name, "").split()]
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    thresholds = [float(number) for number in values.get("threshold", "").split()]
    # A child is a node, or ~ a leaf; the nodes below a node come after it.
    from_left: list[int] = []
    waiting = [0 if features else ~0]
    while waiting:
        child = waiting.pop()
        if child < 0:
            from_left.append(~child)
        else:
            waiting += (rights[child], lefts[child])
    number = {leaf: place for place, leaf in enumerate(from_left)}
    splits = []
    for feature, threshold, kind, *children in zip(
        features, thresholds, kinds, lefts, rights, strict=True
    ):
        left, right = (number[~child] if child < 0 else ~child for child in children)
        splits.append(
            _Split(feature, _compared_with(threshold), _goes_left(kind, threshold), left, right)
        )
    leaf_values = np.array(values["leaf_value"].split(), dtype=np.float64)
    return _Tree(tuple(splits), leaf_values[from_left])


def _compared_with(threshold: float) -> float:
    """The threshold for numbers as they are, of which LightGBM reads those near 0 as 0."""
    if abs(threshold) > _ZERO:
        return threshold
    return _ZERO if threshold >= 0 else float(np.nextafter(-_ZERO, -np.inf))


def _goes_left(kind: int, threshold: float) -> bool:
    """Whether a missing value goes left."""
    if kind & _CATEGORICAL or kind & _MISSING_TYPE == _MISSING_IS_ZERO:
        raise RisklineError(
            f"a tree splits in a way (decision_type {kind}) that no dimension model does"
        )
    if kind & _MISSING_TYPE == _MISSING_IS_NAN:
        return bool(kind & _MISSING_GOES_LEFT)
    # Where no training row lacked the feature, LightGBM reads NaN as the number 0.
    return threshold >= 0
