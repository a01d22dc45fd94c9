"""Training: it learns, it goes on exactly where it was stopped, and no batch is larger than allowed."""

import itertools
import json

import numpy as np
import pytest
import torch
from dslm_parts import N_CODES, SMALL, SPECIAL, make_clip

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.records import STREAMS, Sentence, TokenClip
from stages.dslm.__main__ import main
from stages.dslm.config import Config, ExamplesConfig, TrainingConfig
from stages.dslm.data import TrainingBatches, cut, load_songs, plan_batches
from stages.dslm.examples import draw_example
from stages.dslm.model import DSLM
from stages.dslm.nll import cross_entropies, nll
from stages.dslm.train import build, train
from stages.lib import training
from stages.lib.data import npy_bytes


def config_of(**changes) -> Config:
    settings = {"n_steps": 6, "warmup_steps": 3, "frames_per_batch": 400, "clips_per_batch": 4, "log_every": 2}
    return Config(
        model=SMALL.model_copy(update={"dropout": 0.1}),
        examples=ExamplesConfig(prompt_s=0.2),
        training=TrainingConfig(**{**settings, **changes}),
    )


CLIPS = [make_clip(seed, 20 + 3 * seed, f"song{seed // 2}") for seed in range(10)]
SONGS = {"train": CLIPS[:6], "valid": CLIPS[6:8], "test": CLIPS[8:]}


def equal_weights(a: DSLM, b: DSLM) -> set[bool]:
    return {torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True)}


def test_a_stopped_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    """Killed after the third step and started again: the same weights, bit by bit."""
    whole, _, figures = train(SONGS, N_CODES, config_of(), tmp_path / "whole", "key", tmp_path / "runs1")

    def die_at_three(run: training.Run) -> None:
        if run.step == 3:
            run.save()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "save_if_due", die_at_three)
        with pytest.raises(KeyboardInterrupt):
            train(SONGS, N_CODES, config_of(), tmp_path / "stopped", "key", tmp_path / "runs2")
    resumed, run, again = train(SONGS, N_CODES, config_of(), tmp_path / "stopped", "key", tmp_path / "runs2")
    assert run.step == 6
    assert figures == again
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    changed = [
        not torch.equal(a, b) for a, b in zip(whole.parameters(), build(config_of(), N_CODES).parameters(), strict=True)
    ]
    assert all(changed)


def test_it_learns_one_batch_by_heart():
    config = config_of()
    model = build(config, N_CODES)
    batch = TrainingBatches(CLIPS[:3], config.examples, config.training, SPECIAL)[0]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.98), eps=1e-9)
    for _ in range(60):
        losses = cross_entropies(model(batch.tokens_SBT, batch.own_SB, batch.other_SB, batch.lyrics_BL), batch)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert all(float(loss) < 0.3 for loss in losses.values()), losses


def test_batches_hold_every_clip_once_an_epoch_within_the_budget():
    lengths = [int(n) for n in np.random.default_rng(0).integers(10, 300, 200)]
    plan = plan_batches(lengths, 1000, 8, np.random.default_rng(1))
    assert sorted(itertools.chain(*plan)) == list(range(200))
    for batch in plan:
        assert len(batch) <= 8
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 1000
    waste = 1 - sum(lengths) / sum(len(batch) * max(lengths[i] for i in batch) for batch in plan)
    assert waste < 0.2
    other = plan_batches(lengths, 1000, 8, np.random.default_rng(2))
    assert other != plan


def test_a_padded_batch_never_exceeds_the_budget():
    config = config_of(frames_per_batch=120)
    batches = TrainingBatches(CLIPS, config.examples, config.training, SPECIAL)
    sizes = [batches[step].tokens_SBT[0].numel() for step in range(40)]
    assert max(sizes) <= 120
    assert max(len(batches[step].lyrics_BL) for step in range(40)) > 1


def test_a_step_is_the_same_whenever_it_is_asked_for():
    config = config_of()
    forward = TrainingBatches(CLIPS, config.examples, config.training, SPECIAL)
    backward = TrainingBatches(CLIPS, config.examples, config.training, SPECIAL)
    expected = [forward[step] for step in range(9)]
    for step in reversed(range(9)):
        assert torch.equal(backward[step].tokens_SBT, expected[step].tokens_SBT)


def test_processes_share_an_epoch_between_them():
    config = config_of(clips_per_batch=1)
    apart = [TrainingBatches(CLIPS, config.examples, config.training, SPECIAL, rank, 2) for rank in range(2)]
    seen = [ranks[step].lyrics_BL.tolist() for step in range(5) for ranks in apart]
    members = [ranks._members(step * 2 + rank)[0] for step in range(5) for rank, ranks in enumerate(apart)]
    assert sorted(members) == list(range(10))
    assert len(seen) == 10


