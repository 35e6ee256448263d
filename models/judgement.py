"""Whether a model deserves to score: every figure of it, and which of them speak against it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.acceptance import Worth, draws, estimate, worth
from models.dimension_gbm import DimensionGBM
from models.evaluation import (
    BOOTSTRAP_SEED,
    calibration_slope,
    joint_variance_share,
    population_stability_index,
)
from models.training import Parts, Stack

ROUNDS = 500
ALL = "all customers"
LEAST_IN_GROUP = 30
"""Fewer people, and figures of them would tell of persons."""
LEAST_OF_SHARE = 10
"""Of fewer rows a share says little, and a bootstrap of them too little of how little."""
REFUSED = 0.2
"""The share of the customers, the riskiest, by whom error rates of groups are measured."""
SWEPT_ROWS, SWEPT_VALUES = 50, 12
EXACT = 1e-9
BINS = 10


@dataclass(frozen=True)
class Bounds:
    """What the gate allows.

    Attributes:
        calibration_ratio: mean PD over default rate, and its inverse, at most.
        calibration_slope: the slope of outcomes on log-odds, and its inverse, at most.
        stability_index: the population stability index of the PD at most.
        defaulters: customers among the test who defaulted, and who did not, at least.
    """

    calibration_ratio: float
    calibration_slope: float
    stability_index: float
    defaulters: int


@dataclass(frozen=True)
class Figure:
    """A figure of a model, and, where the gate looks at it, what it wants and whether it holds."""

    group_name: str
    metric: str
    meaning: str
    value: float
    lower: float | None = None
    upper: float | None = None
    wanted: str | None = None
    has_passed: bool | None = None

    def __str__(self) -> str:
        interval = (
            f" (95 % interval {self.lower:.4f} to {self.upper:.4f})"
            if self.lower is not None and self.upper is not None
            else ""
        )
        wanted = f"; wanted: {self.wanted}" if self.wanted else ""
        return f"{self.meaning}: {self.value:.4g}{interval}{wanted}"


@dataclass(frozen=True)
class Judgement:
    """All figures of a model, and the version of the champion that it was compared with."""

    compared_with: str | None
    figures: tuple[Figure, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against the model, a sentence each; none where it deserves to score."""
        return tuple(str(figure) for figure in self.figures if figure.has_passed is False)

    @property
    def has_passed(self) -> bool:
        """Whether the gate lets the model through."""
        return not self.reasons

    @property
    def by_name(self) -> Mapping[str, Figure]:
        """The figures of all customers by the names of their metrics."""
        return {figure.metric: figure for figure in self.figures if figure.group_name == ALL}

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Judgement":
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return cls(content["compared_with"], tuple(Figure(**each) for each in content["figures"]))


def judge(
    model: DimensionGBM,
    parts: Parts,
    amount: pd.Series,
    bounds: Bounds,
    *,
    champion: tuple[str, DimensionGBM] | None,
    baselines: Mapping[str, NDArray[np.float64]],
    rounds: int = ROUNDS,
    num_threads: int = 0,
) -> Judgement:
    """Measure a model on customers that no model has learnt from, in the later cohorts.

    Intervals are percentiles of a bootstrap that draws customers, each with all rows. A comparison
    speaks against the model where its whole interval does: what noise may explain does not.

    Args:
        model: the calibrated challenger.
        parts: the cohorts that it was trained with.
        amount: what each customer of the test rows owes.
        bounds: of the gate.
        champion: version and model of the one in use, if there is one that reads these features.
        baselines: PDs of the test rows by other models, by their names, calibrated or not.
        rounds: of the bootstrap.
        num_threads: threads to use, 0 for all cores; no effect on the result.
    """
    # The last bits of a product of matrices depend on its threads.
    with threadpool_limits(1, user_api="blas"):
        figures = tuple(
            _figures(model, parts, amount, bounds, champion, baselines, rounds, num_threads)
        )
    return Judgement(None if champion is None else champion[0], figures)


def _figures(
    model: DimensionGBM,
    parts: Parts,
    amount: pd.Series,
    bounds: Bounds,
    champion: tuple[str, DimensionGBM] | None,
    baselines: Mapping[str, NDArray[np.float64]],
    rounds: int,
    num_threads: int,
) -> Iterator[Figure]:
    test = parts.test
    explained = model.explain(test.features, num_threads=num_threads)
    probability = explained.default_probability

    def measured(default_probability: NDArray[np.float64]) -> Worth:
        truth, customers = test.is_default, test.customers
        return worth(truth, amount, default_probability, rounds, BOOTSTRAP_SEED, customers)

    own = measured(probability)
    yield from _size(parts)
    yield _few(test, bounds)
    for name, drawn in own.named():
        if not np.isnan(drawn).any():
            yield _figure(name, _MEANINGS[name], drawn)
    if champion is None:
        yield _against_guessing(own)
    else:
        version, scoring = champion
        other = scoring.explain(test.features, num_threads=num_threads).default_probability
        whose = f"the champion's, version {version}"
        yield from _against("champion", whose, own, measured(other), decides=True)
    for name, other in baselines.items():
        who = name.replace(" ", "_").lower()
        yield from _against(who, f"that of {name}", own, measured(other), decides=False)
    yield from _calibration(test, probability, explained.log_odds, bounds, rounds)
    yield _stability(
        model.explain(parts.training.features, num_threads=num_threads).default_probability,
        probability,
        bounds,
    )
    yield Figure(
        ALL,
        "joint_variance_share",
        "share of the log-odds' variance that only combinations of dimensions explain",
        joint_variance_share(explained),
    )
    yield _sweep(model, test, num_threads)
    yield _exactness(model, test, num_threads)
    yield from _groups(test, probability, rounds)


