"""What every benchmark prints and writes: {ROW: {ours, rival, ratio, unit, n}}, ratio > 1 where ours is better."""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure beside its rival's; `lower_is_better` for seconds, bytes and errors."""

    ours: float
    rival: float
    unit: str
    n: int
    rival_name: str
    lower_is_better: bool = True

    @property
    def ratio(self) -> float:
        better, worse = (self.ours, self.rival) if self.lower_is_better else (self.rival, self.ours)
        return worse / better if better else float("inf")


def machine() -> str:
    """The processor and its cores, as the system names them."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores"


def report(title: str, rows: dict[str, Row], json_path: Path | None) -> None:
    print(f"{title} ({machine()})")
    width = max(map(len, rows))
    print(f"{'':<{width}}  {'ours':>10}  {'rival':>10}  {'ratio':>7}  unit")
    for name, row in rows.items():
        figures = f"{row.ours:>10.4g}  {row.rival:>10.4g}  {row.ratio:>6.2f}x"
        print(f"{name:<{width}}  {figures}  {row.unit}  (against {row.rival_name}, n={row.n})")
    if json_path:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        values = {
            name: {"ours": row.ours, "rival": row.rival, "ratio": row.ratio, "unit": row.unit, "n": row.n}
            for name, row in rows.items()
        }
        json_path.write_text(json.dumps({**values}, indent=1) + "\n", encoding="utf-8")
