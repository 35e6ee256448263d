"""The model as a function that any MLflow client can load and call.

mlflow.set_registry_uri("sqlite:///<RISK_HOME>/models/registry.db")
score = mlflow.pyfunc.load_model("models:/riskline_pd@champion")
score.predict(features)
"""

import platform
from pathlib import Path
from typing import Any

import pandas as pd

from models.dimension_gbm import DimensionGBM

MODEL_FILE = "model.json"


class ScoringFunction:
    """What MLflow calls."""

    def __init__(self, model: DimensionGBM) -> None:
        """Wrap a model."""
        self._model = model

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score customers.

        Args:
            model_input: (n, columns) a numeric column for each feature of the model, NaN where it
                is missing; other columns do not matter.
            params: none are known.

        Returns:
            (n, ...) on the index of the input: pd, log_odds, intercept, a contribution_<dimension>
            each and joint_effect; the last ones sum to log_odds.

        Raises:
            RisklineError: a feature is missing, or is not a number.
        """
        explanation = self._model.explain(model_input)
        scored = pd.DataFrame(
            {
                "pd": explanation.default_probability,
                "log_odds": explanation.log_odds,
                "intercept": explanation.intercept,
            },
            index=model_input.index,
        )
        scored = scored.join(explanation.contributions.add_prefix("contribution_"))
        return scored.assign(joint_effect=explanation.joint_effect)


def _load_pyfunc(path: str) -> ScoringFunction:
    """MLflow's way in: the file of a model, or the folder that holds it."""
    file = Path(path)
    return ScoringFunction(
        DimensionGBM.from_json((file / MODEL_FILE if file.is_dir() else file).read_text("utf-8"))
    )


def write(model: DimensionGBM, folder: Path) -> None:
    """Write a model as MLflow loads it, into a folder that is there and empty."""
    from mlflow.models import Model

    (folder / MODEL_FILE).write_text(model.to_json(), encoding="utf-8")
    # Not by mlflow.pyfunc, whose import takes seconds and warns of MLflow's own type hints.
    described = Model()
    described.add_flavor(
        "python_function",
        loader_module=__name__,
        data=MODEL_FILE,
        python_version=platform.python_version(),
    )
    described.save(folder / "MLmodel")
