"""The program that commands hang on."""

import typer

audit = typer.Typer(no_args_is_help=True, help="Look at the audit log.")
app = typer.Typer(
    help="Nightly risk scoring for lenders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(audit, name="audit")
