"""Does ingest's memory stay flat? Peak memory of `songcreator ingest` over songs whose files are all measured already.

Files of no length stand for the songs, and what ingest knows of them (levels, 256 fingerprint keys, 40 lines of
lyrics) is made up, so nothing is decoded: what is measured is what ingest holds of every song at once, the search for
copies included. A tenth of the songs, then all of them, against the limit the project sets itself: 2 GB.

    python benchmarks/ingest_memory.py [--json FILE] [--quick]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from table import Row, report

from stages.contract.digests import digest
from stages.contract.files import found
from stages.ingest.cache import Cache
from stages.ingest.fingerprint import N_KEYS, Fingerprint
from stages.ingest.pool import Probed, Task
from stages.ingest.probe import AudioFacts, LyricsFacts

LIMIT_MB = 2048.0
PER_FOLDER = 1000
N_WORDS = 400
MEASURE = (
    "import resource, sys; from stages.__main__ import main; code = main(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024); sys.exit(code)"
)


def put_songs(root: Path, cache: Cache, numbers: range) -> None:
    lines = tuple({"text": f"line {k} of a song", "start_s": 2.0 * k, "end_s": 2.0 * k + 1.8} for k in range(40))
    random = np.random.default_rng(numbers.start)
    for number in numbers:
        audio = root / f"songs/{number // PER_FOLDER:04d}/{number:06d} a title of usual length.flac"
        audio.parent.mkdir(parents=True, exist_ok=True)
        lyrics = audio.with_suffix(".lrc")
        for path in (audio, lyrics):
            path.touch()
        facts = AudioFacts(digest([number]), "", 113.0, 44_100, 2, 0, 9_966_600, -10.0, -14.0, -1.0, 0.0, 0.0)
        words = random.integers(1, 2**32, N_WORDS, dtype=np.uint32)
        keys = np.sort(random.integers(0, 2**32, N_KEYS, dtype=np.uint32))
        fingerprint = Fingerprint(words, keys, np.arange(N_KEYS, dtype=np.int32))
        cache.put(Probed(Task("audio", found(audio)), audio=facts, fingerprint=fingerprint))
        cache.put(Probed(Task("lyrics", found(lyrics)), lyrics=LyricsFacts(lines, language="en")))


def peak_mb(root: Path) -> float:
    """Of a catalogue from nothing."""
    (root / "params.yaml").write_text(json.dumps({"ingest": {"songs": "songs", "shard_size": 512}}))
    command = [sys.executable, "-c", MEASURE, "ingest", "--cache", "cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode or "; 0 looked at anew" not in done.stderr:
        sys.exit(done.stderr[-2000:])
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="20,000 songs instead of 270,000")
    args = parser.parse_args()
    n_songs = 20_000 if args.quick else 270_000
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        root, first = Path(folder), 0
        for n in (n_songs // 10, n_songs):
            with Cache(root / "cache") as cache:
                put_songs(root, cache, range(first, n))
            rows[f"songs_{n}"] = Row(peak_mb(root), LIMIT_MB, "MB", 1, "the limit we set")
            first = n
    report("memory of ingest", rows, args.json)


if __name__ == "__main__":
    main()
