"""The simulated bank: the same bytes from a seed, contracts kept, and known in due time."""

import datetime as dt
import os
import subprocess
import sys
import time

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.contracts.odcs import load_contracts
from pipeline.errors import RisklineError
from pipeline.simulator.bank import TABLES, Bank, create, simulate
from pipeline.simulator.population import YEARS_BEFORE
from tests.unit.simulated_bank import (
    BANK,
    MONTH_ENDS,
    ROOT,
    Frames,
    as_known,
    as_pandas,
    instalments,
    key,
    properties,
)

ARROW_TYPES = {
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}
SIGNALS = "external_signals"
CONTRACTS = load_contracts(ROOT / "data_contracts" / "sources")
OF_A_CUSTOMER = sorted(set(TABLES) - {"customers", "repayments", "industry_outlook"})


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return simulate(BANK)


@pytest.fixture(scope="module")
def frames(tables: dict[str, pa.Table]) -> Frames:
    return as_pandas(tables)


# What the same seed gives


DIGEST = """
import hashlib, pyarrow as pa
from pipeline.simulator.bank import Bank, simulate
digest = hashlib.sha256()
for name, table in simulate(Bank(customers=1_000)).items():
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    digest.update(name.encode() + sink.getvalue().to_pybytes())
print(digest.hexdigest())
"""


def digest(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DIGEST],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_same_seed_gives_the_same_bytes_on_another_machine() -> None:
    # Without the newer instructions numpy's exp and log differ in their last bit, as they do
    # from one processor to another.
    old_processor = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"
    here = digest(PYTHONHASHSEED="0", TZ="UTC")
    there = digest(
        PYTHONHASHSEED="4711", TZ="Asia/Shanghai", NPY_DISABLE_CPU_FEATURES=old_processor
    )
    assert here == there


def test_different_seeds_give_different_banks(tables: dict[str, pa.Table]) -> None:
    other = simulate(Bank(seed=BANK.seed + 1))
    assert all(not tables[name].equals(other[name]) for name in TABLES)


def test_is_quick() -> None:
    def seconds() -> float:
        # Of this process alone: the machine may be busy with others.
        start = time.process_time()
        simulate(BANK)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 6


# What no bank can be made up from


@pytest.mark.parametrize(
    ("months", "last_date"),
    [
        (30, dt.date(1962, 1, 1)),
        (30, dt.date(1970, 1, 1)),
        (30, dt.date(1992, 5, 31)),
        (240, dt.date(2009, 11, 30)),
    ],
)
def test_a_bank_begins_in_1990_or_later(months: int, last_date: dt.date) -> None:
    with pytest.raises(RisklineError, match=f"up to {last_date} would begin before 1990") as error:
        Bank(months=months, last_date=last_date)
    assert "\n" not in str(error.value)


def test_the_earliest_bank_lends_and_its_customers_are_not_too_old() -> None:
    tables = simulate(Bank(customers=1_000, last_date=dt.date(1992, 6, 30)))
    assert len(tables["loans"]) > 500
    assert pc.min(tables["customers"]["birth_date"]).as_py() >= dt.date(1900, 1, 1)


def test_a_bank_ends_by_2100() -> None:
    with pytest.raises(RisklineError, match="end it by 2100-12-31"):
        Bank(last_date=dt.date(9999, 12, 31))


def test_a_seed_is_not_below_zero() -> None:
    with pytest.raises(RisklineError, match="seed -1 is below 0"):
        Bank(seed=-1)


# What the contracts say


@pytest.mark.parametrize("name", TABLES)
def test_shape_is_the_contracts(name: str, tables: dict[str, pa.Table]) -> None:
    expected = pa.schema([(p["name"], ARROW_TYPES[p["logicalType"]]) for p in properties(name)])
    assert tables[name].schema.equals(expected)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_keeps_the_contract(name: str, frames: Frames) -> None:
    frame = frames[name]
    assert not frame.duplicated([*key(name), "known_at"]).any()
    if name == SIGNALS:
        # As from real providers, a few rows come without consent: they are there to be caught.
        assert 0.001 < (~frame["consent"]).mean() < 0.01
        frame = frame[frame["consent"]]
    for column in properties(name):
        values = frame[column["name"]]
        if column.get("required"):
            assert values.notna().all(), column["name"]
        given = values.dropna()
        assert len(given), column["name"]
        if "enum" in column:
            assert given.isin([allowed["value"] for allowed in column["enum"]]).all()
        for option, bound in column.get("logicalTypeOptions", {}).items():
            limit = pd.Timestamp(bound) if column["logicalType"] == "date" else bound
            holds = {
                "minimum": lambda given=given, limit=limit: given >= limit,
                "maximum": lambda given=given, limit=limit: given <= limit,
                "exclusiveMinimum": lambda given=given, limit=limit: given > limit,
                "minLength": lambda given=given, limit=limit: given.str.len() >= limit,
                "maxLength": lambda given=given, limit=limit: given.str.len() <= limit,
            }[option]()
            assert holds.all(), (column["name"], option)


