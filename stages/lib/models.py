"""Models as folders: `model.safetensors`, `config.json`, a card. Through huggingface_hub's mixin, so that
`from_pretrained` takes a local folder or a name on the hub alike; nothing is unpickled."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stages.lib.training import is_first_process

CARD = """# {title}

{what}

Part of [SongCreator](https://arxiv.org/abs/2409.06029), open implementation. {n_parameters:,} parameters.

- Made from: data digest `{data}`, params digest `{params}`
- Command: `{command}`

## Figures
{figures}
"""


def save_model(model: Any, folder: Path, config: BaseModel) -> None:
    """Write weights and config; `config` is what the model is built from, and nothing else. Of several processes that
    trained it the first writes."""
    if not is_first_process():
        return
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, config={"config": config.model_dump(mode="json")})
    (folder / "README.md").unlink(missing_ok=True)  # the mixin's template; write_card has better


def write_card(
    folder: Path, title: str, what: str, command: str, n_parameters: int, data: str, params: str, **figures: float
) -> None:
    """The folder's README.md. Of several processes the first writes."""
    if not is_first_process():
        return
    rows = "\n".join(f"- {name}: {value:.4g}" for name, value in figures.items()) or "- none"
    text = CARD.format(
        title=title, what=what, command=command, n_parameters=n_parameters, data=data, params=params, figures=rows
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def count_parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())
