"""What there is to learn from the simulated bank, dimension by dimension and together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.simulator.bank import Bank, create, simulate
from pipeline.simulator.network import FAMILY, GUARANTOR, REFERRAL, Network
from pipeline.simulator.truth import true_distress
from tests.unit.simulated_bank import (
    BANK,
    MONTH_ENDS,
    Frames,
    as_known,
    as_pandas,
    close_of,
    instalments,
    outcomes,
)

LARGE = Bank(customers=20_000, seed=4)
AS_OF = MONTH_ENDS[13]
BY_CHANCE = {1: 10.83, 2: 13.82}
"""Deviance that so many figures without meaning take away once in a thousand times."""
DIMENSIONS = (
    "credit_history", "repayment_capacity", "stability", "prospects", "relationship", "behaviour",
    "network",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A bank as it is seen on one night, and what becomes of it in the year after."""

    bank: Bank
    frames: Frames
    as_of: pd.Timestamp

    @cached_property
    def known(self) -> Frames:
        close = close_of(self.as_of)
        return {name: as_known(rows, name, close) for name, rows in self.frames.items()}

    @cached_property
    def defaults(self) -> "pd.Series[bool]":
        return outcomes(instalments(self.frames), self.as_of)

    @cached_property
    def every_truth(self) -> pd.DataFrame:
        """Of each customer and month."""
        truth: pd.DataFrame = true_distress(self.bank).to_pandas(date_as_object=False)
        return truth

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Of each customer with an active loan who is not in default."""
        at_night = self.every_truth[self.every_truth["month_end"] == self.as_of]
        return at_night.set_index("customer_id").reindex(self.defaults.index)

    @cached_property
    def log_odds(self) -> "pd.Series[float]":
        return log_odds_of(self.truth)

    @cached_property
    def due(self) -> pd.DataFrame:
        loans = self.known["loans"][["loan_id", "customer_id"]]
        return self.known["repayments"].merge(loans, on="loan_id")

    @cached_property
    def lateness(self) -> "pd.Series[float]":
        """Mean days late of the last year's instalments."""
        recent = self.due[
            (self.due["due_date"] <= self.as_of)
            & (self.due["due_date"] > self.as_of - pd.Timedelta(days=365))
        ]
        late = (recent["paid_date"].fillna(self.as_of) - recent["due_date"]).dt.days
        return late.clip(lower=0).astype(float).groupby(recent["customer_id"]).mean()

    @cached_property
    def means(self) -> pd.DataFrame:
        """Mean income, expense and so on of the last three months."""
        financials = self.known["financials"]
        recent = financials[financials["period_end"] > self.as_of - pd.Timedelta(days=95)]
        return recent.groupby("customer_id")[["income", "liquid_assets"]].mean()

    @cached_property
    def burden(self) -> "pd.Series[float]":
        """Instalments of the next month against income."""
        soon = self.due[
            (self.due["due_date"] > self.as_of)
            & (self.due["due_date"] <= self.as_of + pd.Timedelta(days=31))
        ]
        return soon.groupby("customer_id")["due_amount"].sum() / self.means["income"]

    @cached_property
    def customers(self) -> pd.DataFrame:
        return self.known["customers"].set_index("customer_id").reindex(self.defaults.index)

    def days_since(self, column: str) -> "pd.Series[float]":
        since: pd.Series[float] = (self.as_of - self.customers[column]).dt.days.astype(float)
        return since

    def last_year(self, table: str, event: str) -> pd.DataFrame:
        rows = self.known[table]
        return rows[rows[event] >= close_of(self.as_of) - pd.Timedelta(days=365)]

    @cached_property
    def statistics(self) -> Mapping[str, pd.DataFrame]:
        """Of each dimension some plain figures; where they are higher, the risk should be."""
        customers, known = self.customers, self.known
        is_consumer = customers["segment"] == "consumer"
        newness = pd.Series(
            np.where(
                is_consumer,
                2.2 * np.exp(-self.days_since("employed_since") / 500)
                + 0.7 * np.exp(-self.days_since("resident_since") / 700)
                + 0.7 * customers["occupation"].isin(["self_employed", "hourly"]),
                2.0 * np.exp(-self.days_since("established_date") / 1_500),
            ),
            index=customers.index,
        )
        outlook = known["industry_outlook"].sort_values("month").groupby("industry_code")
        outlook_now = customers["industry_code"].map(outlook["outlook_index"].last())
        marks = known["assessments"].groupby("customer_id")["management_quality"].mean()
        contacts = self.last_year("interactions", "occurred_at").groupby("customer_id")
        bookings = self.last_year("transactions", "posted_at")
        risky = bookings["category"].isin(["gambling", "cash"])
        edges = known["relationships"]
        edges = edges[edges["relation"] != "referral"]
        others = edges["related_customer_id"].map(self.lateness)
        bureau = known["bureau"].sort_values("pulled_at").groupby("customer_id")
        statistics = {
            "credit_history": {
                "lateness": self.lateness,
                "bureau": -bureau["external_score"].last(),
            },
            "repayment_capacity": {
                "burden": self.burden,
                "liquid": -self.means["liquid_assets"] / self.means["income"],
            },
            "stability": {"newness": newness},
            "prospects": {"outlook": -outlook_now, "management": -marks},
            "relationship": {
                "sentiment": -contacts["sentiment"].mean(),
                "satisfaction": -contacts["satisfaction"].mean(),
            },
            "behaviour": {"risky": risky.groupby(bookings["customer_id"]).mean()},
            "network": {"others": others.groupby(edges["customer_id"]).max()},
        }
        return {
            dimension: pd.DataFrame(
                {name: values.reindex(self.defaults.index) for name, values in columns.items()}
            )
            for dimension, columns in statistics.items()
        }

    def ranks(self, dimensions: tuple[str, ...]) -> NDArray[np.float64]:
        """The figures of some dimensions as ranks around 0, and 0 where there is none."""
        figures = pd.concat([self.statistics[dimension] for dimension in dimensions], axis=1)
        ranks = figures.rank(pct=True)
        return (ranks - 0.5).fillna(0.0).to_numpy()


