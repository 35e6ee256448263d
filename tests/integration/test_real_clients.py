"""What people connect with: psql, pandas and SQLAlchemy read every table and view, as readers."""

import subprocess
from collections.abc import Iterator

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

from pipeline.warehouse.postgres_programs import wheel_programs
from pipeline.warehouse.publish import publish, publish_performance
from pipeline.warehouse.schema import VIEWS
from pipeline.warehouse.server import Server
from tests.unit.test_publish import CONTRACTS, NIGHT, figures, night

NAMES = sorted({*CONTRACTS, *VIEWS})


@pytest.fixture(scope="module")
def reader_url(shared_server: Server) -> str:
    """The reader's, to a warehouse with a published night and a judged model."""
    writer = shared_server.url("warehouse", "risk_pipeline")
    with psycopg.connect(writer) as connection:
        connection.execute("DROP SCHEMA IF EXISTS risk CASCADE")
    publish(writer, NIGHT, night("first", rows=8), CONTRACTS)
    publish_performance(writer, "1", figures("1", 3), CONTRACTS)
    return shared_server.url("warehouse", "risk_reader")


@pytest.fixture(scope="module")
def alchemy(reader_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(reader_url.replace("postgresql://", "postgresql+psycopg://", 1))
    yield engine
    engine.dispose()


def psql(url: str, command: str) -> str:
    """What psql prints, the very program that people type."""
    program = wheel_programs() / "psql"
    done = subprocess.run(
        [program, url, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-c", command],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_psql_lists_and_reads_everything(reader_url: str) -> None:
    listed = psql(reader_url, r"\dtv+ risk.*")
    for name in NAMES:
        assert f" {name} " in listed
        assert " count " in psql(reader_url, f"SELECT count(*) FROM risk.{name}")
    for contract in CONTRACTS.values():
        assert contract.description in listed
    for says, _ in VIEWS.values():
        assert says in listed
    assert "risk_partitions" not in listed


@pytest.mark.parametrize("name", NAMES)
def test_psql_describes_every_column(reader_url: str, name: str) -> None:
    described = psql(reader_url, rf"\d+ risk.{name}")
    if name in CONTRACTS:
        for column in CONTRACTS[name].columns:
            assert column.description in described
    else:
        assert "Description" in described


@pytest.mark.parametrize("name", NAMES)
def test_pandas_reads_it(alchemy: sa.Engine, name: str) -> None:
    frame = pd.read_sql(f"SELECT * FROM risk.{name}", alchemy)
    if name in CONTRACTS:
        assert list(frame) == list(CONTRACTS[name].column_names)
    by_people = {"warning_feedback", "tier_override"}
    assert len(frame) > 0 or name in {*by_people, "stale_nights"}


def test_sqlalchemy_reflects_tables_views_keys_and_comments(alchemy: sa.Engine) -> None:
    found = sa.MetaData(schema="risk")
    found.reflect(alchemy, views=True)
    assert {table.name for table in found.tables.values()} == set(NAMES)
    for name, contract in CONTRACTS.items():
        table = found.tables[f"risk.{name}"]
        assert table.comment == contract.description
        assert {column.name for column in table.primary_key} == set(contract.key)
        assert {column.name: column.comment for column in table.columns} == {
            column.name: column.description for column in contract.columns
        }
    with alchemy.connect() as connection:
        for table in found.tables.values():
            connection.execute(sa.select(table).limit(5)).fetchall()
