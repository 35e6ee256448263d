"""The last three months of a customer against the customer's own nine months before."""

from itertools import pairwise

import ibis
import ibis.expr.types as ir

LATELY_DAYS = 91
HALF_A_YEAR_DAYS = 182
YEAR_DAYS = 365
# The last days of the last quarter of a year and of those before.
QUARTERS = (LATELY_DAYS, HALF_A_YEAR_DAYS, 273, YEAR_DAYS)


def lately(rows: ir.Table) -> ir.BooleanColumn:
    """Which rows of a year, by days_ago, lie in its last 3 months."""
    return rows.days_ago <= LATELY_DAYS


def half_a_year(rows: ir.Table) -> ir.BooleanColumn:
    """Which rows of a year, by days_ago, lie in its last 6 months."""
    return rows.days_ago <= HALF_A_YEAR_DAYS


def before(rows: ir.Table) -> ir.BooleanColumn:
    """Which rows of a year, by days_ago, lie in the 9 months before the last 3."""
    return rows.days_ago > LATELY_DAYS


def total(values: ir.Column, where: ir.BooleanValue) -> ir.FloatingScalar:
    """What integers or decimals add up to, or how many marks say yes; 0 where none counts."""
    if isinstance(values, ir.BooleanColumn):
        # A sum may be wide, and an engine keeps the room for it for each customer.
        return values.nullif(False).count(where=where).cast("float64")
    return values.sum(where=where).fill_null(0).cast("float64")


def pace(rows: ir.Table, values: ir.Column) -> ir.FloatingScalar:
    """What values add up to a day in the last 3 months, against the 9 months before.

    Of the 9 months the days since the customer's first row of the year count. Null where there was
    nothing before, and where the rows go back less than half a year: a few days of a new customer
    would stand for nine months.
    """
    days_known = rows.days_ago.max()
    now = total(values, lately(rows)) / (LATELY_DAYS + 1)
    then = total(values, before(rows)) / (days_known - LATELY_DAYS).nullif(0)
    is_long_known = days_known > HALF_A_YEAR_DAYS
    return is_long_known.ifelse(now / then.nullif(0), ibis.null("float64"))


def volatility(rows: ir.Table, values: ir.DecimalColumn) -> ir.FloatingScalar:
    """Sample deviation of what values add up to in each quarter of a year, over the mean of it.

    Only quarters since the customer's first row of the year count, the empty ones among them too.
    Null for fewer than two, and where nothing came together.
    """
    so_far = [values.sum(where=rows.days_ago <= days).fill_null(0) for days in QUARTERS]
    by_quarter = [so_far[0], *(now - before for before, now in pairwise(so_far))]
    first_ago = rows.days_ago.max()
    first = sum((first_ago > days).cast("int64") for days in QUARTERS[:-1])
    mean = so_far[-1].cast("float64") / (first + 1)
    squares = sum(
        (first >= quarter).ifelse((amount.cast("float64") - mean) ** 2, 0.0)
        for quarter, amount in enumerate(by_quarter)
    )
    return (squares / first.nullif(0)).sqrt() / mean.nullif(0)