def test_every_allowed_word_is_used(frames: Frames) -> None:
    for name in TABLES:
        for column in properties(name):
            allowed = {value["value"] for value in column.get("enum", [])}
            assert allowed <= set(frames[name][column["name"]].unique()), (name, column["name"])


@pytest.mark.parametrize("name", TABLES)
def test_no_row_would_be_quarantined_but_for_consent(
    name: str, tables: dict[str, pa.Table]
) -> None:
    rows = ibis.memtable(tables[name])
    broken = {
        rule.name: rows.filter(rule.is_broken(rows)).count().to_pyarrow().as_py()
        for rule in CONTRACTS[name].rules
    }
    without_consent = pc.sum(pc.invert(tables[name]["consent"])).as_py() if name == SIGNALS else 0
    assert sum(broken.values()) == without_consent, broken


def test_contract_rules_over_columns_hold(frames: Frames) -> None:
    loans, edges = frames["loans"], frames["relationships"]
    assert (loans["maturity_date"] >= loans["originated_at"]).all()
    ended = edges.dropna(subset=["until"])
    assert len(ended)
    assert (ended["until"] >= ended["since"]).all()
    bureau = frames["bureau"]
    assert (bureau["overdue_elsewhere"] <= bureau["debt_elsewhere"]).all()
    assert (bureau["overdue_elsewhere"] > 0).any()


def test_what_a_row_refers_to_was_known_before_it(frames: Frames) -> None:
    customer_known = frames["customers"].groupby("customer_id")["known_at"].min()
    loan_known = frames["loans"].groupby("loan_id")["known_at"].min()
    references = [(name, "customer_id", customer_known) for name in OF_A_CUSTOMER]
    references += [
        ("relationships", "related_customer_id", customer_known),
        ("repayments", "loan_id", loan_known),
    ]
    for name, column, known in references:
        parent_known = frames[name][column].map(known)
        assert (parent_known <= frames[name]["known_at"]).all(), (name, column)


@pytest.mark.parametrize("as_of", ["2022-03-15", "2023-06-30", "2024-05-31"])
def test_on_any_night_no_row_refers_to_a_withdrawn_one(as_of: str, frames: Frames) -> None:
    close = pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1)
    known = {name: as_known(frames[name], name, close) for name in TABLES}
    customers = known["customers"]["customer_id"]
    for name in OF_A_CUSTOMER:
        assert known[name]["customer_id"].isin(customers).all()
    assert known["relationships"]["related_customer_id"].isin(customers).all()
    assert known["repayments"]["loan_id"].isin(known["loans"]["loan_id"]).all()


# When things are known


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_sorted_by_known_at_and_key(name: str, tables: dict[str, pa.Table]) -> None:
    by = [(column, "ascending") for column in ["known_at", *key(name)]]
    assert tables[name].equals(tables[name].sort_by(by))


def test_nothing_is_known_before_it_happened(frames: Frames) -> None:
    for name, events in {
        "customers": ["birth_date", "established_date", "employed_since", "resident_since",
                      "onboarded_at"],
        "loans": ["originated_at"],
        "repayments": ["paid_date"],
        "financials": ["period_end"],
        "relationships": ["since", "until"],
        "transactions": ["posted_at"],
        "interactions": ["occurred_at"],
        "assessments": ["assessed_at"],
        "bureau": ["pulled_at"],
        "industry_outlook": ["month"],
        "defaults": ["default_date"],
        "external_signals": ["observed_at"],
    }.items():  # fmt: skip
        for event in events:
            happened = frames[name][event]
            if happened.dt.tz is None:
                happened = happened.dt.tz_localize("UTC")
            known_at = frames[name]["known_at"]
            assert (happened.isna() | (happened < known_at)).all(), (name, event)


