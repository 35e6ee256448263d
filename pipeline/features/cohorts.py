"""A night's features in the lake, one partition a day, for scoring and for training alike."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from pipeline.as_of import known_at_close
from pipeline.business_day import is_month_end
from pipeline.contracts.contract import Contract
from pipeline.contracts.judged import judged_stamps
from pipeline.contracts.quarantine import REASONS, split
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError
from pipeline.features.build import Frames, build_features
from pipeline.features.contract import features_contract
from pipeline.features.registry import FEATURES as DECLARED
from pipeline.lake import Lake

FEATURES = "features"


@dataclass(frozen=True)
class Built:
    """A day's features, and the frames that they were made of, for what else is made of them.

    Attributes:
        rows: a row a customer.
        frames: of the tables as known at the close of the day.
        rows_seen: a hash that tells which valid rows there were.
    """

    rows: pa.Table
    frames: Frames
    rows_seen: str


@lru_cache(maxsize=1)
def _code_hash() -> str:
    """A hash of the code that computes features: with other code, partitions are built anew."""
    digest = hashlib.sha256()
    pipeline = Path(__file__).resolve().parent.parent
    for part in ("features", "as_of.py", "business_day.py", "contracts", "engines"):
        path = pipeline / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def partition_name(contracts: Mapping[str, Contract], timezone: ZoneInfo) -> str:
    """The lake's table of features built by this code under these contracts, in this time zone."""
    digest = hashlib.sha256(f"{_code_hash()}{timezone.key}".encode())
    for contract in contracts.values():
        digest.update(contract.sha256.encode())
    return f"by_customer_{digest.hexdigest()[:12]}"


def build_partition(
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
) -> Built:
    """Build the features of a day and keep them, in place of what was kept of that day.

    Raises:
        RisklineError: a row breaks the contract of the features; what was kept stays.
    """
    # Looked at before the rows are: what lands meanwhile makes the partition one to build again.
    rows_seen = _rows_seen(contracts, lake, as_of)
    known = known_at_close(contracts, lake, engine, as_of, timezone)
    frames = Frames(known, engine, DECLARED.values())
    rows = build_features(known, engine, frames=frames)
    hold_to_contract(rows, engine, as_of)
    name = partition_name(contracts, timezone)
    # Nobody else's partition is to bear this mark.
    with lake.hold(name, FEATURES):
        lake.write(FEATURES, name, as_of, rows)
        lake.mark(FEATURES, name, as_of, made_by=rows_seen)
    return Built(rows, frames, rows_seen)


def hold_to_contract(rows: pa.Table, engine: Engine, as_of: date) -> None:
    """Let no features go on that break their contract.

    Raises:
        RisklineError: some do.
    """
    broken = split(rows, features_contract(), engine).quarantined
    if len(broken):
        reason = broken.column(REASONS)[0].as_py()[0]
        raise RisklineError(
            f"the features of {len(broken)} of {len(rows)} customers on {as_of} break their "
            f"contract, the first because {reason}; look for rows of the customer that are out of "
            "all proportion, and let the contract of their table say so"
        )


def no_customers(as_of: date) -> RisklineError:
    """What to say of a night on which nobody is known."""
    return RisklineError(
        f"no customer is known on {as_of}; check the table customers, or run a later night"
    )


def read_or_build(
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
) -> pa.Table:
    """The features of a day as kept, built first where they are not.

    Where rows that were known by then have landed or were corrected since, they are built again.
    """
    name = partition_name(contracts, timezone)
    # The mark comes after the partition: one without the other is of a build that was cut off.
    is_kept = lake.exists(FEATURES, name, as_of) and as_of in lake.marks(FEATURES, name)
    if is_kept and lake.made_by(FEATURES, name, as_of) == _rows_seen(contracts, lake, as_of):
        return lake.read(FEATURES, name, as_of)
    return build_partition(contracts, lake, engine, as_of, timezone).rows


def _rows_seen(contracts: Mapping[str, Contract], lake: Lake, as_of: date) -> str:
    """A hash of which partitions of valid rows there are up to a day, and since when."""
    digest = hashlib.sha256()
    for name, contract in contracts.items():
        stamps = judged_stamps(contract, lake, as_of)
        digest.update(f"{name} {stamps}\n".encode())
    return digest.hexdigest()


def month_ends_until(last: date) -> Iterator[date]:
    """Month ends, the latest first, from the last one on or before a day."""
    day = last
    if not is_month_end(day):
        day = day.replace(day=1) - timedelta(days=1)
    while True:
        yield day
        day = day.replace(day=1) - timedelta(days=1)
