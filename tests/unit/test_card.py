"""The document of a version: everything that was noted, nothing that was not."""

import pytest

from models.card import card
from models.judgement import ALL, Figure, Judgement
from models.registry import Registered
from tests.unit.test_training import ONCE

NOTES = {
    "as_of": "2024-05-31",
    "horizon": "12 month",
    "days_past_due": "90",
    "note": "after the merger",
    "policy_hash": "abc",
    "code_version": "0.1.0+123",
    "content_hash": ONCE.model.content_hash,
    "fitted_cohorts": "2023-01-31, 2023-02-28",
    "held_out_cohorts": "2023-03-31",
    "constant_features": "",
    "trials": "8",
}
FIGURES = (
    Figure(ALL, "auc", "area under the ROC curve", 0.75, 0.7, 0.8),
    Figure(ALL, "stability_index", "stability", 0.1, wanted="at most 0.25", has_passed=True),
)
GROUP = (
    Figure("region: north|east", "rows_test", "rows of the group", 1234.0),
    Figure("region: north|east", "default_rate", "default rate", 0.05, 0.04, 0.06),
)
REFUSED = Figure(ALL, "off", "gap", 1.0, wanted="none", has_passed=False)


def document(
    figures: tuple[Figure, ...] = (*FIGURES, *GROUP), notes: dict[str, str] | None = None
) -> str:
    said = {**NOTES, **(notes or {})}
    return card(Registered("3", ONCE.model, said, Judgement(None, figures)))


def test_it_tells_what_the_model_is_learnt_from_and_how_it_does() -> None:
    text = document()
    for said in (
        "# Model of the probability of default, version 3",
        "The gate let it through.",
        "As of 2024-05-31;",
        "90 or more days past due, or worse, within 12 months.",
        "2023-01-31, 2023-02-28",
        "after the merger",
        "The best of 8 sets of parameters",
        "| area under the ROC curve | 0.7500 (0.7000, 0.8000) |  |",
        "| stability | 0.1 | at most 0.25: yes |",
        "marital status",
        ONCE.model.content_hash,
    ):
        assert said in text


def test_a_groups_row_has_a_cell_a_figure_also_where_one_is_missing() -> None:
    (row,) = [line for line in document().splitlines() if line.startswith("| region")]
    assert row == "| region: north\\|east | 1,234 | 0.0500 (0.0400, 0.0600) |  |  |  |"


def test_what_people_write_is_no_markup() -> None:
    text = document(notes={"note": "![x](http://a) <b>|*so*"})
    assert "- Note: \\!\\[x\\](http://a) \\<b\\>\\|\\*so\\*" in text


def test_a_refused_version_says_why_first() -> None:
    text = document((*FIGURES, REFUSED))
    assert text.index("The gate refused it:") < text.index("- gap: 1; wanted: none")
    assert text.index("- gap: 1; wanted: none") < text.index("## Purpose")
    assert "| gap | 1 | none: **no** |" in text


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"trials": "0"}, "no others tried"),
        ({"constant_features": "a, b"}, "Nothing could be learnt from what never varied: a, b."),
    ],
)
def test_what_only_some_versions_have(notes: dict[str, str], said: str) -> None:
    assert said in document(notes=notes)
    assert said not in document()


def test_without_groups_it_says_so() -> None:
    assert "No group is large enough to be told of." in document(FIGURES)
    assert "Note:" not in document(notes={"note": ""})
