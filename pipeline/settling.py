"""Decides nights again that rest on another past than is published now."""

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial

from pipeline import nightly
from pipeline.errors import RisklineError
from pipeline.lake import NIGHT
from pipeline.rooms import Rooms, warehouse_url
from pipeline.settings import Settings
from pipeline.warehouse.history import published_run, stale_nights

log = logging.getLogger("riskline")

TRIGGER = "settle"


def settle(settings: Settings) -> list[date]:
    """Decide and publish stale nights again, the earliest first, until none is left.

    A night is stale where the night before it was run again with another result, or was published
    only after it. Its customers are scored as they were; tiers, warnings and proposals follow from
    the past as it is published now. So nights may be run in any order, or side by side: whoever
    publishes last settles what the others left, and the tables are those of one night after the
    other.

    Returns:
        The nights that were decided again, in order.

    Raises:
        RisklineError: the lake holds a night as scored otherwise than it was published, or the
            warehouse cannot be reached. Nights settled by then stay so.
    """
    rooms = Rooms(settings)
    url = warehouse_url(settings)
    settled = []
    with rooms.lake.hold("settling", NIGHT):
        while stale := stale_nights(url):
            as_of = stale[0]
            started_at = datetime.now(UTC)
            before = published_run(url, as_of)
            nightly.decide(settings, as_of, partial(_hold_to, as_of, before))
            nightly.publish(settings, as_of, trigger=TRIGGER, started_at=started_at)
            log.info("the night of %s was decided again", as_of)
            settled.append(as_of)
    return settled


def _hold_to(
    as_of: date, published: Mapping[str, str | None] | None, identity: Mapping[str, str | None]
) -> None:
    """Refuse what would not be the published night with another past."""
    for name in ("model_version", "input_hash"):
        if published is not None and identity[name] != published[name]:
            raise RisklineError(
                f"the night of {as_of} is to be decided again, but since it was published its "
                f"{name.replace('_', ' ')} in the lake has changed; run it whole: riskline run "
                f"--as-of {as_of}"
            )
