import json

import numpy as np
import pytest
import torch
from clip_shards import write_clips
from ruamel.yaml import YAML
from vae_tiny import CONFIG

from stages.contract.records import STREAMS
from stages.contract.shards import iter_records, read_indexes
from stages.contract.tokens import SAMPLES_PER_TOKEN
from stages.lib.data import ClipRef, ShardReader, list_clips
from stages.lib.training import MetricsLog, Run, make_fabric
from stages.vae import __main__ as vae_main
from stages.vae import latents as latents_main
from stages.vae.crops import Crops
from stages.vae.model import Autoencoder
from stages.vae.train import Adversaries, train


class StoppedError(Exception):
    pass


def trained(folder, clips, until=None):
    """Train in `folder`, resuming what stands there; stop short after step `until`."""
    crops = Crops(list_clips(clips, "train"), CONFIG)
    sides = Adversaries.new(CONFIG, make_fabric())
    run = Run("vae", "key", sides.parts, runs=folder / "runs")
    log = MetricsLog(folder / "model", resume=run.step > 0)

    def stop():
        if until is not None and run.step > until:
            run.save()
            raise StoppedError

    run.save_if_due = stop
    try:
        return train(sides, crops, run, log)
    except StoppedError:
        return None
    finally:
        log.close()
        crops.close()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, {"aa": [0.6, 0.31], "bb": [0.5], "cc": [0.4]})
    return folder


def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path, clips):
    """Broken off after the discriminators have joined."""
    whole = trained(tmp_path / "whole", clips).state_dict()
    assert trained(tmp_path / "broken", clips, until=3) is None
    resumed = trained(tmp_path / "broken", clips).state_dict()
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_crops_are_a_function_of_the_step(clips):
    refs = list_clips(clips, "train")
    one, other = Crops(refs, CONFIG), Crops(refs, CONFIG)
    ahead = [one.batch(step) for step in range(7)]
    assert torch.equal(other.batch(5), ahead[5])  # with blocks of 3 steps: the second one, never having read the first
    assert not torch.equal(ahead[0], ahead[1])
    assert ahead[0].shape == (2, 2048) and ahead[0].abs().max() <= 1


def test_crops_come_from_the_clips(clips):
    crops = Crops(list_clips(clips, "train"), CONFIG)
    streams = [stream_T.tobytes() for clip in crops.clips(0) for stream_T in clip.values()]
    for x_T in crops.batch(0).numpy():
        assert any((x_T * 32768).astype(np.int16).tobytes() in stream for stream in streams)


def test_both_sides_learn_once_the_discriminators_join(clips):
    sides = Adversaries.new(CONFIG, make_fabric())
    crops = Crops(list_clips(clips, "train"), CONFIG)
    before = {name: [p.clone() for p in part.parameters()] for name, part in nets(sides).items()}
    figures = sides.step(crops.batch(0), 0, torch.Generator().manual_seed(0))
    assert set(figures) == {"mel", "waveform", "kl"}
    assert changed(before, sides) == {"autoencoder"}
    figures = sides.step(crops.batch(1), 2, torch.Generator().manual_seed(0))
    assert {"adversarial", "features", "discriminator"} < set(figures)
    assert changed(before, sides) == {"autoencoder", "discriminators"}
    assert all(p.requires_grad for p in sides.discriminators.parameters())


def nets(sides):
    return {"autoencoder": sides.autoencoder, "discriminators": sides.discriminators}


def changed(before, sides):
    return {
        name
        for name, net in nets(sides).items()
        if any(not torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True))
    }


def test_one_crop_is_learnt_by_heart(clips):
    config = CONFIG.model_copy(
        update={"n_steps": 60, "adversarial_from_step": 60, "learning_rate": 5e-3, "warmup_steps": 5}
    )
    sides = Adversaries.new(config, make_fabric())
    x_BT = Crops(list_clips(clips, "train"), config).batch(0)
    mels = [sides.step(x_BT, step, torch.Generator().manual_seed(step))["mel"] for step in range(60)]
    assert np.mean(mels[-10:]) < 0.6 * mels[0]


def test_the_commands_train_and_encode(tmp_path, clips, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = json.loads(CONFIG.model_dump_json())
    YAML().dump({"vae": values, "latents": {"chunk_s": 0.1}}, tmp_path / "params.yaml")
    assert vae_main.main(["--clips", str(clips)]) == 0
    assert sorted(p.name for p in (tmp_path / "models/vae").iterdir() if p.is_file()) == [
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "provenance.json",
    ]
    assert not (tmp_path / "runs/vae").exists() or not any((tmp_path / "runs/vae").iterdir())
    stamp = (tmp_path / "models/vae/model.safetensors").stat().st_mtime_ns
    assert vae_main.main(["--clips", str(clips)]) == 0
    assert (tmp_path / "models/vae/model.safetensors").stat().st_mtime_ns == stamp, "fresh: nothing is done"

    assert latents_main.main(["--clips", str(clips)]) == 0
    reader, latents = ShardReader(), {}
    for ref in list_clips(clips):
        audio = reader.audio(ref)
        n_tokens = len(audio["song"]) // SAMPLES_PER_TOKEN
        arrays = reader.arrays(ClipRef(ref.clip, tmp_path / "data/latents" / ref.tar.name))
        for stream in STREAMS:
            assert arrays[stream].dtype == np.float16
            assert arrays[stream].shape == (-(-n_tokens * SAMPLES_PER_TOKEN // CONFIG.model.hop), 4)
            latents[ref.id, stream] = arrays[stream].astype(np.float32)
        x_BT = torch.from_numpy(audio["vocals"][: n_tokens * SAMPLES_PER_TOKEN] / 32768).float()[None]
        expected_ZN = Autoencoder.from_pretrained("models/vae").encode(x_BT)[0]
        np.testing.assert_allclose(latents[ref.id, "vocals"].T, expected_ZN, atol=0.01)
    everything_NZ = np.concatenate(list(latents.values()))
    np.testing.assert_allclose(everything_NZ.mean(0), 0, atol=0.2)
    np.testing.assert_allclose(everything_NZ.std(0), 1, atol=0.2)
    (index,) = read_indexes(tmp_path / "data/latents")
    assert index.entries[0].facts == {"n_clips": 2, "width": 4, "hop": 32}


def test_a_song_that_does_not_decode_fails_alone(clips):
    entry, files = next(iter_records(clips))
    (name,) = (n for n in files if n.endswith("000.vocals.flac"))
    made = latents_main.encode_song(
        Autoencoder(CONFIG.model), latents_main.LatentsConfig(), entry, {**files, name: b"no flac"}
    )
    assert made.outcome == "failed" and "aa-000" in made.reason
