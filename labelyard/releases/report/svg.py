"""SVG of matplotlib for an HTML page: its colours and fonts become those of the page, in light and dark.

matplotlib draws with placeholder colours. They are replaced by CSS variables, which the page's style defines.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, FAINT, PAPER, HEAT, GOOD, BAD = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
"""Placeholders: text and axes, grid lines, the background, heat maps, what is added, what is removed."""
SERIES = tuple(f"#0102{number:02x}" for number in range(0x20, 0x26))
"""Placeholders of the splits."""

_VARIABLES = {
    INK: "currentColor",
    FAINT: "var(--line)",
    PAPER: "var(--card)",
    HEAT: "var(--heat)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
} | {placeholder: f"var(--s{number})" for number, placeholder in enumerate(SERIES, 1)}

_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "labelyard",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.unicode_minus": False,
}

_HEAD = re.compile(
    r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*|<!--.*?-->\s*", re.DOTALL
)
_SIZE = re.compile(r'(<svg[^>]*?) width="[\d.]+pt" height="[\d.]+pt"')
_FONT = re.compile(r"font: (?:\w+ )*?([\d.]+)px [^;\"]*")
_ID = re.compile(r'\s?\bid="([^"]*)"')
_REFERENCE = re.compile(r'(xlink:href="#|url\(#)([^")]+)')
_COLOUR = re.compile("|".join(_VARIABLES))
_STROKE_DEFAULTS = re.compile(r"(?<=[\"; ])stroke-(?:linejoin: miter|linecap: butt)(?:; )?")
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_TAG = re.compile(r"<[^>]+>")
_SPACE = re.compile(r">\s+<")


@contextmanager
def page_style() -> Iterator[None]:
    """Draw with the colours of the page, whatever a matplotlibrc says, and without words about missing glyphs."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the browser's fonts have what DejaVu does not
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # literals there
        yield


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an SVG element whose ids are its own. `title` is escaped text: what people hear of it."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = _HEAD.sub("", written.getvalue())
    text = _SPACE.sub("><", text).strip()
    text = _TAG.sub(lambda tag: _DECIMALS.sub(r"\1", tag[0]), text)
    used = {found[2] for found in _REFERENCE.finditer(text)}
    text = _ID.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = _REFERENCE.sub(rf"\g<1>{name}-\g<2>", text)
    text = _SIZE.sub(rf'\1 class="plot {name}" role="img" aria-label="{title}"', text, count=1)
    text = _FONT.sub(r"font-size: \1px", text)
    text = _STROKE_DEFAULTS.sub("", text)
    return _COLOUR.sub(lambda found: _VARIABLES[found[0]], text)
