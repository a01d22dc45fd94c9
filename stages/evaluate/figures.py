"""What a figure in metrics.json may be: a number, {mean, low, high, n} with a 95 % interval, or null with a reason.

`Figures` collects them by dotted name. Null figures stand in their place in the tree; the reasons stand in one list
at the top (`dvc metrics` shows numbers and strings and leaves out nulls and lists, so its table stays clean).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Figure = float | int | dict[str, Any] | None


class NotMeasurable(Exception):  # noqa: N818 (a finding, not an error)
    """This figure cannot be computed here; the message is the reason that goes into metrics.json."""


def interval(
    values: Sequence[Any] | np.ndarray,
    seed: int,
    n_bootstrap: int,
    statistic: Callable[[Any], float] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """{mean, low, high, n}: `statistic` (default: mean) over all values, and its bootstrap 95 % percentile interval,
    moved so that the draws' median falls on the figure: a distance between distributions grows when items repeat.

    Values that are NaN are left out; with one value low = high = mean. Raises NotMeasurable with none.
    """
    finite = [v for v in values if not (isinstance(v, float | np.floating) and math.isnan(v))]
    if not finite:
        raise NotMeasurable("no item could be measured")
    n = len(finite)
    centre = statistic(finite) if statistic else float(np.mean(finite))
    low = high = centre
    if n > 1:
        chosen = np.random.default_rng(seed).integers(0, n, (n_bootstrap, n))
        draws = (
            np.asarray(finite)[chosen].mean(1)
            if statistic is None
            else [statistic([finite[i] for i in row]) for row in chosen]
        )
        low, median, high = np.percentile(draws, [2.5, 50, 97.5])
        if statistic is not None:
            low, high = max(low + centre - median, 0.0), high + centre - median
    return {"mean": rounded(centre), "low": rounded(low), "high": rounded(high), "n": n} | facts


def rounded(value: float) -> float:
    """Five significant digits: what is beyond them differs between machines."""
    return float(f"{float(value):.5g}")


@dataclass
class Figures:
    """A tree of figures, filled by dotted name."""

    tree: dict[str, Any] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, figure: Figure) -> None:
        if isinstance(figure, float | np.floating):
            if not math.isfinite(figure):
                return self.add_null(name, "not a finite number")
            figure = rounded(float(figure))
        self._set(name, figure)
        return None

    def add_null(self, name: str, reason: str) -> None:
        self._set(name, None)
        self.reasons.append({"figure": name, "reason": reason})

    def measure(self, group: str, names: Sequence[str], compute: Callable[[], Mapping[str, Any]]) -> None:
        """Add GROUP.NAME for every name from what `compute` returns, a NotMeasurable being null with its reason; where
        it raises one, all are null for that reason.

        Only NotMeasurable and a missing file or package count as "cannot": an error in our own code is raised.
        """
        try:
            values = compute()
        except (NotMeasurable, FileNotFoundError, ModuleNotFoundError) as why:
            for name in names:
                self.add_null(f"{group}.{name}", str(why))
            return
        for name in names:
            value = values.get(name)
            if value is None or isinstance(value, NotMeasurable):
                self.add_null(f"{group}.{name}", str(value or "there is nothing here to measure it on"))
            else:
                self.add(f"{group}.{name}", value)

    def _set(self, name: str, figure: Figure) -> None:
        *parents, leaf = name.split(".")
        node = self.tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = figure
