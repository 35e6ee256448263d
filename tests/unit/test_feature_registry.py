"""The declarations of features are data; this holds them to what derives from them."""

import math
import re
from collections import Counter
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.operations as ops
import pytest

from pipeline.as_of import AsOf, Known
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.rules import OneOf, UnlessWithdrawn
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features import registry
from pipeline.features.build import Frames, features_schema
from pipeline.features.contract import BOUNDS
from pipeline.features.declaration import Dimension, Feature, Frame, Risk, Unit, feature
from pipeline.features.frames import bookings, contacts
from pipeline.features.registry import FEATURES, MODULES, monotone_by_name, names_by_dimension
from pipeline.settings import REPOSITORY

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
COUNTED_FROM_ROWS = {
    Unit.BOOKINGS, Unit.CONTACTS, Unit.CUSTOMERS, Unit.INSTALMENTS, Unit.LOANS, Unit.PRODUCTS,
    Unit.TIMES,
}  # fmt: skip

each_feature = pytest.mark.parametrize("declared", FEATURES.values(), ids=lambda f: f.name)


@each_feature
def test_its_name_is_in_snake_case(declared: Feature) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", declared.name)
    assert FEATURES[declared.name] is declared


@each_feature
def test_its_description_reads_as_a_sentence(declared: Feature) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{15,110}\.", declared.description)
    assert "  " not in declared.description
    assert not re.search(r"[_`]", declared.description), "a credit officer reads no code"


@each_feature
def test_it_has_a_dimension_a_unit_and_a_direction(declared: Feature) -> None:
    assert declared.dimension in Dimension
    assert declared.unit in Unit
    assert declared.risk in Risk


@each_feature
def test_its_sources_are_tables_under_contract(declared: Feature) -> None:
    assert declared.sources
    assert set(declared.sources) <= CONTRACTS.keys()


@each_feature
def test_its_reason_says_in_two_languages_what_is_wrong(declared: Feature) -> None:
    english, chinese = declared.reason.english, declared.reason.chinese
    assert re.fullmatch(r"[A-Z][^\n_`]{9,59}", english)
    assert not english.endswith(".")
    assert re.fullmatch(r"[\u4e00-\u9fffA-Z0-9、，（）]{4,30}", chinese), chinese


def test_no_two_features_give_the_same_words() -> None:
    for words in (
        [f.reason.english for f in FEATURES.values()],
        [f.reason.chinese for f in FEATURES.values()],
        [f.description for f in FEATURES.values()],
    ):
        assert [word for word, times in Counter(words).items() if times > 1] == []


@each_feature
def test_nothing_is_a_value_it_may_have(declared: Feature) -> None:
    if declared.of_nothing is not None:
        bounds = BOUNDS.get(declared.unit, {})
        low, high = bounds.get("minimum", -math.inf), bounds.get("maximum", math.inf)
        assert low <= declared.of_nothing <= high
    if declared.unit in COUNTED_FROM_ROWS and not declared.frame.is_per_customer:
        assert declared.of_nothing == 0, "who has none of what is counted has 0"


@each_feature
def test_it_adds_up_no_floating_point_numbers(declared: Feature) -> None:
    # Their sum depends on the order of the rows, and threads deliver rows in any order.
    rows = _frames_over(frozenset(CONTRACTS)).rows(declared.frame)
    assert _order_dependent(declared.expression(rows)) == []


@each_feature
def test_it_reads_nothing_but_its_sources(declared: Feature) -> None:
    frames = _frames_over(frozenset({*declared.sources, "customers"}))
    declared.expression(frames.rows(declared.frame))


def test_there_are_features_enough() -> None:
    assert len(FEATURES) >= 90


def test_the_search_for_sums_of_floats_finds_them() -> None:
    rows = ibis.table({"x": "float64", "i": "int64"}, name="rows")
    assert _order_dependent(rows.aggregate(v=rows.x.sum())) == ["Sum"]
    assert _order_dependent(rows.aggregate(v=rows.i.std())) == ["StandardDev"]
    assert _order_dependent(rows.aggregate(v=rows.x.mean() + rows.i.sum() + rows.x.max())) == [
        "Mean"
    ]


