"""The night, top to bottom: pull, check, build, score, decide, publish.

Every stage is a function of the settings and the as-of date. It reads what the stages before it
left in the lake and leaves its own results there, whole or not at all, so that a night can stop
after any stage and go on, or start again, with the same result.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from models import registry
from pipeline.contracts.data_docs import write_data_docs
from pipeline.contracts.schema import conform
from pipeline.decided import PUBLISHED, Facts, decide_tables
from pipeline.decisions.policy import load_policy
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID
from pipeline.features.cohorts import FEATURES, build_partition, no_customers, partition_name
from pipeline.features.debts import build_debts
from pipeline.judging import judge
from pipeline.lake import NIGHT
from pipeline.pseudonyms import Ids
from pipeline.record import RECORD, record_of
from pipeline.rooms import Rooms, lake_owner, source_url, warehouse_url
from pipeline.scoring import model_of, score_customers
from pipeline.settings import Settings
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source
from pipeline.warehouse import publish as warehouse
from pipeline.warehouse.connection import connect
from pipeline.warehouse.history import newest_night, stale_nights
from pipeline.warehouse.partitions import partitioned
from pipeline.warehouse.private import SOURCE_ID, ensure_private, personal_columns
from pipeline.warehouse.retention import retire

log = logging.getLogger("riskline")

DECIDED = "decided"
"""What is held while a night's decided tables are written or read."""


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
    judged = judge(rooms, as_of)
    for count in judged.counts.values():
        if count.undated:
            log.warning(
                "table %s: %d rows without a known_at are in quarantine, and are counted on no "
                "night; correct them in the source",
                count.table,
                count.undated,
            )
    write_data_docs(settings.data_docs, as_of, judged.verdicts, judged.counts)
    rooms.lake.write(NIGHT, "checks", as_of, judged.checks)
    rooms.lake.write(
        NIGHT,
        "counts",
        as_of,
        pa.Table.from_pylist([asdict(count) for count in judged.counts.values()]),
    )
    judged.gate(as_of)
    return {name: count.quarantined for name, count in judged.counts.items()}


def build(settings: Settings, as_of: date) -> int:
    """Build every customer's features and debts as of the date, and keep them.

    Returns:
        Customers.

    Raises:
        RisklineError: no customer is known on that date.
    """
    rooms = Rooms(settings)
    engine = rooms.feature_engine
    built = build_partition(rooms.contracts, rooms.lake, engine, as_of, settings.timezone)
    if len(built.rows) == 0:
        raise no_customers(as_of)
    rooms.lake.write(NIGHT, "debts", as_of, build_debts(built.frames, engine))
    rooms.lake.mark(NIGHT, "debts", as_of, made_by=built.rows_seen)
    personal = [column.name for column in personal_columns(rooms.contracts["customers"])]
    customers = built.frames.rows("customers").select(CUSTOMER_ID, *personal)
    identities = engine.to_arrow(customers.order_by(CUSTOMER_ID))
    rooms.lake.write(NIGHT, "identities", as_of, identities)
    return len(built.rows)


def score(settings: Settings, as_of: date) -> str:
    """Score every customer with the champion, or with the one that was it by then.

    Returns:
        The model's version.

    Raises:
        RisklineError: no model knows as little as was known by then, or it does not fit the
            features.
    """
    rooms = Rooms(settings)
    model = model_of(settings.home, as_of)
    # Looked at first: scores of features that are built anew meanwhile are no scores of them.
    rows_seen = _rows_seen(rooms, as_of)
    scored = score_customers(model, _features(rooms, as_of), settings.threads)
    rooms.lake.write(NIGHT, "scored", as_of, scored)
    rooms.lake.mark(NIGHT, "scored", as_of, made_by=rows_seen)
    return model.version


