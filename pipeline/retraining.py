"""How a model is trained: past cohorts, what became of them, and who is the champion then."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

import pandas as pd
import pyarrow as pa

from models import registry
from models.baselines import baseline_probabilities
from models.dimension_gbm import TrainingParams
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
from pipeline.warehouse.audit import audited, last_champion
from pipeline.warehouse.publish import PERFORMANCE

log = logging.getLogger("riskline")

MOST_HORIZON = 3_660
MOST_NOTE = 500
GROUPED_BY = ("segment", "region", "marital_status", "education")
"""Columns of customers by which a model's errors are told apart, beside the age."""
AGE_REASON = "days that the as-of date lies after that of the champion"
AGE = "age_years"
"""A feature that a lender may have to do without."""
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
    # Before anything takes long.
    _checked(horizon, note)
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
    note = _checked(horizon, note)
    in_force = load_policy(settings.policy, as_of)
    policy = in_force if horizon is None else in_force.model_copy(update={"horizon": horizon})
    dimensions, monotone = names_by_dimension(), monotone_by_name()
    params = training_params(settings, policy)
    champion_then = registry.champion_version(settings.home)
    champion = None if champion_then is None else _comparable(settings, champion_then)
    past = cohorts(settings, as_of, policy, most=policy.training_cohorts)
    parts = split(past, policy.held_out_cohorts, list(monotone))
    trained = train_model(
        parts,
        dimensions=dimensions,
        monotone=monotone,
        params=params,
        trials=policy.search_trials,
    )
    judgement = judge(
        trained.model,
        parts,
        parts.test.features["exposure"].fillna(0.0),
        Bounds(**policy.promotion_bounds.model_dump()),
        champion=None if champion is None else (champion.version, champion.model),
        baselines=baseline_probabilities(
            parts.training.features,
            parts.training.is_default,
            parts.validation.features,
            parts.validation.is_default,
            parts.test.features,
            dimensions=dimensions,
            monotone=monotone,
            params=trained.model.params,
        ),
        num_threads=settings.threads,
    )
    circumstances = [_horizon_figure(policy, in_force)]
    if champion_then is not None:
        circumstances.append(_compared_figure(champion_then, champion))
    if champion is not None:
        circumstances.append(_age_figure(as_of, champion))
        circumstances.append(_constant_figure(trained.constant_features, champion))
    judgement = Judgement(judgement.compared_with, (*circumstances, *judgement.figures))
    notes = {
        "as_of": as_of.isoformat(),
        "horizon": f"{policy.horizon} {policy.horizon_unit}",
        "days_past_due": str(policy.days_past_due),
        "note": note,
        "champion": str(champion_then),
        "policy_hash": policy.sha256,
        "code_version": code_version(),
    }
    return registry.register(settings.home, trained, judgement, notes)


def judge_version(settings: Settings, version: str) -> Judgement:
    """Publish every figure of a version in the warehouse, and say whether it may score.

    Raises:
        RisklineError: there is no such version, or the warehouse refuses.
    """
    challenger = registry.registered(settings.home, version)
    _publish_figures(settings, challenger)
    for reason in challenger.judgement.reasons:
        log.warning("version %s is not to be the champion, for %s", version, reason)
    return challenger.judgement


def let_score_the_past(settings: Settings, version: str, *, despite_gate: bool = False) -> None:
    """Let a version score past nights; the champion stays.

    It scores the nights from its as-of date to that of the next version that may score.

    Args:
        settings: of the run.
        version: of the registry.
        despite_gate: whether a person answers for it, whatever the gate says.

    Raises:
        RisklineError: there is no such version, it is not older than the champion, or something
            else than that speaks against it.
    """
    past = registry.registered(settings.home, version)
    against = [reason for reason in past.judgement.reasons if AGE_REASON not in reason]
    if against and not despite_gate:
        raise RisklineError(
            f"version {version} does not deserve to score: {'; '.join(against)}; riskline promote "
            "--past-only --despite-gate lets it all the same"
        )
    champion = registry.champion(settings.home)
    if champion is None or past.as_of >= champion.as_of:
        raise RisklineError(
            f"version {version}, as of {past.as_of}, is not older than the champion; riskline "
            "promote without --past-only makes it the champion, if it deserves to be"
        )
    _publish_figures(settings, past)
    facts = {
        "past_only": True,
        "despite_gate": despite_gate,
        "content_hash": past.model.content_hash,
    }
    outputs = Rooms(settings).outputs
    with audited(warehouse_url(settings), outputs, "promote", version, **facts):
        registry.let_score_the_past(settings.home, version)


