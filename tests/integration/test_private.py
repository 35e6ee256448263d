"""Who customers are stays behind the officers' role, under their own ids or under pseudonyms."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from pipeline import nightly
from pipeline.errors import RisklineError
from pipeline.pseudonyms import Ids
from pipeline.replay import replay
from pipeline.rooms import Rooms
from pipeline.settings import Settings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.private import ensure_private
from pipeline.warehouse.server import ensure_running
from tests.integration import scored_bank
from tests.integration.scored_bank import NIGHTS, ask, empty_warehouse, published, run

KEY = "a secret of thirty-two characters"
OTHER_KEY = "another secret of as many letters"
PERSONAL = (
    "SELECT customer_id, source_customer_id, name, national_id FROM risk_private.customer_identity "
    "ORDER BY source_customer_id"
)
BY_FUNCTION = (
    "CREATE FUNCTION pg_temp.f() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS "
    "'SELECT count(*) FROM risk_private.customer_identity'; SELECT pg_temp.f()"
)


@pytest.fixture(scope="module")
def plain(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    """The bank with two published nights."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = scored_bank.make(scored_template, module_home, monkeypatch)
        run(settings, NIGHTS[0])
        run(settings, NIGHTS[1])
        yield settings


def as_role(settings: Settings, role: str, query: str) -> list[tuple[Any, ...]]:
    url = ensure_running(settings.home).url("warehouse", role)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return connection.execute(query.encode()).fetchall()


def test_an_officer_reads_who_the_customers_are(plain: Settings) -> None:
    found = as_role(plain, "risk_officer", PERSONAL)
    scored = ask(plain, f"SELECT count(*) FROM risk.risk_scores WHERE as_of_date = '{NIGHTS[1]}'")
    assert len(found) == scored[0][0] > 900
    source = plain.source_url
    assert source is not None
    rows = pq.read_table(Path(source.get_secret_value()) / "customers.parquet").to_pylist()
    names = {(row["customer_id"], row["name"]) for row in rows}
    assert {(customer, name) for customer, _, name, _ in found} <= names
    assert all(customer == own for customer, own, _, _ in found)


