"""A night that cannot be: one line that says what to do, and nothing published."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from pydantic import SecretStr

from pipeline import nightly
from pipeline.errors import RisklineError
from pipeline.settings import REPOSITORY, Settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.load import load
from pipeline.warehouse.server import Server, ensure_running
from tests.integration.policies import train_champion, write_policy

# Of a size, and on a day, with business enough for the day's shares to be judged: little is
# recorded on a month's last days. As short as a horizon of a month and some cohorts allow.
BANK = Bank(customers=2000, months=6)
NIGHT = BANK.last_date - timedelta(days=4)
NIGHT_BEFORE = NIGHT - timedelta(days=1)


@dataclass(frozen=True)
class Lender:
    """A lender whose models are trained and whose night before is published."""

    home: Path
    server: Server
    tables: dict[str, pa.Table]

    @property
    def warehouse(self) -> str:
        return self.server.url("warehouse", "risk_pipeline")

    def published(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self.warehouse) as connection:
            runs = connection.execute("SELECT * FROM risk.runs").fetchall()
            shown = connection.execute(
                "SELECT as_of_date, count(*), sum(pd) FROM risk.current_risk GROUP BY as_of_date"
            ).fetchall()
        return [*runs, *shown]


@pytest.fixture(scope="module")
def lender(module_home: Path) -> Lender:
    tables = simulate(BANK)
    source = module_home / "source"
    write_source(tables, source)
    policy = write_policy(module_home / "policy")
    server = ensure_running(module_home)
    settings = Settings(
        home=module_home,
        policy=policy,
        threads=1,
        source_url=SecretStr(str(source)),
        warehouse_url=SecretStr(server.url("warehouse", "risk_pipeline")),
    )
    train_champion(settings, NIGHT_BEFORE)
    nightly.run(settings, NIGHT_BEFORE, trigger="test")
    return Lender(module_home, server, tables)


@dataclass(frozen=True)
class Night:
    """The lender's next night, in a home of its own, with a source that a test may spoil."""

    lender: Lender
    home: Path
    settings: Settings

    @property
    def source(self) -> Path:
        return self.home / "source"

    def told(self, **changed: object) -> Settings:
        return Settings.model_validate({**dict(self.settings), **changed})

    def refused(self, settings: Settings) -> str:
        """What the person at the terminal reads."""
        before = self.lender.published()
        with pytest.raises(RisklineError) as refused:
            nightly.run(settings, NIGHT, trigger="test")
        assert self.lender.published() == before
        return str(refused.value)


@pytest.fixture
def night(lender: Lender) -> Iterator[Night]:
    home = lender.home / "night"
    for folder in ("lake", "source", "models"):
        # Files are replaced, never written in place: links do not spoil the originals.
        shutil.copytree(lender.home / folder, home / folder, copy_function=os.link)
    (home / "lake" / "source").unlink()
    yield Night(
        lender,
        home,
        Settings(
            home=home,
            source_url=SecretStr(str(home / "source")),
            warehouse_url=SecretStr(lender.warehouse),
            threads=1,
        ),
    )
    shutil.rmtree(home)


def write_source(tables: dict[str, pa.Table], folder: Path) -> None:
    folder.mkdir()
    for name, rows in tables.items():
        pq.write_table(rows, folder / f"{name}.parquet")


