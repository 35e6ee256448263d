"""Every table's rows held against their contract, and the batches of a night against theirs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from pipeline.contracts.check import gate_table, in_order_of_reference
from pipeline.contracts.contract import Severity
from pipeline.contracts.expectations import CheckResult, Verdict
from pipeline.contracts.facts import Batch
from pipeline.contracts.judged import TableCounts, quarantine_table
from pipeline.errors import RisklineError
from pipeline.lake import LANDED
from pipeline.rooms import Rooms

log = logging.getLogger("riskline")


@dataclass(frozen=True)
class Judged:
    """What came of it, by table."""

    counts: Mapping[str, TableCounts]
    verdicts: Mapping[str, list[Verdict]]

    @property
    def results(self) -> list[CheckResult]:
        """All checks of all tables."""
        return [r for said in self.verdicts.values() for verdict in said for r in verdict.results]

    @property
    def checks(self) -> pa.Table:
        """A row a check, as in data_quality."""
        return pa.Table.from_pylist(
            [
                {
                    "table_name": result.table,
                    "check_name": result.check,
                    "severity": result.severity.value,
                    "passed": result.has_passed,
                    "observed": result.observed,
                    "threshold": result.threshold,
                    "landed": self.counts[result.table].landed,
                    "quarantined": self.counts[result.table].quarantined,
                }
                for result in self.results
            ]
        )

    def gate(self, as_of: date) -> None:
        """Log what does not hold, and let no night go on that a check stops.

        Raises:
            RisklineError: a check of severity ``fail`` does not hold.
        """
        failed = [result for result in self.results if not result.has_passed]
        stopping = [result for result in failed if result.severity is Severity.FAIL]
        for result in failed:
            if result.severity is Severity.WARN:
                log.warning("%s", _sentence(result, as_of))
        if stopping:
            others = ", ".join(f"{result.table}.{result.check}" for result in stopping[1:])
            raise RisklineError(
                f"{_sentence(stopping[0], as_of)}{f' (also failed: {others})' if others else ''}; "
                "nothing was published; correct the source or the contract and run the night again"
            )


def judge(rooms: Rooms, as_of: date) -> Judged:
    """Tell the valid rows of all tables from the others, and check what a night stands on.

    Rows that were told apart under the same contracts before are left as they are.
    """
    present = {
        name: contract
        for name, contract in rooms.contracts.items()
        if any(True for _ in rooms.lake.marks(LANDED, name))
    }
    settings = rooms.settings
    # All tables are judged before any is gated, and each after those that it refers to.
    counts = {
        name: quarantine_table(
            rooms.contracts[name],
            rooms.contracts,
            rooms.lake,
            rooms.engine,
            as_of,
            settings.timezone,
            settings.lookback_days,
        )
        for name in in_order_of_reference(rooms.contracts)
        if name in present
    }
    verdicts = {
        name: gate_table(
            Batch(
                contract,
                rooms.contracts,
                counts[name],
                rooms.lake,
                rooms.engine,
                as_of,
                settings.lookback_days,
            )
        )
        for name, contract in present.items()
    }
    return Judged(counts, verdicts)


def _sentence(result: CheckResult, as_of: date) -> str:
    return (
        f"table {result.table} fails {result.check} on {as_of}: {result.description} Observed "
        f"{result.observed:g}, wanted {result.threshold}"
    )
