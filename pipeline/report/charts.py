"""Charts as SVG, in a page's own colours: values with their intervals, one below the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from markupsafe import Markup, escape

from models.evaluation import Estimate

WIDTH, LABELS, VALUES, LINE = 760, 210, 220, 26
TOP, BOTTOM = 10, 30
TICKS = 5


class Unit(StrEnum):
    """What stands behind a number; shares and their differences are written times 100."""

    NONE = ""
    PERCENT = " %"
    POINTS = " pp"


@dataclass(frozen=True)
class Line:
    """One value of a chart; ``is_marked`` for the one that the others are held against."""

    label: str
    estimate: Estimate
    is_marked: bool = False


def intervals(
    title: str, lines: Sequence[Line], *, zero: bool = False, unit: Unit = Unit.NONE
) -> Markup:
    """A dot a value, with its interval as a bar through it.

    Args:
        title: what a screen reader says of it.
        lines: from the top down, one or more.
        zero: whether a line stands at 0, for differences.
        unit: of the values.
    """
    ends = [e for line in lines for e in (line.estimate.lower, line.estimate.upper)]
    ends += [line.estimate.value for line in lines] + ([0.0] if zero else [])
    ticks = _ticks(min(ends), max(ends))
    low, high = ticks[0], ticks[-1]
    height = TOP + LINE * len(lines) + BOTTOM

    def x(value: float) -> str:
        return f"{LABELS + (WIDTH - LABELS - VALUES) * (value - low) / (high - low):.1f}"

    digits = _digits(ticks[1] - ticks[0], unit)
    # A narrow interval says nothing where both its ends look the same.
    widths = [line.estimate.upper - line.estimate.lower for line in lines]
    digits_said = 1 + max(_digits(width, unit) for width in (*widths, ticks[1] - ticks[0]))
    frame = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
    parts = [f'<svg class="chart" {frame}>']
    for tick in ticks:
        kind = "zero" if zero and tick == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{x(tick)}" x2="{x(tick)}" y1="{TOP}" '
            f'y2="{height - BOTTOM}"/>'
            f'<text class="tick" x="{x(tick)}" y="{height - BOTTOM + 16}">'
            f"{number(tick, digits, unit)}</text>"
        )
    for place, line in enumerate(lines):
        y = TOP + LINE * (place + 0.5)
        found = line.estimate
        said = (
            f"{number(found.value, digits_said, unit)} "
            f"({number(found.lower, digits_said, unit)} to "
            f"{number(found.upper, digits_said, unit)})"
        )
        parts.append(
            f'<g class="{"marked" if line.is_marked else "plain"}">'
            f'<text class="label" x="{LABELS - 14}" y="{y + 4}">{escape(line.label)}</text>'
            f'<line class="bar" x1="{x(found.lower)}" x2="{x(found.upper)}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{x(found.value)}" cy="{y}" r="4.5"/>'
            f'<text class="value" x="{WIDTH}" y="{y + 4}">{said}</text></g>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - labels are escaped above


def number(value: float, digits: int, unit: Unit = Unit.NONE) -> str:
    """A number as a page writes it, with a real minus sign."""
    text = f"{value * _times(unit):.{digits}f}{unit.value}"
    # A rounded zero has no sign.
    is_negative = text.startswith("-") and any(digit in text for digit in "123456789")
    return ("\u2212" if is_negative else "") + text.removeprefix("-")


def _digits(size: float, unit: Unit) -> int:
    """Decimals up to the first that is not 0; no more than anybody reads."""
    return min(max(0, -math.floor(math.log10(size * _times(unit)))), 5) if size > 0 else 0


def _times(unit: Unit) -> int:
    return 1 if unit is Unit.NONE else 100


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that hold the range, `TICKS` of them or so."""
    span = (high - low) or abs(high) or 1.0
    raw = span / (TICKS - 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next((size * each for each in (1, 2, 5) if size * each >= raw), size * 10)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [each * step for each in range(first, max(last, first + 1) + 1)]