def replace(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    file = folder / f"{table}.parquet"
    rows = change(pq.read_table(file))
    file.unlink()
    pq.write_table(rows, file)


def with_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


def no_file(source: Path) -> None:
    (source / "loans.parquet").unlink()


def text_for_a_number(source: Path) -> None:
    replace(
        source,
        "loans",
        lambda rows: with_column(rows, "principal", pc.cast(rows["principal"], pa.string())),
    )


def half_an_instalment(source: Path) -> None:
    replace(
        source,
        "repayments",
        lambda rows: with_column(rows, "instalment_no", pc.add(rows["instalment_no"], 0.5)),
    )


def no_column(source: Path) -> None:
    replace(source, "repayments", lambda rows: rows.drop_columns(["due_date"]))


def no_known_at(source: Path) -> None:
    replace(source, "loans", lambda rows: rows.drop_columns(["known_at"]))


def empty_day(source: Path) -> None:
    midnight = pa.scalar(datetime.combine(NIGHT, datetime.min.time()), pa.timestamp("us"))
    replace(
        source,
        "repayments",
        lambda rows: rows.filter(pc.less(pc.local_timestamp(rows["known_at"]), midnight)),
    )


def negative_amounts(source: Path) -> None:
    def spoil(rows: pa.Table) -> pa.Table:
        is_odd = pc.equal(pc.bit_wise_and(rows["instalment_no"], 1), 1)
        amounts = pc.if_else(is_odd, pc.negate(rows["due_amount"]), rows["due_amount"])
        return with_column(rows, "due_amount", amounts)

    replace(source, "repayments", spoil)


def cut_short(source: Path) -> None:
    file = source / "repayments.parquet"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: len(content) // 2])


def cut_short_and_packed(source: Path) -> None:
    rows = pq.read_table(source / "loans.parquet")
    (source / "loans.parquet").unlink()
    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink)
    packed = gzip.compress(sink.getvalue().to_pybytes())
    (source / "loans.csv.gz").write_bytes(packed[: len(packed) // 2])


def header_only(source: Path) -> None:
    rows = pq.read_table(source / "repayments.parquet").slice(0, 0)
    (source / "repayments.parquet").unlink()
    csv.write_csv(rows, source / "repayments.csv")


def empty_file(source: Path) -> None:
    (source / "loans.parquet").unlink()
    (source / "loans.csv").write_bytes(b"")


def two_files(source: Path) -> None:
    csv.write_csv(pq.read_table(source / "loans.parquet"), source / "loans.csv")


def no_folder(source: Path) -> None:
    shutil.rmtree(source)


SPOILT: list[tuple[Callable[[Path], None], str]] = [
    (no_file, "table loans: no file loans.parquet, loans.csv or loans.csv.gz in"),
    (text_for_a_number, "table loans, column principal: the source delivers string"),
    (half_an_instalment, "table repayments, column instalment_no: a value does not fit int64"),
    (no_column, "table repayments lacks the column due_date of its contract; add it in"),
    (no_known_at, "table loans cannot be read from the source: Binder Error"),
    (empty_day, f"table repayments fails feed_arrived on {NIGHT}"),
    (negative_amounts, f"table repayments fails share_quarantined_of_the_day_pct on {NIGHT}"),
    (cut_short, "table repayments cannot be read from the source: Invalid Input Error"),
    (cut_short_and_packed, "table loans cannot be read from the source: "),
    (header_only, "table repayments: the source has none of the "),
    (empty_file, "table loans cannot be read from the source: "),
    (two_files, "loans.csv and loans.parquet both hold the table loans; keep one"),
    (no_folder, "does not exist; set RISK_SOURCE_URL"),
]


@pytest.mark.parametrize(
    ("spoil", "words"), [pytest.param(*case, id=case[0].__name__) for case in SPOILT]
)
def test_a_spoilt_folder(spoil: Callable[[Path], None], words: str, night: Night) -> None:
    spoil(night.source)
    said = night.refused(night.settings)
    assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT loan FROM loans", "table loans: query file loans.sql fails: Binder Error"),
        ("SELEC * FROM loans", "table loans: query file loans.sql fails: Parser Error"),
        ("SELECT * FROM borrowings", "table loans: query file loans.sql fails: Catalog Error"),
        ("SELECT 1 AS one", "table loans: query file loans.sql fails: Binder Error"),
    ],
)
def test_a_query_file_that_fails(query: str, words: str, night: Night) -> None:
    queries = night.home / "queries"
    queries.mkdir()
    (queries / "loans.sql").write_text(query)
    # Rows that were pulled without the query would stand in its way.
    shutil.rmtree(night.home / "lake" / "landed" / "loans")
    said = night.refused(night.told(source_queries=queries))
    assert words in said
    assert "correct it" in said
    assert "\n" not in said


def test_a_query_file_that_says_nothing(night: Night) -> None:
    queries = night.home / "queries"
    queries.mkdir()
    (queries / "loans.sql").write_text("")
    said = night.refused(night.told(source_queries=queries))
    assert "loans.sql is empty; write the SELECT into it" in said
    assert "\n" not in said


def test_a_folder_of_queries_that_is_not_there(night: Night) -> None:
    said = night.refused(night.told(source_queries=night.home / "none"))
    assert said.endswith("none does not exist; set RISK_SOURCE_QUERIES")


def test_a_table_that_the_database_lacks(night: Night) -> None:
    url = night.lender.server.url("bank", "bank")
    tables = {name: rows for name, rows in night.lender.tables.items() if name != "loans"}
    load(tables, url)
    said = night.refused(night.told(source_url=SecretStr(url)))
    assert said.startswith("table loans cannot be read from the source: ")
    assert '"loans" does not exist' in said
    assert said.endswith("supply it, or give a query file loans.sql")


