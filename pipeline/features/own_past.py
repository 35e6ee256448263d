"""The last three months of a customer against the customer's own nine months before."""

import ibis
import ibis.expr.types as ir

LATELY_DAYS = 91
HALF_A_YEAR_DAYS = 182
YEAR_DAYS = 365


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
    """What integers, decimals or marks of yes and no add up to; 0 where none counts."""
    return values.sum(where=where).fill_null(0).cast("float64")


def pace(rows: ir.Table, values: ir.Column) -> ir.FloatingScalar:
    """What values add up to a day in the last 3 months, against the 9 months before.

    Null where there was nothing before, and where the rows go back less than half a year: a few
    days of a new customer would stand for nine months.
    """
    now = total(values, lately(rows)) / (LATELY_DAYS + 1)
    then = total(values, before(rows)) / (YEAR_DAYS - LATELY_DAYS)
    is_long_known = rows.days_ago.max() > HALF_A_YEAR_DAYS
    return is_long_known.ifelse(now / then.nullif(0), ibis.null("float64"))
