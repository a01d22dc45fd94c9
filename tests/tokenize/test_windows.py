import pytest
import torch

from stages.bestrq.config import EncoderConfig
from stages.bestrq.model import BestRQ
from stages.tokenize.windows import encode, plan_windows


@pytest.mark.parametrize("n_frames", [1, 99, 100, 101, 119, 160, 161, 180, 1000, 1234])
def test_kept_parts_tile_the_signal_with_context(n_frames):
    window, margin = 100, 20
    windows = plan_windows(n_frames, window, margin)
    kept = [t for w in windows for t in range(w.keep_from, w.keep_to)]
    assert kept == list(range(n_frames))
    for w in windows:
        assert w.stop - w.start == min(window, n_frames)
        assert 0 <= w.start <= w.keep_from < w.keep_to <= w.stop <= n_frames
        assert w.keep_from - w.start >= margin or w.keep_from == 0
        assert w.stop - w.keep_to >= margin or w.keep_to == n_frames


def test_what_fits_is_one_window():
    assert len(plan_windows(1500, 1500, 50)) == 1
    assert len(plan_windows(1501, 1500, 50)) == 2


def test_features_do_not_depend_on_company():
    torch.manual_seed(0)
    model = BestRQ(EncoderConfig(width=32, n_layers=2, n_heads=2, window_s=2, margin_s=0.4)).eval()
    mels = [torch.randn(n, 80, generator=torch.Generator().manual_seed(n)) for n in (30, 250, 100, 99, 1)]
    together = encode(model, mels, 2, windows_per_batch=3)
    for mel_TF, features_TD in zip(mels, together, strict=True):
        alone = encode(model, [mel_TF], 2, windows_per_batch=1)[0]
        assert features_TD.shape == (len(mel_TF), 32)
        torch.testing.assert_close(features_TD, alone, atol=2e-5, rtol=1e-4)
    whole = model.encode(mels[2][None], torch.tensor([100]))
    torch.testing.assert_close(together[2], whole[0], atol=2e-5, rtol=1e-4)
