"""Models from folders: what demucs itself wrote, what we wrote, and what must not be opened."""

import json
from pathlib import Path

import pytest
import torch
from demucs.htdemucs import HTDemucs
from demucs.repo import ModelLoadingError
from demucs.states import get_state, save_with_checksum
from safetensors.torch import save_file
from tiny_demucs import tiny

from stages.lib.cli import UserError
from stages.separate.model import load_separator, load_stock
from stages.separate.small import ARCHITECTURE, build_small, save_repo


def pickle_repo(folder: Path) -> Path:
    """A local repo as demucs' own tools write one: SIG-CHECKSUM.th and a bag that names it."""
    folder.mkdir()
    model = tiny()
    args, kwargs = model._init_args_kwargs
    package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": get_state(model, None)}
    save_with_checksum(package, folder / "abc.th")
    (folder / "mine.yaml").write_text("models: ['abc']\n")
    return folder


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return set(ours) == set(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_folder_as_demucs_writes_it(tmp_path: Path) -> None:
    folder = pickle_repo(tmp_path / "repo")
    bag = load_stock(str(folder))
    assert same_weights(bag.models[0], tiny())
    (folder / "mine.yaml").unlink()
    assert same_weights(load_stock(str(folder)), tiny())


def test_a_folder_as_we_write_it(tmp_path: Path) -> None:
    torch.manual_seed(7)
    model = build_small()
    first = save_repo(model, tmp_path)
    bag = load_stock(str(tmp_path))
    assert bag.sources == ["vocals"] and not bag.training
    assert same_weights(bag.models[0], model)
    assert bag.models[0].segment == ARCHITECTURE["segment"]
    assert load_separator(str(tmp_path)).segments == (int(44_100 * ARCHITECTURE["segment"]),)
    assert save_repo(model, tmp_path) == first, "equal weights, equal bytes"
    assert save_repo(tiny(), tmp_path) != first
    assert len(list(tmp_path.iterdir())) == 2, "old weights are not left behind"


def test_a_pickle_is_opened_only_when_its_digest_is_right(tmp_path: Path) -> None:
    folder = pickle_repo(tmp_path / "repo")
    (path,) = folder.glob("*.th")
    bare = path.rename(folder / "abc.th")
    with pytest.raises(UserError, match=r"rename it to abc-[0-9a-f]{8}\.th"):
        load_stock(str(folder))
    bare.rename(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match="not those its name says"):
        load_stock(str(folder))


def test_safetensors_cannot_name_another_class(tmp_path: Path) -> None:
    metadata = {"klass": "subprocess.Popen", "args": json.dumps([["true"]]), "kwargs": "{}"}
    save_file({"x": torch.zeros(1)}, tmp_path / "evil.safetensors", metadata)
    with pytest.raises(UserError, match=r"subprocess\.Popen"):
        load_stock(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "says"), [("weights/none", "no such folder"), ("./nowhere", "no such folder"), ("", "must hold one bag")]
)
def test_a_missing_or_empty_folder(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_stock(name or str(tmp_path))


def test_a_bag_without_its_weights(tmp_path: Path) -> None:
    save_repo(tiny(), tmp_path)
    (tmp_path / "small.yaml").write_text("models: ['gone']\n")
    with pytest.raises(UserError, match="gone"):
        load_stock(str(tmp_path))


@pytest.mark.parametrize(
    ("error", "says"),
    [(ModelLoadingError("no"), "demucs knows no model 'nothing'"), (OSError("no route to host"), "go online once")],
)
def test_a_name_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, error: Exception, says: str) -> None:
    """Whatever demucs raises when a name is unknown or the network is away becomes a line with a remedy."""

    def get_model(name: str) -> None:
        raise error

    monkeypatch.setattr("demucs.pretrained.get_model", get_model)
    with pytest.raises(UserError, match=says):
        load_stock("nothing")


def test_a_model_without_vocals(tmp_path: Path) -> None:
    save_repo(tiny(sources=["drums", "bass"]), tmp_path)
    with pytest.raises(UserError, match="drums, bass, but no vocals"):
        load_separator(str(tmp_path))


def test_models_without_a_say_are_not_run() -> None:
    from demucs.apply import BagOfModels

    from stages.separate.model import to_separator

    weights = [[1.0 if row == column else 0.0 for column in range(4)] for row in range(4)]  # as in htdemucs_ft
    separator = to_separator(BagOfModels([tiny(seed=k) for k in range(4)], weights), "ft")
    assert len(separator.models) == 1 and separator.weights == (1.0,)
