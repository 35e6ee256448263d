"""Gates a night on what Great Expectations makes of each table's batch."""

from pipeline.contracts.expectations import Verdict, check_batch, check_rows
from pipeline.contracts.facts import Batch
from pipeline.contracts.reference_order import in_order_of_reference

__all__ = ["gate_table", "in_order_of_reference"]


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
