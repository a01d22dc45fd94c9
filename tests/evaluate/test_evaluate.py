"""metrics.json from end to end with untrained models: its keys are DESIGN's, its figures have the promised shape, what
cannot be measured is null with a reason."""

import json
import math

import numpy as np
import pytest
from tiny_pipeline import save_models, write_songs, write_upstream

from stages.contract.records import STREAMS
from stages.contract.tasks import TASKS
from stages.evaluate.__main__ import main as evaluate
from stages.evaluate.task_figures import edit_distance
from stages.generate.__main__ import main as generate

SONGS = {"aaaa": [5.0, 4.0], "bbbb": [4.5]}
TRAINING = {"cccc": [5.0]}
STEMS = ("vocals", "accompaniment")

# DESIGN.md, "metrics.json", written out
KEYS = {f"separation.{figure}.{stem}" for figure in ("si_sdr_db", "si_sdr_improvement_db") for stem in STEMS}
KEYS |= {f"segment.{n}" for n in ("n_clips", "mean_s", "max_s", "sentences_cut", "boundary_error_median_s")}
KEYS |= {"tokens.codebook_used_fraction", "tokens.perplexity"}
KEYS |= {f"tokens.probe.{a}.{b}" for a in ("phoneme", "pitch", "chord") for b in ("ours", "logmel_kmeans", "chance")}
KEYS |= {"vae.mel_l1", "vae.stft_distance", "vae.si_sdr_db", "vae.griffin_lim.mel_l1"}
KEYS |= {f"diffusion.{n}" for n in ("mel_l1_true_tokens", "mel_l1_shuffled_tokens", "pitch_error_cents_true_tokens")}
KEYS |= {"diffusion.rtf"} | {f"dslm.nll.{s}.{who}" for s in STREAMS for who in ("ours", "bigram", "unigram")}
KEYS |= {f"tasks.{name}.{measure}" for name, task in TASKS.items() for measure in (*task.metrics, "n")}


def leaves(tree, name=""):
    for key, value in tree.items():
        here = f"{name}.{key}" if name else key
        if isinstance(value, dict) and "mean" not in value:
            yield from leaves(value, here)
        else:
            yield here, value


def build(root, songs, training) -> dict:
    """Everything before evaluate, then metrics.json."""
    save_models(root / "models")
    for number, (split, own) in enumerate((("test", songs), ("train", training))):
        if own:
            write_songs(root, own, split, number)
            write_upstream(root, own, split, number)
    params = "generate: {items_per_task: 2, max_s: 4.0, prompt_s: 1.5, n_steps: 2}\n"
    params += "evaluate: {n_bootstrap: 20, max_clips: 6, clip_s: 2.0, fad_reference_s: 10}\n"
    (root / "params.yaml").write_text(params)
    common = ["--params", f"{root}/params.yaml", "--models", f"{root}/models"]
    common += ["--clips", f"{root}/clips", "--tokens", f"{root}/tokens"]
    generate(["--test", "all", *common, "--out", f"{root}/generated"])
    return measure(root)


def measure(root) -> dict:
    places = [f"--{n}={root / n}" for n in ("songs", "catalogue", "stems", "clips", "tokens", "latents", "models")]
    places += [f"--generated={root}/generated", f"--out={root}/metrics.json"]
    assert evaluate(["--params", f"{root}/params.yaml", *places]) == 0
    return json.loads((root / "metrics.json").read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    return root, build(root, SONGS, TRAINING)


def test_the_keys_are_the_designs(project):
    tree = {key: value for key, value in project[1].items() if not isinstance(value, list)}
    assert {name for name, _ in leaves(tree)} == KEYS


def test_figures_are_numbers_or_intervals_or_null_with_a_reason(project):
    tree = {key: value for key, value in project[1].items() if not isinstance(value, list)}
    reasons = {row["figure"]: row["reason"] for row in project[1]["reasons"]}
    for name, value in leaves(tree):
        if value is None:
            assert reasons.pop(name)
        elif isinstance(value, dict):
            assert value["low"] <= value["mean"] <= value["high"] or "embedding" in value
            assert value["n"] >= 1 and all(math.isfinite(value[key]) for key in ("mean", "low", "high"))
        else:
            assert math.isfinite(value)
    assert not reasons, "a reason without a null"


def test_what_is_known_comes_out_right(project):
    """Figures whose answer the material settles: a tenth of the other stem leaked, sentences exactly placed."""
    tree = project[1]
    for stem in STEMS:
        assert tree["separation"]["si_sdr_db"][stem]["mean"] == pytest.approx(20 * np.log10(9), abs=1.0)
        assert tree["separation"]["si_sdr_improvement_db"][stem]["mean"] > 10
    assert tree["segment"]["n_clips"] == 3 and tree["segment"]["max_s"] == 5.0
    assert tree["segment"]["sentences_cut"] == 0
    assert tree["segment"]["boundary_error_median_s"] == pytest.approx(0, abs=1e-3)
    assert tree["tokens"]["codebook_used_fraction"] == 1.0 and tree["tokens"]["perplexity"] > 20
    for stream in STREAMS:  # an untrained model says equal odds
        assert tree["dslm"]["nll"][stream]["ours"] == pytest.approx(np.log(24 + 6), abs=0.05)
    assert all(tree["tasks"][name]["n"] == 2 for name in TASKS)


def test_absent_helpers_are_reasons_not_errors(project):
    """No aligner in params.yaml: PER is null everywhere, and says why."""
    reasons = {row["figure"]: row["reason"] for row in project[1]["reasons"]}
    with_per = [name for name, task in TASKS.items() if "per" in task.metrics]
    assert all("segment.aligner" in reasons[f"tasks.{name}.per"] for name in with_per)


def test_an_unchanged_rerun_does_nothing(project, capsys):
    before = (project[0] / "metrics.json").read_bytes()
    measure(project[0])
    assert "up to date" in capsys.readouterr().err
    assert (project[0] / "metrics.json").read_bytes() == before


def test_songs_without_truth_and_without_a_test_split(tmp_path):
    """A user's own songs, all in train: every figure that needs truth or a test split is null, and nothing fails."""
    tree = build(tmp_path, {}, {"dddd": [4.0], "eeee": [4.0]})
    reasons = {row["figure"]: row["reason"] for row in tree["reasons"]}
    assert "test split" in reasons["separation.si_sdr_db.vocals"]
    assert "train split" in reasons["tasks.lyrics_to_song.fad"]
    flat = dict(leaves({key: value for key, value in tree.items() if not isinstance(value, list)}))
    assert set(flat) == KEYS and all(value is None for value in flat.values())


@pytest.mark.parametrize("seed", range(20))
def test_edit_distance_is_the_textbooks(seed):
    rng = np.random.default_rng(seed)
    a, b = (["abc"[i] for i in rng.integers(3, size=rng.integers(0, 9))] for _ in range(2))
    table = [[max(i, j) if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            changed = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(changed, table[i - 1][j] + 1, table[i][j - 1] + 1)
    assert edit_distance(a, b) == table[-1][-1]