@pytest.mark.parametrize(
    ("name", "event", "shortest", "longest"),
    [
        ("transactions", "posted_at", pd.Timedelta(hours=2), pd.Timedelta(days=6)),
        ("interactions", "occurred_at", pd.Timedelta(minutes=10), pd.Timedelta(hours=40)),
        ("assessments", "assessed_at", pd.Timedelta(days=1), pd.Timedelta(days=15)),
        ("bureau", "pulled_at", pd.Timedelta(hours=18), pd.Timedelta(days=3)),
        ("industry_outlook", "month", pd.Timedelta(days=18), pd.Timedelta(days=26)),
        ("defaults", "default_date", pd.Timedelta(days=1), pd.Timedelta(days=15)),
        ("external_signals", "observed_at", pd.Timedelta(days=1), pd.Timedelta(days=6)),
    ],
)
def test_delays_are_the_documented_ones(
    name: str, event: str, shortest: pd.Timedelta, longest: pd.Timedelta, frames: Frames
) -> None:
    first = frames[name].drop_duplicates(key(name), keep="first")
    happened = first[event]
    if happened.dt.tz is None:
        happened = happened.dt.tz_localize("UTC")
    delay = first["known_at"] - happened
    assert delay.min() >= shortest
    assert delay.max() <= longest


@pytest.mark.parametrize("last_date", [dt.date(2024, 5, 31), dt.date(2023, 2, 14)])
def test_nothing_is_known_after_the_last_date(last_date: dt.date) -> None:
    close = pd.Timestamp(last_date, tz="UTC") + pd.Timedelta(days=1)
    tables = simulate(Bank(customers=500, last_date=last_date))
    for name, rows in tables.items():
        newest = rows["known_at"].to_pandas().max()
        # Of so few customers, none may default or join for months.
        days = 200 if name in ("defaults", "relationships") else 40
        assert close - pd.Timedelta(days=days) < newest < close, name


def test_every_recent_day_learns_of_payments_and_bookings(frames: Frames) -> None:
    repayments = frames["repayments"]
    paid = repayments[repayments["paid_date"].notna()]
    days = pd.date_range(end="2024-05-31", periods=60, tz="UTC")
    assert days.isin(paid["known_at"].dt.floor("D")).all()
    assert days.isin(frames["transactions"]["known_at"].dt.floor("D")).all()
    assert days.isin(frames["interactions"]["known_at"].dt.floor("D")).all()


def test_loans_are_granted_in_every_month_and_the_last_weeks(
    frames: Frames,
) -> None:
    granted = frames["loans"]["originated_at"]
    months = granted[granted > MONTH_ENDS[0]].dt.to_period("M")
    assert months.nunique() == BANK.months - 1
    assert (granted > pd.Timestamp("2024-05-17")).sum() >= 10


def test_rows_are_restated_and_withdrawn(frames: Frames) -> None:
    for name in TABLES:
        versions = frames[name].groupby(key(name)).size()
        assert (versions > 1).any(), name
        assert 0 < frames[name]["is_deleted"].mean() < 0.03, name
        if name not in ("customers", "relationships"):
            # What is withdrawn was known before, and its last version says so.
            gone = frames[name].drop_duplicates(key(name), keep="last")
            assert gone["is_deleted"].sum() == frames[name]["is_deleted"].sum()
    for name, column in {
        "transactions": "amount",
        "interactions": "channel",
        "assessments": "management_quality",
        "bureau": "external_score",
        "industry_outlook": "outlook_index",
        "defaults": "kind",
        "external_signals": "value",
    }.items():
        values = frames[name].groupby(key(name))[column].nunique()
        assert (values > 1).any(), name
    financials = as_known(frames["financials"], "financials")
    first = frames["financials"].drop_duplicates(key("financials"), keep="first")
    both = first.merge(financials, on=key("financials"))
    assert 0.005 < (both["income_x"] != both["income_y"]).mean() < 0.02


# What loans and payments look like


