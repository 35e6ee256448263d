"""What others tell the bank of a customer, of late."""

import ibis.expr.types as ir

from pipeline.as_of import AsOf
from pipeline.features.declaration import Recent, frame
from pipeline.features.exact import mean

# Values have at most a few decimals; as decimals their mean is the same in any order.
SIGNAL = "decimal(18, 6)"


@frame(Recent("external_signals", "observed_at", days=365))
def signals(at: AsOf, external_signals: ir.Table) -> ir.Table:
    """The signals of the last 12 months that have a value.

    Columns: customer_id, kind and value, from -1 (bad) to 1 (good).
    """
    rows = external_signals.filter(external_signals["value"].notnull())
    return rows.select("customer_id", "kind", value=rows["value"].cast(SIGNAL))


def mean_signal(rows: ir.Table, kind: str) -> ir.FloatingScalar:
    """The mean value of the signals of one kind; null where there are none."""
    return mean(rows["value"], where=rows["kind"] == kind)
