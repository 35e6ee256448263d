"""The declarations of features are data; this holds them to what derives from them."""

import re
from datetime import date

import ibis
import ibis.expr.operations as ops
import pytest

from pipeline.as_of import Known
from pipeline.contracts.contract import IS_DELETED, KNOWN_AT
from pipeline.contracts.odcs import load_contracts
from pipeline.features import registry
from pipeline.features.build import CUSTOMER_ID, features_schema
from pipeline.features.declaration import Dimension, Feature, Frame, Risk, feature
from pipeline.features.registry import FEATURES, MODULES, monotone_by_name, names_by_dimension
from pipeline.settings import REPOSITORY

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
UNITS = {
    "days", "years", "months", "money", "share", "ratio", "percent",
    "loans", "products", "instalments", "customers", "people",
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
    assert declared.unit in UNITS
    assert declared.risk in Risk


@each_feature
def test_its_sources_are_tables_under_contract(declared: Feature) -> None:
    assert declared.sources
    assert set(declared.sources) <= CONTRACTS.keys()


@each_feature
def test_its_frame_reads_the_sources_it_names_and_no_others(declared: Feature) -> None:
    known = _nothing_known()
    read: set[str] = set()

    class Watched(Known):
        def __getitem__(self, table: str) -> ibis.expr.types.Table:
            read.add(table)
            return super().__getitem__(table)

    declared.frame.build(Watched(known.as_of, known.tables, known.present))
    assert read == set(declared.sources)


@each_feature
def test_it_adds_up_no_floating_point_numbers(declared: Feature) -> None:
    # Their sum depends on the order of the rows, and threads deliver rows in any order.
    rows = declared.frame.build(_nothing_known())
    value = rows.group_by(CUSTOMER_ID).aggregate(value=declared.expression(rows))
    assert _order_dependent(value) == []


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
    # A build groups features by the name of their frame.
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
        unit="days",
        risk=Risk.RISES,
        over=next(iter(FEATURES.values())).frame,
    )
    with pytest.raises(ValueError, match="needs a docstring"):
        declare(lambda rows: rows.count())


def _nothing_known() -> Known:
    hidden = {KNOWN_AT, IS_DELETED}
    tables = {
        name: ibis.memtable(contract.arrow_schema.empty_table()).drop(*hidden)
        for name, contract in CONTRACTS.items()
    }
    return Known(date(2024, 6, 30), tables, frozenset(tables))


def _order_dependent(expression: ibis.expr.types.Table) -> list[str]:
    # The engine keeps a running mean for a deviation, a float even over integers.
    deviations = (ops.Variance, ops.StandardDev, ops.Covariance, ops.Correlation)
    sums = (ops.Sum, ops.Mean)
    return [
        type(node).__name__
        for node in expression.op().find((*deviations, *sums))
        if isinstance(node, deviations) or node.arg.dtype.is_floating()
    ]
