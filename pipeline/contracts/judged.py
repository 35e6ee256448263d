"""Landed rows on their side of the contract: valid, or quarantined with the reasons."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import pyarrow as pa

from pipeline.business_day import close_of
from pipeline.contracts.contract import Contract
from pipeline.contracts.quarantine import REASONS, quarantine_schema, split
from pipeline.contracts.references import keep_in_doubt, references_of, rows_in_doubt
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError
from pipeline.lake import LANDED, QUARANTINED, UNDATED, VALID, Lake, file_name, runs_of

PARTITION, CLOSE = "_partition", "_close"
BYTES_AT_ONCE = 32 << 20
"""Of packed files: some million rows."""


Day = TypeVar("Day", bound=date | str)


@dataclass(frozen=True)
class TableCounts:
    """Rows known by the as-of date, and, apart, those that nobody knows when they became known.

    The latter are in quarantine, and are counted on no night: they would change past ones.
    """

    table: str
    landed: int
    valid: int
    quarantined: int
    undated: int = 0


def judged_name(contract: Contract) -> str:
    """The lake's table of rows judged by this very contract; another contract judges anew."""
    return f"{contract.table}_{contract.sha256[:12]}"


def quarantine_table(
    contract: Contract,
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
    lookback_days: int,
) -> TableCounts:
    """Judge every landed day up to the as-of date that this contract has not judged yet.

    A day that was landed again since, with other rows, is judged again.

    Args:
        contract: of the table.
        contracts: of all tables; those that this one refers to have been judged up to ``as_of``.
        lake: where the table has landed.
        engine: runs the predicates.
        as_of: the night.
        timezone: the bank's.
        lookback_days: days before the night that a pull lands again.
    """
    name = judged_name(contract)
    with lake.hold(contract.table):
        days = _landed_days(contract, lake, as_of)
        everything: list[date | str] = [*days]
        if lake.exists(LANDED, contract.table, UNDATED):
            everything.append(UNDATED)
        todo = _not_judged(contract, lake, everything)
        judge = _Judge(contract, contracts, lake, engine, as_of, timezone)
        for some in judge.portions(todo):
            judge.judge(some)
        # What these days refer to may have landed again, and differ: they are looked up again.
        first = min([as_of, *(day for day in todo if isinstance(day, date))])
        first -= timedelta(days=lookback_days)
        judge.look_up_again([day for day in days if day >= first and day not in todo])
        return TableCounts(
            contract.table,
            landed=lake.count(LANDED, contract.table, days),
            valid=lake.count(VALID, name, days),
            quarantined=lake.count(QUARANTINED, name, days),
            undated=lake.count(LANDED, contract.table, [UNDATED]),
        )


def days_not_judged(contract: Contract, lake: Lake, as_of: date) -> list[date]:
    """The landed days up to the as-of date that this very contract has not judged as they are."""
    return _not_judged(contract, lake, _landed_days(contract, lake, as_of))


