"""The tables as the bank knew them at the close of a day: the only reader of known_at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from pipeline.business_day import close_of
from pipeline.contracts.contract import IS_DELETED, KNOWN_AT, Contract
from pipeline.contracts.judged import valid_rows
from pipeline.engines.base import Engine
from pipeline.lake import LANDED, Lake


@dataclass(frozen=True)
class Known:
    """What was known at the close of a day: one row an entity, without known_at.

    An optional table that the source does not have is there with no rows, and its name is not
    among ``present``.
    """

    as_of: date
    tables: Mapping[str, ir.Table]
    present: frozenset[str]

    def __getitem__(self, table: str) -> ir.Table:
        """One table by its name."""
        return self.tables[table]


def known_at_close(
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
) -> Known:
    """See every table as of the close of a day.

    Rows known later, versions superseded by then and rows withdrawn by then are gone. What is
    known may still lie in the future: an instalment's due date is known years ahead.
    """
    present = {name for name in contracts if any(True for _ in lake.marks(LANDED, name))}
    close = ibis.literal(close_of(as_of, timezone))
    return Known(as_of, _OnDemand(contracts, lake, engine, as_of, close), frozenset(present))


class _OnDemand(Mapping[str, ir.Table]):
    """Tables as of the close of a day, each seen when it is first asked for: some are large."""

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        lake: Lake,
        engine: Engine,
        as_of: date,
        close: ir.TimestampScalar,
    ) -> None:
        self._contracts, self._lake, self._engine = contracts, lake, engine
        self._as_of, self._close = as_of, close
        self._seen: dict[str, ir.Table] = {}

    def __getitem__(self, table: str) -> ir.Table:
        if table not in self._seen:
            contract = self._contracts[table]
            rows = valid_rows(contract, self._lake, self._engine, self._as_of)
            versions = latest_versions(rows, contract, self._close)
            self._seen[table] = self._engine.cached(versions)
        return self._seen[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contracts)

    def __len__(self) -> int:
        return len(self._contracts)


def latest_versions(rows: ir.Table, contract: Contract, close: ir.TimestampScalar) -> ir.Table:
    """The last version of each entity known before ``close``, unless it withdraws the row.

    Args:
        rows: versions; no two share the contract's key, so their order by known_at is total.
        contract: whose key tells the entity.
        close: the first moment that is no longer known.
    """
    known = rows.filter(rows[KNOWN_AT] < close)
    window = ibis.window(group_by=list(contract.entity_key), order_by=known[KNOWN_AT].desc())
    ranked = known.mutate(_rank=ibis.row_number().over(window))
    return ranked.filter((ranked["_rank"] == 0) & ~ranked[IS_DELETED]).drop(
        "_rank", KNOWN_AT, IS_DELETED
    )