@pytest.mark.parametrize("max_frames", [60, 100, 140, 1000])
def test_cutting_never_cuts_a_sentence(max_frames):
    sentences = [Sentence("a", 0.2, 1.0), Sentence("b", 1.0, 2.1), Sentence("c", 2.5, 4.9), Sentence("d", 5.0, 6.0)]
    spans = cut(sentences, 330, max_frames)
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    assert spans[-1][1] == 330
    edges = {edge for span in spans for edge in span} - {0, 330}
    for sentence in sentences:
        first, last = round(sentence.start_s * 50), round(sentence.end_s * 50)
        assert not any(first < edge < last for edge in edges)
        assert all(stop - start <= max(max_frames, 120) for start, stop in spans)  # "c" is 120 frames


def write_tokens(folder) -> None:
    """A shard of six songs whose tokens repeat: each frame's code mostly follows from the one before."""

    def made(song: int):
        rng, files = np.random.default_rng(song), {}
        for k in range(2):
            id, n = f"s{song}-{k:03d}", 60
            split = ("train", "train", "train", "train", "valid", "test")[song]
            sentences = (Sentence("shine on", 0.1, 0.5), Sentence("you crazy", 0.6, 1.1))
            clip = TokenClip(id, f"s{song}", split, 0.0, n / 50, "en", None, sentences, n)
            files[f"{id}.json"] = clip.to_json()
            for stream in STREAMS:
                steps = np.where(rng.random(n) < 0.9, 1, rng.integers(0, N_CODES, n))
                files[f"{id}.{stream}.npy"] = npy_bytes((np.cumsum(steps) % N_CODES).astype(np.uint16))
        return kept(2.4, files, "tokens")

    wanted = {f"s{song}": str(song) for song in range(6)}
    update_shard(folder, 0, Recipe("tokenize", 1, ""), wanted, lambda ids: ((id, made(int(id[1:]))) for id in ids))


def test_loading_reads_tokens_and_lyrics_by_split(tmp_path):
    write_tokens(tmp_path)
    songs = load_songs(tmp_path)
    assert {split: len(found) for split, found in songs.items()} == {"train": 8, "valid": 2, "test": 2}
    whole = songs["train"][0]
    assert (whole.song_id, whole.n_frames) == ("s0", 60)
    in_pieces = load_songs(tmp_path, 0.6)
    assert [song.id for song in in_pieces["test"]] == [song.id for song in songs["test"]]
    pieces = [song for song in in_pieces["train"] if song.id.startswith("s0-000")]
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate([piece.tokens["song"] for piece in pieces]), whole.tokens["song"])
    assert sum(len(piece.lyrics) for piece in pieces) < len(whole.lyrics) + len(pieces)


def test_the_command_trains_a_model_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_tokens(tmp_path / "tokens")
    (tmp_path / "codebook").mkdir()
    (tmp_path / "codebook/config.json").write_text(json.dumps({"config": {"n_codes": N_CODES}}))
    (tmp_path / "codebook/model.safetensors").write_bytes(b"weights")
    section = config_of(n_steps=4).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(json.dumps({"dslm": section}))  # JSON is YAML
    command = ["--tokens", "tokens", "--codebook", "codebook", "--out", "dslm"]
    assert main(command) == 0
    names = {path.name for path in (tmp_path / "dslm").iterdir()}
    assert {"model.safetensors", "config.json", "README.md", "metrics.json", "provenance.json"} <= names
    model = DSLM.from_pretrained(tmp_path / "dslm")
    songs = load_songs(tmp_path / "tokens")
    metrics = json.loads((tmp_path / "dslm/metrics.json").read_text())
    assert metrics["nll"]["song"]["ours"] == pytest.approx(nll(model, songs["test"])["song"], rel=1e-4)
    assert not (tmp_path / "runs/dslm").exists() or not any((tmp_path / "runs/dslm").iterdir())
    capsys.readouterr()
    assert main(command) == 0
    assert "up to date" in capsys.readouterr().err


def test_a_bad_parameter_dies_with_its_name():
    with pytest.raises(ValueError, match="width 30 must be a multiple"):
        SMALL.model_validate({**SMALL.model_dump(), "width": 30})
    with pytest.raises(ValueError, match="lyrics_dropped"):
        ExamplesConfig(lyrics_dropped=1.5)


def test_drawing_needs_no_mates():
    rng = np.random.default_rng(0)
    examples = [draw_example(CLIPS[0], [], ExamplesConfig(), SPECIAL, rng) for _ in range(20)]
    assert all(SPECIAL.empty not in example.tokens_ST for example in examples)
