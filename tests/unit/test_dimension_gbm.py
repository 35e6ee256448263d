"""The dimension-additive model: additive exactly, explained as TreeSHAP would, and reproducible."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from models.calibration import platt
from models.dimension_gbm import DimensionGBM, Explanation, TrainingParams
from models.model_text import content_hash
from models.tree_text import leaf_values, regroup
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DIMENSIONS = {
    "credit_history": ["days_past_due_max", "inquiries"],
    "repayment_capacity": ["debt_to_income", "income"],
    "stability": ["months_in_job"],
    "prospects": [],
    "network": ["guarantor_defaults", "noise"],
}
FEATURES = [name for names in DIMENSIONS.values() for name in names]
MONOTONE = {"days_past_due_max": 1, "income": -1, "debt_to_income": 1, "noise": 0}
# `income` is never missing in training; the others are, or could be.
ALWAYS_KNOWN = "income"
PARAMS = TrainingParams(num_trees=60, joint_trees=40, min_data_in_leaf=20, num_threads=1)


def simulate(seed: int, n: int = 2000) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Customers whose risk also has a joint effect that no dimension alone can hold."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, len(FEATURES))), columns=FEATURES)
    X.index = pd.Index([f"c{seed}_{i}" for i in range(n)], name="customer_id")
    truth = (
        -2.0
        + X["days_past_due_max"]
        - 0.8 * X["income"]
        + 0.6 * X["debt_to_income"] * X["days_past_due_max"]
        + 0.5 * np.abs(X["months_in_job"])
        + 0.4 * X["guarantor_defaults"]
        + 0.8 * X["guarantor_defaults"] * X["days_past_due_max"]
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-truth.to_numpy()))).astype(np.float64)
    X["income"] += 3.0  # so that 0, as which LightGBM may read a missing value, is far from typical
    holes = rng.random(X.shape) < 0.1
    holes[:, FEATURES.index(ALWAYS_KNOWN)] = False
    return X.mask(holes), y


def fitted(**changes: Any) -> DimensionGBM:
    X, y = simulate(1)
    return DimensionGBM.fit(
        X,
        y,
        dimensions=DIMENSIONS,
        monotone=MONOTONE,
        params=dataclasses.replace(PARAMS, **changes),
    )


def tree_counts(model: DimensionGBM) -> list[int]:
    return [trees.num_trees for trees in (*model.dimensions, model.joint)]


@dataclasses.dataclass(frozen=True)
class Trained:
    model: DimensionGBM
    stages: list[lgb.Booster]  # as LightGBM returned them, before the trees were regrouped
    base: float

    def plain(self, X: pd.DataFrame) -> NDArray[np.float64]:
        total = np.full(len(X), self.base)
        for stage, kept in zip(self.stages, self.model.grown, strict=False):
            if kept:
                total += stage.predict(X[FEATURES], raw_score=True, num_iteration=kept)
        return total


def train_watched(*, valid: bool = False, **changes: Any) -> Trained:
    stages: list[lgb.Booster] = []
    train = lgb.train

    def watch(*args: Any, **kwargs: Any) -> lgb.Booster:
        stages.append(train(*args, **kwargs))
        return stages[-1]

    X, y = simulate(1)
    X_valid, y_valid = simulate(2) if valid else (None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lgb, "train", watch)
        model = DimensionGBM.fit(
            X,
            y,
            dimensions=DIMENSIONS,
            monotone=MONOTONE,
            params=dataclasses.replace(PARAMS, **changes),
            X_valid=X_valid,
            y_valid=y_valid,
        )
    rate = float(y.mean())
    return Trained(model, stages, float(np.log(rate / (1 - rate))))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train_watched()


@pytest.fixture(scope="module")
def model(trained: Trained) -> DimensionGBM:
    return trained.model


@pytest.fixture(scope="module")
def separate() -> Trained:
    """Without the joint stage."""
    return train_watched(joint_trees=0)


@pytest.fixture(scope="module")
def calibrated(model: DimensionGBM) -> DimensionGBM:
    return model.calibrated(*simulate(3))


def assert_same(left: Explanation, right: Explanation) -> None:
    assert left.intercept == right.intercept
    pd.testing.assert_frame_equal(left.contributions, right.contributions, check_exact=True)
    assert np.array_equal(left.joint_effect, right.joint_effect)
    assert np.array_equal(left.log_odds, right.log_odds)


class TestAdditivity:
    def test_parts_sum_to_a_plain_predict_of_the_trees_as_grown(self, trained: Trained) -> None:
        X, _ = simulate(4)
        explained = trained.model.explain(X)
        total = explained.intercept + explained.contributions.sum(axis=1) + explained.joint_effect
        assert np.allclose(explained.log_odds, total, rtol=0, atol=1e-9)
        assert np.allclose(explained.log_odds, trained.plain(X), rtol=0, atol=1e-9)

    def test_they_still_do_once_calibrated(
        self, trained: Trained, calibrated: DimensionGBM
    ) -> None:
        X, _ = simulate(4)
        explained = calibrated.explain(X)
        expected = calibrated.slope * trained.plain(X) + calibrated.offset
        assert np.allclose(explained.log_odds, expected, rtol=0, atol=1e-9)
        pd.testing.assert_frame_equal(
            explained.contributions,
            calibrated.slope * trained.model.explain(X).contributions,
            rtol=0,
            atol=1e-12,
        )

    @settings(max_examples=40, deadline=None)
    @given(
        rows=st.lists(
            st.lists(
                st.floats(allow_infinity=False, allow_nan=True),
                min_size=len(FEATURES),
                max_size=len(FEATURES),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_whatever_the_numbers(
        self, trained: Trained, calibrated: DimensionGBM, rows: list[list[float]]
    ) -> None:
        X = pd.DataFrame(rows, columns=FEATURES, dtype=np.float64)
        explained = calibrated.explain(X)
        known = X.fillna(dict(calibrated.fill))
        expected = calibrated.slope * trained.plain(known) + calibrated.offset
        assert np.allclose(explained.log_odds, expected, rtol=0, atol=1e-9)
        assert np.isfinite(explained.log_odds).all()

    def test_pd_is_the_sigmoid_of_the_published_log_odds(self, calibrated: DimensionGBM) -> None:
        explained = calibrated.explain(simulate(4)[0])
        expected = 1 / (1 + np.exp(-explained.log_odds))
        assert np.allclose(explained.default_probability, expected, rtol=1e-14, atol=0)

    def test_pd_of_extreme_log_odds_does_not_overflow(self) -> None:
        far = Explanation(0.0, pd.DataFrame({"stability": [-2000.0, 2000.0]}), np.zeros(2))
        assert far.default_probability.tolist() == [0.0, 1.0]

    def test_early_stopping_keeps_only_the_best_trees(self) -> None:
        changes = {"num_trees": 400, "joint_trees": 0, "learning_rate": 0.3}
        watched = train_watched(valid=True, **changes)
        best = watched.model.grown[0]
        assert 5 < best < 400
        assert fitted(**{**changes, "num_trees": best}).trees == watched.model.trees
        X, _ = simulate(4)
        assert np.allclose(watched.model.explain(X).log_odds, watched.plain(X), rtol=0, atol=1e-9)

        X_valid, y_valid = simulate(2)
        losses = [
            log_loss(
                y_valid,
                fitted(**{**changes, "num_trees": count}).explain(X_valid).default_probability,
            )
            for count in (best - 1, best, best + 1)
        ]
        assert min(losses) == losses[1]


class TestJointStage:
    def test_a_tree_is_in_the_range_of_the_dimensions_that_it_splits_on(
        self, model: DimensionGBM
    ) -> None:
        nodes = lgb.Booster(model_str=model.trees).trees_to_dataframe()
        used = nodes.dropna(subset="split_feature").groupby("tree_index")["split_feature"].agg(set)
        dimension_of = {name: key for key, names in DIMENSIONS.items() for name in names}
        dimensions = used.map(lambda features: {dimension_of[name] for name in features})
        for trees in model.dimensions:
            own = dimensions[trees.first_tree : trees.first_tree + trees.num_trees]
            assert own.map(lambda names, name=trees.name: names == {name}).all()
        joint = dimensions[model.joint.first_tree :]
        assert len(joint) == model.joint.num_trees
        combine = joint.map(len) >= 2
        assert combine.sum() > 5
        assert combine.is_monotonic_decreasing  # what takes from them comes after them

    def test_what_one_dimension_explains_of_it_is_moved_to_the_dimension(
        self, model: DimensionGBM
    ) -> None:
        X, _ = simulate(4, n=20_000)
        joint = model.explain(X).joint_effect
        assert joint.std() > 0.05
        for name in FEATURES:
            by_value = pd.Series(joint).groupby(pd.qcut(X[name], 10).array, observed=True).mean()
            assert by_value.abs().max() < joint.std() / 3, name
        # What has been moved stands in both places, with opposite signs.
        leaves = leaf_values(model.trees)
        own = {tuple(each) for each in leaves[: model.joint.first_tree]}
        taken = [tuple(-each) for each in leaves[model.joint.first_tree :] if tuple(-each) in own]
        assert len(taken) > 50

    def test_its_trees_within_one_dimension_are_that_dimensions_own(self) -> None:
        stumps = fitted(num_leaves=2)
        assert stumps.joint.num_trees == 0
        first = PARAMS.num_trees * PARAMS.separate_share
        assert sum(tree_counts(stumps)) == first + PARAMS.joint_trees
        assert not stumps.explain(simulate(4)[0]).joint_effect.any()

    def test_it_sets_out_from_what_the_dimensions_say(
        self, trained: Trained, separate: Trained
    ) -> None:
        (alone,) = separate.stages
        first, second, _ = trained.stages
        X, _ = simulate(4)
        assert np.array_equal(first.predict(X[FEATURES]), alone.predict(X[FEATURES]))
        assert second.num_trees() == PARAMS.joint_trees
        assert tree_counts(separate.model)[-1] == 0
        assert not separate.model.explain(X).joint_effect.any()

    def test_it_predicts_better_where_dimensions_act_together(self) -> None:
        X, y = simulate(8, n=4000)
        likely = {
            trees: watched.explain(X).default_probability
            for trees in (0, 100)
            if (watched := train_watched(valid=True, num_trees=300, joint_trees=trees).model)
        }
        assert log_loss(y, likely[100]) < log_loss(y, likely[0])

    @pytest.mark.parametrize("share", [0.3, 1.0])
    def test_the_fewest_trees_are_those_of_the_rule(self, share: float) -> None:
        """The rule once more, a tree at a time."""
        X, y = simulate(2)
        X = X[FEATURES]
        numbers = []
        for errors in (0.0, 1.0, 2.0, 1e9):
            watched = train_watched(
                valid=True,
                num_trees=300,
                joint_trees=200,
                separate_share=share,
                joint_standard_errors=errors,
            )
            first, second = watched.stages[:2]
            most = first.best_iteration
            part = math.ceil(share * most)

            def losses(separate: int, joint: int, watched: Trained = watched) -> NDArray[Any]:
                raw = np.full(len(X), watched.base)
                for stage, trees in zip(watched.stages, (separate, joint), strict=False):
                    if trees:
                        raw += stage.predict(X, raw_score=True, num_iteration=trees)
                return np.asarray(np.logaddexp(0, np.where(y == 1, -1, 1) * raw))

            ways = [(most, 0)]
            ways += [(part, count) for count in range(1, second.best_iteration + 1)]
            best = losses(*ways[-1])
            for kept in ways:
                excess = losses(*kept) - best
                if excess.mean() <= errors * excess.std() / np.sqrt(len(y)) + 1e-15:
                    break
            assert watched.model.grown == kept
            assert (watched.model.joint.num_trees == 0) == (kept == (most, 0))
            numbers.append(kept[1])
        assert numbers[0] == second.best_iteration
        assert numbers[0] >= numbers[1] >= numbers[2] > numbers[3] == 0
        assert numbers[0] > numbers[2]

    def test_one_dimension_alone_has_nothing_to_combine(self) -> None:
        X, y = simulate(1)
        own = {"credit_history": DIMENSIONS["credit_history"], "prospects": []}
        one, other = (
            DimensionGBM.fit(
                X, y, dimensions=own, params=dataclasses.replace(PARAMS, joint_trees=trees)
            )
            for trees in (0, 40)
        )
        assert one.trees == other.trees


DIRECTED = [name for name, way in MONOTONE.items() if way]


def swept(model: DimensionGBM, feature: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps of the log-odds, and of its dimension's contribution, as a feature's risk rises."""
    sweep = np.linspace(-5, 8, 131)
    people = simulate(4, n=50)[0]
    X = people.loc[people.index.repeat(len(sweep))].assign(**{feature: np.tile(sweep, len(people))})
    explained = model.explain(X)
    (dimension,) = (name for name, names in DIMENSIONS.items() if feature in names)
    log_odds, contribution = (
        np.diff(each.reshape(len(people), -1), axis=1) * MONOTONE[feature]
        for each in (explained.log_odds, explained.contributions[dimension].to_numpy())
    )
    return log_odds, contribution


