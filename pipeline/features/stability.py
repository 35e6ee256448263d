"""How settled the customer's life or business is."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.exact import spread
from pipeline.features.frames import means, profile

STABILITY = Dimension.STABILITY


@feature(STABILITY, unit="years", risk=Risk.UNORDERED, over=profile)
def age_years(rows: ir.Table) -> ir.NumericValue:
    """Age of the person or the firm."""
    return rows.age_years.max()


@feature(STABILITY, unit="years", risk=Risk.FALLS, over=profile)
def employed_years(rows: ir.Table) -> ir.NumericValue:
    """Time in the present job."""
    return rows.employed_years.max()


@feature(STABILITY, unit="years", risk=Risk.FALLS, over=profile)
def resident_years(rows: ir.Table) -> ir.NumericValue:
    """Time at the present address."""
    return rows.resident_years.max()


@feature(STABILITY, unit="people", risk=Risk.UNORDERED, over=profile)
def dependents(rows: ir.Table) -> ir.NumericValue:
    """People who live on the customer's income."""
    return rows.dependents.max()


@feature(STABILITY, unit="ratio", risk=Risk.RISES, over=means)
def income_volatility_12m(rows: ir.Table) -> ir.NumericValue:
    """How much the income of the last 12 months varies: its sample deviation over its mean."""
    year = rows.months_back < 12
    return spread(rows.income, year) / rows.income.mean(where=year).nullif(0)
