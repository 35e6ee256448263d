"""Sends landed rows to their side of the contract, and gates the night on what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis.expr.types as ir
import pyarrow as pa

from pipeline.contracts.contract import IS_DELETED, BatchCheck, Contract, Metric
from pipeline.contracts.expectations import CheckResult, check_batch, check_rows
from pipeline.contracts.quarantine import REASONS, quarantine_schema, split
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError
from pipeline.lake import UNDATED, Lake, runs_of

LANDED, VALID, QUARANTINED = "landed", "valid", "quarantined"
PARTITION = "_partition"


@dataclass(frozen=True)
class TableCounts:
    """Rows known by the as-of date, and those with no known_at at all."""

    table: str
    landed: int
    valid: int
    quarantined: int


def judged_name(contract: Contract) -> str:
    """The lake's table of rows judged by this very contract; another contract judges anew."""
    return f"{contract.table}_{contract.sha256[:12]}"


def quarantine_table(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> TableCounts:
    """Judge every landed day up to the as-of date that this contract has not judged yet.

    A day that was landed again since, with other rows, is judged again.
    """
    days: list[date | str] = [d for d in lake.days(LANDED, contract.table) if d <= as_of]
    if lake.exists(LANDED, contract.table, UNDATED):
        days.append(UNDATED)
    todo = [day for day in days if not _is_judged(lake, contract, day)]
    if todo:
        _judge(contract, lake, engine, todo)
    name = judged_name(contract)
    return TableCounts(
        contract.table,
        landed=_count(lake, LANDED, contract.table, days, engine),
        valid=_count(lake, VALID, name, days, engine),
        quarantined=_count(lake, QUARANTINED, name, days, engine),
    )


def valid_rows(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> ir.Table:
    """Rows that keep the contract, of the days up to the as-of date."""
    files = lake.files(VALID, judged_name(contract), as_of)
    return engine.read_parquet(files, contract.arrow_schema)


def gate_table(
    contract: Contract,
    contracts: Mapping[str, Contract],
    counts: TableCounts,
    lake: Lake,
    engine: Engine,
    as_of: date,
    lookback_days: int,
) -> list[CheckResult]:
    """Great Expectations' verdict on the night's batch of one table.

    Row rules are asked of the valid rows of the look-back window, batch checks of the facts.
    """
    facts = {
        check.name: _fact(check, contract, contracts, counts, lake, engine, as_of)
        for check in contract.batch_checks
    }
    first = as_of - timedelta(days=lookback_days)
    name = judged_name(contract)
    recent = [
        lake.file(VALID, name, day) for day in lake.days(VALID, name) if first <= day <= as_of
    ]
    rows = engine.to_arrow(engine.read_parquet(recent, contract.arrow_schema))
    return [*check_batch(contract, facts), *check_rows(contract, rows)]


def quarantined_keys(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> pa.Table:
    """Key and ``reasons`` of the quarantined rows; nothing else, for it may be personal.

    Keys come as text: Python's calendar has no room for every date that was quarantined.
    """
    name = judged_name(contract)
    files = lake.files(QUARANTINED, name, as_of)
    if lake.exists(QUARANTINED, name, UNDATED):
        files.append(lake.file(QUARANTINED, name, UNDATED))
    rows = engine.read_parquet(files, quarantine_schema(contract)).order_by(contract.key)
    keys = {key: rows[key].cast("string") for key in contract.key}
    return engine.to_arrow(rows.select(**keys, reasons=rows[REASONS]))


def _judge(contract: Contract, lake: Lake, engine: Engine, days: list[date | str]) -> None:
    # The stamps are read before the rows: a day that lands again meanwhile keeps its old stamp
    # here and is judged again next time.
    stamps = [lake.stamp(LANDED, contract.table, day) for day in days]
    parts = [_landed(contract, lake, day) for day in days]
    # Rows with the same key have the same known_at and so the same day: judging many days in
    # one pass gives what judging each alone gives.
    rows = pa.concat_tables(
        part.append_column(PARTITION, pa.repeat(pa.scalar(number, pa.int64()), len(part)))
        for number, part in enumerate(parts)
    )
    sides = split(rows, contract, engine)
    valid = dict(runs_of(sides.valid.sort_by(PARTITION), PARTITION))
    quarantined = dict(runs_of(sides.quarantined.sort_by(PARTITION), PARTITION))
    name = judged_name(contract)
    nothing = quarantine_schema(contract).empty_table()
    lake.write_all(
        QUARANTINED, name, [(day, quarantined.get(i, nothing)) for i, day in enumerate(days)]
    )
    # The valid side comes last: with it, and its stamp, a day counts as judged.
    nothing = contract.arrow_schema.empty_table()
    lake.write_all(VALID, name, [(day, valid.get(i, nothing)) for i, day in enumerate(days)])
    for day, stamp in zip(days, stamps, strict=True):
        lake.set_stamp(VALID, name, day, stamp)


def _landed(contract: Contract, lake: Lake, day: date | str) -> pa.Table:
    """The rows of a landed day in the contract's columns, which may be fewer by now."""
    rows = lake.read(LANDED, contract.table, day)
    missing = [name for name in contract.column_names if name not in rows.column_names]
    if missing:
        folder = lake.file(LANDED, contract.table, day).parent
        raise RisklineError(
            f"table {contract.table}: rows landed under an earlier contract lack the column "
            f"{', '.join(missing)}; move {folder} away, and the next pull lands all of it again"
        )
    return rows.select(contract.column_names).cast(contract.arrow_schema)


def _is_judged(lake: Lake, contract: Contract, day: date | str) -> bool:
    name = judged_name(contract)
    return lake.exists(VALID, name, day) and (
        lake.stamp(VALID, name, day) == lake.stamp(LANDED, contract.table, day)
    )


def _count(lake: Lake, layer: str, table: str, days: Sequence[date | str], engine: Engine) -> int:
    return engine.count_rows([lake.file(layer, table, day) for day in days])


def _fact(
    check: BatchCheck,
    contract: Contract,
    contracts: Mapping[str, Contract],
    counts: TableCounts,
    lake: Lake,
    engine: Engine,
    as_of: date,
) -> float:
    today: list[date | str] = [as_of] if lake.exists(LANDED, contract.table, as_of) else []
    match check.metric:
        case Metric.HISTORY_ROWS:
            return counts.valid
        case Metric.HISTORY_QUARANTINED_PCT:
            return _percent(counts.quarantined, counts.landed)
        case Metric.DAY_ROWS:
            return _count(lake, VALID, judged_name(contract), today, engine)
        case Metric.DAY_QUARANTINED_PCT:
            return _percent(
                _count(lake, QUARANTINED, judged_name(contract), today, engine),
                _count(lake, LANDED, contract.table, today, engine),
            )
        case Metric.ORPHANS:
            return _orphans(check, contract, contracts, lake, engine, as_of)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _orphans(
    check: BatchCheck,
    contract: Contract,
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
) -> int:
    """Valid rows whose reference leads to no valid row, whatever the versions."""
    parent_table, parent_column = check.references.split(".")
    parent = valid_rows(contracts[parent_table], lake, engine, as_of)
    known = parent.select(parent_column).distinct().rename({check.column: parent_column})
    rows = valid_rows(contract, lake, engine, as_of)
    if IS_DELETED in contract.column_names:
        rows = rows.filter(~rows[IS_DELETED])
    return len(engine.to_arrow(rows.anti_join(known, check.column).select(check.column)))
