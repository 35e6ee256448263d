"""What the spec tests of features and outcomes share: from drawn tables to what was known."""

from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import pytest

from pipeline.as_of import AsOf, Known
from pipeline.contracts.contract import IS_DELETED, KNOWN_AT, Contract
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import Frames
from pipeline.features.registry import FEATURES
from pipeline.settings import REPOSITORY
from tests.spec.ascii_tables import Row, rows_of, to_arrow

UTC_ZONE = ZoneInfo("UTC")
AS_OF = date(2024, 6, 30)
"""The as-of date of a spec that names no other: 91 days after 2024-03-31, 365 after 2023-07-01."""

KnownFrom = Callable[..., Known]
Build = Callable[..., dict[str, float | None]]
Spec = Callable[..., None]


@pytest.fixture(scope="session")
def contracts() -> Mapping[str, Contract]:
    return load_contracts(REPOSITORY / "data_contracts" / "sources")


@pytest.fixture(scope="session", params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "spark":
        spark: Engine = request.getfixturevalue("spark_engine")
        return spark
    return DuckDBEngine(threads=1)


@pytest.fixture(scope="session")
def empty(contracts: Mapping[str, Contract], engine: Engine) -> Mapping[str, ir.Table]:
    """The tables of a source that lacks them all."""
    schemas = {name: contract.arrow_schema for name, contract in contracts.items()}
    return {name: engine.table(schema.empty_table()) for name, schema in schemas.items()}


@pytest.fixture(scope="session")
def known_from(
    contracts: Mapping[str, Contract], engine: Engine, empty: Mapping[str, ir.Table]
) -> KnownFrom:
    """Drawn tables as what was known; a table that is not drawn is one that the source lacks.

    Loans that are not drawn are those of the instalments: A1 is a loan of customer A. Customers
    that are not drawn are those of all other tables, and ``also``.
    """

    def known_from(as_of: date, also: tuple[str, ...] = (), /, **drawn: str) -> Known:
        schemas = {name: contract.arrow_schema for name, contract in contracts.items()}
        at = AsOf(as_of, UTC_ZONE)
        just_in_time = {KNOWN_AT: at.close - timedelta(microseconds=1), IS_DELETED: False}
        rows = {name: rows_of(name, text, schemas[name]) for name, text in drawn.items()}
        if "loans" not in rows:
            ids = sorted({row["loan_id"] for row in rows.get("repayments", [])})
            rows["loans"] = [
                {"loan_id": i, "customer_id": i.rstrip("0123456789"), "principal": 1.0,
                 "originated_at": date(2020, 1, 1)}
                for i in ids
            ]  # fmt: skip
        if "customers" not in rows:
            rows["customers"] = [
                {"customer_id": i, "segment": "consumer"} for i in _customers(rows, also)
            ]
        versions = {
            name: engine.table(to_arrow([just_in_time | row for row in part], schemas[name]))
            for name, part in rows.items()
        }
        return Known(at, {**empty, **versions}, contracts, frozenset(rows))

    return known_from


@pytest.fixture(scope="session")
def build(known_from: KnownFrom, engine: Engine) -> Build:
    """Some features over the same frame, each as values by customer; nothing is built twice."""
    known: dict[object, Known] = {}
    built: dict[object, dict[str, float | None]] = {}

    def build(
        feature: str, others: Set[str], as_of: date, customers: Iterable[str], drawn: dict[str, str]
    ) -> dict[str, float | None]:
        tables = (as_of, *sorted(customers), *sorted(drawn.items()))
        if (feature, tables) not in built:
            if tables not in known:
                known[tables] = known_from(as_of, tuple(customers), **drawn)
            frame = FEATURES[feature].frame
            wanted = tuple(
                f for f in FEATURES.values() if f.name in {feature, *others} and f.frame is frame
            )
            rows = engine.to_arrow(Frames(known[tables], engine, wanted).values(wanted)).to_pylist()
            for f in wanted:
                built[f.name, tables] = {row["customer_id"]: row[f.name] for row in rows}
        return built[feature, tables]

    return build


@pytest.fixture
def spec(request: pytest.FixtureRequest, build: Build) -> Spec:
    """Draw tables, and say what one feature is for each customer; None is null."""
    # Spark takes a second for each build, and a tenth for each feature: with a feature goes what
    # the test's other cases say of the same tables, and nothing else.
    others = {
        item.callspec.params["feature"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.function is request.function
        and "feature" in item.callspec.params
    }

    def spec(
        feature: str, expected: Mapping[str, float | None], as_of: date = AS_OF, **drawn: str
    ) -> None:
        built = build(feature, others, as_of, expected, drawn)
        found = {name: built[name] for name in expected}
        nulls = {name for name, value in expected.items() if value is None}
        assert {name for name, value in found.items() if value is None} == nulls
        values = {name: value for name, value in expected.items() if value is not None}
        assert {name: found[name] for name in values} == pytest.approx(values, rel=1e-12)

    return spec


def _customers(rows: Mapping[str, list[Row]], also: tuple[str, ...]) -> list[str]:
    named = {
        row[column]
        for table in rows.values()
        for row in table
        for column in ("customer_id", "related_customer_id")
        if column in row
    }
    return sorted(named | set(also))
