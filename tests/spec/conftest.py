"""What the spec tests of features and outcomes share: from drawn tables to what was known."""

from collections.abc import Callable, Mapping
from datetime import date

import pyarrow as pa
import pytest

from pipeline.as_of import Known
from pipeline.contracts.contract import IS_DELETED, KNOWN_AT, Contract
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features.build import build_features
from pipeline.settings import REPOSITORY
from tests.spec.ascii_tables import Row, rows_of, to_arrow

AS_OF = date(2024, 6, 30)
"""The as-of date of a spec that names no other: 91 days after 2024-03-31, 365 after 2023-07-01."""

KnownFrom = Callable[..., Known]
Spec = Callable[..., None]


@pytest.fixture(scope="session")
def contracts() -> Mapping[str, Contract]:
    return load_contracts(REPOSITORY / "data_contracts" / "sources")


@pytest.fixture(scope="session")
def engine() -> Engine:
    return DuckDBEngine(threads=1)


@pytest.fixture(scope="session")
def known_from(contracts: Mapping[str, Contract], engine: Engine) -> KnownFrom:
    """Drawn tables as what was known; a table that is not drawn is one that the source lacks.

    Loans that are not drawn are those of the instalments: A1 is a loan of customer A. Customers
    that are not drawn are those of all other tables, and ``also``.
    """

    def known_from(as_of: date, also: tuple[str, ...] = (), /, **drawn: str) -> Known:
        schemas = {
            name: pa.schema(f for f in c.arrow_schema if f.name not in {KNOWN_AT, IS_DELETED})
            for name, c in contracts.items()
        }
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
        tables = {
            name: engine.table(to_arrow(rows.get(name, []), schema))
            for name, schema in schemas.items()
        }
        return Known(as_of, tables, frozenset(rows))

    return known_from


@pytest.fixture(scope="session")
def spec(known_from: KnownFrom, engine: Engine) -> Spec:
    """Draw tables, and say what one feature is for each customer; None is null."""

    built: dict[object, dict[str, Row]] = {}

    def spec(
        feature: str, expected: Mapping[str, float | None], as_of: date = AS_OF, **drawn: str
    ) -> None:
        # Specs of several features share their tables, and all features are built at once.
        key = (as_of, *sorted(expected), *sorted(drawn.items()))
        if key not in built:
            rows = build_features(known_from(as_of, tuple(expected), **drawn), engine).to_pylist()
            built[key] = {row["customer_id"]: row for row in rows}
        found = {name: built[key][name][feature] for name in expected}
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
