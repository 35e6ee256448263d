"""Pulls what became known into the lake, a partition a day on which rows became known."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.business_day import close_of, start_of
from pipeline.contracts.contract import FIRST_DAY, KNOWN_AT, Contract
from pipeline.contracts.schema import conform
from pipeline.errors import RisklineError
from pipeline.lake import UNDATED, Lake, runs_of
from pipeline.sources.source import Source

LANDED = "landed"


def pull_table(
    source: Source,
    contract: Contract,
    lake: Lake,
    as_of: date,
    timezone: ZoneInfo,
    lookback_days: int,
) -> int | None:
    """Land what one table has learnt since the last pull, and again the days before for late rows.

    The first pull lands the whole past. A day's partition depends on the source alone, not on
    which pull wrote it, so pulls of many nights may run side by side and in any order.

    Returns:
        Rows pulled, or None where the table is optional and the source does not have it.

    Raises:
        RisklineError: a required table is missing, or its rows do not fit the contract.
    """
    if not contract.is_versioned:
        raise RisklineError(
            f"contract of table {contract.table}: a source's contract needs the required columns "
            "known_at (timestamp, in the primary key) and is_deleted (boolean)"
        )
    if not source.has(contract.table) and contract.is_optional:
        return None
    through = max(lake.marks(LANDED, contract.table), default=None)
    first = None
    if through is not None:
        first = min(through + timedelta(days=1), as_of) - timedelta(days=lookback_days)
    since = None if first is None else start_of(first, timezone)
    pulled = source.read(contract, since, close_of(as_of, timezone))
    rows = conform(pulled, contract)
    if first is None and len(rows) == 0 and not contract.is_optional:
        raise RisklineError(
            f"table {contract.table} has no row known by {as_of}; check the source, or run a "
            "later night"
        )
    parts = dict(_by_known_day(rows, contract, timezone))
    # A day whose rows have gone from the source is emptied, so that a pull of it is repeatable.
    before: set[date | str] = {UNDATED, *_days_between(lake, contract.table, first, as_of)}
    for day in before - parts.keys():
        if lake.exists(LANDED, contract.table, day):
            parts[day] = rows.slice(0, 0)
    # An unchanged day keeps its file, and with it the work done on it.
    changed = [
        (day, part)
        for day, part in parts.items()
        if not lake.exists(LANDED, contract.table, day)
        or not lake.read(LANDED, contract.table, day).equals(part)
    ]
    lake.write_all(LANDED, contract.table, changed)
    lake.mark(LANDED, contract.table, as_of)
    return len(rows)


def _days_between(lake: Lake, table: str, first: date | None, last: date) -> list[date]:
    return [
        day for day in lake.days(LANDED, table) if (first is None or first <= day) and day <= last
    ]


def _by_known_day(
    rows: pa.Table, contract: Contract, timezone: ZoneInfo
) -> Iterator[tuple[date | str, pa.Table]]:
    """Parts of equal known day, each in the order of the key and then of all other columns.

    Rows without a known_at, or with one before calendars, are undated; quarantine awaits them.
    """
    if len(rows) == 0:
        return
    known_at = rows.column(KNOWN_AT)
    first = pa.scalar(datetime.combine(FIRST_DAY, time.min, UTC), known_at.type)
    known_at = pc.if_else(pc.less(known_at, first), pa.scalar(None, known_at.type), known_at)
    local = pc.local_timestamp(known_at.cast(pa.timestamp("us", timezone.key)))
    day = local.cast(pa.date32(), safe=False)
    order = [*contract.key, *(name for name in rows.column_names if name not in contract.key)]
    ordered = rows.append_column("_day", day).sort_by(
        [("_day", "ascending"), *((name, "ascending") for name in order)]
    )
    for value, part in runs_of(ordered, "_day"):
        yield (UNDATED if value is None else value), part
