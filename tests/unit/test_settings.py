"""What a run is told from outside."""

import os
from pathlib import Path

import pydantic
import pytest

from pipeline.errors import RisklineError
from pipeline.settings import PREFIX, REPOSITORY, Settings, load_settings

SECRET = "postgresql://bank:hunter2@localhost/bank"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.home == tmp_path / ".risk"
    assert settings.lake == tmp_path / ".risk" / "lake"
    assert (settings.source_url, settings.source_queries, settings.warehouse_url) == (None,) * 3
    assert settings.contracts == REPOSITORY / "data_contracts"
    assert settings.timezone.key == "UTC"
    assert (settings.lookback_days, settings.threads, settings.engine) == (3, 2, "duckdb")


def test_every_setting_says_what_it_is() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RISK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RISK_SOURCE_URL", SECRET)
    monkeypatch.setenv("RISK_BANK_TIMEZONE", "Africa/Lagos")
    monkeypatch.setenv("RISK_LOOKBACK_DAYS", "0")
    monkeypatch.setenv("RISK_ENGINE", "spark")
    settings = load_settings()
    assert settings.home == tmp_path / "home"
    assert settings.source_url is not None
    assert settings.source_url.get_secret_value() == SECRET
    assert settings.timezone.key == "Africa/Lagos"
    assert settings.lookback_days == 0
    assert settings.engine == "spark"


@pytest.mark.parametrize("name", [PREFIX + name.upper() for name in Settings.model_fields])
def test_an_empty_variable_means_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    monkeypatch.setenv(name, "")
    assert load_settings() == default


def test_folders_do_not_depend_on_where_a_task_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RISK_HOME", "RISK_SOURCE_QUERIES", "RISK_CONTRACTS", "RISK_SOURCE_URL"):
        monkeypatch.setenv(name, "some/folder")
    settings = load_settings()
    folder = tmp_path / "some" / "folder"
    assert (settings.home, settings.source_queries, settings.contracts) == (folder,) * 3
    assert settings.source_url is not None
    assert settings.source_url.get_secret_value() == str(folder)


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.threads = 3  # type: ignore[misc] # on purpose
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        Settings(colour="red")  # type: ignore[call-arg] # on purpose


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RISK_HOEM", "/tmp", "unknown setting RISK_HOEM; known are RISK_BANK_TIMEZONE, "),
        ("RISK_", "", "unknown setting RISK_; known are"),
        ("RISK_BANK_TIMEZONE", "Lagos", "setting RISK_BANK_TIMEZONE: .*'Lagos' is no IANA"),
        ("RISK_BANK_TIMEZONE", "Africa", "'Africa' is no IANA"),
        ("RISK_BANK_TIMEZONE", "../../etc/passwd", "is no IANA time zone"),
        ("RISK_BANK_TIMEZONE", "UTC+1", "is no IANA time zone"),
        ("RISK_LOOKBACK_DAYS", "-1", "setting RISK_LOOKBACK_DAYS: .*greater than or equal to 0"),
        ("RISK_LOOKBACK_DAYS", "367", "less than or equal to 366"),
        ("RISK_LOOKBACK_DAYS", "three", "setting RISK_LOOKBACK_DAYS: .*valid integer"),
        (
            "RISK_ENGINE",
            "Spark",
            "setting RISK_ENGINE: .*'Spark' is no engine; .* duckdb or spark$",
        ),
        ("RISK_THREADS", "0", "setting RISK_THREADS: .*greater than or equal to 1"),
        ("RISK_HOME", "~nobody_of_that_name/risk", "setting RISK_HOME: .*no home folder"),
        ("RISK_SOURCE_URL", "~nobody_of_that_name/bank", "setting RISK_SOURCE_URL: .*no home"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RisklineError, match=words) as refused:
        load_settings()
    assert "\n" not in str(refused.value)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RISK_SOURCE_URL", "RISK_WAREHOUSE_URL"):
        monkeypatch.setenv(name, SECRET)
    settings = load_settings()
    monkeypatch.setenv("RISK_THREADS", "none")
    with pytest.raises(RisklineError) as refused:
        load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(refused.value)):
        assert "hunter2" not in shown
