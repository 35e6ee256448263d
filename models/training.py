"""Trains the PD model on past cohorts, split by time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from models.dimension_gbm import DimensionGBM, TrainingParams
from models.evaluation import Performance, joint_variance_share, performance
from pipeline.errors import RisklineError


@dataclass(frozen=True)
class Cohort:
    """Customers as of one past day, and who of them defaulted within the horizon.

    ``features`` has one row a customer, with customer_id as its index; ``is_default`` has the same
    customers, in any order.
    """

    as_of: date
    features: pd.DataFrame
    is_default: pd.Series

    def __post_init__(self) -> None:
        mine, theirs = self.features.index.sort_values(), self.is_default.index.sort_values()
        if not mine.is_unique or not mine.equals(theirs):
            raise ValueError(f"features and outcomes of {self.as_of} are not of the same customers")


@dataclass(frozen=True)
class Trained:
    """A calibrated model, and how it does on the cohorts that it was not fitted to.

    ``constant_features`` are those with one value, or none, in all fitted cohorts: the model cannot
    learn from them. That is no error, for a source may lack a whole table; but people are told.
    """

    model: DimensionGBM
    fitted_cohorts: tuple[date, ...]
    held_out_cohorts: tuple[date, ...]
    held_out: Performance
    joint_variance_share: float
    constant_features: tuple[str, ...]


@dataclass(frozen=True)
class Stack:
    """The customers of several cohorts one below the other, each cohort's in their order."""

    cohorts: tuple[date, ...]
    features: pd.DataFrame
    is_default: pd.Series


def train(
    cohorts: Sequence[Cohort],
    *,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    held_out_cohorts: int,
    params: TrainingParams,
) -> Trained:
    """Fit on the earlier cohorts; choose the number of trees and calibrate on the latest.

    Args:
        cohorts: at least one more than are held out.
        dimensions: the features of each dimension.
        monotone: direction of each feature, -1, 0 or 1.
        held_out_cohorts: how many of the latest are held out.
        params: of the boosting.

    Raises:
        RisklineError: there are too few cohorts, or too few defaults in them; a cohort lacks a
            feature, or holds one that is no number.
    """
    early, late = latest_held_out(cohorts, held_out_cohorts, list(monotone))
    model = DimensionGBM.fit(
        early.features,
        early.is_default,
        dimensions=dimensions,
        monotone=monotone,
        params=params,
        X_valid=late.features,
        y_valid=late.is_default,
    ).calibrated(late.features, late.is_default)
    explained = model.explain(late.features, num_threads=params.num_threads)
    return Trained(
        model=model,
        fitted_cohorts=early.cohorts,
        held_out_cohorts=late.cohorts,
        held_out=performance(late.is_default, explained.default_probability),
        joint_variance_share=joint_variance_share(explained),
        # Missing counts as a value: a feature that only some customers have says something.
        constant_features=tuple(
            name for name in model.feature_names if len(early.features[name].drop_duplicates()) == 1
        ),
    )


def latest_held_out(
    cohorts: Sequence[Cohort], held_out_cohorts: int, names: Sequence[str]
) -> tuple[Stack, Stack]:
    """The earlier cohorts, and the latest ones, which are held out of fitting.

    Args:
        cohorts: in any order.
        held_out_cohorts: how many of the latest.
        names: of the features to keep.

    Raises:
        RisklineError: there are no others, or a cohort lacks a feature.
    """
    if len(cohorts) <= held_out_cohorts:
        raise RisklineError(
            f"training needs more than {held_out_cohorts} cohorts with a full horizon, there are "
            f"{len(cohorts)}; wait for more months, or shorten the horizon in the policy"
        )
    ordered = sorted(cohorts, key=lambda cohort: cohort.as_of)
    return (
        _stack(ordered[:-held_out_cohorts], names),
        _stack(ordered[-held_out_cohorts:], names),
    )


def _stack(cohorts: Sequence[Cohort], names: Sequence[str]) -> Stack:
    # By customer, so that the sums of the held-out figures have one order too.
    for cohort in cohorts:
        if missing := [name for name in names if name not in cohort.features.columns]:
            raise RisklineError(
                f"the cohort of {cohort.as_of} lacks features: {', '.join(missing)}"
            )
    features = pd.concat([cohort.features.sort_index()[list(names)] for cohort in cohorts])
    is_default = pd.concat([cohort.is_default.sort_index() for cohort in cohorts])
    return Stack(
        tuple(cohort.as_of for cohort in cohorts),
        features.reset_index(drop=True),
        is_default.astype("int64").reset_index(drop=True),
    )
