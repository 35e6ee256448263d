"""Commands about what a night lives in: banks, the warehouse, Airflow, the audit log."""

from datetime import datetime
from typing import Annotated

import typer

from pipeline.cli.app import app, audit
from pipeline.cli.shown import open_console, print_table, read_settings, reader_url
from pipeline.errors import RisklineError


@app.command()
def simulate(
    customers: Annotated[int, typer.Option(min=100, max=10_000_000)] = 2_000,
    months: Annotated[int, typer.Option(min=20, max=240)] = 30,
    last_date: Annotated[
        datetime | None,
        typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="Last day of the bank's life."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 20240601,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Folder for Parquet files, or postgresql://...; else the embedded server.",
        ),
    ] = None,
) -> None:
    """Make up a bank, as a source to pull from; without --to it fills the embedded server."""
    settings = read_settings()
    from pipeline.simulator.bank import Bank
    from pipeline.simulator.deliver import deliver, fill
    from pipeline.warehouse.bank import name_bank
    from pipeline.warehouse.server import ensure_running

    day = Bank.last_date if last_date is None else last_date.date()
    bank = Bank(customers=customers, months=months, last_date=day, seed=seed)
    console = open_console()
    if to is not None:
        rows = deliver(bank, to, console)
    elif settings.lake.exists():
        raise RisklineError(
            f"{settings.home} already holds nights of another bank; set RISK_HOME to a new folder"
        )
    else:
        url = ensure_running(settings.home).url("bank", "bank")
        rows = fill(bank, url, console)
        name_bank(url, repr(bank))
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.print(f"a bank up to {bank.last_date}, rows by table: {counts}", soft_wrap=True)


@app.command()
def demo() -> None:
    """Simulate a small bank, train, and run three nights through the real DAG."""
    from pipeline.demo import demo as run_demo

    run_demo(read_settings(), open_console())


@app.command()
def sql(query: str) -> None:
    """Ask the warehouse; nothing can be changed this way."""
    from pipeline.warehouse.query import read_only

    print_table(*read_only(reader_url(read_settings()), query))


@app.command()
def warehouse_url() -> None:
    """Print the URL with which reports and psql connect; it holds a password.

    Of the embedded server, that of a role that may only read; else RISK_WAREHOUSE_URL as it is.
    """
    typer.echo(reader_url(read_settings()))


@audit.command()
def verify(
    known_hash: Annotated[
        str | None,
        typer.Option("--hash", help="One that an earlier verification told.", metavar="HASH"),
    ] = None,
) -> None:
    """Recompute the chain of hashes, and hold runs, answers and overrides to it."""
    settings = read_settings()
    from pipeline.rooms import ensure_warehouse
    from pipeline.warehouse.audit import verify as verify_chain

    ensure_warehouse(settings)
    chain = verify_chain(reader_url(settings), known_hash)
    open_console().print(
        f"the audit log holds: {chain.entries:,} entries, the last hash is "
        f"{chain.last_hash or 'none'}",
        soft_wrap=True,
    )


@audit.command()
def show(
    entries: Annotated[int, typer.Option(min=1, help="How many, the last ones.")] = 20,
) -> None:
    """Show the last entries."""
    settings = read_settings()
    from pipeline.rooms import ensure_warehouse
    from pipeline.warehouse.query import read_only

    ensure_warehouse(settings)
    query = (
        "SELECT entry, at, actor, event, subject, detail FROM risk.audit_log "  # noqa: S608 - a number
        f"WHERE entry > (SELECT max(entry) FROM risk.audit_log) - {entries} ORDER BY entry"
    )
    print_table(*read_only(reader_url(settings), query))


@app.command()
def airflow(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the UI.")] = 8080,
) -> None:
    """Start Airflow with its UI on 127.0.0.1, until Ctrl-C."""
    import signal

    from pipeline import scheduler

    settings = read_settings()
    console = open_console()
    console.print("starting Airflow; this takes half a minute")
    try:
        with scheduler.services(settings, port) as address:
            console.print(f"Airflow's UI: {address}")
            password_file = settings.home / "airflow" / "passwords.json"
            console.print(f"user admin, password in {password_file}; Ctrl-C stops", soft_wrap=True)
            signal.pause()
    except KeyboardInterrupt:
        console.print("stopped")


@app.command()
def stop() -> None:
    """Stop the embedded server; the next command that needs it starts it again."""
    from pipeline.warehouse import server

    server.stop(read_settings().home)