def log_odds_of(truth: pd.DataFrame) -> "pd.Series[float]":
    odds = truth["monthly_pd"] / (1 - truth["monthly_pd"])
    return pd.Series(np.log(odds.to_numpy()), index=truth.index)


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen(LARGE, as_pandas(simulate(LARGE)), AS_OF)


def deviance(x: NDArray[np.float64], defaults: "pd.Series[bool]") -> float:
    fit = LogisticRegression(C=1e6, max_iter=500).fit(x, defaults)
    return 2 * float(log_loss(defaults, fit.predict_proba(x)[:, 1], normalize=False))


@pytest.mark.parametrize("seed", [BANK.seed, 1, 2, 4])
def test_two_to_six_in_a_hundred_default_within_a_year(seed: int) -> None:
    tables = simulate(Bank(seed=seed))
    rows = instalments(as_pandas({name: tables[name] for name in ("loans", "repayments")}))
    rates = [outcomes(rows, as_of).mean() for as_of in MONTH_ENDS[5:18]]
    assert 0.02 <= np.mean(rates) <= 0.06


@pytest.fixture(scope="module", params=[20, 24, 30, 48, 60, 84, 120])
def cohorts(request: pytest.FixtureRequest) -> "list[pd.Series[bool]]":
    """Who defaults within a year, at each month's end of a bank of so many months, from month 6."""
    bank = Bank(customers=1_500, months=request.param, seed=3)
    tables = simulate(bank)
    rows = instalments(as_pandas({name: tables[name] for name in ("loans", "repayments")}))
    month_ends = pd.date_range(end="2024-05-31", periods=bank.months, freq="ME")
    return [outcomes(rows, as_of) for as_of in month_ends[5 : bank.months - 12]]


def test_two_to_six_in_a_hundred_default_in_a_window_of_any_length(
    cohorts: "list[pd.Series[bool]]",
) -> None:
    assert 0.02 <= np.mean([cohort.mean() for cohort in cohorts]) <= 0.06