def valid_rows(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> ir.Table:
    """Rows that keep the contract, of the days up to the as-of date."""
    files = _files(VALID, contract, lake, as_of)
    return engine.read_parquet(files, contract.arrow_schema)


def holds_valid_rows(contract: Contract, lake: Lake, as_of: date) -> bool:
    """Whether any row of the days up to the as-of date keeps the contract."""
    name, landed = judged_name(contract), set(_landed_days(contract, lake, as_of))
    return any(lake.count(VALID, name, [day]) for day in lake.days(VALID, name) if day in landed)


def quarantined_rows(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> ir.Table:
    """Rows that break the contract, of the days up to the as-of date, with their reasons."""
    files = _files(QUARANTINED, contract, lake, as_of)
    return engine.read_parquet(files, quarantine_schema(contract))


def judged_stamps(contract: Contract, lake: Lake, as_of: date) -> list[tuple[date, int]]:
    """The days of valid rows up to the as-of date, and when each was last replaced."""
    name = judged_name(contract)
    stamps = lake.stamps(VALID, name)
    landed = set(_landed_days(contract, lake, as_of))
    days = [day for day in lake.days(VALID, name) if day in landed]
    return [(day, stamps[file_name(day)]) for day in days]


def quarantined_keys(contract: Contract, lake: Lake, engine: Engine, as_of: date) -> pa.Table:
    """Key and ``reasons`` of the quarantined rows; nothing else, for it may be personal.

    Keys come as text: Python's calendar has no room for every date that was quarantined.
    """
    name = judged_name(contract)
    files = _files(QUARANTINED, contract, lake, as_of)
    if lake.exists(QUARANTINED, name, UNDATED) and lake.exists(LANDED, contract.table, UNDATED):
        files.append(lake.file(QUARANTINED, name, UNDATED))
    rows = engine.read_parquet(files, quarantine_schema(contract)).order_by(contract.key)
    keys = {key: rows[key].cast("string") for key in contract.key}
    return engine.to_arrow(rows.select(**keys, reasons=rows[REASONS]))


def _landed_days(contract: Contract, lake: Lake, as_of: date) -> list[date]:
    return [day for day in lake.days(LANDED, contract.table) if day <= as_of]


def _files(layer: str, contract: Contract, lake: Lake, as_of: date) -> list[Path]:
    """One side's partitions of the days that are landed: what was moved away there is gone."""
    landed = set(_landed_days(contract, lake, as_of))
    name = judged_name(contract)
    return [lake.file(layer, name, day) for day in lake.days(layer, name) if day in landed]


class _Judge:
    """Judges days of one table, many in one pass."""

    def __init__(
        self,
        contract: Contract,
        contracts: Mapping[str, Contract],
        lake: Lake,
        engine: Engine,
        as_of: date,
        timezone: ZoneInfo,
    ) -> None:
        self.contract, self.lake, self.engine, self.timezone = contract, lake, engine, timezone
        self.targets = [
            (reference, valid_rows(contracts[reference.table], lake, engine, as_of))
            for reference in references_of(contract)
        ]

    def portions(self, days: Sequence[date | str]) -> Iterator[list[date | str]]:
        """Days in turn, as many at once as memory should hold."""
        portion: list[date | str] = []
        held = 0
        for day in days:
            portion.append(day)
            held += self.lake.file(LANDED, self.contract.table, day).stat().st_size
            if held >= BYTES_AT_ONCE:
                yield portion
                portion, held = [], 0
        if portion:
            yield portion

    def judge(self, days: Sequence[date | str]) -> None:
        """Put the rows of some days on their sides."""
        contract, lake = self.contract, self.lake
        # The stamps are read before the rows: a day that lands again meanwhile keeps its old stamp
        # here and is judged again next time.
        landed = lake.stamps(LANDED, contract.table)
        stamps = [landed[file_name(day)] for day in days]
        parts = [lake.read(LANDED, contract.table, day) for day in days]
        # Rows with the same key have the same known_at and so the same day: judging many days in
        # one pass gives what judging each alone gives.
        rows = _numbered([self._in_shape(part) for part in parts])
        sides = split(rows, contract, self.engine)
        quarantined = dict(runs_of(sides.quarantined, PARTITION))
        valid = dict(runs_of(sides.valid, PARTITION))
        self._look_up(days, sides.valid)
        name, nothing = judged_name(contract), contract.arrow_schema.empty_table()
        with lake.renewal(QUARANTINED, name) as new:
            for number, day in enumerate(days):
                if number in quarantined:
                    new.write(day, [quarantined[number]])
                else:
                    new.remove(day)
        # The valid side comes last: with it, and its stamp, a day counts as judged.
        with lake.renewal(VALID, name) as new:
            for number, (day, stamp) in enumerate(zip(days, stamps, strict=True)):
                if number not in quarantined and parts[number].schema == contract.arrow_schema:
                    # A day without a broken row is valid as it landed: no need for its bytes twice.
                    new.link(day, lake.file(LANDED, contract.table, day))
                    if new.stamp(day) == stamp:
                        continue
                new.write(day, [valid.get(number, nothing)])
                new.set_stamp(day, stamp)

    def look_up_again(self, days: Sequence[date]) -> None:
        """Look up what the valid rows of days that were judged before refer to."""
        if self.targets and days:
            name = judged_name(self.contract)
            parts = [self.lake.read(VALID, name, day) for day in days]
            self._look_up(days, _numbered(parts))

    def _look_up(self, days: Sequence[date | str], rows: pa.Table) -> None:
        closes = pa.array(
            [close_of(day, self.timezone) if isinstance(day, date) else None for day in days],
            pa.timestamp("us", "UTC"),
        )
        dated = rows.append_column(CLOSE, closes.take(rows.column(PARTITION).combine_chunks()))
        for reference, target in self.targets:
            doubtful = rows_in_doubt(dated, reference, target, CLOSE, self.engine)
            order = [(name, "ascending") for name in (PARTITION, *reference.own_columns)]
            by_number = dict(runs_of(doubtful.sort_by(order), PARTITION))
            by_day = {days[number]: part for number, part in by_number.items()}
            keep_in_doubt(self.lake, judged_name(self.contract), reference, days, by_day)

    def _in_shape(self, rows: pa.Table) -> pa.Table:
        """Landed rows in the contract's columns, which may be fewer by now, or of wider types."""
        contract = self.contract
        missing = [name for name in contract.column_names if name not in rows.column_names]
        folder = self.lake.folder(LANDED, contract.table)
        if missing:
            raise RisklineError(
                f"table {contract.table}: rows landed under an earlier contract lack the column "
                f"{', '.join(missing)}; move {folder} away, and the next pull lands all of it again"
            )
        try:
            return rows.select(contract.column_names).cast(contract.arrow_schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            # From None: the words may quote a value.
            raise RisklineError(
                f"table {contract.table}: rows landed under an earlier contract do not fit the "
                f"types of this one; move {folder} away, and the next pull lands all of it again"
            ) from None


def _not_judged(contract: Contract, lake: Lake, days: Sequence[Day]) -> list[Day]:
    """Days of which the valid side does not bear the stamp: landed again, or never judged."""
    landed = lake.stamps(LANDED, contract.table)
    judged = lake.stamps(VALID, judged_name(contract))
    return [day for day in days if judged.get(file_name(day)) != landed[file_name(day)]]


def _numbered(parts: Sequence[pa.Table]) -> pa.Table:
    """Tables as one, each row with the number of its table."""
    return pa.concat_tables(
        part.append_column(PARTITION, pa.repeat(number, len(part)))
        for number, part in enumerate(parts)
    )
