import math

import pytest
import torch
from torch import nn

from stages.lib.training import EMA, MetricsLog, Run, noam, read_metrics, seed_step, warmup_cosine


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
