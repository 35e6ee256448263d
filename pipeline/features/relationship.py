"""How long and how closely the customer has dealt with the bank."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.frames import loans, profile

RELATIONSHIP = Dimension.RELATIONSHIP


@feature(RELATIONSHIP, unit="years", risk=Risk.FALLS, over=profile)
def tenure_years(rows: ir.Table) -> ir.NumericValue:
    """Time since the customer came to the bank."""
    return rows.tenure_years.max()


@feature(RELATIONSHIP, unit="loans", risk=Risk.UNORDERED, over=loans)
def loans_taken(rows: ir.Table) -> ir.NumericValue:
    """Loans taken so far."""
    return rows.count()


@feature(RELATIONSHIP, unit="products", risk=Risk.UNORDERED, over=loans)
def products_held(rows: ir.Table) -> ir.NumericValue:
    """Different loan products taken so far."""
    return rows["product"].nunique()