class TestContributions:
    def test_equal_tree_shap_summed_over_a_dimension(self, separate: Trained) -> None:
        X, _ = simulate(4)
        shap = np.asarray(separate.stages[0].predict(X[FEATURES], pred_contrib=True))
        explained = separate.model.explain(X)
        by_feature = pd.DataFrame(shap[:, :-1], columns=FEATURES, index=X.index)
        for dimension, names in DIMENSIONS.items():
            assert np.allclose(
                explained.contributions[dimension], by_feature[names].sum(axis=1), rtol=0, atol=1e-9
            )
        assert explained.intercept == pytest.approx(separate.base + shap[0, -1], abs=1e-9)

    def test_equal_tree_shap_of_a_dimensions_own_trees_beside_joint_ones(
        self, model: DimensionGBM
    ) -> None:
        X, _ = simulate(4)
        booster = lgb.Booster(model_str=model.trees)
        explained = model.explain(X)
        effects = [explained.contributions[trees.name].to_numpy() for trees in model.dimensions]
        effects.append(explained.joint_effect)
        used = 0
        for trees, effect in zip((*model.dimensions, model.joint), effects, strict=True):
            if trees.num_trees:
                used += 1
                shap = np.asarray(
                    booster.predict(
                        X[FEATURES],
                        pred_contrib=True,
                        start_iteration=trees.first_tree,
                        num_iteration=trees.num_trees,
                    )
                )
                assert np.allclose(effect, shap[:, :-1].sum(axis=1), rtol=0, atol=1e-9)
                assert trees.centre == pytest.approx(shap[0, -1], abs=1e-9)
        assert used >= 4

    def test_average_zero_over_the_training_rows(self, model: DimensionGBM) -> None:
        explained = model.explain(simulate(1)[0])
        assert np.allclose(explained.contributions.mean(), 0.0, rtol=0, atol=1e-12)
        assert explained.joint_effect.mean() == pytest.approx(0.0, abs=1e-12)
        assert explained.joint_effect.std() > 0.01

    @settings(max_examples=25, deadline=None)
    @given(
        row=st.integers(0, 199),
        feature=st.sampled_from(FEATURES),
        value=st.floats(-1e6, 1e6) | st.just(float("nan")),
    )
    def test_a_feature_moves_its_own_dimension_only(
        self, model: DimensionGBM, row: int, feature: str, value: float
    ) -> None:
        X = simulate(4, n=200)[0].iloc[[row]]
        moved = model.explain(X.assign(**{feature: value})).contributions
        before = model.explain(X).contributions
        others = [name for name, features in DIMENSIONS.items() if feature not in features]
        pd.testing.assert_frame_equal(moved[others], before[others], check_exact=True)

    @pytest.mark.parametrize("feature", DIRECTED)
    def test_follow_the_declared_direction_of_risk(
        self, calibrated: DimensionGBM, feature: str
    ) -> None:
        for steps in swept(calibrated, feature):
            assert steps.min() >= -1e-12
            assert steps.max() > 0  # the feature is used, so the sweep has seen something

    def test_would_not_all_follow_it_were_the_joint_stage_left_free(self) -> None:
        train = lgb.train

        def let_go(settings: dict[str, Any], *args: Any, **kwargs: Any) -> lgb.Booster:
            if "interaction_constraints" not in settings:
                del settings["monotone_constraints"]
            return train(settings, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lgb, "train", let_go)
            free = fitted()
        assert min(swept(free, feature)[0].min() for feature in DIRECTED) < -0.01

    def test_a_dimension_without_features_adds_exactly_nothing(
        self, calibrated: DimensionGBM
    ) -> None:
        explained = calibrated.explain(simulate(4)[0])
        assert list(explained.contributions.columns) == list(DIMENSIONS)
        assert explained.contributions["prospects"].eq(0.0).all()

    def test_a_dimension_that_no_tree_uses_adds_exactly_nothing(self) -> None:
        X, y = simulate(1)
        X["months_in_job"] = 7.0
        constant = DimensionGBM.fit(X, y, dimensions=DIMENSIONS, params=PARAMS)
        explained = constant.explain(simulate(4)[0])
        assert explained.contributions["stability"].eq(0.0).all()
        assert explained.contributions["credit_history"].ne(0.0).any()

    def test_missing_reads_as_the_median_where_training_never_missed(
        self, model: DimensionGBM
    ) -> None:
        X, _ = simulate(4)
        median = float(np.median(simulate(1)[0][ALWAYS_KNOWN]))
        assert dict(model.fill) == {ALWAYS_KNOWN: median}
        assert_same(
            model.explain(X.assign(**{ALWAYS_KNOWN: np.nan})),
            model.explain(X.assign(**{ALWAYS_KNOWN: median})),
        )

    def test_nothing_to_learn_leaves_the_base_rate(self) -> None:
        X, y = simulate(1)
        flat = DimensionGBM.fit(X.fillna(0.0) * 0.0, y, dimensions=DIMENSIONS, params=PARAMS)
        explained = flat.explain(X)
        assert explained.contributions.eq(0.0).all(axis=None)
        assert not explained.joint_effect.any()
        assert np.allclose(explained.default_probability, y.mean(), rtol=0, atol=1e-12)
        X_later, y_later = simulate(3)
        later = DimensionGBM.from_json(flat.calibrated(X_later, y_later).to_json())
        assert later.slope == 1.0
        assert np.allclose(later.explain(X).default_probability, y_later.mean(), rtol=0, atol=1e-12)

    def test_a_tree_without_a_split_goes_to_the_intercept(self) -> None:
        X, y = simulate(1)
        # Left to itself, LightGBM puts the base rate into a first tree that has no split.
        grown = lgb.train(
            {"objective": "binary", "verbosity": -1, "min_data_in_leaf": len(X)},
            lgb.Dataset(X, y),
            num_boost_round=1,
        )
        regrouped = regroup([grown.model_to_string()], [3, 4])
        assert (regrouped.text, regrouped.counts) == ("", (0, 0, 0))
        assert regrouped.constant == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-12)


