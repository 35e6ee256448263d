"""Pulls what became known into the lake, a partition a day on which rows became known."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.business_day import close_of, start_of
from pipeline.contracts.contract import FIRST_DAY, KNOWN_AT, LAST_DAY, Contract
from pipeline.contracts.schema import conform
from pipeline.engines.base import Engine, EngineError
from pipeline.errors import RisklineError
from pipeline.lake import LANDED, UNDATED, Lake, Renewal, runs_of
from pipeline.sources.queries import query_text, without_values
from pipeline.sources.source import Source

log = logging.getLogger("riskline")

DAY = "_day"


def pull_table(
    source: Source,
    contract: Contract,
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
    lookback_days: int,
) -> int | None:
    """Land what one table has learnt since the last pull, and again the days before for late rows.

    The first pull lands the whole past. A day's partition depends on the source alone, not on
    which pull wrote it, so pulls of many nights may run side by side and in any order. Memory is
    bounded whatever the table's size: rows wait on disk, and pass through in order.

    Returns:
        Rows pulled, or None where the table is optional and the source has never had it.

    Raises:
        RisklineError: a required table is missing, or its rows do not fit the contract.
    """
    if not contract.is_versioned:
        raise RisklineError(
            f"contract of table {contract.table}: a source's contract needs the required columns "
            "known_at (timestamp, in the primary key) and is_deleted (boolean)"
        )
    # A pull that began earlier must not end later: it has not seen what came meanwhile.
    with lake.hold(contract.table):
        return _pull(source, contract, lake, engine, as_of, timezone, lookback_days)


def _pull(
    source: Source,
    contract: Contract,
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
    lookback_days: int,
) -> int | None:
    through = max(lake.marks(LANDED, contract.table), default=None)
    if contract.is_optional and through is None and not source.has(contract.table):
        return None
    query = query_text(contract.table, source.queries) or ""
    first = None
    if through is not None:
        _refuse_another_table(source, contract, lake, through, query)
        first = min(through + timedelta(days=1), as_of) - timedelta(days=lookback_days)
    since = None if first is None else start_of(first, timezone)
    with lake.renewal(LANDED, contract.table) as new:
        staged = new.scratch / "staged"
        # Closed also where a row does not fit: a source left open keeps locks on the bank's tables.
        with closing(source.read(contract, since, close_of(as_of, timezone))) as batches:
            pulled, dated = _stage(batches, contract, timezone, staged)
        before = _days_between(lake, contract.table, first, as_of)
        if dated == 0:
            _refuse_nothing(contract, lake, before, first, as_of)
        try:
            rows = engine.sorted_batches(staged, [DAY, *_total_order(contract)], new.scratch)
            _replace_days(contract, lake, new, rows, before)
        except EngineError as error:
            raise RisklineError(
                f"table {contract.table}: its rows cannot be put in order: "
                f"{without_values(str(error))}; see that the disk of {lake.root} has room"
            ) from error
        staged.unlink()
    lake.mark(LANDED, contract.table, as_of, query)
    return pulled


def _refuse_another_table(
    source: Source, contract: Contract, lake: Lake, through: date, query: str
) -> None:
    """A table that has gone, or is made in another way by now, does not go on from its past."""
    folder = lake.folder(LANDED, contract.table)
    if contract.is_optional and not source.has(contract.table):
        raise RisklineError(
            f"table {contract.table} was pulled before and is not in the source any more; bring it "
            f"back, or move {folder} away to go on without it"
        )
    if lake.made_by(LANDED, contract.table, through) != query:
        raise RisklineError(
            f"table {contract.table}: its query file has changed since rows were pulled by it; "
            f"move {folder} away, and the next pull lands all of it again by the new one"
        )


def _refuse_nothing(
    contract: Contract, lake: Lake, before: list[date | str], first: date | None, as_of: date
) -> None:
    """A source without a row is one that is being loaded, where there were rows or must be some."""
    if first is None and not contract.is_optional:
        raise RisklineError(
            f"table {contract.table} has no row known by {as_of}; check the source, or run a later "
            "night"
        )
    count = lake.count(LANDED, contract.table, [day for day in before if day != UNDATED])
    if count:
        since = "" if first is None else f"from {first} "
        raise RisklineError(
            f"table {contract.table}: the source has none of the {count} rows any more that were "
            f"pulled of the days {since}to {as_of}; check the source, or move their files in "
            f"{lake.folder(LANDED, contract.table)} away to go on without them"
        )


def _replace_days(
    contract: Contract,
    lake: Lake,
    new: Renewal,
    rows: Iterable[pa.RecordBatch],
    before: Iterable[date | str],
) -> None:
    """Write each day anew; a day whose rows have gone is emptied, so that a pull is repeatable."""
    gone = {day: lake.count(LANDED, contract.table, [day]) for day in before}
    fewer = 0
    for day, parts in _by_day(rows):
        count = new.write(day, parts)
        fewer += max(gone.pop(day, 0) - count, 0)
        # An unchanged day keeps its file, and with it the work done on it.
        if new.is_unchanged(day):
            new.keep(day)
    for day, count in gone.items():
        fewer += count
        if count:
            new.write(day, [contract.arrow_schema.empty_table()])
    if fewer:
        log.warning(
            "table %s: %d rows that were pulled before are not in the source any more, and leave "
            "the lake; where that is wrong, correct the source and run the night again",
            contract.table,
            fewer,
        )


def _days_between(lake: Lake, table: str, first: date | None, last: date) -> list[date | str]:
    """The days in the lake that a pull reads again, and the undated rows."""
    days = lake.days(LANDED, table)
    found = [day for day in days if (first is None or first <= day) and day <= last]
    return [*found, UNDATED]


def _total_order(contract: Contract) -> list[str]:
    """The key and then all other columns: no two rows that differ are equal in it."""
    rest = (name for name in contract.column_names if name not in contract.key)
    return [*contract.key, *rest]


def _stage(
    batches: Iterable[pa.RecordBatch], contract: Contract, timezone: ZoneInfo, file: Path
) -> tuple[int, int]:
    """Write what the source delivers to one file, in the contract's shape and with its days.

    Returns:
        Rows written, and those of them that have a day.
    """
    schema = contract.arrow_schema.append(pa.field(DAY, pa.date32()))
    pulled = dated = 0
    with pq.ParquetWriter(file, schema, compression="lz4") as staged:
        for batch in batches:
            rows = conform(pa.Table.from_batches([batch]), contract)
            if len(rows):
                days = _known_day(rows, timezone)
                staged.write_table(rows.append_column(DAY, days))
                pulled += len(rows)
                dated += len(days) - days.null_count
    return pulled, dated


def _known_day(rows: pa.Table, timezone: ZoneInfo) -> pa.ChunkedArray:
    """The bank's day of each known_at; null without one, or with one beyond calendars.

    Such rows are undated; quarantine awaits them.
    """
    known_at = rows.column(KNOWN_AT)
    first, last = (
        pa.scalar(datetime.combine(day, time.min, UTC), known_at.type)
        for day in (FIRST_DAY, LAST_DAY)
    )
    is_beyond = pc.or_(pc.less(known_at, first), pc.greater(known_at, last))
    known_at = pc.if_else(is_beyond, pa.scalar(None, known_at.type), known_at)
    local = pc.local_timestamp(known_at.cast(pa.timestamp("us", timezone.key)))
    return local.cast(pa.date32(), safe=False)


def _by_day(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[date | str, Iterator[pa.Table]]]:
    """Each day in turn with its rows, which may stretch over many batches."""
    runs = chain.from_iterable(runs_of(pa.Table.from_batches([batch]), DAY) for batch in batches)
    for day, pieces in groupby(runs, key=itemgetter(0)):
        yield (UNDATED if day is None else day), (rows for _, rows in pieces)
