"""Training curves out of DVCLive's `plots/metrics/**/NAME.tsv`, as inline SVG."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, PAD = 280, 110, 4


@dataclass(frozen=True)
class Curve:
    """One metric of one model over its steps; finite values only, thinned."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def path(self) -> str:
        """The d of an SVG path in a box of WIDTH x HEIGHT."""
        low, high = min(self.values), max(self.values)
        first, last = self.steps[0], self.steps[-1]
        across = (WIDTH - 2 * PAD) / max(last - first, 1e-12)
        up = (HEIGHT - 2 * PAD) / max(high - low, 1e-12)
        points = [f"{PAD + (s - first) * across:.1f} {HEIGHT - PAD - (v - low) * up:.1f}" for s, v in self.points]
        return "M" + "L".join(points)

    @property
    def points(self) -> list[tuple[float, float]]:
        return list(zip(self.steps, self.values, strict=True))

    @property
    def summary(self) -> str:
        """For those who cannot see the curve."""
        ends = f"from {_short(self.values[0])} to {_short(self.values[-1])}"
        return f"{self.name}: {ends} over {self.steps[-1]:g} steps"


def _short(value: float) -> str:
    return f"{value:.3g}"


def read_curves(model: Path, n_points: int) -> list[Curve]:
    """Every metric with at least two points, learning rates left out, in order of name."""
    folder = model / "plots" / "metrics"
    curves = [_read(path, path.relative_to(folder).with_suffix("").as_posix(), n_points)
              for path in sorted(folder.rglob("*.tsv")) if path.stem != "learning_rate"]  # fmt: skip
    return [curve for curve in curves if len(curve.values) > 1]


def _read(path: Path, name: str, n_points: int) -> Curve:
    """DVCLive's columns: step and the metric's last name."""
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            try:
                step, value = float(row["step"]), float(row[path.stem])
            except (KeyError, TypeError, ValueError):
                continue
            if math.isfinite(value):
                rows.append((step, value))
    rows.sort()
    if len(rows) > n_points:  # keep both ends
        rows = [rows[round(i * (len(rows) - 1) / (n_points - 1))] for i in range(n_points)]
    return Curve(name, tuple(s for s, _ in rows), tuple(v for _, v in rows))
