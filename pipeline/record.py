"""What a night was decided under, kept with it: its policy and the files of its contracts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from pipeline.decisions.policy import Policy
from pipeline.errors import RisklineError
from pipeline.lake import NIGHT, Lake
from pipeline.settings import Settings

RECORD = "record"
_SIDES = ("sources", "outputs")


@dataclass(frozen=True)
class Record:
    """What a run was decided under."""

    run_id: str
    policy: Policy
    contracts: dict[str, str]
    """Texts of the contract files by their path in the contracts' folder."""

    @contextmanager
    def settings(self, settings: Settings) -> Iterator[Settings]:
        """Settings under which the recorded contracts hold, as long as the block lasts."""
        with TemporaryDirectory(prefix="contracts-") as folder:
            for name, text in self.contracts.items():
                file = Path(folder) / name
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
            yield settings.model_copy(update={"contracts": Path(folder)})


def record_of(settings: Settings, run_id: str, policy: Policy) -> pa.Table:
    """One row that says what a run is decided under."""
    contracts = {
        f"{side}/{file.name}": file.read_text(encoding="utf-8")
        for side in _SIDES
        for file in sorted((settings.contracts / side).glob("*.odcs.yaml"))
    }
    row = {
        "run_id": run_id,
        # Without what is left out in YAML too: JSON has no word for a bound that is infinite.
        "policy": policy.model_dump_json(exclude_defaults=True),
        "contracts": json.dumps(contracts, ensure_ascii=False),
    }
    return pa.Table.from_pylist([row])


def read_record(lake: Lake, as_of: date, run_id: str) -> Record:
    """What a published run was decided under.

    Raises:
        RisklineError: the lake holds no record of it.
    """
    rows = lake.read(NIGHT, RECORD, as_of).to_pylist() if lake.exists(NIGHT, RECORD, as_of) else []
    if not rows or rows[0]["run_id"] != run_id:
        raise RisklineError(
            f"the lake holds no record of the run {run_id}; it was published from another "
            f"RISK_HOME, or the night was decided again since and not published: run riskline run "
            f"--as-of {as_of}"
        )
    policy = Policy.model_validate_json(rows[0]["policy"])
    return Record(run_id, policy, json.loads(rows[0]["contracts"]))
