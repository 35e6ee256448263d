"""The model's explaining and training, measured; for a few rows in a test, for many in a benchmark.

python -m tests.benchmarks.model_timed ROWS FEATURES TREES trains in this process alone, whose peak
of memory is its own, and prints a JSON object: seconds and peak_gb.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.dimension_gbm import DimensionGBM, TrainingParams
from pipeline.settings import REPOSITORY

THREADS = 1
DIMENSIONS = 7
PARAMS = TrainingParams(num_threads=THREADS)


@dataclass(frozen=True)
class Explaining:
    """Seconds for the same rows: in parts, by a plain predict of the same trees, by TreeSHAP."""

    contributions: float
    plain: float
    tree_shap: float
    trees: int

    def __str__(self) -> str:
        return (
            f"{self.trees} trees: contributions {self.contributions:.2f} s, "
            f"{self.contributions / self.plain:.2f}x a plain predict of the same trees "
            f"({self.plain:.2f} s); TreeSHAP {self.tree_shap:.0f} s by its sample scaled up, "
            f"{self.tree_shap / self.contributions:.0f}x as long"
        )


@dataclass(frozen=True)
class Training:
    """What a training took."""

    seconds: float
    peak_gb: float


def customers(rows: int, features: int, seed: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """Rows whose risk depends on several features of each dimension, and on combinations."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        rng.normal(size=(rows, features)), columns=[f"f{each}" for each in range(features)]
    )
    step = max(features // DIMENSIONS, 1)
    log_odds = np.full(rows, -2.5)
    for first in range(0, features - step, step):
        log_odds += 0.4 * X[f"f{first}"] + 0.3 * np.abs(X[f"f{first + 1}"])
        log_odds += 0.3 * X[f"f{first}"] * X[f"f{first + step}"]
    y = pd.Series((rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(np.int64))
    return X, y


def by_dimension(features: int) -> dict[str, list[str]]:
    """The features, split evenly over the dimensions."""
    parts = np.array_split(np.arange(features), DIMENSIONS)
    return {f"d{place}": [f"f{each}" for each in part] for place, part in enumerate(parts)}


def explaining(
    rows: int, features: int, sample: int, leaves: int = 8, trees: int = 200, repeats: int = 3
) -> Explaining:
    """Time a model's explaining; TreeSHAP on a sample, scaled up to the rows.

    Each is the best of several, since a busy machine only ever adds time.
    """
    X, y = customers(min(rows, 20_000), features)
    params = replace(PARAMS, num_leaves=leaves, num_trees=trees, joint_trees=trees)
    model = DimensionGBM.fit(X, y, dimensions=by_dimension(features), params=params)
    X, _ = customers(rows, features, seed=2)
    booster = lgb.Booster(model_str=model.trees)
    few = X.iloc[:sample]
    model.explain(few)
    return Explaining(
        contributions=_best(lambda: model.explain(X, num_threads=THREADS), repeats),
        plain=_best(lambda: booster.predict(X, raw_score=True, num_threads=THREADS), repeats),
        tree_shap=_best(
            lambda: booster.predict(few, pred_contrib=True, num_threads=THREADS), repeats
        )
        * (rows / sample),
        trees=booster.num_trees(),
    )


def training(rows: int, features: int, trees: int = 100) -> Training:
    """Train in a process of its own, at most so many trees in each stage."""
    ended = subprocess.run(
        [sys.executable, "-m", __name__, str(rows), str(features), str(trees)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": str(THREADS)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Training(**json.loads(ended.stdout))


def _best(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _main(rows: int, features: int, trees: int) -> None:
    X, y = customers(rows, features)
    X_valid, y_valid = customers(rows // 5, features, seed=2)
    started = time.perf_counter()
    DimensionGBM.fit(
        X,
        y,
        dimensions=by_dimension(features),
        params=replace(PARAMS, num_trees=trees, joint_trees=trees),
        X_valid=X_valid,
        y_valid=y_valid,
    )
    seconds = time.perf_counter() - started
    # Not getrusage: what it tells may be the peak of the process that started this one.
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(json.dumps(asdict(Training(seconds, int(found[1]) / 2**20 if found else 0.0))))


if __name__ == "__main__":
    _main(*(int(argument) for argument in sys.argv[1:]))
