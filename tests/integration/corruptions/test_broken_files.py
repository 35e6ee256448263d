"""Files that are not what they seem: read well, or refused in one line; never half."""

import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from pipeline.engines import folder as engine
from tests.integration.corruptions.healthy_bank import A_DAY, healthy_bank, write_folder
from tests.integration.corruptions.nights import (
    Night,
    copy_contracts,
    link_tree,
    replace,
    with_column,
)

Spoil = Callable[[Path], None]
TABLES = ("customers", "loans", "repayments")
DAYS = 3
ROWS = DAYS * A_DAY
LAST_LINE = ROWS + 1
ISO_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?=,)")


@dataclass(frozen=True)
class Healthy:
    """The healthy bank's source, and what it leaves in a lake."""

    home: Path
    landed_files: dict[str, bytes]


@pytest.fixture(scope="module")
def healthy(module_home: Path) -> Healthy:
    bank = healthy_bank(DAYS)
    write_folder({table: bank[table] for table in TABLES}, module_home / "source")
    copy_contracts(TABLES, module_home)
    night = Night(module_home, str(module_home / "source"))
    night.pull()
    return Healthy(module_home, night.landed_files())


@pytest.fixture
def night(healthy: Healthy) -> Iterator[Night]:
    home = healthy.home / "night"
    for folder in ("source", "contracts"):
        link_tree(healthy.home / folder, home / folder)
    yield Night(home, str(home / "source"))
    shutil.rmtree(home)


def as_csv(
    table: str,
    change: Callable[[str], str] = str,
    encoding: str = "utf-8",
    ending: str = ".csv",
    share: float = 1.0,
) -> Spoil:
    """The table as a CSV file, its text changed; of its bytes a share has arrived."""

    def spoil(folder: Path) -> None:
        sink = pa.BufferOutputStream()
        csv.write_csv(pq.read_table(folder / f"{table}.parquet"), sink)
        content = change(sink.getvalue().to_pybytes().decode()).encode(encoding)
        if ending.endswith(".gz"):
            content = gzip.compress(content)
        (folder / f"{table}.parquet").unlink()
        (folder / f"{table}{ending}").write_bytes(content[: int(len(content) * share)])

    return spoil


def cut_parquet(table: str, share: float) -> Spoil:
    """Of the file's bytes a share has arrived."""

    def spoil(folder: Path) -> None:
        content = (folder / f"{table}.parquet").read_bytes()
        as_file(table, content[: int(len(content) * share)], ".parquet")(folder)

    return spoil


def as_file(table: str, content: bytes, ending: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / f"{table}.parquet").unlink()
        (folder / f"{table}{ending}").write_bytes(content)

    return spoil


def reshaped(table: str, change: Callable[[pa.Table], pa.Table]) -> Spoil:
    return lambda folder: replace(folder, table, change)


def recast(table: str, column: str, change: Callable[[pa.ChunkedArray], pa.Array]) -> Spoil:
    """The table with another column in the place of one."""
    return reshaped(table, lambda rows: with_column(rows, column, change(rows[column])))


def renamed(table: str, name: Callable[[str], str]) -> Spoil:
    return reshaped(table, lambda rows: rows.rename_columns([name(n) for n in rows.column_names]))


def last_line(old: str, new: str) -> Callable[[str], str]:
    """The text with the first ``old`` of its last line replaced."""

    def change(text: str) -> str:
        before, line = text.rstrip("\n").rsplit("\n", 1)
        assert old in line
        return f"{before}\n{line.replace(old, new, 1)}\n"

    return change