def test_a_contract_that_cannot_be_read(night: Night) -> None:
    contracts = night.home / "contracts"
    shutil.copytree(night.settings.contracts, contracts)
    (contracts / "sources" / "loans.odcs.yaml").write_text("schema: [")
    said = night.refused(night.told(contracts=contracts))
    assert said.startswith("contract loans.odcs.yaml cannot be read: ")
    assert "\n" not in said


def test_no_model_trained_yet(night: Night) -> None:
    shutil.rmtree(night.home / "models")
    # What was built the night before is there, so that the night can go on from here.
    with pytest.raises(RisklineError) as refused:
        nightly.score(night.settings, NIGHT_BEFORE)
    assert str(refused.value) == (
        f"no model has been trained; run: riskline train --as-of {NIGHT_BEFORE}"
    )


def test_a_wrong_password_of_the_warehouse(night: Night) -> None:
    url = wrong_password(night.lender.warehouse)
    # What was scored the night before is there, so that the night can go on from here.
    with pytest.raises(RisklineError) as refused:
        nightly.decide(night.told(warehouse_url=SecretStr(url)), NIGHT_BEFORE)
    assert str(refused.value).startswith(
        "the warehouse cannot be reached; check RISK_WAREHOUSE_URL"
    )
    assert "hunter2" not in str(refused.value)


def wrong_password(url: str) -> str:
    login, place = url.split("@")
    return f"{login.rsplit(':', 1)[0]}:hunter2@{place}"


def riskline(night: Night, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command, told what the night is told."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("RISK_")}
    told = {
        "RISK_HOME": str(night.home),
        "RISK_SOURCE_URL": str(night.source),
        "RISK_WAREHOUSE_URL": night.lender.warehouse,
    }
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        cwd=REPOSITORY,
        env=given | told | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def nothing(source: Path) -> None:
    """Leave the source as it is."""


AT_THE_TERMINAL: list[tuple[str, Callable[[Path], None], str, dict[str, str], str]] = [
    ("missing file", no_file, f"{NIGHT}", {}, "table loans: no file"),
    ("bad date", nothing, "31.05.2024", {}, "as-of date '31.05.2024' is not a date"),
    ("a date to come", nothing, "2999-01-01", {}, "as-of date 2999-01-01 is not over yet"),
    ("unknown setting", nothing, f"{NIGHT}", {"RISK_HOEM": "x"}, "unknown setting RISK_HOEM"),
    (
        "source that is not there",
        nothing,
        f"{NIGHT}",
        {"RISK_SOURCE_URL": "postgresql://bank:hunter2@127.0.0.1:1/bank"},
        "the source database cannot be reached; check RISK_SOURCE_URL",
    ),
    (
        "warehouse that is not there",
        nothing,
        f"{NIGHT}",
        {"RISK_WAREHOUSE_URL": "postgresql://risk:hunter2@127.0.0.1:1/warehouse"},
        "the warehouse cannot be reached; check RISK_WAREHOUSE_URL",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "as_of", "variables", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in AT_THE_TERMINAL],
)
def test_the_command_ends_with_one_line(
    spoil: Callable[[Path], None],
    as_of: str,
    variables: dict[str, str],
    words: str,
    night: Night,
) -> None:
    spoil(night.source)
    before = night.lender.published()

    ended = riskline(night, "run", "--as-of", as_of, **variables)

    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith(f"riskline: {words}")
    for output in (ended.stdout, ended.stderr):
        assert "Traceback" not in output
        assert "hunter2" not in output
    assert night.lender.published() == before


def test_a_refused_password_of_the_source_is_not_shown(night: Night) -> None:
    url = wrong_password(night.lender.server.url("bank", "bank"))
    ended = riskline(night, "run", "--as-of", f"{NIGHT}", RISK_SOURCE_URL=url)
    assert ended.returncode == 1
    assert ended.stderr == (
        "riskline: the source database cannot be reached; check RISK_SOURCE_URL, and that the "
        "server runs and lets this role in\n"
    )
    assert "hunter2" not in ended.stdout


def test_the_same_night_with_good_input_is_published(night: Night) -> None:
    nightly.run(night.settings, NIGHT, trigger="test")
    with psycopg.connect(night.lender.warehouse) as connection:
        nights = connection.execute("SELECT as_of_date FROM risk.runs ORDER BY 1").fetchall()
    assert nights == [(NIGHT_BEFORE,), (NIGHT,)]