class TestFeatureContributions:
    def test_sum_to_the_log_odds_joint_effect_included(self, calibrated: DimensionGBM) -> None:
        X, _ = simulate(4)
        explained = calibrated.explain(X)
        adds = calibrated.feature_contributions(X)
        assert list(adds.columns) == FEATURES
        assert adds.index.equals(X.index)
        total = explained.intercept + adds.sum(axis=1)
        assert np.allclose(total, explained.log_odds, rtol=0, atol=1e-9)

    def test_of_no_customers_and_of_no_trees_there_is_nothing(self, model: DimensionGBM) -> None:
        X, y = simulate(1)
        assert model.feature_contributions(X.iloc[:0]).shape == (0, len(FEATURES))
        flat = DimensionGBM.fit(X.fillna(0.0) * 0.0, y, dimensions=DIMENSIONS, params=PARAMS)
        assert flat.feature_contributions(X).eq(0.0).all(axis=None)


class TestRows:
    def test_order_of_rows_and_columns_and_extra_columns_do_not_matter(
        self, calibrated: DimensionGBM
    ) -> None:
        X, _ = simulate(4)
        rng = np.random.default_rng(5)
        shuffled = X.iloc[rng.permutation(len(X))][FEATURES[::-1]].assign(name="text")
        explained = calibrated.explain(shuffled)
        straight = calibrated.explain(X)
        pd.testing.assert_frame_equal(
            explained.contributions.loc[X.index], straight.contributions, check_exact=True
        )
        log_odds = pd.Series(explained.log_odds, index=shuffled.index)[X.index]
        assert np.array_equal(log_odds, straight.log_odds)

    def test_no_customers_give_an_empty_explanation(self, model: DimensionGBM) -> None:
        explained = model.explain(simulate(4)[0].iloc[:0])
        assert explained.contributions.shape == (0, len(DIMENSIONS))
        assert explained.default_probability.shape == (0,)

    @pytest.mark.parametrize("dtype", ["float32", "int64", "Int64", "Float64", "double[pyarrow]"])
    def test_any_numeric_type_reads_as_float64(self, model: DimensionGBM, dtype: Any) -> None:
        X = simulate(4, n=50)[0].round().fillna(0.0)
        assert_same(model.explain(X.astype(dtype)), model.explain(X))

    def test_a_nullable_missing_value_is_a_missing_value(self, model: DimensionGBM) -> None:
        X = simulate(4, n=200)[0]
        assert X.isna().any(axis=None)
        assert_same(model.explain(X.convert_dtypes()), model.explain(X))


