"""The demo's separator: demucs' own HTDemucs with small numbers, and the folder it is shipped in.

The folder is what demucs puts on the Hugging Face hub for a model: `NAME.yaml` (a bag: the models it is made of) and
`SIG.safetensors` whose metadata name the class and its arguments. Nothing is pickled.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract.digests import digest_bytes
from stages.contract.files import write_atomic

if TYPE_CHECKING:
    from torch import nn

NAME = "small"

# Arguments of demucs' HTDemucs; what is not named keeps its default. Chosen for minutes of training on a CPU:
# - one source, for the accompaniment is what remains of the song, and one channel, for that is what is kept;
# - magnitudes laid on the mixture's phase (cac off, no Wiener filter) instead of complex spectra: after 100 steps of
#   3 x 3 s it stood at 6.0 and 4.6 dB (vocals, accompaniment) of SI-SDR improvement, complex spectra at 2.5 and 1.7.
ARCHITECTURE: dict[str, Any] = {
    "sources": ["vocals"],
    "audio_channels": 1,
    "channels": 8,
    "cac": False,
    "wiener_iters": -1,
    "end_iters": -1,
    "dconv_mode": 0,
    "bottom_channels": 32,
    "t_layers": 1,
    "t_heads": 2,
    "segment": 6,
}


def build_small(**changes: Any) -> "nn.Module":
    """An untrained small HTDemucs; `changes` override ARCHITECTURE."""
    from demucs.htdemucs import HTDemucs

    return HTDemucs(**{**ARCHITECTURE, **changes})


def save_repo(model: Any, folder: Path, name: str = NAME) -> str:
    """Write `model` (built by keyword arguments) as a folder of weights; returns its signature, which is a digest
    of its bytes."""
    from safetensors.torch import save

    args, kwargs = model._init_args_kwargs  # kept by demucs' own constructors
    klass = f"{type(model).__module__}.{type(model).__qualname__}"
    metadata = {"klass": klass, "args": json.dumps(list(args)), "kwargs": json.dumps(kwargs)}
    data = _with_metadata(save({key: value.contiguous().cpu() for key, value in model.state_dict().items()}), metadata)
    signature = digest_bytes(data)
    for stale in folder.glob("*.safetensors"):
        stale.unlink()
    write_atomic(folder / f"{signature}.safetensors", data)
    write_atomic(folder / f"{name}.yaml", f"models: ['{signature}']\n")
    return signature


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    """safetensors writes its metadata in a random order: put in here, equal weights make equal bytes."""
    n_header = int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8 : 8 + n_header])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + n_header :]
