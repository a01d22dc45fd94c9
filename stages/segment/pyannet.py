"""A small PyanNet for sung stems, and its checkpoint as pyannote reads it. pyannote does not carry one that knows
singing, and its own are gated; ours is trained by `songcreator train_vad`."""

import io
from pathlib import Path
from typing import Any

from stages.contract.files import write_atomic
from stages.segment.vad import CHECKPOINT

WINDOW_S = 5.0
_LSTM = {"hidden_size": 48, "num_layers": 2, "bidirectional": True, "monolithic": True, "dropout": 0.0}
_LINEAR = {"hidden_size": 48, "num_layers": 1}


def build_pyannet() -> Any:
    """A fresh PyanNet with one output per frame: is somebody singing?"""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    model = PyanNet(lstm=_LSTM, linear=_LINEAR)
    model.specifications = Specifications(
        problem=Problem.BINARY_CLASSIFICATION, resolution=Resolution.FRAME, duration=WINDOW_S, classes=["speech"]
    )
    model.build()
    return model


def load_pyannet(folder: Path) -> Any:
    """The model of a folder we wrote ourselves; `vad.load_vad` is for folders that others may have written."""
    from pyannote.audio import Model

    return Model.from_pretrained(folder / CHECKPOINT)


def save_pyannet(model: Any, folder: Path) -> None:
    """Write the Lightning checkpoint that `Model.from_pretrained(folder)` reads."""
    import pytorch_lightning
    import torch

    checkpoint: dict[str, Any] = {
        "state_dict": {name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": pytorch_lightning.__version__,
    }
    model.on_save_checkpoint(checkpoint)
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomic(folder / CHECKPOINT, buffer.getvalue())
