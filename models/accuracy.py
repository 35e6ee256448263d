"""How well the model ranks on public tables, beside what it has to beat, on the same folds.

python -m models.accuracy FOLDER prints the tables of models/README.md; FOLDER holds the files that
models.public_data names. It takes half an hour.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split

from models.acceptance import estimate, worth
from models.baselines import logistic_regression, unconstrained_trees
from models.dimension_gbm import DimensionGBM, TrainingParams
from models.evaluation import bootstrap_auc, bootstrap_auc_difference
from models.log_odds import sigmoid
from models.public_data import PublicData, gmsc, uci_taiwan
from pipeline.errors import RisklineError

FOLDS = 5
SEED = 20240229
ROUNDS = 200
UNCONSTRAINED = "unconstrained LightGBM"
ADDITIVE = "dimension-additive"
JOINT = "dimension-additive with joint stage"
LOGISTIC = "logistic regression"

_PARAMS = TrainingParams(num_trees=1500, joint_trees=1500, learning_rate=0.05, seed=SEED)
CANDIDATES = (
    _PARAMS,
    dataclasses.replace(_PARAMS, feature_fraction=0.3),
    dataclasses.replace(
        _PARAMS, feature_fraction=0.3, learning_rate=0.03, num_leaves=16, min_data_in_leaf=100
    ),
)
"""What every boosted model may choose from, inside the training part of a fold."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some of a table's customers."""

    X: pd.DataFrame
    y: pd.Series


@dataclass(frozen=True)
class Grown:
    """A boosted model: what it says, and its parameters with the number of trees it kept."""

    log_odds: Callable[[pd.DataFrame], NDArray[np.float64]]
    params: TrainingParams


Grow = Callable[[Part, Part | None, TrainingParams], Grown]
"""Grows trees on a part; with another part, only as many as serve there."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What each contender says of customers it was not fitted to.

    Attributes:
        is_default: (n,) 0 or 1.
        amount: (n,) what each owes, 0 where that is not told.
        scores: (n,) by contender, higher for the riskier.
    """

    is_default: NDArray[np.int64]
    amount: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]


def out_of_fold(
    data: PublicData, candidates: Sequence[TrainingParams] = CANDIDATES, folds: int = FOLDS
) -> OutOfFold:
    """Fit every contender to four fifths of the customers and let it score the last.

    A boosted model chooses its parameters and its number of trees by the log-loss on a fifth of
    the training part, and is then grown on the whole training part. The folds are stratified and
    seeded, and the same for all.

    Args:
        data: the table.
        candidates: parameters to choose from.
        folds: how many of the folds to score, 5 for all customers.
    """
    contenders = dict(_contenders(data, candidates))
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    truths: list[pd.Series] = []
    amounts: list[pd.Series] = []
    owed = pd.Series(0.0, index=data.features.index) if data.amount is None else data.amount
    scores: dict[str, list[NDArray[np.float64]]] = {name: [] for name in contenders}
    for fitted, tested in list(splits.split(data.features, data.is_default))[:folds]:
        part = Part(data.features.iloc[fitted], data.is_default.iloc[fitted])
        truths.append(data.is_default.iloc[tested])
        amounts.append(owed.iloc[tested])
        for name, score in contenders.items():
            scores[name].append(score(part, data.features.iloc[tested]))
    return OutOfFold(
        np.concatenate(truths),
        np.concatenate(amounts),
        {name: np.concatenate(parts) for name, parts in scores.items()},
    )


def table(data: PublicData, result: OutOfFold) -> str:
    """The Markdown table of a result, with the paired difference that matters most."""
    lines = [
        f"{data.title}: {len(result.is_default):,} customers, {result.is_default.mean():.1%} bad",
        "",
        "| model | AUC out of fold | 95 % bootstrap interval |",
        "| --- | --- | --- |",
    ]
    for name, score in result.scores.items():
        auc = bootstrap_auc(result.is_default, score, ROUNDS)
        lines.append(f"| {name} | {auc.value:.4f} | {auc.lower:.4f} to {auc.upper:.4f} |")
    less = bootstrap_auc_difference(
        result.is_default, result.scores[JOINT], result.scores[UNCONSTRAINED], ROUNDS
    )
    lines.append(
        f"| joint stage less unconstrained, paired | {less.value:+.4f} | "
        f"{less.lower:+.4f} to {less.upper:+.4f} |"
    )
    return "\n".join(lines)


