"""What many dimensions are worth, as a page."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from models.acceptance import ACCEPTED_PCT
from models.evidence import ALL, Evidence, Figures
from pipeline.report.charts import Line, Unit, intervals, number
from pipeline.report.page import render

HISTORY = "credit_history alone"
_WORDS = {"auc": "Area under the ROC curve", "ks": "Kolmogorov-Smirnov", "log_loss": "Log-loss"}


@dataclass(frozen=True)
class _Chart:
    title: str
    svg: Markup


def evidence_page(found: Evidence) -> str:
    """The page of an `Evidence`, in HTML."""
    alone = {ALL: found.figures[ALL]} | {
        model: figures for model, figures in found.figures.items() if model.endswith(" alone")
    }
    without = {
        model: figures
        for model, figures in found.against_all.items()
        if model.startswith("without ")
    }
    return render(
        "evidence.html.j2",
        found=found,
        claim=_claim(found),
        by_count=list(_charts(alone, "bad_rate")),
        by_amount=list(_charts(alone, "bad_amount_rate")),
        quality=[_chart(alone, name, title) for name, title in _WORDS.items()],
        left_out=[
            _chart(without, "auc", "Area under the ROC curve, less that of all", zero=True),
            *_charts(without, "bad_rate", zero=True),
        ],
        models=found.figures,
        number=number,
    )


def _claim(found: Evidence) -> str | None:
    """The claim in one sentence, as strong as the figures and no stronger."""
    if HISTORY not in found.figures:
        return None
    name = f"bad_rate_best_{ACCEPTED_PCT[0]}_pct"
    all_, history = found.figures[ALL][name], found.figures[HISTORY][name]
    more = found.against_all[HISTORY][name]
    verdict = (
        "many dimensions lower the bad-debt rate"
        if more.lower > 0
        else "many dimensions raise the bad-debt rate"
        if more.upper < 0
        else "it may be noise"
    )
    return (
        f"Of the safest {ACCEPTED_PCT[0]} % of the customers by all dimensions, "
        f"{number(all_.value, 2, Unit.PERCENT)} defaulted; of the safest by credit history alone, "
        f"{number(history.value, 2, Unit.PERCENT)}. The difference is "
        f"{number(more.value, 2, Unit.POINTS)} ({number(more.lower, 2, Unit.POINTS)} to "
        f"{number(more.upper, 2, Unit.POINTS)}): {verdict}."
    )


def _charts(models: Mapping[str, Figures], measure: str, *, zero: bool = False) -> Iterator[_Chart]:
    for accepted in ACCEPTED_PCT:
        name = f"{measure}_best_{accepted}_pct"
        # Not a number where nobody owes anything.
        if not any(math.isnan(figures[name].value) for figures in models.values()):
            title = f"Bad debts among the safest {accepted} %"
            title += ", less those of all" if zero else ""
            yield _chart(models, name, title, zero=zero, unit=Unit.POINTS if zero else Unit.PERCENT)


def _chart(
    models: Mapping[str, Figures],
    name: str,
    title: str,
    *,
    zero: bool = False,
    unit: Unit = Unit.NONE,
) -> _Chart:
    lines = [
        Line(model.replace("_", " "), figures[name], is_marked=model == ALL)
        for model, figures in models.items()
    ]
    return _Chart(title, intervals(title, lines, zero=zero, unit=unit))
