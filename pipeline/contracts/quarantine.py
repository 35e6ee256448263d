"""Splits rows into those that keep their contract and those that break it, with every reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.contract import Contract
from pipeline.engines.base import Engine

# No contract's column: their names begin with a letter.
REASONS = "_reasons"


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
        Both sides, in the order of the key and then of all other columns.
    """
    table = engine.table(rows)
    flags = {f"_broken_{i}": rule.is_broken(table) for i, rule in enumerate(contract.rules)}
    order = [*contract.key, *(name for name in rows.column_names if name not in contract.key)]
    judged = engine.to_arrow(table.mutate(**flags).order_by(order))
    is_broken = pa.chunked_array([pa.repeat(False, len(judged))], type=pa.bool_())
    for flag in flags:
        is_broken = pc.or_(is_broken, judged.column(flag))
    valid = judged.filter(pc.invert(is_broken)).select(rows.column_names)
    broken = judged.filter(is_broken)
    reasons = _reasons(broken.select(list(flags)), [rule.describe() for rule in contract.rules])
    quarantined = broken.select(rows.column_names).append_column(
        pa.field(REASONS, pa.list_(pa.string())), reasons
    )
    return Split(valid.combine_chunks(), quarantined.combine_chunks())


def _reasons(flags: pa.Table, words: Sequence[str]) -> pa.Array:
    columns = [column.to_pylist() for column in flags.columns]
    rows = zip(*columns, strict=True) if columns else iter(())
    return pa.array(
        [[word for word, broken in zip(words, row, strict=True) if broken] for row in rows],
        type=pa.list_(pa.string()),
    )
