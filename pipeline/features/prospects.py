"""Where the customer's income and industry are heading."""

import ibis.expr.types as ir

from pipeline.features.declaration import Dimension, Risk, feature
from pipeline.features.frames import industry_peers, means

PROSPECTS = Dimension.PROSPECTS


@feature(PROSPECTS, unit="share", risk=Risk.RISES, over=industry_peers)
def industry_late_share_12m(rows: ir.Table) -> ir.NumericValue:
    """Share of the industry's instalments of the last 12 months that were over 30 days late."""
    return rows.late_instalments.max() / rows.instalments.max()


@feature(PROSPECTS, unit="ratio", risk=Risk.FALLS, over=means)
def income_growth_12m(rows: ir.Table) -> ir.NumericValue:
    """Mean income of the last 3 months against that of the same months a year before."""
    now = rows.income.mean(where=rows.months_back < 3)
    then = rows.income.mean(where=(rows.months_back >= 12) & (rows.months_back < 15))
    return now / then.nullif(0)


@feature(PROSPECTS, unit="ratio", risk=Risk.FALLS, over=means)
def asset_growth_12m(rows: ir.Table) -> ir.NumericValue:
    """Assets of the latest month against those of the same month a year before."""
    now = rows.assets.max(where=rows.months_back == 0)
    return now / rows.assets.max(where=rows.months_back == 12).nullif(0)
