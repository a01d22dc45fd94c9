"""Writing so that a kill at any moment leaves either the old file or the new one: a temporary name unique to the
writer, fsync, rename. A file under its final name is complete."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

TEMPORARY_PREFIX = ".tmp-"


class DiskFullError(OSError):
    """No room left: what was finished stays, and the same command goes on from there."""


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError(
                errno.ENOSPC, f"the disk is full, {path} was not written; free some space and run the command again"
            ) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | str) -> None:
    with atomic_file(path, "w" if isinstance(data, str) else "wb") as file:
        file.write(data)


def remove_temporary(folder: Path) -> None:
    """Remove what killed writers left in `folder` (not below it)."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


class FoundFile(NamedTuple):
    """A file as a listing saw it. A link that leads nowhere has size -1."""

    path: str
    size: int
    mtime_ns: int


def walk(root: str | os.PathLike[str]) -> Iterator[FoundFile]:
    """Every file under `root`, folder by folder in order of name. Hidden files and folders are left out, links are
    followed, a folder met twice is entered once."""
    entered: set[tuple[int, int]] = set()
    waiting = [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        stat = os.stat(folder)  # noqa: PTH116 (270,000 files)
        if (stat.st_dev, stat.st_ino) in entered:
            continue
        entered.add((stat.st_dev, stat.st_ino))
        with _scandir(folder) as listing:
            entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda e: e.name)
        waiting += [entry.path for entry in reversed(entries) if entry.is_dir()]
        for entry in entries:
            if not entry.is_dir():
                yield found(entry.path)


def _scandir(folder: str) -> Any:
    """To skip a folder that cannot be read would be to forget its songs."""
    try:
        return os.scandir(folder)
    except PermissionError as error:
        why = f"{folder}: this folder cannot be read; permit it, or hide it by a dot"
        raise PermissionError(error.errno, why) from error


def found(path: str | os.PathLike[str]) -> FoundFile:
    try:
        stat = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return FoundFile(os.fspath(path), -1, 0)
    return FoundFile(os.fspath(path), stat.st_size, stat.st_mtime_ns)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
