"""Words as the bits of a number: how many different ones there are is then one aggregate."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir


def one_bit(conditions: Iterable[ir.BooleanValue]) -> ir.IntegerValue:
    """A bit for the first condition that holds, the lowest for the first one; null if none does."""
    return ibis.cases(*((holds, 1 << place) for place, holds in enumerate(conditions)))


def different(bits: ir.IntegerColumn, of: int, where: ir.BooleanColumn) -> ir.IntegerScalar:
    """How many of the lowest bits are set in any row that counts; null where no row has any.

    A count of distinct values would keep a set a customer; this keeps a number.

    Args:
        bits: of which each row sets one, or none.
        of: how many there are.
        where: which rows count.
    """
    found = bits.bit_or(where=where)
    marks = [(found >> place) & 1 for place in range(of)]
    return sum(marks[1:], marks[0])
