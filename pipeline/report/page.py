"""How a page is made from a template: everything escaped, nothing missing, in place at once."""

import os
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.errors import RisklineError


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
        RisklineError: the folder is missing, or cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=file.parent, prefix=f".{file.name}.", encoding="utf-8", delete=False
        ) as unfinished:
            try:
                unfinished.write(page)
                unfinished.flush()
                os.fsync(unfinished.fileno())
                Path(unfinished.name).chmod(0o640)
                Path(unfinished.name).replace(file)
            except BaseException:
                Path(unfinished.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise RisklineError(f"{file} cannot be written: {error.strerror}") from error
