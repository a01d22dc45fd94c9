"""DAC's discriminators (PAPER A.3): one that folds audio by a period, one that hears bands of an STFT.

Shapes: B batch, T samples, C channels, F frequency bins, N frames. Each yields its layers' outputs, the judgement
last.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from stages.vae.config import DiscriminatorConfig

_SLOPE = 0.1
_PEAK = 0.8


def _layers(rows: Sequence[tuple[int, int, tuple[int, int], tuple[int, int]]]) -> nn.ModuleList:
    """Convolutions (n_in, n_out, kernel, stride), padded to keep what the stride does not take."""
    return nn.ModuleList(
        weight_norm(nn.Conv2d(n_in, n_out, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2)))
        for n_in, n_out, kernel, stride in rows
    )


def _through(h: Tensor, layers: Iterable[nn.Module]) -> list[Tensor]:
    outputs = []
    for layer in layers:
        h = F.leaky_relu(layer(h), _SLOPE)
        outputs.append(h)
    return outputs


class PeriodDiscriminator(nn.Module):
    """Folds T into rows of `period` samples; convolves along the rows' sequence, never across a row."""

    def __init__(self, period: int, widths: Sequence[int]):
        super().__init__()
        self.period = period
        strides = [3] * (len(widths) - 1) + [1]
        rows = zip([1, *widths[:-1]], widths, strides, strict=True)
        self.layers = _layers([(n_in, n_out, (5, 1), (stride, 1)) for n_in, n_out, stride in rows])
        self.judge = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, x_BT: Tensor) -> list[Tensor]:
        x_BT = F.pad(x_BT, (0, -x_BT.shape[1] % self.period), mode="reflect")
        h_B1NP = x_BT.reshape(len(x_BT), 1, -1, self.period)
        outputs = _through(h_B1NP, self.layers)
        return [*outputs, self.judge(outputs[-1])]


class BandDiscriminator(nn.Module):
    """Real and imaginary parts of an STFT, each band through layers of its own, the judgement over all bands."""

    window: Tensor

    def __init__(self, fft_size: int, band_edges: Sequence[float], width: int):
        super().__init__()
        self.fft_size = fft_size
        n_bins = fft_size // 2 + 1
        self.edges = [round(edge * n_bins) for edge in band_edges]
        rows = [(2, width, (3, 9), (1, 1)), *[(width, width, (3, 9), (1, 2))] * 3, (width, width, (3, 3), (1, 1))]
        self.bands = nn.ModuleList(_layers(rows) for _ in self.edges[1:])
        self.judge = weight_norm(nn.Conv2d(width, 1, (3, 3), padding=(1, 1)))
        self.register_buffer("window", torch.hann_window(fft_size), persistent=False)

    def forward(self, x_BT: Tensor) -> list[Tensor]:
        with torch.autocast(x_BT.device.type, enabled=False):
            spectrum_BFN = torch.stft(
                x_BT.float(), self.fft_size, self.fft_size // 4, window=self.window, return_complex=True
            )
        h_B2NF = torch.view_as_real(spectrum_BFN).permute(0, 3, 2, 1)
        outputs, ends = [], []
        for low, high, layers in zip(self.edges[:-1], self.edges[1:], self.bands, strict=True):
            band = _through(h_B2NF[..., low:high], layers.children())
            outputs += band
            ends.append(band[-1])
        return [*outputs, self.judge(torch.cat(ends, dim=-1))]


class Discriminators(nn.Module):
    """All of them, on audio without offset and at one peak (DAC), so that loudness gives nothing away."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.all = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, config.period_widths) for period in config.periods),
                *(BandDiscriminator(size, config.band_edges, config.band_width) for size in config.fft_sizes),
            ]
        )

    def forward(self, x_BT: Tensor) -> list[list[Tensor]]:
        x_BT = x_BT - x_BT.mean(1, keepdim=True)
        x_BT = _PEAK * x_BT / (x_BT.abs().amax(1, keepdim=True) + 1e-9)
        return [discriminator(x_BT) for discriminator in self.all]
