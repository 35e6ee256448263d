"""The document of one version of the model, as its registry entry and its judgement tell it."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from models.judgement import ALL, Figure
from models.registry import Registered

PURPOSE = """\
Says how likely each customer of the bank is to default within the horizon, and what each of seven
dimensions adds to that. It ranks customers for tiers, warnings and attention; it decides about no
one by itself.

- Not for: customers already in default, who are left out of training; customers with nothing to
  pay within the horizon, of whom no outcome is known; applicants whom the bank does not know yet.
- Held out of the model: names, numbers and addresses, marital status, education and occupation.
  They tell who somebody is, not how they pay. The region counts only by how its borrowers pay.
- Used although it needs care: the age of a person. Its share in a customer's risk is read off the
  contribution of stability, and the errors by age are below.
- The model knows its own bank only: who was refused credit before is in no cohort.
"""


def card(found: Registered) -> str:
    """The document, in Markdown.

    Args:
        found: the version, with what was noted when it was trained.
    """
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Registered) -> Iterator[str]:
    model, notes, judgement = found.model, found.notes, found.judgement
    yield f"# Model of the probability of default, version {found.version}"
    yield ""
    yield from _verdict(found)
    yield "## Purpose and limits"
    yield ""
    yield PURPOSE
    yield "## Data"
    yield ""
    yield f"- As of {notes['as_of']}; nothing known later was seen."
    yield (
        f"- Outcome: {notes['days_past_due']} or more days past due, or worse, within "
        f"{notes['horizon']}s."
    )
    yield f"- Fitted to three customers in five of the month ends {notes['fitted_cohorts']}."
    yield (
        f"- Stopped and calibrated on one in five of the month ends {notes['held_out_cohorts']}, "
        "and measured there on the last one in five, from whom no model has ever learnt. A hash "
        "of the id tells for ever in which part a customer is."
    )
    compared = found.judgement.compared_with
    yield (
        "- Compared with no champion."
        if compared is None
        else f"- Compared with the champion of then, version {compared}."
    )
    if notes["note"]:
        yield f"- Note: {_plain(notes['note'])}"
    yield ""
    yield "## The model"
    yield ""
    yield (
        f"LightGBM, {model.grown[0]} trees within one dimension each and {model.grown[1]} over "
        f"several; {len(model.monotone)} of {len(model.feature_names)} features may raise the risk "
        "in one direction only."
    )
    yield ""
    yield from _table(
        ("dimension", "features"), [(d.name, str(len(d.features))) for d in model.dimensions]
    )
    params = model.params
    yield from _table(
        ("parameter", "value"),
        [
            (name, f"{getattr(params, name):.4g}")
            for name in (
                "learning_rate", "num_leaves", "min_data_in_leaf", "lambda_l2", "feature_fraction",
            )
        ],
    )  # fmt: skip
    tried = int(notes["trials"])
    yield (
        f"The best of {tried} sets of parameters tried on the later month ends."
        if tried
        else "The parameters were given, and no others tried."
    )
    if notes["constant_features"]:
        yield ""
        yield f"Nothing could be learnt from what never varied: {notes['constant_features']}."
    yield ""
    yield "## Figures"
    yield ""
    yield "In brackets: 95 % intervals, by a bootstrap over customers."
    yield ""
    own = [figure for figure in judgement.figures if figure.group_name == ALL]
    yield from _table(
        ("figure", "value", "wanted"),
        [(f.meaning, _value(f), f"{f.wanted}{_mark(f)}" if f.wanted else "") for f in own],
    )
    yield from _fairness([f for f in judgement.figures if f.group_name != ALL])
    yield "## To the letter"
    yield ""
    yield f"- Hash of the model: {notes['content_hash']}"
    yield f"- Hash of the policy: {notes['policy_hash']}"
    yield f"- Code: {notes['code_version']}"


def _verdict(found: Registered) -> Iterator[str]:
    if found.judgement.has_passed:
        yield "The gate let it through."
    else:
        yield "The gate refused it:"
        yield ""
        for reason in found.judgement.reasons:
            yield f"- {reason}"
    yield ""


def _fairness(figures: Sequence[Figure]) -> Iterator[str]:
    yield "## Errors by group"
    yield ""
    if not figures:
        yield "No group is large enough to be told of."
        yield ""
        return
    yield (
        "If the riskiest fifth were refused: how many payers of a group would be, and how many of "
        "its defaulters would not. Where a group's mean PD lies above its default rate, it is "
        "judged too harshly. Groups overlap; a difference whose intervals overlap may be noise."
    )
    yield ""
    names = ("rows_test", "default_rate", "mean_pd", "refused_payers", "accepted_defaulters")
    rows = []
    for group, members in groupby(figures, key=lambda figure: figure.group_name):
        by_name = {figure.metric: figure for figure in members}
        rows.append(
            (_plain(group), *(_value(by_name[name]) if name in by_name else "" for name in names))
        )
    yield from _table(
        ("group", "rows", "default rate", "mean PD", "payers refused", "defaulters accepted"), rows
    )


def _value(figure: Figure) -> str:
    if figure.lower is None or figure.upper is None:
        return f"{figure.value:,.6g}"
    return f"{figure.value:.4f} ({figure.lower:.4f}, {figure.upper:.4f})"


def _mark(figure: Figure) -> str:
    return ": yes" if figure.has_passed else ": **no**"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _plain(text: str) -> str:
    """Words that people or a source gave, of which nothing is to be Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>#!|&])", r"\\\1", text)
