"""`import torchaudio` beside a CPU build of torch. torchaudio is published as a CUDA build only, whose compiled part
does not load there; everything we and pyannote use of it is written in Python."""

import sys
import types


def make_torchaudio_importable() -> None:
    """Before the first import of torchaudio, or of anything that imports it: where torch has no CUDA, its compiled
    part is declared absent instead of failing."""
    import torch

    if torch.version.cuda is not None or "torchaudio" in sys.modules:
        return
    absent = types.ModuleType("torchaudio._extension")
    vars(absent).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _IS_RIR_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=_absent,
    )
    sys.modules["torchaudio._extension"] = absent


def _absent(function: object) -> object:
    def fail(*_: object, **__: object) -> None:
        name = getattr(function, "__name__", "this function")
        raise RuntimeError(f"torchaudio.{name} needs torchaudio's compiled part, which needs a CUDA build of torch")

    return fail
