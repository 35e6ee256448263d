"""Computes all features of all customers as of a day, one pass a frame."""

import ibis.expr.types as ir
import pyarrow as pa

from pipeline.as_of import Known
from pipeline.engines.base import Engine
from pipeline.features.declaration import Feature, Frame
from pipeline.features.registry import FEATURES

CUSTOMER_ID = "customer_id"
SEGMENT = "segment"


def features_schema() -> pa.Schema:
    """customer_id, segment and a nullable number a feature."""
    return pa.schema(
        [
            pa.field(CUSTOMER_ID, pa.string()),
            pa.field(SEGMENT, pa.string()),
            *(pa.field(name, pa.float64()) for name in FEATURES),
        ]
    )


def build_features(known: Known, engine: Engine) -> pa.Table:
    """One row a known customer, in the order of customer_id.

    Args:
        known: the tables as of the day.
        engine: where they live.

    Returns:
        Columns of ``features_schema``; a feature is null where there is nothing to compute it
        from, and never infinite or not a number.
    """
    frames: dict[str, tuple[Frame, list[Feature]]] = {}
    for feature in FEATURES.values():
        frames.setdefault(feature.frame.name, (feature.frame, []))[1].append(feature)
    result = known["customers"].select(CUSTOMER_ID, SEGMENT)
    for frame, features in frames.values():
        aggregated = _aggregate(frame, features, known)
        result = result.left_join(aggregated, CUSTOMER_ID).drop(f"{CUSTOMER_ID}_right")
    ordered = result.select(CUSTOMER_ID, SEGMENT, *FEATURES).order_by(CUSTOMER_ID)
    return engine.to_arrow(ordered).cast(features_schema()).combine_chunks()


def _aggregate(frame: Frame, features: list[Feature], known: Known) -> ir.Table:
    rows = frame.build(known)
    values = {feature.name: feature.expression(rows).cast("float64") for feature in features}
    return rows.group_by(CUSTOMER_ID).aggregate(**values)
