"""The order in which tables are judged: what others refer to comes first."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError


def in_order_of_reference(contracts: Mapping[str, Contract]) -> Sequence[str]:
    """Tables, each after those that its columns refer to.

    Raises:
        RisklineError: tables refer to each other in a circle.
    """
    wanted = {
        name: sorted(
            {c.references.partition(".")[0] for c in contract.columns if c.references} - {name}
        )
        for name, contract in contracts.items()
    }
    try:
        return list(TopologicalSorter(wanted).static_order())
    except CycleError as error:
        raise RisklineError(
            f"contracts refer to each other in a circle: {' -> '.join(error.args[1])}; take one "
            "relationship out"
        ) from error
