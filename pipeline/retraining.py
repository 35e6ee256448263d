"""How a model is trained: past cohorts, what became of them, and who is the champion then."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

import pandas as pd
import pyarrow as pa

from models import registry
from models.baselines import baseline_probabilities
from models.dimension_gbm import DimensionGBM, TrainingParams
from models.evidence import Evidence
from models.evidence import evidence as measure
from models.judgement import ALL, Bounds, Figure, Judgement, judge
from models.training import Cohort, split
from models.training import train as train_model
from pipeline.as_of import known_at_close
from pipeline.contracts.schema import conform
from pipeline.decisions.policy import Policy, load_policy
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID, Frames
from pipeline.features.cohorts import month_ends_until, read_or_build
from pipeline.features.frames.instalments import instalments
from pipeline.features.outcome import IS_DEFAULT, outcomes
from pipeline.features.registry import monotone_by_name, names_by_dimension
from pipeline.identity import code_version
from pipeline.lake import LANDED
from pipeline.nightly import check, pull
from pipeline.rooms import Rooms, warehouse_url
from pipeline.settings import Settings
from pipeline.warehouse import publish as warehouse
from pipeline.warehouse.publish import PERFORMANCE

log = logging.getLogger("riskline")

GROUPED_BY = ("segment", "region", "marital_status", "education")
"""Columns of customers by which a model's errors are told apart, beside the age."""
AGE_BANDS = (0, 25, 35, 45, 55, 65, 200)


@dataclass(frozen=True)
class Training:
    """What a training run made, and what came of it."""

    model: registry.Registered
    is_champion: bool


