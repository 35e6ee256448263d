"""Evidence: models that see more or fewer dimensions, measured on a later cohort."""

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest

from models.dimension_gbm import DimensionGBM
from models.evidence import ALL, Evidence, evidence
from models.training import VALIDATION, Cohort, bucket_of, latest_held_out
from pipeline.errors import RisklineError
from tests.unit.test_training import DAYS, DIMENSIONS, MONOTONE, PARAMS, cohort

LATER = date(2023, 9, 28)
COHORTS = [cohort(day) for day in DAYS]


def measured(
    later: Cohort | None = None, held_out: int = 2, rounds: int = 100, days: list[Cohort] = COHORTS
) -> Evidence:
    later = later or cohort(LATER, n=600)
    owed = pd.Series(np.arange(1.0, len(later.features) + 1), index=later.features.index)
    return evidence(
        days,
        later,
        owed,
        dimensions={**DIMENSIONS, "network": ()},
        monotone=MONOTONE,
        held_out_cohorts=held_out,
        params=PARAMS,
        rounds=rounds,
    )


@cache
def found() -> Evidence:
    return measured()


def test_each_dimension_is_tried_alone_and_left_out() -> None:
    assert list(found().figures) == [
        ALL, "credit_history alone", "stability alone", "without credit_history",
        "without stability",
    ]  # fmt: skip
    assert found().figures.keys() - found().against_all.keys() == {ALL}
    assert (found().as_of, found().customers) == (LATER, 600)
    assert found().fitted_cohorts == tuple(DAYS)
    # Of two dimensions, to leave one out is to keep the other alone.
    alone, without = (found().figures[n] for n in ("stability alone", "without credit_history"))
    assert alone == without


def test_all_dimensions_rank_better_and_accept_fewer_bad_debts_than_each_alone() -> None:
    for model, differences in found().against_all.items():
        assert differences["auc"].upper < 0, model
        assert differences["bad_rate_best_70_pct"].lower > 0, model
    all_ = found().figures[ALL]
    for name, figure in all_.items():
        assert figure.lower <= figure.value <= figure.upper, name
        assert figure.lower < figure.upper, name
    assert all_["auc"].value > 0.7


def test_a_difference_is_of_the_figures() -> None:
    for model, differences in found().against_all.items():
        for name, figure in differences.items():
            expected = found().figures[model][name].value - found().figures[ALL][name].value
            assert figure.value == pytest.approx(expected, abs=1e-12)


def test_all_dimensions_learn_from_the_earlier_cohorts_and_stop_on_the_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[DimensionGBM] = []
    calibrated = DimensionGBM.calibrated

    def watch(self: DimensionGBM, X: pd.DataFrame, y: pd.Series) -> DimensionGBM:
        seen.append(calibrated(self, X, y))
        return seen[-1]

    monkeypatch.setattr(DimensionGBM, "calibrated", watch)
    measured(rounds=1)
    early, late = latest_held_out(COHORTS, 2, list(MONOTONE))
    early = early.where(bucket_of(early.customers) != VALIDATION)
    late = late.where(bucket_of(late.customers) == VALIDATION)
    expected = DimensionGBM.fit(
        early.features,
        early.is_default,
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        params=PARAMS,
        X_valid=late.features,
        y_valid=late.is_default,
    )
    assert seen[0].trees == expected.trees
    monkeypatch.undo()
    expected = expected.calibrated(late.features, late.is_default)
    assert (seen[0].slope, seen[0].offset) == (expected.slope, expected.offset)


def test_a_model_that_ranks_the_wrong_way_round_is_named_not_refused() -> None:
    turned = [
        replace(each, features=each.features.assign(tenure=-each.features["tenure"]))
        for each in COHORTS[-2:]
    ]
    told = measured(rounds=10, days=[*COHORTS[:-2], *turned])
    assert "stability alone" in told.uncalibrated
    assert ALL not in told.uncalibrated


def test_without_defaults_validationr_there_is_nothing_to_measure() -> None:
    later = cohort(LATER)
    none = Cohort(LATER, later.features, later.is_default & False)
    with pytest.raises(RisklineError, match=r"of the 300 customers of 2023-09-28 0 defaulted"):
        measured(none)


def test_with_too_few_cohorts_there_is_nothing_to_learn() -> None:
    with pytest.raises(RisklineError, match="training needs more than 6 cohorts"):
        measured(held_out=6)