def test_customers_come_back_for_loans_through_any_window(
    cohorts: "list[pd.Series[bool]]",
) -> None:
    running = [len(cohort) / 1_500 for cohort in cohorts]
    assert min(running) > 0.25
    assert running[-1] > 0.7 * running[0]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_dimension_ranks_the_next_year(dimension: str, seen: Seen) -> None:
    for name, figures in seen.statistics[dimension].items():
        known = figures.dropna()
        assert roc_auc_score(seen.defaults[known.index], known) > 0.52, name


@pytest.mark.parametrize("dimension", DIMENSIONS[1:])
def test_each_dimension_ranks_customers_of_the_same_credit_history(
    dimension: str, seen: Seen
) -> None:
    lateness = seen.lateness.reindex(seen.defaults.index).fillna(0.0)
    strata = pd.cut(lateness, [-1, 0.5, 2, 5, np.inf], labels=False)
    areas = []
    for figures in seen.statistics[dimension].to_dict("series").values():
        area = pairs = 0.0
        for _, known in figures.dropna().groupby(strata):
            defaults = seen.defaults[known.index]
            among = float(defaults.sum() * (~defaults).sum())
            pairs += among
            area += among * roc_auc_score(defaults, known)
        areas.append(area / pairs)
    assert max(areas) > 0.52


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_dimension_adds_to_all_the_others(dimension: str, seen: Seen) -> None:
    others = tuple(other for other in DIMENSIONS if other != dimension)
    lost = deviance(seen.ranks(others), seen.defaults) - deviance(
        seen.ranks(DIMENSIONS), seen.defaults
    )
    figures = len(seen.statistics[dimension].columns)
    assert lost > BY_CHANCE[figures]


def double_difference(values: "pd.Series[float]", one: pd.Series, other: pd.Series) -> float:
    """How much more `one` matters to the mean of `values` where there is `other`."""
    mean = values.groupby([one, other]).mean()
    return float(mean[True, True] - mean[False, True] - mean[True, False] + mean[False, False])


def test_a_burden_weighs_more_on_an_unstable_job(seen: Seen) -> None:
    burden = (seen.burden / 0.40).reindex(seen.defaults.index)
    consumer = seen.customers["segment"] == "consumer"
    kept = consumer & burden.notna()
    is_new = seen.days_since("employed_since")[kept] < 365
    assert double_difference(seen.log_odds[kept], burden[kept] > 0.9, is_new) > 0.2


def test_a_downturn_weighs_more_on_thin_liquidity(seen: Seen) -> None:
    truth = seen.every_truth
    truth = truth[truth["is_at_risk"]]
    log_odds = log_odds_of(truth)
    growth = as_known(seen.frames["industry_outlook"], "industry_outlook")
    growth_pct = truth["month_end"].map(growth.groupby("month")["gdp_growth_pct"].first())
    liquid = seen.frames["financials"].groupby("customer_id")[["liquid_assets", "income"]].mean()
    months = truth["customer_id"].map(liquid["liquid_assets"] / liquid["income"])
    assert double_difference(log_odds, growth_pct < 0, months < 1.5) > 0.3


def test_distress_comes_over_from_those_who_stand_behind(seen: Seen) -> None:
    edges = seen.known["relationships"]
    edges = edges[edges["relation"].isin(["guarantor", "group"])]
    days = edges["related_customer_id"].map(seen.lateness)
    behind = days.groupby(edges["customer_id"]).max().reindex(seen.defaults.index).dropna()
    log_odds = seen.log_odds[behind.index]
    assert log_odds[behind > 20].mean() > log_odds[behind < 2].mean() + 0.5


