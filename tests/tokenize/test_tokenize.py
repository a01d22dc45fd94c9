"""From clips to token shards with a small encoder and codebook."""

import io
import json

import numpy as np
import pytest
import torch
from clip_shards import notes, write_clips

from stages.bestrq.config import BestRQConfig, EncoderConfig
from stages.contract.records import STREAMS, TokenClip
from stages.contract.shards import iter_records, read_index
from stages.lib.cli import UserError
from stages.lib.data import list_clips, list_tokens
from stages.tokenize import train as training
from stages.tokenize.__main__ import main
from stages.tokenize.codebook import main as codebook_main
from stages.tokenize.config import CodebookConfig
from stages.tokenize.run import ahead
from stages.tokenize.tokenizer import Tokenizer

ENCODER = EncoderConfig(width=32, n_layers=2, n_heads=2, ffn_multiple=2, n_targets=64, window_s=2, margin_s=0.2)
BESTRQ = BestRQConfig(encoder=ENCODER, n_steps=5, warmup_steps=2, batch_size=2, n_valid_batches=1)
CODEBOOK = CodebookConfig(layer=1, n_codes=16, codebook_dim=8, n_steps=12, batch_size=256, n_features=2000, log_every=4)
SONGS = {"aa": [2.0, 1.01, 5.007], "bb": [3.3]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with clips, models and params.yaml, made by the commands."""
    place = tmp_path_factory.mktemp("place")
    write_clips(place / "data/clips", SONGS, "train", 0)
    write_clips(place / "data/clips", {"cc": [2.0]}, "valid", 1)
    sections = {"bestrq": BESTRQ, "codebook": CODEBOOK}
    (place / "params.yaml").write_text(json.dumps({n: c.model_dump(mode="json") for n, c in sections.items()}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        from stages.bestrq.__main__ import main as bestrq_main

        assert bestrq_main([]) == 0
        assert codebook_main([]) == 0
        assert main([]) == 0
    return place


@pytest.fixture(scope="module")
def tokenizer(place):
    return Tokenizer.from_pretrained(place / "models/bestrq", place / "models/codebook", windows_per_batch=3)


def test_shards_hold_tokens_of_every_clip_and_stream(place):
    clips = {ref.id: ref.clip for ref in list_clips(place / "data/clips")}
    tokens = {ref.id: ref.clip for ref in list_tokens(place / "data/tokens")}
    assert tokens.keys() == clips.keys()
    seen = 0
    for entry, files in iter_records(place / "data/tokens"):
        for name in entry.members:
            if not name.endswith(".json"):
                continue
            clip = TokenClip.from_json(files[name])
            n_samples = round(clip.duration_s * 44_100)
            assert clip.n_frames == n_samples // 882
            assert clip.start_s == clips[clip.id].start_s
            for stream in STREAMS:
                tokens_T = np.load(io.BytesIO(files[f"{clip.id}.{stream}.npy"]))
                assert tokens_T.dtype == np.uint16 and tokens_T.shape == (clip.n_frames,)
                assert tokens_T.max() < 16
                seen += 1
        assert entry.audio_s == pytest.approx(entry.facts["n_frames"] / 50)
    assert seen == 5 * 3


def test_again_and_elsewhere_the_same_bytes(place, tmp_path, monkeypatch):
    """A rerun does nothing; a clean build, and one grown song by song, end with the same bytes."""
    monkeypatch.chdir(place)
    index = place / "data/tokens/shard-00000.json"
    tar = index.with_suffix(".tar")
    before = (index.read_bytes(), tar.read_bytes(), tar.stat().st_mtime_ns)
    assert main([]) == 0
    assert tar.stat().st_mtime_ns == before[2]
    assert main(["--out", str(tmp_path / "clean"), "--shard", "0"]) == 0
    assert (tmp_path / "clean/shard-00000.tar").read_bytes() == before[1]
    assert (tmp_path / "clean/shard-00000.json").read_bytes() == before[0]
    grown = tmp_path / "grown"
    for songs in ({"aa": SONGS["aa"]}, SONGS):
        write_clips(grown / "clips", songs, "train", 0)
        assert main(["--clips", str(grown / "clips"), "--out", str(grown / "tokens")]) == 0
    assert (grown / "tokens/shard-00000.tar").read_bytes() == before[1]


def test_a_broken_song_stops_no_other(place, tmp_path, monkeypatch):
    from stages.contract.compute import Recipe, kept, update_shard

    monkeypatch.chdir(place)
    good = dict(iter_records_of(place / "data/clips", 0))
    files = dict(good["aa"])
    files["aa-001.vocals.flac"] = b"not a flac"
    made = {"aa": files, "bb": good["bb"]}
    wanted = {id: id for id in made}
    update_shard(
        tmp_path / "clips", 0, Recipe("segment", 1, "x"), wanted,
        lambda ids: [(id, kept(1.0, made[id], "clips")) for id in ids],
    )  # fmt: skip
    assert main(["--clips", str(tmp_path / "clips"), "--out", str(tmp_path / "tokens")]) == 0
    entries = read_index(tmp_path / "tokens/shard-00000.json").by_id
    assert entries["aa"].outcome == "failed" and "FLAC" in entries["aa"].reason
    assert entries["bb"].kept


def iter_records_of(folder, shard):
    return ((entry.id, files) for entry, files in iter_records(folder, shard))


def test_a_row_does_not_depend_on_the_others(tokenizer):
    lengths = [44_100, 882 * 150 + 881, 20_000, 882 * 330]
    signals = [notes(seed, n) for seed, n in enumerate(lengths)]
    together = tokenizer.encode_signals(signals)
    for signal, tokens_T in zip(signals, together, strict=True):
        assert np.array_equal(tokenizer.encode_signals([signal])[0], tokens_T)
    x_BT = torch.zeros(4, max(lengths))
    for row, signal in enumerate(signals):
        x_BT[row, : len(signal)] = torch.from_numpy(signal / np.float32(32768))
    x_BT[0, lengths[0] :] = 0.3  # beyond its length: not heard
    for ours, theirs in zip(tokenizer.encode(x_BT, lengths), together, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("n_samples", [0, 1, 881, 882, 883, 44_099, 44_100, 100_001])
def test_one_token_to_882_samples(tokenizer, n_samples):
    (tokens_T,) = tokenizer.encode_signals([notes(0, n_samples)])
    assert tokens_T.dtype == np.uint16 and len(tokens_T) == n_samples // 882


def test_the_api_and_the_shards_agree(place, tokenizer):
    from stages.lib.data import ShardReader

    reader = ShardReader()
    audio = {ref.id: reader.audio(ref) for ref in list_clips(place / "data/clips")}
    for ref in list_tokens(place / "data/tokens"):
        for stream, tokens_T in reader.arrays(ref).items():
            assert np.array_equal(tokenizer.encode_signals([audio[ref.id][stream]])[0], tokens_T)


def test_a_codebook_of_another_encoder_is_refused(tokenizer):
    from stages.bestrq.model import BestRQ

    with pytest.raises(ValueError, match="another encoder"):
        Tokenizer(BestRQ(ENCODER.model_copy(update={"width": 16})), tokenizer.codebook)


def test_an_interrupted_codebook_ends_with_the_same_weights(place, tmp_path, monkeypatch, tokenizer):
    refs = list_clips(place / "data/clips", "train")

    class KilledError(Exception):
        pass

    def saved(name, runs):
        training.train(refs, [], tokenizer.encoder, CODEBOOK, tmp_path / name, "k", runs)
        return (tmp_path / name / "model.safetensors").read_bytes()

    whole = saved("whole", tmp_path / "r1")
    original, steps = training.warmup_cosine, iter(range(7))

    def killed_at_7(*args):
        if next(steps, None) is None:
            raise KilledError
        return original(*args)

    monkeypatch.setattr(training.Run, "save_if_due", training.Run.save)
    monkeypatch.setattr(training, "warmup_cosine", killed_at_7)
    with pytest.raises(KilledError):
        saved("resumed", tmp_path / "r2")
    monkeypatch.setattr(training, "warmup_cosine", original)
    assert saved("resumed", tmp_path / "r2") == whole == (place / "models/codebook/model.safetensors").read_bytes()


def test_the_codebook_explains_features_and_uses_its_codes(place):
    figures = json.loads((place / "models/codebook/metrics.json").read_text())
    assert figures["explained_features"] > 0.3
    assert figures["explained_mel"] > 0.3
    assert figures["used_fraction"] > 0.9
    assert 8 < figures["perplexity"] <= 16


def test_the_layer_must_exist(place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    (tmp_path / "params.yaml").write_text(json.dumps({"codebook": {**CODEBOOK.model_dump(mode="json"), "layer": 3}}))
    with pytest.raises(UserError, match=r"codebook\.layer"):
        codebook_main(["--params", str(tmp_path / "params.yaml"), "--out", str(tmp_path / "out")])


def test_the_reservoir_is_an_even_sample():
    stream_ND = torch.arange(10_000.0)[:, None]
    sample = training.Reservoir(2000, seed=0)
    for part in stream_ND.split(333):
        sample.add(part)
    rows = sample.rows_ND[:, 0]
    assert len(rows) == len(rows.unique()) == 2000
    assert torch.histc(rows, 5, 0, 10_000).sub(400).abs().max() < 80
    few = training.Reservoir(100, seed=0)
    few.add(stream_ND[:7])
    assert few.rows_ND.shape == (7, 1)


def test_ahead_keeps_order_and_stays_close():
    started = []

    def double(x):
        started.append(x)
        return 2 * x

    out = []
    for value in ahead(double, range(10), n=2):
        out.append(value)
        assert len(started) <= len(out) + 2
    assert out == [2 * x for x in range(10)]
