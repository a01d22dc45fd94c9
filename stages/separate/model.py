"""Demucs models by name or from a folder of weights, made ready to say only what we keep: the mono vocals.

Shapes: B batch, S source, C channels, T samples.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.cli import UserError

VOCALS = "vocals"
_CLASSES = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")


class VocalsOf(nn.Module):
    """What a model says of one source, mean over channels: B C T -> B T."""

    def __init__(self, model: Any, position: int):
        super().__init__()
        self.model, self.position = model, position

    def forward(self, mix_BCT: torch.Tensor) -> torch.Tensor:
        return self.model(mix_BCT)[:, self.position].mean(1)

    def valid_length(self, length: int) -> int:
        """What a segment of so many samples is padded to."""
        own = getattr(self.model, "valid_length", None)
        return length if own is None else int(own(length))


@dataclass(frozen=True)
class Separator:
    """One or more models whose weighted mean is the vocals (a bag; models without a say in them are left out).

    segments       samples each model looks at at once
    n_channels     of the models' input, which is at 44.1 kHz
    """

    name: str
    models: tuple[VocalsOf, ...]
    weights: tuple[float, ...]
    segments: tuple[int, ...]
    n_channels: int


def load_stock(name: str) -> Any:
    """The model as demucs loads it: a name it knows, or a folder (see SeparateConfig.model). Raises UserError."""
    folder = Path(name)
    if folder.is_dir():
        return _load_folder(folder)
    if "/" in name and not name.startswith("hf://"):
        raise UserError(f"separate.model: {name}: no such folder of weights")
    return _load_by_name(name)


def load_separator(name: str) -> Separator:
    """As `load_stock`, folded to the vocals."""
    return to_separator(load_stock(name), name)


def to_separator(model: Any, name: str) -> Separator:
    """From a demucs model or bag of models. Raises UserError where none of its sources is the vocals."""
    if VOCALS not in model.sources:
        raise UserError(f"separate.model: {name} separates {', '.join(model.sources)}, but no {VOCALS}")
    if model.samplerate != SAMPLE_RATE_HZ or model.audio_channels not in (1, 2):
        raise UserError(f"separate.model: {name} must take mono or stereo at {SAMPLE_RATE_HZ} Hz")
    position = model.sources.index(VOCALS)
    models = list(getattr(model, "models", [model]))
    all_weights = [w[position] for w in getattr(model, "weights", [[1.0] * len(model.sources)])]
    heard = [(m, w) for m, w in zip(models, all_weights, strict=True) if w]
    total = sum(all_weights)
    return Separator(
        name,
        tuple(fold_to_vocals(m) for m, _ in heard),
        tuple(w / total for _, w in heard),
        tuple(int(m.samplerate * m.segment) for m, _ in heard),
        model.audio_channels,
    )


def _load_by_name(name: str) -> Any:
    from demucs.pretrained import get_model
    from demucs.repo import ModelLoadingError

    try:
        return get_model(name)
    except ModelLoadingError as error:
        raise UserError(f"separate.model: demucs knows no model {name!r}, and there is no such folder") from error
    except OSError as error:  # of the network
        raise UserError(
            f"separate.model: {name} could not be downloaded ({error}); go online once, or name a folder of weights"
        ) from error


def _load_folder(folder: Path) -> Any:
    """A bag (NAME.yaml) or a single model. Safetensors first; pickles only when the digest in their name is theirs."""
    bags = sorted(folder.glob("*.yaml"))
    tensors = {path.stem: path for path in folder.glob("*.safetensors")}
    pickles = sorted(folder.glob("*.th"))
    singles = sorted(tensors) or [path.stem.rsplit("-", 1)[0] for path in pickles]
    if len(bags) > 1 or (not bags and len(singles) != 1):
        raise UserError(f"{folder}: must hold one bag of models (NAME.yaml) and its weights, or a single model")
    if tensors:
        model = _load_tensors(tensors, bags[0]) if bags else _load_one(tensors[singles[0]])
        return model.eval()
    for path in pickles:
        _check_digest(path)
    from demucs.pretrained import get_model
    from demucs.repo import ModelLoadingError

    try:
        return get_model(bags[0].stem if bags else singles[0], repo=folder)
    except ModelLoadingError as error:
        raise UserError(f"{folder}: {error}") from error


def _load_tensors(tensors: dict[str, Path], bag: Path) -> Any:
    import yaml
    from demucs.apply import BagOfModels

    content = yaml.safe_load(bag.read_text(encoding="utf-8"))
    missing = [signature for signature in content["models"] if signature not in tensors]
    if missing:
        raise UserError(f"{bag}: names {missing[0]}, but {missing[0]}.safetensors is not beside it")
    models = [_load_one(tensors[signature]) for signature in content["models"]]
    return BagOfModels(models, content.get("weights"), content.get("segment"))


def _load_one(path: Path) -> Any:
    """demucs' own reader builds whatever class the metadata name: only demucs' models are let through."""
    from demucs.hf import load_safetensors_model
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata() or {}
    if metadata.get("klass") not in _CLASSES or "_class" in json.dumps(metadata.get("structure", "")):
        raise UserError(f"{path}: its metadata do not describe a demucs model ({metadata.get('klass')})")
    return load_safetensors_model(path)


def _check_digest(path: Path) -> None:
    """A .th file is a pickle, and unpickling runs code: it must be the very file its name says."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name, _, checksum = path.stem.rpartition("-")
    if not name:
        raise UserError(
            f"{path}: has no digest in its name and is not unpickled; if you trust it, rename it to "
            f"{path.stem}-{digest[:8]}.th"
        )
    if len(checksum) < 8 or not digest.startswith(checksum):
        raise UserError(f"{path}: its bytes are not those its name says (sha256 {digest[:8]}); fetch it again")


def fold_to_vocals(model: Any) -> VocalsOf:
    """`model` without what is not kept of its output.

    All that follows an HTDemucs' last layer is linear and alike for every source and channel, so picking one source
    and averaging its channels can be done to that layer's weights: the other sources' spectrograms are never made.
    """
    position = model.sources.index(VOCALS)
    if not _foldable(model):
        return VocalsOf(model.eval(), position)
    folded = copy.deepcopy(model).eval()
    folded.sources = [VOCALS]
    for layer, n_parts in ((folded.decoder[-1], 2), (folded.tdecoder[-1], 1)):  # real and imaginary; samples
        shape = (len(model.sources), model.audio_channels, n_parts)
        _average(layer.conv_tr, shape, position)
    return VocalsOf(folded, 0)


def _foldable(model: Any) -> bool:
    from demucs.htdemucs import HTDemucs

    if not isinstance(model, HTDemucs) or not model.cac or len(model.decoder) != len(model.tdecoder):
        return False
    layers = (model.decoder[-1], model.tdecoder[-1])
    return all(isinstance(getattr(layer, "norm2", None), nn.Identity) for layer in layers)


def _average(convolution: Any, shape: tuple[int, int, int], position: int) -> None:
    """Keep one source of a transposed convolution's outputs (source, channel, part), mean over its channels."""
    with torch.no_grad():
        weight, bias = convolution.weight, convolution.bias
        kept = weight.view(weight.shape[0], *shape, *weight.shape[2:])[:, position].mean(1)
        convolution.weight = nn.Parameter(kept.contiguous())
        convolution.bias = nn.Parameter(bias.view(shape)[position].mean(0).contiguous())
    convolution.out_channels = shape[2]
