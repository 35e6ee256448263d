"""Aggregates that come out the same, to the last bit, whatever the order of the rows.

The sum of floating-point numbers depends on their order, and an engine with several threads adds
in any order: a night that is computed again would differ in its last bits, and with it its hash.
Sums of integers and decimals are exact. So money is a decimal in every frame, and what is summed
or averaged is an integer or a decimal; a test holds every feature to that.
"""

import ibis
import ibis.expr.types as ir

# No currency has more than four decimals. Contracts bound an amount at 10^12, far within.
MONEY = "decimal(18, 4)"
# DuckDB keeps a product of narrow decimals narrow, and refuses what does not fit.
WIDE_MONEY = "decimal(38, 4)"
ROUNDED = 1e-14


def money(amount: ir.FloatingValue) -> ir.DecimalValue:
    """An amount of money as a decimal of four places.

    Of a fifth place that is just a half, engines may round one up and another down.
    """
    return amount.cast(MONEY)


def quotient(above: ir.NumericValue, below: ir.NumericValue) -> ir.FloatingValue:
    """One number over another; null where the lower one is 0.

    Engines round the quotient of two decimals each in its own way, so both become floats first.
    """
    return above.cast("float64") / below.cast("float64").nullif(0)


def mean(values: ir.NumericColumn, where: ir.BooleanValue) -> ir.FloatingScalar:
    """The mean of whole numbers or decimals, not rounded to decimals; null where there are none.

    Args:
        values: integers or decimals.
        where: which rows count.
    """
    return quotient(values.sum(where=where), values.count(where=where))


def spread(values: ir.NumericColumn, where: ir.BooleanValue) -> ir.FloatingScalar:
    """Sample standard deviation; null for fewer than two values.

    Args:
        values: integers such as days, whose squares fit 64 bits, or money.
        where: which rows count.
    """
    is_money = values.type().is_decimal()
    # Engines multiply two narrow integers as narrow ones, also in rows that do not count.
    kind = WIDE_MONEY if is_money else "int64"
    wide = values.cast(kind)
    squares = (wide * wide).sum(where=where)
    # Of the narrow ones, for the mean asks for the same.
    count = values.count(where=where)
    total = values.sum(where=where).cast(kind)
    # The squares of what lies beside a whole number near the mean, and from them those beside the
    # mean. Exact up to here, and never larger than the squares themselves: the difference of two
    # nearly equal floats would lose every digit.
    near = quotient(total, count).floor().cast(kind)
    rest = total - near * count.cast(kind)
    beside_near = (squares - near * total - near * rest).cast("float64")
    beside_mean = beside_near - rest.cast("float64") ** 2 / count.nullif(0)
    # Of equal values, what is left is what the floats were rounded by.
    beside_mean = (beside_mean > ROUNDED * beside_near).ifelse(beside_mean, 0.0)
    deviation = (beside_mean / (count - 1).nullif(0)).sqrt()
    return (count > 1).ifelse(deviation, ibis.null("float64"))