def promote(settings: Settings, version: str, *, despite_gate: bool = False) -> None:
    """Make a version that the gate has let through the champion; its figures are published first.

    Args:
        settings: of the run.
        version: of the registry.
        despite_gate: whether a person answers for it, whatever the gate says.

    Raises:
        RisklineError: there is no such version, the gate has not let it through, or it was compared
            with another champion than the present one.
    """
    challenger = registry.registered(settings.home, version)

    def deserves(champion: str | None) -> None:
        if champion == version or despite_gate:
            return
        if challenger.notes["champion"] != str(champion):
            raise RisklineError(
                f"version {version} was trained while the champion was "
                f"{challenger.notes['champion']}, which is {champion} now; train again"
            )

    if not challenger.judgement.has_passed and not despite_gate:
        raise RisklineError(
            f"version {version} does not deserve to be the champion: "
            f"{'; '.join(challenger.judgement.reasons)}; riskline promote --despite-gate makes it "
            "so all the same"
        )
    _publish_figures(settings, challenger)
    if despite_gate:
        log.warning("version %s is promoted by a person, whatever the gate says", version)
    _enter_what_was_cut_off(settings)
    # A task that is tried again promotes nobody anew.
    if registry.champion_version(settings.home) == version:
        return
    facts = {"despite_gate": despite_gate, "content_hash": challenger.model.content_hash}
    outputs = Rooms(settings).outputs
    with audited(warehouse_url(settings), outputs, "promote", version, **facts):
        registry.promote(settings.home, version, deserves)


def roll_back(settings: Settings) -> str:
    """Make the champion's predecessor the champion again; once more, and it is undone.

    Returns:
        The version that scores now.

    Raises:
        RisklineError: there is none, or the audit log cannot be written.
    """
    version = registry.predecessor_version(settings.home)
    if (champion := _enter_what_was_cut_off(settings)) is not None:
        # It may have been this very roll-back: a second one would undo it.
        return champion
    with audited(warehouse_url(settings), Rooms(settings).outputs, "roll_back", version):
        return registry.roll_back(settings.home)


def _enter_what_was_cut_off(settings: Settings) -> str | None:
    """Enter in the audit log how the champion came to be it, where that was not done at once.

    Returns:
        The champion; None where the log knew it.
    """
    url, outputs = warehouse_url(settings), Rooms(settings).outputs
    known, champion = last_champion(url, outputs), registry.champion_version(settings.home)
    if known is None or champion is None or known == champion:
        return None
    log.warning("version %s became the champion by a change that was cut off", champion)
    with audited(url, outputs, "promote", champion, was_cut_off=True):
        return champion


def evidence(settings: Settings, as_of: date) -> Evidence:
    """Pull and check what is known on a date; measure models that see more or fewer dimensions.

    They are measured on the latest month end whose horizon is over by the as-of date, and learn
    from what could have been learnt on that month end: as a lender would have stood there.

    Raises:
        RisklineError: the source or a contract fails, or the bank's past does not reach far enough.
    """
    policy = load_policy(settings.policy, as_of)
    later = latest_matured(settings, as_of, policy)
    return measure(
        cohorts(settings, later.as_of, policy, most=policy.training_cohorts),
        later,
        later.features["exposure"],
        dimensions=names_by_dimension(),
        monotone=monotone_by_name(),
        held_out_cohorts=policy.held_out_cohorts,
        params=training_params(settings, policy),
    )


def latest_matured(settings: Settings, as_of: date, policy: Policy) -> Cohort:
    """Pull and check what is known on a date; the latest month end whose outcomes are known by it.

    Raises:
        RisklineError: the source or a contract fails, or no horizon is over yet.
    """
    pull(settings, as_of)
    check(settings, as_of)
    latest = cohorts(settings, as_of, policy, most=1)
    if not latest:
        raise RisklineError(
            f"no month end has a full horizon by {as_of}; wait for more months, or shorten the "
            "horizon in the policy"
        )
    return latest[0]


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
    if AGE not in features:
        return groups
    age = pd.cut(features[AGE].astype("float64"), AGE_BANDS, right=False)
    names = {
        band: f"{band.left} to {band.right - 1}" if band.right < AGE_BANDS[-1] else f"{band.left}+"
        for band in age.cat.categories
    }
    # A firm has an age too, which is no person's.
    is_person = groups["segment"] == "consumer"
    return groups.assign(age=age.cat.rename_categories(names).astype(object).where(is_person))


