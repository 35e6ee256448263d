"""Policy files for tests, over the packaged ones."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from pipeline import retraining
from pipeline.settings import Settings

# A short horizon, so that a short life of a bank holds what is learnt from and what is measured on;
# and wide bounds, for of few customers few figures are sure.
SHORT: Mapping[str, Mapping[str, Any]] = {
    "default_definition": {"days_past_due": 10, "horizon": 1},
    "training": {
        "training_cohorts": 3,
        "held_out_cohorts": 1,
        "search_trials": 1,
        "training_defaults": 2,
        "promotion_bounds": {
            "calibration_ratio": 3.0, "calibration_slope": 3.0, "stability_index": 0.5,
            "defaulters": 1,
        },
    },
}  # fmt: skip


def write_policy(folder: Path, policy: Mapping[str, Mapping[str, Any]] = SHORT) -> Path:
    """Write a policy file a name, each parameter in force for ever; the folder must be new."""
    folder.mkdir(parents=True)
    words = {"description": "d", "unit": "u", "reference": "r"}
    for name, values in policy.items():
        said = {key: {**words, "values": {date(2000, 1, 1): v}} for key, v in values.items()}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))
    return folder


def train_champion(settings: Settings, as_of: date) -> None:
    """Train a model that scores, for tests of what comes after: of so few customers, whatever the
    gate says of it.
    """
    training = retraining.train(settings, as_of)
    if not training.is_champion:
        retraining.promote(settings, training.model.version, despite_gate=True)
