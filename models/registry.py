"""Keeps every trained model, and says which one is in use: an MLflow registry on SQLite."""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from models.dimension_gbm import DimensionGBM
from models.training import Trained
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_NAME = "riskline_pd"
CHAMPION = "champion"
MODEL_FILE = "model.json"


@dataclass(frozen=True)
class Registered:
    """A model of the registry."""

    version: str
    model: DimensionGBM
    held_out_auc: float
    held_out_auc_lower: float


def register(home: Path, trained: Trained, notes: Mapping[str, str]) -> str:
    """Keep a trained model as a new version; its alias is another matter.

    Args:
        home: RISK_HOME.
        trained: what is kept, with its figures.
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
        for name, value in {**notes, "content_hash": trained.model.content_hash}.items():
            client.log_param(run_id, name, value)
        for name, figure in _figures(trained).items():
            client.log_metric(run_id, name, figure)
        client.log_text(run_id, trained.model.to_json(), MODEL_FILE)
        client.set_terminated(run_id)
        if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
            client.create_registered_model(MODEL_NAME)
        version = client.create_model_version(
            MODEL_NAME, source=f"{run.info.artifact_uri}/{MODEL_FILE}", run_id=run_id
        )
        return str(version.version)


def promote(home: Path, version: str) -> None:
    """Make a version the champion: the one that scores."""
    with _client(home) as client:
        client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)


def champion(home: Path) -> Registered | None:
    """The model in use, or None where none has been promoted yet.

    Raises:
        RisklineError: its file is gone or is not what was registered.
    """
    if not _database(home).exists():
        return None
    with _client(home) as client:
        models = client.search_registered_models(f"name = '{MODEL_NAME}'")
        version = models[0].aliases.get(CHAMPION) if models else None
        if version is None:
            return None
        found = client.get_model_version(MODEL_NAME, version)
        run = client.get_run(str(found.run_id))
        file = Path(unquote(urlparse(str(found.source)).path))
    try:
        model = DimensionGBM.from_json(file.read_bytes().decode(errors="replace"))
    except RisklineError as error:
        raise RisklineError(
            f"the champion, version {found.version}, is damaged: {error}; restore {file} or run "
            "riskline train"
        ) from error
    except OSError as error:
        raise RisklineError(
            f"the champion, version {found.version}, has lost its file {file}; restore it or run "
            "riskline train"
        ) from error
    if model.content_hash != run.data.params["content_hash"]:
        raise RisklineError(
            f"the champion, version {found.version}, is not the model that was registered; "
            f"restore {file} or run riskline train"
        )
    return Registered(
        version=str(found.version),
        model=model,
        held_out_auc=run.data.metrics["held_out_auc"],
        held_out_auc_lower=run.data.metrics["held_out_auc_lower"],
    )


def _figures(trained: Trained) -> dict[str, float]:
    held_out = trained.held_out
    return {
        "held_out_auc": held_out.auc.value,
        "held_out_auc_lower": held_out.auc.lower,
        "held_out_auc_upper": held_out.auc.upper,
        "held_out_log_loss": held_out.log_loss,
        "held_out_rows": held_out.rows,
        "held_out_defaults": held_out.defaults,
        "joint_variance_share": trained.joint_variance_share,
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
