"""Keeps every trained model, and says which one is in use: an MLflow registry on SQLite."""

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from models import pyfunc
from models.dimension_gbm import DimensionGBM
from models.judgement import Judgement
from models.pyfunc import MODEL_FILE
from models.training import Trained
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("riskline")

MODEL_NAME = "riskline_pd"
CHAMPION, CHALLENGER = "champion", "challenger"
PREVIOUS = "previous_champion"
SCORES_FROM = "scores_from"
"""A tag of the versions that may score: the first night, for they know what was known by then."""
FOLDER = "model"
JUDGEMENT_FILE = "judgement.json"
TRIALS_FILE = "trials.json"


@dataclass(frozen=True)
class Registered:
    """A model of the registry."""

    version: str
    model: DimensionGBM
    notes: Mapping[str, str]
    kept_judgement: Judgement | None

    @property
    def as_of(self) -> date:
        """The day up to which anything was known when it was trained."""
        return date.fromisoformat(self.notes["as_of"])

    @property
    def judgement(self) -> Judgement:
        """What the gate says of it.

        Raises:
            RisklineError: that is lost or damaged; the model may score all the same.
        """
        if self.kept_judgement is None:
            raise RisklineError(
                f"the judgement of version {self.version} is lost or damaged; run riskline train"
            )
        return self.kept_judgement


def register(home: Path, trained: Trained, judgement: Judgement, notes: Mapping[str, str]) -> str:
    """Keep a trained model as a new version: the challenger, until it is promoted.

    Args:
        home: RISK_HOME.
        trained: what is kept, with its figures.
        judgement: what the gate says of it.
        notes: kept beside it, such as the policy's hash.

    Returns:
        The version; where the challenger is this very model with these very notes, as when a task
        is tried again, that one.
    """
    params = {**notes, **_history(trained)}
    with _one_at_a_time(home), _client(home) as client:
        challenger = _aliases(client).get(CHALLENGER)
        if challenger is not None:
            run_id = str(client.get_model_version(MODEL_NAME, challenger).run_id)
            if client.get_run(run_id).data.params == params:
                return challenger
        experiment = client.get_experiment_by_name(MODEL_NAME)
        if experiment is None:
            runs = (_folder(home) / "runs").as_uri()
            experiment_id = client.create_experiment(MODEL_NAME, artifact_location=runs)
        else:
            experiment_id = experiment.experiment_id
        run = client.create_run(experiment_id)
        run_id = run.info.run_id
        for name, value in params.items():
            client.log_param(run_id, name, value)
        for name, figure in judgement.by_name.items():
            client.log_metric(run_id, name, figure.value)
        with tempfile.TemporaryDirectory() as folder:
            pyfunc.write(trained.model, Path(folder))
            (Path(folder) / JUDGEMENT_FILE).write_text(judgement.to_json(), encoding="utf-8")
            tried = [asdict(trial) for trial in trained.trials]
            (Path(folder) / TRIALS_FILE).write_text(json.dumps(tried, indent=1), encoding="utf-8")
            client.log_artifacts(run_id, folder, FOLDER)
        client.set_terminated(run_id)
        if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
            client.create_registered_model(MODEL_NAME)
        version = client.create_model_version(
            MODEL_NAME, source=f"{run.info.artifact_uri}/{FOLDER}", run_id=run_id
        )
        client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version.version)
        return str(version.version)


def promote(
    home: Path, version: str, only_if: Callable[[str | None], None] = lambda champion: None
) -> None:
    """Make a version the champion: the one that scores. Its predecessor is remembered.

    Args:
        home: RISK_HOME.
        version: as `register` returned it.
        only_if: told the present champion's version, while no other may become it; raises where it
            must stay.

    Raises:
        RisklineError: there is no such version, or it is not what was registered.
    """
    found = registered(home, version)
    with _one_at_a_time(home), _client(home) as client:
        aliases = _aliases(client)
        only_if(aliases.get(CHAMPION))
        # The nights from its day on are its own from now on: what one that knows as much has scored
        # meanwhile is not to come back when another champion follows.
        for other, first in _scores_from(client).items():
            if first >= found.as_of and other != version:
                client.delete_model_version_tag(MODEL_NAME, other, SCORES_FROM)
        _let_score(client, found)
        if aliases.get(CHAMPION) not in {None, version}:
            client.set_registered_model_alias(MODEL_NAME, PREVIOUS, aliases[CHAMPION])
        # The champion last: whoever reads meanwhile has one or the other.
        client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
        if aliases.get(CHALLENGER) == version:
            client.delete_registered_model_alias(MODEL_NAME, CHALLENGER)


def let_score_the_past(home: Path, version: str) -> None:
    """Let a version score the nights from its as-of date to that of the next one that may score.

    Raises:
        RisklineError: there is no such version, or it is not what was registered.
    """
    found = registered(home, version)
    with _one_at_a_time(home), _client(home) as client:
        _let_score(client, found)


def _let_score(client: "MlflowClient", found: Registered) -> None:
    client.set_model_version_tag(MODEL_NAME, found.version, SCORES_FROM, found.as_of.isoformat())