def test_schedules_are_whole_and_known_with_their_loan(frames: Frames) -> None:
    first = frames["repayments"].drop_duplicates(key("repayments"), keep="first")
    loans = frames["loans"].drop_duplicates("loan_id", keep="first").set_index("loan_id")
    assert first["paid_date"].isna().all()
    assert (first["loan_id"].map(loans["known_at"]) == first["known_at"]).all()
    schedule = first.sort_values(key("repayments")).groupby("loan_id")
    assert (schedule["instalment_no"].max() == loans["term_months"]).all()
    assert (schedule.size() == loans["term_months"]).all()
    assert (schedule["due_date"].max() == loans["maturity_date"]).all()
    assert (schedule["due_date"].min() > loans["originated_at"]).all()
    days = first["due_date"].dt.day
    assert set(days) == set(range(1, 29))


def test_schedules_repay_principal_and_interest(frames: Frames) -> None:
    first = frames["repayments"].drop_duplicates(key("repayments"), keep="first")
    loans = frames["loans"].drop_duplicates("loan_id", keep="first").set_index("loan_id")
    rate = first["loan_id"].map(loans["annual_rate_pct"]) / 1200
    present = first["due_amount"] / (1 + rate) ** first["instalment_no"]
    value = present.groupby(first["loan_id"]).sum()
    assert ((value - loans["principal"]).abs() < 0.5).all()


def test_payments_are_whole_and_mostly_on_time(frames: Frames) -> None:
    rows = instalments(frames)
    paid = rows.dropna(subset=["paid_date"])
    settled = paid[paid["paid_date"] < MONTH_ENDS[-1] - pd.Timedelta(days=7)]
    assert (settled["paid_amount"] == settled["due_amount"]).all()
    delay = (paid["paid_date"] - paid["due_date"]).dt.days
    assert 0.05 < (delay < 0).mean() < 0.25
    assert 0.5 < (delay == 0).mean() < 0.9
    assert 0.05 < (delay > 0).mean() < 0.3
    assert (delay > 90).any()
    assert (paid["paid_date"].dt.day_of_week >= 5).any()


def test_customers_are_mostly_consumers_and_some_guaranteed(
    frames: Frames,
) -> None:
    customers = frames["customers"].drop_duplicates("customer_id", keep="last")
    shares = customers["segment"].value_counts(normalize=True)
    for segment, share in (("consumer", 0.80), ("sme", 0.17), ("corporate", 0.03)):
        assert shares[segment] == pytest.approx(share, abs=0.025)
    is_consumer = customers["segment"] == "consumer"
    assert (customers["birth_date"].notna() == is_consumer).all()
    assert (customers["established_date"].notna() == ~is_consumer).all()
    assert customers["national_id"].is_unique
    assert customers["name"].map(lambda name: not name.isascii()).any()
    edges = frames["relationships"]
    guaranteed = edges.loc[edges["relation"] == "guarantor", "customer_id"].unique()
    consumers = customers.loc[is_consumer, "customer_id"]
    assert consumers.isin(guaranteed).mean() == pytest.approx(0.20, abs=0.03)


@pytest.mark.parametrize("months", [24, 30, 60, 120, 240])
def test_customers_come_during_a_window_of_any_length_as_often_as_before(months: int) -> None:
    bank = Bank(customers=5_000, months=months)
    is_new = create(bank).people.onboarded_day >= bank.calendar.window_start
    a_month_before, a_month_since = (~is_new).sum() / (YEARS_BEFORE * 12), is_new.sum() / months
    assert 0.75 < a_month_since / a_month_before < 1.25


def test_bookings_are_about_two_a_month_and_numbered_in_time(frames: Frames) -> None:
    first = frames["transactions"].drop_duplicates("transaction_id", keep="first")
    months = len(frames["financials"].drop_duplicates(key("financials")))
    assert 1.8 < len(first) / months < 2.6
    numbered = first.sort_values("transaction_id")
    assert numbered["posted_at"].is_monotonic_increasing
    comes_in = first["category"].isin(["salary", "revenue", "loan"])
    goes_out = ~comes_in & ~first["category"].isin(["cash", "transfer"])
    assert (first.loc[comes_in, "amount"] > 0).all()
    assert (first.loc[goes_out, "amount"] < 0).all()
    segment = first["customer_id"].map(
        frames["customers"].drop_duplicates("customer_id").set_index("customer_id")["segment"]
    )
    assert set(segment[first["category"] == "salary"]) == {"consumer"}
    assert set(segment[first["category"] == "revenue"]) == {"sme", "corporate"}


