"""What people ask of a night that is there: one customer's features, and what is quarantined."""

from datetime import date

import pyarrow as pa

from models import registry
from models.registry import Registered
from pipeline.as_of import known_at_close
from pipeline.contracts.judged import days_not_judged, quarantined_keys
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID
from pipeline.features.cohorts import read_or_build
from pipeline.features.customer_view import LOAN, CustomerView, view_customer
from pipeline.features.registry import FEATURES
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
    for contract in rooms.contracts.values():
        # A pull may have ended between two tables. An optional one may never have been there.
        reached = max(rooms.lake.marks(LANDED, contract.table), default=None)
        if reached is None and contract.is_optional:
            continue
        if reached is None or reached < as_of:
            raise RisklineError(
                f"the rows of {contract.table} in the lake do not reach {as_of}"
                f"{f', only {reached}' if reached else ''}; run: riskline run --as-of {as_of}"
            )
        if days := days_not_judged(contract, rooms.lake, as_of):
            raise RisklineError(
                f"the rows of {contract.table} that landed for {days[0]} are not checked against "
                f"the contract as it is now; run: riskline run --as-of {as_of}"
            )
    engine, timezone = rooms.feature_engine, settings.timezone
    features = read_or_build(rooms.contracts, rooms.lake, engine, as_of, timezone)
    known = known_at_close(rooms.contracts, rooms.lake, engine, as_of, timezone)
    return view_customer(features, known, customer_id, engine)


def without_personal(view: CustomerView, settings: Settings) -> CustomerView:
    """What of a customer those may see who may not see what is personal.

    A column that is personal in any source table is left out of all. So are features that tell the
    customer's own life, and tables that are not about customers: which of their rows are there
    tells what is personal, as the outlook of an industry tells the customer's industry.
    """
    contracts = Rooms(settings).contracts
    personal = {
        column.name
        for contract in contracts.values()
        for column in contract.columns
        if column.is_personal
    }
    rows = {
        name: found.drop_columns([c for c in found.column_names if c in personal])
        for name, found in view.rows.items()
        if {CUSTOMER_ID, LOAN} & set(found.column_names)
    }
    values = {
        name: value for name, value in view.values.items() if not FEATURES[name].frame.is_personal
    }
    return CustomerView(values, rows)


def model(settings: Settings, version: str | None) -> Registered:
    """A version of the model; the champion where none is named.

    Raises:
        RisklineError: there is no such version, or it is damaged.
    """
    if version is not None:
        return registry.registered(settings.home, version)
    champion = registry.champion(settings.home)
    if champion is None:
        raise RisklineError("no model is the champion yet; train one, or name a --version")
    return champion


def quarantined(settings: Settings, as_of: date) -> dict[str, pa.Table]:
    """The key and the reasons of every quarantined row, by table, as judged up to a date."""
    rooms = Rooms(settings)
    return {
        name: quarantined_keys(contract, rooms.lake, rooms.engine, as_of)
        for name, contract in rooms.contracts.items()
    }
