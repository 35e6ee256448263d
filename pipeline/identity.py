"""What a night is computed from, and so what has to be the same for its rows to be the same."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata

import pyarrow as pa

from models.registry import Registered
from pipeline.decisions.night import Past
from pipeline.decisions.policy import Policy
from pipeline.pseudonyms import Ids
from pipeline.rooms import Rooms
from pipeline.settings import REPOSITORY
from pipeline.warehouse.publish import content_hash


@lru_cache(maxsize=1)
def code_version() -> str:
    """The package's version and a hash of the code that decides what a night is."""
    digest = hashlib.sha256()
    for folder in ("pipeline", "models"):
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            digest.update(file.relative_to(REPOSITORY).as_posix().encode())
            digest.update(file.read_bytes())
    return f"{metadata.version('riskline')}+{digest.hexdigest()[:12]}"


def identity_of(
    rooms: Rooms,
    inputs: Mapping[str, pa.Table],
    model: Registered,
    policy: Policy,
    past: Past,
    previous_run_id: str | None,
) -> dict[str, str | None]:
    """All that a night is computed from: where two nights agree in it, their rows do.

    Args:
        rooms: whose contracts hold.
        inputs: the tables that the model and the decisions read.
        model: that scored.
        policy: by which it is decided.
        past: what officers said.
        previous_run_id: the published run that its decisions go on from, if there is one.
    """
    return {
        "code_version": code_version(),
        "model_version": model.version,
        "model_hash": model.model.content_hash,
        "contract_hash": digest_of(
            {f"source {name}": contract.sha256 for name, contract in rooms.contracts.items()}
            | {f"output {name}": contract.sha256 for name, contract in rooms.outputs.items()}
        ),
        "policy_hash": policy.sha256,
        "input_hash": content_hash(inputs),
        "pseudonym_fingerprint": Ids.of(rooms.settings).fingerprint,
        "answers_hash": digest_of(past.said_by_officers),
        "previous_run_id": previous_run_id,
    }


def digest_of(value: Mapping[str, str | None]) -> str:
    """SHA-256 of named texts, whatever their order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