def bad_debts(data: PublicData, result: OutOfFold) -> str:
    """The Markdown table of bad debts among those whom each contender would accept.

    By count; by amount too, where the table has amounts. The last lines tell how much fewer there
    are than by credit history alone, customers drawn the same for both.
    """
    found = {
        name: dict(worth(result.is_default, result.amount, sigmoid(score), ROUNDS, SEED).named())
        for name, score in result.scores.items()
    }
    measures = [
        name
        for name in found[JOINT]
        if name.startswith("bad_rate_")
        or (data.amount is not None and name.startswith("bad_amount"))
    ]
    titles = [
        name.replace("bad_rate_best", "best").replace("bad_amount_rate_best", "by amount, best")
        .replace("_pct", " %").replace("_", " ")
        for name in measures
    ]  # fmt: skip
    history = next(name for name in found if name.startswith("credit history"))
    lines = [
        f"| bad among the accepted | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(titles)}",
        *(
            f"| {name} | {' | '.join(_percent(of_model[each]) for each in measures)} |"
            for name, of_model in found.items()
        ),
    ]
    less = [found[JOINT][each] - found[history][each] for each in measures]
    lines.append(f"| joint stage less {history} | {' | '.join(map(_percent, less))} |")
    return "\n".join(lines)


def _percent(drawn: NDArray[np.float64]) -> str:
    found = estimate(drawn)
    return f"{found.value:.2%} ({found.lower:.2%} to {found.upper:.2%})"


def _contenders(
    data: PublicData, candidates: Sequence[TrainingParams]
) -> Iterator[tuple[str, Callable[[Part, pd.DataFrame], NDArray[np.float64]]]]:
    def boosted(grow: Grow) -> Callable[[Part, pd.DataFrame], NDArray[np.float64]]:
        return lambda part, X: _chosen(grow, part, candidates).log_odds(X)

    yield UNCONSTRAINED, boosted(_grow_unconstrained)
    yield ADDITIVE, boosted(_grower(data, data.dimensions, joint=False))
    yield JOINT, boosted(_grower(data, data.dimensions, joint=True))
    yield LOGISTIC, _logistic
    for name, features in data.dimensions.items():
        alone = _grower(data, {name: features}, joint=False)
        yield f"{name.replace('_', ' ')} alone", boosted(alone)


def _chosen(grow: Grow, part: Part, candidates: Sequence[TrainingParams]) -> Grown:
    X, X_stop, y, y_stop = train_test_split(
        part.X, part.y, test_size=0.2, random_state=SEED, stratify=part.y
    )
    rest, stop = Part(X, y), Part(X_stop, y_stop)
    tried = [grow(rest, stop, params) for params in candidates]
    best = min(tried, key=lambda grown: log_loss(stop.y, sigmoid(grown.log_odds(stop.X))))
    return grow(part, None, best.params)


def _grow_unconstrained(part: Part, stop: Part | None, params: TrainingParams) -> Grown:
    trees = unconstrained_trees(part.X, part.y, params, (stop.X, stop.y) if stop else None)
    kept = dataclasses.replace(
        params, num_trees=trees.num_trees() if stop is None else trees.best_iteration
    )
    return Grown(lambda X: np.asarray(trees.predict(X, raw_score=True)), kept)


def _grower(data: PublicData, dimensions: Mapping[str, Sequence[str]], *, joint: bool) -> Grow:
    names = {name for features in dimensions.values() for name in features}
    monotone = {name: way for name, way in data.monotone.items() if name in names}

    def fit(part: Part, stop: Part | None, params: TrainingParams) -> DimensionGBM:
        return DimensionGBM.fit(
            part.X,
            part.y,
            dimensions=dimensions,
            monotone=monotone,
            params=params,
            X_valid=stop.X if stop else None,
            y_valid=stop.y if stop else None,
        )

    def grow(part: Part, stop: Part | None, params: TrainingParams) -> Grown:
        if not joint:
            params = dataclasses.replace(params, joint_trees=0)
        model = fit(part, stop, params)
        first, more = model.grown
        # Of the first stage only the share was kept that the joint stage set out from.
        kept = dataclasses.replace(params, num_trees=first, joint_trees=more, separate_share=1.0)
        return Grown(lambda X: model.explain(X, num_threads=params.num_threads).log_odds, kept)

    return grow


def _logistic(part: Part, X: pd.DataFrame) -> NDArray[np.float64]:
    fitted = logistic_regression().fit(part.X, part.y)
    return np.asarray(fitted.predict_proba(X)[:, 1])


def _main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.accuracy", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="0 for all cores")
    chosen = parser.parse_args(arguments)
    candidates = [dataclasses.replace(each, num_threads=chosen.threads) for each in CANDIDATES]
    # Both are read first: a folder without one of them is told of at once.
    for data in [read(chosen.folder) for read in (uci_taiwan, gmsc)]:
        result = out_of_fold(data, candidates)
        sys.stdout.write(f"{table(data, result)}\n\n{bad_debts(data, result)}\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        _main(sys.argv[1:])
    except RisklineError as error:
        sys.exit(f"models.accuracy: {error}")