def test_distress_comes_over_in_a_second_step() -> None:
    # 1 guarantees 0, 2 guarantees 1; 3 is family of 4, whom 2 brought to the bank.
    network = Network(
        customer=np.array([0, 1, 3, 4]),
        related=np.array([1, 2, 4, 2]),
        relation=np.array([GUARANTOR, GUARANTOR, FAMILY, REFERRAL]),
        begun_s=np.zeros(4, np.int64),
    )
    alone = network.pressure(np.array([0.0, 0.0, 1.8, 0.0, 0.0]))
    np.testing.assert_allclose(alone, [0.4 * 1.8, 1.8, 0.0, 0.0, 0.0])
    relative = network.pressure(np.array([0.0, 0.0, 0.0, 0.0, 2.0]))
    np.testing.assert_allclose(relative, [0.0, 0.0, 0.0, 1.0, 0.0])


# What shows before arrears do


@pytest.fixture(scope="module")
def first_arrears(seen: Seen) -> "pd.Series[pd.Timestamp]":
    """The first missed instalment of those who had been customers for more than a year."""
    customers = seen.frames["customers"]
    long_known = customers.loc[customers["onboarded_at"] < MONTH_ENDS[0], "customer_id"]
    rows = instalments(seen.frames)
    paid = rows["paid_date"].fillna(MONTH_ENDS[-1])
    late = rows[(paid - rows["due_date"]).dt.days > 60]
    late = late[late["customer_id"].isin(long_known)]
    first = late.groupby("customer_id")["due_date"].min()
    return first[(first > MONTH_ENDS[13]) & (first < MONTH_ENDS[-3])]


def change_before(
    rows: pd.DataFrame, event: str, values: "pd.Series[float]", first: "pd.Series[pd.Timestamp]"
) -> tuple[float, float]:
    """Means of values 9 to 12 months before the first arrears, and in the 2 months before."""
    before = (rows["customer_id"].map(first).dt.tz_localize("UTC") - rows[event]).dt.days
    return values[before.between(270, 365)].mean(), values[before.between(1, 60)].mean()


def test_balances_drain_before_arrears(
    seen: Seen, first_arrears: "pd.Series[pd.Timestamp]"
) -> None:
    rows = as_known(seen.frames["transactions"], "transactions")
    usual = rows["customer_id"].map(
        seen.frames["financials"].groupby("customer_id")["income"].mean()
    )
    long_before, shortly_before = change_before(
        rows, "posted_at", rows["balance_after"] / usual, first_arrears
    )
    assert shortly_before < 0.85 * long_before


def test_mood_and_contact_change_before_arrears(
    seen: Seen, first_arrears: "pd.Series[pd.Timestamp]"
) -> None:
    rows = as_known(seen.frames["interactions"], "interactions")

    def changes(kind: str) -> tuple[float, float]:
        """Contacts of a kind 9 to 12 months before (96 days), and 60 days before, a day."""
        of_kind = rows[rows["kind"] == kind]
        when = of_kind["customer_id"].map(first_arrears).dt.tz_localize("UTC")
        before = (when - of_kind["occurred_at"]).dt.days
        return before.between(270, 365).sum() / 96, before.between(1, 60).sum() / 60

    logins_then, logins_now = changes("app_login")
    assert logins_now < 0.9 * logins_then
    for kind, growth in (("hardship", 1.5), ("complaint", 1.1)):
        then, now = changes(kind)
        assert now > growth * then, kind
    then, now = change_before(rows, "occurred_at", rows["sentiment"], first_arrears)
    assert now < then - 0.05


def test_inquiries_rise_before_arrears(
    seen: Seen, first_arrears: "pd.Series[pd.Timestamp]"
) -> None:
    rows = as_known(seen.frames["bureau"], "bureau")
    rows = rows.assign(pulled_at=rows["pulled_at"].dt.tz_localize("UTC"))
    then, now = change_before(rows, "pulled_at", rows["inquiries_3m"], first_arrears)
    assert now > 1.1 * then


# The economy


@pytest.mark.parametrize("seed", [BANK.seed, 1, 2, 4])
def test_a_downturn_lies_inside_the_window(seed: int) -> None:
    bank = Bank(customers=200, seed=seed)
    outlook = simulate(bank)["industry_outlook"].to_pandas(date_as_object=False)
    growth = outlook.groupby("month")["gdp_growth_pct"].last()[MONTH_ENDS[0] :]
    bottom = growth.idxmin()
    assert MONTH_ENDS[8] < bottom < MONTH_ENDS[-8]
    assert growth.min() < growth.iloc[:3].mean() - 2
    assert growth.min() < growth.iloc[-3:].mean() - 2


