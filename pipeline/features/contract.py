"""The contract of a night's features, derived from their declarations.

``python -m pipeline.features.dictionary`` writes it to ``data_contracts/lake/features.odcs.yaml``,
for readers; what a night is held to is derived anew.
"""

from functools import lru_cache
from typing import Any

import yaml

from pipeline.contracts.contract import Contract
from pipeline.contracts.odcs import read_contract
from pipeline.features.build import CUSTOMER_ID, SEGMENT
from pipeline.features.declaration import Dimension, Feature, Unit
from pipeline.features.registry import FEATURES

NAME = "features"

COUNTED: dict[str, float] = {"minimum": 0}
BOUNDS: dict[Unit, dict[str, float]] = {
    Unit.ACCOUNTS: COUNTED,
    Unit.BOOKINGS: COUNTED,
    Unit.CHANNELS: COUNTED,
    Unit.CONTACTS: COUNTED,
    Unit.CUSTOMERS: COUNTED,
    Unit.INQUIRIES: COUNTED,
    Unit.INSTALMENTS: COUNTED,
    Unit.LOANS: COUNTED,
    Unit.MARK: {"minimum": 1, "maximum": 5},
    Unit.PEOPLE: COUNTED,
    Unit.PRODUCTS: COUNTED,
    Unit.SHARE: {"minimum": 0, "maximum": 1},
    Unit.TIMES: COUNTED,
    Unit.TONE: {"minimum": -1, "maximum": 1},
}
"""What a unit's values lie within; others are bounded as any number in a contract is."""


def contract_text() -> str:
    """The contract as a file of the Open Data Contract Standard."""
    odcs = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "riskline.lake.features",
        "name": NAME,
        "version": "1.0.0",
        "status": "active",
        "description": {
            "purpose": "Every customer from seven dimensions, as the model sees them.",
            "usage": (
                "One partition a night, in the lake; generated from the declarations of the "
                "features by python -m pipeline.features.dictionary, do not edit it."
            ),
        },
        "schema": [
            {
                "name": NAME,
                "physicalType": "table",
                "description": "A night's features of each customer.",
                "dataGranularityDescription": "one customer on one night",
                "properties": [*_KEYS, *(_property(f) for f in FEATURES.values())],
            }
        ],
    }
    text: str = yaml.safe_dump(odcs, sort_keys=False, allow_unicode=True, width=100)
    return text


@lru_cache(maxsize=1)
def features_contract() -> Contract:
    """What a night's features are held to before they are kept."""
    return read_contract(contract_text(), f"{NAME}.odcs.yaml")


_KEYS: list[dict[str, Any]] = [
    {
        "name": CUSTOMER_ID,
        "description": "The customer.",
        "logicalType": "string",
        "logicalTypeOptions": {"minLength": 1, "maxLength": 64},
        "required": True,
        "primaryKey": True,
        "primaryKeyPosition": 1,
    },
    {
        "name": SEGMENT,
        "description": "Consumer, small firm or corporate.",
        "logicalType": "string",
        "logicalTypeOptions": {"minLength": 1, "maxLength": 64},
        "required": True,
    },
]


def _property(feature: Feature) -> dict[str, Any]:
    kind = Dimension(feature.dimension).value
    words = f"{feature.description} In {feature.unit.value}; {kind}, risk {feature.risk.value}."
    found: dict[str, Any] = {
        "name": feature.name,
        "description": words,
        "logicalType": "number",
    }
    bounds = BOUNDS.get(feature.unit)
    if bounds is not None:
        found["logicalTypeOptions"] = dict(bounds)
    return found
