"""Leaves of the training loops: schedules, EMA, resume, metrics. The loops themselves stand in the stages."""

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stages.contract import provenance
from stages.contract.files import atomic_file, remove_temporary
from stages.contract.freshness import forget_runs
from stages.lib.cli import UserError

RUNS = Path("runs")
CHECKPOINT = "checkpoint.pt"


def make_fabric(precision: str = "32-true") -> Any:
    """Lightning Fabric on whatever the machine (or its Slurm job) offers; one CPU process where there is no GPU."""
    from lightning.fabric import Fabric

    if torch.cuda.is_available():
        fabric = Fabric(precision=precision, plugins=starts_its_own())  # type: ignore[arg-type]
    else:
        fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    fabric.launch()
    return fabric


def starts_its_own() -> Any:
    """For a Slurm job of one task, as Snakemake's are: Fabric would leave it to srun to start a process per GPU, and
    train on one GPU of however many. None elsewhere: Fabric knows."""
    from lightning.fabric.plugins.environments import LightningEnvironment

    return LightningEnvironment() if os.environ.get("SLURM_NTASKS") == "1" else None


def is_first_process() -> bool:
    """Where several train one model, one writes it."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def clipped_step(fabric: Any, model: Any, optimizer: Any, max_norm: float) -> None:
    """A step of the optimizer on gradients of at most `max_norm`. Left out where they are not finite: a resumed run
    meets the same batch again, so an error would end it at the same step each time."""
    norm = fabric.clip_gradients(model, optimizer, max_norm=max_norm, error_if_nonfinite=False)
    if torch.isfinite(norm):
        optimizer.step()
    else:
        print("a step was left out: its gradients are not finite", file=sys.stderr, flush=True)


def noam(step: int, width: int, warmup: int, factor: float = 1.0) -> float:
    """Learning rate at `step` (from 1): factor * width^-0.5 * min(step^-0.5, step * warmup^-1.5)."""
    step = max(step, 1)
    return factor * width**-0.5 * min(step**-0.5, step * warmup**-1.5)


def warmup_cosine(step: int, n_steps: int, peak: float, warmup: int, floor: float = 0.0) -> float:
    """Learning rate at `step` (from 0): linear to `peak` over `warmup` steps, then half a cosine to `floor`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min((step - warmup) / max(n_steps - warmup, 1), 1.0)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


class EMA:
    """Exponential moving average of a model's parameters, its memory growing to `decay` from the first step on. It
    follows the model to another device."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.n_updates = 0
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.n_updates += 1
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        for name, parameter in model.named_parameters():
            if name in self.shadow:
                self.shadow[name] = self.shadow[name].to(parameter).lerp_(parameter.detach(), 1 - decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            if name in self.shadow:
                parameter.copy_(self.shadow[name])

    def state_dict(self) -> dict[str, Any]:
        return {"n_updates": self.n_updates, "shadow": self.shadow}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.n_updates = state["n_updates"]
        for name, value in state["shadow"].items():
            self.shadow[name].copy_(value)


class Run:
    """A training run's state in `runs/STAGE/KEY/`, found again by the key of config and inputs.

    Holds everything stateful by name (models, optimizers, EMA) and the step; saved under a temporary name and
    renamed, loaded with weights_only. Randomness needs no saving: every step seeds itself from (seed, step). Of several
    processes all read, the first writes.
    """

    def __init__(self, stage: str, key: str, parts: Mapping[str, Any], interval_s: float = 60.0, runs: Path = RUNS):
        self.folder = runs / stage / key
        self._parts = parts
        self._interval_s = interval_s
        self._last_s = time.monotonic()
        self.step = 0
        forget_runs(stage, key, runs)
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(self.folder)
        self._load()

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def save(self) -> None:
        if not is_first_process():
            return
        state = {name: part.state_dict() for name, part in self._parts.items()}
        with atomic_file(self.folder / CHECKPOINT) as file:
            torch.save({**state, "step": self.step}, file)
        self._last_s = time.monotonic()

    def save_if_due(self) -> None:
        if time.monotonic() - self._last_s >= self._interval_s:
            self.save()

    def finish(self) -> None:
        """The model is complete elsewhere: the state has served."""
        shutil.rmtree(self.folder, ignore_errors=True)


def seed_step(seed: int, step: int) -> torch.Generator:
    """A generator for everything random in one step, and the global seed (dropout): a resumed run draws alike."""
    torch.manual_seed(seed * 1_000_003 + step)
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


class MetricsLog:
    """DVCLive under `models/X/`: `metrics.json` and `plots/` for `dvc metrics` and `dvc plots`. Of several processes
    the first logs."""

    def __init__(self, folder: Path, resume: bool = False):
        self._live: Any = None
        if not is_first_process():
            return
        from dvclive import Live
        from scmrepo.exceptions import SCMError

        try:
            self._live = Live(str(folder), resume=resume, dvcyaml=None, save_dvc_exp=False, monitor_system=False)
        except SCMError as error:
            raise UserError(f"DVCLive needs a commit ({error}): git commit --allow-empty -m start") from error

    def log(self, step: int, **values: float) -> None:
        if self._live is None:
            return
        self._live.step = step
        for name, value in values.items():
            self._live.log_metric(name, float(value))
        self._live.make_summary()

    def close(self, **final: float) -> None:
        if self._live is None:
            return
        for name, value in final.items():
            self._live.log_metric(name, float(value), plot=False)
        self._live.end()


def finish_model(folder: Path, stage: str, key: str, run: Run, **facts: Any) -> None:
    """The last two acts of a training command: provenance (the model is complete), then the state may go. Processes
    beside the first end earlier: they must not call an unwritten model complete."""
    if not is_first_process():
        return
    provenance.write(folder, stage, key, **facts)
    run.finish()


def read_metrics(folder: Path) -> dict[str, Any]:
    """What a training stage's DVCLive left in `metrics.json`; empty where it has not run."""
    path = folder / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
