"""The engine against the slow reference; and what must never change a feature."""

import math
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.as_of import AsOf, Known
from pipeline.business_day import close_of
from pipeline.contracts.check import in_order_of_reference
from pipeline.contracts.contract import Contract
from pipeline.contracts.judged import quarantine_table
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.quarantine import split
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import Frames, build_features
from pipeline.features.cohorts import build_partition
from pipeline.features.outcome import DefaultDefinition, Unit, outcomes
from pipeline.features.registry import FEATURES
from pipeline.lake import Lake
from pipeline.settings import REPOSITORY
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source
from tests.generative import reference
from tests.generative.banks import AS_OF_DATES, Rows, banks
from tests.generative.reference.outcome import outcome
from tests.generative.reference.rows import Tables
from tests.generative.reference.rows import known as known_by

UTC_ZONE = ZoneInfo("UTC")
CONTRACTS: Mapping[str, Contract] = load_contracts(REPOSITORY / "data_contracts" / "sources")


@st.composite
def banks_on_a_date(draw: st.DrawFn, most_customers: int = 12) -> tuple[date, Rows]:
    as_of = draw(st.sampled_from(AS_OF_DATES))
    return as_of, draw(banks(as_of, most_customers))


# A build takes as long for few customers as for many: rather few banks, and larger ones.
@pytest.mark.parametrize("as_of", AS_OF_DATES, ids=str)
@given(data=st.data())
@settings(max_examples=3)
def test_engine_and_reference_agree_on_every_feature(as_of: date, data: st.DataObject) -> None:
    _assert_agreement((as_of, data.draw(banks(as_of, most_customers=30))), DuckDBEngine(threads=1))


def test_spark_and_reference_agree_on_every_feature(spark_engine: Engine) -> None:
    # Few, for each takes Spark seconds; the specs show it the edges one by one.
    @given(banks_on_a_date(most_customers=30))
    @settings(max_examples=2)
    def check(drawn: tuple[date, Rows]) -> None:
        _assert_agreement(drawn, spark_engine)

    check()


def _assert_agreement(drawn: tuple[date, Rows], engine: Engine) -> None:
    as_of, rows = drawn
    built = build_features(_known(rows, as_of, engine), engine)
    found = {row["customer_id"]: row for row in built.to_pylist()}
    expected = reference.features(_known_rows(rows, as_of), as_of)
    assert found.keys() == expected.keys()
    for customer, values in expected.items():
        assert values.keys() == FEATURES.keys()
        for name, value in values.items():
            _assert_same(found[customer][name], value, f"{name} of {customer} on {as_of}")


@given(
    banks_on_a_date(),
    st.sampled_from((10, 90)),
    st.sampled_from(((1, Unit.DAY), (31, Unit.DAY), (1, Unit.MONTH), (12, Unit.MONTH))),
    st.integers(0, 1000),
)
@settings(max_examples=40)
def test_engine_and_reference_agree_on_the_outcome(
    drawn: tuple[date, Rows], days_past_due: int, horizon: tuple[int, Unit], nth: int
) -> None:
    known_on, rows = drawn
    definition = DefaultDefinition(days_past_due, *horizon)
    # The as-of date is a day on which somebody may default, or falls due: there the edges are.
    due = {row["due_date"] for row in rows["repayments"]}
    edges = sorted(due | {day + timedelta(days=days_past_due) for day in due})
    matured = [day for day in edges if definition.horizon_end(day) <= known_on]
    assume(matured)
    then = matured[nth % len(matured)]
    engine = DuckDBEngine(threads=1)
    table = outcomes(then, Frames(_known(rows, known_on, engine), engine), definition, engine)
    found = {row["customer_id"]: row["is_default"] for row in table.to_pylist()}
    expected = outcome(
        _known_rows(rows, known_on), then, definition.horizon_end(then), known_on, days_past_due
    )
    assert found == expected


@given(banks_on_a_date(most_customers=30), st.randoms(use_true_random=False))
@settings(max_examples=3)
def test_the_order_of_rows_changes_no_feature(drawn: tuple[date, Rows], random: Random) -> None:
    as_of, rows = drawn
    shuffled = {name: random.sample(part, len(part)) for name, part in rows.items()}
    engine = DuckDBEngine(threads=2)
    before = build_features(_known(rows, as_of, engine), engine)
    assert build_features(_known(shuffled, as_of, engine), engine).equals(before)


@st.composite
def banks_that_learn_more(draw: st.DrawFn, most_customers: int = 12) -> tuple[date, Rows, Rows]:
    """A day, what a bank knew at its close, and what it knows weeks later."""
    as_of = draw(st.sampled_from(AS_OF_DATES))
    close, wait = close_of(as_of, UTC_ZONE), timedelta(days=20)
    now = {
        name: [row for row in part if row["known_at"] < close]
        for name, part in draw(banks(as_of, most_customers)).items()
    }
    # Versions of anything, withdrawals too: a second bank's rows, all of them late.
    news = {
        name: [row | {"known_at": row["known_at"] + wait} for row in part]
        for name, part in draw(banks(as_of, most_customers)).items()
    }
    return as_of, now, {name: [*now[name], *news[name]] for name in now}


