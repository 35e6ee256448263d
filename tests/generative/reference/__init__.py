"""A slow, obvious reading of every feature, in loops over rows: it decides what is right."""

from datetime import date

from tests.generative.reference.behaviour import behaviour
from tests.generative.reference.credit_history import credit_history
from tests.generative.reference.network import network
from tests.generative.reference.prospects import prospects
from tests.generative.reference.relationship import relationship
from tests.generative.reference.repayment_capacity import repayment_capacity
from tests.generative.reference.rows import Tables, Values
from tests.generative.reference.stability import stability

DIMENSIONS = (
    credit_history, repayment_capacity, stability, prospects, relationship, behaviour, network,
)  # fmt: skip


def features(tables: Tables, today: date) -> dict[str, dict[str, float | None]]:
    """Every feature of every customer, from what was known; days are those of UTC."""
    found: dict[str, dict[str, float | None]] = {}
    for customer in tables["customers"]:
        values: Values = {}
        for dimension in DIMENSIONS:
            values |= dimension(tables, customer, today)
        found[customer["customer_id"]] = {
            name: None if value is None else float(value) for name, value in values.items()
        }
    return found
