"""The datasheet of a data set: one self-contained page, DIR/index.html, and its figures, DIR/datasheet.json."""

import base64
import io
import json
from pathlib import Path
from typing import Any

from stages.contract.files import write_atomic
from stages.contract.freshness import Folders
from stages.ledger.figures import Tally, gather, quantiles
from stages.lib.config import load_params

_TEMPLATE = Path(__file__).parent / "datasheet.html.j2"
_LISTED = 20  # values of a group that are named; the others are summed up
_RULES = ("ingest", "segment")  # sections of params.yaml that leave songs out
_BINS = 30


def write_datasheet(folder: Path, folders: Folders, params: Path) -> Path:
    """Returns the page's path."""
    from jinja2 import Environment

    figures = gather(folders)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        f=figures,
        groups=[(name, _longest(tallies)) for name, tallies in figures.groups.items()],
        n_singers=sum(name != "unknown" for name in figures.groups["singer"]),
        plots=[
            (name, histogram(name, values), quantiles(values))
            for name, values in figures.distributions.items()
            if values
        ],
        rules=_rules(params),
    )
    write_atomic(folder / "datasheet.json", json.dumps(figures.to_dict(), ensure_ascii=False, indent=1) + "\n")
    write_atomic(folder / "index.html", page)
    return folder / "index.html"


def _longest(tallies: dict[str, Tally]) -> list[tuple[str, Tally]]:
    """The values with most songs, the rest as one."""
    ordered = sorted(tallies.items(), key=lambda item: (-item[1].songs, item[0]))
    listed, rest = ordered[:_LISTED], ordered[_LISTED:]
    if rest:
        listed.append((f"{len(rest)} others", Tally(sum(t.songs for _, t in rest), sum(t.hours for _, t in rest))))
    return listed


def _rules(params: Path) -> list[tuple[str, Any]]:
    if not params.is_file():
        return []
    sections = load_params(params)
    return [(f"{name}.{key}", value) for name in _RULES for key, value in (sections.get(name) or {}).items()]


def histogram(name: str, values: list[float]) -> str:
    """A PNG as a data URI."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.2, 2.2), layout="constrained")
    axes = figure.add_subplot()
    whole = all(float(value).is_integer() for value in values)
    low, high = min(values), max(values)
    if whole and high - low < _BINS:
        axes.hist(values, bins=[low - 0.5 + step for step in range(int(high - low) + 2)], color="#34618d", rwidth=0.9)
    else:
        axes.hist(values, bins=_BINS, color="#34618d")
    axes.set_xlabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