class TestReproducibility:
    def test_threads_do_not_change_a_byte(self, model: DimensionGBM) -> None:
        other = fitted(num_threads=2)
        assert other.to_json() == model.to_json()
        assert other == model
        X, _ = simulate(4)
        assert_same(other.explain(X, num_threads=2), model.explain(X, num_threads=1))

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_no_order_of_rows_changes_the_model(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        params = dataclasses.replace(PARAMS, num_trees=15, joint_trees=10)

        def made(shuffle: bool) -> DimensionGBM:
            sets = []
            for seed_of_data in (1, 2, 3):
                X, y = simulate(seed_of_data, n=400)
                X = X.round()  # so that many rows are equal
                # The same rows with other labels.
                X, y = pd.concat([X, X[:50]], ignore_index=True), np.concatenate([y, 1 - y[:50]])
                if shuffle:
                    places = rng.permutation(len(X))
                    X, y = X.iloc[places], y[places]
                sets.append((X, y))
            (X, y), (X_valid, y_valid), (X_later, y_later) = sets
            fit = DimensionGBM.fit(
                X,
                y,
                dimensions=DIMENSIONS,
                monotone=MONOTONE,
                params=params,
                X_valid=X_valid,
                y_valid=y_valid,
            )
            return fit.calibrated(X_later, y_later)

        assert made(shuffle=True).content_hash == made(shuffle=False).content_hash

    def test_a_second_process_gives_the_same_bytes(self, calibrated: DimensionGBM) -> None:
        root = Path(__file__).parents[2]
        run = subprocess.run(
            [sys.executable, "-W", "error", __file__],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == calibrated.to_json()

    def test_json_round_trip_is_exact(self, calibrated: DimensionGBM) -> None:
        text = calibrated.to_json()
        again = DimensionGBM.from_json(text)
        assert again == calibrated
        assert again.to_json() == text
        assert again.content_hash == calibrated.content_hash == json.loads(text)["sha256"]
        X, _ = simulate(4)
        assert_same(again.explain(X), calibrated.explain(X))

    def test_another_seed_of_data_is_another_hash(self, model: DimensionGBM) -> None:
        X, y = simulate(2)
        other = DimensionGBM.fit(X, y, dimensions=DIMENSIONS, monotone=MONOTONE, params=PARAMS)
        assert other.content_hash != model.content_hash

    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            (lambda text: text.replace('"slope":1.0', '"slope":2.0'), "was changed"),
            (lambda text: text.replace("leaf_value=", "leaf_value=1", 1), "was changed"),
            (lambda text: text.replace('"sha256":"', '"sha256":"0'), "was changed"),
            (lambda text: text[: len(text) // 2], "not a dimension model"),
            (lambda text: "[]", "not a dimension model"),
            (lambda text: "{}", "not a dimension model"),
            (lambda text: text.replace('"slope":1.0', '"slope":NaN'), "not a dimension model"),
            (lambda text: resealed(text, format=1), "format 1"),
            (lambda text: resealed(text, params=None), "lacks a part"),
            (lambda text: resealed(text, joint=None), "lacks a part"),
        ],
    )
    def test_a_text_that_is_not_as_written_is_refused(
        self, model: DimensionGBM, damage: Callable[[str], str], says: str
    ) -> None:
        damaged = damage(model.to_json())
        assert damaged != model.to_json()
        with pytest.raises(RisklineError, match=says) as refused:
            DimensionGBM.from_json(damaged)
        assert "\n" not in str(refused.value)


def resealed(text: str, **changes: object) -> str:
    content = {**json.loads(text)["content"], **changes}
    return json.dumps({"content": content, "sha256": content_hash(content)})


class TestCalibration:
    def test_mean_pd_is_the_observed_rate_and_ranks_are_kept(self, model: DimensionGBM) -> None:
        X, y = simulate(3)
        calibrated = model.calibrated(X, y)
        assert calibrated.slope > 0
        assert calibrated.explain(X).default_probability.mean() == pytest.approx(
            y.mean(), abs=1e-12
        )
        by_rank = calibrated.explain(X).log_odds[np.argsort(model.explain(X).log_odds)]
        assert np.diff(by_rank).min() >= -1e-12

    def test_recovers_a_known_distortion(self, model: DimensionGBM) -> None:
        X, _ = simulate(3, n=40_000)
        raw = model.explain(X).log_odds
        truth = 1 / (1 + np.exp(-(0.6 * raw - 0.7)))
        y = np.random.default_rng(6).random(len(X)) < truth
        calibrated = model.calibrated(X, y)
        assert calibrated.slope == pytest.approx(0.6, abs=0.06)
        assert calibrated.offset == pytest.approx(-0.7, abs=0.1)

    def test_replaces_an_earlier_calibration(
        self, model: DimensionGBM, calibrated: DimensionGBM
    ) -> None:
        assert calibrated.calibrated(*simulate(5)) == model.calibrated(*simulate(5))

    def test_stays_finite_when_defaults_are_separated_perfectly(self, model: DimensionGBM) -> None:
        X, _ = simulate(3)
        raw = model.explain(X).log_odds
        y = raw >= np.sort(raw)[-25]
        calibrated = model.calibrated(X, y)
        assert 1 < calibrated.slope < 1000
        assert calibrated.explain(X).default_probability.mean() == pytest.approx(y.mean(), abs=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), defaults=st.integers(20, 400), reach=st.floats(0.5, 20))
    def test_settles_on_any_labels_that_are_not_the_wrong_way_round(
        self, seed: int, defaults: int, reach: float
    ) -> None:
        rng = np.random.default_rng(seed)
        y = np.zeros(500)
        y[:defaults] = 1.0
        raw = reach * (rng.normal(size=500) + rng.normal() * y)
        slope, offset = platt(raw, y)
        mean = (1 / (1 + np.exp(-(slope * raw + offset)))).mean()
        assert mean == pytest.approx(defaults / 500, abs=1e-9)

    def test_a_model_that_ranks_the_wrong_way_round_is_refused(self, model: DimensionGBM) -> None:
        X, y = simulate(3)
        with pytest.raises(RisklineError, match=r"slope of -.* must not be used"):
            model.calibrated(X, 1 - y)


BAD_ROWS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("feature missing", lambda X: X.drop(columns=["income", "noise"]), "lack features: income, no"),
    ("text column", lambda X: X.assign(income="high"), r"not numbers: income \(str\)"),
    (
        "category",
        lambda X: X.assign(income=pd.Categorical(["low"] * len(X))),
        r"not numbers: income \(category\)",
    ),
    ("date", lambda X: X.assign(income=pd.Timestamp("2024-02-29")), r"not numbers: income \(date"),
    ("complex", lambda X: X.assign(income=1j), r"not numbers: income \(complex"),
    ("infinite", lambda X: X.assign(income=np.inf), "infinite values: income"),
    ("column twice", lambda X: pd.concat([X, X[["income"]]], axis=1), "columns twice: income"),
]


