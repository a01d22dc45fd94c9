"""The whole road at a micro scale, by DVC and by Snakemake: equal bytes, nothing done twice, and one parameter
reruns its stage and what follows."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.contract.digests import digest_file
from stages.contract.graph import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("pipeline")]
ROOT = Path(__file__).parents[2]
YAML_ = YAML()
BIN = Path(sys.executable).parent
# One thread for both: sums of floats depend on how many threads share them, and Snakemake sets their number.
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def lay_over(values, changes):
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(values.get(key), Mapping):
            lay_over(values[key], change)
        else:
            values[key] = change


def edit_params(project: Path, changes) -> None:
    params = YAML_.load((project / "params.yaml").read_text())
    lay_over(params, changes)
    with (project / "params.yaml").open("w") as file:
        YAML_.dump(params, file)


def make_project(folder: Path) -> Path:
    """What a clone holds, with the micro scale in params.yaml."""
    for name in ("dvc.yaml", "Snakefile", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "weights", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    subprocess.run(["git", "init", "-q", folder], check=True)
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "start"], cwd=folder, check=True)
    edit_params(folder, YAML_.load((ROOT / "tests/workflow/micro.yaml").read_text()))
    return folder


def run(project: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(command)}\n{said[-6000:]}"
    return said


def planned_jobs(project: Path) -> set[str]:
    """The rules that a dry run would run."""
    said = run(project, "snakemake", "-n", "--cores", "all")
    if "Nothing to be done" in said:
        return set()
    return {line.split()[0] for line in said.split("Job stats:")[1].split("total")[0].splitlines()[3:] if line}


def products(project: Path) -> dict[str, str]:
    """Digest of everything that must come out alike."""
    kinds = ("data/*/shard-*.tar", "data/*/shard-*.json", "models/*/model.safetensors", "results/generated/*/*.flac")
    return {str(p.relative_to(project)): digest_file(p) for kind in kinds for p in sorted(project.glob(kind))}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("dvc"))
    run(folder, "dvc", "repro")
    return folder


def test_every_stage_left_its_product(project):
    assert (project / "results/report/index.html").is_file()
    metrics = json.loads((project / "results/metrics.json").read_text())
    sections = {"separation", "segment", "tokens", "vae", "diffusion", "dslm", "tasks"}
    assert sections <= set(metrics)
    assert metrics["segment"]["sentences_cut"] == 0
    assert {p.name for p in (project / "models").iterdir()} == {"bestrq", "codebook", "vae", "diffusion", "dslm"}
    assert not list(project.rglob(".tmp-*")) and not list(project.rglob(".spool"))


def test_a_second_repro_does_nothing(project):
    said = run(project, "dvc", "repro")
    assert "Running stage" not in said and "up to date" in said


def test_snakemake_finds_nothing_to_do(project):
    assert planned_jobs(project) == set()


def test_one_parameter_reruns_its_stage_and_what_follows(project):
    before = (project / "params.yaml").read_text()
    edit_params(project, {"generate": {"seed": 7}})
    said = run(project, "dvc", "repro", "--dry")
    running = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]
    jobs = planned_jobs(project)
    (project / "params.yaml").write_text(before)
    assert running[0] == "generate" and set(running) <= {"generate", "evaluate", "report"}
    assert jobs == {"generate", "evaluate", "report", "all"}


@pytest.mark.parametrize("stage", ["demo_songs", "ingest", "segment", "vae"])
def test_snakemake_plans_what_is_stale_and_forgets_it_again(project, stage):
    before = (project / "params.yaml").read_text()
    edit_params(project, {stage: {"a_parameter": 1}})
    jobs = planned_jobs(project)
    (project / "params.yaml").write_text(before)
    later = set(list(STAGES)[list(STAGES).index(stage) :])
    assert {stage, "report"} <= jobs <= later | {"all"}
    assert planned_jobs(project) == set()


def test_snakemake_builds_the_same_bytes(project, tmp_path):
    other = make_project(tmp_path)
    run(other, "snakemake", "--cores", "1")
    assert products(other) == products(project)
    run(other, "dvc", "commit", "-f", "-q")
    assert "Running stage" not in run(other, "dvc", "repro")