@pytest.mark.parametrize("seed", [BANK.seed, 1, 2, 3, 4])
@pytest.mark.parametrize(("months", "downturns"), [(20, 1), (36, 1), (60, 1), (240, 3)])
def test_downturns_come_back_every_six_to_eight_years(
    months: int, downturns: int, seed: int
) -> None:
    bank = Bank(customers=100, months=months, seed=seed)
    slack = create(bank).economy.slack[bank.calendar.window]
    is_bad = slack > 0.9
    begins = np.flatnonzero(is_bad & ~np.roll(is_bad, 1))
    # A good month in the middle of a bad time does not end it.
    begins = begins[np.diff(begins, prepend=-100) > 12]
    assert len(begins) in (downturns, downturns + 1 if months > 72 else downturns)
    assert all(66 <= months_between <= 102 for months_between in np.diff(begins))


def test_the_outlook_follows_the_industrys_true_risk(seen: Seen) -> None:
    truth = seen.every_truth
    log_odds = log_odds_of(truth)
    industry = truth["customer_id"].map(
        seen.frames["customers"].groupby("customer_id")["industry_code"].first()
    )
    risk = log_odds.groupby([industry, truth["month_end"]]).mean()
    outlook = as_known(seen.frames["industry_outlook"], "industry_outlook")
    index = outlook.set_index(["industry_code", "month"])["outlook_index"]
    both = pd.DataFrame({"risk": risk.rename_axis(["industry_code", "month"]), "index": index})
    both = both.dropna()
    own = both - both.groupby("month").transform("mean")
    assert both["risk"].corr(both["index"]) < -0.6
    assert own["risk"].corr(own["index"]) < -0.5


# The truth


def test_the_truth_tells_late_payers_from_others(seen: Seen) -> None:
    truth = seen.every_truth
    assert truth["monthly_pd"].between(0, 1).all()
    exposed = truth[truth["is_at_risk"]]
    rows = instalments(seen.frames)
    rows = rows[(rows["due_date"] > MONTH_ENDS[0]) & (rows["due_date"] <= MONTH_ENDS[-3])]
    paid_or_open = rows["paid_date"].fillna(MONTH_ENDS[-1])
    months_late = (paid_or_open - rows["due_date"]).dt.days > 60
    late = months_late.groupby(rows["customer_id"]).any()
    pd_of = exposed.groupby("customer_id")["monthly_pd"].mean()
    both = pd.DataFrame({"late": late, "pd": pd_of}).dropna()
    assert roc_auc_score(both["late"].astype(bool), both["pd"]) > 0.7


def test_the_truth_of_one_night_foretells_the_year_after(seen: Seen) -> None:
    yearly = seen.truth["yearly_pd"]
    assert yearly.between(0, 1).all()
    assert roc_auc_score(seen.defaults, yearly) > 0.92
    monthly = seen.truth["monthly_pd"]
    assert roc_auc_score(seen.defaults, yearly) > roc_auc_score(seen.defaults, monthly) + 0.02
    band = pd.qcut(yearly, [0, 0.8, 0.95, 1])
    expected, observed = yearly.groupby(band).sum(), seen.defaults.groupby(band).sum()
    noise = np.sqrt((yearly * (1 - yearly)).groupby(band).sum())
    assert ((observed - expected).abs() < 3 * noise + 0.1 * expected).all()


def test_the_truth_is_of_the_bank_whose_tables_are_shown() -> None:
    small = Bank(customers=300, seed=5)
    truth = true_distress(small).to_pandas()
    exposed = truth.loc[truth["is_at_risk"], "customer_id"].unique()
    loans = simulate(small)["loans"].to_pandas()
    assert set(exposed) <= set(loans["customer_id"])
    assert create(small).people.count == 300
