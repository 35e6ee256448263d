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


def regroup(texts: Sequence[str], group_sizes: Sequence[int], moved: str = "") -> Regrouped:
    """Order trees by dimension, those over several dimensions last; else as they were grown.

    A text is a header, blocks that start with `Tree=<number>`, and sections that only inform.
    The header's `tree_sizes` gives each block's length in bytes, by which LightGBM finds it. The
    sections are left out: they name the number of threads, and the model must not. A block is
    moved as it is, so no number in it is rounded.

    Args:
        texts: LightGBM's model texts (v4), one tree per iteration, grown from the same features
            one after the other; at least one.
        group_sizes: The number of features of each dimension; features are numbered across them.
        moved: Another such text, of trees within one dimension each: they are put to the
            dimensions, and, negated, to the trees over several dimensions.

    Returns:
        The trees of all texts.
    """
    dimension_of = np.repeat(np.arange(len(group_sizes)), group_sizes)

    def dimensions(block: str) -> set[int]:
        return {int(dimension_of[int(each)]) for each in _values(block)["split_feature"].split()}

    groups: list[list[str]] = [[] for _ in (*group_sizes, "over several")]
    constant = 0.0
    for block in (block for text in texts for block in _blocks(text)):
        used = dimensions(block)
        if used:
            groups[used.pop() if len(used) == 1 else -1].append(block)
        else:
            constant += float(_values(block)["leaf_value"])
    for block in _blocks(moved):
        # A tree without a split would be added and taken away: it is left out.
        for dimension in dimensions(block):
            groups[dimension].append(block)
            groups[-1].append(_negated(block))
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
    return [np.array(tree["leaf_value"].split(), dtype=np.float64) for tree in tree_values(text)]


def header_values(text: str) -> dict[str, str]:
    """What a model text says of all trees, by LightGBM's names; nothing of an empty text."""
    return dict(line.split("=", 1) for line in _header(text).splitlines() if "=" in line)


def tree_values(text: str) -> list[dict[str, str]]:
    """What a model text says of each tree, by LightGBM's names; nothing of an empty text."""
    return [_values(block) for block in _blocks(text)]


def _header(text: str) -> str:
    return _parts(text)[0]


def _blocks(text: str) -> list[str]:
    return _parts(text)[1:]


def _parts(text: str) -> list[str]:
    return re.split(r"^Tree=\d+\n", text.partition("end of trees")[0], flags=re.M)


def _negated(block: str) -> str:
    """The same tree with the opposite to say; exact, for only signs change."""

    def opposite(line: re.Match[str]) -> str:
        numbers = (
            number.removeprefix("-") if number.startswith("-") else f"-{number}"
            for number in line[2].split()
        )
        return line[1] + " ".join(numbers)

    return re.sub(r"^((?:leaf|internal)_value=)(.*)$", opposite, block, flags=re.M)


def _values(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if line)
