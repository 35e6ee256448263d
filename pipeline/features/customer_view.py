"""One customer's features as of a day, and the rows that they came from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.as_of import Known
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID
from pipeline.features.declaration import History
from pipeline.features.registry import FEATURES

RELATED = "related_customer_id"
INDUSTRY = "industry_code"
LOAN = "loan_id"

Condition = Callable[[ir.Table], ir.BooleanValue]


@dataclass(frozen=True)
class CustomerView:
    """What the model sees of a customer, and why.

    Attributes:
        values: every feature, null where there is nothing to compute it from.
        rows: of each source table that the bank has and a feature reads, the rows as known on the
            day: the customer's own, the links to and from the customer, and the outlook of the
            customer's industry. Where a feature looks at earlier versions too, every version of
            the customer's own rows, as ``<table>, every version``.
    """

    values: Mapping[str, float | None]
    rows: Mapping[str, pa.Table]


def view_customer(
    features: pa.Table, known: Known, customer_id: str, engine: Engine
) -> CustomerView:
    """See one customer.

    Args:
        features: the day's, of all customers.
        known: the tables as of the day.
        customer_id: whom to see.
        engine: where the tables live.

    Raises:
        RisklineError: no such customer is known on that day.
    """
    found = features.filter(pc.equal(features[CUSTOMER_ID], customer_id)).to_pylist()
    if not found:
        raise RisklineError(
            f"no customer {customer_id!r} is known on {known.at.date}; check the number, or take a "
            "later day"
        )
    read = {table for feature in FEATURES.values() for table in feature.sources}
    rows = {
        table: _rows_of(customer_id, known, table, engine)
        for table in known.contracts
        if table in read & known.present
    }
    for table in sorted({read.table for read in _histories_read()} & known.present):
        versions = known.history(table)
        own = versions.filter(versions[CUSTOMER_ID] == customer_id).order_by(versions.columns)
        rows[f"{table}, every version"] = engine.to_arrow(own)
    return CustomerView({name: found[0][name] for name in FEATURES}, rows)


def _histories_read() -> set[History]:
    return {
        read
        for feature in FEATURES.values()
        for read in feature.frame.reads
        if isinstance(read, History)
    }


def _rows_of(customer_id: str, known: Known, table: str, engine: Engine) -> pa.Table:
    """The rows of one table that have to do with a customer, in the order of time."""
    contract = known.contracts[table]
    rows = known.where(table, _concerns(customer_id, known, table, engine))
    times = (column.name for column in contract.columns if column.type in {"date", "timestamp"})
    first = [name for name in times if name in rows.columns][:1]
    return engine.to_arrow(rows.order_by(list(dict.fromkeys([*first, *contract.entity_key]))))


def _concerns(customer_id: str, known: Known, table: str, engine: Engine) -> Condition:
    """Which rows of a table have to do with a customer."""
    columns = known.contracts[table].column_names
    if RELATED in columns:
        return lambda rows: (rows[CUSTOMER_ID] == customer_id) | (rows[RELATED] == customer_id)
    if CUSTOMER_ID in columns:
        return lambda rows: rows[CUSTOMER_ID] == customer_id
    owner, key = ("loans", LOAN) if LOAN in columns else ("customers", INDUSTRY)
    own = known.where(owner, lambda rows: rows[CUSTOMER_ID] == customer_id).select(key)
    keys = engine.to_arrow(own)[key].drop_null().to_pylist()
    return lambda rows: rows[key].isin(keys)
