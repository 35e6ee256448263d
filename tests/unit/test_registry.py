"""The registry: which models there are, which one scores, and that it is what was registered."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import registry
from models.judgement import ALL, Figure, Judgement
from models.pyfunc import MODEL_FILE
from models.training import Trained
from pipeline.errors import RisklineError
from pipeline.settings import REPOSITORY
from tests.unit.test_training import COHORTS, trained

NOTES = {"as_of": "2024-05-31", "policy_hash": "abc"}
JUDGEMENT = Judgement(
    None,
    (
        Figure(ALL, "auc", "area under the ROC curve", 0.75, 0.7, 0.8),
        Figure(ALL, "joint_variance_share", "share of the joint effect", 0.02),
    ),
)


@pytest.fixture(scope="module")
def models() -> list[Trained]:
    return [trained(COHORTS[:size], 1) for size in (4, 5, 6)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, models: list[Trained]) -> Path:
    """A home with three versions; the second is the champion."""
    home = tmp_path_factory.mktemp("home of 50% more") / "riskline home"
    for model in models:
        registry.register(home, model, JUDGEMENT, NOTES)
    registry.promote(home, "2")
    return home


@pytest.fixture
def home(filled: Path) -> Iterator[Path]:
    """The filled home, in its place since the database names its files; restored afterwards."""
    kept = {file: file.read_bytes() for file in filled.rglob(MODEL_FILE)}
    yield filled
    for file, content in kept.items():
        file.write_bytes(content)


def model_file(home: Path, version: int = 2) -> Path:
    """The file of a version."""
    by_hash = {json.loads(file.read_text())["sha256"]: file for file in home.rglob(MODEL_FILE)}
    return by_hash[trained(COHORTS[: version + 3], 1).model.content_hash]


def aliases(home: Path) -> dict[str, str]:
    """What the registry's database says."""
    with sqlite3.connect(home / "models" / "registry.db") as database:
        found = database.execute("SELECT alias, version FROM registered_model_aliases").fetchall()
    database.close()
    return {alias: str(version) for alias, version in found}


def refusal(home: Path) -> str:
    with pytest.raises(RisklineError) as caught:
        registry.champion(home)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_model_there_is_no_champion(tmp_path: Path) -> None:
    assert registry.champion(tmp_path / "new") is None


def test_a_registered_model_is_no_champion_until_it_is_promoted(
    tmp_path: Path, models: list[Trained]
) -> None:
    version = registry.register(tmp_path, models[0], JUDGEMENT, NOTES)
    assert registry.champion(tmp_path) is None
    registry.promote(tmp_path, version)
    found = registry.champion(tmp_path)
    assert found is not None
    assert found.version == version == "1"


def test_the_champion_is_the_model_that_was_registered(filled: Path, models: list[Trained]) -> None:
    found = registry.champion(filled)
    assert found is not None
    assert found.version == "2"
    assert found.model.to_json() == models[1].model.to_json()
    assert found.judgement == JUDGEMENT
    assert found.notes["as_of"] == "2024-05-31"
    assert found.notes["fitted_cohorts"] == "2023-01-28, 2023-02-28, 2023-03-28, 2023-04-28"


def test_the_judgements_figures_are_those_of_its_run(filled: Path) -> None:
    with sqlite3.connect(filled / "models" / "registry.db") as database:
        kept = database.execute("SELECT DISTINCT key, value FROM metrics ORDER BY key").fetchall()
    database.close()
    assert kept == [("auc", 0.75), ("joint_variance_share", 0.02)]


@pytest.mark.parametrize("damage", [None, "", "{}", '{"compared_with": null, "figures": [{}]}'])
def test_a_model_scores_without_its_judgement_but_is_not_judged(
    home: Path, damage: str | None
) -> None:
    file = model_file(home).with_name("judgement.json")
    kept = file.read_bytes()
    if damage is None:
        file.unlink()
    else:
        file.write_text(damage)
    found = registry.champion(home)
    file.write_bytes(kept)
    assert found is not None
    with pytest.raises(RisklineError, match="the judgement of version 2 is lost or damaged; run"):
        _ = found.judgement


def test_the_same_model_with_the_same_notes_is_registered_once(
    tmp_path: Path, models: list[Trained]
) -> None:
    first = registry.register(tmp_path, models[0], JUDGEMENT, NOTES)
    assert registry.register(tmp_path, models[0], JUDGEMENT, NOTES) == first
    other = registry.register(tmp_path, models[0], JUDGEMENT, {**NOTES, "note": "again"})
    assert other != first
    registry.promote(tmp_path, other)
    assert registry.register(tmp_path, models[0], JUDGEMENT, NOTES) not in {first, other}


def test_a_condition_is_asked_of_the_champion_that_is(home: Path) -> None:
    asked: list[str | None] = []

    def refuse(champion: str | None) -> None:
        asked.append(champion)
        raise RisklineError("not now")

    with pytest.raises(RisklineError, match="not now"):
        registry.promote(home, "3", refuse)
    assert asked == ["2"]
    assert registry.champion_version(home) == "2"


