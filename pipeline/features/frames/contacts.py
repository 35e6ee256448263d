"""How the customer and the bank dealt with each other in the last year."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import Recent, frame
from pipeline.features.marks import one_bit

CONTACTS_OF_A_YEAR = Recent("interactions", "occurred_at", days=365)
CHANNELS = ("branch", "phone", "online", "mobile", "email", "visit")
# Decimals, whose mean is the same in any order of the rows.
TONE = "decimal(18, 6)"


@frame(CONTACTS_OF_A_YEAR)
def contacts(at: AsOf, interactions: ir.Table) -> ir.Table:
    """Every contact of the last year, logins too.

    Columns: customer_id, days_ago, kind, channel (a bit of each of ``CHANNELS``, null where none is
    recorded), is_login, is_contact (what is no login), tone, satisfaction and marked_at, which puts
    satisfaction in order of time and, of two marks given in the same second, the better one last.
    """
    # Some engines give the parts of a second too.
    seconds = interactions.occurred_at.epoch_seconds().floor()
    return interactions.select(
        "customer_id",
        "kind",
        "satisfaction",
        channel=one_bit(interactions.channel == channel for channel in CHANNELS),
        days_ago=at.days_since_instant(interactions.occurred_at),
        is_login=interactions.kind == "app_login",
        is_contact=interactions.kind != "app_login",
        tone=interactions.sentiment.cast(TONE),
        marked_at=seconds * 10 + interactions.satisfaction,
    )
