"""The Data Docs of a night are whole or not there, and hold no value of a row."""

import logging
import multiprocessing
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.contracts.contract import BatchCheck, Column, Contract, Metric, Severity
from pipeline.contracts.data_docs import figure, write_data_docs
from pipeline.contracts.expectations import Verdict, check_batch, check_rows
from pipeline.contracts.judged import TableCounts
from pipeline.contracts.rules import (
    CleanText,
    LengthWithin,
    NotBefore,
    OfForm,
    OneOf,
    Required,
    UniqueKey,
    UnlessWithdrawn,
    Within,
)

NIGHT = date(2024, 2, 29)
TYPES = {
    "name": "string",
    "income": "number",
    "number": "integer",
    "born": "date",
    "seen_at": "timestamp",
    "is_deleted": "boolean",
}
# Every one of its rules is broken by the rows below.
PEOPLE = Contract(
    table="people",
    description="",
    grain="",
    columns=tuple(
        Column(name, kind, "", is_required=False, is_personal=True) for name, kind in TYPES.items()
    ),
    key=("number",),
    rules=(
        Required("name"),
        OneOf("name", ("Ann", "Bob")),
        LengthWithin("name", 1, 3),
        CleanText("name"),
        OfForm("name", "[a-z]+"),
        Within("income", minimum=0.0, maximum=1.0),
        Within("number", maximum=9),
        UnlessWithdrawn(Within("born", minimum=date(1900, 1, 1)), "is_deleted"),
        Within("seen_at", maximum=date(1900, 1, 1)),
        NotBefore("born_after_seen", "born", "seen_at"),
        NotBefore("income_above_number", "income", "number"),
        UniqueKey(("number",), ()),
        UniqueKey(("name", "born"), ()),
    ),
    batch_checks=(
        BatchCheck("rows_seen", next(iter(Metric)), Severity.FAIL, "Less than <b>.", maximum=2),
        BatchCheck("rows_late", next(iter(Metric)), Severity.WARN, "At most one.", maximum=1),
        BatchCheck("rows_lost", next(iter(Metric)), Severity.FAIL, "None at all.", maximum=0),
    ),
    is_optional=False,
    sha256="",
)
SECRET = (
    "Zebedee\tQuux",
    918_273_645.25,
    73_917_391,
    date(1871, 5, 9),
    datetime(1987, 3, 26, 13, 47, tzinfo=UTC),
)
SECRETS = ["Zebedee", "Quux", "918273645", "918,273,645", "9.18", "73917391", "73,917,391"]
SECRETS += ["7.39", "1871", "1987", "13:47"]
FACTS = {"rows_seen": 1_234_567, "rows_late": 100 / 3, "rows_lost": 0}
COUNTS = {
    "people": TableCounts("people", landed=1_003, valid=1_001, quarantined=2),
    "visits": TableCounts("visits", landed=0, valid=0, quarantined=0),
}


def people() -> pa.Table:
    name, income, number, born, seen_at = SECRET
    rows = [
        (name, income, number, born, seen_at, False),
        (name, -income, number, born, seen_at, None),
        (None, None, None, None, None, True),
    ]
    return pa.table(
        [list(column) for column in zip(*rows, strict=True)], schema=PEOPLE.arrow_schema
    )


@pytest.fixture(scope="module")
def verdicts() -> Mapping[str, Sequence[Verdict]]:
    return {
        "people": [check_batch(PEOPLE, FACTS), check_rows(PEOPLE, people())],
        "visits": [Verdict(), Verdict()],
    }


