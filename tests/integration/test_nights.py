"""Nights rest on nights: in whatever order they run, they end as if one after the other."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import nightly
from pipeline.cli import app
from pipeline.contracts.judged import judged_name
from pipeline.errors import RisklineError
from pipeline.lake import NIGHT, VALID
from pipeline.rooms import Rooms
from pipeline.settings import REPOSITORY, Settings
from pipeline.settling import settle
from pipeline.warehouse.history import stale_nights
from tests.integration import scored_bank
from tests.integration.policies import train_champion
from tests.integration.scored_bank import (
    NIGHTS,
    ask,
    empty_warehouse,
    of_nights,
    published,
    run,
    say,
    writer,
)

Answers = list[tuple[str, date, str]]


@pytest.fixture(scope="module")
def settings(scored_template: Path, module_home: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield scored_bank.make(scored_template, module_home, monkeypatch)


@pytest.fixture(scope="module")
def in_order(settings: Settings) -> tuple[Answers, dict[str, list[Any]]]:
    """What officers said to three warnings of the first night, and what the nights come to."""
    empty_warehouse(settings)
    run(settings, NIGHTS[0])
    found = ask(
        settings,
        "SELECT warning_id FROM risk.current_warnings WHERE severity <> 'general' "
        "ORDER BY rank LIMIT 3",
    )
    actions = ["acknowledge", "release", "acknowledge"]
    said = [
        (warning, day, action)
        for (warning,), day, action in zip(found, NIGHTS[1:], actions, strict=False)
    ]
    assert len(said) == 3
    say(settings, said)
    for night in NIGHTS[1:]:
        run(settings, night)
    assert stale_nights(writer(settings)) == []
    return said, published(settings)


def test_warnings_live_over_the_nights(
    settings: Settings, in_order: tuple[Answers, dict[str, list[Any]]]
) -> None:
    answers, tables = in_order
    rows = tables["warning_list"]
    assert {row["status"] for row in rows} >= {"new", "ongoing", "acknowledged", "released"}
    # No warning is raised twice, and none is on two nights' lists under two identities.
    raised = [row["warning_id"] for row in rows if row["status"] == "new"]
    assert len(raised) == len(set(raised))
    assert {row["warning_id"] for row in rows} == set(raised)
    for warning, said_on, action in answers:
        states = {row["as_of_date"]: row["status"] for row in rows if row["warning_id"] == warning}
        after = {"acknowledge": "acknowledged", "release": "released"}[action]
        assert all(
            (status == after) == (night >= said_on.isoformat())
            for night, status in states.items()
            if status != "cleared"
        )


def test_in_any_order_they_end_the_same(
    settings: Settings, in_order: tuple[Answers, dict[str, list[Any]]]
) -> None:
    answers, expected = in_order
    empty_warehouse(settings)
    say(settings, answers)
    for place in (2, 0, 1):
        run(settings, NIGHTS[place])
        settle(settings)
    assert published(settings) == of_nights(expected, NIGHTS[:3])


RUN = """
import sys
from datetime import date
from pipeline import nightly
from pipeline.settings import Settings
from pipeline.settling import settle
nightly.run(Settings(), date.fromisoformat(sys.argv[1]), trigger="cli")
settle(Settings())
"""


def test_side_by_side_they_end_the_same(
    settings: Settings, in_order: tuple[Answers, dict[str, list[Any]]]
) -> None:
    answers, expected = in_order
    empty_warehouse(settings)
    say(settings, answers)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(night)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        for night in NIGHTS
    ]
    for each in runs:
        _, said = each.communicate(timeout=300)
        assert each.returncode == 0, said
    assert published(settings) == expected


def test_a_night_that_was_missing_changes_those_after_it(
    settings: Settings,
    in_order: tuple[Answers, dict[str, list[Any]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers, expected = in_order
    empty_warehouse(settings)
    say(settings, answers)
    run(settings, NIGHTS[0])
    run(settings, NIGHTS[2])
    assert stale_nights(writer(settings)) == []
    before = published(settings)
    result = CliRunner().invoke(app, ["run", "--as-of", str(NIGHTS[1])])
    assert result.exit_code == 0
    assert stale_nights(writer(settings)) == [NIGHTS[2]]
    assert f"nights of {NIGHTS[2]} were decided on another past" in caplog.text
    assert "run: riskline settle" in caplog.text
    result = CliRunner().invoke(app, ["settle"])
    assert f"decided again: {NIGHTS[2]}" in " ".join(result.output.split())
    assert published(settings) == of_nights(expected, NIGHTS[:3]) != before
    assert ask(settings, "SELECT DISTINCT trigger FROM risk.runs ORDER BY 1") == [
        ("cli",),
        ("settle",),
    ]
    assert "none" in CliRunner().invoke(app, ["settle"]).output


def test_a_published_night_is_replayed_to_the_bit(
    settings: Settings, in_order: tuple[Answers, dict[str, list[Any]]]
) -> None:
    for night in (NIGHTS[0], NIGHTS[2]):
        result = CliRunner().invoke(app, ["replay", "--as-of", str(night)])
        assert result.exit_code == 0, result.output
        assert "is the same to the bit" in result.output


def test_a_replay_needs_a_published_night(settings: Settings) -> None:
    missing = NIGHTS[0] - timedelta(days=1)
    result = CliRunner().invoke(app, ["replay", "--as-of", str(missing)])
    assert result.exit_code != 0
    assert f"the night of {missing} is not published" in str(result.exception or result.output)


def test_scores_of_other_features_are_not_decided_on(settings: Settings) -> None:
    night = NIGHTS[0]
    for stage in (nightly.pull, nightly.check, nightly.build, nightly.score):
        stage(settings, night)
    # As where a row was corrected, and another run of the night was as far as this.
    rooms = Rooms(settings)
    valid = rooms.lake.files(VALID, judged_name(rooms.contracts["customers"]), night)[-1]
    os.utime(valid, ns=(0, valid.stat().st_mtime_ns + 1))
    nightly.build(settings, night)
    kept = rooms.lake.file(NIGHT, "record", night).read_bytes()
    with pytest.raises(RisklineError, match="built again since its scored were made") as caught:
        nightly.decide(settings, night)
    assert rooms.lake.file(NIGHT, "record", night).read_bytes() == kept
    assert f"riskline run --as-of {night}" in str(caught.value)
    nightly.score(settings, night)

    def refuse(identity: Mapping[str, str | None]) -> None:
        assert identity["input_hash"]
        raise RisklineError("not so")

    with pytest.raises(RisklineError, match="not so"):
        nightly.decide(settings, night, refuse)
    assert rooms.lake.file(NIGHT, "record", night).read_bytes() == kept
    assert nightly.decide(settings, night)["risk_scores"] > 0


def test_a_past_night_is_scored_by_what_was_known_then(
    settings: Settings, in_order: tuple[Answers, dict[str, list[Any]]]
) -> None:
    answers, expected = in_order
    empty_warehouse(settings)
    say(settings, answers)
    train_champion(settings, NIGHTS[1])
    for night in NIGHTS[:2]:
        run(settings, night)
    versions = ask(settings, "SELECT model_version FROM risk.runs ORDER BY as_of_date")
    assert versions == [("1",), ("2",)]
    assert of_nights(published(settings), NIGHTS[:1]) == of_nights(expected, NIGHTS[:1])
    before = scored_bank.TRAINED - timedelta(days=1)
    with pytest.raises(RisklineError, match=f"which the night of {before} must not know") as caught:
        nightly.score(settings, before)
    assert f"riskline train --as-of {before}, and riskline promote --past-only" in str(caught.value)