def decide(
    settings: Settings,
    as_of: date,
    only_if: Callable[[Mapping[str, str | None]], None] = lambda identity: None,
) -> dict[str, int]:
    """Put customers in tiers and raise warnings, given what the night before decided.

    Args:
        settings: of the run.
        as_of: the night.
        only_if: told what the night is computed from, before anything is kept; raises where what
            is kept has to stay.

    Returns:
        Rows by table.

    Raises:
        RisklineError: the warehouse cannot be reached, a row breaks its output contract, or what
            the lake holds of the night was made of different rows.
    """
    rooms = Rooms(settings)
    policy = load_policy(settings.policy, as_of)
    facts = _facts(rooms, as_of)
    said = facts.scored.slice(0, 1).to_pylist()[0]
    model = registry.registered(settings.home, said["model_version"])
    if said["model_hash"] != model.model.content_hash:
        raise RisklineError(
            f"the customers of {as_of} were scored by another model than version {model.version} "
            f"of the registry is; run the night again: riskline run --as-of {as_of}"
        )
    decided = decide_tables(rooms, as_of, facts, model, policy)
    only_if(decided.identity)
    with rooms.lake.hold(DECIDED, NIGHT):
        for name, rows in decided.tables.items():
            rooms.lake.write(NIGHT, name, as_of, rows)
        rooms.lake.write(NIGHT, RECORD, as_of, record_of(settings, decided.run_id, policy))
        # Last: what bears another run_id is of a decision that was cut off.
        rooms.lake.write(NIGHT, "identity", as_of, pa.Table.from_pylist([decided.identity]))
    return {name: len(rows) for name, rows in decided.tables.items()}


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
    with rooms.lake.hold(DECIDED, NIGHT):
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
    with connect(url) as connection:
        ensure_private(connection, rooms.contracts["customers"])
    everything = {**tables, "runs": runs}
    warehouse.publish(url, as_of, everything, rooms.outputs, _identities(rooms, as_of))
    # As the newest night has it: of an old one that is run again, what was kept then says nothing.
    keep_nights = load_policy(settings.policy, newest_night(url)).warehouse_nights
    if keep_nights is not None:
        for night in retire(url, partitioned(rooms.outputs), keep_nights):
            log.info("the rows of the night of %s are no longer kept", night)
    return run_id


def tell_stale(settings: Settings) -> None:
    """Log which nights rest on another past than is published by now.

    Raises:
        RisklineError: the warehouse cannot be reached.
    """
    stale = stale_nights(warehouse_url(settings))
    if stale:
        log.warning(
            "the nights of %s were decided on another past than is published now; to decide them "
            "again, run: riskline settle",
            ", ".join(str(night) for night in stale),
        )


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
    run_id = publish(settings, as_of, trigger=trigger, started_at=started_at)
    tell_stale(settings)
    return run_id


def _identities(rooms: Rooms, as_of: date) -> pa.Table:
    """Who the customers are, by the ids under which they are published."""
    rows = rooms.lake.read(NIGHT, "identities", as_of)
    own = rows[CUSTOMER_ID].to_pylist()
    published = pa.array(Ids.of(rooms.settings).published(own).values(), pa.string())
    rest = rows.drop_columns(CUSTOMER_ID)
    return pa.table(
        {CUSTOMER_ID: published, SOURCE_ID: rows[CUSTOMER_ID]}
        | {name: rest[name] for name in rest.column_names}
    )


def _facts(rooms: Rooms, as_of: date) -> Facts:
    """What a night is decided from, all of it made of the same rows.

    Raises:
        RisklineError: it was not.
    """
    before = _rows_seen(rooms, as_of)
    lake = rooms.lake
    debts, checks, scored = (
        lake.read(NIGHT, name, as_of) for name in ("debts", "checks", "scored")
    )
    facts = Facts(_features(rooms, as_of), debts, checks, scored)
    # Looked at once more: another run may have been at it meanwhile.
    made_by = {name: lake.made_by(NIGHT, name, as_of) for name in ("debts", "scored")}
    for name, rows_seen in {**made_by, "features": _rows_seen(rooms, as_of)}.items():
        if rows_seen != before:
            raise RisklineError(
                f"the features of {as_of} in the lake were built again since its {name} were made; "
                f"run the night again: riskline run --as-of {as_of}"
            )
    return facts


def _features(rooms: Rooms, as_of: date) -> pa.Table:
    return rooms.lake.read(FEATURES, _partition_name(rooms), as_of)


def _rows_seen(rooms: Rooms, as_of: date) -> str:
    """What tells the rows that the features of a night were built of.

    Raises:
        RisklineError: this code has built none under these contracts.
    """
    found = rooms.lake.made_by(FEATURES, _partition_name(rooms), as_of)
    if found is None:
        raise RisklineError(
            f"the lake holds no features of {as_of} by this code and these contracts; run the "
            f"night: riskline run --as-of {as_of}"
        )
    return found


def _partition_name(rooms: Rooms) -> str:
    return partition_name(rooms.contracts, rooms.settings.timezone)
