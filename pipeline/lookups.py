"""What people ask of a night that is there: one customer's features, and what is quarantined."""

from datetime import date

import pyarrow as pa

from pipeline.as_of import known_at_close
from pipeline.contracts.judged import days_not_judged, quarantined_keys
from pipeline.errors import RisklineError
from pipeline.features.cohorts import read_or_build
from pipeline.features.customer_view import CustomerView, view_customer
from pipeline.lake import LANDED
from pipeline.rooms import Rooms
from pipeline.settings import Settings


def customer_view(settings: Settings, as_of: date, customer_id: str) -> CustomerView:
    """One customer's features as of a day, and the rows that they came from.

    The day's features are built first where they are not kept.

    Raises:
        RisklineError: the lake does not reach the day, rows of it are not checked against their
            contract as it is now, or no such customer is known then.
    """
    rooms = Rooms(settings)
    reached = max(rooms.lake.marks(LANDED, "customers"), default=None)
    if reached is None or reached < as_of:
        raise RisklineError(
            f"the lake does not reach {as_of}{f', only {reached}' if reached else ''}; run: "
            f"riskline run --as-of {as_of}"
        )
    for contract in rooms.contracts.values():
        if days := days_not_judged(contract, rooms.lake, as_of):
            raise RisklineError(
                f"the rows of {contract.table} that landed for {days[0]} are not checked against "
                f"the contract as it is now; run: riskline run --as-of {as_of}"
            )
    engine, timezone = rooms.feature_engine, settings.timezone
    features = read_or_build(rooms.contracts, rooms.lake, engine, as_of, timezone)
    known = known_at_close(rooms.contracts, rooms.lake, engine, as_of, timezone)
    return view_customer(features, known, customer_id, engine)


def personal_columns(settings: Settings) -> frozenset[str]:
    """The columns that are personal in any source table.

    Beside a customer's name they are personal in every table: the outlook of the customer's
    industry tells the industry.
    """
    contracts = Rooms(settings).contracts.values()
    return frozenset(
        column.name for contract in contracts for column in contract.columns if column.is_personal
    )


def quarantined(settings: Settings, as_of: date) -> dict[str, pa.Table]:
    """The key and the reasons of every quarantined row, by table, as judged up to a date."""
    rooms = Rooms(settings)
    return {
        name: quarantined_keys(contract, rooms.lake, rooms.engine, as_of)
        for name, contract in rooms.contracts.items()
    }