@pytest.mark.parametrize("version", ["01", " 1", "one", "-1", "0", "", "9"])
def test_what_is_no_version_is_one_line(home: Path, tmp_path: Path, version: str) -> None:
    for place in (home, tmp_path):
        with pytest.raises(
            RisklineError, match=f"no model of version '{version}'; riskline status"
        ):
            registry.registered(place, version)
    assert not list(tmp_path.iterdir())


def test_promoting_another_changes_the_champion_and_back(home: Path) -> None:
    for version in ("3", "1", "2"):
        registry.promote(home, version)
        found = registry.champion(home)
        assert found is not None
        assert found.version == version


def test_a_new_version_is_the_challenger_until_it_is_the_champion(
    tmp_path: Path, models: list[Trained]
) -> None:
    first = registry.register(tmp_path, models[0], JUDGEMENT, NOTES)
    assert aliases(tmp_path) == {"challenger": first}
    registry.promote(tmp_path, first)
    assert aliases(tmp_path) == {"champion": first}
    second = registry.register(tmp_path, models[1], JUDGEMENT, NOTES)
    assert aliases(tmp_path) == {"champion": first, "challenger": second}


def test_a_roll_back_leads_to_the_champion_before_and_again_back(home: Path) -> None:
    registry.promote(home, "1")
    registry.promote(home, "3")
    registry.promote(home, "3")
    for version in ("1", "3"):
        assert registry.roll_back(home) == version
        found = registry.champion(home)
        assert found is not None
        assert found.version == version
    registry.promote(home, "2")


def test_without_an_earlier_champion_there_is_no_way_back(
    tmp_path: Path, models: list[Trained]
) -> None:
    with pytest.raises(RisklineError, match="no earlier champion to go back to"):
        registry.roll_back(tmp_path / "new")
    registry.promote(tmp_path, registry.register(tmp_path, models[0], JUDGEMENT, NOTES))
    with pytest.raises(RisklineError, match="no earlier champion to go back to"):
        registry.roll_back(tmp_path)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory, models: list[Trained]) -> Path:
    """Versions of the ends of January to May; the third was refused, the fourth rolled back."""
    home = tmp_path_factory.mktemp("dated")
    for month in range(1, 6):
        notes = {"as_of": str(date(2024, month, 28))}
        registry.register(home, models[0], JUDGEMENT, notes)
    for version in ("1", "2", "4"):
        registry.promote(home, version)
    registry.roll_back(home)
    registry.promote(home, "5")
    return home


@pytest.mark.parametrize(
    ("night", "version"),
    [
        (date(2024, 1, 27), None),
        (date(2024, 1, 28), "1"),
        (date(2024, 2, 27), "1"),
        (date(2024, 2, 28), "2"),
        (date(2024, 3, 28), "2"),
        (date(2024, 4, 28), "2"),
        (date(2024, 5, 27), "2"),
        (date(2024, 5, 28), "5"),
        (date(2024, 12, 31), "5"),
    ],
)
def test_a_night_is_scored_by_a_model_that_knew_no_more(
    dated: Path, night: date, version: str | None
) -> None:
    found = registry.scorer_of(dated, night)
    assert (None if found is None else found.version) == version


def versions_of_months(home: Path, models: list[Trained], *months: int) -> None:
    for month in months:
        notes = {"as_of": str(date(2024, month, 28)), "note": str(month)}
        registry.register(home, models[0], JUDGEMENT, notes)


def scores(home: Path, night: date) -> str | None:
    found = registry.scorer_of(home, night)
    return None if found is None else found.version


def test_a_roll_back_undone_leaves_the_past_as_it_was(
    tmp_path: Path, models: list[Trained]
) -> None:
    versions_of_months(tmp_path, models, 1, 4)
    for version in ("1", "2"):
        registry.promote(tmp_path, version)
    nights = [date(2024, 2, 15), date(2024, 5, 15)]
    assert [scores(tmp_path, night) for night in nights] == ["1", "2"]
    registry.roll_back(tmp_path)
    assert [scores(tmp_path, night) for night in nights] == ["1", "1"]
    registry.roll_back(tmp_path)
    assert [scores(tmp_path, night) for night in nights] == ["1", "2"]


def test_what_an_older_champion_scored_it_scores_again(
    tmp_path: Path, models: list[Trained]
) -> None:
    versions_of_months(tmp_path, models, 1, 3, 6, 1)
    for version in ("2", "1"):
        registry.promote(tmp_path, version)
    april = date(2024, 4, 15)
    assert scores(tmp_path, april) == "1"
    registry.promote(tmp_path, "3")
    assert scores(tmp_path, april) == "1"
    # Of two that know the same the later one scores.
    registry.promote(tmp_path, "4")
    registry.promote(tmp_path, "3")
    assert scores(tmp_path, april) == "4"


