"""Whether many dimensions lower the bad-debt rate: models that see more or fewer, out of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from models.acceptance import Worth, estimate, worth
from models.dimension_gbm import DimensionGBM, TrainingParams
from models.evaluation import BOOTSTRAP_SEED, Estimate
from models.training import VALIDATION, Cohort, bucket_of, latest_held_out
from pipeline.errors import RisklineError

ALL = "all dimensions"
ROUNDS = 500

Figures = Mapping[str, Estimate]
"""Measures by their names, as ``models.acceptance.Worth`` names them."""


@dataclass(frozen=True)
class Evidence:
    """How models that see more or fewer dimensions do on a later cohort.

    Attributes:
        as_of: the later cohort, of which no model has seen an outcome.
        fitted_cohorts: those that all models learnt from: their horizons were over by ``as_of``.
        customers: how many the later cohort has.
        defaults: how many of them defaulted.
        figures: by model, ``all dimensions`` the first, then each dimension alone, then all without
            each.
        against_all: by model other than ``all dimensions``, its figures less those of all.
        uncalibrated: models whose calibration was refused, for they rank the wrong way round; their
            log-loss is that of the trees as they are.
    """

    as_of: date
    fitted_cohorts: tuple[date, ...]
    customers: int
    defaults: int
    figures: Mapping[str, Figures]
    against_all: Mapping[str, Figures]
    uncalibrated: tuple[str, ...]


def evidence(
    cohorts: Sequence[Cohort],
    later: Cohort,
    amount: pd.Series,
    *,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    held_out_cohorts: int,
    params: TrainingParams,
    rounds: int = ROUNDS,
) -> Evidence:
    """Fit a model of all dimensions, of each alone and of all but each; measure them later.

    All learn from the same customers by the same rules, the number of trees and the calibration
    from the latest cohorts among them.

    Args:
        cohorts: to learn from, with outcomes known by the later cohort's day.
        later: the cohort to measure on.
        amount: what its customers owe, by customer_id.
        dimensions: the features of each dimension; one without features is left out.
        monotone: direction of each feature.
        held_out_cohorts: how many of the latest cohorts choose the trees and calibrate.
        params: of the boosting, the same for all.
        rounds: of the bootstrap behind the intervals.

    Raises:
        RisklineError: there is too little to learn from, or nobody defaulted later.
    """
    used = {name: tuple(features) for name, features in dimensions.items() if features}
    early, late = latest_held_out(cohorts, held_out_cohorts, list(monotone))
    # Who stops a model is not who it is fitted to, as in training (`models.training.split`).
    early = early.where(bucket_of(early.customers) != VALIDATION)
    late = late.where(bucket_of(late.customers) == VALIDATION)
    truth = later.is_default.reindex(later.features.index).to_numpy(dtype=np.int64)
    defaults = int(truth.sum())
    if defaults in (0, len(truth)):
        raise RisklineError(
            f"of the {len(truth)} customers of {later.as_of} {defaults} defaulted: both kinds are "
            "needed to measure a model; take a later date, or a bank with more customers"
        )
    owed = amount.reindex(later.features.index).fillna(0.0).to_numpy(dtype=np.float64)
    found: dict[str, Worth] = {}
    uncalibrated = []
    for model, names in _models(list(used)).items():
        seen = {name: used[name] for name in names}
        features = [feature for part in seen.values() for feature in part]
        fitted = DimensionGBM.fit(
            early.features,
            early.is_default,
            dimensions=seen,
            monotone={feature: monotone[feature] for feature in features},
            params=params,
            X_valid=late.features,
            y_valid=late.is_default,
        )
        try:
            fitted = fitted.calibrated(late.features, late.is_default)
        except RisklineError:
            uncalibrated.append(model)
        explained = fitted.explain(later.features, num_threads=params.num_threads)
        found[model] = worth(truth, owed, explained.default_probability, rounds, BOOTSTRAP_SEED)
    figures = {
        model: {name: estimate(drawn) for name, drawn in measured.named()}
        for model, measured in found.items()
    }
    of_all = dict(found[ALL].named())
    against_all = {
        model: {name: estimate(drawn - of_all[name]) for name, drawn in measured.named()}
        for model, measured in found.items()
        if model != ALL
    }
    return Evidence(
        later.as_of,
        tuple(sorted(cohort.as_of for cohort in cohorts)),
        len(truth),
        defaults,
        figures,
        against_all,
        tuple(uncalibrated),
    )


def _models(dimensions: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The dimensions that each model sees."""
    found = {ALL: tuple(dimensions)}
    if len(dimensions) > 1:
        found |= {f"{name} alone": (name,) for name in dimensions}
        found |= {
            f"without {name}": tuple(d for d in dimensions if d != name) for name in dimensions
        }
    return found
