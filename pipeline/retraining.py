"""How a model is trained: past cohorts, what became of them, and who is the champion then."""

from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from models import registry
from models.dimension_gbm import TrainingParams
from models.evidence import Evidence
from models.evidence import evidence as measure
from models.training import Cohort, Trained
from models.training import train as train_model
from pipeline.as_of import known_at_close
from pipeline.decisions.policy import Policy, load_policy
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID, Frames
from pipeline.features.cohorts import month_ends_until, read_or_build
from pipeline.features.frames.instalments import instalments
from pipeline.features.outcome import IS_DEFAULT, outcomes
from pipeline.features.registry import monotone_by_name, names_by_dimension
from pipeline.identity import code_version
from pipeline.lake import LANDED
from pipeline.nightly import check, pull
from pipeline.rooms import Rooms
from pipeline.settings import Settings


@dataclass(frozen=True)
class Training:
    """What a training run made, and whether it is now the champion."""

    trained: Trained
    version: str
    is_champion: bool


def train(settings: Settings, as_of: date) -> Training:
    """Pull and check what is known on a date, train on past cohorts, register, promote.

    The new model takes the champion's place if there is none, or if its ranking of the customers
    it has not seen is not clearly worse than what the champion's was when it was trained.

    Raises:
        RisklineError: the source or a contract fails, or there is too little to learn from.
    """
    pull(settings, as_of)
    check(settings, as_of)
    policy = load_policy(settings.policy, as_of)
    trained = train_model(
        cohorts(settings, as_of, policy, most=policy.training_cohorts),
        dimensions=names_by_dimension(),
        monotone=monotone_by_name(),
        held_out_cohorts=policy.held_out_cohorts,
        params=TrainingParams(num_threads=settings.threads),
    )
    champion = registry.champion(settings.home)
    version = registry.register(
        settings.home,
        trained,
        {"as_of": as_of.isoformat(), "policy_hash": policy.sha256, "code_version": code_version()},
    )
    is_champion = champion is None or trained.held_out.auc.upper >= champion.held_out_auc
    if is_champion:
        registry.promote(settings.home, version)
    return Training(trained, version, is_champion)


def evidence(settings: Settings, as_of: date) -> Evidence:
    """Pull and check what is known on a date; measure models that see more or fewer dimensions.

    They are measured on the latest month end whose horizon is over by the as-of date, and learn
    from what could have been learnt on that month end: as a lender would have stood there.

    Raises:
        RisklineError: the source or a contract fails, or the bank's past does not reach far enough.
    """
    pull(settings, as_of)
    check(settings, as_of)
    policy = load_policy(settings.policy, as_of)
    latest = cohorts(settings, as_of, policy, most=1)
    if not latest:
        raise RisklineError(
            f"no month end has a full horizon by {as_of}; wait for more months, or shorten the "
            "horizon in the policy"
        )
    (later,) = latest
    return measure(
        cohorts(settings, later.as_of, policy, most=policy.training_cohorts),
        later,
        later.features["exposure"],
        dimensions=names_by_dimension(),
        monotone=monotone_by_name(),
        held_out_cohorts=policy.held_out_cohorts,
        params=TrainingParams(num_threads=settings.threads),
    )


def cohorts(settings: Settings, as_of: date, policy: Policy, *, most: int) -> list[Cohort]:
    """The latest month ends whose horizon was over by the as-of date, with what came true.

    A source is pulled and checked up to the as-of date before. There are so many at most.

    A cohort's features see only what was known at its own close; what became of its customers is
    as known on the as-of date.
    """
    rooms = Rooms(settings)
    definition = policy.default_definition
    first_known = min(rooms.lake.days(LANDED, "customers"), default=as_of)
    matured = (day for day in month_ends_until(as_of) if definition.horizon_end(day) <= as_of)
    engine_now = rooms.feature_engine
    known_now = known_at_close(rooms.contracts, rooms.lake, engine_now, as_of, settings.timezone)
    frames_now = Frames(known_now, engine_now, often=[instalments])
    found: list[Cohort] = []
    for day in takewhile(lambda day: day >= first_known, matured):
        if len(found) == most:
            break
        # An engine of its own: what it keeps of the tables as of one day goes with it.
        engine = Rooms(settings).feature_engine
        rows = read_or_build(rooms.contracts, rooms.lake, engine, day, settings.timezone)
        features = rows.to_pandas().set_index(CUSTOMER_ID)
        came_true = outcomes(day, frames_now, definition, engine_now).to_pandas()
        is_default = came_true.set_index(CUSTOMER_ID)[IS_DEFAULT]
        kept = features.index.intersection(is_default.index)
        if len(kept):
            found.append(Cohort(day, features.loc[kept], is_default.loc[kept]))
    return found