def training_params(settings: Settings, policy: Policy) -> TrainingParams:
    """Of the boosting, as settings and policy have them."""
    return TrainingParams(min_defaults=policy.training_defaults, num_threads=settings.threads)


def _checked(horizon: int | None, note: str) -> str:
    """The note, on one line; what would fail only after hours of training is refused at once."""
    if horizon is not None and not 1 <= horizon <= MOST_HORIZON:
        raise RisklineError(f"the horizon must be 1 to {MOST_HORIZON}, not {horizon}")
    line = " ".join(note.split())
    if len(line) > MOST_NOTE or not line.isprintable():
        raise RisklineError(
            f"the note must be {MOST_NOTE} characters at most that can be printed; shorten it"
        )
    return line


def _comparable(settings: Settings, version: str) -> registry.Registered | None:
    """The champion, where it can be read and knows no other features than there are now."""
    try:
        champion = registry.registered(settings.home, version)
    except RisklineError as error:
        log.warning("the champion is not compared with: %s", error)
        return None
    if lost := set(champion.model.feature_names) - set(monotone_by_name()):
        log.warning(
            "the champion, version %s, is not compared with, for it reads features that are gone: "
            "%s",
            version,
            ", ".join(sorted(lost)),
        )
        return None
    return champion


def _compared_figure(version: str, champion: registry.Registered | None) -> Figure:
    return Figure(
        ALL,
        "champion_compared",
        f"whether the champion, version {version}, could be compared with (1 if so)",
        float(champion is not None),
        wanted="1, or a person who promotes it despite the gate",
        has_passed=champion is not None,
    )


def _age_figure(as_of: date, champion: registry.Registered) -> Figure:
    days = (as_of - date.fromisoformat(champion.notes["as_of"])).days
    return Figure(
        ALL,
        "days_after_champion",
        f"{AGE_REASON}, version {champion.version}",
        float(days),
        wanted="not below 0",
        has_passed=days >= 0,
    )


def _constant_figure(constant: Sequence[str], champion: registry.Registered) -> Figure:
    """A feature that the champion could learn from and the challenger cannot has lost its data."""
    known_constant = champion.notes["constant_features"].split(", ")
    lost = [
        name
        for name in constant
        if name in champion.model.feature_names and name not in known_constant
    ]
    named = f": {', '.join(lost)}" if lost else ""
    return Figure(
        ALL,
        "constant_features",
        "features that never vary among the rows fitted to, and did when the champion, version "
        f"{champion.version}, was trained{named}",
        float(len(lost)),
        wanted="0; look at the tables that they are read from",
        has_passed=not lost,
    )


def _horizon_figure(policy: Policy, in_force: Policy) -> Figure:
    return Figure(
        ALL,
        "horizon",
        f"horizon of the outcome, in {policy.horizon_unit}s",
        float(policy.horizon),
        wanted=f"the policy's, {in_force.horizon}",
        has_passed=policy.horizon == in_force.horizon,
    )


def _publish_figures(settings: Settings, challenger: registry.Registered) -> None:
    rooms = Rooms(settings)
    contract = rooms.outputs[PERFORMANCE]
    rows = conform(
        pa.Table.from_pylist(
            [
                {
                    "as_of_date": date.fromisoformat(challenger.notes["as_of"]),
                    "model_version": challenger.version,
                    "group_name": figure.group_name,
                    "metric": figure.metric,
                    "meaning": figure.meaning,
                    "value": figure.value,
                    "lower": figure.lower,
                    "upper": figure.upper,
                    "wanted": figure.wanted,
                    "passed": figure.has_passed,
                }
                for figure in challenger.judgement.figures
            ]
        ),
        contract,
    ).sort_by([(name, "ascending") for name in contract.key])
    warehouse.check_outputs({PERFORMANCE: rows}, rooms.outputs, rooms.engine)
    warehouse.publish_performance(warehouse_url(settings), challenger.version, rows, rooms.outputs)
