"""What the dimension-additive model has to beat, fitted to the same rows.

Three models stand beside it always: a logistic regression, the same boosting on credit history
alone, and a LightGBM without any constraint.
"""

from collections.abc import Mapping, Sequence

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from models.dimension_gbm import DimensionGBM, TrainingParams

CREDIT_HISTORY = "credit_history"


def baseline_probabilities(
    X: pd.DataFrame,
    y: pd.Series,
    X_late: pd.DataFrame,
    y_late: pd.Series,
    X_new: pd.DataFrame,
    *,
    dimensions: Mapping[str, Sequence[str]],
    monotone: Mapping[str, int],
    params: TrainingParams,
) -> dict[str, NDArray[np.float64]]:
    """Fit the baselines and let each say how likely a default is.

    Args:
        X: features of the rows to fit to, shape (n, features).
        y: 0 or 1, shape (n,).
        X_late: rows on which the number of trees is chosen, as for the model itself.
        y_late: 0 or 1 for them.
        X_new: rows to score, shape (m, features).
        dimensions: the features of each dimension.
        monotone: direction of each feature.
        params: of the boosting, the same for all.

    Returns:
        Uncalibrated probabilities of default, shape (m,), by the baseline's name.
    """
    names = list(monotone)
    # A feature that no row has says nothing, and has no median.
    known = [name for name in names if X[name].notna().any()]
    # Its solver adds up by BLAS, whose last bits depend on the number of threads.
    with threadpool_limits(1, user_api="blas"):
        logistic = logistic_regression().fit(X[known], y)
    history = list(dimensions[CREDIT_HISTORY])
    credit_history = DimensionGBM.fit(
        X[history],
        y,
        dimensions={CREDIT_HISTORY: history},
        monotone={name: monotone[name] for name in history},
        params=params,
        X_valid=X_late[history],
        y_valid=y_late,
    )
    unconstrained = unconstrained_trees(X[names], y, params, (X_late[names], y_late))
    return {
        "logistic regression": logistic.predict_proba(X_new[known])[:, 1],
        "credit history alone": credit_history.explain(X_new[history]).default_probability,
        "unconstrained LightGBM": np.asarray(unconstrained.predict(X_new[names])),
    }


def logistic_regression() -> Pipeline:
    """A logistic regression, not yet fitted, that takes features as they come.

    What is missing becomes the median, and a feature of its own says so. A feature that is missing
    in all rows has no median: leave it out.
    """
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )


def unconstrained_trees(
    X: pd.DataFrame,
    y: pd.Series,
    params: TrainingParams,
    late: tuple[pd.DataFrame, pd.Series] | None = None,
) -> lgb.Booster:
    """LightGBM's own boosting, under no direction of risk and within no dimension.

    Args:
        X: features of the rows to fit to, shape (n, features).
        y: 0 or 1, shape (n,).
        params: as for the model; what only a joint stage needs is not read.
        late: features and outcomes of rows for early stopping; without them all trees are grown.

    Returns:
        The trees.
    """
    return lgb.train(
        {
            "objective": "binary",
            "verbosity": -1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": params.seed,
            "num_threads": params.num_threads,
            "learning_rate": params.learning_rate,
            "num_leaves": params.num_leaves,
            "min_data_in_leaf": params.min_data_in_leaf,
            "lambda_l2": params.lambda_l2,
            "feature_fraction": params.feature_fraction,
        },
        lgb.Dataset(X, y),
        num_boost_round=params.num_trees,
        valid_sets=[] if late is None else [lgb.Dataset(*late)],
        callbacks=[]
        if late is None
        else [lgb.early_stopping(params.early_stopping_rounds, verbose=False)],
    )
