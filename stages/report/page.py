"""metrics.json and what was gathered, laid out for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.report.meanings import GROUPS, TASK_MEASURES, Meaning

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A figure as text: value, interval, and why there is none; `share`: bar length, 0..100, among its rivals."""

    label: str
    value: str
    interval: str = ""
    n: int | None = None
    reason: str = ""
    truth: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class FigureRow:
    meaning: Meaning
    own: Shown
    rivals: tuple[Shown, ...] = ()


def number(value: float) -> str:
    """Three significant digits, thousands whole, a true minus sign."""
    if abs(value) >= 1000 or value == int(value):
        text = f"{value:,.0f}"
    elif abs(value) < 1e-3:
        text = f"{value:.1e}"
    else:
        text = f"{value:.{min(max(0, 2 - _magnitude(value)), 4)}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _magnitude(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


class Figures:
    """Look-up in metrics.json by dotted name."""

    def __init__(self, metrics: Mapping[str, Any]):
        self._metrics = metrics
        self._reasons = {row["figure"]: row["reason"] for row in metrics.get("reasons", [])}

    def raw(self, name: str) -> Any:
        node: Any = self._metrics
        for part in name.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node

    def central(self, name: str) -> float | None:
        """The number, or the interval's mean."""
        node = self.raw(name)
        return node.get("mean") if isinstance(node, Mapping) else node

    def shown(self, name: str, label: str, share: float = 0.0) -> Shown:
        node = self.raw(name)
        if node is None:
            return Shown(label, "–", reason=self._reasons.get(name, "not measured"))
        if not isinstance(node, Mapping):
            return Shown(label, number(node), share=share)
        spread = f"{number(node['low'])} to {number(node['high'])}, n {node['n']}" if node["low"] < node["high"] else ""
        truth = number(node["truth"]) if node.get("truth") is not None else ""
        return Shown(label, number(node["mean"]), spread, node.get("n"), truth=truth, share=share)


def figure_groups(metrics: Mapping[str, Any]) -> list[tuple[str, str, list[FigureRow]]]:
    figures = Figures(metrics)
    return [(title, what, [_row(figures, meaning) for meaning in meanings]) for title, what, meanings in GROUPS]


def _row(figures: Figures, meaning: Meaning) -> FigureRow:
    names = [meaning.name, *(name for _, name in meaning.rivals)]
    values = {name: figures.central(name) for name in names}
    largest = max((abs(v) for v in values.values() if v is not None), default=0) or 1

    def show(name: str, label: str) -> Shown:
        return figures.shown(name, label, 100 * abs(values[name] or 0) / largest)

    rivals = tuple(show(name, label) for label, name in meaning.rivals)
    return FigureRow(meaning, show(meaning.name, "ours"), rivals)


def task_figures(metrics: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, list[FigureRow]]:
    """Per task, the measures that its row of the task table has."""
    figures = Figures(metrics)
    found = {}
    for task in tasks:
        own = figures.raw(f"tasks.{task}") or {}
        rows = [m for m in TASK_MEASURES if m.name in own]
        found[task] = [FigureRow(m, figures.shown(f"tasks.{task}.{m.name}", m.label)) for m in rows]
    return found


def embedding_of(metrics: Mapping[str, Any]) -> str:
    """The embedding behind the FAD figures."""
    for task in (metrics.get("tasks") or {}).values():
        fad = task.get("fad")
        if isinstance(fad, Mapping) and fad.get("embedding"):
            return str(fad["embedding"])
    return ""


def render(**values: Any) -> str:
    """index.html: the template with style and script in it, everything else escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = number
    own = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")}
    return environment.get_template("page.html.j2").render(
        css=own["page.css"], js=own["page.js"], task_measures=TASK_MEASURES, **values
    )
