"""LightGBM's model text: to order its trees by dimension."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def regroup(text: str, group_sizes: Sequence[int]) -> tuple[str, list[int], float]:
    """Order the trees of a model text by dimension; within one, as they were grown.

    The text is a header, blocks that start with `Tree=<number>`, and sections that only inform.
    The header's `tree_sizes` gives each block's length in bytes, by which LightGBM finds it. The
    sections are left out: they name the number of threads, and the model must not.

    Args:
        text: LightGBM's model text (v4), one tree per iteration.
        group_sizes: The number of features of each dimension; features are numbered across them.

    Returns:
        The new text (empty if no tree splits), each dimension's number of trees, and the sum of
        the trees that do not split, in log-odds.
    """
    dimension_of = np.repeat(np.arange(len(group_sizes)), group_sizes)
    header, *blocks = re.split(r"^Tree=\d+\n", text.partition("end of trees")[0], flags=re.M)
    groups: list[list[str]] = [[] for _ in group_sizes]
    constant = 0.0
    for block in blocks:
        values = dict(line.split("=", 1) for line in block.splitlines() if line)
        used = {int(dimension_of[int(number)]) for number in values["split_feature"].split()}
        if not used:
            constant += float(values["leaf_value"])
        elif len(used) == 1:
            groups[used.pop()].append(block)
        else:
            raise RuntimeError(f"LightGBM grew a tree over {len(used)} dimensions")
    counts = [len(group) for group in groups]
    if not any(counts):
        return "", counts, constant

    ordered = (block for group in groups for block in group)
    numbered = [f"Tree={number}\n{block}" for number, block in enumerate(ordered)]
    sizes = " ".join(str(len(block.encode())) for block in numbered)
    header = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", header, flags=re.M)
    return header + "".join(numbered) + "end of trees\n", counts, constant
