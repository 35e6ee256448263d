"""Keeps every trained model, and says which one is in use: an MLflow registry on SQLite."""

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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

MODEL_NAME = "riskline_pd"
CHAMPION, CHALLENGER = "champion", "challenger"
PREVIOUS = "previous_champion"
FOLDER = "model"
JUDGEMENT_FILE = "judgement.json"
TRIALS_FILE = "trials.json"


@dataclass(frozen=True)
class Registered:
    """A model of the registry."""

    version: str
    model: DimensionGBM
    notes: Mapping[str, str]
    judgement: Judgement


def register(home: Path, trained: Trained, judgement: Judgement, notes: Mapping[str, str]) -> str:
    """Keep a trained model as a new version: the challenger, until it is promoted.

    Args:
        home: RISK_HOME.
        trained: what is kept, with its figures.
        judgement: what the gate says of it.
        notes: kept beside it, such as the policy's hash.

    Returns:
        The version.
    """
    with _client(home) as client:
        experiment = client.get_experiment_by_name(MODEL_NAME)
        if experiment is None:
            runs = (_folder(home) / "runs").as_uri()
            experiment_id = client.create_experiment(MODEL_NAME, artifact_location=runs)
        else:
            experiment_id = experiment.experiment_id
        run = client.create_run(experiment_id)
        run_id = run.info.run_id
        for name, value in {**notes, **_history(trained)}.items():
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


def promote(home: Path, version: str) -> None:
    """Make a version the champion: the one that scores. Its predecessor is remembered.

    Raises:
        RisklineError: there is no such version, or it is not what was registered.
    """
    registered(home, version)
    with _client(home) as client:
        aliases = _aliases(client)
        if aliases.get(CHAMPION) not in {None, version}:
            client.set_registered_model_alias(MODEL_NAME, PREVIOUS, aliases[CHAMPION])
        # The champion last: whoever reads meanwhile has one or the other.
        client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
        if aliases.get(CHALLENGER) == version:
            client.delete_registered_model_alias(MODEL_NAME, CHALLENGER)


def roll_back(home: Path) -> str:
    """Make the champion's predecessor the champion again; once more, and it is undone.

    Returns:
        The version that scores now.

    Raises:
        RisklineError: there is none, or it is not what was registered.
    """
    version = None
    if _database(home).exists():
        with _client(home) as client:
            version = _aliases(client).get(PREVIOUS)
    if version is None:
        raise RisklineError("there is no earlier champion to go back to")
    promote(home, version)
    return version


def champion(home: Path) -> Registered | None:
    """The model in use, or None where none has been promoted yet.

    Raises:
        RisklineError: its file is gone or is not what was registered.
    """
    if not _database(home).exists():
        return None
    with _client(home) as client:
        version = _aliases(client).get(CHAMPION)
    return None if version is None else registered(home, version)


def registered(home: Path, version: str) -> Registered:
    """A version of the registry.

    Raises:
        RisklineError: there is none, or its file is gone or is not what was registered.
    """
    from mlflow.exceptions import MlflowException

    with _client(home) as client:
        try:
            found = client.get_model_version(MODEL_NAME, version)
        except MlflowException as error:
            raise RisklineError(f"the registry has no model of version {version!r}") from error
        run = client.get_run(str(found.run_id))
        who = "the champion" if _aliases(client).get(CHAMPION) == version else "the model"
    folder = Path(unquote(urlparse(str(found.source)).path))
    file = folder / MODEL_FILE
    try:
        judgement = Judgement.from_json((folder / JUDGEMENT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RisklineError(
            f"the judgement of version {version} is lost or damaged; restore "
            f"{folder / JUDGEMENT_FILE} or run riskline train"
        ) from error
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
        judgement=judgement,
    )


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
