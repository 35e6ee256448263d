"""The lender's policy as it was in force on a day: effective-dated YAML, checked as it is read."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pipeline.errors import RisklineError
from pipeline.features.outcome import DefaultDefinition, Unit

DEFAULT_POLICY = Path(__file__).resolve().parent / "policy"
Tier = Literal["A", "B", "C", "D", "E"]
TIERS: tuple[Tier, ...] = ("A", "B", "C", "D", "E")
Arrears = Literal["special_mention", "substandard", "doubtful", "loss"]
ARREARS: tuple[Arrears, ...] = ("special_mention", "substandard", "doubtful", "loss")
"""Asset classes beside normal, in the order of their days past due."""

# Strict: YAML's yes is no 1, and a number in quotes is a slip.
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Probability = Annotated[float, Field(gt=0, le=1)]


class Severity(StrEnum):
    """How grave a warning is."""

    GENERAL = "general"
    SERIOUS = "serious"
    CRITICAL = "critical"


class CreditAction(StrEnum):
    """What is proposed for a customer's credit, the gravest first."""

    EARLY_RECALL = "early_recall"
    FREEZE = "freeze"
    DECREASE = "decrease"
    MORE_COLLATERAL = "more_collateral"
    HOLD = "hold"
    INCREASE = "increase"


class WarningRule(BaseModel):
    """When a rule fires, how grave that is, what is to be done by whom, and when it ends."""

    model_config = _STRICT

    bound: float
    below: float = Field(default=math.inf, allow_inf_nan=True)
    severity: Annotated[Severity, Field(strict=False)]
    playbook: str = Field(min_length=1)
    owner_role: str = Field(min_length=1)
    due_days: int = Field(ge=0)
    escalate_to: str = Field(min_length=1)
    clear_after_nights: int = Field(ge=1)
    cool_off_days: int = Field(ge=0)

    @model_validator(mode="after")
    def _can_fire(self) -> Self:
        if not self.bound < self.below:
            raise ValueError(f"bound {self.bound:g} must lie below {self.below:g}")
        return self


class PromotionBounds(BaseModel):
    """What the gate wants of a model before it may score."""

    model_config = _STRICT

    calibration_ratio: float = Field(gt=1)
    calibration_slope: float = Field(gt=1)
    stability_index: float = Field(gt=0)
    defaulters: int = Field(ge=1)


class CollateralTerms(BaseModel):
    """How far a type of collateral is trusted, and what is lost of the debt that it secures."""

    model_config = _STRICT

    haircut_pct: float = Field(ge=0, le=100)
    loss_given_default: float = Field(ge=0, le=1)


class CreditRule(BaseModel):
    """For whom an action is proposed: all that is said must hold, and what is not said may be."""

    model_config = _STRICT

    name: str = Field(min_length=1)
    action: Annotated[CreditAction, Field(strict=False)]
    reason: str = Field(min_length=1)
    tiers: list[Tier] = Field(default=list(TIERS), min_length=1)
    days_past_due_from: int = Field(default=0, ge=0)
    warning: Annotated[Severity | None, Field(strict=False)] = None
    """An open warning at least so grave."""
    is_without_warning: bool = False
    is_with_line: bool = False
    utilisation_from: float = Field(default=0, ge=0)
    cover_below: float = Field(default=math.inf, gt=0, allow_inf_nan=True)
    """Collateral against the debt, of customers who have any."""
    limit_pct: float = Field(default=100, ge=0)
    """What is proposed as the limit, in percent of the present one."""


RuleName = Literal[
    "pd_above",
    "pd_jump",
    "tier_downgrade",
    "days_past_due_1",
    "days_past_due_30",
    "days_past_due_60",
    "dimension_worsening",
    "income_drop",
    "balance_drain",
    "complaint_surge",
    "guarantor_distress",
    "group_distress",
    "industry_alert",
    "data_gap",
]


