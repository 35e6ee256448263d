"""Computes a published night again from the lake, and holds the result to what was published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from models import registry
from models.registry import Registered
from pipeline.as_of import known_at_close
from pipeline.decided import PUBLISHED, Decided, Facts, decide_tables
from pipeline.decisions.policy import Policy
from pipeline.errors import RisklineError
from pipeline.features.build import Frames, build_features
from pipeline.features.cohorts import hold_to_contract, no_customers
from pipeline.features.debts import build_debts
from pipeline.features.registry import FEATURES as DECLARED
from pipeline.judging import Judged, judge
from pipeline.record import read_record
from pipeline.rooms import Rooms, warehouse_url
from pipeline.scoring import score_customers
from pipeline.settings import Settings
from pipeline.warehouse.audit import audited
from pipeline.warehouse.history import RETIRED, published_run
from pipeline.warehouse.publish import content_hash, read_night


@dataclass(frozen=True)
class Replay:
    """What came of a replay.

    Attributes:
        run_id: of the published night.
        published_hash: of its rows, as it was published.
        hash: of the rows computed again.
        rows_hash: of the rows that are in the warehouse now.
        changed: what the night is computed from that is no longer what it was, by name: what it
            was and what it is.
    """

    run_id: str
    published_hash: str
    hash: str
    rows_hash: str
    changed: Mapping[str, tuple[str | None, str | None]]

    @property
    def is_same(self) -> bool:
        """Whether every row, computed again and in the warehouse, is what was published."""
        return self.hash == self.rows_hash == self.published_hash


def replay(settings: Settings, as_of: date) -> Replay:
    """Compute a published night again; nothing that is published or kept of it is touched.

    The audit log says that it was done, and what came of it.

    Features are built from the valid rows of the lake, scored by the model of the registry that
    scored them, and decided under the recorded contracts and policy.

    Raises:
        RisklineError: the night is not published, or the lake holds no record of its run.
    """
    url = warehouse_url(settings)
    run = published_run(url, as_of)
    if run is None:
        raise RisklineError(f"the night of {as_of} is not published; see: riskline status")
    if run["status"] == RETIRED:
        raise RisklineError(
            f"the warehouse no longer keeps the rows of {as_of}, so that there is nothing to "
            "compare with; warehouse_nights in the policy says how many nights are kept"
        )
    record = read_record(Rooms(settings).lake, as_of, str(run["run_id"]))
    with record.settings(settings) as recorded:
        rooms = Rooms(recorded)
        model = registry.registered(settings.home, str(run["model_version"]))
        decided = compute(rooms, as_of, judge(rooms, as_of), model, record.policy)
    changed = {
        name: (run[name], now)
        for name, now in decided.identity.items()
        if name in run and run[name] != now and name != "run_id"
    }
    outputs = {name: rooms.outputs[name] for name in PUBLISHED}
    found = Replay(
        str(run["run_id"]),
        str(run["output_hash"]),
        content_hash(decided.tables),
        content_hash(read_night(url, as_of, outputs)),
        changed,
    )
    with audited(url, rooms.outputs, "replay", found.run_id, is_same=found.is_same):
        return found


def compute(
    rooms: Rooms, as_of: date, judged: Judged, model: Registered, policy: Policy
) -> Decided:
    """Everything of a night after its check, kept nowhere.

    Raises:
        RisklineError: the features break their contract, or no customer is known.
    """
    settings = rooms.settings
    engine = rooms.feature_engine
    known = known_at_close(rooms.contracts, rooms.lake, engine, as_of, settings.timezone)
    frames = Frames(known, engine, DECLARED.values())
    features = build_features(known, engine, frames=frames)
    hold_to_contract(features, engine, as_of)
    if len(features) == 0:
        raise no_customers(as_of)
    debts = build_debts(frames, engine)
    scored = score_customers(model, features, settings.threads)
    return decide_tables(rooms, as_of, Facts(features, debts, judged.checks, scored), model, policy)