@pytest.mark.parametrize(
    "attempt",
    [
        PERSONAL,
        "SELECT count(*) FROM risk_private.customer_identity",
        "SELECT * FROM risk_private.customer_identity LIMIT 0",
        "COPY risk_private.customer_identity TO STDOUT",
        "SET ROLE risk_officer",
        "GRANT risk_officer TO risk_reader",
        "SET SESSION AUTHORIZATION risk_officer",
        BY_FUNCTION,
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('pg_hba.conf')",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT lo_import('/etc/passwd')",
        "SELECT risk.append('x')",
    ],
)
def test_the_reader_finds_no_way_to_it(plain: Settings, attempt: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        as_role(plain, "risk_reader", attempt)
    assert isinstance(
        caught.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.UndefinedFunction
    )


def test_no_table_that_the_reader_reads_holds_anything_personal(plain: Settings) -> None:
    names = {name for _, _, name, _ in as_role(plain, "risk_officer", PERSONAL)}
    numbers = {number for _, _, _, number in as_role(plain, "risk_officer", PERSONAL)}
    tables = as_role(
        plain,
        "risk_reader",
        "SELECT relname FROM pg_class WHERE relnamespace = 'risk'::regnamespace "
        "AND relkind IN ('r', 'p', 'v')",
    )
    assert len(tables) > 12
    for (table,) in tables:
        rows = as_role(plain, "risk_reader", f"SELECT to_jsonb(t)::text FROM risk.{table} AS t")
        text = "\n".join(row for (row,) in rows)
        assert not [name for name in names if f'"{name}"' in text], table
        assert not [number for number in numbers if number and number in text], table


def test_a_backfilled_night_leaves_the_newest_identities(plain: Settings) -> None:
    before = as_role(plain, "risk_officer", PERSONAL)
    run(plain, NIGHTS[0])
    assert as_role(plain, "risk_officer", PERSONAL) == before


def with_key(settings: Settings, key: str | None) -> Settings:
    """The same settings with another key; by way of the environment, as people set it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if key is None:
            monkeypatch.delenv("RISK_PSEUDONYM_KEY", raising=False)
        else:
            monkeypatch.setenv("RISK_PSEUDONYM_KEY", key)
        return Settings()


def test_another_contract_takes_only_what_it_no_longer_asks_for(plain: Settings) -> None:
    customers = Rooms(plain).contracts["customers"]
    new = dataclasses.replace(
        next(column for column in customers.columns if column.name == "name"), name="nickname"
    )
    columns = [column for column in customers.columns if column.name != "name"]
    other = dataclasses.replace(customers, columns=(*columns, new))
    before = as_role(plain, "risk_officer", "SELECT count(*) FROM risk_private.customer_identity")
    with connect(ensure_running(plain.home).url("warehouse", "risk_pipeline")) as connection:
        ensure_private(connection, other)
    found = as_role(
        plain,
        "risk_officer",
        "SELECT count(*), count(nickname), count(national_id) FROM risk_private.customer_identity",
    )
    assert found[0][:2] == (before[0][0], 0)
    assert found[0][2] > 0
    with pytest.raises(psycopg.errors.UndefinedColumn):
        as_role(plain, "risk_officer", "SELECT name FROM risk_private.customer_identity")
    # The newest night fills it again.
    run(plain, NIGHTS[1])
    names = as_role(plain, "risk_officer", "SELECT count(name) FROM risk_private.customer_identity")
    assert names == before


def test_a_key_is_switched_on_in_an_empty_warehouse_only(plain: Settings) -> None:
    before = published(plain)
    with pytest.raises(RisklineError, match="published under other customer ids") as caught:
        run(with_key(plain, KEY), NIGHTS[2])
    assert KEY not in str(caught.value)
    # Nor before a later night: the two would tell whose pseudonyms they are.
    with pytest.raises(RisklineError, match=f"the night of {NIGHTS[1]} is published under other"):
        nightly.decide(with_key(plain, KEY), NIGHTS[0])
    assert published(plain) == before


def test_under_a_key_customers_bear_pseudonyms_that_only_its_holder_links(
    plain: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    own = published(plain)
    keyed = with_key(plain, KEY)
    empty_warehouse(keyed)
    run(keyed, NIGHTS[0])
    run(keyed, NIGHTS[1])
    tables = published(keyed)
    ids = Ids(KEY.encode()).published({row["customer_id"] for row in own["risk_scores"]})
    # The same nights, but for what the customers are called.
    for table in ("risk_scores", "risk_tiers", "credit_actions"):
        assert {
            (row["as_of_date"], ids[row["customer_id"]], row.get("pd"), row.get("tier"))
            for row in own[table]
        } == {
            (row["as_of_date"], row["customer_id"], row.get("pd"), row.get("tier"))
            for row in tables[table]
        }
    assert len(tables["warning_list"]) == len(own["warning_list"])
    text = str(tables)
    assert all(re.fullmatch("[0-9a-f]{32}", row["customer_id"]) for row in tables["risk_scores"])
    assert not [customer for customer in ids if f"'{customer}'" in text]
    assert KEY not in text + caplog.text
    found = as_role(keyed, "risk_officer", PERSONAL)
    assert {(own_id, name) for name, own_id, _, _ in found} == set(ids.items())
    # What is said of runs tells keys apart, and nothing of them.
    fingerprints = {row["pseudonym_fingerprint"] for row in tables["runs"]}
    assert len(fingerprints) == 1
    assert fingerprints != {Ids(OTHER_KEY.encode()).fingerprint}
    assert replay(keyed, NIGHTS[1]).is_same
    with pytest.raises(RisklineError, match="published under other customer ids"):
        nightly.decide(with_key(plain, OTHER_KEY), NIGHTS[1])


@pytest.mark.parametrize("key", ["short", "x" * 31])
def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    from pipeline.settings import load_settings

    monkeypatch.setenv("RISK_PSEUDONYM_KEY", key)
    with pytest.raises(RisklineError, match=r"RISK_PSEUDONYM_KEY: .*32 characters") as caught:
        load_settings()
    assert key not in str(caught.value).replace("RISK_PSEUDONYM_KEY", "")
