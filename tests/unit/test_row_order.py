"""The order of rows by what they hold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.row_order import in_content_order

# Missing values come with any payload and sign, from whatever wrote them.
ODD_NAN = float(np.array([0xFFF8000000000123], dtype=np.uint64).view(np.float64)[0])
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, float("nan"), ODD_NAN, 5e-324])


@st.composite
def tables(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    matrix = draw(st.lists(VALUES, min_size=rows * columns, max_size=rows * columns))
    labels = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=rows, max_size=rows))
    return np.array(matrix).reshape(rows, columns), np.array(labels)


@given(tables(), st.randoms(use_true_random=False))
def test_any_order_of_rows_becomes_the_same_bytes(
    table: tuple[NDArray[np.float64], NDArray[np.float64]], random: object
) -> None:
    matrix, labels = table
    order = np.arange(len(labels))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = in_content_order(matrix, labels), in_content_order(matrix[order], labels[order])
    assert [part.tobytes() for part in one] == [part.tobytes() for part in other]


@given(tables())
def test_the_rows_keep_their_labels_and_the_callers_arrays_stay(
    table: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    matrix, labels = table
    before = matrix.tobytes(), labels.tobytes()
    rows, ordered = in_content_order(matrix, labels)
    assert (matrix.tobytes(), labels.tobytes()) == before

    def pairs(matrix: NDArray[np.float64], labels: NDArray[np.float64]) -> list[str]:
        # repr of a number that -0.0 was added to; every NaN reads "nan".
        return sorted(str([*(row + 0.0), label]) for row, label in zip(matrix, labels, strict=True))

    assert pairs(rows, ordered) == pairs(matrix, labels)
    assert np.signbit(rows).sum() == (matrix < 0).sum()
