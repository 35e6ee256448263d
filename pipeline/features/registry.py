"""All features, in the order of the dimensions and, within one, of their declaration."""

from collections.abc import Mapping
from types import ModuleType

from pipeline.features import (
    behaviour,
    credit_history,
    network,
    prospects,
    relationship,
    repayment_capacity,
    stability,
)
from pipeline.features.declaration import Dimension, Feature

MODULES: Mapping[Dimension, ModuleType] = {
    Dimension.CREDIT_HISTORY: credit_history,
    Dimension.REPAYMENT_CAPACITY: repayment_capacity,
    Dimension.STABILITY: stability,
    Dimension.PROSPECTS: prospects,
    Dimension.RELATIONSHIP: relationship,
    Dimension.BEHAVIOUR: behaviour,
    Dimension.NETWORK: network,
}


def _collect() -> Mapping[str, Feature]:
    features: dict[str, Feature] = {}
    for dimension, module in MODULES.items():
        for value in vars(module).values():
            if not isinstance(value, Feature):
                continue
            if value.dimension is not dimension or value.name in features:
                raise ValueError(f"feature {value.name} is declared twice or in the wrong file")
            features[value.name] = value
    return features


FEATURES: Mapping[str, Feature] = _collect()


def names_by_dimension() -> Mapping[str, tuple[str, ...]]:
    """The names of the features of each dimension."""
    return {
        dimension.value: tuple(f.name for f in FEATURES.values() if f.dimension is dimension)
        for dimension in Dimension
    }


def monotone_by_name() -> Mapping[str, int]:
    """LightGBM's monotone constraint of each feature."""
    return {feature.name: feature.risk.monotone for feature in FEATURES.values()}
