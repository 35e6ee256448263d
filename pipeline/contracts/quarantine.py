"""Splits rows into those that keep their contract and those that break it, with every reason."""

from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa

from pipeline.contracts.contract import Contract
from pipeline.engines.base import Engine

# No contract's columns: their names begin with a letter.
REASONS = "_reasons"
ROW = "_row"


@dataclass(frozen=True)
class Split:
    """Rows that keep the contract; rows that do not, with a list of reasons each."""

    valid: pa.Table
    quarantined: pa.Table


def quarantine_schema(contract: Contract) -> pa.Schema:
    """The contract's columns and, last, the reasons."""
    return contract.arrow_schema.append(pa.field(REASONS, pa.list_(pa.string())))


def split(rows: pa.Table, contract: Contract, engine: Engine) -> Split:
    """Every row goes to one side: len(rows) = len(valid) + len(quarantined).

    Args:
        rows: columns and types of the contract, any number of rows in any order; columns beside
            the contract's stay with their row.
        contract: whose row rules apply.
        engine: runs the predicates, all in one pass.

    Returns:
        Both sides, each in the order of ``rows``.
    """
    with engine.holding(rows.append_column(ROW, pa.array(np.arange(len(rows))))) as numbered:
        flags = {
            f"_broken_{number}": rule.is_broken(numbered)
            for number, rule in enumerate(contract.rules)
        }
        judged = numbered.select(ROW, **flags)
        # Only the broken ones come back: they are few, and the others are here already.
        is_broken = ibis.or_(ibis.literal(False), *(judged[flag] for flag in flags))
        broken = engine.to_arrow(judged.filter(is_broken).order_by(ROW))
    place = broken.column(ROW).to_numpy()
    is_valid = np.ones(len(rows), dtype=np.bool_)
    is_valid[place] = False
    reasons = _reasons(broken.select(list(flags)), [rule.describe() for rule in contract.rules])
    quarantined = rows.take(pa.array(place)).append_column(
        pa.field(REASONS, pa.list_(pa.string())), reasons
    )
    valid = rows if len(place) == 0 else rows.filter(pa.array(is_valid))
    return Split(valid, quarantined)


def _reasons(flags: pa.Table, words: list[str]) -> pa.Array:
    """For each row the words of the flags that are set; few combinations ever occur."""
    kind = pa.list_(pa.string())
    if len(flags) == 0:
        return pa.array([], kind)
    matrix = np.column_stack([column.to_numpy() for column in flags.columns])
    combinations, which = np.unique(matrix, axis=0, return_inverse=True)
    said = [
        [word for word, is_set in zip(words, row, strict=True) if is_set] for row in combinations
    ]
    return pa.array(said, kind).take(pa.array(which))
