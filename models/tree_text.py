"""LightGBM's model text: to read its trees, and to order them by dimension."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Regrouped:
    """The trees of one or more model texts, ordered by dimension.

    Attributes:
        text: One model text that LightGBM reads; empty if no tree splits.
        counts: The number of trees of each dimension, then of those over several dimensions.
        constant: The sum of the trees that do not split, log-odds.
    """

    text: str
    counts: tuple[int, ...]
    constant: float


def regroup(texts: Sequence[str], group_sizes: Sequence[int]) -> Regrouped:
    """Order trees by dimension, those over several dimensions last; else as they were grown.

    A text is a header, blocks that start with `Tree=<number>`, and sections that only inform.
    The header's `tree_sizes` gives each block's length in bytes, by which LightGBM finds it. The
    sections are left out: they name the number of threads, and the model must not. A block is
    moved as it is, so no number in it is rounded.

    Args:
        texts: LightGBM's model texts (v4), one tree per iteration, grown from the same features
            one after the other; at least one.
        group_sizes: The number of features of each dimension; features are numbered across them.

    Returns:
        The trees of all texts.
    """
    dimension_of = np.repeat(np.arange(len(group_sizes)), group_sizes)
    over_several = len(group_sizes)
    groups: list[list[str]] = [[] for _ in range(over_several + 1)]
    constant = 0.0
    for block in (block for text in texts for block in _blocks(text)):
        values = _values(block)
        used = {int(dimension_of[int(number)]) for number in values["split_feature"].split()}
        if used:
            groups[used.pop() if len(used) == 1 else over_several].append(block)
        else:
            constant += float(values["leaf_value"])
    counts = tuple(len(group) for group in groups)
    if not any(counts):
        return Regrouped("", counts, constant)

    ordered = (block for group in groups for block in group)
    numbered = [f"Tree={number}\n{block}" for number, block in enumerate(ordered)]
    sizes = " ".join(str(len(block.encode())) for block in numbered)
    # The header says what the features are, which is the same in all texts.
    header = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", _header(texts[0]), flags=re.M)
    return Regrouped(header + "".join(numbered) + "end of trees\n", counts, constant)


def leaf_values(text: str) -> list[NDArray[np.float64]]:
    """The leaf values of each tree of a model text, in the order of LightGBM's leaf numbers."""
    return [
        np.array(_values(block)["leaf_value"].split(), dtype=np.float64) for block in _blocks(text)
    ]


def _header(text: str) -> str:
    return _parts(text)[0]


def _blocks(text: str) -> list[str]:
    return _parts(text)[1:]


def _parts(text: str) -> list[str]:
    return re.split(r"^Tree=\d+\n", text.partition("end of trees")[0], flags=re.M)


def _values(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if line)