def _scores_from(client: "MlflowClient") -> Mapping[str, date]:
    """The versions that may score, and from which night on."""
    versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
    tags = {str(each.version): each.tags.get(SCORES_FROM) for each in versions}
    return {version: date.fromisoformat(tag) for version, tag in tags.items() if tag}


def predecessor_version(home: Path) -> str:
    """The version that was the champion before the present one.

    Raises:
        RisklineError: there is none.
    """
    version = None
    if _database(home).exists():
        with _client(home) as client:
            version = _aliases(client).get(PREVIOUS)
    if version is None:
        raise RisklineError("there is no earlier champion to go back to")
    return version


def roll_back(home: Path) -> str:
    """Make the champion's predecessor the champion again; once more, and it is undone.

    Returns:
        The version that scores now.

    Raises:
        RisklineError: there is none, or it is not what was registered.
    """
    version = predecessor_version(home)
    promote(home, version)
    return version


def champion_version(home: Path) -> str | None:
    """The version of the model in use, or None where none has been promoted yet."""
    if not _database(home).exists():
        return None
    with _client(home) as client:
        return _aliases(client).get(CHAMPION)


def champion(home: Path) -> Registered | None:
    """The model in use, or None where none has been promoted yet.

    Raises:
        RisklineError: its file is gone or is not what was registered.
    """
    version = champion_version(home)
    return None if version is None else registered(home, version)


def scorer_of(home: Path, night: date) -> Registered | None:
    """The model that scores a night, for it learnt only from what was known by then.

    That is the champion, or, on nights before its as-of date, the one that was it before, or that
    was let score the past; a champion that was rolled back scores no more.

    Returns:
        None where there is none.

    Raises:
        RisklineError: its file is gone or is not what was registered.
    """
    found = champion(home)
    if found is None or found.as_of <= night:
        return found
    with _client(home) as client:
        known = [(first, int(v)) for v, first in _scores_from(client).items() if first <= night]
    return registered(home, str(max(known)[1])) if known else None


def registered(home: Path, version: str) -> Registered:
    """A version of the registry.

    Raises:
        RisklineError: there is none, or its file is gone or is not what was registered.
    """
    unknown = RisklineError(
        f"the registry has no model of version {version!r}; riskline status names the champion"
    )
    # The registry would also find version 1 by 01.
    if not _database(home).exists() or not version.isdecimal() or version.startswith("0"):
        raise unknown
    from mlflow.exceptions import MlflowException

    with _client(home) as client:
        try:
            found = client.get_model_version(MODEL_NAME, version)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise unknown from error
        run = client.get_run(str(found.run_id))
        who = "the champion" if _aliases(client).get(CHAMPION) == version else "the model"
    folder = Path(unquote(urlparse(str(found.source)).path))
    file = folder / MODEL_FILE
    try:
        model = DimensionGBM.from_json(file.read_bytes().decode(errors="replace"))
    except RisklineError as error:
        raise RisklineError(
            f"{who}, version {version}, is damaged: {error}; restore {file} or run riskline train"
        ) from error
    except OSError as error:
        raise RisklineError(
            f"{who}, version {version}, has lost its file {file}; restore it or run riskline train"
        ) from error
    if model.content_hash != run.data.params["content_hash"]:
        raise RisklineError(
            f"{who}, version {version}, is not the model that was registered; restore {file} or "
            "run riskline train"
        )
    return Registered(
        version=version,
        model=model,
        notes=dict(run.data.params),
        kept_judgement=_judgement(folder / JUDGEMENT_FILE),
    )


def _judgement(file: Path) -> Judgement | None:
    try:
        return Judgement.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Nights go on without it: who asks for it is told.
        log.warning("%s cannot be read: %s", file, error)
        return None


def _aliases(client: "MlflowClient") -> Mapping[str, str]:
    """The version that each alias names."""
    models = client.search_registered_models(f"name = '{MODEL_NAME}'")
    return {name: str(v) for name, v in models[0].aliases.items()} if models else {}


def _history(trained: Trained) -> dict[str, str]:
    """How a model came about."""
    return {
        "content_hash": trained.model.content_hash,
        "fitted_cohorts": ", ".join(str(day) for day in trained.fitted_cohorts),
        "held_out_cohorts": ", ".join(str(day) for day in trained.held_out_cohorts),
        "constant_features": ", ".join(trained.constant_features),
        "trials": str(len(trained.trials)),
    }


def _folder(home: Path) -> Path:
    return home / "models"


def _database(home: Path) -> Path:
    return _folder(home) / "registry.db"


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """While versions or aliases change; not the client's own lock, which is held only briefly."""
    _folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    with (_folder(home) / ".change").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _client(home: Path) -> Iterator["MlflowClient"]:
    # Read when MLflow is first imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    # Its import sets the levels of its loggers, so ours comes after.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)

    _folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    uri = f"sqlite:///{_database(home)}"
    with (_folder(home) / ".lock").open("w") as lock:
        # MLflow creates its tables at the first use of a store: once, not by two processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_registered_models(max_results=1)
    yield client
