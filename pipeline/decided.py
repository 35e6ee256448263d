"""A night's tables as they are published, from what the lake and the warehouse hold of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa

from models.registry import Registered
from pipeline.business_day import close_of
from pipeline.contracts.contract import Contract
from pipeline.contracts.schema import conform
from pipeline.decisions.night import decide_night
from pipeline.decisions.policy import Policy
from pipeline.decisions.warnings import Reason
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID
from pipeline.identity import digest_of, identity_of
from pipeline.pseudonyms import Ids
from pipeline.rooms import Rooms, warehouse_url
from pipeline.scoring import reasons_by
from pipeline.warehouse.history import night_under_other_ids, past_of
from pipeline.warehouse.publish import check_outputs

PUBLISHED = (
    "risk_scores", "risk_tiers", "warning_list", "credit_actions", "portfolio_summary",
    "data_quality",
)  # fmt: skip
"""The tables of a night beside its row in ``runs``."""


@dataclass(frozen=True)
class Facts:
    """What a night is decided from, beside policy and past.

    Attributes:
        features: a row a customer.
        debts: a row a loan.
        checks: a row a check of a source table.
        scored: a row a customer, by the model of the night.
    """

    features: pa.Table
    debts: pa.Table
    checks: pa.Table
    scored: pa.Table


@dataclass(frozen=True)
class Decided:
    """A night's tables, and all that they were computed from."""

    identity: Mapping[str, str | None]
    tables: Mapping[str, pa.Table]

    @property
    def run_id(self) -> str:
        """The night and a hash of all that it was computed from: same inputs, same run_id."""
        return str(self.identity["run_id"])


def decide_tables(
    rooms: Rooms, as_of: date, facts: Facts, model: Registered, policy: Policy
) -> Decided:
    """Decide on a night, given what the night before and officers said by its close.

    Raises:
        RisklineError: the warehouse cannot be reached, or a row breaks its output contract.
    """
    settings = rooms.settings
    close = close_of(as_of, settings.timezone)
    previous, past = past_of(warehouse_url(settings), as_of, close, rooms.outputs)
    ids = Ids.of(settings)
    # Side by side, equal figures would link the ids of one night to those of another.
    other = night_under_other_ids(warehouse_url(settings), as_of, ids.fingerprint)
    if other is not None:
        raise RisklineError(
            f"the night of {other} is published under other customer ids than {as_of} would be; "
            "set RISK_PSEUDONYM_KEY as it was then, or publish to a warehouse without other nights"
        )
    published = ids.published(facts.scored[CUSTOMER_ID].to_pylist())
    own = {name: customer for customer, name in published.items()}
    by_model = reasons_by(model, facts.features, settings.threads)

    def why(customers: Sequence[str]) -> Mapping[str, Sequence[Reason]]:
        reasons = by_model([own[each] for each in customers])
        return {published[customer]: said for customer, said in reasons.items()}

    decisions = decide_night(
        _renamed(facts.scored, published).set_index(CUSTOMER_ID).sort_index(),
        _renamed(facts.debts, published),
        past,
        as_of,
        policy,
        why,
    )
    inputs = {"features": facts.features, "checks": facts.checks, "debts": facts.debts}
    previous_run_id = None if previous is None else previous.run_id
    identity = identity_of(rooms, inputs, model, policy, past, previous_run_id)
    run_id = f"{as_of.isoformat()}_{digest_of(identity)[:12]}"
    frames = {
        "risk_scores": decisions.customers,
        "risk_tiers": decisions.customers,
        "warning_list": decisions.warnings,
        "credit_actions": decisions.credit_actions,
        "portfolio_summary": decisions.portfolio,
        "data_quality": facts.checks.to_pandas(),
    }
    tables = {
        name: _output(frame.assign(as_of_date=as_of, run_id=run_id), rooms.outputs[name])
        for name, frame in frames.items()
    }
    check_outputs(tables, rooms.outputs, rooms.engine)
    return Decided({**identity, "run_id": run_id}, tables)


def _renamed(rows: pa.Table, published: Mapping[str, str]) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas()
    return frame.assign(**{CUSTOMER_ID: frame[CUSTOMER_ID].map(published)})


def _output(frame: pd.DataFrame, contract: Contract) -> pa.Table:
    """A frame's columns that the contract names, in the order of its key."""
    named = frame[list(contract.column_names)]
    rows = pa.Table.from_pandas(named, preserve_index=False)
    return conform(rows, contract).sort_by([(name, "ascending") for name in contract.key])