def _stability(fitted: NDArray[np.float64], later: NDArray[np.float64], bounds: Bounds) -> Figure:
    moved = population_stability_index(fitted, later, BINS)
    # So much is to be expected of two samples of one distribution (Yurdakul 2018, "Statistical
    # Properties of Population Stability Index").
    noise = (BINS - 1) * (1 / len(fitted) + 1 / len(later))
    return Figure(
        ALL,
        "stability_index",
        "population stability index of the PD, later cohorts against the fitted ones",
        moved,
        wanted=f"at most {bounds.stability_index:g}, and {noise:.2g} for noise",
        has_passed=moved <= bounds.stability_index + noise,
    )


_MEANINGS = {
    "auc": "area under the ROC curve",
    "ks": "Kolmogorov and Smirnov's distance of defaulters and others",
    "log_loss": "mean log-loss",
    **{
        f"bad_rate_best_{pct}_pct": f"default rate among the best {pct} % of the customers"
        for pct in (70, 80, 90)
    },
    **{
        f"bad_amount_rate_best_{pct}_pct": (
            f"defaulters' share of what the best {pct} % of the customers owe"
        )
        for pct in (70, 80, 90)
    },
}


def _size(parts: Parts) -> Iterator[Figure]:
    for name, stack in (
        ("training", parts.training),
        ("validation", parts.validation),
        ("test", parts.test),
    ):
        what = {
            "training": "fitted to",
            "validation": "of the later cohorts, that stop and calibrate",
            "test": "of the later cohorts, of customers never learnt from",
        }[name]
        yield Figure(ALL, f"rows_{name}", f"rows {what}", float(len(stack.is_default)))
        yield Figure(
            ALL, f"defaults_{name}", f"defaults in rows {what}", float(stack.is_default.sum())
        )


def _few(test: Stack, bounds: Bounds) -> Figure:
    """Of few people whole intervals may lie on one side by chance: a bootstrap knows no others."""
    by_customer = test.is_default.groupby(test.customers)
    least = min(int(by_customer.max().sum()), int((1 - by_customer.min()).sum()))
    return Figure(
        ALL,
        "customers_of_rarer_outcome",
        "customers never learnt from who defaulted, or who did not, whichever are fewer",
        float(least),
        wanted=f"{bounds.defaulters} or more",
        has_passed=least >= bounds.defaulters,
    )


def _figure(metric: str, meaning: str, drawn: NDArray[np.float64]) -> Figure:
    found = estimate(drawn)
    return Figure(ALL, metric, meaning, found.value, found.lower, found.upper)


def _against_guessing(own: Worth) -> Figure:
    """Where there is no champion yet, a model must at least rank better than chance."""
    found = estimate(own.auc)
    return Figure(
        ALL,
        "auc_less_guessing",
        "area under the ROC curve, less that of guessing",
        found.value - 0.5,
        found.lower - 0.5,
        found.upper - 0.5,
        wanted="above 0 beyond noise",
        has_passed=found.lower > 0.5,
    )


def _against(who: str, whose: str, own: Worth, other: Worth, *, decides: bool) -> Iterator[Figure]:
    auc, loss = estimate(own.auc - other.auc), estimate(own.log_loss - other.log_loss)
    yield _figure(f"auc_of_{who}", f"area under the ROC curve, {whose}", other.auc)
    yield Figure(
        ALL,
        f"auc_less_{who}",
        f"area under the ROC curve, less {whose}",
        auc.value,
        auc.lower,
        auc.upper,
        wanted="not below 0 beyond noise" if decides else None,
        has_passed=auc.upper >= 0 if decides else None,
    )
    yield Figure(
        ALL,
        f"log_loss_less_{who}",
        f"mean log-loss, less {whose}",
        loss.value,
        loss.lower,
        loss.upper,
        wanted="not above 0 beyond noise" if decides else None,
        has_passed=loss.lower <= 0 if decides else None,
    )


