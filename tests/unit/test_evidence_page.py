"""The page of the evidence: what it says is what was measured, and it loads nothing."""

import re
from datetime import date
from pathlib import Path

import pytest

from models.evaluation import Estimate
from models.evidence import ALL, Evidence
from pipeline.report.charts import LABELS, VALUES, WIDTH, Line, Unit, intervals, number
from pipeline.report.evidence_page import HISTORY, evidence_page
from pipeline.report.page import write_page

SHARES = [f"bad_{kind}_best_{pct}_pct" for kind in ("rate", "amount_rate") for pct in (70, 80, 90)]
NAMES = ["auc", "ks", "log_loss", *SHARES]


def figures(value: float, margin: float = 0.01) -> dict[str, Estimate]:
    return {name: Estimate(value, value - margin, value + margin) for name in NAMES}


def evidence(difference: float = 0.02, history: str = HISTORY) -> Evidence:
    return Evidence(
        as_of=date(2023, 5, 31),
        fitted_cohorts=(date(2022, 4, 30), date(2022, 5, 31)),
        customers=12_345,
        defaults=432,
        figures={
            ALL: figures(0.0311), history: figures(0.0512), "without network": figures(0.0322),
        },
        against_all={history: figures(difference), "without network": figures(0.0011)},
        uncalibrated=("network alone",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (0.02, "many dimensions lower the bad-debt rate"),
        (-0.02, "many dimensions raise the bad-debt rate"),
        (0.005, "it may be noise"),
    ],
)
def test_the_claim_is_as_strong_as_the_figures(difference: float, verdict: str) -> None:
    page = evidence_page(evidence(difference))
    claim = re.search(r'<p class="claim">(.*?)</p>', page, re.DOTALL)
    assert claim is not None
    assert claim[1].endswith(f": {verdict}.")
    assert "by all dimensions, 3.11 % defaulted" in claim[1]
    assert "by credit history alone, 5.12 %. " in claim[1]
    assert f"{number(difference, 2, Unit.POINTS)} (" in claim[1]


def test_without_a_credit_history_there_is_no_claim() -> None:
    assert 'class="claim"' not in evidence_page(evidence(history="stability alone"))


def test_every_figure_is_there_and_nothing_is_loaded_or_run() -> None:
    page = evidence_page(evidence())
    for said in ("12,345 customers of 2023-05-31", "432 defaulted", "2022-04-30", "2022-05-31"):
        assert said in page
    # By count, by amount, and how models rank; and without one: its rank and its bad debts.
    assert page.count("<svg") == 3 + 3 + 3 + 1 + 3
    assert "network alone" in page
    assert page.count("0.0322") == len(NAMES)
    assert not re.search(r"<script|<link|<img|\bsrc=|href=|url\(|@import|https?:", page)


def test_where_nobody_owes_anything_there_is_nothing_by_amount() -> None:
    nan = Estimate(float("nan"), float("nan"), float("nan"))
    by_count = evidence()
    kinds = {
        model: {name: nan if "amount" in name else one for name, one in figures.items()}
        for model, figures in by_count.figures.items()
    }
    page = evidence_page(Evidence(**{**vars(by_count), "figures": kinds}))
    assert "Bad debts by amount" not in page


def places(svg: str) -> list[float]:
    return [float(each) for each in re.findall(r'<circle cx="([\d.]+)"', svg)]


def test_a_chart_places_values_in_proportion_and_says_them() -> None:
    lines = [Line(f"<{value}>", Estimate(value, value - 0.1, value + 0.1)) for value in (1, 2, 4)]
    svg = intervals("a < b", lines)
    first, second, third = places(svg)
    assert third - second == pytest.approx(2 * (second - first), abs=0.2)
    assert "4.00 (3.90 to 4.10)" in svg
    assert "&lt;4&gt;" in svg
    assert 'aria-label="a &lt; b"' in svg


def test_the_ends_of_a_narrow_interval_are_told_apart() -> None:
    lines = [Line("wide", Estimate(0.2, 0.1, 0.3)), Line("narrow", Estimate(0.512, 0.511, 0.514))]
    assert "0.5120 (0.5110 to 0.5140)" in intervals("t", lines)
    assert "20.0 % (10.0 % to 30.0 %)" in intervals("t", lines[:1], unit=Unit.PERCENT)


@pytest.mark.parametrize(("value", "spread"), [(0.0, 0.0), (0.3, 0.0), (-2e-7, 1e-8), (7e6, 1e5)])
def test_a_chart_of_any_range_stays_within_its_frame(value: float, spread: float) -> None:
    svg = intervals("t", [Line("l", Estimate(value, value - spread, value + spread))], zero=True)
    (place,) = places(svg)
    ends = re.search(r'class="bar" x1="([\d.]+)" x2="([\d.]+)"', svg)
    assert ends is not None
    assert LABELS <= float(ends[1]) <= place <= float(ends[2]) <= WIDTH - VALUES


@pytest.mark.parametrize(
    ("value", "digits", "unit", "text"),
    [
        (0.0123, 2, Unit.PERCENT, "1.23 %"),
        (-0.0123, 2, Unit.POINTS, "\N{MINUS SIGN}1.23 pp"),
        (-0.00001, 2, Unit.PERCENT, "0.00 %"),
        (-1.5, 1, Unit.NONE, "\N{MINUS SIGN}1.5"),
        (0.0, 0, Unit.NONE, "0"),
    ],
)
def test_numbers(value: float, digits: int, unit: Unit, text: str) -> None:
    assert number(value, digits, unit) == text


def test_a_page_is_in_place_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, "first")
    write_page(file, "second")
    assert file.read_text() == "second"
    with pytest.raises(UnicodeEncodeError):
        write_page(file, "half \udc00")
    assert file.read_text() == "second"
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / "missing" / "page.html", "text")
