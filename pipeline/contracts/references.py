"""Rows whose reference leads nowhere, or to a row that began after them.

To hold all of a table's history against all of another's each night would take longer with every
year. What a day's rows refer to is looked up when the day is judged, and while pulls still land
the days around it again; the few rows in doubt are kept, for what they wait for may still come, and
only those are looked up again on every night.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from pipeline.contracts.contract import IS_DELETED, KNOWN_AT, Contract, Metric
from pipeline.engines.base import Engine
from pipeline.lake import LANDED, Lake

IN_DOUBT = "in_doubt"
"""The lake's layer of references to look up again, by judged table and column, and day."""


@dataclass(frozen=True)
class Reference:
    """A column that holds another table's key, and the dates that must not lie before its own."""

    column: str
    table: str
    key: str
    dates: tuple[tuple[str, str], ...]
    """Pairs of a date here and a date there, such as paid_date and originated_at."""

    @property
    def own_columns(self) -> list[str]:
        """What has to be kept of a row to look it up again."""
        return [self.column, *dict.fromkeys(own for own, _ in self.dates)]


def references_of(contract: Contract) -> list[Reference]:
    """Every reference of a contract, one a column."""
    found = []
    for column in contract.columns:
        if column.references is None:
            continue
        table, _, key = column.references.partition(".")
        dates = tuple(
            (check.column, check.references.partition(".")[2])
            for check in contract.batch_checks
            if check.metric is Metric.BEFORE_REFERENCE and check.via == column.name
        )
        found.append(Reference(column.name, table, key, dates))
    return found


def rows_in_doubt(
    rows: pa.Table, reference: Reference, target: ir.Table, last_known: str, engine: Engine
) -> pa.Table:
    """The rows that may on some night turn out to refer to nothing, or to begin too early.

    They are those whose reference led to nothing known by the end of their own day, and those
    before the latest date that any version of the other row gives. Which night looks makes no
    difference to what any night can find among them.

    Args:
        rows: valid rows of any days.
        reference: that they hold.
        target: valid rows of the other table.
        last_known: the column of ``rows`` with the first moment after their day.
        engine: where ``target`` lives.

    Returns:
        Those rows in no order, without those that withdraw what they say.
    """
    with engine.holding(rows) as held:
        table = held.filter(~held[IS_DELETED] & held[reference.column].notnull())
        wanted = table.select(_key=table[reference.column]).distinct()
        found = target.semi_join(wanted, target[reference.key] == wanted["_key"])
        latest = {f"_latest_{theirs}": found[theirs].max() for _, theirs in reference.dates}
        known = found.group_by(_known_key=found[reference.key]).aggregate(
            _first_known=found[KNOWN_AT].min(), **latest
        )
        joined = table.left_join(known, table[reference.column] == known["_known_key"])
        doubts = [joined["_first_known"].isnull(), joined["_first_known"] >= joined[last_known]]
        doubts += [
            (joined[own] < joined[f"_latest_{theirs}"]).fill_null(False)
            for own, theirs in reference.dates
        ]
        return engine.to_arrow(joined.filter(ibis.or_(*doubts)).select(*rows.column_names))


def keep_in_doubt(
    lake: Lake,
    judged: str,
    reference: Reference,
    days: Sequence[date | str],
    rows: Mapping[date | str, pa.Table],
) -> None:
    """Keep what is in doubt, by day; a day without any has no partition."""
    with lake.renewal(IN_DOUBT, f"{judged}_{reference.column}") as new:
        for day in days:
            if day in rows:
                new.write(day, [rows[day].select(reference.own_columns)])
            else:
                new.remove(day)


def orphans(waiting: ir.Table, reference: Reference, target: ir.Table) -> ir.Table:
    """Rows in doubt that lead to no row of ``target``, the valid rows of the other table."""
    known = target.select(_key=target[reference.key]).distinct()
    return waiting.anti_join(known, waiting[reference.column] == known["_key"])


def too_early(
    waiting: ir.Table, reference: Reference, own: str, theirs: str, target: ir.Table
) -> ir.Table:
    """Rows in doubt whose date lies before what each version of the other row gives."""
    first = target.group_by(_key=target[reference.key]).aggregate(_first=target[theirs].min())
    joined = waiting.join(first, waiting[reference.column] == first["_key"])
    return joined.filter((joined[own] < joined["_first"]).fill_null(False))


def waiting_rows(
    lake: Lake, judged: str, contract: Contract, reference: Reference, engine: Engine, as_of: date
) -> ir.Table | None:
    """What is in doubt of the days up to a night; None where nothing is."""
    layer = f"{judged}_{reference.column}"
    landed = set(lake.days(LANDED, contract.table))
    files = [
        lake.file(IN_DOUBT, layer, day)
        for day in lake.days(IN_DOUBT, layer)
        if day <= as_of and day in landed
    ]
    if not files:
        return None
    schema = pa.schema([contract.arrow_schema.field(name) for name in reference.own_columns])
    return engine.read_parquet(files, schema)
