"""Customers whose ids and names are SQL, paths and markup: they are text, and nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from pipeline.lookups import customer_view
from pipeline.pseudonyms import Ids
from pipeline.settings import REPOSITORY, Settings
from pipeline.warehouse.audit import verify
from pipeline.warehouse.server import ensure_running
from tests.integration import scored_bank
from tests.integration.scored_bank import NIGHTS, TABLES, ask, empty_warehouse, run, writer

NIGHT = NIGHTS[0]
HOSTILE = [
    "'; DROP TABLE risk.runs; --",
    '"; DROP SCHEMA risk CASCADE; --',
    "x'); DELETE FROM risk_private.customer_identity; --",
    "../../../../etc/passwd",
    "C1/../../outside",
    "<script>alert('x')</script>",
    "[bold red]not bold[/bold red]",
    "%s %(name)s {0} ${HOME} $1",
    "\\.\\N,\"x\";'y'",
    "NULL",
    "李明 مريم 🏦",
]
QUARANTINED = "'; DROP TABLE customers; -- [bold]"
KEY = "a secret of thirty-two characters"
ALL_ROWS = "SELECT string_agg(to_jsonb(t)::text, E'\\n') FROM {} AS t"


def with_values(rows: pa.Table, **values: Any) -> pa.Table:
    for name, column in values.items():
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, pa.array(column, field.type))
    return rows


def copied(bank: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The bank, and copies of some of its customers and their loans under hostile ids."""
    moment = datetime.combine(NIGHT, time(12), UTC)
    known = {
        row["customer_id"] for row in bank["customers"].to_pylist() if row["known_at"] < moment
    }
    indebted = {row["customer_id"] for row in bank["loans"].to_pylist() if row["known_at"] < moment}
    debtors = sorted(known & indebted)[: len(HOSTILE)]
    as_hostile = dict(zip(debtors, HOSTILE, strict=True))

    def of(table: str, column: str, values: list[Any]) -> pa.Table:
        """The last version of each row, as if it had become known on the night."""
        rows = bank[table].filter(pc.is_in(bank[table][column], pa.array(values)))
        past = [row for row in rows.sort_by("known_at").to_pylist() if row["known_at"] < moment]
        key = ("loan_id", "instalment_no") if table == "repayments" else (column, "loan_id")
        last = {tuple(row.get(name) for name in key): row for row in past}
        found = pa.Table.from_pylist([*last.values()], rows.schema)
        return with_values(found, known_at=[moment] * len(found))

    customers, loans = (of(name, "customer_id", debtors) for name in ("customers", "loans"))
    hostile = [as_hostile[own] for own in customers["customer_id"].to_pylist()]
    customers = with_values(customers, customer_id=hostile, name=hostile)
    repayments = of("repayments", "loan_id", pc.unique(loans["loan_id"]).to_pylist())
    refused = with_values(
        customers.slice(0, 1), customer_id=[QUARANTINED], segment=["'; DROP TABLE customers; --"]
    )
    added = {
        "customers": pa.concat_tables([customers, refused]),
        "loans": with_values(
            loans,
            customer_id=[as_hostile[own] for own in loans["customer_id"].to_pylist()],
            loan_id=[f"{own}'; --/../" for own in loans["loan_id"].to_pylist()],
        ),
        "repayments": with_values(
            repayments, loan_id=[f"{own}'; --/../" for own in repayments["loan_id"].to_pylist()]
        ),
    }
    # A column and a file that nobody asks for, with names that are SQL as well.
    name = '"; DROP TABLE customers; --'
    return {
        table: pa.concat_tables([rows, added[table]]) if table in added else rows
        for table, rows in bank.items()
    } | {name: bank["loans"].slice(0, 1).append_column(name, pa.array(["x"]))}