def test_a_version_may_score_the_past_alone(dated: Path) -> None:
    registry.let_score_the_past(dated, "3")
    found = registry.scorer_of(dated, date(2024, 4, 30))
    assert found is not None
    assert found.version == "3"
    assert registry.champion_version(dated) == "5"
    assert registry.predecessor_version(dated) == "2"
    with pytest.raises(RisklineError, match="no model of version '9'"):
        registry.let_score_the_past(dated, "9")


def test_where_nothing_scores_nothing_scores_the_past(tmp_path: Path) -> None:
    assert registry.scorer_of(tmp_path / "new", date(2024, 1, 1)) is None


def test_what_is_damaged_or_not_there_does_not_become_the_champion(home: Path) -> None:
    model_file(home, 3).write_text("{}")
    with pytest.raises(RisklineError, match="the model, version 3, is damaged"):
        registry.promote(home, "3")
    with pytest.raises(RisklineError, match="no model of version '9'"):
        registry.promote(home, "9")
    found = registry.champion(home)
    assert found is not None
    assert found.version == "2"


ANYBODY = """
import sys
import mlflow
import pandas as pd
mlflow.set_registry_uri(f"sqlite:///{sys.argv[1]}/models/registry.db")
scored = mlflow.pyfunc.load_model("models:/riskline_pd@champion").predict(pd.read_json(sys.argv[2]))
scored.to_json(sys.argv[3], double_precision=15)
"""


def test_anybody_may_load_and_call_it_by_mlflow(
    home: Path, models: list[Trained], tmp_path: Path
) -> None:
    asked, told = tmp_path / "asked.json", tmp_path / "told.json"
    rows = COHORTS[-1].features.head(50).reset_index(drop=True).assign(note="not a feature")
    rows.to_json(asked, double_precision=15)
    program = [sys.executable, "-W", "ignore", "-c", ANYBODY, *map(str, (home, asked, told))]
    # MLflow makes an empty store of its own in the folder where it is called.
    subprocess.run(program, cwd=tmp_path, check=True, timeout=120)
    scored = pd.read_json(told)
    explained = models[1].model.explain(pd.read_json(asked))
    assert list(scored) == [
        "pd", "log_odds", "intercept", "contribution_credit_history", "contribution_stability",
        "joint_effect",
    ]  # fmt: skip
    np.testing.assert_allclose(scored["pd"], explained.default_probability, rtol=0, atol=1e-12)
    parts = scored.drop(columns=["pd", "log_odds"]).sum(axis=1)
    np.testing.assert_allclose(scored["log_odds"], parts, rtol=0, atol=1e-9)


def test_what_is_kept_is_kept_from_others(filled: Path) -> None:
    assert stat.S_IMODE((filled / "models").stat().st_mode) == 0o700


def test_a_lost_file_is_one_line(home: Path) -> None:
    file = model_file(home)
    file.unlink()
    message = refusal(home)
    assert message.startswith("the champion, version 2, has lost its file ")
    assert str(file) in message


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"offset":', '"offset":1').encode(),
        lambda text: text[: len(text) // 2].encode(),
        lambda text: b"",
        lambda text: b"\xff\xfe" + text.encode("utf-16"),
        lambda text: b"[]",
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(
    home: Path, damage: Callable[[str], bytes]
) -> None:
    file = model_file(home)
    file.write_bytes(damage(file.read_text()))
    message = refusal(home)
    assert message.startswith("the champion, version 2, ")
    assert str(file) in message


def test_another_models_file_is_not_taken_for_it(home: Path) -> None:
    shutil.copy(model_file(home, 3), model_file(home, 2))
    assert "is not the model that was registered" in refusal(home)


READ = """
import sys
from pathlib import Path
from models import registry
from models.pyfunc import MODEL_FILE
found = registry.champion(Path(sys.argv[1]))
print(found.model.content_hash if found else None)
"""
WRITE = """
import os
import sys
from pathlib import Path
from models import registry
from models.pyfunc import MODEL_FILE
from tests.unit.test_registry import JUDGEMENT
from tests.unit.test_training import ONCE
print(registry.register(Path(sys.argv[1]), ONCE, JUDGEMENT, {"process": str(os.getpid())}))
"""


def in_processes(home: Path, program: str, number: int) -> set[str]:
    """What so many processes, started at once, print."""
    readers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program, home],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(number)
    ]
    return {reader.communicate(timeout=120)[0].strip() for reader in readers}


def test_many_may_read_at_once(filled: Path, models: list[Trained]) -> None:
    expected = models[1].model.content_hash
    assert in_processes(filled, READ, 2) == {expected}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(registry.champion, [filled] * 8))
    assert {each.model.content_hash for each in found if each is not None} == {expected}
    assert None not in found


def test_the_first_two_models_may_come_at_once(tmp_path: Path) -> None:
    assert in_processes(tmp_path, WRITE, 2) == {"1", "2"}