def test_every_dimension_has_features_and_each_feature_one_dimension() -> None:
    by_dimension = names_by_dimension()
    assert list(by_dimension) == [dimension.value for dimension in Dimension]
    assert all(by_dimension.values())
    assert [name for names in by_dimension.values() for name in names] == list(FEATURES)
    assert list(features_schema().names)[2:] == list(FEATURES)


def test_every_feature_declared_in_a_module_is_collected_under_its_own_name() -> None:
    declared = {
        name: value
        for module in MODULES.values()
        for name, value in vars(module).items()
        if isinstance(value, Feature)
    }
    assert declared == FEATURES
    assert set(MODULES) == set(Dimension)


def test_the_monotone_vector_follows_the_directions() -> None:
    assert monotone_by_name() == {
        name: {"rises": 1, "falls": -1, "unordered": 0}[declared.risk.value]
        for name, declared in FEATURES.items()
    }


def test_frames_of_one_name_are_one_frame() -> None:
    # What is printed by a frame's name, such as the time it takes, is of that frame alone.
    frames: dict[str, Frame] = {}
    for declared in FEATURES.values():
        assert frames.setdefault(declared.frame.name, declared.frame) is declared.frame


def test_a_feature_in_the_file_of_another_dimension_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pipeline.features import network, stability

    monkeypatch.setattr(stability, "stray", network.related_customers, raising=False)
    with pytest.raises(ValueError, match="related_customers is declared twice or in the wrong"):
        registry._collect()


def test_a_feature_declared_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.features import stability

    monkeypatch.setattr(stability, "again", stability.age_years, raising=False)
    with pytest.raises(ValueError, match="age_years is declared twice"):
        registry._collect()


def test_a_feature_without_a_docstring_is_refused() -> None:
    declare = feature(
        Dimension.NETWORK,
        unit=Unit.DAYS,
        risk=Risk.RISES,
        over=next(iter(FEATURES.values())).frame,
        reason=("Somebody is late", "有人逾期"),
    )
    with pytest.raises(ValueError, match="needs a docstring"):
        declare(lambda rows: rows.count())


class _Unrun(DuckDBEngine):
    """Takes what is to be kept for kept, so that a feature's whole expression can be looked at."""

    def __init__(self) -> None:
        super().__init__(threads=1)

    def cached(self, expression: ibis.expr.types.Table) -> ibis.expr.types.Table:
        return expression


@cache
def _frames_over(tables: frozenset[str]) -> Frames:
    """The frames of all features, each when it is asked for, where there are some tables only."""
    versions = {name: ibis.table(CONTRACTS[name].arrow_schema, name=name) for name in tables}
    at = AsOf(date(2024, 6, 30), ZoneInfo("UTC"))
    known = Known(at, versions, CONTRACTS, frozenset(CONTRACTS))
    return Frames(known, _Unrun(), FEATURES.values())


def _order_dependent(expression: ibis.expr.types.Expr) -> list[str]:
    # The engine keeps a running mean for a deviation, a float even over integers.
    deviations = (ops.Variance, ops.StandardDev, ops.Covariance, ops.Correlation)
    sums = (ops.Sum, ops.Mean)
    return [
        type(node).__name__
        for node in expression.op().find((*deviations, *sums))
        if isinstance(node, deviations) or node.arg.dtype.is_floating()
    ]


@pytest.mark.parametrize(
    ("table", "marked"),
    [("transactions", bookings.CHANNELS), ("interactions", contacts.CHANNELS)],
)
def test_every_channel_of_the_contract_has_its_mark(table: str, marked: tuple[str, ...]) -> None:
    rules = (
        rule.rule if isinstance(rule, UnlessWithdrawn) else rule for rule in CONTRACTS[table].rules
    )
    (values,) = (
        rule.values for rule in rules if isinstance(rule, OneOf) and rule.column == "channel"
    )
    assert set(values) == set(marked)
