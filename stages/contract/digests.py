"""Digests: the one answer to "is it the same?". BLAKE2b, 16 hex digits (64 bits: 270,000 songs collide with
probability 2e-9)."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

_HEX_DIGITS = 16
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode  # dumps makes one a call


def hasher() -> "hashlib.blake2b":
    """For what comes in pieces: `update` it, then `hexdigest` is a digest like the others."""
    return hashlib.blake2b(digest_size=_HEX_DIGITS // 2)


def digest_bytes(*parts: bytes | memoryview) -> str:
    state = hasher()
    for part in parts:
        state.update(part)
    return state.hexdigest()


def digest(value: Any) -> str:
    """Digest of anything JSON can hold; dictionaries count by content, not by order."""
    return digest_bytes(_encode(value).encode())


@functools.lru_cache(maxsize=4096)
def _digest_file(path: str, n_bytes: int, mtime_ns: int) -> str:
    state = hasher()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes, read once per process for a given size and mtime."""
    stat = path.stat()
    return _digest_file(str(path.absolute()), stat.st_size, stat.st_mtime_ns)


def digest_folder(path: Path) -> str:
    """Digest of a folder of weights, or of one file: relative names and bytes, hidden files left out."""
    if path.is_file():
        return digest_file(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder")
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest([[p.relative_to(path).as_posix(), digest_file(p)] for p in files])
