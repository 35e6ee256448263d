"""Great Expectations' Data Docs of a night: what was asked of each table, and what came of it.

The sections of a page are Great Expectations' own; the frame around them is ours, since its own
loads scripts and styles from the net. A page loads nothing, runs nothing, and holds no value of a
row: counts, bounds and the facts of a batch only.
"""

import fcntl
import html
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contracts.contract import Severity
from pipeline.contracts.expectations import Verdict, import_quietly

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
    )

TEMPLATES = Path(__file__).with_name("data_docs_pages")


@dataclass(frozen=True)
class Page:
    """What the index says of one page: how many checks were asked, and how many did not hold."""

    table: str
    name: str
    file: str
    asked: int
    failed: int
    warned: int


def write_data_docs(folder: Path, as_of: date, verdicts: Mapping[str, Sequence[Verdict]]) -> Path:
    """Build the site of one night, whole or not at all.

    ``<folder>/<as_of>`` is a link to the finished site. It moves in one step, so that a run that
    is killed leaves the site that was there, and the next one of the same night clears its scraps
    away. Nights do not wait for each other; two runs of one night do.

    Args:
        folder: of all nights; it is made, for its owner only, where it is missing.
        as_of: the night.
        verdicts: of each table. Those without a validation have no page.

    Returns:
        The index page.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    night = as_of.isoformat()
    with _alone(folder / f".{night}.lock"):
        try:
            # Readable by its owner only, and so is all within.
            site = Path(tempfile.mkdtemp(prefix=f".{night}_site_", dir=folder))
            _write_pages(site, as_of, verdicts)
            link = folder / f".{night}_link"
            link.unlink(missing_ok=True)
            link.symlink_to(site.name)
            link.replace(folder / night)
        finally:
            _clear_scraps(folder, night)
    return folder / night / "index.html"


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


def _write_pages(site: Path, as_of: date, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    import_quietly()
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    # Its methods have no types.
    view: Any = DefaultJinjaPageView(custom_views_directory=str(TEMPLATES))
    pages, broken = [], []
    for table, of_table in verdicts.items():
        for verdict in of_table:
            if verdict.validation is None:
                continue
            page = _page(table, verdict)
            document = renderer.render(_plain(verdict.validation, as_of))
            # Its header links to a page of the suite, which would say the same as this one.
            del document.sections[0].content_blocks[0]
            _write(
                site / page.file,
                view.render(document, template="page.html", page=page, as_of=as_of),
            )
            pages.append(page)
            broken += [(page, result) for result in verdict.results if not result.has_passed]
    index = view.env.get_template("index.html")
    _write(
        site / "index.html",
        index.render(
            as_of=as_of,
            pages=pages,
            broken=broken,
            silent=[table for table in verdicts if table not in {page.table for page in pages}],
        ),
    )


def _page(table: str, verdict: Verdict) -> Page:
    name = verdict.validation.suite_name if verdict.validation else ""
    broken = Counter(result.severity for result in verdict.results if not result.has_passed)
    return Page(
        table=table,
        name=name,
        file=f"{name}.html",
        asked=len(verdict.results),
        failed=broken[Severity.FAIL],
        warned=broken[Severity.WARN],
    )


def _plain(
    validation: "ExpectationSuiteValidationResult", as_of: date
) -> "ExpectationSuiteValidationResult":
    """A copy that the renderer may change, the same for the same rows whenever they were asked."""
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )

    # As it would come back from a file: the renderer cannot write the numbers of NumPy.
    written = json.dumps(validation.to_json_dict())  # type: ignore[no-untyped-call]
    content: dict[str, Any] = json.loads(written)
    content["meta"] = {
        "great_expectations_version": content["meta"]["great_expectations_version"],
        "run_id": {"run_name": as_of.isoformat(), "run_time": f"{as_of.isoformat()}T00:00:00Z"},
    }
    for result in content["results"]:
        # The renderer takes a description for HTML.
        wanted = result["expectation_config"]
        wanted["description"] = html.escape(wanted["description"], quote=False)
    plain: ExpectationSuiteValidationResult = expectationSuiteValidationResultSchema.load(content)
    return plain


def _write(file: Path, text: str) -> None:
    # Never over another page: two suites of one name would hide one of them.
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(text, encoding="utf-8")