@given(banks_that_learn_more(most_customers=30))
@settings(max_examples=3)
def test_what_is_known_later_changes_no_feature(drawn: tuple[date, Rows, Rows]) -> None:
    as_of, now, later = drawn
    engine = DuckDBEngine(threads=1)
    before = build_features(_known(now, as_of, engine), engine)
    assert build_features(_known(later, as_of, engine), engine).equals(before)


# Each day on which something became known is a partition, written and judged: few customers do.
@given(banks_that_learn_more(most_customers=2))
@settings(max_examples=2)
def test_a_later_pull_changes_no_past_cohort(drawn: tuple[date, Rows, Rows]) -> None:
    as_of, now, later = drawn
    days = (as_of - timedelta(days=12), as_of)
    with tempfile.TemporaryDirectory() as folder:
        bank = _Bank(Path(folder))
        bank.records(now)
        bank.pulls(as_of)
        before = [bank.features(day) for day in days]
        bank.records(later)
        bank.pulls(as_of + timedelta(days=60))
        assert [bank.features(day) for day in days] == before


def test_the_banks_drawn_keep_their_contracts() -> None:
    # Else the properties above would be about other rows than those that reach a feature.
    @given(banks_on_a_date())
    @settings(max_examples=5)
    def check(drawn: tuple[date, Rows]) -> None:
        engine = DuckDBEngine(threads=1)
        for name, part in drawn[1].items():
            broken = split(_arrow(name, part), CONTRACTS[name], engine).quarantined
            assert broken.to_pylist() == []

    check()


def test_the_banks_drawn_meet_the_edges() -> None:
    # Else the properties would hold for want of anything to say.
    met: dict[str, int] = dict.fromkeys(FEATURES, 0)
    outcomes_met: set[bool] = set()

    @given(banks_on_a_date())
    @settings(max_examples=150)
    def look(drawn: tuple[date, Rows]) -> None:
        as_of, rows = drawn
        known = _known_rows(rows, as_of)
        for values in reference.features(known, as_of).values():
            for name, value in values.items():
                met[name] += value is not None
        then = as_of - timedelta(days=200)
        outcomes_met.update(outcome(known, then, as_of, as_of, 90).values())

    look()
    assert min(met.values()) > 5, met
    assert outcomes_met == {True, False}


class _Bank:
    """A source folder and its lake: the real way from a row to a feature."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lake = folder / "source", Lake(folder / "lake")
        self.engine: Engine = DuckDBEngine(threads=2)
        self.folder.mkdir()

    def records(self, rows: Rows) -> None:
        for name, part in rows.items():
            pq.write_table(_arrow(name, part), self.folder / f"{name}.parquet")

    def pulls(self, as_of: date) -> None:
        source = open_source(str(self.folder), None)
        for table in in_order_of_reference(CONTRACTS):
            file = self.folder / f"{table}.parquet"
            if file.exists() and pq.read_metadata(file).num_rows:
                contract, lake, engine = CONTRACTS[table], self.lake, self.engine
                pull_table(source, contract, lake, engine, as_of, UTC_ZONE, lookback_days=3)
                quarantine_table(contract, CONTRACTS, lake, engine, as_of, UTC_ZONE, 3)

    def features(self, day: date) -> pa.Table:
        return build_partition(CONTRACTS, self.lake, self.engine, day, UTC_ZONE).rows


def _arrow(name: str, part: list[dict[str, object]]) -> pa.Table:
    schema = CONTRACTS[name].arrow_schema
    return pa.Table.from_pylist([{c: row.get(c) for c in schema.names} for row in part], schema)


def _known(rows: Rows, as_of: date, engine: Engine) -> Known:
    versions = {name: engine.table(_arrow(name, rows.get(name, []))) for name in CONTRACTS}
    at = AsOf(as_of, UTC_ZONE)
    return Known(at, versions, CONTRACTS, frozenset(rows))


def _known_rows(rows: Rows, as_of: date) -> Tables:
    close = close_of(as_of, UTC_ZONE)
    found = {name: known_by(part, CONTRACTS[name].entity_key, close) for name, part in rows.items()}
    # What has changed in a customer's life, only the versions before the last one tell.
    found["customers, all versions"] = [
        row for row in rows["customers"] if row["known_at"] < close and not row["is_deleted"]
    ]
    return found


def _assert_same(found: float | None, expected: float | None, where: str) -> None:
    if found is None or expected is None:
        assert found is expected, f"{where} is {found}, the reference says {expected}"
        return
    assert math.isfinite(found), f"{where} is {found}"
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), where
