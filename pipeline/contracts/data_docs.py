"""Great Expectations' Data Docs of a night: what was asked of each table, and what came of it.

The sections of a page are Great Expectations' own. The frame around them is ours, since its own
loads scripts and styles from the net, and so are the words for what holds, since it has but one
sign for failures and warnings. A page loads nothing, runs nothing, and holds no value of a row:
counts, bounds and the facts of a batch only.
"""

import fcntl
import html
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contracts.contract import Severity
from pipeline.contracts.expectations import CheckResult, Verdict, import_quietly
from pipeline.contracts.judged import TableCounts

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
    )
    from great_expectations.render.components import RenderedDocumentContent

TEMPLATES = Path(__file__).with_name("data_docs_pages")


@dataclass(frozen=True)
class Page:
    """One suite's page, and what the index says of it."""

    table: str
    kind: str
    file: str
    results: tuple[CheckResult, ...]

    @property
    def broken(self) -> list[CheckResult]:
        """The checks that do not hold."""
        return [result for result in self.results if not result.has_passed]

    @property
    def failed(self) -> int:
        """How many of them stop the night."""
        return sum(result.severity is Severity.FAIL for result in self.broken)

    @property
    def warned(self) -> int:
        """How many of them do not."""
        return len(self.broken) - self.failed


def write_data_docs(
    folder: Path,
    as_of: date,
    verdicts: Mapping[str, Sequence[Verdict]],
    counts: Mapping[str, TableCounts],
) -> Path:
    """Build the site of one night, whole or not at all.

    ``<folder>/<as_of>`` is a link to the finished site. It moves in one step, so that a run that
    is killed leaves the site that was there, and the next one of the same night clears its scraps
    away. Nights do not wait for each other; two runs of one night do.

    Args:
        folder: of all nights; it is made, for its owner only, where it is missing.
        as_of: the night.
        verdicts: of each table. Those without a validation have no page.
        counts: of each table's rows.

    Returns:
        The index page.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    night = as_of.isoformat()
    with _alone(folder / f".{night}.lock"):
        try:
            # Readable by its owner only, and so is all within.
            site = Path(tempfile.mkdtemp(prefix=f".{night}_site_", dir=folder))
            _write_pages(site, as_of, verdicts, counts)
            link = folder / f".{night}_link"
            link.unlink(missing_ok=True)
            link.symlink_to(site.name)
            link.replace(folder / night)
        finally:
            _clear_scraps(folder, night)
    return folder / night / "index.html"


def figure(number: float) -> str:
    """A number to read: to four digits, or more where fewer would make it a whole number."""
    short = _rounded(number)
    return f"{short:,.0f}" if float(short).is_integer() else f"{short:,}"


def _rounded(number: float) -> float:
    if not math.isfinite(number) or float(number).is_integer():
        return number
    # A share of 5.0004 % must not look like the 5 % that is allowed.
    by_digits = (float(f"{number:.{digits}g}") for digits in range(4, 17))
    return next((short for short in by_digits if not short.is_integer()), number)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait for other runs of the same night; the system lets go of what a killed one held."""
    file.touch(mode=0o600)
    with file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear_scraps(folder: Path, night: str) -> None:
    link = folder / night
    current = link.readlink().name if link.is_symlink() else ""
    for scrap in folder.glob(f".{night}_*"):
        if scrap.is_symlink():
            scrap.unlink()
        elif scrap.name != current:
            shutil.rmtree(scrap)


def _write_pages(
    site: Path,
    as_of: date,
    verdicts: Mapping[str, Sequence[Verdict]],
    counts: Mapping[str, TableCounts],
) -> None:
    import_quietly()
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    # Its methods have no types.
    view: Any = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES))
    view.env.filters["figure"] = figure
    pages: dict[str, dict[str, Page]] = {}
    for table, of_table in verdicts.items():
        pages[table] = {}
        for verdict in of_table:
            if verdict.validation is None:
                continue
            name = verdict.validation.suite_name
            page = Page(table, name.rpartition(".")[2], f"{name}.html", verdict.results)
            document = renderer.render(_plain(verdict.validation))
            # At its ends stand numbers that the page says in a line, and the time of a run, of
            # which nothing is known here.
            document.sections = document.sections[1:-1]
            _put_in_words(document, page)
            _write(
                site / page.file,
                view.render(
                    document,
                    template="page.html",
                    page=page,
                    as_of=as_of,
                    counts=counts[table],
                    version=verdict.validation.meta["great_expectations_version"],
                ),
            )
            pages[table][page.kind] = page
    broken = [
        (page, result) for of in pages.values() for page in of.values() for result in page.broken
    ]
    index = view.env.get_template("index.html")
    _write(
        site / "index.html",
        index.render(
            as_of=as_of,
            pages=pages,
            counts=counts,
            # Sorting keeps the order of tables within each severity.
            broken=sorted(broken, key=lambda each: each[1].severity is Severity.WARN),
        ),
    )


def _plain(validation: "ExpectationSuiteValidationResult") -> "ExpectationSuiteValidationResult":
    """A copy that the renderer may change, the same for the same rows whenever they were asked."""
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )

    # As it would come back from a file: the renderer cannot write the numbers of NumPy.
    written = json.dumps(validation.to_json_dict())  # type: ignore[no-untyped-call] # it has none
    content: dict[str, Any] = json.loads(written)
    content["meta"] = {"great_expectations_version": content["meta"]["great_expectations_version"]}
    for result in content["results"]:
        # The renderer takes a description for HTML.
        wanted = result["expectation_config"]
        wanted["description"] = html.escape(wanted["description"], quote=False)
    plain: ExpectationSuiteValidationResult = expectationSuiteValidationResultSchema.load(content)
    return plain


def _put_in_words(document: "RenderedDocumentContent", page: Page) -> None:
    """Say of each check whether it holds, failed or warned, in place of a sign."""
    # A batch check is a column of its own, and so has a section of its own.
    by_section = {result.check: result for result in page.results} if page.kind == "batch" else {}
    for section in document.sections:
        heading, table = section.content_blocks
        if section.section_name == "Table-Level Expectations":
            heading.header.string_template["template"] = "Several columns"
        table.header_row = ["Outcome", "Wanted", "Observed"]
        result = by_section.get(section.section_name)
        for row in table.table:
            sign = row[0].string_template
            style = sign["styling"]["params"]["icon"]
            if "text-success" in style["classes"]:
                word = "holds"
            else:
                word = "warned" if result and result.severity is Severity.WARN else "failed"
            sign["params"]["icon"] = word
            style["classes"] = [word]
            if result:
                row[2] = figure(result.observed)


def _write(file: Path, text: str) -> None:
    # Never over another page: two suites of one name would hide one of them.
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(text, encoding="utf-8")
