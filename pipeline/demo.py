"""The demonstration: a simulated bank, a trained model, three nights through the real DAG."""

import json
import time
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from pipeline import retraining, scheduler
from pipeline.errors import RisklineError
from pipeline.lake import Lake
from pipeline.rooms import lake_owner
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank
from pipeline.simulator.deliver import fill
from pipeline.warehouse.bank import name_bank
from pipeline.warehouse.query import read_only
from pipeline.warehouse.server import ensure_running

NIGHTS = 3
CUSTOMERS = 5_000
"""As few as leave defaulters enough, among those never learnt from, to judge a model by."""


def demo(settings: Settings, console: Console) -> None:
    """Show the whole way once, on the embedded server.

    Raises:
        RisklineError: a setting points somewhere else than the embedded server, or a night fails.
    """
    if settings.source_url is not None or settings.warehouse_url is not None:
        raise RisklineError(
            "the demo fills the embedded server with a simulated bank; unset RISK_SOURCE_URL and "
            "RISK_WAREHOUSE_URL for it"
        )
    started = time.monotonic()
    server = ensure_running(settings.home)
    bank = Bank(customers=CUSTOMERS)
    # Before anything is replaced: the home may hold another bank's nights.
    Lake(settings.lake).claim(lake_owner(settings, repr(bank)))
    url = server.url("bank", "bank")
    rows = fill(bank, url, console)
    name_bank(url, repr(bank))
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.print(f"a simulated bank, rows by table: {counts}")
    nights = [bank.last_date - timedelta(days=back) for back in reversed(range(NIGHTS))]
    training = retraining.train(settings, nights[0] - timedelta(days=1))
    version = training.model.version
    if not training.is_champion:
        reasons = "; ".join(training.model.judgement.reasons)
        console.print(
            f"the gate keeps version {version} back: {reasons or 'it waits for a person'}; "
            "for the demonstration it scores",
            soft_wrap=True,
        )
        retraining.promote(settings, version, despite_gate=True)
    console.print(
        f"a model, version {version}: "
        f"{training.model.judgement.by_name['auc']}, on customers never learnt from"
    )
    scheduler.prepare(settings)
    for night in nights:
        run = scheduler.run_night(night, settings)
        if str(run.state) != "success":
            raise RisklineError(f"the night of {night} failed; the reason is above")
        console.print(f"the night of {night} is published, through the DAG {run.dag_id}")
    _show(server.url("warehouse", "risk_reader"), console)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. Where to look next:")
    console.print('  .venv/bin/riskline sql "select * from risk.current_warnings limit 20"')
    console.print('  psql "$(.venv/bin/riskline warehouse-url)"   tables and views in schema risk')
    console.print("  make airflow                                   the DAG and its runs in the UI")


def _show(url: str, console: Console) -> None:
    _, tiers = read_only(
        url,
        "SELECT tier, count(*), round(avg(pd)::numeric * 100, 2), round(sum(expected_loss)) "
        "FROM risk.current_risk GROUP BY tier ORDER BY tier",
    )
    table = Table("tier", title="Risk tiers")
    for name in ("customers", "mean PD %", "expected loss"):
        table.add_column(name, justify="right")
    for tier, customers, mean_pd, expected_loss in tiers:
        table.add_row(str(tier), f"{customers:,}", f"{mean_pd:.2f}", f"{expected_loss:,.0f}")
    console.print(table)
    _, warnings = read_only(
        url,
        "SELECT rank, customer_id, severity, reasons, playbook FROM risk.current_warnings "
        "ORDER BY rank LIMIT 5",
    )
    table = Table("#", "customer", "severity", "why", "what to do", title="Most urgent warnings")
    for rank, customer, severity, reasons, playbook in warnings:
        said = reasons if isinstance(reasons, list) else json.loads(str(reasons))
        why = "; ".join(reason["en"] for reason in said)
        table.add_row(str(rank), str(customer), str(severity), why, str(playbook))
    console.print(table)
