"""The night, top to bottom: pull, check, build, score, decide, publish.

Every stage is a function of the settings and the as-of date. It reads what the stages before it
left in the lake and leaves its own results there, whole or not at all, so that a night can stop
after any stage and go on, or start again, with the same result.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models import registry
from models.reason_codes import reason_codes
from pipeline.as_of import known_at_close
from pipeline.business_day import close_of
from pipeline.contracts.check import gate_table, in_order_of_reference
from pipeline.contracts.contract import Contract, Severity
from pipeline.contracts.data_docs import write_data_docs
from pipeline.contracts.expectations import CheckResult
from pipeline.contracts.facts import Batch
from pipeline.contracts.judged import TableCounts, quarantine_table
from pipeline.contracts.schema import conform
from pipeline.decisions.measures import WATCHED_FEATURES
from pipeline.decisions.night import decide_night
from pipeline.decisions.policy import load_policy
from pipeline.decisions.warnings import Reason
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID, SEGMENT
from pipeline.features.cohorts import (
    FEATURES,
    build_partition,
    partition_name,
)
from pipeline.features.debts import build_debts
from pipeline.features.registry import FEATURES as DECLARED
from pipeline.identity import digest_of, identity_of
from pipeline.lake import LANDED, NIGHT
from pipeline.rooms import Rooms, lake_owner, source_url, warehouse_url
from pipeline.settings import Settings
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source
from pipeline.warehouse import publish as warehouse
from pipeline.warehouse.history import past_of, stale_nights

log = logging.getLogger("riskline")

PUBLISHED = ("risk_scores", "risk_tiers", "warning_list", "credit_actions", "data_quality")
"""The tables of a night beside its row in ``runs``."""


def pull(settings: Settings, as_of: date) -> dict[str, int]:
    """Land what the source has learnt up to the close of the as-of date.

    Returns:
        Rows pulled by table; an optional table that the source lacks is left out.

    Raises:
        RisklineError: the source or one of its tables cannot be read, or does not fit.
    """
    rooms = Rooms(settings)
    source = open_source(source_url(settings), settings.source_queries)
    rooms.lake.claim(lake_owner(settings))
    pulled = {}
    for contract in rooms.contracts.values():
        rows = pull_table(
            source,
            contract,
            rooms.lake,
            rooms.engine,
            as_of,
            settings.timezone,
            settings.lookback_days,
        )
        if rows is not None:
            pulled[contract.table] = rows
    return pulled


def check(settings: Settings, as_of: date) -> dict[str, int]:
    """Quarantine rows that break their contract, and gate the night on what came of it.

    Returns:
        Rows quarantined by table.

    Raises:
        RisklineError: a check of severity ``fail`` does not hold.
    """
    rooms = Rooms(settings)
    present = {
        name: contract
        for name, contract in rooms.contracts.items()
        if any(True for _ in rooms.lake.marks(LANDED, name))
    }
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
    for count in counts.values():
        if count.undated:
            log.warning(
                "table %s: %d rows without a known_at are in quarantine, and are counted on no "
                "night; correct them in the source",
                count.table,
                count.undated,
            )
    write_data_docs(settings.data_docs, as_of, verdicts, counts)
    results = [
        result for said in verdicts.values() for verdict in said for result in verdict.results
    ]
    rooms.lake.write(NIGHT, "checks", as_of, _checks_table(results, counts))
    rooms.lake.write(
        NIGHT, "counts", as_of, pa.Table.from_pylist([asdict(count) for count in counts.values()])
    )
    failed = [result for result in results if not result.has_passed]
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
    return {name: count.quarantined for name, count in counts.items()}


def build(settings: Settings, as_of: date) -> int:
    """Build every customer's features and debts as of the date, and keep them.

    Returns:
        Customers.

    Raises:
        RisklineError: no customer is known on that date.
    """
    rooms = Rooms(settings)
    rows = build_partition(
        rooms.contracts, rooms.lake, rooms.feature_engine, as_of, settings.timezone
    )
    if len(rows) == 0:
        raise RisklineError(
            f"no customer is known on {as_of}; check the table customers, or run a later night"
        )
    known = known_at_close(
        rooms.contracts, rooms.lake, rooms.feature_engine, as_of, settings.timezone
    )
    rooms.lake.write(NIGHT, "debts", as_of, build_debts(known, rooms.feature_engine))
    return len(rows)


def score(settings: Settings, as_of: date) -> str:
    """Score every customer with the champion.

    Returns:
        The champion's version.

    Raises:
        RisklineError: no model has been trained yet, or it does not fit the features.
    """
    rooms = Rooms(settings)
    champion = registry.champion(settings.home)
    if champion is None:
        raise RisklineError(f"no model has been trained; run: riskline train --as-of {as_of}")
    features = _features(rooms, as_of)
    explanation = champion.model.explain(features, num_threads=settings.threads)
    scored = pd.DataFrame(
        {
            SEGMENT: features[SEGMENT],
            "pd": explanation.default_probability,
            "log_odds": explanation.log_odds,
            "intercept": explanation.intercept,
            **explanation.contributions.add_prefix("contribution_").to_dict("series"),
            "joint_effect": explanation.joint_effect,
            "data_completeness": features[list(DECLARED)].notna().mean(axis=1),
            "exposure": features["exposure"].fillna(0.0),
            "days_past_due": features["days_past_due"].fillna(0).astype("int64"),
            **features[list(WATCHED_FEATURES)].to_dict("series"),
            "model_version": champion.version,
            "model_hash": champion.model.content_hash,
        },
        index=features.index,
    )
    rooms.lake.write(
        NIGHT, "scored", as_of, pa.Table.from_pandas(scored.reset_index(), preserve_index=False)
    )
    return champion.version


def decide(settings: Settings, as_of: date) -> dict[str, int]:
    """Put customers in tiers and raise warnings, given what the night before decided.

    Returns:
        Rows by table.

    Raises:
        RisklineError: the warehouse cannot be reached, or a row breaks its output contract.
    """
    rooms = Rooms(settings)
    policy = load_policy(settings.policy, as_of)
    scored = rooms.lake.read(NIGHT, "scored", as_of).to_pandas().set_index(CUSTOMER_ID)
    debts = rooms.lake.read(NIGHT, "debts", as_of).to_pandas()
    close = close_of(as_of, settings.timezone)
    previous_run_id, past = past_of(warehouse_url(settings), as_of, close, rooms.outputs)
    version = str(scored["model_version"].iloc[0])
    decisions = decide_night(
        scored, debts, past, as_of, policy, lambda some: _reasons(rooms, as_of, version, some)
    )
    identity = identity_of(rooms, as_of, policy, past, previous_run_id)
    run_id = f"{as_of.isoformat()}_{digest_of(identity)[:12]}"
    tables = {
        "risk_scores": decisions.customers,
        "risk_tiers": decisions.customers,
        "warning_list": decisions.warnings,
        "credit_actions": decisions.credit_actions,
        "data_quality": rooms.lake.read(NIGHT, "checks", as_of).to_pandas(),
    }
    decided = {
        name: _output(frame.assign(as_of_date=as_of, run_id=run_id), rooms.outputs[name])
        for name, frame in tables.items()
    }
    warehouse.check_outputs(decided, rooms.outputs, rooms.engine)
    for name, rows in decided.items():
        rooms.lake.write(NIGHT, name, as_of, rows)
    # Last: what bears another run_id is of another decision, and publish refuses to mix them.
    rooms.lake.write(
        NIGHT, "identity", as_of, pa.Table.from_pylist([{**identity, "run_id": run_id}])
    )
    return {name: len(rows) for name, rows in decided.items()}


def publish(settings: Settings, as_of: date, *, trigger: str, started_at: datetime) -> str:
    """Show readers the night: all of it, or, on any failure, none.

    Args:
        settings: of the run.
        as_of: the night.
        trigger: what started the run, such as ``scheduled`` or ``cli``.
        started_at: when it began.

    Returns:
        The run's id.

    Raises:
        RisklineError: the warehouse cannot be reached or refuses, or the tables in the lake are
            not of one decision.
    """
    rooms = Rooms(settings)
    tables = {name: rooms.lake.read(NIGHT, name, as_of) for name in PUBLISHED}
    identity = rooms.lake.read(NIGHT, "identity", as_of).to_pylist()[0]
    run_id = str(identity["run_id"])
    if {value for rows in tables.values() for value in pc.unique(rows["run_id"]).to_pylist()} != {
        run_id
    }:
        raise RisklineError(
            f"the tables of {as_of} in the lake come from more than one decision; run the night "
            "again from the stage decide"
        )
    counts = rooms.lake.read(NIGHT, "counts", as_of)
    landed, valid, quarantined = (
        int(pc.sum(counts[name]).as_py()) for name in ("landed", "valid", "quarantined")
    )
    run = {
        **{name: value for name, value in identity.items() if name != "model_hash"},
        "as_of_date": as_of,
        "started_at": started_at,
        "finished_at": datetime.now(UTC),
        "status": "published",
        "trigger": trigger,
        "output_hash": warehouse.content_hash(tables),
        "rows_landed": landed,
        "rows_valid": valid,
        "rows_quarantined": quarantined,
        "customers": len(tables["risk_scores"]),
        "overrides": pc.sum(tables["risk_tiers"]["is_overridden"]).as_py() or 0,
        "warnings": tables["warning_list"]["rank"].drop_null().length(),
    }
    runs = conform(pa.Table.from_pylist([run]), rooms.outputs["runs"])
    warehouse.check_outputs({"runs": runs}, rooms.outputs, rooms.engine)
    url = warehouse_url(settings)
    warehouse.publish(url, as_of, {**tables, "runs": runs}, rooms.outputs)
    stale = stale_nights(url)
    if stale:
        log.warning(
            "the nights of %s were decided on an earlier past than is published now; run them "
            "again, the earliest first",
            ", ".join(str(night) for night in stale),
        )
    return run_id


def run(
    settings: Settings,
    as_of: date,
    *,
    trigger: str,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> str:
    """A whole night in one process.

    Args:
        settings: of the run.
        as_of: the night.
        trigger: what started it.
        on_stage: told the name of each stage as it begins.

    Returns:
        The run's id.
    """
    started_at = datetime.now(UTC)
    for stage in (pull, check, build, score, decide):
        on_stage(stage.__name__)
        stage(settings, as_of)
    on_stage("publish")
    return publish(settings, as_of, trigger=trigger, started_at=started_at)


def _reasons(
    rooms: Rooms, as_of: date, version: str, customers: Sequence[str]
) -> Mapping[str, Sequence[Reason]]:
    """What raises the risk of some customers most, by the model that scored them."""
    if not customers:
        return {}
    model = registry.registered(rooms.settings.home, version).model
    rows = _features(rooms, as_of).loc[list(customers)]
    adds = model.feature_contributions(rows, num_threads=rooms.settings.threads)
    codes = reason_codes(adds, {name: feature.topic for name, feature in DECLARED.items()})
    return {
        customer: [
            Reason(code, DECLARED[code].reason.english, DECLARED[code].reason.chinese)
            for code in found
        ]
        for customer, found in zip(customers, codes, strict=True)
    }


def _features(rooms: Rooms, as_of: date) -> pd.DataFrame:
    name = partition_name(rooms.contracts, rooms.settings.timezone)
    features: pd.DataFrame = rooms.lake.read(FEATURES, name, as_of).to_pandas()
    return features.set_index(CUSTOMER_ID)


def _output(frame: pd.DataFrame, contract: Contract) -> pa.Table:
    """A frame's columns that the contract names, in the order of its key."""
    named = frame[list(contract.column_names)]
    rows = pa.Table.from_pandas(named, preserve_index=False)
    return conform(rows, contract).sort_by([(name, "ascending") for name in contract.key])


def _checks_table(results: list[CheckResult], counts: Mapping[str, TableCounts]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "table_name": result.table,
                "check_name": result.check,
                "severity": result.severity.value,
                "passed": result.has_passed,
                "observed": result.observed,
                "threshold": result.threshold,
                "landed": counts[result.table].landed,
                "quarantined": counts[result.table].quarantined,
            }
            for result in results
        ]
    )


def _sentence(result: CheckResult, as_of: date) -> str:
    return (
        f"table {result.table} fails {result.check} on {as_of}: {result.description} Observed "
        f"{result.observed:g}, wanted {result.threshold}"
    )
