import math

import pytest
import torch
from torch import nn

from stages.lib import training
from stages.lib.training import (
    EMA,
    MetricsLog,
    Run,
    clipped_step,
    finish_model,
    make_fabric,
    noam,
    read_metrics,
    seed_step,
    warmup_cosine,
)


def test_noam_peaks_at_the_end_of_warmup():
    rates = [noam(step, 1024, 4000) for step in range(1, 12000)]
    assert max(rates) == rates[3999] == pytest.approx(4.9e-4, rel=0.01)  # PAPER §4.1
    assert noam(0, 1024, 4000) > 0


def test_cosine_starts_and_ends_where_it_should():
    assert warmup_cosine(9, 100, 1.0, 10) == 1.0
    assert warmup_cosine(55, 100, 1.0, 10) == pytest.approx(0.5)
    assert warmup_cosine(100, 100, 1.0, 10, floor=0.1) == pytest.approx(0.1)


def test_ema_follows_its_definition():
    model = nn.Linear(1, 1, bias=False)
    ema = EMA(model, decay=0.9)
    shadow = model.weight.item()
    for n in range(1, 200):
        model.weight.data.fill_(n / 10)
        ema.update(model)
        decay = min(0.9, (1 + n) / (10 + n))
        shadow = decay * shadow + (1 - decay) * n / 10
    assert ema.shadow["weight"].item() == pytest.approx(shadow, rel=1e-5)


def test_ema_follows_a_model_that_moved():
    model = nn.Linear(2, 2)
    ema = EMA(model, decay=0.9)
    model.to("meta")  # as Fabric moves one to the GPU after its average was begun
    ema.update(model)
    assert ema.shadow["weight"].is_meta


def train(run, model, optimizer, until):
    while run.step < until:
        generator = seed_step(0, run.step)
        loss = (model(torch.randn(4, 3, generator=generator)) + torch.rand(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.step += 1
    return [p.detach().clone() for p in model.parameters()]


def fresh():
    torch.manual_seed(1)
    model = nn.Linear(3, 1)
    return model, torch.optim.Adam(model.parameters(), 0.1)


def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path):
    model, optimizer = fresh()
    whole = train(Run("toy", "k", {"model": model, "optimizer": optimizer}, runs=tmp_path / "a"), model, optimizer, 10)
    model, optimizer = fresh()
    run = Run("toy", "k", {"model": model, "optimizer": optimizer}, runs=tmp_path / "b")
    train(run, model, optimizer, 4)
    run.save()
    model, optimizer = fresh()
    run = Run("toy", "k", {"model": model, "optimizer": optimizer}, runs=tmp_path / "b")
    assert run.step == 4
    assert all(torch.equal(a, b) for a, b in zip(whole, train(run, model, optimizer, 10), strict=True))


def test_another_key_starts_anew_and_clears_the_old(tmp_path):
    model, _ = fresh()
    run = Run("toy", "old", {"model": model}, runs=tmp_path)
    run.step = 7
    run.save()
    assert Run("toy", "new", {"model": model}, runs=tmp_path).step == 0
    assert [p.name for p in (tmp_path / "toy").iterdir()] == ["new"]


def test_metrics_become_files_dvc_reads(tmp_path):
    log = MetricsLog(tmp_path)
    for step in range(3):
        log.log(step, loss=1 / (step + 1))
    log.close(final=0.25)
    assert read_metrics(tmp_path)["final"] == 0.25
    rows = (tmp_path / "plots/metrics/loss.tsv").read_text().splitlines()
    assert len(rows) == 4 and math.isclose(float(rows[-1].split("\t")[-1]), 1 / 3)


def test_of_several_processes_only_the_first_writes(tmp_path, monkeypatch):
    model, _ = fresh()
    monkeypatch.setattr(training, "is_first_process", lambda: False)
    log = MetricsLog(tmp_path / "model")
    log.log(0, loss=1.0)
    log.close(final=1.0)
    run = Run("toy", "k", {"model": model}, runs=tmp_path / "runs")
    run.save()
    finish_model(tmp_path / "model", "toy", "k", run)
    assert run.folder.is_dir(), "the first may still be saving there"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_slurm_job_of_one_task_starts_a_process_per_gpu(monkeypatch):
    from lightning.fabric import Fabric

    for name, value in {"NTASKS": "1", "JOB_NAME": "snakemake", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", plugins=training.starts_its_own())
    assert fabric.world_size == 2
    assert not fabric.strategy.cluster_environment.creates_processes_externally
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert training.starts_its_own() is None, "srun has started the processes"


def test_a_step_on_gradients_that_are_not_finite_is_left_out(capsys):
    fabric = make_fabric()
    module = torch.nn.Linear(2, 1)
    model, optimizer = fabric.setup(module, torch.optim.SGD(module.parameters(), lr=1.0))
    before = module.weight.detach().clone()
    fabric.backward(model(torch.full((1, 2), float("inf"))).sum())
    clipped_step(fabric, model, optimizer, 1.0)
    assert torch.equal(module.weight, before) and "not finite" in capsys.readouterr().err
    optimizer.zero_grad()
    fabric.backward(100 * model(torch.ones(1, 2)).sum())
    clipped_step(fabric, model, optimizer, 1.0)
    assert (module.weight - before).norm() <= 1.0 and not torch.equal(module.weight, before)
