"""A folder as a source: whatever it is called, its files are read, and no others."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.schema import conform
from pipeline.errors import RisklineError
from pipeline.settings import REPOSITORY
from pipeline.sources.files import FolderSource

CONTRACT = load_contracts(REPOSITORY / "data_contracts" / "sources")["repayments"]
UNTIL = datetime(2024, 4, 1, tzinfo=UTC)
Write = Callable[[pa.Table, Path], None]


def instalment(loan_id: str = "L1") -> pa.Table:
    row = {
        "loan_id": loan_id,
        "instalment_no": 1,
        "due_date": date(2024, 3, 1),
        "due_amount": 12.34,
        "known_at": datetime(2024, 3, 1, tzinfo=UTC),
        "is_deleted": False,
    }
    return pa.Table.from_pylist([row], schema=CONTRACT.arrow_schema)


def write_parquet(rows: pa.Table, folder: Path) -> None:
    pq.write_table(rows, folder / "repayments.parquet")


def write_csv(rows: pa.Table, folder: Path) -> None:
    csv.write_csv(rows, folder / "repayments.csv")


WRITERS = pytest.mark.parametrize("write", [write_parquet, write_csv])


def read(folder: Path, query: str | None = None) -> pa.Table:
    """The rows of repayments, by a query file or as they are."""
    queries = None
    if query is not None:
        queries = folder.parent / "queries"
        queries.mkdir(exist_ok=True)
        (queries / "repayments.sql").write_text(query, encoding="utf-8")
    batches = FolderSource(folder, queries).read(CONTRACT, None, UNTIL)
    return conform(pa.Table.from_batches(batches), CONTRACT)


@WRITERS
@pytest.mark.parametrize("query", [None, "SELECT * FROM repayments"])
def test_a_folders_name_is_no_column(write: Write, query: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "due_amount=3" / "source"
    folder.mkdir(parents=True)
    write(instalment(), folder)
    assert read(folder, query).equals(instalment())


@WRITERS
@pytest.mark.parametrize(
    ("name", "sibling"),
    [
        ("a*b", "aXb"),
        ("a?b", "aXb"),
        ("a[X]b", "aXb"),
        ("a[!Y]b", "aXb"),
        ("a[b", "aXb"),
        ("a[]b", "aXb"),
        ("[*]", "*"),
        ("**", "aXb"),
        ("it's", "its"),
        ("a\\b", "ab"),
    ],
)
def test_a_folders_name_is_no_pattern(
    write: Write, name: str, sibling: str, tmp_path: Path
) -> None:
    for number, folder in enumerate((tmp_path / name, tmp_path / sibling), start=1):
        folder.mkdir()
        write(instalment(f"L{number}"), folder)
    assert read(tmp_path / name)["loan_id"].to_pylist() == ["L1"]
    assert read(tmp_path / sibling)["loan_id"].to_pylist() == ["L2"]


def test_a_name_that_duckdb_cannot_be_told_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a\\*b"
    folder.mkdir()
    write_parquet(instalment(), folder)
    with pytest.raises(RisklineError, match=r"has a backslash beside one of .*; rename the file"):
        read(folder)


@pytest.mark.parametrize("name", ["REPAYMENTS.parquet", "Repayments.PARQUET"])
@pytest.mark.parametrize("query", [None, "SELECT * FROM repayments"])
def test_the_case_of_a_files_name_does_not_matter(
    name: str, query: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    pq.write_table(instalment(), folder / name)
    assert FolderSource(folder, None).has("repayments")
    assert read(folder, query).equals(instalment())


def test_the_types_of_a_csv_file_in_capitals_are_the_contracts(tmp_path: Path) -> None:
    # Guessed, the digits would become a number and lose their zeros.
    csv.write_csv(instalment("0012"), tmp_path / "REPAYMENTS.CSV")
    assert read(tmp_path)["loan_id"].to_pylist() == ["0012"]


@pytest.mark.parametrize("name", ["Repayments.parquet", "repayments.csv", "REPAYMENTS.CSV.GZ"])
def test_two_files_of_one_table_are_refused(name: str, tmp_path: Path) -> None:
    write_parquet(instalment(), tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(RisklineError, match="both hold the table repayments; keep one"):
        read(tmp_path)


def test_a_file_that_is_only_an_ending_is_no_table(tmp_path: Path) -> None:
    write_parquet(instalment(), tmp_path)
    (tmp_path / ".parquet").touch()
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("name", ["parameters", "folder", "tables_in", "duckdb", "sql"])
def test_a_table_is_no_variable_of_the_program(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    with pytest.raises(RisklineError) as refused:
        read(folder, f"SELECT * FROM {name}")
    assert f"Table with name {name} does not exist" in str(refused.value)
    assert "Python" not in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n", ";", "\n;\n"])
def test_an_empty_query_file_is_not_the_table_itself(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    write_parquet(instalment(), folder)
    with pytest.raises(RisklineError, match=r"repayments\.sql is empty; write the SELECT .*remove"):
        read(folder, text)


def test_a_query_leaves_nothing_where_the_program_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "source", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("pipeline.engines.folder.memory_limit", lambda: "60MB")
    # Sorting this much does not fit; what waits on disk is gone at the end.
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "repayments.sql").write_text(
        "SELECT range AS loan_id, NULL::timestamptz AS known_at FROM range(10_000_000) "
        "ORDER BY hash(range)"
    )
    batches = FolderSource(folder, queries).read(CONTRACT, None, UNTIL)
    seen: set[Path] = set()
    for _ in batches:
        seen.update(here.iterdir())
    assert seen == set()