def _calibration(
    test: Stack,
    probability: NDArray[np.float64],
    log_odds: NDArray[np.float64],
    bounds: Bounds,
    rounds: int,
) -> Iterator[Figure]:
    bad = test.is_default.to_numpy(dtype=np.float64)
    ratio = estimate(
        np.concatenate(
            [
                (weight @ probability) / (weight @ bad)
                for weight in draws(bad, rounds, BOOTSTRAP_SEED, test.customers)
            ]
        )
    )
    slope = calibration_slope(bad, log_odds, test.customers)
    for metric, meaning, found, most in (
        ("calibration_ratio", "mean PD over default rate", ratio, bounds.calibration_ratio),
        (
            "calibration_slope",
            "slope of outcomes on log-odds",
            slope,
            bounds.calibration_slope,
        ),
    ):
        yield Figure(
            ALL,
            metric,
            meaning,
            found.value,
            found.lower,
            found.upper,
            wanted=f"not outside {1 / most:.4g} to {most:.4g} beyond noise",
            has_passed=found.upper >= 1 / most and found.lower <= most,
        )


def _sweep(model: DimensionGBM, test: Stack, num_threads: int) -> Figure:
    """Move each feature with a direction through its values, and all else of a customer not."""
    features = test.features
    rows = features.iloc[np.linspace(0, len(features) - 1, SWEPT_ROWS).astype(int)]
    wrong = []
    for name, direction in model.monotone:
        known = features[name].dropna()
        if known.empty:
            continue
        values = np.unique(np.quantile(known.astype("float64"), np.linspace(0, 1, SWEPT_VALUES)))
        swept = pd.concat([rows.assign(**{name: value}) for value in values], ignore_index=True)
        log_odds = model.explain(swept, num_threads=num_threads).log_odds
        steps = np.diff(log_odds.reshape(len(values), len(rows)), axis=0) * direction
        # Sums of the same trees in another order differ in their last bits.
        if (steps < -EXACT).any():
            wrong.append(name)
    return Figure(
        ALL,
        "features_against_direction",
        "features along which the PD moves against their declared direction"
        + (f" ({', '.join(wrong)})" if wrong else ""),
        float(len(wrong)),
        wanted="none",
        has_passed=not wrong,
    )


def _exactness(model: DimensionGBM, test: Stack, num_threads: int) -> Figure:
    """TreeSHAP knows nothing of how contributions are made, and must come to the same sums."""
    rows = test.features.iloc[:: max(1, len(test.features) // 200)]
    explained = model.explain(rows, num_threads=num_threads)
    shap = model.feature_contributions(rows, num_threads=num_threads)
    gap = np.abs(explained.intercept + shap.sum(axis=1).to_numpy() - explained.log_odds)
    worst = float(gap.max())
    return Figure(
        ALL,
        "contributions_off_by",
        "largest gap between the log-odds, as intercept, contributions and joint effect sum to "
        "them, and as exact TreeSHAP does",
        worst,
        wanted=f"at most {EXACT:g}",
        has_passed=worst <= EXACT,
    )


def _groups(test: Stack, probability: NDArray[np.float64], rounds: int) -> Iterator[Figure]:
    """How the model errs in groups by attributes that it may not see, or is asked about."""
    bad = test.is_default.to_numpy(dtype=np.float64)
    refused = (probability >= np.quantile(probability, 1 - REFUSED)).astype(np.float64)
    ones = np.ones(len(bad))
    shares = {
        "default_rate": ("default rate", bad, ones),
        "mean_pd": ("mean PD", probability, ones),
        "refused_payers": (
            f"payers among the riskiest {REFUSED:.0%}, of all payers", refused * (1 - bad), 1 - bad,
        ),
        "accepted_defaulters": (
            f"defaulters not among the riskiest {REFUSED:.0%}, of all defaulters",
            (1 - refused) * bad,
            bad,
        ),
    }  # fmt: skip
    members: dict[str, NDArray[np.float64]] = {}
    for column in test.groups.columns:
        for value, places in sorted(test.groups.groupby(column).indices.items()):
            if test.customers.iloc[places].nunique() >= LEAST_IN_GROUP:
                members[f"{column}: {value}"] = np.bincount(
                    places, minlength=len(bad)
                ) * np.float64(1)
    if not members:
        return
    columns = [
        member * values
        for member in members.values()
        for _, *both in shares.values()
        for values in both
    ]
    cells = np.column_stack(columns)
    # One draw of customers for all: to draw takes longer than to add up.
    sums = np.concatenate(
        [weight @ cells for weight in draws(bad, rounds, BOOTSTRAP_SEED, test.customers)]
    )
    drawn = _shares(sums[:, 0::2], sums[:, 1::2])
    place = 0
    for group, member in members.items():
        yield Figure(group, "rows_test", "rows of the group", float(member.sum()))
        for metric, (meaning, *_) in shares.items():
            found, whole = drawn[:, place], sums[0, 2 * place + 1]
            place += 1
            if whole < LEAST_OF_SHARE:
                continue
            lower, upper = np.nanpercentile(found[1:], [2.5, 97.5])
            yield Figure(group, metric, meaning, float(found[0]), float(lower), float(upper))


def _shares(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.full(above.shape, np.nan)
    np.divide(above, below, out=shares, where=below > 0)
    return shares
