import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from stages.diffusion.sampler import sample, times
from stages.diffusion.schedule import add_noise, alpha_sigma, clean_from_v, stratified_times

N_TRAIN = 1000


def betas() -> np.ndarray:
    """Our schedule, discretised: the k-th time is (k + 1) / (N_TRAIN + 1)."""
    alpha_bar = np.cos(np.arange(N_TRAIN + 1) / (N_TRAIN + 1) * np.pi / 2) ** 2
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


def theirs(n_steps: int) -> tuple[DPMSolverMultistepScheduler, list[float]]:
    """diffusers' solver on our schedule, and the times of its steps."""
    scheduler = DPMSolverMultistepScheduler(
        trained_betas=betas(),
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        final_sigmas_type="zero",
        timestep_spacing="leading",
    )
    scheduler.set_timesteps(n_steps)
    return scheduler, [(int(k) + 1) / (N_TRAIN + 1) for k in scheduler.timesteps]


def velocity(z: torch.Tensor, t: float) -> torch.Tensor:
    """Some smooth function of both."""
    return torch.tanh(1.5 * z.roll(1, -1)) * math.cos(2 * t) - 0.3 * z


@pytest.mark.parametrize("n_steps", [2, 5, 12])
def test_same_samples_as_diffusers(n_steps):
    scheduler, at = theirs(n_steps)
    torch.manual_seed(0)
    z = expected = torch.randn(2, 3, 7)
    for step, t in zip(scheduler.timesteps, at, strict=True):
        expected = scheduler.step(velocity(expected, t), step, expected).prev_sample
    torch.testing.assert_close(sample(velocity, z, [*at, 0.0]), expected, atol=2e-4, rtol=1e-3)


def test_a_gaussians_exact_velocity_gives_that_gaussian():
    """For data of mean m and deviation s, v is known in closed form, and so is where each noise ends."""
    mean, deviation = 0.7, 0.4

    def exact(z: torch.Tensor, t: float) -> torch.Tensor:
        alpha, sigma = (float(value) for value in alpha_sigma(torch.tensor(t, dtype=torch.float64)))
        variance = alpha**2 * deviation**2 + sigma**2
        clean = mean + alpha * deviation**2 / variance * (z - alpha * mean)
        return (alpha * z - clean) / sigma

    z = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).double()[:, None, None]
    made = sample(exact, z, times(30))
    assert made.mean().item() == pytest.approx(mean, abs=0.02)
    assert made.std().item() == pytest.approx(deviation, abs=0.02)


def test_velocity_is_diffusers():
    scheduler = DDIMScheduler(trained_betas=betas())
    x, noise = torch.randn(2, 3, 4, 5)
    k = torch.tensor([10, 500, 990])
    z, v = add_noise(x, noise, (k + 1) / (N_TRAIN + 1))
    torch.testing.assert_close(z, scheduler.add_noise(x, noise, k), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(v, scheduler.get_velocity(x, noise, k), atol=1e-4, rtol=1e-4)
    # v = alpha e - sigma x is the derivative of z along the quarter circle (dz/dt = pi / 2 v)
    later, _ = add_noise(x.double(), noise.double(), (k + 1).double() / (N_TRAIN + 1) + 1e-6)
    earlier, _ = add_noise(x.double(), noise.double(), (k + 1).double() / (N_TRAIN + 1) - 1e-6)
    torch.testing.assert_close(v.double(), (later - earlier) / (2e-6 * math.pi / 2), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(clean_from_v(z, v, ((k + 1) / (N_TRAIN + 1))[:, None, None]), x, atol=1e-5, rtol=1e-4)


def test_times_are_one_in_each_part():
    t_B = stratified_times(8, torch.Generator().manual_seed(3))
    assert sorted((t_B * 8).floor().long().tolist()) == list(range(8))
    assert times(4)[0] < 1 and times(4)[-1] == 0 and len(times(4)) == 5
