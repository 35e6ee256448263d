"""A night rests on the night published before it; where that one changes, it is named as stale."""

from datetime import date

import psycopg
import pytest
from psycopg import sql

from pipeline.contracts.odcs import load_contracts
from pipeline.settings import REPOSITORY
from pipeline.warehouse.schema import ensure_schema
from pipeline.warehouse.server import Server

OUTPUTS = load_contracts(REPOSITORY / "data_contracts" / "outputs")
FILLER = {"text": "x", "date": "2024-01-01", "timestamptz": "2024-01-01Z", "bigint": 0}
KINDS = {"string": "text", "date": "date", "timestamp": "timestamptz", "integer": "bigint"}


@pytest.mark.parametrize(
    ("nights", "stale"),
    [
        ([], []),
        ([(1, "a", None)], []),
        ([(1, "a", None), (2, "b", "a"), (3, "c", "b")], []),
        # Night 2 came after night 3 had been decided without it.
        ([(1, "a", None), (2, "b", "a"), (3, "c", "a")], [3]),
        # Night 1 was run again with another result: everything after it rests on sand.
        ([(1, "z", None), (2, "b", "a"), (3, "c", "b")], [2, 3]),
        # The first night of all has nothing before it.
        ([(2, "b", "a")], [2]),
    ],
)
def test_nights_decided_on_another_past_are_named(
    shared_server: Server, nights: list[tuple[int, str, str | None]], stale: list[int]
) -> None:
    contract = OUTPUTS["runs"]
    with psycopg.connect(shared_server.url("warehouse", "risk_pipeline")) as connection:
        ensure_schema(connection, OUTPUTS)
        connection.execute("DELETE FROM risk.runs")
        for day, run_id, previous in nights:
            row = {c.name: FILLER[KINDS[c.type]] for c in contract.columns}
            row |= {"as_of_date": date(2024, 1, day), "run_id": run_id, "previous_run_id": previous}
            connection.execute(
                sql.SQL("INSERT INTO risk.runs ({}) VALUES ({})").format(
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(map(sql.Literal, row.values())),
                )
            )
        found = connection.execute("SELECT as_of_date FROM risk.stale_nights").fetchall()
        connection.rollback()
    assert found == [(date(2024, 1, day),) for day in stale]
