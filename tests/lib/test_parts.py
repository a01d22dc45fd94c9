"""A batch split between threads gives the gradients of the whole, the same to the bit each time."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from stages.lib.parts import CPU_PARTS, Parts, mean_figures

CPU = SimpleNamespace(device=torch.device("cpu"), world_size=1, backward=Tensor.backward)
SEVERAL = SimpleNamespace(device=torch.device("cpu"), world_size=2, backward=Tensor.backward)


def gradients(fabric: SimpleNamespace, x_BD: Tensor) -> tuple[int, list[Tensor | None]]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.Linear(32, 3))
    module.append(nn.Linear(3, 3))  # behind what the loss looks at: no gradient
    parts = Parts(fabric)
    pieces = parts.split(x_BD)
    sizes = [len(piece) for piece in pieces]
    parts.backward(lambda piece_BD: module[:3](piece_BD).square().mean(), pieces, sizes, module)
    return len(pieces), [p.grad for p in module.parameters()]


@pytest.mark.parametrize("n", [8, 7, 1])
def test_the_gradients_of_the_whole_batch(n):
    x_BD = torch.randn(n, 6, generator=torch.Generator().manual_seed(1))
    n_parts, split = gradients(CPU, x_BD)
    n_whole, whole = gradients(SEVERAL, x_BD)
    assert (n_parts, n_whole) == (min(n, CPU_PARTS), 1)
    for ours, theirs in zip(split[:4], whole[:4], strict=True):
        torch.testing.assert_close(ours, theirs)
    assert split[4:] == whole[4:] == [None, None]


def test_the_same_to_the_bit():
    x_BD = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    first, second = (gradients(CPU, x_BD)[1][:4] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_figures_are_means_by_size():
    figures = [{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(4.0)}]
    assert mean_figures(figures, [2, 1]) == {"loss": 2.0}