class TestRefusals:
    """Each is one line that names what is wrong."""

    @pytest.mark.parametrize(
        ("spoil", "says"), [bad[1:] for bad in BAD_ROWS], ids=[bad[0] for bad in BAD_ROWS]
    )
    def test_rows(
        self, model: DimensionGBM, spoil: Callable[[pd.DataFrame], pd.DataFrame], says: str
    ) -> None:
        X, y = simulate(1, n=300)
        calls: list[Callable[[], object]] = [
            lambda: model.explain(spoil(X)),
            lambda: model.calibrated(spoil(X), y),
            lambda: DimensionGBM.fit(spoil(X), y, dimensions=DIMENSIONS, params=PARAMS),
        ]
        for call in calls:
            with pytest.raises(RisklineError, match=says) as refused:
                call()
            assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        ("relabel", "says"),
        [
            (lambda y: y * 0, "labels are all 0"),
            (lambda y: y * 0 + 1, "labels are all 1"),
            (lambda y: np.where(np.arange(len(y)) < 19, 1, 0), "19 defaults, fewer than the 20"),
            (lambda y: y + 1, "must be 0 or 1"),
            (lambda y: np.where(y == 1, np.nan, 0), "must be 0 or 1"),
            (lambda y: np.where(y == 1, "yes", "no"), "must be 0 or 1"),
            (lambda y: y[:-1], r"shape \(299,\) for 300 rows"),
            (pd.Series, "another index than the rows"),
        ],
    )
    def test_labels(
        self, model: DimensionGBM, relabel: Callable[[NDArray[Any]], Any], says: str
    ) -> None:
        X, y = simulate(1, n=300)
        with pytest.raises(RisklineError, match="training .*" + says) as refused:
            DimensionGBM.fit(X, relabel(y), dimensions=DIMENSIONS, params=PARAMS)
        assert "\n" not in str(refused.value)
        with pytest.raises(RisklineError, match="calibration .*" + says):
            model.calibrated(X, relabel(y))

    def test_no_rows(self, model: DimensionGBM) -> None:
        X, y = simulate(1, n=300)
        with pytest.raises(RisklineError, match="there are no training rows"):
            DimensionGBM.fit(X.iloc[:0], y[:0], dimensions=DIMENSIONS)
        with pytest.raises(RisklineError, match="there are no calibration rows"):
            model.calibrated(X.iloc[:0], y[:0])

    @pytest.mark.parametrize(
        ("dimensions", "monotone", "says"),
        [
            ({}, {}, "no dimension has a feature"),
            ({"stability": []}, {}, "no dimension has a feature"),
            ({"stability": ["income"], "network": ["income"]}, {}, "exactly one .*: income"),
            ({"stability": ["in come"]}, {}, "must be an identifier: in come"),
            ({"stability": ["income"]}, {"noise": 1}, "features of no dimension: noise"),
            ({"stability": ["income"]}, {"income": 2}, r"-1, 0 or \+1: income"),
        ],
    )
    def test_declarations(
        self, dimensions: dict[str, list[str]], monotone: dict[str, int], says: str
    ) -> None:
        X, y = simulate(1, n=300)
        with pytest.raises(RisklineError, match=says) as refused:
            DimensionGBM.fit(X, y, dimensions=dimensions, monotone=monotone)
        assert "\n" not in str(refused.value)

    def test_half_a_validation_set(self) -> None:
        X, y = simulate(1, n=300)
        with pytest.raises(RisklineError, match="both X_valid and y_valid"):
            DimensionGBM.fit(X, y, dimensions=DIMENSIONS, X_valid=X)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("num_trees", 0),
            ("joint_trees", -1),
            ("num_leaves", 1),
            ("early_stopping_rounds", 0),
            ("joint_standard_errors", -0.5),
            ("min_defaults", 0),
        ],
    )
    def test_parameters_without_sense(self, name: str, value: Any) -> None:
        with pytest.raises(RisklineError, match=f"{name} must be . or more, not {value}"):
            dataclasses.replace(PARAMS, **{name: value})

    @pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
    def test_a_share_that_is_none(self, share: float) -> None:
        with pytest.raises(RisklineError, match="separate_share must be above 0 and at most 1"):
            dataclasses.replace(PARAMS, separate_share=share)

    def test_parameters_that_lightgbm_refuses(self) -> None:
        with pytest.raises(RisklineError, match=r"LightGBM refused to train: .*learning_rate"):
            fitted(learning_rate=-1.0)


if __name__ == "__main__":  # the second process of TestReproducibility
    sys.stdout.write(fitted().calibrated(*simulate(3)).to_json())