def test_a_loan_paid_out_is_booked_on_its_day(frames: Frames) -> None:
    loans = as_known(frames["loans"], "loans")
    loans = loans[loans["originated_at"] > MONTH_ENDS[0]]
    booked = as_known(frames["transactions"], "transactions")
    booked = booked[booked["category"] == "loan"].assign(
        originated_at=lambda rows: rows["posted_at"].dt.tz_localize(None).dt.floor("D")
    )
    both = loans.merge(booked, on=["customer_id", "originated_at"], validate="one_to_one")
    # Those of the last day are booked the night after; a few bookings are withdrawn.
    assert len(both) > 0.99 * len(loans[loans["originated_at"] < MONTH_ENDS[-1]])
    assert (both["amount"] == both["principal"]).mean() > 0.99


def test_recorded_defaults_follow_the_arrears(frames: Frames) -> None:
    recorded = as_known(frames["defaults"], "defaults")
    past_due = recorded[recorded["kind"] == "past_due"]
    rows = instalments(frames)
    unpaid = rows[
        rows["paid_date"].isna() | (rows["paid_date"] > rows["due_date"] + pd.Timedelta(days=90))
    ]
    reached = pd.DataFrame(
        {
            "customer_id": unpaid["customer_id"],
            "default_date": unpaid["due_date"] + pd.Timedelta(days=90),
        }
    ).drop_duplicates()
    found = past_due.merge(reached, on=["customer_id", "default_date"], how="left", indicator=True)
    assert (found["_merge"] == "both").mean() > 0.97
    first_reached = reached.groupby("customer_id")["default_date"].min()
    first_reached = first_reached[first_reached < MONTH_ENDS[-1] - pd.Timedelta(days=20)]
    assert first_reached.index.isin(past_due["customer_id"]).mean() > 0.9
    written_off = recorded[recorded["kind"] == "write_off"].groupby("customer_id")
    after = written_off["default_date"].min() - first_reached
    assert (after.dropna() > pd.Timedelta(days=100)).all()


def test_the_months_figures_are_the_same_in_all_industries(frames: Frames) -> None:
    outlook = frames["industry_outlook"].groupby("month")
    for figure in ("gdp_growth_pct", "unemployment_pct", "policy_rate_pct"):
        assert outlook[figure].min().equals(outlook[figure].max())
    assert (
        frames["customers"]["industry_code"].isin(frames["industry_outlook"]["industry_code"]).all()
    )


def test_what_is_not_revised_is_published_as_exactly(frames: Frames) -> None:
    outlook = frames["industry_outlook"]
    outlook = outlook[~outlook["is_deleted"] & (outlook["month"] < MONTH_ENDS[-4])]
    rows = outlook.groupby(key("industry_outlook"))["outlook_index"]
    first, last, is_revised = rows.first(), rows.last(), rows.size() > 1
    assert is_revised.mean() == pytest.approx(0.4, abs=0.08)
    # From one month to the next, mostly noise is left: of 2 points where nothing is revised.
    jumps = first.groupby("industry_code").diff()
    before_too = ~is_revised & ~is_revised.groupby("industry_code").shift(fill_value=True)
    assert 2.5 < jumps[before_too].std() < 3.9
    assert (first - last)[is_revised].std() == pytest.approx(3.0, abs=0.5)
    assert (first == last)[~is_revised].all()


def test_marks_and_reports_come_when_they_are_due(frames: Frames) -> None:
    customers = frames["customers"].drop_duplicates("customer_id").set_index("customer_id")
    marks = as_known(frames["assessments"], "assessments")
    segment = marks["customer_id"].map(customers["segment"])
    assert set(segment) == {"sme", "corporate"}
    gaps = marks.sort_values("assessed_at").groupby("customer_id")["assessed_at"].diff().dt.days
    assert gaps[segment == "sme"].median() == pytest.approx(183, abs=5)
    assert gaps[segment == "corporate"].median() == pytest.approx(91, abs=5)
    reports = as_known(frames["bureau"], "bureau").groupby("customer_id").size()
    assert reports.max() == pytest.approx(BANK.months / 6, abs=1)
    signals = frames["external_signals"]["customer_id"].nunique()
    assert signals / len(customers) == pytest.approx(0.1, abs=0.03)
