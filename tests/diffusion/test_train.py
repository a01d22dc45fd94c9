import json

import numpy as np
import pytest
import torch
from clip_shards import notes
from ldm_tiny import CONFIG, LDM
from ruamel.yaml import YAML

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.records import STREAMS, TokenClip
from stages.contract.shards import index_paths
from stages.diffusion import __main__ as diffusion_main
from stages.diffusion.config import DiffusionConfig
from stages.diffusion.examples import Batch, Windows, mean_latents, track_of
from stages.diffusion.measure import Example, measure, pitch_error_cents
from stages.diffusion.model import LatentDiffusion, n_latents
from stages.diffusion.synthesize import synthesize_latents
from stages.diffusion.train import Denoising, question, train, velocity_loss
from stages.lib.audio import to_float
from stages.lib.cli import UserError
from stages.lib.config import load_config, parse_section
from stages.lib.data import list_tokens, npy_bytes
from stages.lib.training import MetricsLog, Run, make_fabric


class StoppedError(Exception):
    pass


def write_pair(folder, n_tokens_by_clip, split="train", shard=0):
    """Shards of tokens and of latents that follow from them: each code has a latent of its own."""
    rng = np.random.default_rng(shard)
    code_VZ = np.random.default_rng(9).normal(size=(10, 4))
    ids = sorted({name[:-4] for name in n_tokens_by_clip})
    files = {"tokens": {id: {} for id in ids}, "latents": {id: {} for id in ids}}
    for name, n_tokens in n_tokens_by_clip.items():
        clip = TokenClip(name, name[:-4], split, 0.0, n_tokens / 50, n_frames=n_tokens)
        files["tokens"][name[:-4]][f"{name}.json"] = clip.to_json()
        for stream in STREAMS:
            tokens_T = np.repeat(rng.integers(10, size=n_tokens // 5 + 1), 5)[:n_tokens].astype(np.uint16)
            nearest_N = np.minimum((np.arange(n_latents(n_tokens, 1024)) * 1024 // 882), n_tokens - 1)
            z_NZ = code_VZ[tokens_T[nearest_N]].astype(np.float16)
            files["tokens"][name[:-4]][f"{name}.{stream}.npy"] = npy_bytes(tokens_T)
            files["latents"][name[:-4]][f"{name}.{stream}.npy"] = npy_bytes(z_NZ)
    for stage, by_id in files.items():

        def make(ids, stage=stage, by_id=by_id):
            for id in ids:
                yield id, kept(1.0, by_id[id], stage, width=4, hop=1024)

        update_shard(folder / stage, shard, Recipe(stage, 1, ""), dict.fromkeys(ids, "x"), make)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_pair(folder, {"aa-000": 60, "aa-001": 9, "bb-000": 50, "cc-000": 33})
    write_pair(folder, {"dd-000": 40}, "valid", shard=1)
    return folder


def windows(data, split="train"):
    return Windows(list_tokens(data / "tokens", split), data / "latents", CONFIG, LDM)


def trained(folder, data, until=None):
    source = windows(data)
    denoising = Denoising.new(CONFIG, LDM, source, make_fabric())
    run = Run("diffusion", "key", denoising.parts, runs=folder / "runs")
    log = MetricsLog(folder / "model", resume=run.step > 0)

    def stop():
        if until is not None and run.step > until:
            run.save()
            raise StoppedError

    run.save_if_due = stop
    try:
        return train(denoising, source, run, log)
    except StoppedError:
        return None
    finally:
        log.close()
        source.close()


def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path, data):
    whole = trained(tmp_path / "whole", data).state_dict()
    assert trained(tmp_path / "broken", data, until=3) is None
    resumed = trained(tmp_path / "broken", data).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_windows_are_a_function_of_the_step_and_short_clips_are_masked(data):
    one, other = windows(data), windows(data)
    ahead = [one.batch(step) for step in range(8)]
    again = other.batch(5)
    assert all(torch.equal(a, b) for a, b in zip(vars(ahead[5]).values(), vars(again).values(), strict=True))
    lengths = torch.cat([batch.mask_BN.sum(1) for batch in ahead])
    assert set(lengths.tolist()) == {8.0, 16.0}  # 9 tokens have 8 latents
    for batch in ahead:
        beyond_BN = batch.mask_BN == 0
        assert (batch.left_BN[beyond_BN] == 10).all() and (batch.left_BN[~beyond_BN] < 10).all()
        assert (batch.z_BZN.transpose(1, 2)[beyond_BN] == 0).all()


def test_tokens_and_latents_that_do_not_belong_together_are_named():
    with pytest.raises(ValueError, match="50 tokens need 44 latents, got 45"):
        track_of(np.zeros(50, np.uint16), np.zeros((45, 4), np.float16), 1024)


def test_mean_latents_by_code():
    track = track_of(np.array([3, 3, 3, 3, 5, 5, 5], np.uint16), np.arange(14, dtype=np.float16).reshape(7, 2), 1024)
    mean_VZ, seen_V = mean_latents([track], 8)
    assert seen_V.nonzero()[:, 0].tolist() == [3, 5]
    # centres of 7 latents among tokens: 0.08, 1.24, 2.40, 3.56 (nearer to the fourth), 4.72, 5.89, 6 (the last)
    nearest = [3, 3, 3, 5, 5, 5, 5]
    expected = np.array([np.arange(14).reshape(7, 2)[np.array(nearest) == code].mean(0) for code in (3, 5)])
    np.testing.assert_allclose(mean_VZ[[3, 5]], expected)


def test_the_loss_of_a_model_that_says_zero_is_that_of_the_velocity():
    """E v^2 = alpha^2 + sigma^2 E x^2 = 1 for latents of unit variance; masked frames do not count."""
    torch.manual_seed(0)
    source = torch.randn(64, 4, 16)
    ones = torch.ones(64, 16)
    mask_BN = ones.clone()
    mask_BN[:, 8:] = 0
    ids = torch.zeros(64, 16, dtype=torch.long)
    seen = []

    def zero(z_BZN, t_B, left_BN, right_BN, weight_BN):
        seen.append(left_BN)
        return torch.zeros_like(z_BZN)

    batch = Batch(source, ids, ids, ones, mask_BN)
    loss = velocity_loss(zero, question(batch, 10, 0.25, torch.Generator().manual_seed(0)))
    assert loss.item() == pytest.approx(1, abs=0.1)
    dropped = (seen[0] == 10).all(1)
    assert 5 <= dropped.sum() <= 28 and (seen[0][~dropped] == 0).all()


def test_tokens_are_learnt_by_heart(data):
    """After a short training, latents made from tokens are those that lie beside them; from other tokens, not."""
    config = CONFIG.model_copy(update={"n_steps": 120, "batch_size": 8, "learning_rate": 1e-2, "ema_decay": 0.9})
    source = windows(data)
    denoising = Denoising.new(config, LDM, source, make_fabric())
    for step in range(config.n_steps):
        denoising.step(source.batch(step), step, torch.Generator().manual_seed(step))
    denoising.ema.copy_to(denoising.model.module)
    reader = source._reader
    (ref, *_) = list_tokens(data / "tokens", "train")
    tokens_T = reader.arrays(ref)["vocals"].astype(np.int64)
    true_NZ = source.tracks(0)[1].z_NZ.astype(np.float32)
    made = {
        name: synthesize_latents(
            denoising.model.module, torch.from_numpy(ids)[None], 10, 1.0, torch.Generator().manual_seed(0)
        )[0].T.numpy()
        for name, ids in (("true", tokens_T), ("shuffled", np.roll(tokens_T, 23)))
    }
    errors = {name: np.abs(z_NZ - true_NZ).mean() for name, z_NZ in made.items()}
    assert errors["true"] < 0.5 * errors["shuffled"]


def test_the_command_trains_and_is_fresh_afterwards(tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/codebook").mkdir(parents=True)
    (tmp_path / "models/codebook/config.json").write_text(json.dumps({"config": {"n_codes": 10}}))
    (tmp_path / "models/codebook/model.safetensors").write_bytes(b"")
    YAML().dump({"diffusion": json.loads(CONFIG.model_dump_json())}, tmp_path / "params.yaml")
    arguments = ["--tokens", str(data / "tokens"), "--latents", str(data / "latents")]
    assert diffusion_main.main(arguments) == 0
    model = LatentDiffusion.from_pretrained("models/diffusion")
    assert model.config == LDM
    metrics = json.loads((tmp_path / "models/diffusion/metrics.json").read_text())
    assert {"valid_loss", "valid_loss_without_tokens"} <= set(metrics)
    stamp = (tmp_path / "models/diffusion/model.safetensors").stat().st_mtime_ns
    assert diffusion_main.main(arguments) == 0
    assert (tmp_path / "models/diffusion/model.safetensors").stat().st_mtime_ns == stamp


def test_missing_latents_are_named(tmp_path):
    with pytest.raises(UserError, match="run `songcreator latents` first"):
        diffusion_main.latent_geometry(tmp_path)
    assert index_paths(tmp_path) == []


def test_bad_values_are_named():
    for values, said in (
        ({"window": 1290}, "window must be a multiple"),
        ({"unet": {"heads": 7}}, "divisible by groups and by heads"),
        ({"unet": {"factors": [1, 2]}}, "multipliers needs 3 values"),
    ):
        with pytest.raises(UserError, match=said):
            parse_section({"diffusion": values}, "diffusion", DiffusionConfig)


def test_the_projects_own_section_parses(pytestconfig):
    assert load_config(pytestconfig.rootpath / "params.yaml", "diffusion", DiffusionConfig).n_steps > 0


def test_pitch_error_of_a_transposed_tone():
    t = np.arange(44_100) / 44_100
    tones = [sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 9)) * 0.2 for f0 in (220, 220 * 2 ** (1 / 12))]
    assert pitch_error_cents(tones[0], tones[0]) == pytest.approx(0, abs=0.1)
    assert pitch_error_cents(tones[1], tones[0]) == pytest.approx(100, abs=3)
    assert pitch_error_cents(np.zeros(44_100), tones[0]) is None


def test_measure_tells_true_tokens_from_shuffled():
    """A maker that knows every clip by its tokens is right with the true ones only."""
    examples = [Example(np.full(50, i, np.uint16), to_float(notes(i, 44_100))) for i in range(4)]
    rows = measure(lambda tokens_T: examples[tokens_T[0]].true_T, examples)
    assert rows["mel_l1_true_tokens"] == [0] * 4
    assert all(value > 0.3 for value in rows["mel_l1_shuffled_tokens"])
