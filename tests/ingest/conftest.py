"""A workshop per test: an empty songs folder, shards of three songs."""

from pathlib import Path

import pytest
from ingest_workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "songs").mkdir()
    return Workshop(tmp_path, {"shard_size": 3})