class Policy(BaseModel):
    """Every parameter's value on one day."""

    model_config = _STRICT

    days_past_due: int = Field(ge=1)
    horizon: int = Field(ge=1, le=3660)
    horizon_unit: Annotated[Unit, Field(strict=False)]
    score_at_base_odds: float
    score_base_odds: float = Field(gt=0)
    points_to_double_odds: float = Field(gt=0)
    tier_pd_upper_bounds: dict[Tier, Probability]
    tier_hysteresis_pct: float = Field(ge=0, lt=100)
    asset_class_days_past_due: dict[Arrears, Annotated[int, Field(ge=1)]]
    loss_given_default: float = Field(ge=0, le=1)
    collateral_terms: dict[str, CollateralTerms]
    warning_rules: dict[RuleName, WarningRule] = Field(min_length=1)
    warning_capacity: int | None = Field(ge=0)
    credit_rules: list[CreditRule]
    warehouse_nights: int | None = Field(ge=2)
    training_cohorts: int = Field(ge=2, le=120)
    held_out_cohorts: int = Field(ge=1, le=60)
    training_defaults: int = Field(ge=1)
    search_trials: int = Field(ge=1, le=1000)
    promotion_bounds: PromotionBounds

    @model_validator(mode="after")
    def _bounds_rise(self) -> Self:
        tiers = [self.tier_pd_upper_bounds.get(tier, math.nan) for tier in TIERS]
        if tiers != sorted(set(tiers)) or tiers[-1] != 1:
            raise ValueError("tier_pd_upper_bounds must rise from A to E, and end at 1")
        days = [self.asset_class_days_past_due.get(name, -1) for name in ARREARS]
        if days[0] < 1 or days != sorted(set(days)):
            raise ValueError("asset_class_days_past_due must rise from special_mention to loss")
        if self.held_out_cohorts >= self.training_cohorts:
            raise ValueError("held_out_cohorts must be fewer than training_cohorts")
        return self

    @property
    def default_definition(self) -> DefaultDefinition:
        """What the model foresees."""
        return DefaultDefinition(self.days_past_due, self.horizon, self.horizon_unit)

    @property
    def sha256(self) -> str:
        """A hash of all values."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_policy(folder: Path | None, as_of: date) -> Policy:
    """The policy in force on a day: the packaged one, with the lender's own parameters over it.

    Args:
        folder: of the lender's YAML files, or None.
        as_of: the day.

    Raises:
        RisklineError: a file or a value is not what policy must be, or a parameter has no value
            on that day.
    """
    values: dict[str, Any] = {}
    for source in [DEFAULT_POLICY, *([folder] if folder is not None else [])]:
        files = sorted(source.glob("*.yaml"))
        if not files:
            raise RisklineError(f"no policy file (*.yaml) in {source}; set RISK_POLICY")
        for file in files:
            values |= _values(file, as_of)
    try:
        return Policy(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "bounds"
        raise RisklineError(f"policy on {as_of}, {name}: {_plain(first)}") from error


def _plain(error: ErrorDetails) -> str:
    is_parameter = len(error["loc"]) == 1
    match error["type"]:
        case "missing" if is_parameter:
            return "no value is in force on that day"
        case "extra_forbidden" if is_parameter:
            return f"no such parameter; known are {', '.join(Policy.model_fields)}"
        case _:
            return error["msg"].removeprefix("Value error, ")


def _values(file: Path, as_of: date) -> Mapping[str, Any]:
    try:
        parameters = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # ValueError: bytes that are no text, or a date that no calendar has.
        reason = " ".join(str(error).split())
        raise RisklineError(f"policy file {file.name} cannot be read: {reason}") from error
    if not isinstance(parameters, dict):
        raise RisklineError(f"policy file {file.name}: not a mapping of parameters")
    found = {}
    for name, parameter in parameters.items():
        needed = {"description", "unit", "reference", "values"}
        if not isinstance(parameter, dict) or set(parameter) != needed:
            raise RisklineError(
                f"policy file {file.name}, {name}: needs just {', '.join(sorted(needed))}"
            )
        dated = parameter["values"]
        if not isinstance(dated, dict) or not all(type(day) is date for day in dated):
            raise RisklineError(f"policy file {file.name}, {name}: values need dates as keys")
        in_force = [day for day in dated if day <= as_of]
        if in_force:
            found[name] = dated[max(in_force)]
    return found
