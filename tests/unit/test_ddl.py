"""The tables that contracts ask for, made in a real PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipeline.contracts.contract import POSTGRES_TYPES, Contract
from pipeline.contracts.ddl import create_landing_table, create_table
from pipeline.contracts.odcs import load_contract, load_contracts
from pipeline.warehouse.server import Server
from tests.unit.small_contract import SMALL, write

FOLDER = Path(__file__).parents[2] / "data_contracts"
SOURCES, OUTPUTS = (load_contracts(FOLDER / name) for name in ("sources", "outputs"))

on_every_contract = pytest.mark.parametrize(
    "contract", [pytest.param(c, id=name) for name, c in {**SOURCES, **OUTPUTS}.items()]
)
on_every_source = pytest.mark.parametrize(
    "contract", [pytest.param(contract, id=name) for name, contract in SOURCES.items()]
)
TYPES = {
    "string": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "number": "double precision",
    "integer": "bigint",
    "boolean": "boolean",
}
VALUES: dict[str, object] = {
    "string": "a",
    "date": date(2024, 1, 1),
    "timestamp": datetime(2024, 1, 1, tzinfo=UTC),
    "number": 1.5,
    "integer": 1,
    "boolean": False,
}


@pytest.fixture
def scratch(shared_server: Server) -> Iterator[psycopg.Connection]:
    """A connection with an empty schema ``scratch``, of which nothing stays."""
    with psycopg.connect(shared_server.url("warehouse", "risk_pipeline")) as connection:
        connection.execute("CREATE SCHEMA scratch")
        yield connection
        connection.rollback()


def insert(connection: psycopg.Connection, contract: Contract, row: Mapping[str, object]) -> None:
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier("scratch", contract.table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        ),
        list(row.values()),
    )


def refuses(connection: psycopg.Connection, contract: Contract, row: Mapping[str, object]) -> bool:
    try:
        with connection.transaction():
            insert(connection, contract, row)
    except psycopg.errors.IntegrityError:
        return True
    return False


@on_every_contract
@pytest.mark.parametrize("create", [create_table, create_landing_table])
def test_a_contract_becomes_a_table_with_comments(
    create: Callable[[Contract, str], sql.Composed],
    contract: Contract,
    scratch: psycopg.Connection,
) -> None:
    for _ in range(2):  # what is there already is left alone
        scratch.execute(create(contract, "scratch"))
    name = f"scratch.{contract.table}"
    said = scratch.execute("SELECT obj_description(%s::regclass, 'pg_class')", [name]).fetchone()
    described = scratch.execute(
        "SELECT attname, format_type(atttypid, NULL), attnotnull, "
        "col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        [name],
    ).fetchall()
    key = scratch.execute(
        "SELECT array_agg(attname::text ORDER BY place) FROM pg_index, "
        "unnest(indkey) WITH ORDINALITY AS part(attnum, place) "
        "JOIN pg_attribute USING (attnum) WHERE indisprimary AND indrelid = %(table)s::regclass"
        " AND attrelid = %(table)s::regclass",
        {"table": name},
    ).fetchone()
    is_landing = create is create_landing_table
    always = {*contract.key, "is_deleted"} if contract.is_versioned else set(contract.column_names)
    assert said == (contract.description,)
    assert key == (None if is_landing else list(contract.key),)
    assert described == [
        (
            c.name,
            c.physical_type or TYPES[c.type],
            c.is_required and c.name in always and not is_landing,
            c.description,
        )
        for c in contract.columns
    ]


@on_every_source
def test_the_warehouse_table_takes_what_the_rules_let_pass(
    contract: Contract, scratch: psycopg.Connection
) -> None:
    scratch.execute(create_table(contract, "scratch"))
    row = {c.name: VALUES[c.type] for c in contract.columns if c.is_required}
    later = datetime(2024, 1, 2, tzinfo=UTC)
    withdrawal = {name: row[name] for name in contract.key} | {"is_deleted": True}
    for absent in row:
        without = {name: value for name, value in row.items() if name != absent}
        assert refuses(scratch, contract, without), absent
    assert not refuses(scratch, contract, row)
    assert refuses(scratch, contract, row)
    assert not refuses(scratch, contract, withdrawal | {"known_at": later})
    for absent in withdrawal:
        without = {name: value for name, value in withdrawal.items() if name != absent}
        assert refuses(scratch, contract, without), absent


@on_every_source
def test_the_landing_table_takes_every_row(contract: Contract, scratch: psycopg.Connection) -> None:
    scratch.execute(create_landing_table(contract, "scratch"))
    row = {c.name: VALUES[c.type] for c in contract.columns}
    for _ in range(2):
        assert not refuses(scratch, contract, row)
    for lone in row:
        assert not refuses(scratch, contract, {lone: None})


def test_quotes_in_a_description_stay(tmp_path: Path, scratch: psycopg.Connection) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    scratch.execute(create_table(contract, "scratch"))
    said = scratch.execute("SELECT col_description('scratch.visits'::regclass, 1)").fetchone()
    assert said == ("The branch's own \"number\"; it's a text.",)


def test_every_type_that_a_contract_may_ask_for_is_one_of_postgresql(
    tmp_path: Path, scratch: psycopg.Connection
) -> None:
    content = deepcopy(SMALL)
    asked = {
        f"{kind}_{number}": (kind, known)
        for kind, all_known in POSTGRES_TYPES.items()
        for number, known in enumerate(all_known)
    }
    content["schema"][0]["properties"] += [
        {"name": name, "logicalType": kind, "physicalType": known}
        for name, (kind, known) in asked.items()
    ]
    scratch.execute(create_table(load_contract(write(tmp_path, content)), "scratch"))
    made = scratch.execute(
        "SELECT attname, atttypid::regtype = %s::regtype FROM pg_attribute "
        "WHERE attrelid = 'scratch.visits'::regclass AND attname = %s",
        ["json", "string_1"],
    ).fetchall()
    assert made == [("string_1", True)]