@pytest.fixture(scope="module")
def hostile(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    """The bank with hostile customers, and a published night."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = scored_bank.make(scored_template, module_home, monkeypatch)
        source = module_home / "source"
        shutil.copytree(scored_template / "source", source)
        for table, rows in copied(
            {n: pq.read_table(source / f"{n}.parquet") for n in TABLES}
        ).items():
            pq.write_table(rows, source / f"{table.replace('/', '')}.parquet")
        # The same bank in another folder.
        (settings.lake / "source").unlink()
        monkeypatch.setenv("RISK_SOURCE_URL", str(source))
        settings = Settings()
        run(settings, NIGHT)
        yield settings


def riskline(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command, told what the fixture set."""
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "RISK_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def everything(settings: Settings, schema: str) -> str:
    """All rows of all tables of a schema as text."""
    tables = ask(
        settings,
        f"SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace "
        "AND relkind IN ('r', 'p')",
    )
    assert tables
    rows = [ask(settings, ALL_ROWS.format(f"{schema}.{table}"))[0][0] for (table,) in tables]
    return "\n".join(row for row in rows if row)


def test_they_are_published_and_nothing_else_happens(hostile: Settings) -> None:
    published = {row for (row,) in ask(hostile, "SELECT customer_id FROM risk.risk_scores")}
    assert set(HOSTILE) < published
    assert len(published) > 900
    who = ask(hostile, "SELECT source_customer_id, name FROM risk_private.customer_identity")
    assert {(each, each) for each in HOSTILE} < set(who)
    assert len(who) == len(published)
    assert ask(hostile, "SELECT count(*) FROM risk.runs") == [(1,)]
    assert verify(writer(hostile)).entries >= 1


def test_no_file_is_named_after_one(hostile: Settings) -> None:
    names = [
        str(path.relative_to(hostile.home))
        for path in hostile.home.rglob("*")
        if (hostile.home / "source") not in path.parents
    ]
    assert len(names) > 100
    odd = ("passwd", "outside", "script", "DROP", "bold", "李")
    assert not [name for name in names if any(part in name for part in odd)]
    assert not (hostile.home.parent / "outside").exists()


def test_each_is_looked_at_by_its_own_number(hostile: Settings) -> None:
    for customer in HOSTILE:
        view = customer_view(hostile, NIGHT, customer)
        assert set(view.rows["customers"]["customer_id"].to_pylist()) == {customer}
        assert len(view.rows["loans"]) > 0
    for customer in (HOSTILE[0], "[bold red]not bold[/bold red]"):
        shown = riskline(hostile, "features", "--as-of", f"{NIGHT}", "--customer", customer)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert customer in shown.stdout


@pytest.mark.parametrize("customer", ["' OR '1'='1", "%", "*", "../customers", "[bold]x[/bold]"])
def test_no_number_stands_for_others(hostile: Settings, customer: str) -> None:
    shown = riskline(hostile, "features", "--as-of", f"{NIGHT}", "--customer", customer)
    assert shown.returncode == 1
    assert shown.stderr.startswith(f"riskline: no customer {customer!r} is known on {NIGHT}")
    assert len(shown.stderr.splitlines()) == 1


def test_a_refused_one_is_shown_as_it_is(hostile: Settings) -> None:
    shown = riskline(hostile, "quarantine", "--as-of", f"{NIGHT}", "--table", "customers")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert QUARANTINED in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",), ("train",), ("replay",), ("preview",), ("quarantine",), ("evidence",),
        ("features", "--customer", "C0000001"), ("whatif", "warning_capacity=1"),
    ],
    ids=lambda arguments: str(arguments[0]),
)  # fmt: skip
def test_a_date_is_a_date(hostile: Settings, arguments: tuple[str, ...]) -> None:
    for as_of in (f"{NIGHT}'; DROP TABLE risk.runs; --", "../../etc/passwd"):
        ended = riskline(hostile, *arguments, "--as-of", as_of)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"riskline: as-of date {as_of!r} is not a date")
        assert len(ended.stderr.splitlines()) == 1
    assert ask(hostile, "SELECT count(*) FROM risk.runs") == [(1,)]


@pytest.mark.parametrize("command", ["promote", "card"])
def test_a_version_is_a_number(hostile: Settings, command: str) -> None:
    for version in ("1' OR '1'='1", "../../../etc", "1/../2"):
        told = [version] if command == "promote" else ["--version", version]
        ended = riskline(hostile, command, *told)
        assert ended.returncode == 1
        assert "the registry has no model of version" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


def test_under_a_key_no_id_is_left_outside_of_the_private_schema(
    hostile: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = dict(ask(hostile, "SELECT customer_id, warning_id FROM risk.warning_list"))
    own = [row for (row,) in ask(hostile, "SELECT customer_id FROM risk.risk_scores")]
    run_id = ask(hostile, "SELECT run_id FROM risk.runs")
    monkeypatch.setenv("RISK_PSEUDONYM_KEY", KEY)
    keyed = Settings()
    empty_warehouse(keyed)
    run(keyed, NIGHT)

    # JSON writes some of them otherwise.
    told = [each for each in own if each.isascii() and not set('"\\\n') & set(each)]
    assert len(told) > 900
    text = everything(keyed, "risk") + everything(keyed, "risk_partitions")
    docs = "".join(page.read_text() for page in keyed.data_docs.rglob("*.html"))
    log = (keyed.home / "postgres" / "server.log").read_text()
    assert "is_deleted" in docs
    for place in (text, docs, log, caplog.text):
        assert not [each for each in told if each != "NULL" and each in place]
        assert KEY not in place
    pseudonyms = Ids.of(keyed).published(own)
    who = dict(
        ask(keyed, "SELECT source_customer_id, customer_id FROM risk_private.customer_identity")
    )
    assert who == pseudonyms
    warned = dict(ask(keyed, "SELECT customer_id, warning_id FROM risk.warning_list"))
    assert warned.keys() == {pseudonyms[each] for each in plain}
    assert not set(warned.values()) & set(plain.values())
    assert ask(keyed, "SELECT run_id FROM risk.runs") != run_id

    # The key is in nothing that is kept.
    assert KEY not in everything(keyed, "risk_private")
    for file in keyed.home.rglob("*"):
        if file.is_file() and "postgres" not in file.relative_to(keyed.home).parts[:1]:
            assert KEY.encode() not in file.read_bytes()
            if file.suffix == ".parquet" and "night" in file.parts:
                assert KEY not in str(pq.read_table(file).to_pylist())
    # The bank's own number still finds a customer.
    assert customer_view(keyed, NIGHT, HOSTILE[3]).rows["customers"]["customer_id"][0].as_py()
    url = ensure_running(keyed.home).url("warehouse", "risk_reader")
    with psycopg.connect(url) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT customer_id FROM risk_private.customer_identity")
    assert SecretStr(KEY) == keyed.pseudonym_key
