"""The command `riskline`."""

import logging
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline.errors import RisklineError, of_the_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from models.evidence import Evidence
    from pipeline.settings import Settings

audit = typer.Typer(no_args_is_help=True, help="Look at the audit log.")
app = typer.Typer(
    help="Nightly risk scoring for lenders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(audit, name="audit")

AsOf = Annotated[str, typer.Option("--as-of", help="Business date, YYYY-MM-DD.", metavar="DATE")]


def main() -> None:
    """Run the command line; what a person can put right ends in one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except RisklineError as error:
        _end(str(error))
    except OSError as error:
        _end(str(of_the_machine(error)))


def _end(message: str) -> NoReturn:
    typer.echo(f"riskline: {message}", err=True)
    sys.exit(1)


@app.command()
def run(as_of: AsOf) -> None:
    """Run one night: pull, check, build, score, decide, publish."""
    settings = _settings()
    day = _business_date(as_of, settings)
    # Only now, so that a mistyped date is answered at once.
    from pipeline import nightly

    console = _console()
    run_id = nightly.run(
        settings, day, trigger="cli", on_stage=lambda stage: console.print(f"{day} {stage}")
    )
    console.print(f"{day} published as {run_id}")


@app.command()
def train(
    as_of: AsOf,
    horizon: Annotated[
        int | None,
        typer.Option(
            min=1, max=3660, help="Of the outcome, if not the policy's; such a model never scores."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why it is trained; kept with the model.")] = "",
) -> None:
    """Train a model on what is known on a date; it scores if it deserves to."""
    settings = _settings()
    day = _business_date(as_of, settings)
    from pipeline import retraining

    console = _console()
    training = retraining.train(
        settings,
        day,
        horizon=horizon,
        note=note,
        on_stage=lambda stage: console.print(f"{day} {stage}"),
    )
    version, judgement = training.model.version, training.model.judgement
    figures = judgement.by_name
    console.print(
        f"version {version}: learnt from {figures['rows_training'].value:,.0f} rows, measured on "
        f"{figures['rows_test'].value:,.0f} of customers never learnt from"
    )
    for name in ("auc", "auc_less_champion", "log_loss_less_champion", "joint_variance_share"):
        if name in figures:
            console.print(f"  {figures[name]}", soft_wrap=True)
    if constant := training.model.notes["constant_features"]:
        console.print(
            f"features that never varied, so that nothing is learnt from them: {constant}",
            soft_wrap=True,
        )
    if training.is_champion:
        console.print(f"version {version} is the champion")
    elif judgement.has_passed:
        console.print(
            f"version {version} deserves to be the champion; riskline promote {version} makes it so"
        )
    else:
        console.print(f"version {version} stays a challenger, and the champion stays:")
        for reason in judgement.reasons:
            console.print(f"  {reason}", soft_wrap=True)


@app.command()
def promote(
    version: str,
    despite_gate: Annotated[
        bool, typer.Option("--despite-gate", help="Answer for it yourself, whatever the gate says.")
    ] = False,
) -> None:
    """Make a version that the gate has let through the champion."""
    settings = _settings()
    from pipeline import retraining

    retraining.promote(settings, version, despite_gate=despite_gate)
    _console().print(f"version {version} is the champion, and scores from the next night on")


@app.command()
def card(
    version: Annotated[
        str | None, typer.Option(help="Of the registry; else the champion.", metavar="N")
    ] = None,
) -> None:
    """Print the document of a version of the model: data, choices, figures, limits, fairness."""
    settings = _settings()
    from models.card import card as card_of
    from pipeline import lookups

    typer.echo(card_of(lookups.model(settings, version)), nl=False)


@app.command()
def evidence(
    as_of: AsOf,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write it as a page with charts, too.", metavar="FILE", dir_okay=False),
    ] = None,
) -> None:
    """Measure whether many dimensions beat one: on a month end of which no model saw an outcome."""
    settings = _settings()
    day = _business_date(as_of, settings)
    if html is not None and not html.parent.is_dir():
        # Before anything takes long.
        raise RisklineError(f"no folder {html.parent}; make it first, or name another file")
    from pipeline import retraining

    found = retraining.evidence(settings, day)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found), default=str, indent=2))
    else:
        _print_evidence(found)
    # Last: what took long to measure is told, whatever becomes of the page.
    if html is not None:
        from pipeline.report.evidence_page import evidence_page
        from pipeline.report.page import write_page

        write_page(html, evidence_page(found))


def _print_evidence(found: "Evidence") -> None:
    console = _console()
    console.print(
        f"{found.customers:,} customers of {found.as_of}, of whom {found.defaults:,} defaulted. "
        f"All models learnt from the {len(found.fitted_cohorts)} cohorts of "
        f"{found.fitted_cohorts[0]} to {found.fitted_cohorts[-1]}. In brackets: 95 % intervals.",
        soft_wrap=True,
    )
    names = list(next(iter(found.figures.values())))
    for title, chosen in {
        "how it ranks and fits": [n for n in names if not n.startswith("bad_")],
        "bad debts among the best, by count": [n for n in names if n.startswith("bad_rate_")],
        "bad debts among the best, by amount": [n for n in names if n.startswith("bad_amount_")],
    }.items():
        for what, figures in {"": found.figures, ", less all": found.against_all}.items():
            rows = [
                (model, *(f"{f[n].value:.4f} ({f[n].lower:.4f}, {f[n].upper:.4f})" for n in chosen))
                for model, f in figures.items()
            ]
            _print_table([title + what, *chosen], rows)
    if found.uncalibrated:
        models = ", ".join(found.uncalibrated)
        console.print(f"not calibrated, for they rank the wrong way round: {models}")


@audit.command()
def verify(
    known_hash: Annotated[
        str | None,
        typer.Option("--hash", help="One that an earlier verification told.", metavar="HASH"),
    ] = None,
) -> None:
    """Recompute the chain of hashes, and hold runs, answers and overrides to it."""
    settings = _settings()
    from pipeline.rooms import ensure_warehouse
    from pipeline.warehouse.audit import verify as verify_chain

    ensure_warehouse(settings)
    chain = verify_chain(_reader_url(settings), known_hash)
    _console().print(
        f"the audit log holds: {chain.entries:,} entries, the last hash is "
        f"{chain.last_hash or 'none'}",
        soft_wrap=True,
    )


@app.command()
def settle() -> None:
    """Decide nights again that rest on another past than is published, the earliest first."""
    settings = _settings()
    from pipeline.settling import settle as settle_nights

    nights = settle_nights(settings)
    said = ", ".join(str(night) for night in nights) or "none; every night rests on the one before"
    _console().print(f"nights decided again: {said}", soft_wrap=True)


@app.command()
def replay(as_of: AsOf) -> None:
    """Compute a published night again from the lake, and compare it to the bit."""
    settings = _settings()
    from pipeline.replay import replay as replay_night

    found = replay_night(settings, _business_date(as_of, settings))
    for name, (was, now) in found.changed.items():
        _console().print(f"{name} was {was} and is {now}", soft_wrap=True, markup=False)
    if found.rows_hash != found.published_hash:
        raise RisklineError(
            f"the rows of the run {found.run_id} in the warehouse have the hash "
            f"{found.rows_hash}, but were published with {found.published_hash}: somebody changed "
            f"them; run: riskline run --as-of {as_of}"
        )
    if not found.is_same:
        raise RisklineError(
            f"the run {found.run_id} is published with the hash {found.published_hash}, and "
            f"computed again it has {found.hash}"
        )
    _console().print(f"the run {found.run_id} is the same to the bit: {found.hash}", soft_wrap=True)


@app.command()
def preview(
    as_of: AsOf,
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each table.")] = 20,
) -> None:
    """Show which tiers and warnings a run of the night would change; nothing is published."""
    settings = _settings()
    day = _business_date(as_of, settings)
    from pipeline.preview import preview as preview_night

    found = preview_night(settings, day)
    console = _console()
    if not found.is_published:
        console.print(f"the night of {day} is not published; everything would be new")
    for title, changes, by in (
        ("tiers", found.tiers, ["before", "after"]),
        ("warnings", found.warnings, ["rule", "before", "after"]),
    ):
        console.print(f"{title} that would change: {len(changes):,}")
        if len(changes):
            counts = changes.value_counts(by).rename("count").reset_index()
            _print_table([*by, "count"], counts.sort_values(by).itertuples(index=False))
            _print_table(
                [str(name) for name in changes], changes.head(rows).itertuples(index=False)
            )
    before, after = found.expected_loss
    console.print(f"expected loss: {before:,.0f} before, {after:,.0f} after")


@app.command()
def whatif(
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="PARAMETER=VALUE...",
            help="Such as warning_rules.pd_above.bound=0.15 or warning_capacity=50.",
        ),
    ],
    as_of: AsOf,
) -> None:
    """Show what another policy would have done on the latest month end with known outcomes."""
    settings = _settings()
    day = _business_date(as_of, settings)
    from pipeline.whatif import what_if

    found = what_if(settings, day, changes)
    console = _console()
    console.print(
        f"On {found.as_of} there were {found.customers:,} customers whose outcome is known by "
        f"{day}; {found.defaults:,} of them defaulted.",
        soft_wrap=True,
    )
    now, then = found.now, found.then
    rows = [
        *((f"customers in tier {tier}", f"{now.tiers[tier]:,}", f"{then.tiers[tier]:,}")
          for tier in now.tiers),
        ("warnings", f"{now.warnings:,}", f"{then.warnings:,}"),
        ("warnings on the list", f"{now.listed:,}", f"{then.listed:,}"),
        ("customers on the list", f"{now.customers:,}", f"{then.customers:,}"),
        ("share of the defaults on the list", *(
            "none defaulted" if each.defaults_caught is None else f"{each.defaults_caught:.1%}"
            for each in (now, then)
        )),
        ("share of the expected loss on the list", f"{now.loss_caught:.1%}",
         f"{then.loss_caught:.1%}"),
    ]  # fmt: skip
    _print_table(["", "policy in force", "changed policy"], rows)
    console.print(f"customers who move tier: {found.moves['customers'].sum():,}")
    if len(found.moves):
        moves = found.moves.sort_values(["before", "after"])
        _print_table(["from", "to", "customers"], moves.itertuples(index=False))


@app.command()
def rollback() -> None:
    """Make the champion's predecessor the champion again; once more, and it is undone."""
    settings = _settings()
    from pipeline import retraining

    version = retraining.roll_back(settings)
    _console().print(f"version {version} is the champion again, and scores from the next night on")


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
    settings = _settings()
    from pipeline.simulator.bank import Bank
    from pipeline.simulator.deliver import deliver, fill
    from pipeline.warehouse.bank import name_bank
    from pipeline.warehouse.server import ensure_running

    day = Bank.last_date if last_date is None else last_date.date()
    bank = Bank(customers=customers, months=months, last_date=day, seed=seed)
    console = _console()
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

    run_demo(_settings(), _console())


@app.command()
def sql(query: str) -> None:
    """Ask the warehouse; nothing can be changed this way."""
    from pipeline.warehouse.query import read_only

    _print_table(*read_only(_reader_url(_settings()), query))


@app.command()
def warehouse_url() -> None:
    """Print the URL with which reports and psql connect; it holds a password.

    Of the embedded server, that of a role that may only read; else RISK_WAREHOUSE_URL as it is.
    """
    typer.echo(_reader_url(_settings()))


@app.command()
def quarantine(
    as_of: AsOf,
    table: Annotated[str | None, typer.Option(help="One table only.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each table.")] = 5,
) -> None:
    """Show the rows that break their contract, by their keys, and why."""
    from pipeline import lookups

    settings = _settings()
    console = _console()
    tables = lookups.quarantined(settings, _business_date(as_of, settings))
    if table is not None and table not in tables:
        raise RisklineError(f"no table {table}; there are {', '.join(tables)}")
    for name, found in tables.items():
        if table is not None and name != table:
            continue
        console.print(f"{name}: {len(found)} rows quarantined")
        for row in found.slice(0, rows).to_pylist():
            key = ", ".join(f"{k}={v}" for k, v in row.items() if k != "reasons")
            line = f"  {key}: {'; '.join(row['reasons'])}"
            console.print(line, soft_wrap=True, markup=False)


@app.command()
def features(
    as_of: AsOf,
    customer: Annotated[str, typer.Option(help="The customer's number.", metavar="ID")],
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each table, the last.")] = 5,
    personal: Annotated[
        bool, typer.Option("--personal", help="Show what is personal too.")
    ] = False,
) -> None:
    """Show a customer's features by dimension, and the rows that they came from."""
    settings = _settings()
    day = _business_date(as_of, settings)
    from pipeline import lookups
    from pipeline.features.registry import FEATURES, names_by_dimension

    view = lookups.customer_view(settings, day, customer)
    if not personal:
        view = lookups.without_personal(view, settings)
    figures = {name: _figure(value) for name, value in view.values.items()}
    for dimension, names in names_by_dimension().items():
        shown = [
            (name, figures.get(name, "personal"), FEATURES[name].unit.value,
             FEATURES[name].description, ", ".join(FEATURES[name].sources))
            for name in names
        ]  # fmt: skip
        _print_table([dimension, "value", "unit", "what it says", "from"], shown)
    for table, found in view.rows.items():
        last = found.slice(max(len(found) - rows, 0)).to_pylist()
        _console().print(f"{table}: {len(found)} rows as known on {day}", soft_wrap=True)
        if last:
            _print_table(found.column_names, [tuple(row.values()) for row in last])
    if not personal:
        _console().print("what is personal is left out; --personal shows it", soft_wrap=True)


@app.command()
def status() -> None:
    """Show the nights that are published, and the model in use."""
    from models import registry
    from pipeline.rooms import ensure_warehouse
    from pipeline.warehouse.query import read_only

    settings = _settings()
    console = _console()
    ensure_warehouse(settings)
    champion = registry.champion(settings.home)
    console.print(
        "no model has been trained yet"
        if champion is None
        else f"champion: version {champion.version}, as of {champion.notes.get('as_of')}"
    )
    query = (
        "SELECT r.as_of_date, r.run_id, r.model_version, r.customers, r.warnings, "
        "r.rows_quarantined, s.run_id IS NOT NULL AS is_stale FROM risk.runs AS r "
        "LEFT JOIN risk.stale_nights AS s USING (run_id) ORDER BY r.as_of_date DESC LIMIT 10"
    )
    _print_table(*read_only(_reader_url(settings), query))


@app.command()
def airflow(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the UI.")] = 8080,
) -> None:
    """Start Airflow with its UI on 127.0.0.1, until Ctrl-C."""
    import signal

    from pipeline import scheduler

    settings = _settings()
    console = _console()
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

    server.stop(_settings().home)


def _settings() -> "Settings":
    # Only when a command runs: what reads settings takes longer to import than --help may take.
    from pipeline.settings import load_settings

    return load_settings()


def _business_date(text: str, settings: "Settings") -> date:
    from pipeline.business_day import resolve_as_of

    return resolve_as_of(text, None, settings.timezone, datetime.now(UTC))


def _reader_url(settings: "Settings") -> str:
    from pipeline.warehouse.server import ensure_running

    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return ensure_running(settings.home).url("warehouse", "risk_reader")


def _figure(value: float | None) -> str:
    """A number as people write it: no decimals where there are none, else four digits or more."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 10_000 else f"{value:.4g}"


def _console() -> "Console":
    from rich.console import Console

    # A log has no width of its own; rich would fold lines at 80 characters.
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def _print_table(names: "Sequence[str]", rows: "Iterable[Sequence[object]]") -> None:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(*(escape(name) for name in names))
    for row in rows:
        # Text, not markup: a customer's name may hold brackets.
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    _console().print(table)
