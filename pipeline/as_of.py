"""The tables as the bank knew them at the close of a day: the only reader of known_at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from pipeline.business_day import clock_changes, close_of, start_of
from pipeline.contracts.contract import CONSENT, IS_DELETED, KNOWN_AT, Contract
from pipeline.contracts.judged import holds_valid_rows, quarantined_rows, valid_rows
from pipeline.engines.base import Engine
from pipeline.lake import Lake

SECONDS_A_DAY = 86_400
CLOCK_DAYS = 3 * 366
"""How far back the days of instants are told apart to the hour: further than any window reaches."""


@dataclass(frozen=True)
class AsOf:
    """A day of the bank, and the moment at its end from which on nothing is known."""

    date: date
    timezone: ZoneInfo

    @cached_property
    def close(self) -> datetime:
        """The first moment, in UTC, that no longer belongs to the day."""
        return close_of(self.date, self.timezone)

    def start_of_days(self, days: int) -> datetime:
        """The first moment, in UTC, of the day that lies so many before."""
        return start_of(self.date - timedelta(days=days), self.timezone)

    @property
    def today(self) -> ir.DateScalar:
        """The day, to compare dates with."""
        return ibis.literal(self.date)

    def days_since(self, dates: ir.DateValue) -> ir.IntegerValue:
        """Whole days from dates to the day, negative where they lie later."""
        return self.today.delta(dates, unit="day")

    def days_since_instant(self, instants: ir.TimestampValue) -> ir.IntegerValue:
        """How many of the bank's days before the day instants lie: 0 for any moment of the day."""
        # Some engines give the parts of a second too; the day ends with a whole one.
        seconds = ibis.literal(int(self.close.timestamp())) - instants.epoch_seconds()
        for moment, change in clock_changes(self.date, self.timezone, CLOCK_DAYS):
            # A day on which clocks are put forward has 23 hours.
            shift = int(change.total_seconds())
            seconds += (instants < ibis.literal(moment)).ifelse(shift, 0)
        return (seconds / SECONDS_A_DAY).ceil().cast("int64") - 1


@dataclass(frozen=True)
class Known:
    """What was known at the close of a day: one row an entity, without known_at.

    An optional table of which the bank has no valid row by then is there without any, and its name
    is not among ``present``.
    """

    at: AsOf
    versions: Mapping[str, ir.Table]
    """Every table's versions; those of later days are told apart here, if they are there."""
    contracts: Mapping[str, Contract]
    present: frozenset[str]

    def __getitem__(self, table: str) -> ir.Table:
        """One table by its name."""
        return latest_versions(self.versions[table], self.contracts[table], self.at)

    def where(self, table: str, condition: Callable[[ir.Table], ir.BooleanValue]) -> ir.Table:
        """The rows of a table for which a condition holds, without looking at the others."""
        rows, contract = self.versions[table], self.contracts[table]
        # A row that the condition once held for may have changed since: all its versions count.
        candidates = rows.filter(condition(rows)).select(*contract.entity_key).distinct()
        kept = rows.semi_join(candidates, list(contract.entity_key))
        known = latest_versions(kept, contract, self.at)
        return known.filter(condition(known))

    def history(self, table: str) -> ir.Table:
        """Every version of a table's rows known by the close, save what is withdrawn by then."""
        entity, rows = list(self.contracts[table].entity_key), self.versions[table]
        rows = rows.filter(rows[KNOWN_AT] < self.at.close)
        withdrawn = rows.filter(rows[IS_DELETED])
        # A withdrawal says that what was known before it never was so.
        last = withdrawn.group_by(entity).aggregate(_withdrawn=withdrawn[KNOWN_AT].max())
        rows = rows.left_join(last, entity, rname="_{name}")
        is_standing = rows["_withdrawn"].isnull() | (rows[KNOWN_AT] > rows["_withdrawn"])
        kept = [name for name in self.versions[table].columns if name not in {KNOWN_AT, IS_DELETED}]
        return rows.filter(is_standing).select(kept)

    def since(self, table: str, moment: str, days: int) -> ir.Table:
        """The rows of a table that happened in so many days up to the as-of date.

        Args:
            table: its name.
            moment: the column that says when, an instant. The contract rules that no row is known
                before it: what was known before those days is of an earlier moment, and no newer
                version of anything known in them.
            days: how many there are before the as-of date.

        Raises:
            ValueError: the contract does not rule so.
        """
        contract, rows = self.contracts[table], self.versions[table]
        if not contract.is_known_after(moment):
            raise ValueError(f"the contract of {table} lets rows be known before {moment}")
        first = self.at.start_of_days(days)
        known = latest_versions(rows.filter(rows[KNOWN_AT] >= first), contract, self.at)
        # Instants are compared as they are: readers of files skip what lies outside.
        return known.filter((known[moment] >= first) & (known[moment] < self.at.close))


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
    # What the bank began to keep on a later day, it lacks on this one; and a table of which every
    # row is in quarantine tells nothing, not that nothing happened.
    present = {name for name in contracts if holds_valid_rows(contracts[name], lake, as_of)}
    versions = {name: _versions(contracts[name], lake, engine, as_of) for name in contracts}
    return Known(AsOf(as_of, timezone), versions, contracts, frozenset(present))


def _versions(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> ir.Table:
    """Valid versions; one in quarantine because the customer has not agreed withdraws its row.

    Whatever else it breaks it stays in quarantine: of it nothing but that is told.
    """
    rows = valid_rows(contract, lake, engine, as_of)
    if CONSENT not in contract.column_names:
        return rows
    refused = quarantined_rows(contract, lake, engine, as_of)
    refused = refused.filter(~refused[CONSENT].fill_null(False))
    refused = refused.mutate(**{IS_DELETED: ibis.literal(True)}).select(*rows.columns)
    return rows.anti_join(refused, list(contract.key)).union(refused)


def latest_versions(rows: ir.Table, contract: Contract, at: AsOf) -> ir.Table:
    """The last version of each entity known by the close, unless it withdraws the row.

    Args:
        rows: versions; no two share the contract's key, so their order by known_at is total.
        contract: whose key tells the entity.
        at: the day.
    """
    # Versions are looked up where there are several, and not ranked: that sorts all columns of all
    # rows. What looks them up reads no other column: of a query in common with the rows themselves
    # the engine would keep all of them.
    entity = list(contract.entity_key)
    moments = rows.select(*entity, KNOWN_AT)
    moments = moments.filter(moments[KNOWN_AT] < at.close)
    by_entity = moments.group_by(entity).aggregate(
        _last=moments[KNOWN_AT].max(), _versions=moments.count()
    )
    several = by_entity.filter(by_entity["_versions"] > 1).drop("_versions")
    known = rows.filter(rows[KNOWN_AT] < at.close)
    beside = known.left_join(several, entity, rname="_{name}")
    is_last = beside["_last"].isnull() | (beside[KNOWN_AT] == beside["_last"])
    kept = [name for name in rows.columns if name not in {KNOWN_AT, IS_DELETED}]
    return beside.filter(is_last & ~beside[IS_DELETED]).select(kept)
