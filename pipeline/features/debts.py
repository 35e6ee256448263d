"""What each customer owes, loan by loan, and what secures it: for decisions, not for the model."""

import pyarrow as pa

from pipeline.engines.base import Engine
from pipeline.features.build import Frames
from pipeline.features.frames.open_loans import open_loans


def build_debts(frames: Frames, engine: Engine) -> pa.Table:
    """One row for each loan of which something is owed and each running credit line.

    Args:
        frames: of the day.
        engine: where they live.

    Returns:
        loan_id, customer_id, owed, collateral_type (null where nothing secures the loan),
        collateral_value and credit_limit (null for what is no credit line), in the order of
        loan_id; amounts in the bank's currency.
    """
    rows = frames.rows(open_loans)
    chosen = rows.select(
        "loan_id",
        "customer_id",
        "collateral_type",
        owed=rows.owed.cast("float64"),
        collateral_value=rows.collateral.cast("float64"),
        credit_limit=rows.credit_limit.cast("float64"),
    )
    return engine.to_arrow(chosen.order_by("loan_id")).combine_chunks()
