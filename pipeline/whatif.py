"""What another policy would have done on a past month end whose outcomes are known by now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import yaml
from pydantic import ValidationError

from models.registry import Registered
from models.training import split
from models.training import train as train_model
from pipeline.as_of import known_at_close
from pipeline.decisions.night import Decisions, Past, decide_night
from pipeline.decisions.policy import TIERS, Policy, load_policy
from pipeline.decisions.warnings import CARRIED, Reason
from pipeline.errors import RisklineError
from pipeline.features.build import CUSTOMER_ID, Frames
from pipeline.features.cohorts import read_or_build
from pipeline.features.debts import build_debts
from pipeline.features.registry import monotone_by_name, names_by_dimension
from pipeline.retraining import cohorts, latest_matured, training_params
from pipeline.rooms import Rooms
from pipeline.scoring import score_customers
from pipeline.settings import Settings
from pipeline.warehouse.history import CUSTOMER_COLUMNS


@dataclass(frozen=True)
class Yield:
    """What a policy makes of the month end.

    Attributes:
        tiers: customers by tier.
        warnings: that it raises.
        listed: those of them within the daily capacity.
        customers: who are on the list.
        defaults_caught: of the customers who defaulted within the horizon, the share on the list;
            None where nobody did.
        loss_caught: the share of all expected loss that is on customers of the list.
    """

    tiers: Mapping[str, int]
    warnings: int
    listed: int
    customers: int
    defaults_caught: float | None
    loss_caught: float


@dataclass(frozen=True)
class WhatIf:
    """The policy in force and the changed one, on the same customers with the same PDs.

    Attributes:
        as_of: the month end.
        customers: whose outcome is known.
        defaults: how many of them defaulted within the horizon.
        moves: a row a pair of tiers between which customers move: before, after, customers.
        now: by the policy in force.
        then: by the changed one.
    """

    as_of: date
    customers: int
    defaults: int
    moves: pd.DataFrame
    now: Yield
    then: Yield


def changed(policy: Policy, changes: Sequence[str]) -> Policy:
    """A policy with other values.

    Args:
        policy: to be changed.
        changes: each as ``parameter=value``, with dots into what lies within: for instance
            ``warning_rules.pd_above.bound=0.15``; values are read as YAML.

    Raises:
        RisklineError: there is no such parameter, or it cannot have that value.
    """
    values = policy.model_dump()
    for change in changes:
        path, is_change, text = change.partition("=")
        *way, last = path.split(".")
        inner: Any = values
        for name in way:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not is_change or not isinstance(inner, dict) or last not in inner:
            raise RisklineError(
                f"{change!r} changes no parameter of the policy; write it as "
                "warning_rules.pd_above.bound=0.15 or warning_capacity=50"
            )
        try:
            inner[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise RisklineError(f"{change!r}: the value cannot be read") from None
    try:
        return Policy(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "bounds"
        reason = first["msg"].removeprefix("Value error, ")
        raise RisklineError(f"the changed policy, {name}: {reason}") from None


def what_if(settings: Settings, as_of: date, changes: Sequence[str]) -> WhatIf:
    """Decide the latest month end whose horizon is over twice, by the policy and by a changed one.

    Its customers are scored by a model that learnt from what could have been learnt on that month
    end, so that no outcome it is held to was seen. It is decided as a first night: without a night
    before it nothing has jumped, fallen or worsened.

    Raises:
        RisklineError: a change is none, the source or a contract fails, or the bank's past does
            not reach far enough.
    """
    policy = load_policy(settings.policy, as_of)
    other = changed(policy, changes)
    later = latest_matured(settings, as_of, policy)
    rooms = Rooms(settings)
    model = _model_of_then(settings, later.as_of, policy)
    engine = rooms.feature_engine
    known = known_at_close(rooms.contracts, rooms.lake, engine, later.as_of, settings.timezone)
    debts = build_debts(Frames(known, engine), engine).to_pandas()
    features = read_or_build(rooms.contracts, rooms.lake, engine, later.as_of, settings.timezone)
    scored = score_customers(model, features, settings.threads).to_pandas().set_index(CUSTOMER_ID)
    now, then = (
        decide_night(scored, debts, _nothing_before(), later.as_of, each, _no_reasons)
        for each in (policy, other)
    )
    tiers = pd.DataFrame({"before": now.customers["tier"], "after": then.customers["tier"]})
    moved = tiers[tiers["before"] != tiers["after"]]
    return WhatIf(
        later.as_of,
        len(later.is_default),
        int(later.is_default.sum()),
        moved.value_counts(["before", "after"]).rename("customers").reset_index(),
        _yield(now, later.is_default),
        _yield(then, later.is_default),
    )


def _model_of_then(settings: Settings, day: date, policy: Policy) -> Registered:
    """A model that learnt from what was known on a day; it is kept nowhere."""
    dimensions, monotone = names_by_dimension(), monotone_by_name()
    past = cohorts(settings, day, policy, most=policy.training_cohorts)
    parts = split(past, policy.held_out_cohorts, list(monotone))
    params = training_params(settings, policy)
    trained = train_model(parts, dimensions=dimensions, monotone=monotone, params=params)
    return Registered("what if", trained.model, {}, None)


def _nothing_before() -> Past:
    return Past(
        pd.DataFrame(columns=list(CUSTOMER_COLUMNS)),
        pd.DataFrame(columns=list(CARRIED)),
        {},
        pd.DataFrame(columns=["customer_id", "at", "tier"]),
    )


def _no_reasons(customers: Sequence[str]) -> Mapping[str, Sequence[Reason]]:
    return dict.fromkeys(customers, ())


def _yield(decisions: Decisions, is_default: pd.Series) -> Yield:
    warnings = decisions.warnings
    listed = warnings[warnings["in_capacity"].astype(bool)]
    warned = set(listed["customer_id"])
    customers = decisions.customers.set_index(CUSTOMER_ID)
    defaulted = is_default.index[is_default.astype(bool)]
    losses = customers["expected_loss"]
    counts = customers["tier"].value_counts()
    total = float(losses.sum())
    return Yield(
        {tier: int(counts.get(tier, 0)) for tier in TIERS},
        len(warnings),
        len(listed),
        len(warned),
        float(defaulted.isin(warned).mean()) if len(defaulted) else None,
        float(losses[losses.index.isin(warned)].sum()) / total if total else 0.0,
    )
