"""What a ranking of customers by PD is worth to a lender who accepts the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation import Estimate

ACCEPTED_PCT = (70, 80, 90)
"""Shares of the customers that are accepted, the safest first."""
CELLS_AT_ONCE = 4_000_000
"""Of an array of rounds by customers: some tens of megabytes."""

Drawn = NDArray[np.float64]


@dataclass(frozen=True)
class Worth:
    """Measures of one ranking, (rounds,) each: the first of the rows as they are, others redrawn.

    Attributes:
        auc: the area under the ROC curve, a tie counting one half.
        ks: Kolmogorov and Smirnov's largest distance between the shares of defaulters and of
            others who are no riskier than some PD.
        log_loss: mean of minus the log-likelihood.
        bad_rate: defaulters' share of the accepted customers, by per cent accepted.
        bad_amount_rate: their share of what the accepted customers owe, by per cent accepted; not a
            number where nobody owes anything.
    """

    auc: Drawn
    ks: Drawn
    log_loss: Drawn
    bad_rate: dict[int, Drawn]
    bad_amount_rate: dict[int, Drawn]

    def named(self) -> Iterator[tuple[str, Drawn]]:
        """Each measure by a name of its own."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, dict):
                for accepted, drawn in value.items():
                    yield f"{field.name}_best_{accepted}_pct", drawn
            else:
                yield field.name, value


def worth(
    is_default: ArrayLike,
    amount: ArrayLike,
    default_probability: ArrayLike,
    rounds: int,
    seed: int,
    customers: ArrayLike | None = None,
) -> Worth:
    """Measure a ranking, and measure it again on customers drawn with replacement.

    The same seed draws the same customers, so that two rankings of the same rows can be compared
    round by round (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8). Of
    customers with the same PD at the margin of acceptance each is accepted in part.

    Args:
        is_default: 0 or 1, shape (n,); both must occur.
        amount: what each owes, not negative, shape (n,).
        default_probability: shape (n,).
        rounds: how often customers are drawn, beside the rows as they are.
        seed: of the random numbers.
        customers: whose rows they are, shape (n,), where a customer has several: then customers
            are drawn, each with all rows, for what a customer does in one month is no news of the
            next.

    Returns:
        Measures of 1 + rounds.
    """
    bad = np.asarray(is_default, dtype=np.float64)
    owed = np.asarray(amount, dtype=np.float64)
    probability = np.asarray(default_probability, dtype=np.float64)
    order = np.argsort(probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=-np.inf))
    held = np.clip(probability, 1e-15, 1 - 1e-15)
    loss = -(bad * np.log(held) + (1 - bad) * np.log1p(-held))

    parts = []
    for weight in draws(bad, rounds, seed, customers):

        def by_pd(values: Drawn, weight: Drawn = weight) -> Drawn:
            """Sums over the customers of each PD, the lowest first, (rounds, PDs)."""
            sums: Drawn = np.add.reduceat((weight * values)[:, order], starts, axis=1)
            return sums

        all_, defaulters = by_pd(np.ones(len(bad))), by_pd(bad)
        money, bad_money = by_pd(owed), by_pd(owed * bad)
        others = all_ - defaulters
        no_riskier = np.cumsum(others, axis=1)
        below = no_riskier - others
        pairs = defaulters.sum(axis=1) * others.sum(axis=1)
        distance = np.cumsum(defaulters, axis=1) / defaulters.sum(axis=1, keepdims=True)
        distance -= no_riskier / others.sum(axis=1, keepdims=True)
        accepted = {
            pct: _accepted_share(all_, pct / 100 * all_.sum(axis=1, keepdims=True))
            for pct in ACCEPTED_PCT
        }
        parts.append(
            Worth(
                auc=(defaulters * (below + others / 2)).sum(axis=1) / pairs,
                ks=np.abs(distance).max(axis=1),
                log_loss=(weight @ loss) / weight.sum(axis=1),
                bad_rate={pct: _share(defaulters, all_, taken) for pct, taken in accepted.items()},
                bad_amount_rate={
                    pct: _share(bad_money, money, taken) for pct, taken in accepted.items()
                },
            )
        )
    return Worth(
        auc=np.concatenate([part.auc for part in parts]),
        ks=np.concatenate([part.ks for part in parts]),
        log_loss=np.concatenate([part.log_loss for part in parts]),
        bad_rate=_joined([part.bad_rate for part in parts]),
        bad_amount_rate=_joined([part.bad_amount_rate for part in parts]),
    )


def estimate(drawn: Drawn) -> Estimate:
    """The value of the rows as they are, with the percentile interval of the rounds."""
    lower, upper = np.percentile(drawn[1:], [2.5, 97.5])
    return Estimate(float(drawn[0]), float(lower), float(upper))


def draws(
    bad: Drawn, rounds: int, seed: int, customers: ArrayLike | None = None
) -> Iterator[Drawn]:
    """How often each row counts, (some rounds, n): first once, and then as often as it is drawn.

    A draw without a defaulter, or of nobody else, ranks nothing, and is drawn again.

    Args:
        bad: 0 or 1, shape (n,).
        rounds: how often rows are drawn.
        seed: of the random numbers.
        customers: as for `worth`.
    """
    rng = np.random.default_rng(seed)
    rows = len(bad)
    codes = (
        np.arange(rows)
        if customers is None
        else np.unique(np.asarray(customers), return_inverse=True)[1]
    )
    drawn_from = int(codes.max()) + 1
    yield np.ones((1, rows))

    def drawn() -> Drawn:
        while True:
            picked = rng.integers(drawn_from, size=drawn_from)
            weight = np.bincount(picked, minlength=drawn_from).astype(np.float64)[codes]
            if 0 < weight @ bad < weight.sum():
                return weight

    at_once = max(1, CELLS_AT_ONCE // rows)
    for first in range(0, rounds, at_once):
        yield np.stack([drawn() for _ in range(min(at_once, rounds - first))])


def _accepted_share(customers: Drawn, wanted: Drawn) -> Drawn:
    """Which part of the customers of each PD is accepted, so many being wanted, (rounds, PDs)."""
    before = np.cumsum(customers, axis=1) - customers
    taken: Drawn = np.clip(wanted - before, 0.0, customers)
    return np.divide(taken, customers, out=np.zeros_like(taken), where=customers > 0)


def _share(part: Drawn, whole: Drawn, taken: Drawn) -> Drawn:
    below = (whole * taken).sum(axis=1)
    above = (part * taken).sum(axis=1)
    shares: Drawn = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return shares


def _joined(parts: list[dict[int, Drawn]]) -> dict[int, Drawn]:
    return {pct: np.concatenate([part[pct] for part in parts]) for pct in ACCEPTED_PCT}
