"""The facts about a night's batch that a contract bounds: volume, freshness, shares, medians.

A fact depends on the source and the as-of date alone, so that a night checked again, or in another
order, is checked alike. None but counts, taken from the files' footers, looks further back than
some weeks: a night's check does not take longer with every year of history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.contracts.contract import BatchCheck, Contract, Metric
from pipeline.contracts.judged import TableCounts, judged_name, valid_rows
from pipeline.contracts.references import (
    Reference,
    orphans,
    references_of,
    too_early,
    waiting_rows,
)
from pipeline.engines.base import Engine
from pipeline.lake import QUARANTINED, VALID, Lake

FEWEST_ROWS = 30
"""Below this, on either side, a share or a median says nothing."""
PAST_DAYS = 28


@dataclass(frozen=True)
class Batch:
    """What is known of one table on a night, and the lake it lies in."""

    contract: Contract
    contracts: Mapping[str, Contract]
    counts: TableCounts
    lake: Lake
    engine: Engine
    as_of: date
    lookback_days: int

    def fact(self, check: BatchCheck) -> float | None:
        """The observed number; None where there are too few rows to tell."""
        match check.metric:
            case Metric.HISTORY_ROWS:
                return self.counts.valid
            case Metric.HISTORY_QUARANTINED_PCT:
                return _percent(self.counts.quarantined, self.counts.landed)
            case Metric.DAY_ROWS:
                return self._count(VALID, self.as_of)
            case Metric.DAY_QUARANTINED_PCT:
                return self._day_quarantined_pct()
            case Metric.DAY_ROWS_AGAINST_PAST:
                return self._rows_against_past()
            case Metric.AGE_DAYS:
                return self._age_days()
            case Metric.ORPHANS:
                return self._orphans(check)
            case Metric.ORPHANS_PCT:
                return _percent(self._orphans(check), self.counts.valid)
            case Metric.BEFORE_REFERENCE:
                return self._before_reference(check)
            case Metric.LOST_ROWS:
                return self.counts.landed - self.counts.valid - self.counts.quarantined
            case Metric.DAY_NULL_PCT:
                return self._null_pct(check.column)
            case Metric.DAY_MEDIAN_AGAINST_PAST:
                return self._median_against_past(check.column)

    def recent_rows(self) -> pa.Table:
        """The valid rows of the look-back window, the as-of date included."""
        columns = self.contract.column_names
        return self._rows(self.as_of - timedelta(days=self.lookback_days), self.as_of, columns)

    def _rows(self, first: date, last: date, columns: Sequence[str]) -> pa.Table:
        name = judged_name(self.contract)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        parts = [
            self.lake.read(VALID, name, day, columns)
            for day in days
            if self.lake.exists(VALID, name, day)
        ]
        nothing = self.contract.arrow_schema.empty_table().select(list(columns))
        return pa.concat_tables([nothing, *parts])

    def _count(self, layer: str, day: date) -> int:
        return self.lake.count(layer, judged_name(self.contract), [day])

    def _day_quarantined_pct(self) -> float | None:
        broken = self._count(QUARANTINED, self.as_of)
        rows = broken + self._count(VALID, self.as_of)
        return _percent(broken, rows) if rows >= FEWEST_ROWS else None

    def _rows_against_past(self) -> float | None:
        weeks = [self.as_of - timedelta(weeks=n) for n in (1, 2, 3, 4)]
        first_day = min(self.lake.days(VALID, judged_name(self.contract)), default=self.as_of)
        if first_day > weeks[-1]:
            return None
        usual = sum(self._count(VALID, day) for day in weeks) / len(weeks)
        return self._count(VALID, self.as_of) / usual if usual >= FEWEST_ROWS else None

    def _age_days(self) -> float | None:
        for day in reversed(self.lake.days(VALID, judged_name(self.contract))):
            if day <= self.as_of and self._count(VALID, day):
                return (self.as_of - day).days
        return None

    def _null_pct(self, column: str) -> float | None:
        rows = self._rows(self.as_of, self.as_of, [column])
        return _percent(rows[column].null_count, len(rows)) if len(rows) >= FEWEST_ROWS else None

    def _median_against_past(self, column: str) -> float | None:
        first = self.as_of - timedelta(days=self.lookback_days)
        day_before = first - timedelta(days=1)
        now = self._sizes(first, self.as_of, column)
        past = self._sizes(first - timedelta(days=PAST_DAYS), day_before, column)
        if min(len(now), len(past)) < FEWEST_ROWS or np.median(past) == 0:
            return None
        return float(np.median(now) / np.median(past))

    def _sizes(self, first: date, last: date, column: str) -> NDArray[np.float64]:
        # Without signs: what comes in and what goes out may weigh each other up to nearly nothing.
        values = self._rows(first, last, [column])[column].drop_null().to_numpy()
        sizes: NDArray[np.float64] = np.abs(values)
        return sizes

    def _orphans(self, check: BatchCheck) -> int:
        reference = self._reference(check.column)
        waiting = self._waiting(reference)
        if waiting is None:
            return 0
        return self._size(orphans(waiting, reference, self._target(reference)))

    def _before_reference(self, check: BatchCheck) -> int:
        reference = self._reference(check.via)
        waiting = self._waiting(reference)
        if waiting is None:
            return 0
        theirs = check.references.partition(".")[2]
        target = self._target(reference)
        return self._size(too_early(waiting, reference, check.column, theirs, target))

    def _reference(self, column: str) -> Reference:
        return next(r for r in references_of(self.contract) if r.column == column)

    def _waiting(self, reference: Reference) -> ir.Table | None:
        judged = judged_name(self.contract)
        return waiting_rows(self.lake, judged, self.contract, reference, self.engine, self.as_of)

    def _target(self, reference: Reference) -> ir.Table:
        return valid_rows(self.contracts[reference.table], self.lake, self.engine, self.as_of)

    def _size(self, rows: ir.Table) -> int:
        return int(self.engine.to_arrow(rows.aggregate(count=rows.count()))["count"][0].as_py())


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
