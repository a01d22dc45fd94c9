"""dvc.yaml, the Snakefile and the stage table tell one story: the same stages, commands, inputs, outputs, params."""

import re
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML

from stages.contract.graph import STAGES

ROOT = Path(__file__).parents[2]
PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
DVC = PIPELINE["stages"]
CODE = ("stages/", "weights/")  # what DVC alone watches: to Snakemake's graph they count through the digests


def words(command: str) -> str:
    return " ".join(command.split())


def rules() -> dict[str, dict[str, str]]:
    """name -> the text of each directive, read off the rule files."""
    found = {}
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for name, body in re.findall(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.M | re.S):
            parts = re.split(r"^    (\w+):", body, flags=re.M)
            found[name] = {key: text for key, text in zip(parts[1::2], parts[2::2], strict=True)}  # noqa: C416
    return found


RULES = rules()


def folder_of(text: str) -> str:
    """The DVC path a rule's file stands for: a folder for its index or provenance, else the file itself."""
    path = PurePosixPath(text)
    marks_folder = path.name in ("provenance.json", ".provenance.json") or path.name.startswith("shard-")
    return str(path.parent) if marks_folder else text


def files_of(directive: str) -> set[str]:
    text = directive.replace("catalogue=catalogue_index", '"data/catalogue/shard-{shard}.json"')
    text = re.sub(r'shard_indexes\("([^"]+)"\)', r'"\1/shard-{shard}.json"', text)
    return {folder_of(found) for found in re.findall(r'"((?:data|models|results)/[^"]+\.json)"', text)}


def dvc_paths(items) -> set[str]:
    return {next(iter(item)) if isinstance(item, dict) else item for item in items}


def test_the_same_stages():
    assert list(DVC) == list(STAGES)
    assert sorted(RULES) == sorted(DVC)


@pytest.mark.parametrize("name", list(DVC))
def test_the_same_command(name):
    shell = words("".join(re.findall(r'"([^"]*)"', RULES[name]["shell"])))
    command = shell.replace(" --shard {wildcards.shard}", "").replace(" 2> {log}", "")
    assert command.replace("{params.songs:q}", "${ingest.songs}") == words(DVC[name]["cmd"])
    assert ("--shard" in shell) == (STAGES[name].kind == "shards")


@pytest.mark.parametrize("name", list(DVC))
def test_the_same_inputs(name):
    dvc = {dep.replace("${ingest.songs}", "data/demo_songs") for dep in dvc_paths(DVC[name].get("deps", []))}
    rule = files_of(RULES[name].get("input", "")) - {"results/metrics.provenance.json"}
    assert rule == {dep for dep in dvc if not dep.startswith(CODE)}


@pytest.mark.parametrize("name", list(DVC))
def test_the_same_outputs(name):
    dvc = dvc_paths([*DVC[name].get("outs", []), *DVC[name].get("metrics", [])])
    rule = files_of(RULES[name]["output"]) - {"results/metrics.provenance.json"}
    assert rule == dvc == {str(STAGES[name].out)}


@pytest.mark.parametrize("name", list(DVC))
def test_the_same_params(name):
    assert DVC[name]["params"] == [name]
    assert f'config["{name}"]' in RULES[name]["params"]


@pytest.mark.parametrize("name", list(DVC))
def test_the_table_names_every_input(name):
    """What freshness digests is what the graphs declare."""
    stage = STAGES[name]
    table = {str(STAGES[need.stage].out) for need in stage.needs}
    table |= {str(STAGES[other].out) for other in (*stage.models, *stage.results)}
    declared = files_of(RULES[name].get("input", "")) - {"results/metrics.provenance.json", "data/demo_songs"}
    assert table == declared


def test_every_model_shows_its_metrics_and_curves():
    models = [stage.out for stage in STAGES.values() if stage.kind == "model"]
    assert PIPELINE["metrics"] == [f"{out}/metrics.json" for out in models]
    assert PIPELINE["plots"] == [{f"{out}/plots/metrics": {"x": "step"}} for out in models]
