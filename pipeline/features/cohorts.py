"""A night's features in the lake, one partition a day, for scoring and for training alike."""

import calendar
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from pipeline.as_of import known_at_close
from pipeline.contracts.contract import Contract
from pipeline.engines.base import Engine
from pipeline.features.build import build_features
from pipeline.lake import Lake

FEATURES = "features"


@lru_cache(maxsize=1)
def _code_hash() -> str:
    """A hash of the code that computes features: with other code, partitions are built anew."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for file in [*sorted(here.glob("*.py")), here.parent / "as_of.py"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def partition_name(contracts: Mapping[str, Contract], timezone: ZoneInfo) -> str:
    """The lake's table of features built by this code under these contracts."""
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
) -> pa.Table:
    """Build the features of a day and keep them, in place of what was kept of that day."""
    known = known_at_close(contracts, lake, engine, as_of, timezone)
    rows = build_features(known, engine)
    lake.write(FEATURES, partition_name(contracts, timezone), as_of, rows)
    return rows


def read_or_build(
    contracts: Mapping[str, Contract],
    lake: Lake,
    engine: Engine,
    as_of: date,
    timezone: ZoneInfo,
) -> pa.Table:
    """The features of a day as kept, built first where they are not."""
    name = partition_name(contracts, timezone)
    if lake.exists(FEATURES, name, as_of):
        return lake.read(FEATURES, name, as_of)
    return build_partition(contracts, lake, engine, as_of, timezone)


def month_ends_until(last: date) -> Iterator[date]:
    """Month ends, the latest first, from the last one on or before a day."""
    day = last
    if day.day != calendar.monthrange(day.year, day.month)[1]:
        day = day.replace(day=1) - timedelta(days=1)
    while True:
        yield day
        day = day.replace(day=1) - timedelta(days=1)
