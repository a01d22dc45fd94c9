"""The provenance file, written last into a model's folder or beside a result: what it was made from. Its presence
means "complete"; its key means "still true"."""

import json
from pathlib import Path
from typing import Any

from stages.contract.files import write_atomic

FILE = "provenance.json"


def write(folder: Path, stage: str, key: str, file: str = FILE, **facts: Any) -> None:
    text = json.dumps({"stage": stage, "key": key, **facts}, sort_keys=True, ensure_ascii=False, indent=1)
    write_atomic(folder / file, text + "\n")


def read(folder: Path, file: str = FILE) -> dict[str, Any]:
    """Empty where there is none."""
    path = folder / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def is_fresh(folder: Path, key: str, file: str = FILE) -> bool:
    return read(folder, file).get("key") == key