@pytest.fixture(autouse=True)
def no_page_was_left_broken(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Great Expectations logs what it cannot render, and leaves a hole in the page."""
    yield
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def files_of(site: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in site.iterdir()}


def names_in(folder: Path) -> list[str]:
    """What lies in the folder beside the locks, with a finished site named as its link."""
    sites = {link.readlink().name: link.name for link in folder.iterdir() if link.is_symlink()}
    found = (sites.get(path.name, path.name) for path in folder.iterdir() if not path.is_symlink())
    return sorted(name for name in found if not name.endswith(".lock"))


def test_there_is_a_page_a_suite_and_an_index_that_leads_to_each(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    index = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)

    assert index == tmp_path / "2024-02-29" / "index.html"
    text = index.read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"]*)"', text))
    assert links == {"people.batch.html", "people.rows.html"}
    assert set(files_of(index.parent)) == {*links, "index.html"}
    for link in links:
        page = (index.parent / link).read_text(encoding="utf-8")
        assert re.findall(r'href="([^"]*)"', page) == ["index.html"]
        assert "2024-02-29" in page
        # Nothing is known of the time of a run.
        assert "00:00" not in page


def cells_of(text: str) -> list[tuple[str, ...]]:
    """The words in each row of each table."""
    return [
        tuple(" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells)
        for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
        if (cells := re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL))
    ]


def test_the_index_names_what_does_not_hold_what_failed_first(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    index = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)
    text = index.read_text(encoding="utf-8").partition("All tables")[0]
    broken = cells_of(text)
    assert broken[0] == (
        *("failed", "people", "rows_seen", "1,234,567", "&lt;= 2", "Less than &lt;b&gt;."),
    )
    assert [(row[0], row[2]) for row in broken[1:-1]] == [
        ("failed", rule.name) for rule in PEOPLE.rules
    ]
    assert broken[-1] == ("warned", "people", "rows_late", "33.33", "&lt;= 1", "At most one.")
    assert text.count('<td class="failed">') == len(broken) - 1
    assert text.count('<td class="warned">') == 1
    assert text.count('<td class="number">') == len(broken)


def test_the_index_has_a_row_a_table_with_its_rows_and_its_pages(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    index = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)
    text = index.read_text(encoding="utf-8").partition("All tables")[2]
    assert cells_of(text) == [
        ("people", "1,003", "1,001", "2", "13 failed of 13", "1 failed , 1 warned of 3"),
        ("visits", "0", "0", "0", "not asked", "not asked"),
    ]
    assert re.findall(r'href="([^"]*)"', text) == ["people.rows.html", "people.batch.html"]


def test_the_index_of_a_night_without_fault_says_so(tmp_path: Path) -> None:
    held = {"people": [check_batch(PEOPLE, dict.fromkeys(FACTS, 0))]}
    text = write_data_docs(tmp_path, NIGHT, held, COUNTS).read_text(encoding="utf-8")
    assert "Nothing: every check holds." in text
    assert cells_of(text) == [("people", "1,003", "1,001", "2", "not asked", "all 3 hold")]


FIGURES = [
    # number, as written
    (0, "0"),
    (3.0, "3"),
    (1_234_567, "1,234,567"),
    (100 / 3, "33.33"),
    (0.2895193978, "0.2895"),
    (12_345.678, "12,345.7"),
    # Not the bound itself.
    (5.0004, "5.0004"),
    (4.99999, "4.99999"),
    (-0.5, "-0.5"),
    (float("inf"), "inf"),
    (float("nan"), "nan"),
]


@pytest.mark.parametrize(("number", "written"), FIGURES)
def test_a_figure_is_short_and_no_fraction_looks_whole(number: float, written: str) -> None:
    assert figure(number) == written


def test_a_page_shows_each_check_with_what_was_observed(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    site = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent
    batch = (site / "people.batch.html").read_text(encoding="utf-8")
    assert sorted(cells_of(batch)) == [
        ("failed", "Less than &lt;b&gt;. (&lt;= 2)", "1,234,567"),
        ("holds", "None at all. (&lt;= 0)", "0"),
        ("warned", "At most one. (&lt;= 1)", "33.33"),
    ]
    assert re.findall(r'<i class="(\w+)"\s*>(\w+)</i>', batch) == [
        ("warned", "warned"),
        ("holds", "holds"),
        ("failed", "failed"),
    ]
    rows = (site / "people.rows.html").read_text(encoding="utf-8")
    for rule in PEOPLE.rules:
        assert rule.describe() in rows
    assert [row[0] for row in cells_of(rows)] == ["failed"] * len(PEOPLE.rules)
    assert not re.search(r"\d\.\d{5}", rows)


def test_a_page_of_rows_says_that_it_judges_those_that_stayed_valid(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    site = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent
    said = " ".join((site / "people.rows.html").read_text(encoding="utf-8").split())
    assert "rows of the look-back window that stayed valid" in said
    assert "quarantined before, 2 of all 1,003 that landed" in said
    assert "riskline quarantine --as-of 2024-02-29 --table people" in said


def test_every_table_scrolls_in_a_box_of_its_own(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    site = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent
    for name, content in files_of(site).items():
        text = content.decode()
        boxes = re.findall(r'<div [^>]*class="[^"]*\b(?:scroll|table-responsive)\b', text)
        assert len(boxes) == text.count("<table") > 0, name
        assert ".scroll, .table-responsive { overflow-x: auto; }" in text


def test_no_value_of_a_row_is_on_any_page(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    rows = verdicts["people"][1]
    assert not any(result.has_passed for result in rows.results)

    site = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent

    for name, content in files_of(site).items():
        text = content.decode()
        assert [secret for secret in SECRETS if secret in text] == [], name


def test_a_page_loads_nothing_and_runs_nothing(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    site = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent
    for name, content in files_of(site).items():
        text = content.decode()
        assert not re.search(r"https?:|<script|<link|<img|<iframe|src=|@import|url\(", text), name


def test_the_same_rows_give_the_same_pages(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    later = {**verdicts, "people": [check_batch(PEOPLE, FACTS), check_rows(PEOPLE, people())]}
    one = write_data_docs(tmp_path / "one", NIGHT, verdicts, COUNTS)
    other = write_data_docs(tmp_path / "other", NIGHT, later, COUNTS)
    again = write_data_docs(tmp_path / "again", NIGHT, verdicts, COUNTS)
    assert files_of(one.parent) == files_of(other.parent) == files_of(again.parent)


def test_a_second_run_of_a_night_replaces_its_pages_and_no_others(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    other = write_data_docs(tmp_path, date(2024, 3, 1), verdicts, COUNTS)
    before = files_of(other.parent)
    write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)

    index = write_data_docs(tmp_path, NIGHT, {"people": verdicts["people"][:1]}, COUNTS)

    assert set(files_of(index.parent)) == {"index.html", "people.batch.html"}
    assert files_of(other.parent) == before
    assert names_in(tmp_path) == ["2024-02-29", "2024-03-01"]


def test_a_run_that_fails_leaves_what_was_there(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    before = files_of(write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent)
    twice = {"people": [*verdicts["people"], verdicts["people"][0]]}

    with pytest.raises(FileExistsError, match=r"people\.batch\.html"):
        write_data_docs(tmp_path, NIGHT, twice, COUNTS)

    assert files_of(tmp_path / "2024-02-29") == before
    assert names_in(tmp_path) == ["2024-02-29"]


class Killing(dict[str, Sequence[Verdict]]):
    """Verdicts of which the last kills the process, when the pages of all others are written."""

    def items(self) -> Iterator[tuple[str, Sequence[Verdict]]]:  # type: ignore[override] # lazy
        yield from super().items()
        os.kill(os.getpid(), signal.SIGKILL)


def run_apart(*arguments: tuple[Path, date, Mapping[str, Sequence[Verdict]]]) -> list[int | None]:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=write_data_docs, args=(*each, COUNTS)) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_that_is_killed_leaves_what_was_there_and_the_next_clears_up(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]], *, is_first: bool
) -> None:
    before = {} if is_first else files_of(write_data_docs(tmp_path, NIGHT, verdicts, COUNTS).parent)

    assert run_apart((tmp_path, NIGHT, Killing(verdicts))) == [-signal.SIGKILL]

    scraps = [path for path in tmp_path.glob(".*_site_*") if (path / "people.rows.html").exists()]
    assert len(scraps) == 2 - is_first
    assert (tmp_path / "2024-02-29").exists() is not is_first
    assert is_first or files_of(tmp_path / "2024-02-29") == before
    index = write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)
    assert is_first or files_of(index.parent) == before
    assert names_in(tmp_path) == ["2024-02-29"]


def test_a_link_that_a_killed_run_left_is_no_hindrance(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    (tmp_path / ".2024-02-29_link").symlink_to(".2024-02-29_site_gone")
    write_data_docs(tmp_path, NIGHT, verdicts, COUNTS)
    assert names_in(tmp_path) == ["2024-02-29"]
    assert not (tmp_path / ".2024-02-29_link").is_symlink()


def test_runs_side_by_side_do_not_meet(
    tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    nights = [date(2024, 2, day) for day in (27, 28, 29)]

    assert run_apart(*[(tmp_path, night, verdicts) for night in nights * 3]) == [0] * 9

    assert names_in(tmp_path) == [str(night) for night in nights]
    for night in nights:
        alone = write_data_docs(tmp_path / "alone", night, verdicts, COUNTS)
        assert files_of(tmp_path / str(night)) == files_of(alone.parent)


def test_only_the_owner_can_read(tmp_path: Path, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    before = os.umask(0)
    try:
        write_data_docs(tmp_path / "docs", NIGHT, verdicts, COUNTS)
    finally:
        os.umask(before)
    found = [tmp_path / "docs", *(tmp_path / "docs").rglob("*")]
    found += [file for path in found if path.is_dir() for file in path.iterdir()]
    assert len(found) > 5
    for path in found:
        assert path.stat().st_mode & 0o077 == 0, path
