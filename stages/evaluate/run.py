"""All figures, in the order of DESIGN's list, as the tree that becomes metrics.json."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.contract.tasks import TASKS
from stages.evaluate import data_figures, model_figures
from stages.evaluate.figures import Figures
from stages.evaluate.material import Material
from stages.evaluate.task_figures import TaskMeasures, read_items
from stages.generate.config import GenerateConfig
from stages.generate.engine import Engine
from stages.lib.progress import progress_bar


def evaluate(material: Material, models: Path, generated: Path, sampling: GenerateConfig) -> dict[str, Any]:
    """metrics.json: figures by name, nulls in their place, and the list `reasons` of why."""
    figures = Figures()
    engine = Engine.from_folder(models)
    n_codes = engine.tokenizer.n_codes
    encoder = engine.tokenizer.encoder
    groups: list[tuple[str, Sequence[str], Callable[[], Mapping[str, Any]]]] = [
        ("separation", data_figures.SEPARATION, lambda: data_figures.separation(material)),
        ("segment", data_figures.SEGMENT, lambda: data_figures.segment(material)),
        ("tokens", data_figures.TOKENS, lambda: data_figures.token_use(material, n_codes)),
        ("tokens.probe", data_figures.PROBE, lambda: data_figures.probes(material, encoder, n_codes)),
        ("vae", model_figures.VAE, lambda: model_figures.vae(material, engine)),
        ("diffusion", model_figures.DIFFUSION, lambda: model_figures.diffusion(material, engine, sampling)),
        ("dslm.nll", model_figures.DSLM, lambda: model_figures.dslm(material, engine)),
    ]
    with progress_bar(len(groups) + len(TASKS), "evaluate", "groups") as bar:
        for group, names, compute in groups:
            figures.measure(group, names, compute)
            bar.update(1)
        measures = TaskMeasures(material, engine)
        for name in TASKS:
            evaluate_task(figures, measures, name, generated / name)
            bar.update(1)
    return {**figures.tree, "reasons": figures.reasons}


def evaluate_task(figures: Figures, measures: TaskMeasures, name: str, folder: Path) -> None:
    """tasks.NAME.{its measures, n}."""
    task = TASKS[name]
    group = f"tasks.{name}"
    n_before = len(figures.reasons)
    figures.measure(group, ("n",), lambda: {"n": len(read_items(folder))})
    if len(figures.reasons) > n_before:
        for measure in task.metrics:
            figures.add_null(f"{group}.{measure}", figures.reasons[n_before]["reason"])
        return
    items = read_items(folder)
    for measure in task.metrics:
        compute = measures.by_name[measure]
        figures.measure(group, (measure,), lambda compute=compute, m=measure: {m: compute(task, items)})  # type: ignore[misc]
