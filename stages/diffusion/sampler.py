"""DPM-Solver++ (2M) on the cosine schedule (Lu et al., arXiv 2211.01095), with data prediction from v.

Written out (a test holds it against diffusers' DPMSolverMultistepScheduler) because the paper's repository and ours
need one solver only, in continuous time, and diffusers costs a second at every start. Shapes: B, C, N as elsewhere.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stages.diffusion.schedule import alpha_sigma, clean_from_v

T_START = 0.99  # at 1 the signal-to-noise ratio is zero and its logarithm no number


def times(n_steps: int) -> list[float]:
    """n_steps + 1 times, evenly from T_START to 0."""
    return [T_START * (1 - step / n_steps) for step in range(n_steps + 1)]


def sample(velocity: Callable[[Tensor, float], Tensor], z_BCN: Tensor, times: Sequence[float]) -> Tensor:
    """Integrate from z at times[0] to a clean sample at times[-1] = 0. velocity(z, t) predicts v.

    Second order with the last two predictions; the first and the last step are first order, as diffusers'
    `lower_order_final` and `final_sigmas_type="zero"` have it.
    """
    t_S = torch.tensor(times, dtype=torch.float64)
    alpha_S, sigma_S = alpha_sigma(t_S)
    lambda_S = alpha_S.log() - sigma_S.log()  # half the log signal-to-noise ratio; infinite at t = 0
    before_BCN, h_before = None, 0.0
    for i in range(len(times) - 1):
        x_BCN = clean_from_v(z_BCN, velocity(z_BCN, times[i]), t_S[i].to(z_BCN.dtype))
        h = float(lambda_S[i + 1] - lambda_S[i])
        guess_BCN = x_BCN
        if before_BCN is not None and times[i + 1] > 0:
            guess_BCN = x_BCN + (x_BCN - before_BCN) * (h / (2 * h_before))
        shrink = float(sigma_S[i + 1] / sigma_S[i])
        step = float(-alpha_S[i + 1] * torch.expm1(torch.tensor(-h, dtype=torch.float64)))
        z_BCN = shrink * z_BCN + step * guess_BCN
        before_BCN, h_before = x_BCN, h
    return z_BCN
