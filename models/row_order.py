"""A total order of rows by what they hold, so that a model depends on the set of rows only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def in_content_order(
    matrix: NDArray[np.float64], labels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and labels in an order that does not depend on the order in which they came.

    LightGBM adds histograms up in the order of the rows, and the last bit of such a sum decides
    between splits that are equally good. Rows are compared as the bytes of their numbers, which
    is no order that means anything but a total one; among equal rows those without a default come
    first. Rows that are equal in both are interchangeable.

    Args:
        matrix: (n, features), at least one of each; not changed.
        labels: (n,) of the rows.

    Returns:
        Copies of both, ordered alike; -0.0 has become 0.0, and each NaN the same NaN.
    """
    # Equal numbers must have equal bytes: -0.0 + 0.0 is 0.0, and a NaN may carry a payload.
    rows = np.ascontiguousarray(matrix + 0.0)
    rows[np.isnan(rows)] = np.nan
    order = np.argsort(rows.view(np.dtype((np.void, rows.strides[0]))).ravel(), kind="stable")
    rows, labels = rows[order], labels[order]
    as_bits = rows.view(np.int64)
    is_new = (as_bits[1:] != as_bits[:-1]).any(axis=1)
    group = np.concatenate([[0], np.cumsum(is_new)])
    # Within a group all rows are equal: it is enough to order their labels.
    return rows, labels[np.lexsort((labels, group))]
