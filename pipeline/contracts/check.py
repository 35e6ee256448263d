"""Gates a night on what Great Expectations makes of each table's batch."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from pipeline.contracts.contract import Contract
from pipeline.contracts.expectations import Verdict, check_batch, check_rows
from pipeline.contracts.facts import Batch
from pipeline.contracts.references import references_of
from pipeline.errors import RisklineError


def in_order_of_reference(contracts: Mapping[str, Contract]) -> Iterable[str]:
    """Tables, each after those that its columns refer to.

    Raises:
        RisklineError: tables refer to each other in a circle.
    """
    wanted = {
        name: sorted({r.table for r in references_of(contract)} - {name})
        for name, contract in contracts.items()
    }
    try:
        return list(TopologicalSorter(wanted).static_order())
    except CycleError as error:
        raise RisklineError(
            f"contracts refer to each other in a circle: {' -> '.join(error.args[1])}; take one "
            "relationship out"
        ) from error


def gate_table(batch: Batch) -> list[Verdict]:
    """Great Expectations' verdicts on the night's batch of one table.

    Row rules are asked of the valid rows of the look-back window, batch checks of the facts.
    """
    facts = {check.name: batch.fact(check) for check in batch.contract.batch_checks}
    known = {name: fact for name, fact in facts.items() if fact is not None}
    return [
        check_batch(batch.contract, known),
        check_rows(batch.contract, batch.recent_rows()),
    ]
