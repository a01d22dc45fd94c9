"""`provenance.json`, written last into a model's or a result's folder: what it was made from. Its presence means
"complete"; its key means "still true"."""

import json
from pathlib import Path
from typing import Any

from stages.contract.files import write_atomic

FILE = "provenance.json"


def write(folder: Path, stage: str, key: str, **facts: Any) -> None:
    text = json.dumps({"stage": stage, "key": key, **facts}, sort_keys=True, ensure_ascii=False, indent=1)
    write_atomic(folder / FILE, text + "\n")


def read(folder: Path) -> dict[str, Any]:
    """Empty where there is none."""
    path = folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def is_fresh(folder: Path, key: str) -> bool:
    return read(folder).get("key") == key
