"""How a page is made from a template: everything escaped, nothing missing, in place at once."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **content: object) -> str:
    """A page of this package's templates."""
    environment = Environment(
        loader=PackageLoader("pipeline.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)


def write_page(file: Path, page: str) -> None:
    """Put a page into a file, in place of what is there: whole, or not at all.

    Raises:
        OSError: the folder is missing or may not be written, or the disk is full.
    """
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
