"""Trains the PD model on past cohorts, split by time and by customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.dimension_gbm import DimensionGBM, TrainingParams
from models.search import Trial, search
from pipeline.errors import RisklineError

BUCKETS = 5
"""Customers fall into so many even parts, by a hash of their ids and hence the same at any time."""
TEST, VALIDATION = 0, 1
"""The part that no model learns from, and that which stops and calibrates; the rest is fitted."""


@dataclass(frozen=True)
class Cohort:
    """Customers as of one past day, and who of them defaulted within the horizon.

    ``features`` has one row a customer, with customer_id as its index; ``is_default`` has the same
    customers, in any order; and so has ``groups``, if it is there: attributes that the model must
    not see, but by which it is looked at.
    """

    as_of: date
    features: pd.DataFrame
    is_default: pd.Series
    groups: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        mine = self.features.index.sort_values()
        others = [self.is_default.index, *([] if self.groups is None else [self.groups.index])]
        if not mine.is_unique or not all(mine.equals(each.sort_values()) for each in others):
            raise ValueError(f"features and outcomes of {self.as_of} are not of the same customers")


@dataclass(frozen=True)
class Stack:
    """The customers of several cohorts one below the other, each cohort's in their order.

    All have the same index, of numbers; ``customers`` says whose rows they are.
    """

    cohorts: tuple[date, ...]
    customers: pd.Series
    features: pd.DataFrame
    is_default: pd.Series
    groups: pd.DataFrame

    def where(self, kept: NDArray[np.bool_]) -> "Stack":
        """Some of the rows."""
        return Stack(
            self.cohorts,
            self.customers[kept].reset_index(drop=True),
            self.features[kept].reset_index(drop=True),
            self.is_default[kept].reset_index(drop=True),
            self.groups[kept].reset_index(drop=True),
        )


@dataclass(frozen=True)
class Parts:
    """What a model is fitted to, what it is stopped and calibrated on, and what it never sees."""

    training: Stack
    validation: Stack
    test: Stack


@dataclass(frozen=True)
class Trained:
    """A calibrated model, and how it came about.

    ``trials`` are the parameters that were tried; the best of them are the model's.
    ``constant_features`` are those with one value, or none, in all fitted cohorts: the model cannot
    learn from them. That is no error, for a source may lack a whole table; but people are told.
    """

    model: DimensionGBM
    fitted_cohorts: tuple[date, ...]
    held_out_cohorts: tuple[date, ...]
    constant_features: tuple[str, ...]
    trials: tuple[Trial, ...]


def train(
    parts: Parts,
    *,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
    trials: int = 1,
) -> Trained:
    """Fit on the earlier cohorts; choose parameters and trees, and calibrate, on the later.

    Args:
        parts: the cohorts as `split` parts them.
        dimensions: the features of each dimension.
        monotone: direction of each feature, -1, 0 or 1.
        params: of the boosting.
        trials: how many sets of parameters are tried; with one, those given are used.

    Raises:
        RisklineError: there are too few defaults among the rows, or a feature is no number.
    """
    training, validation = parts.training, parts.validation
    found = search(
        training.features,
        training.is_default,
        validation.features,
        validation.is_default,
        dimensions=dimensions,
        monotone=monotone,
        params=params,
        trials=trials,
    )
    model = DimensionGBM.fit(
        training.features,
        training.is_default,
        dimensions=dimensions,
        monotone=monotone,
        params=found.best,
        X_valid=validation.features,
        y_valid=validation.is_default,
    ).calibrated(validation.features, validation.is_default)
    return Trained(
        model=model,
        fitted_cohorts=training.cohorts,
        held_out_cohorts=validation.cohorts,
        # Missing counts as a value: a feature that only some customers have says something.
        constant_features=tuple(
            name
            for name in model.feature_names
            if len(training.features[name].drop_duplicates()) == 1
        ),
        trials=found.trials,
    )


def split(cohorts: Sequence[Cohort], held_out_cohorts: int, names: Sequence[str]) -> Parts:
    """Part cohorts by time, and customers by who they are.

    The horizons of two cohorts overlap, and a default within both is the outcome of the same
    customer in both. So a later date alone does not make rows new: a model that knows a customer
    from an earlier cohort seems to foresee what it was told, keeps too many trees, and is
    calibrated to PDs that are too extreme. So nobody is in two of the parts. In the earlier cohorts
    three customers in five are fitted to. In the later ones another one in five stops and
    calibrates, and the last one in five measures the model, and compares it with others.

    Args:
        cohorts: in any order.
        held_out_cohorts: how many of the latest.
        names: of the features to keep.

    Raises:
        RisklineError: there are no others, a cohort lacks a feature, or of the customers that are
            set aside none defaulted, or all.
    """
    early, late = latest_held_out(cohorts, held_out_cohorts, names)
    test = late.where(bucket_of(late.customers) == TEST)
    defaults = int(test.is_default.sum())
    if defaults in (0, len(test.is_default)):
        raise RisklineError(
            f"of the {len(test.is_default)} customers of the latest cohorts that are set aside "
            f"to measure a model, {defaults} defaulted: both kinds are needed; hold out more "
            "cohorts in the policy, or train on a bank with more customers"
        )
    return Parts(
        early.where(bucket_of(early.customers) > VALIDATION),
        late.where(bucket_of(late.customers) == VALIDATION),
        test,
    )


def bucket_of(customers: pd.Series) -> NDArray[np.int64]:
    """The part that each customer falls into, 0 to `BUCKETS` - 1, (n,)."""
    keys = customers.astype(str).to_numpy(dtype=object)
    hashed = pd.util.hash_array(keys, categorize=False)
    return np.asarray(hashed % np.uint64(BUCKETS), dtype=np.int64)


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
    groups = [
        pd.DataFrame(index=cohort.features.index) if cohort.groups is None else cohort.groups
        for cohort in cohorts
    ]
    return Stack(
        tuple(cohort.as_of for cohort in cohorts),
        features.index.to_series().reset_index(drop=True),
        features.reset_index(drop=True),
        is_default.astype("int64").reset_index(drop=True),
        pd.concat([group.sort_index() for group in groups]).reset_index(drop=True),
    )
