"""Commands about nights: run them, look at them, do them again."""

from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.shown import (
    UNPRINTABLE,
    AsOf,
    business_date,
    figure,
    open_console,
    print_table,
    read_settings,
    reader_url,
)
from pipeline.errors import RisklineError


@app.command()
def run(as_of: AsOf) -> None:
    """Run one night: pull, check, build, score, decide, publish."""
    settings = read_settings()
    day = business_date(as_of, settings)
    # Only now, so that a mistyped date is answered at once.
    from pipeline import nightly

    console = open_console()
    run_id = nightly.run(
        settings, day, trigger="cli", on_stage=lambda stage: console.print(f"{day} {stage}")
    )
    console.print(f"{day} published as {run_id}")


@app.command()
def status() -> None:
    """Show the nights that are published, and the model in use."""
    from models import registry
    from pipeline.rooms import ensure_warehouse
    from pipeline.warehouse.query import read_only

    settings = read_settings()
    console = open_console()
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
    print_table(*read_only(reader_url(settings), query))


@app.command()
def quarantine(
    as_of: AsOf,
    table: Annotated[str | None, typer.Option(help="One table only.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each table.")] = 5,
) -> None:
    """Show the rows that break their contract, by their keys, and why."""
    from pipeline import lookups

    settings = read_settings()
    console = open_console()
    tables = lookups.quarantined(settings, business_date(as_of, settings))
    if table is not None and table not in tables:
        raise RisklineError(f"no table {table}; there are {', '.join(tables)}")
    for name, found in tables.items():
        if table is not None and name != table:
            continue
        console.print(f"{name}: {len(found)} rows quarantined")
        for row in found.slice(0, rows).to_pylist():
            key = ", ".join(f"{k}={v}" for k, v in row.items() if k != "reasons")
            # Keys are the source's, whatever they hold.
            line = UNPRINTABLE.sub("\ufffd", f"  {key}: {'; '.join(row['reasons'])}")
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
    settings = read_settings()
    day = business_date(as_of, settings)
    from pipeline import lookups
    from pipeline.features.registry import FEATURES, names_by_dimension

    view = lookups.customer_view(settings, day, customer)
    if not personal:
        view = lookups.without_personal(view, settings)
    figures = {name: figure(value) for name, value in view.values.items()}
    for dimension, names in names_by_dimension().items():
        shown = [
            (name, figures.get(name, "personal"), FEATURES[name].unit.value,
             FEATURES[name].description, ", ".join(FEATURES[name].sources))
            for name in names
        ]  # fmt: skip
        print_table([dimension, "value", "unit", "what it says", "from"], shown)
    for table, found in view.rows.items():
        last = found.slice(max(len(found) - rows, 0)).to_pylist()
        open_console().print(f"{table}: {len(found)} rows as known on {day}", soft_wrap=True)
        if last:
            print_table(found.column_names, [tuple(row.values()) for row in last])
    if not personal:
        open_console().print("what is personal is left out; --personal shows it", soft_wrap=True)


@app.command()
def settle() -> None:
    """Decide nights again that rest on another past than is published, the earliest first."""
    settings = read_settings()
    from pipeline.settling import settle as settle_nights

    nights = settle_nights(settings)
    said = ", ".join(str(night) for night in nights) or "none; every night rests on the one before"
    open_console().print(f"nights decided again: {said}", soft_wrap=True)


@app.command()
def preview(
    as_of: AsOf,
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each table.")] = 20,
) -> None:
    """Show which tiers and warnings a run of the night would change; nothing is published."""
    settings = read_settings()
    day = business_date(as_of, settings)
    from pipeline.preview import preview as preview_night

    found = preview_night(settings, day)
    console = open_console()
    if not found.is_published:
        console.print(f"the night of {day} is not published; everything would be new")
    for title, changes, by in (
        ("tiers", found.tiers, ["before", "after"]),
        ("warnings", found.warnings, ["rule", "before", "after"]),
    ):
        console.print(f"{title} that would change: {len(changes):,}")
        if len(changes):
            counts = changes.value_counts(by).rename("count").reset_index()
            print_table([*by, "count"], counts.sort_values(by).itertuples(index=False))
            print_table([str(name) for name in changes], changes.head(rows).itertuples(index=False))
    before, after = found.expected_loss
    console.print(f"expected loss: {before:,.0f} before, {after:,.0f} after")


@app.command()
def replay(as_of: AsOf) -> None:
    """Compute a published night again from the lake, and compare it to the bit."""
    settings = read_settings()
    from pipeline.replay import replay as replay_night

    found = replay_night(settings, business_date(as_of, settings))
    for name, (was, now) in found.changed.items():
        open_console().print(f"{name} was {was} and is {now}", soft_wrap=True, markup=False)
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
    open_console().print(
        f"the run {found.run_id} is the same to the bit: {found.hash}", soft_wrap=True
    )