def train(
    settings: Settings,
    as_of: date,
    *,
    horizon: int | None = None,
    note: str = "",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Training:
    """Pull, check, fit, judge and, where that is not left to a person, promote.

    Args:
        settings: of the run.
        as_of: the day up to which anything is known.
        horizon: of the outcome, if not the policy's.
        note: why it is trained, kept with the model.
        on_stage: told the name of each stage as it begins.

    Raises:
        RisklineError: the source or a contract fails, or there is too little to learn from.
    """
    for stage in (pull, check):
        on_stage(stage.__name__)
        stage(settings, as_of)
    on_stage("fit")
    version = fit(settings, as_of, horizon=horizon, note=note)
    on_stage("judge")
    judgement = judge_version(settings, version)
    is_champion = judgement.has_passed and not settings.promotion_approval
    if is_champion:
        on_stage("promote")
        promote(settings, version)
    return Training(registry.registered(settings.home, version), is_champion)


def fit(settings: Settings, as_of: date, *, horizon: int | None = None, note: str = "") -> str:
    """Fit a model to past cohorts, measure it, and register it as the challenger.

    A source is pulled and checked up to the as-of date before.

    Returns:
        The model's version.

    Raises:
        RisklineError: there is too little to learn from.
    """
    in_force = load_policy(settings.policy, as_of)
    policy = in_force if horizon is None else in_force.model_copy(update={"horizon": horizon})
    dimensions, monotone = names_by_dimension(), monotone_by_name()
    params = TrainingParams(num_threads=settings.threads)
    past = cohorts(settings, as_of, policy, most=policy.training_cohorts)
    parts = split(past, policy.held_out_cohorts, list(monotone))
    trained = train_model(
        parts,
        dimensions=dimensions,
        monotone=monotone,
        params=params,
        trials=policy.search_trials,
    )
    champion = registry.champion(settings.home)
    champion_then = _champion_version(settings)
    judgement = judge(
        trained.model,
        parts,
        parts.unseen.features["exposure"].fillna(0.0),
        Bounds(**policy.promotion_bounds.model_dump()),
        champion=_comparable(champion, parts.unseen.features),
        baselines=baseline_probabilities(
            parts.fitted.features,
            parts.fitted.is_default,
            parts.late.features,
            parts.late.is_default,
            parts.unseen.features,
            dimensions=dimensions,
            monotone=monotone,
            params=trained.model.params,
        ),
        num_threads=settings.threads,
    )
    judgement = Judgement(
        judgement.compared_with, (_horizon_figure(policy, in_force), *judgement.figures)
    )
    notes = {
        "as_of": as_of.isoformat(),
        "horizon": f"{policy.horizon} {policy.horizon_unit}",
        "days_past_due": str(policy.days_past_due),
        "note": " ".join(note.split()),
        "champion": champion_then,
        "policy_hash": policy.sha256,
        "code_version": code_version(),
    }
    return registry.register(settings.home, trained, judgement, notes)


def judge_version(settings: Settings, version: str) -> Judgement:
    """Publish every figure of a version in the warehouse, and say whether it may score.

    Raises:
        RisklineError: there is no such version, the champion is no longer the one that it was
            compared with, or the warehouse refuses.
    """
    rooms = Rooms(settings)
    challenger = registry.registered(settings.home, version)
    judgement, as_of = challenger.judgement, date.fromisoformat(challenger.notes["as_of"])
    _publish_figures(rooms, version, as_of, judgement)
    for reason in judgement.reasons:
        log.warning("version %s is not to be the champion, for %s", version, reason)
    return judgement


def promote(settings: Settings, version: str) -> None:
    """Make a version that the gate has let through the champion.

    Raises:
        RisklineError: there is no such version, the gate has not let it through, or it was compared
            with another champion than the present one.
    """
    challenger, champion = registry.registered(settings.home, version), _champion_version(settings)
    if champion == version:
        return
    if not challenger.judgement.has_passed:
        raise RisklineError(
            f"version {version} does not deserve to be the champion: "
            f"{'; '.join(challenger.judgement.reasons)}"
        )
    if challenger.notes["champion"] != champion:
        raise RisklineError(
            f"version {version} was trained while the champion was {challenger.notes['champion']}, "
            f"which is {champion} now; train again"
        )
    registry.promote(settings.home, version)


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
            groups = _groups(rooms, engine, day, features).loc[kept]
            found.append(Cohort(day, features.loc[kept], is_default.loc[kept], groups))
    return found


def _groups(rooms: Rooms, engine: Engine, day: date, features: pd.DataFrame) -> pd.DataFrame:
    """What customers are told apart by when a model's errors are looked at, as known on the day."""
    known = known_at_close(rooms.contracts, rooms.lake, engine, day, rooms.settings.timezone)
    rows = engine.to_arrow(known["customers"].select(CUSTOMER_ID, *GROUPED_BY)).to_pandas()
    groups: pd.DataFrame = rows.set_index(CUSTOMER_ID).reindex(features.index)
    age = pd.cut(features["age_years"].astype("float64"), AGE_BANDS, right=False)
    names = {
        band: f"{band.left} to {band.right - 1}" if band.right < AGE_BANDS[-1] else f"{band.left}+"
        for band in age.cat.categories
    }
    # A firm has an age too, which is no person's.
    is_person = groups["segment"] == "consumer"
    return groups.assign(age=age.cat.rename_categories(names).astype(object).where(is_person))


def _comparable(
    champion: registry.Registered | None, features: pd.DataFrame
) -> tuple[str, DimensionGBM] | None:
    """The champion, where it reads what is there now: it may stem from other declarations."""
    if champion is None:
        return None
    if lost := set(champion.model.feature_names) - set(features.columns):
        log.warning(
            "the champion, version %s, is not compared with: it reads features that are gone: %s",
            champion.version,
            ", ".join(sorted(lost)),
        )
        return None
    return champion.version, champion.model


def _champion_version(settings: Settings) -> str:
    champion = registry.champion(settings.home)
    return "none" if champion is None else f"version {champion.version}"


def _horizon_figure(policy: Policy, in_force: Policy) -> Figure:
    return Figure(
        ALL,
        "horizon",
        f"horizon of the outcome, in {policy.horizon_unit}s",
        float(policy.horizon),
        wanted=f"the policy's, {in_force.horizon}",
        has_passed=policy.horizon == in_force.horizon,
    )


def _publish_figures(rooms: Rooms, version: str, as_of: date, judgement: Judgement) -> None:
    contract = rooms.outputs[PERFORMANCE]
    rows = conform(
        pa.Table.from_pylist(
            [
                {
                    "as_of_date": as_of,
                    "model_version": version,
                    "group_name": figure.group_name,
                    "metric": figure.metric,
                    "meaning": figure.meaning,
                    "value": figure.value,
                    "lower": figure.lower,
                    "upper": figure.upper,
                    "wanted": figure.wanted,
                    "passed": figure.has_passed,
                }
                for figure in judgement.figures
            ]
        ),
        contract,
    ).sort_by([(name, "ascending") for name in contract.key])
    warehouse.check_outputs({PERFORMANCE: rows}, rooms.outputs, rooms.engine)
    warehouse.publish_performance(warehouse_url(rooms.settings), version, rows, rooms.outputs)