def header(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: change(text[: text.index("\n")]) + text[text.index("\n") :]


def without_header(text: str) -> str:
    return text.split("\n", 1)[1]


def header_only(text: str) -> str:
    return text.split("\n", 1)[0] + "\n"


def fifth_name_unclosed(text: str) -> str:
    return text.replace('Zanzibar 4"', "Zanzibar 4", 1)


def one_more_column(text: str) -> str:
    first, *lines = text.rstrip("\n").split("\n")
    return "\n".join([f'{first},"note"', *(f'{line},"Zanzibar, 1"' for line in lines), ""])


def rows_numbered(text: str) -> str:
    """As pandas writes a frame: the first column has no name."""
    first, *lines = text.rstrip("\n").split("\n")
    return "\n".join([f",{first}", *(f"{n},{line}" for n, line in enumerate(lines)), ""])


def as_folder(folder: Path) -> None:
    (folder / "loans.parquet").unlink()
    (folder / "loans.parquet").mkdir()


def parquet_called_csv(folder: Path) -> None:
    (folder / "customers.parquet").rename(folder / "customers.csv")


def one_line_in_latin_1(folder: Path) -> None:
    as_csv("customers")(folder)
    file = folder / "customers.csv"
    *lines, last = file.read_bytes().rstrip(b"\n").split(b"\n")
    file.write_bytes(b"\n".join([*lines, last.replace(b"north", b"S\xfcd"), b""]))


def in_latin_1(values: pa.ChunkedArray) -> pa.Array:
    """Text of Latin-1 bytes that claims to be UTF-8, as careless programs leave it."""
    content = pa.array([b"M\xfcller"] * len(values), pa.binary())
    return pa.Array.from_buffers(pa.string(), len(values), content.buffers())


REFUSED: list[tuple[str, Spoil, str]] = [
    # Encodings.
    (
        "Latin-1 in the first lines",
        as_csv("customers", lambda text: text.replace("north", "Süd"), "latin-1"),
        "customers.csv is not in UTF-8; save it in that encoding; correct the file",
    ),
    (
        "Latin-1 in the last line",
        one_line_in_latin_1,
        f"line {LAST_LINE} is not in UTF-8; save the file in that encoding",
    ),
    ("UTF-16", as_csv("customers", encoding="utf-16"), "customers.csv is not in UTF-8"),
    (
        "UTF-16 without its mark",
        as_csv("customers", encoding="utf-16-le"),
        "the first line of customers.csv names none of the contract's columns",
    ),
    ("Latin-1 in Parquet", recast("customers", "name", in_latin_1), "is not valid UTF8"),
    # Types.
    (
        "text for a number",
        recast("loans", "principal", lambda column: column.cast(pa.string())),
        "table loans, column principal: the source delivers string, the contract wants double",
    ),
    (
        "thousands separators",
        as_csv("loans", last_line("10019", '"10,019"')),
        f'line {LAST_LINE} has a value in the column "principal" that is no number such as 1234.5',
    ),
    (
        "a decimal comma",
        as_csv("loans", last_line("10019", '"10019,50"')),
        f'line {LAST_LINE} has a value in the column "principal" that is no number such as 1234.5',
    ),
    (
        "a currency's sign",
        as_csv("loans", last_line("10019", "$10019")),
        f'line {LAST_LINE} has a value in the column "principal" that is no number',
    ),
    (
        "days as DD/MM/YYYY",
        as_csv("loans", lambda text: ISO_DAY.sub(r"\3/\2/\1", text)),
        'line 2 has a value in the column "originated_at" that is no date such as 2024-06-30',
    ),
    (
        "days as MM/DD/YYYY",
        as_csv("loans", lambda text: ISO_DAY.sub(r"\2/\3/\1", text)),
        'line 2 has a value in the column "originated_at" that is no date such as 2024-06-30',
    ),
    (
        "one day as DD.MM.YYYY",
        as_csv("loans", last_line(",2024-03-29,", ",02.03.2024,")),
        f'line {LAST_LINE} has a value in the column "originated_at" that is no date',
    ),
    (
        "30 February",
        as_csv("loans", last_line(",2024-03-29,", ",2024-02-30,")),
        f'line {LAST_LINE} has a value in the column "originated_at" that is no date',
    ),
    (
        "known_at as DD/MM/YYYY",
        as_csv("loans", last_line("2024-03-29 21:30", "29/03/2024 21:30")),
        f'line {LAST_LINE} has a value in the column "known_at" that is no time such as 2024-06-30',
    ),
    (
        "known_at as text",
        recast("loans", "known_at", lambda column: column.cast(pa.string())),
        "Cannot compare values of type VARCHAR and type TIMESTAMP WITH TIME ZONE",
    ),
    (
        "known_at as seconds since 1970",
        recast("loans", "known_at", lambda column: column.cast(pa.int64())),
        "Cannot compare values of type BIGINT and type TIMESTAMP WITH TIME ZONE",
    ),
    (
        "a date with a time of day",
        recast(
            "loans",
            "originated_at",
            lambda column: pc.add(
                column.cast(pa.timestamp("us")), pa.scalar(3_600_000_000, pa.duration("us"))
            ),
        ),
        "table loans, column originated_at: a value does not fit date32[day] (it has a time of day",
    ),
    (
        "half an instalment",
        recast("repayments", "instalment_no", lambda column: pc.add(column.cast("double"), 0.5)),
        "table repayments, column instalment_no: a value does not fit int64",
    ),
    (
        "half an instalment in CSV",
        as_csv("repayments", last_line(",1,", ",1.5,")),
        "table repayments, column instalment_no: a value does not fit int64",
    ),
    (
        "a whole number beyond int64",
        recast(
            "repayments",
            "instalment_no",
            lambda column: pa.array([2**63] * len(column), pa.uint64()),
        ),
        "table repayments, column instalment_no: a value does not fit int64",
    ),
    (
        "a whole number beyond int64 in CSV",
        as_csv("repayments", last_line(",1,", f",{2**63},")),
        "table repayments, column instalment_no: a value does not fit int64",
    ),
    (
        "a number of 60 digits in CSV",
        as_csv("repayments", last_line(",1,", f",{'9' * 60},")),
        f'line {LAST_LINE} has a value in the column "instalment_no" that is no number such as',
    ),
    (
        "account numbers as floats",
        recast("customers", "customer_id", lambda column: pa.array([1e12] * len(column))),
        "table customers, column customer_id: the source delivers double, the contract wants st",
    ),
    (
        "a boolean as text",
        recast("loans", "is_deleted", lambda column: pa.array(["N"] * len(column))),
        "table loans, column is_deleted: the source delivers string, the contract wants bool",
    ),
    (
        "a boolean as a number",
        recast("loans", "is_deleted", lambda column: pa.array([0] * len(column))),
        "table loans, column is_deleted: the source delivers int64, the contract wants bool",
    ),
    (
        "a boolean as a dash",
        as_csv("loans", lambda text: text.replace("false", "-")),
        'line 2 has a value in the column "is_deleted" that is no true or false',
    ),
    (
        "a list for a text",
        recast("customers", "name", lambda column: pa.array([[v] for v in column.to_pylist()])),
        "table customers, column name: the source delivers list<",
    ),
    (
        "a structure for a text",
        recast(
            "customers", "name", lambda column: pa.array([{"n": v} for v in column.to_pylist()])
        ),
        "table customers, column name: the source delivers struct<",
    ),
    # Files that did not arrive whole, or are something else.
    ("half of a Parquet file", cut_parquet("repayments", 0.5), "No magic bytes found at end of"),
    ("all but its end", cut_parquet("repayments", 0.999), "No magic bytes found at end of"),
    (
        "half of a packed file",
        as_csv("repayments", ending=".csv.gz", share=0.5),
        "Unexpected end of GZIP stream",
    ),
    (
        "a packed file but for its end",
        as_csv("repayments", ending=".csv.gz", share=0.999),
        "Unexpected end of GZIP stream",
    ),
    (
        "a CSV file that stops within a line",
        as_csv("repayments", share=0.5),
        " fields; the first line names 8",
    ),
    ("an empty Parquet file", as_file("loans", b"", ".parquet"), "too small to be a Parquet file"),
    (
        "an empty CSV file",
        as_file("loans", b"", ".csv"),
        "the first line of loans.csv is empty; it must name the columns",
    ),
    (
        "an empty packed file",
        as_file("loans", b"", ".csv.gz"),
        "the first line of loans.csv.gz is empty; it must name the columns",
    ),
    (
        "a CSV file of blank lines",
        as_file("loans", b"\n\n", ".csv"),
        "the first line of loans.csv is empty; it must name the columns",
    ),
    (
        "CSV that is called Parquet",
        as_file("loans", b"loan_id,known_at\nL1,2024-01-01\n", ".parquet"),
        "No magic bytes found",
    ),
    (
        "CSV that is called packed",
        as_file("loans", b"loan_id,known_at\nL1,2024-01-01\n", ".csv.gz"),
        "loans.csv.gz cannot be opened or unpacked: Not a gzipped file",
    ),
    ("Parquet that is called CSV", parquet_called_csv, "customers.csv is not in UTF-8"),
    ("a folder in the file's place", as_folder, "table loans: no file loans.parquet, loans.csv or"),
    (
        "a header only",
        as_csv("repayments", header_only),
        "table repayments has no row known by 2024-03-29; check the source, or run a later night",
    ),
    # Lines and columns.
    (
        "no header",
        as_csv("customers", without_header),
        "the first line of customers.csv names none of the contract's columns; it must hold the",
    ),
    (
        "a line too short",
        as_csv("customers", last_line(",false", "")),
        f"line {LAST_LINE} has 16 fields; the first line names 17",
    ),
    (
        "a line too long",
        as_csv("customers", last_line(",false", ",false,false")),
        f"line {LAST_LINE} has 18 fields; the first line names 17",
    ),
    (
        "a comma in a name without quotes",
        as_csv("customers", last_line('"Zanzibar 119"', "Zanzibar, 119")),
        f'line {LAST_LINE} has a value in the column "birth_date" that is no date such as',
    ),
    (
        "a quotation mark not closed",
        as_csv("customers", fifth_name_unclosed),
        "line 6 opens a quotation mark that is not closed as it should be",
    ),
    (
        "a quotation mark within a name",
        as_csv("customers", last_line('"Zanzibar 119"', '"Zan"zibar 119"')),
        f"line {LAST_LINE} opens a quotation mark that is not closed as it should be",
    ),
    (
        "a text of 10 MB in CSV",
        as_csv("customers", last_line("Zanzibar 119", "Zanzibar" * 1_300_000)),
        f"line {LAST_LINE} is longer than 2 MB; a quotation mark may be missing",
    ),
    (
        "another sign between the fields",
        as_csv("loans", lambda text: text.replace(",", "~")),
        "the first line of loans.csv names none of the contract's columns; it must hold the",
    ),
    (
        "two columns of a name",
        as_csv("customers", header(lambda line: line.replace("region", "name"))),
        "columns 3 and 7 of customers.csv have the same name; keep one",
    ),
    (
        "two columns of a name in Parquet",
        reshaped("customers", lambda rows: rows.append_column("name", rows["region"])),
        "columns 3 and 18 of customers.parquet have the same name; keep one",
    ),
    (
        "two columns of a name but for its case",
        as_csv("customers", header(lambda line: line.replace("region", "Name"))),
        "columns 3 and 7 of customers.csv have the same name; keep one",
    ),
    (
        "a column renamed",
        renamed("loans", lambda name: {"principal": "amount"}.get(name, name)),
        "table loans lacks the column principal of its contract; add it in the source or in the",
    ),
    (
        "a space in a column's name",
        as_csv("loans", header(lambda line: line.replace('"principal"', '" principal"'))),
        "table loans lacks the column principal of its contract; add it in the source or in the",
    ),
    (
        "a column without a name",
        as_csv("loans", header(lambda line: line.replace('"principal"', ""))),
        "table loans lacks the column principal of its contract; add it in the source or in the",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_a_file_that_is_refused(spoil: Spoil, words: str, night: Night, healthy: Healthy) -> None:
    spoil(night.source)
    said = night.refused(night.pull)
    assert words in said
    table = next(table for table in TABLES if f"table {table}" in said)
    # Tables before it have landed whole; of this one there is nothing.
    landed = night.landed_files()
    assert landed.items() <= healthy.landed_files.items()
    assert not any(name.startswith(f"{table}/") for name in landed)
    assert not any(night.lake.root.glob("landed/*/.new_*"))


ALIKE: list[tuple[str, Spoil]] = [
    ("CSV", as_csv("loans")),
    ("packed", as_csv("loans", ending=".csv.gz")),
    ("a byte order mark", as_csv("loans", encoding="utf-8-sig")),
    ("packed, with a byte order mark", as_csv("loans", encoding="utf-8-sig", ending=".csv.gz")),
    ("lines ended as on Windows", as_csv("loans", lambda text: text.replace("\n", "\r\n"))),
    ("lines ended as on old Macs", as_csv("loans", lambda text: text.replace("\n", "\r"))),
    ("no end of the last line", as_csv("loans", lambda text: text[:-1])),
    ("blank lines at the end", as_csv("loans", lambda text: f"{text}\n\n")),
    ("semicolons", as_csv("loans", lambda text: text.replace(",", ";"))),
    ("tabs", as_csv("loans", lambda text: text.replace(",", "\t"))),
    ("bars", as_csv("loans", lambda text: text.replace(",", "|"))),
    ("a column more", as_csv("loans", one_more_column)),
    ("rows numbered", as_csv("loans", rows_numbered)),
    ("capitals in CSV", as_csv("loans", header(str.upper))),
    ("capitals in Parquet", renamed("loans", str.upper)),
    ("columns reversed", reshaped("loans", lambda rows: rows.select(rows.column_names[::-1]))),
    ("rows reversed", reshaped("loans", lambda rows: rows.take(pa.array(range(ROWS)[::-1])))),
    ("no as N", as_csv("loans", lambda text: text.replace("false", "N"))),
    ("no as 0", as_csv("loans", lambda text: text.replace("false", "0"))),
    ("whole numbers with a point", as_csv("customers", lambda t: t.replace(",1,", ",1.0,"))),
    (
        "instants with an offset",
        as_csv("loans", lambda t: t.replace("21:30:00.000000Z", "23:30:00+02:00")),
    ),
    ("instants without a zone", recast("loans", "known_at", lambda c: c.cast(pa.timestamp("us")))),
]


@pytest.mark.parametrize("spoil", [pytest.param(case[1], id=case[0]) for case in ALIKE])
def test_a_file_that_says_the_same(spoil: Spoil, night: Night, healthy: Healthy) -> None:
    spoil(night.source)
    night.pull()
    assert night.landed_files() == healthy.landed_files


def test_an_unreadable_file(night: Night) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    (night.source / "loans.parquet").chmod(0)
    assert "table loans cannot be read from the source" in night.refused(night.pull)


def test_a_link_that_leads_nowhere(night: Night) -> None:
    (night.source / "loans.parquet").unlink()
    (night.source / "loans.parquet").symlink_to(night.home / "nothing")
    assert "table loans: no file loans.parquet" in night.refused(night.pull)


def test_a_broken_file_that_no_contract_names_stops_nobody(night: Night, healthy: Healthy) -> None:
    (night.source / "Zanzibar.csv").write_bytes(b"\xff\xfe")
    (night.source / "notes.txt").write_text("nothing")
    night.pull()
    assert night.landed_files() == healthy.landed_files


def test_a_file_cut_while_it_is_read(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender starts over when the first rows have been read already."""
    file = night.source / "loans.csv"
    rows = pq.read_table(night.source / "loans.parquet")
    # More than the reader takes in at once.
    as_csv("loans", lambda text: text + without_header(text) * 2000)(night.source)
    size = file.stat().st_size
    monkeypatch.setattr(engine, "BATCH_ROWS", 2048)
    read = duckdb.DuckDBPyRelation.to_arrow_reader

    def cut_short(relation: duckdb.DuckDBPyRelation, batch_rows: int) -> pa.RecordBatchReader:
        reader = read(relation, batch_rows)
        os.truncate(file, size // 2 - 7)
        return reader

    monkeypatch.setattr(duckdb.DuckDBPyRelation, "to_arrow_reader", cut_short)
    assert "table loans cannot be read from the source" in night.refused(night.pull)
    assert night.lake.days("landed", "loans") == []
    assert len(rows) == ROWS
