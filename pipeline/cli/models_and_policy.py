"""Commands about what decides: models, their evidence, and policy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.shown import AsOf, business_date, open_console, print_table, read_settings
from pipeline.errors import RisklineError

if TYPE_CHECKING:
    from models.evidence import Evidence


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
    settings = read_settings()
    day = business_date(as_of, settings)
    from pipeline import retraining

    console = open_console()
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
    past_only: Annotated[
        bool,
        typer.Option(
            "--past-only", help="Let it score nights before the champion's as-of date, no others."
        ),
    ] = False,
) -> None:
    """Make a version that the gate has let through the champion."""
    settings = read_settings()
    from pipeline import retraining

    if past_only:
        retraining.let_score_the_past(settings, version, despite_gate=despite_gate)
        open_console().print(f"version {version} scores past nights; the champion stays")
        return
    retraining.promote(settings, version, despite_gate=despite_gate)
    open_console().print(f"version {version} is the champion, and scores from the next night on")


@app.command()
def rollback() -> None:
    """Make the champion's predecessor the champion again; once more, and it is undone."""
    settings = read_settings()
    from pipeline import retraining

    version = retraining.roll_back(settings)
    open_console().print(
        f"version {version} is the champion again, and scores from the next night on"
    )


@app.command()
def card(
    version: Annotated[
        str | None, typer.Option(help="Of the registry; else the champion.", metavar="N")
    ] = None,
) -> None:
    """Print the document of a version of the model: data, choices, figures, limits, fairness."""
    settings = read_settings()
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
    settings = read_settings()
    day = business_date(as_of, settings)
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
    console = open_console()
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
            print_table([title + what, *chosen], rows)
    if found.uncalibrated:
        models = ", ".join(found.uncalibrated)
        console.print(f"not calibrated, for they rank the wrong way round: {models}")


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
    settings = read_settings()
    day = business_date(as_of, settings)
    from pipeline.whatif import what_if

    found = what_if(settings, day, changes)
    console = open_console()
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
    print_table(["", "policy in force", "changed policy"], rows)
    console.print(f"customers who move tier: {found.moves['customers'].sum():,}")
    if len(found.moves):
        moves = found.moves.sort_values(["before", "after"])
        print_table(["from", "to", "customers"], moves.itertuples(index=False))
